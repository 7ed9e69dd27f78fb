package daemon

import (
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// FactsOf is FactsAt for a clock that is right as it stands, in the state and with
// the bound.
func FactsOf(v *cache.View, now time.Time, clock link.ClockState, bound time.Duration) access.Facts {
	return FactsAt(v, now, wallclock.Reading{Time: now, State: clock, Bound: bound})
}

// FactsAt returns what a decision needs of the feed and the clock, apart from lane
// and pass: v is the cache when the machine's clock showed now, and r what the lane
// knew of the time then.
func FactsAt(v *cache.View, now time.Time, r wallclock.Reading) access.Facts {
	f := access.Facts{
		State: v.State, Rules: v.Rules, Keys: v.Keys, Gate: v.Gate,
		Head: v.Head.Issued, Clock: r.State, Offset: r.Offset,
		Bound: time.Duration(r.Seconds()) * time.Second, // as entries have it: rounded up
	}
	f.Age = ageOf(v, now, r.Time, f.ClockUsable())
	return f
}

// unknownAge is the age of a feed of which the lane cannot tell it.
const unknownAge = -time.Second

// ageOf returns how old the feed is: since the newest head came that the lane was
// level with, or since that was issued if it is longer. Whoever holds heads back,
// or what they announce, must not make the lane's lists young. When it came counts
// within this process alone, where it needs no clock: one that was stored is of
// a clock that may have been another. Of the campus's time only a usable one counts.
func ageOf(v *cache.View, now, campus time.Time, usable bool) time.Duration {
	age := unknownAge
	if v.LevelIssued == 0 {
		return age
	}
	if hasMonotonic(v.LevelAt) {
		age = now.Sub(v.LevelAt)
	}
	if usable {
		age = max(age, campus.Sub(time.UnixMilli(v.LevelIssued)))
	}
	return max(age, unknownAge) // from the future: one of the two clocks lied
}

// hasMonotonic reports whether t was taken in this process: Round(0) strips the
// monotonic reading.
func hasMonotonic(t time.Time) bool { return t != t.Round(0) }
