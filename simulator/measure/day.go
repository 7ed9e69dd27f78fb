package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Everything that can be revoked, is: 8 open days of 131,072 passes.
const (
	firstDay = pass.Day(2516)
	million  = link.MaxOpenDays * link.MaxCapacity
)

// full measures a lane whose lists and journal are as large as they get: a
// million revoked passes, a million entries.
func (r *rig) full(ctx context.Context) error {
	state, err := r.revokedMemory()
	if err != nil {
		return err
	}
	db, err := r.revokedBolt()
	if err != nil {
		return err
	}
	err = r.lookUp(state, db)
	if err == nil {
		err = fillJournal(r.folder)
	}
	if err == nil {
		err = saveState(r.folder, state)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	return r.start()
}

// revokedMemory measures what a million revoked passes take, beside a set.
func (r *rig) revokedMemory() (*link.State, error) {
	var state *link.State
	var err error
	own := grown(func() { state, err = allRevoked() })
	if err != nil {
		return nil, err
	}
	set := map[uint64]struct{}{}
	limit := grown(func() {
		for n := range uint64(million) {
			set[uint64(firstDay)<<32|n] = struct{}{}
		}
	})
	runtime.KeepAlive(set)
	r.rows = append(r.rows, Row{
		Measure: "memory of 1,000,000 revoked passes", Limit: "map[uint64]struct{}", Unit: "MB", Mark: 0.15,
		Product: own / 1e6, Bound: limit / 1e6, Ratio: own / limit,
	})
	return state, nil
}

// grown returns how many bytes of heap f leaves behind.
func grown(f func()) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.GC()
	runtime.ReadMemStats(&after)
	return float64(after.HeapAlloc) - float64(before.HeapAlloc)
}

func allRevoked() (*link.State, error) {
	state := link.NewState(1)
	for d := range pass.Day(link.MaxOpenDays) {
		events := []link.Event{{Type: link.OpenDay, Day: firstDay + d, Value: link.MaxCapacity}}
		for i := range uint32(link.MaxCapacity) {
			events = append(events, link.Event{Type: link.Revoke, Day: firstDay + d, Value: i})
		}
		next, err := state.Apply(events)
		if err != nil {
			return nil, err
		}
		state = next
	}
	return state, nil
}

var revokedBucket, entriesBucket = []byte("revoked"), []byte("entries")

// revokedBolt is what a lane would have without lists and journal: a bbolt file
// with a key for each revoked pass and each entry.
func (r *rig) revokedBolt() (*bbolt.DB, error) {
	db, err := openBolt(r.boltFile())
	if err != nil {
		return nil, err
	}
	fill := func(bucket []byte, from int, value []byte) error {
		return db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			b.FillPercent = 1
			for n := from; n < from+link.MaxCapacity && err == nil; n++ {
				err = b.Put(revokedKey(n), value)
			}
			return err
		})
	}
	for from := 0; from < million && err == nil; from += link.MaxCapacity {
		err = errors.Join(fill(revokedBucket, from, []byte{1}), fill(entriesBucket, from, make([]byte, link.EntrySize)))
	}
	return db, err
}

// openBolt opens without a kept free list, as a lane's cache does, so that no
// commit of a full file writes it.
func openBolt(path string) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("open bbolt: %w", err)
	}
	return db, nil
}

func (r *rig) boltFile() string { return filepath.Join(r.folder, "full.bolt") }

func revokedKey(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// lookUp measures whether a pass is revoked.
func (r *rig) lookUp(state *link.State, db *bbolt.DB) error {
	random := rand.New(rand.NewPCG(1, 2))
	product := func() error {
		day, index := firstDay+pass.Day(random.IntN(link.MaxOpenDays)), random.Uint32N(link.MaxCapacity)
		if state.Day(day).Status(index) != link.Revoked {
			return errRefused
		}
		return nil
	}
	limit := func() error {
		return db.View(func(tx *bbolt.Tx) error {
			if tx.Bucket(revokedBucket).Get(revokedKey(random.IntN(million))) == nil {
				return errRefused
			}
			return nil
		})
	}
	return r.compare(Row{Measure: "status of one of 1,000,000 revoked", Limit: "bbolt View and Get", Mark: 0.05}, 20000, product, limit)
}

// fillJournal appends a million entries; a thousand writers share each flush.
func fillJournal(folder string) error {
	j, _, err := journal.Open(filepath.Join(folder, "full"), fullJournal)
	if err != nil {
		return err
	}
	const writers = 1000
	errs := make(chan error, writers)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range million / writers {
				if _, err := j.Append(grant(pass.Code{Pass: pass.Pass{Kind: pass.ECard, Index: 4711}})); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return errors.Join(<-errs, j.Close())
}

// fullJournal has room for a million entries that central does not have yet.
var fullJournal = journal.Options{Budget: 1 << 30}

func saveState(folder string, state *link.State) error {
	c, _, err := cache.Open(filepath.Join(folder, "full.cache"), cache.Options{})
	if err != nil {
		return err
	}
	return errors.Join(c.Apply(cache.Update{State: state}), c.Close())
}

// start measures from closed files to the first verdict.
func (r *rig) start() error {
	d, err := newDoor()
	if err != nil {
		return err
	}
	product := func() error { return r.firstVerdict(d) }
	limit := func() error {
		db, err := openBolt(r.boltFile())
		if err != nil {
			return err
		}
		return db.Close()
	}
	row := Row{Measure: "open cache and journal, to the first verdict", Limit: "opening a bbolt file with both", Mark: 0.2}
	if err := r.compare(row, 1, product, limit); err != nil {
		return err
	}
	took := r.rows[len(r.rows)-1].Product
	r.absolute("open cache and journal, to the first verdict", "ns", took, float64(150*time.Millisecond))
	return nil
}

// absolute adds a row that has no limit but a figure not to exceed.
func (r *rig) absolute(measure, unit string, figure, most float64) {
	r.rows = append(r.rows, Row{Measure: measure, Limit: "the mark itself", Unit: unit, Product: figure, Bound: most, Ratio: figure / most, Mark: 1})
}

// firstVerdict opens cache and journal and refuses a pass that is revoked.
func (r *rig) firstVerdict(d *door) error {
	c, _, err := cache.Open(filepath.Join(r.folder, "full.cache"), cache.Options{})
	if err != nil {
		return err
	}
	j, _, err := journal.Open(filepath.Join(r.folder, "full"), fullJournal)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	facts := d.facts
	facts.State = c.View().State
	code, verdict := pass.Parse(d.text)
	if verdict == pass.Granted {
		verdict = access.Decide(&code, facts, d.now).Reason
	}
	err = errors.Join(j.Close(), c.Close())
	if facts.State.Refused() != million || j.Last() < million/1000*1000 || verdict == pass.Granted {
		err = errors.Join(err, fmt.Errorf("%w: %d revoked, %d entries, %s", errRefused, facts.State.Refused(), j.Last(), verdict))
	}
	return err
}
