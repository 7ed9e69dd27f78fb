package modbus

import (
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

// settle is how long a contact must be steady to count. Gates hold theirs for
// 100 ms and more; relay contacts bounce for some milliseconds.
const settle = 20 * time.Millisecond

// role is what a contact means.
type role uint8

const (
	walkedIn role = iota
	walkedOut
	fire
	tamper
	ready
	door
	roles // how many there are
)

// contact is one input, made steady: its times are the caller's.
type contact struct {
	role   role
	number int
	opens  bool // it is active when off
	steady bool // active, as it counts
	rival  time.Time
}

// sample takes a look at now. It reports whether the contact changed.
func (c *contact) sample(on bool, now time.Time) bool {
	active := on != c.opens
	switch {
	case active == c.steady:
		c.rival = time.Time{}
	case c.rival.IsZero():
		c.rival = now
	case now.Sub(c.rival) >= settle:
		c.steady, c.rival = active, time.Time{}
		return true
	}
	return false
}

// first takes the first look after the board was found. Passages, readiness and
// the door begin as they are; a fire or an open case that is there already, or is
// over, is a change from what the gate knew.
func (c *contact) first(on bool, knew bool) {
	c.steady, c.rival = on != c.opens, time.Time{}
	if c.role == fire || c.role == tamper {
		c.steady = knew
	}
}

// take acts on a contact that changed at now.
func (g *Gate) take(c *contact, now time.Time) error {
	defer g.refresh()
	g.active[c.role] = c.steady
	switch c.role {
	case walkedIn, walkedOut:
		if !c.steady {
			return nil // its release says nothing
		}
		return g.walked(g.direction(c.role), now)
	case fire:
		return g.takeFire(c.steady, now)
	case tamper:
		kind := gate.TamperOver
		if c.steady {
			kind = gate.Tamper
		}
		g.emit(gate.Event{Kind: kind, At: now})
	case door:
		g.takeDoor(c.steady, now)
	}
	return nil
}

// direction is the way that a passage contact reports, 0 if it cannot tell.
func (g *Gate) direction(r role) gate.Direction {
	switch {
	case g.config.PassedOut == "":
		return g.grant.Direction
	case r == walkedOut:
		return gate.Out
	}
	return gate.In
}

// refresh puts what the contacts say into the state.
func (g *Gate) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.Fire, g.state.Tamper, g.state.Held = g.active[fire], g.active[tamper], g.held
	g.state.Unready = g.config.Ready != "" && !g.active[ready]
}

// walked is one person going through in direction d, 0 if the gate cannot tell.
func (g *Gate) walked(d gate.Direction, now time.Time) error {
	second := !g.passedAt.IsZero() && now.Sub(g.passedAt) < tailgateTime && (d == 0 || d == g.passedAs.Direction)
	switch {
	case g.grant.Number != 0 && d == g.grant.Direction:
		g.passedAt, g.passedAs = now, g.grant
		g.finish(gate.Passed, d, now, "")
		return g.drop()
	case g.active[fire]:
	case second:
		g.passedAt = time.Time{}
		g.emit(gate.Event{Kind: gate.Tailgated, Direction: d, Grant: g.passedAs.Number, At: now})
	case g.forced:
		g.forced = false // told when the door opened
	default:
		g.emit(gate.Event{Kind: gate.Forced, Direction: d, At: now})
	}
	return nil
}

// takeFire observes the fire alarm. The gate is released by its wiring.
func (g *Gate) takeFire(on bool, now time.Time) error {
	if !on {
		g.doorSince = now // it stands open from the fire
		g.emit(gate.Event{Kind: gate.FireOver, At: now})
		return nil
	}
	g.finish(gate.NotPassed, g.grant.Direction, now, "fire")
	g.emit(gate.Event{Kind: gate.Fire, At: now})
	return g.drop()
}

// takeDoor acts on the door's contact.
func (g *Gate) takeDoor(open bool, now time.Time) {
	g.forced = false
	if !open {
		if g.held {
			g.held = false
			g.emit(gate.Event{Kind: gate.HeldOver, At: now})
		}
		return
	}
	g.doorSince = now
	justEnded := !g.endedAt.IsZero() && now.Sub(g.endedAt) < tailgateTime
	if g.grant.Number == 0 && !g.active[fire] && !justEnded {
		g.forced = true
		g.emit(gate.Event{Kind: gate.Forced, At: now, Detail: "the door was opened"})
	}
}

// watchDoor tells once that the door was not shut after a passage.
func (g *Gate) watchDoor(now time.Time) {
	if !g.active[door] || g.held || g.active[fire] || g.grant.Number != 0 {
		return
	}
	from := g.doorSince
	if g.endedAt.After(from) {
		from = g.endedAt
	}
	if now.Sub(from) < g.config.heldAfter() {
		return
	}
	g.held = true
	g.refresh()
	g.emit(gate.Event{Kind: gate.Held, At: now, Detail: fmt.Sprintf("open for %v", now.Sub(g.doorSince).Round(time.Second))})
}
