package crowd

import (
	"cmp"
	"slices"
	"time"

	"turnstile/simulator/campus"
)

// space puts a person's visits into slots of their own, and two slots apart where the
// office does something between: within a slot nothing has an order.
func (p *planner) space(x *person) {
	for i, v := range x.visits[min(1, len(x.visits)):] {
		apart := int64(1)
		if len(v.before) > 0 {
			apart = 2
		}
		if least := p.slot(x.visits[i].at) + apart; p.slot(v.at) < least {
			v.at = time.Duration(least)*p.Slot + p.within(min(p.Slot, 5*time.Minute))
		}
	}
	for _, v := range x.visits {
		if !v.foremost && v.at == p.floor(v.at) {
			v.at += time.Second
		}
	}
}

// ahead is how long before its first use a pass is issued at the latest.
const ahead = time.Hour

// emit makes a person's turns.
func (p *planner) emit(x *person) {
	first := p.first(x)
	begin := slices.Clone(x.begin)
	if x.mishap != "forgotten renewal" { // that one is issued later
		begin = append(append(begin, p.issue(x)), x.behind...)
	}
	for _, a := range begin {
		at := first - max(ahead, 2*p.Slot)
		if !p.Real && a.Target != x.name {
			at = eve + p.within(time.Hour) // of the day before
		}
		p.turns = append(p.turns, Turn{At: at, Who: x.name, Steps: []Step{{Act: a}}})
	}
	for _, v := range x.visits {
		for _, a := range v.before {
			p.turns = append(p.turns, Turn{At: v.at - p.Slot, Who: x.name, Story: x.mishap, Steps: []Step{{Act: a}}})
		}
		p.turns = append(p.turns, Turn{At: v.at, Who: x.name, Zone: v.zone, Lane: "?", Way: v.way, Story: v.story, Steps: v.steps})
	}
}

// first is when a person's pass is shown first.
func (p *planner) first(x *person) time.Duration {
	switch {
	case x.escort && len(x.visits) == 0:
		return x.host.returns().at
	default:
		return x.visits[0].at
	}
}

// last is when it is shown last.
func (p *planner) last(x *person) time.Duration {
	if x.escort {
		x = x.host
	}
	return x.visits[len(x.visits)-1].at
}

// issue is the act that makes a person's pass.
func (p *planner) issue(x *person) campus.Act {
	a := campus.Act{Verb: "issue", Target: x.name, Words: []string{x.kind}, Args: map[string]string{"zones": x.zones}}
	if x.live {
		a.Args["live"] = "yes"
	}
	if x.once {
		a.Args["entries"] = "1"
	}
	if x.escort {
		a.Args["escort"] = "yes"
	}
	if x.kind == "guest" {
		a.Args["holder"] = x.host.name
	}
	if x.kind == "guest" && !p.Real {
		from, until := p.hours(x)
		a.Args["from"], a.Args["for"] = clock(from), (until - from).String()
	}
	return a
}

// lastHour is when no guest's pass is valid any more.
const lastHour = 23*time.Hour + 50*time.Minute

// hours are those of a guest's pass: around what is planned, in steps of ten minutes.
func (p *planner) hours(x *person) (from, until time.Duration) {
	came := p.first(x)
	if x.mishap == "guest too early" {
		came = x.visits[1].at
	}
	from = max(0, (p.floor(came) - margin).Truncate(10*time.Minute))
	return from, min(lastHour, (p.last(x) + p.Slot + 2*time.Hour).Truncate(10*time.Minute))
}

// How long things take at a lane, for who chooses a lane.
const (
	granted = 2400 * time.Millisecond
	refused = 4 * time.Second
)

// takes is how long a turn occupies a lane.
func (t *Turn) takes() (d time.Duration) {
	for _, s := range t.Steps {
		switch {
		case s.Act.Verb == "scan" && s.Reason == "GRANTED":
			d += granted
		case s.Act.Verb == "scan":
			d += refused
		}
	}
	return d
}

// queue brings the turns into the order of time and has everybody choose the lane
// with the shortest queue.
func (p *planner) queue() {
	slices.SortStableFunc(p.turns, func(a, b Turn) int { return cmp.Compare(a.At, b.At) })
	free := map[string]time.Duration{}
	for i := range p.turns {
		t := &p.turns[i]
		if t.Lane == "" {
			continue
		}
		t.take(p.shortest(free, t))
		free[t.Lane] = max(free[t.Lane], t.At) + t.takes()
	}
}

// shortest is the lane of a turn's zone that is free first; of several any.
func (p *planner) shortest(free map[string]time.Duration, t *Turn) string {
	var best []string
	least := time.Duration(1 << 62)
	for _, l := range p.Lanes {
		switch wait := max(free[l.ID], t.At); {
		case l.Zone != t.Zone:
		case wait < least:
			best, least = []string{l.ID}, wait
		case wait == least:
			best = append(best, l.ID)
		}
	}
	return best[p.IntN(len(best))]
}

// take sets a turn's lane, also in its acts.
func (t *Turn) take(lane string) {
	t.Lane = lane
	t.Steps = slices.Clone(t.Steps)
	for i := range t.Steps {
		if t.Steps[i].Act.Verb != "wait" {
			t.Steps[i].Act.Target = lane
		}
	}
}
