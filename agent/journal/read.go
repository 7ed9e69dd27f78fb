package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"sort"

	"turnstile/central/link"
)

// cursors remember where recent reads ended, so that the next one there does
// not walk through the segment from its start.
type cursors struct {
	at   [16]cursor
	next int
}

type cursor struct {
	position
	segment uint64 // its first entry
}

func (c *cursors) put(segment uint64, p position) {
	c.at[c.next] = cursor{p, segment}
	c.next = (c.next + 1) % len(c.at)
}

// nearest returns the last known place in a segment at or before seq.
func (c *cursors) nearest(segment, seq uint64) (best position, ok bool) {
	for _, k := range c.at {
		if k.segment == segment && k.off != 0 && k.seq <= seq && (!ok || k.seq > best.seq) {
			best, ok = k.position, true
		}
	}
	return best, ok
}

// limit returns the first entry that is not in segment i. mu is held.
func (j *Journal) limit(i int) uint64 {
	if i+1 < len(j.segments) {
		return j.segments[i+1].first
	}
	return j.durable.seq + 1
}

// Read returns up to max durable entries from number from on, as they are on
// the disk, and the chain value before the first of them. It may return fewer
// than there are; none means that from is beyond the newest. ErrDropped if
// from is no longer kept, a *Gap if it was lost to damage, an *Unread if the disk
// does not give it out.
func (j *Journal) Read(from uint64, max int) (entries [][]byte, before link.Hash, err error) {
	j.readMu.Lock()
	defer j.readMu.Unlock()
	s, limit, err := j.locate(from)
	if err != nil || limit == 0 {
		return nil, before, err
	}
	if s.damage != 0 && s.damage <= from {
		return nil, before, &Gap{from, limit - 1}
	}
	w := walk{limit: limit, from: from, max: max}
	err = j.walk(s, &w)
	switch {
	case len(w.entries) > 0:
		return w.entries, w.before, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, before, j.missing(s, from, limit)
	case err != nil:
		return nil, before, &Unread{from, limit - 1, err}
	case w.broken:
		return nil, before, j.quarantine(s, w.seq+1, from, limit)
	}
	return nil, w.before, nil
}

// locate finds the segment of an entry and the first entry behind it; limit 0
// if the entry is not there yet.
func (j *Journal) locate(seq uint64) (s segment, limit uint64, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := sort.Search(len(j.segments), func(i int) bool { return j.segments[i].first > seq }) - 1
	switch {
	case i < 0:
		return s, 0, fmt.Errorf("%w: entry %d, the oldest is %d", ErrDropped, seq, j.segments[0].first)
	case seq > j.durable.seq:
		return s, 0, nil
	}
	return j.segments[i], j.limit(i), nil
}

// walk is one pass over the records of a segment.
type walk struct {
	position
	limit   uint64 // first entry behind the segment
	from    uint64 // first entry to return
	max     int
	entries [][]byte
	before  link.Hash // chain value before from
	broken  bool      // no record where position says there must be one
}

// chunk is how much a walk reads at once.
const chunk = 64 << 10

// walk goes through a segment. An error may come beside entries that were read
// before it.
func (j *Journal) walk(s segment, w *walk) error {
	f, err := j.disk.open(s.name())
	if err != nil {
		return err
	}
	defer f.Close()
	if err := j.startWalk(f, s, w); err != nil || w.broken {
		return err
	}
	var failed error
	for !w.done() && !w.broken && failed == nil {
		b := make([]byte, min(chunk, max(s.size-w.off, 0))) // the entries returned are parts of it
		n, err := f.ReadAt(b, w.off)
		start := w.off
		w.take(b[:n], j.seed)
		switch {
		case err != nil && !isEOF(err):
			failed = fmt.Errorf("read segment: %w", err)
		case w.off == start && !w.done():
			w.broken = true
		}
	}
	if !w.broken {
		j.cursors.put(s.first, w.position)
	}
	return failed
}

// startWalk sets the place to begin at: where an earlier walk ended, or the
// segment's start.
func (j *Journal) startWalk(f file, s segment, w *walk) error {
	if p, ok := j.cursors.nearest(s.first, w.from-1); ok {
		w.position = p
		return nil
	}
	h, err := readHeader(f)
	if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
		return err
	}
	w.position = position{s.first - 1, h.before, dataStart}
	w.broken = err != nil || h.first != s.first || h.id != j.id
	return nil
}

// readHeader reads each copy on its own: a disk that does not give out one block
// may give out the other.
func readHeader(f file) (h header, err error) {
	var failed error
	b := make([]byte, blockSize)
	for off := int64(0); off < dataStart; off += blockSize {
		n, unread := f.ReadAt(b, off)
		if unread != nil && !isEOF(unread) {
			failed = fmt.Errorf("read segment: %w", unread)
			continue
		}
		if h, err = parseHeader(b[:n]); err == nil {
			return h, nil
		}
	}
	return h, cmp.Or(failed, err)
}

func (w *walk) done() bool {
	return w.seq+1 >= w.limit || w.seq+1 >= w.from && len(w.entries) >= w.max
}

// take goes on through the intact records of b.
func (w *walk) take(b []byte, seed uint32) {
	for !w.done() {
		r, ok := parseRecord(b, seed)
		if !ok || r.seq != w.seq+1 {
			return
		}
		if r.seq == w.from {
			w.before = w.chain
		}
		if r.seq >= w.from {
			w.entries = append(w.entries, r.entry)
		}
		w.position = position{r.seq, link.JournalChain(w.chain, r.entry), w.off + int64(r.size())}
		b = b[r.size():]
	}
}

// missing judges a segment whose file is not there: it was dropped meanwhile, or
// somebody removed it.
func (j *Journal) missing(s segment, from, limit uint64) error {
	j.spareMu.Lock() // whoever drops it has taken it off the list then
	j.mu.Lock()
	dropped := j.segments[0].first > s.first
	j.mu.Unlock()
	j.spareMu.Unlock()
	if dropped {
		return fmt.Errorf("%w: entry %d", ErrDropped, from)
	}
	return j.quarantine(s, s.first, from, limit)
}

// quarantine marks a segment damaged from an entry on. What follows in it cannot
// be chained to anything, so it is one gap to the end. The segment being written is
// only reported: Open judges it.
func (j *Journal) quarantine(s segment, damage, from, limit uint64) error {
	j.mu.Lock()
	newest := j.segments[len(j.segments)-1].first == s.first
	j.mu.Unlock()
	if newest {
		return fmt.Errorf("%w: entry %d in the segment being written; restart the agent", ErrDamaged, damage)
	}
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
	j.mark(s.first, damage)
	return &Gap{max(from, damage), limit - 1}
}

// mark renames a damaged segment; a disk that does not rename hides no gap: the
// next start finds it again.
func (j *Journal) mark(first, damage uint64) {
	renamed := j.disk.rename(segmentName(first, segmentSuffix), segmentName(first, badSuffix)) == nil
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.segments {
		if s := &j.segments[i]; s.first == first {
			s.bad, s.damage = s.bad || renamed, damage
		}
	}
}

// chainAt returns the chain value after a durable entry.
func (j *Journal) chainAt(seq uint64) (link.Hash, error) {
	j.mu.Lock()
	newest := j.durable
	j.mu.Unlock()
	if seq == newest.seq {
		return newest.chain, nil
	}
	_, chain, err := j.Read(seq+1, 1)
	return chain, err
}

// Replay calls f for each durable entry from number from on, oldest first. It
// stops at the first error: f's own, ErrDropped, or a *Gap, behind which the
// caller may go on.
func (j *Journal) Replay(from uint64, f func(link.Entry) error) error {
	for {
		entries, _, err := j.Read(from, 512)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, b := range entries {
			e, _, err := link.ParseEntry(b)
			if err != nil {
				return fmt.Errorf("replay entry %d: %w", from, err)
			}
			if err := f(e); err != nil {
				return err
			}
			from++
		}
	}
}
