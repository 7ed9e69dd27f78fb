package panel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/wiegand"
)

const (
	room    = 256 // events that wait in the channel
	reserve = 8   // of which the last are for outcomes
	// backlog is how many passages without a grant are kept when nobody reads
	// Events: a contact has no memory of its own.
	backlog = 4096
	// flush is how often kept passages are offered again.
	flush = 100 * time.Millisecond
	// retry is the pause before lost or busy lines are tried again.
	retry = time.Second
	// tailgateTime is how soon after a passage another in its direction is the
	// second person on one grant.
	tailgateTime = 1500 * time.Millisecond
)

// Gate is a gate.Gate behind an access panel. It has no lights: Show does
// nothing. Use New or NewWithSender.
//
//	rest --Open--> sending --sent--> open --walked--> rest: Passed
//	 ^                |               +---window, or the panel's answer--> rest: NotPassed
//	 +----broken------+
type Gate struct {
	config  Config
	lines   lines
	sender  Sender          // nil when the outputs send
	events  chan gate.Event // sent to under mu, closed by Run
	asks    chan *ask
	started atomic.Bool

	mu       sync.Mutex // guards the following
	running  bool
	attached chan struct{} // closed when the lines are lost; nil without lines
	state    gate.State
	founds   uint64

	// owned by Run
	wiring    *wiring
	active    []bool     // each contact's level, as in wiring.roles
	sending   *ask       // nil but in state sending
	sent      chan error // what came of it; room for one
	grant     gate.Grant // under way; Number 0 if none
	began     time.Time  // when its card began to leave
	windowEnd time.Time  // of the grant; zero while sending
	answerEnd time.Time  // when the panel must have opened; zero if it has, or cannot be asked
	passedAt  time.Time  // of the last Passed that nobody tailgated yet
	passedAs  gate.Grant
	kept      []gate.Event // passages that found no room, oldest first
}

// role is what a contact means.
type role uint8

const (
	walkedIn role = iota
	walkedOut
	opened
	ready
	fire
)

// wiring is everything that is open while the gate works.
type wiring struct {
	sender Sender
	inputs inputs
	roles  []role // of the inputs' lines
	close  func()
}

// inputs is the part of gpioline.Inputs that is used; see there.
type inputs interface {
	Read(edges []gpioline.Edge, wait time.Duration) (int, error)
	Active() ([]bool, error)
	Close() error
}

// lines is where wiring comes from: the kernel, or a test.
type lines struct {
	output func(gpioline.OutputConfig) (output, error)
	inputs func(gpioline.InputConfig) (inputs, error)
	clock  clock
}

// host is this computer's GPIO.
func host() lines {
	return lines{
		output: func(c gpioline.OutputConfig) (output, error) { return gpioline.OpenOutput(c) },
		inputs: func(c gpioline.InputConfig) (inputs, error) { return gpioline.OpenInputs(c) },
		clock:  hostClock{},
	}
}

// ask is an Open on its way through Run.
type ask struct {
	grant  gate.Grant
	row    wiegand.Bits
	taken  chan error // whether it is being sent; room for one
	sent   chan error // then what came of it; room for one
	closed atomic.Bool
}

// close reports whether nobody else has ended a: Run by its answer, or Open by
// going away.
func (a *ask) close() bool { return !a.closed.Swap(true) }

// New makes a gate that sends over c's two outputs. Nothing is touched before Run.
func New(c Config) (*Gate, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return newGate(c, nil, host()), nil
}

// NewWithSender makes a gate that sends by s, which may be a lane controller;
// c names no outputs.
func NewWithSender(c Config, s Sender) (*Gate, error) {
	if c.D0 != "" || c.D1 != "" {
		return nil, fmt.Errorf("%w: outputs d0 and d1 beside another sender; leave them out", ErrConfig)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return newGate(c, s, host()), nil
}

func newGate(c Config, s Sender, from lines) *Gate {
	return &Gate{config: c, sender: s, lines: from, events: make(chan gate.Event, room), asks: make(chan *ask), sent: make(chan error, 1)}
}

// Run implements gate.Gate.
func (g *Gate) Run(ctx context.Context) error {
	if g.started.Swap(true) {
		return gate.ErrStarted
	}
	g.mu.Lock()
	g.running = true
	g.mu.Unlock()
	for ctx.Err() == nil {
		err := g.hold(ctx)
		g.detach(err)
		if err != nil {
			pause(ctx, retry)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = false
	close(g.events)
	return nil
}

// pause returns after d or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// hold claims the lines, works the gate and gives them back.
func (g *Gate) hold(ctx context.Context) error {
	w, err := g.lines.claim(g.config, g.sender)
	if err != nil {
		return err
	}
	defer w.close()
	g.wiring, g.active = w, make([]bool, len(w.roles))
	levels, err := w.inputs.Active()
	if err != nil {
		return err
	}
	g.attach()
	for i, r := range w.roles { // who stands in the gate now has not walked
		if g.active[i] = levels[i]; r > walkedOut {
			g.take(change{r, levels[i], time.Now()})
		}
	}
	working, stop := context.WithCancel(ctx)
	var s session
	s.changes, s.failed = make(chan []change), make(chan error, 1)
	s.hands.Go(func() {
		if err := g.watch(working, s.changes); err != nil {
			s.failed <- err
		}
	})
	s.send = func(row wiegand.Bits) { s.hands.Go(func() { g.sent <- w.sender.SendCard(working, row) }) }
	err = g.work(ctx, &s)
	stop()
	s.hands.Wait()
	return err
}

// attach notes that the lines work.
func (g *Gate) attach() {
	g.mu.Lock()
	g.attached = make(chan struct{})
	device := fmt.Sprintf("access panel by %s, %s card", g.config.Format, g.config.Number)
	g.state.Connected, g.state.Err, g.state.Device = true, nil, device
	if g.founds++; g.founds > 1 {
		g.state.Reopened++
	}
	g.mu.Unlock()
	g.emit(gate.Event{Kind: gate.Found, Detail: device})
}

// detach notes that the lines are not ours; err is why, nil when the driver stops.
func (g *Gate) detach(err error) {
	g.mu.Lock()
	was := g.state.Connected
	g.state.Connected, g.state.Err = false, err
	g.state.Relay, g.state.Unready = false, false
	if g.attached != nil {
		close(g.attached)
		g.attached = nil
	}
	g.mu.Unlock()
	detail, answer := "stopped", gate.ErrClosed
	if err != nil {
		detail, answer = err.Error(), gate.ErrLost
	}
	g.abandon(answer)
	if g.grant.Number != 0 {
		g.finish(gate.Lost, 0, time.Now(), detail)
	} else if was && err != nil {
		g.emit(gate.Event{Kind: gate.Lost, Detail: detail})
	}
}

// Open implements gate.Gate.
func (g *Gate) Open(ctx context.Context, grant gate.Grant) error {
	grant, err := grant.Within()
	if err != nil {
		return err
	}
	if err := g.ask(ctx, grant); err != nil {
		return fmt.Errorf("open gate for grant %d: %w", grant.Number, err)
	}
	return nil
}

// ask has Run send the card for grant.
func (g *Gate) ask(ctx context.Context, grant gate.Grant) error {
	g.mu.Lock()
	running, attached := g.running, g.attached
	g.mu.Unlock()
	switch {
	case !running:
		return gate.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case attached == nil:
		return gate.ErrLost
	}
	row, err := g.config.row(grant)
	if err != nil {
		return errors.Join(gate.ErrRefused, err)
	}
	a := &ask{grant: grant, row: row, taken: make(chan error, 1), sent: make(chan error, 1)}
	select {
	case g.asks <- a:
	case <-attached:
		return gate.ErrLost
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := <-a.taken; err != nil { // Run answers each ask it takes, at once
		return err
	}
	select {
	case err := <-a.sent:
		return err
	case <-ctx.Done():
		if a.close() {
			return fmt.Errorf("%w: %w", gate.ErrUnsure, ctx.Err())
		}
		return <-a.sent
	}
}

// Show implements gate.Gate: this gate has no lights.
func (g *Gate) Show(gate.Signal, time.Duration) {}

// Events implements gate.Gate.
func (g *Gate) Events() <-chan gate.Event { return g.events }

// State implements gate.Gate.
func (g *Gate) State() gate.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}
