package panel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/wiegand"
)

// settle is how long a contact must be steady to count. Gates hold theirs for
// 100 ms and more; relay contacts bounce for some milliseconds.
const settle = 20 * time.Millisecond

// change is a contact that became active or inactive.
type change struct {
	role   role
	active bool
	at     time.Time
}

// session is what works while the lines are held.
type session struct {
	hands   sync.WaitGroup
	changes chan []change
	failed  chan error // why the contacts are watched no more; room for one
	send    func(wiegand.Bits)
}

// claim opens c's lines; s is nil when its outputs send.
func (from lines) claim(c Config, s Sender) (*wiring, error) {
	config := gpioline.InputConfig{ActiveLow: c.ActiveLow, Bias: gpioline.PullDown, Debounce: settle, Consumer: "turnstile panel"}
	if c.ActiveLow {
		config.Bias = gpioline.PullUp
	}
	w := &wiring{sender: s, close: func() {}}
	for r, name := range []string{walkedIn: c.PassedIn, walkedOut: c.PassedOut, opened: c.Opened, ready: c.Ready, fire: c.Fire} {
		if name != "" {
			config.Lines, w.roles = append(config.Lines, name), append(w.roles, role(r))
		}
	}
	if s == nil {
		p, err := from.claimPort(c)
		if err != nil {
			return nil, err
		}
		w.sender, w.close = p, func() { _ = p.Close() } // the lines may be the reason why we are here
	}
	in, err := from.inputs(config)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("claim contacts: %w", err)
	}
	outputs := w.close
	w.inputs, w.close = in, func() { _ = in.Close(); outputs() }
	return w, nil
}

// claimPort opens the two outputs, off.
func (from lines) claimPort(c Config) (*port, error) {
	var data [2]output
	for i, name := range []string{c.D0, c.D1} {
		line, err := from.output(gpioline.OutputConfig{Line: name, ActiveLow: c.PulseLow, Consumer: "turnstile panel"})
		if err != nil {
			if i > 0 {
				_ = data[0].Close()
			}
			return nil, fmt.Errorf("claim data line: %w", err)
		}
		data[i] = line
	}
	return newPort(data[0], data[1], from.clock), nil
}

// watch sends each batch of changes until ctx ends.
func (g *Gate) watch(ctx context.Context, out chan<- []change) error {
	const tick = 100 * time.Millisecond // how soon the end of ctx is seen
	var edges [64]gpioline.Edge
	for ctx.Err() == nil {
		n, err := g.wiring.inputs.Read(edges[:], tick)
		if err != nil {
			return fmt.Errorf("watch contacts: %w", err)
		}
		var batch []change
		lost := false
		for _, e := range edges[:n] {
			batch = append(batch, change{g.wiring.roles[e.Line], e.Active, e.At})
			lost = lost || e.Lost > 0
		}
		if lost {
			if batch, err = g.levels(batch); err != nil {
				return err
			}
		}
		if len(batch) == 0 {
			continue
		}
		select {
		case out <- batch:
		case <-ctx.Done():
		}
	}
	return nil
}

// levels appends each contact's level as it is now: the kernel has dropped
// edges, and the last one may be among them.
func (g *Gate) levels(batch []change) ([]change, error) {
	active, err := g.wiring.inputs.Active()
	if err != nil {
		return nil, fmt.Errorf("watch contacts: %w", err)
	}
	for i, r := range g.wiring.roles {
		batch = append(batch, change{r, active[i], time.Now()})
	}
	return batch, nil
}

// work is the gate's main loop. While a card is being sent the contacts wait in
// the kernel, with their times: what they say is understood after it.
func (g *Gate) work(ctx context.Context, s *session) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g.offer()
		timer.Reset(g.next(time.Now()))
		contacts := s.changes
		if g.sending != nil {
			contacts = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case a := <-g.asks:
			g.start(a, s.send)
		case err := <-g.sent:
			if err := g.ended(err); err != nil {
				return err
			}
		case batch := <-contacts:
			for _, c := range batch {
				g.turn(c)
			}
		case <-timer.C:
			g.expire(time.Now())
		}
	}
}

// next is how long until something ends by itself.
func (g *Gate) next(now time.Time) time.Duration {
	wait := time.Hour
	for _, end := range []time.Time{g.windowEnd, g.answerEnd} {
		if !end.IsZero() {
			wait = min(wait, end.Sub(now))
		}
	}
	if len(g.kept) > 0 {
		wait = min(wait, flush)
	}
	return max(wait, 0)
}

// start answers whether a's card is being sent, and sends it.
func (g *Gate) start(a *ask, send func(wiegand.Bits)) {
	err := g.why(a.grant)
	if a.taken <- err; err != nil {
		return
	}
	g.sending, g.grant, g.began = a, a.grant, time.Now()
	g.mu.Lock()
	g.state.Busy = a.grant.Number
	g.mu.Unlock()
	send(a.row)
}

// why returns the reason not to open for grant.
func (g *Gate) why(grant gate.Grant) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state.LastGrant != 0 && int32(grant.Number-g.state.LastGrant) <= 0:
		return gate.ErrRepeated
	case g.state.Fire:
		return fmt.Errorf("%w: fire", gate.ErrRefused)
	case g.config.Direction != 0 && grant.Direction != g.config.Direction:
		return fmt.Errorf("%w: the panel's port opens %v", gate.ErrRefused, g.config.Direction)
	case g.state.Unready:
		return fmt.Errorf("%w: its ready contact is off", gate.ErrBusy)
	case g.grant.Number != 0 || len(g.events) > room-2*reserve:
		return gate.ErrBusy
	}
	return nil
}

// ended takes what came of sending. Its own error is that of the lines.
func (g *Gate) ended(err error) error {
	a, now := g.sending, time.Now()
	g.sending = nil
	told := a.close()
	if told {
		a.sent <- answer(err)
	}
	if err == nil || errors.Is(err, gate.ErrUnsure) || !told {
		g.use(now)
	} else {
		g.drop()
	}
	if errors.Is(err, errWire) {
		return err
	}
	if err != nil && !errors.Is(err, gate.ErrUnsure) { // nobody was told, so there is an outcome to come
		g.finish(gate.NotPassed, g.grant.Direction, now, err.Error())
	}
	return nil
}

// answer is what Open says to err of a Sender.
func answer(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{gate.ErrUnsure, gate.ErrLost, gate.ErrBusy, gate.ErrRefused} {
		if errors.Is(err, known) {
			return err
		}
	}
	if errors.Is(err, errWire) || errors.Is(err, gate.ErrClosed) {
		return fmt.Errorf("%w: %w", gate.ErrLost, err)
	}
	return fmt.Errorf("%w: %w", gate.ErrRefused, err)
}

// abandon ends the sending that the end of the lines has cut short.
func (g *Gate) abandon(err error) {
	a := g.sending
	if a == nil {
		return
	}
	g.sending = nil
	result := <-g.sent // the sender has ended: hold waited for it
	unsure := result == nil || errors.Is(result, gate.ErrUnsure)
	told := a.close()
	switch {
	case told && unsure:
		a.sent <- fmt.Errorf("%w: %w", gate.ErrUnsure, err)
	case told:
		a.sent <- err
		g.drop()
		return
	}
	g.use(time.Now())
}

// use makes the number of the grant under way used, and its window begin.
func (g *Gate) use(now time.Time) {
	g.windowEnd = now.Add(g.grant.Window)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.LastGrant = g.grant.Number
	if g.config.Opened != "" && !g.state.Relay {
		wait := g.config.Answer
		if wait == 0 {
			wait = DefaultAnswer
		}
		g.answerEnd = now.Add(min(wait, g.grant.Window))
	}
}

// drop forgets a grant that came to nothing; its number is unused.
func (g *Gate) drop() {
	g.grant = gate.Grant{}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Busy = 0
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) {
	switch {
	case g.grant.Number == 0 || g.sending != nil:
	case !now.Before(g.windowEnd):
		g.finish(gate.NotPassed, g.grant.Direction, now, "")
	case !g.answerEnd.IsZero() && !now.Before(g.answerEnd):
		g.finish(gate.NotPassed, g.grant.Direction, now, "the access panel did not open: does it know the card, and admit it now?")
	}
}
