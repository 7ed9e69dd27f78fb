package link_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"reflect"
	"slices"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// delegated returns a keys message whose delegation the named roots signed.
func delegated(t testing.TB, d *link.Delegation, roots ...string) *link.KeysMessage {
	m := &link.KeysMessage{Version: link.Version, Keyset: seal(t, signer("keyset"), link.TypeKeyset, exampleKeyset())}
	for _, r := range roots {
		m.Delegation = append(m.Delegation, seal(t, signer(r), link.TypeDelegation, d))
	}
	return m
}

func roots(threshold int, names ...string) link.Root {
	r := link.Root{Threshold: threshold}
	for _, n := range names {
		r.Keys = append(r.Keys, signer(n).public())
	}
	return r
}

func exampleRoot() link.Root { return roots(2, "root 1", "root 2", "root 3") }

func TestKeysMessage(t *testing.T) {
	wire, err := delegated(t, exampleDelegation(), "root 1", "root 3").Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := link.ParseKeys(wire)
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.OpenDelegation(site, exampleRoot())
	if err != nil || !reflect.DeepEqual(d, exampleDelegation()) {
		t.Fatalf("%+v, %v", d, err)
	}
	k, err := m.OpenKeyset(site, d)
	if err != nil || !reflect.DeepEqual(k, exampleKeyset()) {
		t.Fatalf("%+v, %v", k, err)
	}
	key, ok := k.Find(48)
	if !ok || !key.Signs(pass.Staff, today) || key.Signs(pass.Guest, today) || key.Signs(pass.Staff, today+11) || key.Signs(pass.Staff, today-4) || key.Signs(19, today) {
		t.Errorf("%+v", key)
	}
	if _, ok := k.Find(49); ok {
		t.Error("key 49 is there")
	}
}

// TestDelegationRefused counts signatures as a thief of one root key would like.
func TestDelegationRefused(t *testing.T) {
	d := exampleDelegation()
	other := exampleDelegation()
	other.Version = 3
	for what, c := range map[string]struct {
		m    *link.KeysMessage
		site string
		root link.Root
		want error
	}{
		"no signature":                 {delegated(t, d), site, exampleRoot(), link.ErrForged},
		"one of two":                   {delegated(t, d, "root 1"), site, exampleRoot(), link.ErrForged},
		"one twice":                    {delegated(t, d, "root 1", "root 1"), site, exampleRoot(), link.ErrForged},
		"one and a stranger":           {delegated(t, d, "root 1", "root 9"), site, exampleRoot(), link.ErrForged},
		"one each of two documents":    {mixed(delegated(t, d, "root 1"), delegated(t, other, "root 2")), site, exampleRoot(), link.ErrForged},
		"another site":                 {delegated(t, d, "root 1", "root 2"), "other", exampleRoot(), link.ErrForged},
		"a root listed twice":          {delegated(t, d, "root 1"), site, roots(2, "root 1", "root 1"), link.ErrForged},
		"no threshold":                 {delegated(t, d, "root 1", "root 2"), site, roots(0, "root 1"), link.ErrMalformed},
		"a root key of 31 bytes":       {delegated(t, d, "root 1", "root 2"), site, link.Root{Threshold: 1, Keys: []ed25519.PublicKey{make([]byte, 31)}}, link.ErrForged},
		"17 signatures":                {delegated(t, d, slices.Repeat([]string{"root 1"}, 17)...), site, exampleRoot(), link.ErrMalformed},
		"without its own new roots":    {delegated(t, ownRoots(2, "root 4", "root 5"), "root 1", "root 2"), site, exampleRoot(), link.ErrForged},
		"with one of two new roots":    {delegated(t, ownRoots(2, "root 4", "root 5"), "root 1", "root 2", "root 4"), site, exampleRoot(), link.ErrForged},
		"a lower threshold of its own": {delegated(t, ownRoots(1, "root 1"), "root 1"), site, exampleRoot(), link.ErrForged},
		"signed by a role, not root":   {delegated(t, d, "status", "keyset"), site, exampleRoot(), link.ErrForged},
	} {
		_, err := c.m.OpenDelegation(c.site, c.root)
		wantError(t, what, err, c.want)
	}
}

func ownRoots(threshold uint8, names ...string) *link.Delegation {
	d := exampleDelegation()
	d.Roots, d.Threshold = roots(1, names...).Keys, threshold
	return d
}

func mixed(a, b *link.KeysMessage) *link.KeysMessage {
	a.Delegation = append(a.Delegation, b.Delegation...)
	return a
}

// TestDelegationHandover: new roots come in with the signatures of both, and a
// stray older document beside the good one does not hide it.
func TestDelegationHandover(t *testing.T) {
	next := ownRoots(2, "root 3", "root 4", "root 5")
	m := delegated(t, next, "root 1", "root 3", "root 4")
	if d, err := m.OpenDelegation(site, exampleRoot()); err != nil || !reflect.DeepEqual(d, next) {
		t.Errorf("%+v, %v", d, err)
	}
	stray := mixed(delegated(t, exampleDelegation(), "root 1"), m)
	if d, err := stray.OpenDelegation(site, exampleRoot()); err != nil || !reflect.DeepEqual(d, next) {
		t.Errorf("with a stray one: %+v, %v", d, err)
	}
	if d, err := m.OpenDelegation(site, link.Root{Keys: next.Roots, Threshold: int(next.Threshold)}); err != nil || !reflect.DeepEqual(d, next) {
		t.Errorf("by who trusts the new ones: %+v, %v", d, err)
	}
}

func TestDelegationMalformed(t *testing.T) {
	for what, change := range map[string]func(d *link.Delegation){
		"threshold 0":          func(d *link.Delegation) { d.Threshold = 0 },
		"threshold 4 of 3":     func(d *link.Delegation) { d.Threshold = 4 },
		"a root of 31 bytes":   func(d *link.Delegation) { d.Roots[2] = d.Roots[2][:31] },
		"a keyset of 33 bytes": func(d *link.Delegation) { d.Keyset[0] = append(slices.Clone(d.Keyset[0]), 0) },
		"an empty status key":  func(d *link.Delegation) { d.Status = append(d.Status, nil) },
	} {
		d := exampleDelegation()
		change(d)
		_, err := delegated(t, d, "root 1", "root 2").OpenDelegation(site, exampleRoot())
		wantError(t, what, err, link.ErrMalformed)
	}
}

func TestKeysetRefused(t *testing.T) {
	m := &link.KeysMessage{Version: link.Version, Keyset: seal(t, signer("status"), link.TypeKeyset, exampleKeyset())}
	_, err := m.OpenKeyset(site, exampleDelegation())
	wantError(t, "a keyset by the status role", err, link.ErrUnknown)
	for what, change := range map[string]func(k *link.Keyset){
		"ids out of order":  func(k *link.Keyset) { slices.Reverse(k.Keys) },
		"an id twice":       func(k *link.Keyset) { k.Keys[1].ID = k.Keys[0].ID },
		"a key of 31 bytes": func(k *link.Keyset) { k.Keys[1].Public = k.Keys[1].Public[:31] },
		"257 keys": func(k *link.Keyset) {
			*k = *largestKeyset()
			k.Keys = append(k.Keys, link.PassKey{ID: 65535, Public: hashOf("k")})
		},
	} {
		k := exampleKeyset()
		change(k)
		wantError(t, what, k.Check(), link.ErrMalformed)
		m.Keyset = seal(t, signer("keyset"), link.TypeKeyset, k)
		_, err := m.OpenKeyset(site, exampleDelegation())
		wantError(t, what, err, link.ErrMalformed)
	}
}

func TestParseKeysRefuses(t *testing.T) {
	_, err := link.ParseKeys(make([]byte, link.MaxDocument+1))
	wantError(t, "too large", err, link.ErrOversized)
	_, err = link.ParseKeys([]byte("hello"))
	wantError(t, "no CBOR", err, link.ErrMalformed)
	_, err = link.ParseKeys([]byte{0xa1, 0x00, 0x02})
	wantError(t, "version 2", err, link.ErrVersion)
	_, err = link.ParseKeys([]byte{0xa0})
	wantError(t, "no version", err, link.ErrVersion)
}

func dayKeys() []link.DayKey {
	return []link.DayKey{{Day: today, Key: pass.GateKey(hash("gate today"))}, {Day: today + 1, Key: pass.GateKey(hash("gate tomorrow"))}}
}

func TestGateKeys(t *testing.T) {
	own := sealKey(t)
	old := &link.GateKeys{Lane: lane, Sealed: unhex(t, sealedGateKeys)}
	if got, err := old.Unseal(site, own); err != nil || !slices.Equal(got, dayKeys()) {
		t.Errorf("the box in the golden file: %v, %v", got, err)
	}
	g, err := link.SealGateKeys(site, lane, 6, own.PublicKey(), dayKeys())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := g.Unseal(site, own); err != nil || !slices.Equal(got, dayKeys()) || g.Version != 6 {
		t.Errorf("%v, %v", got, err)
	}
	if bytes.Contains(g.Sealed, hashOf("gate today")) {
		t.Error("the key is readable")
	}
	thief, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Unseal(site, thief)
	wantError(t, "another lane's key", err, link.ErrForged)
	_, err = g.Unseal("other", own)
	wantError(t, "another site", err, link.ErrForged)
	g.Lane = "north-2"
	_, err = g.Unseal(site, own)
	wantError(t, "another lane's name", err, link.ErrForged)
	for n := range old.Sealed {
		_, err := (&link.GateKeys{Lane: lane, Sealed: old.Sealed[:n]}).Unseal(site, own)
		wantError(t, "a cut box", err, link.ErrForged)
	}
}

func FuzzParseKeys(f *testing.F) {
	wire, err := delegated(f, exampleDelegation(), "root 1", "root 2").Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add([]byte{0xa1, 0x00, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := link.ParseKeys(data)
		if err != nil {
			return
		}
		d, err := m.OpenDelegation(site, exampleRoot())
		if err != nil {
			return
		}
		if !reflect.DeepEqual(d, exampleDelegation()) {
			t.Fatalf("a delegation that nobody signed: %+v", d)
		}
	})
}
