package gpio

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"

	"turnstile/firmware-bridge/gate"
)

// work is the gate's main loop.
func (g *Gate) work(ctx context.Context, changes <-chan change, failed <-chan error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g.offer()
		timer.Reset(g.next(time.Now()))
		var err error
		select {
		case <-ctx.Done():
			return nil
		case err = <-failed:
		case a := <-g.asks:
			err = g.open(a, time.Now())
		case c := <-changes:
			err = g.take(c)
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
	wait := time.Hour
	if !g.relayUntil.IsZero() {
		wait = min(wait, g.relayUntil.Sub(now))
	}
	if g.grant.Number != 0 {
		wait = min(wait, g.windowEnd.Sub(now))
	}
	if len(g.kept) > 0 {
		wait = min(wait, flush)
	}
	return max(wait, 0)
}

// open answers an Open; its error is that of the line.
func (g *Gate) open(a ask, now time.Time) error {
	refuse := g.why(a.grant)
	if refuse != nil {
		a.reply <- refuse
		return nil
	}
	g.use(a.grant)
	if err := g.relays[a.grant.Direction].Out(gpio.High); err != nil {
		err = fmt.Errorf("switch relay on: %w", err)
		// It may have switched all the same, so the grant has an outcome: Lost.
		a.reply <- fmt.Errorf("%w: %w", gate.ErrUnsure, err)
		return err
	}
	g.relayUntil, g.windowEnd = now.Add(a.grant.Pulse), now.Add(a.grant.Window)
	g.setRelay(true)
	a.reply <- nil
	return nil
}

// use makes grant the one under way.
func (g *Gate) use(grant gate.Grant) {
	g.grant = grant
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Busy, g.state.LastGrant = grant.Number, grant.Number
}

// why returns the reason not to open for grant.
func (g *Gate) why(grant gate.Grant) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.state.LastGrant != 0 && int32(grant.Number-g.state.LastGrant) <= 0:
		return gate.ErrRepeated
	case g.onFire:
		return fmt.Errorf("%w: fire", gate.ErrRefused)
	case g.relays[grant.Direction] == nil:
		return fmt.Errorf("%w: no relay for direction %v", gate.ErrRefused, grant.Direction)
	case g.grant.Number != 0 || len(g.events) > room-2*reserve:
		return gate.ErrBusy
	}
	return nil
}

// drop switches the relay off.
func (g *Gate) drop() error {
	if g.relayUntil.IsZero() {
		return nil
	}
	g.relayUntil = time.Time{}
	for d, line := range g.relays {
		if err := line.Out(gpio.Low); err != nil {
			return fmt.Errorf("switch relay %v off: %w: check the gate now", d, err)
		}
	}
	g.setRelay(false)
	return nil
}

func (g *Gate) setRelay(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Relay = on
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) error {
	if g.grant.Number != 0 && !now.Before(g.windowEnd) {
		g.finish(gate.NotPassed, g.grant.Direction, now, "")
		return g.drop()
	}
	if !g.relayUntil.IsZero() && !now.Before(g.relayUntil) {
		return g.drop()
	}
	return nil
}

// take acts on a contact.
func (g *Gate) take(c change) error {
	switch {
	case c.role == fire:
		return g.takeFire(c)
	case !c.active:
		return nil // the contact's release
	}
	d := gate.In
	if c.role == walkedOut {
		d = gate.Out
	}
	if g.config.PassedOut == "" { // one contact for both directions cannot tell
		d = g.grant.Direction
	}
	return g.walked(d, c.at)
}

// walked is one person going through in direction d, 0 if the gate cannot tell.
func (g *Gate) walked(d gate.Direction, at time.Time) error {
	second := !g.passedAt.IsZero() && at.Sub(g.passedAt) < tailgateTime && (d == 0 || d == g.passedAs.Direction)
	switch {
	case g.grant.Number != 0 && d == g.grant.Direction:
		g.passedAt, g.passedAs = at, g.grant
		g.finish(gate.Passed, d, at, "")
		return g.drop()
	case g.onFire:
	case second:
		g.passedAt = time.Time{}
		g.emit(gate.Event{Kind: gate.Tailgated, Direction: d, Grant: g.passedAs.Number, At: at})
	default:
		g.emit(gate.Event{Kind: gate.Forced, Direction: d, At: at})
	}
	return nil
}

// takeFire observes the fire alarm. The gate is released by its wiring.
func (g *Gate) takeFire(c change) error {
	g.onFire = c.active
	g.mu.Lock()
	g.state.Fire = c.active
	g.mu.Unlock()
	if !c.active {
		g.emit(gate.Event{Kind: gate.FireOver, At: c.at})
		return nil
	}
	g.finish(gate.NotPassed, g.grant.Direction, c.at, "fire")
	g.emit(gate.Event{Kind: gate.Fire, At: c.at})
	return g.drop()
}

// finish reports the outcome of the grant under way, if there is one.
func (g *Gate) finish(k gate.EventKind, d gate.Direction, at time.Time, detail string) {
	n := g.grant.Number
	if n == 0 {
		return
	}
	g.grant = gate.Grant{}
	g.mu.Lock()
	g.state.Busy = 0
	g.mu.Unlock()
	g.emit(gate.Event{Kind: k, Direction: d, Grant: n, At: at, Detail: detail})
}

// emit puts e on the channel. Outcomes always find room, because Open refuses
// before there is none. Other passages wait in kept, the rest is dropped.
func (g *Gate) emit(e gate.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	outcome := e.Grant != 0 && e.Kind != gate.Tailgated
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case outcome || len(g.kept) == 0 && len(g.events) < room-reserve:
		g.events <- e
	case e.Kind.Passage() && len(g.kept) < backlog:
		g.kept = append(g.kept, e)
	default:
		g.state.Dropped++
	}
}

// offer puts kept passages on the channel as room allows.
func (g *Gate) offer() {
	for len(g.kept) > 0 && len(g.events) < room-reserve {
		g.events <- g.kept[0]
		g.kept = g.kept[1:]
	}
}
