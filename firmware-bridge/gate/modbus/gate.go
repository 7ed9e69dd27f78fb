package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/serialport"
)

const (
	room    = 256 // events that wait in the channel
	reserve = 8   // of which the last are for outcomes
	// backlog is how many passages without a grant are kept when nobody reads
	// Events: a contact has no memory of its own.
	backlog = 4096
	// tailgateTime is how soon after a passage another in its direction is the
	// second person on one grant.
	tailgateTime = 1500 * time.Millisecond
	// lostAfter is how many requests in a row go unanswered by a board that is
	// still there.
	lostAfter = 5
	// pace is the least time from one look to the next: quicker than a contact
	// can bounce is of no use.
	pace = 5 * time.Millisecond
)

// Gate is a gate.Gate on a Modbus board. It has no lights: Show does nothing.
// Use New.
//
//	locked --Open--> open --walked--> locked: Passed
//	                  +----window---> locked: NotPassed
type Gate struct {
	config  Config
	events  chan gate.Event // sent to under mu, closed by Run
	asks    chan ask
	started atomic.Bool

	mu       sync.Mutex // guards the following
	running  bool
	attached chan struct{} // closed when the board is lost; nil without one
	state    gate.State
	founds   uint64
	counts   Counts

	// owned by Run
	board      *board
	failed     int // requests in a row without an answer
	contacts   []*contact
	active     [roles]bool // what the contacts last said
	grant      gate.Grant  // under way; Number 0 if none
	relayUntil time.Time   // zero when the coil is off
	windowEnd  time.Time
	endedAt    time.Time // when the last grant ended
	passedAt   time.Time // of the last Passed that nobody tailgated yet
	passedAs   gate.Grant
	doorSince  time.Time // when it was opened
	forced     bool      // the door was opened without a grant, and nobody was counted since
	held       bool      // Held was told
	waiting    []gate.Event
}

// Counts are what the line has seen since Run began.
type Counts struct {
	Requests    uint64        // sent
	Silent      uint64        // of them without an answer
	Garbled     uint64        // with an answer of a wrong shape or checksum
	Refused     uint64        // with an exception
	Stray       uint64        // bytes that nobody asked for
	SlowestLook time.Duration // from one look at the inputs to the next, since the board was found
}

// ask is an Open on its way to Run.
type ask struct {
	grant gate.Grant
	reply chan error // room for one
}

// New makes a gate. Nothing is touched before Run.
func New(c Config) (*Gate, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	g := &Gate{config: c, events: make(chan gate.Event, room), asks: make(chan ask)}
	for r, t := range c.contacts() {
		if t.number != 0 {
			g.contacts = append(g.contacts, &contact{role: role(r), number: t.number, opens: t.opens})
		}
	}
	return g, nil
}

// Run implements gate.Gate.
func (g *Gate) Run(ctx context.Context) error {
	if g.started.Swap(true) {
		return gate.ErrStarted
	}
	g.mu.Lock()
	g.running = true
	g.mu.Unlock()
	err := serialport.Keep(ctx, g.config.Port, g.session, g.lost)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = false
	close(g.events)
	return err
}

// session works the board on an open port until it is lost or ctx ends.
func (g *Gate) session(ctx context.Context, p *serialport.Port) error {
	g.board = newBoard(g.config, p, g.count)
	err := g.attach()
	if err == nil {
		err = g.work(ctx)
	}
	if ctx.Err() != nil {
		g.leave()
		g.detach(nil)
	}
	return err
}

// leave switches the relays off at the end, as well as it can: whoever called
// has its reason already.
func (g *Gate) leave() {
	for range 3 {
		if g.board.off() == nil {
			return
		}
	}
}

// lost notes that there is no board; err is why.
func (g *Gate) lost(err error) { g.detach(err) }

// attach switches the relays off, whoever switched them on, and takes the first
// look. Only then the board counts as found.
func (g *Gate) attach() error {
	g.failed = 0
	if err := g.board.off(); err != nil {
		return err
	}
	on, err := g.board.look()
	if err != nil {
		return err
	}
	g.relayUntil = time.Time{}
	now := time.Now()
	for _, c := range g.contacts {
		c.first(on[c.number], g.active[c.role])
		g.active[c.role] = c.steady
	}
	device := fmt.Sprintf("Modbus board, unit %d", g.config.Unit)
	if g.config.Timer == TimerNone {
		device += ", without a timer: a relay may stay on if this computer dies"
	}
	g.mu.Lock()
	g.attached = make(chan struct{})
	g.state.Connected, g.state.Err, g.state.Device, g.state.Relay = true, nil, device, false
	if g.founds++; g.founds > 1 {
		g.state.Reopened++
	}
	g.counts.SlowestLook = 0
	g.mu.Unlock()
	g.emit(gate.Event{Kind: gate.Found, Detail: device, At: now})
	g.settleDoor(now)
	g.refresh()
	return nil
}

// settleDoor notes how the door stands when the board is found.
func (g *Gate) settleDoor(now time.Time) {
	g.doorSince, g.forced = now, false
	if !g.active[door] && g.held {
		g.held = false
		g.emit(gate.Event{Kind: gate.HeldOver, At: now})
	}
}

// detach notes that the board is not ours; err is why, nil when the driver stops.
func (g *Gate) detach(err error) {
	g.mu.Lock()
	was, relay := g.state.Connected, g.state.Relay
	g.state.Connected, g.state.Err, g.state.Relay = false, err, false
	if g.attached != nil {
		close(g.attached)
		g.attached = nil
	}
	g.mu.Unlock()
	detail := "stopped"
	if err != nil {
		detail = err.Error()
		if relay && g.config.Timer == TimerNone {
			detail += "; its relay may still be on: look at the gate"
		}
	}
	if g.grant.Number != 0 {
		g.finish(gate.Lost, 0, time.Now(), detail)
	} else if was && err != nil {
		g.emit(gate.Event{Kind: gate.Lost, Detail: detail})
	}
}

// count hears how each request went.
func (g *Gate) count(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := &g.counts
	c.Requests++
	c.Stray += g.board.line.stray
	g.board.line.stray = 0
	switch {
	case errors.Is(err, ErrSilent):
		c.Silent++
	case errors.Is(err, ErrGarbled), errors.Is(err, ErrEcho):
		c.Garbled++
		g.state.Garbled++
	case errors.Is(err, ErrRefused):
		c.Refused++
	}
}

// Counts returns the line's counts as of now.
func (g *Gate) Counts() Counts {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts
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

// ask has Run open for grant.
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
	a := ask{grant, make(chan error, 1)}
	select {
	case g.asks <- a:
		return <-a.reply // Run answers each ask it takes, after a few requests
	case <-attached:
		return gate.ErrLost
	case <-ctx.Done():
		return ctx.Err()
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
