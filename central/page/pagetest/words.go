// Package pagetest holds the pages of a surface to their words in both languages,
// for tests.
package pagetest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"turnstile/central/page"
)

// texts are the places where a page has English to be translated.
var texts = []*regexp.Regexp{
	regexp.MustCompile(`\.T ("(?:[^"\\]|\\.)*")`),                              // templates
	regexp.MustCompile(`\.Say\([a-zA-Z.]+, ("(?:[^"\\]|\\.)*")`),               // code, with the page's words
	regexp.MustCompile(`\.Page(?:Status)?\([^"]*"[^"]+", ("(?:[^"\\]|\\.)*")`), // titles
}

// framed are the places where only the frame's words are looked up.
var framed = regexp.MustCompile(`\.(?:T|Flash|Wrong)\(("(?:[^"\\]|\\.)*")`)

// Translated reports whether a text has Chinese, in the words or in those of a
// surface's frame.
type Translated func(words page.Words, text string) bool

// CheckWords fails the test for each text of the templates below files, and of
// the Go files of the folder, that has no Chinese, in the page's words or in the
// frame's. It fails as well if it finds fewer than least texts.
func CheckWords(t *testing.T, translated Translated, files fs.FS, folder string, words page.Words, least int) {
	t.Helper()
	found := map[string]bool{}
	collect := func(data []byte) {
		for _, re := range texts {
			for _, m := range re.FindAllSubmatch(data, -1) {
				if text, err := strconv.Unquote(string(m[1])); err == nil {
					found[text] = true
				}
			}
		}
	}
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".html") {
			return err
		}
		data, err := fs.ReadFile(files, path)
		collect(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		collect(data)
		for _, m := range framed.FindAllSubmatch(data, -1) {
			if text, err := strconv.Unquote(string(m[1])); err == nil && text != "%s" && !translated(nil, text) {
				t.Errorf("%s: the frame has no Chinese for %q", path, text)
			}
		}
	}
	for text := range found {
		if !translated(words, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
	if len(found) < least {
		t.Errorf("%d texts found, want at least %d", len(found), least)
	}
}
