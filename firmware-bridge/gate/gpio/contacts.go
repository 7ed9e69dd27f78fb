package gpio

import (
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
)

// take acts on a contact that changed.
func (g *Gate) take(c change) error {
	g.active[c.role] = c.active
	events := g.took(c)
	g.refresh()
	g.tell(events)
	return g.rest(c.at)
}

// took returns what a contact's change means.
func (g *Gate) took(c change) []gate.Event {
	switch {
	case c.role == fire:
		return g.passages.Fire(c.active, c.at)
	case c.role == tamper:
		return g.passages.Tamper(c.active, c.at)
	case c.role == door:
		return g.passages.Door(c.active, c.at)
	case !c.active: // of the others the release says nothing
		return nil
	case c.role.momentary():
		return g.walked(c)
	case c.role == tailgate && g.second(tailgate, c.at):
		last := g.passages.Passed()
		return []gate.Event{{Kind: gate.Tailgated, Direction: last.Direction, Grant: last.Number, At: c.at}}
	case c.role == fault:
		return []gate.Event{{Kind: gate.Fault, At: c.at, Detail: "the gate reports an error; look at the gate and its power"}}
	case c.role == wrongWay:
		return []gate.Event{{Kind: gate.Fault, At: c.at, Detail: "somebody walks against the passage"}}
	}
	return nil
}

// stand notes what a standing contact says when it is first looked at.
func (g *Gate) stand(r role, active bool, at time.Time) {
	g.active[r] = active
	var events []gate.Event
	if r == door {
		events = g.passages.FoundDoor(active, at)
	}
	g.refresh()
	g.tell(events)
}

// refresh puts what the contacts say into the state.
func (g *Gate) refresh() {
	unready := true
	for d := range g.relays {
		unready = unready && g.unready(d) != nil
	}
	g.front.Note(func(s *gate.State) {
		g.passages.Fill(s)
		s.Unready = unready
	})
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

// walked is one person going through.
func (g *Gate) walked(c change) []gate.Event {
	d := gate.In
	if c.role == walkedOut {
		d = gate.Out
	}
	if g.config.PassedOut == "" { // one contact for both directions cannot tell
		d = 0
	}
	events := g.passages.Walked(d, c.at)
	if len(events) == 1 && events[0].Kind == gate.Tailgated && !g.second(walkedIn, c.at) {
		return nil
	}
	return events
}

// told is who said last that a second person went through on a grant.
type told struct {
	by role
	at time.Time
}

// second reports whether a second person on a grant is news: the gate's own word
// and the passage contact can tell of the same one, in either order.
func (g *Gate) second(by role, at time.Time) bool {
	if !g.tailgated.at.IsZero() && g.tailgated.by != by && at.Sub(g.tailgated.at) < 2*passage.TailgateTime {
		g.tailgated = told{}
		return false
	}
	g.tailgated = told{by, at}
	return true
}
