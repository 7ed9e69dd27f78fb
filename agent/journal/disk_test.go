package journal

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// memory is a disk with a volatile cache: what was not synced is lost, whole or
// in parts of 512 bytes, when the power is cut. Its faults make the n-th
// operation that changes something fail, before or after it was done.
type memory struct {
	mu       sync.Mutex
	files    map[string]*memFile
	op       int // changing operations so far
	failAt   int // that operation fails, 0: none
	failDone bool
	failHalf bool // of a write the first half is done
	failErr  error
	readErr  error        // of each ReadAt
	writes   map[int]bool // operations that are writes
	noSpace  bool         // no file can be made
	opened   []string
	readN    int64
	gate     chan struct{} // if not nil, each sync of a segment takes one
	entered  chan struct{} // and tells here that it waits
}

type memFile struct {
	d       *memory
	cached  []byte
	durable []byte
	dirty   map[int64]bool // 512-byte sectors written since the last sync
	changed time.Time
	bad     []int64 // blocks that cannot be read, by their offset
}

var errFault = errors.New("injected fault")

func newMemory() *memory {
	return &memory{files: map[string]*memFile{}, failErr: errFault, writes: map[int]bool{}}
}

// step counts one operation; it runs do unless this one fails undone.
func (d *memory) step(do func()) error {
	d.op++
	if d.op != d.failAt {
		do()
		return nil
	}
	if d.failDone {
		do()
	}
	return d.failErr
}

func (d *memory) list() (list []fileInfo, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.files {
		if folder, _, in := strings.Cut(name, "/"); in {
			name = folder
		}
		list = append(list, fileInfo{name, int64(len(f.cached)), f.changed})
	}
	return list, nil
}

func (d *memory) open(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	d.opened = append(d.opened, name)
	return f, nil
}

func (d *memory) create(name string, size int64) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &memFile{d: d, cached: make([]byte, size), durable: make([]byte, size), dirty: map[int64]bool{}, changed: time.Now()}
	if d.noSpace {
		return nil, full(unix.ENOSPC)
	}
	if err := d.step(func() { d.files[name] = f }); err != nil {
		return nil, full(err)
	}
	return f, nil
}

func (d *memory) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := d.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	return d.step(func() { delete(d.files, from); d.files[to] = f })
}

func (d *memory) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.step(func() { delete(d.files, name) })
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.readErr != nil {
		return 0, f.d.readErr
	}
	if off >= int64(len(f.cached)) {
		return 0, io.EOF
	}
	n := copy(p, f.cached[off:])
	f.d.readN += int64(n)
	for _, b := range f.bad {
		if b < off+int64(n) && off < b+blockSize {
			return int(max(b-off, 0)), unix.EIO
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.d.writes[f.d.op+1] = true
	if f.d.failHalf && f.d.op+1 == f.d.failAt {
		p = p[:len(p)/2]
	}
	err := f.d.step(func() {
		if grow := off + int64(len(p)) - int64(len(f.cached)); grow > 0 {
			f.cached = append(f.cached, make([]byte, grow)...)
		}
		copy(f.cached[off:], p)
		for s := off / 512; s*512 < off+int64(len(p)); s++ {
			f.dirty[s] = true
		}
	})
	if err != nil && f.d.failHalf {
		return len(p), err
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (f *memFile) sync() error {
	f.d.mu.Lock()
	gate, entered := f.d.gate, f.d.entered
	f.d.mu.Unlock()
	if gate != nil {
		entered <- struct{}{}
		<-gate
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.d.step(func() { f.persist(func() bool { return true }) })
}

func (f *memFile) persist(keep func() bool) {
	if len(f.durable) < len(f.cached) {
		f.durable = append(f.durable, make([]byte, len(f.cached)-len(f.durable))...)
	}
	for s := range f.dirty {
		if keep() {
			copy(f.durable[s*512:min((s+1)*512, int64(len(f.durable)))], f.cached[s*512:])
		}
	}
	clear(f.dirty)
}

func (f *memFile) Close() error { return nil }

// cutPower returns the disk as it is found afterwards: of what was not synced,
// any subset of sectors has reached it.
func (d *memory) cutPower(r *rand.Rand) *memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := newMemory()
	for name, f := range d.files {
		f.persist(func() bool { return r.IntN(2) == 0 })
		after.put(name, f.durable)
	}
	return after
}

func (d *memory) put(name string, b []byte) {
	c := func() []byte { return append([]byte(nil), b...) }
	d.files[name] = &memFile{d: d, cached: c(), durable: c(), dirty: map[int64]bool{}, changed: time.Now()}
}

// copy returns the disk as a second one.
func (d *memory) copy() *memory {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := newMemory()
	for name, f := range d.files {
		c.put(name, f.cached)
	}
	return c
}

// on opens a journal on the disk.
func (d *memory) on(t testing.TB, o Options) (*Journal, Report, error) {
	t.Helper()
	if o.SegmentSize == 0 {
		o.SegmentSize = minSegment
	}
	return openOn(d, io.NopCloser(nil), o)
}

func TestNoRoomIsTyped(t *testing.T) {
	for _, err := range []error{unix.ENOSPC, unix.EDQUOT} {
		if !errors.Is(full(err), ErrFull) || !errors.Is(full(err), err) {
			t.Errorf("full(%v) = %v", err, full(err))
		}
	}
	if errors.Is(full(unix.EIO), ErrFull) {
		t.Error("an I/O error is taken for a full disk")
	}
}
