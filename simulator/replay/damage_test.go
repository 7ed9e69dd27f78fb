package replay

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/firmware-bridge/gate"
)

// TestDamage: a copy that came to harm is refused with what is wrong with it, and
// captures of other scanners are no findings without a hint.
func TestDamage(t *testing.T) {
	t.Parallel()
	data, scans := record(t, "issue alumna ecard", "scan north alumna", "wait 1s", "advance 1m", "scan north text=https://example.org/", "wait 1s")
	segments, err := filepath.Glob(filepath.Join(data, "journal", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	segment := filepath.Join("journal", filepath.Base(segments[0]))
	run := func(scans map[Scanner]string, file string, change func(b []byte) []byte) (*Report, error) {
		t.Helper()
		folder := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(folder, os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		spoil(t, filepath.Join(folder, file), change)
		return Run(t.Context(), Options{Data: folder, Captures: scans, Speed: 3600, Check: inChild})
	}
	clean := func(b []byte) []byte { return make([]byte, len(b)) }
	for name, x := range map[string]struct {
		file   string
		change func(b []byte) []byte
		kind   error
		says   string
	}{
		"journal with another bit": {segment, func(b []byte) []byte { b[len(bytes.TrimRight(b, "\x00"))-200] ^= 4; return b }, nil, "1 segments"},
		"journal of zeros":         {segment, clean, nil, "journal"},
		"cache of zeros":           {cacheFile, clean, ErrNothing, "copy the whole folder"},
		"half a cache":             {cacheFile, func(b []byte) []byte { return b[:len(b)/2] }, ErrNothing, "copy the whole folder"},
		"cache with other bits":    {cacheFile, otherBits, ErrNothing, "copy the whole folder"},
		"gate keys of zeros":       {gateFile, clean, ErrNothing, "gate keys"},
	} {
		if r, err := run(scans, x.file, x.change); err == nil || x.kind != nil && !errors.Is(err, x.kind) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "goroutine") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	as := func(s Scanner) map[Scanner]string { return map[Scanner]string{s: scans[Scanner{1, gate.In}]} }
	for s, fits := range map[Scanner]bool{{1, gate.In}: true, {1, gate.Out}: false, {2, gate.In}: false} {
		r, err := run(as(s), cacheFile, func(b []byte) []byte { return b })
		if err != nil {
			t.Fatal(s, err)
		}
		var text bytes.Buffer
		r.Text(&text)
		if hint := strings.Contains(text.String(), "--scans"); hint == fits || (r.Unexplained() == 0) != fits {
			t.Errorf("%v: %s", s, text.String())
		}
	}
}

// otherBits turns a bit in most of the file's pages.
func otherBits(b []byte) []byte {
	for i := 5000; i < len(b); i += 700 {
		b[i] ^= 1
	}
	return b
}

func spoil(t *testing.T, path string, change func(b []byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
