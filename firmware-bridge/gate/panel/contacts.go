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
		g.front.Note(func(s *gate.State) { s.Relay = c.active })
		if c.active {
			g.answerEnd = time.Time{}
		}
	case ready:
		g.front.Note(func(s *gate.State) { s.Unready = !c.active })
	case fire:
		events := g.passages.Fire(c.active, c.at)
		g.front.Note(g.passages.Fill)
		g.tell(events)
	default:
		if c.active {
			g.walked(c)
		}
	}
}

// walked is one person going through.
func (g *Gate) walked(c change) {
	d := gate.In
	if c.role == walkedOut {
		d = gate.Out
	}
	if g.config.PassedOut == "" { // one contact for both directions cannot tell
		d = 0
	}
	g.tell(g.passages.Walked(d, c.at))
}

// tell reports events, with what only the panel's relay knows of them.
func (g *Gate) tell(events []gate.Event) {
	for _, e := range events {
		if e.Kind == gate.Forced && g.State().Relay {
			e.Detail = "the access panel had opened without the lane"
		}
		g.front.Emit(e)
	}
	if g.passages.Grant().Number == 0 {
		g.answerEnd = time.Time{}
	}
}
