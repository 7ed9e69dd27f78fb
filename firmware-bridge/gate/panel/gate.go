package panel

import (
	"context"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/wiegand"
)

// retry is the pause before lost or busy lines are tried again.
const retry = time.Second

// Gate is a gate.Gate behind an access panel. It has no lights: Show does
// nothing. Use New or NewWithSender.
//
//	rest --Open--> sending --sent--> open --walked--> rest: Passed
//	 ^                |               +---window, or the panel's answer--> rest: NotPassed
//	 +----broken------+
type Gate struct {
	config Config
	lines  lines
	sender Sender // nil when the outputs send
	front  *passage.Front

	// owned by Run
	wiring    *wiring
	active    []bool       // each contact's level, as in wiring.roles
	sending   *passage.Ask // nil but in state sending
	sent      chan error   // what came of it; room for one
	passages  passage.Passages
	answerEnd time.Time // when the panel must have opened; zero if it has, or cannot be asked
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
	return &Gate{config: c, sender: s, lines: from, front: passage.NewFront(), sent: make(chan error, 1)}
}

// Run implements gate.Gate.
func (g *Gate) Run(ctx context.Context) error {
	if err := g.front.Start(); err != nil {
		return err
	}
	defer g.front.End()
	for ctx.Err() == nil {
		err := g.hold(ctx)
		g.detach(err)
		if err != nil {
			pause(ctx, retry)
		}
	}
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
	g.front.Attach(fmt.Sprintf("access panel by %s, %s card", g.config.Format, g.config.Number), time.Now())
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

// detach notes that the lines are not ours; err is why, nil when the driver stops.
func (g *Gate) detach(err error) {
	was := g.front.Detach(err)
	g.front.Note(func(s *gate.State) { s.Unready = false })
	answer := gate.ErrClosed
	if err != nil {
		answer = gate.ErrLost
	}
	g.abandon(answer)
	g.tell(g.passages.Lost(was.Connected, err, time.Now()))
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
