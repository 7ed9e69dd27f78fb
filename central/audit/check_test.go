package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"turnstile/central/link"
)

type key struct{ ed25519.PrivateKey }

func (k key) KeyID() link.KeyID { return link.IDOf(k.Public().(ed25519.PublicKey)) }

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(k.PrivateKey, m), nil }

func newKey(seed byte) key {
	return key{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

// export writes a chain with a signed head after every second entry.
func export(t testing.TB, list []Entry, k key) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, Heading{Site: "campus", At: 1, Keys: [][]byte{k.Public().(ed25519.PublicKey)}})
	if err != nil {
		t.Fatal(err)
	}
	var head Hash
	for _, e := range list {
		if err := w.Entry(e); err != nil {
			t.Fatal(err)
		}
		if e.Number%2 == 0 {
			sealed, err := SealAnchor(k, "campus", Anchor{e.Number, e.At, link.Hash(e.Hash)})
			if err == nil {
				err = w.Anchor(sealed)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		head = e.Hash
	}
	if err := w.End(End{int64(len(list)), head}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExport(t *testing.T) {
	k := newKey(1)
	good := export(t, log(5), k)
	seen := int64(0)
	c, h, err := Check(bytes.NewReader(good), nil, func(e Entry) error { seen = e.Number; return nil })
	if err != nil || c.Number != 5 || c.Anchors != 2 || c.Anchored != 4 || c.Signers[k.KeyID()] != 2 || h.Site != "campus" || seen != 5 {
		t.Fatalf("%+v %v", c, err)
	}
	if _, _, err := Check(bytes.NewReader(good), link.KeysOf(newKey(2).Public().(ed25519.PublicKey)), nil); !errors.Is(err, ErrBroken) {
		t.Errorf("signed by a key that is not trusted: %v", err)
	}
	// Who can write the database, and not sign, rewrites all of it: the hashes are
	// good, the signed heads are not.
	forged := export(t, log(5), newKey(2))
	if _, _, err := Check(bytes.NewReader(forged), link.KeysOf(k.Public().(ed25519.PublicKey)), nil); !errors.Is(err, ErrBroken) {
		t.Errorf("rewritten: %v", err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(good), "\n"), "\n")
	if len(lines) != 9 {
		t.Fatalf("%d lines", len(lines))
	}
	for n := range lines { // a line less
		if _, _, err := Check(strings.NewReader(strings.Join(append(append([]string{}, lines[:n]...), lines[n+1:]...), "")), nil, nil); err == nil {
			if !strings.Contains(lines[n], `"anchor"`) {
				t.Errorf("without %.60s: good", lines[n])
			}
		} else if !errors.Is(err, ErrBroken) && !errors.Is(err, ErrMalformed) {
			t.Error(err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "no JSON": "x\n", "two in a line": strings.Replace(string(good), `{"entry"`, `{"audit":{},"entry"`, 1), "more after the end": string(good) + lines[1],
		"an unknown word": strings.Replace(string(good), `"by"`, `"bye"`, 1), "endless": `{"audit":{"version":1,"site":"` + strings.Repeat("x", maxLine), "an anchor moved": lines[0] + lines[1] + lines[3],
	} {
		if _, _, err := Check(strings.NewReader(text), nil, nil); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLongestLine: what can be written can be read.
func TestLongestLine(t *testing.T) {
	e := Next(Hash{}, Entry{Number: 1, By: strings.Repeat("\x01", MaxWord), Action: strings.Repeat("\x01", MaxWord), Subject: strings.Repeat("\x01", MaxWord), Detail: strings.Repeat("\x01", MaxDetail)})
	if _, _, err := Check(bytes.NewReader(export(t, []Entry{e}, newKey(1))), nil, nil); err != nil {
		t.Error(err)
	}
}

// TestExample holds FORMAT.md's worked example to the code.
func TestExample(t *testing.T) {
	e := Entry{Number: 1, At: 1795233600000, By: "user:chan", Action: "person_roles", Subject: "lee", Detail: "viewer -> issuer", Salt: []byte("0123456789abcdef")}
	e.Content = e.content()
	e.Hash = e.chain(Hash{})
	if e.Content.String() != exampleContent || e.Hash.String() != exampleHash {
		t.Errorf("content %s hash %s", e.Content, e.Hash)
	}
}

const (
	exampleContent = "d5343076467210d07ba2ad8c60f35b1b1fca5fc370a2343a8e255bdee565c6a3"
	exampleHash    = "a090b1c03cf8aebac4175180542202b885a0dccf44221dbccecddbb6858a677c"
)

func FuzzCheck(f *testing.F) {
	f.Add(export(f, log(3), newKey(1)))
	f.Add([]byte(`{"audit":{"version":1,"site":"campus","at":0,"keys":["AA=="]}}` + "\n" + `{"end":{"number":0,"head":"` + Hash{}.String() + `"}}`))
	f.Add([]byte("{}\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Check(bytes.NewReader(data), nil, nil)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrBroken) {
				t.Errorf("no error of ours: %v", err)
			}
			return
		}
		if c.Number > 0 && !bytes.Contains(data, []byte(c.Head.String())) {
			t.Error("a good chain whose head stands nowhere")
		}
	})
}

func FuzzHash(f *testing.F) {
	f.Add(Hash{1}.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var h Hash
		if h.UnmarshalText([]byte(text)) == nil && h.String() != text {
			t.Errorf("%q is read as %s", text, h)
		}
		if _, err := json.Marshal(h); err != nil {
			t.Error(err)
		}
	})
}
