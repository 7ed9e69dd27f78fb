package gatetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
)

// Patience bounds every wait of the suite. It is a deadline, not a measurement.
const Patience = 20 * time.Second

// Bench is a gate that is not running yet, and the hands that work its device.
type Bench struct {
	Gate     gate.Gate
	Walk     func(gate.Direction) // one person goes all the way through
	Openings func() int           // how often the relay went on
	Relay    func() bool          // whether it is on now
	Unplug   func()               // nil together with Plug for a gate that cannot be pulled
	Plug     func()
}

// Conform runs the whole suite by the computer's clock; setup makes a fresh bench for
// each test.
func Conform(t *testing.T, setup func(t *testing.T) Bench) {
	conform(t, setup, func(t *testing.T, test func(*testing.T)) { t.Parallel(); test(t) })
}

// ConformInBubble runs it in the exact time of testing/synctest, for benches whose
// devices are played in this process.
func ConformInBubble(t *testing.T, setup func(t *testing.T) Bench) {
	conform(t, setup, synctest.Test)
}

func conform(t *testing.T, setup func(t *testing.T) Bench, run func(*testing.T, func(*testing.T))) {
	tests := []part{
		{"Passed", passed}, {"NotPassed", notPassed}, {"Repeated", repeated}, {"Busy", busy},
		{"Forced", forced}, {"Invalid", invalid}, {"NotRunning", notRunning}, {"Cancelled", cancelled},
		{"Wraps", wraps}, {"EndedBefore", endedBefore}, {"StopWhileOpen", stopWhileOpen}, {"ManyOpeners", manyOpeners}, {"ShowNeverBlocks", showNeverBlocks},
	}
	if setup(t).Unplug != nil {
		tests = append(tests, part{"LostAndFound", lostAndFound}, part{"StopWhileGone", stopWhileGone})
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) { run(t, func(t *testing.T) { c.run(t, setup(t)) }) })
	}
}

// part is one test of the suite.
type part struct {
	name string
	run  func(*testing.T, Bench)
}

// Start runs g until the returned stop is called or the test ends, and waits for Found.
func Start(t testing.TB, g gate.Gate) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run ended with %v", err)
			}
		case <-time.After(Patience):
			t.Errorf("Run did not return after its context ended")
		}
	})
	t.Cleanup(stop)
	Await(t, g, gate.Found)
	return stop
}

// Next returns the next event and fails the test when none comes.
func Next(t testing.TB, g gate.Gate) gate.Event {
	t.Helper()
	select {
	case e, ok := <-g.Events():
		if !ok {
			t.Fatal("Events was closed while one was awaited")
		}
		return e
	case <-time.After(Patience):
		t.Fatalf("no event came; state %+v", g.State())
	}
	return gate.Event{}
}

// Await returns the next event and fails the test when it is not of kind k.
func Await(t testing.TB, g gate.Gate, k gate.EventKind) gate.Event {
	t.Helper()
	e := Next(t, g)
	if e.Kind != k {
		t.Fatalf("got event %v %+v, want %v", e.Kind, e, k)
	}
	if e.At.IsZero() {
		t.Errorf("event %v without a time", e.Kind)
	}
	return e
}

// Until polls cond and fails the test when it stays false.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(Patience); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// grant is one for In with the shortest window, for somebody who does not walk.
func grant(n uint32) gate.Grant {
	return gate.Grant{Number: n, Direction: gate.In, Window: gate.MinWindow}
}

// mustOpen opens for n, who does not walk, and fails the test on any error.
func mustOpen(t *testing.T, b Bench, n uint32) {
	t.Helper()
	must(t, b, grant(n))
}

// mustOpenTo opens for n, who walks: for as long as a gate waits for anybody, since a
// busy computer may be late to see it.
func mustOpenTo(t *testing.T, b Bench, n uint32) {
	t.Helper()
	must(t, b, gate.Grant{Number: n, Direction: gate.In, Window: gate.MaxWindow})
}

func must(t *testing.T, b Bench, g gate.Grant) {
	t.Helper()
	if err := b.Gate.Open(context.Background(), g); err != nil {
		t.Fatalf("Open(%d): %v; state %+v", g.Number, err, b.Gate.State())
	}
}

// wantOpen fails the test unless Open of g answers want.
func wantOpen(t *testing.T, b Bench, g gate.Grant, want error) {
	t.Helper()
	if err := b.Gate.Open(context.Background(), g); !errors.Is(err, want) {
		t.Fatalf("Open(%d) = %v, want %v", g.Number, err, want)
	}
}

// wantOutcome fails the test unless the next event is k for grant n.
func wantOutcome(t *testing.T, b Bench, k gate.EventKind, n uint32) {
	t.Helper()
	if e := Await(t, b.Gate, k); e.Grant != n {
		t.Fatalf("%v for grant %d, want %d", k, e.Grant, n)
	}
}

func wantOpenings(t *testing.T, b Bench, n int) {
	t.Helper()
	Until(t, "the relay's openings are right", func() bool { return b.Openings() == n })
}

func passed(t *testing.T, b Bench) {
	stop := Start(t, b.Gate)
	for n := uint32(1); n <= 3; n++ {
		mustOpenTo(t, b, n)
		b.Walk(gate.In)
		if e := Await(t, b.Gate, gate.Passed); e.Grant != n || e.Direction != gate.In {
			t.Fatalf("Passed %+v, want grant %d in", e, n)
		}
		Until(t, "the gate is free", func() bool { return b.Gate.State().Busy == 0 })
	}
	wantOpenings(t, b, 3)
	stop()
	for e := range b.Gate.Events() {
		t.Errorf("event after the outcome: %v %+v", e.Kind, e)
	}
}

func notPassed(t *testing.T, b Bench) {
	Start(t, b.Gate)
	mustOpen(t, b, 7)
	wantOutcome(t, b, gate.NotPassed, 7)
	Until(t, "the relay is off", func() bool { return !b.Relay() })
	mustOpenTo(t, b, 8)
	b.Walk(gate.In)
	wantOutcome(t, b, gate.Passed, 8)
}

func repeated(t *testing.T, b Bench) {
	Start(t, b.Gate)
	mustOpenTo(t, b, 5)
	b.Walk(gate.In)
	wantOutcome(t, b, gate.Passed, 5)
	wantOpen(t, b, grant(5), gate.ErrRepeated)
	wantOpen(t, b, grant(4), gate.ErrRepeated)
	wantOpenings(t, b, 1)
	mustOpen(t, b, 6)
	wantOutcome(t, b, gate.NotPassed, 6)
	wantOpenings(t, b, 2)
}

func busy(t *testing.T, b Bench) {
	Start(t, b.Gate)
	mustOpenTo(t, b, 1)
	wantOpen(t, b, grant(2), gate.ErrBusy)
	b.Walk(gate.In)
	wantOutcome(t, b, gate.Passed, 1)
	mustOpen(t, b, 2) // refused as busy, so the number is unused
	wantOutcome(t, b, gate.NotPassed, 2)
	wantOpenings(t, b, 2)
}

func forced(t *testing.T, b Bench) {
	Start(t, b.Gate)
	b.Walk(gate.In)
	if e := Await(t, b.Gate, gate.Forced); e.Grant != 0 {
		t.Errorf("Forced with grant %d", e.Grant)
	}
	wantOpenings(t, b, 0)
}

func invalid(t *testing.T, b Bench) {
	Start(t, b.Gate)
	wantOpen(t, b, gate.Grant{Number: 0, Direction: gate.In}, gate.ErrInvalid)
	wantOpen(t, b, gate.Grant{Number: 1}, gate.ErrInvalid)
	wantOpen(t, b, gate.Grant{Number: 1, Direction: 3}, gate.ErrInvalid)
	mustOpen(t, b, 1)
	wantOpenings(t, b, 1)
	wantOutcome(t, b, gate.NotPassed, 1)
}

func notRunning(t *testing.T, b Bench) {
	wantOpen(t, b, grant(1), gate.ErrClosed)
	b.Gate.Show(gate.Idle, 0)
	stop := Start(t, b.Gate)
	if err := b.Gate.Run(context.Background()); !errors.Is(err, gate.ErrStarted) {
		t.Errorf("second Run gave %v, want ErrStarted", err)
	}
	stop()
	over(t, b)
}

// over fails the test unless the gate, which never opened, has let go of everything.
func over(t *testing.T, b Bench) {
	t.Helper()
	wantOpen(t, b, grant(1), gate.ErrClosed)
	b.Gate.Show(gate.Denied, time.Second)
	if e, ok := <-b.Gate.Events(); ok {
		t.Errorf("an event after Run returned: %v %+v", e.Kind, e)
	}
	if b.Gate.State().Connected {
		t.Error("connected after Run returned")
	}
	wantOpenings(t, b, 0)
}

// endedBefore runs the gate with a context that is over: it may have been found.
func endedBefore(t *testing.T, b Bench) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan error, 1)
	go func() { done <- b.Gate.Run(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Run with an ended context gave %v", err)
		}
	case <-time.After(Patience):
		t.Fatal("Run with an ended context did not return")
	}
	for e := range b.Gate.Events() {
		if e.Kind != gate.Found {
			t.Errorf("event %v %+v", e.Kind, e)
		}
	}
	over(t, b)
}

// stopWhileGone stops the gate while there is no device.
func stopWhileGone(t *testing.T, b Bench) {
	stop := Start(t, b.Gate)
	b.Unplug()
	Await(t, b.Gate, gate.Lost)
	stop()
	over(t, b)
}

// wraps counts grants past the highest number.
func wraps(t *testing.T, b Bench) {
	Start(t, b.Gate)
	for i, n := range []uint32{1<<32 - 1, 1} {
		mustOpenTo(t, b, n)
		b.Walk(gate.In)
		wantOutcome(t, b, gate.Passed, n)
		wantOpen(t, b, grant(1<<32-1), gate.ErrRepeated)
		wantOpenings(t, b, i+1)
	}
}

func cancelled(t *testing.T, b Bench) {
	Start(t, b.Gate)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := b.Gate.Open(ctx, grant(1))
	if !errors.Is(err, context.Canceled) || errors.Is(err, gate.ErrUnsure) {
		t.Fatalf("Open with an ended context gave %v", err)
	}
	mustOpen(t, b, 2)
	wantOutcome(t, b, gate.NotPassed, 2)
	wantOpenings(t, b, 1)
}

func stopWhileOpen(t *testing.T, b Bench) {
	stop := Start(t, b.Gate)
	g := grant(9)
	g.Window = gate.MaxWindow
	g.Pulse = gate.MaxPulse
	if err := b.Gate.Open(context.Background(), g); err != nil {
		t.Fatal(err)
	}
	stop()
	if e := Next(t, b.Gate); e.Grant != 9 || e.Kind != gate.Lost && e.Kind != gate.NotPassed {
		t.Errorf("outcome of a stop: %v %+v", e.Kind, e)
	}
	if _, ok := <-b.Gate.Events(); ok {
		t.Error("an event after the outcome")
	}
	Until(t, "the relay is dropped", func() bool { return !b.Relay() })
	wantOpenings(t, b, 1)
}

func manyOpeners(t *testing.T, b Bench) {
	Start(t, b.Gate)
	const openers = 8
	answers := make(chan error, openers)
	for n := range uint32(openers) {
		go func() { answers <- b.Gate.Open(context.Background(), grant(n+1)) }()
	}
	opened := 0
	for range openers {
		err := <-answers
		if err == nil {
			opened++
		} else if !errors.Is(err, gate.ErrBusy) && !errors.Is(err, gate.ErrRepeated) {
			t.Errorf("Open: %v", err)
		}
	}
	if opened != 1 {
		t.Errorf("%d of %d concurrent Opens succeeded, want 1", opened, openers)
	}
	Await(t, b.Gate, gate.NotPassed)
	wantOpenings(t, b, 1)
}

func showNeverBlocks(t *testing.T, b Bench) {
	Start(t, b.Gate)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 200 {
				b.Gate.Show(gate.Signal(i%gate.Signals), time.Second)
			}
		})
	}
	all.Wait()
	mustOpenTo(t, b, 1)
	b.Walk(gate.In)
	wantOutcome(t, b, gate.Passed, 1)
}

func lostAndFound(t *testing.T, b Bench) {
	Start(t, b.Gate)
	b.Unplug()
	Await(t, b.Gate, gate.Lost)
	wantOpen(t, b, grant(1), gate.ErrLost)
	if s := b.Gate.State(); s.Connected || s.Err == nil {
		t.Errorf("state of a lost gate: %+v", s)
	}
	b.Plug()
	Await(t, b.Gate, gate.Found)
	mustOpen(t, b, 2)
	b.Unplug()
	wantOutcome(t, b, gate.Lost, 2)
	b.Plug()
	Await(t, b.Gate, gate.Found)
	if err := b.Gate.Open(context.Background(), grant(2)); !errors.Is(err, gate.ErrRepeated) && !errors.Is(err, gate.ErrBusy) {
		t.Fatalf("Open with the number that was lost: %v, want ErrRepeated", err)
	}
	Until(t, "the gate can be opened again", func() bool {
		err := b.Gate.Open(context.Background(), gate.Grant{Number: 3, Direction: gate.In, Window: gate.MaxWindow})
		if err != nil && !errors.Is(err, gate.ErrBusy) {
			t.Fatal(err)
		}
		return err == nil
	})
	b.Walk(gate.In)
	e := Next(t, b.Gate)
	for e.Kind == gate.Fault && e.Grant == 2 { // the device's late word on the lost grant is no outcome
		e = Next(t, b.Gate)
	}
	if e.Kind != gate.Passed || e.Grant != 3 {
		t.Errorf("got %v %+v, want passed for grant 3", e.Kind, e)
	}
}
