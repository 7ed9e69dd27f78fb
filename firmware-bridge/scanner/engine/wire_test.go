package engine

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/engine/gm65"
	"turnstile/firmware-bridge/scanner/engine/honeywell"
	"turnstile/firmware-bridge/scanner/engine/newland"
	"turnstile/firmware-bridge/scanner/engine/ssi"
	"turnstile/firmware-bridge/scanner/line"
)

// script is a wire without a port: a dialect, what is asked, and bytes.
func script(d dialect.Dialect, asked []byte, chunks ...string) (texts []string, reply []byte, stats scanner.Stats) {
	var frames line.Assembler
	w := &wire{frames: &frames, speaks: answerless{d}, asked: asked, give: func([]scanner.Scan) {}}
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, chunk := range chunks {
		at = at.Add(time.Millisecond)
		w.arrived([]byte(chunk), at)
		if err := w.digest(at); err != nil {
			panic(err)
		}
	}
	w.flushAt(at)
	w.done = frames.Idle(at.Add(time.Minute), w.done)
	for _, s := range w.done {
		texts = append(texts, string(s.Text))
	}
	return texts, w.reply, frames.Stats()
}

// The last packet of a long code never came: the pass after it is a scan of its
// own, in however many pieces it comes.
func TestRestThatNeverCame(t *testing.T) {
	packet := func(status byte, text string) []byte {
		return ssi.Append(nil, ssi.Packet{Op: 0xF3, Source: ssi.Engine, Status: status, Data: []byte("\xF1" + text)})
	}
	for _, chunks := range [][]string{{string(packet(0, "A PASS"))}, split(string(packet(0, "A PASS")))} {
		var frames line.Assembler
		w := &wire{frames: &frames, speaks: answerless{ssi.New()}, give: func([]scanner.Scan) {}}
		at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
		w.arrived(packet(2, "THE BEGINNING OF A LONG CODE"), at)
		if err := w.digest(at); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Minute)
		for _, chunk := range chunks {
			w.arrived([]byte(chunk), at)
			if err := w.digest(at); err != nil {
				t.Fatal(err)
			}
			at = at.Add(time.Millisecond)
		}
		if len(w.done) != 1 || string(w.done[0].Text) != "A PASS" {
			t.Errorf("in %d pieces: %+v", len(chunks), w.done)
		}
	}
}

// split cuts s into bytes.
func split(s string) []string { return strings.Split(s, "") }

// Scans and replies share a wire: none is lost, whatever order and pieces they
// come in, and a print that looks like a reply is none.
func TestInterleaved(t *testing.T) {
	read := gm65.AppendRead(nil, 0, 1)
	reply := string(gm65.AppendReply(nil, false, 0x87))
	query := newland.Append(nil, '#', "SCNMOD*")
	echo := string(newland.AppendReply(nil, '#', "SCNMOD2", 0x06))
	menu := honeywell.Append(nil, "232BAD?", '.')
	answer := string(honeywell.AppendReply(nil, "232BAD9", 0x06, '.'))
	version := honeywell.AppendDE2120(nil, "DSPYFW")
	for _, c := range []struct {
		name   string
		new    func() dialect.Dialect
		asked  []byte
		stream string
		texts  string
		reply  string
	}{
		{"gm65: reply alone", newGM65, read, reply, "", reply},
		{"gm65: scan, reply", newGM65, read, "CODE\r\n" + reply, "CODE", reply},
		{"gm65: reply, scan", newGM65, read, reply + "CODE\r\n", "CODE", reply},
		{"gm65: scan without end, reply, scan", newGM65, read, "CODE" + reply + "NEXT\r", "CODE|NEXT", reply},
		{"gm65: between two scans", newGM65, read, "ONE\r\n" + reply + "TWO\r\n", "ONE|TWO", reply},
		{"gm65: nothing asked", newGM65, nil, "CODE\r\n" + reply, "CODE", ""},
		{"gm65: printed inside of a line", newGM65, read, "A LINE\r\n]Q1" + reply + "\r\n", "A LINE", ""},
		{"gm65: reply of another length", newGM65, read, string(gm65.AppendReply(nil, false, 1, 2)) + "\rCODE\r", "CODE", ""},
		{"gm65: wrong sum", newGM65, read, reply[:6] + "!" + "\rCODE\r", "CODE", ""},
		{"gm65: half a reply", newGM65, read, reply[:5], "", ""},
		{"newland: scan, reply, scan", newNewland, query, "ONE\r" + echo + "TWO\r", "ONE|TWO", echo},
		{"newland: reply to another command", newNewland, query, string(newland.AppendReply(nil, '#', "SCNTRG1", 6)) + "\rCODE\r", "CODE", ""},
		{"newland: printed inside of a line", newNewland, query, "ONE\rX" + echo + "\rTWO\r", "ONE|TWO", ""},
		{"em3000: sign of life", newNewland, []byte("?"), "ONE\r!", "ONE", "!"},
		{"em3000: inside of a scan", newNewland, []byte("?"), "ON!E\r", "ON!E", ""},
		{"honeywell: scan, reply, scan", newHoneywell, menu, "ONE\r" + answer + "TWO\r", "ONE|TWO", answer},
		{"honeywell: a scan that begins like a reply", newHoneywell, menu, "232BAD9 is no reply\r" + answer, "232BAD9 is no reply", answer},
		{"honeywell: printed inside of a line", newHoneywell, menu, "ONE\rX" + answer + "\rTWO\r", "ONE|TWO", ""},
		{"de2120: text and status", newDE2120, version, "ONE\rV1.03\x06TWO\r", "ONE|TWO", "V1.03\x06"},
		{"de2120: status", newDE2120, honeywell.AppendDE2120(nil, "SCMMDH"), "ONE\r\x06TWO\r", "ONE|TWO", "\x06"},
		{"de2120: inside of a line", newDE2120, honeywell.AppendDE2120(nil, "SCMMDH"), "ONE\rT\x06WO\rX\r", "ONE|X", ""},
	} {
		for _, chunks := range [][]string{{c.stream}, split(c.stream)} {
			texts, reply, stats := script(c.new(), c.asked, chunks...)
			if got := strings.Join(texts, "|"); got != c.texts || string(reply) != c.reply {
				t.Errorf("%s in %d pieces: scans %q reply % X, want %q % X", c.name, len(chunks), got, reply, c.texts, c.reply)
			}
			if int(stats.Scans) != len(texts) {
				t.Errorf("%s: %+v of %d scans", c.name, stats, len(texts))
			}
		}
	}
}

func newGM65() dialect.Dialect      { return gm65.New() }
func newNewland() dialect.Dialect   { return newland.New() }
func newHoneywell() dialect.Dialect { return honeywell.New() }
func newDE2120() dialect.Dialect    { return honeywell.NewDE2120() }

// A reply that comes too late is still known as one, and is nobody's scan.
func TestLateReply(t *testing.T) {
	var frames line.Assembler
	at := time.Now()
	w := &wire{frames: &frames, speaks: gm65.New(), late: gm65.AppendRead(nil, 0, 1), until: at.Add(time.Second), fresh: at, give: func([]scanner.Scan) {}}
	w.held = gm65.AppendReply(nil, false, 0x87)
	if err := w.digest(at); err != nil {
		t.Fatal(err)
	}
	w.done = frames.Idle(at.Add(time.Minute), w.done)
	if st := frames.Stats(); st != (scanner.Stats{}) || w.reply != nil || w.late != nil {
		t.Errorf("a late reply: %+v, reply % X", st, w.reply)
	}
}

// FuzzWire throws anything at each dialect: nothing is lost or invented in plain
// lines, bounds hold, and the next good scan works.
func FuzzWire(f *testing.F) {
	reply := gm65.AppendReply(nil, false, 0x87)
	f.Add(uint8(0), true, reply)
	f.Add(uint8(1), true, gm65.AppendM3Y(nil, 1, "V1"))
	f.Add(uint8(2), true, newland.AppendReply(nil, '#', "QRYSYSx", 6))
	f.Add(uint8(3), true, honeywell.AppendReply(nil, "232BAD9", 6, '.'))
	f.Add(uint8(4), false, []byte("V1\x06\x15"))
	f.Add(uint8(5), true, ssi.Append(nil, ssi.Packet{Op: 0xF3, Data: []byte("\xF1CODE")}))
	f.Add(uint8(5), true, bytes.Repeat([]byte{0x05, 0xF3, 0, 2}, 40))
	f.Fuzz(func(t *testing.T, kind uint8, ask bool, stream []byte) {
		d := families[int(kind)%len(families)].new()
		var asked []byte
		if ask {
			if asked = d.Trigger(true); kind%2 == 1 {
				asked = probe(d)
			}
		}
		var chunks []string
		for chunk := range slices.Chunk(stream[:min(len(stream), 4*most)], 512) { // as a port gives them
			chunks = append(chunks, string(chunk))
		}
		texts, _, stats := script(d, asked, append(chunks, "\r\r")...)
		for _, text := range texts {
			if len(text) == 0 || len(text) > scanner.MaxText || strings.ContainsAny(text, "\r\n\x00") {
				t.Fatalf("delivered %q", text)
			}
		}
		if int(stats.Scans) != len(texts) {
			t.Fatalf("%+v of %d scans", stats, len(texts))
		}
		texts, _, _ = script(d, nil, "GOOD\r\n")
		if d, isSSI := d.(*ssi.Dialect); !isSSI && (len(texts) != 1 || texts[0] != "GOOD") {
			t.Fatalf("%T after garbage reads %q", d, texts)
		}
	})
}

// probe is the first thing that a dialect asks.
func probe(d dialect.Dialect) []byte {
	r := &recorder{}
	_, _ = d.Identify(r) // nobody answers
	return r.asked[0]
}

// recorder is a line at which nobody answers.
type recorder struct{ asked [][]byte }

func (r *recorder) Ask(request []byte, _ time.Duration) ([]byte, error) {
	r.asked = append(r.asked, bytes.Clone(request))
	return nil, dialect.ErrSilent
}
func (*recorder) Rest(time.Duration) error { return nil }
func (*recorder) Baud() int                { return 9600 }
func (*recorder) SetBaud(int) error        { return nil }

// BenchmarkLastByteToScan is what lies between the last byte of a pass and its
// scan: all but the last byte have been digested before.
func BenchmarkLastByteToScan(b *testing.B) {
	pass := strings.Repeat("ABCDEFG2", 17) + "ABCDE" // 141 characters
	for _, k := range []struct {
		name  string
		d     dialect.Dialect
		frame []byte
	}{
		{"gm65", gm65.New(), []byte(pass + "\r")},
		{"newland", newland.New(), []byte(pass + "\r")},
		{"honeywell", honeywell.New(), []byte(pass + "\r")},
		{"ssi", ssi.New(), ssi.Append(nil, ssi.Packet{Op: 0xF3, Data: []byte("\xF1" + pass)})},
	} {
		b.Run(k.name, func(b *testing.B) {
			var frames line.Assembler
			w := &wire{frames: &frames, speaks: answerless{k.d}, give: func([]scanner.Scan) {}}
			at := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				w.done = w.done[:0]
				w.held = append(w.held[:0], k.frame...)
				if err := w.digest(at); err != nil || len(w.done) != 1 {
					b.Fatal(err, len(w.done))
				}
			}
		})
	}
}

// answerless leaves out what would be written to a port.
type answerless struct{ dialect.Dialect }

func (a answerless) Take(v dialect.View) dialect.Piece {
	p := a.Dialect.Take(v)
	p.Answer = nil
	return p
}
