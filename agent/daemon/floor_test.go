package daemon

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/feed"
	"turnstile/agent/lane"
	"turnstile/agent/presence"
	"turnstile/central/link"
)

// fullJournal takes entries unless the disk is full.
type fullJournal struct {
	full   bool
	floors int
}

var errFull = errors.New("no space left")

func (j *fullJournal) Append(e link.Entry) (uint64, error) {
	if j.full {
		return 0, errFull
	}
	if e.Type == link.EntryFloor {
		j.floors++
	}
	return uint64(j.floors), nil
}

// TestOwedFloor: a floor that the journal did not take is written with a later
// head, though that one changes nothing, and once.
func TestOwedFloor(t *testing.T) {
	k, _, err := cache.Open(filepath.Join(t.TempDir(), "cache.bolt"), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	disk := &fullJournal{full: true}
	c := &central{agent: &agent{cache: k, log: slog.New(slog.DiscardHandler)}, feed: feed.New(k, feed.Identity{}, feed.Options{})}
	c.record = &lane.Recorder{Journal: disk, Presence: presence.New(), Facts: func() access.Facts { return access.Facts{} }, Now: time.Now, Start: time.Now()}
	c.taken(feed.Result{Changed: true})
	c.taken(feed.Result{})
	disk.full = false
	for range 3 {
		c.taken(feed.Result{})
	}
	if disk.floors != 1 {
		t.Errorf("%d floors, want the owed one", disk.floors)
	}
}
