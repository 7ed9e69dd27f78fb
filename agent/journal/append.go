package journal

import (
	"fmt"
	"runtime"

	"turnstile/central/link"
)

// maxPending bounds the records that one flush carries, in bytes.
const maxPending = 64 << 10

// Append writes e with the next Seq and this start's Boot, and returns that
// Seq. When it returns without error the entry is durable: one write and one
// fdatasync, shared by all that append at the same time. After an error the
// entry counts as not written; should the machine die just then, it may still
// be found at the next start, never out of order.
//
// When space runs out, ErrFull comes first for grants and refusals: the lane
// refuses, and the rest is for what happens all the same. See FORMAT.md.
func (j *Journal) Append(e link.Entry) (seq uint64, err error) {
	if e.Type == 0 || e.Type == link.EntryFloor && e.Floor == nil {
		return 0, fmt.Errorf("append entry: %w: type %d", link.ErrMalformed, e.Type)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if routine(e.Type) && !j.hasRoom() {
		return 0, fmt.Errorf("append entry: %w: the rest is for alarms and results", ErrFull)
	}
	most := int(min(maxPending, j.o.SegmentSize-dataStart)) // a flush lies in one segment
	for !j.closed && (j.failed != nil || len(j.pending) > most-recordHead-link.FloorSize) {
		j.changed.Wait()
	}
	if j.closed {
		return 0, ErrClosed
	}
	seq = j.push(&e)
	j.waiting++
	err = j.await(seq)
	j.leave()
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// push adds the record to the next flush.
func (j *Journal) push(e *link.Entry) uint64 {
	var flags byte
	if len(j.pending) == 0 {
		flags, j.first, j.before = startsFlush, j.last.seq+1, j.last.chain
	}
	j.last.seq++
	e.Seq, e.Boot = j.last.seq, j.boot
	at := len(j.pending)
	j.pending = appendRecord(j.pending, j.seed, flags, e)
	j.last.chain = link.JournalChain(j.last.chain, j.pending[at+recordHead:])
	if e.Floor != nil {
		j.last.floor, j.last.floored = *e.Floor, true
	}
	return e.Seq
}

// await returns when seq is durable or its flush failed. Whoever finds no flush
// in progress carries out the next one for all.
func (j *Journal) await(seq uint64) error {
	for j.durable.seq < seq && j.failed == nil {
		if j.flushing {
			j.changed.Wait()
			continue
		}
		j.flush()
	}
	if j.durable.seq >= seq {
		return nil
	}
	return fmt.Errorf("append entry: %w", j.failed)
}

// leave lets new entries in again once all that a failure took with it have
// seen it: their numbers are given out anew.
func (j *Journal) leave() {
	j.waiting--
	if j.waiting == 0 {
		j.failed = nil
		j.changed.Broadcast()
	}
}

// flush makes pending durable. It is called with mu held and gives it up
// during the write.
func (j *Journal) flush() {
	j.flushing = true
	j.mu.Unlock()
	runtime.Gosched() // those whom the last flush woke join this one
	j.mu.Lock()
	buf, first, before, end := j.pending, j.first, j.before, j.last
	floor := j.durable
	j.pending, j.idle = j.idle, nil
	j.mu.Unlock()
	err := j.write(buf, header{first: first, before: before, floor: floor.floor, floored: floor.floored})
	j.mu.Lock()
	j.flushing, j.idle = false, buf[:0]
	if err != nil {
		j.fail(err)
	} else {
		j.stats.Entries += end.seq - j.durable.seq
		j.durable = end
		signal(j.grew)
	}
	j.changed.Broadcast()
}

// fail takes back what is not durable.
func (j *Journal) fail(err error) {
	j.last, j.failed, j.pending = j.durable, err, j.pending[:0]
}

// write appends buf to the active segment, or to a new one if it does not fit
// or the active one may hold entries of a failed flush. After a failed
// fdatasync the kernel may have thrown the bytes away and reported it once:
// that file is never written again.
func (j *Journal) write(buf []byte, next header) error {
	if j.seal || j.off+int64(len(buf)) > j.size {
		if err := j.rotate(next); err != nil {
			return err
		}
	}
	j.seal = true
	if _, err := j.active.WriteAt(buf, j.off); err != nil {
		return fmt.Errorf("write segment: %w", full(err))
	}
	if err := j.active.sync(); err != nil {
		return fmt.Errorf("flush segment: %w", full(err))
	}
	j.seal = false
	j.off += int64(len(buf))
	j.count(len(buf))
	return nil
}

func (j *Journal) count(n int) {
	j.mu.Lock()
	j.stats.Flushes++
	j.stats.Bytes += uint64(n)
	j.mu.Unlock()
	if j.off > j.size/2 {
		j.poke()
	}
}

// poke tells Run that there is something to do.
func (j *Journal) poke() { signal(j.work) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
