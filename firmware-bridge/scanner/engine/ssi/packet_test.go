package ssi

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
)

func hexed(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The guide's examples, with their sums computed anew.
func TestGolden(t *testing.T) {
	d := New()
	cases := map[string][]byte{
		"04 E4 04 00 FF 14":          d.Trigger(true),
		"04 E5 04 00 FF 13":          d.Trigger(false),
		"04 E9 04 00 FF 0F":          Append(nil, Packet{Op: 0xE9, Source: Host}),
		"04 EA 04 00 FF 0E":          Append(nil, Packet{Op: 0xEA, Source: Host}),
		"04 D0 04 00 FF 28":          yes,
		"04 A3 04 00 FF 55":          Append(nil, Packet{Op: opAsk, Source: Host}),
		"05 D1 04 00 01 FF 25":       again,
		"07 C6 04 00 FF EE 01 FD 41": Append(nil, Packet{Op: opSet, Source: Host, Data: []byte{0xFF, paramPackets, 1}}),
	}
	for want, got := range cases {
		if !bytes.Equal(got, hexed(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
		if p, n, whole := Parse(got, Host); n != len(got) || !whole || !bytes.Equal(Append(nil, p), got) {
			t.Errorf("% X reads as %+v, %d, %v", got, p, n, whole)
		}
	}
	if len(cases) < 8 {
		t.Errorf("%d cases", len(cases))
	}
}

// packet is a scan's, of the engine.
func packet(status byte, data string) string {
	return string(Append(nil, Packet{Op: opScan, Source: Engine, Status: status, Data: []byte(data)}))
}

// run takes a stream apart until more bytes are needed.
func run(d *decoder, stream string, asked []byte) (kinds []dialect.Kind, texts []string, answers int) {
	for b := []byte(stream); len(b) > 0; {
		p := d.take(dialect.View{Bytes: b, Asked: asked})
		kinds = append(kinds, p.Kind)
		if p.Kind == dialect.More {
			return kinds, texts, answers
		}
		if p.Kind == dialect.Scan {
			texts = append(texts, string(p.Text))
		}
		if p.Answer != nil {
			answers++
		}
		b = b[p.N:]
	}
	return kinds, texts, answers
}

func TestDecoder(t *testing.T) {
	done := string(Append(nil, Packet{Op: opDone}))
	revision := string(Append(nil, Packet{Op: opRevision, Data: []byte("V1")}))
	broken := []byte(packet(0, "\xF1CODE"))
	broken[6] ^= 1
	long := strings.Repeat("A", 250)
	for _, c := range []struct {
		name    string
		stream  string
		texts   string
		answers int
		last    dialect.Kind
	}{
		{"one", packet(0, "\xF1CODE"), "CODE", 1, dialect.Scan},
		{"two", packet(0, "\xF1ONE") + packet(0, "\xF1TWO"), "ONE|TWO", 2, dialect.Scan},
		{"in three packets", packet(2, "\xF1"+long) + packet(2, "\xF1"+long) + packet(0, "\xF1END"), long + long + "END", 3, dialect.Scan},
		{"sent again, its answer was lost", packet(0, "\xF1CODE") + packet(1, "\xF1CODE"), "CODE", 2, dialect.Ignore},
		{"a part sent again", packet(2, "\xF1ONE") + packet(3, "\xF1ONE") + packet(0, "\xF1TWO"), "ONETWO", 3, dialect.Scan},
		{"sent again, was broken", string(broken) + packet(1, "\xF1CODE"), "CODE", 2, dialect.Scan},
		{"the same code once more", packet(0, "\xF1CODE") + packet(0, "\xF1CODE"), "CODE|CODE", 2, dialect.Scan},
		{"broken", string(broken), "", 1, dialect.Broken},
		{"no data", packet(0, ""), "", 1, dialect.Broken},
		{"event", string(Append(nil, Packet{Op: opEvent, Data: []byte{1}})), "", 1, dialect.Ignore},
		{"extended", string(Append(nil, Packet{Op: 0xF4, Data: []byte("\xF1CODE")})), "", 1, dialect.Broken},
		{"reply that nobody asked for", done, "", 0, dialect.Ignore},
		{"half", packet(0, "\xF1CODE")[:5], "", 0, dialect.More},
		{"plain text", "PLAIN\r\n", "", 0, dialect.Text},
		{"plain text, then a packet", "PLAIN\r" + packet(0, "\xF1CODE"), "CODE", 1, dialect.Scan},
	} {
		kinds, texts, answers := run(&decoder{}, c.stream, nil)
		if got := strings.Join(texts, "|"); got != c.texts || answers != c.answers || kinds[len(kinds)-1] != c.last {
			t.Errorf("%s: %q, %d answers, %v; want %q, %d, %v", c.name, got, answers, kinds, c.texts, c.answers, c.last)
		}
	}
	ask, set := Append(nil, Packet{Op: opAsk, Source: Host}), Append(nil, Packet{Op: opSet, Source: Host})
	for stream, wants := range map[string][2]dialect.Kind{
		done:     {dialect.Ignore, dialect.Reply},
		revision: {dialect.Reply, dialect.Ignore},
		string(Append(nil, Packet{Op: opRefused, Data: []byte{CauseForbidden}})): {dialect.Reply, dialect.Reply},
	} {
		for i, asked := range [][]byte{ask, set} {
			if kinds, _, _ := run(&decoder{}, stream, asked); kinds[0] != wants[i] {
				t.Errorf("% X after % X is %v, want %v", stream, asked, kinds, wants[i])
			}
		}
	}
}

// What is kept of a scan that never ends is bounded.
func TestEndlessScan(t *testing.T) {
	d := &decoder{}
	one := packet(2, "\xF1"+strings.Repeat("A", 250))
	for i := range 100 {
		run(d, strings.Replace(one, "AA", string([]byte{'A' + byte(i%20), 'B'}), 1), nil) // its sum is wrong, unless it is AA
		run(d, one, nil)
	}
	if len(d.text) > room || len(d.last) > MaxData {
		t.Errorf("keeps %d and %d bytes", len(d.text), len(d.last))
	}
	if _, texts, _ := run(d, packet(0, "\xF1END"), nil); len(texts) != 1 || len(texts[0]) <= scanner.MaxText {
		t.Errorf("%d scans of %d bytes: too long ones must be seen to be too long", len(texts), len(texts[0]))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(packet(0, "\xF1CODE")))
	f.Add([]byte(packet(2, "\xF1HALF") + packet(3, "\xF1HALF") + packet(1, "\xF1END")))
	f.Add(Append(nil, Packet{Op: opRefused, Data: []byte{1}}))
	f.Add([]byte("PLAIN\r\n\x05\xF3\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		for _, source := range []byte{Engine, Host} {
			if p, n, whole := Parse(b, source); n > 0 && whole && !bytes.Equal(Append(nil, p), b[:n]) {
				t.Fatalf("% X does not read and write the same", b[:n])
			}
		}
		d := &decoder{}
		for left := b; len(left) > 0; {
			p := d.take(dialect.View{Bytes: left})
			if p.Kind == dialect.More {
				break
			}
			if p.N < 1 || p.N > len(left) || len(p.Text) > room || p.Kind == dialect.Reply {
				t.Fatalf("%+v of %d bytes", p, len(left))
			}
			left = left[p.N:]
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 32)
	p := Packet{Op: opSet, Source: Host, Data: []byte{0xFF, paramBaud, 0x0B}}
	for b.Loop() {
		buf = Append(buf[:0], p)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	frame := []byte(packet(0, "\xF1"+strings.Repeat("A", 141)))
	d := &decoder{}
	for b.Loop() {
		if p := d.take(dialect.View{Bytes: frame}); p.Kind != dialect.Scan {
			b.Fatal(p.Kind)
		}
	}
}
