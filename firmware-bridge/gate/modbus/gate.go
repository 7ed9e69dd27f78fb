package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/serialport"
)

const (
	// lostAfter is how many requests in a row go unanswered by a board that is
	// still there.
	lostAfter = 5
	// pace is the least time from one look to the next: quicker than a contact
	// can bounce is of no use.
	pace = 5 * time.Millisecond
)

// Gate is a gate.Gate on a Modbus board. It has no lights: Show does nothing.
// Use New.
type Gate struct {
	config Config
	front  *passage.Front

	mu     sync.Mutex // guards the following
	counts Counts

	// owned by Run
	board      *board
	failed     int // requests in a row without an answer
	contacts   []*contact
	active     [roles]bool // what the contacts last said
	passages   passage.Passages
	relayUntil time.Time // zero when the coil is off
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

// New makes a gate. Nothing is touched before Run.
func New(c Config) (*Gate, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	g := &Gate{config: c, front: passage.NewFront(), passages: passage.Passages{HeldAfter: c.HeldAfter}}
	for r, t := range c.contacts() {
		if t.number != 0 {
			g.contacts = append(g.contacts, &contact{role: role(r), number: t.number, opens: t.opens})
		}
	}
	return g, nil
}

// Run implements gate.Gate.
func (g *Gate) Run(ctx context.Context) error {
	if err := g.front.Start(); err != nil {
		return err
	}
	defer g.front.End()
	return serialport.Keep(ctx, g.config.Port, func(ctx context.Context, p *serialport.Port) error { return g.session(ctx, p) }, g.detach)
}

// session works the board on an open port until it is lost or ctx ends.
func (g *Gate) session(ctx context.Context, p port) error {
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
		g.active[c.role] = c.Steady
	}
	device := fmt.Sprintf("Modbus board, unit %d", g.config.Unit)
	if g.config.Timer == TimerNone {
		device += ", without a timer: a relay may stay on if this computer dies"
	}
	g.mu.Lock()
	g.counts.SlowestLook = 0
	g.mu.Unlock()
	g.front.Attach(device, now)
	events := g.passages.FoundDoor(g.active[door], now)
	g.refresh()
	g.tell(events)
	return nil
}

// detach notes that the board is not ours; err is why, nil when the driver stops.
func (g *Gate) detach(err error) {
	was := g.front.Detach(err)
	if err != nil && was.Relay && g.config.Timer == TimerNone {
		err = fmt.Errorf("%w; its relay may still be on: look at the gate", err)
	}
	g.tell(g.passages.Lost(was.Connected, err, time.Now()))
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
		g.front.Note(func(s *gate.State) { s.Garbled++ })
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
	return g.front.Open(ctx, grant)
}

// Show implements gate.Gate: this gate has no lights.
func (g *Gate) Show(gate.Signal, time.Duration) {}

// Events implements gate.Gate.
func (g *Gate) Events() <-chan gate.Event { return g.front.Events() }

// State implements gate.Gate.
func (g *Gate) State() gate.State { return g.front.State() }
