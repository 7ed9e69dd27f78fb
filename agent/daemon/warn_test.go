package daemon

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/health"
	"turnstile/agent/lane"
	"turnstile/firmware-bridge/gate"
)

// stands reports whether a warning of that code is up.
func stands(w *health.Set, c health.Code) bool {
	return slices.Contains(w.Standing(), c.String())
}

func TestGateHeldOpenOrNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{agent: &agent{warnings: health.New(time.Now)}, forced: map[uint8]forced{}, unready: map[uint8]time.Time{}}
		look := func(s gate.State) {
			s.Connected = true
			h.warnLane(&lane.Status{Number: 1, Gate: s})
		}
		look(gate.State{Held: true, Unready: true})
		if !stands(h.warnings, health.GateHeld) || stands(h.warnings, health.GateUnready) {
			t.Error("held open is said at once, not ready is not: a passage makes it so")
		}
		time.AfterFunc(unreadyStands+time.Second, func() { look(gate.State{Unready: true}) })
		<-time.After(unreadyStands + 2*time.Second)
		if stands(h.warnings, health.GateHeld) || !stands(h.warnings, health.GateUnready) {
			t.Error("shut again, and not ready for long")
		}
		look(gate.State{})
		if stands(h.warnings, health.GateUnready) {
			t.Error("ready again")
		}
	})
}
