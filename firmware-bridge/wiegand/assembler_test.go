package wiegand

import (
	"slices"
	"testing"
	"time"
)

const us = time.Microsecond

var t0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// wire is a hand that draws pulses on two lines.
type wire struct {
	at    time.Duration
	edges []Edge
}

func (w *wire) edge(line int, active bool) *wire {
	w.edges = append(w.edges, Edge{line, active, t0.Add(w.at)})
	return w
}

func (w *wire) wait(d time.Duration) *wire { w.at += d; return w }

// pulse draws one, and the pause until the next may begin.
func (w *wire) pulse(line int, width, period time.Duration) *wire {
	return w.edge(line, true).wait(width).edge(line, false).wait(period - width)
}

func (w *wire) row(bits string, width, period time.Duration) *wire {
	for _, c := range bits {
		w.pulse(int(c-'0'), width, period)
	}
	return w
}

// frames feeds everything and lets silence end it.
func (w *wire) frames(a *Assembler) []string {
	var out []Frame
	for _, e := range w.edges {
		out = a.Feed(e, out)
	}
	out = a.Idle(t0.Add(w.at+time.Second), out)
	var rows []string
	for _, f := range out {
		rows = append(rows, f.Bits.String())
	}
	return rows
}

func TestAssembler(t *testing.T) {
	card, next := golden[0].bits, golden[1].bits
	good := func(w *wire) *wire { return w.row(card, 50*us, 2*time.Millisecond) }
	cases := []struct {
		name  string
		draw  func(w *wire)
		want  []string
		stats Stats
	}{
		{"typical", func(w *wire) { good(w) }, []string{card}, Stats{Frames: 1}},
		{"fastest", func(w *wire) { w.row(card, 20*us, MinGap) }, []string{card}, Stats{Frames: 1}},
		{"slowest", func(w *wire) { w.row(card, 100*us, MaxGap) }, []string{card}, Stats{Frames: 1}},
		{"160 us", func(w *wire) { w.row(card, 160*us, time.Millisecond) }, []string{card}, Stats{Frames: 1, Odd: 26}},
		{"10 us", func(w *wire) { w.row(card, MinPulse, time.Millisecond) }, []string{card}, Stats{Frames: 1, Odd: 26}},
		{"250 us", func(w *wire) { w.row(card, MaxPulse, time.Millisecond) }, []string{card}, Stats{Frames: 1, Odd: 26}},
		{"two cards", func(w *wire) { good(w).wait(MinSilence); w.row(next, 50*us, time.Millisecond) }, []string{card, next}, Stats{Frames: 2}},
		{"a pulse too long", func(w *wire) { w.pulse(0, 251*us, time.Millisecond); good(w) }, nil, Stats{Noise: 1}},
		{"pulses too close", func(w *wire) { w.row("10", 50*us, 199*us); good(w) }, nil, Stats{Noise: 1}},
		{"pulses too far apart", func(w *wire) { w.pulse(0, 50*us, 21*time.Millisecond); good(w) }, nil, Stats{Noise: 1}},
		{"glitches", func(w *wire) {
			w.pulse(1, 9*us, 300*us).row(card[:9], 50*us, time.Millisecond).pulse(0, 3*us, 40*us).row(card[9:], 50*us, time.Millisecond)
		}, []string{card}, Stats{Frames: 1, Glitches: 2}},
		{"glitches alone", func(w *wire) {
			for range 50 {
				w.pulse(0, 5*us, 10*time.Millisecond)
			}
		}, nil, Stats{Glitches: 50}},
		{"hum behind a card", func(w *wire) {
			good(w)
			for range 10 {
				w.pulse(0, 5*us, 10*time.Millisecond)
			}
			good(w)
		}, []string{card, card}, Stats{Frames: 2, Glitches: 10}},
		{"crosstalk", func(w *wire) {
			w.edge(0, true).wait(2*us).edge(1, true).wait(4*us).edge(1, false).wait(44*us).edge(0, false)
		}, []string{"0"}, Stats{Frames: 1, Glitches: 1}},
		{"both low", func(w *wire) {
			w.edge(0, true).wait(20*us).edge(1, true).wait(20*us).edge(0, false).wait(20*us).edge(1, false).wait(time.Millisecond)
			good(w)
		}, nil, Stats{Noise: 1}},
		{"both low for long", func(w *wire) {
			w.edge(0, true).edge(1, true).wait(time.Minute).edge(0, false).edge(1, false).wait(time.Second)
			good(w)
		}, []string{card}, Stats{Frames: 1, Noise: 2, Unpaired: 2}},
		{"a line stuck low", func(w *wire) { good(w).edge(1, true).wait(time.Minute) }, nil, Stats{Noise: 1}},
		{"ends only", func(w *wire) {
			for _, c := range card {
				w.wait(50*us).edge(int(c-'0'), false).wait(time.Millisecond)
			}
		}, []string{card}, Stats{Frames: 1, Unpaired: 26}},
		{"beginnings called ends", func(w *wire) {
			for _, c := range card {
				w.edge(int(c-'0'), false).wait(50*us).edge(int(c-'0'), false).wait(time.Millisecond)
			}
		}, []string{card}, Stats{Frames: 1, Unpaired: 26}},
		{"beginnings only", func(w *wire) {
			for _, c := range card[:25] {
				w.edge(int(c-'0'), true).wait(time.Millisecond)
			}
			w.pulse(int(card[25]-'0'), 50*us, 0)
		}, []string{card}, Stats{Frames: 1, Unpaired: 25}},
		{"an end without its beginning inside a pulse", func(w *wire) {
			w.edge(0, true).wait(20*us).edge(1, false).wait(30*us).edge(0, false).wait(time.Millisecond)
			good(w)
		}, nil, Stats{Noise: 1, Unpaired: 1}},
		{"an edge from the past", func(w *wire) { w.row("101", 50*us, time.Millisecond).wait(-2 * time.Millisecond); good(w) }, nil, Stats{Noise: 1, Glitches: 1}},
		{"the longest", func(w *wire) { w.row(card+card+card+card+card[:24], 50*us, time.Millisecond) }, []string{card + card + card + card + card[:24]}, Stats{Frames: 1}},
		{"too long", func(w *wire) {
			w.row(card+card+card+card+card[:25], 50*us, time.Millisecond).wait(MinSilence)
			good(w)
		}, []string{card}, Stats{Frames: 1, Oversized: 1}},
		{"a third line", func(w *wire) { w.edge(2, true).edge(-1, false); good(w) }, []string{card}, Stats{Frames: 1}},
	}
	for _, c := range cases {
		var a Assembler
		var w wire
		c.draw(&w)
		if got := w.frames(&a); !slices.Equal(got, c.want) || a.Stats() != c.stats {
			t.Errorf("%s: %v %+v, want %v %+v", c.name, got, a.Stats(), c.want, c.stats)
		}
	}
	if len(cases) < 20 {
		t.Errorf("%d cases", len(cases))
	}
}

// Silence is within its limits, whatever was asked for.
func TestSilence(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{0: MinSilence, time.Hour: MaxSilence, 30 * time.Millisecond: 30 * time.Millisecond} {
		a := Assembler{Silence: asked}
		if _, open := a.Waiting(t0); open {
			t.Error("a fresh assembler waits")
		}
		a.Feed(Edge{1, true, t0}, nil)
		a.Feed(Edge{1, false, t0.Add(50 * us)}, nil)
		end := t0.Add(50 * us)
		if wait, open := a.Waiting(end); !open || wait != want {
			t.Errorf("asked for %v: waits %v %v", asked, wait, open)
		}
		if out := a.Idle(end.Add(want-1), nil); len(out) != 0 {
			t.Errorf("asked for %v: ended early", asked)
		}
		if out := a.Idle(end.Add(want), nil); len(out) != 1 || out[0].At != end || out[0].Bits.String() != "1" {
			t.Errorf("asked for %v: %+v", asked, out)
		}
	}
}

// Edges that were lost, or lines that went away, spoil the frame they fall into and no other.
func TestLost(t *testing.T) {
	for name, lose := range map[string]func(*Assembler, time.Time){
		"lost":  func(a *Assembler, at time.Time) { a.Lost(at) },
		"reset": func(a *Assembler, _ time.Time) { a.Reset() },
	} {
		var a Assembler
		var w wire
		for _, e := range w.row(golden[0].bits, 50*us, time.Millisecond).edges {
			a.Feed(e, nil)
		}
		lose(&a, t0.Add(w.at))
		w = wire{at: w.at + MaxSilence}
		if got := w.row(golden[1].bits, 50*us, time.Millisecond).frames(&a); !slices.Equal(got, []string{golden[1].bits}) || a.Stats() != (Stats{Frames: 1, Noise: 1}) {
			t.Errorf("%s: %v %+v", name, got, a.Stats())
		}
	}
	var a Assembler
	a.Reset()
	if a.Stats() != (Stats{}) {
		t.Errorf("a reset of nothing counts: %+v", a.Stats())
	}
}

// FuzzAssembler feeds any edges; each byte is one: two bits of line and level,
// the rest the time since the last in steps that grow.
func FuzzAssembler(f *testing.F) {
	steps := []time.Duration{0, 5 * us, 15 * us, 60 * us, 210 * us, time.Millisecond, 21 * time.Millisecond, 30 * time.Millisecond}
	f.Add([]byte{1 | 3<<2, 0 | 5<<2, 3 | 3<<2, 2 | 5<<2})
	f.Add(slices.Repeat([]byte{3, 2 | 3<<2, 1 | 5<<2, 0 | 3<<2}, 70))
	f.Add([]byte{3 | 7<<2, 1 | 2<<2, 2 | 1<<2, 0 | 6<<2})
	f.Fuzz(func(t *testing.T, data []byte) {
		var batch, live Assembler
		var batched, lived []Frame
		at := t0
		for _, b := range data {
			at = at.Add(steps[b>>2&7])
			e := Edge{int(b >> 1 & 1), b&1 == 1, at}
			batched = batch.Feed(e, batched)
			lived = live.Idle(at, lived) // a reader that was awake all the time
			lived = live.Feed(e, lived)
		}
		batched, lived = batch.Idle(at.Add(time.Minute), batched), live.Idle(at.Add(time.Minute), lived)
		if !slices.Equal(batched, lived) || batch.Stats() != live.Stats() {
			t.Fatalf("late %v %+v, in time %v %+v", batched, batch.Stats(), lived, live.Stats())
		}
		for _, frame := range batched {
			if n := frame.Bits.Len(); n < 1 || n > MaxBits {
				t.Fatalf("delivered %d bits", n)
			}
		}
		if uint64(len(batched)) != batch.Stats().Frames {
			t.Fatalf("%d frames, %+v", len(batched), batch.Stats())
		}
		w := wire{at: at.Add(time.Hour).Sub(t0)}
		if got := w.row(golden[0].bits, 50*us, time.Millisecond).frames(&batch); !slices.Equal(got, []string{golden[0].bits}) {
			t.Fatalf("after garbage and silence: %v", got)
		}
	})
}

// BenchmarkAssembler is one card of 26 bits, from its first edge to its number.
func BenchmarkAssembler(b *testing.B) {
	var w wire
	w.row(golden[1].bits, 50*us, time.Millisecond)
	b.ReportAllocs()
	var a Assembler
	out := make([]Frame, 0, 4)
	for b.Loop() {
		out = out[:0]
		for _, e := range w.edges {
			out = a.Feed(e, out)
		}
		if out = a.Idle(t0.Add(time.Minute), out); len(out) != 1 {
			b.Fatal("no frame")
		}
	}
}
