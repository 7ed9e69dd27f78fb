package panel

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/wiegand"
)

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
	config := gpioline.InputConfig{ActiveLow: c.ActiveLow, Bias: gpioline.PullDown, Debounce: passage.Settle, Consumer: "turnstile panel"}
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
		g.front.Offer()
		timer.Reset(g.front.Wait(time.Now(), g.passages.Next(), g.answerEnd))
		contacts := s.changes
		if g.sending != nil {
			contacts = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case a := <-g.front.Asks():
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

// start answers whether a's card is being sent, and sends it.
func (g *Gate) start(a *passage.Ask, send func(wiegand.Bits)) {
	row, err := g.config.row(a.Grant)
	if err != nil {
		err = errors.Join(gate.ErrRefused, err)
	} else {
		err = g.front.Refusal(a.Grant, g.refusal(a.Grant.Direction))
	}
	if err != nil {
		a.Answer(err)
		return
	}
	g.sending = a
	g.passages.Begin(a.Grant, time.Now(), time.Time{}) // its window begins when the card is out
	g.front.Note(func(s *gate.State) { s.Busy = a.Grant.Number })
	a.Begin()
	send(row)
}

// refusal returns what this gate has against a grant for d.
func (g *Gate) refusal(d gate.Direction) error {
	switch {
	case g.config.Direction != 0 && d != g.config.Direction:
		return fmt.Errorf("%w: the panel's port opens %v", gate.ErrRefused, g.config.Direction)
	case g.State().Unready:
		return fmt.Errorf("%w: its ready contact is off", gate.ErrBusy)
	}
	return nil
}

// ended takes what came of sending. Its own error is that of the lines.
func (g *Gate) ended(err error) error {
	a, now := g.sending, time.Now()
	g.sending = nil
	a.Settle(answer(err), func(heard bool) {
		if err == nil || errors.Is(err, gate.ErrUnsure) || !heard {
			g.use(now)
		} else {
			g.drop()
		}
	})
	if errors.Is(err, errWire) {
		return err
	}
	if err != nil && !errors.Is(err, gate.ErrUnsure) { // nobody was told, so there is an outcome to come
		g.tell(g.passages.NotPassed(now, err.Error()))
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
	if errors.Is(err, context.Canceled) { // the driver stops, and its sender heard of it first
		return fmt.Errorf("%w: %w", gate.ErrClosed, err)
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
	if unsure {
		err = fmt.Errorf("%w: %w", gate.ErrUnsure, err)
	}
	a.Settle(err, func(heard bool) {
		if heard && !unsure {
			g.drop()
		} else {
			g.use(time.Now())
		}
	})
}

// use makes the number of the grant under way used, and its window begin.
func (g *Gate) use(now time.Time) {
	grant := g.passages.Grant()
	g.passages.Until(now.Add(grant.Window))
	g.front.Note(func(s *gate.State) { s.LastGrant = grant.Number })
	if g.config.Opened != "" && !g.State().Relay {
		wait := g.config.Answer
		if wait == 0 {
			wait = DefaultAnswer
		}
		g.answerEnd = now.Add(min(wait, grant.Window))
	}
}

// drop forgets a grant that came to nothing; its number is unused.
func (g *Gate) drop() {
	g.passages.Forget()
	g.front.Note(func(s *gate.State) { s.Busy = 0 })
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) {
	g.tell(g.passages.Expire(now))
	if !g.answerEnd.IsZero() && !now.Before(g.answerEnd) {
		g.tell(g.passages.NotPassed(now, "the access panel did not open: does it know the card, and admit it now?"))
	}
}
