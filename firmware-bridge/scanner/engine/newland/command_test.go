package newland

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

func TestGolden(t *testing.T) {
	e := New()
	cases := []struct {
		want string
		got  []byte
	}{
		{"7E 01 30 30 30 30 23 53 43 4E 54 52 47 31 3B 03", e.Trigger(true)},
		{"7E 01 30 30 30 30 23 53 43 4E 54 52 47 30 3B 03", e.Trigger(false)},
		{"7E 01 30 30 30 30 40 53 43 4E 4D 4F 44 32 3B 03", Append(nil, Permanent, "SCNMOD2")},
		{"7E 01 30 30 30 30 23 53 43 4E 4D 4F 44 30 3B 03", Append(nil, Temporary, "SCNMOD0")},
		{"7E 01 30 30 30 30 23 51 52 59 53 59 53 3B 03", Append(nil, Temporary, "QRYSYS")},
		{"02 01 30 30 30 30 40 53 43 4E 4D 4F 44 32 06 3B 03", AppendReply(nil, Permanent, "SCNMOD2", Done)},
		{"02 01 30 30 30 30 23 53 43 4E 4D 4F 44 39 15 3B 03", AppendReply(nil, Temporary, "SCNMOD9", Bad)},
		{"1B 31", (&Engine{old: true}).Trigger(true)},
		{"", (&Engine{old: true}).Trigger(false)},
	}
	for _, c := range cases {
		want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
		if err != nil || !bytes.Equal(c.got, want) {
			t.Errorf("% X, want %s", c.got, c.want)
		}
	}
	if areYou != 0x3F || iAm != 0x21 {
		t.Error("an EM3000's sign of life is 3F and 21")
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]int{
		"\x7e\x010000#SCNTRG1;\x03":     16,
		"\x7e\x010000#SCNTRG1;\x03more": 16,
		"\x7e\x010000#SCNTRG1;":         0,
		"\x7e":                          0,
		"\x7e\x010000#SHORT;\x03":       -1,
		"\x7e\x00":                      -1,
	} {
		if _, _, n := ParseCommand([]byte(in)); n != want {
			t.Errorf("%q: %d, want %d", in, n, want)
		}
	}
	for in, want := range map[string]string{
		"\x02\x010000#232BAD3\x06;\x03":                   "3 06",
		"\x02\x010000#232BAD\x05;\x03":                    " 05",
		"\x02\x010000#232BAD3\x06;":                       "more",
		"\x02\x010000#232BAD3":                            "more",
		"\x02":                                            "more",
		"\x02\x010000@232BAD3\x06;\x03":                   "none", // another store
		"\x02\x010000#SCNMOD3\x06;\x03":                   "none", // another command
		"\x02\x010000#232BAD3\x06!\x03":                   "none",
		"\x02\x010000#232BAD3\r\n\x06;\x03":               "none", // lines are of QRYSYS only
		"232BAD3\x06;\x03":                                "none",
		"\x02\x010000#232BAD" + strings.Repeat("3", 2000): "none",
	} {
		data, status, n := ParseReply([]byte(in), '#', []byte("232BAD"))
		got := map[int]string{0: "more", -1: "none"}[n]
		if n > 0 {
			got = string(data) + " " + hex.EncodeToString([]byte{status})
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAbout(t *testing.T) {
	for in, want := range map[string][2]string{
		"Product Name:NLS-EM20\r\nFirmware Version: 1.00.007\r\n": {"NLS-EM20", "1.00.007"},
		"NLS-EM3096": {"NLS-EM3096", ""},
		"":           {"", ""},
	} {
		if model, firmware := dialect.About([]byte(in), "version"); model != want[0] || firmware != want[1] {
			t.Errorf("%q: %q %q", in, model, firmware)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Append(nil, '#', "SCNTRG1"))
	f.Add(AppendReply(nil, '#', "QRYSYSProduct:X\r\n", Done))
	f.Add([]byte("!"))
	f.Add([]byte("\x02\x010000#QRYSYS\x06\x06;\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		if store, command, n := ParseCommand(b); n > 0 && !bytes.Equal(Append(nil, store, string(command)), b[:n]) {
			t.Fatalf("%q does not read and write the same", b[:n])
		}
		if data, status, n := ParseReply(b, '#', []byte("QRYSYS")); n > 0 && !bytes.Equal(AppendReply(nil, '#', "QRYSYS"+string(data), status), b[:n]) {
			t.Fatalf("%q does not read and write the same", b[:n])
		}
		model, firmware := dialect.About(b, "version")
		if len(model) > 80 || len(firmware) > 80 || strings.ContainsAny(model+firmware, "\r\n\x00\x1b") {
			t.Fatalf("%q %q", model, firmware)
		}
		for _, asked := range [][]byte{{'?'}, Append(nil, '#', "QRYSYS")} {
			p := New().Take(dialect.View{Bytes: b, Asked: asked})
			if p.N < 0 || p.N > len(b) || p.N == 0 && p.Kind != dialect.More {
				t.Fatalf("%+v of %d bytes", p, len(b))
			}
		}
		if p := New().Take(dialect.View{Bytes: b}); p.Kind != dialect.Text || p.N != len(b) {
			t.Fatalf("nothing asked, and found %+v", p)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 32)
	for b.Loop() {
		buf = Append(buf[:0], Temporary, "SCNTRG1")
	}
}

func BenchmarkParseReply(b *testing.B) {
	b.ReportAllocs()
	reply, tag := AppendReply(nil, '#', "232BAD3", Done), []byte("232BAD")
	for b.Loop() {
		if _, _, n := ParseReply(reply, '#', tag); n != len(reply) {
			b.Fatal(n)
		}
	}
}
