package link_test

import (
	"bytes"
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

// TestSnapshotContent has lists that Apply cannot have made; their hash is right
// where it matters, so that the order alone refuses them.
func TestSnapshotContent(t *testing.T) {
	three := content(nil, nil)
	three[100] = 3 << 4
	low, high := []byte{0, 0, 0, 0, 0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0, 0, 2}
	five, six := []byte{0, 0, 0, 5, 1}, []byte{0, 0, 0, 6, 1}
	for what, s := range map[string]link.Snapshot{
		"status 3":                   {Data: link.Deflate(three)},
		"holders unsorted":           {Blocked: 2, Data: link.Deflate(content(slices.Concat(high, low), nil))},
		"a holder twice":             {Blocked: 2, Data: link.Deflate(content(slices.Concat(low, low), nil))},
		"generations unsorted":       {Raised: 2, Data: link.Deflate(content(nil, slices.Concat(six, five)))},
		"a generation twice":         {Raised: 2, Data: link.Deflate(content(nil, slices.Concat(five, five)))},
		"an index beyond":            {Raised: 1, Data: link.Deflate(content(nil, []byte{0, 0, 4, 0, 1}))},
		"a byte less":                {Data: link.Deflate(make([]byte, 255))},
		"a byte more":                {Data: link.Deflate(make([]byte, 257))},
		"bytes behind the stream":    {Data: append(link.Deflate(make([]byte, 256)), 0)},
		"no stream":                  {Data: nil},
		"a broken stream":            {Data: []byte{0xff, 0xff}},
		"a bomb":                     {Data: link.Deflate(make([]byte, 32<<20))},
		"too many holders":           {Blocked: link.MaxBlocked + 1, Data: link.Deflate(make([]byte, 256))},
		"too many generations":       {Raised: link.MaxRaised + 1, Data: link.Deflate(make([]byte, 256))},
		"counts that wrap 32 bits":   {Blocked: 1 << 29, Raised: 0, Data: link.Deflate(make([]byte, 256))},
		"generations that wrap":      {Raised: 0xffffffff, Data: link.Deflate(make([]byte, 256))},
		"the hash of something else": {Data: link.Deflate(make([]byte, 256))},
	} {
		s.Day, s.Capacity = today, 1024
		_, err := s.List()
		wantError(t, what, err, link.ErrMalformed)
	}
	for _, capacity := range []uint32{0, 1, 512, 1023, 1025, 1 << 18, 1 << 31, 0xffffffff} {
		s := link.Snapshot{Day: today, Capacity: capacity, Data: link.Deflate(make([]byte, 256))}
		_, err := s.List()
		wantError(t, "capacity", err, link.ErrMalformed)
	}
}

// TestInflateStops measures that a bomb costs no more memory than was stated.
func TestInflateStops(t *testing.T) {
	bomb := link.Deflate(make([]byte, 32<<20))
	if len(bomb) > link.MaxDocument {
		t.Fatalf("the bomb has %d bytes and would not come in", len(bomb))
	}
	var err error
	r := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			_, err = link.Inflate(bomb, 1000)
		}
	})
	wantError(t, "bomb", err, link.ErrMalformed)
	if r.AllocedBytesPerOp() > 256<<10 {
		t.Errorf("%d bytes allocated for 1000", r.AllocedBytesPerOp())
	}
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
		if err != nil || !reflect.DeepEqual(again, l) {
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
