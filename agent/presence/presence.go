// Package presence remembers who is inside and which entries and live codes are used up, from journal entries alone: its own controller's and other ones'.
//
// A grant holds what it would use; its result commits that (passed), gives it
// back (not passed), or leaves it in doubt (unknown: used for a single-entry
// pass, not inside). Whatever is in here can be made again by applying the
// journal from its start, or from a checkpoint on; the other controllers' part
// by asking for it.
//
// What is remembered is a set of uses, and what it means follows from the set,
// whatever the order in which they came. "Outcome" in uses.go has the rules.
package presence

import (
	"maps"
	"sync"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// Bounds of the memory: 44 MB if all of them are reached, and as much again while a
// checkpoint is made. A day of 30,000 passes that went in and out twice is 6.5 MB,
// and a checkpoint of it 6 MB more (measured).
const (
	// MaxRecords bounds the passes, per zone: two days of the largest status list.
	MaxRecords = 2 * link.MaxCapacity
	// MaxUses bounds the passages of all of them. Beyond one of the two the oldest
	// day goes first; a use for which there is no room at all is counted in
	// Stats.Overflow and counts as never made.
	MaxUses = 2 * MaxRecords
	// maxRun bounds the passages of one pass in one zone at one controller.
	maxRun = 32
)

// stripes is how many passes can be decided at the same time.
const stripes = 64

// Presence is safe for concurrent use.
type Presence struct {
	deciding [stripes]sync.Mutex // one pass is decided at one lane at a time
	quiet    sync.RWMutex        // held for writing while a checkpoint is made

	mu        sync.Mutex            // guards the following
	uses      map[key][]use         // ascending by source and grant; none is empty
	total     int                   // of them
	seen      map[key]uint8         // highest generation above 0, by pass (zone 0)
	pending   map[uint64]link.Entry // own grants without a result, by their Seq; one a lane at most
	sources   []source              // the own one first
	index     map[sourceID]uint16   // of sources, but for the own one
	due       []dueUse              // other controllers' grants, oldest first, until they are given up
	unset     int                   // of them from the front, whose until is to be set: from a checkpoint
	conflicts map[uint64]pass.Day   // own grants that were named in one, by their Seq, with the day of their pass
	floor     pass.Day              // what was before is forgotten for good
	changes   uint64                // see Changes
	inside    int
	overflow  uint64
	scratch   []use      // so that Of allocates nothing
	codes     supervisor // used supervisor codes and modes by hand
}

// key is day, index and zone: 16, 24 and 4 bits.
type key uint64

func keyOf(id pass.ID, zone uint8) key {
	return key(id.Day)<<28 | key(id.Index&pass.MaxIndex)<<4 | key(zone&15)
}

func (k key) day() pass.Day { return pass.Day(k >> 28) }

// New returns an empty presence.
func New() *Presence {
	return &Presence{
		uses: map[key][]use{}, seen: map[key]uint8{}, pending: map[uint64]link.Entry{},
		sources: make([]source, 1), index: map[sourceID]uint16{}, conflicts: map[uint64]pass.Day{}, codes: newSupervisor(),
	}
}

// Own says which journal Apply's entries are of. If the presence comes from a
// checkpoint of another journal (this one replaced a damaged one), what it knows is
// still the best that is known of the time before; its grants ended who knows how,
// and this journal comes on top. Call it before the first Apply.
func (p *Presence) Own(journal link.JournalID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := sourceID{journal: journal}
	if p.sources[own].id == id {
		return
	}
	for seq := range p.pending {
		p.settle(seq, link.EntryUnknown)
	}
	if p.sources[own].uses > 0 {
		p.retire()
	}
	p.sources[own] = source{id: id}
	clear(p.conflicts)
}

// Lock makes the caller the only one to decide on a pass, from the look-up to
// the Apply of the appended entry, and holds checkpoints off meanwhile. Unlock
// follows soon: within one append to the journal.
func (p *Presence) Lock(id pass.ID) {
	p.deciding[id.Index%stripes].Lock()
	p.quiet.RLock()
}

// Unlock ends what Lock began.
func (p *Presence) Unlock(id pass.ID) {
	p.quiet.RUnlock()
	p.deciding[id.Index%stripes].Unlock()
}

// Of returns what is known of a pass in a zone for somebody who walks in the
// direction d. What grants under way hold is in it as if it had happened.
func (p *Presence) Of(id pass.ID, zone uint8, d gate.Direction) access.Past {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scratch = append(p.scratch[:0], p.uses[keyOf(id, zone)]...)
	for _, e := range p.pending {
		if e.Pass == id && e.Zone == zone {
			p.scratch = append(p.scratch, useOf(&e, e.Seq, underWay))
		}
	}
	past := pastOf(p.scratch, d)
	past.Generation = p.seen[keyOf(id, 0)]
	return past
}

// Apply takes an entry of the own journal in. Entries of one pass, and of one
// lane, come in the journal's order. A result whose grant is not under way, or
// was settled before, changes nothing.
func (p *Presence) Apply(e link.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Type {
	case link.EntryDenied:
		if e.Reason.Authentic() {
			p.see(&e)
		}
	case link.EntryGranted:
		p.supersede(e.Lane)
		p.pending[e.Seq] = e
		p.see(&e)
	case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
		if g, ok := p.pending[e.Grant]; ok && e.Wall > g.Wall {
			g.Wall = e.Wall // when the person walked
			p.pending[e.Grant] = g
		}
		p.settle(e.Grant, e.Type)
	case link.EntryConflict:
		p.conflicts[e.Grant] = e.Pass.Day
	case link.EntryMode:
		p.changeMode(e)
	}
}

// see remembers a generation; mu is held.
func (p *Presence) see(e *link.Entry) {
	k := keyOf(e.Pass, 0)
	if e.Kind == pass.Supervisor || e.Kind == pass.Command || e.Gen <= p.seen[k] || len(p.seen) >= MaxRecords {
		return
	}
	p.seen[k] = e.Gen
}

// supersede settles as unknown what a lane left open: it has one passage at a
// time, so a new grant says that the old one's result was lost; mu is held.
func (p *Presence) supersede(lane uint8) {
	for seq, e := range p.pending {
		if e.Lane == lane {
			p.settle(seq, link.EntryUnknown)
		}
	}
}

// settle commits or drops the own grant with the number seq; mu is held.
func (p *Presence) settle(seq uint64, result link.EntryType) {
	e, ok := p.pending[seq]
	if !ok {
		return
	}
	delete(p.pending, seq)
	if result == link.EntryNotPassed {
		return // it comes in order: nothing of it can follow
	}
	switch e.Kind {
	case pass.Supervisor:
		p.useCode(e.Pass)
		return
	case pass.Command: // whoever walked has no pass that it would count for
		return
	}
	if k := keyOf(e.Pass, e.Zone); !p.put(k, useOf(&e, seq, outcomes[result])) {
		p.overflow++
	}
}

// Forget drops what is known of passes of days before d, for good. The caller
// knows the day for certain: with a wrong clock, used passes would become new ones.
func (p *Presence) Forget(d pass.Day) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(d)
}

func (p *Presence) forget(d pass.Day) {
	p.floor = max(p.floor, d)
	p.codes.forget(d)
	maps.DeleteFunc(p.conflicts, func(_ uint64, day pass.Day) bool { return day < d })
	for k, list := range p.uses {
		if k.day() < d {
			p.drop(k, list)
		}
	}
	for k := range p.seen {
		if k.day() < d {
			delete(p.seen, k)
		}
	}
	p.release()
}

// Stats says how much is remembered.
type Stats struct {
	Records  int    // passes, per zone
	Inside   int    // of them inside now
	Pending  int    // own grants without a result
	Overflow uint64 // uses for which there was no room
	Others   int    // other controllers whose uses are in it
	Awaited  int    // their grants without a result
}

// Stats returns the counts as of now.
func (p *Presence) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Records: len(p.uses), Inside: p.inside, Pending: len(p.pending), Overflow: p.overflow, Awaited: p.awaited()}
	for _, x := range p.sources[1:] {
		s.Others += count(x.uses > 0)
	}
	return s
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Expire gives the other controllers' grants up that have had no result for
// RemoteGrant: they are unknown until one comes. Call it once a second or so,
// with a time that has a monotonic reading.
func (p *Presence) Expire(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
}
