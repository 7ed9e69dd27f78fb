package modbus

import (
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
)

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

// contact is one input, made steady: Steady is whether it is active.
type contact struct {
	role   role
	number int
	opens  bool // it is active when off
	passage.Debounce
}

// sample takes a look at now. It reports whether the contact changed.
func (c *contact) sample(on bool, now time.Time) bool { return c.Sample(on != c.opens, false, now) }

// first takes the first look after the board was found. Passages, readiness and
// the door begin as they are; a fire or an open case that is there already, or is
// over, is a change from what the gate knew.
func (c *contact) first(on bool, knew bool) {
	c.Debounce = passage.Debounce{Steady: on != c.opens}
	if c.role == fire || c.role == tamper {
		c.Steady = knew
	}
}

// take acts on a contact that changed at now.
func (g *Gate) take(c *contact, now time.Time) error {
	g.active[c.role] = c.Steady
	events := g.took(c, now)
	g.refresh()
	g.tell(events)
	return g.rest(now)
}

// took returns what a contact's change means.
func (g *Gate) took(c *contact, now time.Time) []gate.Event {
	switch {
	case c.role == fire:
		return g.passages.Fire(c.Steady, now)
	case c.role == tamper:
		return g.passages.Tamper(c.Steady, now)
	case c.role == door:
		return g.passages.Door(c.Steady, now)
	case c.role == ready || !c.Steady: // a passage contact's release says nothing
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
