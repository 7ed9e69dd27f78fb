package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Flags of a bbolt page (bbolt, internal/common/page.go). There is no page of
// the free list: it is not written.
var pageKinds = map[uint16]string{1: "branch", 2: "leaf", 4: "meta"}

const overflowing = "behind a page that is longer than one" // values of some KB

// pagesOf returns the offsets of a file's pages in use, by kind.
func pagesOf(t *testing.T, path string, b []byte) map[string][]int {
	t.Helper()
	db, err := openBolt(path, false) // the pages that are free are only known so
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	size := db.Info().PageSize
	kinds := map[string][]int{}
	err = db.View(func(tx *bolt.Tx) error {
		for id := 0; id*size < len(b); id++ {
			p, err := tx.Page(id)
			if err != nil || p == nil {
				return err
			}
			kind := pageKinds[binary.LittleEndian.Uint16(b[id*size+8:])]
			if p.Type == "free" || kind == "" {
				continue
			}
			kinds[kind] = append(kinds[kind], id*size)
			for range p.OverflowCount {
				id++
				kinds[overflowing] = append(kinds[overflowing], id*size)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// TestFlipsInEachKindOfPage flips bits in each kind of page of a file with many
// events and long lists. The cache shows what was stored, or nothing; never
// anything else, and the process lives.
func TestFlipsInEachKindOfPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	c, _ := open(t, path)
	r := rand.New(rand.NewPCG(11, 12))
	s := dense(t, r)
	apply(t, c, Update{State: s, Rules: &link.Rules{Version: 1}})
	for range 150 { // enough that the events have a tree
		events := []link.Event{{Type: link.Revoke, Day: 2151, Value: r.Uint32N(1000)}}
		next, err := s.Apply(events)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, c, Update{State: next, Events: events})
		s = next
	}
	c.Close()
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	floor := &link.Floor{Epoch: s.Epoch, Seq: s.Seq, Chain: s.Chain}
	kinds := pagesOf(t, path, good)
	for _, kind := range []string{"branch", "leaf", "meta", overflowing} {
		lost, whole := 0, 0
		for range 16 {
			pages := kinds[kind]
			if len(pages) == 0 {
				t.Fatalf("no page of kind %q: %v", kind, kinds)
			}
			b := bytes.Clone(good)
			at := pages[r.IntN(len(pages))]
			within := 1000 // mostly of the content
			if kind == "meta" || kind == "branch" {
				within = 64 // header, and what the page says
			}
			b[at+r.IntN(within)] ^= 1 << r.IntN(8)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			c, rep, err := Open(path, Options{Check: inChild, Floor: floor})
			if err != nil {
				t.Fatalf("%s at %d: %v", kind, at, err)
			}
			switch v := c.View(); {
			case rep.Lost != nil && v.State == nil && v.Rules == nil && rep.New:
				lost++
			case rep.Lost == nil && v.State != nil && v.State.Root() == s.Root() && v.RulesVersion() == 1:
				whole++ // what is not in use may change; one of two meta pages too
			default:
				t.Fatalf("%s at %d: %+v, shown %v", kind, at, rep, v.State != nil)
			}
			c.Close()
		}
		if t.Logf("%s: %d pages, %d flips found, %d harmless", kind, len(kinds[kind]), lost, whole); lost == 0 {
			t.Errorf("%s: no flip was found", kind)
		}
	}
}

// TestForeignFileIsSetAside: a sound bbolt file of another program.
func TestForeignFileIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache.bolt")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucket([]byte("facts")) // by chance a name of ours
		if err != nil {
			return err
		}
		return b.Put([]byte(factRules), []byte("something else"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if c, r := open(t, path); !errors.Is(r.Lost, ErrDamaged) || r.SetAside == "" || c.View().Rules != nil {
		t.Fatalf("%+v", r)
	}
}

// TestRuinedGateFile ruins the gate keys' file in each way. No wrong key is ever
// shown, it is told, what was there is wiped, and the file takes keys again.
func TestRuinedGateFile(t *testing.T) {
	dir := t.TempDir()
	path, gate := filepath.Join(dir, "cache.bolt"), filepath.Join(dir, "gatekeys")
	c, _ := open(t, path)
	old := key()
	if err := c.SetGate(2, []link.DayKey{{Day: 10, Key: old}}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	good, err := os.ReadFile(gate)
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(good)
	copy(newer, "tsgatek2")
	for what, b := range map[string][]byte{
		"zeroed": make([]byte, len(good)), "cut": good[:700], "one byte": {0}, "foreign": bytes.Repeat([]byte("not gate keys. "), 1000),
		"newer": newer, "older": good,
	} {
		if err := os.WriteFile(gate, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, r, err := Open(path, Options{Floor: &link.Floor{Gate: 3}})
		if err != nil {
			t.Fatal(err)
		}
		left, err := os.ReadFile(gate)
		if err != nil || r.GateLost == nil || len(c.View().Gate) != 0 || bytes.Contains(left, old[:]) {
			t.Errorf("%s: %v, %d keys shown, %v", what, r.GateLost, len(c.View().Gate), err)
		}
		if err := c.SetGate(4, []link.DayKey{{Day: 11, Key: pass.GateKey{7}}}); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if again, r := open(t, path); r.GateLost != nil || again.View().Gate[11] != (pass.GateKey{7}) || len(again.View().Gate) != 1 {
			t.Errorf("%s: not filled again: %v", what, r.GateLost)
		} else {
			again.Close()
		}
	}
}
