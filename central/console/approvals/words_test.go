package approvals_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"turnstile/central/console"
	"turnstile/central/console/approvals"
	"turnstile/central/console/consoletest"
)

func TestWords(t *testing.T) {
	consoletest.CheckWords(t, approvals.Files, ".", approvals.Words, 40)
	data, err := os.ReadFile("approvals.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?:say\(r|refuse\(r, office\.Err[A-Za-z]+), ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(data, -1)
	for _, m := range found {
		if text, err := strconv.Unquote(string(m[1])); err != nil || !console.Translated(approvals.Words, text) {
			t.Errorf("no Chinese for %s", m[1])
		}
	}
	if len(found) < 15 {
		t.Errorf("%d texts in the code", len(found))
	}
}
