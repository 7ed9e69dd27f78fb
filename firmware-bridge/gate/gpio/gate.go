package gpio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gpioline"
)

const (
	room    = 256 // events that wait in the channel
	reserve = 8   // of which the last are for outcomes
	// backlog is how many passages without a grant are kept when nobody reads
	// Events: a contact has no memory of its own.
	backlog = 4096
	// flush is how often kept passages are offered again.
	flush = 100 * time.Millisecond
	// retry is the pause before busy or failing lines are tried again.
	retry = time.Second
	// tailgateTime is how soon after a passage another in its direction is the
	// second person on one grant.
	tailgateTime = 1500 * time.Millisecond
	// firstLight is the index of the first line that is no relay in Config.outputs.
	firstLight = 2
	// consumer is what gpioinfo shows for a line.
	consumer = "turnstile gate"
)

// Gate is a gate.Gate on GPIO lines. Use New.
//
//	locked --Open--> open --walked--> locked: Passed
//	                  +----window---> locked: NotPassed
type Gate struct {
	config  Config
	profile profile
	lines   Lines
	events  chan gate.Event // sent to under mu, closed by Run
	asks    chan ask
	show    chan struct{} // room for one: shown has changed
	started atomic.Bool

	mu       sync.Mutex // guards the following
	running  bool
	attached chan struct{} // closed when the lines are lost; nil without lines
	state    gate.State
	founds   uint64
	shown    shown

	// owned by Run
	relays     map[gate.Direction]Output
	lights     []*lamp
	contacts   []*contact
	active     [roles]bool // what the contacts last said
	grant      gate.Grant  // under way; Number 0 if none
	pulsed     bool        // its relay went on
	relayUntil time.Time   // zero when the coil is off
	windowEnd  time.Time
	quietUntil time.Time // before it no relay goes on
	endedAt    time.Time // when the last grant ended
	passedAt   time.Time // of the last Passed that nobody tailgated yet
	passedAs   gate.Grant
	tailgated  told
	door       doorway
	kept       map[gate.Direction]stored
	waiting    []gate.Event // passages that found no room, oldest first
}

// ask is an Open on its way to Run.
type ask struct {
	grant gate.Grant
	reply chan error // room for one
}

// New makes a gate on lines. Nothing is touched before Run.
func New(c Config, lines Lines) (*Gate, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	p, _ := profileOf(c.Profile) // Check has seen it
	return &Gate{
		config: c, profile: p, lines: lines, events: make(chan gate.Event, room), asks: make(chan ask),
		show: make(chan struct{}, 1), kept: map[gate.Direction]stored{},
	}, nil
}

// Run implements gate.Gate. It returns ErrNoLine when a configured line is not
// there at the start; later that is a chip that was pulled, and is waited for.
func (g *Gate) Run(ctx context.Context) error {
	if g.started.Swap(true) {
		return gate.ErrStarted
	}
	g.mu.Lock()
	g.running = true
	g.mu.Unlock()
	err := g.serve(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = false
	close(g.events)
	return err
}

// serve holds the lines until ctx ends, and takes them again when they fail.
func (g *Gate) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		err := explain(g.hold(ctx))
		g.detach(err)
		if errors.Is(err, ErrNoLine) && !g.met() {
			return err
		}
		if err != nil {
			pause(ctx, retry)
		}
	}
	return nil
}

// met reports whether all lines have been claimed once.
func (g *Gate) met() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.founds > 0
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
	c := &contact{role: r, source: source, active: gpio.Level(g.config.ActiveLow == opens)}
	c.steady.steady = gpio.Level(high)
	if !r.momentary() && !r.standing() {
		c.steady.steady = gpio.Level(bool(c.active) == g.active[r])
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
	g.mu.Lock()
	g.attached = make(chan struct{})
	g.state.Connected, g.state.Err = true, nil
	g.state.Device = strings.Join(strings.Fields("GPIO relay "+g.config.RelayIn+" "+g.config.RelayOut+" "+g.config.Profile), " ")
	if g.founds++; g.founds > 1 {
		g.state.Reopened++
	}
	device := g.state.Device
	g.mu.Unlock()
	now := time.Now()
	g.emit(gate.Event{Kind: gate.Found, Detail: device, At: now})
	for _, c := range g.contacts {
		if c.role.standing() {
			g.stand(c.role, c.steady.steady == c.active, now)
		}
	}
}

// detach notes that the lines are not ours; err is why, nil when the driver stops.
func (g *Gate) detach(err error) {
	g.mu.Lock()
	was := g.state.Connected
	g.state.Connected, g.state.Err, g.state.Relay = false, err, false
	if g.attached != nil {
		close(g.attached)
		g.attached = nil
	}
	g.mu.Unlock()
	detail := "stopped"
	if err != nil {
		detail = err.Error()
	}
	if g.grant.Number != 0 {
		g.finish(gate.Lost, 0, time.Now(), detail)
	} else if was && err != nil {
		g.emit(gate.Event{Kind: gate.Lost, Detail: detail})
	}
}

// Open implements gate.Gate.
func (g *Gate) Open(ctx context.Context, grant gate.Grant) error {
	grant, err := g.profile.within(grant)
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
		return <-a.reply // Run answers each ask it takes, at once
	case <-attached:
		return gate.ErrLost
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Events implements gate.Gate.
func (g *Gate) Events() <-chan gate.Event { return g.events }

// State implements gate.Gate.
func (g *Gate) State() gate.State {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state
}
