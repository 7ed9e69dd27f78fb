package crowd

import (
	"slices"
	"time"

	"turnstile/simulator/campus"
)

// mishap is an honest mistake, or bad luck: what happens to whom, and how often.
type mishap struct {
	name     string
	thousand int // how many people of a thousand; each happens to one at least
	fits     func(*person) bool
	happens  func(*planner, *person)
	played   bool // on a played campus alone: in a day that is pressed together a member of staff has always just gone in
}

// Mishaps are the names of all that goes wrong on a day.
func Mishaps() (names []string) {
	for _, m := range mishaps() {
		names = append(names, m.name)
	}
	return names
}

func plain(x *person) bool { return x.kind == "ecard" && !x.live }

func mishaps() []mishap {
	return []mishap{
		{"wrong zone", 8, func(x *person) bool { return x.kind == "ecard" && x.zones == "0" }, (*planner).wrongZone, false},
		{"screenshot of a live code", 10, func(x *person) bool { return x.live }, (*planner).screenshot, false},
		{"yesterday's code", 8, plain, (*planner).yesterday, false},
		{"forgotten renewal", 6, plain, (*planner).renewal, false},
		{"revoked card", 4, func(x *person) bool { return x.kind == "ecard" }, (*planner).revoked, false},
		{"card on hold", 3, func(x *person) bool { return x.kind == "ecard" && x.zones == "0,1" }, (*planner).held, false},
		{"guest too early", 5, func(x *person) bool { return x.kind == "guest" && !x.escort }, (*planner).early, false},
		{"nobody walks", 3, plain, (*planner).stays, false},
		{"a guest's code used twice", 4, func(x *person) bool { return x.once && !x.escort }, (*planner).twice, false},
		{"lent card", 5, plain, (*planner).lent, false},
		{"guest without company", 4, func(x *person) bool { return x.escort }, (*planner).alone, true},
		{"two people on one code", 2, plain, (*planner).together, false},
		{"damaged print", 4, plain, (*planner).damaged, false},
		{"some other QR code", 5, func(x *person) bool { return x.kind == "ecard" }, (*planner).foreign, false},
	}
}

// spoil has things go wrong for some people, one thing each.
func (p *planner) spoil() {
	for _, m := range mishaps() {
		left := max(1, p.People*m.thousand/1000)
		for _, i := range p.Perm(len(p.people)) {
			if x := p.people[i]; left > 0 && !(m.played && p.Real) && x.mishap == "" && m.fits(x) {
				x.mishap = m.name
				m.happens(p, x)
				x.sort()
				left--
			}
		}
	}
}

// first is the visit with which somebody comes.
func (x *person) first() *visit { return x.visits[0] }

// tries puts a step before the first visit: what is held before the scanner first.
func (x *person) tries(s Step) {
	v := x.first()
	v.story, v.steps = x.mishap, slices.Insert(v.steps, 0, s)
}

// instead adds a visit with one refusal.
func (x *person) instead(at time.Duration, zone int, a campus.Act, reason string) *visit {
	v := &visit{at: at, zone: zone, way: "in", story: x.mishap, steps: []Step{{a, reason, ""}}}
	x.visits = append(x.visits, v)
	x.sort()
	return v
}

func deed(verb, name string, words ...string) campus.Act {
	return campus.Act{Verb: verb, Target: name, Words: words}
}

func (p *planner) wrongZone(x *person) {
	x.instead(x.first().at+p.between(20*time.Minute, 40*time.Minute), libraryZone, scan(x.name, "in"), "WRONG_ZONE")
}

func (p *planner) screenshot(x *person) {
	x.behind = []campus.Act{deed("shot", x.name)}
	x.tries(Step{scan(x.name, "in", "shot"), "LIVE_STALE", ""})
}

// old is a pass of the day before. Where the clock is the machine's nobody can wait
// for tomorrow: there it is one whose ten minutes are over.
func (p *planner) old(x *person) campus.Act {
	name := x.name + "-yesterday"
	a := campus.Act{Verb: "issue", Target: name, Words: []string{"ecard"}, Args: map[string]string{"holder": x.name, "zones": x.zones}}
	if p.Real {
		a.Args["from"], a.Args["for"] = "00:00", "10m"
	}
	x.begin = append(x.begin, a)
	return scan(name, "in")
}

func (p *planner) yesterday(x *person) { x.tries(Step{p.old(x), "EXPIRED", ""}) }

// renewal is a person who has to activate today's card at home.
func (p *planner) renewal(x *person) {
	back := x.first()
	back.story, back.before = x.mishap, []campus.Act{p.issue(x)}
	x.instead(back.at-time.Minute, mainZone, p.old(x), "EXPIRED")
}

func (p *planner) revoked(x *person) {
	v := x.first()
	v.before = []campus.Act{{Verb: "revoke", Target: x.name, Args: map[string]string{"reason": "lost card"}}}
	v.story, v.steps = x.mishap, []Step{{scan(x.name, "in"), "REVOKED", ""}}
	x.visits = x.visits[:1]
}

func (p *planner) held(x *person) {
	v := x.instead(x.first().at-time.Minute, mainZone, scan(x.name, "in"), "HELD")
	v.before = []campus.Act{deed("hold", x.name)}
	x.visits[1].before, x.visits[1].story = []campus.Act{deed("release", x.name)}, x.mishap
}

// margin is how far a pass's hours lie from when it is shown, beside the slot.
const margin = 30 * time.Minute

// early is a guest before the hours of the pass, or a day before.
func (p *planner) early(x *person) {
	if !p.Real {
		x.instead(p.floor(x.first().at)-2*margin-p.within(margin), mainZone, scan(x.name, "in"), "TOO_EARLY")
		return
	}
	name := x.name + "-tomorrow"
	x.begin = append(x.begin, campus.Act{Verb: "issue", Target: name, Words: []string{"guest"}, Args: map[string]string{"day": "tomorrow", "holder": x.host.name, "zones": x.zones}})
	x.tries(Step{scan(name, "in"), "TOO_EARLY", ""})
}

// stays is somebody who does not walk, and then does.
func (p *planner) stays(x *person) {
	v := x.first()
	v.story = x.mishap
	v.steps = []Step{{Act: deed("people", "", "stay")}, {scan(x.name, "in"), "GRANTED", "not passed"}, {Act: deed("people", "", "walk")}, x.shows("in")}
}

// twice is a friend with the same code, once the guest has left.
func (p *planner) twice(x *person) {
	x.instead(x.visits[len(x.visits)-1].at+p.between(15*time.Minute, margin), mainZone, scan(x.name, "in"), "ALREADY_USED")
}

// lent is a friend with the card of somebody who is inside.

func (p *planner) lent(x *person) {
	x.instead(x.first().at+p.between(20*time.Minute, 40*time.Minute), mainZone, scan(x.name, "in"), "ALREADY_INSIDE")
}

// vouches is how long somebody of the staff vouches for a guest behind. Lanes measure it
// by a clock that nobody sets or plays.
const vouches = 2 * time.Second

// alone is the first at the lane in its slot, and waits a little: whoever of the staff
// went in just before would vouch for the guest.
func (p *planner) alone(x *person) {
	v := x.instead(p.floor(x.host.returns().at-p.Slot-p.between(10*time.Minute, margin)), mainZone, scan(x.name, "in"), "ESCORT_NEEDED")
	v.foremost = true
	v.steps = slices.Insert(v.steps, 0, Step{Act: campus.Act{Verb: "wait", Words: []string{(vouches + time.Second).String()}}})
}

// together is somebody with a companion who has no code, on the way in and out.
func (p *planner) together(x *person) {
	for _, v := range []*visit{x.first(), x.visits[len(x.visits)-1]} {
		v.story = x.mishap
		v.steps = []Step{{Act: deed("people", "", "stay")}, {scan(x.name, v.way), "GRANTED", ""},
			{Act: campus.Act{Verb: "walk", Words: []string{v.way}, Args: map[string]string{"people": "2"}}, Result: "passed"}, {Act: deed("people", "", "walk")}}
	}
}

func (p *planner) damaged(x *person) {
	x.behind = []campus.Act{deed("forge", x.name, "damaged")}
	x.tries(Step{scan(x.name, "in", "forged"), "MALFORMED", ""})
}

func (p *planner) foreign(x *person) {
	x.tries(Step{campus.Act{Verb: "scan", Args: map[string]string{"text": "https://example.org/menu/" + x.name}}, "FOREIGN", ""})
}
