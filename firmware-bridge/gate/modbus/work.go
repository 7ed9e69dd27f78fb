package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/serialport"
)

// work is the gate's main loop: it looks at the inputs as often as the line
// allows, and opens between two looks.
func (g *Gate) work(ctx context.Context) error {
	timer := time.NewTimer(pace)
	defer timer.Stop()
	looked := time.Now()
	for {
		g.front.Offer()
		timer.Reset(max(pace-time.Since(looked), 0))
		var err error
		select {
		case <-ctx.Done():
			return nil
		case a := <-g.front.Asks():
			g.open(a)
		case <-timer.C:
			before := looked
			looked = time.Now()
			err = g.look(before)
		}
		if err == nil {
			err = g.expire(time.Now())
		}
		if err = g.bear(err); err != nil {
			return err
		}
	}
}

// bear returns err if the board is lost by it. A request without an answer is
// not the end: lines are bad at times, and everything is asked again.
func (g *Gate) bear(err error) error {
	switch {
	case err == nil:
		g.failed = 0
		return nil
	case errors.Is(err, serialport.ErrGone), errors.Is(err, serialport.ErrClosed), errors.Is(err, ErrEcho),
		errors.Is(err, ErrRefused) && !isBusy(err):
		return err
	}
	if g.failed++; g.failed < lostAfter {
		return nil
	}
	return err
}

// look reads the inputs and acts on what has changed. The look before began at
// before.
func (g *Gate) look(before time.Time) error {
	g.mu.Lock()
	g.counts.SlowestLook = max(g.counts.SlowestLook, time.Since(before))
	g.mu.Unlock()
	on, err := g.board.look()
	if err != nil {
		return err
	}
	now := time.Now()
	var failed error
	for _, c := range g.contacts {
		if c.sample(on[c.number], now) {
			failed = errors.Join(failed, g.take(c, now))
		}
	}
	return failed
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) error {
	if events := g.passages.Expire(now); len(events) > 0 {
		g.refresh()
		g.tell(events)
	}
	return g.rest(now)
}

// rest switches the relays off once a pulse is over at now, or its grant. If that
// fails it is due at once again.
func (g *Gate) rest(now time.Time) error {
	if g.relayUntil.IsZero() || g.passages.Grant().Number != 0 && now.Before(g.relayUntil) {
		return nil
	}
	if err := g.board.off(); err != nil {
		g.relayUntil = time.Now()
		g.front.Note(func(s *gate.State) { s.Resent++ })
		return err
	}
	g.relayUntil = time.Time{}
	g.front.Note(func(s *gate.State) { s.Relay = false })
	return nil
}

// open answers an Open. What the line is like shows at the next look.
func (g *Gate) open(a *passage.Ask) {
	if refuse := g.front.Refusal(a.Grant, g.refusal(a.Grant.Direction)); refuse != nil {
		a.Answer(refuse)
		return
	}
	sent := time.Now()
	err := g.switchOn(a.Grant)
	switch {
	case err == nil || errors.Is(err, gate.ErrUnsure):
		g.use(a.Grant, sent)
	case isBusy(err):
		err = fmt.Errorf("%w: %w: scan again", gate.ErrRefused, err)
	case errors.Is(err, ErrRefused):
		err = fmt.Errorf("%w: %w: does it have this timer?", gate.ErrRefused, err)
	default:
		err = fmt.Errorf("%w: %w", gate.ErrLost, err)
	}
	a.Answer(err)
}

// switchOn has the relay go on once, or says that it did not, or that nobody
// knows (gate.ErrUnsure). A request that had no good answer is never simply
// sent again: the board may have done it, and a relay that has dropped since
// would go on for a second person. The coil tells.
func (g *Gate) switchOn(grant gate.Grant) error {
	for range 2 {
		sent := time.Now()
		err := g.board.on(grant.Direction, grant.Pulse)
		if err == nil || errors.Is(err, ErrRefused) {
			return err
		}
		on, readErr := g.isOn(grant.Direction)
		switch {
		case readErr != nil:
			return fmt.Errorf("%w: %w", gate.ErrUnsure, err)
		case on:
			return nil
		case g.config.Timer == TimerFlash && time.Since(sent) >= grant.Pulse:
			return fmt.Errorf("%w: %w", gate.ErrUnsure, err) // it may have been on and be off again
		}
		// It was not done: nobody but this program switches it off.
		g.front.Note(func(s *gate.State) { s.Resent++ })
	}
	return fmt.Errorf("%w: the relay stays off", ErrGarbled)
}

// isOn asks for the relay, twice if need be: asking does nothing.
func (g *Gate) isOn(d gate.Direction) (on bool, err error) {
	for range 2 {
		if on, err = g.board.isOn(d); err == nil {
			break
		}
	}
	return on, err
}

// use makes grant the one under way, whose relay was asked for at sent.
func (g *Gate) use(grant gate.Grant, sent time.Time) {
	g.passages.Begin(grant, sent, sent.Add(grant.Window))
	g.relayUntil = sent.Add(grant.Pulse)
	if g.config.Timer == TimerFlash {
		// The board drops it; this only makes sure, when it must be off.
		g.relayUntil = sent.Add(grant.Pulse + 2*flashUnit)
	}
	g.front.Note(func(s *gate.State) { s.Busy, s.LastGrant, s.Relay = grant.Number, grant.Number, true })
}

// refusal returns what this gate has against a grant for d.
func (g *Gate) refusal(d gate.Direction) error {
	state := g.front.State()
	switch _, has := g.board.relay(d); {
	case !has:
		return fmt.Errorf("%w: no relay for direction %v", gate.ErrRefused, d)
	case state.Relay:
		return fmt.Errorf("%w: its relay is not off yet", gate.ErrBusy)
	case state.Unready:
		return fmt.Errorf("%w: the gate says that it is not ready", gate.ErrBusy)
	}
	return nil
}
