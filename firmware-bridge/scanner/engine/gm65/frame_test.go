package gm65

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// hexed reads bytes in hexadecimal with blanks.
func hexed(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The maker's examples, with their checksums computed anew.
func TestGolden(t *testing.T) {
	e := New()
	m := NewM3Y()
	cases := map[string][]byte{
		"7E 00 09 01 00 00 00 DE C8":                      AppendSave(nil),
		"7E 00 08 01 00 02 01 02 DA":                      e.Trigger(true),
		"7E 00 07 01 00 2A 02 D8 0F":                      AppendRead(nil, zoneBaud, 2),
		"7E 00 08 02 00 2A 39 01 A7 EA":                   AppendWrite(nil, zoneBaud, 0x39, 0x01),
		"7E 00 07 01 00 00 01 01 41":                      AppendRead(nil, zoneMode, 1),
		"7E 00 07 01 00 E2 01 77 91":                      AppendRead(nil, zoneSoft, 1),
		"7E 00 0A 01 00 00 00 30 1A":                      AppendHeartbeat(nil),
		"7E 00 08 01 00 D9 50 81 D3":                      AppendWrite(nil, 0x00D9, 0x50), // not sent by this driver
		"7E 00 08 01 00 D9 56 E1 15":                      AppendWrite(nil, 0x00D9, 0x56), // nor this
		"02 00 00 01 00 33 31":                            AppendReply(nil, false, 0),
		"03 00 00 01 00 33 31":                            AppendReply(nil, true, 0),
		"02 00 00 01 01 23 10":                            AppendReply(nil, false, 1),
		"02 00 00 02 39 01 C1 4C":                         AppendReply(nil, false, 0x39, 0x01),
		"5A 00 00 0A 54 5F 4F 55 54 5F 43 56 45 52 12 A5": AppendM3Y(nil, 0, "T_OUT_CVER"),
		"5A 00 00 0A 53 5F 43 4D 44 5F 30 32 30 45 64 A5": m.Trigger(true),
		"5A 00 00 0A 53 5F 43 4D 44 5F 30 32 30 44 65 A5": m.Trigger(false),
	}
	for want, got := range cases {
		if !bytes.Equal(got, hexed(t, want)) {
			t.Errorf("% X, want %s", got, want)
		}
	}
	if len(cases) < 16 {
		t.Errorf("%d cases", len(cases))
	}
}

// The CRC is the one that is called XMODEM.
func TestChecksum(t *testing.T) {
	if got := Checksum([]byte("123456789")); got != 0x31C3 {
		t.Errorf("%04X, want 31C3", got)
	}
}

func TestDivisor(t *testing.T) {
	for baud, want := range map[int]uint16{1200: 0x09C4, 4800: 0x0271, 9600: 0x0139, 14400: 0x00D0, 19200: 0x009C, 38400: 0x004E, 57600: 0x0034, 115200: 0x001A} {
		if got := Divisor(baud); got != want {
			t.Errorf("%d: %04X, want %04X", baud, got, want)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for in, want := range map[string]int{
		"7E 00 07 01 00 2A 02 D8 0F":       9,
		"7E 00 08 01 00 02 01 AB CD":       9, // not checked
		"7E 00 08 02 00 2A 39 01 A7 EA 7E": 10,
		"7E 00 07 01 00 2A 02 D8":          0,
		"7E":                               0,
		"7E 00 07 01 00 2A 02 D8 0E":       -1,
		"7E 01 30":                         -1,
		"5A":                               -1,
	} {
		if _, _, _, n := ParseRequest(hexed(t, in)); n != want {
			t.Errorf("%s: %d, want %d", in, n, want)
		}
	}
}

// What is asked decides what counts as a reply to it.
func TestReplyTo(t *testing.T) {
	read, beat := AppendRead(nil, 0, 1), AppendHeartbeat(nil)
	set, rate := AppendWrite(nil, 2, 1), AppendWrite(nil, zoneBaud, 0x1A, 0)
	for _, c := range []struct {
		asked []byte
		reply string
		want  int
	}{
		{read, "02 00 00 01 01 23 10", 7},
		{read, "02 00 00 02 39 01 C1 4C", -1},
		{read, "02 00 00 01 01 23", 0},
		{read, "02 00 00 01 01 23 11", -1},
		{beat, "03 00 00 01 00 33 31", 7},
		{beat, "02 00 00 01 00 33 31", 7},
		{set, "02 00 00 01 00 33 31", 7},
		{set, "02 00 00 01 01 23 10", -1}, // no success
		{rate, "02 00 00 01 00 33 31", 7},
		{rate, "02 00 00 02 39 01 C1 4C", 8},
	} {
		if got := replyTo(hexed(t, c.reply), c.asked); got != c.want {
			t.Errorf("% X answered by %s: %d, want %d", c.asked, c.reply, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(AppendRead(nil, zoneBaud, 2), uint8(2))
	f.Add(AppendReply(nil, false, 0x39, 1), uint8(2))
	f.Add(AppendReply(nil, true, 0), uint8(1))
	f.Add(AppendM3Y(nil, 1, "V1.2"), uint8(1))
	f.Add([]byte{0x5A, 0x01, 0xFF, 0xFF}, uint8(0))
	f.Add([]byte{0x02, 0x00, 0x00, 0xFF}, uint8(255))
	f.Fuzz(func(t *testing.T, b []byte, want uint8) {
		if len(b) == 0 {
			return
		}
		if kind, zone, data, n := ParseRequest(b); n > 0 {
			again := appendRequest(nil, kind, zone, data...)
			if !bytes.Equal(again[:n-2], b[:n-2]) {
				t.Fatalf("% X reads and writes as % X", b[:n], again)
			}
		}
		if data, n := ParseReply(b, int(want)); n > 0 && !bytes.Equal(AppendReply(nil, b[0] == 3, data...), b[:n]) {
			t.Fatalf("% X does not read and write the same", b[:n])
		}
		if data, n := ParseM3Y(b, 1); n > 0 && !bytes.Equal(AppendM3Y(nil, 1, string(data)), b[:n]) {
			t.Fatalf("% X does not read and write the same", b[:n])
		}
		for _, d := range []dialect.Dialect{New(), NewM3Y()} {
			p := d.Take(dialect.View{Bytes: b, Asked: d.Trigger(true)})
			if p.N < 0 || p.N > len(b) || p.N == 0 && p.Kind != dialect.More {
				t.Fatalf("%+v of %d bytes", p, len(b))
			}
			if p := d.Take(dialect.View{Bytes: b}); p.Kind != dialect.Text || p.N != len(b) {
				t.Fatalf("nothing asked, and found %+v", p)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 32)
	for b.Loop() {
		buf = AppendWrite(buf[:0], zoneTrigger, 1)
	}
}

func BenchmarkParseReply(b *testing.B) {
	b.ReportAllocs()
	reply := AppendReply(nil, false, 0x39, 0x01)
	for b.Loop() {
		if _, n := ParseReply(reply, 2); n != len(reply) {
			b.Fatal(n)
		}
	}
}

func BenchmarkParseM3Y(b *testing.B) {
	b.ReportAllocs()
	reply := AppendM3Y(nil, 1, "M3Y_W_V1.2.3")
	for b.Loop() {
		if _, n := ParseM3Y(reply, 1); n != len(reply) {
			b.Fatal(n)
		}
	}
}
