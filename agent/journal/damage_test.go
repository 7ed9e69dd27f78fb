package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"turnstile/central/link"
)

func resum(header []byte) {
	binary.BigEndian.PutUint32(header[headerSize-4:], crc32.Checksum(header[:headerSize-4], castagnoli))
}

// small is a closed journal of one segment with n entries, each flushed alone.
func small(t *testing.T, n int) (*memory, link.JournalID) {
	t.Helper()
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, n)
	j.Close()
	delete(d.files, stateName) // what it knows would only help
	return d, j.ID()
}

// TestEachTruncation cuts the file at every length in headers and records, and at
// each sixteenth in zeros. A segment never changes its
// size, so a short one is damage: it is set aside whole and never written again.
func TestEachTruncation(t *testing.T) {
	d, id := small(t, 6)
	name := segmentName(1, segmentSuffix)
	whole := d.files[name].cached
	for n := range whole {
		if n%16 != 0 && n%blockSize != 1 && n%blockSize != blockSize-1 && whole[n] == 0 && whole[max(n-1, 0)] == 0 {
			continue
		}
		c := newMemory()
		c.put(name, whole[:n])
		j, r, err := c.on(t, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if r.SetAside == "" || !errors.Is(r.Lost, ErrDamaged) || j.ID() == id || j.Last() != 0 {
			t.Fatalf("cut at %d: %+v", n, r)
		}
		if aside := c.files[r.SetAside+"/"+name]; aside == nil || len(aside.cached) != n {
			t.Fatalf("cut at %d: the file was not kept", n)
		}
		appendN(t, j, 1, 1)
		j.Close()
	}
}

// TestEachTornTail zeroes the file from every byte on, as a write does that
// reached the disk in part.
func TestEachTornTail(t *testing.T) {
	const n = 6
	d, id := small(t, n)
	name := segmentName(1, segmentSuffix)
	whole := d.files[name].cached
	end := dataStart + n*(recordHead+link.EntrySize)
	for cut := dataStart; cut <= end; cut++ {
		c := newMemory()
		c.put(name, whole)
		clear(c.files[name].cached[cut:])
		j, r, err := c.on(t, Options{})
		if err != nil {
			t.Fatal(err)
		}
		kept := (cut - dataStart) / (recordHead + link.EntrySize)
		if j.ID() != id || r.SetAside != "" || int(j.Last()) < kept || int(j.Last()) > kept+1 {
			t.Fatalf("zero from %d: last %d, want %d, %+v", cut, j.Last(), kept, r)
		}
		checkGranted(t, all(t, j), int(j.Last()))
		appendN(t, j, int(j.Last())+1, 2)
		j.Close()
	}
}

// checkGap reads a journal with one gap, from the n+1-st entry to the end of the
// segment that begins with entry first, and no entry behind it.
func checkGap(t testing.TB, j *Journal, n int, first uint64) {
	t.Helper()
	last := uint64(0)
	var gap *Gap
	err := j.Replay(1, func(e link.Entry) error {
		last = e.Seq
		if e.Pass != granted(int(e.Seq)).Pass {
			t.Fatalf("entry %d is %+v", e.Seq, e)
		}
		return nil
	})
	end := segment{first: first, size: minSegment}.end()
	if !errors.As(err, &gap) || *gap != (Gap{uint64(n) + 1, end}) || last != uint64(n) || j.Last() != end {
		t.Fatalf("%v behind entry %d, the newest is %d; want %d readable and %d the newest", err, last, j.Last(), n, end)
	}
}

// TestEachBit flips every bit of headers and records, and one of every
// fifth byte elsewhere. Whatever is then read is a true prefix; an entry that had been
// followed by another flush is never cut off quietly, and its number is never given
// out again.
func TestEachBit(t *testing.T) {
	const n = 6
	d, id := small(t, n)
	name := segmentName(1, segmentSuffix)
	size := len(d.files[name].cached)
	end := dataStart + n*(recordHead+link.EntrySize)
	lastRecord := end - recordHead - link.EntrySize
	flips, damaged, torn := 0, 0, 0
	flip := func(at int, bit byte) {
		c := newMemory()
		c.put(name, d.files[name].cached)
		c.files[name].cached[at] ^= bit
		j, r, err := c.on(t, Options{})
		if err != nil {
			t.Fatalf("byte %d bit %x: %v", at, bit, err)
		}
		defer j.Close()
		flips++
		if r.SetAside != "" || j.ID() != id {
			t.Fatalf("byte %d bit %x: set aside (%v)", at, bit, r.Lost)
		}
		switch {
		case r.Damaged != 0:
			damaged++
			if at < dataStart || at >= lastRecord {
				t.Fatalf("byte %d bit %x: %+v", at, bit, r)
			}
			checkGap(t, j, (at-dataStart)/(recordHead+link.EntrySize), 1)
			appendN(t, j, int(j.Last())+1, 1)
			return
		case at >= dataStart && at < lastRecord:
			t.Fatalf("byte %d bit %x: damage not seen, last %d", at, bit, j.Last())
		case at >= lastRecord && at < end:
			torn++
			if r.Torn == 0 || j.Last() != n-1 {
				t.Fatalf("byte %d bit %x: last %d, %+v", at, bit, j.Last(), r)
			}
		case j.Last() != n:
			t.Fatalf("byte %d bit %x: last %d", at, bit, j.Last())
		}
		checkGranted(t, all(t, j), int(j.Last()))
		appendN(t, j, int(j.Last())+1, 1) // what was cut is not read behind it
		checkGranted(t, all(t, j), int(j.Last()))
	}
	for at := range size {
		inHeader := at%blockSize < headerSize && at < dataStart
		if !inHeader && (at < dataStart || at >= end) {
			if at%5 == 0 || at < end+100 && at >= end {
				flip(at, 1<<(at%8))
			}
			continue
		}
		for bit := range 8 {
			flip(at, 1<<bit)
		}
	}
	if flips < 9000 || damaged < 3000 || torn < 700 {
		t.Fatalf("only %d flips, %d damaged, %d torn", flips, damaged, torn)
	}
}

func TestBothHeadersGone(t *testing.T) {
	d, id := small(t, 3)
	f := d.files[segmentName(1, segmentSuffix)]
	f.cached[20] ^= 1
	f.cached[blockSize+20] ^= 1
	j, r := open(t, d, Options{})
	if r.SetAside == "" || j.ID() == id {
		t.Fatalf("%+v", r)
	}
}

// TestDamagedMiddle flips each bit of a record in an older segment: what is
// before it is read, what is behind it in its segment is one named gap, also
// after a restart, and the segments around are whole.
func TestDamagedMiddle(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 300)
	second, third := j.segments[1].first, j.segments[2].first
	j.Close()
	at := dataStart + 10*(recordHead+link.EntrySize)
	for bit := range (recordHead + link.EntrySize) * 8 {
		c := d.copy()
		c.files[segmentName(second, segmentSuffix)].cached[at+bit/8] ^= 1 << (bit % 8)
		for range 2 { // the second time as *.bad
			j, r := open(t, c, Options{})
			var gap *Gap
			n := uint64(0)
			count := func(e link.Entry) error { n = e.Seq; return nil }
			if err := j.Replay(1, count); !errors.As(err, &gap) || *gap != (Gap{second + 10, third - 1}) || n != second+9 {
				t.Fatalf("bit %d: gap %+v, last %d, %v", bit, gap, n, err)
			}
			if err := j.Replay(gap.To+1, count); err != nil || n != 300 {
				t.Fatalf("bit %d: behind the gap: last %d, %v", bit, n, err)
			}
			if _, _, err := j.Read(gap.To, 1); !errors.Is(err, ErrDamaged) {
				t.Fatalf("bit %d: inside the gap: %v", bit, err)
			}
			if r.Lost != nil || c.files[segmentName(second, badSuffix)] == nil {
				t.Fatalf("bit %d: %+v, not set aside as .bad", bit, r)
			}
			j.Close()
		}
	}
}

func TestMissingSegmentIsAGap(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 300)
	second, third := j.segments[1].first, j.segments[2].first
	j.Close()
	delete(d.files, segmentName(second, segmentSuffix))
	k, _ := open(t, d, Options{})
	var gap *Gap
	if err := k.Replay(1, func(link.Entry) error { return nil }); !errors.As(err, &gap) || *gap != (Gap{second, third - 1}) {
		t.Fatalf("%v", err)
	}
}

// TestOlderThanAcknowledged restores an old copy of the file, as from a backup
// of the disk: numbers that central knows are not given out again.
func TestOlderThanAcknowledged(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 5)
	old := d.copy()
	appendN(t, j, 6, 5)
	if err := j.Ack(10, j.Chain(), 0); err != nil {
		t.Fatal(err)
	}
	j.Close()
	d.put(segmentName(1, segmentSuffix), old.files[segmentName(1, segmentSuffix)].cached)
	k, r := open(t, d, Options{})
	if r.SetAside == "" || k.ID() == j.ID() || k.Boot() <= j.Boot() {
		t.Fatalf("%+v, boot %d", r, k.Boot())
	}
}

// TestGroupTorn loses one record of a flush that carried many, while later ones
// of the same flush arrived: torn, not damaged, and they never come back behind
// a new entry that takes the lost one's place.
func TestGroupTorn(t *testing.T) {
	d, id := small(t, 4)
	f := d.files[segmentName(1, segmentSuffix)]
	h, err := parseHeader(f.cached)
	if err != nil {
		t.Fatal(err)
	}
	s := scanSegment(f.cached, h)
	b := f.cached[:s.off]
	for i := range 20 {
		e := granted(5 + i)
		e.Seq = uint64(5 + i)
		flags := byte(0)
		if i == 0 {
			flags = startsFlush
		}
		b = appendRecord(b, seedOf(h.id), flags, &e)
	}
	clear(f.cached[s.off+88 : s.off+2*88])
	j, r := open(t, d, Options{})
	if r.SetAside != "" || r.Torn == 0 || j.ID() != id || j.Last() != 5 {
		t.Fatalf("last %d, %+v", j.Last(), r)
	}
	appendN(t, j, 6, 1)
	j.Close()
	if k, _ := open(t, d, Options{}); k.Last() != 6 {
		t.Fatalf("a record of the torn flush came back: last %d", k.Last())
	}
}

// scripted is the number of entries of script: they fill three segments.
const scripted = 195

// TestFailedFlushNeverComesBack fails a flush of two entries that reached the
// disk all the same, and then writes one: the second of the two would fit behind
// it by number and sum.
func TestFailedFlushNeverComesBack(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	d.gate, d.entered = make(chan struct{}), make(chan struct{})
	results := make(chan error, 3)
	write := func(n int) {
		go func() {
			_, err := j.Append(granted(n))
			results <- err
		}()
	}
	write(1)
	<-d.entered
	write(2)
	write(3)
	until(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.waiting == 3 })
	d.mu.Lock()
	d.failAt, d.failDone = d.op+3, true // this flush, the next write, its flush
	d.mu.Unlock()
	d.gate <- struct{}{}
	<-d.entered
	d.gate <- struct{}{}
	failed := 0
	for range 3 {
		if err := <-results; errors.Is(err, errFault) {
			failed++
		}
	}
	d.gate = nil
	if seq, err := j.Append(granted(9)); failed != 2 || seq != 2 || err != nil {
		t.Fatalf("%d failed; then entry %d, %v", failed, seq, err)
	}
	j.Close()
	k, r := open(t, d, Options{})
	if list := all(t, k); len(list) != 2 || list[1].Pass.Index != 9 {
		t.Fatalf("%d entries, %+v", len(list), r)
	}
}

// script does all that a journal does: it appends over three segments,
// acknowledges, drops, closes. It returns the numbers that were promised.
func script(t *testing.T, d *memory, o Options) (promised []link.Entry) {
	j, _, err := d.on(t, o)
	if err != nil {
		return nil
	}
	for i := range scripted {
		e := granted(i)
		if seq, err := j.Append(e); err == nil {
			e.Seq = seq
			promised = append(promised, e)
		}
		if i%60 == 59 {
			if chain, err := j.chainAt(uint64(i - 40)); err == nil {
				j.Ack(uint64(i-40), chain, int64(i))
			}
			j.housekeep()
		}
	}
	j.Close()
	return promised
}

// fault is how one operation fails.
type fault struct{ done, half bool }

// TestEachFault lets every single operation on the disk fail, undone, done or,
// for some writes, done by half, then cuts the power and opens again: all that was
// promised and not dropped is there, once, in order.
func TestEachFault(t *testing.T) {
	o := Options{KeepBytes: minSegment}
	dry := newMemory()
	if n := len(script(t, dry, o)); n != scripted {
		t.Fatalf("without a fault %d entries", n)
	}
	total := dry.op
	if total < 400 || len(dry.writes) < 200 {
		t.Fatalf("only %d operations, %d writes", total, len(dry.writes))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for at := 1; at <= total; at++ {
		for _, f := range []fault{{}, {done: true}, {done: true, half: true}} {
			if f.half && (!dry.writes[at] || at%5 != 0) {
				continue
			}
			d := newMemory()
			d.failAt, d.failDone, d.failHalf = at, f.done, f.half
			promised := script(t, d, o)
			if at > 4 && len(promised) < scripted-10 {
				t.Fatalf("fault %d %+v: only %d entries; one fault must not stop the journal", at, f, len(promised))
			}
			checkPromised(t, d.cutPower(r), promised, at, f.done)
		}
	}
}

func checkPromised(t *testing.T, d *memory, promised []link.Entry, at int, done bool) {
	t.Helper()
	j, r, err := d.on(t, Options{})
	if err != nil || r.SetAside != "" {
		t.Fatalf("fault %d done=%v: %v, %+v", at, done, err, r)
	}
	defer j.Close()
	found := map[uint64]link.Entry{}
	for _, e := range all(t, j) {
		found[e.Seq] = e
	}
	for _, want := range promised {
		got, ok := found[want.Seq]
		if want.Seq >= j.First() && (!ok || got.Pass != want.Pass) {
			t.Fatalf("fault %d done=%v: entry %d (%v) is gone: %v", at, done, want.Seq, want.Pass, got.Pass)
		}
	}
	if len(promised) > 0 && j.First() > promised[len(promised)-1].Seq+1 {
		t.Fatalf("fault %d done=%v: first %d", at, done, j.First())
	}
}

// TestEachPowerCut stops after every operation, with every second sector of the
// unsynced bytes on the disk, and opens again.
func TestEachPowerCut(t *testing.T) {
	dry := newMemory()
	script(t, dry, Options{})
	r := rand.New(rand.NewPCG(3, 4))
	for at := 1; at <= dry.op; at++ {
		d := newMemory()
		d.failAt = at
		d.failErr = errFault
		promised, after := scriptUntil(t, d, at, r)
		checkPromised(t, after, promised, at, false)
	}
}

// scriptUntil appends until operation number at, where the power goes.
func scriptUntil(t *testing.T, d *memory, at int, r *rand.Rand) ([]link.Entry, *memory) {
	var promised []link.Entry
	j, _, err := d.on(t, Options{})
	if err != nil {
		return nil, d.cutPower(r)
	}
	for i := 0; i < scripted && d.op < at; i++ {
		e := granted(i)
		seq, err := j.Append(e)
		if err != nil {
			break
		}
		e.Seq = seq
		promised = append(promised, e)
	}
	after := d.cutPower(r)
	j.Close()
	return promised, after
}

// FuzzScan gives the reader arbitrary segments with an intact header.
func FuzzScan(f *testing.F) {
	h := header{id: link.JournalID{1}, first: 5, boot: 2, size: minSegment}
	rec := func(seq uint64, flags byte) []byte {
		e := granted(int(seq))
		e.Seq = seq
		return appendRecord(nil, seedOf(h.id), flags, &e)
	}
	two := append(rec(5, 1), rec(6, 0)...)
	f.Add(two)
	f.Add(append(two, 0, 80, 1, 0))
	f.Add(append(two, rec(9, 1)...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, records []byte) {
		b := append(make([]byte, dataStart), records...)
		s := scanSegment(b, h)
		if s.off < dataStart || s.off > int64(len(b)) || s.seq != h.first-1+uint64(s.count) || s.torn > len(records) {
			t.Fatalf("%+v of %d bytes", s, len(records))
		}
		again := scanSegment(b[:s.off], h)
		if again.position != s.position || again.torn != 0 || again.damaged != nil {
			t.Fatalf("the good part alone: %+v, was %+v", again, s)
		}
	})
}

// FuzzHeader gives it arbitrary headers.
func FuzzHeader(f *testing.F) {
	h := header{id: link.JournalID{1}, first: 5, boot: 2, size: minSegment}
	f.Add(h.block())
	f.Add([]byte("tsjournl"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHeader(b)
		if err != nil {
			return
		}
		again, err := parseHeader(h.block())
		if err != nil || again != h {
			t.Fatalf("%+v, again %+v, %v", h, again, err)
		}
	})
}
