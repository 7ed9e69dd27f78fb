package pass_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"turnstile/central/pass"
)

// framed is a short code's card number as Wiegand 66 delivers it, with parity
// bits of the given values.
func framed(v uint64, first, last uint64) []byte {
	return fmt.Appendf(nil, "%01X%016X", first<<1|v>>63, v<<1|last)
}

func TestShortThereAndBack(t *testing.T) {
	gate, id := testGateKey(today), pass.ID{Day: today, Index: 4711}
	for _, k := range []pass.Kind{pass.ECard, pass.Guest} {
		s := gate.Short(k, id, 3)
		for i, digits := range [][]byte{[]byte(s.String()), framed(s.Value(), 1, 0), framed(s.Value(), 0, 1)} {
			bits := pass.ShortFrameBits
			if i == 0 {
				bits = pass.ShortBits
			}
			got, r := pass.ParseShort(bits, digits)
			if r != pass.Granted || got != s || !got.Verify(gate, today, 3) {
				t.Errorf("%s of %v read as %+v, %v", digits, s, got, r)
			}
		}
	}
}

func TestShortIsOfOneDayKeyAndGeneration(t *testing.T) {
	gate, id := testGateKey(today), pass.ID{Day: today, Index: 4711}
	s := gate.Short(pass.Guest, id, 0)
	switch {
	case s.Verify(gate, today, 1):
		t.Error("an older generation is good")
	case s.Verify(gate, today+4, 0), s.Verify(gate, today+1, 0):
		t.Error("good on another day with the same key")
	case s.Verify(testGateKey(today+4), today+4, 0):
		t.Error("good under the key of another day")
	case s == gate.Short(pass.ECard, id, 0):
		t.Error("the kind is not covered")
	}
}

// Every single bit counts.
func TestEachBitOfAShortCode(t *testing.T) {
	gate, id := testGateKey(today), pass.ID{Day: today, Index: 4711}
	v := gate.Short(pass.Guest, id, 0).Value()
	for i := range 64 {
		s, r := pass.ParseShort(pass.ShortBits, fmt.Appendf(nil, "%016X", v^1<<i))
		if r == pass.Granted && s.Verify(gate, today, 0) {
			t.Errorf("bit %d can be flipped", i)
		}
	}
}

func TestShortRefused(t *testing.T) {
	good := testGateKey(today).Short(pass.Guest, pass.ID{Day: today, Index: 1}, 0).Value()
	for _, c := range []struct {
		bits   int
		digits string
		want   pass.Reason
	}{
		{26, "2020002", pass.Foreign},
		{64, fmt.Sprintf("%015X", good>>4), pass.Foreign},
		{64, strings.ToLower("ABCDEF0123456789"), pass.Foreign},
		{66, "F" + fmt.Sprintf("%016X", good), pass.Foreign},
		{66, fmt.Sprintf("%016X", good), pass.Foreign},
		{0, "", pass.Foreign},
		{64, fmt.Sprintf("%016X", good^1<<63), pass.VersionUnknown},
		{64, fmt.Sprintf("%016X", good|3<<60), pass.KindUnknown},
		{64, fmt.Sprintf("%016X", good&^(3<<60)), pass.KindUnknown},
	} {
		if _, r := pass.ParseShort(c.bits, []byte(c.digits)); r != c.want {
			t.Errorf("%d bits %s: %v, want %v", c.bits, c.digits, r, c.want)
		}
	}
}

// FORMAT.md prints these numbers for whoever writes the other side.
func TestShortExample(t *testing.T) {
	p := live()
	gate := testGateKey(p.Day)
	s := gate.Short(p.Kind, p.ID(), p.Generation)
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{s.String(), fmt.Sprintf("0x%09x", s.Tag)} {
		if !strings.Contains(string(text), want) {
			t.Errorf("FORMAT.md does not have %s", want)
		}
	}
}

func FuzzParseShort(f *testing.F) {
	f.Add(64, []byte("5A00000000000000"))
	f.Add(66, []byte("05A00000000000000"))
	f.Add(26, []byte("2020002"))
	f.Fuzz(func(t *testing.T, bits int, digits []byte) {
		s, r := pass.ParseShort(bits, digits)
		if r != pass.Granted {
			return
		}
		if again, r := pass.ParseShort(pass.ShortBits, []byte(s.String())); r != pass.Granted || again != s {
			t.Errorf("%s is read as %+v, %v", s, again, r)
		}
	})
}

func BenchmarkShortVerify(b *testing.B) {
	gate := testGateKey(today)
	s := gate.Short(pass.Guest, pass.ID{Day: today, Index: 4711}, 0)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Verify(gate, today, 0) {
			b.Fatal("not good")
		}
	}
}
