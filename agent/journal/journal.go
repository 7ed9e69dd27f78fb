// Package journal keeps a lane's entries: the one thing on a lane that cannot
// be fetched again. An entry is durable when Append returns, and stays until
// central has acknowledged it and some days more.
//
// FORMAT.md beside this file has the bytes, the durability points and what
// happens to torn and damaged files.
package journal

import (
	"errors"
	"io"
	"sync"
	"time"

	"turnstile/central/link"
)

// Journal is one lane controller's journal. Its methods may be called from
// several goroutines.
type Journal struct {
	disk  disk
	lock  io.Closer
	o     Options
	id    link.JournalID
	boot  uint32
	seed  uint32
	aside int64         // Unix ms in the newest name of a journal that was set aside; used by Open
	work  chan struct{} // capacity 1: there is something for Run
	grew  chan struct{} // capacity 1: there are new durable entries

	mu           sync.Mutex // guards the following
	changed      sync.Cond  // on mu: a flush ended, or the last waiter of a failed one left
	segments     []segment  // ascending; the last one is written to
	last         tail       // as appended, perhaps not durable yet
	durable      tail       // what Append promised and Read shows
	pending      []byte     // records for the next flush
	first        uint64     // seq of the first one in pending
	before       link.Hash  // chain value before it
	idle         []byte     // the other buffer, nil during a flush
	flushing     bool       // one goroutine is in write
	waiting      int        // Appends with a record in pending or in the flush
	failed       error      // of the flush that took all waiting ones with it
	acked        uint64
	issued       int64  // Unix ms: when central made the newest acknowledgement
	rewound      int64  // Unix ms: when it made the newest one that took entries back
	saved        uint64 // acked as the state file has it
	savedRewound int64  // likewise
	unsent       int64  // bytes of the segments that wait for central
	noRoom       bool   // the last try to make a segment found the disk or the budget full
	closed       bool
	stats        Stats

	campus func() (time.Time, bool) // see AgeBy

	active file  // owned by the goroutine that set flushing
	off    int64 // owned likewise
	size   int64 // owned likewise: where active ends
	seal   bool  // owned likewise: active may hold entries of a failed flush

	spareMu sync.Mutex // also held while segments are removed or renamed; taken before mu
	spare   file       // guarded by spareMu: a zeroed segment, or nil

	readMu  sync.Mutex
	cursors cursors // guarded by readMu

	stateMu sync.Mutex
	state   file   // guarded by stateMu
	slot    int    // guarded by stateMu: the slot to write next
	turn    uint64 // guarded by stateMu: counts the writes
}

// tail is the newest end of a journal.
type tail struct {
	seq     uint64
	chain   link.Hash
	floor   link.Floor
	floored bool
}

// segment is one file.
type segment struct {
	first  uint64
	size   int64     // of the file
	bad    bool      // named *.bad
	aged   time.Time // from when it ages: its last change, or zero until dropOld saw it whole
	damage uint64    // first entry that cannot be read, 0 if not known to be damaged
}

func (s segment) name() string {
	if s.bad {
		return segmentName(s.first, badSuffix)
	}
	return segmentName(s.first, segmentSuffix)
}

// ID names the journal; it is new whenever entries could not be continued.
func (j *Journal) ID() link.JournalID { return j.id }

// Boot is the number of this start of the agent, from 1.
func (j *Journal) Boot() uint32 { return j.boot }

// First is the oldest entry that is still kept, 1 + Last if there is none.
func (j *Journal) First() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].first
}

// Last is the newest durable entry, 0 if there was never one.
func (j *Journal) Last() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable.seq
}

// Chain is the chain value after Last.
func (j *Journal) Chain() link.Hash {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable.chain
}

// Acked is the newest entry that central has acknowledged. It goes back when
// central lost what it had; see Ack.
func (j *Journal) Acked() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.acked
}

// Bounds returns First, Last and Acked of one moment.
func (j *Journal) Bounds() (first, last, acked uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.segments[0].first, j.durable.seq, j.acked
}

// Floor is the newest durable floor, nil if there is none.
func (j *Journal) Floor() *link.Floor {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.durable.floorCopy()
}

func (t tail) floorCopy() *link.Floor {
	if !t.floored {
		return nil
	}
	f := t.floor
	return &f
}

// Grown tells whoever sends entries on that there are new durable ones since
// it was last read. There is one such channel: it is for one reader.
func (j *Journal) Grown() <-chan struct{} { return j.grew }

// Stats returns what the journal did since Open.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stats
}

// Close waits for the flush in progress and releases the folder. Appends that
// come later return ErrClosed. Stop Run first.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.changed.Broadcast()
	for j.waiting > 0 || j.flushing {
		j.changed.Wait()
	}
	j.mu.Unlock()
	err := j.saveState(true)
	return errors.Join(err, j.release())
}

// release closes all files; the lock comes last.
func (j *Journal) release() error {
	j.spareMu.Lock()
	defer j.spareMu.Unlock()
	var errs []error
	for _, f := range []file{j.active, j.spare, j.state} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	j.spare = nil
	return errors.Join(append(errs, j.lock.Close())...)
}
