package gpio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"turnstile/firmware-bridge/gate"
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
)

// ErrConfig says that a Config cannot work.
var ErrConfig = errors.New("GPIO gate configuration")

// Config names the lines of one gate: by their kernel name or as "gpiochip0:17".
type Config struct {
	RelayIn   string // opens in; "" for a gate that only lets out
	RelayOut  string // opens out; "" for a gate that only lets in
	PassedIn  string // contact: a person walked in; needed
	PassedOut string // contact: a person walked out; "" when PassedIn reports both directions
	Fire      string // contact: the fire alarm has released the gate; "" if not wired
	ActiveLow bool   // contacts close to ground; the line's pull-up is switched on, else its pull-down
}

// Check reports what is wrong with c.
func (c Config) Check() error {
	if c.RelayIn == "" && c.RelayOut == "" {
		return fmt.Errorf("%w: no relay line; name RelayIn, RelayOut or both", ErrConfig)
	}
	if c.PassedIn == "" {
		return fmt.Errorf("%w: no passage contact; name PassedIn, without it nobody knows who walked", ErrConfig)
	}
	seen := map[string]bool{}
	for _, name := range []string{c.RelayIn, c.RelayOut, c.PassedIn, c.PassedOut, c.Fire} {
		if name != "" && seen[name] {
			return fmt.Errorf("%w: line %q named twice; each needs its own", ErrConfig, name)
		}
		seen[name] = true
	}
	return nil
}

// Gate is a gate.Gate on GPIO lines. It has no lights: Show does nothing. Use New.
//
//	locked --Open--> open --walked--> locked: Passed
//	                  +----window---> locked: NotPassed
type Gate struct {
	config  Config
	lines   Lines
	events  chan gate.Event // sent to under mu, closed by Run
	asks    chan ask
	started atomic.Bool

	mu       sync.Mutex // guards the following
	running  bool
	attached chan struct{} // closed when the lines are lost; nil without lines
	state    gate.State
	founds   uint64

	// owned by Run
	relays     map[gate.Direction]Output
	contacts   []*contact
	grant      gate.Grant // under way; Number 0 if none
	relayUntil time.Time  // zero when the coil is off
	windowEnd  time.Time
	passedAt   time.Time // of the last Passed that nobody tailgated yet
	passedAs   gate.Grant
	onFire     bool
	kept       []gate.Event // passages that found no room, oldest first
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
	return &Gate{config: c, lines: lines, events: make(chan gate.Event, room), asks: make(chan ask)}, nil
}

// Run implements gate.Gate. It returns ErrChip when the GPIO chip has vanished.
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
		if errors.Is(err, ErrChip) || errors.Is(err, ErrNoLine) {
			return err
		}
		if err != nil {
			pause(ctx, retry)
		}
	}
	return nil
}

// explain adds to an error of a line what it means and what to do.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV) && !errors.Is(err, ErrChip):
		return fmt.Errorf("%w (%w)", ErrChip, err)
	case errors.Is(err, unix.EBUSY):
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
	g.attach()
	err := g.work(ctx, changes, failed)
	g.off() // at once, because the watchers take their time to end
	stop()
	watchers.Wait()
	return err
}

// claim requests all lines: relays off, contacts as inputs with edges.
func (g *Gate) claim() error {
	g.relays, g.contacts = map[gate.Direction]Output{}, nil
	for d, name := range map[gate.Direction]string{gate.In: g.config.RelayIn, gate.Out: g.config.RelayOut} {
		if name == "" {
			continue
		}
		line, err := g.lines.Output(name)
		if err != nil {
			return fmt.Errorf("claim relay %v: %w", d, err)
		}
		g.relays[d] = line
		if err := line.Out(gpio.Low); err != nil {
			return fmt.Errorf("claim relay %v on line %s: %w", d, name, err)
		}
	}
	pull, active := gpio.PullDown, gpio.High
	if g.config.ActiveLow {
		pull, active = gpio.PullUp, gpio.Low
	}
	for r, name := range map[role]string{walkedIn: g.config.PassedIn, walkedOut: g.config.PassedOut, fire: g.config.Fire} {
		if name == "" {
			continue
		}
		line, err := g.lines.Input(name)
		if err != nil {
			return fmt.Errorf("claim contact: %w", err)
		}
		c := &contact{role: r, line: line, pull: pull, active: active}
		g.contacts = append(g.contacts, c)
		if err := c.arm(); err != nil {
			return fmt.Errorf("claim contact on line %s: %w", name, err)
		}
	}
	return nil
}

// release switches the relays off and closes every line. No goroutine waits on
// one any more.
func (g *Gate) release() {
	g.off()
	for _, line := range g.relays {
		closeLine(line)
	}
	for _, c := range g.contacts {
		closeLine(c.line)
	}
	g.relays, g.contacts, g.relayUntil = nil, nil, time.Time{}
}

// off switches the relays off as well as it can.
func (g *Gate) off() {
	for _, line := range g.relays {
		_ = line.Out(gpio.Low) // the line may be the reason why we are here
	}
}

// closeLine closes a line that can be closed.
func closeLine(line any) {
	if c, ok := line.(interface{ Close() }); ok {
		c.Close()
	}
}

// attach notes that the lines work.
func (g *Gate) attach() {
	g.mu.Lock()
	g.attached = make(chan struct{})
	g.state.Connected, g.state.Err, g.state.Device = true, nil, "GPIO relay "+g.config.RelayIn+" "+g.config.RelayOut
	if g.founds++; g.founds > 1 {
		g.state.Reopened++
	}
	device := g.state.Device
	g.mu.Unlock()
	g.emit(gate.Event{Kind: gate.Found, Detail: device})
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
		return <-a.reply // Run answers each ask it takes, at once
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
