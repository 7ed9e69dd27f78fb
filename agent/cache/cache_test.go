package cache

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestMain lets this test's program be the child that CheckInChild starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "check-db" {
		err := CheckFile(os.Args[2])
		switch {
		case errors.Is(err, ErrLocked):
			os.Exit(CheckLocked)
		case err != nil:
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func inChild(path string) error { return CheckInChild(os.Args[0], path) }

func open(t *testing.T, path string) (*Cache, Report) {
	t.Helper()
	c, r, err := Open(path, Options{Check: inChild})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, r
}

// opened is a state with two open days and some revocations.
func opened(t *testing.T) (*link.State, []link.Event) {
	t.Helper()
	events := []link.Event{
		{Type: link.OpenDay, Day: 2151, Value: 2048}, {Type: link.OpenDay, Day: 2152, Value: 1024},
		{Type: link.Revoke, Day: 2151, Value: 7}, {Type: link.Hold, Day: 2152, Value: 9},
		{Type: link.Block, Day: 2151, Holder: [8]byte{1}}, {Type: link.Raise, Day: 2151, Value: 3, Generation: 2},
		{Type: link.WithdrawKey, Value: 12},
	}
	s, err := link.NewState(5).Apply(events)
	if err != nil {
		t.Fatal(err)
	}
	return s, events
}

func TestEverythingSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, r := open(t, path)
	if !r.New || r.Lost != nil || c.View().HasFeed() {
		t.Fatalf("new cache: %+v", r)
	}
	s, _ := opened(t)
	head := link.Head{Epoch: 5, Seq: s.Seq, Chain: s.Chain, Root: s.Root(), Issued: 1763700000000, Next: 5000}
	at := time.UnixMilli(1763700000123)
	apply(t, c, Update{
		State: s, Head: &head, HeadAt: at,
		Delegation: &link.Delegation{Version: 3, Threshold: 2},
		Keys:       &link.Keyset{Version: 8, Keys: []link.PassKey{{ID: 4, Public: make(ed25519.PublicKey, 32), Kinds: 2}}},
		Rules:      &link.Rules{Version: 6, Zones: []link.Zone{{ID: 1, Name: "Main"}}},
	})
	if err := c.SetGate(2, []link.DayKey{{Day: 2151, Key: pass.GateKey{9}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Checkpoint([]byte("inside"), link.JournalID{1}, 77); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, r = open(t, path)
	v := c.View()
	if r.New || !v.HasFeed() || v.State.Root() != s.Root() || v.State.Chain != s.Chain || v.State.Seq != 7 ||
		v.Head.Root != head.Root || !v.HeadAt.Equal(at) || v.Delegation.Version != 3 || v.KeysetVersion != 8 ||
		v.Keys[4].Kinds != 2 || v.RulesVersion() != 6 || v.Rules.Zones[0].Name != "Main" ||
		v.Gate[2151] != (pass.GateKey{9}) || v.GateVersion != 2 {
		t.Fatalf("%+v, %+v", r, v)
	}
	blob, id, seq, err := c.LoadCheckpoint()
	if err != nil || string(blob) != "inside" || id != (link.JournalID{1}) || seq != 77 {
		t.Fatalf("checkpoint %q %v %d %v", blob, id, seq, err)
	}
}

func apply(t *testing.T, c *Cache, u Update) {
	t.Helper()
	if err := c.Apply(u); err != nil {
		t.Fatal(err)
	}
}

// TestEventsAreStoredOneByOne changes a day 6000 times, over the bound at which
// the lists are written anew, and reopens at random moments.
func TestEventsAreStoredOneByOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	s, _ := opened(t)
	apply(t, c, Update{State: s})
	r := rand.New(rand.NewPCG(5, 6))
	bases, last := 0, c.base
	for s.Seq < 6000 {
		events := make([]link.Event, 1+r.IntN(200))
		for i := range events {
			events[i] = link.Event{Type: link.Revoke, Day: 2151, Value: r.Uint32N(2048)}
		}
		next, err := s.Apply(events)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, c, Update{State: next, Events: events})
		if s = next; c.base != last {
			last, bases = c.base, bases+1
		}
		if r.IntN(10) == 0 {
			c.Close()
			c, _ = open(t, path)
			last = c.base
		}
		if v := c.View(); v.State.Seq != s.Seq || v.State.Root() != s.Root() {
			t.Fatalf("state %d, want %d", v.State.Seq, s.Seq)
		}
	}
	if bases != 1 {
		t.Fatalf("lists were written %d times, want once", bases)
	}
}

func TestClosedDayIsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	s, _ := opened(t)
	apply(t, c, Update{State: s})
	s, err := s.Apply([]link.Event{{Type: link.CloseDay, Day: 2151}})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, Update{State: s}) // whole: no events given
	c.Close()
	c, _ = open(t, path)
	if v := c.View(); len(v.State.Days) != 1 || v.State.Root() != s.Root() {
		t.Fatalf("%d days", len(v.State.Days))
	}
}

// TestDamage ruins the file in each way that was seen to end a process, and in
// random ones. The cache opens empty, the file is kept, no more than two are.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache.bolt")
	c, _ := open(t, path)
	r := rand.New(rand.NewPCG(7, 8))
	s := dense(t, r)
	apply(t, c, Update{State: s, Rules: &link.Rules{Version: 1}})
	c.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]byte{
		"zeroed": make([]byte, len(good)), "empty": {}, "text": []byte("not a database"),
		"cut in half": good[:len(good)/2], "cut to one page": good[:4096],
		"meta pages": append(bytes.Repeat([]byte{0xff}, 8192), good[8192:]...),
		"noise":      noise(r, len(good)),
	}
	for i := range 12 {
		b := bytes.Clone(good)
		at := 8192 + r.IntN(len(b)/2-8192)
		copy(b[at:], noise(r, 64))
		cases[fmt.Sprintf("64 bytes at %d (%d)", at, i)] = b
	}
	lost := 0
	for name, b := range cases {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, rep, err := Open(path, Options{Check: inChild})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v := c.View()
		if rep.SetAside != "" {
			lost++
			kept, err := os.ReadFile(rep.SetAside)
			if err != nil || !bytes.Equal(kept, b) || v.State != nil || !errors.Is(rep.Lost, ErrDamaged) || !rep.New {
				t.Fatalf("%s: %+v, %v", name, rep, err)
			}
		} else if v.State == nil || v.State.Root() != s.Root() {
			t.Fatalf("%s: opened with another content", name) // free pages may change
		}
		apply(t, c, Update{State: s})
		c.Close()
	}
	bad, _ := filepath.Glob(path + ".bad-*")
	if lost < 12 || len(bad) != 2 {
		t.Fatalf("%d of %d were found damaged, %d files kept", lost, len(cases), len(bad))
	}
}

// dense is a state whose lists do not compress.
func dense(t *testing.T, r *rand.Rand) *link.State {
	t.Helper()
	events := []link.Event{{Type: link.OpenDay, Day: 2151, Value: link.MaxCapacity}}
	for range 50000 {
		events = append(events, link.Event{Type: link.Revoke + link.EventType(r.IntN(2)), Day: 2151, Value: r.Uint32N(link.MaxCapacity)})
	}
	s, err := link.NewState(1).Apply(events)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestFlippedContentIsFound changes a letter in the stored rules, which bbolt
// itself does not notice.
func TestFlippedContentIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	s, _ := opened(t)
	apply(t, c, Update{State: s, Rules: &link.Rules{Version: 1, Zones: []link.Zone{{ID: 2, Name: "Library"}}}})
	c.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(good, []byte("Library"))
	b := bytes.Clone(good)
	for i := bytes.Index(b, []byte("Library")); i >= 0; i = bytes.Index(b, []byte("Library")) {
		b[i] ^= 0x20
	}
	if at < 0 {
		t.Fatal("the rules are not in the file as they are")
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if c, r := open(t, path); !errors.Is(r.Lost, ErrDamaged) || c.View().Rules != nil {
		t.Fatalf("flipped rules were taken: %+v", r)
	}
}

// TestLostListIsFound takes a list out of a file that is sound otherwise.
func TestLostListIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	s, _ := opened(t)
	apply(t, c, Update{State: s})
	if err := c.db.Update(func(tx *bolt.Tx) error {
		k, _ := tx.Bucket(bucketDays).Cursor().First()
		return tx.Bucket(bucketDays).Delete(bytes.Clone(k))
	}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if c, r := open(t, path); !errors.Is(r.Lost, ErrDamaged) || c.View().State != nil {
		t.Fatalf("a day without its list: %+v", r)
	}
}

// TestNewerIsSetAside: after going back to an older version the lane fetches all
// again, and the newer one's file is still there.
func TestNewerIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	if err := c.db.Update(func(tx *bolt.Tx) error { return putFact(tx, factFormat, format+1) }); err != nil {
		t.Fatal(err)
	}
	c.Close()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, r := open(t, path)
	kept, err := os.ReadFile(r.SetAside)
	if err != nil || !errors.Is(r.Lost, ErrNewer) || !r.New || !bytes.Equal(before, kept) {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestSecondOpenerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	open(t, path)
	if _, _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if err := inChild(path); !errors.Is(err, ErrLocked) {
		t.Fatalf("the child took a locked file for: %v", err)
	}
}

func TestMissingChildIsNoDamage(t *testing.T) {
	if err := CheckInChild(filepath.Join(t.TempDir(), "none"), "x"); err == nil || errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
}

func TestHeadsAloneAreWrittenOnceAMinute(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	start := time.UnixMilli(1763700000000)
	before := c.db.Stats()
	for i := range 100 { // one each 5 s: 500 s
		at := start.Add(time.Duration(i) * 5 * time.Second)
		apply(t, c, Update{Head: &link.Head{Issued: at.UnixMilli(), Seq: uint64(i)}, HeadAt: at})
		if v := c.View(); v.Head.Seq != uint64(i) || !v.HeadAt.Equal(at) {
			t.Fatal("a head does not show")
		}
	}
	stored := c.headAt
	after := c.db.Stats()
	if n := after.TxStats.GetWrite() - before.TxStats.GetWrite(); n == 0 || n > 60 || start.Add(495*time.Second).Sub(stored) > time.Minute {
		t.Fatalf("%d pages written, the newest head in the file is of %v", n, stored)
	}
}

func TestCompaction(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	for i := range 4 {
		if err := c.Checkpoint(make([]byte, MaxCheckpoint), link.JournalID{}, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Checkpoint(make([]byte, MaxCheckpoint+1), link.JournalID{}, 9); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if err := c.Checkpoint([]byte("small"), link.JournalID{2}, 9); err != nil {
		t.Fatal(err)
	}
	c.Close()
	before, _ := os.Stat(path)
	c, _ = open(t, path)
	after, _ := os.Stat(path)
	if blob, _, seq, err := c.LoadCheckpoint(); string(blob) != "small" || seq != 9 || err != nil || after.Size() > before.Size()/10 {
		t.Fatalf("%q %d %v: %d -> %d bytes", blob, seq, err, before.Size(), after.Size())
	}
}

// TestHeadsWithoutDeltasDoNotMakeTheListsYoung lets heads come while what they
// announce is kept back, and then come.
func TestHeadsWithoutDeltasDoNotMakeTheListsYoung(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	state, _ := opened(t)
	rules := &link.Rules{Version: 1}
	keys := &link.Keyset{Version: 1}
	began := time.Now()
	apply := func(u Update) {
		t.Helper()
		if err := c.Apply(u); err != nil {
			t.Fatal(err)
		}
	}
	head := func(minute int, seq uint64, rules uint64) (Update, time.Time) {
		at := began.Add(time.Duration(minute) * time.Minute)
		return Update{Head: &link.Head{Epoch: 5, Seq: seq, Keyset: 1, Rules: rules, Issued: at.UnixMilli()}, HeadAt: at}, at
	}
	level, at := head(0, state.Seq, 1)
	apply(Update{State: state, Rules: rules, Keys: keys})
	apply(level)
	for minute, u := range map[int][2]uint64{2: {state.Seq + 1, 1}, 4: {state.Seq, 2}} {
		behind, _ := head(minute, u[0], u[1])
		apply(behind)
		if v := c.View(); v.IsLevel() || !v.LevelAt.Equal(at) || v.LevelIssued != at.UnixMilli() {
			t.Errorf("head %v: level %v since %v, want %v", u, v.IsLevel(), v.LevelAt, at)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, _ = open(t, path)
	if v := c.View(); v.LevelIssued != at.UnixMilli() {
		t.Errorf("after a restart it was level at %v, want %v", v.LevelAt, at)
	}
	again, now := head(6, state.Seq, 1)
	if apply(again); !c.View().LevelAt.Equal(now) {
		t.Errorf("level again at %v, want %v", c.View().LevelAt, now)
	}
}
