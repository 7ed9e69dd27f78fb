package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gpioline"
)

// The faults that make a real line useless until it is closed.
var errLine = errors.New("device or resource busy")

// relay is an output that remembers. It has no way to be read.
type relay struct {
	mu     sync.Mutex // guards the following
	level  gpio.Level
	rises  int
	since  time.Time
	longer time.Duration // longest time that it was on
	fails  error
	gone   atomic.Bool // with its chip: closing does not help
	closed int
}

func (r *relay) Set(on bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := gpio.Level(on)
	if r.gone.Load() {
		return ErrChip
	}
	if r.fails != nil {
		return r.fails
	}
	if l && !r.level {
		r.rises++
		r.since = time.Now()
	}
	if !l && r.level {
		r.longer = max(r.longer, time.Since(r.since))
	}
	r.level = l
	return nil
}

func (r *relay) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed++
	r.fails = nil
	return nil
}

func (r *relay) see(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// switchLine is an input with gpioioctl's manners: 16 edges are held, more are
// lost, false at once on an error.
type switchLine struct {
	edges chan struct{}
	mu    sync.Mutex // guards the following
	level gpio.Level
	dead  bool
	zero  int // waits without a positive timeout
}

func newSwitch(idle gpio.Level) *switchLine {
	return &switchLine{edges: make(chan struct{}, 16), level: idle}
}

func (s *switchLine) In(pull gpio.Pull, edge gpio.Edge) error {
	if edge != gpio.BothEdges || pull == gpio.PullNoChange {
		return fmt.Errorf("configured with %v, %v", pull, edge)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return unix.ENODEV
	}
	return nil
}

func (s *switchLine) Read() gpio.Level {
	s.mu.Lock()
	level, dead := s.level, s.dead
	s.mu.Unlock()
	if dead { // gpioioctl's Read cannot fail: it writes a log line instead
		<-time.After(2 * time.Millisecond)
		return gpio.Low
	}
	return level
}

func (s *switchLine) WaitForEdge(timeout time.Duration) bool {
	s.mu.Lock()
	dead := s.dead
	if timeout <= 0 {
		s.zero++
	}
	s.mu.Unlock()
	if dead {
		return false
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-s.edges:
		return true
	case <-t.C:
		return false
	}
}

// set drives the wire; quiet loses the edge.
func (s *switchLine) set(l gpio.Level, quiet bool) {
	s.mu.Lock()
	s.level = l
	s.mu.Unlock()
	if quiet {
		return
	}
	select {
	case s.edges <- struct{}{}:
	default:
	}
}

// board is a set of lines.
type board struct {
	relays   map[string]*relay
	switches map[string]*switchLine
}

func newBoard() *board {
	return &board{
		map[string]*relay{"RELAY_IN": {}, "RELAY_OUT": {}},
		map[string]*switchLine{"PASS_IN": newSwitch(gpio.High), "PASS_OUT": newSwitch(gpio.High), "FIRE": newSwitch(gpio.High)},
	}
}

// Output claims a relay, which is off from then on, as the kernel does it.
func (b *board) Output(c gpioline.OutputConfig) (Output, error) {
	r := b.relays[c.Line]
	if r == nil {
		return nil, ErrNoLine
	}
	if err := r.Set(c.On); err != nil {
		_ = r.Close() // what the kernel's request does when it fails
		return nil, err
	}
	return r, nil
}

// Inputs implements Lines: the board's switches are all periph's, and a chip
// that vanished does not come back.
func (b *board) Inputs(gpioline.InputConfig) (Inputs, error) { return nil, ErrChip }

func (b *board) Input(name string) (Input, error) {
	if s := b.switches[name]; s != nil {
		return s, nil
	}
	return nil, ErrNoLine
}

// pulse closes a contact for 100 ms, with bounces at both ends.
func (b *board) pulse(name string) {
	s := b.switches[name]
	for range 3 {
		s.set(gpio.Low, false)
		s.set(gpio.High, false)
	}
	s.set(gpio.Low, false)
	<-time.After(100 * time.Millisecond)
	s.set(gpio.High, false)
	s.set(gpio.Low, false)
	s.set(gpio.High, false)
	<-time.After(3 * look) // until the contact counts as open again
}

func wiring() Config {
	return Config{RelayIn: "RELAY_IN", RelayOut: "RELAY_OUT", PassedIn: "PASS_IN", PassedOut: "PASS_OUT", Fire: "FIRE", ActiveLow: true}
}

func mustGate(t *testing.T, c Config, b *board) *Gate {
	t.Helper()
	g, err := New(c, b)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// run runs g until the returned stop, whose result is Run's.
func run(g *Gate) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func in(n uint32) gate.Grant { return gate.Grant{Number: n, Direction: gate.In} }

func TestConform(t *testing.T) {
	gatetest.ConformInBubble(t, func(t *testing.T) gatetest.Bench {
		b := newBoard()
		return gatetest.Bench{
			Gate: mustGate(t, wiring(), b),
			Walk: func(d gate.Direction) {
				b.pulse(map[gate.Direction]string{gate.In: "PASS_IN", gate.Out: "PASS_OUT"}[d])
			},
			Openings: func() (n int) {
				for _, r := range b.relays {
					r.see(func() { n += r.rises })
				}
				return n
			},
			Relay: func() (on bool) {
				b.relays["RELAY_IN"].see(func() { on = bool(b.relays["RELAY_IN"].level) })
				return on
			},
		}
	})
}

// In a bubble time is exact: the relay is on for the pulse and never over a second.
func TestPulse(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{
		0: gate.DefaultPulse, time.Hour: gate.MaxPulse, 300 * time.Millisecond: 300 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBoard()
			g := mustGate(t, wiring(), b)
			stop := run(g)
			gatetest.Await(t, g, gate.Found)
			if err := g.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.Out, Pulse: asked}); err != nil {
				t.Fatal(err)
			}
			gatetest.Await(t, g, gate.NotPassed)
			b.relays["RELAY_OUT"].see(func() {
				if got := b.relays["RELAY_OUT"].longer; got != want {
					t.Errorf("asked for %v: on for %v, want %v", asked, got, want)
				}
			})
			if err := stop(); err != nil {
				t.Error(err)
			}
			for name, s := range b.switches {
				if s.zero > 0 {
					t.Errorf("%s: %d waits without a positive timeout", name, s.zero)
				}
			}
		})
	}
}

func TestLostEdgesAndGlitches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		g := mustGate(t, wiring(), b)
		stop := run(g)
		gatetest.Await(t, g, gate.Found)
		s := b.switches["PASS_IN"]
		for range 5 { // spikes of 5 ms are no person
			s.set(gpio.Low, false)
			<-time.After(5 * time.Millisecond)
			s.set(gpio.High, false)
			<-time.After(70 * time.Millisecond)
		}
		if err := g.Open(context.Background(), in(1)); err != nil {
			t.Fatal(err)
		}
		s.set(gpio.Low, true) // no edge is reported, the level is there for 100 ms
		<-time.After(100 * time.Millisecond)
		s.set(gpio.High, true)
		if e := gatetest.Await(t, g, gate.Passed); e.Grant != 1 {
			t.Errorf("Passed: %+v", e)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		for e := range g.Events() {
			t.Errorf("more happened than one passage: %v %+v", e.Kind, e)
		}
	})
}

func TestFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.switches["FIRE"].set(gpio.Low, true) // burns already
		g := mustGate(t, wiring(), b)
		stop := run(g)
		gatetest.Await(t, g, gate.Found)
		gatetest.Await(t, g, gate.Fire)
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrRefused) {
			t.Errorf("Open in a fire: %v", err)
		}
		b.pulse("PASS_OUT") // free to leave, and no alarm
		b.switches["FIRE"].set(gpio.High, false)
		gatetest.Await(t, g, gate.FireOver)
		if err := g.Open(context.Background(), in(1)); err != nil {
			t.Fatal(err)
		}
		b.switches["FIRE"].set(gpio.Low, false)
		gatetest.Await(t, g, gate.NotPassed)
		gatetest.Await(t, g, gate.Fire)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
