// Package presence remembers who is inside and which entries and live codes are used up, from the journal's entries alone.
//
// A grant holds what it would use; its result commits that (passed), gives it
// back (not passed), or leaves it in doubt (unknown: used for a single-entry
// pass, not inside). Whatever is in here can be made again by applying the
// journal from its start, or from a checkpoint on.
package presence

import (
	"sync"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// MaxRecords bounds the memory: two days of the largest status list, each pass
// seen in one zone (about 16 MB). Beyond it the oldest day goes first; a pass
// for which there is no room at all is counted in Stats.Overflow and counts as
// never seen.
const MaxRecords = 2 * link.MaxCapacity

// stripes is how many passes can be decided at the same time.
const stripes = 64

// Presence is safe for concurrent use.
type Presence struct {
	deciding [stripes]sync.Mutex // one pass is decided at one lane at a time
	quiet    sync.RWMutex        // held for writing while a checkpoint is made

	mu       sync.Mutex // guards the following
	records  map[key]record
	seen     map[key]uint8         // highest generation above 0, by pass (zone 0)
	pending  map[uint64]link.Entry // grants without a result, by their Seq; one a lane at most
	codes    supervisor            // used supervisor codes and modes by hand
	inside   int
	overflow uint64
}

// key is day, index and zone: 16, 24 and 4 bits.
type key uint64

func keyOf(id pass.ID, zone uint8) key {
	return key(id.Day)<<28 | key(id.Index&pass.MaxIndex)<<4 | key(zone&15)
}

func (k key) day() pass.Day { return pass.Day(k >> 28) }

// record is what is committed for one pass in one zone. The zero value is not stored.
type record struct {
	inside  bool
	used    uint8
	unknown uint8
	slotIn  uint32
	slotOut uint32
}

// New returns an empty presence.
func New() *Presence {
	return &Presence{records: map[key]record{}, seen: map[key]uint8{}, pending: map[uint64]link.Entry{}, codes: newSupervisor()}
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
	r := p.records[keyOf(id, zone)]
	for _, e := range p.pending {
		if e.Pass == id && e.Zone == zone {
			r = r.passed(e)
		}
	}
	past := access.Past{Inside: r.inside, Used: r.used, Unknown: r.unknown, Slot: r.slotIn}
	if d == gate.Out {
		past.Slot = r.slotOut
	}
	past.Generation = p.seen[keyOf(id, 0)]
	return past
}

// Apply takes an entry of the journal in. Entries of one pass, and of one lane,
// come in the journal's order. A result whose grant is not under way, or was
// settled before, changes nothing.
func (p *Presence) Apply(e link.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Type {
	case link.EntryDenied:
		if e.Reason.Authentic() {
			p.see(e)
		}
	case link.EntryGranted:
		p.supersede(e.Lane)
		p.pending[e.Seq] = e
		p.see(e)
	case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
		p.settle(e.Grant, e.Type)
	case link.EntryMode:
		p.changeMode(e)
	}
}

// see remembers a generation; mu is held.
func (p *Presence) see(e link.Entry) {
	k := keyOf(e.Pass, 0)
	if e.Kind == pass.Supervisor || e.Gen <= p.seen[k] || len(p.seen) >= MaxRecords {
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

// settle commits or drops the grant with the number seq; mu is held.
func (p *Presence) settle(seq uint64, result link.EntryType) {
	e, ok := p.pending[seq]
	if !ok {
		return
	}
	delete(p.pending, seq)
	if e.Kind == pass.Supervisor {
		if result != link.EntryNotPassed {
			p.useCode(e.Pass)
		}
		return
	}
	k := keyOf(e.Pass, e.Zone)
	switch result {
	case link.EntryPassed:
		p.set(k, p.records[k].passed(e))
	case link.EntryUnknown:
		p.set(k, p.records[k].doubtful(e))
	}
}

func (p *Presence) set(k key, r record) {
	old, known := p.records[k]
	if !known && len(p.records) >= MaxRecords && !p.dropOldest(k.day()) {
		p.overflow++
		return
	}
	p.records[k] = r
	if r == (record{}) {
		delete(p.records, k)
	}
	p.inside += count(r.inside) - count(old.inside)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// dropOldest makes room by forgetting the oldest day, if it is before d; mu is held.
func (p *Presence) dropOldest(d pass.Day) bool {
	oldest := d
	for k := range p.records {
		oldest = min(oldest, k.day())
	}
	if oldest == d {
		return false
	}
	p.forget(oldest + 1)
	return true
}

// passed returns r after the person of grant e walked through.
func (r record) passed(e link.Entry) record {
	r = r.showed(e)
	switch gate.Direction(e.Direction) {
	case gate.In:
		r.inside = true
		r.used = more(r.used)
	case gate.Out:
		r.inside = false
	}
	return r
}

// doubtful returns r after grant e ended and nobody knows how.
func (r record) doubtful(e link.Entry) record {
	r = r.showed(e)
	switch gate.Direction(e.Direction) {
	case gate.In:
		r.unknown = more(r.unknown)
	case gate.Out:
		r.inside = false
	}
	return r
}

// showed commits the live slot.
func (r record) showed(e link.Entry) record {
	switch gate.Direction(e.Direction) {
	case gate.In:
		r.slotIn = max(r.slotIn, e.Slot)
	case gate.Out:
		r.slotOut = max(r.slotOut, e.Slot)
	}
	return r
}

// more counts and stays at 255: a pass has at most 15 entries.
func more(n uint8) uint8 { return n + uint8(count(n < 255)) }

// Forget drops what is known of passes of days before d. The caller knows the
// day for certain: with a wrong clock, used passes would become new ones.
func (p *Presence) Forget(d pass.Day) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(d)
}

func (p *Presence) forget(d pass.Day) {
	p.codes.forget(d)
	for k, r := range p.records {
		if k.day() < d {
			delete(p.records, k)
			p.inside -= count(r.inside)
		}
	}
	for k := range p.seen {
		if k.day() < d {
			delete(p.seen, k)
		}
	}
}

// Stats says how much is remembered.
type Stats struct {
	Records  int    // passes, per zone
	Inside   int    // of them inside now
	Pending  int    // grants without a result
	Overflow uint64 // passes for which there was no room
}

// Stats returns the counts as of now.
func (p *Presence) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{len(p.records), p.inside, len(p.pending), p.overflow}
}
