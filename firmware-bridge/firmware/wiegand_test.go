package firmware

import (
	"fmt"
	"testing"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/wiegand"
)

// FORMAT.md's silence, in microseconds: shorter does not end a row, longer does.
const tooShort, longEnough = 24_000, 51_000

// reader is one reader's pair of wires at the core, with a clock of its own.
type reader struct {
	t    *testing.T
	core *board.Core
	us   int
}

func newReader(t *testing.T) *reader { return &reader{t: t, core: board.StartCore(t)} }

// pulse pulls a wire, 1 for D0 and 2 for D1, for so long, and lets the rest of a bit time pass.
func (r *reader) pulse(wire, us int) {
	r.core.Do(r.t, "edge %d %d %d", wire, wire, uint32(r.us))
	r.us += us
	r.core.Do(r.t, "edge %d 0 %d", wire, uint32(r.us))
	r.us += 1000
}

// send pulls the wires for each bit.
func (r *reader) send(row string, us int) {
	for _, bit := range row {
		r.pulse(1+int(bit-'0'), us)
	}
}

// end lets a silence pass, looking each millisecond, and returns what was read.
func (r *reader) end(us int) (said string) {
	for end := r.us + us; r.us < end; r.us += 1000 {
		for _, line := range r.core.Do(r.t, "idle %d", uint32(r.us)) {
			said += line + ";"
		}
	}
	return said
}

// row is what the core should say of a row of bits and a count of faults.
func row(t *testing.T, bits string, faults int) string {
	t.Helper()
	b, err := wiegand.Parse(bits)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("read %d %d %s;", b.Len(), faults, text(b.Pack()))
}

// golden are cards of each length on the market: the test bits of the formats' tables.
var golden = []string{
	"10000000100000000000000010", "00110010011100100001000001", "1000100100011010001010110011110001",
	"0000000000000001001011010110100001111", "111111111111111111111111111111111111111111111111111111111111111111",
}

func TestReader(t *testing.T) {
	r := newReader(t)
	for _, bits := range golden {
		for _, us := range []int{10, 20, 50, 100, 160, 250} {
			r.send(bits, us)
			if early := r.end(tooShort); early != "" {
				t.Errorf("after a gap of %d us: %s", tooShort, early)
			}
			if got, want := r.end(longEnough), row(t, bits, 0); got != want {
				t.Errorf("%s in pulses of %d us: %s, want %s", bits, us, got, want)
			}
		}
	}
	if again := r.end(longEnough); again != "" {
		t.Errorf("read twice: %s", again)
	}
}

// Each fault is counted, and spoils the row or not.
func TestReaderFaults(t *testing.T) {
	const bits = "10000000100000000000000010"
	for _, c := range []struct {
		name   string
		do     func(*reader)
		spoils bool
	}{
		{"a spike of 9 us", func(r *reader) { r.pulse(1, 9) }, false},
		{"a spike that nobody saw low", func(r *reader) { r.core.Do(t, "edge 2 0 %d", r.us); r.us += 100 }, false},
		{"a pulse of 251 us", func(r *reader) { r.pulse(2, 251) }, true},
		{"a pulse as long as the clock is wide", func(r *reader) {
			r.core.Do(t, "edge 1 1 %d", r.us)
			r.us += 300
			r.core.Do(t, "idle %d", r.us)
			r.core.Do(t, "edge 1 0 %d", uint32(r.us-300+50)) // 2^32 us later and a bit
			r.us += 1000
		}, true},
		{"both wires low", func(r *reader) {
			r.core.Do(t, "edge 1 1 %d", r.us)
			r.core.Do(t, "edge 2 3 %d", r.us+20)
			r.core.Do(t, "edge 3 0 %d", r.us+50)
			r.us += 1000
		}, true},
		{"from one wire to the other", func(r *reader) {
			r.core.Do(t, "edge 1 1 %d", r.us)
			r.core.Do(t, "edge 3 2 %d", r.us+50)
			r.core.Do(t, "edge 2 0 %d", r.us+100)
			r.us += 1000
		}, true},
		{"25 bits", func(r *reader) { r.end(longEnough); r.send(bits[:25], 50); r.end(0) }, true},
		{"67 bits", func(r *reader) { r.send(golden[4][:41], 50) }, true},
		{"80 bits", func(r *reader) { r.send(golden[4][:54], 50) }, true},
	} {
		r := newReader(t)
		r.send(bits[:20], 50)
		c.do(r)
		faults, want := 1, "read 0 1 -;"
		if c.name == "25 bits" { // alone; the 20 before them were none either
			faults, want = 2, "read 0 2 -;"
		} else {
			r.send(bits[20:], 50)
		}
		if !c.spoils {
			want = row(t, bits, faults)
		}
		if got := r.end(longEnough); got != want {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
		r.send(bits, 50)
		if got := r.end(longEnough); got != row(t, bits, faults) {
			t.Errorf("the card after %s: %q", c.name, got)
		}
	}
}

// What the output pulls is what a reader reads, bit for bit, 50 us each 1.5 ms.
func TestCardOut(t *testing.T) {
	r := newReader(t)
	for _, bits := range golden {
		b, err := wiegand.Parse(bits)
		if err != nil {
			t.Fatal(err)
		}
		var pulled string
		rest := 0
		for _, line := range r.core.Do(t, "pulses %d %s", b.Len(), text(b.Pack())) {
			var wires, us int
			if _, err := fmt.Sscanf(line, "pull %d %d", &wires, &us); err != nil {
				t.Fatal(line, err)
			}
			switch {
			case wires == 1 || wires == 2:
				pulled += string(rune('0' + wires - 1))
				if us != 50 {
					t.Errorf("a pulse of %d us", us)
				}
				r.pulse(wires, us)
				r.us -= 1000
			case wires != 0:
				t.Errorf("wires %d at once", wires)
			default:
				r.us += us
				rest = max(rest, us)
			}
		}
		if pulled != bits || rest < 50_000 {
			t.Errorf("%s went out as %s, with a rest of %d us", bits, pulled, rest)
		}
		if got := r.end(longEnough); got != row(t, bits, 0) {
			t.Errorf("%s: a reader reads %s", bits, got)
		}
	}
}
