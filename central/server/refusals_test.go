package server

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"turnstile/central/console"
	"turnstile/central/portal"
)

// TestRefusalsInChinese: what the services behind the pages refuse for is said in
// both languages.
func TestRefusalsInChinese(t *testing.T) {
	pattern := regexp.MustCompile(`office\.Refuse\(office\.Err\w+, ("(?:[^"\\]|\\.)*")`)
	// These are behind the API and the command line alone.
	apart := []string{"keys.go", "supervisor.go", "tokens.go", "webhooks.go"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if slices.Contains(apart, name) {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllSubmatch(data, -1) {
			text, err := strconv.Unquote(string(m[1]))
			if err != nil {
				t.Fatal(err)
			}
			// These may refuse holders alone.
			toHolders := strings.HasPrefix(name, "portal") && portal.Translated(nil, text)
			if found++; !toHolders && !console.Translated(nil, text) {
				t.Errorf("%s: no Chinese for %q", name, text)
			}
		}
	}
	if found < 75 {
		t.Errorf("%d refusals found", found)
	}
}
