package wiegand

import (
	"errors"
	"fmt"
	"testing"
)

// golden are rows that were published for these formats.
var golden = []struct {
	format         string
	facility, card uint64
	bits, hex      string
}{
	{"H10301", 1, 1, "10000000100000000000000010", "2020002"},
	{"H10301", 100, 58400, "00110010011100100001000001", "0C9C841"},
	{"W34", 0x1234, 0x5678, "1000100100011010001010110011110001", "22468ACF1"},
	{"H10302", 0, 1234567, "0000000000000001001011010110100001111", "000025AD0F"},
}

func mustFormat(t testing.TB, name string) Format {
	t.Helper()
	f, err := Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustParse(t testing.TB, text string) Bits {
	t.Helper()
	b, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		f := mustFormat(t, g.format)
		got, err := f.Encode(g.facility, g.card)
		if err != nil || got.String() != g.bits || got.Hex() != g.hex {
			t.Errorf("%s %d/%d: %v %s, %v", g.format, g.facility, g.card, got, got.Hex(), err)
		}
		facility, card, err := f.Decode(mustParse(t, g.bits))
		if err != nil || facility != g.facility || card != g.card {
			t.Errorf("%s %s: %d/%d, %v", g.format, g.bits, facility, card, err)
		}
	}
	if len(golden) < 4 {
		t.Errorf("%d rows", len(golden))
	}
}

// Bit 19 of 37 counts in both parities, each other data bit in one.
func TestParityCoversEachBit(t *testing.T) {
	for _, f := range Formats() {
		b, err := f.Encode(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i <= f.Bits; i++ {
			flipped := b.flip(i)
			wrong := 0
			for _, p := range f.Parity {
				if !p.right(flipped) {
					wrong++
				}
			}
			want := 1
			if f.Bits == 37 && i == 19 {
				want = 2
			}
			if wrong != want {
				t.Errorf("%s: bit %d turned round makes %d parities wrong, want %d", f.Name, i, wrong, want)
			}
			if _, _, err := f.Decode(flipped); !errors.Is(err, ErrParity) && !errors.Is(err, ErrSwapped) {
				t.Errorf("%s: bit %d turned round: %v", f.Name, i, err)
			}
		}
	}
}

func TestFormatsAreWhole(t *testing.T) {
	all := Formats()
	if len(all) != 5 {
		t.Errorf("%d formats", len(all))
	}
	for i, f := range all {
		if f.Facility.Len()+f.Card.Len()+2 != f.Bits || f.Card.Last != f.Bits-1 || f.Card.Len() > 64 || f.Bits > MaxBits {
			t.Errorf("%s does not add up: %+v", f.Name, f)
		}
		if i > 0 && all[i-1].Bits > f.Bits {
			t.Errorf("%s stands behind a longer one", f.Name)
		}
		limit := uint64(1)<<f.Card.Len() - 1 // of 64 bits: 1<<64 is 0 in Go
		if b, err := f.Encode(0, limit); err != nil || b.ones(f.Card.First, f.Card.Last) != f.Card.Len() {
			t.Errorf("%s: the largest card: %v %v", f.Name, b, err)
		}
		if _, err := f.Encode(0, limit+1); f.Card.Len() < 64 && !errors.Is(err, ErrRange) {
			t.Errorf("%s: a card too large: %v", f.Name, err)
		}
		if _, err := f.Encode(1<<f.Facility.Len(), 0); !errors.Is(err, ErrRange) {
			t.Errorf("%s: a facility too large: %v", f.Name, err)
		}
	}
	if _, err := Named("26"); !errors.Is(err, ErrFormat) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestIdentify(t *testing.T) {
	right := mustParse(t, golden[0].bits)
	for name, c := range map[string]struct {
		bits    Bits
		formats []Format
		want    error
	}{
		"right":          {right, Formats(), nil},
		"swapped":        {right.Invert(), Formats(), ErrSwapped},
		"garbled":        {right.flip(5), Formats(), ErrParity},
		"cut short":      {right.first(25), Formats(), ErrLength},
		"not allowed":    {right, []Format{mustFormat(t, "W34")}, ErrLength},
		"no formats":     {right, nil, ErrLength},
		"empty":          {Bits{}, Formats(), ErrLength},
		"garbled by two": {right.flip(5).flip(6), Formats(), nil}, // what parity cannot see
	} {
		if _, err := Identify(c.bits, c.formats); !errors.Is(err, c.want) || err != nil && c.want == nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What begins like a shorter card is found, and the shortest format has none.
func TestCut(t *testing.T) {
	w34, w66 := mustFormat(t, "W34"), mustFormat(t, "W66")
	found := 0
	for card := range uint64(1 << 12) {
		b, err := w34.Encode(card, card<<4|card>>8)
		if err != nil {
			t.Fatal(err)
		}
		f, cut := Cut(b)
		if cut {
			found++
			if f.Name != "H10301" || !f.Right(b.first(26)) {
				t.Fatalf("%v is cut at %s", b, f.Name)
			}
		}
	}
	if found < 512 || found > 1536 { // a quarter: two parities
		t.Errorf("%d of 4096 begin like another card", found)
	}
	if b, err := w66.Encode(0, 0); err != nil || b.Len() != 66 {
		t.Error(b, err)
	}
	if f, cut := Cut(mustParse(t, golden[0].bits)); cut {
		t.Errorf("26 bits begin like %s", f.Name)
	}
}

func TestBits(t *testing.T) {
	for n := range MaxBits + 1 {
		text := ""
		for i := range n {
			text += fmt.Sprint((i*i/3 + n) % 2)
		}
		b := mustParse(t, text)
		if b.String() != text || b.Len() != n || b.Invert().Invert() != b || n > 0 && b.Invert() == b {
			t.Fatalf("%s became %v, inverse %v", text, b, b.Invert())
		}
		if got, err := Unpack(n, b.Pack()); err != nil || got != b {
			t.Fatalf("%v packed: %v %v", b, got, err)
		}
		if got, err := ParseHex(n, b.Hex()); err != nil || got != b {
			t.Fatalf("%v in hexadecimal %s: %v %v", b, b.Hex(), got, err)
		}
	}
	if got := mustParse(t, "10000000000000000000000010").Hex(); got != "2000002" {
		t.Errorf("26 bits in hexadecimal: %s", got)
	}
	for _, bad := range []struct {
		n    int
		data string
	}{{26, "\x80\x00\x00"}, {26, "\x80\x00\x00\x20"}, {-1, ""}, {129, "12345678901234567"}, {0, "a"}} {
		if _, err := Unpack(bad.n, []byte(bad.data)); !errors.Is(err, ErrBits) {
			t.Errorf("Unpack(%d, %q): %v", bad.n, bad.data, err)
		}
	}
	for _, bad := range []struct {
		n    int
		text string
	}{{26, "4000002"}, {26, "200000"}, {26, "200000a"}, {1, "2"}, {129, "000000000000000000000000000000000"}, {-4, ""}} {
		if _, err := ParseHex(bad.n, bad.text); !errors.Is(err, ErrBits) {
			t.Errorf("ParseHex(%d, %q): %v", bad.n, bad.text, err)
		}
	}
	for _, bad := range []string{"012", "1 0", string(make([]byte, 129))} {
		if _, err := Parse(bad); !errors.Is(err, ErrBits) {
			t.Errorf("Parse(%q): %v", bad, err)
		}
	}
}

// FuzzFormat checks that each right row is the one that its numbers encode to,
// and that no row is right together with its inverse.
func FuzzFormat(f *testing.F) {
	for _, g := range golden {
		f.Add(len(g.bits), []byte(g.hex))
		b := mustParse(f, g.bits)
		f.Add(b.Len(), b.Pack())
	}
	f.Add(66, []byte("\x80abcdefg\x40"))
	f.Fuzz(func(t *testing.T, n int, data []byte) {
		b, err := Unpack(n, data)
		if err != nil {
			return
		}
		if got, err := ParseHex(n, b.Hex()); err != nil || got != b {
			t.Fatalf("%v in hexadecimal: %v %v", b, got, err)
		}
		for _, format := range Formats() {
			if format.Right(b) && format.Right(b.Invert()) {
				t.Fatalf("%s: %v and its inverse are right", format.Name, b)
			}
			facility, card, err := format.Decode(b)
			if err != nil {
				continue
			}
			if again, err := format.Encode(facility, card); err != nil || again != b {
				t.Fatalf("%s %d/%d from %v encodes to %v, %v", format.Name, facility, card, b, again, err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	f := mustFormat(b, "H10301")
	bits := mustParse(b, golden[1].bits)
	for b.Loop() {
		if _, card, err := f.Decode(bits); err != nil || card != 58400 {
			b.Fatal(card, err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	f := mustFormat(b, "W66")
	for b.Loop() {
		if _, err := f.Encode(0, 1<<63); err != nil {
			b.Fatal(err)
		}
	}
}
