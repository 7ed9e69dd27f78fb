package access

import (
	"slices"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// Where a pass can be, as far as is known.
var whereabouts = []struct {
	name string
	past Past
}{
	{"inside", Past{Inside: true, Used: 1, Entered: noon.Add(-time.Hour).UnixMilli()}},
	{"maybe", Past{Maybe: true}},
	{"outside", Past{}},
}

var passbacks = []link.Passback{link.PassbackOff, link.PassbackSoft, link.PassbackHard}

// TestEveryCellOfAntiPassback goes through way, rule, whereabouts, exempt
// holders and lanes that are cut off.
func TestEveryCellOfAntiPassback(t *testing.T) {
	cells := map[pass.Reason]int{}
	for _, d := range []gate.Direction{gate.In, gate.Out} {
		for _, rule := range passbacks {
			for _, where := range whereabouts {
				for _, exempt := range []bool{false, true} {
					for _, apart := range []bool{false, true} {
						s := newScene()
						s.facts.Direction, s.facts.Past, s.facts.Apart = d, where.past, apart
						s.zone(func(z *link.Zone) { z.Passback, z.Exit = rule, rule })
						if exempt {
							s.pass.Flags |= pass.PassbackExempt
						}
						got, want := s.decide(t), antiPassback(d, rule, where.name, exempt, apart)
						if got != want {
							t.Errorf("%v, rule %d, %s, exempt %v, apart %v: %v %05b, want %v %05b", d, rule, where.name, exempt, apart,
								got.Reason, got.Flags, want.Reason, want.Flags)
						}
						cells[got.Reason]++
					}
				}
			}
		}
	}
	if cells[0]+cells[pass.AlreadyInside]+cells[pass.NotInside] != 2*3*3*2*2 || cells[pass.AlreadyInside] != 2 || cells[pass.NotInside] != 1 {
		t.Errorf("cells %v", cells)
	}
}

// antiPassback is the rules in words.
func antiPassback(d gate.Direction, rule link.Passback, where string, exempt, apart bool) (want Decision) {
	if exempt || rule == link.PassbackOff {
		return Decision{}
	}
	if d == gate.In {
		switch {
		case where == "inside" && rule == link.PassbackHard:
			return Decision{Reason: pass.AlreadyInside}
		case where == "inside":
			return Decision{Flags: link.FlagPassback}
		case rule == link.PassbackHard && apart:
			return Decision{Flags: link.FlagStamped}
		}
		return Decision{}
	}
	switch {
	case where == "inside":
		return Decision{}
	case apart:
		return Decision{Flags: link.FlagPassback | link.FlagStamped}
	case where == "outside" && rule == link.PassbackHard:
		return Decision{Reason: pass.NotInside}
	}
	return Decision{Flags: link.FlagPassback}
}

// Passes that another lane's knowledge could refuse, and such that it could not.
var restrictions = []struct {
	name       string
	restricted bool
	set        func(s *scene)
}{
	{"unlimited", false, func(*scene) {}},
	{"single entry", true, func(s *scene) { s.pass.Entries = 1 }},
	{"three entries", true, func(s *scene) { s.pass.Entries = 3 }},
	{"three entries, exempt", true, func(s *scene) { s.pass.Entries, s.pass.Flags = 3, pass.PassbackExempt }},
	{"hard zone", true, func(s *scene) { s.zone(func(z *link.Zone) { z.Passback = link.PassbackHard }) }},
	{"hard zone, exempt", false, func(s *scene) {
		s.pass.Flags = pass.PassbackExempt
		s.zone(func(z *link.Zone) { z.Passback = link.PassbackHard })
	}},
	{"soft zone", false, func(s *scene) { s.zone(func(z *link.Zone) { z.Passback = link.PassbackSoft }) }},
	{"free passage", false, func(s *scene) {
		s.pass.Entries = 1
		s.zone(func(z *link.Zone) { z.Mode = link.FreePassage })
	}},
}

// TestEveryCellOfApart goes through what a lane does that is cut off.
func TestEveryCellOfApart(t *testing.T) {
	cells, home := 0, 0
	for _, d := range []gate.Direction{gate.In, gate.Out} {
		for _, apart := range []bool{false, true} {
			for _, policy := range []link.Apart{link.ApartSoft, link.ApartHome} {
				for _, isHome := range []bool{false, true} {
					for _, r := range restrictions {
						s := newScene()
						s.facts.Direction, s.facts.Apart, s.facts.Home = d, apart, isHome
						s.zone(func(z *link.Zone) { z.Apart = policy })
						r.set(s)
						var want Decision
						switch {
						case r.name == "free passage":
							want.Flags = link.FlagFreePassage
						case d == gate.Out || !apart || !r.restricted:
						case policy == link.ApartHome && !isHome:
							want.Reason = pass.HomeLane
							home++
						default:
							want.Flags = link.FlagStamped
						}
						if want == (Decision{Flags: want.Flags}) && d == gate.In && r.name == "single entry" {
							want.Flags |= link.FlagLast
						}
						if got := s.decide(t); got != want {
							t.Errorf("%v, apart %v, policy %d, home %v, %s: %+v, want %+v", d, apart, policy, isHome, r.name, got, want)
						}
						cells++
					}
				}
			}
		}
	}
	if cells != 2*2*2*2*8 || home != 4 {
		t.Errorf("%d cells, %d of them for another lane", cells, home)
	}
}

// TestHomeIsAskedForOnlyWhereItMatters: a decision is the same without an answer
// wherever AsksHome says that none is needed, and takes no memory for the question.
func TestHomeIsAskedForOnlyWhereItMatters(t *testing.T) {
	asked, cells := 0, 0
	for _, d := range []gate.Direction{gate.In, gate.Out} {
		for _, policy := range []link.Apart{link.ApartSoft, link.ApartHome} {
			for _, r := range restrictions {
				s := newScene()
				s.facts.Direction, s.facts.Apart = d, true
				s.zone(func(z *link.Zone) { z.Apart = policy })
				r.set(s)
				away := s.decide(t)
				s.facts.Home = true
				home := s.decide(t)
				f, code := s.facts, s.code(t)
				f.Rules = s.rules()
				asks := f.AsksHome(&code)
				if !asks && home != away || policy == link.ApartSoft && asks {
					t.Errorf("%v, policy %d, %s: asks %v, %+v at home, %+v elsewhere", d, policy, r.name, asks, home, away)
				}
				if n := testing.AllocsPerRun(10, func() { f.AsksHome(&code) }); n != 0 {
					t.Errorf("%v allocations", n)
				}
				asked += count(asks)
				cells++
			}
		}
	}
	if asked != 5 || cells != 2*2*8 {
		t.Errorf("%d of %d ask", asked, cells)
	}
	code := newScene().code(t)
	if (&Facts{Direction: gate.In}).AsksHome(&code) || (&Facts{Direction: gate.In, Rules: &link.Rules{}}).AsksHome(&code) {
		t.Error("asks without rules, or for a zone without any")
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What is known against a pass is said before it is sent to another lane.
func TestUsedUpIsSaidBeforeHomeLane(t *testing.T) {
	for _, c := range []struct {
		want pass.Reason
		past Past
	}{{pass.AlreadyUsed, Past{Used: 1}}, {pass.AlreadyInside, Past{Inside: true, Used: 1}}, {pass.HomeLane, Past{}}} {
		s := newScene()
		s.pass.Entries, s.facts.Apart, s.facts.Past = 1, true, c.past
		s.zone(func(z *link.Zone) { z.Apart, z.Passback = link.ApartHome, link.PassbackHard })
		if got := s.decide(t).Reason; got != c.want {
			t.Errorf("%+v: %v, want %v", c.past, got, c.want)
		}
	}
}

func TestTimedAntiPassback(t *testing.T) {
	for name, c := range map[string]struct {
		want    pass.Reason
		flags   link.EntryFlags
		rule    link.Passback
		minutes uint16
		entered time.Duration // before now
		spoil   func(s *scene)
	}{
		"hard, a second too early": {pass.AlreadyInside, 0, link.PassbackHard, 60, time.Hour - time.Second, nil},
		"hard, on the second":      {0, 0, link.PassbackHard, 60, time.Hour, nil},
		"soft, a second too early": {0, link.FlagPassback, link.PassbackSoft, 60, time.Hour - time.Second, nil},
		"soft, on the second":      {0, 0, link.PassbackSoft, 60, time.Hour, nil},
		"never":                    {pass.AlreadyInside, 0, link.PassbackHard, 0, 23 * time.Hour, nil},
		"in the future":            {pass.AlreadyInside, 0, link.PassbackHard, 60, -2 * time.Hour, nil},
		"entries still count": {pass.AlreadyUsed, 0, link.PassbackHard, 60, 2 * time.Hour, func(s *scene) {
			s.pass.Entries = 1
		}},
		"by the newest head, if the clock is of no use": {0, link.FlagStamped, link.PassbackHard, 60, 2 * time.Hour, func(s *scene) { s.noClock() }},
		"which is a lower bound":                        {pass.AlreadyInside, link.FlagStamped, link.PassbackHard, 60, 50 * time.Minute, func(s *scene) { s.noClock() }},
	} {
		s := newScene()
		s.facts.Past = Past{Inside: true, Used: 1, Entered: noon.Add(-c.entered).UnixMilli()}
		s.zone(func(z *link.Zone) { z.Passback, z.BackMinutes = c.rule, c.minutes })
		if c.spoil != nil {
			c.spoil(s)
		}
		if d := s.decide(t); d.Reason != c.want || d.Flags != c.flags {
			t.Errorf("%s: %v %05b, want %v %05b", name, d.Reason, d.Flags, c.want, c.flags)
		}
	}
}

// TestOrderOnTheWayOut has each check before the last one speak first there too;
// opening hours are about coming in.
func TestOrderOnTheWayOut(t *testing.T) {
	coming := []pass.Reason{pass.Closed, pass.AlreadyInside, pass.AlreadyUsed, pass.HomeLane}
	tried := 0
	for _, f := range faults {
		want := f.want
		if slices.Contains(coming, want) {
			want = pass.NotInside
		}
		s := newScene()
		f.spoil(s)
		s.facts.Direction, s.facts.Past, s.facts.Apart = gate.Out, Past{}, false
		s.zone(func(z *link.Zone) { z.Exit = link.PassbackHard })
		if got := s.decide(t).Reason; got != want {
			t.Errorf("with %v: %v, want %v", f.want, got, want)
		}
		tried++
	}
	if tried < 18 {
		t.Errorf("%d checks tried", tried)
	}
}

// TestPastMidnight follows a pass of one day into the next: what it used stays
// its own, and the next day's pass of the same index is another.
func TestPastMidnight(t *testing.T) {
	late := func(s *scene) {
		s.pass.Start, s.pass.Length, s.now = 20*60-480, 8*6, noon.Add(14*time.Hour) // 20:00 to 04:00, at 02:00
		s.zone(func(z *link.Zone) { z.Hours, z.Passback, z.Exit = nil, link.PassbackHard, link.PassbackHard })
	}
	for _, c := range []struct {
		want pass.Reason
		dir  gate.Direction
		past Past
	}{
		{pass.AlreadyInside, gate.In, Past{Inside: true, Used: 1}},
		{0, gate.Out, Past{Inside: true, Used: 1}},
		{0, gate.In, Past{Used: 1}},
		{pass.NotInside, gate.Out, Past{Used: 1}},
	} {
		s := newScene()
		late(s)
		s.facts.Direction, s.facts.Past = c.dir, c.past
		if got := s.decide(t).Reason; got != c.want {
			t.Errorf("%v with %+v: %v, want %v", c.dir, c.past, got, c.want)
		}
	}
}

// TestTwoMidnights: a pass that begins at the end of its day and lasts 25 hours is
// over with the day behind it. What it used is forgotten then.
func TestTwoMidnights(t *testing.T) {
	midnight := noon.Add(36 * time.Hour)
	for want, at := range map[pass.Reason]time.Time{pass.Granted: midnight.Add(-time.Second), pass.Expired: midnight} {
		s := newScene()
		s.pass.Start, s.pass.Length, s.now = 24*60-480, pass.MaxLength, at
		s.zone(func(z *link.Zone) { z.Hours = nil })
		if got := s.decide(t).Reason; got != want {
			t.Errorf("at %v: %v, want %v", at, got, want)
		}
	}
}

// A short code is one entry, and so another lane's to refuse as well.
func TestShortCodeApart(t *testing.T) {
	s, code := short()
	s.facts.Apart = true
	if d := s.decideShort(t, code); d != (Decision{Flags: link.FlagShort | link.FlagStamped | link.FlagLast}) {
		t.Errorf("admitted and flagged: %+v", d)
	}
	rules := s.modify
	s.modify = func(r *link.Rules) { rules(r); r.Zones[0].Apart = link.ApartHome }
	if d := s.decideShort(t, code); d.Reason != pass.HomeLane {
		t.Errorf("not at home: %+v", d)
	}
	s.facts.Home = true
	if d := s.decideShort(t, code); !d.Granted() {
		t.Errorf("at home: %+v", d)
	}
}
