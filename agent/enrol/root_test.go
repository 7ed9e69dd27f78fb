package enrol

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"turnstile/central/link"
)

func rootOf(t *testing.T) link.Root {
	t.Helper()
	k, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return link.Root{Keys: []ed25519.PublicKey{k}, Threshold: 1}
}

// TestKeepRoot: the newest root stands beside the identity, private and durable,
// and belongs to one enrolment.
func TestKeepRoot(t *testing.T) {
	dir := t.TempDir()
	if err := KeepRoot(dir, rootOf(t), 2); !errors.Is(err, ErrNone) {
		t.Fatalf("kept without an identity: %v", err)
	}
	a := newAuthority(t)
	enrolled, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir)
	if err != nil || enrolled.Delegation != 0 {
		t.Fatal(enrolled.Delegation, err)
	}
	second, third := rootOf(t), rootOf(t)
	for _, c := range []struct {
		root    link.Root
		version uint64
		want    link.Root
		kept    uint64
	}{{second, 4, second, 4}, {third, 6, third, 6}, {second, 4, third, 6}, {second, 6, third, 6}} {
		if err := KeepRoot(dir, c.root, c.version); err != nil {
			t.Fatal(err)
		}
		i, err := Load(dir)
		if err != nil || i.Delegation != c.kept || !i.Root.Keys[0].Equal(c.want.Keys[0]) {
			t.Fatalf("version %d: loaded %d, %v", c.version, i.Delegation, err)
		}
	}
	if err := KeepRoot(dir, link.Root{Threshold: 1}, 9); err == nil {
		t.Error("kept a root without keys")
	}
	name := filepath.Join(dir, RootFile)
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if i, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir); err != nil || i.Delegation != 0 || !i.Root.Keys[0].Equal(enrolled.Root.Keys[0]) {
		t.Errorf("another enrolment has the earlier one's root: %d, %v", i.Delegation, err)
	}
}

// TestRootFileDamaged: it is refused, never passed over for an older root.
func TestRootFileDamaged(t *testing.T) {
	dir := t.TempDir()
	a := newAuthority(t)
	if _, err := Enrol(t.Context(), a.serve(t), link.NewEnrolToken(a.hash()), dir); err != nil {
		t.Fatal(err)
	}
	if err := KeepRoot(dir, rootOf(t), 2); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, RootFile)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"empty": nil, "torn": good[:len(good)/2], "no root": []byte(`{"version":1}`), "large": make([]byte, maxFile+1)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrOpen) {
		t.Errorf("readable by others: %v", err)
	}
}
