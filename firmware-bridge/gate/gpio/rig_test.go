package gpio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/gpioline/gpiolinetest"
)

// chip is a fake chip as Lines. periph does not know it, as it is with a chip
// that was plugged in later.
type chip struct{ *gpiolinetest.Fake }

func (c chip) Output(o gpioline.OutputConfig) (Output, error) { return c.OpenOutput(o) }
func (c chip) Inputs(i gpioline.InputConfig) (Inputs, error)  { return c.OpenInputs(i) }
func (c chip) Input(name string) (Input, error)               { return nil, fmt.Errorf("%w: %s", ErrNoLine, name) }

// rig is a running gate on a fake chip with all lines wired. Contacts close to the supply.
type rig struct {
	*gpiolinetest.Fake
	t    *testing.T
	gate *Gate
	stop func() error
}

// everything wires every line that a gate can have.
func everything(profile string) Config {
	return Config{
		Profile: profile, RelayIn: "RELAY_IN", RelayOut: "RELAY_OUT", PassedIn: "PASS_IN", PassedOut: "PASS_OUT",
		Fire: "FIRE", Tamper: "TAMPER", Ready: "READY", Fault: "FAULT", WrongWay: "WRONG_WAY", Tailgate: "TAILGATE",
		InhibitIn: "INHIBIT_IN", InhibitOut: "INHIBIT_OUT", Door: "DOOR", Granted: "GREEN", Denied: "RED", Buzzer: "BUZZER",
	}
}

// lines are all lines of everything.
func lines() (names []string) {
	c := everything("")
	contacts := c.contacts()
	for _, t := range slices.Concat(c.outputs(), contacts[:]) {
		names = append(names, t.name)
	}
	return names
}

// newRig starts a gate whose contacts say that all is well, and waits for Found.
func newRig(t *testing.T, c Config) *rig {
	t.Helper()
	f := gpiolinetest.New(lines()...)
	p, _ := profileOf(c.Profile)
	f.Drive("READY", true)
	f.Drive("FIRE", slices.Contains(p.opens, fire))
	f.Drive("FAULT", slices.Contains(p.opens, fault))
	g, err := New(c, chip{f})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{f, t, g, run(g)}
	gatetest.Await(t, g, gate.Found)
	return r
}

// end stops the gate; nothing else may have happened.
func (r *rig) end() {
	r.t.Helper()
	if err := r.stop(); err != nil {
		r.t.Error(err)
	}
	for e := range r.gate.Events() {
		r.t.Errorf("more happened: %v %+v", e.Kind, e)
	}
	for _, line := range []string{"RELAY_IN", "RELAY_OUT", "GREEN", "RED", "BUZZER"} {
		if levels := r.Levels(line); len(levels) > 0 && levels[len(levels)-1] {
			r.t.Errorf("%s was left on", line)
		}
	}
}

// open opens for n with the shortest window.
func (r *rig) open(n uint32, d gate.Direction) {
	r.t.Helper()
	if err := r.gate.Open(context.Background(), gate.Grant{Number: n, Direction: d, Window: gate.MinWindow}); err != nil {
		r.t.Fatalf("Open(%d): %v", n, err)
	}
}

// pulse closes a contact for 100 ms, which is what the gates do at least.
func (r *rig) pulse(line string) {
	r.Drive(line, true)
	<-time.After(100 * time.Millisecond)
	r.Drive(line, false)
	<-time.After(3 * look)
}

// set moves a contact and waits until it counts.
func (r *rig) set(line string, high bool) {
	r.Drive(line, high)
	<-time.After(3 * look)
}

// want awaits an event of kind k for grant n.
func (r *rig) want(k gate.EventKind, n uint32) gate.Event {
	r.t.Helper()
	e := gatetest.Await(r.t, r.gate, k)
	if e.Grant != n {
		r.t.Errorf("%v for grant %d, want %d", k, e.Grant, n)
	}
	return e
}

// bench makes a gate on lines with these hands for gatetest's suite.
func bench(t *testing.T, g *Gate, hands interface {
	Drive(line string, high bool)
	Wire(line string) bool
	Unplug()
	Plug()
}, openings func() int, relay, contact string, pulse time.Duration) gatetest.Bench {
	return gatetest.Bench{
		Gate: g, Openings: openings,
		Walk: func(gate.Direction) {
			hands.Drive(contact, true)
			<-time.After(pulse)
			hands.Drive(contact, false)
			<-time.After(3 * look)
		},
		Relay:  func() bool { return hands.Wire(relay) },
		Unplug: hands.Unplug, Plug: hands.Plug,
	}
}

// The suite, with contacts that periph does not know and a chip that comes back.
func TestConformWithoutPeriph(t *testing.T) {
	gatetest.ConformInBubble(t, func(t *testing.T) gatetest.Bench {
		f := gpiolinetest.New("RELAY", "PASS")
		g, err := New(Config{Profile: ProfileMagnetic, RelayIn: "RELAY", PassedIn: "PASS"}, chip{f})
		if err != nil {
			t.Fatal(err)
		}
		return bench(t, g, f, func() int { return f.Rises("RELAY") }, "RELAY", "PASS", 100*time.Millisecond)
	})
}

// simulated is how many chips the suite and TestKernelOutputs need.
const simulated = 17

// TestKernel runs the suite on the kernel's simulated chips, with the real
// periph and the real package gpioline, where TURNSTILE_GPIO names the chips to
// make: as root, in a virtual machine. Without it there is nothing to run on,
// and what is left is that Prepare says so.
func TestKernel(t *testing.T) {
	name := os.Getenv("TURNSTILE_GPIO")
	if name == "" {
		TestPrepare(t)
		return
	}
	var chips []*gpiolinetest.Sim
	for n := range simulated { // before Prepare: periph looks once
		s, err := gpiolinetest.NewSim(fmt.Sprintf("%s-%d", name, n), fmt.Sprintf("RELAY%d", n), fmt.Sprintf("PASS%d", n))
		if err != nil {
			t.Fatal(err)
		}
		chips = append(chips, s)
	}
	host, err := Prepare()
	if err != nil {
		t.Fatal(err)
	}
	if err := chips[0].Trace(); err != nil {
		t.Fatal(err)
	}
	var used atomic.Int32 // the suite's tests run side by side
	t.Run("Conform", func(t *testing.T) {
		gatetest.Conform(t, func(t *testing.T) gatetest.Bench {
			n := used.Add(1) - 1
			s := chips[n]
			relay, contact := fmt.Sprintf("RELAY%d", n), fmt.Sprintf("PASS%d", n)
			g, err := New(Config{RelayIn: relay, PassedIn: contact}, host)
			if err != nil {
				t.Fatal(err)
			}
			pulse := 300 * time.Millisecond // an emulated computer is slow
			return bench(t, g, s, func() int { return rises(s.Levels(relay)) }, relay, contact, pulse)
		})
	})
	n := int(used.Load())
	if n < 12 || n >= simulated {
		t.Fatalf("%d chips used of %d", n, simulated)
	}
	kernelOutputs(t, host, chips[n], n)
}

// rises counts how often a line that was low before went high.
func rises(levels []bool) (n int) {
	before := false
	for _, high := range levels {
		if high && !before {
			n++
		}
		before = high
	}
	return n
}

// kernelOutputs sees by the kernel's own trace that an active-low relay is never
// low but for a grant.
func kernelOutputs(t *testing.T, host *Host, s *gpiolinetest.Sim, n int) {
	relay := fmt.Sprintf("RELAY%d", n)
	s.Drive(relay, true) // the board's pull-up
	g, err := New(Config{RelayIn: "!" + relay, PassedIn: fmt.Sprintf("PASS%d", n)}, host)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(g)
	gatetest.Await(t, g, gate.Found)
	if err := g.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.In, Window: gate.MinWindow}); err != nil {
		t.Fatal(err)
	}
	gatetest.Await(t, g, gate.NotPassed)
	if err := stop(); err != nil {
		t.Error(err)
	}
	levels := s.Levels(relay)
	low := 0
	for i, high := range levels {
		if !high && (i == 0 || levels[i-1]) {
			low++
		}
	}
	if len(levels) < 3 || !levels[0] || low != 1 || !levels[len(levels)-1] {
		t.Errorf("driven at %v, want high, low once, high", levels)
	}
}

// crowded is a chip on a computer that has others: pulled, its lines have no name.
type crowded struct{ chip }

func (c crowded) Output(o gpioline.OutputConfig) (Output, error) {
	line, err := c.chip.Output(o)
	if errors.Is(err, ErrChip) {
		return nil, ErrNoLine
	}
	return line, err
}

// A line that was there once is waited for, though the computer has other chips
// and says that it knows no such line.
func TestLineGoneAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := gpiolinetest.New("RELAY", "PASS")
		g, err := New(Config{RelayIn: "RELAY", PassedIn: "PASS"}, crowded{chip{f}})
		if err != nil {
			t.Fatal(err)
		}
		stop := run(g)
		for range 3 {
			gatetest.Await(t, g, gate.Found)
			f.Unplug()
			gatetest.Await(t, g, gate.Lost)
			<-time.After(10 * retry)
			if !errors.Is(g.State().Err, ErrNoLine) {
				t.Errorf("state %+v", g.State())
			}
			f.Plug()
		}
		gatetest.Await(t, g, gate.Found)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}
