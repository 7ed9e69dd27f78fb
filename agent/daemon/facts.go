package daemon

import (
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/central/link"
)

// factsOf returns what a decision needs of the feed and the clock.
func factsOf(v *cache.View, now time.Time, clock link.ClockState, bound time.Duration) access.Facts {
	f := access.Facts{
		State: v.State, Rules: v.Rules, Keys: v.Keys, Gate: v.Gate,
		Head: v.Head.Issued, Clock: clock, Bound: bound,
	}
	f.Age = ageOf(v, now, f.ClockUsable())
	return f
}

// unknownAge is the age of a feed of which the lane cannot tell it.
const unknownAge = -time.Second

// ageOf returns how old the feed is: since the newest head came, or since it
// was issued if that is longer, for whoever holds a head back must not make it
// young. Without a usable clock only the time within this process counts.
func ageOf(v *cache.View, now time.Time, usable bool) time.Duration {
	if v.Head.Issued == 0 {
		return unknownAge
	}
	age := now.Sub(v.HeadAt)
	if !usable && !hasMonotonic(v.HeadAt) {
		return unknownAge
	}
	if usable {
		age = max(age, now.Sub(time.UnixMilli(v.Head.Issued)))
	}
	if age < 0 {
		return unknownAge // it came in the future: one of the two clocks lied
	}
	return age
}

// hasMonotonic reports whether t was taken in this process: Round(0) strips the
// monotonic reading.
func hasMonotonic(t time.Time) bool { return t != t.Round(0) }
