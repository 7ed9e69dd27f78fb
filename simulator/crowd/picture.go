package crowd

import (
	"fmt"
	"slices"
	"time"
)

// Picture is a day at one moment, for a page.
type Picture struct {
	Figures
	Tally
	Seed       uint64
	People     int
	Now        time.Duration // of the day
	Begin, End time.Duration
	Speed      float64 // times life at this pace
	Pace       float64
	Paused     bool
	Held       bool // the day waits for a long queue
	Over       bool
	Queues     []Queue
	Waiting    Spread // of all so far
	Recent     Spread // of the newest quarter of an hour of the day
	Fault      string // why central could not be asked, "" if it could
}

// Queue is a lane with who stands there.
type Queue struct {
	Lane, Name string
	Zone       int
	Length     int  // who waits
	Serving    bool // somebody is before the scanner or walks
	Served     int
	Waiting    Spread // of the newest quarter of an hour
}

// recent is how much of the day counts as just now.
const recent = 15 * time.Minute

// Picture returns the day at this moment.
func (l *Live) Picture() *Picture {
	now := l.campus.View().Now
	p := &Picture{Figures: l.figures.now(), Seed: l.Seed, People: l.People}
	l.state.Lock()
	defer l.state.Unlock()
	c := &l.clock
	p.Tally, p.Now, p.Begin, p.End = l.tally, c.at(now), c.begin, c.end
	p.Speed, p.Pace, p.Paused, p.Held = c.rate*c.pace, c.pace, c.paused, c.held
	p.Over = p.Now >= c.end && len(l.order) == 0
	if l.fault != nil {
		p.Fault = l.fault.Error()
	}
	var all, fresh []time.Duration
	lanes := map[string][]time.Duration{}
	for _, w := range l.waits {
		all = append(all, w.d)
		if w.day >= p.Now-recent {
			fresh, lanes[w.lane] = append(fresh, w.d), append(lanes[w.lane], w.d)
		}
	}
	p.Waiting, p.Recent = spread(all), spread(fresh)
	for _, s := range l.plan.Lanes {
		d := l.desks[s.ID]
		p.Queues = append(p.Queues, Queue{Lane: s.ID, Name: s.Name, Zone: s.Zone, Length: len(d.queue), Serving: d.serving, Served: d.served, Waiting: spread(lanes[s.ID])})
	}
	return p
}

// Paces are what a day can be played at.
func Paces() []float64 { return []float64{0.25, 0.5, 1, 2, 4} }

// Pause holds the day, or lets it go on.
func (l *Live) Pause(on bool) {
	now := l.campus.View().Now
	l.state.Lock()
	defer l.state.Unlock()
	l.clock.paused = on
	l.clock.turn(now)
}

// SetPace has the day go at one of Paces.
func (l *Live) SetPace(pace float64) error {
	if !slices.Contains(Paces(), pace) {
		return fmt.Errorf("a pace of %v: take one of %v", pace, Paces())
	}
	now := l.campus.View().Now
	l.state.Lock()
	defer l.state.Unlock()
	l.clock.pace = pace
	l.clock.turn(now)
	return nil
}

// A lecture of its own ends for one in so many of those who are inside, who leave
// within a few minutes of the day.
const (
	burstShare  = 3
	burstLeast  = 30
	burstWithin = 3 * time.Minute
)

// EndLecture has a lecture end now, and returns how many people leave.
func (l *Live) EndLecture() (leaving int) {
	now := l.campus.View().Now
	l.state.Lock()
	defer l.state.Unlock()
	day := l.clock.at(now)
	var inside []int
	for _, i := range l.order {
		t := &l.plan.Turns[i]
		ready := t.Way == "out" && t.Zone == mainZone && l.due[i] > day && !l.gone[t.Who]
		for _, n := range l.needs[i] {
			ready = ready && l.done[n]
		}
		if ready {
			inside = append(inside, i)
		}
	}
	leaving = min(max(len(inside)/burstShare, burstLeast), len(inside))
	for n, i := range inside[:leaving] {
		l.due[i] = day + burstWithin*time.Duration(n)/time.Duration(leaving)
	}
	l.sort()
	return leaving
}
