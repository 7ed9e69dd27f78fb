package firmware

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/frame"
)

// dialogue is a host, wires and time as a string of bytes says, against the core.
type dialogue struct {
	t      *testing.T
	core   *board.Core
	script []byte
	now    uint32
	relay  int
	opened int // OPENs accepted
}

// take returns the next n bytes of the script, zeros where it is over.
func (d *dialogue) take(n int) []byte {
	b := make([]byte, n)
	d.script = d.script[copy(b, d.script):]
	return b
}

// bodies is how long the body of each type of a host is; one is no type.
var bodies = map[frame.Type]int{frame.TypeHello: 4, frame.TypeBeat: 0, frame.TypeOpen: 9, frame.TypeSignal: 4, frame.TypeLock: 0, frame.TypeSeen: 4,
	frame.TypeCardOut: 6, frame.TypeCardSeen: 4, frame.TypeUpdate: 8, 0x0A: 3}

// act does what the next bytes of the script say.
func (d *dialogue) act() {
	switch what := d.take(1)[0]; what % 8 {
	case 0, 1, 2, 3: // a good frame, whatever it means
		kind := frame.Type(1 + what/8%10)
		n := bodies[kind]
		if what >= 0xF8 {
			n++
		}
		d.turn(0, 0, 0, 0, frame.Append(nil, frame.Frame{Type: kind, Seq: what, Body: d.take(n)}))
	case 4: // a frame cut short, and whatever follows
		b := d.take(1 + int(what/8))
		d.turn(0, 0, 0, 0, b)
	case 5: // wires and people
		b := d.take(3)
		d.turn(1, int(b[0]&7), int(b[1]&3), int(b[2]&3), nil)
	case 6: // a reader
		b := d.take(3)
		bits := 26 + b[0]%41
		if b[1] > 200 {
			bits = 0
		}
		d.core.Do(d.t, "card %d %d %s %d", b[0]&1, bits, text(make([]byte, (bits+7)/8)), int(b[1])<<8|int(b[2]))
		d.turn(1, 0, 0, 0, nil)
	case 7: // time
		b := d.take(2)
		d.turn(uint32(b[0])|uint32(b[1])<<8, 0, 0, 0, nil)
	}
}

// turn is one turn of the main loop. The relay goes on only with an OPEN that is
// accepted in it, and never in a fire.
func (d *dialogue) turn(ms uint32, inputs, in, out int, line []byte) {
	d.t.Helper()
	d.now += ms
	lines := d.core.Do(d.t, "step %d %d %d %d %s", d.now, inputs, in, out, text(line))
	before, opened := d.relay, 0
	for _, m := range said(d.t, lines) {
		if a, is := m.(frame.Answer); is && a.Code == frame.Opened {
			opened++
		}
	}
	var lamp int
	if _, err := fmt.Sscanf(lines[len(lines)-1], "now %d %d", &d.relay, &lamp); err != nil {
		d.t.Fatal(lines, err)
	}
	d.opened += opened
	if d.relay != 0 && before == 0 && opened == 0 {
		d.t.Fatalf("at %d ms the relay went on without an OPEN: %q", d.now, lines)
	}
	if d.relay != 0 && inputs&1 != 0 {
		d.t.Fatalf("at %d ms the relay is on in a fire: %q", d.now, lines)
	}
}

// op writes a good frame as act reads it.
func op(kind frame.Type, body ...byte) []byte { return append([]byte{byte(kind-1) * 8}, body...) }

// Good frames of every type in any order, with people, wires, readers and time in
// between, do not break the core, which runs under sanitizers; nothing but an
// accepted OPEN puts the relay on, and silence drops it.
func FuzzMessages(f *testing.F) {
	core := board.StartCore(f)
	hello, open := op(frame.TypeHello, 1, 0, 0, 0), op(frame.TypeOpen, 1, 0, 0, 0, 1, 200, 0, 0x88, 0x13)
	people, late, card, fault := []byte{5, 0, 1, 1}, []byte{7, 0xD1, 0x07}, []byte{6, 0, 0, 1}, []byte{6, 1, 255, 1}
	takes := op(frame.TypeCardSeen, 0, 0, 0, 0)
	for _, seed := range [][]byte{
		nil, hello, open, slices.Concat(hello, open, people, people, people), slices.Concat(hello, open, op(frame.TypeLock), open),
		slices.Concat(hello, open, []byte{5, 1, 0, 0}, open, []byte{5, 2, 0, 0}, late, late), slices.Concat(hello, open, late),
		slices.Concat(hello, op(frame.TypeSignal, 1, 3, 5, 0), op(frame.TypeBeat), late), slices.Concat(hello, op(frame.TypeUpdate), op(0x0A), []byte{0xFC, 1, 2}),
		slices.Concat(hello, op(frame.TypeCardOut, 1, 26, 1, 2, 3, 0x40), op(frame.TypeCardOut, 1, 26, 1, 2, 3, 0x40), op(frame.TypeCardOut, 2, 26, 1, 2, 3, 0x40)),
		slices.Concat(hello, slices.Repeat(card, 6), takes, late, takes, fault, late), slices.Concat(hello, takes, slices.Repeat(card, 6), op(frame.TypeCardSeen, 3, 0, 0, 0), fault),
		slices.Concat(hello, slices.Repeat([]byte{5, 2, 3, 0, 5, 0, 0, 3}, 20), open, op(frame.TypeSeen, 1, 0, 0, 0), op(frame.TypeBeat)),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, script []byte, potential bool) {
		strap := 0
		if potential {
			strap = 1
		}
		d := &dialogue{t: t, core: core, script: script[:min(len(script), 2000)], now: 1<<32 - 5000}
		core.Do(t, "start 7 0 %d %d 4095", strap, d.now)
		for len(d.script) > 0 {
			d.act()
		}
		d.turn(2001, 0, 0, 0, nil)
		if d.relay != 0 {
			t.Fatalf("the relay is on after silence; %d OPENs were accepted", d.opened)
		}
	})
}

// Whatever the wires of a reader do, what is read is no card or one of 26 to 66
// bits, and the next card after a silence is read as it is.
func FuzzReader(f *testing.F) {
	core := board.StartCore(f)
	zero, one := []byte{0x11, 50, 0x10, 200}, []byte{0x22, 50, 0x20, 200} // falls and rises, with the time after each in 5 us
	for _, seed := range [][]byte{nil, zero, slices.Repeat(zero, 26), slices.Concat(slices.Repeat(one, 66), []byte{0xF0, 255}), slices.Repeat(one, 67), slices.Repeat(zero, 300),
		{0x11, 4, 0x33, 4, 0x30, 255}, {0x11, 255, 0xF0, 255, 0x10, 1}, slices.Concat(slices.Repeat(zero, 25), []byte{0xF0, 255}, slices.Repeat(one, 40)), {0x33, 2, 0x33, 2, 0x21, 3, 0x00, 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, wires []byte) {
		core.Do(t, "forget")
		r := &reader{t: t, core: core, us: 1<<32 - 100_000}
		for pair := range slices.Chunk(wires[:min(len(wires), 2000)], 2) {
			if pair[0] >= 0xF0 {
				wellFormed(t, r.end(1000*len(pair)*int(pair[0]&15+1)))
				continue
			}
			core.Do(t, "edge %d %d %d", pair[0]>>4&3, pair[0]&3, uint32(r.us))
			r.us += 5 * int(pair[len(pair)-1])
		}
		core.Do(t, "edge 3 0 %d", uint32(r.us)) // both wires rest
		wellFormed(t, r.end(longEnough))
		r.send(golden[0], 50)
		if said := r.end(longEnough); !strings.HasPrefix(said, "read 26 ") || !strings.HasSuffix(said, " 80800080;") {
			t.Fatalf("the card after % x: %q", wires, said)
		}
	})
}

// wellFormed fails the test when a reader said something else than cards.
func wellFormed(t *testing.T, said string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(said, ";"), ";") {
		var bits, faults int
		var b string
		if line == "" {
			continue
		}
		if _, err := fmt.Sscanf(line, "read %d %d %s", &bits, &faults, &b); err != nil || bits != 0 && (bits < 26 || bits > 66) || bits > 0 && len(b) != (bits+7)/8*2 {
			t.Fatalf("%q %v", line, err)
		}
	}
}
