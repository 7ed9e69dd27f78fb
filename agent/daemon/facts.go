package daemon

import (
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/central/link"
)

// FactsOf returns what a decision needs of the feed and the clock, apart from lane
// and pass: v is the cache as of now, which a clock showed that is in the state and
// has that bound.
func FactsOf(v *cache.View, now time.Time, clock link.ClockState, bound time.Duration) access.Facts {
	f := access.Facts{
		State: v.State, Rules: v.Rules, Keys: v.Keys, Gate: v.Gate,
		Head: v.Head.Issued, Clock: clock, Bound: bound,
	}
	f.Age = ageOf(v, now, f.ClockUsable())
	return f
}

// unknownAge is the age of a feed of which the lane cannot tell it.
const unknownAge = -time.Second

// ageOf returns how old the feed is: since the newest head came that the lane was
// level with, or since that was issued if it is longer. Whoever holds heads back,
// or what they announce, must not make the lane's lists young. Without a usable
// clock only the time within this process counts.
func ageOf(v *cache.View, now time.Time, usable bool) time.Duration {
	if v.LevelIssued == 0 {
		return unknownAge
	}
	age := now.Sub(v.LevelAt)
	if !usable && !hasMonotonic(v.LevelAt) {
		return unknownAge
	}
	if usable {
		age = max(age, now.Sub(time.UnixMilli(v.LevelIssued)))
	}
	if age < 0 {
		return unknownAge // it came in the future: one of the two clocks lied
	}
	return age
}

// hasMonotonic reports whether t was taken in this process: Round(0) strips the
// monotonic reading.
func hasMonotonic(t time.Time) bool { return t != t.Round(0) }
