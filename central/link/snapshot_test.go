package link_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"turnstile/central/link"
)

func exampleSnapshots(t testing.TB) (*link.State, []*link.Snapshot) {
	s := apply(t, link.NewState(1), append(exampleEvents(), link.Event{Type: link.OpenDay, Day: today + 1, Value: 1024}))
	var all []*link.Snapshot
	for _, l := range s.Days {
		all = append(all, link.SnapshotOf(s, l))
	}
	return s, all
}

func TestSnapshots(t *testing.T) {
	s, all := exampleSnapshots(t)
	if len(all) != 2 {
		t.Fatalf("%d snapshots", len(all))
	}
	n, err := link.StateOf(all)
	if err != nil || sum(n) != sum(s) || n.Root() != s.Root() {
		t.Errorf("%v, %v", n, err)
	}
	reversed := []*link.Snapshot{all[1], all[0]}
	if n, err = link.StateOf(reversed); err != nil || sum(n) != sum(s) {
		t.Errorf("reversed: %v, %v", n, err)
	}
}

// TestSnapshotSets has snapshots that do not belong together.
func TestSnapshotSets(t *testing.T) {
	for what, change := range map[string]func(all []*link.Snapshot) []*link.Snapshot{
		"none":                   func(all []*link.Snapshot) []*link.Snapshot { return nil },
		"too many":               func(all []*link.Snapshot) []*link.Snapshot { return slices.Repeat(all, 5) },
		"a day twice":            func(all []*link.Snapshot) []*link.Snapshot { return append(all, all[0]) },
		"another epoch":          func(all []*link.Snapshot) []*link.Snapshot { all[1].Epoch++; return all },
		"another seq":            func(all []*link.Snapshot) []*link.Snapshot { all[1].Seq++; return all },
		"another chain":          func(all []*link.Snapshot) []*link.Snapshot { all[1].Chain[0] ^= 1; return all },
		"other withdrawn keys":   func(all []*link.Snapshot) []*link.Snapshot { all[1].Withdrawn = nil; return all },
		"unsorted withdrawn":     func(all []*link.Snapshot) []*link.Snapshot { return withdrawn(all, 48, 47) },
		"a key withdrawn twice":  func(all []*link.Snapshot) []*link.Snapshot { return withdrawn(all, 47, 47) },
		"too many withdrawn":     func(all []*link.Snapshot) []*link.Snapshot { return withdrawn(all, make([]uint16, link.MaxKeys+1)...) },
		"one with a wrong hash":  func(all []*link.Snapshot) []*link.Snapshot { all[1].Hash[31] ^= 1; return all },
		"one for another day":    func(all []*link.Snapshot) []*link.Snapshot { all[1].Day += 3; return all },
		"one with less capacity": func(all []*link.Snapshot) []*link.Snapshot { all[1].Capacity /= 2; return all },
	} {
		_, all := exampleSnapshots(t)
		_, err := link.StateOf(change(all))
		wantError(t, what, err, link.ErrMalformed)
	}
}

func withdrawn(all []*link.Snapshot, keys ...uint16) []*link.Snapshot {
	for _, s := range all {
		s.Withdrawn = keys
	}
	return all
}

// content is the inflated Data of a snapshot of 1024 passes.
func content(holders, generations []byte) []byte {
	return slices.Concat(make([]byte, 256), holders, generations)
}

// withHash sets the list hash of the content by hand, as TOPICS.md has it, so
// that what refuses a snapshot is not its hash.
func withHash(s link.Snapshot, content []byte) link.Snapshot {
	be := binary.BigEndian
	b := be.AppendUint16([]byte("turnstile-list/1\x00"), uint16(today))
	b = be.AppendUint32(be.AppendUint32(be.AppendUint32(b, 1024), s.Blocked), s.Raised)
	s.Day, s.Capacity, s.Hash = today, 1024, sha256.Sum256(append(b, content...))
	if s.Data == nil {
		s.Data = link.Deflate(content)
	}
	return s
}

// TestSnapshotContent has lists that Apply cannot have made, with their hash.
func TestSnapshotContent(t *testing.T) {
	empty := content(nil, nil)
	three := content(nil, nil)
	three[100] = 3 << 4
	low, high := []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0, 0, 2}
	five, six := []byte{0, 0, 0, 5, 1}, []byte{0, 0, 0, 6, 1}
	if l, err := ptr(withHash(link.Snapshot{Blocked: 2, Raised: 2}, content(slices.Concat(low, high), slices.Concat(five, six)))).List(); err != nil || l.Min(6) != 1 {
		t.Fatal("a good list is refused:", err)
	}
	for what, s := range map[string]link.Snapshot{
		"status 3":                withHash(link.Snapshot{}, three),
		"holders unsorted":        withHash(link.Snapshot{Blocked: 2}, content(slices.Concat(high, low), nil)),
		"a holder twice":          withHash(link.Snapshot{Blocked: 2}, content(slices.Concat(low, low), nil)),
		"generations unsorted":    withHash(link.Snapshot{Raised: 2}, content(nil, slices.Concat(six, five))),
		"a generation twice":      withHash(link.Snapshot{Raised: 2}, content(nil, slices.Concat(five, five))),
		"an index beyond":         withHash(link.Snapshot{Raised: 1}, content(nil, []byte{0, 0, 4, 0, 1})),
		"a byte less":             withHash(link.Snapshot{}, empty[1:]),
		"a byte more":             withHash(link.Snapshot{}, append(empty, 0)),
		"bytes behind the stream": withHash(link.Snapshot{Data: append(link.Deflate(empty), 0)}, empty),
		"no stream":               withHash(link.Snapshot{Data: []byte{}}, empty),
		"a broken stream":         withHash(link.Snapshot{Data: []byte{0xff, 0xff}}, empty),
		"a bomb":                  withHash(link.Snapshot{Data: link.Deflate(make([]byte, 32<<20))}, empty),
		"too many holders":        withHash(link.Snapshot{Blocked: link.MaxBlocked + 1}, empty),
		"too many generations":    withHash(link.Snapshot{Raised: link.MaxRaised + 1}, empty),
		"holders that wrap":       withHash(link.Snapshot{Blocked: 1 << 29}, empty),
		"generations that wrap":   withHash(link.Snapshot{Raised: 0xffffffff}, empty),
		"the hash of another":     {Day: today, Capacity: 1024, Data: link.Deflate(empty)},
	} {
		_, err := s.List()
		wantError(t, what, err, link.ErrMalformed)
	}
	for _, capacity := range []uint32{0, 1, 512, 1023, 1025, 1 << 18, 1 << 31, 0xffffffff} {
		s := link.Snapshot{Day: today, Capacity: capacity, Data: link.Deflate(empty)}
		_, err := s.List()
		wantError(t, "capacity", err, link.ErrMalformed)
	}
}

func ptr(s link.Snapshot) *link.Snapshot { return &s }

// TestInflateStops measures that a bomb costs no more memory than was stated.
func TestInflateStops(t *testing.T) {
	bomb := link.Deflate(make([]byte, 32<<20))
	if len(bomb) > link.MaxDocument {
		t.Fatalf("the bomb has %d bytes and would not come in", len(bomb))
	}
	var err error
	if n := allocated(func() { _, err = link.Inflate(bomb, 1000) }); n > 1<<20 {
		t.Errorf("%d bytes allocated for 1000", n)
	}
	wantError(t, "bomb", err, link.ErrMalformed)
}

func FuzzSnapshotList(f *testing.F) {
	_, all := exampleSnapshots(f)
	for _, s := range all {
		f.Add(s.Capacity, s.Blocked, s.Raised, s.Hash[:], s.Data)
	}
	f.Add(uint32(1024), uint32(1<<31), uint32(0), []byte{}, []byte{3, 0})
	f.Fuzz(func(t *testing.T, capacity, blocked, raised uint32, hash, data []byte) {
		s := link.Snapshot{Seq: 1, Day: today, Capacity: capacity, Blocked: blocked, Raised: raised, Data: data}
		copy(s.Hash[:], hash)
		l, err := s.List()
		if err != nil {
			return
		}
		again, err := link.SnapshotOf(&link.State{}, l).List()
		if err != nil || again.Day != l.Day || again.Capacity != l.Capacity || !slices.Equal(again.Blocked, l.Blocked) ||
			!slices.Equal(again.Raised, l.Raised) || !reflect.DeepEqual(again.Statuses(), l.Statuses()) {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}

func FuzzInflate(f *testing.F) {
	f.Add(link.Deflate([]byte("hello")), uint16(5))
	f.Add([]byte{}, uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		out, err := link.Inflate(data, int(size))
		if err == nil && len(out) != int(size) {
			t.Fatalf("%d bytes, stated %d", len(out), size)
		}
		back, err := link.Inflate(link.Deflate(data), len(data))
		if err != nil || !bytes.Equal(back, data) {
			t.Fatal(err)
		}
	})
}
