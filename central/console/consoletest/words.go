package consoletest

import (
	"io/fs"
	"testing"

	"turnstile/central/console"
	"turnstile/central/page/pagetest"
)

// CheckWords fails the test for each text of the templates below files, and of
// the Go files of the folder, that has no Chinese, in the page's words or in the
// console's. It fails as well if it finds fewer than least texts.
func CheckWords(t *testing.T, files fs.FS, folder string, words console.Words, least int) {
	t.Helper()
	pagetest.CheckWords(t, console.Translated, files, folder, words, least)
}
