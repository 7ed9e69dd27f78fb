package panel

import (
	"slices"
	"time"

	"turnstile/firmware-bridge/gate"
)

// turn acts on a contact that has changed; one that has not is nothing.
func (g *Gate) turn(c change) {
	i := slices.Index(g.wiring.roles, c.role)
	if g.active[i] == c.active {
		return
	}
	g.active[i] = c.active
	g.take(c)
}

// take acts on a contact's level.
func (g *Gate) take(c change) {
	switch c.role {
	case opened:
		g.note(func(s *gate.State) { s.Relay = c.active })
		if c.active {
			g.answerEnd = time.Time{}
		}
	case ready:
		g.note(func(s *gate.State) { s.Unready = !c.active })
	case fire:
		g.takeFire(c)
	default:
		if c.active {
			g.walked(c)
		}
	}
}

// note changes the state.
func (g *Gate) note(change func(*gate.State)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.state)
}

// walked is one person going through.
func (g *Gate) walked(c change) {
	d := gate.In
	if c.role == walkedOut {
		d = gate.Out
	}
	granted := g.grant.Number != 0 && !c.at.Before(g.began)
	if g.config.PassedOut == "" { // one contact for both directions cannot tell
		d = 0
		if granted {
			d = g.grant.Direction
		}
	}
	state := g.State()
	second := !g.passedAt.IsZero() && c.at.Sub(g.passedAt) < tailgateTime && (d == 0 || d == g.passedAs.Direction)
	switch {
	case granted && d == g.grant.Direction:
		g.passedAt, g.passedAs = c.at, g.grant
		g.finish(gate.Passed, d, c.at, "")
	case state.Fire:
	case second:
		g.passedAt = time.Time{}
		g.emit(gate.Event{Kind: gate.Tailgated, Direction: d, Grant: g.passedAs.Number, At: c.at})
	case state.Relay:
		g.emit(gate.Event{Kind: gate.Forced, Direction: d, At: c.at, Detail: "the access panel had opened without the lane"})
	default:
		g.emit(gate.Event{Kind: gate.Forced, Direction: d, At: c.at})
	}
}

// takeFire observes the fire alarm. The gate is released by its wiring.
func (g *Gate) takeFire(c change) {
	was := g.State().Fire
	if was == c.active {
		return
	}
	g.note(func(s *gate.State) { s.Fire = c.active })
	if !c.active {
		g.emit(gate.Event{Kind: gate.FireOver, At: c.at})
		return
	}
	g.finish(gate.NotPassed, g.grant.Direction, c.at, "fire")
	g.emit(gate.Event{Kind: gate.Fire, At: c.at})
}

// finish reports the outcome of the grant under way, if there is one.
func (g *Gate) finish(k gate.EventKind, d gate.Direction, at time.Time, detail string) {
	n := g.grant.Number
	if n == 0 {
		return
	}
	g.grant, g.windowEnd, g.answerEnd = gate.Grant{}, time.Time{}, time.Time{}
	g.note(func(s *gate.State) { s.Busy = 0 })
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
