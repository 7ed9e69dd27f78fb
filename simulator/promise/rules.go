package promise

import (
	"fmt"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// lockedWithin is how long after a lane has acknowledged a lockdown its gate can
// still open: the decision before, on its way over a bad line.
const lockedWithin = 1500 * time.Millisecond

// modes returns the entries about modes by hand of each lane, in order.
func (c *checker) modes() map[string][]link.Entry {
	all := map[string][]link.Entry{}
	for _, j := range c.Journals {
		for _, e := range j.Entries {
			if e.Type == link.EntryMode {
				at := fmt.Sprintf("%s/%d", j.Controller, e.Lane)
				all[at] = append(all[at], e)
			}
		}
	}
	return all
}

// locked checks an opening, and its grant, against lockdowns. Supervisor codes and
// central's commands open all the same.
func (c *checker) locked(o *Opening, e *link.Entry, modes []link.Entry) {
	if e.Kind == pass.Supervisor || e.Kind == pass.Command {
		return
	}
	var hand link.Entry // the newest before the grant
	for _, m := range modes {
		if m.Seq < e.Seq {
			hand = m
		}
	}
	if link.Mode(hand.Detail) == link.Lockdown && hand.Kind == pass.Supervisor && !c.ended(&hand, o.At) {
		c.wrong(promiseHand, "%s/%d opened for %s at %s (entry %d), locked by code %s (entry %d)", o.Controller, o.Lane, e.Pass, stamp(o.At), e.Seq, hand.Pass, hand.Seq)
	}
	for _, l := range c.Locks {
		since, known := l.Since[o.Controller]
		released := hand.Kind == pass.Supervisor && link.Mode(hand.Detail) != link.Lockdown && hand.Grant >= l.Version
		if l.Zone == e.Zone && known && o.At.After(since.Add(lockedWithin)) && (l.Until.IsZero() || o.At.Before(l.Until)) && !released {
			c.wrong(promiseLocked, "%s/%d opened for %s at %s (entry %d), zone %d locked by rules %d, acknowledged before %s",
				o.Controller, o.Lane, e.Pass, stamp(o.At), e.Seq, l.Zone, l.Version, stamp(since))
		}
	}
}

// ended reports whether there may have been newer rules than those that stood
// when a mode was set.
func (c *checker) ended(hand *link.Entry, at time.Time) bool {
	for _, r := range c.Rules {
		if r.Version > hand.Grant && r.At.Before(at) {
			return true
		}
	}
	return false
}

// codes checks that each supervisor code did something once, at its own lane.
func (c *checker) codes() {
	used := map[pass.ID]int{}
	for _, j := range c.Journals {
		for _, e := range j.Entries {
			if e.Kind != pass.Supervisor || e.Type == link.EntryDenied {
				continue
			}
			code, ok := c.Codes[e.Pass.String()]
			if !ok || code.Controller != j.Controller || code.Lane != e.Lane || code.Action.Opens() == (e.Type == link.EntryMode) {
				c.wrong(promiseCode, "%s: entry %d is of code %s, which is for %v", j.Controller, e.Seq, e.Pass, code)
			}
			if e.Type != link.EntryPassed && e.Type != link.EntryUnknown && e.Type != link.EntryMode {
				continue
			}
			if used[e.Pass]++; used[e.Pass] > 1 {
				c.wrong(promiseCode, "%s: entry %d is use %d of code %s", j.Controller, e.Seq, used[e.Pass], e.Pass)
			}
		}
	}
}

// commands checks that a lane opened by command at most as often as the office asked.
func (c *checker) commands() {
	done := map[string]int{}
	for _, j := range c.Journals {
		for _, e := range j.Entries {
			if e.Kind != pass.Command || e.Type != link.EntryGranted {
				continue
			}
			at := fmt.Sprintf("%s/%d", j.Controller, e.Lane)
			if done[at]++; done[at] > c.Commands[at] {
				c.wrong(promiseCommand, "%s: entry %d opens by command once more than the office asked, %d times", at, e.Seq, c.Commands[at])
			}
		}
	}
}

// place is where the uses of a pass are counted.
type place struct {
	pass pass.ID
	zone uint8
}

// shared checks the uses of passes with a number of entries over all lane
// controllers: more than they have only where a lane said that it did not know of
// the others, at the grant or afterwards.
func (c *checker) shared() {
	uses, excused, where := map[place]int{}, map[place]int{}, map[place]string{}
	for _, j := range c.Journals {
		grants := map[uint64]link.EntryFlags{}
		for _, e := range j.Entries {
			at := place{e.Pass, e.Zone}
			switch e.Type {
			case link.EntryGranted:
				grants[e.Seq] = e.Flags
			case link.EntryPassed, link.EntryUnknown:
				if e.Direction != 1 || grants[e.Grant]&link.FlagFreePassage != 0 {
					continue
				}
				uses[at]++
				where[at] += fmt.Sprintf(" %s entry %d (grant %d, marks %#x)", j.Controller, e.Seq, e.Grant, grants[e.Grant])
				if grants[e.Grant]&(link.FlagStamped|link.FlagAlarm) != 0 {
					excused[at]++
				}
			case link.EntryConflict:
				excused[at]++
			}
		}
	}
	for at, n := range uses {
		p, ok := c.Passes[at.pass.String()]
		if ok && p.Entries > 0 && n > int(p.Entries)+excused[at] {
			c.wrong(promiseShared, "%s, with %d entries, came %d times into zone %d, %d of them marked:%s", at.pass, p.Entries, n, at.zone, excused[at], where[at])
		}
	}
}
