package issuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
)

func containsAll(data []byte, parts ...string) bool {
	for _, p := range parts {
		if !bytes.Contains(data, []byte(p)) {
			return false
		}
	}
	return true
}

// ceremony makes three keys of which two must sign.
func ceremony(t *testing.T) ([]*RootKey, *link.Root) {
	t.Helper()
	r := &link.Root{Threshold: 2}
	var keys []*RootKey
	for range 3 {
		keys = append(keys, NewRootKey())
		r.Keys = append(r.Keys, keys[len(keys)-1].Public())
	}
	return keys, r
}

func options(dir string, root *link.Root, at time.Time) Options {
	return Options{Dir: dir, Site: site, Passphrase: phrase, Root: root, Now: at}
}

func request(t *testing.T, dir string) *Request {
	t.Helper()
	r, err := readRequest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func signAll(t *testing.T, r *Request, keys ...*RootKey) (list [][]byte) {
	t.Helper()
	for _, k := range keys {
		s, err := r.Sign(k)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// message returns what lanes get.
func message(t *testing.T, i *Issuer, at time.Time) *link.KeysMessage {
	t.Helper()
	if err := i.Renew(today, today+7, false, at); err != nil {
		t.Fatal(err)
	}
	_, data, err := i.Keys()
	if err != nil {
		t.Fatal(err)
	}
	m, err := link.ParseKeys(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestOfflineRoot starts a central that never has the root's keys.
func TestOfflineRoot(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	keys, root := ceremony(t)
	var wants *NoDelegation
	for range 2 { // a restart asks for the same
		if _, err := OpenWith(options(dir, root, now)); !errors.As(err, &wants) || wants.Threshold != 2 || wants.Keys != 3 {
			t.Fatalf("started without a delegation: %v", err)
		}
	}
	r := request(t, dir)
	stranger, _ := ceremony(t)
	if _, err := r.Sign(stranger[0]); !errors.Is(err, ErrNotRoot) {
		t.Errorf("a stranger's key signs: %v", err)
	}
	forged := *r
	forged.Roots = nil
	for _, k := range stranger {
		forged.Roots = append(forged.Roots, k.Public())
	}
	for what, signatures := range map[string][][]byte{
		"none": nil, "one": signAll(t, r, keys[0]), "the same twice": signAll(t, r, keys[1], keys[1]),
		"of another root": signAll(t, &forged, stranger...), "damaged": {[]byte("x"), signAll(t, r, keys[2])[0][:40]},
	} {
		if _, err := Install(options(dir, nil, now), signatures); !errors.Is(err, ErrTooFew) {
			t.Errorf("%s: %v", what, err)
		}
	}
	state, err := Install(options(dir, nil, now), signAll(t, r, keys[0], keys[2]))
	if err != nil || state.Version != 1 || !state.Offline || state.Request != "" {
		t.Fatalf("%+v, %v", state, err)
	}
	for _, named := range []*link.Root{root, nil} { // the folder knows its root from now on
		i, err := OpenWith(options(dir, named, now))
		if err != nil {
			t.Fatal(err)
		}
		m := message(t, i, now)
		if _, err := m.OpenDelegation(site, *root); err != nil || !sameRoot(i.Root(), *root) {
			t.Errorf("lanes refuse it: %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "root.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a root key in the folder: %v", err)
	}
	if _, err := Install(options(dir, nil, now), nil); !errors.Is(err, ErrNoRequest) {
		t.Errorf("install with no request: %v", err)
	}
}

// TestDelegationEnds: an offline root is asked in time, and central takes what
// was installed while it runs.
func TestDelegationEnds(t *testing.T) {
	dir := t.TempDir()
	cheap(t, dir)
	keys, root := ceremony(t)
	if _, err := OpenWith(options(dir, root, now)); err == nil {
		t.Fatal("started without a delegation")
	}
	if _, err := Install(options(dir, nil, now), signAll(t, request(t, dir), keys[0], keys[1])); err != nil {
		t.Fatal(err)
	}
	i, err := OpenWith(options(dir, root, now))
	if err != nil {
		t.Fatal(err)
	}
	early := now.Add(delegationLife - DelegationWarn - time.Hour)
	message(t, i, early)
	if s, err := i.Delegation(); err != nil || s.Request != "" {
		t.Errorf("asked too early: %+v, %v", s, err)
	}
	late := early.Add(2 * time.Hour)
	message(t, i, late)
	if s, err := i.Delegation(); err != nil || s.Request == "" || s.Expires.Sub(late) > DelegationWarn {
		t.Fatalf("not asked in time: %+v, %v", s, err)
	}
	if _, err := Install(options(dir, nil, late), signAll(t, request(t, dir), keys[1], keys[2])); err != nil {
		t.Fatal(err)
	}
	m := message(t, i, late.Add(time.Minute)) // no restart
	d, err := m.OpenDelegation(site, *root)
	if s, _ := i.Delegation(); err != nil || d.Version != 2 || s.Request != "" || s.Version != 2 || s.Problem != nil {
		t.Errorf("after the second ceremony: %+v, %v; %+v", d, err, s)
	}
}

// TestRotation changes an installation from one key to 2 of 3, and then to three
// other keys, and dies at each durable step. Lanes that missed the first change
// follow both.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	first := openIn(t, dir)
	old := first.Root()
	keys, root := ceremony(t)
	i, err := OpenWith(options(dir, root, now))
	if err != nil {
		t.Fatalf("a running installation goes on until its new root has signed: %v", err)
	}
	if s, err := i.Delegation(); err != nil || s.Request == "" || s.Offline {
		t.Fatalf("%+v, %v", s, err)
	}
	r := request(t, dir)
	if r.Version != 2 || r.Before == nil || !sameRoot(*r.Before, old) {
		t.Fatalf("%+v", r)
	}
	if _, err := Install(options(dir, nil, now), signAll(t, r, keys[1])); !errors.Is(err, ErrTooFew) {
		t.Fatalf("one of the new root and the old one: %v", err)
	}
	ownKey, err := os.ReadFile(filepath.Join(dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Install(options(dir, nil, now), signAll(t, r, keys[1], keys[2])); err != nil {
		t.Fatal(err)
	}
	if d, err := message(t, i, now).OpenDelegation(site, old); err != nil || d.Version != 2 || len(d.Roots) != 3 {
		t.Fatalf("a lane with the old root: %+v, %v", d, err)
	}
	// the power went away before root.json was written and root.key removed
	if err := errors.Join(os.Remove(filepath.Join(dir, rootFile)), os.WriteFile(filepath.Join(dir, "root.key"), ownKey, 0o600)); err != nil {
		t.Fatal(err)
	}
	if i, err = OpenWith(options(dir, root, now)); err != nil || i.own != nil {
		t.Fatalf("own root %v: %v", i.own, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "root.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old root's key is still there: %v", err)
	}
	rotateAgain(t, dir, old, *root, keys)
}

func rotateAgain(t *testing.T, dir string, first, second link.Root, keys []*RootKey) {
	t.Helper()
	fresh, third := ceremony(t)
	i, err := OpenWith(options(dir, third, now))
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, dir)
	for what, by := range map[string][]*RootKey{"new alone": fresh, "old alone": keys, "old and one new": {keys[0], keys[1], fresh[0]}} {
		if _, err := Install(options(dir, nil, now), signAll(t, r, by...)); !errors.Is(err, ErrTooFew) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Install(options(dir, nil, now), signAll(t, r, keys[0], keys[2], fresh[0], fresh[1])); err != nil {
		t.Fatal(err)
	}
	m := message(t, i, now)
	for trusted, steps := first, 0; ; steps++ { // the message is retained: a lane sees it again
		d, err := m.OpenDelegation(site, trusted)
		if err != nil || steps > 2 {
			t.Fatalf("a lane of the first root, step %d: %v", steps, err)
		}
		if trusted = rootOf(d); sameRoot(trusted, *third) {
			break
		}
		if steps == 0 && !sameRoot(trusted, second) {
			t.Errorf("step %d leads to %+v", steps, trusted)
		}
	}
	data, err := m.Encode()
	if err != nil || len(data) > 4<<10 {
		t.Errorf("the message has %d bytes: %v", len(data), err)
	}
}

// TestOldFolder opens a folder of the version before, whose delegation's file was
// one signature.
func TestOldFolder(t *testing.T) {
	dir := t.TempDir()
	i := openIn(t, dir)
	if err := os.WriteFile(filepath.Join(dir, delegationFile), i.delegations[0], 0o600); err != nil {
		t.Fatal(err)
	}
	again := openIn(t, dir)
	if again.delegation.Version != 1 || again.own == nil {
		t.Errorf("%+v", again.delegation)
	}
	if err := os.WriteFile(filepath.Join(dir, delegationFile), i.delegations[0][:50], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, site, phrase, now); !errors.Is(err, ErrDamagedKeys) {
		t.Errorf("a damaged delegation: %v", err)
	}
	message(t, again, now)
	if s, err := again.Delegation(); err != nil || s.Problem == nil {
		t.Errorf("a running central does not say so: %+v, %v", s, err)
	}
}

func TestShares(t *testing.T) {
	k := NewRootKey()
	file, err := k.Seal([]byte("a share's own words"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenRootKey(file, []byte("a share's own words"))
	if err != nil || !again.Public().Equal(k.Public()) {
		t.Fatal(err)
	}
	if _, err := OpenRootKey(file, []byte("somebody else's")); !errors.Is(err, ErrSharePassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if _, err := k.Seal([]byte("short")); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("a short passphrase: %v", err)
	}
	var f map[string]any
	if json.Unmarshal(file, &f) != nil || bytes.Contains(file, k.seed) {
		t.Error("the file is no JSON, or holds the seed")
	}
	for what, bad := range map[string][]byte{"empty": nil, "cut": file[:len(file)/2], "long": make([]byte, maxShare+1), "foreign": []byte(`{"version":1}`)} {
		if _, err := OpenRootKey(bad, phrase); !errors.Is(err, ErrShare) {
			t.Errorf("%s file: %v", what, err)
		}
	}
	checkPaper(t, k)
}

// checkPaper types a key from paper, well and badly.
func checkPaper(t *testing.T, k *RootKey) {
	t.Helper()
	text := k.Text()
	for _, good := range []string{text, strings.ToLower(text), strings.ReplaceAll(text, " ", "   "), strings.ReplaceAll(strings.ReplaceAll(text[len(shareTitle):], "O", "0"), "B", "8"), "\n\n" + text} {
		got, err := ParseRootKey(good)
		if err != nil || !got.Public().Equal(k.Public()) {
			t.Errorf("%q: %v", good, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	tried := 0
	for n := 1; n <= shareLines; n++ {
		for at := 3; at < len(lines[n]); at++ {
			if lines[n][at] == ' ' {
				continue
			}
			wrong := []byte(lines[n])
			wrong[at] = 'A' + (wrong[at]-'A'+1)%26
			bad := strings.Join(append(append(append([]string{}, lines[:n]...), string(wrong)), lines[n+1:]...), "\n")
			if _, err := ParseRootKey(bad); !errors.Is(err, ErrShare) {
				t.Errorf("a wrong character in line %d is not noticed: %v", n, err)
			}
			tried++
		}
	}
	other := strings.Split(NewRootKey().Text(), "\n")
	mixed := strings.Join(append(append([]string{}, lines[:3]...), other[3:]...), "\n")
	for what, bad := range map[string]string{"two keys mixed": mixed, "lines swapped": strings.Join([]string{lines[2], lines[1], lines[3], lines[4], lines[5]}, "\n"), "a line missing": strings.Join(lines[:5], "\n"), "a line too many": text + lines[1]} {
		if _, err := ParseRootKey(bad); !errors.Is(err, ErrShare) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if tried != shareLines*16 {
		t.Errorf("%d characters tried", tried)
	}
}

func FuzzParseRootKey(f *testing.F) {
	f.Add(NewRootKey().Text())
	f.Add("turnstile-root-1\n1  AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseRootKey(text)
		if err != nil {
			return
		}
		if again, err := ParseRootKey(k.Text()); err != nil || !again.Public().Equal(k.Public()) {
			t.Error("a key that is another when it is printed")
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"site":"campus","version":1,"roots":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"threshold":1,"keyset":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"status":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"expires":"2028-11-21T00:00:00Z"}`))
	f.Add([]byte(`{"threshold":300}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRequest(data)
		if err != nil {
			return
		}
		if d := r.delegation(); d.Threshold == 0 || int(d.Threshold) > len(d.Roots) {
			t.Errorf("%+v", d)
		}
	})
}
