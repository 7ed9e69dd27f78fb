// Package crowd fills a campus with people: from a seed a whole day of thousands of
// them, played on a campus, with statistics from central's ledger.
//
// A Plan says who holds what before which lane when, and what the lane must make of
// it. Run plays it as fast as the campus goes, by a played clock, and stops at the
// first verdict that was not planned. Live plays it on a campus that people look at,
// and New serves the page that draws it.
package crowd

import (
	"fmt"
	"strings"
	"time"

	"turnstile/simulator/campus"
)

// Bounds of a plan.
const (
	MinPeople = 20
	MaxPeople = 20_000
	MaxSlot   = 90 * time.Minute // all that somebody does has slots of its own
)

// firstSlot is how far a played clock is moved at a time unless told.
const firstSlot = 10 * time.Minute

// firstDay is a Monday in term; a plan begins in the evening before.
var firstDay = time.Date(2026, 11, 23, 0, 0, 0, 0, campus.Zone())

// eve is when a played day begins: passes of the day before are issued then.
const eve = -2 * time.Hour

// Options say what to plan. The same options make the same plan.
type Options struct {
	Seed   uint64
	People int
	Lanes  []campus.LaneSpec // nil: Lanes(People). Zones 0, the campus, and 1, the library, need one each
	Slot   time.Duration     // a played clock is moved by so much at a time; 0: ten minutes
	Real   bool              // for a campus that goes by the machine's clock: no pass has hours
	Part   string            // stands before all names, so that two plans can be played on one campus
}

// complete sets defaults, and checks.
func (o *Options) complete() error {
	if o.Slot == 0 {
		o.Slot = firstSlot
	}
	if o.Lanes == nil {
		o.Lanes = Lanes(o.People)
	}
	zones := map[int]bool{}
	for _, l := range o.Lanes {
		zones[l.Zone] = true
	}
	switch {
	case o.People < MinPeople || o.People > MaxPeople:
		return fmt.Errorf("%d people: want %d to %d", o.People, MinPeople, MaxPeople)
	case o.Slot < time.Minute || o.Slot > MaxSlot:
		return fmt.Errorf("slots of %v: want %v to %v", o.Slot, time.Minute, MaxSlot)
	case !zones[mainZone] || !zones[libraryZone]:
		return fmt.Errorf("lanes of zones %v: want one of zone %d, the campus, and one of %d, the library", zones, mainZone, libraryZone)
	}
	return nil
}

// The zones that people go to.
const (
	mainZone    = 0
	libraryZone = 1
)

// Lanes are as many as so many people need, two at each controller: the main gate has
// four to eight, the library two.
func Lanes(people int) (list []campus.LaneSpec) {
	names := []string{"north", "south", "east", "west", "main", "garden", "river", "hill"}
	n := min(max(4, (people/300+1)&^1), len(names))
	for i, id := range names[:n] {
		list = append(list, campus.LaneSpec{ID: id, Name: strings.ToUpper(id[:1]) + id[1:], Controller: "gate-" + names[i&^1], Zone: mainZone})
	}
	return append(list, campus.LaneSpec{ID: "library", Name: "Library", Controller: "library", Zone: libraryZone},
		campus.LaneSpec{ID: "reading", Name: "Reading room", Controller: "library", Zone: libraryZone})
}

// Step is one act of a turn, and what the lane must make of it.
type Step struct {
	Act    campus.Act
	Reason string // pass.Reason's name; "": nothing is decided
	Result string // as of campus.Decision; "": there is none, or it is not waited for
}

// Turn is what one person does without anybody between, at a lane or at the office.
type Turn struct {
	At    time.Duration // since the day's midnight; below 0: the evening before
	Who   string
	Zone  int
	Lane  string // "": the office's
	Way   string // in, out; "": neither
	Story string // what goes wrong, "" if nothing does
	Steps []Step
}

// Plan is a day of a campus.
type Plan struct {
	Options
	Turns []Turn // by time
}

// Acts are how many acts a plan has.
func (p *Plan) Acts() (n int) {
	for i := range p.Turns {
		n += len(p.Turns[i].Steps)
	}
	return n
}

// Start is when a played campus has to begin.
func (p *Plan) Start() time.Time { return firstDay.Add(eve) }

// slot is the number of the slot that a time of the day lies in.
func (o *Options) slot(at time.Duration) int64 {
	n := int64(at / o.Slot)
	if at < 0 && at%o.Slot != 0 {
		n--
	}
	return n
}

// floor is the begin of that slot: what happens in it happens soon after.
func (o *Options) floor(at time.Duration) time.Duration { return time.Duration(o.slot(at)) * o.Slot }

// clock is a time of the day as 08:30.
func clock(at time.Duration) string { return firstDay.Add(at).Format("15:04") }

// Passes are the names that a turn needs to have been issued.
func (t *Turn) Passes() (names []string) {
	for _, s := range t.Steps {
		if s.Act.Verb == "scan" && len(s.Act.Words) > 0 {
			names = append(names, s.Act.Words[0])
		}
	}
	return names
}

// issues reports that a turn is the office issuing passes.
func (t *Turn) issues() bool { return len(t.Steps) > 0 && t.Steps[0].Act.Verb == "issue" }

// Text is the plan as a written scenario (package scenario), each step with what is
// expected of it. With only given it has the turns of that person alone.
func (p *Plan) Text(only string) string {
	var b strings.Builder
	title := fmt.Sprintf("A day of %d people, seed %d", p.People, p.Seed)
	if only != "" {
		title = fmt.Sprintf("The day of %s among %d people, seed %d", only, p.People, p.Seed)
	}
	fmt.Fprintf(&b, "title: %s\nlanes:", title)
	for _, l := range p.Lanes {
		fmt.Fprintf(&b, " %s=%d", l.ID, l.Zone)
	}
	fmt.Fprintf(&b, "\nstart: %s\nonly: played\n", p.Start().Format("2006-01-02 15:04"))
	for _, a := range p.rules() {
		fmt.Fprintln(&b, a)
	}
	now := eve
	for i := range p.Turns {
		t := &p.Turns[i]
		if only != "" && !t.concerns(only) {
			continue
		}
		if to := p.floor(t.At); to > now {
			fmt.Fprintf(&b, "advance %s\n", to-now)
			now = to
		}
		t.write(&b)
	}
	return b.String()
}

// concerns reports that a turn is a person's, or one in which its code is shown.
func (t *Turn) concerns(name string) bool {
	if t.Who == name {
		return true
	}
	for _, n := range t.Passes() {
		if n == name {
			return true
		}
	}
	return false
}

func (t *Turn) write(b *strings.Builder) {
	story := ""
	if t.Story != "" {
		story = ": " + t.Story
	}
	fmt.Fprintf(b, "# %s %s%s\n", clock(t.At), t.Who, story)
	for _, s := range t.Steps {
		fmt.Fprintln(b, s.Act)
		if s.Reason != "" {
			fmt.Fprintf(b, "expect %s %s\n", t.Lane, s.Reason)
		}
		if s.Result != "" {
			fmt.Fprintf(b, "expect %s %s\n", t.Lane, strings.ReplaceAll(s.Result, " ", "_"))
		}
	}
}

// rules are what the campus of a plan goes by: a pass that is inside does not come in
// again. A played one takes nobody for a repetition, and nobody vouches for long.
func (o *Options) rules() []campus.Act {
	var list []campus.Act
	for _, zone := range []int{mainZone, libraryZone} {
		a := campus.Act{Verb: "rules", Target: fmt.Sprint(zone), Args: map[string]string{"passback": "hard"}}
		if !o.Real {
			a.Args["repeat"], a.Args["escort"] = "0s", fmt.Sprint(vouches.Seconds())
		}
		list = append(list, a)
	}
	return list
}
