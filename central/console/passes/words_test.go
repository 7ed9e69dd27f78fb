package passes_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/console/passes"
)

func TestWords(t *testing.T) { consoletest.CheckWords(t, passes.Files, ".", passes.Words, 150) }

// TestWordsOfCode holds what code says, here and where orders are read as text,
// to the table.
func TestWordsOfCode(t *testing.T) {
	texts := map[string]bool{}
	for glob, patterns := range map[string][]string{
		"*.go":                    {`say\(r, ("(?:[^"\\]|\\.)*")`, `refuse\(r, office\.Err[A-Za-z]+, ("(?:[^"\\]|\\.)*")`},
		"../../office/fields.go":  {`p\.wrong\([^\n]*?, ("[^"\n]*"), (?:""|shorten|strconv)`},
		"../../sheet/sheet.go":    {`fault\(("[^"]+")`, `refuse\(("[^"]+")`},
		"../../server/imports.go": {`Text: ("[^"]+")`},
	} {
		paths, err := filepath.Glob(glob)
		if err != nil || len(paths) == 0 {
			t.Fatal(glob, err)
		}
		found := 0
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, pattern := range patterns {
				for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(data, -1) {
					if text, err := strconv.Unquote(string(m[1])); err == nil {
						texts[text] = true
						found++
					}
				}
			}
		}
		if found < 3 {
			t.Errorf("%s: %d texts found", glob, found)
		}
	}
	for text := range texts {
		if !console.Translated(passes.Words, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
	if len(texts) < 90 {
		t.Errorf("%d texts found", len(texts))
	}
}
