package journal

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"turnstile/central/link"
)

// Open opens the journal in a folder, and makes both if there is none. It reads
// the newest segment alone, cuts a torn tail, and sets a journal aside that is
// damaged at its end. ErrLocked, ErrNewer and ErrFull are told apart.
func Open(dir string, o Options) (*Journal, Report, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, Report{}, fmt.Errorf("open journal: %w", full(err))
	}
	d := folder{dir}
	lock, err := d.lock()
	if err != nil {
		return nil, Report{}, err
	}
	j, r, err := openOn(d, lock, o)
	if r.SetAside != "" {
		r.Removed = d.pruneAside()
	}
	return j, r, err
}

// maxAside is how many journals that were set aside are kept: a disk that fails
// each week must not fill itself with them.
const maxAside = 4

// pruneAside removes the oldest of those beyond maxAside and returns their
// names. What cannot be removed stays for the next time.
func (d folder) pruneAside() (removed []string) {
	list, err := d.list()
	if err != nil {
		return nil
	}
	var times []int64
	for _, f := range list {
		if at, ok := parseAside(f.name); ok {
			times = append(times, at)
		}
	}
	slices.Sort(times)
	for len(times) > maxAside {
		name := asideName(times[0])
		if os.RemoveAll(filepath.Join(d.path, name)) == nil {
			removed = append(removed, name)
		}
		times = times[1:]
	}
	return removed
}

// openOn opens the journal on a disk that lock holds for this process.
func openOn(d disk, lock io.Closer, o Options) (*Journal, Report, error) {
	j := &Journal{disk: d, lock: lock, o: o.withDefaults(), work: make(chan struct{}, 1), grew: make(chan struct{}, 1)}
	j.changed.L = &j.mu
	j.pending, j.idle = make([]byte, 0, maxPending), make([]byte, 0, maxPending)
	var r Report
	if err := j.load(&r); err != nil {
		return nil, r, errors.Join(fmt.Errorf("open journal: %w", err), j.release())
	}
	j.seed = seedOf(j.id)
	r.Floor = j.durable.floorCopy()
	return j, r, nil
}

func (o Options) withDefaults() Options {
	if o.SegmentSize == 0 {
		o.SegmentSize = 1 << 20
	}
	o.SegmentSize = min(max(o.SegmentSize&^(blockSize-1), minSegment), maxSegment)
	if o.Budget == 0 {
		o.Budget = 256 << 20
	}
	if o.Keep == 0 {
		o.Keep = 7 * 24 * time.Hour
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = o.Budget / 4
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// load finds the segments and the end of the newest.
func (j *Journal) load(r *Report) error {
	list, err := j.disk.list()
	if err != nil {
		return err
	}
	for _, f := range list {
		if first, bad, ok := parseName(f.name); ok {
			j.segments = append(j.segments, segment{first: first, size: f.size, bad: bad, aged: f.changed})
			if bad {
				r.Damaged++
			}
		}
		if at, ok := parseAside(f.name); ok {
			j.aside = max(j.aside, at)
		}
		if f.name == spareName { // perhaps half made
			if err := j.disk.remove(spareName); err != nil {
				return err
			}
		}
	}
	sort.Slice(j.segments, func(a, b int) bool { return j.segments[a].first < j.segments[b].first })
	old := j.openState(list)
	if len(j.segments) == 0 {
		r.New = true
		return j.begin(old.boot, scan{})
	}
	return j.resume(old, r)
}

// resume continues the newest segment, or behind it, or sets the journal aside.
func (j *Journal) resume(old saved, r *Report) error {
	newest := j.segments[len(j.segments)-1]
	b, err := j.readSegment(newest)
	if err != nil {
		return err
	}
	h, s, err := j.judge(b, newest)
	if errors.Is(err, ErrNewer) {
		return err
	}
	end := segment{first: newest.first, size: h.size}.end()
	if err == nil && s.damaged != nil && (old.id != h.id || old.acked <= end) {
		return j.continueBehind(end, h, s, old, r)
	}
	if err == nil && old.id == h.id && s.seq < old.acked {
		err = fmt.Errorf("%w: it ends at entry %d, central has %d", ErrDamaged, s.seq, old.acked)
	}
	if err == nil {
		return j.continueAt(h, s, old, r)
	}
	r.Lost = err
	return j.setAside(s, old, r)
}

// judge scans the newest segment. The error says why it is not known what numbers
// it took.
func (j *Journal) judge(b []byte, newest segment) (h header, s scan, err error) {
	h, err = parseHeader(b)
	switch {
	case errors.Is(err, ErrNewer):
		return h, s, err
	case newest.bad || err == nil && h.first != newest.first:
		return h, s, fmt.Errorf("%w: no segment follows the damaged one of entry %d", ErrDamaged, newest.first)
	case err == nil && h.size != newest.size:
		err = fmt.Errorf("%w: the file has %d bytes, it was made with %d", ErrDamaged, newest.size, h.size)
	}
	if err != nil {
		return j.guess(newest, h, err)
	}
	return h, scanSegment(b, h), nil
}

// guess is the verdict on a newest segment of which no record is believed: the
// ones before it tell what journal it is of, and its name where it began.
func (j *Journal) guess(newest segment, own header, why error) (h header, s scan, err error) {
	for i := len(j.segments) - 2; i >= 0; i-- {
		b, err := j.readSegment(j.segments[i])
		if err != nil {
			return h, s, err
		}
		if h, err = parseHeader(b); err != nil || h.first != j.segments[i].first {
			continue
		}
		s = scanSegment(b, h)
		h.size = max(h.size, own.size, newest.size, j.o.SegmentSize)
		s.seq, s.damaged = newest.first-1, why
		return h, s, nil
	}
	return header{}, scan{}, why
}

// end is the highest number that a segment can have had. Above it a damaged one
// gave none out.
func (s segment) end() uint64 {
	return s.first - 1 + uint64(s.size-dataStart)/(recordHead+link.EntrySize)
}

// continueBehind goes on in a new segment, at a number that was never given out.
// What lies between the good end and that is a gap like any other.
func (j *Journal) continueBehind(end uint64, h header, s scan, old saved, r *Report) error {
	newest := &j.segments[len(j.segments)-1]
	j.take(h, s, old)
	j.boot = behindLost(j.boot, end-s.seq)
	r.Scanned, r.Damaged = s.count, r.Damaged+1
	j.last.seq = end
	j.durable = j.last
	first, damage := newest.first, s.seq+1
	var err error
	if j.spare, err = j.disk.create(spareName, j.o.SegmentSize); err != nil { // also beyond the budget
		return err
	}
	if err := j.rotate(header{first: j.last.seq + 1, before: s.chain, floor: s.floor, floored: s.floored}); err != nil {
		return err
	}
	j.mark(first, damage)
	return nil
}

// behindLost returns a boot number that none of the starts had whose entries may be
// among so many that were lost: each start begins with one. Else two starts of one
// journal could have one number, and their times since the start be taken for
// those of one.
func behindLost(boot uint32, entries uint64) uint32 {
	return boot + uint32(min(entries, uint64(math.MaxUint32-boot)))
}

// continueAt takes the good end as the journal's.
func (j *Journal) continueAt(h header, s scan, old saved, r *Report) error {
	f, err := j.disk.open(j.segments[len(j.segments)-1].name())
	if err != nil {
		return err
	}
	j.active, j.off, j.size = f, s.off, h.size
	if err := cut(f, s.off, s.torn); err != nil {
		return err
	}
	r.Torn, r.Scanned = s.torn, s.count
	j.take(h, s, old)
	return nil
}

// take makes the good end, and what central had acknowledged, the journal's.
func (j *Journal) take(h header, s scan, old saved) {
	j.id, j.boot = h.id, max(s.boot, old.boot)+1
	j.last = tail{s.seq, s.chain, s.floor, s.floored}
	j.durable = j.last
	j.acked = j.segments[0].first - 1
	if old.id == h.id {
		j.acked, j.issued, j.rewound = max(j.acked, old.acked), old.issued, old.rewound
	}
	j.saved, j.savedRewound = j.acked, j.rewound
	j.weigh()
}

// cut zeroes the torn bytes, so that none of them can ever follow a new entry.
func cut(f file, off int64, n int) error {
	if n == 0 {
		return nil
	}
	if _, err := f.WriteAt(make([]byte, n), off); err != nil {
		return fmt.Errorf("cut torn tail: %w", err)
	}
	if err := f.sync(); err != nil {
		return fmt.Errorf("cut torn tail: %w", err)
	}
	return nil
}

// begin makes the first segment of a new journal. What was found of one before
// gives its floor: what the lane knew it goes on knowing.
func (j *Journal) begin(boot uint32, before scan) error {
	rand.Read(j.id[:]) // never fails (crypto/rand)
	j.boot = max(boot, before.boot) + 1
	j.last = tail{chain: link.JournalStart(j.id), floor: before.floor, floored: before.floored}
	j.durable, j.segments = j.last, nil
	return j.rotate(header{first: 1, before: j.last.chain, floor: before.floor, floored: before.floored})
}

// setAside renames all segments, oldest first: should this be interrupted, the
// damaged newest one is still there and it begins again. The numbers of a
// damaged journal are never used twice, so a new journal begins.
func (j *Journal) setAside(s scan, old saved, r *Report) error {
	r.SetAside = asideName(max(j.o.Now().UnixMilli(), j.aside+1)) // also with a clock of 1970
	for _, old := range j.segments {
		if err := j.disk.rename(old.name(), r.SetAside+"/"+old.name()); err != nil {
			return err
		}
	}
	r.New, r.Damaged = true, 0
	return j.begin(old.boot, s)
}

// readSegment returns a whole file.
func (j *Journal) readSegment(s segment) ([]byte, error) {
	f, err := j.disk.open(s.name())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, min(s.size, maxSegment))
	n, err := f.ReadAt(b, 0)
	if n < len(b) && !isEOF(err) {
		return nil, fmt.Errorf("read segment: %w", err)
	}
	return b, nil
}
