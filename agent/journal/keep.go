package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"turnstile/central/link"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// rotate begins a new segment with the record next.first. It is called by the
// goroutine that flushes, or by Open.
func (j *Journal) rotate(next header) error {
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
	j.segments = append(j.segments, segment{first: first, size: j.o.SegmentSize, changed: j.o.Now()})
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

// takeSpare returns the prepared segment, or makes one now.
func (j *Journal) takeSpare() (file, error) {
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
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
	if err == nil {
		j.spare, err = j.disk.create(spareName, j.o.SegmentSize)
	}
	j.mu.Lock()
	j.noRoom = errors.Is(err, ErrFull)
	j.mu.Unlock()
	return err
}

// makeRoom drops acknowledged segments, young ones too, until one more fits
// into the budget.
func (j *Journal) makeRoom() error {
	for {
		j.mu.Lock()
		used := j.used(len(j.segments))
		fits := used+j.o.SegmentSize <= j.o.Budget || len(j.segments) == 0
		droppable := len(j.segments) > 1 && j.segments[1].first-1 <= j.acked
		j.mu.Unlock()
		switch {
		case fits:
			return nil
		case !droppable:
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

func (j *Journal) dropOldest() error {
	j.mu.Lock()
	oldest := j.segments[0]
	j.mu.Unlock()
	if err := j.disk.remove(oldest.name()); err != nil {
		return err
	}
	j.mu.Lock()
	j.segments = slices.Delete(j.segments, 0, 1)
	j.mu.Unlock()
	return nil
}

// dropOld drops segments that central has acknowledged and whose time is over.
// spareMu is held: one goroutine drops at a time.
func (j *Journal) dropOld() error {
	for j.isOld() {
		if err := j.dropOldest(); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) isOld() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segments) < 2 || j.segments[1].first-1 > j.acked {
		return false
	}
	n := 1
	for n+1 < len(j.segments) && j.segments[n+1].first-1 <= j.acked {
		n++
	}
	return j.used(n) > j.o.KeepBytes || j.o.Now().Sub(j.segments[0].changed) > j.o.Keep
}

// Level returns the watermark that the unacknowledged entries have passed, in
// percent of the budget: 0, 50, 80, 95, or 100 when the next segment cannot be
// made.
func (j *Journal) Level() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.noRoom {
		return 100
	}
	waiting := int64(0)
	for i := range j.segments {
		if j.limit(i)-1 > j.acked {
			waiting += j.segments[i].size
		}
	}
	level := 0
	for _, mark := range []int{50, 80, 95} {
		if waiting*100 >= j.o.Budget*int64(mark) {
			level = mark
		}
	}
	return level
}

// Ack takes central's word that it has everything up to seq on disk, with its
// chain value there. ErrForked if that is not this journal's value: central
// then holds something else under these numbers, and nothing is dropped.
func (j *Journal) Ack(seq uint64, chain link.Hash) error {
	j.mu.Lock()
	known, last := j.acked, j.durable.seq
	j.mu.Unlock()
	if seq <= known {
		return nil
	}
	if seq > last {
		return fmt.Errorf("%w: entry %d, the newest is %d", ErrForked, seq, last)
	}
	own, err := j.chainAt(seq)
	if err != nil {
		return fmt.Errorf("check acknowledgement: %w", err)
	}
	if own != chain {
		return fmt.Errorf("%w: entry %d: chain %s here, %s at central", ErrForked, seq, own, chain)
	}
	j.mu.Lock()
	j.acked = max(j.acked, seq)
	j.mu.Unlock()
	j.poke()
	return nil
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

// saved is the content of the state file: what may be lost without harm.
type saved struct {
	id    link.JournalID
	boot  uint32
	acked uint64
	turn  uint64 // the higher one of two slots is newer
}

const (
	slotSize  = 512
	slotBytes = 16 + 4 + 8 + 8 + 4
)

func (s saved) encode() []byte {
	be := binary.BigEndian
	b := append(make([]byte, 0, slotSize), s.id[:]...)
	b = be.AppendUint32(b, s.boot)
	b = be.AppendUint64(b, s.acked)
	b = be.AppendUint64(b, s.turn)
	return be.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func parseSlot(b []byte) (s saved, ok bool) {
	be := binary.BigEndian
	if len(b) < slotBytes || be.Uint32(b[slotBytes-4:]) != crc32.Checksum(b[:slotBytes-4], castagnoli) {
		return s, false
	}
	return saved{link.JournalID(b[:16]), be.Uint32(b[16:]), be.Uint64(b[20:]), be.Uint64(b[28:])}, true
}

// openState reads the state file. Whatever is wrong with it costs only that
// entries are sent to central once more.
func (j *Journal) openState(list []fileInfo) saved {
	var newest saved
	if !slices.ContainsFunc(list, func(f fileInfo) bool { return f.name == stateName }) {
		return newest
	}
	f, err := j.disk.open(stateName)
	if err != nil {
		return newest
	}
	j.state = f
	b := make([]byte, 2*slotSize)
	f.ReadAt(b, 0) // what was not read is zero, and no slot
	for i := range 2 {
		if s, ok := parseSlot(b[i*slotSize:]); ok && s.turn >= newest.turn {
			newest, j.slot = s, 1-i
		}
	}
	j.turn = newest.turn
	return newest
}

// saveState writes what was acknowledged into the older slot. It is not
// flushed but at the end: the kernel writes it within half a minute.
func (j *Journal) saveState(closing bool) error {
	j.stateMu.Lock()
	defer j.stateMu.Unlock()
	j.mu.Lock()
	s, same := saved{j.id, j.boot, j.acked, j.turn + 1}, j.saved == j.acked && j.turn > 0
	j.mu.Unlock()
	if same && !closing {
		return nil
	}
	if j.state == nil {
		f, err := j.disk.create(stateName, blockSize)
		if err != nil {
			return err
		}
		j.state = f
	}
	if _, err := j.state.WriteAt(s.encode(), int64(j.slot)*slotSize); err != nil {
		return fmt.Errorf("write journal state: %w", full(err))
	}
	j.slot, j.turn = 1-j.slot, s.turn
	j.mu.Lock()
	j.saved = s.acked
	j.mu.Unlock()
	if !closing {
		return nil
	}
	return j.state.sync()
}
