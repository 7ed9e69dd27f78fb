package cache

import (
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// onClock opens a cache whose clock the test moves.
func onClock(t *testing.T, path string, floor *link.Floor) (*Cache, Report, *time.Time) {
	t.Helper()
	now := time.UnixMilli(1763700000000)
	c, r, err := Open(path, Options{Check: inChild, Floor: floor, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, r, &now
}

var ballast = []byte("ballast")

// fill leaves no free page in a file of the largest size.
func fill(t *testing.T, c *Cache) {
	t.Helper()
	n := uint16(0)
	for _, size := range []int{4 << 20, 256 << 10, 16<<10 + 1, 1000} {
		err := error(nil)
		for err == nil {
			err = c.db.Update(func(tx *bolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists(ballast)
				if err == nil {
					b, err = b.CreateBucketIfNotExists([]byte{byte(size >> 16), byte(size >> 8), byte(size)}) // one a size: a leaf is rewritten whole
				}
				if err != nil {
					return err
				}
				n++
				return b.Put([]byte{byte(n >> 8), byte(n)}, make([]byte, size))
			})
		}
		if !errors.Is(full(err), ErrFull) {
			t.Fatal(err)
		}
	}
}

// TestFullDiskDelaysNoRevocation: on a disk that takes nothing, what central says
// counts at once; it is told, and written when there is room.
func TestFullDiskDelaysNoRevocation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _, now := onClock(t, path, nil)
	s, _ := opened(t)
	apply(t, c, Update{State: s, Keys: &link.Keyset{Version: 3, Keys: []link.PassKey{{ID: 4, Public: make(ed25519.PublicKey, 32)}, {ID: 2, Public: make(ed25519.PublicKey, 32)}}}})
	fill(t, c)
	next := dense(t, rand.New(rand.NewPCG(1, 2)))
	apply(t, c, Update{State: next})
	apply(t, c, Update{Rules: &link.Rules{Version: 5}})
	if v := c.View(); v.State.Root() != next.Root() || v.RulesVersion() != 5 {
		t.Fatal("a revocation waits for the disk")
	}
	if err := c.Settle(); !errors.Is(err, ErrFull) {
		t.Fatalf("nobody is told: %v", err)
	}
	*now = now.Add(retryAfter)
	if err := c.Settle(); !errors.Is(err, ErrFull) {
		t.Fatalf("written on a full disk: %v", err)
	}
	if err := c.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(ballast) }); err != nil {
		t.Fatal(err)
	}
	if err := c.Settle(); !errors.Is(err, ErrFull) {
		t.Fatalf("the disk is not left alone for a while: %v", err)
	}
	*now = now.Add(retryAfter)
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	events := []link.Event{{Type: link.Revoke, Day: 2151, Value: 1}}
	last, err := next.Apply(events)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, c, Update{State: last, Events: events})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, r := open(t, path)
	if v := c.View(); r.Lost != nil || v.State.Root() != last.Root() || v.RulesVersion() != 5 || v.KeysetVersion != 3 || len(v.Keys) != 2 {
		t.Fatalf("%+v: state %d", r, c.View().State.Seq)
	}
}

// TestStopOnAFullDisk: what was never written is known to lack, by the floor in
// the journal: the lane does not go back to the lists from before.
func TestStopOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _, _ := onClock(t, path, nil)
	s, _ := opened(t)
	apply(t, c, Update{State: s})
	fill(t, c)
	next := dense(t, rand.New(rand.NewPCG(1, 2)))
	next.Epoch = s.Epoch + 1
	apply(t, c, Update{State: next})
	if c.Settle() == nil || c.Close() == nil {
		t.Fatal("nobody is told")
	}
	floor := &link.Floor{Epoch: next.Epoch, Seq: next.Seq, Chain: next.Chain}
	if c, r, _ := onClock(t, path, floor); !errors.Is(r.Lost, ErrOlder) || c.View().State != nil {
		t.Fatalf("%+v: lists from before the revocation are shown", r)
	}
}

// TestStopLeavesNoYoungHead: there is room for the newest head, and none for the
// lists that it announces. Without a floor the older lists are shown again, and
// must not look as young as that head.
func TestStopLeavesNoYoungHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _, now := onClock(t, path, nil)
	s, _ := opened(t)
	head := func(s *link.State) *link.Head { return &link.Head{Epoch: s.Epoch, Seq: s.Seq, Issued: now.UnixMilli()} }
	apply(t, c, Update{State: s, Head: head(s), HeadAt: *now})
	old := now.UnixMilli()
	fill(t, c)
	*now = now.Add(time.Hour)
	next := dense(t, rand.New(rand.NewPCG(1, 2)))
	for d := range pass.Day(7) { // more than what is freed below
		l := dense(t, rand.New(rand.NewPCG(1, uint64(d)+3))).Days[0]
		l.Day += d + 1
		next.Days = append(next.Days, l)
	}
	next.Epoch = s.Epoch + 1
	apply(t, c, Update{State: next, Head: head(next), HeadAt: *now})
	if c.View().LevelIssued == old {
		t.Fatal("not level with the newest head")
	}
	err := c.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(ballast).DeleteBucket([]byte{0, 1000 >> 8, 1000 & 0xff}) })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); !errors.Is(err, ErrFull) {
		t.Fatalf("the lists were written: %v", err)
	}
	c, r := open(t, path)
	if v := c.View(); r.Lost != nil || v.State.Seq != s.Seq || v.LevelIssued != old {
		t.Errorf("%+v: lists %d, level with the head of %d, want %d", r, v.State.Seq, v.LevelIssued, old)
	}
}

// TestOlderCopyIsSetAside puts older copies of the file back, in each way in
// which one can be older.
func TestOlderCopyIsSetAside(t *testing.T) {
	s, _ := opened(t)
	other, err := link.NewState(5).Apply([]link.Event{{Type: link.OpenDay, Day: 2151, Value: 2048}})
	for err == nil && other.Seq < s.Seq {
		other, err = other.Apply([]link.Event{{Type: link.Revoke, Day: 2151, Value: uint32(other.Seq)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	now := link.Floor{Epoch: 5, Seq: s.Seq, Chain: s.Chain, Keyset: 3, Rules: 4}
	for what, c := range map[string]struct {
		change func(*link.Floor)
		older  bool
	}{
		"the newest":         {func(*link.Floor) {}, false},
		"newer than floor":   {func(f *link.Floor) { f.Seq--; f.Chain[0] ^= 1; f.Keyset--; f.Rules-- }, false},
		"older lists":        {func(f *link.Floor) { f.Seq++ }, true},
		"an older epoch":     {func(f *link.Floor) { f.Epoch++; f.Seq = 0 }, true},
		"other lists":        {func(f *link.Floor) { f.Chain = other.Chain }, true},
		"older keys":         {func(f *link.Floor) { f.Keyset++ }, true},
		"older rules":        {func(f *link.Floor) { f.Rules++ }, true},
		"a floor of nothing": {func(f *link.Floor) { *f = link.Floor{} }, false},
	} {
		path := filepath.Join(t.TempDir(), "cache.bolt")
		k, _ := open(t, path)
		apply(t, k, Update{State: s, Keys: &link.Keyset{Version: 3, Keys: []link.PassKey{{ID: 1}}}, Rules: &link.Rules{Version: 4}})
		k.Close()
		floor := now
		c.change(&floor)
		k, r, _ := onClock(t, path, &floor)
		v := k.View()
		if shown := v.State != nil || v.Rules != nil || len(v.Keys) > 0; shown == c.older || errors.Is(r.Lost, ErrOlder) != c.older || (r.SetAside != "") != c.older {
			t.Errorf("%s: shown %v, %+v", what, shown, r)
		}
		if apply(t, k, Update{State: s}); k.Settle() != nil || k.View().State == nil {
			t.Errorf("%s: not filled again", what)
		}
	}
}

// TestNoRoomAtOpen: the file cannot be made; the cache works, tells, and makes it
// when it can.
func TestNoRoomAtOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache.bolt")
	block := func(name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(name, "in the way"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	gate := filepath.Join(dir, "gatekeys")
	block(path + ".new")
	block(gate)
	c, r, now := onClock(t, path, nil)
	if r.InMemory == nil || c.Settle() == nil {
		t.Fatalf("%+v", r)
	}
	s, _ := opened(t)
	apply(t, c, Update{State: s, Rules: &link.Rules{Version: 1}})
	if err := c.SetGate(3, []link.DayKey{{Day: 9, Key: pass.GateKey{1}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Checkpoint([]byte("x"), link.JournalID{}, 1); err == nil {
		t.Fatal("a checkpoint went nowhere without an error")
	}
	if data, _, seq, err := c.LoadCheckpoint(); data != nil || seq != 0 || err != nil {
		t.Fatal(err)
	}
	if v := c.View(); v.State == nil || v.Gate[9] != (pass.GateKey{1}) {
		t.Fatal("not shown")
	}
	for _, name := range []string{path + ".new", gate} {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	*now = now.Add(retryAfter)
	if err := c.Settle(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c, r = open(t, path)
	if v := c.View(); r.Lost != nil || r.InMemory != nil || v.State.Root() != s.Root() || v.Gate[9] != (pass.GateKey{1}) || v.GateVersion != 3 {
		t.Fatalf("%+v", r)
	}
}

// TestCompactionOnAFullDisk: a file that should be made smaller and cannot is
// opened as it is.
func TestCompactionOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	for i := range 3 {
		if err := c.Checkpoint(make([]byte, MaxCheckpoint), link.JournalID{}, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Checkpoint([]byte("small"), link.JournalID{}, 9); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := os.MkdirAll(filepath.Join(path+".new", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, r := open(t, path)
	if blob, _, _, err := c.LoadCheckpoint(); r.Lost != nil || string(blob) != "small" || err != nil {
		t.Fatalf("%+v %q %v", r, blob, err)
	}
}

// TestGoodFileOutlivesABadStart: the file could not be looked at when the agent
// started (no process for the check, no handle). It is tried again, not replaced by
// an empty one; only what central said meanwhile counts more.
func TestGoodFileOutlivesABadStart(t *testing.T) {
	s, _ := opened(t)
	for _, heard := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "cache.bolt")
		c, _ := open(t, path)
		apply(t, c, Update{State: s, Rules: &link.Rules{Version: 4}})
		if err := errors.Join(c.SetGate(3, []link.DayKey{{Day: 9, Key: pass.GateKey{1}}}), c.Checkpoint([]byte("x"), link.JournalID{}, 7), c.Close()); err != nil {
			t.Fatal(err)
		}
		now, busy := time.UnixMilli(1763700000000), errors.New("no process")
		c, r, err := Open(path, Options{Now: func() time.Time { return now }, Check: func(string) error { return busy }})
		if err != nil || !errors.Is(r.InMemory, busy) || c.View().State != nil {
			t.Fatalf("%+v, %v", r, err)
		}
		if heard {
			apply(t, c, Update{Rules: &link.Rules{Version: 5}})
		}
		now, busy = now.Add(retryAfter), nil
		if err := c.Settle(); err != nil {
			t.Fatal(err)
		}
		v := c.View()
		if heard != (v.State == nil) || heard != (v.RulesVersion() == 5) || v.Gate[9] != (pass.GateKey{1}) {
			t.Errorf("heard %v: lists %v, rules %d, gate keys %v", heard, v.State != nil, v.RulesVersion(), v.Gate)
		}
		if _, _, seq, err := c.LoadCheckpoint(); err != nil || heard != (seq == 0) {
			t.Errorf("heard %v: checkpoint %d, %v", heard, seq, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
