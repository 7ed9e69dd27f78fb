package issuer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/pass"
)

// TestKeysetAfterRestoration: a key folder that comes back without its keyset makes
// one with the same keys, and a version above all that went out before.
func TestKeysetAfterRestoration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	day := pass.DayOf(now)
	versions := []uint64{}
	var keys []int
	for range 2 {
		i, err := Open(dir, "campus", []byte("correct horse"), now)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Renew(day, day+30, false, now); err != nil {
			t.Fatal(err)
		}
		k, _, err := i.Keys()
		if err != nil {
			t.Fatal(err)
		}
		versions, keys = append(versions, k.Version), append(keys, len(k.Keys))
		if err := os.Remove(filepath.Join(dir, keysetFile)); err != nil {
			t.Fatal(err)
		}
	}
	if versions[0] != 1 || versions[1] != uint64(now.Unix())+1 || keys[0] != keys[1] || keys[0] == 0 {
		t.Errorf("versions %v of %v keys", versions, keys)
	}
}
