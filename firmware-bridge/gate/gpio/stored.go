package gpio

import (
	"fmt"

	"turnstile/firmware-bridge/gate"
)

// stored is what a gate that keeps authorisations may still have in one
// direction. So that the books stay right:
//
//   - A grant whose window ends unused is NotPassed, and its authorisation is
//     noted here.
//   - Somebody who walks on it without a grant is Forced, like anybody who showed
//     no code; the event's Detail names the grant that the gate admitted on.
//   - The next grant in that direction pulses nothing: the gate would have two,
//     and let two people in. It is Passed on the one that the gate has.
//   - If that one ends NotPassed too, the gate is taken to have forgotten (its own
//     time-out, a reset): the grant after it pulses again. Thus a lane never
//     stays shut, and the gate gains at most one authorisation for two that
//     nobody used.
//
// A start forgets all this; a passage on what the gate kept from before is
// Forced without a Detail.
type stored struct {
	grant uint32 // whose authorisation it is
	tried bool   // a later grant found no passage on it
}

// pulses reports whether the gate has to be pulsed for a grant in direction d.
func (g *Gate) pulses(d gate.Direction) bool {
	s, kept := g.kept[d]
	return !kept || s.tried
}

// keep notes what the gate has after the last grant ended as k.
func (g *Gate) keep(k gate.EventKind) {
	if !g.profile.keeps {
		return
	}
	d := g.opened.Direction
	s, before := g.kept[d]
	switch {
	case k == gate.Passed:
		delete(g.kept, d)
	case g.pulsed || !before:
		g.kept[d] = stored{grant: g.opened.Number}
	default:
		s.tried = true
		g.kept[d] = s
	}
}

// spend takes the authorisation that a passage in direction d without a grant
// was admitted on, 0 for one that may have gone either way, and says so.
func (g *Gate) spend(d gate.Direction) string {
	for _, way := range []gate.Direction{gate.In, gate.Out} {
		if s, kept := g.kept[way]; kept && (d == way || d == 0) {
			delete(g.kept, way)
			return fmt.Sprintf("the gate had kept the authorisation of grant %d", s.grant)
		}
	}
	return ""
}
