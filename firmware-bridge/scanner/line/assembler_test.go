package line

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"turnstile/firmware-bridge/scanner"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// feed gives all of stream to a fresh assembler and then lets silence end it.
func feed(stream string, step int) ([]string, scanner.Stats) {
	var a Assembler
	var out []scanner.Scan
	for b := range slices.Chunk([]byte(stream), step) {
		out = a.Feed(b, t0, out)
	}
	out = a.Idle(t0.Add(time.Minute), out)
	var got []string
	for _, s := range out {
		text := string(s.Text)
		if s.Symbology != "" {
			text = s.Symbology + ":" + text
		}
		got = append(got, text)
	}
	return got, a.Stats()
}

func TestAssembler(t *testing.T) {
	kib := strings.Repeat("A", scanner.MaxText)
	cases := []struct {
		name, stream string
		want         string // scans, joined by a bar
		stats        scanner.Stats
	}{
		{"CR", "CODE\r", "CODE", scanner.Stats{Scans: 1}},
		{"LF", "CODE\n", "CODE", scanner.Stats{Scans: 1}},
		{"CR LF", "CODE\r\nNEXT\r\n", "CODE|NEXT", scanner.Stats{Scans: 2}},
		{"no end", "CODE", "CODE", scanner.Stats{Scans: 1}},
		{"STX ETX", "\x02CODE\x03\x02NEXT\x03", "CODE|NEXT", scanner.Stats{Scans: 2}},
		{"STX ETX EOT", "\x02CODE\x03\x04", "CODE", scanner.Stats{Scans: 1}},
		{"STX ETX CR LF", "\x02CODE\x03\r\n", "CODE", scanner.Stats{Scans: 1}},
		{"AIM id", "]Q1CODE\r", "Q1:CODE", scanner.Stats{Scans: 1}},
		{"AIM ids 0 to 6", "]Q0A\r]Q1A\r]Q2A\r]Q3A\r]Q4A\r]Q5A\r]Q6A\r", "Q0:A|Q1:A|Q2:A|Q3:A|Q4:A|Q5:A|Q6:A", scanner.Stats{Scans: 7}},
		{"AIM id and ECI", "]Q2\\000026CODE\r", "Q2:CODE", scanner.Stats{Scans: 1}},
		{"two ECI", "\\000003\\000026CODE\r", "CODE", scanner.Stats{Scans: 1}},
		{"not an ECI", "\\00002CODE\r", "\\00002CODE", scanner.Stats{Scans: 1}},
		{"not an AIM id", "]99CODE\r", "]99CODE", scanner.Stats{Scans: 1}},
		{"empty lines", "\r\n\r\n\n\r", "", scanner.Stats{}},
		{"only marks", "]Q1\r\x02\x03]Q1\\000026\r", "", scanner.Stats{Empty: 3}},
		{"no read", "%%NoRead\rNOREAD\r\nNR\rno read\r", "", scanner.Stats{NoRead: 4}},
		{"as long as allowed", kib + "\r", kib, scanner.Stats{Scans: 1}},
		{"one byte over", kib + "A\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Oversized: 1}},
		{"far over", strings.Repeat(kib, 9) + "\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Oversized: 1}},
		{"over behind many marks", strings.Repeat("\\000026", 9) + kib + kib + "\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Oversized: 1}},
		{"over without end", strings.Repeat(kib, 9), "", scanner.Stats{Oversized: 1}},
		{"NUL before", "\x00\x00CODE\r", "CODE", scanner.Stats{Scans: 1}},
		{"NUL inside", "CO\x00DE\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Noise: 1}},
		{"NUL at the end", "CODE\x00\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Noise: 1}},
		{"escape", "\x1b[2JCODE\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Noise: 1}},
		{"binary", "\x80\x81\x82CODE\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Noise: 1}},
		{"long binary", strings.Repeat("\x01", 5000) + "\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Noise: 1}},
		{"control character in UTF-8", "CODE\u009b2J\rGOOD\r", "GOOD", scanner.Stats{Scans: 1, Noise: 1}},
		{"UTF-8 of a foreign code", "校園\r", "校園", scanner.Stats{Scans: 1}},
		{"cut by the next", "\x02HA\x02WHOLE\x03", "WHOLE", scanner.Stats{Scans: 1, Noise: 1}},
		{"cut by the next's AIM id", "]Q1HA]Q1WHOLE\r", "Q1:WHOLE", scanner.Stats{Scans: 1, Noise: 1}},
		{"AIM id twice", "]Q1]Q1WHOLE\r", "Q1:WHOLE", scanner.Stats{Scans: 1, Noise: 1}},
		{"noise without end", "\x80\x00\x01HA]Q1WHOLE\r", "Q1:WHOLE", scanner.Stats{Scans: 1, Noise: 1}},
		{"over, then whole", strings.Repeat(kib, 9) + "]Q1WHOLE\r", "Q1:WHOLE", scanner.Stats{Scans: 1, Oversized: 1}},
		{"half, then whole", "HA\rWHOLE\r", "HA|WHOLE", scanner.Stats{Scans: 2}},
		{"doubled", "CODE\rCODE\r", "CODE|CODE", scanner.Stats{Scans: 2}},
	}
	for _, c := range cases {
		for _, step := range []int{1, 3, 1 << 20} {
			got, stats := feed(c.stream, step)
			if strings.Join(got, "|") != c.want || stats != c.stats {
				t.Errorf("%s in steps of %d: %q %+v, want %q %+v", c.name, step, got, stats, c.want, c.stats)
			}
		}
	}
	if len(cases) < 30 {
		t.Errorf("%d cases", len(cases))
	}
}

// Silence ends a frame only when the port was seen to be empty.
func TestSilence(t *testing.T) {
	var a Assembler
	if _, open := a.Waiting(t0); open {
		t.Error("a fresh assembler waits")
	}
	out := a.Feed([]byte("HALF"), t0, nil)
	out = a.Feed([]byte("REST"), t0.Add(time.Hour), out) // this host was busy
	at := t0.Add(time.Hour)
	if wait, open := a.Waiting(at); !open || wait != idle {
		t.Errorf("Waiting = %v, %v", wait, open)
	}
	if out = a.Idle(at.Add(idle-1), out); len(out) != 0 {
		t.Fatalf("ended early: %v", out)
	}
	if out = a.Idle(at.Add(idle), out); len(out) != 1 || string(out[0].Text) != "HALFREST" || !out[0].At.Equal(at) {
		t.Fatalf("got %+v", out)
	}
	// From a scanner that ends its lines silence is waited for longer.
	out = a.Feed([]byte("LINE\rHALF"), at, out[:0])
	if out = a.Idle(at.Add(stalled-1), out); len(out) != 1 {
		t.Fatalf("half a line ended early: %v", out)
	}
	if out = a.Idle(at.Add(stalled), out); len(out) != 2 || string(out[1].Text) != "HALF" {
		t.Errorf("got %+v", out)
	}
}

// A visitor prints a line end for a scanner that sends none: the scans after it
// wait for the long silence no more than once.
func TestPrintedLineEnd(t *testing.T) {
	var a Assembler
	out := a.Feed([]byte("PRINTED\rLINE"), t0, nil)
	out = a.Idle(t0.Add(stalled), out)
	out = a.Feed([]byte("A PASS"), t0.Add(time.Second), out)
	if out = a.Idle(t0.Add(time.Second+idle), out); len(out) != 3 || string(out[2].Text) != "A PASS" || a.Ends() {
		t.Errorf("got %+v", out)
	}
	if a.Feed([]byte("A LINE\r"), t0.Add(2*time.Second), nil); !a.Ends() {
		t.Error("a scanner that ends its lines is not known any more")
	}
}

func TestResetForgets(t *testing.T) {
	var a Assembler
	a.Feed([]byte("HALF"), t0, nil)
	a.Reset()
	out := a.Feed([]byte("WHOLE\r"), t0, nil)
	if len(out) != 1 || string(out[0].Text) != "WHOLE" || a.Stats().Noise != 1 {
		t.Errorf("got %+v %+v", out, a.Stats())
	}
}

// What a protocol delivers whole is judged like a line, and a line under way
// goes on behind it.
func TestWhole(t *testing.T) {
	kib := strings.Repeat("A", scanner.MaxText)
	for _, c := range []struct {
		text, want string
		stats      scanner.Stats
	}{
		{"CODE", "CODE", scanner.Stats{Scans: 1}},
		{"]Q1CODE\r\n", "CODE", scanner.Stats{Scans: 1}},
		{"\x02CODE\x03", "CODE", scanner.Stats{Scans: 1}},
		{"", "", scanner.Stats{Empty: 1}},
		{"]Q1", "", scanner.Stats{Empty: 1}},
		{"%%NoRead", "", scanner.Stats{NoRead: 1}},
		{"TWO\rLINES", "", scanner.Stats{Noise: 1}},
		{"CO\x00DE", "", scanner.Stats{Noise: 1}},
		{"CO\xffDE", "", scanner.Stats{Noise: 1}},
		{"CO\u0085DE", "", scanner.Stats{Noise: 1}},
		{kib, kib, scanner.Stats{Scans: 1}},
		{kib + "A", "", scanner.Stats{Oversized: 1}},
		{kib + kib, "", scanner.Stats{Oversized: 1}},
	} {
		var a Assembler
		a.Feed([]byte("UNDER "), t0, nil)
		out := a.Whole([]byte(c.text), t0, nil)
		got := ""
		if len(out) == 1 {
			got = string(out[0].Text)
		}
		if got != c.want || a.Stats() != c.stats {
			t.Errorf("%.20q: %.20q %+v, want %.20q %+v", c.text, got, a.Stats(), c.want, c.stats)
		}
		if out = a.Feed([]byte("WAY\r"), t0, out[:0]); len(out) != 1 || string(out[0].Text) != "UNDER WAY" {
			t.Errorf("%.20q: the line under way became %+v", c.text, out)
		}
	}
}

func TestBetweenAndEnd(t *testing.T) {
	var a Assembler
	if !a.Between() || a.Ends() || a.End(nil) != nil {
		t.Error("a fresh assembler is between lines and knows of no line ends")
	}
	a.Feed([]byte("CODE"), t0, nil)
	if a.Between() {
		t.Error("between lines inside of one")
	}
	if out := a.End(nil); len(out) != 1 || string(out[0].Text) != "CODE" || !a.Between() || a.Ends() {
		t.Errorf("ended with %+v", out)
	}
	a.Feed([]byte("CODE\r"), t0, nil)
	if !a.Between() || !a.Ends() {
		t.Error("a line end was not seen")
	}
	a.Feed([]byte{stx}, t0, nil)
	if a.Between() {
		t.Error("STX begins a frame")
	}
	a.Broken()
	if n := a.Stats().Noise; n != 1 {
		t.Errorf("%d broken frames", n)
	}
}

func FuzzAssembler(f *testing.F) {
	for _, s := range []string{"CODE\r\n", "]Q1\\000026CODE\r", "\x02A\x03\x02", "\x00\xff\x80", "%%NoRead\r", strings.Repeat("A", 1100) + "\rB\r"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		step = min(max(step, 1), len(stream)+1)
		whole, wholeStats := feed(string(stream), len(stream)+1)
		parts, partsStats := feed(string(stream), step)
		if !slices.Equal(whole, parts) || wholeStats != partsStats {
			t.Fatalf("%q %+v in one piece, %q %+v in steps of %d", whole, wholeStats, parts, partsStats, step)
		}
		var a Assembler
		out := a.Feed(stream, t0, nil)
		for _, s := range out {
			if n := len(s.Text); n == 0 || n > scanner.MaxText || !utf8.Valid(s.Text) || bytes.ContainsFunc(s.Text, unicode.IsControl) {
				t.Fatalf("delivered %q", s.Text)
			}
		}
		if uint64(len(out)) != a.Stats().Scans {
			t.Fatalf("%d scans, %+v", len(out), a.Stats())
		}
		out = a.Idle(t0.Add(time.Minute), nil)
		out = a.Feed([]byte("GOOD\r"), t0, out[:0])
		if len(out) != 1 || string(out[0].Text) != "GOOD" {
			t.Fatalf("after garbage and silence got %+v", out)
		}
	})
}

func BenchmarkAssembler(b *testing.B) {
	frame := []byte("]Q1" + strings.Repeat("ABCDEFG2", 18) + "\r\n")
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	var a Assembler
	out := make([]scanner.Scan, 0, 4)
	for b.Loop() {
		if out = a.Feed(frame, t0, out[:0]); len(out) != 1 {
			b.Fatal("no scan")
		}
	}
}
