// Package passage keeps a gate's passages for a device that has no memory of its own: grants go in, contacts say who walked, events come out.
//
// Drivers whose gate is relays and contacts share it. Front is the side that
// callers see; Passages has the rules, and no clock. What a relay, a board or a
// panel needs to open is the driver's.
package passage

import (
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

const (
	// DefaultHeld is how long a door may stand open after a passage.
	DefaultHeld = 10 * time.Second
	// TailgateTime is how soon after a passage another in its direction is the
	// second person on one grant.
	TailgateTime = 1500 * time.Millisecond
)

// Passages says what happened at a gate from what its contacts say. Its zero
// value is a gate at rest, locked, without a door. Methods return the events to
// tell, in order. It is used by one goroutine; all times are the caller's.
//
//	locked --Begin--> open --Walked--> locked: Passed
//	                   +---Expire----> locked: NotPassed
//	                   +----Fire-----> locked: NotPassed
//	                   +----Lost-----> locked: Lost
//	                   +---Forget----> locked
type Passages struct {
	HeldAfter time.Duration // how long the door may be open after a passage; 0 means DefaultHeld

	grant     gate.Grant // under way; Number 0 if none
	from      time.Time  // who walked before has not walked on it
	windowEnd time.Time  // of the grant; zero while it is not known
	endedAt   time.Time  // when the last grant ended
	passedAt  time.Time  // of the last Passed that nobody tailgated yet
	passed    gate.Grant
	fire      bool
	tamper    bool
	door      door
}

// door is what is known of the door or barrier.
type door struct {
	open   bool
	since  time.Time // when it was opened
	forced bool      // without a grant, and nobody was counted since
	held   bool      // Held was told
}

// Begin makes g the grant under way for whoever walks at from or later, until
// Expire at end. An end of zero is not known yet; see Until.
func (p *Passages) Begin(g gate.Grant, from, end time.Time) {
	p.grant, p.from, p.windowEnd = g, from, end
}

// Until sets the end of the grant under way.
func (p *Passages) Until(end time.Time) { p.windowEnd = end }

// Forget ends the grant under way without an outcome: the gate did not open for it.
func (p *Passages) Forget() { p.grant, p.windowEnd = gate.Grant{}, time.Time{} }

// Grant is the one under way; Number 0 if there is none.
func (p *Passages) Grant() gate.Grant { return p.grant }

// Passed is the grant that somebody walked on last; Number 0 if nobody did.
func (p *Passages) Passed() gate.Grant { return p.passed }

// Fill puts what the contacts say into s.
func (p *Passages) Fill(s *gate.State) {
	s.Fire, s.Tamper, s.Held = p.fire, p.tamper, p.door.held
}

// NotPassed ends the grant under way, if there is one; detail says why, "" for
// nobody having walked.
func (p *Passages) NotPassed(at time.Time, detail string) []gate.Event {
	return p.finish(gate.NotPassed, p.grant.Direction, at, detail)
}

// finish ends the grant under way, if there is one, with its outcome.
func (p *Passages) finish(k gate.EventKind, d gate.Direction, at time.Time, detail string) []gate.Event {
	n := p.grant.Number
	if n == 0 {
		return nil
	}
	p.Forget()
	p.endedAt = at
	return []gate.Event{{Kind: k, Direction: d, Grant: n, At: at, Detail: detail}}
}

// Walked is one person going through in direction d, 0 if the contact cannot
// tell: then it is the grant's.
func (p *Passages) Walked(d gate.Direction, at time.Time) []gate.Event {
	granted := p.grant.Number != 0 && !at.Before(p.from)
	if d == 0 && granted {
		d = p.grant.Direction
	}
	second := !p.passedAt.IsZero() && at.Sub(p.passedAt) < TailgateTime && (d == 0 || d == p.passed.Direction)
	switch {
	case granted && d == p.grant.Direction:
		p.passedAt, p.passed = at, p.grant
		return p.finish(gate.Passed, d, at, "")
	case p.fire: // everybody may leave
		return nil
	case second:
		p.passedAt = time.Time{}
		return []gate.Event{{Kind: gate.Tailgated, Direction: d, Grant: p.passed.Number, At: at}}
	case p.door.forced: // told when the door opened
		p.door.forced = false
		return nil
	}
	return []gate.Event{{Kind: gate.Forced, Direction: d, At: at}}
}

// Fire observes the fire alarm; what it said before is nothing. The gate is
// released by its wiring.
func (p *Passages) Fire(on bool, at time.Time) []gate.Event {
	if on == p.fire {
		return nil
	}
	p.fire = on
	if !on {
		p.door.since = at // it stands open from the fire
		return []gate.Event{{Kind: gate.FireOver, At: at}}
	}
	return append(p.NotPassed(at, "fire"), gate.Event{Kind: gate.Fire, At: at})
}

// Tamper is the contact of the case; what it said before is nothing.
func (p *Passages) Tamper(open bool, at time.Time) []gate.Event {
	if open == p.tamper {
		return nil
	}
	p.tamper = open
	if open {
		return []gate.Event{{Kind: gate.Tamper, At: at}}
	}
	return []gate.Event{{Kind: gate.TamperOver, At: at}}
}

// FoundDoor is the door as it stands when the device is found. That it is open
// is not news yet.
func (p *Passages) FoundDoor(open bool, at time.Time) []gate.Event {
	p.door.open, p.door.since, p.door.forced = open, at, false
	return p.shut(at)
}

// shut returns HeldOver if the door is shut now and was Held.
func (p *Passages) shut(at time.Time) []gate.Event {
	if p.door.open || !p.door.held {
		return nil
	}
	p.door.held = false
	return []gate.Event{{Kind: gate.HeldOver, At: at}}
}

// Door is the door being opened or shut.
func (p *Passages) Door(open bool, at time.Time) []gate.Event {
	p.door.open, p.door.forced = open, false
	if !open {
		return p.shut(at)
	}
	p.door.since = at
	justEnded := !p.endedAt.IsZero() && at.Sub(p.endedAt) < TailgateTime
	if p.grant.Number != 0 || p.fire || justEnded {
		return nil
	}
	p.door.forced = true
	return []gate.Event{{Kind: gate.Forced, At: at, Detail: "the door was opened"}}
}

// Next is when Expire has something to say, zero for never.
func (p *Passages) Next() time.Time {
	if p.grant.Number != 0 {
		return p.windowEnd
	}
	if !p.door.open || p.door.held || p.fire {
		return time.Time{}
	}
	from, most := p.door.since, p.HeldAfter
	if p.endedAt.After(from) {
		from = p.endedAt
	}
	if most == 0 {
		most = DefaultHeld
	}
	return from.Add(most)
}

// Expire ends what is over at now: the window of the grant under way, or the
// patience with an open door.
func (p *Passages) Expire(now time.Time) []gate.Event {
	switch at := p.Next(); {
	case at.IsZero() || now.Before(at):
		return nil
	case p.grant.Number != 0:
		return p.NotPassed(now, "")
	}
	p.door.held = true
	open := now.Sub(p.door.since).Round(time.Second)
	return []gate.Event{{Kind: gate.Held, At: now, Detail: fmt.Sprintf("open for %v", open)}}
}

// Lost is what a device that is not ours any more has to be told of: the outcome
// of the grant under way, or else that it is gone, if it was there and err, which
// is nil when the driver stops, says why.
func (p *Passages) Lost(was bool, err error, at time.Time) []gate.Event {
	detail := "stopped"
	if err != nil {
		detail = err.Error()
	}
	if p.grant.Number == 0 && was && err != nil {
		return []gate.Event{{Kind: gate.Lost, At: at, Detail: detail}}
	}
	return p.finish(gate.Lost, 0, at, detail)
}
