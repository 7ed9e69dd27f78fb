package audit

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryActionHasWords finds the codes that central writes into its log, and
// those that it puts together out of two parts.
func TestEveryActionHasWords(t *testing.T) {
	found := map[string]bool{"bulk_running": true, "bulk_withdrawn": true, "import_running": true, "import_discarded": true, "register_running": true, "register_discarded": true, "set_approvals": true, "set_guests": true, "set_ecards": true,
		"application_approve": true, "application_reject": true, "hold": true, "release": true, "revoke": true, "open": true, "identify": true,
		"passkey_remove": true, "password_remove": true, "account_unlink": true, "account_export": true, "address_approve": true, "address_refuse": true}
	written := regexp.MustCompile(`\b[aA]udit\([^"\n]*(?:"(?:user:|lane )" ?\+ ?[a-zA-Z.]+, |"(?:central|restore|retention)", )?"([a-z]+[a-z_ ]*[a-z])"|database\.Deed\{.*Action: "([a-z_]+)"`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range written.FindAllSubmatch(text, -1) {
			found[string(m[1])+string(m[2])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for code := range found {
		if words := actions[code]; words.English == "" || words.Chinese == "" {
			t.Errorf("no words for %q", code)
		}
	}
	if len(found) < 55 {
		t.Errorf("%d actions found: %v", len(found), found)
	}
}
