package measure

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// entries measures one durable journal entry beside a bbolt transaction with
// two puts, which is what a lane without a journal would do.
func (r *rig) entries(ctx context.Context) error {
	j, _, err := journal.Open(filepath.Join(r.folder, "entries"), journal.Options{})
	if err != nil {
		return err
	}
	defer j.Close()
	db, err := bbolt.Open(filepath.Join(r.folder, "entries.bolt"), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("open bbolt: %w", err)
	}
	defer db.Close()
	entry := grant(pass.Code{Pass: pass.Pass{Kind: pass.ECard, Index: 4711}})
	product := func() error { _, err := j.Append(entry); return err }
	limit := func() error { return twoPuts(db, entry) }
	if err := limit(); err != nil { // makes the bucket
		return err
	}
	const what = "one durable entry, paced 20 ms"
	err = r.comparePaced(ctx, Row{Measure: what, Limit: "bbolt transaction with two puts", Mark: 0.5}, product, limit)
	if err == nil {
		err = r.written(product, limit)
	}
	if err == nil {
		err = r.besideSQLite(ctx, what, product, entry)
	}
	if err != nil {
		return err
	}
	s := j.Stats()
	r.rows = append(r.rows, Row{
		Measure: "flushes per entry, one writer", Limit: "one", Unit: "flushes", Mark: 1, Bound: 1,
		Product: float64(s.Flushes) / float64(s.Entries), Ratio: float64(s.Flushes) / float64(s.Entries),
	})
	return nil
}

func twoPuts(db *bbolt.DB, e link.Entry) error {
	return db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("entries"))
		if err != nil {
			return err
		}
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		key := binary.BigEndian.AppendUint64(nil, n)
		return errors.Join(b.Put(key, e.Append(nil)), b.Put([]byte("last"), key))
	})
}

// wire measures the bytes of a batch of 100 entries beside JSON of the same facts.
func (r *rig) wire(context.Context) error {
	encoded, plain, err := hundred()
	if err != nil {
		return err
	}
	batch := link.NewBatch("north", link.JournalID{1}, 1, link.Hash{}, encoded)
	raw := 0
	for _, e := range encoded {
		raw += len(e)
	}
	pack := func(name, limit string, product, bound int, mark float64) {
		r.rows = append(r.rows, Row{
			Measure: name, Limit: limit, Product: float64(product) / 100, Bound: float64(bound) / 100, Unit: "B",
			Ratio: float64(product) / float64(bound), Mark: mark,
		})
	}
	pack("bytes of an entry, in a batch of 100", "JSON of the same fields", raw, len(plain), 0.45)
	pack("bytes of an entry, deflated", "JSON, deflated", len(batch.Data), len(link.Deflate(plain)), 0.7)
	return nil
}

// plainEntry is an entry as a JSON interface would have it: short names, hex for
// bytes, what is zero left out.
type plainEntry struct {
	Type      link.EntryType  `json:"type"`
	Lane      uint8           `json:"lane"`
	Direction uint8           `json:"direction"`
	Clock     link.ClockState `json:"clock"`
	Seq       uint64          `json:"seq"`
	Boot      uint32          `json:"boot"`
	Wall      int64           `json:"wall"`
	Mono      uint64          `json:"mono"`
	Kind      pass.Kind       `json:"kind"`
	Key       uint16          `json:"key"`
	Day       pass.Day        `json:"day"`
	Index     uint32          `json:"index"`
	Holder    string          `json:"holder"`
	Grant     uint64          `json:"grant,omitempty"`
	FeedSeq   uint64          `json:"feed_seq"`
	FeedAge   uint32          `json:"feed_age"`
}

// hundred returns a plausible run of a lane's journal: fifty people let in, and
// through, in the binary form and as JSON.
func hundred() (encoded [][]byte, plain []byte, err error) {
	random := rand.New(rand.NewPCG(1, 2))
	wall, mono := int64(1795000000000), uint64(1000)
	var grantEntry link.Entry
	for n := uint64(1); n <= 100; n++ {
		wall, mono = wall+random.Int64N(4000), mono+random.Uint64N(4000)
		e := link.Entry{Type: link.EntryPassed, Seq: n, Lane: 1, Direction: 1, Clock: link.ClockTrusted, Boot: 3, Wall: wall, Mono: mono, FeedSeq: 812, FeedAge: random.Uint32N(6)}
		if n%2 == 1 {
			e.Type = link.EntryGranted
			e.Kind, e.KeyID, e.Pass = pass.ECard, 3, pass.ID{Day: 2516, Index: random.Uint32N(1 << 17)}
			binary.BigEndian.PutUint64(e.Holder[:], random.Uint64())
			grantEntry = e
		} else {
			e.Kind, e.KeyID, e.Pass, e.Holder, e.Grant = grantEntry.Kind, grantEntry.KeyID, grantEntry.Pass, grantEntry.Holder, grantEntry.Seq
		}
		encoded = append(encoded, e.Append(nil))
		line, err := json.Marshal(plainEntry{
			Type: e.Type, Lane: e.Lane, Direction: e.Direction, Clock: e.Clock, Seq: e.Seq, Boot: e.Boot, Wall: e.Wall, Mono: e.Mono,
			Kind: e.Kind, Key: e.KeyID, Day: e.Pass.Day, Index: e.Pass.Index, Holder: hex.EncodeToString(e.Holder[:]),
			Grant: e.Grant, FeedSeq: e.FeedSeq, FeedAge: e.FeedAge,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("encode entry: %w", err)
		}
		plain = append(append(plain, line...), '\n')
	}
	return encoded, plain, nil
}
