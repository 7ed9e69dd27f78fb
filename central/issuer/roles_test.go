package issuer

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"turnstile/central/link"
)

// copyFolder copies the files of a folder that are named, all without names.
func copyFolder(t *testing.T, from, to string, names ...string) {
	t.Helper()
	if len(names) == 0 {
		list, err := os.ReadDir(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			names = append(names, f.Name())
		}
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			err = os.Remove(filepath.Join(to, name))
		} else if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// follows reports the delegation that a lane gets which trusts a root and has
// nothing but one message.
func follows(t *testing.T, m *link.KeysMessage, root link.Root) *link.Delegation {
	t.Helper()
	d, err := m.OpenDelegation(site, root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.OpenKeyset(site, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// good checks that an issuer signs with what its message delegates to.
func good(t *testing.T, i *Issuer, root link.Root) *link.Delegation {
	t.Helper()
	d := follows(t, message(t, i, now), root)
	if len(d.Status) != 1 || len(d.Keyset) != 1 {
		t.Fatalf("%d and %d role keys", len(d.Status), len(d.Keyset))
	}
	head, err := link.Seal(i.Status(), link.TypeHead, site, link.Head{Seq: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := link.Open[link.Head](head, link.TypeHead, site, link.KeysOf(d.Status...), link.MaxHead); err != nil {
		t.Error(err)
	}
	gate, err := i.SealGateKeys(GateKeys{Lane: "N1", Version: 1, To: sealKey(t).PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := link.Open[link.GateKeys](gate, link.TypeGateKeys, site, link.KeysOf(d.Keyset...), link.MaxDocument); err != nil {
		t.Error(err)
	}
	return d
}

func opened(t *testing.T, dir string, root *link.Root) *Issuer {
	t.Helper()
	i, err := OpenWith(options(dir, root, now))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestNewRoles: central's own root delegates to new role keys while central runs;
// a power cut at any step ends with the same keys.
func TestNewRoles(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	if _, err := NewRoles(options(dir, nil, now)); !errors.Is(err, ErrNotStarted) {
		t.Fatalf("a folder that was never started: %v", err)
	}
	i := opened(t, dir, nil)
	root := i.Root()
	before := good(t, i, root)
	for range 2 { // again finds those that wait
		if s, err := NewRoles(options(dir, nil, now)); err != nil || s.Request != "" || s.Version != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
	cut := t.TempDir()
	copyFolder(t, dir, cut)
	after := good(t, i, root)
	if after.Version != 2 || after.Status[0].Equal(before.Status[0]) || after.Keyset[0].Equal(before.Keyset[0]) {
		t.Fatalf("delegation %d of the old keys", after.Version)
	}
	if keys := i.StatusKeys(); keys[link.IDOf(before.Status[0])] == nil || keys[link.IDOf(after.Status[0])] == nil {
		t.Error("what the status key before signed cannot be read any more")
	}
	for _, name := range []string{"keyset-next.key", "status-next.key"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	steps := []string{"delegation.cbor", "keyset.cbor", "former.key", "keyset.key", "status.key", "keyset-next.key", "status-next.key"}
	for n := range len(steps) + 1 {
		torn := t.TempDir()
		copyFolder(t, cut, torn)
		if n > 0 {
			copyFolder(t, dir, torn, steps[:n]...)
		}
		for range 2 {
			i := opened(t, torn, nil)
			d := good(t, i, root)
			if d.Version != 2 || !d.Status[0].Equal(after.Status[0]) || !d.Keyset[0].Equal(after.Keyset[0]) {
				t.Errorf("cut behind step %d: delegation %d, other keys", n, d.Version)
			}
			if i.StatusKeys()[link.IDOf(before.Status[0])] == nil {
				t.Errorf("cut behind step %d: the key before is forgotten", n)
			}
			if left, err := filepath.Glob(filepath.Join(torn, "*-next.key")); len(left) > 0 || err != nil {
				t.Errorf("cut behind step %d: %v left", n, left)
			}
		}
	}
}

// TestNewRolesInterrupted: one key alone of the two is nothing.
func TestNewRolesInterrupted(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	i := opened(t, dir, nil)
	before := good(t, i, i.Root())
	if err := i.vault.put("keyset-next", before.Keyset[0]); err != nil {
		t.Fatal(err)
	}
	if d := good(t, opened(t, dir, nil), i.Root()); d.Version != 1 || !d.Keyset[0].Equal(before.Keyset[0]) {
		t.Errorf("delegation %d", d.Version)
	}
}

// TestNewRolesOffline: an offline root is asked, and until enough of it signed
// nothing changes; a lane that slept through three changes needs the last message.
func TestNewRolesOffline(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	keys, root := ceremony(t)
	if _, err := OpenWith(options(dir, root, now)); err == nil {
		t.Fatal("started without a delegation")
	}
	if _, err := Install(options(dir, nil, now), signAll(t, request(t, dir), keys[0], keys[1])); err != nil {
		t.Fatal(err)
	}
	i := opened(t, dir, root)
	last := good(t, i, *root)
	for n := range 3 {
		old := request(t, dirOf(t, dir, root))
		s, err := NewRoles(options(dir, root, now))
		if err != nil || s.Request == "" {
			t.Fatalf("%+v, %v", s, err)
		}
		r := request(t, dir)
		if _, err := Install(options(dir, nil, now), signAll(t, old, keys[0], keys[1])); !errors.Is(err, ErrTooFew) {
			t.Fatalf("signatures to another request: %v", err)
		}
		if _, err := Install(options(dir, nil, now), signAll(t, r, keys[0])); !errors.Is(err, ErrTooFew) {
			t.Fatalf("one signature: %v", err)
		}
		if d := good(t, i, *root); d.Version != last.Version {
			t.Fatalf("delegation %d before anybody signed", d.Version)
		}
		if s, err := Install(options(dir, nil, now), signAll(t, r, keys[n], keys[(n+1)%3])); err != nil || s.Request != "" {
			t.Fatalf("%+v, %v", s, err)
		}
		d := good(t, i, *root) // the running one takes it
		if d.Version != last.Version+1 || d.Status[0].Equal(last.Status[0]) {
			t.Fatalf("delegation %d behind %d", d.Version, last.Version)
		}
		last = d
	}
	if d := good(t, opened(t, dir, root), *root); d.Version != last.Version || !d.Status[0].Equal(last.Status[0]) {
		t.Errorf("delegation %d after a start", d.Version)
	}
}

// TestCancelRoles: keys that wait for an offline root are given up, also while a
// process runs on the folder, which goes on with those in force and takes the next
// change. What is in force, or is central's own root's word, is not cancelled.
func TestCancelRoles(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	if _, err := CancelRoles(options(dir, nil, now)); !errors.Is(err, ErrNotStarted) {
		t.Fatalf("a folder that was never started: %v", err)
	}
	keys, root := ceremony(t)
	if _, err := OpenWith(options(dir, root, now)); err == nil {
		t.Fatal("started without a delegation")
	}
	if _, err := Install(options(dir, nil, now), signAll(t, request(t, dir), keys[0], keys[1])); err != nil {
		t.Fatal(err)
	}
	i := opened(t, dir, root)
	before := good(t, i, *root)
	change := func() [][]byte {
		t.Helper()
		if _, err := NewRoles(options(dir, root, now)); err != nil {
			t.Fatal(err)
		}
		return signAll(t, request(t, dir), keys[0], keys[1])
	}
	for range 2 {
		given := change()
		good(t, i, *root) // the running one knows of them
		if s, err := CancelRoles(options(dir, root, now)); err != nil || s.Version != before.Version || s.Request != "" {
			t.Fatalf("%+v, %v", s, err)
		}
		if d := good(t, i, *root); d.Version != before.Version || !d.Status[0].Equal(before.Status[0]) {
			t.Fatalf("delegation %d of other keys", d.Version)
		}
		if _, err := Install(options(dir, nil, now), given); !errors.Is(err, ErrNoRequest) {
			t.Fatalf("what was signed for keys that are gone: %v", err)
		}
		if _, err := CancelRoles(options(dir, root, now)); !errors.Is(err, ErrNoChange) {
			t.Fatalf("again: %v", err)
		}
	}
	if _, err := Install(options(dir, nil, now), change()); err != nil {
		t.Fatal(err)
	}
	if _, err := CancelRoles(options(dir, root, now)); !errors.Is(err, ErrNoChange) {
		t.Fatalf("keys that are delegated to, and no process has put in force yet: %v", err)
	}
	if _, err := NewRoles(options(dir, root, now)); !errors.Is(err, ErrUnsettled) {
		t.Fatalf("another change before that: %v", err)
	}
	stopped := t.TempDir() // nobody ran when the delegation was installed
	copyFolder(t, dir, stopped)
	for _, i := range []*Issuer{i, opened(t, stopped, root)} {
		if d := good(t, i, *root); d.Version != before.Version+1 || d.Status[0].Equal(before.Status[0]) {
			t.Errorf("delegation %d of the old keys", d.Version)
		}
	}
	if _, err := NewRoles(options(dir, root, now)); err != nil {
		t.Errorf("another change after that: %v", err)
	}
	own := t.TempDir()
	cheap(t, own)
	good(t, opened(t, own, nil), opened(t, own, nil).Root())
	if _, err := CancelRoles(options(own, nil, now)); !errors.Is(err, ErrOwnRoot) {
		t.Errorf("central's own root: %v", err)
	}
}

// dirOf returns a copy of a key folder whose central asks for the delegation to
// be renewed with the keys that it has.
func dirOf(t *testing.T, dir string, root *link.Root) string {
	t.Helper()
	other := t.TempDir()
	copyFolder(t, dir, other)
	i := opened(t, other, root)
	if err := i.Renew(today, today+7, false, now.Add(delegationLife-DelegationWarn/2)); err != nil {
		t.Fatal(err)
	}
	return other
}

func sealKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
