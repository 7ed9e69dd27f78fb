package journal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// granted is the n-th entry of a test.
func granted(n int) link.Entry {
	return link.Entry{
		Type: link.EntryGranted, Lane: 1, Direction: 1, Clock: link.ClockTrusted,
		Wall: 1763700000000 + int64(n), Mono: uint64(n), Kind: pass.ECard, KeyID: 7,
		Pass: pass.ID{Day: 2151, Index: uint32(n)}, Holder: [8]byte{1, 2, byte(n)}, FeedSeq: 41,
	}
}

func floorEntry(seq uint64) link.Entry {
	return link.Entry{Type: link.EntryFloor, Floor: &link.Floor{Epoch: 1, Seq: seq, Keyset: 3, Rules: 4, Time: 5, Gate: 6}}
}

func open(t testing.TB, d *memory, o Options) (*Journal, Report) {
	t.Helper()
	j, r, err := d.on(t, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j, r
}

func appendN(t testing.TB, j *Journal, from, n int) {
	t.Helper()
	for i := range n {
		seq, err := j.Append(granted(from + i))
		if err != nil {
			t.Fatal(err)
		}
		if seq != uint64(from+i) {
			t.Fatalf("entry %d got number %d", from+i, seq)
		}
	}
}

// all reads a journal from its oldest entry on and checks numbers and chain.
func all(t testing.TB, j *Journal) (entries []link.Entry) {
	t.Helper()
	from := j.First()
	_, chain, err := j.Read(from, 1)
	if from == 1 {
		chain = link.JournalStart(j.ID())
	}
	for err == nil && from <= j.Last() {
		var raw [][]byte
		var before link.Hash
		if raw, before, err = j.Read(from, 50); before != chain || len(raw) == 0 {
			t.Fatalf("%d entries from %d on, chain %s, want %s; %v", len(raw), from, before, chain, err)
		}
		for _, b := range raw {
			e, _, err := link.ParseEntry(b)
			if err != nil || e.Seq != from {
				t.Fatalf("entry %d: number %d, %v", from, e.Seq, err)
			}
			entries, chain, from = append(entries, e), link.JournalChain(chain, b), from+1
		}
	}
	if err != nil || chain != j.Chain() {
		t.Fatalf("chain %s, want %s; %v", chain, j.Chain(), err)
	}
	return entries
}

func checkGranted(t testing.TB, entries []link.Entry, n int) {
	t.Helper()
	if len(entries) != n {
		t.Fatalf("%d entries, want %d", len(entries), n)
	}
	for i, e := range entries {
		want := granted(i + 1)
		if e.Pass != want.Pass || e.Seq != uint64(i+1) || e.Wall != want.Wall {
			t.Fatalf("entry %d is %+v", i+1, e)
		}
	}
}

func TestEntriesSurviveReopen(t *testing.T) {
	d := newMemory()
	j, r := open(t, d, Options{})
	if !r.New || j.Boot() != 1 || j.Last() != 0 || j.Chain() != link.JournalStart(j.ID()) {
		t.Fatalf("new journal: %+v, boot %d, last %d", r, j.Boot(), j.Last())
	}
	appendN(t, j, 1, 300) // four segments of 16 KiB
	checkGranted(t, all(t, j), 300)
	id, chain := j.ID(), j.Chain()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(granted(301)); !errors.Is(err, ErrClosed) {
		t.Fatalf("append after close: %v", err)
	}
	k, r := open(t, d, Options{})
	if r.New || r.Torn != 0 || r.Lost != nil || k.ID() != id || k.Chain() != chain || k.Boot() != 2 {
		t.Fatalf("reopened: %+v, boot %d", r, k.Boot())
	}
	checkGranted(t, all(t, k), 300)
	appendN(t, k, 301, 5)
	checkGranted(t, all(t, k), 305)
}

func TestRealFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, _, err := Open(dir, Options{SegmentSize: minSegment})
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, j, 1, 200)
	if _, _, err := Open(dir, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("second opener: %v", err)
	}
	if err := j.Ack(150, chainOf(t, j, 150), 0); err != nil {
		t.Fatal(err)
	}
	if err := j.housekeep(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, segmentName(1, segmentSuffix)))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != minSegment {
		t.Fatalf("segment: %v %v", info, err)
	}
	k, r, err := Open(dir, Options{}) // another segment size from here on
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if r.New || k.Acked() != 150 {
		t.Fatalf("reopened: %+v, acknowledged %d", r, k.Acked())
	}
	appendN(t, k, 201, 200)
	checkGranted(t, all(t, k), 400)
}

func chainOf(t testing.TB, j *Journal, seq uint64) link.Hash {
	t.Helper()
	h, err := j.chainAt(seq)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWritersThatCoincideShareAFlush(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	d.gate, d.entered = make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	write := func(n int) {
		all.Go(func() {
			if _, err := j.Append(granted(n)); err != nil {
				t.Error(err)
			}
		})
	}
	write(1)
	<-d.entered // the first one is in its flush
	for n := range 7 {
		write(n + 2)
	}
	until(t, func() bool { j.mu.Lock(); defer j.mu.Unlock(); return j.waiting == 8 })
	if j.Last() != 0 {
		t.Fatal("an entry shows before it is durable")
	}
	d.gate <- struct{}{}
	<-d.entered
	d.gate <- struct{}{}
	all.Wait()
	if s := j.Stats(); s.Entries != 8 || s.Flushes != 2 {
		t.Fatalf("%+v, want 8 entries in 2 flushes", s)
	}
	d.gate = nil
}

// until polls for a state that another goroutine is about to reach.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("not reached in a minute")
		}
	}
}

func TestOneFlushAnEntryAndNoAllocation(t *testing.T) {
	j, _, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	e := granted(1)
	n := testing.AllocsPerRun(200, func() {
		if _, err := j.Append(e); err != nil {
			t.Fatal(err)
		}
	})
	if s := j.Stats(); n != 0 || s.Entries != s.Flushes || s.Entries < 200 {
		t.Fatalf("%v allocations an entry, %+v", n, s)
	}
}

func TestManyWriters(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	var seen sync.Map
	var all8 sync.WaitGroup
	for range 8 {
		all8.Go(func() {
			for i := range 100 {
				seq, err := j.Append(granted(i))
				if _, twice := seen.LoadOrStore(seq, true); err != nil || twice {
					t.Errorf("number %d twice, or %v", seq, err)
				}
			}
		})
	}
	all8.Wait()
	if n := len(all(t, j)); n != 800 {
		t.Fatalf("%d entries", n)
	}
}

func TestAckDropsOnlyWhatIsOldAndKnown(t *testing.T) {
	d := newMemory()
	now := time.Now()
	clock := func() time.Time { return now }
	j, _ := open(t, d, Options{Keep: time.Hour, Now: clock, Budget: 100 * minSegment})
	appendN(t, j, 1, 300)
	wrong := link.Hash{1}
	for _, seq := range []uint64{100, 300, 301} {
		if err := j.Ack(seq, wrong, 0); !errors.Is(err, ErrForked) {
			t.Fatalf("acknowledgement of %d with a foreign chain: %v", seq, err)
		}
	}
	if err := j.Ack(250, chainOf(t, j, 250), 0); err != nil {
		t.Fatal(err)
	}
	j.housekeep()
	if j.First() != 1 {
		t.Fatal("dropped before its time")
	}
	now = now.Add(2 * time.Hour)
	j.housekeep()
	first := j.First()
	if first == 1 || first > 251 {
		t.Fatalf("oldest is %d", first)
	}
	if _, _, err := j.Read(1, 1); !errors.Is(err, ErrDropped) {
		t.Fatalf("read of a dropped entry: %v", err)
	}
	if err := j.Ack(10, wrong, 0); err != nil || j.Acked() != 250 {
		t.Fatalf("an old acknowledgement changed something: %v", err)
	}
	j.Close()
	k, _ := open(t, d, Options{Now: clock})
	if k.Acked() != 250 || k.First() != first {
		t.Fatalf("after reopen: acknowledged %d, first %d", k.Acked(), k.First())
	}
}

func TestAcknowledgedBytesAreBounded(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{KeepBytes: 2 * minSegment, Budget: 100 * minSegment})
	appendN(t, j, 1, 900)
	if err := j.Ack(900, j.Chain(), 0); err != nil {
		t.Fatal(err)
	}
	j.housekeep()
	if n := len(j.segments); n != 3 {
		t.Fatalf("%d segments, want 2 acknowledged ones and the newest", n)
	}
}

// TestBudget fills the journal with grants, then with alarms: grants stop while
// there is room for alarms and results, and come back with an acknowledgement.
func TestBudget(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{Budget: 64 * minSegment})
	levels, n := map[int]bool{}, 0
	var err error
	for ; n < 20000 && err == nil; n++ {
		_, err = j.Append(granted(n + 1))
		levels[j.Level()] = true
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("after %d entries: %v", n, err)
	}
	for _, l := range []int{0, 50, 80, 95, 100} {
		if !levels[l] {
			t.Errorf("watermark %d was never seen: %v", l, levels)
		}
	}
	if _, err := j.Append(link.Entry{Type: link.EntryDenied}); !errors.Is(err, ErrFull) {
		t.Errorf("a refusal was taken: %v", err)
	}
	kept := 0
	for ; kept < 1000; kept++ {
		if _, err = j.Append(link.Entry{Type: link.EntryForced}); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) || kept < 150 {
		t.Fatalf("%d alarms behind the last grant, %v", kept, err)
	}
	last := j.Last()
	if err := j.Ack(last-20, chainOf(t, j, last-20), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(granted(1)); err != nil {
		t.Fatalf("no room after the acknowledgement: %v", err)
	}
	if j.Level() != 0 {
		t.Fatalf("level %d", j.Level())
	}
}

// TestReserveOnAFullDisk: the disk is smaller than the budget. Grants stop when
// no next segment can be made; results and alarms have the rest of this one. What
// central has makes room before anything stops.
func TestReserveOnAFullDisk(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 300)
	if err := j.Ack(250, chainOf(t, j, 250), 0); err != nil {
		t.Fatal(err)
	}
	d.failErr, d.noSpace = unix.ENOSPC, true
	before := j.First()
	n := 0
	for ; n < 1000; n++ {
		j.housekeep() // as Run does
		if _, err := j.Append(granted(301 + n)); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if n == 1000 || j.Level() != 100 || j.First() == before || j.First() > 251 {
		t.Fatalf("%d more entries, level %d, oldest %d", n, j.Level(), j.First())
	}
	results := 0
	for {
		if _, err := j.Append(link.Entry{Type: link.EntryPassed, Grant: 1}); err != nil {
			break
		}
		results++
	}
	if results < 10 {
		t.Fatalf("only %d results behind the last grant", results)
	}
	d.noSpace = false
	if _, err := j.Append(granted(1)); err != nil || j.Level() != 0 {
		t.Fatalf("level %d after space was made: %v", j.Level(), err)
	}
}

func TestFullDisk(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	d.failErr = unix.ENOSPC
	n := 0
	for ; n < 1000; n++ {
		if j.off+recordHead+link.EntrySize > j.size {
			d.failAt = d.op + 1
		}
		if _, err := j.Append(granted(n + 1)); err != nil {
			if !errors.Is(err, ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if n == 1000 || j.Level() != 100 {
		t.Fatalf("%d entries, level %d", n, j.Level())
	}
	appendN(t, j, n+1, 3) // there is room again
	checkGranted(t, all(t, j), n+3)
}

func TestFloorIsFoundInTheNewestSegmentAlone(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	if _, err := j.Append(floorEntry(99)); err != nil {
		t.Fatal(err)
	}
	appendN(t, j, 2, 5000)
	j.Close()
	d.opened, d.readN = nil, 0
	k, r := open(t, d, Options{})
	if r.Floor == nil || *r.Floor != *floorEntry(99).Floor || k.Floor().Seq != 99 {
		t.Fatalf("floor %+v", r.Floor)
	}
	if len(d.opened) != 3 || d.readN > minSegment+2*slotSize { // state, the segment to scan, the same to write
		t.Fatalf("opened %v, read %d bytes", d.opened, d.readN)
	}
}

func TestNewerFormatIsRefusedUntouched(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	appendN(t, j, 1, 3)
	j.Close()
	f := d.files[segmentName(1, segmentSuffix)]
	h, _ := parseHeader(f.cached)
	b := h.block()
	b[9] = version + 1
	resum(b)
	copy(f.cached, b)
	copy(f.cached[blockSize:], b)
	before := bytes.Clone(f.cached)
	if _, _, err := d.on(t, Options{}); !errors.Is(err, ErrNewer) {
		t.Fatalf("newer format: %v", err)
	}
	if !bytes.Equal(before, f.cached) {
		t.Fatal("the newer file was changed")
	}
}

func TestRunKeepsASpareReady(t *testing.T) {
	d := newMemory()
	j, _ := open(t, d, Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- j.Run(ctx) }()
	appendN(t, j, 1, 60)
	until(t, func() bool { j.spareMu.Lock(); defer j.spareMu.Unlock(); return j.spare != nil })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	appendN(t, j, 61, 60)
	checkGranted(t, all(t, j), 120)
}

func TestImpossibleEntriesAreRefused(t *testing.T) {
	j, _ := open(t, newMemory(), Options{})
	for _, e := range []link.Entry{{}, {Type: link.EntryFloor}} {
		if _, err := j.Append(e); !errors.Is(err, link.ErrMalformed) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	appendN(t, j, 1, 1)
}
