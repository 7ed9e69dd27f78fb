package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/central/link"
)

// segmentsOf returns the content of all files that are or were segments.
func segmentsOf(d *memory) (list [][]byte) {
	for name, f := range d.files {
		if strings.HasSuffix(name, segmentSuffix) || strings.HasSuffix(name, badSuffix) {
			list = append(list, f.cached)
		}
	}
	return list
}

func has(list [][]byte, b []byte) bool {
	for _, x := range list {
		if bytes.Equal(x, b) {
			return true
		}
	}
	return false
}

// TestEachFaultWhileOpening: each operation fails of an opening that cuts a torn
// tail, goes on behind damage, sets a journal aside, or finds a spare that was half made; then the power
// goes, and it is opened again.
func TestEachFaultWhileOpening(t *testing.T) {
	whole := newMemory()
	j, _ := open(t, whole, Options{})
	appendN(t, j, 1, 240)
	newest := segmentName(j.segments[2].first, segmentSuffix)
	j.Close()
	whole.put(spareName, []byte("half made"))
	for what, c := range map[string]struct {
		spoil func(b []byte)
		aside bool
		last  uint64
	}{
		"torn":       {func(b []byte) { clear(b[dataStart+53*88+30 : dataStart+54*88]) }, false, 239},
		"damaged":    {func(b []byte) { b[dataStart+10*88+30] ^= 1 }, false, 3 * 93},
		"no headers": {func(b []byte) { clear(b[:dataStart]) }, false, 3 * 93},
		"another number": {func(b []byte) {
			binary.BigEndian.PutUint64(b[32:], 5)
			resum(b)
			copy(b[blockSize:dataStart], b)
		}, true, 0},
	} {
		dry := whole.copy()
		c.spoil(dry.files[newest].cached)
		before := segmentsOf(dry)
		if k, r, err := dry.on(t, Options{}); err != nil || (r.SetAside != "") != c.aside || k.Last() != c.last {
			t.Fatalf("%s: %v, %+v, last %d", what, err, r, k.Last())
		}
		if dry.op < 3 {
			t.Fatalf("%s: only %d operations", what, dry.op)
		}
		rnd := rand.New(rand.NewPCG(8, 9))
		for at := 1; at <= dry.op; at++ {
			for _, done := range []bool{false, true} {
				d := whole.copy()
				c.spoil(d.files[newest].cached)
				c.spoil(d.files[newest].durable)
				d.failAt, d.failDone = at, done
				if k, _, err := d.on(t, Options{}); err == nil {
					k.Close()
				}
				after := d.cutPower(rnd)
				k, r, err := after.on(t, Options{})
				if err != nil || k.Last() != c.last || !c.aside && (r.SetAside != "" || k.ID() != j.ID()) || c.aside && k.ID() == j.ID() {
					t.Fatalf("%s, fault %d done=%v: %v, %+v, last %d", what, at, done, err, r, k.Last())
				}
				if k.Boot() < 2 {
					t.Fatalf("%s, fault %d done=%v: boot %d", what, at, done, k.Boot())
				}
				left := segmentsOf(after)
				for _, b := range before {
					if what != "torn" && !has(left, b) {
						t.Fatalf("%s, fault %d done=%v: a damaged segment is gone", what, at, done)
					}
				}
				if _, err := k.Append(granted(1)); err != nil {
					t.Fatal(err)
				}
				k.Close()
			}
		}
	}
}

// TestEachFaultWhileQuarantining: each operation fails of finding damage in an
// older segment, dropping it when its time is over and keeping the file; then
// the power goes. The gap is the same, or the segment is gone as acknowledged;
// the damaged file is there.
func TestEachFaultWhileQuarantining(t *testing.T) {
	whole := newMemory()
	j, _ := open(t, whole, Options{})
	appendN(t, j, 1, 300)
	second, chain := j.segments[1].first, j.Chain()
	j.Close()
	name := segmentName(second, segmentSuffix)
	whole.files[name].cached[dataStart+20] ^= 1
	whole.files[name].durable[dataStart+20] ^= 1
	damaged := whole.files[name].cached
	o := Options{KeepBytes: minSegment, Budget: 100 * minSegment}
	work := func(d *memory) *memory {
		j, _, err := d.on(t, o)
		if err != nil {
			return d
		}
		j.Read(second, 1)
		if err := j.Ack(300, chain, 0); err != nil {
			t.Fatal(err)
		}
		j.housekeep()
		j.Close()
		return d
	}
	dry := work(whole.copy())
	if dry.op < 7 || dry.files[keptPrefix+segmentName(second, badSuffix)] == nil {
		t.Fatalf("%d operations", dry.op)
	}
	rnd := rand.New(rand.NewPCG(8, 9))
	for at := 1; at <= dry.op; at++ {
		for _, done := range []bool{false, true} {
			d := whole.copy()
			d.failAt, d.failDone = at, done
			after := work(d).cutPower(rnd)
			k, r, err := after.on(t, o)
			if err != nil || r.SetAside != "" || k.Last() != 300 || !has(segmentsOf(after), damaged) {
				t.Fatalf("fault %d done=%v: %v, %+v", at, done, err, r)
			}
			from := max(second, k.First())
			var gap *Gap
			if _, _, err := k.Read(from, 1); from == second && (!errors.As(err, &gap) || gap.From != second) || from != second && err != nil {
				t.Fatalf("fault %d done=%v: oldest %d, %v", at, done, k.First(), err)
			}
			k.Close()
		}
	}
}

// TestReadErrorsChangeNothing: a disk that cannot be read for a while makes
// neither damage nor a new journal of what it holds.
func TestReadErrorsChangeNothing(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 300)
	d.readErr = unix.EIO
	for _, from := range []uint64{1, 100, 290} {
		if _, _, err := j.Read(from, 10); !errors.Is(err, unix.EIO) || errors.Is(err, ErrDamaged) {
			t.Fatalf("read from %d: %v", from, err)
		}
	}
	if err := j.Ack(100, link.Hash{}, 0); !errors.Is(err, unix.EIO) || j.Acked() != 0 {
		t.Fatalf("acknowledged without a look: %v", err)
	}
	j.Close()
	before := segmentsOf(d.copy())
	if _, _, err := d.on(t, Options{}); !errors.Is(err, unix.EIO) || !MayPass(err) {
		t.Fatalf("open: %v", err)
	}
	for _, b := range segmentsOf(d) {
		if !has(before, b) {
			t.Fatal("a file was changed")
		}
	}
	d.readErr = nil
	k, r := open(t, d, Options{})
	if r.SetAside != "" || r.Damaged != 0 || k.ID() != j.ID() {
		t.Fatalf("%+v", r)
	}
	checkGranted(t, all(t, k), 300)
}

// TestFewJournalsAreKeptAside: a disk that ruins its newest file at each start
// does not fill itself with what was set aside.
func TestFewJournalsAreKeptAside(t *testing.T) {
	dir := t.TempDir()
	now := time.UnixMilli(1763700000000)
	var removed []string
	for n := range maxAside + 3 {
		now = now.Add(time.Hour)
		if n > maxAside {
			now = time.UnixMilli(5000) // the clock of a box that lost its battery
		}
		j, r, err := Open(dir, Options{SegmentSize: minSegment, Now: func() time.Time { return now }})
		if err != nil || (r.SetAside == "") != (n == 0) || int(j.Boot()) != n+1 {
			t.Fatalf("start %d: %v, %+v, boot %d", n, err, r, j.Boot())
		}
		removed = append(removed, r.Removed...)
		appendN(t, j, 1, 3)
		j.Close()
		f, err := os.OpenFile(filepath.Join(dir, segmentName(1, segmentSuffix)), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(make([]byte, dataStart), 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	left, err := filepath.Glob(filepath.Join(dir, "aside-*", "*"+segmentSuffix))
	if err != nil || len(left) != maxAside || len(removed) != 2 || removed[0] != "aside-1763707200000" || removed[1] != "aside-1763710800000" {
		t.Fatalf("%v left, %v removed, %v", left, removed, err)
	}
}

// TestDamagedEndCostsItsFileAlone: the newest file is damaged in its middle, or
// nothing in it can be believed. The journal keeps its id, its other files and
// what it knew, and goes on behind all numbers that the damaged file can have had,
// though the budget is full.
func TestDamagedEndCostsItsFileAlone(t *testing.T) {
	for _, c := range []struct {
		what  string
		spoil func(f *memFile)
		good  uint64 // last entry before the damage
	}{
		{"a bit", func(f *memFile) { f.cached[dataStart+10*88+30] ^= 1 }, 194},
		{"both headers", func(f *memFile) { clear(f.cached[:dataStart]) }, 185},
		{"the whole file", func(f *memFile) { clear(f.cached) }, 185},
		{"shorter", func(f *memFile) { f.cached = f.cached[:dataStart+100] }, 185},
		{"empty", func(f *memFile) { f.cached = nil }, 185},
	} {
		d := newMemory()
		j, _ := open(t, d, Options{})
		appendN(t, j, 1, 100)             // 93 in a file
		for i, n := range []int{90, 20} { // a floor in the second file, and one in the third
			if _, err := j.Append(floorEntry(uint64(66 + 11*i))); err != nil {
				t.Fatal(err)
			}
			appendN(t, j, int(j.Last())+1, n)
		}
		if err := j.Ack(190, chainOf(t, j, 190), 5*minute); err != nil {
			t.Fatal(err)
		}
		newest, end := j.segments[2].first, j.segments[2].end()
		chain := chainOf(t, j, c.good)
		j.Close()
		c.spoil(d.files[segmentName(newest, segmentSuffix)])
		k, r := open(t, d, Options{Budget: 3 * minSegment})
		if r.Damaged != 1 || r.SetAside != "" || r.Floor == nil || r.Floor.Seq < 66 || k.ID() != j.ID() || uint64(k.Boot()) != 2+end-c.good || k.Acked() != 190 || k.Last() != end {
			t.Fatalf("%s: %+v, boot %d, acknowledged %d, newest %d", c.what, r, k.Boot(), k.Acked(), k.Last())
		}
		if d.files[segmentName(newest, segmentSuffix)] != nil || d.files[segmentName(newest, badSuffix)] == nil {
			t.Errorf("%s: the damaged file is not named .bad", c.what)
		}
		var gap *Gap
		n := uint64(0)
		count := func(e link.Entry) error { n = e.Seq; return nil }
		if err := k.Replay(1, count); n != c.good || !errors.As(err, &gap) || *gap != (Gap{c.good + 1, end}) {
			t.Fatalf("%s: %d entries, then %v", c.what, n, err)
		}
		if seq, err := k.Append(link.Entry{Type: link.EntryPassed, Lane: 1}); err != nil || seq != end+1 {
			t.Fatalf("%s: entry %d, %v", c.what, seq, err)
		}
		if _, before, err := k.Read(end+1, 1); err != nil || before != chain {
			t.Errorf("%s: chain goes on at %s, not at the good end %s; %v", c.what, before, chain, err)
		}
		k.Close()
		l, r := open(t, d, Options{})
		if err := l.Replay(end+1, count); err != nil || n != end+1 || l.Boot() != k.Boot()+1 || l.Floor().Seq < 66 || r.SetAside != "" {
			t.Fatalf("%s: up to %d, %v, %+v", c.what, n, err, r)
		}
	}
}

// TestAcknowledgedBehindADamagedEnd: central has numbers that the newest file
// cannot have had, so later files are gone; no number of this journal is safe.
func TestAcknowledgedBehindADamagedEnd(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 120)
	if err := j.Ack(110, chainOf(t, j, 110), 0); err != nil {
		t.Fatal(err)
	}
	j.Close()
	delete(d.files, segmentName(94, segmentSuffix))
	d.files[segmentName(1, segmentSuffix)].cached[dataStart+10*88+30] ^= 1
	if k, r := open(t, d, Options{}); r.SetAside == "" || k.ID() == j.ID() {
		t.Fatalf("%+v", r)
	}
}

// TestBadSector: blocks of an older file are not given out. One copy of the header
// does no harm; of the rest all before it is read, what is behind it is named and
// not marked, and comes back with the disk. The next file is whole.
func TestBadSector(t *testing.T) {
	for _, c := range []struct {
		what string
		bad  []int64
		kept uint64 // last entry that is read of the second file, 94..186
	}{
		{"first header", []int64{0}, 186},
		{"second header", []int64{blockSize}, 186},
		{"both headers", []int64{0, blockSize}, 93},
		{"first records", []int64{dataStart}, 93},
		{"last records", []int64{dataStart + blockSize}, 93 + blockSize/88},
	} {
		d := newMemory()
		j, _ := open(t, d, Options{})
		appendN(t, j, 1, 300)
		j.Close()
		k, _ := open(t, d, Options{})
		f := d.files[segmentName(94, segmentSuffix)]
		f.bad = c.bad
		last := uint64(0)
		count := func(e link.Entry) error { last = e.Seq; return nil }
		err := k.Replay(1, count)
		if c.kept == 186 {
			if err != nil || last != 300 {
				t.Errorf("%s: %v behind %d", c.what, err, last)
			}
			continue
		}
		var unread *Unread
		if !errors.As(err, &unread) || unread.From != c.kept+1 || unread.To != 186 || last != c.kept || !errors.Is(err, unix.EIO) || errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: %v behind %d, want %d", c.what, err, last, c.kept)
		}
		if to, ok := Missing(err); !ok || to != 186 {
			t.Errorf("%s: goes on behind %d, %v", c.what, to, ok)
		}
		if err := k.Replay(unread.To+1, count); err != nil || last != 300 {
			t.Errorf("%s: behind it: %v, up to %d", c.what, err, last)
		}
		if f.bad = nil; d.files[segmentName(94, badSuffix)] != nil {
			t.Errorf("%s: marked as damaged", c.what)
		}
		checkGranted(t, all(t, k), 300)
	}
}

// TestFileThatGoes: a file that somebody removes while the journal is open is a
// gap, as it is at the next start.
func TestFileThatGoes(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 300)
	delete(d.files, segmentName(94, segmentSuffix))
	var gap *Gap
	if _, _, err := j.Read(100, 1); !errors.As(err, &gap) || *gap != (Gap{100, 186}) {
		t.Errorf("%v", err)
	}
	if _, _, err := j.Read(90, 10); err != nil {
		t.Errorf("before it: %v", err)
	}
}
