package device

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

// power runs a virtual controller until the test ends.
func power(t *testing.T, c ControllerConfig) *Controller {
	t.Helper()
	c.Link = filepath.Join(t.TempDir(), "controller")
	v := NewController(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	v.State()
	return v
}

// drive makes a driver for v.
func drive(t *testing.T, v *Controller) *controller.Gate {
	t.Helper()
	g, err := controller.New(serialport.Config{Path: v.config.Link, Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func in(n uint32) gate.Grant {
	return gate.Grant{Number: n, Direction: gate.In, Window: gate.MinWindow}
}

func mustOpen(t *testing.T, g gate.Gate, n uint32) {
	t.Helper()
	if err := g.Open(context.Background(), in(n)); err != nil {
		t.Fatalf("Open(%d): %v", n, err)
	}
}

func TestGateConforms(t *testing.T) {
	gatetest.Conform(t, func(t *testing.T) gatetest.Bench {
		v := power(t, ControllerConfig{})
		return gatetest.Bench{
			Gate:     drive(t, v),
			Walk:     func(d gate.Direction) { v.Walk(d, 0) },
			Openings: func() int { return int(v.State().Openings) },
			Relay:    func() bool { return v.State().Relay },
			Unplug:   v.Unplug,
			Plug: func() {
				if err := v.Plug(); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

func TestScannerConforms(t *testing.T) {
	scannertest.Conform(t, func(t *testing.T) scannertest.Bench {
		v := NewScanner(filepath.Join(t.TempDir(), "scanner"), 115200)
		plug := func() {
			if err := v.Plug(); err != nil {
				t.Fatal(err)
			}
		}
		plug()
		t.Cleanup(v.Unplug)
		s, err := line.New(serialport.Config{Path: v.line.Link(), Baud: 115200})
		if err != nil {
			t.Fatal(err)
		}
		scan := func(text string) {
			if err := v.Scan(t.Context(), text); err != nil {
				t.Error(err)
			}
		}
		return scannertest.Bench{Scanner: s, Scan: scan, Unplug: v.Unplug, Plug: plug}
	})
}

func TestScannerKeepsItsPace(t *testing.T) {
	v := NewScanner(filepath.Join(t.TempDir(), "scanner"), 9600)
	if err := v.Scan(t.Context(), "X"); err == nil || v.Plugged() {
		t.Error("an unplugged scanner sends")
	}
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	defer v.Unplug()
	began := time.Now()
	if err := v.Scan(t.Context(), strings.Repeat("A", 141)); err != nil {
		t.Fatal(err)
	}
	// 146 bytes of 10 bits, the last of which is due once the one before is out.
	if least := 145 * 10 * time.Second / 9600; time.Since(began) < least {
		t.Errorf("sent in %v, the wire needs %v", time.Since(began), least)
	}
}

// On a line that spoils every n-th byte each grant still has exactly one
// outcome, and no grant opens twice.
func TestBadLine(t *testing.T) {
	for _, every := range []int{43, 61, 131} {
		t.Run(fmt.Sprint(every), func(t *testing.T) {
			t.Parallel()
			v := power(t, ControllerConfig{AutoWalk: 20 * time.Millisecond})
			g := drive(t, v)
			stop := gatetest.Start(t, g)
			v.Noise(every)
			asked := map[uint32]bool{}
			outcomes := map[uint32]int{}
			opened := v.State().Openings
			for n := uint32(1); n <= 12; n++ {
				err := g.Open(context.Background(), in(n))
				if err != nil && !errors.Is(err, gate.ErrUnsure) {
					if !errors.Is(err, gate.ErrLost) {
						t.Fatalf("Open(%d): %v", n, err)
					}
					for gatetest.Next(t, g).Kind != gate.Found {
					}
					continue
				}
				asked[n] = true
				for outcomes[n] == 0 {
					switch e := gatetest.Next(t, g); e.Kind {
					case gate.Passed, gate.NotPassed, gate.Lost:
						outcomes[e.Grant]++
					}
				}
			}
			if here, there := g.State().Garbled, v.State().Garbled; here+uint64(there) < 3 {
				t.Errorf("the line was good: %d and %d garbled frames", here, there)
			}
			stop()
			for e := range g.Events() {
				outcomes[e.Grant]++
			}
			if len(asked) < 6 {
				t.Errorf("only %d of 12 grants got through", len(asked))
			}
			for n, k := range outcomes {
				if n != 0 && (k != 1 || !asked[n]) {
					t.Errorf("grant %d: %d outcomes, asked: %v", n, k, asked[n])
				}
			}
			if got := v.State().Openings - opened; got > uint64(len(asked)) {
				t.Errorf("%d openings for %d grants", got, len(asked))
			}
		})
	}
}

func TestControllerTurnsOffWhenHostFallsSilent(t *testing.T) {
	v := power(t, ControllerConfig{})
	g := drive(t, v)
	gatetest.Start(t, g)
	if err := g.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.In, Pulse: gate.MaxPulse, Window: gate.MaxWindow}); err != nil {
		t.Fatal(err)
	}
	if s := v.State(); !s.Relay || s.Locked || s.Grant != 1 {
		t.Errorf("after Open: %+v", s)
	}
	v.Unplug() // the host's frames stop; the controller keeps its power
	if e := gatetest.Await(t, g, gate.Lost); e.Grant != 1 {
		t.Errorf("Lost without its grant: %+v", e)
	}
	gatetest.Until(t, "the controller has locked", func() bool { s := v.State(); return !s.Relay && s.Locked && !s.Attended })
	if s := v.State(); s.Signal != gate.OutOfOrder || s.Waiting != 1 {
		t.Errorf("after silence: %+v", s)
	}
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	gatetest.Await(t, g, gate.Found)
	// The controller's own word comes now; the outcome was Lost and stays that.
	if e := gatetest.Await(t, g, gate.Fault); e.Grant != 1 {
		t.Errorf("late outcome: %+v", e)
	}
	mustOpen(t, g, 2)
}

func TestPowerCutOfTheController(t *testing.T) {
	v := power(t, ControllerConfig{})
	g := drive(t, v)
	gatetest.Start(t, g)
	mustOpen(t, g, 1)
	v.PowerCut()
	if e := gatetest.Await(t, g, gate.Lost); e.Grant != 1 {
		t.Errorf("Lost: %+v", e)
	}
	gatetest.Await(t, g, gate.Found)
	if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrRepeated) {
		t.Errorf("the controller forgot number 1, the driver must not: %v", err)
	}
	mustOpen(t, g, 2)
	v.Walk(gate.In, 0)
	gatetest.Await(t, g, gate.Passed)
}

// A process that died between grant and passage learns the outcome from its successor.
func TestOutcomeForTheNextProcess(t *testing.T) {
	v := power(t, ControllerConfig{})
	first := drive(t, v)
	stop := gatetest.Start(t, first)
	mustOpen(t, first, 41)
	v.Noise(1) // from here the controller hears nothing of the first process, as after kill -9
	v.Walk(gate.In, 0)
	stop()
	v.Noise(0)
	second := drive(t, v)
	gatetest.Start(t, second)
	if n := second.State().LastGrant; n != 41 {
		t.Errorf("LastGrant = %d, want 41", n)
	}
	if e := gatetest.Await(t, second, gate.Passed); e.Grant != 41 {
		t.Errorf("Passed %+v, want grant 41", e)
	}
	if err := second.Open(context.Background(), in(41)); !errors.Is(err, gate.ErrRepeated) {
		t.Errorf("Open(41) again: %v", err)
	}
}

func TestFireTamperTailgate(t *testing.T) {
	v := power(t, ControllerConfig{})
	g := drive(t, v)
	gatetest.Start(t, g)
	mustOpen(t, g, 1)
	v.Fire(true)
	if e := gatetest.Await(t, g, gate.NotPassed); e.Grant != 1 {
		t.Errorf("NotPassed: %+v", e)
	}
	gatetest.Await(t, g, gate.Fire)
	if err := g.Open(context.Background(), in(2)); !errors.Is(err, gate.ErrRefused) || !g.State().Fire {
		t.Errorf("Open in a fire: %v, %+v", err, g.State())
	}
	v.Walk(gate.Out, 0) // free to leave, and no alarm
	v.Fire(false)
	gatetest.Await(t, g, gate.FireOver)
	v.Tamper(true)
	gatetest.Await(t, g, gate.Tamper)
	v.Tamper(false)
	gatetest.Await(t, g, gate.TamperOver)
	mustOpen(t, g, 2) // the number was refused, so it is free
	v.Walk(gate.Out, 0)
	if e := gatetest.Await(t, g, gate.Forced); e.Direction != gate.Out {
		t.Errorf("Forced: %+v", e)
	}
	v.Walk(gate.In, 0)
	gatetest.Await(t, g, gate.Passed)
	v.Walk(gate.In, 0)
	if e := gatetest.Await(t, g, gate.Tailgated); e.Grant != 2 {
		t.Errorf("Tailgated: %+v", e)
	}
	v.Walk(gate.In, 0)
	gatetest.Await(t, g, gate.Forced)
}

func TestJammedLock(t *testing.T) {
	v := power(t, ControllerConfig{AutoWalk: 50 * time.Millisecond}) // who is let in tries to walk
	g := drive(t, v)
	gatetest.Start(t, g)
	v.Jam(true)
	mustOpen(t, g, 1)
	gatetest.Await(t, g, gate.Fault)
	if s := g.State(); s.Contact || s.Relay {
		t.Errorf("a jammed lock after its pulse: %+v", s)
	}
	gatetest.Await(t, g, gate.NotPassed)
	v.Jam(false)
	mustOpen(t, g, 2)
	gatetest.Until(t, "coil and contact are both reported", func() bool { return g.State().Contact })
	gatetest.Await(t, g, gate.Passed)
}

func TestSignals(t *testing.T) {
	v := power(t, ControllerConfig{})
	g := drive(t, v)
	g.Show(gate.Closed, 0)
	gatetest.Start(t, g)
	shows := func(s gate.Signal) func() bool { return func() bool { return v.State().Signal == s } }
	gatetest.Until(t, "what was shown before the contact appears", shows(gate.Closed))
	tones := v.State().Tones
	g.Show(gate.Denied, 2*time.Second)
	gatetest.Until(t, "denied", shows(gate.Denied))
	gatetest.Until(t, "idle again", shows(gate.Idle))
	if got := v.State().Tones - tones; got != 1 {
		t.Errorf("one Denied sounded %d times", got)
	}
	g.Show(gate.Guard, time.Hour)
	gatetest.Until(t, "guard", shows(gate.Guard))
	v.Unplug()
	gatetest.Until(t, "out of order when alone", shows(gate.OutOfOrder))
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	gatetest.Until(t, "guard again", shows(gate.Guard))
}

// While nobody reads Events the driver stops granting, and no passage is lost.
func TestNobodyReadsEvents(t *testing.T) {
	v := power(t, ControllerConfig{})
	g := drive(t, v)
	gatetest.Start(t, g)
	walked := 0
	gatetest.Until(t, "the driver takes no more", func() bool {
		if v.State().Waiting < 10 {
			v.Walk(gate.Out, 0)
			walked++
		}
		// All but the room for outcomes; on a busy machine the device's queue is full long before.
		return v.State().Waiting >= 10 && len(g.Events()) > cap(g.Events())-12
	})
	if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrBusy) {
		t.Errorf("Open while nobody reads: %v", err)
	}
	for range walked {
		gatetest.Await(t, g, gate.Forced)
	}
	mustOpen(t, g, 1)
	v.Walk(gate.In, 0)
	gatetest.Await(t, g, gate.Passed)
}

func TestWrongDevice(t *testing.T) {
	v := NewScanner(filepath.Join(t.TempDir(), "port"), 115200)
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	defer v.Unplug()
	g, err := controller.New(serialport.Config{Path: v.line.Link(), Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	gatetest.Until(t, "it says that nothing answers", func() bool { return errors.Is(g.State().Err, controller.ErrSilent) })
	if err := g.Open(ctx, in(1)); !errors.Is(err, gate.ErrLost) {
		t.Errorf("Open without a controller: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestControllerTellsItsOnlooker(t *testing.T) {
	states := make(chan ControllerState, 100)
	v := power(t, ControllerConfig{AutoWalk: 10 * time.Millisecond, Changed: func(s ControllerState) {
		select {
		case states <- s:
		default:
		}
	}})
	g := drive(t, v)
	gatetest.Start(t, g)
	mustOpen(t, g, 1)
	gatetest.Await(t, g, gate.Passed)
	sawOpen := false
	gatetest.Until(t, "open and locked again was seen", func() bool {
		select {
		case s := <-states:
			sawOpen = sawOpen || s.Relay && !s.Locked && s.Grant == 1
			return sawOpen && s.Locked && !s.Relay && s.Openings == 1
		default:
			return false
		}
	})
}
