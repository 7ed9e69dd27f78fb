// Package gatetest has a gate without steel, and the suite that every gate driver passes.
package gatetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"turnstile/firmware-bridge/gate"
)

const (
	room    = 256 // events that wait in the channel
	reserve = 8   // of which only outcomes may use the last ones
)

// Fake is a gate.Gate whose people are moved by the test. Use New. Its timers
// run in a testing/synctest bubble too.
type Fake struct {
	mu      sync.Mutex // guards the following
	events  chan gate.Event
	opened  chan gate.Grant
	state   gate.State
	started bool
	running bool
	lost    bool
	refuse  error
	grant   gate.Grant  // the one under way; Number 0 if none
	window  *time.Timer // ends it
	shown   []gate.Signal
	total   int
}

// New returns a fake that is connected as soon as Run is called.
func New() *Fake {
	return &Fake{events: make(chan gate.Event, room), opened: make(chan gate.Grant, room)}
}

// Run implements gate.Gate.
func (f *Fake) Run(ctx context.Context) error {
	f.mu.Lock()
	if f.started {
		f.mu.Unlock()
		return gate.ErrStarted
	}
	f.started, f.running = true, true
	f.state.Device = "gatetest fake"
	if !f.lost {
		f.found()
	}
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finish(gate.Lost, 0, "stopped")
	f.running, f.state.Connected = false, false
	close(f.events)
	return nil
}

// found reports the connection; mu is held.
func (f *Fake) found() {
	f.state.Connected, f.state.Err = true, nil
	f.send(gate.Event{Kind: gate.Found, Detail: f.state.Device})
}

// Open implements gate.Gate.
func (f *Fake) Open(ctx context.Context, g gate.Grant) error {
	g, err := g.Within()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.why(ctx, g); err != nil {
		return fmt.Errorf("open gate for grant %d: %w", g.Number, err)
	}
	f.grant, f.state.Busy, f.state.LastGrant, f.state.Relay = g, g.Number, g.Number, true
	f.total++
	f.window = time.AfterFunc(g.Window, func() { f.expire(g.Number) })
	select {
	case f.opened <- g:
	default:
	}
	return nil
}

// why returns the reason not to open for g, nil if there is none; mu is held.
func (f *Fake) why(ctx context.Context, g gate.Grant) error {
	switch {
	case !f.running:
		return gate.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case f.lost:
		return gate.ErrLost
	case f.state.LastGrant != 0 && int32(g.Number-f.state.LastGrant) <= 0:
		return gate.ErrRepeated
	case f.grant.Number != 0 || len(f.events) > room-2*reserve:
		return gate.ErrBusy
	}
	err := f.refuse
	f.refuse = nil
	return err
}

// expire takes grant n back if it is still under way.
func (f *Fake) expire(n uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grant.Number == n {
		f.finish(gate.NotPassed, f.grant.Direction, "")
	}
}

// finish reports the outcome of the grant under way, if there is one; mu is held.
func (f *Fake) finish(k gate.EventKind, d gate.Direction, detail string) {
	if f.grant.Number == 0 {
		return
	}
	f.window.Stop()
	n := f.grant.Number
	f.grant, f.state.Busy, f.state.Relay = gate.Grant{}, 0, false
	f.send(gate.Event{Kind: k, Direction: d, Grant: n, Detail: detail})
}

// send puts e on the channel; mu is held.
func (f *Fake) send(e gate.Event) {
	e.At = time.Now()
	if !f.running || len(f.events) >= room-reserve && e.Grant == 0 {
		f.state.Dropped++
		return
	}
	f.events <- e
}

// Show implements gate.Gate.
func (f *Fake) Show(s gate.Signal, _ time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = append(f.shown, s)
}

// Events implements gate.Gate.
func (f *Fake) Events() <-chan gate.Event { return f.events }

// State implements gate.Gate.
func (f *Fake) State() gate.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// Opened delivers each grant that the fake opened for, so that a test can wait for it.
func (f *Fake) Opened() <-chan gate.Grant { return f.opened }

// Openings is how often the relay went on.
func (f *Fake) Openings() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}

// Shown returns every signal that was shown so far, in order.
func (f *Fake) Shown() []gate.Signal {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]gate.Signal(nil), f.shown...)
}

// Refuse makes the next Open that gets that far answer err.
func (f *Fake) Refuse(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = err
}

// Walk moves one person through in direction d: Passed if a grant for that
// direction is under way, Forced otherwise.
func (f *Fake) Walk(d gate.Direction) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.grant.Number != 0 && f.grant.Direction == d {
		f.finish(gate.Passed, d, "")
		return
	}
	f.send(gate.Event{Kind: gate.Forced, Direction: d})
}

// Emit reports e as if the device had; Fire, FireOver, Tamper and TamperOver
// change State too. Outcomes come from Walk and from time alone.
func (f *Fake) Emit(e gate.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch e.Kind {
	case gate.Fire, gate.FireOver:
		f.state.Fire = e.Kind == gate.Fire
	case gate.Tamper, gate.TamperOver:
		f.state.Tamper = e.Kind == gate.Tamper
	}
	f.send(e)
}

// Lose makes the device vanish: Lost is reported, with the grant under way.
func (f *Fake) Lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost {
		return
	}
	f.lost, f.state.Connected, f.state.Err = true, false, gate.ErrLost
	if f.grant.Number == 0 {
		f.send(gate.Event{Kind: gate.Lost})
	}
	f.finish(gate.Lost, 0, "pulled")
}

// Find brings a lost device back.
func (f *Fake) Find() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost && f.running {
		f.state.Reopened++
		f.found()
	}
	f.lost = false
}
