package presence

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"

	"turnstile/central/link"
)

// ErrCheckpoint is what Decode returns for bytes that Checkpoint did not make,
// or that were damaged. The way out is to apply the whole journal.
var ErrCheckpoint = errors.New("presence: not a checkpoint of this version; the journal is applied from its start instead")

// A checkpoint, big-endian:
//
//	magic "TSPR" 4, version 2, records 4, generations 4, grants 2
//	records:     key 8 ascending, inside 1 (0 or 1), used 1, unknown 1, slot in 4, slot out 4
//	generations: key 8 ascending, generation 1
//	grants:      the journal's bytes of the entry, by Seq ascending
//	supervisor codes: see there
//	CRC-32C of all before 4
const (
	magic          = "TSPR\x02"
	headSize       = len(magic) + 4 + 4 + 2
	recordSize     = 19
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
	be := binary.BigEndian
	b := make([]byte, 0, headSize+len(p.records)*recordSize+len(p.seen)*generationSize+len(p.pending)*link.EntrySize+4)
	b = append(b, magic...)
	b = be.AppendUint32(b, uint32(len(p.records)))
	b = be.AppendUint32(b, uint32(len(p.seen)))
	b = be.AppendUint16(b, uint16(len(p.pending)))
	for _, k := range slices.Sorted(maps.Keys(p.records)) {
		r := p.records[k]
		b = be.AppendUint64(b, uint64(k))
		b = append(b, byte(count(r.inside)), r.used, r.unknown)
		b = be.AppendUint32(b, r.slotIn)
		b = be.AppendUint32(b, r.slotOut)
	}
	for _, k := range slices.Sorted(maps.Keys(p.seen)) {
		b = append(be.AppendUint64(b, uint64(k)), p.seen[k])
	}
	for _, e := range p.grants() {
		b = e.Append(b)
	}
	b = p.codes.append(b)
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// grants returns the pending grants by Seq; mu is held.
func (p *Presence) grants() []link.Entry {
	return slices.SortedFunc(maps.Values(p.pending), func(a, b link.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
}

// Unresolved returns the grants that have no result, the oldest first. After a
// start they are those that a crash cut off.
func (p *Presence) Unresolved() []link.Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.grants()
}

// Decode reads a checkpoint. Nothing is allocated beyond the size of data times
// a constant.
func Decode(data []byte) (*Presence, error) {
	be := binary.BigEndian
	if len(data) < headSize+4 || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(data))
	}
	body, sum := data[:len(data)-4], be.Uint32(data[len(data)-4:])
	n := [3]int{int(be.Uint32(data[5:])), int(be.Uint32(data[9:])), int(be.Uint16(data[13:]))}
	size := headSize + n[0]*recordSize + n[1]*generationSize + n[2]*link.EntrySize
	if n[0] > MaxRecords || n[1] > MaxRecords || n[2] > maxPending || size > len(body) {
		return nil, fmt.Errorf("%w: %d bytes for %v records", ErrCheckpoint, len(data), n)
	}
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: wrong checksum", ErrCheckpoint)
	}
	p := New()
	b := body[headSize:]
	ok := p.decodeRecords(b[:n[0]*recordSize])
	b = b[n[0]*recordSize:]
	ok = ok && p.decodeSeen(b[:n[1]*generationSize])
	b = b[n[1]*generationSize:]
	ok = ok && p.decodeGrants(b[:n[2]*link.EntrySize])
	if !ok || !p.codes.decode(b[n[2]*link.EntrySize:]) {
		return nil, fmt.Errorf("%w: not in canonical form", ErrCheckpoint)
	}
	return p, nil
}

func (p *Presence) decodeRecords(b []byte) bool {
	be := binary.BigEndian
	for last := int64(-1); len(b) > 0; b = b[recordSize:] {
		k := be.Uint64(b)
		r := record{b[8] == 1, b[9], b[10], be.Uint32(b[11:]), be.Uint32(b[15:])}
		if int64(k) <= last || k >= 1<<44 || b[8] > 1 || r == (record{}) {
			return false
		}
		last = int64(k)
		p.records[key(k)] = r
		p.inside += count(r.inside)
	}
	return true
}

func (p *Presence) decodeSeen(b []byte) bool {
	for last := int64(-1); len(b) > 0; b = b[generationSize:] {
		k := binary.BigEndian.Uint64(b)
		if int64(k) <= last || k >= 1<<44 || k&15 != 0 || b[8] == 0 {
			return false
		}
		last = int64(k)
		p.seen[key(k)] = b[8]
	}
	return true
}

func (p *Presence) decodeGrants(b []byte) bool {
	lanes := map[uint8]bool{}
	for last := uint64(0); len(b) > 0; {
		e, rest, err := link.ParseEntry(b[:min(len(b), link.EntrySize)])
		if err != nil || e.Type != link.EntryGranted || e.Seq <= last || lanes[e.Lane] || len(rest) != 0 {
			return false
		}
		last, lanes[e.Lane] = e.Seq, true
		p.pending[e.Seq] = e
		b = b[link.EntrySize:]
	}
	return true
}
