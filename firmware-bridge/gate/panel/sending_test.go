package panel

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/wiegand"
)

func TestWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, s, m := spoken(t)
		stop := gatetest.Start(t, g)
		done := make(chan error, 1)
		go func() { done <- g.Open(context.Background(), in(1)) }()
		<-m.asked
		if err := g.Open(context.Background(), in(2)); !errors.Is(err, gate.ErrBusy) {
			t.Errorf("Open(2): %v", err)
		}
		s.pulse("PASS_IN") // after the card began to leave: it counts, once the card has left
		if len(g.Events()) != 0 {
			t.Errorf("%d events while the card leaves", len(g.Events()))
		}
		m.say <- nil
		if err := <-done; err != nil {
			t.Errorf("Open(1): %v", err)
		}
		if e := gatetest.Await(t, g, gate.Passed); e.Grant != 1 {
			t.Errorf("%+v", e)
		}
		stop()
	})
}

// script is contacts that a test plays, edge by edge.
type script struct {
	edges  chan gpioline.Edge
	mu     sync.Mutex // guards the following
	active []bool
}

func (s *script) Read(edges []gpioline.Edge, wait time.Duration) (int, error) {
	select {
	case edges[0] = <-s.edges:
		return 1, nil
	case <-time.After(wait):
		return 0, nil
	}
}

func (s *script) Active() ([]bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.active), nil
}

func (s *script) Close() error { return nil }

// Who walked before the card left had no grant, though it is understood later;
// and levels are read anew when the kernel has dropped edges.
func TestEdgesComeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, m := spoken(t)
		s := &script{edges: make(chan gpioline.Edge, 8), active: make([]bool, 4)}
		s.active[2] = true // ready
		g.lines.inputs = func(gpioline.InputConfig) (inputs, error) { return s, nil }
		stop := gatetest.Start(t, g)
		before := time.Now()
		<-time.After(time.Second)
		done := make(chan error, 1)
		go func() { done <- g.Open(context.Background(), in(1)) }()
		<-m.asked
		s.edges <- gpioline.Edge{Line: 0, Active: true, At: before}
		s.edges <- gpioline.Edge{Line: 0, At: before.Add(passage.Settle)}
		s.edges <- gpioline.Edge{Line: 0, Active: true, At: time.Now()}
		m.say <- nil
		if err := <-done; err != nil {
			t.Error(err)
		}
		if e := gatetest.Await(t, g, gate.Forced); !e.At.Equal(before) {
			t.Errorf("%+v", e)
		}
		gatetest.Await(t, g, gate.Passed)

		s.mu.Lock()
		s.active = []bool{false, false, false, true}
		s.mu.Unlock()
		s.edges <- gpioline.Edge{Line: 0, At: time.Now(), Lost: 3}
		gatetest.Await(t, g, gate.Fire)
		gatetest.Until(t, "the gate is unready", func() bool { return g.State().Unready })
		stop()
	})
}

// An Open that goes away leaves one outcome behind, whatever comes of the card.
func TestOpenGoesAway(t *testing.T) {
	for _, say := range []error{nil, gate.ErrLost, gate.ErrUnsure, errWire} {
		synctest.Test(t, func(t *testing.T) {
			g, _, m := spoken(t)
			stop := gatetest.Start(t, g)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- g.Open(ctx, in(1)) }()
			<-m.asked
			cancel()
			if err := <-done; !errors.Is(err, gate.ErrUnsure) || !errors.Is(err, context.Canceled) {
				t.Errorf("Open: %v", err)
			}
			m.say <- say
			e := gatetest.Next(t, g)
			if e.Grant != 1 || e.Kind != gate.NotPassed && e.Kind != gate.Lost {
				t.Errorf("%v: %v %+v", say, e.Kind, e)
			}
			if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrRepeated) && !errors.Is(err, gate.ErrLost) {
				t.Errorf("%v: again: %v", say, err)
			}
			stop()
			for e := range g.Events() {
				t.Errorf("%v: then %v %+v", say, e.Kind, e)
			}
		})
	}
}

// The end of Run, or of the lines, in the middle of a card.
func TestEndWhileSending(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(stop func(), s *site)
		want error
		kind gate.EventKind
	}{
		"stop":   {func(stop func(), _ *site) { stop() }, gate.ErrClosed, 0},
		"unplug": {func(_ func(), s *site) { s.chip.Unplug() }, gate.ErrLost, gate.Lost},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, s, m := spoken(t)
			stop := gatetest.Start(t, g)
			done := make(chan error, 1)
			go func() { done <- g.Open(context.Background(), in(1)) }()
			<-m.asked
			c.end(stop, s)
			if err := <-done; !errors.Is(err, c.want) || errors.Is(err, gate.ErrUnsure) {
				t.Errorf("%s: Open: %v", name, err)
			}
			if c.kind != 0 {
				if e := gatetest.Await(t, g, c.kind); e.Grant != 0 {
					t.Errorf("%s: %+v", name, e)
				}
				s.chip.Plug()
				gatetest.Await(t, g, gate.Found)
				if st := g.State(); st.Reopened != 1 || st.Busy != 0 || st.LastGrant != 0 {
					t.Errorf("%s: %+v", name, st)
				}
			}
			stop()
			for e := range g.Events() {
				t.Errorf("%s: then %v %+v", name, e.Kind, e)
			}
		})
	}
}

// Passages that nobody reads wait; nothing blocks.
func TestNobodyReads(t *testing.T) {
	s := newSite()
	bubble(t, wired(), s, func(t *testing.T, g *Gate) {
		people := cap(g.Events()) + 20
		for range people {
			s.pulse("PASS_OUT")
		}
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrBusy) {
			t.Errorf("Open: %v", err)
		}
		for range people {
			gatetest.Await(t, g, gate.Forced)
		}
	})
}

func TestCheck(t *testing.T) {
	good := wired()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(*Config){
		"no outputs":     func(c *Config) { c.D1 = "" },
		"no contact":     func(c *Config) { c.PassedIn = "" },
		"twice":          func(c *Config) { c.Fire = c.D0 },
		"bad name":       func(c *Config) { c.Fire = "gpiochip99999999999:1" },
		"direction":      func(c *Config) { c.Direction = 3 },
		"answer":         func(c *Config) { c.Answer = time.Minute },
		"past answer":    func(c *Config) { c.Answer = -1 },
		"format":         func(c *Config) { c.Format = "26" },
		"number":         func(c *Config) { c.Number = "" },
		"card of a pass": func(c *Config) { c.Number = Pass },
		"facility":       func(c *Config) { c.Facility = 256 },
		"card":           func(c *Config) { c.Card = 1 << 16 },
		"cut":            func(c *Config) { c.Format, c.Facility, c.Card = "W66", 0, 0; c.Card = cutCard(t) },
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
	if _, err := NewWithSender(good, &mouth{}); !errors.Is(err, ErrConfig) {
		t.Errorf("outputs beside a sender: %v", err)
	}
	good.D0, good.D1, good.PassedIn = "", "", ""
	if _, err := NewWithSender(good, &mouth{}); !errors.Is(err, ErrConfig) {
		t.Errorf("no contact beside a sender: %v", err)
	}
}

// cutCard returns a card of 66 bits that begins like a shorter one.
func cutCard(t *testing.T) uint64 {
	for n := range uint64(64) {
		card := n * 0x9E3779B97F4A7C15
		if _, cut := wiegand.Cut(mustRow(t, "W66", 0, card)); cut {
			return card
		}
	}
	t.Fatal("no card of 66 bits begins like a shorter one")
	return 0
}

// Lines that are not there are told and waited for.
func TestNoLines(t *testing.T) {
	g, err := New(wired())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	gatetest.Until(t, "it is told", func() bool {
		err := g.State().Err
		return errors.Is(err, gpioline.ErrChip) || errors.Is(err, gpioline.ErrNoLine) || errors.Is(err, gpioline.ErrAccess)
	})
	if err := g.Open(ctx, in(1)); !errors.Is(err, gate.ErrLost) {
		t.Errorf("Open: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
