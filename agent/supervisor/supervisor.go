// Package supervisor decides whether a supervisor code is good at a lane: from the code, the facts and the time, and from nothing else.
//
// It is pure, as agent/access is for passes. The order of its checks is the
// specification's (central/pass/FORMAT.md, "Supervisor codes"). Everything else
// may be down: of the feed it needs the keyset alone.
package supervisor

import (
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// Place is where a code is scanned.
type Place struct {
	Lane pass.LaneRef // of this lane; zero: not known, and no code is for it
	Used bool         // the code is used up, or its use is under way
}

// Decision is the answer to a supervisor code.
type Decision struct {
	access.Decision                // Slot is 0; Flags has FlagAlarm, for every use is told
	Direction       gate.Direction // of the opening; 0 for a mode
	Mode            link.Mode      // of the lane from now on, if Direction is 0
}

// Decide returns the decision on a code that pass.ParseSupervisor found well
// formed. It allocates nothing.
//
// What the specification leaves open is decided here:
//   - The direction is the code's, not the scanner's: a lane with one scanner can
//     let somebody out by hand.
//   - A revocation counts from whichever day's list it stands in, however old
//     that is.
func Decide(code *pass.SupervisorCode, f *access.Facts, at Place, now time.Time) Decision {
	var d Decision
	d.Flags = link.FlagAlarm
	if d.Reason = authentic(code, f); d.Reason != pass.Granted {
		return d
	}
	if at.Lane == (pass.LaneRef{}) || code.Lane != at.Lane {
		d.Reason = pass.WrongLane
		return d
	}
	if f.ClockUsable() {
		d.Reason = window(code, now.Add(f.Offset).Unix())
	} else {
		d.Flags |= link.FlagStamped
	}
	switch {
	case d.Reason != pass.Granted:
	case revoked(code, f):
		d.Reason = pass.Revoked
	case at.Used:
		d.Reason = pass.AlreadyUsed
	default:
		d.act(code.Action)
	}
	return d
}

// authentic checks who signed. A lane without a keyset trusts nobody.
func authentic(code *pass.SupervisorCode, f *access.Facts) pass.Reason {
	if len(f.Keys) == 0 {
		return pass.NoFeed
	}
	key, ok := f.Keys[code.KeyID]
	switch {
	case !ok:
		return pass.KeyUnknown
	case f.State != nil && f.State.IsWithdrawn(code.KeyID), !key.Signs(pass.Supervisor, code.Day):
		return pass.KeyRevoked
	case !code.Verify(key.Public):
		return pass.Forged
	}
	return pass.Granted
}

func window(code *pass.SupervisorCode, now int64) pass.Reason {
	from, until := code.Window()
	switch {
	case now < from:
		return pass.TooEarly
	case now >= until:
		return pass.Expired
	}
	return pass.Granted
}

// revoked asks every list that the lane has.
func revoked(code *pass.SupervisorCode, f *access.Facts) bool {
	if f.State == nil {
		return false
	}
	ref := code.ID().RevokedRef()
	for _, l := range f.State.Days {
		if l.IsBlocked(ref) {
			return true
		}
	}
	return false
}

// modes are what the actions set.
var modes = map[pass.Action]link.Mode{
	pass.ActLockdown: link.Lockdown, pass.ActFreePassage: link.FreePassage, pass.ActNormal: link.Normal,
}

func (d *Decision) act(a pass.Action) {
	switch a {
	case pass.ActOpenIn:
		d.Direction = gate.In
	case pass.ActOpenOut:
		d.Direction = gate.Out
	default:
		d.Mode = modes[a]
	}
}
