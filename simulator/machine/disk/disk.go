// Package disk is a disk with a volatile write cache for QEMU, over NBD: what was not flushed is lost, in part, when the power goes.
//
// A write is durable after a FLUSH that follows it, or with FUA. Cut is the power
// cut: of each write since the last flush it keeps all, some sectors, or nothing,
// by a random source; so writes seem to be reordered, as a disk may. A disk can
// freeze right after its n-th write or before its n-th flush, where a random
// moment seldom falls. It can also fail like a worn card, be slow, and lie about
// flushes.
package disk

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Sector is what a disk writes whole or not at all, in bytes.
const Sector = 512

// Disk is a disk in memory. Its methods may be called from any goroutine.
type Disk struct {
	mu      sync.Mutex // guards the following
	medium  medium
	now     []byte        // what a reader sees
	cuts    int           // power cuts so far; requests from before the last one are void
	trip    Trip          // what is left until the disk freezes
	tripped chan struct{} // closed when it does; nil: no trip is set
	frozen  bool
	cut     chan struct{} // closed at the next power cut: frees requests that a frozen disk holds
	conns   map[net.Conn]bool
	failing bool
	delay   time.Duration // of each write and flush
	log     *Log
	counts  Counts
}

// Trip says when a disk freezes; the zero value is never.
type Trip struct {
	Writes  int // after so many more writes, the last of them accepted
	Flushes int // at that many more flushes, the last of them not done
}

// Counts are the requests that a disk has answered.
type Counts struct{ Reads, Writes, Flushes, Failed int }

// New returns a disk that holds image, which becomes its own. The length is a
// multiple of Sector.
func New(image []byte) *Disk {
	return &Disk{medium: medium{kept: image}, now: append([]byte(nil), image...), cut: make(chan struct{}), conns: map[net.Conn]bool{}}
}

// Lie has the disk ignore flushes from now on and say that it did them.
func (d *Disk) Lie() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.medium.lying = true
}

// Lies reports whether the disk ignores flushes.
func (d *Disk) Lies() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.medium.lying
}

// Fail has each write answered with EIO until the next power cut, and do nothing.
func (d *Disk) Fail() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = true
}

// Slow has each write and flush take that long.
func (d *Disk) Slow(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.delay = by
}

// Freeze sets the trip: when it is reached the disk answers nothing any more
// until Cut, and the channel is closed. It replaces a trip that was set before.
func (d *Disk) Freeze(t Trip) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trip, d.tripped = t, make(chan struct{})
	return d.tripped
}

// Stop freezes the disk at once: the power begins to fail.
func (d *Disk) Stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.freeze()
}

// freeze is called with mu held.
func (d *Disk) freeze() {
	if d.tripped != nil && !d.frozen {
		close(d.tripped)
	}
	d.frozen = true
}

// Cut takes the power away and gives it back: the disk holds what survived, and
// knows no connections, trips and failures any more.
func (d *Disk) Cut(r *rand.Rand) Loss {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.Close()
	}
	d.freeze()
	close(d.cut)
	d.cut = make(chan struct{})
	d.cuts++
	d.frozen, d.failing, d.trip, d.tripped = false, false, Trip{}, nil
	loss := d.medium.cut(r)
	copy(d.now, d.medium.kept)
	return loss
}

// Image returns a copy of what would be left if all that is in the cache was lost.
func (d *Disk) Image() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]byte(nil), d.medium.kept...)
}

// Content returns a copy of what a reader sees, cache included.
func (d *Disk) Content() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]byte(nil), d.now...)
}

// Load replaces what is on the disk, between two computers that use it. The
// length stays.
func (d *Disk) Load(image []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.medium.kept, image)
	copy(d.now, image)
	d.medium.cached = nil
}

// Unflushed is the number of writes in the cache.
func (d *Disk) Unflushed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.medium.cached)
}

// Counts returns what the disk has answered so far.
func (d *Disk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// Record begins to keep all writes and flushes in a new log, which begins with
// the disk as a reader sees it now, taken as durable.
func (d *Disk) Record() *Log {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = &Log{base: append([]byte(nil), d.now...)}
	return d.log
}

// result is NBD's error number, 0 for none.
type result uint32

// Of nbd/doc/proto.md.
const (
	done    result = 0
	failed  result = 5  // EIO
	invalid result = 22 // EINVAL
)

// enter waits as a slow disk does and takes mu, unless the request is void: it
// came before the last power cut, or a frozen disk never answers it.
func (d *Disk) enter(cuts int, slow bool) bool {
	d.mu.Lock()
	if delay := d.delay; slow && delay > 0 {
		d.mu.Unlock()
		wait(delay)
		d.mu.Lock()
	}
	for d.cuts == cuts && d.frozen {
		gone := d.cut
		d.mu.Unlock()
		<-gone
		d.mu.Lock()
	}
	if d.cuts != cuts {
		d.mu.Unlock()
		return false
	}
	return true
}

func wait(t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	<-timer.C
}

// inside reports whether the disk has these bytes; mu is held.
func (d *Disk) inside(off uint64, n int) bool {
	return off <= uint64(len(d.now)) && uint64(n) <= uint64(len(d.now))-off
}

func (d *Disk) read(cuts int, off uint64, n int) ([]byte, result) {
	if !d.enter(cuts, false) {
		return nil, failed
	}
	defer d.mu.Unlock()
	if !d.inside(off, n) {
		return nil, invalid
	}
	d.counts.Reads++
	return append([]byte(nil), d.now[off:off+uint64(n)]...), done
}

// write keeps data. The answer is held back if the disk freezes after it.
func (d *Disk) write(cuts int, off uint64, data []byte, durable bool) result {
	if !d.enter(cuts, true) {
		return failed
	}
	if !d.inside(off, len(data)) || off%Sector != 0 || len(data)%Sector != 0 {
		d.mu.Unlock()
		return invalid
	}
	if d.failing {
		d.counts.Failed++
		d.mu.Unlock()
		return failed
	}
	d.counts.Writes++
	copy(d.now[off:], data)
	d.medium.write(int64(off), data, durable)
	if d.log != nil {
		d.log.add(operation{off: int64(off), data: data, durable: durable})
	}
	if d.trip.Writes--; d.trip.Writes == 0 {
		d.freeze()
	}
	d.mu.Unlock()
	return d.answer(cuts)
}

// answer lets an answer go out, unless the disk is frozen.
func (d *Disk) answer(cuts int) result {
	if !d.enter(cuts, false) {
		return failed
	}
	d.mu.Unlock()
	return done
}

func (d *Disk) flush(cuts int) result {
	if !d.enter(cuts, true) {
		return failed
	}
	if d.trip.Flushes--; d.trip.Flushes == 0 {
		d.freeze()
		d.mu.Unlock()
		return d.answer(cuts)
	}
	defer d.mu.Unlock()
	d.counts.Flushes++
	d.medium.flush()
	if d.log != nil {
		d.log.add(operation{})
	}
	return done
}
