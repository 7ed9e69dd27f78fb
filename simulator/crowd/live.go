package crowd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"turnstile/simulator/campus"
)

// LiveOptions say what day is played before people's eyes.
type LiveOptions struct {
	Seed   uint64
	People int
	Lanes  []campus.LaneSpec // of the campus; nil: Lanes(People)
	Day    time.Duration     // how long the day takes at pace 1
	Log    *slog.Logger      // nil: thrown away
}

// Bounds of a day's length.
const (
	MinDay = 5 * time.Minute
	MaxDay = 24 * time.Hour
)

// Live plays a day on a campus that people look at and act on: they may break what they
// like. Who is not let through as planned tries again, and gives up in the end. All
// methods are safe for concurrent use. Use NewLive and Run.
type Live struct {
	LiveOptions
	campus *campus.Campus
	plan   *Plan
	figures

	state sync.Mutex // guards the following
	clock dayClock
	desks map[string]*desk // lanes and clerks, by name
	order []int            // turns that nobody has begun, by when they are due
	due   []time.Duration  // by turn
	needs [][]int          // by turn: those that have to be over
	done  []bool           // by turn
	tried []int            // by turn: how often in vain
	gone  map[string]bool  // who gave up
	tally Tally
	waits []wait
	fault error
}

// Tally counts what became of turns.
type Tally struct {
	Issued, Passes int // the office, and how many there are
	Done, Turns    int // at lanes
	Again          int // tried again at another time or lane
	Gone           int // gave up
	Last           string
}

// wait is how long somebody stood at a lane, by the clock on the wall.
type wait struct {
	day  time.Duration
	lane string
	d    time.Duration
}

// desk is where people stand one behind the other.
type desk struct {
	queue   []int // turns
	joined  []time.Time
	serving bool
	served  int
	wake    chan struct{}
}

// NewLive plans a day for a campus.
func NewLive(c *campus.Campus, o LiveOptions) (*Live, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Day < MinDay || o.Day > MaxDay {
		return nil, fmt.Errorf("a day of %v: want %v to %v", o.Day, MinDay, MaxDay)
	}
	p, err := New(Options{Seed: o.Seed, People: o.People, Lanes: o.Lanes, Real: true})
	if err != nil {
		return nil, err
	}
	l := &Live{LiveOptions: o, campus: c, plan: p, desks: map[string]*desk{}, gone: map[string]bool{}}
	l.figures.begin(p.Lanes, 0)
	for _, spec := range p.Lanes {
		l.desks[spec.ID] = &desk{wake: make(chan struct{}, 1)}
	}
	for i := range clerks {
		l.desks[clerkName(i)] = &desk{wake: make(chan struct{}, 1)}
	}
	l.arrange()
	return l, nil
}

func clerkName(i int) string { return fmt.Sprintf("clerk %d", i) }

// lead is how long before it is planned the office issues a pass, of the day.
const lead = time.Hour

// arrange finds when each turn is due and what has to be over before it.
func (l *Live) arrange() {
	turns := l.plan.Turns
	l.due, l.needs, l.done, l.tried = make([]time.Duration, len(turns)), make([][]int, len(turns)), make([]bool, len(turns)), make([]int, len(turns))
	before, issued := map[string]int{}, map[string]int{}
	begin, end := 24*time.Hour, time.Duration(0)
	for i := range turns {
		t := &turns[i]
		l.due[i] = t.At
		if j, ok := before[t.Who]; ok {
			l.needs[i] = append(l.needs[i], j)
		}
		before[t.Who] = i
		switch {
		case t.issues():
			l.due[i] -= lead
			issued[t.Steps[0].Act.Target] = i
			l.tally.Passes++
		case t.Lane != "":
			l.tally.Turns++
			begin, end = min(begin, t.At), max(end, t.At)
		}
		for _, name := range t.Passes() {
			l.needs[i] = append(l.needs[i], issued[name])
		}
		l.order = append(l.order, i)
	}
	l.sort()
	l.clock.begin, l.clock.end = begin-20*time.Minute, end+10*time.Minute
	l.clock.rate = float64(l.clock.end-l.clock.begin) / float64(l.Day)
	l.clock.pace = 1
}

// sort brings what is not begun into the order in which it is due. state is held.
func (l *Live) sort() {
	slices.SortStableFunc(l.order, func(a, b int) int { return int(l.due[a] - l.due[b]) })
}

// tick is how often people set out.
const tick = 50 * time.Millisecond

// lookEvery is how often central is asked.
const lookEvery = 500 * time.Millisecond

// Run plays the day until ctx ends.
func (l *Live) Run(ctx context.Context) error {
	for _, a := range l.plan.rules() {
		if err := l.campus.Do(ctx, a); err != nil {
			return fmt.Errorf("begin the crowd's day: %s: %w", a, err)
		}
	}
	l.figures.begin(l.plan.Lanes, l.behind(ctx))
	l.state.Lock()
	l.clock.start(l.campus.View().Now)
	l.state.Unlock()
	var wait sync.WaitGroup
	for name, d := range l.desks {
		wait.Go(func() { l.serve(ctx, name, d) })
	}
	wait.Go(func() { l.look(ctx) })
	t := time.NewTicker(tick)
	defer t.Stop()
	for ctx.Err() == nil {
		l.step()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	wait.Wait()
	return nil
}

// behind is the newest row of the ledger before the day.
func (l *Live) behind(ctx context.Context) (newest int64) {
	for range maxPages {
		list, err := l.campus.Ledger(ctx, newest)
		if err != nil || len(list) == 0 {
			return newest
		}
		newest = list[len(list)-1].Number
	}
	return newest
}

// look asks central what the ledger has and how full the zones are; while central is
// down it asks again.
func (l *Live) look(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		l.state.Lock()
		clock := l.clock.copy()
		l.state.Unlock()
		now := l.campus.View().Now
		err := l.figures.rows(ctx, l.campus, clock.at)
		if err == nil {
			err = l.figures.count(ctx, l.campus, clock.at(now))
		}
		if ctx.Err() != nil {
			return
		}
		l.state.Lock()
		l.fault = err
		l.state.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// crowded is how long a queue may be until the day waits for it.
const crowded = 60

// step moves the day on, and has everybody set out who is due.
func (l *Live) step() {
	now := l.campus.View()
	l.state.Lock()
	defer l.state.Unlock()
	longest := 0
	for _, d := range l.desks {
		longest = max(longest, len(d.queue))
	}
	l.clock.hold(now.Now, longest >= crowded)
	day := l.clock.at(now.Now)
	later := l.order[:0:0]
	for n, i := range l.order {
		if l.due[i] > day {
			later = append(later, l.order[n:]...)
			break
		}
		if !l.begins(i, &now) {
			later = append(later, i)
		}
	}
	l.order = later
}

// begins has a turn begin if it can. state is held.
func (l *Live) begins(i int, v *campus.View) bool {
	for _, n := range l.needs[i] {
		if !l.done[n] {
			return false
		}
	}
	t := &l.plan.Turns[i]
	if l.gone[t.Who] {
		l.done[i] = true
		return true
	}
	at := clerkName(int(sum(t.Who) % clerks))
	if t.Lane != "" {
		at = l.shortest(t, v)
	}
	d := l.desks[at]
	d.queue, d.joined = append(d.queue, i), append(d.joined, time.Now())
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return true
}

// shortest is the lane with the shortest queue of those that look as if they worked.
func (l *Live) shortest(t *Turn, v *campus.View) string {
	best, least := t.Lane, int(^uint(0)>>1)
	for i := range v.Lanes {
		lane := &v.Lanes[i]
		d := l.desks[lane.ID]
		if d == nil || lane.Zone != t.Zone {
			continue
		}
		n := 2*len(d.queue) + 1
		if !d.serving {
			n--
		}
		if !lane.Answers || lane.Signal == "out of order" {
			n += crowded
		}
		if n < least || n == least && lane.ID == t.Lane {
			best, least = lane.ID, n
		}
	}
	return best
}

// serve has people at one lane or desk do what they came for, one after the other.
func (l *Live) serve(ctx context.Context, name string, d *desk) {
	for ctx.Err() == nil {
		i, joined, again, ok := l.next(d)
		if !ok {
			select {
			case <-ctx.Done():
			case <-d.wake:
			}
			continue
		}
		t := l.plan.Turns[i]
		if t.Lane != "" {
			t.take(name)
		}
		problem := l.perform(ctx, &t, joined, again)
		if ctx.Err() == nil {
			l.over(i, &t, d, problem)
		}
	}
}

// next is whose turn it is, since when they stand there, and whether they were there
// before.
func (l *Live) next(d *desk) (i int, joined time.Time, again, ok bool) {
	l.state.Lock()
	defer l.state.Unlock()
	if len(d.queue) == 0 {
		return 0, joined, false, false
	}
	i, joined = d.queue[0], d.joined[0]
	d.queue, d.joined, d.serving = d.queue[1:], d.joined[1:], true
	return i, joined, l.tried[i] > 0, true
}

// shortPatience is how long people wait for a lane that says nothing.
const shortPatience = 6 * time.Second

// within are what somebody meets who is inside already.
var within = []string{"ALREADY_INSIDE", "ALREADY_USED"}

// perform does a turn's steps, perhaps again, and returns what was not as planned.
func (l *Live) perform(ctx context.Context, t *Turn, joined time.Time, again bool) (problem string) {
	if t.Lane != "" {
		l.stood(t.Lane, time.Since(joined))
	}
	for i := range t.Steps {
		s := &t.Steps[i]
		if problem != "" && s.Act.Verb != "people" { // who holds others up lets them go in the end
			continue
		}
		got, _, err := perform(ctx, l.campus, t.Lane, s, shortPatience)
		if again && s.Result == "passed" && slices.Contains(within, got) {
			got = "" // the lane had let them in before, and said so late
		}
		if _, refused := errors.AsType[*campus.Refusal](err); err != nil && !refused && ctx.Err() == nil {
			l.Log.Warn("crowd", "act", s.Act.String(), "error", err)
		}
		switch {
		case problem != "":
		case err != nil:
			problem = fmt.Sprintf("%s: %v", s.Act, err)
		case got != "":
			problem = fmt.Sprintf("%s: want %s, got %s", s.Act, want(s), got)
		}
	}
	return problem
}

func (l *Live) stood(lane string, d time.Duration) {
	now := l.campus.View().Now
	l.state.Lock()
	defer l.state.Unlock()
	l.waits = append(l.waits, wait{l.clock.at(now), lane, d})
}

// How often and when people try again who were not let through as planned.
const (
	maxTries  = 6
	tryBehind = 4 * time.Minute // of the day
)

// over notes how a turn ended.
func (l *Live) over(i int, t *Turn, d *desk, problem string) {
	now := l.campus.View().Now
	l.state.Lock()
	defer l.state.Unlock()
	d.serving = false
	d.served++
	if problem == "" {
		l.finish(i, t)
		return
	}
	l.tally.Last = fmt.Sprintf("%s %s: %s", clock(l.clock.at(now)), t.Who, problem)
	if l.tried[i]++; l.tried[i] < maxTries {
		l.tally.Again++
		l.due[i] = l.clock.at(now) + time.Duration(l.tried[i])*tryBehind
		l.order = append(l.order, i)
		l.sort()
		return
	}
	l.gone[t.Who] = true
	l.tally.Gone++
	l.finish(i, t)
}

func (l *Live) finish(i int, t *Turn) {
	l.done[i] = true
	switch {
	case t.issues():
		l.tally.Issued++
	case t.Lane != "":
		l.tally.Done++
	}
}
