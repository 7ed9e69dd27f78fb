package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// format is the version of the file's content.
//
//	1  2026-11  first
const format = 1

// The buckets. facts: single values by name. days: the status lists at the base,
// by day. events: those since the base, by number.
var (
	bucketFacts  = []byte("facts")
	bucketDays   = []byte("days")
	bucketEvents = []byte("events")
)

// Names in facts.
const (
	factFormat     = "format"
	factBase       = "base"
	factTip        = "tip"
	factKeys       = "keys"
	factDelegation = "delegation"
	factRules      = "rules"
	factHead       = "head"
	factCheckpoint = "checkpoint"
)

// maxEvents bounds the events behind the base; then the lists are written anew.
// Between, a revocation costs one small page and not a list of 32 KB.
const maxEvents = 4096

// mark is where a state stands. Base has no root; the tip's root proves that
// lists and events were read back as they were written.
type mark struct {
	Epoch     uint32    `cbor:"1,keyasint"`
	Seq       uint64    `cbor:"2,keyasint"`
	Chain     link.Hash `cbor:"3,keyasint"`
	Withdrawn []uint16  `cbor:"4,keyasint"`
	Root      link.Hash `cbor:"5,keyasint"`
}

type headFact struct {
	Head link.Head `cbor:"1,keyasint"`
	At   int64     `cbor:"2,keyasint"` // Unix ms

	LevelIssued int64 `cbor:"3,keyasint"` // Unix ms
	LevelAt     int64 `cbor:"4,keyasint"` // Unix ms
}

type checkpoint struct {
	Journal  link.JournalID `cbor:"1,keyasint"`
	Seq      uint64         `cbor:"2,keyasint"`
	Presence []byte         `cbor:"3,keyasint"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errEncode tells that a change makes no sense; no disk is to blame.
var errEncode = errors.New("encode")

// put stores v under a name with a checksum: bbolt has none on its data.
func put(b *bolt.Bucket, key []byte, v any) error {
	data, err := cbor.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w %T: %w", errEncode, v, err)
	}
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, data)
	return b.Put(key, append(binary.BigEndian.AppendUint32(nil, sum), data...))
}

// get reads what put stored into v; false if there is nothing under the name.
func get(b *bolt.Bucket, key []byte, v any) (bool, error) {
	data := b.Get(key)
	if data == nil {
		return false, nil
	}
	return true, decode(key, data, v)
}

func decode(key, data []byte, v any) error {
	if len(data) < 4 || binary.BigEndian.Uint32(data) != crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, data[4:]) {
		return fmt.Errorf("%w: checksum of %q", ErrDamaged, key)
	}
	if err := cbor.Unmarshal(data[4:], v); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrDamaged, key, err)
	}
	return nil
}

func putFact(tx *bolt.Tx, name string, v any) error {
	return put(tx.Bucket(bucketFacts), []byte(name), v)
}

func initialize(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketFacts, bucketDays, bucketEvents} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return putFact(tx, factFormat, format)
}

// load makes the view from the file.
func (c *Cache) load() error {
	v := &View{Keys: map[uint16]link.PassKey{}}
	err := c.db.View(func(tx *bolt.Tx) error {
		if err := checkFormat(tx); err != nil {
			return err
		}
		return errors.Join(c.loadState(tx, v), loadDocuments(tx, v), c.loadHead(tx, v))
	})
	if err != nil {
		return err
	}
	c.view.Store(v)
	return nil
}

// checkFormat refuses a newer file and one that lost its content: a zeroed file
// opens as an empty database.
func checkFormat(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketFacts, bucketDays, bucketEvents} {
		if tx.Bucket(name) == nil {
			return fmt.Errorf("%w: no bucket %q", ErrDamaged, name)
		}
	}
	var n int
	found, err := get(tx.Bucket(bucketFacts), []byte(factFormat), &n)
	switch {
	case err != nil:
		return err
	case !found || n < 1:
		return fmt.Errorf("%w: no format", ErrDamaged)
	case n > format:
		return fmt.Errorf("%w (format %d, this is %d)", ErrNewer, n, format)
	}
	return nil
}

func (c *Cache) loadState(tx *bolt.Tx, v *View) error {
	var base, tip mark
	facts := tx.Bucket(bucketFacts)
	hasBase, err := get(facts, []byte(factBase), &base)
	hasTip, errTip := get(facts, []byte(factTip), &tip)
	if err := errors.Join(err, errTip); err != nil || !hasBase && !hasTip {
		return err
	}
	s := &link.State{Epoch: base.Epoch, Seq: base.Seq, Chain: base.Chain, Withdrawn: base.Withdrawn}
	if s.Days, err = loadDays(tx); err != nil {
		return err
	}
	c.base = s
	events, err := loadEvents(tx, base.Seq)
	if err != nil {
		return err
	}
	c.events = len(events)
	if s, err = s.Apply(events); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.Epoch != tip.Epoch || s.Seq != tip.Seq || s.Chain != tip.Chain || s.Root() != tip.Root {
		return fmt.Errorf("%w: lists and events do not make the state %d", ErrDamaged, tip.Seq)
	}
	v.State = s
	return nil
}

func loadDays(tx *bolt.Tx) (days []*link.List, err error) {
	err = tx.Bucket(bucketDays).ForEach(func(k, data []byte) error {
		var snap link.Snapshot
		if err := decode(k, data, &snap); err != nil {
			return err
		}
		l, err := snap.List()
		if err != nil || len(days) >= link.MaxOpenDays {
			return fmt.Errorf("%w: list of %s: %w", ErrDamaged, snap.Day, err)
		}
		days = append(days, l) // keys ascend with the days
		return nil
	})
	return days, err
}

func loadEvents(tx *bolt.Tx, base uint64) ([]link.Event, error) {
	var data []byte
	next := base + 1
	err := tx.Bucket(bucketEvents).ForEach(func(k, v []byte) error {
		if len(k) != 8 || binary.BigEndian.Uint64(k) != next || len(v)%link.EventSize != 0 || len(v) == 0 {
			return fmt.Errorf("%w: event %d", ErrDamaged, next)
		}
		data = append(data, v...)
		next += uint64(len(v) / link.EventSize)
		return nil
	})
	if err != nil || len(data) == 0 {
		return nil, err
	}
	d := link.Delta{From: base, To: next - 1, Data: data}
	return d.Events()
}

func loadDocuments(tx *bolt.Tx, v *View) error {
	facts := tx.Bucket(bucketFacts)
	var keys link.Keyset
	var delegation link.Delegation
	var rules link.Rules
	hasKeys, err1 := get(facts, []byte(factKeys), &keys)
	hasDelegation, err2 := get(facts, []byte(factDelegation), &delegation)
	hasRules, err3 := get(facts, []byte(factRules), &rules)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	if hasKeys {
		v.setKeys(&keys)
	}
	if hasDelegation {
		v.Delegation = &delegation
	}
	if hasRules {
		v.Rules = &rules
	}
	return nil
}

func (v *View) setKeys(k *link.Keyset) {
	v.Keys, v.KeysetVersion = make(map[uint16]link.PassKey, len(k.Keys)), k.Version
	for _, key := range k.Keys {
		v.Keys[key.ID] = key
	}
}

func (c *Cache) loadHead(tx *bolt.Tx, v *View) error {
	var h headFact
	found, err := get(tx.Bucket(bucketFacts), []byte(factHead), &h)
	if err != nil || !found {
		return err
	}
	v.Head, v.HeadAt = h.Head, time.UnixMilli(h.At)
	if h.LevelIssued != 0 {
		v.LevelIssued, v.LevelAt = h.LevelIssued, time.UnixMilli(h.LevelAt)
	}
	c.headAt = v.HeadAt
	return nil
}

// Update is one change. What is nil stays as it is.
type Update struct {
	State      *link.State
	Events     []link.Event // if State is the present one and these, they alone are written
	Delegation *link.Delegation
	Keys       *link.Keyset
	Rules      *link.Rules
	Head       *link.Head
	HeadAt     time.Time // when Head arrived
}

// headEvery is how often a head alone is written down: each costs the flash a
// transaction. After a restart the head looks older than it was, never newer.
const headEvery = time.Minute

// Apply makes the change durable in one transaction and then shows it in View. A
// disk that does not take it delays nothing: a revocation counts at once. Settle
// then tells, and writes it when it can.
func (c *Cache) Apply(u Update) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.view.Load()
	v := u.on(old)
	onlyHead := u.State == nil && u.Delegation == nil && u.Keys == nil && u.Rules == nil
	if !c.memory && c.trouble == nil && !(onlyHead && v.HeadAt.Sub(c.headAt).Abs() < headEvery) {
		err := c.write(u, old, v)
		if errors.Is(err, errEncode) {
			return err
		}
		c.trouble, c.tried = err, c.o.Now()
	}
	c.view.Store(v)
	c.settle() // what it returns is told by Settle
	return nil
}

func full(err error) error {
	if errors.Is(err, berrors.ErrMaxSizeReached) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// on returns the view after the change.
func (u *Update) on(old *View) *View {
	v := *old
	if u.State != nil {
		v.State = u.State
	}
	if u.Delegation != nil {
		v.Delegation = u.Delegation
	}
	if u.Keys != nil {
		v.setKeys(u.Keys)
	}
	if u.Rules != nil {
		v.Rules = u.Rules
	}
	if u.Head != nil {
		v.Head, v.HeadAt = *u.Head, u.HeadAt
	}
	if v.IsLevel() {
		v.LevelIssued, v.LevelAt = v.Head.Issued, v.HeadAt
	}
	return &v
}

// writing is how one change goes into the file.
type writing struct {
	base   *link.State // as it is afterwards
	events int
	data   []byte // of events to add, nil: none
	lists  map[pass.Day]*link.Snapshot
	anew   bool // base, lists; the events go
}

// plan prepares the transaction: compressing lists is not done inside of it.
func (c *Cache) plan(u Update, old *View) writing {
	w := writing{base: c.base, events: c.events}
	if u.State == nil {
		return w
	}
	follows := old.State != nil && old.State.Epoch == u.State.Epoch && old.State.Seq+uint64(len(u.Events)) == u.State.Seq
	if follows && len(u.Events) > 0 && c.events+len(u.Events) <= maxEvents {
		w.data, w.events = link.EncodeEvents(u.Events), c.events+len(u.Events)
		return w
	}
	w.anew, w.base, w.events, w.lists = true, u.State, 0, map[pass.Day]*link.Snapshot{}
	for _, l := range u.State.Days {
		if c.base == nil || c.base.Day(l.Day) != l {
			w.lists[l.Day] = link.SnapshotOf(u.State, l)
		}
	}
	return w
}

func (w *writing) write(tx *bolt.Tx, u Update, v *View) error {
	var errs []error
	if w.anew {
		errs = append(errs, w.writeBase(tx))
	}
	if w.data != nil {
		first := v.State.Seq - uint64(len(u.Events)) + 1
		errs = append(errs, tx.Bucket(bucketEvents).Put(binary.BigEndian.AppendUint64(nil, first), w.data))
	}
	if s := u.State; s != nil {
		errs = append(errs, putFact(tx, factTip, mark{s.Epoch, s.Seq, s.Chain, s.Withdrawn, s.Root()}))
	}
	if u.Delegation != nil {
		errs = append(errs, putFact(tx, factDelegation, u.Delegation))
	}
	if u.Keys != nil {
		errs = append(errs, putFact(tx, factKeys, u.Keys))
	}
	if u.Rules != nil {
		errs = append(errs, putFact(tx, factRules, u.Rules))
	}
	return errors.Join(append(errs, putHead(tx, v))...)
}

func putHead(tx *bolt.Tx, v *View) error {
	if v.Head.Issued == 0 {
		return nil
	}
	return putFact(tx, factHead, headFact{v.Head, v.HeadAt.UnixMilli(), v.LevelIssued, v.LevelAt.UnixMilli()})
}

// writeBase writes the lists that changed since the last base, and forgets the
// events and the closed days.
func (w *writing) writeBase(tx *bolt.Tx) error {
	if err := tx.DeleteBucket(bucketEvents); err != nil {
		return err
	}
	if _, err := tx.CreateBucket(bucketEvents); err != nil {
		return err
	}
	days := tx.Bucket(bucketDays)
	var closed [][]byte // collected first: deleting while walking skips keys
	err := days.ForEach(func(k, _ []byte) error {
		if len(k) != 2 || w.base.Day(pass.Day(binary.BigEndian.Uint16(k))) == nil {
			closed = append(closed, slices.Clone(k))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, k := range closed {
		if err := days.Delete(k); err != nil {
			return err
		}
	}
	for _, d := range slices.Sorted(maps.Keys(w.lists)) {
		if err := put(days, binary.BigEndian.AppendUint16(nil, uint16(d)), w.lists[d]); err != nil {
			return err
		}
	}
	s := w.base
	return putFact(tx, factBase, mark{Epoch: s.Epoch, Seq: s.Seq, Chain: s.Chain, Withdrawn: s.Withdrawn})
}

// MaxCheckpoint bounds a checkpoint in bytes.
const MaxCheckpoint = 8 << 20

// Checkpoint stores what was derived from the journal up to entry seq, in place
// of the one before.
func (c *Cache) Checkpoint(presence []byte, journal link.JournalID, seq uint64) error {
	if len(presence) > MaxCheckpoint {
		return fmt.Errorf("write checkpoint: %w: %d bytes, at most %d", ErrFull, len(presence), MaxCheckpoint)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil {
		return fmt.Errorf("write checkpoint: %w", c.trouble)
	}
	err := c.db.Update(func(tx *bolt.Tx) error {
		return putFact(tx, factCheckpoint, checkpoint{journal, seq, presence})
	})
	if err != nil {
		return fmt.Errorf("write checkpoint: %w", full(err))
	}
	return nil
}

// LoadCheckpoint returns the last checkpoint; seq 0 and nil if there is none.
func (c *Cache) LoadCheckpoint() (presence []byte, journal link.JournalID, seq uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db == nil {
		return nil, journal, 0, nil
	}
	var p checkpoint
	err = c.db.View(func(tx *bolt.Tx) error {
		if err := checkFormat(tx); err != nil && !errors.Is(err, ErrNewer) {
			return err
		}
		_, err := get(tx.Bucket(bucketFacts), []byte(factCheckpoint), &p)
		return err
	})
	if err != nil {
		return nil, journal, 0, fmt.Errorf("read checkpoint: %w", err)
	}
	return p.Presence, p.Journal, p.Seq, nil
}
