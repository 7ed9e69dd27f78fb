package neighbours

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"turnstile/central/link"
)

// Why a message is passed over. None of it is anybody's fault.
var (
	errOwn    = errors.New("this controller's own message")
	errKnown  = errors.New("taken before")
	errBusy   = errors.New("too many messages to check")
	errZone   = errors.New("of a zone that is not this controller's")
	errNoKeys = errors.New("no delegation yet")
)

// Handle takes a message of one of Topics, or USES that were asked for. An error
// is one of package link's, for a message that somebody may have meant harm with,
// or the disk's.
func (n *Neighbours) Handle(topic string, payload []byte, now time.Time) error {
	at, zoned := n.places[topic]
	switch {
	case zoned && at.lanes:
		return n.takeLanes(at.zone, payload)
	case zoned:
		return n.relayed(at.zone, payload, now)
	case topic == link.Topics{Site: n.c.Site}.Repeat(n.c.Lane):
		return n.takeUses(payload, now)
	}
	return nil
}

// relayed takes a USE that central passed on.
func (n *Neighbours) relayed(z uint8, payload []byte, now time.Time) error {
	m, err := n.open(payload, now, n.limits.broker.take)
	if err == nil && m.use.Zone != z {
		err = fmt.Errorf("%w: uses of zone %d on the topic of zone %d", link.ErrMalformed, m.use.Zone, z)
	}
	n.count(err)
	if err == nil {
		n.takeMessage(m, now)
		return nil
	}
	if errors.Is(err, link.ErrForged) || errors.Is(err, link.ErrMalformed) || errors.Is(err, link.ErrOversized) {
		return err
	}
	return nil // a stranger is a controller whose LANES document is still on its way
}

// message is a USE that was found good.
type message struct {
	use     *link.Use
	entries []link.Entry
	from    *peer
}

// useHead is how each USE begins: its envelope is deterministic. The signer's 8
// bytes follow. Looking there first keeps what is no neighbour's away from
// everything that costs.
var useHead = []byte{0xa5, 0x00, link.Version, 0x01, byte(link.TypeUse), 0x02, 0x48}

// open checks a USE. spend is asked before the signature is checked, which is dear.
func (n *Neighbours) open(data []byte, now time.Time, spend func(now time.Time, amount float64) bool) (m message, err error) {
	signer, rest, err := signerOf(data)
	if err != nil {
		return m, err
	}
	if m.from, err = n.senderOf(signer, rest, now, spend); err != nil {
		return m, err
	}
	keys := link.Keys{signer: m.from.key}
	if m.use, err = link.Open[link.Use](data, link.TypeUse, n.c.Site, keys, link.MaxUse); err != nil {
		return m, err
	}
	if m.use.Lane != m.from.id {
		return m, fmt.Errorf("%w: a use of %.40q signed by %s", link.ErrForged, m.use.Lane, m.from.id)
	}
	if !n.shares(m.from, m.use.Zone) {
		return m, errZone
	}
	if m.entries, err = m.use.List(); err != nil {
		return m, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known.add(rest)
	return m, nil
}

// signerOf reads who claims to have signed a USE, and returns what follows.
func signerOf(data []byte) (id link.KeyID, rest []byte, err error) {
	if len(data) > link.MaxUse {
		return id, nil, fmt.Errorf("%w: %d bytes of uses, at most %d", link.ErrOversized, len(data), link.MaxUse)
	}
	rest, ok := bytes.CutPrefix(data, useHead)
	if !ok || len(rest) < len(id) {
		return id, nil, fmt.Errorf("%w: no uses", link.ErrMalformed)
	}
	copy(id[:], rest)
	return id, rest, nil
}

// senderOf returns the neighbour that may have signed a message which was not
// taken before.
func (n *Neighbours) senderOf(signer link.KeyID, rest []byte, now time.Time, spend func(time.Time, float64) bool) (*peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.peers[signer]
	switch {
	case signer == n.c.Signer.KeyID():
		return nil, errOwn
	case p == nil:
		return nil, fmt.Errorf("%w: %x", link.ErrUnknown, signer)
	case n.known.has(rest):
		return nil, errKnown
	case !spend(now, 1):
		return nil, errBusy
	}
	return p, nil
}

// takeMessage takes the uses of a message, and then notes that they came.
func (n *Neighbours) takeMessage(m message, now time.Time) {
	n.take(m.use.Lane, m.use.Journal, m.entries, now)
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.peers[link.IDOf(m.from.key)]; p != nil { // with a new document it is another value
		p.cover(m.use, m.entries)
	}
}

// take hands uses of passes of these days over.
func (n *Neighbours) take(lane string, journal link.JournalID, entries []link.Entry, now time.Time) {
	today, sure := n.c.Day(now)
	n.taking.Lock()
	defer n.taking.Unlock()
	taken := uint64(0)
	for _, e := range entries {
		// a day more on either side than the clocks of two controllers differ
		if sure && (e.Pass.Day+1 < today || e.Pass.Day > today+1) {
			continue
		}
		n.c.Take(lane, journal, e, now)
		taken++
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Taken += taken
	n.counts.Old += uint64(len(entries)) - taken
}

// memory is which messages were taken: by the broker and by multicast comes the
// same one. The zero value is empty.
type memory struct {
	seed maphash.Seed
	set  map[uint64]bool
	ring [memorySize]uint64
	next int
}

// memorySize is the messages of some seconds of a full zone.
const memorySize = 1024

func (m *memory) hash(b []byte) uint64 {
	if m.set == nil {
		m.seed, m.set = maphash.MakeSeed(), make(map[uint64]bool, memorySize)
	}
	return maphash.Bytes(m.seed, b)
}

func (m *memory) has(b []byte) bool {
	h := m.hash(b)
	return m.set[h]
}

func (m *memory) add(b []byte) {
	h := m.hash(b)
	delete(m.set, m.ring[m.next])
	m.ring[m.next] = h
	m.set[h] = true
	m.next = (m.next + 1) % memorySize
}

// Counts are what happened since the start.
type Counts struct {
	Taken       uint64 `json:"taken"`       // uses handed over, repeated ones too
	Messages    uint64 `json:"messages"`    // USE that were good
	Repeated    uint64 `json:"repeated"`    // USE that came before
	Strangers   uint64 `json:"strangers"`   // USE of none of the zones' controllers
	Forged      uint64 `json:"forged"`      // USE with a neighbour's name and a bad signature
	Malformed   uint64 `json:"malformed"`   // too long, or not what a USE must be
	Foreign     uint64 `json:"foreign"`     // USE of other zones
	Old         uint64 `json:"old"`         // uses of passes of other days
	Busy        uint64 `json:"busy"`        // USE that were not looked at: too many came
	Sent        uint64 `json:"sent"`        // datagrams
	Published   uint64 `json:"published"`   // USE for the broker
	Unpublished uint64 `json:"unpublished"` // USE that the broker did not take in time
}

// count notes how a USE ended.
func (n *Neighbours) count(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &n.counts
	for _, row := range []struct {
		err error
		n   *uint64
	}{
		{errOwn, nil}, {errKnown, &c.Repeated}, {errBusy, &c.Busy}, {errZone, &c.Foreign}, {link.ErrUnknown, &c.Strangers},
		{link.ErrForged, &c.Forged}, {nil, &c.Messages},
	} {
		if errors.Is(err, row.err) {
			if row.n != nil {
				*row.n++
			}
			return
		}
	}
	c.Malformed++
}
