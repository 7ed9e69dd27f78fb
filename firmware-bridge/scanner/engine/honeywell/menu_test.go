package honeywell

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

func TestGolden(t *testing.T) {
	e, d := New(), NewDE2120()
	cases := []struct {
		want string
		got  []byte
	}{
		{"16 54 0D", e.Trigger(true)},
		{"16 55 0D", e.Trigger(false)},
		{"16 4D 0D 32 33 32 42 41 44 39 2E", Append(nil, "232BAD9", Permanent)},
		{"16 4D 0D 32 33 32 42 41 44 39 21", Append(nil, "232BAD9", Temporary)},
		{"16 4D 0D 43 42 52 45 4E 41 3F 2E", Append(nil, "CBRENA?", Permanent)},
		{"43 42 52 45 4E 41 31 06 2E", AppendReply(nil, "CBRENA1", Done, Permanent)},
		{"5E 5F 5E 53 43 41 4E 2E", d.Trigger(true)},
		{"5E 5F 5E 53 4C 45 45 50 2E", d.Trigger(false)},
		{"5E 5F 5E 53 43 4D 4D 44 48 2E", AppendDE2120(nil, "SCMMDH")},
		{"5E 5F 5E 53 43 4D 4D 41 4E 2E", AppendDE2120(nil, "SCMMAN")},
		{"5E 5F 5E 32 33 32 42 41 44 35 2E", AppendDE2120(nil, "232BAD"+codes[9600])},
		{"5E 5F 5E 44 53 50 59 46 57 2E", AppendDE2120(nil, "DSPYFW")},
	}
	for _, c := range cases {
		want, err := hex.DecodeString(strings.ReplaceAll(c.want, " ", ""))
		if err != nil || !bytes.Equal(c.got, want) {
			t.Errorf("% X, want %s", c.got, c.want)
		}
	}
	if codes[115200] != "9" || codes[57600] != "8" || codes[9600] != "5" {
		t.Errorf("rates %v", codes)
	}
}

// told is a parser's answer in words.
func told(data []byte, status byte, n int) string {
	if n > 0 {
		return string(data) + " " + hex.EncodeToString([]byte{status})
	}
	return map[int]string{0: "more", -1: "none"}[n]
}

func TestParseReply(t *testing.T) {
	for in, want := range map[string]string{
		"232BAD9\x06.":                       "9 06",
		"232BAD9\x06!":                       "9 06",
		"232BAD\x05.":                        " 05",
		"232BAD99\x15!TEXT":                  "99 15",
		"232BAD9\x06":                        "more",
		"232":                                "more",
		"232BAE9\x06.":                       "none",
		"232BAD9\x06X":                       "none",
		"232BAD9\r\x06.":                     "none",
		"232BAD" + strings.Repeat("9", 2000): "none",
	} {
		if got := told(ParseReply([]byte(in), []byte("232BAD"))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := told(ParseReply([]byte("REVINFA: B\r\nC: D\r\n\x06."), []byte("REVINF"))); got != "A: B\r\nC: D\r\n 06" {
		t.Errorf("%q", got)
	}
	for in, want := range map[string]string{"\x06": " 06", "V1.03\x06": "V1.03 06", "V1\x15": "V1 15", "V1": "more", "V\r\x06": "none", strings.Repeat("V", 200): "none"} {
		if got := told(ParseDE2120Reply([]byte(in), true)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := told(ParseDE2120Reply([]byte("V1\x06"), false)); got != "none" {
		t.Errorf("text where none is asked: %q", got)
	}
}

func TestRevision(t *testing.T) {
	for in, want := range map[string][2]string{
		"Product Name: N3680 SR\r\nBoot Revision: 1\r\nSoftware Part Number: CA00123\r\n": {"N3680 SR", "CA00123"},
		"just text": {"just text", ""},
	} {
		if model, firmware := dialect.About([]byte(in), "software"); model != want[0] || firmware != want[1] {
			t.Errorf("%q: %q %q", in, model, firmware)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Append(nil, "232BAD9", '.'))
	f.Add(AppendReply(nil, "REVINFa\r\nb", Done, '.'))
	f.Add(AppendDE2120(nil, "DSPYFW"))
	f.Add([]byte("V1.03\x06"))
	f.Add([]byte("232BAD\x06\x06.\x15!"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		if command, mark, n := ParseCommand(b); n > 0 && !bytes.Equal(Append(nil, string(command), mark), b[:n]) {
			t.Fatalf("%q does not read and write the same", b[:n])
		}
		if command, n := ParseDE2120(b); n > 0 && !bytes.Equal(AppendDE2120(nil, string(command)), b[:n]) {
			t.Fatalf("%q does not read and write the same", b[:n])
		}
		if data, status, n := ParseReply(b, []byte("REVINF")); n > 0 && !bytes.Equal(AppendReply(nil, "REVINF"+string(data), status, b[n-1]), b[:n]) {
			t.Fatalf("%q does not read and write the same", b[:n])
		}
		if model, firmware := dialect.About(b, "software"); len(model) > 80 || len(firmware) > 80 {
			t.Fatalf("%q %q", model, firmware)
		}
		for d, asked := range map[dialect.Dialect][]byte{New(): Append(nil, "REVINF", '.'), NewDE2120(): AppendDE2120(nil, "DSPYFW")} {
			p := d.Take(dialect.View{Bytes: b, Asked: asked})
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
		buf = Append(buf[:0], "232BAD9", Temporary)
	}
}

func BenchmarkParseReply(b *testing.B) {
	b.ReportAllocs()
	reply, tag := AppendReply(nil, "232BAD9", Done, '.'), []byte("232BAD")
	for b.Loop() {
		if _, _, n := ParseReply(reply, tag); n != len(reply) {
			b.Fatal(n)
		}
	}
}

func BenchmarkParseDE2120Reply(b *testing.B) {
	b.ReportAllocs()
	reply := []byte("V1.03\x06")
	for b.Loop() {
		if _, _, n := ParseDE2120Reply(reply, true); n != len(reply) {
			b.Fatal(n)
		}
	}
}
