package presence

import (
	"slices"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// RemoteGrant is how long another controller's grant counts as under way without
// a result: longer than any gate's window and grace, so what is then still
// missing was lost on the way, or its controller died.
const RemoteGrant = 30 * time.Second

// raceTime is how long word of a use may take between two controllers that hear
// each other, their clocks' disagreement included.
const raceTime = 2 * time.Second

// Bounds of what other controllers can fill. Their keys vouch for what they
// say; a stolen one must not cost the memory of this one or of the others.
const (
	maxOthers      = MaxUses / 4 * 3 // uses of all of them
	maxOtherPasses = MaxRecords / 4 * 3
	maxOfLane      = MaxUses / 4 // uses of one of them: four busy lanes, two days
	maxSources     = 4096        // journals
	maxJournals    = 8           // of one controller that have uses
	maxDue         = 1 << 14     // grants under way: three times what a hundred controllers make at rush hour
	maxConflicts   = 4096        // own grants of these days that were named in one
)

// own is the source of this controller's own uses.
const own = 0

// sourceID names the journal that a use stands in.
type sourceID struct {
	lane    string // the controller; empty for this one, which may have had other journals
	journal link.JournalID
}

// source is a journal and how many uses of it are remembered. A slot without
// uses, but the own one, is free.
type source struct {
	id   sourceID
	uses int
}

// dueUse is a grant of another controller that had no result when it came.
type dueUse struct {
	key   key
	use   use
	until time.Time // zero: not set since the start
}

// Remote takes an entry of another controller's journal in: granted, passed, not
// passed or unknown; others are passed over. Order and doubling do not matter,
// and a result says all that its grant does. The grant counts as under way for
// RemoteGrant at most and is lost afterwards, until a result comes. now needs a
// monotonic reading.
//
// It returns the own grant that the entry's grant collides with: the same pass
// let into the same zone by two lanes that did not know of each other, at the same
// time (race) or though it had no entry left (overuse). Each grant is judged when it
// is heard of first, and when it is heard first that somebody walked; an own one is
// named once: whoever has another controller's key fills no journal with them. Seq,
// Lane, Wall and Slot are the own grant's; what the pass is is the same for both;
// the rest is zero.
//
// Whose entry it is must have been proved. An empty lane says that it is of an
// earlier journal of this controller, that was lost with what it knew; entries of
// the own journal are passed over, for they come by Apply.
func (p *Presence) Remote(lane string, journal link.JournalID, e link.Entry, now time.Time) (conflict *link.Entry) {
	k := keyOf(e.Pass, e.Zone)
	u, ok := remoteUse(&e)
	if !ok {
		return nil
	}
	p.Lock(e.Pass) // a lane that decides on it now comes first, and is seen
	defer p.Unlock(e.Pass)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expire(now)
	if e.Pass.Day < p.floor || p.sources[own].id == (sourceID{lane, journal}) {
		return nil
	}
	if u.source, ok = p.source(sourceID{lane, journal}); !ok {
		p.overflow++
		return nil
	}
	before, known := p.find(k, u)
	if !p.put(k, u) {
		p.overflow++
		return nil
	}
	p.see(&e)
	if !known && u.end() == underWay {
		p.await(dueUse{k, u, now.Add(RemoteGrant)})
	}
	return p.collision(k, before, u, &e)
}

// remoteUse checks the fields that place a use.
func remoteUse(e *link.Entry) (u use, ok bool) {
	seq, end := e.Grant, outcomes[e.Type]
	if e.Type == link.EntryGranted {
		seq, end = e.Seq, underWay
	} else if end == underWay { // none of the table
		return u, false
	}
	ok = seq != 0 && seq <= e.Seq && e.Wall >= 0 && e.Pass.Index <= pass.MaxIndex && e.Zone < 16 && e.Kind != pass.Supervisor &&
		(e.Direction == uint8(gate.In) || e.Direction == uint8(gate.Out))
	return useOf(e, seq, end), ok
}

func (p *Presence) find(k key, u use) (use, bool) {
	i, found := slices.BinarySearchFunc(p.uses[k], u, compare)
	if !found {
		return use{}, false
	}
	return p.uses[k][i], true
}

// collision returns the newest own grant that r, of which before was known, collides
// with and that was named in no conflict before, nil if there is none.
func (p *Presence) collision(k key, before, r use, e *link.Entry) *link.Entry {
	granted := r.bits&heardGrant != 0 && before.bits&heardGrant == 0 && before.end() != notPassed
	walked := r.end() == passed && before.end() != passed && r.bits&usedUp != 0
	if r.out() || !granted && !walked {
		return nil
	}
	uses := slices.Clone(p.uses[k])
	for _, g := range p.pending {
		if g.Pass == e.Pass && g.Zone == e.Zone {
			uses = append(uses, useOf(&g, g.Seq, underWay))
		}
	}
	var hit *use
	for i, u := range uses {
		if u.source != own || u.out() || p.named(u.grant) || hit != nil && u.grant < hit.grant {
			continue
		}
		if granted && race(u, r, e.Flags, uses) || walked && overuse(u, r) {
			hit = &uses[i]
		}
	}
	if hit == nil {
		return nil
	}
	if len(p.conflicts) >= maxConflicts {
		p.overflow++
		return nil
	}
	p.conflicts[hit.grant] = e.Pass.Day
	return &link.Entry{
		Type: link.EntryGranted, Seq: hit.grant, Lane: hit.lane, Wall: hit.wall, Slot: hit.slot, Direction: e.Direction, Zone: e.Zone,
		Pass: e.Pass, Kind: e.Kind, KeyID: e.KeyID, Gen: e.Gen, Holder: e.Holder,
	}
}

// named reports whether an own grant stands in a conflict already; mu is held.
func (p *Presence) named(grant uint64) bool {
	_, ok := p.conflicts[grant]
	return ok
}

// race reports whether u, an own use, and r were granted at the same time
// without knowledge of each other. If r is the earlier one that is certain: here it
// was not known until now. If it is the later one its lane may have known of u,
// unless word of u could hardly be there; and its flag may say that it did. Where
// the clocks do not tell, what counts is whether u is under way.
func race(u, r use, flags link.EntryFlags, uses []use) bool {
	knew := flags&link.FlagPassback != 0
	if (u.bits|r.bits)&doubtful != 0 {
		return u.end() == underWay && !knew
	}
	first, second, limit := r, u, RemoteGrant
	if r.wall > u.wall {
		first, second, limit = u, r, raceTime
		if knew {
			return false
		}
	}
	if second.wall-first.wall > limit.Milliseconds() {
		return false
	}
	return !slices.ContainsFunc(uses, func(v use) bool {
		return v.out() && v.end() != notPassed && v.after(first) && !v.after(second)
	})
}

// overuse reports whether u, an own use, was one too many beside r, on which somebody
// walked and which left the pass no entry. Two such are, whatever the clocks say: had
// one lane known of the other's it would have refused. The lane of the later one
// writes that down; both do where the clocks do not tell. If u is not such a one, as
// of a pass with several entries of which little was known here, it has to be later
// beyond what two usable clocks can be wrong.
func overuse(u, r use) bool {
	if r.bits&usedUp == 0 || (u.bits^r.bits)&shortCode != 0 {
		return false
	}
	if u.bits&usedUp != 0 {
		return !r.after(u)
	}
	return u.after(r) && u.wall-r.wall > 2*access.MaxBound.Milliseconds()
}

// await remembers a grant without a result. Where there are too many, the oldest is
// given up early.
func (p *Presence) await(d dueUse) {
	if len(p.due) >= maxDue {
		p.giveUp(p.due[0])
		p.due = p.due[1:]
	}
	p.due = append(p.due, d)
}

// expire gives up what is due; mu is held. It looks at no more than that: each
// word of another controller comes by here, and decisions wait meanwhile.
func (p *Presence) expire(now time.Time) {
	for ; p.unset > 0; p.unset-- {
		p.due[p.unset-1].until = now.Add(RemoteGrant)
	}
	n := 0
	for n < len(p.due) && !now.Before(p.due[n].until) {
		p.giveUp(p.due[n])
		n++
	}
	p.due = p.due[n:]
}

// giveUp makes a grant a lost one, if nothing came of it.
func (p *Presence) giveUp(d dueUse) {
	if at, known := p.find(d.key, d.use); known && at.end() == underWay {
		d.use.bits |= uint8(lost)
		p.put(d.key, d.use)
	}
}

// awaited counts the grants without a result; mu is held.
func (p *Presence) awaited() (n int) {
	for _, d := range p.due {
		at, known := p.find(d.key, d.use)
		n += count(known && at.end() == underWay)
	}
	return n
}

// source returns the number of a journal, and gives it one if there is room.
func (p *Presence) source(id sourceID) (uint16, bool) {
	if s, ok := p.index[id]; ok {
		return s, true
	}
	if id.lane != "" && !link.ValidID(id.lane) {
		return 0, false
	}
	free, journals := 0, 0
	for s := range p.sources {
		if s == own {
			continue
		}
		x := &p.sources[s]
		switch {
		case x.uses == 0:
			free = s
		case x.id.lane == id.lane:
			journals++
		}
	}
	switch {
	case journals >= maxJournals || free == 0 && len(p.sources) > maxSources:
		return 0, false
	case free == 0:
		free = len(p.sources)
		p.sources = append(p.sources, source{})
	}
	delete(p.index, p.sources[free].id)
	p.sources[free] = source{id: id}
	p.index[id] = uint16(free)
	return uint16(free), true
}

// release frees the journals of which nothing is remembered; mu is held.
func (p *Presence) release() {
	for s := range p.sources {
		if s != own && p.sources[s].uses == 0 {
			delete(p.index, p.sources[s].id)
			p.sources[s] = source{}
		}
	}
}

// retire makes the own uses those of an older journal: what it was named tells
// them from those of its successor; mu is held.
func (p *Presence) retire() {
	s := uint16(len(p.sources)) // always room: maxSources is far below its type's
	p.sources = append(p.sources, p.sources[own])
	p.index[p.sources[s].id] = s
	for _, list := range p.uses {
		for i := range list {
			if list[i].source == own {
				list[i].source = s
			}
		}
		slices.SortFunc(list, compare)
	}
}

// count notes n more uses of a source.
func (p *Presence) count(s uint16, n int) {
	p.total += n
	p.sources[s].uses += n
}

// roomForOther reports whether one more use of another controller can be kept.
// Nothing is forgotten for it: whatever it says, it is not worth more than what
// is known already.
func (p *Presence) roomForOther(known bool, s uint16) bool {
	others, ofLane := p.total-p.sources[own].uses, 0
	for _, x := range p.sources[1:] {
		if x.id.lane == p.sources[s].id.lane {
			ofLane += x.uses
		}
	}
	return p.total < MaxUses && others < maxOthers && ofLane < maxOfLane && (known || len(p.uses) < maxOtherPasses)
}

// Changes counts what has changed since the start: a checkpoint is worth writing
// when it has risen.
func (p *Presence) Changes() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changes
}
