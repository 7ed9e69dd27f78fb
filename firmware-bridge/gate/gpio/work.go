package gpio

import (
	"context"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

// work is the gate's main loop.
func (g *Gate) work(ctx context.Context, changes <-chan change, failed <-chan error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		g.offer()
		now := time.Now()
		stays, err := g.light(now)
		if err != nil {
			return err
		}
		timer.Reset(min(stays, g.next(now)))
		asks := g.asks
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
	wait := time.Hour
	for _, at := range []time.Time{g.relayUntil, g.windowEnds(), g.heldAt()} {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	if rest := g.quietUntil.Sub(now); rest > 0 {
		wait = min(wait, rest)
	}
	if len(g.waiting) > 0 {
		wait = min(wait, flush)
	}
	return max(wait, 0)
}

// windowEnds is when the grant under way ends, zero without one.
func (g *Gate) windowEnds() time.Time {
	if g.grant.Number == 0 {
		return time.Time{}
	}
	return g.windowEnd
}

// open answers an Open; its error is that of the line.
func (g *Gate) open(a ask, now time.Time) error {
	refuse := g.why(a.grant)
	if refuse != nil {
		a.reply <- refuse
		return nil
	}
	g.use(a.grant)
	g.windowEnd = now.Add(a.grant.Window + g.profile.turn)
	if g.pulsed {
		if err := g.relays[a.grant.Direction].Set(true); err != nil {
			err = fmt.Errorf("switch relay on: %w", err)
			// It may have switched all the same, so the grant has an outcome: Lost.
			a.reply <- fmt.Errorf("%w: %w", gate.ErrUnsure, err)
			return err
		}
		g.relayUntil = now.Add(a.grant.Pulse)
		g.setRelay(true)
	}
	a.reply <- nil
	return nil
}

// use makes grant the one under way.
func (g *Gate) use(grant gate.Grant) {
	g.grant, g.pulsed = grant, g.pulses(grant.Direction)
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
	case g.active[fire]:
		return fmt.Errorf("%w: fire", gate.ErrRefused)
	case g.active[fault]:
		return fmt.Errorf("%w: it reports an error; look at the gate and its power", gate.ErrRefused)
	case g.relays[grant.Direction] == nil:
		return fmt.Errorf("%w: no relay for direction %v", gate.ErrRefused, grant.Direction)
	case g.grant.Number != 0 || len(g.events) > room-2*reserve:
		return gate.ErrBusy
	}
	return g.unready(grant.Direction)
}

// drop switches the relay off.
func (g *Gate) drop() error {
	if g.relayUntil.IsZero() {
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
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Relay = on
}

// expire ends what is over at now.
func (g *Gate) expire(now time.Time) error {
	if at := g.windowEnds(); !at.IsZero() && !now.Before(at) {
		g.finish(gate.NotPassed, g.grant.Direction, now, "")
		return g.drop()
	}
	if at := g.heldAt(); !at.IsZero() && !now.Before(at) {
		g.standsOpen(now)
	}
	if !g.relayUntil.IsZero() && !now.Before(g.relayUntil) {
		return g.drop()
	}
	return nil
}

// finish reports the outcome of the grant under way, if there is one.
func (g *Gate) finish(k gate.EventKind, d gate.Direction, at time.Time, detail string) {
	n := g.grant.Number
	if n == 0 {
		return
	}
	g.keep(k)
	g.grant, g.endedAt, g.quietUntil = gate.Grant{}, time.Now(), time.Now().Add(g.profile.gap)
	g.mu.Lock()
	g.state.Busy = 0
	g.mu.Unlock()
	g.emit(gate.Event{Kind: k, Direction: d, Grant: n, At: at, Detail: detail})
}

// emit puts e on the channel. Outcomes always find room, because Open refuses
// before there is none. Other passages wait, the rest is dropped.
func (g *Gate) emit(e gate.Event) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	outcome := e.Grant != 0 && e.Kind != gate.Tailgated
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case outcome || len(g.waiting) == 0 && len(g.events) < room-reserve:
		g.events <- e
	case e.Kind.Passage() && len(g.waiting) < backlog:
		g.waiting = append(g.waiting, e)
	default:
		g.state.Dropped++
	}
}

// offer puts waiting passages on the channel as room allows.
func (g *Gate) offer() {
	for len(g.waiting) > 0 && len(g.events) < room-reserve {
		g.events <- g.waiting[0]
		g.waiting = g.waiting[1:]
	}
}
