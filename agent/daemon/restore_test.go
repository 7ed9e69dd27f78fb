package daemon

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/journal"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// disk is what a controller keeps, opened again and again.
type disk struct {
	*testing.T
	dir     string
	cache   *cache.Cache
	journal *journal.Journal
}

func (d *disk) open() {
	d.Helper()
	var err error
	if d.cache, _, err = cache.Open(filepath.Join(d.dir, cacheFile), cache.Options{}); err != nil {
		d.Fatal(err)
	}
	if d.journal, _, err = journal.Open(filepath.Join(d.dir, journalFolder), journal.Options{SegmentSize: 64 << 10}); err != nil {
		d.Fatal(err)
	}
}

func (d *disk) close() {
	d.Helper()
	if err := d.journal.Close(); err != nil {
		d.Error(err)
	}
	if err := d.cache.Close(); err != nil {
		d.Error(err)
	}
}

func (d *disk) restore() (*presence.Presence, uint64) {
	d.Helper()
	p, from, _, err := restore(d.cache, d.journal, slog.New(slog.DiscardHandler))
	if err != nil {
		d.Fatal(err)
	}
	return p, from
}

// walk lets the holder of a pass in.
func (d *disk) walk(p *presence.Presence, index uint32) {
	d.Helper()
	e := link.Entry{Type: link.EntryGranted, Lane: 1, Direction: 1, Pass: pass.ID{Day: 2516, Index: index}}
	var err error
	if e.Seq, err = d.journal.Append(e); err != nil {
		d.Fatal(err)
	}
	p.Apply(e)
	e.Type, e.Grant = link.EntryPassed, e.Seq
	if e.Seq, err = d.journal.Append(e); err != nil {
		d.Fatal(err)
	}
	p.Apply(e)
}

func inside(p *presence.Presence, index uint32) bool {
	return p.Of(pass.ID{Day: 2516, Index: index}, 0, gate.In) == access.Past{Inside: true, Used: 1}
}

// told is how far central has told other controllers' uses.
type told struct{ cursor, kept uint64 }

func (c *told) Cursor() uint64           { return c.cursor }
func (c *told) Keep(cursor uint64) error { c.kept = cursor; return nil }

func TestRestore(t *testing.T) {
	d := &disk{T: t, dir: t.TempDir()}
	d.open()
	p, from := d.restore()
	if from != 0 {
		t.Errorf("a new cache has a checkpoint at %d", from)
	}
	d.walk(p, 1)
	others := &told{cursor: 7}
	now := time.Now()
	k := keeper{cache: d.cache, journal: d.journal, presence: p, others: others, written: now}
	if err := k.due(now.Add(checkpointLater - 1)); err != nil || k.at != 0 || others.kept != 0 {
		t.Errorf("checkpoint after two entries, %v", err)
	}
	if err := k.due(now.Add(checkpointLater)); err != nil || k.at != 2 || others.kept != 7 {
		t.Errorf("checkpoint at %d, %v", k.at, err)
	}
	d.walk(p, 2)
	d.close()

	d.open()
	if p, from = d.restore(); from != 2 || !inside(p, 1) || !inside(p, 2) {
		t.Errorf("from %d: %+v", from, p.Stats())
	}
	d.close()

	// A new journal in place of a damaged one: the checkpoint still counts.
	d.dir, d.journal = t.TempDir(), nil
	d.open()
	if err := d.cache.Checkpoint(mustCheckpoint(p), link.JournalID{9}, 4); err != nil {
		t.Fatal(err)
	}
	if p, from = d.restore(); from != 0 || !inside(p, 1) || !inside(p, 2) {
		t.Errorf("from %d: %+v", from, p.Stats())
	}

	// A checkpoint that cannot be read costs time, nothing else.
	d.walk(p, 3)
	if err := d.cache.Checkpoint([]byte("not one"), d.journal.ID(), 1); err != nil {
		t.Fatal(err)
	}
	if p, from = d.restore(); from != 0 || !inside(p, 3) || inside(p, 1) {
		t.Errorf("from %d: %+v", from, p.Stats())
	}
	d.close()
}

func mustCheckpoint(p *presence.Presence) []byte {
	data, _ := p.Checkpoint(func() uint64 { return 0 })
	return data
}
