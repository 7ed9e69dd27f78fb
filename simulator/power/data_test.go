package power

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/daemon/daemontest"
	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// campus is what central would have told a lane: a key, rules, an empty status
// list. It lives in UTC.
type campus struct {
	key   ed25519.PrivateKey
	began time.Time // everything is of this moment's day
	next  uint32    // index of the next pass
}

const keyID = 7

func newCampus() *campus {
	seed := sha256.Sum256([]byte("the pass key of lanes whose power is cut"))
	return &campus{key: ed25519.NewKeyFromSeed(seed[:]), began: time.Now().UTC()}
}

func (c *campus) day() pass.Day { return pass.DayOf(c.began) }

// pass returns a new single-entry pass, valid from an hour ago for ten hours.
func (c *campus) pass() (pass.ID, string) {
	c.next++
	id := pass.ID{Day: c.day(), Index: c.next}
	return id, c.code(id)
}

// code is the text of a pass.
func (c *campus) code(id pass.ID) string {
	p := pass.Pass{Kind: pass.Guest, KeyID: keyID, Day: id.Day, Index: id.Index, Entries: 1, Zones: 1,
		Start: int16(c.began.Hour()*60 + c.began.Minute() - 60), Length: 60}
	return p.Text(ed25519.Sign(c.key, p.Message()))
}

// fill puts into a cache what a session with central would have.
func (c *campus) fill(t *testing.T, path string) {
	t.Helper()
	k, _, err := cache.Open(path, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := link.NewState(1).Apply([]link.Event{{Type: link.OpenDay, Day: c.day(), Value: 1 << 13}})
	if err != nil {
		t.Fatal(err)
	}
	key := link.PassKey{ID: keyID, Public: c.key.Public().(ed25519.PublicKey), Kinds: 0xffff, From: c.day() - 1, To: c.day() + 2}
	u := cache.Update{
		State: state, Keys: &link.Keyset{Version: 1, Keys: []link.PassKey{key}},
		Rules: &link.Rules{Version: 1, Offsets: []link.Offset{{}}, Zones: []link.Zone{{ID: 0}}, Policies: link.DefaultPolicies(), RepeatMS: 3000},
		Head:  &link.Head{Epoch: 1, Seq: 1, Issued: c.began.UnixMilli(), Next: 5000}, HeadAt: c.began,
	}
	if err := errors.Join(k.Apply(u), k.Close()); err != nil {
		t.Fatal(err)
	}
}

// entriesOfSegment is how many entries fill a segment of the journal's usual size:
// 1 MiB less two header blocks, 88 bytes a record.
const entriesOfSegment = (1<<20 - 8192) / 88

// memory makes the data folder of an enrolled lane in a folder of its own, which
// becomes a disk. With history the first segment of its journal is nearly full, so
// that the next one begins while the power is cut.
func (c *campus) memory(t *testing.T, r *rand.Rand, history bool) (disk string) {
	t.Helper()
	disk = room(t)
	data := filepath.Join(disk, dataName)
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	daemontest.Enrol(t, data)
	c.fill(t, filepath.Join(data, cacheName))
	if !history {
		return disk
	}
	j, _, err := journal.Open(filepath.Join(data, journalName), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range entriesOfSegment - 5 - r.IntN(40) {
		if _, err := j.Append(link.Entry{Type: link.EntryDenied, Lane: 1, Direction: 1, Reason: pass.Unreadable, Wall: c.began.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// room is a folder below scratch that ends with the test.
func room(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp(scratch, "room-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// image makes a disk of a folder.
func image(t *testing.T, folder string) []byte {
	t.Helper()
	b, err := format(folder, room(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
