package presence

import (
	"cmp"
	"slices"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// outcome is how a use ended, as far as is known here. A use that is heard of
// twice has the greater of the two: what comes later in a passage is greater, so
// that neither order nor doubling matters.
//
//   - A use counts as an entry if it went in, and passed or is under way. Lost and
//     unknown ones count for single-entry passes alone; not passed is nothing.
//   - Of two uses at one controller the later one is the one with the higher
//     number of its grant; of two controllers' the one with the later wall time,
//     and neither if that is the same or one of the two clocks was not usable.
//   - Inside is a pass with a use that went in (passed, under way), and for which
//     all that went out or may have (all but not passed) were earlier.
//   - Outside is a pass for which each use that went in or may have has a later
//     one that went out (passed, under way). What is neither may be inside.
type outcome uint8

const (
	underWay  outcome = 0
	lost      outcome = 1 // of another controller, and no word came for RemoteGrant
	notPassed outcome = 2
	unknown   outcome = 3
	passed    outcome = 4
)

// outcomes of the entries that end a grant.
var outcomes = map[link.EntryType]outcome{
	link.EntryNotPassed: notPassed, link.EntryUnknown: unknown, link.EntryPassed: passed,
}

// use is one grant and what became of it: 24 bytes.
type use struct {
	grant  uint64 // Seq of the grant in its journal
	wall   int64  // Unix ms: when it ended; when it was granted, while that is not known
	slot   uint32
	source uint16
	lane   uint8 // number on its controller
	bits   uint8 // outcome, and the flags below
}

const (
	outcomeBits = 7
	goesOut     = 1 << 3
	doubtful    = 1 << 4 // the clock behind wall was not usable
	heardGrant  = 1 << 5 // the grant's own entry is in it
	usedUp      = 1 << 6 // by its controller's word it was the pass's last entry
	shortCode   = 1 << 7 // shown as a short code, which has a count of its own
)

// useOf returns what an entry says of the grant with the number seq.
func useOf(e *link.Entry, seq uint64, end outcome) use {
	u := use{grant: seq, wall: e.Wall, slot: e.Slot, lane: e.Lane, bits: uint8(end)}
	if e.Direction == uint8(gate.Out) {
		u.bits |= goesOut
	}
	if e.Clock == link.ClockUntrusted || e.Clock == link.ClockHoldover && time.Duration(e.Bound)*time.Second > access.MaxBound {
		u.bits |= doubtful
	}
	if e.Type == link.EntryGranted {
		u.bits |= heardGrant
	}
	if e.Flags&link.FlagLast != 0 {
		u.bits |= usedUp
	}
	if e.Flags&link.FlagShort != 0 {
		u.bits |= shortCode
	}
	return u
}

func (u use) end() outcome { return outcome(u.bits & outcomeBits) }
func (u use) out() bool    { return u.bits&goesOut != 0 }

// sure reports whether it counts as having happened.
func (u use) sure() bool { return u.end() == passed || u.end() == underWay }

func compare(a, b use) int {
	return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.grant, b.grant))
}

// join returns what both together say of one use.
func join(a, b use) use {
	a.wall, a.slot = max(a.wall, b.wall), max(a.slot, b.slot)
	a.bits = uint8(max(a.end(), b.end())) | (a.bits|b.bits)&^outcomeBits
	return a
}

// after reports whether u was certainly later than v.
func (u use) after(v use) bool {
	if u.source == v.source {
		return u.grant > v.grant
	}
	return (u.bits|v.bits)&doubtful == 0 && u.wall > v.wall
}

// pastOf says what uses of one pass in one zone mean for somebody who walks in
// the direction d.
func pastOf(uses []use, d gate.Direction) access.Past {
	var past access.Past
	for _, u := range uses {
		switch {
		case u.end() == notPassed:
			continue
		case !u.out() && u.sure():
			past.Used = more(past.Used)
			past.Going += uint8(count(u.end() == underWay && past.Going < 255))
		case !u.out():
			past.Unknown = more(past.Unknown)
		}
		if u.out() == (d == gate.Out) {
			past.Slot = max(past.Slot, u.slot)
		}
	}
	past.Inside, past.Entered = inside(uses)
	past.Maybe = !past.Inside && !outside(uses)
	return past
}

// inside says whether somebody is for certain, and when that one came in.
func inside(uses []use) (is bool, entered int64) {
	for _, u := range uses {
		if u.out() || !u.sure() || slices.ContainsFunc(uses, func(v use) bool {
			return v.out() && v.end() != notPassed && !u.after(v)
		}) {
			continue
		}
		is, entered = true, max(entered, u.wall)
	}
	return is, entered
}

// outside says whether nobody is for certain.
func outside(uses []use) bool {
	for _, u := range uses {
		if u.out() || u.end() == notPassed {
			continue
		}
		if !slices.ContainsFunc(uses, func(v use) bool { return v.out() && v.sure() && v.after(u) }) {
			return false
		}
	}
	return true
}

// more counts and stays at 255: a pass has at most 15 entries.
func more(n uint8) uint8 { return n + uint8(count(n < 255)) }

// put takes a use in and reports whether there was room; mu is held.
func (p *Presence) put(k key, u use) bool {
	list := p.uses[k]
	i, found := slices.BinarySearchFunc(list, u, compare)
	if found {
		u = join(list[i], u)
		if u == list[i] {
			return true
		}
	} else if !p.room(k, len(list) > 0, u.source) {
		return false
	}
	was, _ := inside(list)
	if found {
		list[i] = u
	} else {
		list = p.insert(p.uses[k], i, u)
	}
	p.uses[k] = list
	is, _ := inside(list)
	p.inside += count(is) - count(was)
	p.changes++
	return true
}

// insert puts u at i, and takes another one away where one controller has too
// many of one pass.
func (p *Presence) insert(list []use, i int, u use) []use {
	list = slices.Insert(list, i, u)
	p.count(u.source, 1)
	from, to := i, i+1
	for from > 0 && list[from-1].source == u.source {
		from--
	}
	for to < len(list) && list[to].source == u.source {
		to++
	}
	if to-from <= maxRun {
		return list
	}
	p.count(u.source, -1)
	return slices.Delete(list, from+least(list[from:to]), from+least(list[from:to])+1)
}

// least returns the use of a run that says the least: one that was not passed,
// else one that went out, else one that went in; of these the oldest. The newest
// of all says where the person is.
func least(run []use) (at int) {
	weight := func(i int) int {
		switch {
		case run[i].end() == notPassed:
			return 0
		case i == len(run)-1:
			return 3
		case run[i].out():
			return 1
		}
		return 2
	}
	for i := range run {
		if weight(i) < weight(at) {
			at = i
		}
	}
	return at
}

// room reports whether one more use can be kept, and makes room for an own one.
func (p *Presence) room(k key, known bool, source uint16) bool {
	if source != own {
		return p.roomForOther(known, source)
	}
	if p.total < MaxUses && (known || len(p.uses) < MaxRecords) {
		return true
	}
	return p.dropOldest(k.day())
}

// dropOldest makes room by forgetting the oldest day, if it is before d; mu is held.
func (p *Presence) dropOldest(d pass.Day) bool {
	oldest := d
	for k := range p.uses {
		oldest = min(oldest, k.day())
	}
	if oldest == d {
		return false
	}
	p.forget(oldest + 1)
	return true
}

// drop forgets one pass in one zone; mu is held.
func (p *Presence) drop(k key, list []use) {
	is, _ := inside(list)
	p.inside -= count(is)
	for _, u := range list {
		p.count(u.source, -1)
	}
	delete(p.uses, k)
}
