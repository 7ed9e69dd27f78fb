// Package ecard decides what the day's pass of an eCard holder is like, and that of
// a holder's guest: where and when it opens, whether its code is live, and from when
// on a phone gets tomorrow's.
//
// It is a pure function of the rules and the campus clock.
package ecard

import (
	"fmt"
	"time"
)

// Zones is how many zones a campus can have.
const Zones = 16

// CodeRules are what the day's codes are like. Days are campus days, and times those of
// the campus clock.
type CodeRules struct {
	Zones      []int  `json:"zones" maxItems:"16" uniqueItems:"true" doc:"Ids of the zones that an eCard opens; none is every zone that there is." example:"[0]"`
	From       string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5]0$" doc:"From when on the day a code is valid." example:"07:00"`
	Until      string `json:"until" pattern:"^(([01][0-9]|2[0-3]):[0-5]0|24:00)$" doc:"Until when." example:"24:00"`
	Live       bool   `json:"live" doc:"Codes of holders change every 15 seconds, so that a screenshot opens nothing."`
	Prefetch   string `json:"prefetch" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" doc:"From when on a phone gets the next day's code; 24:00 is never." example:"18:00"`
	GuestZones []int  `json:"guest_zones" maxItems:"16" uniqueItems:"true" doc:"Ids of the zones that a holder's guest may enter; none is those of the holder." example:"[0]"`
	GuestOnce  bool   `json:"guest_once" doc:"A guest's code is good for one entry."`
}

// Default opens all zones all day, with live codes; a phone has tomorrow's from six
// in the evening on.
func Default() CodeRules {
	return CodeRules{Zones: []int{}, GuestZones: []int{}, From: "00:00", Until: "24:00", Live: true, Prefetch: "18:00"}
}

// Fault is a field that cannot be so, and what it has to be.
type Fault struct{ Field, Text string }

func (f *Fault) Error() string { return f.Field + ": " + f.Text }

// Check returns a *Fault for rules that nobody can keep. known are the zones that
// there are, bit z for zone z.
func (r CodeRules) Check(known uint16) error {
	from, okFrom := minutes(r.From)
	until, okUntil := minutes(r.Until)
	_, okPrefetch := minutes(r.Prefetch)
	switch {
	case !okFrom || from%10 != 0 || from == endOfDay:
		return &Fault{"from", "want a time such as 07:00, in steps of ten minutes"}
	case !okUntil || until%10 != 0:
		return &Fault{"until", "want a time such as 23:00, in steps of ten minutes, up to 24:00"}
	case until <= from:
		return &Fault{"until", "nothing is left: it ends before it begins"}
	case !okPrefetch:
		return &Fault{"prefetch", "want a time such as 18:00, up to 24:00"}
	}
	for field, list := range map[string][]int{"zones": r.Zones, "guest_zones": r.GuestZones} {
		for _, z := range list {
			if z < 0 || z >= Zones || known&(1<<z) == 0 {
				return &Fault{field, fmt.Sprintf("there is no zone %d", z)}
			}
		}
	}
	return nil
}

const endOfDay = 24 * 60

// minutes reads 00:00 to 24:00 as minutes of a day's wall clock.
func minutes(text string) (int, bool) {
	if text == "24:00" {
		return endOfDay, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == 5
}

// mask returns the zones of a list that there are, or all of otherwise.
func mask(list []int, otherwise, known uint16) (m uint16) {
	if len(list) == 0 {
		return otherwise
	}
	for _, z := range list {
		if z >= 0 && z < Zones {
			m |= 1 << z
		}
	}
	return m & known
}

// Mask returns the zones that an eCard opens, of those that there are.
func (r CodeRules) Mask(known uint16) uint16 { return mask(r.Zones, known, known) }

// GuestMask returns the zones that a guest may enter.
func (r CodeRules) GuestMask(known uint16) uint16 { return mask(r.GuestZones, r.Mask(known), known) }

// Window returns when on the day's wall clock a code begins, and for how long it is
// good on a day from its midnight begin to the next one at end: whole steps of ten
// minutes. The end of the day is its midnight, however long the day is.
func (r CodeRules) Window(begin, end time.Time) (start, length time.Duration) {
	from, _ := minutes(r.From)
	until, _ := minutes(r.Until)
	first := wall(begin, from)
	last := end
	if until != endOfDay {
		last = wall(begin, until)
	}
	return time.Duration(from) * time.Minute, last.Sub(first).Truncate(10 * time.Minute)
}

// wall returns a time of the wall clock on the day of begin.
func wall(begin time.Time, minute int) time.Time {
	y, m, d := begin.Date()
	return time.Date(y, m, d, 0, minute, 0, 0, begin.Location())
}

// Ahead reports whether a phone gets the next day's code at a campus time.
func (r CodeRules) Ahead(now time.Time) bool {
	at, ok := minutes(r.Prefetch)
	return ok && at != endOfDay && now.Hour()*60+now.Minute() >= at
}
