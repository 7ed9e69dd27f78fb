package crowd

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"turnstile/simulator/campus"
)

// Span is a stretch of the day.
type Span struct{ From, Until time.Duration }

func at(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// Lectures are when all lectures of a day begin and end.
func Lectures() []Span {
	return []Span{{at(8, 30), at(10, 20)}, {at(10, 30), at(12, 20)}, {at(13, 30), at(15, 20)}, {at(15, 30), at(17, 20)}, {at(18, 30), at(20, 20)}}
}

// Evening is the event that most guests come for.
func Evening() Span { return Span{at(19, 0), at(21, 0)} }

// The lectures by what lies between them.
const (
	beforeLunch = 1
	behindLunch = 2
	lastByDay   = 3
	inEvening   = 4
)

// person is somebody who comes.
type person struct {
	name   string
	kind   string // as in the act issue
	live   bool
	zones  string
	once   bool
	escort bool
	event  bool    // comes for the evening
	host   *person // of a guest
	guest  *person // who comes and goes with this one
	visits []*visit
	begin  []campus.Act // what the office does before it issues the pass
	behind []campus.Act // what happens right behind that
	mishap string
}

// visit is one time that somebody stands before lanes. The lane is not chosen yet:
// the steps have none.
type visit struct {
	at       time.Duration
	zone     int
	way      string
	story    string
	before   []campus.Act // of the office, a slot earlier
	foremost bool         // nobody stands before it in its slot
	steps    []Step
}

// planner makes a day.
type planner struct {
	*rand.Rand
	Options
	people []*person
	turns  []Turn
}

// New plans a day.
func New(o Options) (*Plan, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("plan a day: %w", err)
	}
	p := &planner{Rand: rand.New(rand.NewPCG(o.Seed, uint64(o.People))), Options: o}
	p.gather()
	p.accompany()
	p.spoil()
	for _, x := range p.people {
		p.space(x)
	}
	for _, x := range p.people {
		p.emit(x)
	}
	p.queue()
	if late := p.turns[len(p.turns)-1]; late.At > lastHour {
		return nil, fmt.Errorf("plan a day: %s would still be there at %v: take shorter slots than %v", late.Who, late.At, p.Slot)
	}
	return &Plan{Options: p.Options, Turns: p.turns}, nil
}

// chance is true so many times in a hundred.
func (p *planner) chance(percent int) bool { return p.IntN(100) < percent }

// between is a time between two, by seconds.
func (p *planner) between(from, until time.Duration) time.Duration {
	return (from + p.within(until-from)).Truncate(time.Second)
}

func (p *planner) within(d time.Duration) time.Duration {
	if d < time.Second {
		return 0
	}
	return time.Duration(p.Int64N(int64(d))).Truncate(time.Second)
}

// near is a time around a middle: most are close to it, none further away than far.
func (p *planner) near(middle, far time.Duration) time.Duration {
	return (middle + (p.within(far)+p.within(far)+p.within(far)-far*3/2)*2/3).Truncate(time.Second)
}

// gather makes the people: of twenty two are staff, three guests, fifteen holders.
func (p *planner) gather() {
	for i := range p.People {
		x := &person{}
		switch i % 20 {
		case 0, 10:
			x.name, x.kind, x.zones = fmt.Sprintf("%sstaff-%04d", p.Part, i), "staff", "0,1"
			p.staffDay(x)
		case 5:
			x.name, x.kind, x.zones, x.once, x.escort = fmt.Sprintf("%sguest-%04d", p.Part, i), "guest", "0", true, i%60 == 45
			if !x.escort {
				p.guestDay(x)
			}
		case 7, 17:
			x.name, x.kind, x.zones, x.once, x.event = fmt.Sprintf("%sguest-%04d", p.Part, i), "guest", "0", i%20 == 7, true
			p.guestEvening(x)
		default:
			x.name, x.kind, x.zones, x.live = fmt.Sprintf("%sholder-%04d", p.Part, i), "ecard", "0,1", i%3 == 0
			if i%7 == 3 {
				x.zones = "0"
			}
			p.holderDay(x)
		}
		p.people = append(p.people, x)
	}
}

// comes adds an ordinary visit.
func (x *person) comes(at time.Duration, zone int, way string) *visit {
	v := &visit{at: at, zone: zone, way: way, steps: []Step{x.shows(way)}}
	x.visits = append(x.visits, v)
	return v
}

// shows is the step of somebody who is let through.
func (x *person) shows(way string) Step {
	return Step{scan(x.name, way), "GRANTED", "passed"}
}

// scan is the act; the lane is chosen later.
func scan(name, way string, which ...string) campus.Act {
	a := campus.Act{Verb: "scan", Words: append([]string{name}, which...)}
	if way == "out" {
		a.Args = map[string]string{"way": way}
	}
	return a
}

// holderDay is a day of lectures: some minutes before the first, some behind the last.
func (p *planner) holderDay(x *person) {
	lectures := Lectures()
	first := []int{0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4}[p.IntN(11)]
	last := first
	if first < lastByDay {
		last = min(first+p.IntN(3), lastByDay)
	}
	x.comes(p.near(lectures[first].From-11*time.Minute, 10*time.Minute), mainZone, "in")
	out := false
	if first <= beforeLunch && last >= behindLunch && p.chance(55) {
		out = true
		x.comes(p.near(lectures[beforeLunch].Until+6*time.Minute, 5*time.Minute), mainZone, "out")
		x.comes(p.near(lectures[behindLunch].From-10*time.Minute, 8*time.Minute), mainZone, "in")
	}
	leaves := lectures[last].Until
	if x.zones == "0,1" && p.chance(35) {
		leaves = p.library(x, first, last, out)
	}
	x.comes(p.near(leaves+7*time.Minute, 6*time.Minute), mainZone, "out")
}

// library is a visit to it, over lunch or behind the last lecture; it returns when
// the person has time to leave.
func (p *planner) library(x *person, first, last int, out bool) time.Duration {
	lectures := Lectures()
	if first <= beforeLunch && last >= behindLunch {
		if !out {
			came := lectures[beforeLunch].Until + p.between(6*time.Minute, 15*time.Minute)
			x.comes(came, libraryZone, "in")
			x.comes(came+p.between(25*time.Minute, 48*time.Minute), libraryZone, "out")
		}
		return lectures[last].Until
	}
	came := lectures[last].Until + p.between(5*time.Minute, 20*time.Minute)
	stay := p.between(25*time.Minute, 100*time.Minute)
	if last == inEvening {
		stay = p.between(15*time.Minute, 40*time.Minute)
	}
	x.comes(came, libraryZone, "in")
	x.comes(came+stay, libraryZone, "out")
	return came + stay
}

func (p *planner) staffDay(x *person) {
	x.comes(p.near(at(8, 40), 40*time.Minute), mainZone, "in")
	if p.chance(70) {
		x.comes(p.near(at(12, 45), 20*time.Minute), mainZone, "out")
		x.comes(p.near(at(13, 45), 15*time.Minute), mainZone, "in")
	}
	if p.chance(20) {
		came := p.between(at(14, 15), at(15, 30))
		x.comes(came, libraryZone, "in")
		x.comes(came+p.between(20*time.Minute, 70*time.Minute), libraryZone, "out")
	}
	x.comes(p.near(at(18, 0), 45*time.Minute), mainZone, "out")
}

func (p *planner) guestDay(x *person) {
	came := p.between(at(10, 0), at(15, 30))
	x.comes(came, mainZone, "in")
	x.comes(came+p.between(50*time.Minute, 150*time.Minute), mainZone, "out")
}

func (p *planner) guestEvening(x *person) {
	e := Evening()
	x.comes(p.near(e.From-14*time.Minute, 22*time.Minute), mainZone, "in")
	x.comes(p.near(e.Until+9*time.Minute, 9*time.Minute), mainZone, "out")
}

// accompany gives guests their hosts. Who needs company comes from lunch with the
// host and leaves with the host.
func (p *planner) accompany() {
	var hosts, free []*person
	for _, x := range p.people {
		if x.kind == "staff" {
			hosts = append(hosts, x)
			if p.lunch(x) {
				free = append(free, x)
			}
		}
	}
	for _, x := range p.people {
		if x.kind != "guest" {
			continue
		}
		if !x.escort {
			x.host = hosts[p.IntN(len(hosts))]
			continue
		}
		if len(free) == 0 {
			free = append(free, p.hungry(hosts))
		}
		x.host, free = free[0], free[1:]
		x.host.guest = x
		for _, v := range []*visit{x.host.returns(), x.host.visits[len(x.host.visits)-1]} {
			v.steps = append(v.steps, x.shows(v.way))
		}
	}
}

// lunch reports that somebody leaves for it.
func (p *planner) lunch(x *person) bool { return x.returns() != nil }

// returns is the visit with which somebody comes back from lunch.
func (x *person) returns() *visit {
	in := 0
	for _, v := range x.visits {
		if v.zone == mainZone && v.way == "in" {
			if in++; in == 2 {
				return v
			}
		}
	}
	return nil
}

// hungry sends one of the hosts without a guest to lunch.
func (p *planner) hungry(hosts []*person) *person {
	i := slices.IndexFunc(hosts, func(x *person) bool { return x.guest == nil && !p.lunch(x) })
	x := hosts[i]
	x.comes(p.near(at(12, 45), 20*time.Minute), mainZone, "out")
	x.comes(p.near(at(13, 45), 15*time.Minute), mainZone, "in")
	x.sort()
	return x
}

func (x *person) sort() {
	slices.SortStableFunc(x.visits, func(a, b *visit) int { return int(a.at - b.at) })
}
