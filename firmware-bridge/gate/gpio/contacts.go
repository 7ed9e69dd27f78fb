package gpio

import (
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

// take acts on a contact.
func (g *Gate) take(c change) error {
	if c.role.momentary() {
		return g.takePassage(c)
	}
	g.active[c.role] = c.active
	defer g.refresh()
	switch c.role {
	case fire:
		return g.takeFire(c)
	case tamper:
		g.tell(c, gate.Tamper, gate.TamperOver)
	case door:
		g.takeDoor(c)
	case tailgate:
		if c.active {
			g.second(tailgate, g.passedAs.Direction, g.passedAs.Number, c.at)
		}
	case fault:
		if c.active {
			g.emit(gate.Event{Kind: gate.Fault, At: c.at, Detail: "the gate reports an error; look at the gate and its power"})
		}
	case wrongWay:
		if c.active {
			g.emit(gate.Event{Kind: gate.Fault, At: c.at, Detail: "somebody walks against the passage"})
		}
	}
	return nil
}

// tell emits one of two events.
func (g *Gate) tell(c change, begin, end gate.EventKind) {
	if c.active {
		end = begin
	}
	g.emit(gate.Event{Kind: end, At: c.at})
}

// stand notes what a standing contact says when it is first looked at.
func (g *Gate) stand(r role, active bool, at time.Time) {
	g.active[r] = active
	if r == door {
		g.door.since, g.door.forced = at, false
		if !active && g.door.held {
			g.door.held = false
			g.emit(gate.Event{Kind: gate.HeldOver, At: at})
		}
	}
	g.refresh()
}

// refresh puts what the contacts say into the state.
func (g *Gate) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := &g.state
	s.Fire, s.Tamper, s.Held = g.active[fire], g.active[tamper], g.door.held
	s.Unready = true
	for d := range g.relays {
		if g.unready(d) == nil {
			s.Unready = false
		}
	}
}

// unready returns why the gate's own contacts say that it takes no grant for d.
func (g *Gate) unready(d gate.Direction) error {
	inhibit := inhibitIn
	if d == gate.Out {
		inhibit = inhibitOut
	}
	switch {
	case g.config.Ready != "" && !g.active[ready]:
		return fmt.Errorf("%w: the gate says that it is not ready", gate.ErrBusy)
	case g.active[wrongWay]:
		return fmt.Errorf("%w: somebody walks against the passage", gate.ErrBusy)
	case g.active[inhibit]:
		return fmt.Errorf("%w: somebody passes the other way", gate.ErrBusy)
	}
	return nil
}

// takePassage acts on a passage contact. Its release says nothing.
func (g *Gate) takePassage(c change) error {
	if !c.active {
		return nil
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
		detail := ""
		if !g.pulsed {
			detail = g.spend(d)
		}
		g.finish(gate.Passed, d, at, detail)
		return g.drop()
	case g.active[fire]:
	case second:
		g.passedAt = time.Time{}
		g.second(walkedIn, d, g.passedAs.Number, at)
	case g.door.forced:
		g.door.forced = false // told when the door opened
	default:
		g.emit(gate.Event{Kind: gate.Forced, Direction: d, At: at, Detail: g.spend(d)})
	}
	return nil
}

// told is who said last that a second person went through on a grant.
type told struct {
	by role
	at time.Time
}

// second reports a second person on a grant. The gate's own word and the passage
// contact can tell of the same one, in either order.
func (g *Gate) second(by role, d gate.Direction, grant uint32, at time.Time) {
	if !g.tailgated.at.IsZero() && g.tailgated.by != by && at.Sub(g.tailgated.at) < 2*tailgateTime {
		g.tailgated = told{}
		return
	}
	g.tailgated = told{by, at}
	g.emit(gate.Event{Kind: gate.Tailgated, Direction: d, Grant: grant, At: at})
}

// takeFire observes the fire alarm. The gate is released by its wiring.
func (g *Gate) takeFire(c change) error {
	if !c.active {
		g.door.since = c.at // it stands open from the fire
		g.emit(gate.Event{Kind: gate.FireOver, At: c.at})
		return nil
	}
	g.finish(gate.NotPassed, g.grant.Direction, c.at, "fire")
	g.emit(gate.Event{Kind: gate.Fire, At: c.at})
	return g.drop()
}

// doorway is what is known of the door besides its contact.
type doorway struct {
	since  time.Time // when it was opened
	forced bool      // without a grant, and nobody was counted since
	held   bool      // Held was told
}

// takeDoor acts on the door's contact.
func (g *Gate) takeDoor(c change) {
	g.door.forced = false
	if !c.active {
		if g.door.held {
			g.door.held = false
			g.emit(gate.Event{Kind: gate.HeldOver, At: c.at})
		}
		return
	}
	g.door.since = c.at
	justEnded := !g.endedAt.IsZero() && c.at.Sub(g.endedAt) < tailgateTime
	if g.grant.Number != 0 || g.active[fire] || justEnded {
		return
	}
	g.door.forced = true
	detail := g.spend(0)
	if detail == "" {
		detail = "the door was opened"
	}
	g.emit(gate.Event{Kind: gate.Forced, At: c.at, Detail: detail})
}

// heldAt is when the open door becomes Held, zero if it does not.
func (g *Gate) heldAt() time.Time {
	if !g.active[door] || g.door.held || g.active[fire] || g.grant.Number != 0 {
		return time.Time{}
	}
	from := g.door.since
	if g.endedAt.After(from) {
		from = g.endedAt
	}
	return from.Add(g.config.heldAfter())
}

// standsOpen tells that the door was not shut.
func (g *Gate) standsOpen(now time.Time) {
	g.door.held = true
	g.refresh()
	g.emit(gate.Event{Kind: gate.Held, At: now, Detail: fmt.Sprintf("open for %v", now.Sub(g.door.since).Round(time.Second))})
}
