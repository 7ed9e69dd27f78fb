package preview

import (
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// never is FeedAge of a lane that never had a head.
const never = 0xffffffff

// facts is what the lane went by, as its entry tells it, under the rules.
func (r *Replay) facts(s *Scan, code *pass.Code, rules *link.Rules) access.Facts {
	e := &s.Entry
	f := access.Facts{
		State: r.state(e), Rules: rules, Keys: r.keys, Gate: map[pass.Day]pass.GateKey{code.Day: r.gate},
		Clock: e.Clock, Bound: time.Duration(e.Bound) * time.Second,
		Zone: e.Zone, Direction: access.Direction(e.Direction), Vouched: r.vouched[lane{s.Lane, e.Lane}],
	}
	if e.FeedAge != never {
		f.Age = time.Duration(e.FeedAge) * time.Second
		f.Head = e.Wall - f.Age.Milliseconds()
	}
	p := r.pastOf(e)
	f.Past = access.Past{Inside: p.inside, Maybe: p.maybe, Used: p.used, Unknown: p.unknown, Entered: p.entered}
	if e.Reason == pass.LiveReplayed {
		f.Past.Slot = slotOf(e)
	}
	f.Apart, f.Home = cutOff(e, &f, r.rules[0].Policy(e.Kind))
	return f
}

// cutOff guesses whether the lane reached nobody: the journal marks such a grant,
// with a fresh feed and a good clock, for no other reason.
func cutOff(e *link.Entry, f *access.Facts, p link.KindPolicy) (apart, home bool) {
	if e.Reason == pass.HomeLane {
		return true, false
	}
	byAge := p.Ages[link.AgeBand(int64(e.FeedAge), true)] != link.ByRules
	return e.Flags&link.FlagStamped != 0 && !byAge && f.ClockUsable(), true
}

// state is a feed in which nothing is against the pass: what was is decided
// before any rule is asked. A lane with a young feed that could not tell did not
// have the day's list.
func (r *Replay) state(e *link.Entry) *link.State {
	day := e.Pass.Day
	if e.Reason == pass.StatusUnknown && link.AgeBand(int64(e.FeedAge), true) < 3 && r.rules[0].Policy(e.Kind).Ages[link.AgeBand(int64(e.FeedAge), true)] == link.ByRules {
		return &link.State{}
	}
	if r.states[day] == nil {
		r.states[day] = &link.State{}
		if l, err := link.NewList(day, capacity); err == nil {
			r.states[day].Days = []*link.List{l}
		}
	}
	return r.states[day]
}

// capacity is the largest that a day can have, so that each index is in it.
const capacity = 131072
