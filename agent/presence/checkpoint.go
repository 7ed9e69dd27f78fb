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
// that is in it as last tells. No entry is between Append and Apply meanwhile;
// lanes wait for a copy alone.
func (p *Presence) Checkpoint(last func() uint64) (data []byte, seq uint64) {
	p.quiet.Lock()
	c := p.copy()
	seq = last()
	p.quiet.Unlock()
	return c.encode(), seq
}

func (p *Presence) encode() []byte { return p.copy().encode() }

// snapshot is a copy of what goes into a checkpoint.
type snapshot struct {
	floor   pass.Day
	sources []sourceID
	runs    []uint64 // key and number of each pass in one zone, see runOf
	from    []int    // of run n: its uses begin at from[n] and end at from[n+1]
	uses    []use    // of all runs, numbered as in sources
	seen    []uint64 // key and generation, see generationOf
	grants  []link.Entry
	codes   []byte
}

// runOf puts a pass's key, of 44 bits, before the number of its run, which is below
// MaxRecords: numbers are sorted by code that a lane has anyway, structs each by
// 10 KB of their own.
func runOf(k key, n int) uint64 { return uint64(k)<<20 | uint64(n) }

const runMask = 1<<20 - 1

// generationOf puts a pass's key before its generation.
func generationOf(k key, gen uint8) uint64 { return uint64(k)<<8 | uint64(gen) }

// copy takes a snapshot.
func (p *Presence) copy() *snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &snapshot{
		floor: p.floor, runs: make([]uint64, 0, len(p.uses)), from: make([]int, 0, len(p.uses)+1), uses: make([]use, 0, p.total),
		seen: make([]uint64, 0, len(p.seen)), grants: p.grants(), codes: p.codes.append(nil),
	}
	order := p.inOrder()
	number := make([]uint16, len(p.sources))
	for i, s := range order {
		c.sources = append(c.sources, p.sources[s].id)
		number[s] = uint16(i)
	}
	for k, list := range p.uses {
		c.runs, c.from = append(c.runs, runOf(k, len(c.runs))), append(c.from, len(c.uses))
		for _, u := range list {
			u.source = number[u.source]
			c.uses = append(c.uses, u)
		}
	}
	c.from = append(c.from, len(c.uses))
	for k, g := range p.seen {
		c.seen = append(c.seen, generationOf(k, g))
	}
	return c
}

// inOrder returns the numbers of the sources that have uses, the own one first:
// two that remember the same have the same bytes, in whatever order they heard of it.
func (p *Presence) inOrder() []uint16 {
	numbers := map[string]uint16{} // a text is sorted by code that a lane has anyway
	for s := range p.sources {
		if s != own && p.sources[s].uses > 0 {
			id := p.sources[s].id
			numbers[id.lane+"\x00"+string(id.journal[:])] = uint16(s)
		}
	}
	order := []uint16{own}
	for _, id := range slices.Sorted(maps.Keys(numbers)) {
		order = append(order, numbers[id])
	}
	return order
}

func compareIDs(a, b sourceID) int {
	return cmp.Or(cmp.Compare(a.lane, b.lane), bytes.Compare(a.journal[:], b.journal[:]))
}

func (c *snapshot) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, headSize+len(c.sources)*sourceSize+len(c.runs)*recordSize+len(c.uses)*useSize+
		len(c.seen)*generationSize+len(c.grants)*link.EntrySize+len(c.codes)+4)
	b = append(b, magic...)
	b = be.AppendUint16(b, uint16(c.floor))
	b = be.AppendUint16(b, uint16(len(c.sources)))
	b = be.AppendUint32(b, uint32(len(c.runs)))
	b = be.AppendUint32(b, uint32(len(c.seen)))
	b = be.AppendUint16(b, uint16(len(c.grants)))
	for _, id := range c.sources {
		var lane [maxLane]byte
		copy(lane[:], id.lane)
		b = append(append(b, lane[:]...), id.journal[:]...)
	}
	slices.Sort(c.runs)
	for _, r := range c.runs {
		list := c.uses[c.from[r&runMask]:c.from[r&runMask+1]]
		b = be.AppendUint16(be.AppendUint64(b, r>>20), uint16(len(list)))
		b = appendUses(b, list)
	}
	slices.Sort(c.seen)
	for _, g := range c.seen {
		b = append(be.AppendUint64(b, g>>8), byte(g))
	}
	for _, e := range c.grants {
		b = e.Append(b)
	}
	b = append(b, c.codes...)
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendUses(b []byte, list []use) []byte {
	be := binary.BigEndian
	slices.SortFunc(list, compare)
	for _, u := range list {
		b = be.AppendUint64(be.AppendUint16(b, u.source), u.grant)
		b = be.AppendUint32(be.AppendUint64(b, uint64(u.wall)), u.slot)
		b = append(b, u.lane, u.bits)
	}
	return b
}

// grants returns the pending grants by Seq; mu is held.
func (p *Presence) grants() []link.Entry {
	list := make([]link.Entry, 0, len(p.pending))
	for _, seq := range slices.Sorted(maps.Keys(p.pending)) {
		list = append(list, p.pending[seq])
	}
	return list
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
		return nil, fmt.Errorf("%w: %d bytes for %v records, or not in canonical form", ErrCheckpoint, len(data), n)
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
		if id == d.p.sources[own].id || s > 1 && compareIDs(d.p.sources[s-1].id, id) >= 0 {
			return false
		}
		d.p.sources = append(d.p.sources, source{id: id})
		d.p.index[id] = uint16(s)
	}
	return true
}

// records reads the passes. Their lists share one array: a start is waited for.
func (d *decoder) records(n int) bool {
	if n > len(d.b)/(recordSize+useSize) {
		return false
	}
	be := binary.BigEndian
	d.p.uses = make(map[key][]use, n)
	all := make([]use, 0, (len(d.b)-n*recordSize)/useSize)
	for last := int64(-1); n > 0; n-- {
		head, _ := d.take(1, recordSize)
		if head == nil {
			return false
		}
		k := key(be.Uint64(head))
		b, ok := d.take(int(be.Uint16(head[8:])), useSize)
		if !ok || len(b) == 0 || k >= 1<<44 || int64(k) <= last {
			return false
		}
		from := len(all)
		if all, ok = d.run(all, k, b); !ok {
			return false
		}
		list := all[from:len(all):len(all)]
		d.p.uses[k], last = list, int64(k)
		is, _ := inside(list)
		d.p.inside += count(is)
	}
	unused := slices.ContainsFunc(d.p.sources[1:], func(s source) bool { return s.uses == 0 })
	return d.p.total <= MaxUses && !unused
}

// run appends the uses of one pass.
func (d *decoder) run(list []use, k key, b []byte) ([]use, bool) {
	be := binary.BigEndian
	for from := len(list); len(b) > 0; b = b[useSize:] {
		u := use{source: be.Uint16(b), grant: be.Uint64(b[2:]), wall: int64(be.Uint64(b[10:])), slot: be.Uint32(b[18:]), lane: b[22], bits: b[23]}
		if int(u.source) >= len(d.p.sources) || u.end() > passed || u.source == own && !u.settled() ||
			len(list) > from && compare(list[len(list)-1], u) >= 0 {
			return list, false
		}
		if u.end() == underWay {
			d.p.due, d.p.unset = append(d.p.due, dueUse{key: k, use: u}), d.p.unset+1
		}
		list = append(list, u)
		d.p.count(u.source, 1)
	}
	return list, true
}

// settled reports whether it is one that an own grant leaves behind.
func (u use) settled() bool { return u.end() == passed || u.end() == unknown }

func (d *decoder) seen(n int) bool {
	b, ok := d.take(n, generationSize)
	for last := int64(-1); ok && len(b) > 0; b = b[generationSize:] {
		k := binary.BigEndian.Uint64(b)
		if k >= 1<<44 || int64(k) <= last || k&15 != 0 || b[8] == 0 {
			return false
		}
		d.p.seen[key(k)], last = b[8], int64(k)
	}
	return ok
}

func (d *decoder) grants(n int) bool {
	b, ok := d.take(n, link.EntrySize)
	lanes := map[uint8]bool{}
	for last := uint64(0); ok && len(b) > 0; b = b[link.EntrySize:] {
		e, rest, err := link.ParseEntry(b[:link.EntrySize])
		if err != nil || e.Type != link.EntryGranted || e.Seq <= last || lanes[e.Lane] || len(rest) != 0 {
			return false
		}
		last, lanes[e.Lane] = e.Seq, true
		d.p.pending[e.Seq] = e
	}
	return ok
}
