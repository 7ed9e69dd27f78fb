package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"turnstile/central/link"
)

// version is the version of the segment format.
//
//	1  2026-11  first
const version = 1

// Layout of a segment, FORMAT.md "Segment".
const (
	blockSize  = 4096          // a header copy fills one block
	dataStart  = 2 * blockSize // two copies, then records
	headerSize = 196
	recordHead = 8
	maxEntry   = 1024 // larger lengths are damage
	minSegment = 4 * blockSize
	maxSegment = 64 << 20
)

var magic = [8]byte{'t', 's', 'j', 'o', 'u', 'r', 'n', 'l'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header says where a segment stands in its journal.
type header struct {
	id      link.JournalID
	boot    uint32
	first   uint64    // seq of the first record
	before  link.Hash // chain value before it
	created int64     // Unix ms
	size    int64     // of the file, a multiple of 4096
	floor   link.Floor
	floored bool // floor is set: the newest one before this segment
}

// block returns the 4096 bytes of one copy.
func (h *header) block() []byte {
	be := binary.BigEndian
	b := append(make([]byte, 0, blockSize), magic[:]...)
	b = be.AppendUint16(b, version)
	b = be.AppendUint16(b, uint16(h.size/blockSize))
	b = be.AppendUint32(b, h.boot)
	b = append(b, h.id[:]...)
	b = be.AppendUint64(b, h.first)
	b = append(b, h.before[:]...)
	b = be.AppendUint64(b, uint64(h.created))
	if h.floored {
		b = (&link.Entry{Type: link.EntryFloor, Floor: &h.floor}).Append(b)
	}
	b = b[:headerSize-4]
	b = be.AppendUint32(b, crc32.Checksum(b, castagnoli))
	return b[:blockSize]
}

// parseHeader reads the first intact copy in the first two blocks of a segment.
func parseHeader(b []byte) (h header, err error) {
	err = fmt.Errorf("%w: no intact header", ErrDamaged)
	for off := 0; off+headerSize <= len(b) && off < dataStart; off += blockSize {
		if h, err = parseCopy(b[off : off+headerSize]); err == nil {
			return h, nil
		}
	}
	return h, err
}

func parseCopy(b []byte) (h header, err error) {
	be := binary.BigEndian
	if !bytes.Equal(b[:8], magic[:]) || be.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], castagnoli) {
		return h, fmt.Errorf("%w: no intact header", ErrDamaged)
	}
	if v := be.Uint16(b[8:]); v > version {
		return h, fmt.Errorf("%w: version %d, this is %d", ErrNewer, v, version)
	}
	h.boot, h.id, h.first = be.Uint32(b[12:]), link.JournalID(b[16:32]), be.Uint64(b[32:])
	h.before, h.created = link.Hash(b[40:72]), int64(be.Uint64(b[72:]))
	h.size = int64(be.Uint16(b[10:])) * blockSize
	if h.first == 0 || h.size < minSegment {
		return h, fmt.Errorf("%w: a header that makes no sense", ErrDamaged)
	}
	if link.EntryType(b[80]) == link.EntryFloor {
		if e, _, err := link.ParseEntry(b[80:192]); err == nil {
			h.floor, h.floored = *e.Floor, true
		}
	}
	return h, nil
}

// startsFlush marks the first record of each flush: behind an intact record
// with this mark, all earlier flushes had become durable.
const startsFlush = 1

// appendRecord appends one record: length 2, flags 1, zero 1, CRC-32C 4, entry.
func appendRecord(b []byte, seed uint32, flags byte, e *link.Entry) []byte {
	at := len(b)
	b = append(b, 0, 0, flags, 0, 0, 0, 0, 0)
	b = e.Append(b)
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-recordHead))
	binary.BigEndian.PutUint32(b[at+4:], recordSum(seed, b[at:]))
	return b
}

// recordSum covers length, flags and entry, and through the seed the journal.
func recordSum(seed uint32, record []byte) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, record[:4]), castagnoli, record[recordHead:])
}

// seedOf keeps records of another journal, left on reused blocks, from being
// taken for this one's.
func seedOf(id link.JournalID) uint32 { return crc32.Checksum(id[:], castagnoli) }

// record is one record as found: its entry's bytes and flags.
type record struct {
	entry []byte
	flags byte
	seq   uint64
}

// size is the record's length on the disk.
func (r record) size() int { return recordHead + len(r.entry) }

// parseRecord reads the record at the start of b; false if none is intact there.
func parseRecord(b []byte, seed uint32) (r record, ok bool) {
	if len(b) < recordHead+link.EntrySize {
		return r, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < link.EntrySize || n > maxEntry || len(b) < recordHead+n || b[2]&^startsFlush != 0 || b[3] != 0 {
		return r, false
	}
	b = b[:recordHead+n]
	if link.EntryType(b[recordHead]).Size() != n || b[recordHead] == 0 ||
		binary.BigEndian.Uint32(b[4:]) != recordSum(seed, b) {
		return r, false
	}
	return record{b[recordHead:], b[2], binary.BigEndian.Uint64(b[recordHead+8:])}, true
}

// position is a place between two records.
type position struct {
	seq   uint64    // of the record before it
	chain link.Hash // chain value there
	off   int64     // in the segment
}

// scan is what reading the newest segment to its end found.
type scan struct {
	position            // the good end
	boot     uint32     // highest seen
	floor    link.Floor // newest seen, header included
	floored  bool
	count    int
	torn     int   // bytes behind the good end that are not zero, as a length from there
	damaged  error // entries that had been durable are lost
}

// scanSegment reads a whole segment whose header is h.
func scanSegment(b []byte, h header) scan {
	s := scan{boot: h.boot, floor: h.floor, floored: h.floored}
	s.position = position{h.first - 1, h.before, dataStart}
	seed := seedOf(h.id)
	for {
		r, ok := parseRecord(b[s.off:], seed)
		if !ok || r.seq != s.seq+1 {
			break
		}
		s.take(r)
	}
	s.judgeTail(b[s.off:], seed)
	return s
}

func (s *scan) take(r record) {
	s.position = position{r.seq, link.JournalChain(s.chain, r.entry), s.off + int64(r.size())}
	s.count++
	e, _, err := link.ParseEntry(r.entry)
	if err != nil {
		return // parseRecord checked type and length: cannot be
	}
	s.boot = max(s.boot, e.Boot)
	if e.Floor != nil {
		s.floor, s.floored = *e.Floor, true
	}
}

// judgeTail tells a torn write from damage. Behind the good end a flush may
// have left any part of itself. But a record that begins a later flush proves
// that what should be here was durable once.
func (s *scan) judgeTail(tail []byte, seed uint32) {
	s.torn = len(bytes.TrimRight(tail, "\x00"))
	behind := *s
	for i := 1; i < s.torn; i++ {
		r, ok := parseRecord(tail[i:], seed)
		if !ok || r.seq <= s.seq+1 {
			continue
		}
		if r.flags&startsFlush != 0 && s.damaged == nil {
			s.damaged = fmt.Errorf("%w: entry %d cannot be read, but entry %d behind it can", ErrDamaged, s.seq+1, r.seq)
		}
		behind.take(r)
	}
	if s.damaged != nil { // nothing proves what follows what, but what the lane knew it knew
		s.boot, s.floor, s.floored = behind.boot, behind.floor, behind.floored
	}
}

// Names of files: the first seq in 20 digits.
const (
	segmentSuffix = ".seg"
	badSuffix     = ".bad"
	asidePrefix   = "aside-" // before the time of a journal that was set aside: a folder
	keptPrefix    = "kept-"  // before the name of a damaged segment whose time is over
	spareName     = "spare"
	stateName     = "state"
)

func segmentName(first uint64, suffix string) string { return fmt.Sprintf("%020d%s", first, suffix) }

func asideName(ms int64) string { return asidePrefix + strconv.FormatInt(ms, 10) }

// parseAside is the inverse of asideName.
func parseAside(name string) (ms int64, ok bool) {
	digits, ok := strings.CutPrefix(name, asidePrefix)
	ms, err := strconv.ParseInt(digits, 10, 64)
	return ms, ok && err == nil
}

// parseName is the inverse of segmentName.
func parseName(name string) (first uint64, bad, ok bool) {
	digits, isSegment := strings.CutSuffix(name, segmentSuffix)
	if !isSegment {
		if digits, bad = strings.CutSuffix(name, badSuffix); !bad {
			return 0, false, false
		}
	}
	if _, err := fmt.Sscanf(digits, "%020d", &first); err != nil || segmentName(first, "") != digits || first == 0 {
		return 0, false, false
	}
	return first, bad, true
}
