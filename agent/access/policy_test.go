package access

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// The default policy as the specification prints it, one row a kind, one word
// an age: fresh, below 30 min, below 24 h, older or without a list.
var policyTable = map[pass.Kind][4]string{
	pass.ECard: {"rules", "stamped", "stamped", "live"},
	pass.Guest: {"rules", "stamped", "live or single", "refused"},
	pass.Staff: {"rules", "rules", "stamped", "alarmed"},
	pass.Test:  {"rules", "refused", "refused", "refused"},
}

// Who gets in by an untrusted clock, if the day is the head's.
var untrustedTable = map[pass.Kind]bool{pass.ECard: true, pass.Guest: false, pass.Staff: true, pass.Test: false}

var policyAges = []struct {
	column int
	age    time.Duration
	listed bool
}{
	{0, 0, true}, {0, 119 * time.Second, true},
	{1, 2 * time.Minute, true}, {1, 30*time.Minute - time.Second, true},
	{2, 30 * time.Minute, true}, {2, 24*time.Hour - time.Second, true},
	{3, 24 * time.Hour, true}, {3, 24*time.Hour + 20*time.Minute, true}, {3, -1, true}, {3, 0, false},
}

var policyClocks = []struct {
	name    string
	state   link.ClockState
	bound   time.Duration
	usable  bool
	sameDay bool
}{
	{"trusted", link.ClockTrusted, 0, true, true},
	{"holdover", link.ClockHoldover, MaxBound, true, true},
	{"holdover beyond its bound", link.ClockHoldover, MaxBound + 1, false, true},
	{"untrusted", link.ClockUntrusted, 0, false, true},
	{"untrusted, another day", link.ClockUntrusted, 0, false, false},
}

var policyForms = []struct {
	name         string
	live, single bool
}{{"plain", false, false}, {"single", false, true}, {"live", true, false}}

func TestEveryCellOfThePolicy(t *testing.T) {
	cells := 0
	for kind, row := range policyTable {
		for _, a := range policyAges {
			for _, c := range policyClocks {
				for _, form := range policyForms {
					cells++
					s := cell(kind, a.age, a.listed, form.live, form.single)
					s.clock(c.state, c.bound, c.usable, c.sameDay)
					got := s.decide(t)
					want := expect(kind, row[a.column], c.usable, c.sameDay, form.live, form.single)
					if got.Reason != want.Reason || want.Reason == pass.Granted && got.Flags != want.Flags {
						t.Errorf("%v, feed %v old (listed %v), clock %s, %s: %v %05b, want %v %05b",
							kind, a.age, a.listed, c.name, form.name, got.Reason, got.Flags, want.Reason, want.Flags)
					}
				}
			}
		}
	}
	if want := 4 * 10 * 5 * 3; cells != want {
		t.Errorf("%d cells tried, want %d", cells, want)
	}
}

// cell is a good pass of the longest window, with a feed of the given age.
func cell(kind pass.Kind, age time.Duration, listed, live, single bool) *scene {
	s := newScene()
	s.modify = func(r *link.Rules) { r.TestPass = true }
	s.pass.Kind, s.pass.Length, s.facts.Age = kind, pass.MaxLength, age
	if !listed {
		s.events = nil
	}
	if live {
		s.liveCode(0)
	}
	if single {
		s.pass.Entries = 1
	}
	return s
}

// clock sets the lane's clock. Where it is not usable the head was issued at
// the day's first second, or in the last of the day before, and the phone shows
// the code of the moment that is one feed age later.
func (s *scene) clock(state link.ClockState, bound time.Duration, usable, sameDay bool) {
	s.facts.Clock, s.facts.Bound = state, bound
	if usable {
		return
	}
	midnight := time.Unix(testDay.UTC()-8*3600, 0)
	s.facts.Head = midnight.UnixMilli()
	s.shown = midnight.Add(max(s.facts.Age, 0))
	if !sameDay {
		s.facts.Head -= 1000
	}
}

// expect reads the two tables.
func expect(kind pass.Kind, word string, usable, sameDay, live, single bool) Decision {
	var d Decision
	if !usable {
		if !untrustedTable[kind] || !sameDay {
			return Decision{Reason: pass.ClockUntrusted}
		}
		d.Flags |= link.FlagStamped
	}
	switch word {
	case "rules":
	case "alarmed":
		d.Flags |= link.FlagStamped | link.FlagAlarm
	case "live", "live or single", "refused", "stamped":
		d.Flags |= link.FlagStamped
	}
	if word == "refused" || word == "live" && !live || word == "live or single" && !live && !single {
		return Decision{Reason: pass.StatusUnknown}
	}
	if live {
		d.Flags |= link.FlagLive
	}
	if single {
		d.Flags |= link.FlagLast
	}
	return d
}

func TestUnknownKindOfPolicyRefuses(t *testing.T) {
	s := newScene()
	s.modify = func(r *link.Rules) { r.Policies = nil }
	if got := s.decide(t).Reason; got != pass.StatusUnknown {
		t.Errorf("without a policy: %v", got)
	}
}
