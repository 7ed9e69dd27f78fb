// Package guests decides whether a host may have a guest: how many a host may have
// at a time, and how early and how late they can be asked for.
//
// It is a pure function of the rules, the campus clock and what the host has;
// Replay asks it again about what was asked before.
package guests

import (
	"fmt"
	"time"

	"turnstile/central/pass"
)

// Bounds of rules.
const (
	MaxGuests = 10_000 // of a quota
	MaxDays   = 30     // ahead: passes are issued for no later day
)

// Rules are quotas and lead times; of a quota 0 is without limit. Days are campus
// days, and nothing depends on how long a day is.
type Rules struct {
	PerDay   int    `json:"per_day" minimum:"0" maximum:"10000" doc:"Guests of one host on one campus day; 0 is without limit."`
	Upcoming int    `json:"upcoming" minimum:"0" maximum:"10000" doc:"Guests of one host today and later, all days together; 0 is without limit."`
	Waiting  int    `json:"waiting" minimum:"0" maximum:"10000" doc:"Requests of one host that wait for a decision; 0 is without limit."`
	Ahead    int    `json:"ahead" minimum:"0" maximum:"30" doc:"A guest can be asked for so many days before the day, not earlier."`
	Notice   int    `json:"notice" minimum:"0" maximum:"30" doc:"And so many days before the day at the latest; 0 is on the day itself."`
	Until    string `json:"until" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" doc:"Campus time on that latest day." example:"17:00"`
}

// Default has no limit.
func Default() Rules { return Rules{Ahead: MaxDays, Until: "24:00"} }

// Fault is a field that cannot be so, and what it has to be.
type Fault struct{ Field, Text string }

func (f *Fault) Error() string { return f.Field + ": " + f.Text }

// Check returns a *Fault for rules that nobody can keep.
func (r Rules) Check() error {
	for field, n := range map[string]int{"per_day": r.PerDay, "upcoming": r.Upcoming, "waiting": r.Waiting} {
		if n < 0 || n > MaxGuests {
			return &Fault{field, "want 0 to 10000"}
		}
	}
	_, ok := minuteOf(r.Until)
	switch {
	case r.Ahead < 0 || r.Ahead > MaxDays:
		return &Fault{"ahead", "want 0 to 30"}
	case r.Notice < 0 || r.Notice > r.Ahead:
		return &Fault{"notice", "no day is left: a guest can be asked for at the latest before it is the earliest"}
	case !ok:
		return &Fault{"until", "want a time such as 17:00, up to 24:00"}
	}
	return nil
}

// minuteOf reads 00:00 to 24:00 as minutes of a day's wall clock.
func minuteOf(text string) (int, bool) {
	if text == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil && len(text) == 5
}

// Use is what a host has without what is asked for now. Guests count with their
// passes, unless revoked, and with requests that wait.
type Use struct {
	OnDay    int // guests on the day in question
	Upcoming int // guests today and later
	Waiting  int // requests that wait
}

// Ask is what is asked for.
type Ask struct {
	Day     pass.Day
	Guests  int
	Request bool // waits for a decision
}

// Rule is one of the rules.
type Rule uint8

// The rules, in the order in which they are asked; 0 is none.
const (
	Ahead Rule = iota + 1
	Notice
	PerDay
	Upcoming
	Waiting
)

// All lists the rules.
func All() []Rule { return []Rule{Ahead, Notice, PerDay, Upcoming, Waiting} }

func (r Rule) String() string {
	switch r {
	case Ahead:
		return "ahead"
	case Notice:
		return "notice"
	case PerDay:
		return "per_day"
	case Upcoming:
		return "upcoming"
	case Waiting:
		return "waiting"
	}
	return "none"
}

// Verdict is the first rule that is against it, 0 if none is. Of a quota it has
// the limit and what the host has, of a lead time the moment from which or until
// which it could have been asked for, as campus day and time.
type Verdict struct {
	Rule       Rule
	Limit, Has int
	When       string
}

// Decide decides at now, in the campus zone.
func (r Rules) Decide(now time.Time, a Ask, u Use) Verdict {
	if v := r.lead(now, a.Day); v.Rule != 0 {
		return v
	}
	switch {
	case r.PerDay > 0 && u.OnDay+a.Guests > r.PerDay:
		return Verdict{Rule: PerDay, Limit: r.PerDay, Has: u.OnDay}
	case r.Upcoming > 0 && u.Upcoming+a.Guests > r.Upcoming:
		return Verdict{Rule: Upcoming, Limit: r.Upcoming, Has: u.Upcoming}
	case a.Request && r.Waiting > 0 && u.Waiting+1 > r.Waiting:
		return Verdict{Rule: Waiting, Limit: r.Waiting, Has: u.Waiting}
	}
	return Verdict{}
}

// lead goes by the campus calendar and its wall clock.
func (r Rules) lead(now time.Time, day pass.Day) Verdict {
	left := int(day) - int(pass.DayOf(now))
	until, _ := minuteOf(r.Until)
	switch {
	case left > r.Ahead:
		return Verdict{Rule: Ahead, When: (day - pass.Day(r.Ahead)).String()}
	case left < r.Notice, left == r.Notice && now.Hour()*60+now.Minute() >= until:
		return Verdict{Rule: Notice, When: fmt.Sprintf("%s %s", day-pass.Day(r.Notice), r.Until)}
	}
	return Verdict{}
}
