package modbus

import (
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
	g.active[c.role] = c.steady
	events := g.took(c, now)
	g.refresh()
	g.tell(events)
	return g.settled()
}

// took returns what a contact's change means.
func (g *Gate) took(c *contact, now time.Time) []gate.Event {
	switch {
	case c.role == fire:
		return g.passages.Fire(c.steady, now)
	case c.role == tamper:
		return g.passages.Tamper(c.steady, now)
	case c.role == door:
		return g.passages.Door(c.steady, now)
	case c.role == ready || !c.steady: // a passage contact's release says nothing
		return nil
	case g.config.PassedOut == "": // one contact for both directions cannot tell
		return g.passages.Walked(0, now)
	case c.role == walkedOut:
		return g.passages.Walked(gate.Out, now)
	}
	return g.passages.Walked(gate.In, now)
}

// refresh puts what the contacts say into the state.
func (g *Gate) refresh() {
	g.front.Note(func(s *gate.State) {
		g.passages.Fill(s)
		s.Unready = g.config.Ready != "" && !g.active[ready]
	})
}

// tell reports events.
func (g *Gate) tell(events []gate.Event) {
	for _, e := range events {
		g.front.Emit(e)
	}
}
