package gpio

import (
	"context"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
)

// work is the gate's main loop.
func (g *Gate) work(ctx context.Context, changes <-chan change, failed <-chan error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g.front.Offer()
		now := time.Now()
		stays, err := g.light(now)
		if err != nil {
			return err
		}
		timer.Reset(min(stays, g.next(now)))
		asks := g.front.Asks()
		if now.Before(g.quietUntil) {
			asks = nil // an Open waits until the gate has had its rest
		}
		select {
		case <-ctx.Done():
			return nil
		case err = <-failed:
		case a := <-asks:
			err = g.open(a, time.Now())
		case c := <-changes:
			err = g.take(c)
		case <-g.show:
		case <-timer.C:
			err = g.expire(time.Now())
		}
		if err != nil {
			return err
		}
	}
}

// next is how long until something ends by itself.
func (g *Gate) next(now time.Time) time.Duration {
	var rested time.Time // zero if the gate has had its rest
	if now.Before(g.quietUntil) {
		rested = g.quietUntil
	}
	return g.front.Wait(now, g.relayUntil, g.passages.Next(), rested)
}

// open answers an Open; its error is that of the line.
func (g *Gate) open(a *passage.Ask, now time.Time) error {
	if refuse := g.front.Refusal(a.Grant, g.refusal(a.Grant.Direction)); refuse != nil {
		a.Answer(refuse)
		return nil
	}
	g.use(a.Grant, now)
	if g.pulsed {
		if err := g.relays[a.Grant.Direction].Set(true); err != nil {
			err = fmt.Errorf("switch relay on: %w", err)
			// It may have switched all the same, so the grant has an outcome: Lost.
			a.Answer(fmt.Errorf("%w: %w", gate.ErrUnsure, err))
			return err
		}
		g.relayUntil = now.Add(a.Grant.Pulse)
		g.setRelay(true)
	}
	a.Answer(nil)
	return nil
}

// use makes grant the one under way.
func (g *Gate) use(grant gate.Grant, now time.Time) {
	g.opened, g.pulsed = grant, g.pulses(grant.Direction)
	g.passages.Begin(grant, now, now.Add(grant.Window+g.profile.turn))
	g.front.Note(func(s *gate.State) { s.Busy, s.LastGrant = grant.Number, grant.Number })
}

// refusal returns what this gate has against a grant for d.
func (g *Gate) refusal(d gate.Direction) error {
	switch {
	case g.active[fault]:
		return fmt.Errorf("%w: it reports an error; look at the gate and its power", gate.ErrRefused)
	case g.relays[d] == nil:
		return fmt.Errorf("%w: no relay for direction %v", gate.ErrRefused, d)
	}
	return g.unready(d)
}

// rest switches the relay off once its pulse is over at now, or its grant.
func (g *Gate) rest(now time.Time) error {
	if g.relayUntil.IsZero() || g.passages.Grant().Number != 0 && now.Before(g.relayUntil) {
		return nil
	}
	g.relayUntil = time.Time{}
	for d, line := range g.relays {
		if err := line.Set(false); err != nil {
			return fmt.Errorf("switch relay %v off: %w: check the gate now", d, err)
		}
	}
	g.setRelay(false)
	return nil
}

func (g *Gate) setRelay(on bool) {
	g.front.Note(func(s *gate.State) { s.Relay = on })
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) error {
	events := g.passages.Expire(now)
	g.refresh()
	g.tell(events)
	return g.rest(now)
}

// tell reports events, with what only this gate knows of them.
func (g *Gate) tell(events []gate.Event) {
	for _, e := range events {
		switch e.Kind {
		case gate.Passed, gate.NotPassed, gate.Lost:
			g.ended(&e)
		case gate.Forced:
			if detail := g.spend(e.Direction); detail != "" {
				e.Detail = detail
			}
		}
		g.front.Emit(e)
	}
}

// ended notes the outcome of a grant. A Lost without one is none.
func (g *Gate) ended(e *gate.Event) {
	if e.Grant == 0 {
		return
	}
	if e.Kind == gate.Passed && !g.pulsed {
		e.Detail = g.spend(e.Direction)
	}
	g.keep(e.Kind)
	g.quietUntil = time.Now().Add(g.profile.gap)
}
