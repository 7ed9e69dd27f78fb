package gpio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
)

const (
	// retry is the pause before busy or failing lines are tried again.
	retry = time.Second
	// firstLight is the index of the first line that is no relay in Config.outputs.
	firstLight = 2
	// consumer is what gpioinfo shows for a line.
	consumer = "turnstile gate"
)

// Gate is a gate.Gate on GPIO lines. Use New.
type Gate struct {
	config  Config
	profile profile
	lines   Lines
	front   *passage.Front
	show    chan struct{} // room for one: shown has changed

	mu    sync.Mutex // guards the following
	shown shown

	// owned by Run
	relays     map[gate.Direction]Output
	lights     []*lamp
	contacts   []*contact
	active     [roles]bool // what the contacts last said
	passages   passage.Passages
	opened     gate.Grant // the last that was opened for
	pulsed     bool       // its relay went on
	relayUntil time.Time  // zero when the coil is off
	quietUntil time.Time  // before it no relay goes on
	tailgated  told
	kept       map[gate.Direction]stored
}

// New makes a gate on lines. Nothing is touched before Run.
func New(c Config, lines Lines) (*Gate, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	p, _ := profileOf(c.Profile) // Check has seen it
	return &Gate{
		config: c, profile: p, lines: lines, front: passage.NewFront(), show: make(chan struct{}, 1),
		passages: passage.Passages{HeldAfter: c.HeldAfter}, kept: map[gate.Direction]stored{},
	}, nil
}

// Run implements gate.Gate. It returns ErrNoLine when a configured line is not
// there at the start; later that is a chip that was pulled, and is waited for.
func (g *Gate) Run(ctx context.Context) error {
	if err := g.front.Start(); err != nil {
		return err
	}
	defer g.front.End()
	for ctx.Err() == nil { // the lines are taken again when they fail
		err := explain(g.hold(ctx))
		g.detach(err)
		if met := g.front.State().Device != ""; errors.Is(err, ErrNoLine) && !met {
			return err
		}
		if err != nil {
			pause(ctx, retry)
		}
	}
	return nil
}

// explain adds to an error of periph's what it means and what to do.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV) && !errors.Is(err, ErrChip):
		return fmt.Errorf("%w (%w)", ErrChip, err)
	case errors.Is(err, unix.EBUSY) && !errors.Is(err, gpioline.ErrBusy):
		return fmt.Errorf("%w: is another program using it? (gpioinfo shows it)", err)
	}
	return err
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
	defer g.release()
	if err := g.claim(); err != nil {
		return err
	}
	g.attach() // before the watchers have the contacts
	watching, stop := context.WithCancel(ctx)
	changes, failed := make(chan change), make(chan error, len(g.contacts))
	var watchers sync.WaitGroup
	for _, c := range g.contacts {
		watchers.Go(func() {
			if err := c.watch(watching, changes); err != nil {
				failed <- err
			}
		})
	}
	err := g.work(ctx, changes, failed)
	g.off() // at once, because the watchers take their time to end
	stop()
	watchers.Wait()
	return err
}

// claim requests all lines: outputs off, contacts as inputs with edges.
func (g *Gate) claim() error {
	g.relays, g.lights, g.contacts = map[gate.Direction]Output{}, nil, nil
	for i, t := range g.config.outputs() {
		if t.name == "" {
			continue
		}
		relay := i < firstLight
		drain := relay && g.config.OpenDrain
		line, err := g.lines.Output(gpioline.OutputConfig{Line: t.name, ActiveLow: t.other != drain, OpenDrain: drain, Consumer: consumer})
		if err != nil {
			return fmt.Errorf("claim %s: %w", t.field, err)
		}
		if relay {
			g.relays[gate.Direction(i+1)] = line
		} else {
			g.lights = append(g.lights, &lamp{which: i - firstLight, line: line})
		}
	}
	for r, t := range g.config.contacts() {
		if t.name == "" {
			continue
		}
		if err := g.claimContact(role(r), t); err != nil {
			return fmt.Errorf("claim %s on line %s: %w", t.field, t.name, err)
		}
	}
	return nil
}

// claimContact makes a contact of a line. What it says now is its first word,
// but where a change from what this gate knows is an event of its own.
func (g *Gate) claimContact(r role, t terminal) error {
	source, high, err := armed(g.lines, t.name, g.config.ActiveLow)
	if err != nil {
		return err
	}
	opens := slices.Contains(g.profile.opens, r) != t.other
	c := &contact{role: r, source: source, active: g.config.ActiveLow == opens}
	c.level.Steady = high
	if !r.momentary() && !r.standing() {
		c.level.Steady = c.active == g.active[r]
	}
	g.contacts = append(g.contacts, c)
	return nil
}

// release switches all outputs off and closes every line. No goroutine waits on
// one any more.
func (g *Gate) release() {
	g.off()
	for _, line := range g.relays {
		_ = line.Close() // nothing is written that could be lost
	}
	for _, l := range g.lights {
		_ = l.line.Close()
	}
	for _, c := range g.contacts {
		c.source.close()
	}
	g.relays, g.lights, g.contacts, g.relayUntil = nil, nil, nil, time.Time{}
}

// off switches relays, lights and buzzer off as well as it can.
func (g *Gate) off() {
	for _, line := range g.relays {
		_ = line.Set(false) // the line may be the reason why we are here
	}
	for _, l := range g.lights {
		_ = l.line.Set(false)
	}
}

// attach notes that the lines work.
func (g *Gate) attach() {
	now := time.Now()
	g.front.Attach(strings.Join(strings.Fields("GPIO relay "+g.config.RelayIn+" "+g.config.RelayOut+" "+g.config.Profile), " "), now)
	for _, c := range g.contacts {
		if c.role.standing() {
			g.stand(c.role, c.level.Steady == c.active, now)
		}
	}
}

// detach notes that the lines are not ours; err is why, nil when the driver stops.
func (g *Gate) detach(err error) {
	was := g.front.Detach(err)
	g.tell(g.passages.Lost(was.Connected, err, time.Now()))
}

// Open implements gate.Gate.
func (g *Gate) Open(ctx context.Context, grant gate.Grant) error {
	grant, err := g.profile.within(grant)
	if err != nil {
		return err
	}
	return g.front.Open(ctx, grant)
}

// Events implements gate.Gate.
func (g *Gate) Events() <-chan gate.Event { return g.front.Events() }

// State implements gate.Gate.
func (g *Gate) State() gate.State { return g.front.State() }
