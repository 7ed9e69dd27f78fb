package cache

import (
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// BenchmarkStatus holds a status lookup in the view against a bbolt View and
// Get, with as many revoked passes as the open days can have: 8 lists of
// 131,072, all revoked.
func BenchmarkStatus(b *testing.B) {
	c, _, err := Open(filepath.Join(b.TempDir(), "cache.bolt"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Apply(Update{State: allRevoked(b)}); err != nil {
		b.Fatal(err)
	}
	db := boltOfRevoked(b)
	r := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	var own, ref []float64 // ns a lookup, one for each round
	found := 0
	for b.Loop() {
		start := time.Now()
		for range n {
			day, index := pass.Day(2151+r.IntN(link.MaxOpenDays)), r.Uint32N(link.MaxCapacity)
			if c.View().State.Day(day).Status(index) == link.Revoked {
				found++
			}
		}
		own = append(own, float64(time.Since(start).Nanoseconds())/n)
		start = time.Now()
		for range n {
			day, index := pass.Day(2151+r.IntN(link.MaxOpenDays)), r.Uint32N(link.MaxCapacity)
			if lookUp(b, db, day, index) {
				found++
			}
		}
		ref = append(ref, float64(time.Since(start).Nanoseconds())/n)
	}
	if found != 2*n*b.N {
		b.Fatalf("%d found of %d", found, 2*n*b.N)
	}
	slices.Sort(own)
	slices.Sort(ref)
	view, get := own[len(own)/2], ref[len(ref)/2]
	b.ReportMetric(view, "view-ns")
	b.ReportMetric(get, "bbolt-ns")
	b.ReportMetric(view/get, "time/bbolt")
}

func allRevoked(b *testing.B) *link.State {
	var events []link.Event
	for d := range pass.Day(link.MaxOpenDays) {
		events = append(events, link.Event{Type: link.OpenDay, Day: 2151 + d, Value: link.MaxCapacity})
		for i := range uint32(link.MaxCapacity) {
			events = append(events, link.Event{Type: link.Revoke, Day: 2151 + d, Value: i})
		}
	}
	s, err := link.NewState(1).Apply(events)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func keyOf(day pass.Day, index uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, uint16(day)), index)
}

func boltOfRevoked(b *testing.B) *bolt.DB {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "ref"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	for d := range pass.Day(link.MaxOpenDays) {
		err := db.Update(func(tx *bolt.Tx) error {
			k, err := tx.CreateBucketIfNotExists([]byte("revoked"))
			if err != nil {
				return err
			}
			k.FillPercent = 1
			for i := range uint32(link.MaxCapacity) {
				if err := k.Put(keyOf(2151+d, i), []byte{1}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return db
}

func lookUp(b *testing.B, db *bolt.DB, day pass.Day, index uint32) (found bool) {
	err := db.View(func(tx *bolt.Tx) error {
		found = tx.Bucket([]byte("revoked")).Get(keyOf(day, index)) != nil
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return found
}

// BenchmarkOpenLoaded opens a cache with a million revoked passes.
func BenchmarkOpenLoaded(b *testing.B) {
	path := filepath.Join(b.TempDir(), "cache.bolt")
	c, _, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Apply(Update{State: allRevoked(b)}); err != nil {
		b.Fatal(err)
	}
	c.Close()
	for b.Loop() {
		c, _, err := Open(path, Options{})
		if err != nil || c.View().State.Refused() != link.MaxOpenDays*link.MaxCapacity {
			b.Fatal(err)
		}
		c.Close()
	}
}

// BenchmarkRevoke makes one revocation durable.
func BenchmarkRevoke(b *testing.B) {
	c, _, err := Open(filepath.Join(b.TempDir(), "cache.bolt"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s := allRevoked(b)
	if err := c.Apply(Update{State: s}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		e := []link.Event{{Type: link.Release, Day: 2151, Value: uint32(s.Seq % link.MaxCapacity)}}
		if s, err = s.Apply(e); err != nil {
			b.Fatal(err)
		}
		if err := c.Apply(Update{State: s, Events: e}); err != nil {
			b.Fatal(err)
		}
	}
}
