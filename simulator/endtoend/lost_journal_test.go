package endtoend

import (
	"os"
	"path/filepath"
	"testing"

	"turnstile/simulator/site"
)

// TestLostJournal: a lane controller loses journal, cache and what it knew of others
// on the same day. Central tells it what it had let in itself, and a single-entry
// pass that was used there before is refused.
func TestLostJournal(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	north := s.Agents[0]
	used, unused := issue(t, s, guest), issue(t, s, guest)
	walk(t, north, used.Code)
	refused(t, north, used.Code, "ALREADY_USED")
	ledger(t, s, used.ID, "granted", "passed", "denied")
	before := status(t, north).Journal.ID
	if err := north.Stop(); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, name := range []string{"journal", "cache.bolt", "neighbours"} {
		path := filepath.Join(north.Data, name)
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		lost++
	}
	if err := north.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "north knows what it did, and the lists", func() bool {
		now := status(t, north)
		return now.Feed.Has && len(now.Neighbours.Zones) == 1 && !now.Neighbours.Zones[0].Apart && now.Neighbours.Zones[0].Version > 0
	})
	if now := status(t, north).Journal.ID; now == before || lost != 3 {
		t.Errorf("journal %s is there still", now)
	}
	refused(t, north, used.Code, "ALREADY_USED")
	walk(t, north, unused.Code)
}
