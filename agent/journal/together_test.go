package journal

import (
	"context"
	"sync"
	"testing"

	"turnstile/central/link"
)

// TestAllTogether: lanes write, the uplink reads on and acknowledges, somebody
// reads from the oldest on, and Run drops what is acknowledged, at once. The uplink
// sees each entry once, in order, on one chain.
func TestAllTogether(t *testing.T) {
	const writers, each = 4, 500
	d := newMemory()
	j, _ := open(t, d, Options{KeepBytes: minSegment, Budget: 1000 * minSegment})
	ctx, stop := context.WithCancel(t.Context())
	var writing, rest sync.WaitGroup
	rest.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for range writers {
		writing.Go(func() {
			for i := range each {
				if _, err := j.Append(granted(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	rest.Go(func() {
		for ctx.Err() == nil {
			if _, _, err := j.Read(j.First(), 100); err != nil {
				if _, lost := Missing(err); lost { // dropped is what may come
					t.Error(err)
				}
			}
		}
	})
	next, chain := uint64(1), link.JournalStart(j.ID())
	for next <= writers*each && !t.Failed() {
		entries, before, err := j.Read(next, 100)
		if err != nil || len(entries) > 0 && before != chain {
			t.Errorf("entry %d: chain %s, want %s, %v", next, before, chain, err)
			break
		}
		for _, e := range entries {
			chain, next = link.JournalChain(chain, e), next+1
		}
		if err := j.Ack(next-1, chain, int64(next)); err != nil {
			t.Error(err)
		}
		if len(entries) == 0 {
			<-j.Grown()
		}
	}
	writing.Wait()
	stop()
	rest.Wait()
	if j.housekeep(); j.Acked() != writers*each || j.First() < 1000 {
		t.Errorf("acknowledged %d, oldest %d", j.Acked(), j.First())
	}
}

// TestFlushLiesInOneSegment: more entries wait than a segment holds.
func TestFlushLiesInOneSegment(t *testing.T) {
	const n = 200 // 93 in a file
	d := newMemory()
	j, _ := open(t, d, Options{})
	d.gate, d.entered = make(chan struct{}), make(chan struct{})
	var writing sync.WaitGroup
	for i := range n {
		writing.Go(func() {
			if _, err := j.Append(granted(i)); err != nil {
				t.Error(err)
			}
		})
	}
	<-d.entered
	until(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.waiting > 85 })
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	d.gate <- struct{}{}
	for flushing := true; flushing; {
		select {
		case <-d.entered:
			d.gate <- struct{}{}
		case <-done:
			flushing = false
		}
	}
	d.gate = nil
	for name, f := range d.files {
		if size := len(f.cached); name != stateName && size != minSegment {
			t.Errorf("%s has %d bytes", name, size)
		}
	}
	if got := len(all(t, j)); got != n {
		t.Errorf("%d entries", got)
	}
}
