package lane

import (
	"time"

	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// How long an answer stands before the lane shows that it is ready again. A
// refusal has to be read; the next scan replaces it at once.
const (
	showRefusal = 5 * time.Second
	showGarbled = 2 * time.Second
	showLane    = 10 * time.Second // for somebody who walks along the lanes
)

// signalOf returns the pattern of LED and buzzer for a reason.
func signalOf(r pass.Reason) gate.Signal {
	switch r {
	case pass.Granted:
		return gate.Granted
	case pass.Unreadable, pass.Malformed:
		return gate.Again
	case pass.Closed, pass.Lockdown:
		return gate.Closed
	case pass.GateFault, pass.JournalFault, pass.NoFeed:
		return gate.OutOfOrder
	case pass.Foreign, pass.TooEarly, pass.Expired, pass.WrongZone, pass.LiveMissing, pass.LiveStale, pass.EscortNeeded,
		pass.HomeLane, pass.WrongLane:
		return gate.Denied
	}
	return gate.Guard
}
