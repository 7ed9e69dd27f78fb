// Package access decides whether a pass opens a lane: from the code, the facts and the time, and from nothing else.
//
// It is pure: no clock, no file, no goroutine, no log. The order of its checks
// is the specification's (central/pass/FORMAT.md, "Order of checks at the
// lane"); each check has a reason of its own, and the first that refuses
// decides.
package access

import (
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// MaxBound is the greatest error of a clock in holdover that still counts as a
// usable clock.
const MaxBound = 60 * time.Second

// Live slots that are accepted before and after the lane's own.
const (
	toleranceTrusted  = 1 // 15 s: the two clocks disagree a little, a phone was slow
	toleranceHoldover = 4 // 60 s, which is MaxBound
)

// Facts is all that a decision rests on beside the code and the time. The maps
// and pointers are read only.
type Facts struct {
	State *link.State               // status lists and withdrawn keys
	Rules *link.Rules               // zones, hours, policy
	Keys  map[uint16]link.PassKey   // public keys by id
	Gate  map[pass.Day]pass.GateKey // for live codes
	Head  int64                     // Unix ms at which the newest signed head was issued; 0: never had one
	Age   time.Duration             // since that head came; negative: not known, which counts as very old
	Clock link.ClockState           // how far now can be trusted
	Bound time.Duration             // greatest error of now, in holdover
	// Offset is what has to be added to now to be the time of the campus: the machine's
	// clock may be wrong by years, and the lane know it.
	Offset time.Duration

	Zone      uint8          // of the lane
	Direction gate.Direction // of the scanner
	Vouched   time.Time      // when a staff pass last went through this lane; zero: never
	Apart     bool           // the lane can reach neither central nor the zone's other lanes
	Home      bool           // this controller answers for the pass while lanes are apart; counts only then
	Past      Past
}

// Direction is the gate contract's: who asks for a decision needs no gate.
type Direction = gate.Direction

// Past is what this agent remembers of the pass, in the lane's zone, from its own
// lanes and what others told; what a grant under way holds is in it as if it had
// happened.
type Past struct {
	Inside     bool   // for certain
	Maybe      bool   // perhaps inside: a passage ended unknown, or two lanes' clocks do not tell what was first
	Used       uint8  // entries known to be used
	Going      uint8  // of them under way: nobody may have walked in the end
	Unknown    uint8  // entries of which nobody knows whether they were used
	Slot       uint32 // highest live slot used in this direction
	Generation uint8  // highest generation seen
	Entered    int64  // Unix ms: when it came in, if it is inside, by the clock of that lane
}

// Decision is the answer to one scan.
type Decision struct {
	Reason pass.Reason     // pass.Granted, or why not
	Flags  link.EntryFlags // marks for the journal
	Slot   uint32          // full live slot of a live code that was verified; 0 otherwise
}

// Granted reports whether the gate is to be opened.
func (d Decision) Granted() bool { return d.Reason == pass.Granted }

// HasFeed reports whether the lane ever heard enough of central to decide anything.
func (f *Facts) HasFeed() bool {
	return f.Head != 0 && f.Rules != nil && f.State != nil && len(f.Keys) > 0
}

// ClockUsable reports whether now can be compared with what passes and rules say.
func (f *Facts) ClockUsable() bool {
	return f.Clock == link.ClockTrusted || f.Clock == link.ClockHoldover && f.Bound <= MaxBound
}

// Decide returns the decision on a code that pass.Parse found well formed. It
// allocates nothing for a code that is not live.
//
// What the specification leaves open is decided here:
//   - On the way out opening hours and used-up entries do not refuse: they are
//     about coming in, and closing time must not lock anybody in.
//   - In a zone with free passage everything that is checked after the mode is
//     waived. What is refused before it (forged, revoked, of another zone) stays
//     refused.
//   - While the clock is not usable, time is the newest head's: what that lower
//     bound shows to be over is Expired; what might have begun since is let pass.
//     A live code must then be of that moment or later, within the pass's window.
//   - A live code for a day without a gate key is KeyUnknown.
func Decide(code *pass.Code, f Facts, now time.Time) Decision {
	j := judge{code: code, f: &f, now: now}
	r := j.reason()
	return Decision{r, j.flags, j.slot}
}

// judge is one decision on its way.
type judge struct {
	code  *pass.Code
	f     *Facts
	now   time.Time
	at    int64           // Unix s that everything is judged at
	sure  bool            // at is the time, not only a lower bound of it
	list  *link.List      // of the pass's day; nil if there is none
	zone  *link.Zone      // of the lane
	flags link.EntryFlags // gathered so far
	slot  uint32
}

// reason runs the checks in their order.
func (j *judge) reason() pass.Reason {
	if r := j.authentic(); r != pass.Granted {
		return r
	}
	if r := j.clock(); r != pass.Granted {
		return r
	}
	if r := j.window(); r != pass.Granted {
		return r
	}
	if r := j.status(); r != pass.Granted {
		return r
	}
	if r := j.place(); r != pass.Granted || j.flags&link.FlagFreePassage != 0 {
		return r
	}
	if r := j.live(); r != pass.Granted {
		return r
	}
	if r := j.escort(); r != pass.Granted {
		return r
	}
	return j.entries()
}

// authentic checks who signed.
func (j *judge) authentic() pass.Reason {
	c, f := j.code, j.f
	if !f.HasFeed() {
		return pass.NoFeed
	}
	if c.Kind == pass.Test && !f.Rules.TestPass {
		return pass.TestPass
	}
	key, ok := f.Keys[c.KeyID]
	switch {
	case !ok:
		return pass.KeyUnknown
	case f.State.IsWithdrawn(c.KeyID) || !key.Signs(c.Kind, c.Day):
		return pass.KeyRevoked
	case !c.Verify(key.Public):
		return pass.Forged
	}
	return pass.Granted
}

// clock settles the moment at which all the rest is judged.
func (j *judge) clock() pass.Reason {
	f := j.f
	if f.ClockUsable() {
		j.at, j.sure = j.now.Add(f.Offset).Unix(), true
		return pass.Granted
	}
	today, _ := f.Rules.Campus(f.Head / 1000)
	if !f.Rules.Policy(j.code.Kind).Untrusted || j.code.Day != today {
		return pass.ClockUntrusted
	}
	j.at = (f.Head + max(f.Age, 0).Milliseconds()) / 1000
	j.flags |= link.FlagStamped
	return pass.Granted
}

func (j *judge) window() pass.Reason {
	from, until := j.code.Window()
	switch {
	case j.at < from && j.sure:
		return pass.TooEarly
	case j.at >= until, j.sure && j.forgotten():
		return pass.Expired
	}
	return pass.Granted
}

// forgotten reports whether the pass's day lies before yesterday: what it used,
// its list and its gate key are kept no longer, so that nobody knows any more what
// is against it.
func (j *judge) forgotten() bool {
	today, _ := j.f.Rules.Campus(j.at)
	return int(j.code.Day)+1 < int(today)
}

// status asks the day's list, and the policy for a list that is old or missing.
func (j *judge) status() pass.Reason {
	c := j.code
	j.list = j.f.State.Day(c.Day)
	if r := j.listed(); r != pass.Granted {
		return r
	}
	switch j.action() {
	case link.ByRules:
	case link.Stamped:
		j.flags |= link.FlagStamped
	case link.Alarmed:
		j.flags |= link.FlagStamped | link.FlagAlarm
	case link.LiveOnly:
		if !c.Live {
			return pass.StatusUnknown
		}
		j.flags |= link.FlagStamped
	case link.LiveOrSingle:
		if !c.Live && c.Entries != 1 {
			return pass.StatusUnknown
		}
		j.flags |= link.FlagStamped
	default:
		return pass.StatusUnknown
	}
	return j.current()
}

// listed returns what the list says against the pass itself. An old list's word
// against a pass still counts: it is only its silence that grows old.
func (j *judge) listed() pass.Reason {
	if j.list == nil {
		return pass.Granted
	}
	switch j.list.Status(j.code.Index) {
	case link.Good:
		return pass.Granted
	case link.Held:
		return pass.Held
	}
	return pass.Revoked
}

func (j *judge) action() link.Action {
	age := int64(j.f.Age / time.Second)
	band := link.AgeBand(age, j.list != nil && j.f.Age >= 0)
	return j.f.Rules.Policy(j.code.Kind).Ages[band]
}

// current checks holder and generation.
func (j *judge) current() pass.Reason {
	c, least := j.code, j.f.Past.Generation
	if j.list != nil {
		if j.list.IsBlocked(c.Holder) {
			return pass.HolderBlocked
		}
		least = max(least, j.list.Min(c.Index))
	}
	if c.Generation < least {
		return pass.Superseded
	}
	return pass.Granted
}

// place checks the zone, its hours and its mode. A zone that the rules do not
// know is closed.
func (j *judge) place() pass.Reason {
	f := j.f
	if !j.code.Permits(f.Zone) {
		return pass.WrongZone
	}
	j.zone = f.Rules.Zone(f.Zone)
	if j.zone == nil {
		return pass.Closed
	}
	if j.zone.Mode == link.FreePassage {
		j.flags |= link.FlagFreePassage
		return pass.Granted
	}
	if j.sure && f.Direction == gate.In && !j.zone.IsOpen(f.Rules.Campus(j.at)) {
		return pass.Closed
	}
	if j.zone.Mode == link.Lockdown {
		return pass.Lockdown
	}
	return pass.Granted
}

// live checks the tag of a live code, and that it was not used before.
func (j *judge) live() pass.Reason {
	c, f := j.code, j.f
	if !c.Live {
		if c.Flags&pass.LiveRequired != 0 {
			return pass.LiveMissing
		}
		return pass.Granted
	}
	key, ok := f.Gate[c.Day]
	if !ok {
		return pass.KeyUnknown
	}
	own := pass.SlotAt(j.at)
	slot, r := c.VerifyLive(key, own, j.tolerance())
	if r == pass.LiveStale && !j.sure && j.laterToday(slot, own) {
		r = pass.Granted
	}
	if r != pass.Granted {
		return r
	}
	if slot <= f.Past.Slot {
		return pass.LiveReplayed
	}
	j.slot = slot
	j.flags |= link.FlagLive
	return pass.Granted
}

func (j *judge) tolerance() uint32 {
	if j.f.Clock == link.ClockTrusted {
		return toleranceTrusted
	}
	return toleranceHoldover
}

// laterToday reports whether slot lies after own and inside the pass's window.
func (j *judge) laterToday(slot, own uint32) bool {
	_, until := j.code.Window()
	return slot > own && int64(slot)*pass.SlotSeconds < until
}

// escort checks that a staff pass went through this lane just before.
func (j *judge) escort() pass.Reason {
	if j.code.Flags&pass.Escort == 0 {
		return pass.Granted
	}
	since := j.now.Sub(j.f.Vouched)
	limit := time.Duration(j.f.Rules.EscortSec) * time.Second
	if j.f.Vouched.IsZero() || since < 0 || since > limit {
		return pass.EscortNeeded
	}
	return pass.Granted
}

// entries checks anti-passback and how often the pass was used.
func (j *judge) entries() pass.Reason {
	if j.f.Direction != gate.In {
		return j.leaving()
	}
	c, past := j.code, j.f.Past
	if past.Inside && !j.exempt() && !j.backAgain() {
		switch j.zone.Passback {
		case link.PassbackHard:
			return pass.AlreadyInside
		case link.PassbackSoft:
			j.flags |= link.FlagPassback
		}
	}
	used := uint16(past.Used)
	if c.Entries == 1 {
		used += uint16(past.Unknown) // an unknown one counts for single-entry passes alone
	}
	if c.Entries != 0 && used >= uint16(c.Entries) {
		return pass.AlreadyUsed
	}
	if r := j.alone(); r != pass.Granted {
		return r
	}
	if c.Entries != 0 && past.Used-min(past.Going, past.Used)+1 >= c.Entries {
		j.flags |= link.FlagLast
	}
	return pass.Granted
}

func (j *judge) exempt() bool { return j.code.Flags&pass.PassbackExempt != 0 }

// backAgain reports whether the pass came in so long ago that it may again.
func (j *judge) backAgain() bool {
	after := int64(j.zone.BackMinutes) * 60
	return after > 0 && j.at-j.f.Past.Entered/1000 >= after
}

// AsksHome reports whether it may matter for a pass whose home this controller is
// while lanes are apart. To find that out is dear in a large zone, so a lane does
// it only then.
func (f *Facts) AsksHome(code *pass.Code) bool {
	if f.Rules == nil || f.Direction != gate.In {
		return false
	}
	z := f.Rules.Zone(f.Zone)
	return z != nil && z.Apart == link.ApartHome && restricted(code, z)
}

// restricted reports whether what happened at other lanes can be against a pass
// that wants in: nothing is against the others.
func restricted(c *pass.Code, z *link.Zone) bool {
	return c.Entries != 0 || z.Passback == link.PassbackHard && c.Flags&pass.PassbackExempt == 0
}

// alone is what a lane does for a pass of which another lane may know more, when
// it cannot be asked.
func (j *judge) alone() pass.Reason {
	if !j.f.Apart || !restricted(j.code, j.zone) {
		return pass.Granted
	}
	if j.zone.Apart == link.ApartHome && !j.f.Home {
		return pass.HomeLane
	}
	j.flags |= link.FlagStamped
	return pass.Granted
}

// leaving checks anti-passback at the exit. It refuses only who is outside for
// certain: neither a crash nor a cut cable locks anybody in.
func (j *judge) leaving() pass.Reason {
	if j.zone.Exit == link.PassbackOff || j.f.Past.Inside || j.exempt() {
		return pass.Granted
	}
	if j.zone.Exit == link.PassbackHard && !j.f.Past.Maybe && !j.f.Apart {
		return pass.NotInside
	}
	j.flags |= link.FlagPassback
	if j.f.Apart {
		j.flags |= link.FlagStamped
	}
	return pass.Granted
}
