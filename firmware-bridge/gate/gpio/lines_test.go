package gpio

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
)

func TestTailgateAndOneContactForBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		c := wiring()
		c.PassedOut = ""
		g := mustGate(t, c, b)
		stop := run(g)
		gatetest.Await(t, g, gate.Found)
		if err := g.Open(context.Background(), gate.Grant{Number: 3, Direction: gate.Out}); err != nil {
			t.Fatal(err)
		}
		b.pulse("PASS_IN")
		if e := gatetest.Await(t, g, gate.Passed); e.Direction != gate.Out {
			t.Errorf("Passed: %+v", e)
		}
		b.pulse("PASS_IN")
		if e := gatetest.Await(t, g, gate.Tailgated); e.Grant != 3 {
			t.Errorf("Tailgated: %+v", e)
		}
		b.pulse("PASS_IN")
		gatetest.Await(t, g, gate.Forced)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A line that another program holds is closed, reported and tried again.
func TestBusyLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		r := b.relays["RELAY_IN"]
		r.fails = errLine
		g := mustGate(t, wiring(), b)
		stop := run(g)
		synctest.Wait()
		if s := g.State(); s.Connected || !errors.Is(s.Err, errLine) {
			t.Errorf("state %+v", s)
		}
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrLost) {
			t.Errorf("Open: %v", err)
		}
		gatetest.Await(t, g, gate.Found) // only Close heals the line
		if r.closed == 0 {
			t.Error("the line was not closed")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// When the relay cannot be switched the grant is unsure and then lost.
func TestRelayFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		r := b.relays["RELAY_IN"]
		g := mustGate(t, wiring(), b)
		stop := run(g)
		gatetest.Await(t, g, gate.Found)
		r.see(func() { r.fails = errLine })
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrUnsure) {
			t.Errorf("Open: %v", err)
		}
		if e := gatetest.Await(t, g, gate.Lost); e.Grant != 1 {
			t.Errorf("Lost: %+v", e)
		}
		gatetest.Await(t, g, gate.Found)
		if err := g.Open(context.Background(), in(2)); err != nil {
			t.Errorf("after the line was closed and claimed again: %v", err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// No passage is dropped when nobody reads for a while.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		g := mustGate(t, wiring(), b)
		stop := run(g)
		<-time.After(time.Second) // Found waits unread, like all that follows
		const people = 400
		for range people {
			b.pulse("PASS_IN")
		}
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrBusy) {
			t.Errorf("Open while nobody reads: %v", err)
		}
		gatetest.Await(t, g, gate.Found)
		for range people {
			gatetest.Await(t, g, gate.Forced)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{
		{}, {RelayIn: "A"}, {PassedIn: "A"}, {RelayIn: "A", PassedIn: "A"}, {RelayIn: "A", PassedIn: "B", Fire: "B"},
	} {
		if _, err := New(c, newBoard()); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v, want ErrConfig", c, err)
		}
	}
	g := mustGate(t, Config{RelayIn: "NONE", PassedIn: "PASS_IN"}, newBoard())
	if err := g.Run(context.Background()); !errors.Is(err, ErrNoLine) {
		t.Errorf("Run without the line: %v", err)
	}
	g = mustGate(t, Config{RelayIn: "RELAY_IN", PassedIn: "PASS_IN"}, newBoard())
	stop := run(g)
	gatetest.Await(t, g, gate.Found)
	if err := g.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.Out}); !errors.Is(err, gate.ErrRefused) {
		t.Errorf("Open in a direction without relay: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Whatever the contact does, the steady level changes only after 20 ms of rest
// in the new one, and each change is to the other level.
func TestDebounce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d passage.Debounce
		now := time.Now()
		level, since := false, now
		steady := false
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "ms")) * time.Millisecond)
			next := rapid.Bool().Draw(t, "level")
			edge := next != level || rapid.Bool().Draw(t, "edge")
			if next != level || edge {
				level, since = next, now
			}
			if d.Sample(level, edge, now) {
				if steady == d.Steady || d.Steady != level {
					t.Fatalf("changed to %v from %v at level %v", d.Steady, steady, level)
				}
				if now.Sub(since) < passage.Settle {
					t.Fatalf("changed after %v", now.Sub(since))
				}
				steady = d.Steady
			}
			if p := patience(&d, now); p <= 0 || p > look {
				t.Fatalf("patience %v", p)
			}
		}
	})
}

// This computer has no GPIO, or it has: both are said clearly.
func TestPrepare(t *testing.T) {
	h, err := Prepare()
	if err != nil {
		if !errors.Is(err, ErrNoChip) {
			t.Errorf("Prepare: %v", err)
		}
		return
	}
	if _, err := h.Input("no such line"); !errors.Is(err, ErrNoLine) {
		t.Errorf("Input of an unknown line: %v", err)
	}
	if _, err := h.Output(gpioline.OutputConfig{Line: "no such line"}); !errors.Is(err, ErrNoLine) {
		t.Errorf("Output of an unknown line: %v", err)
	}
	if _, err := h.Inputs(gpioline.InputConfig{Lines: []string{"no such line"}}); !errors.Is(err, ErrNoLine) {
		t.Errorf("Inputs of an unknown line: %v", err)
	}
}
