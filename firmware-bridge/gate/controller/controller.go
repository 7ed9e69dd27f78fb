// Package controller drives a gate through a serial lane controller.
//
// The protocol, and what the controller at the other end promises, is in
// firmware-bridge/frame/FORMAT.md. This is the host's side of it.
package controller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/serialport"
)

const (
	room    = 256 // events that wait in the channel
	reserve = 8   // of which the last are for outcomes
)

// ErrSilent says that the port is open and no controller answers on it.
var ErrSilent = errors.New("no lane controller answers; check its power, the cable, and that the port is the controller's")

// Gate is a gate.Gate behind a serial lane controller. Use New.
//
//	         HELLO, WELCOME
//	greeting --------------> attached
//	   ^                        |
//	   +------------------------+
//	    silence, reboot, NO HELLO: Lost
type Gate struct {
	port    serialport.Config
	events  chan gate.Event // sent to under mu, closed by Run
	wake    chan struct{}   // the session has something to send
	readers [Readers]*reader
	started atomic.Bool

	mu       sync.Mutex // guards the following
	running  bool
	state    gate.State
	current  *passage
	firstOwn uint32 // first number this process used, 0 if none; the last is state.LastGrant
	signal   frame.Signal
	until    time.Time // when signal is over; zero for never
	shown    int       // how often signal was sent
	boot     uint32    // of the controller last met
	event    uint32    // last event number taken from that boot
	read     uint32    // last card read taken from that boot
	can      frame.Capabilities
	request  *request // nil if none
	requests uint8    // number of the last
	founds   uint64
}

// passage is one grant from Open to its outcome.
type passage struct {
	grant    gate.Grant
	answer   chan error // room for one; Open waits for it
	answered bool
	sent     int       // OPEN frames so far
	refused  int       // of them, by answers
	before   uint32    // state.LastGrant when the first left
	next     time.Time // when to send the next
	deadline time.Time // when the driver stops waiting for the outcome; set by the first OPEN
}

// New makes a gate on port, which is checked and not yet opened.
func New(port serialport.Config) (*Gate, error) {
	if err := port.Check(); err != nil {
		return nil, err
	}
	return &Gate{port: port, events: make(chan gate.Event, room), wake: make(chan struct{}, 1),
		readers: [Readers]*reader{newReader(0), newReader(1)}}, nil
}

// Run implements gate.Gate.
func (g *Gate) Run(ctx context.Context) error {
	return g.run(func() error {
		return serialport.Keep(ctx, g.port, func(ctx context.Context, p *serialport.Port) error { return g.session(ctx, p) }, g.detach)
	})
}

// run is Run by keep, which has a session on each port that it opens.
func (g *Gate) run(keep func() error) error {
	if g.started.Swap(true) {
		return gate.ErrStarted
	}
	g.mu.Lock()
	g.running = true
	g.mu.Unlock()
	err := keep()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = false
	close(g.events)
	return err
}

// Open implements gate.Gate.
func (g *Gate) Open(ctx context.Context, grant gate.Grant) error {
	grant, err := grant.Within()
	if err != nil {
		return err
	}
	p, err := g.begin(ctx, grant)
	if err != nil {
		return fmt.Errorf("open gate for grant %d: %w", grant.Number, err)
	}
	g.poke()
	select {
	case err = <-p.answer:
	case <-ctx.Done():
		err = g.abandon(p, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("open gate for grant %d: %w", grant.Number, err)
	}
	return nil
}

// begin makes grant the current passage, or says why not.
func (g *Gate) begin(ctx context.Context, grant gate.Grant) (*passage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !g.running:
		return nil, gate.ErrClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !g.state.Connected:
		return nil, lost(g.state.Err)
	case g.state.LastGrant != 0 && int32(grant.Number-g.state.LastGrant) <= 0:
		return nil, gate.ErrRepeated
	case g.current != nil:
		return nil, gate.ErrBusy
	case len(g.events) > room-2*reserve:
		return nil, fmt.Errorf("%w (%d events wait to be read)", gate.ErrBusy, len(g.events))
	}
	g.current = &passage{grant: grant, answer: make(chan error, 1)}
	g.state.Busy = grant.Number
	return g.current, nil
}

// abandon is for an Open whose context ended. A request that left is not sent
// again, and its outcome is still awaited.
func (g *Gate) abandon(p *passage, cause error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p.answered {
		return <-p.answer
	}
	p.answered = true
	if p.sent > 0 {
		return fmt.Errorf("%w: %w", gate.ErrUnsure, cause)
	}
	g.free()
	return cause
}

// Show implements gate.Gate.
func (g *Gate) Show(s gate.Signal, d time.Duration) {
	g.mu.Lock()
	g.signal.Number++
	g.signal.Pattern = uint8(s)
	g.shown, g.until = 0, time.Time{}
	if d > 0 {
		g.until = time.Now().Add(d)
	}
	g.mu.Unlock()
	g.poke()
}

// Events implements gate.Gate.
func (g *Gate) Events() <-chan gate.Event { return g.events }

// State implements gate.Gate.
func (g *Gate) State() gate.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}

// poke wakes the session.
func (g *Gate) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// free ends the current passage; mu is held.
func (g *Gate) free() { g.current, g.state.Busy = nil, 0 }

// reply answers the Open of p, once; mu is held.
func (p *passage) reply(err error) {
	if !p.answered {
		p.answered = true
		p.answer <- err
	}
}

// emit puts e on the channel; mu is held. Outcomes of own grants always find
// room, because Open refuses before there is none.
func (g *Gate) emit(e gate.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	if !e.Kind.Passage() && e.Grant == 0 && !g.roomy() || len(g.events) == room {
		g.state.Dropped++
		return
	}
	g.events <- e
}

// roomy reports whether an event that is no own outcome may use the channel; mu is held.
func (g *Gate) roomy() bool { return len(g.events) < room-reserve }

// outcome ends the current passage with k; mu is held.
func (g *Gate) outcome(k gate.EventKind, d gate.Direction, at time.Time, detail string) {
	p := g.current
	g.free()
	g.emit(gate.Event{Kind: k, Direction: d, Grant: p.grant.Number, At: at, Detail: detail})
}

// detach notes that there is no controller, and why; nil when the driver stops.
// A grant under way is lost. Each loss is reported once, however often its
// reason is told.
func (g *Gate) detach(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.state.Connected
	g.state.Connected, g.state.Err = false, err
	g.state.Relay, g.state.Contact = false, false
	g.loseRequest(err)
	for _, r := range g.readers {
		r.detach(err)
	}
	switch p := g.current; {
	case p != nil && p.sent > 0:
		p.reply(gate.ErrUnsure)
		g.outcome(gate.Lost, 0, time.Time{}, reason(err))
		return
	case p != nil && err == nil:
		p.reply(gate.ErrClosed)
		g.free()
	case p != nil:
		p.reply(lost(err))
		g.free()
	}
	if was && err != nil {
		g.emit(gate.Event{Kind: gate.Lost, Detail: reason(err)})
	}
}

// lost is ErrLost with what is known of its cause.
func lost(cause error) error {
	if cause == nil {
		return gate.ErrLost
	}
	return fmt.Errorf("%w: %w", gate.ErrLost, cause)
}

func reason(err error) string {
	if err == nil {
		return "stopped"
	}
	return err.Error()
}
