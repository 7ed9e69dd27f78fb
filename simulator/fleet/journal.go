package fleet

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"turnstile/agent/journal"
	"turnstile/central/link"
)

// record is a lane's journal in memory: numbered, chained and acknowledged as the
// one on a disk, which no flush is waited for and no power cut spares.
type record struct {
	id    link.JournalID
	grown chan struct{}                // capacity 1
	acked func(written, now time.Time) // told when an entry of that time is acknowledged

	mu      sync.Mutex // guards the following
	entries [][]byte   // from done+1 on
	written []time.Time
	chains  []link.Hash // after each of entries
	done    uint64      // acknowledged up to here
	chain   link.Hash   // after done
}

func newRecord(acked func(written, now time.Time)) *record {
	r := &record{grown: make(chan struct{}, 1), acked: acked}
	rand.Read(r.id[:]) // never fails
	r.chain = link.JournalStart(r.id)
	return r
}

// ID implements uplink.Journal.
func (r *record) ID() link.JournalID { return r.id }

// append writes an entry down.
func (r *record) append(e link.Entry, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Seq, e.Boot, e.Wall = r.done+uint64(len(r.entries))+1, 1, now.UnixMilli()
	raw := e.Append(nil)
	before := r.chain
	if n := len(r.chains); n > 0 {
		before = r.chains[n-1]
	}
	r.entries, r.written, r.chains = append(r.entries, raw), append(r.written, now), append(r.chains, link.JournalChain(before, raw))
	select {
	case r.grown <- struct{}{}:
	default:
	}
}

// Read implements uplink.Journal.
func (r *record) Read(from uint64, max int) (entries [][]byte, before link.Hash, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from <= r.done {
		return nil, before, fmt.Errorf("read entry %d: %w", from, journal.ErrDropped)
	}
	at := int(from - r.done - 1)
	if at >= len(r.entries) {
		return nil, before, nil
	}
	if before = r.chain; at > 0 {
		before = r.chains[at-1]
	}
	return r.entries[at:min(len(r.entries), at+max)], before, nil
}

// Bounds implements uplink.Journal.
func (r *record) Bounds() (first, last, acked uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done + 1, r.done + uint64(len(r.entries)), r.done
}

// Ack implements uplink.Journal. What is acknowledged is forgotten.
func (r *record) Ack(seq uint64, chain link.Hash, _ int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case seq > r.done+uint64(len(r.entries)):
		return fmt.Errorf("%w: entry %d", journal.ErrForked, seq)
	case seq < r.done:
		return journal.ErrOldAck
	case seq == r.done:
		return nil
	}
	n := int(seq - r.done)
	if r.chains[n-1] != chain {
		return fmt.Errorf("%w: entry %d", journal.ErrForked, seq)
	}
	now := time.Now()
	for _, at := range r.written[:n] {
		r.acked(at, now)
	}
	r.done, r.chain = seq, chain
	r.entries, r.written, r.chains = rest(r.entries, n), rest(r.written, n), rest(r.chains, n)
	return nil
}

// rest is what is behind the first n, without holding their memory.
func rest[T any](list []T, n int) []T {
	if n == len(list) {
		return nil
	}
	return append([]T(nil), list[n:]...)
}

// Grown implements uplink.Journal.
func (r *record) Grown() <-chan struct{} { return r.grown }

// end returns the last entry's number and the chain value after it.
func (r *record) end() (last uint64, chain link.Hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.chains); n > 0 {
		return r.done + uint64(n), r.chains[n-1]
	}
	return r.done, r.chain
}
