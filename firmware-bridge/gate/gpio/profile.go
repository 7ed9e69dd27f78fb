package gpio

import (
	"time"

	"turnstile/firmware-bridge/gate"
)

// The gates that Config.Profile can name.
const (
	ProfilePlain          = "plain"           // a pulse opens, contacts report; nothing else is known about it
	ProfilePercoPulse     = "perco-pulse"     // PERCo turnstiles in pulse mode
	ProfilePercoPotential = "perco-potential" // PERCo turnstiles in potential mode: open as long as the input is low
	ProfileStored         = "stored"          // Evolve, Gunnebo PG300: the gate keeps what was not used
	ProfileMagnetic       = "magnetic"        // Magnetic Autocontrol MPH 112 and its kin
)

// profile is what a kind of gate asks for. Zero values ask for nothing.
type profile struct {
	name string
	// pulse is for a grant that asks for none, least the shortest that the gate
	// is sure to see. The longest is always gate.MaxPulse.
	pulse, least time.Duration
	// hold leaves the relay on until the passage, or the end of the window.
	hold bool
	// window is how long the gate itself stays open, however short the grant's is.
	window time.Duration
	// turn is how long after the window a passage still counts for its grant: a
	// rotation that was begun in time ends later.
	turn time.Duration
	// gap is the rest between one grant's end and the next one's relay. An Open
	// waits for its end.
	gap time.Duration
	// keeps says that the gate stores an authorisation that nobody used.
	keeps bool
	// bothWays says that one contact pulses for passages in both directions;
	// eachWay, that a gate with two relays has a contact for each.
	bothWays, eachWay bool
	// opens lists the contacts that open to say yes.
	opens []role
}

// profiles is what is known of the gates, each from its maker's manual. What is
// not in a manual is marked as ours.
//
//	perco-*    Inputs Unlock A, Unlock B, Stop, Fire Alarm are low-active with 2 kOhm
//	           to +5 V: an open collector up to 0.8 V, or a contact of at most
//	           300 Ohm with its cable. They want 100 ms or more. Both low together
//	           mean free passage, so the relays are never on together: one grant at
//	           a time, with a gap between (200 ms, ours). In pulse mode the edge
//	           opens one passage for 5 s however long the pulse is (the ST-01: 8 s,
//	           for which the grant's window is to be 8 s); in potential mode the
//	           gate is open while the input is low. Fire Alarm is normally closed:
//	           the loss of its low level unlocks. It is wired to the fire panel,
//	           never to a line of ours; the contact Fire is a second contact of the
//	           panel that opens likewise, so that a cut wire reads as fire. PASS A
//	           and PASS B are contacts of their own, Ready says that it takes a
//	           grant. That a rotation may end up to 1 s after the window is ours.
//	stored     A volt-free contact, best 100 ms, once for each user and direction;
//	           under 2 s is normal, longer than OPEN DELAY means hold open, and the
//	           end of more than 3 s shuts without the safety: the relay is never on
//	           for more than gate.MaxPulse. Authorisations are stored: see stored.go.
//	           500 ms between two pulses are ours.
//	magnetic   Relay 4 closes for about 400 ms at each passage, whichever way, so
//	           there is one contact for both, and the next grant waits 400 ms.
//	           Relay 1 is the error and opens for it, also when the power fails.
//	           Relay 3 is wrong way and clears after 15 s at most, relay 2 is
//	           tailgating, relays 5 and 6 say that entry or exit takes no grant,
//	           because the other side is passing.
var profiles = []profile{
	{name: ProfilePlain},
	{name: ProfilePercoPulse, least: 100 * time.Millisecond, window: 5 * time.Second, turn: time.Second,
		gap: 200 * time.Millisecond, eachWay: true, opens: []role{fire}},
	{name: ProfilePercoPotential, hold: true, turn: time.Second, gap: 200 * time.Millisecond, eachWay: true, opens: []role{fire}},
	{name: ProfileStored, pulse: 100 * time.Millisecond, least: 100 * time.Millisecond, turn: time.Second,
		gap: 500 * time.Millisecond, keeps: true, eachWay: true},
	{name: ProfileMagnetic, gap: 400 * time.Millisecond, bothWays: true, opens: []role{fault}},
}

// Profiles returns the names that Config.Profile can have.
func Profiles() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.name)
	}
	return names
}

// profileOf returns the profile of that name, "" for the plain one.
func profileOf(name string) (profile, bool) {
	for _, p := range profiles {
		if p.name == name || name == "" {
			return p, true
		}
	}
	return profile{}, false
}

// within returns g with its times as this gate takes them, or gate.ErrInvalid.
func (p profile) within(g gate.Grant) (gate.Grant, error) {
	if g.Pulse == 0 {
		g.Pulse = p.pulse
	}
	g, err := g.Within()
	g.Pulse = max(g.Pulse, p.least)
	g.Window = max(g.Window, p.window)
	if p.hold {
		g.Pulse = g.Window
	}
	return g, err
}
