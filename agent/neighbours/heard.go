package neighbours

import (
	"cmp"
	"slices"
	"time"

	"turnstile/central/link"
)

// hearing is what was heard of another controller, and when.
type hearing struct {
	heard time.Time // by multicast
	sent  int64     // Sent of what was heard then
	spans map[uint8]*spans
}

// heardFor is how long a neighbour counts as there after a hello: five were sent
// meanwhile. sentWithin is how far its clock may be from this one's, and by that
// the age of a hello that somebody kept back and plays again.
const (
	heardFor   = 5 * helloEvery
	sentWithin = 5 * time.Minute
)

// hear notes that a message came by multicast, at now when it was campus on the
// campus.
func (h *hearing) hear(sent int64, now, campus time.Time) {
	off := campus.Sub(time.UnixMilli(sent)).Abs()
	if off > sentWithin || sent <= h.sent && h.isThere(now) {
		return
	}
	h.heard, h.sent = now, sent
}

func (h *hearing) isThere(now time.Time) bool {
	d := now.Sub(h.heard)
	return d >= 0 && d <= heardFor
}

// cover notes which uses of a zone came with a message that was taken.
func (h *hearing) cover(u *link.Use, entries []link.Entry) {
	if h.spans == nil {
		h.spans = map[uint8]*spans{}
	}
	s := h.spans[u.Zone]
	if s == nil || s.journal != u.Journal {
		s = &spans{journal: u.Journal}
		h.spans[u.Zone] = s
	}
	to := u.Before
	switch {
	case len(entries) > 0:
		to = entries[len(entries)-1].Seq
	case u.Before == 0 && u.Sent == h.sent && len(s.list) > 0: // its newest hello: what is missing is of days that are over
		to = s.list[len(s.list)-1].to
	}
	s.add(span{u.Before, to})
}

// hasAll reports whether no use of the zone is missing that the other has told of.
func (h *hearing) hasAll(zone uint8) bool {
	s := h.spans[zone]
	return s != nil && len(s.list) == 1 && s.list[0].from == 0
}

// newest is the highest number of a use of the zone that came, 0 if none did.
func (h *hearing) newest(zone uint8) uint64 {
	if s := h.spans[zone]; s != nil && len(s.list) > 0 {
		return s.list[len(s.list)-1].to
	}
	return 0
}

// span is uses that were taken: all of a zone with numbers above from, up to to.
type span struct{ from, to uint64 }

// spans are those of one journal, apart from each other and ascending.
type spans struct {
	journal link.JournalID
	list    []span
}

// maxSpans bounds the gaps of one controller in a zone. Beyond it the oldest span
// goes, to be told again.
const maxSpans = 64

func (s *spans) add(n span) {
	if n.to < n.from {
		return // of entries that are before what is said to be before them
	}
	i, _ := slices.BinarySearchFunc(s.list, n.from, func(a span, from uint64) int { return cmp.Compare(a.to, from) })
	j := i
	for ; j < len(s.list) && s.list[j].from <= n.to; j++ {
		n = span{min(n.from, s.list[j].from), max(n.to, s.list[j].to)}
	}
	s.list = slices.Replace(s.list, i, j, n)
	if len(s.list) > maxSpans {
		s.list = slices.Delete(s.list, 0, 1)
	}
}

// Apart reports whether this controller can be ignorant of what passes did at the
// zone's others: it reaches neither central, which told it everything not long ago,
// nor each of them, with all that it tells. Of what they did here before the journal
// began central alone can tell. Whom it would have to reach is not known
// without the zone's document.
func (n *Neighbours) Apart(z uint8, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.apart(z, now)
}

// apart is Apart; mu is held.
func (n *Neighbours) apart(id uint8, now time.Time) bool {
	if n.connected && n.asking.isTold(now) && !n.c.Stale(now) {
		return false
	}
	z := n.zones[id]
	return n.asking.never || z == nil || z.lanes == nil || slices.ContainsFunc(z.others, func(p *peer) bool { return !p.isThere(now) || !p.hasAll(id) })
}
