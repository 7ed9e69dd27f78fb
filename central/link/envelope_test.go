package link_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"turnstile/central/link"
)

// TestExactLengths has hashes, key ids and journal ids of other lengths and
// kinds, well signed: the CBOR library alone would pad or cut them.
func TestExactLengths(t *testing.T) {
	s := signer("status")
	keys := link.KeysOf(s.public())
	bad := map[string]any{
		"empty": []byte{}, "short": make([]byte, 31), "long": make([]byte, 33), "text": strings.Repeat("x", 32),
		"array": slices.Repeat([]int{1}, 32), "number": 7, "null": nil, "nested": [][]byte{make([]byte, 32)},
	}
	for what, v := range bad {
		_, err := link.Open[link.Head](seal(t, s, link.TypeHead, map[int]any{2: 5, 3: v}), link.TypeHead, site, keys, link.MaxHead)
		wantError(t, "chain "+what, err, link.ErrMalformed)
		_, err = link.Open[link.Batch](seal(t, s, link.TypeBatch, map[int]any{2: v}), link.TypeBatch, site, keys, link.MaxDocument)
		wantError(t, "journal id "+what, err, link.ErrMalformed)
		days := []map[int]any{{1: 2516, 2: v}}
		_, err = link.Open[link.Head](seal(t, s, link.TypeHead, map[int]any{7: days}), link.TypeHead, site, keys, link.MaxHead)
		wantError(t, "hash of a day "+what, err, link.ErrMalformed)
	}
	good := map[int]any{2: 5, 3: make([]byte, 32)}
	if h, err := link.Open[link.Head](seal(t, s, link.TypeHead, good), link.TypeHead, site, keys, link.MaxHead); err != nil || h.Seq != 5 {
		t.Error(h, err)
	}
}

// TestPayloadTypes has numbers that do not fit, and other kinds of values.
func TestPayloadTypes(t *testing.T) {
	s := signer("status")
	keys := link.KeysOf(s.public())
	for what, v := range map[string]map[int]any{
		"epoch above 32 bits": {1: uint64(1) << 32}, "negative seq": {2: -1}, "seq as text": {2: "5"}, "seq as a float": {2: 5.0},
		"issued above 63 bits": {10: uint64(1) << 63}, "day above 16 bits": {7: []map[int]any{{1: 65536}}},
		"a list as a map": {7: map[int]any{1: 1}}, "days as numbers": {7: []int{1}},
	} {
		_, err := link.Open[link.Head](seal(t, s, link.TypeHead, v), link.TypeHead, site, keys, link.MaxHead)
		wantError(t, what, err, link.ErrMalformed)
	}
}

// TestNewerPayload holds that a key of a newer sender is passed over, so that
// central and lanes can be updated in any order.
func TestNewerPayload(t *testing.T) {
	s := signer("status")
	wire := seal(t, s, link.TypeHead, map[int]any{2: 5, 99: "later"})
	if h, err := link.Open[link.Head](wire, link.TypeHead, site, link.KeysOf(s.public()), link.MaxHead); err != nil || h.Seq != 5 {
		t.Error(h, err)
	}
}

// TestEnvelopeHasOneForm writes a good envelope in other ways: the signature
// does not cover it, so each of them has to be refused.
func TestEnvelopeHasOneForm(t *testing.T) {
	s := signer("status")
	keys := link.KeysOf(s.public())
	wire := seal(t, s, link.TypeAck, &link.Ack{Lane: lane, Seq: 1})
	var m map[int]any
	if err := cbor.Unmarshal(wire, &m); err != nil {
		t.Fatal(err)
	}
	open := func(data []byte) error {
		_, err := link.Open[link.Ack](data, link.TypeAck, site, keys, link.MaxState)
		return err
	}
	encode := func(change func(m map[int]any), sort cbor.SortMode) []byte {
		enc, err := cbor.EncOptions{Sort: sort}.EncMode()
		if err != nil {
			t.Fatal(err)
		}
		n := map[int]any{}
		for k, v := range m {
			n[k] = v
		}
		change(n)
		b, err := enc.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if b := encode(func(map[int]any) {}, cbor.SortBytewiseLexical); !bytes.Equal(b, wire) || open(b) != nil {
		t.Fatal("the test does not write the envelope itself")
	}
	sorted := func(change func(m map[int]any)) []byte { return encode(change, cbor.SortBytewiseLexical) }
	for what, b := range map[string][]byte{
		"a key more":                 sorted(func(m map[int]any) { m[9] = 1 }),
		"a longer signer":            sorted(func(m map[int]any) { m[2] = append(slices.Clone(m[2].([]byte)), 0) }),
		"a shorter signer":           sorted(func(m map[int]any) { m[2] = m[2].([]byte)[:7] }),
		"no signature":               sorted(func(m map[int]any) { delete(m, 4) }),
		"the payload as numbers":     sorted(func(m map[int]any) { m[3] = slices.Repeat([]int{1}, 3) }),
		"version 1 in two bytes":     slices.Concat(wire[:2], []byte{0x18, 0x01}, wire[3:]),
		"an indefinite map":          slices.Concat([]byte{0xbf}, wire[1:], []byte{0xff}),
		"a tag before it":            slices.Concat([]byte{0xd9, 0xd9, 0xf7}, wire),
		"the version twice":          slices.Concat([]byte{wire[0] + 1, 0x00, 0x01}, wire[1:]),
		"a second message behind it": slices.Concat(wire, wire),
		"an array":                   {0x85, 1, 7, 0x40, 0x40, 0x40},
		"nothing":                    {},
		"null":                       {0xf6},
		"an empty map":               {0xa0},
	} {
		if err := open(b); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	wantError(t, "another version", open(sorted(func(m map[int]any) { m[0] = 2; m[9] = "of then" })), link.ErrVersion)
	if typ := link.TypeOf(wire); typ != link.TypeAck {
		t.Errorf("TypeOf is %d", typ)
	}
	if link.TypeOf([]byte("hello")) != 0 || link.TypeOf(make([]byte, link.MaxDocument+1)) != 0 {
		t.Error("TypeOf takes what is no message")
	}
}

// TestDeepAndWide has CBOR that costs a careless decoder memory or stack.
func TestDeepAndWide(t *testing.T) {
	s := signer("status")
	keys := link.KeysOf(s.public())
	deep := slices.Concat(bytes.Repeat([]byte{0x81}, 60000), []byte{0x00})
	wide := append([]byte{0x9a, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...)
	huge := append([]byte{0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...)
	for what, b := range map[string][]byte{"deep": deep, "wide": wide, "huge": huge} {
		_, err := link.Open[link.Snapshot](b, link.TypeSnapshot, site, keys, link.MaxDocument)
		wantError(t, what, err, link.ErrMalformed)
		_, err = link.ParseKeys(b)
		wantError(t, what+" keys", err, link.ErrMalformed)
	}
	var nested any
	for range 20 {
		nested = []any{nested}
	}
	for what, v := range map[string]any{"deep": nested, "wide": make([]int, 5000)} {
		wire := seal(t, s, link.TypeSnapshot, map[int]any{99: v})
		_, err := link.Open[link.Snapshot](wire, link.TypeSnapshot, site, keys, link.MaxDocument)
		wantError(t, what+" and signed", err, link.ErrMalformed)
	}
}

func FuzzOpen(f *testing.F) {
	keys := link.Keys{}
	for _, m := range messages(f) {
		f.Add(seal(f, signer(m.by), m.typ, m.payload), uint8(m.typ))
		keys[signer(m.by).KeyID()] = signer(m.by).public()
	}
	f.Add([]byte{0xa0}, uint8(1))
	all := messages(f)
	f.Fuzz(func(t *testing.T, data []byte, typ uint8) {
		for _, m := range all {
			if uint8(m.typ) == typ {
				v, err := m.open(data, m.typ, site, keys, m.limit)
				if err == nil && !bytes.Equal(seal(t, signer(m.by), m.typ, v), data) {
					t.Fatalf("%s opens and seals as something else", m.name)
				}
			}
		}
		link.TypeOf(data)
	})
}
