package journal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"turnstile/central/link"
)

// contender makes one kind of durable entry.
type contender struct {
	name   string
	append func() error

	perOp   []float64 // one for each round, us
	bytes   []float64 // likewise, written to the device for each entry
	flushes []float64 // likewise, flushes of the device for each entry
}

func (c *contender) round(b *testing.B, n int, pace time.Duration, d device) {
	bytes, flushes := d.counters(b)
	busy := time.Duration(0)
	for range n {
		if pace > 0 {
			t := time.NewTimer(pace)
			<-t.C
		}
		start := time.Now()
		if err := c.append(); err != nil {
			b.Fatal(err)
		}
		busy += time.Since(start)
	}
	moreBytes, moreFlushes := d.counters(b)
	c.perOp = append(c.perOp, float64(busy.Microseconds())/float64(n))
	c.bytes = append(c.bytes, float64(moreBytes-bytes)/float64(n))
	c.flushes = append(c.flushes, float64(moreFlushes-flushes)/float64(n))
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// device is the statistics file of the block device under a folder. Other
// processes write there too: only medians of short rounds mean something.
type device string

func deviceOf(b *testing.B, dir string) device {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		b.Fatal(err)
	}
	return device(fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(s.Dev), unix.Minor(s.Dev)))
}

// counters returns the bytes written and the flushes so far; 0 where the folder
// is not on a block device.
func (d device) counters(b *testing.B) (bytes, flushes int64) {
	data, err := os.ReadFile(string(d))
	if err != nil {
		return 0, 0
	}
	f := strings.Fields(string(data))
	if len(f) < 16 {
		b.Fatalf("%s has %d fields", d, len(f))
	}
	fmt.Sscan(f[6], &bytes)
	fmt.Sscan(f[15], &flushes)
	return bytes * 512, flushes
}

// BenchmarkDurableEntry holds the journal against a bbolt transaction with two
// puts, and against the bare write and fdatasync, in alternating rounds.
func BenchmarkDurableEntry(b *testing.B) {
	for _, pace := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(fmt.Sprintf("pace=%v", pace), func(b *testing.B) { compareAppends(b, pace) })
	}
}

func compareAppends(b *testing.B, pace time.Duration) {
	j, _, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	all := []*contender{
		{name: "journal", append: func() error { _, err := j.Append(granted(1)); return err }},
		{name: "bbolt", append: boltAppend(b)},
		{name: "bare", append: bareAppend(b)},
	}
	rounds, n, disk := 9, 200, deviceOf(b, b.TempDir())
	if pace > 0 {
		rounds, n = 5, 40
	}
	for b.Loop() {
		for range rounds {
			for _, c := range all {
				c.round(b, n, pace, disk)
			}
		}
	}
	own, bolt, bare := all[0], all[1], all[2]
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		b.ReportMetric(median(c.perOp), c.name+"-us")
		b.ReportMetric(median(c.bytes), c.name+"-B/entry")
		b.ReportMetric(median(c.flushes), c.name+"-flushes")
	}
	s := j.Stats()
	b.ReportMetric(median(own.perOp)/median(bolt.perOp), "time/bbolt")
	b.ReportMetric(median(own.perOp)/median(bare.perOp), "time/bare")
	b.ReportMetric(median(own.bytes)/max(median(bolt.bytes), 1), "bytes/bbolt")
	b.ReportMetric(float64(s.Flushes)/float64(s.Entries), "fdatasync/entry")
}

// boltAppend is a transaction with an entry and an inside mark, as a lane
// without a journal would need.
func boltAppend(b *testing.B) func() error {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	seq, entry := uint64(0), make([]byte, link.EntrySize)
	err = db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucket([]byte("log")); err != nil {
			return err
		}
		in, err := tx.CreateBucket([]byte("inside"))
		for i := range 10000 { // a campus day
			if err == nil {
				err = in.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 16))
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return func() error {
		seq++
		return db.Update(func(tx *bolt.Tx) error {
			if err := tx.Bucket([]byte("log")).Put(fmt.Appendf(nil, "%016x", seq), entry); err != nil {
				return err
			}
			return tx.Bucket([]byte("inside")).Put(fmt.Appendf(nil, "%08d", rand.IntN(10000)), make([]byte, 16))
		})
	}
}

// bareAppend is the least that makes a record durable.
func bareAppend(b *testing.B) func() error {
	f, err := folder{b.TempDir()}.create("bare", 16<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	off, record := int64(0), make([]byte, recordHead+link.EntrySize)
	return func() error {
		if _, err := f.WriteAt(record, off); err != nil {
			return err
		}
		off += int64(len(record))
		return unix.Fdatasync(int(f.(osFile).Fd()))
	}
}

// BenchmarkEightWriters reports the flushes of an entry when lanes coincide.
func BenchmarkEightWriters(b *testing.B) {
	j, _, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	for b.Loop() {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 250 {
					if _, err := j.Append(granted(1)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
	}
	s := j.Stats()
	b.ReportMetric(float64(s.Flushes)/float64(s.Entries), "flushes/entry")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(s.Entries), "us/entry")
}

// BenchmarkOpenMillion opens a journal of a million entries.
func BenchmarkOpenMillion(b *testing.B) {
	dir := b.TempDir()
	million(b, dir)
	for b.Loop() {
		j, r, err := Open(dir, Options{Budget: 1 << 30})
		if err != nil || j.Last() != 1e6 || r.Scanned > 12000 {
			b.Fatalf("%v, %+v", err, r)
		}
		b.ReportMetric(float64(r.Scanned), "entries-read")
		j.Close()
	}
}

// million writes the files of a journal with a million entries, without a flush each.
func million(b *testing.B, dir string) {
	d := folder{dir}
	h := header{id: link.JournalID{1}, boot: 1, first: 1, size: 1 << 20, before: link.JournalStart(link.JournalID{1})}
	seq, chain, seed := uint64(0), h.before, seedOf(h.id)
	for seq < 1e6 {
		h.first, h.before = seq+1, chain
		buf := append(h.block(), h.block()...)
		for seq < 1e6 && len(buf)+recordHead+link.EntrySize <= 1<<20 {
			seq++
			e := granted(int(seq))
			e.Seq = seq
			at := len(buf)
			buf = appendRecord(buf, seed, startsFlush, &e)
			chain = link.JournalChain(chain, buf[at+recordHead:])
		}
		f, err := d.create(segmentName(h.first, segmentSuffix), 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.WriteAt(buf, 0); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}
