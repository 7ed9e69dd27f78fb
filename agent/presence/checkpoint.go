package presence

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// ErrCheckpoint is what Decode returns for bytes that Checkpoint did not make,
// that were damaged, or that are of another version. The way out is to apply the
// whole journal, and to ask for all uses of the other controllers.
var ErrCheckpoint = errors.New("presence: not a checkpoint of this version; the journal is applied from its start instead")

// A checkpoint, big-endian. Version 1 had sums in place of uses, and none of
// other controllers'.
//
//	magic "TSPR" 4, version 2, floor 2, sources 2, records 4, generations 4, grants 2
//	sources:     lane 32 (zeros behind it), journal 16; the own one, then the others ascending
//	records:     key 8 ascending, number of uses 2; per use, ascending by source and grant:
//	             source 2, grant 8, wall 8, slot 4, lane 1, bits 1
//	generations: key 8 ascending, generation 1
//	grants:      the journal's bytes of the entry, by Seq ascending
//	supervisor codes: see there
//	CRC-32C of all before 4
const (
	magic          = "TSPR\x02"
	headSize       = len(magic) + 2 + 2 + 4 + 4 + 2
	sourceSize     = maxLane + 16
	recordSize     = 10
	useSize        = 24
	maxLane        = 32 // characters of a controller's id
	generationSize = 9
	maxPending     = 256 // lanes have one byte
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checkpoint returns everything in bytes, with the number of the newest entry
// that is in it as last tells. No entry is between Append and Apply meanwhile.
func (p *Presence) Checkpoint(last func() uint64) (data []byte, seq uint64) {
	p.quiet.Lock()
	defer p.quiet.Unlock()
	return p.encode(), last()
}

func (p *Presence) encode() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	order := p.inOrder()
	be := binary.BigEndian
	b := make([]byte, 0, headSize+len(order)*sourceSize+len(p.uses)*recordSize+p.total*useSize+
		len(p.seen)*generationSize+len(p.pending)*link.EntrySize+4)
	b = append(b, magic...)
	b = be.AppendUint16(b, uint16(p.floor))
	b = be.AppendUint16(b, uint16(len(order)))
	b = be.AppendUint32(b, uint32(len(p.uses)))
	b = be.AppendUint32(b, uint32(len(p.seen)))
	b = be.AppendUint16(b, uint16(len(p.pending)))
	number := make([]uint16, len(p.sources))
	for i, s := range order {
		id := p.sources[s].id
		var lane [maxLane]byte
		copy(lane[:], id.lane)
		b = append(append(b, lane[:]...), id.journal[:]...)
		number[s] = uint16(i)
	}
	b = p.appendUses(b, number)
	for _, k := range slices.Sorted(maps.Keys(p.seen)) {
		b = append(be.AppendUint64(b, uint64(k)), p.seen[k])
	}
	for _, e := range p.grants() {
		b = e.Append(b)
	}
	b = p.codes.append(b)
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// inOrder returns the numbers of the sources that have uses, the own one first:
// two that remember the same have the same bytes, in whatever order they heard of it.
func (p *Presence) inOrder() []uint16 {
	order := []uint16{own}
	for s := range p.sources {
		if s != own && p.sources[s].uses > 0 {
			order = append(order, uint16(s))
		}
	}
	slices.SortFunc(order[1:], func(a, b uint16) int { return compareIDs(p.sources[a].id, p.sources[b].id) })
	return order
}

func compareIDs(a, b sourceID) int {
	return cmp.Or(cmp.Compare(a.lane, b.lane), bytes.Compare(a.journal[:], b.journal[:]))
}

func (p *Presence) appendUses(b []byte, number []uint16) []byte {
	be := binary.BigEndian
	var list []use
	for _, k := range slices.Sorted(maps.Keys(p.uses)) {
		list = append(list[:0], p.uses[k]...)
		for i := range list {
			list[i].source = number[list[i].source]
		}
		slices.SortFunc(list, compare)
		b = be.AppendUint16(be.AppendUint64(b, uint64(k)), uint16(len(list)))
		for _, u := range list {
			b = be.AppendUint64(be.AppendUint16(b, u.source), u.grant)
			b = be.AppendUint32(be.AppendUint64(b, uint64(u.wall)), u.slot)
			b = append(b, u.lane, u.bits)
		}
	}
	return b
}

// grants returns the pending grants by Seq; mu is held.
func (p *Presence) grants() []link.Entry {
	return slices.SortedFunc(maps.Values(p.pending), func(a, b link.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
}

// Unresolved returns the own grants that have no result, the oldest first. After
// a start they are those that a crash cut off.
func (p *Presence) Unresolved() []link.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants()
}

// Decode reads a checkpoint. Nothing is allocated beyond the size of data times
// a constant. Other controllers' grants that had no result are under way for
// another RemoteGrant from the first Expire on.
func Decode(data []byte) (*Presence, error) {
	be := binary.BigEndian
	if len(data) < headSize+4 || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(data))
	}
	body, sum := data[:len(data)-4], be.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: wrong checksum", ErrCheckpoint)
	}
	p := New()
	p.floor = pass.Day(be.Uint16(data[5:]))
	n := [4]int{int(be.Uint16(data[7:])), int(be.Uint32(data[9:])), int(be.Uint32(data[13:])), int(be.Uint16(data[17:]))}
	d := decoder{b: body[headSize:], p: p}
	if n[1] > MaxRecords || n[2] > MaxRecords || n[3] > maxPending ||
		!d.sources(n[0]) || !d.records(n[1]) || !d.seen(n[2]) || !d.grants(n[3]) || !p.codes.decode(d.b) {
		return nil, fmt.Errorf("%w: %d bytes for %v records", ErrCheckpoint, len(data), n)
	}
	if again := p.encode(); !bytes.Equal(again, data) { // another order, what is twice in it
		return nil, fmt.Errorf("%w: not in canonical form", ErrCheckpoint)
	}
	return p, nil
}

// decoder takes the parts of a checkpoint off b.
type decoder struct {
	b []byte
	p *Presence
}

// take returns the next n pieces of size bytes, nil if there is less.
func (d *decoder) take(n, size int) (part []byte, ok bool) {
	if n > len(d.b)/size {
		return nil, false
	}
	part, d.b = d.b[:n*size], d.b[n*size:]
	return part, true
}

func (d *decoder) sources(n int) bool {
	b, ok := d.take(n, sourceSize)
	if !ok || n == 0 || n > 2*maxSources {
		return false
	}
	for s := range n {
		id := sourceID{lane: string(bytes.TrimRight(b[s*sourceSize:][:maxLane], "\x00"))}
		copy(id.journal[:], b[s*sourceSize+maxLane:])
		if s == own {
			d.p.sources[own].id = id
			continue
		}
		if _, twice := d.p.index[id]; twice || id == d.p.sources[own].id {
			return false
		}
		d.p.sources = append(d.p.sources, source{id: id})
		d.p.index[id] = uint16(s)
	}
	return true
}

func (d *decoder) records(n int) bool {
	be := binary.BigEndian
	for range n {
		head, ok := d.take(1, recordSize)
		if !ok {
			return false
		}
		k := key(be.Uint64(head))
		b, ok := d.take(int(be.Uint16(head[8:])), useSize)
		if _, twice := d.p.uses[k]; !ok || twice || len(b) == 0 || k >= 1<<44 || !d.record(k, b) {
			return false
		}
	}
	return true
}

func (d *decoder) record(k key, b []byte) bool {
	be := binary.BigEndian
	list := make([]use, 0, len(b)/useSize)
	for ; len(b) > 0; b = b[useSize:] {
		u := use{source: be.Uint16(b), grant: be.Uint64(b[2:]), wall: int64(be.Uint64(b[10:])), slot: be.Uint32(b[18:]), lane: b[22], bits: b[23]}
		if int(u.source) >= len(d.p.sources) || u.bits&^knownBits != 0 || u.end() > passed || u.source == own && !u.settled() ||
			len(list) > 0 && compare(list[len(list)-1], u) >= 0 {
			return false
		}
		if u.end() == underWay {
			d.p.due = append(d.p.due, dueUse{key: k, use: u, until: time.Time{}})
		}
		list = append(list, u)
		d.p.count(u.source, 1)
	}
	d.p.uses[k] = list
	is, _ := inside(list)
	d.p.inside += count(is)
	return d.p.total <= MaxUses
}

// settled reports whether it is one that an own grant leaves behind.
func (u use) settled() bool { return u.end() == passed || u.end() == unknown }

func (d *decoder) seen(n int) bool {
	b, ok := d.take(n, generationSize)
	for ; ok && len(b) > 0; b = b[generationSize:] {
		k := binary.BigEndian.Uint64(b)
		if k >= 1<<44 || k&15 != 0 || b[8] == 0 {
			return false
		}
		d.p.seen[key(k)] = b[8]
	}
	return ok
}

func (d *decoder) grants(n int) bool {
	b, ok := d.take(n, link.EntrySize)
	lanes := map[uint8]bool{}
	for ; ok && len(b) > 0; b = b[link.EntrySize:] {
		e, rest, err := link.ParseEntry(b[:link.EntrySize])
		if err != nil || e.Type != link.EntryGranted || lanes[e.Lane] || len(rest) != 0 {
			return false
		}
		lanes[e.Lane] = true
		d.p.pending[e.Seq] = e
	}
	return ok
}
