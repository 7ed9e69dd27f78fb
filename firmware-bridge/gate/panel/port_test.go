package panel

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/wiegand"
)

// processor is a clock that moves by being looked at, and may be taken away.
type processor struct {
	mu      sync.Mutex // guards the following
	now     time.Time
	step    int                          // looks and switchings so far
	preempt func(step int) time.Duration // how long it is taken away at this step; nil for never
}

func newProcessor() *processor {
	return &processor{now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
}

// pass lets d go by, and what is taken away on top.
func (p *processor) pass(d time.Duration) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
	p.step++
	if p.preempt != nil {
		p.now = p.now.Add(p.preempt(p.step))
	}
	return p.now
}

func (p *processor) Now() time.Time        { return p.pass(8 * time.Microsecond) }
func (p *processor) Sleep(d time.Duration) { p.pass(max(d, 0) + 60*time.Microsecond) }

// pair is two data lines that write down what they did.
type pair struct {
	clock *processor
	edges []wiegand.Edge
	fails int // the switching that fails, counted from 1; 0 for none
	done  int
	shut  int
}

// wire is one line of a pair.
type wire struct {
	pair *pair
	line int
}

var errPulled = errors.New("pulled")

// Set takes the processor's time before and after the level changes.
func (w wire) Set(on bool) error {
	w.pair.done++
	if w.pair.done == w.pair.fails {
		return errPulled
	}
	at := w.pair.clock.pass(2 * time.Microsecond)
	w.pair.edges = append(w.pair.edges, wiegand.Edge{Line: w.line, Active: on, At: at})
	w.pair.clock.pass(2 * time.Microsecond)
	return nil
}

func (w wire) Close() error { w.pair.shut++; return nil }

// listener is a panel's port: it makes rows of edges in its maker's way.
type listener struct {
	name    string
	silence time.Duration
	longest time.Duration // a longer pulse is passed over; 0 for one that looks at beginnings only
}

var listeners = []listener{
	{"beginnings, 25 ms", 25 * time.Millisecond, 0},
	{"beginnings, 50 ms", 50 * time.Millisecond, 0},
	{"beginnings, 90 ms", 90 * time.Millisecond, 0},
	{"beginnings, 20 ms", 20 * time.Millisecond, 0},
	{"passes over 100 us", 25 * time.Millisecond, 105 * time.Microsecond},
	{"passes over 250 us", 50 * time.Millisecond, 250 * time.Microsecond},
	{"passes over 1 ms", 90 * time.Millisecond, time.Millisecond},
}

// rows returns what l makes of edges.
func (l listener) rows(edges []wiegand.Edge) []string {
	var all []string
	row, last := "", time.Time{}
	for i := 0; i+1 < len(edges); i += 2 {
		on, off := edges[i], edges[i+1]
		if row != "" && on.At.Sub(last) >= l.silence {
			all, row = append(all, row), ""
		}
		if last = off.At; l.longest == 0 || off.At.Sub(on.At) <= l.longest {
			row += string('0' + byte(on.Line))
		}
	}
	return append(all, row)
}

// cards keeps the rows that are right in one of formats.
func cards(rows []string, formats []wiegand.Format) (right []string) {
	for _, row := range rows {
		if b, err := wiegand.Parse(row); err == nil {
			if _, err := wiegand.Identify(b, formats); err == nil {
				right = append(right, row)
			}
		}
	}
	return right
}

// strict is a panel after the book: this project's own reader.
func strict(edges []wiegand.Edge) (rows []string) {
	var a wiegand.Assembler
	var out []wiegand.Frame
	for _, e := range edges {
		out = a.Feed(e, out)
	}
	if len(edges) > 0 {
		out = a.Idle(edges[len(edges)-1].At.Add(time.Second), out)
	}
	for _, f := range out {
		rows = append(rows, f.Bits.String())
	}
	return rows
}

func mustRow(t testing.TB, format string, facility, card uint64) wiegand.Bits {
	t.Helper()
	f, err := wiegand.Named(format)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Encode(facility, card)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sent sends row with a processor that is taken away by preempt, and checks
// that no panel has seen anything but row, and as often as SendCard says.
func sent(t *testing.T, row wiegand.Bits, preempt func(int) time.Duration) (steps int, err error) {
	t.Helper()
	p := newProcessor()
	w := &pair{clock: p}
	o := newPort(wire{w, 0}, wire{w, 1}, p)
	p.Sleep(quiet)
	p.step, p.preempt = 0, preempt
	err = o.SendCard(context.Background(), row)
	if err != nil && !errors.Is(err, ErrBroken) {
		t.Fatalf("SendCard: %v", err)
	}
	seen := [][]string{cards(strict(w.edges), wiegand.Formats())}
	for _, l := range listeners {
		seen = append(seen, cards(l.rows(w.edges), wiegand.Formats()))
	}
	for i, got := range seen {
		whole := slices.Equal(got, []string{row.String()})
		unsure := errors.Is(err, gate.ErrUnsure)
		if !whole && (len(got) > 0 || err == nil) || whole && err != nil && !unsure {
			t.Fatalf("panel %d saw %q of %v, SendCard: %v", i, got, row, err)
		}
	}
	return p.step, err
}

// outcome counts what came of many sendings.
type outcome struct{ sent, broken, unsure int }

func (o *outcome) count(err error) {
	switch {
	case err == nil:
		o.sent++
	case errors.Is(err, gate.ErrUnsure):
		o.unsure++
	default:
		o.broken++
	}
}

// The processor is taken away once, at each step of a frame, for each length of time.
func TestOnePreemption(t *testing.T) {
	var all outcome
	for _, row := range []wiegand.Bits{mustRow(t, "H10301", 100, 58400), mustRow(t, "W34", 0x1234, 0x5678)} {
		if f, cut := wiegand.Cut(row); cut {
			t.Fatalf("%v begins like %s: choose another row", row, f.Name)
		}
		steps, err := sent(t, row, nil)
		if err != nil || steps < 26*20 {
			t.Fatalf("undisturbed: %d steps, %v", steps, err)
		}
		for i, away := range []time.Duration{60 * time.Microsecond, 300 * time.Microsecond, 16 * time.Millisecond, 22 * time.Millisecond, time.Second} {
			for step := i % 3; step < steps; step += 3 {
				_, err := sent(t, row, func(at int) time.Duration {
					if at == step {
						return away
					}
					return 0
				})
				all.count(err)
			}
		}
	}
	if all.sent < 2000 || all.broken != 0 || all.unsure < 25 { // one preemption never breaks every try
		t.Errorf("%+v", all)
	}
}

// The processor is taken away again and again.
func TestManyPreemptions(t *testing.T) {
	var all outcome
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 8))
		often := 100 << r.IntN(5)
		row := mustRow(t, "H10301", r.Uint64N(256), r.Uint64N(1<<16))
		_, err := sent(t, row, func(int) time.Duration {
			if r.IntN(often) > 0 {
				return 0
			}
			return time.Duration(1<<r.IntN(18)) * time.Microsecond
		})
		all.count(err)
	}
	if all.sent < 300 || all.broken < 300 || all.unsure < 10 {
		t.Errorf("%+v", all)
	}
}

// What is on the wires is as the makers ask for it.
func TestPulses(t *testing.T) {
	p := newProcessor()
	w := &pair{clock: p}
	row := mustRow(t, "H10301", 1, 1)
	if err := newPort(wire{w, 0}, wire{w, 1}, p).SendCard(context.Background(), row); err != nil {
		t.Fatal(err)
	}
	if len(w.edges) != 52 || w.edges[0].At.Sub(newProcessor().now) < quiet {
		t.Fatalf("%d edges, the first at %v", len(w.edges), w.edges[0].At)
	}
	for i := 0; i < len(w.edges); i += 2 {
		if wide := w.edges[i+1].At.Sub(w.edges[i].At); wide < width || wide > 2*width {
			t.Errorf("pulse %d of %v", i/2, wide)
		}
		if i == 0 {
			continue
		}
		if gap := w.edges[i].At.Sub(w.edges[i-2].At); gap < period || gap > period+100*time.Microsecond {
			t.Errorf("pulse %d after %v", i/2, gap)
		}
	}
}

// After a pause that was too long not one pulse more is sent, if it was noticed before.
func TestNothingAfterAPause(t *testing.T) {
	p := newProcessor()
	w := &pair{clock: p}
	o := newPort(wire{w, 0}, wire{w, 1}, p)
	p.preempt = func(int) time.Duration {
		if len(w.edges) == 20 && p.now.Sub(w.edges[19].At) > width && p.now.Sub(w.edges[19].At) < period {
			return 2 * apart
		}
		return 0
	}
	row := mustRow(t, "H10301", 1, 1)
	if err := o.SendCard(context.Background(), row); err != nil || len(w.edges) != 20+52 {
		t.Errorf("%d edges, %v", len(w.edges), err)
	}
	if gap := w.edges[20].At.Sub(w.edges[19].At); gap < quiet {
		t.Errorf("the next try after %v", gap)
	}
}

// A line that fails costs the card, but for the last pulse, of which nobody knows.
func TestWireFails(t *testing.T) {
	row := mustRow(t, "H10301", 1, 1)
	for n := 1; n <= 52; n++ {
		p := newProcessor()
		w := &pair{clock: p, fails: n}
		o := newPort(wire{w, 0}, wire{w, 1}, p)
		err := o.SendCard(context.Background(), row)
		if !errors.Is(err, errWire) || !errors.Is(err, errPulled) || errors.Is(err, gate.ErrUnsure) != (n > 50) {
			t.Errorf("switching %d fails: %v", n, err)
		}
		if err := o.Close(); err != nil || w.shut != 2 || w.edges[len(w.edges)-1].Active {
			t.Errorf("switching %d fails: %d closed, %v", n, w.shut, err)
		}
	}
}

// The end of the context ends a frame between two pulses.
func TestSendCancelled(t *testing.T) {
	row := mustRow(t, "H10301", 1, 1)
	p := newProcessor()
	w := &pair{clock: p}
	o := newPort(wire{w, 0}, wire{w, 1}, p)
	ctx, cancel := context.WithCancel(context.Background())
	p.preempt = func(int) time.Duration {
		if len(w.edges) == 9 {
			cancel()
		}
		return 0
	}
	if err := o.SendCard(ctx, row); !errors.Is(err, context.Canceled) || len(w.edges) != 10 {
		t.Errorf("%d edges, %v", len(w.edges), err)
	}
	if err := o.SendCard(ctx, row); !errors.Is(err, context.Canceled) || len(w.edges) != 10 {
		t.Errorf("again: %d edges, %v", len(w.edges), err)
	}
}

// BenchmarkSendCard is one card of 26 bits without the waiting.
func BenchmarkSendCard(b *testing.B) {
	row := mustRow(b, "H10301", 100, 58400)
	b.ReportAllocs()
	for b.Loop() {
		p := newProcessor()
		w := &pair{clock: p, edges: make([]wiegand.Edge, 0, 64)}
		if err := newPort(wire{w, 0}, wire{w, 1}, p).SendCard(context.Background(), row); err != nil {
			b.Fatal(err)
		}
	}
}
