package neighbours

import (
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// told is what this controller's lanes told of one zone.
type told struct {
	kept  []kept // ascending seq
	fresh int    // of them are to be sent
	acked uint64 // central has the journal up to here
	older int    // what the next hello tells again beside the newest
}

type kept struct {
	seq   uint64
	day   pass.Day // of the pass
	fresh bool
	at    time.Time // when it was taken; zero: at an earlier start
	raw   [link.EntrySize]byte
}

// maxKept bounds the uses of a zone that are told again by hellos, and dropKept is
// how many of the oldest go at once. At one hello in two seconds, each tells the
// oldest again within ten minutes.
const (
	maxKept  = 4096
	dropKept = 256
)

// repeats is how many uses from before each message has again, for whoever lost
// the message before.
const repeats = 3

// Took takes an entry that is durable in the own journal, with its Seq. It does
// not block.
func (n *Neighbours) Took(e link.Entry) {
	if !n.keep(&e, true) {
		return
	}
	select {
	case n.nudge <- struct{}{}:
	default:
	}
}

// Recall takes an entry of an earlier start of this agent: hellos tell it, nothing
// is sent for it alone.
func (n *Neighbours) Recall(e link.Entry) { n.keep(&e, false) }

func (n *Neighbours) keep(e *link.Entry, fresh bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.own[e.Zone]
	if t == nil || !e.IsUse() {
		return false
	}
	if e.Boot == 0 {
		e.Boot = n.c.Boot // the journal sets it in its own copy
	}
	at := time.Time{}
	if fresh {
		at = n.c.Now()
	}
	t.add(e, at)
	return true
}

// add puts an entry in its place: lanes of one controller finish their appends in
// another order than the journal numbered them.
func (t *told) add(e *link.Entry, at time.Time) {
	k := kept{seq: e.Seq, day: e.Pass.Day, fresh: !at.IsZero(), at: at}
	e.Append(k.raw[:0])
	if len(t.kept) >= maxKept {
		t.drop(dropKept)
	}
	t.kept = append(t.kept, k)
	for i := len(t.kept) - 1; i > 0 && t.kept[i-1].seq > k.seq; i-- {
		t.kept[i], t.kept[i-1] = t.kept[i-1], t.kept[i]
	}
	if k.fresh {
		t.fresh++
	}
}

// A use that central acknowledges later than lateAfter was told while central did
// not listen: a broker of its own takes it all the same, for nobody. One that is
// older than askFor comes to the others by their own questions.
const (
	lateAfter = 3 * time.Second
	askFor    = 2 * askEvery
)

// Acked tells that central has the own journal up to seq. Uses that it got late are
// told again.
func (n *Neighbours) Acked(seq uint64) {
	n.mu.Lock()
	again, now := 0, n.c.Now()
	for _, t := range n.own {
		again += t.late(seq, now, n.since)
	}
	n.mu.Unlock()
	if again == 0 {
		return
	}
	select {
	case n.nudge <- struct{}{}:
	default:
	}
}

// late marks the uses up to seq that are to be told again, and counts them: also
// what was taken before the connection began at since, for it went nowhere.
func (t *told) late(seq uint64, now, since time.Time) (again int) {
	for i := len(t.kept) - 1; i >= 0 && t.kept[i].seq > t.acked; i-- {
		k := &t.kept[i]
		age := now.Sub(k.at)
		if k.seq > seq || k.fresh || k.at.IsZero() || age < lateAfter && !k.at.Before(since) || age > askFor {
			continue
		}
		k.fresh = true
		again++
	}
	t.acked = max(t.acked, seq)
	t.fresh += again
	return again
}

// drop forgets the first count uses.
func (t *told) drop(count int) {
	for _, k := range t.kept[:count] {
		if k.fresh {
			t.fresh--
		}
	}
	t.kept = append(t.kept[:0], t.kept[count:]...)
	t.older = max(0, t.older-count)
}

// forget drops what belongs to days before d at the front.
func (t *told) forget(d pass.Day) {
	count := 0
	for count < len(t.kept) && t.kept[count].day < d {
		count++
	}
	t.drop(count)
}

// piece is the uses of one message, end to end, and the number of the one before
// them, 0 if there is none.
type piece struct {
	entries []byte
	before  uint64
}

// next returns a piece with fresh uses, nil if none is fresh.
func (t *told) next() *piece {
	if t.fresh == 0 {
		return nil
	}
	first := 0
	for i, left := len(t.kept)-1, t.fresh; left > 0; i-- {
		if t.kept[i].fresh {
			first = i
			left--
		}
	}
	first = max(0, first-repeats)
	for i := first; i < min(first+link.MaxUseEntries, len(t.kept)); i++ {
		if t.kept[i].fresh {
			t.kept[i].fresh = false
			t.fresh--
		}
	}
	return t.part(first)
}

// newest returns the last uses of all; it is not nil if there are none.
func (t *told) newest() *piece { return t.part(max(0, len(t.kept)-link.MaxUseEntries)) }

// again returns older uses, others at each call until all were told; nil if the
// newest are all.
func (t *told) again() *piece {
	if len(t.kept) <= link.MaxUseEntries {
		return nil
	}
	if t.older >= len(t.kept)-link.MaxUseEntries {
		t.older = 0
	}
	p := t.part(t.older)
	t.older += link.MaxUseEntries
	return p
}

// part returns up to MaxUseEntries uses from index i on.
func (t *told) part(i int) *piece {
	p := &piece{entries: []byte{}}
	if i > 0 {
		p.before = t.kept[i-1].seq
	}
	for _, k := range t.kept[i:min(i+link.MaxUseEntries, len(t.kept))] {
		p.entries = append(p.entries, k.raw[:]...)
	}
	return p
}

// flush sends what is fresh.
func (n *Neighbours) flush(now time.Time) {
	for _, z := range n.sortedZones() {
		for range maxKept / link.MaxUseEntries {
			m, ok := n.message(z, now, (*told).next)
			if !ok {
				break
			}
			n.send(m)
			n.publish(m)
		}
	}
}

// hello says by multicast that this controller is there, with its newest uses,
// and tells some of its older ones again.
func (n *Neighbours) hello(now time.Time) {
	day, sure := n.c.Day(now)
	for _, z := range n.sortedZones() {
		if sure && day > 0 {
			n.forget(z, day-1)
		}
		if n.c.Multicast == (Multicast{}) {
			continue
		}
		if m, ok := n.message(z, now, (*told).newest); ok {
			n.send(m)
		}
		if m, ok := n.message(z, now, (*told).again); ok {
			n.send(m)
		}
	}
}

func (n *Neighbours) forget(z uint8, before pass.Day) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.own[z].forget(before)
}

// message seals the uses that pick returns; false if it returns nil.
func (n *Neighbours) message(z uint8, now time.Time, pick func(*told) *piece) ([]byte, bool) {
	n.mu.Lock()
	p := pick(n.own[z])
	sent := n.stamp(n.c.Campus(now))
	n.mu.Unlock()
	if p == nil {
		return nil, false
	}
	u := link.Use{Lane: n.c.Lane, Journal: n.c.Journal, Zone: z, Entries: p.entries, Sent: sent, Before: p.before}
	m, err := link.Seal(n.c.Signer, link.TypeUse, n.c.Site, u)
	if err != nil {
		n.c.Log.Error("seal uses", "error", err)
		return nil, false
	}
	return m, true
}

// stamp returns Sent of the next message: it rises with each, unless the clock was
// set back; mu is held.
func (n *Neighbours) stamp(now time.Time) int64 {
	const burst = 1000 // ms by which Sent may run ahead of the clock
	ms := now.UnixMilli()
	if ms <= n.sent && ms > n.sent-burst {
		ms = n.sent + 1
	}
	n.sent = ms
	return ms
}

// publish hands a message to the uplink, if that is connected.
func (n *Neighbours) publish(m []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.connected {
		return
	}
	select {
	case n.outgoing <- m:
		n.counts.Published++
	default:
		n.counts.Unpublished++
	}
}
