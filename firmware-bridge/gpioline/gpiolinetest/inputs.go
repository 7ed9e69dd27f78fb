package gpiolinetest

import (
	"fmt"
	"os"
	"slices"
	"time"

	"turnstile/firmware-bridge/gpioline"
)

// inputs are lines of a Fake that are read together.
type inputs struct {
	chip   *Fake
	config gpioline.InputConfig
	wires  []*wire
	news   chan struct{} // room for one: edges or an end came

	// guarded by chip.mu
	edges  []gpioline.Edge
	lost   uint32 // dropped since the last that was read
	steady []bool // the debounced levels
	timers []*time.Timer
	gone   error
}

// OpenInputs implements Chips.
func (f *Fake) OpenInputs(c gpioline.InputConfig) (Inputs, error) {
	if len(c.Lines) == 0 || len(c.Lines) > 64 {
		return nil, fmt.Errorf("%w: %d lines", gpioline.ErrNoLine, len(c.Lines))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	found, err := f.find(c.Lines, c.Consumer)
	if err != nil {
		return nil, fmt.Errorf("open inputs: %w", err)
	}
	in := &inputs{chip: f, config: c, wires: found, news: make(chan struct{}, 1), timers: make([]*time.Timer, len(found))}
	for _, w := range found {
		w.holder = in
		in.steady = append(in.steady, w.now())
	}
	return in, nil
}

// moved notes that w's level changed; the chip's mu is held.
func (in *inputs) moved(w *wire) {
	i := slices.Index(in.wires, w)
	if in.config.Debounce <= 0 {
		in.add(i, w.now(), time.Now())
		return
	}
	if in.timers[i] != nil {
		in.timers[i].Stop()
	}
	in.timers[i] = time.AfterFunc(in.config.Debounce, func() {
		in.chip.mu.Lock()
		defer in.chip.mu.Unlock()
		if in.gone == nil && w.now() != in.steady[i] {
			in.add(i, w.now(), time.Now())
		}
	})
}

// add queues an edge; the chip's mu is held.
func (in *inputs) add(i int, high bool, at time.Time) {
	in.steady[i] = high
	active := high != in.config.ActiveLow
	if in.config.ToActive && !active {
		return
	}
	if len(in.edges) == room {
		in.lost += 1 + in.edges[0].Lost
		in.edges = in.edges[1:]
		in.edges[0].Lost = in.lost
		in.lost = 0
	}
	in.edges = append(in.edges, gpioline.Edge{Line: i, Active: active, At: at})
	in.wake()
}

// wake tells a Read that waits.
func (in *inputs) wake() {
	select {
	case in.news <- struct{}{}:
	default:
	}
}

// lose ends the inputs because the chip is gone; its mu is held.
func (in *inputs) lose() {
	if in.gone == nil {
		in.gone = gpioline.ErrChip
	}
	in.wake()
}

// Read implements Inputs.
func (in *inputs) Read(edges []gpioline.Edge, wait time.Duration) (int, error) {
	if len(edges) == 0 {
		return 0, nil
	}
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	for {
		if n, err := in.take(edges); n > 0 || err != nil {
			return n, err
		}
		select {
		case <-in.news:
		case <-timer.C:
			return in.take(edges)
		}
	}
}

// take moves what is queued into edges.
func (in *inputs) take(edges []gpioline.Edge) (int, error) {
	in.chip.mu.Lock()
	defer in.chip.mu.Unlock()
	if in.gone != nil {
		in.wake() // for the next Read
		return 0, fmt.Errorf("read inputs: %w", in.gone)
	}
	n := copy(edges, in.edges)
	in.edges = in.edges[n:]
	return n, nil
}

// Active implements Inputs.
func (in *inputs) Active() ([]bool, error) {
	in.chip.mu.Lock()
	defer in.chip.mu.Unlock()
	if in.gone != nil {
		return nil, fmt.Errorf("read levels: %w", in.gone)
	}
	active := make([]bool, len(in.wires))
	for i, w := range in.wires {
		high := w.now()
		if in.config.Debounce > 0 {
			high = in.steady[i]
		}
		active[i] = high != in.config.ActiveLow
	}
	return active, nil
}

// Close implements Inputs.
func (in *inputs) Close() error {
	in.chip.mu.Lock()
	defer in.chip.mu.Unlock()
	if in.gone == os.ErrClosed {
		return os.ErrClosed
	}
	in.gone = os.ErrClosed
	in.wake()
	for i, w := range in.wires {
		if in.timers[i] != nil {
			in.timers[i].Stop()
		}
		if w.holder == any(in) {
			w.holder = nil
		}
	}
	return nil
}
