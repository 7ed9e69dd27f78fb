package rules_test

import (
	"os"
	"regexp"
	"testing"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/console/rules"
)

// TestWords holds the page to its Chinese words, those in tables and behind say
// included.
func TestWords(t *testing.T) {
	consoletest.CheckWords(t, rules.Files, ".", rules.Words, 60)
	data, err := os.ReadFile("describe.go")
	if err != nil {
		t.Fatal(err)
	}
	standing, err := os.ReadFile("standing.go")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, standing...)
	more := rules.Tables()
	for _, m := range regexp.MustCompile(`(?:say|yesNo)\((?:[^"()]*\(?[^"()]*\)?, )?"([^"]+)"(?:, "([^"]+)")?`).FindAllStringSubmatch(string(data), -1) {
		more = append(more, m[1])
		if m[2] != "" {
			more = append(more, m[2])
		}
	}
	reads, err := os.ReadFile("read.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`in\.wrong\([^"]*(?:"[^"]*"[^"]*)??, "([^"]+ [^"]+)"`).FindAllStringSubmatch(string(reads), -1) {
		more = append(more, m[1])
	}
	if len(more) < 50 {
		t.Errorf("%d texts found", len(more))
	}
	for _, text := range more {
		if !console.Translated(rules.Words, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
}
