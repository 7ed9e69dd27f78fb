package keyring

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/database/postgrestest"
	"turnstile/central/issuer"
	"turnstile/central/issuer/issuertest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	today = pass.DayOf(noon)
)

func options(dir string) issuer.Options {
	return issuer.Options{Dir: dir, Site: issuertest.Site, Passphrase: []byte("correct horse"), Now: noon}
}

// open opens a ring on a database of its own connection.
func open(t testing.TB, url, dir string) *Ring {
	t.Helper()
	r, err := Open(t.Context(), Config{DB: databasetest.Open(t, url), Options: options(dir), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Ring) mustRenew(t testing.TB, now time.Time) {
	t.Helper()
	day := pass.DayOf(now)
	if err := r.Renew(day-1, day+37, false, now); err != nil {
		t.Fatal(err)
	}
}

func (r *Ring) mustFollow(t testing.TB) bool {
	t.Helper()
	changed, err := r.Follow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

// keys returns the keyset in force; two rings with the same have the same bytes.
func (r *Ring) keys(t testing.TB) (link.Keyset, string) {
	t.Helper()
	k, message, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return k, string(message)
}

func TestSuite(t *testing.T) {
	issuertest.Suite(t, open(t, postgrestest.URL(t), t.TempDir()), noon)
}

// TestTwoRings: the second is filled from the database; what one makes or withdraws
// the other has, and neither makes it twice.
func TestTwoRings(t *testing.T) {
	url := postgrestest.URL(t)
	a := open(t, url, t.TempDir())
	b := open(t, url, filepath.Join(t.TempDir(), "new"))
	if a.AuthorityHash() != b.AuthorityHash() || a.GateKeyOf(t) != b.GateKeyOf(t) {
		t.Fatal("the second has other keys")
	}
	a.mustRenew(t, noon)
	if !b.mustFollow(t) || b.mustFollow(t) {
		t.Error("it does not follow, or without end")
	}
	b.mustRenew(t, noon)
	ka, ma := a.keys(t)
	kb, mb := b.keys(t)
	if ma != mb || len(ka.Keys) < 7 || ka.Version != kb.Version {
		t.Fatalf("%d keys of version %d here, %d of %d there", len(ka.Keys), ka.Version, len(kb.Keys), kb.Version)
	}
	later := noon.Add(14 * 24 * time.Hour)
	var wait sync.WaitGroup
	for _, r := range []*Ring{a, b} { // both find that weeks lack
		wait.Go(func() { r.mustRenew(t, later) })
	}
	wait.Wait()
	a.mustFollow(t)
	b.mustFollow(t)
	ka, ma = a.keys(t)
	if _, mb = b.keys(t); ma != mb {
		t.Fatal("they made different keys")
	}
	p := pass.Pass{Kind: pass.ECard, Day: pass.DayOf(later), Index: 7, Length: 6, Zones: 1}
	signed, signature, err := a.Mint(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Withdraw(signed.KeyID, later); err != nil {
		t.Fatal(err)
	}
	b.mustRenew(t, later.Add(time.Second))
	a.mustFollow(t)
	again, _, err := a.Mint(p)
	if err != nil || again.KeyID == signed.KeyID || len(signature) == 0 {
		t.Errorf("a key that the other one withdrew signs: %d, %v", again.KeyID, err)
	}
	if _, mb = b.keys(t); func() string { _, m := a.keys(t); return m }() != mb {
		t.Error("keysets differ after a withdrawal")
	}
	// A restart finds all of it, from the folder and the database.
	c := open(t, url, b.config.Options.Dir)
	if _, mc := c.keys(t); mc != mb {
		t.Error("keysets differ after a restart")
	}
}

// GateKeyOf is a secret that both must have.
func (r *Ring) GateKeyOf(t testing.TB) pass.GateKey {
	t.Helper()
	return r.current.Load().GateKey(today)
}

// TestCeremony: what a command does in one central's folder comes to the other.
func TestCeremony(t *testing.T) {
	url := postgrestest.URL(t)
	a, b := open(t, url, t.TempDir()), open(t, url, t.TempDir())
	a.mustRenew(t, noon)
	b.mustFollow(t)
	before := b.Status().KeyID()
	status := b.Status()
	if _, err := issuer.NewRoles(options(a.config.Options.Dir)); err != nil {
		t.Fatal(err)
	}
	a.mustRenew(t, noon.Add(2*renewEvery)) // its own root delegates to the new roles
	b.mustFollow(t)
	if a.Status().KeyID() == before || b.Status().KeyID() != a.Status().KeyID() || status.KeyID() != a.Status().KeyID() {
		t.Error("the roles did not change at both")
	}
	if _, err := os.Stat(filepath.Join(b.config.Options.Dir, "keyset-next.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what one removed is left at the other: %v", err)
	}
}

// TestForeign: a folder with keys of its own is not mixed with the database's.
func TestForeign(t *testing.T) {
	url, dir := postgrestest.URL(t), t.TempDir()
	open(t, url, t.TempDir())
	if _, err := issuer.OpenWith(options(dir)); err != nil {
		t.Fatal(err)
	}
	files, err := readFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{DB: databasetest.Open(t, url), Options: options(dir), Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, ErrForeign) {
		t.Fatalf("got %v, want ErrForeign", err)
	}
	if after, err := readFolder(dir); err != nil || len(after) != len(files) || string(after[authorityFile]) != string(files[authorityFile]) {
		t.Error("its keys were touched")
	}
	wrong := options(t.TempDir())
	wrong.Passphrase = []byte("another one")
	if _, err := Open(t.Context(), Config{DB: databasetest.Open(t, url), Options: wrong, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, issuer.ErrPassphrase) {
		t.Errorf("got %v, want ErrPassphrase", err)
	}
}

// TestNothingInClear: what is in the database is what is in the folder: each private
// key encrypted.
func TestNothingInClear(t *testing.T) {
	url := postgrestest.URL(t)
	a := open(t, url, t.TempDir())
	a.mustRenew(t, noon)
	var names []string
	_, err := a.config.DB.ChangeKeyFiles(t.Context(), func(files []database.KeyFile) ([]database.KeyFile, error) {
		for _, f := range files {
			names = append(names, f.Name)
			on, err := os.ReadFile(filepath.Join(a.config.Options.Dir, f.Name))
			if err != nil || string(on) != string(f.Data) {
				t.Errorf("%s differs: %v", f.Name, err)
			}
		}
		return nil, nil
	})
	if err != nil || len(names) < 12 || !slices.Contains(names, "root.key") || slices.Contains(names, baseFile) {
		t.Errorf("%v, %v", names, err)
	}
}

// TestNames: a name from the database is never a way out of the folder.
func TestNames(t *testing.T) {
	for _, name := range []string{"../x.key", "/etc/x.key", ".new-x.key", "x.sh", "a/b.key", baseFile} {
		if shared(name) {
			t.Errorf("%q is taken in", name)
		}
	}
	r := &Ring{config: Config{Options: options(t.TempDir()), Log: slog.New(slog.DiscardHandler)}, base: map[string]hash{}}
	if _, err := r.pull([]database.KeyFile{{Name: "../x.key", Data: []byte("x")}}); !errors.Is(err, issuer.ErrDamagedKeys) {
		t.Errorf("got %v", err)
	}
	if _, err := r.pull([]database.KeyFile{{Name: "x.key", Data: make([]byte, maxFile+1)}}); !errors.Is(err, issuer.ErrDamagedKeys) {
		t.Errorf("got %v", err)
	}
}
