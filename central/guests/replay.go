package guests

import (
	"time"

	"turnstile/central/pass"
)

// Asked is one thing that was asked for, or that took a place among a host's.
type Asked struct {
	At    int64 // Unix ms
	Host  string
	Day   pass.Day
	Count int // guests
	// Ended is when its places were free again: a request when it was decided, a pass
	// when it was revoked. Unix ms, 0: never.
	Ended int64
	// Application is the request's number; of a pass, of the one that it was issued
	// for, 0 for a pass that somebody issued by themselves.
	Application int64
	Pass        pass.ID // zero: a request
}

// Refused is something that the proposed rules would have refused.
type Refused struct {
	Asked
	Rule Rule
}

// maxRefused is how many a Report shows one by one; the counts go on.
const maxRefused = 200

// Report is what a Replay found.
type Report struct {
	Asks    int          // requests, and passes that nobody had requested
	Guests  int          // of these
	Refused map[Rule]int // asks, by the rules proposed
	InForce map[Rule]int // the same by the rules in force
	Rows    []Refused    // the first of them
	Erased  int          // requests that the retention erased
	Cut     bool         // there was more than one preview looks at
}

// Replay asks rules again about what was asked before: what they would have
// refused would not have taken a place. Not safe for concurrent use.
type Replay struct {
	courses [2]course // in force, proposed
	since   int64
	zone    *time.Location
	report  Report
}

// course is one set of rules and what would have come of it.
type course struct {
	rules   Rules
	hosts   map[string][]Asked
	refused map[int64]bool // applications
}

// NewReplay returns a replay that reports what was asked since a time; what was
// before takes places alone.
func NewReplay(inForce, proposed Rules, since time.Time, zone *time.Location) *Replay {
	r := &Replay{since: since.UnixMilli(), zone: zone, report: Report{Refused: map[Rule]int{}, InForce: map[Rule]int{}}}
	for i, rules := range []Rules{inForce, proposed} {
		r.courses[i] = course{rules, map[string][]Asked{}, map[int64]bool{}}
	}
	return r
}

// Erased notes a request of which nothing is known any more.
func (r *Replay) Erased() { r.report.Erased++ }

// Cut notes that the rest was not looked at.
func (r *Replay) Cut() { r.report.Cut = true }

// Take takes the next in the order of time.
func (r *Replay) Take(a Asked) {
	asks := a.At >= r.since && !a.granted()
	if asks {
		r.report.Asks++
		r.report.Guests += a.Count
	}
	var rules [2]Rule
	for i := range r.courses {
		rules[i] = r.courses[i].take(a, asks, r.zone)
	}
	if rules[0] != 0 {
		r.report.InForce[rules[0]]++
	}
	if rules[1] == 0 {
		return
	}
	r.report.Refused[rules[1]]++
	if len(r.report.Rows) < maxRefused {
		r.report.Rows = append(r.report.Rows, Refused{a, rules[1]})
	}
}

// granted tells of a pass that was issued for a request: it was asked for then.
func (a *Asked) granted() bool { return a.Pass != (pass.ID{}) && a.Application != 0 }

func (c *course) take(a Asked, asks bool, zone *time.Location) Rule {
	if a.granted() && c.refused[a.Application] {
		return 0 // there would be no such pass
	}
	now := time.UnixMilli(a.At).In(zone)
	if asks {
		request := a.Pass == (pass.ID{})
		if v := c.rules.Decide(now, Ask{a.Day, a.Count, request}, c.use(&a, pass.DayOf(now))); v.Rule != 0 {
			if request {
				c.refused[a.Application] = true
			}
			return v.Rule
		}
	}
	c.hosts[a.Host] = append(c.hosts[a.Host], a)
	return 0
}

// use counts what the host has at that moment, and forgets what is over.
func (c *course) use(a *Asked, today pass.Day) (u Use) {
	kept := c.hosts[a.Host][:0]
	for _, x := range c.hosts[a.Host] {
		if x.Day < today || x.Ended != 0 && x.Ended <= a.At {
			continue
		}
		kept = append(kept, x)
		u.Upcoming += x.Count
		if x.Day == a.Day {
			u.OnDay += x.Count
		}
		if x.Pass == (pass.ID{}) {
			u.Waiting++
		}
	}
	c.hosts[a.Host] = kept
	return u
}

// Report returns what was found so far.
func (r *Replay) Report() Report { return r.report }
