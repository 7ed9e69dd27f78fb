package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"

	"turnstile/central/link"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// rotate begins a new segment with the record next.first. It is called by the
// goroutine that flushes, or by Open. Until the spare has its name nobody may make
// another under the same.
func (j *Journal) rotate(next header) error {
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
	next.id, next.boot, next.created, next.size = j.id, j.boot, j.o.Now().UnixMilli(), j.o.SegmentSize
	f, err := j.takeSpare()
	if err != nil {
		return err
	}
	if err := writeHeader(f, &next); err != nil {
		f.Close()
		return err
	}
	if err := j.disk.rename(spareName, segmentName(next.first, segmentSuffix)); err != nil {
		f.Close()
		return err
	}
	if j.active != nil {
		j.active.Close() // its entries are durable already
	}
	j.active, j.off, j.size, j.seal = f, dataStart, j.o.SegmentSize, false
	j.addSegment(next.first)
	return nil
}

// addSegment lists the new segment. It takes the place of one that began with
// the same entry, which then never became durable.
func (j *Journal) addSegment(first uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if n := len(j.segments); n > 0 && j.segments[n-1].first == first {
		j.segments = j.segments[:n-1]
	}
	j.segments = append(j.segments, segment{first: first, size: j.o.SegmentSize})
	j.weigh()
}

func writeHeader(f file, h *header) error {
	b := h.block()
	if _, err := f.WriteAt(append(b, b...), 0); err != nil {
		return fmt.Errorf("write segment header: %w", full(err))
	}
	if err := f.sync(); err != nil {
		return fmt.Errorf("write segment header: %w", full(err))
	}
	return nil
}

// takeSpare returns the prepared segment, or makes one now. spareMu is held.
func (j *Journal) takeSpare() (file, error) {
	if err := j.prepare(); err != nil {
		return nil, err
	}
	f := j.spare
	j.spare = nil
	return f, nil
}

// prepare makes the spare segment if there is none. spareMu is held.
func (j *Journal) prepare() error {
	if j.spare != nil {
		return nil
	}
	err := j.makeRoom()
	for err == nil {
		if j.spare, err = j.disk.create(spareName, j.o.SegmentSize); err == nil || !errors.Is(err, ErrFull) || !j.droppable() {
			break
		}
		err = j.dropOldest() // the disk is smaller than the budget
	}
	j.mu.Lock()
	j.noRoom = errors.Is(err, ErrFull)
	j.mu.Unlock()
	return err
}

// droppable reports whether central has all of the oldest segment.
func (j *Journal) droppable() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.segments) > 1 && j.segments[1].first-1 <= j.acked
}

// makeRoom drops acknowledged segments, young ones too, until one more fits
// into the budget.
func (j *Journal) makeRoom() error {
	for {
		j.mu.Lock()
		used := j.used(len(j.segments))
		fits := used+j.o.SegmentSize <= j.o.Budget || len(j.segments) == 0
		j.mu.Unlock()
		switch {
		case fits:
			return nil
		case !j.droppable():
			return fmt.Errorf("%w: %d bytes wait for central", ErrFull, used)
		}
		if err := j.dropOldest(); err != nil {
			return err
		}
	}
}

// used is the size of the oldest n segments. mu is held.
func (j *Journal) used(n int) (bytes int64) {
	for _, s := range j.segments[:n] {
		bytes += s.size
	}
	return bytes
}

// dropOldest removes the oldest segment; a damaged one is kept for a person.
func (j *Journal) dropOldest() error {
	j.mu.Lock()
	oldest := j.segments[0]
	j.mu.Unlock()
	drop := j.disk.remove
	if oldest.bad || oldest.damage != 0 {
		drop = j.keepDamaged
	}
	if err := drop(oldest.name()); err != nil {
		return err
	}
	j.mu.Lock()
	j.segments = slices.Delete(j.segments, 0, 1)
	j.weigh()
	j.mu.Unlock()
	return nil
}

// maxKept is how many damaged segments stay behind when their time is over.
const maxKept = 8

// keepDamaged renames a damaged segment, so that it is no part of the journal
// any more, and removes the oldest of those beyond maxKept.
func (j *Journal) keepDamaged(name string) error {
	if err := j.disk.rename(name, keptPrefix+name); err != nil {
		return err
	}
	list, err := j.disk.list()
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(f fileInfo) bool { return !strings.HasPrefix(f.name, keptPrefix) })
	sort.Slice(list, func(a, b int) bool {
		return cmp.Or(list[a].changed.Compare(list[b].changed), strings.Compare(list[a].name, list[b].name)) < 0
	})
	for len(list) > maxKept {
		if err := j.disk.remove(list[0].name); err != nil {
			return err
		}
		list = list[1:]
	}
	return nil
}

// AgeBy has segments age by a clock that says whether it can be trusted, in place
// of Options.Now: none is dropped because the machine's clock jumped. Call it
// before Run.
func (j *Journal) AgeBy(campus func() (now time.Time, trusted bool)) { j.campus = campus }

// now is the time that segments age by.
func (j *Journal) now() (time.Time, bool) {
	if j.campus == nil {
		return j.o.Now(), true
	}
	return j.campus()
}

// dropOld drops segments that central has acknowledged and whose time is over.
// spareMu is held: one goroutine drops at a time.
func (j *Journal) dropOld() error {
	now, trusted := j.now()
	if trusted {
		j.startAges(now)
	}
	for j.isOld(now, trusted) {
		if err := j.dropOldest(); err != nil {
			return err
		}
	}
	return nil
}

// oldest is a time before which no agent wrote a file: a clock without a battery
// was not set yet.
var oldest = time.Unix(1767225600, 0) // 2026-01-01 UTC

// startAges has each whole segment of which it is not known when it was changed
// last age from now on.
func (j *Journal) startAges(now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range j.segments[:len(j.segments)-1] {
		if s := &j.segments[i]; s.aged.Before(oldest) || s.aged.After(now) {
			s.aged = now
		}
	}
}

func (j *Journal) isOld(now time.Time, trusted bool) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) < 2 || j.segments[1].first-1 > j.acked {
		return false
	}
	n := 1
	for n+1 < len(j.segments) && j.segments[n+1].first-1 <= j.acked {
		n++
	}
	return j.used(n) > j.o.KeepBytes || trusted && now.Sub(j.segments[0].aged) > j.o.Keep
}

// weigh adds up the segments that wait for central. mu is held; whoever changes
// segments or acked calls it.
func (j *Journal) weigh() {
	j.unsent = 0
	for i := range j.segments {
		if j.limit(i)-1 > j.acked {
			j.unsent += j.segments[i].size
		}
	}
}

// reserve is the part of the budget that routine entries leave free, a 32nd:
// 95,000 alarms and results in the default of 256 MiB.
const reserve = 32

// tight reports that only the reserve is left: of the budget, or, when the disk
// itself is full, of the segment being written. mu is held.
func (j *Journal) tight() bool {
	return j.noRoom || j.unsent > j.o.Budget-j.o.Budget/reserve
}

// hasRoom reports whether a routine entry may be taken. If the last segment could
// not be made it tries again: the disk may have room meanwhile. It is called with
// mu held and gives it up meanwhile.
func (j *Journal) hasRoom() bool {
	if j.noRoom {
		j.mu.Unlock()
		j.spareMu.Lock()
		err := j.prepare()
		j.spareMu.Unlock()
		j.mu.Lock()
		if err != nil {
			return false
		}
	}
	return j.closed || !j.tight() // Append tells of a closed one
}

// routine are the entries that wait when space runs out: each is the record of
// a decision that the lane can refuse to make. All others tell what has happened
// already.
func routine(t link.EntryType) bool { return t == link.EntryGranted || t == link.EntryDenied }

// Level returns the watermark that the unacknowledged entries have passed, in
// percent of the budget: 0, 50, 80, 95, or 100 when grants and refusals are not
// taken any more.
func (j *Journal) Level() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tight() {
		return 100
	}
	level := 0
	for _, mark := range []int{50, 80, 95} {
		if j.unsent*100 >= j.o.Budget*int64(mark) {
			level = mark
		}
	}
	return level
}

// Run prepares the next segment before it is needed, drops what may go, and
// writes down what was acknowledged, until ctx ends. Without it Append does
// the first two itself when it must. Errors are kept for the next Append, and
// tried again at the next occasion.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute) // for segments that only grew old
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-j.work:
		case <-tick.C:
		}
		j.housekeep()
	}
}

// housekeep does Run's work once. An error is not lost: a full disk shows in
// Level, everything else comes back at the next rotation.
func (j *Journal) housekeep() error {
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
	return errors.Join(j.dropOld(), j.prepare(), j.saveState(false))
}
