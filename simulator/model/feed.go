package model

import (
	"errors"
	"fmt"
)

// Bounds of the feed's model.
const (
	feedHeads = 7 // heads that central signs in all
	feedSeq   = 4 // events of one epoch
)

// place is a point of central's history, as a chain value names it. The line
// changes when central was restored from a backup: with the same epoch it goes on
// otherwise (an operator's mistake, or a thief of the key), with a new epoch as it should.
type place struct {
	epoch, line, seq uint8
}

var nowhere = place{}

// blend is the line of a state that no central ever had: one history's events on another's.
const blend = 3

// Feed is the model's state: what central has signed, and one lane.
type Feed struct {
	heads  [feedHeads]place // in the order of issue; a delta or snapshot exists for whatever a head named
	issued uint8
	fork   uint8 // where line 2 of epoch 1 leaves line 1; 0: it has not
	mixed  bool  // central forked its history within an epoch

	cache, copied place // on the lane's disk; copied: an old copy of the file that somebody keeps
	floor         place // in the journal: what was reported to central
	shown         place // what passes are judged by
	held          place // the candidate on the way to the floor, not shown
	head          uint8 // newest head taken, 1.. in order of issue; 0 none since the start
}

// FeedRules are what a lane checks; the zero value checks everything. Each switch
// leaves a rule out, and a test shows that the model then breaks.
type FeedRules struct {
	NoFloor     bool // a cache that is behind the journal's floor is shown
	NoChain     bool // a delta's chain value before it is not compared
	AnySnapshot bool // snapshots need no head that names them
	NoHeadOrder bool // an older head is taken after a newer one
	NoRange     bool // nothing is asked for: what was lost stays lost
}

// upto returns the place at seq on the way to p: a line's beginning is its parent's.
func (f *Feed) upto(p place, seq uint8) place {
	if p.line == 2 && seq <= f.fork {
		return place{p.epoch, 1, seq}
	}
	return place{p.epoch, p.line, seq}
}

// leads reports whether a's history is the beginning of b's, within an epoch.
func (f *Feed) leads(a, b place) bool {
	return a.epoch == b.epoch && a.seq <= b.seq && f.upto(b, a.seq) == a
}

// before reports whether p must not be shown by a lane with this floor.
func (f *Feed) before(p place) bool {
	return p.epoch < f.floor.epoch || p.epoch == f.floor.epoch && p.seq < f.floor.seq
}

// now is where central is.
func (f *Feed) now() place { return f.heads[f.issued-1] }

// FeedMachine is the feed between one central and one lane.
func FeedMachine(r FeedRules) Machine[Feed] {
	start := Feed{issued: 1}
	start.heads[0] = place{1, 1, 0}
	return Machine[Feed]{
		Start: start, Bound: 1_000_000,
		Moves: func(f Feed) []Move[Feed] {
			moves := append(f.central(), f.disk(r)...)
			return append(moves, f.receive(r)...)
		},
		Holds: func(f Feed) error { return f.holds() },
		Step:  func(a, b Feed) error { return a.step(b) },
		Goal:  func(f Feed) bool { return f.mixed || f.shown == f.now() && f.floor == f.shown },
	}
}

// central moves: an event, and a restored backup with and without a new epoch.
func (f Feed) central() (moves []Move[Feed]) {
	if f.issued == feedHeads {
		return nil
	}
	at := f.now()
	sign := func(name string, p place) {
		n := f
		n.heads[n.issued] = p
		n.issued++
		moves = append(moves, Move[Feed]{Name: name, To: n})
	}
	if at.seq < feedSeq {
		sign("central: event", place{at.epoch, at.line, at.seq + 1})
	}
	if at.epoch == 1 {
		sign("central: new epoch", place{2, 1, 0})
	}
	if at.epoch == 1 && at.line == 1 && at.seq > 0 {
		for back := range at.seq {
			n := f
			n.fork, n.mixed = back, true
			n.heads[n.issued] = place{1, 2, back + 1}
			n.issued++
			moves = append(moves, Move[Feed]{Name: "central: history forks", To: n})
		}
	}
	return moves
}

// disk moves: power goes, the cache is lost, or an old copy is put back; the
// floor is written behind what is shown.
func (f Feed) disk(r FeedRules) (moves []Move[Feed]) {
	restart := func(name string, cache place) {
		n := f
		n.cache, n.shown, n.held, n.head = cache, cache, nowhere, 0
		if !r.NoFloor && (n.before(cache) || cache.epoch == n.floor.epoch && cache.seq == n.floor.seq && cache != n.floor) {
			n.shown, n.held = nowhere, cache
		}
		moves = append(moves, Move[Feed]{Name: name, To: n})
	}
	restart("lane: power cut", f.cache)
	restart("lane: cache lost", nowhere)
	restart("lane: old cache put back", f.copied)
	copied := f
	copied.copied = f.cache
	moves = append(moves, Move[Feed]{Name: "thief: copies the cache", To: copied})
	if f.shown != nowhere && f.shown != f.floor {
		n := f
		n.floor = f.shown
		moves = append(moves, Move[Feed]{Name: "lane: floor, report", To: n, Fair: true})
	}
	return moves
}

// receive moves: any message that was ever signed arrives.
func (f Feed) receive(r FeedRules) (moves []Move[Feed]) {
	for i := range f.issued {
		p, fair := f.heads[i], i == f.issued-1
		if n, ok := f.takeHead(i+1, p, r); ok {
			moves = append(moves, Move[Feed]{Name: "lane: head", To: n, Fair: fair})
		}
		if n, ok := f.takeSnapshot(p, r); ok {
			moves = append(moves, Move[Feed]{Name: "lane: snapshot", To: n, Fair: fair && !r.NoRange})
		}
		for from := range p.seq {
			n, ok := f.takeDelta(f.upto(p, from), p, r)
			if ok {
				moves = append(moves, Move[Feed]{Name: "lane: delta", To: n, Fair: fair && !r.NoRange})
			}
		}
	}
	return moves
}

// takeHead is judgeHead of agent/feed.
func (f Feed) takeHead(number uint8, p place, r FeedRules) (Feed, bool) {
	if number <= f.head && !r.NoHeadOrder {
		return f, false
	}
	last := nowhere
	if f.head > 0 {
		last = f.heads[f.head-1]
	}
	for _, known := range []place{f.floor, last, f.shown} {
		if known != nowhere && !f.agrees(known, p) {
			return f, false // FORK: kept out and alarmed
		}
	}
	f.head = number
	return f, true
}

// agrees reports whether a head may follow what the lane knows: not before it,
// and the same hash at the same number. What lies between the numbers a head cannot tell.
func (f *Feed) agrees(known, head place) bool {
	switch {
	case head.epoch != known.epoch:
		return head.epoch > known.epoch
	case head.seq < known.seq:
		return f.leads(head, f.shown) && known == f.shown // a delta overtook it
	}
	return head.seq > known.seq || head == known
}

// standing is what deltas go on from.
func (f *Feed) standing() place {
	if f.held != nowhere {
		return f.held
	}
	return f.shown
}

func (f Feed) takeDelta(from, to place, r FeedRules) (Feed, bool) {
	s := f.standing()
	if s == nowhere || s.epoch != from.epoch || s.seq != from.seq || s != from && !r.NoChain {
		return f, false
	}
	if f.floor.epoch == to.epoch && f.floor.seq > from.seq && f.floor.seq <= to.seq && !f.leads(f.floor, to) && !r.NoFloor {
		return f, false // FORK
	}
	if s != from {
		to.line = blend
	}
	return f.show(to, r)
}

// takeSnapshot takes the set that the newest head names.
func (f Feed) takeSnapshot(p place, r FeedRules) (Feed, bool) {
	if !r.AnySnapshot && (f.head == 0 || f.heads[f.head-1] != p) {
		return f, false
	}
	if s := f.shown; s != nowhere && s.epoch == p.epoch && s.seq >= p.seq && !r.AnySnapshot {
		return f, false
	}
	if f.floor.epoch == p.epoch && f.floor.seq == p.seq && f.floor != p && !r.NoFloor {
		return f, false // FORK
	}
	return f.show(p, r)
}

// show makes p the lane's state, in the cache first, or holds it.
func (f Feed) show(p place, r FeedRules) (Feed, bool) {
	if h := f.head; h > 0 && f.heads[h-1].epoch == p.epoch && f.heads[h-1].seq == p.seq && f.heads[h-1] != p {
		return f, false // FORK
	}
	if f.before(p) && !r.NoFloor {
		f.held = p
		return f, true
	}
	f.cache, f.shown, f.held = p, p, nowhere
	return f, true
}

var (
	errBehind = errors.New("the lane shows less than it has reported")
	errMixed  = errors.New("the lane shows another history than it has reported, or none that central had")
	errOld    = errors.New("the lane took an older head after a newer one")
	errBack   = errors.New("the lane went back or sideways while it ran")
)

// holds is what must be true of each state.
func (f *Feed) holds() error {
	switch {
	case f.shown.line == blend:
		return fmt.Errorf("%w: %+v", errMixed, f.shown)
	case f.shown == nowhere || f.floor == nowhere:
		return nil
	case f.before(f.shown):
		return fmt.Errorf("%w: %+v, %+v", errBehind, f.shown, f.floor)
	case f.shown.epoch == f.floor.epoch && !f.leads(f.floor, f.shown) && !f.mixed:
		return fmt.Errorf("%w: %+v, %+v", errMixed, f.shown, f.floor)
	}
	return nil
}

// step is what must be true of each move: while the lane runs, what it shows goes
// on. In an epoch that central has forked a lane that missed deltas can be led to
// the other history by snapshots, as if it were the same: it raises FORK when a
// delta, a number that it knows, or its own report contradicts, and not before.
func (f *Feed) step(to Feed) error {
	if to.head != 0 && to.head < f.head {
		return errOld
	}
	if f.shown == nowhere || to.shown == nowhere || to.shown == f.shown || to.head == 0 && f.head != 0 {
		return nil
	}
	if to.head == 0 && (to.shown == f.cache || to.shown == f.copied) {
		return nil // a restart
	}
	if to.shown.epoch > f.shown.epoch || f.leads(f.shown, to.shown) || f.mixed {
		return nil
	}
	return fmt.Errorf("%w: %+v to %+v", errBack, f.shown, to.shown)
}
