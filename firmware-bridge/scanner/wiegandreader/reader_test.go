package wiegandreader

import (
	"context"
	"errors"
	"hash/crc32"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/wiegand"
)

const us = time.Microsecond

// cable is two lines and the hand of a reader behind them. Edges carry the
// times that they would have had, also ahead of the clock.
type cable struct {
	mu     sync.Mutex // guards the following
	queue  []gpioline.Edge
	came   chan struct{} // closed when the queue, or gone, has changed
	next   time.Time     // when the line is silent again
	active []bool
	gone   bool
	opened int
	reads  int
}

func newCable() *cable {
	return &cable{came: make(chan struct{}), active: []bool{false, false}}
}

// see works on the cable and wakes whoever waits for it.
func (c *cable) see(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.came)
	c.came = make(chan struct{})
}

// send draws a row of pulses behind the last one, after a silence.
func (c *cable) send(row string) {
	c.see(func() {
		at := time.Now()
		if at.Before(c.next) {
			at = c.next
		}
		for _, bit := range row {
			line := int(bit - '0')
			c.queue = append(c.queue, gpioline.Edge{Line: line, Active: true, At: at}, gpioline.Edge{Line: line, At: at.Add(50 * us)})
			at = at.Add(300 * us)
		}
		c.next = at.Add(wiegand.MinSilence)
	})
}

func (c *cable) open(gpioline.InputConfig) (inputs, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened++
	if c.gone {
		return nil, gpioline.ErrChip
	}
	c.queue = nil
	return c, nil
}

func (c *cable) Read(edges []gpioline.Edge, wait time.Duration) (int, error) {
	limit := time.NewTimer(wait)
	defer limit.Stop()
	c.mu.Lock()
	c.reads++
	c.mu.Unlock()
	for {
		c.mu.Lock()
		gone, came := c.gone, c.came
		n := copy(edges, c.queue)
		c.queue = c.queue[n:]
		c.mu.Unlock()
		if gone {
			return 0, gpioline.ErrChip
		}
		if n > 0 {
			return n, nil
		}
		select {
		case <-came:
		case <-limit.C:
			return 0, nil
		}
	}
}

func (c *cable) Active() ([]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, gpioline.ErrChip
	}
	return slices.Clone(c.active), nil
}

// tries counts openings and reads.
func (c *cable) tries() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened + c.reads
}

func (c *cable) Close() error { return nil }

func mustScanner(t *testing.T, c Config, w *cable) *Scanner {
	t.Helper()
	c.D0, c.D1 = "D0", "D1"
	s, err := newScanner(c, w.open)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs s until the test ends and waits until it is connected.
func start(t *testing.T, s *Scanner) {
	t.Helper()
	run(t, s)
	scannertest.Until(t, "connected", func() bool { return s.Stats().Connected })
}

// run runs s until the test ends.
func run(t *testing.T, s *Scanner) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// card returns the row of a card that stands for text.
func card(t testing.TB, format, text string) wiegand.Bits {
	t.Helper()
	f, err := wiegand.Named(format)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Encode(0, uint64(crc32.ChecksumIEEE([]byte(text)))&0xFFFF)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConform(t *testing.T) {
	scannertest.Conform(t, func(t *testing.T) scannertest.Bench {
		w := newCable()
		return scannertest.Bench{
			Scanner: mustScanner(t, Config{}, w),
			Scan:    func(text string) { w.send(card(t, "H10301", text).String()) },
			Text:    func(text string) string { return card(t, "H10301", text).Hex() },
			Unplug:  func() { w.see(func() { w.gone = true }) },
			Plug:    func() { w.see(func() { w.gone = false }) },
		}
	})
}

// Each format arrives with its number of bits, and nothing else does.
func TestFormats(t *testing.T) {
	w := newCable()
	s := mustScanner(t, Config{Formats: []string{"H10301", "W34", "H10302", "W66"}, Silence: wiegand.MaxSilence}, w)
	start(t, s)
	for _, format := range []string{"H10301", "W34", "H10302", "W66"} {
		b := card(t, format, format)
		w.send(b.String())
		got := scannertest.Next(t, s)
		if string(got.Text) != b.Hex() || got.Bits != b.Len() || got.Symbology != "" || got.At.IsZero() {
			t.Errorf("%s: %+v, want %s of %d bits", format, got, b.Hex(), b.Len())
		}
	}
	if s.Stats().Noise != 0 {
		t.Errorf("%+v", s.Stats())
	}
}

func TestNoise(t *testing.T) {
	good := card(t, "H10301", "good").String()
	for name, bad := range map[string]string{
		"parity":          flip(good, 5),
		"too short":       good[:25],
		"one pulse":       "1",
		"format not ours": card(t, "W34", "34").String(),
	} {
		w := newCable()
		s := mustScanner(t, Config{Formats: []string{"H10301"}}, w)
		start(t, s)
		w.send(bad)
		scannertest.Until(t, name+" is counted", func() bool { return s.Stats().Noise == 1 })
		w.send(good)
		if got := scannertest.Next(t, s); got.Bits != 26 || s.Stats().Scans != 1 || s.Stats().Noise != 1 {
			t.Errorf("%s: then %+v %+v", name, got, s.Stats())
		}
	}
}

// flip turns round bit i of row, counted from 0.
func flip(row string, i int) string {
	return row[:i] + string('0'+'1'-row[i]) + row[i+1:]
}

func TestTooLong(t *testing.T) {
	w := newCable()
	s := mustScanner(t, Config{}, w)
	start(t, s)
	row := card(t, "W66", "x").String()
	w.send(row + row)
	scannertest.Until(t, "it is counted", func() bool { return s.Stats().Oversized == 1 })
	if st := s.Stats(); st.Noise != 0 || st.Scans != 0 {
		t.Errorf("%+v", st)
	}
}

// Swapped wires are told, with what to do, and a right card ends the report.
func TestSwapped(t *testing.T) {
	w := newCable()
	s := mustScanner(t, Config{Formats: []string{"H10301"}}, w)
	start(t, s)
	b := card(t, "H10301", "card")
	for range convinced {
		if s.Stats().Err != nil {
			t.Errorf("too early: %v", s.Stats().Err)
		}
		n := s.Stats().Noise
		w.send(b.Invert().String())
		scannertest.Until(t, "it is counted", func() bool { return s.Stats().Noise == n+1 })
	}
	scannertest.Until(t, "the swap is told", func() bool {
		st := s.Stats()
		return errors.Is(st.Err, wiegand.ErrSwapped) && !st.Connected && st.Scans == 0
	})
	w.send(b.String())
	scannertest.Next(t, s)
	scannertest.Until(t, "all is well", func() bool { return s.Stats().Connected && s.Stats().Err == nil })
}

// A line that stays low is told, and comes back.
func TestLineStaysLow(t *testing.T) {
	w := newCable()
	s := mustScanner(t, Config{}, w)
	start(t, s)
	w.see(func() { w.active[1] = true })
	scannertest.Until(t, "it is told", func() bool { st := s.Stats(); return errors.Is(st.Err, ErrLow) && !st.Connected })
	w.see(func() { w.active[1] = false })
	scannertest.Until(t, "all is well", func() bool { return s.Stats().Connected && s.Stats().Err == nil })
	w.send(card(t, "H10301", "card").String())
	scannertest.Next(t, s)
}

// Edges that the kernel dropped cost their frame, and edges of two lines may come in the wrong order.
func TestKernelFaults(t *testing.T) {
	w := newCable()
	s := mustScanner(t, Config{}, w)
	start(t, s)
	row := card(t, "H10301", "card").String()
	w.mu.Lock() // one batch: nobody reads meanwhile
	at := time.Now()
	for i, bit := range row {
		e := gpioline.Edge{Line: int(bit - '0'), Active: true, At: at.Add(time.Duration(i) * 300 * us)}
		if i == 13 {
			e.Lost = 4
		}
		w.queue = append(w.queue, e, gpioline.Edge{Line: e.Line, At: e.At.Add(50 * us)})
	}
	w.next = at.Add(40 * time.Millisecond)
	w.mu.Unlock()
	scannertest.Until(t, "it is counted", func() bool { return s.Stats().Noise == 1 })

	w.mu.Lock()
	at = w.next
	var batch []gpioline.Edge
	for i, bit := range row {
		e := gpioline.Edge{Line: int(bit - '0'), Active: true, At: at.Add(time.Duration(i) * 300 * us)}
		batch = append(batch, e, gpioline.Edge{Line: e.Line, At: e.At.Add(50 * us)})
	}
	batch[2], batch[3], batch[20], batch[21] = batch[20], batch[21], batch[2], batch[3]
	w.queue = batch
	w.mu.Unlock()
	if got := scannertest.Next(t, s); got.Bits != 26 || s.Line().Frames != 1 || s.Line().Noise != 1 {
		t.Errorf("%+v %+v", got, s.Line())
	}
}

// Idle lines are looked at ten times a second, lost ones are tried twice.
func TestIdleIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCable()
		s := mustScanner(t, Config{}, w)
		start(t, s)
		count := func() (n int) {
			before := w.tries()
			<-time.After(time.Second + tick/2)
			return w.tries() - before
		}
		if n := count(); n < 9 || n > 11 {
			t.Errorf("%d reads of idle lines in a second", n)
		}
		w.see(func() { w.gone = true })
		if n := count(); n < 2 || n > 4 {
			t.Errorf("%d tries of lost lines in a second", n)
		}
	})
}

func TestConfig(t *testing.T) {
	good := Config{D0: "GPIO5", D1: "gpiochip0:6", Formats: []string{"W66"}, Silence: 30 * time.Millisecond}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	bad := map[string]func(*Config){
		"no line":     func(c *Config) { c.D0 = "" },
		"the same":    func(c *Config) { c.D1 = c.D0 },
		"format":      func(c *Config) { c.Formats = []string{"26"} },
		"too short":   func(c *Config) { c.Silence = time.Millisecond },
		"too long":    func(c *Config) { c.Silence = time.Second },
		"no such":     func(c *Config) { c.D1 = "gpiochip99999999999:1" },
		"half format": func(c *Config) { c.Formats = []string{"W34", ""} },
	}
	for name, change := range bad {
		c := good
		change(&c)
		if err := c.Check(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: New: %v", name, err)
		}
	}
}

// A real chip that is not there is told and waited for.
func TestNoChip(t *testing.T) {
	s, err := New(Config{D0: "NO_SUCH_LINE_0", D1: "NO_SUCH_LINE_1"})
	if err != nil {
		t.Fatal(err)
	}
	var _ scanner.Scanner = s
	run(t, s)
	scannertest.Until(t, "it is told", func() bool {
		err := s.Stats().Err
		return errors.Is(err, gpioline.ErrChip) || errors.Is(err, gpioline.ErrNoLine) || errors.Is(err, gpioline.ErrAccess)
	})
}
