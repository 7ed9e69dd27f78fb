package link_test

import (
	"fmt"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestFeedSizes holds the largest of each message to its bound on the wire.
func TestFeedSizes(t *testing.T) {
	most := func(n int) uint64 { return 1<<63 + uint64(n) }
	h := &link.Head{
		Epoch: 1<<32 - 1, Seq: most(1), Chain: hash("a"), Root: hash("b"), Revoked: 1<<32 - 1, SnapSeq: most(2), Keyset: most(3), Rules: most(4),
		Issued: 1<<63 - 1, Next: 1<<32 - 1, Expires: 1<<63 - 1, Reconnect: 1<<32 - 1, Lanes: most(5),
	}
	for i := range link.MaxOpenDays {
		h.Snapshots = append(h.Snapshots, link.DayHash{Day: pass.Day(65528 + i), Hash: hash("c")})
	}
	events := link.EncodeEvents(make([]link.Event, 1000))
	root := hashOf("root")
	state := &link.LaneState{
		Lane: "0123456789abcdef0123456789abcdef", Boot: 1<<32 - 1, Alive: true, Epoch: 1<<32 - 1, Seq: most(1), Keyset: most(2), Rules: most(3), Clock: 2,
		Bound: 65535, Last: most(4), Acked: most(5), Program: "1.22.333-rc.4+0123456789abcdef", Sent: 1<<63 - 1, Start: root[:16],
	}
	for range 16 {
		state.Lanes = append(state.Lanes, link.LaneInfo{Number: 255, Name: "東面入口 East Entrance 12", Zone: 15, State: "waiting-for-rotation"})
	}
	for range 20 {
		state.Warnings = append(state.Warnings, "journal-filling-up-95")
	}
	for _, c := range []struct {
		name    string
		typ     link.Type
		payload any
		limit   int
	}{
		{"head with 8 days", link.TypeHead, h, link.MaxHead},
		{"delta of 1000 events", link.TypeDelta, &link.Delta{Epoch: 1<<32 - 1, From: most(0), To: most(1000), Root: root, Data: events, Urgent: true}, link.MaxDelta},
		{"snapshot of random bits", link.TypeSnapshot, largestSnapshot(), link.MaxDocument},
		{"keyset of 256 keys", link.TypeKeyset, largestKeyset(), link.MaxDocument},
		{"lanes of a full zone", link.TypeLanes, largestLanes(), link.MaxDocument},
		{"a full use", link.TypeUse, &link.Use{Lane: state.Lane, Zone: 15, Entries: noise(link.MaxUseEntries * link.EntrySize), Sent: 1<<63 - 1, Before: 1 << 63}, link.MaxUse},
		{"full uses of a hundred journals", link.TypeUses, largestUses(), link.MaxDocument},
		{"time", link.TypeTime, &link.Time{Lane: state.Lane, At: 1<<63 - 1}, link.MaxState},
		{"command", link.TypeCommand, &link.Command{Lane: state.Lane, Number: 1 << 62, Action: 255, Index: 255, Direction: 255, Issued: 1<<63 - 2, Expires: 1<<63 - 1, Cause: 255}, link.MaxCommand},
		{"state of 16 lanes with 20 warnings", link.TypeState, state, link.MaxState},
	} {
		n := len(seal(t, signer("status"), c.typ, c.payload))
		t.Logf("%s: %d bytes of %d", c.name, n, c.limit)
		if n > c.limit {
			t.Errorf("%s: %d bytes, at most %d", c.name, n, c.limit)
		}
	}
}

// largestSnapshot has a full list that does not compress at all.
func largestSnapshot() *link.Snapshot {
	s := &link.Snapshot{Epoch: 1<<32 - 1, Seq: 1 << 63, Day: 65535, Capacity: link.MaxCapacity, Blocked: link.MaxBlocked, Raised: link.MaxRaised}
	s.Withdrawn = make([]uint16, link.MaxKeys)
	for i := range s.Withdrawn {
		s.Withdrawn[i] = uint16(65000 + i)
	}
	s.Data = stored(noise(link.MaxCapacity/4 + link.MaxBlocked*8 + link.MaxRaised*5))
	return s
}

func largestKeyset() *link.Keyset {
	k := &link.Keyset{Version: 1 << 63, Issued: 1<<63 - 1}
	for i := range link.MaxKeys {
		k.Keys = append(k.Keys, link.PassKey{ID: uint16(65000 + i), Public: hashOf("key"), Kinds: 0x800e, From: 65000, To: 65535})
	}
	return k
}

func largestLanes() *link.Lanes {
	l := &link.Lanes{Zone: 15, Version: 1 << 63, Issued: 1<<63 - 1}
	for i := range link.MaxPeers {
		l.Lanes = append(l.Lanes, link.Peer{ID: fmt.Sprintf("%032d", i), Key: hashOf("key")})
	}
	return l
}

func largestUses() *link.Uses {
	u := &link.Uses{Lane: "0123456789abcdef0123456789abcdef", From: 1 << 63, Next: 1 << 63, More: true, Nonce: noise(16)}
	for i := range 100 {
		u.Groups = append(u.Groups, link.UseGroup{Lane: fmt.Sprintf("%032d", i), Entries: noise(link.MaxUsesSize / 100)})
	}
	return u
}

// TestBusyDay is the day that the format was made for: 30,000 passes in a list
// of 131,072, one in a hundred revoked.
func TestBusyDay(t *testing.T) {
	s := busyState(t)
	snap := link.SnapshotOf(s, s.Day(today))
	wire := seal(t, signer("status"), link.TypeSnapshot, snap)
	t.Logf("%d revoked of %d: %d bytes compressed, %d as a signed snapshot", s.Refused(), link.MaxCapacity, len(snap.Data), len(wire))
	if s.Refused() < 290 || len(wire) > 2<<10 {
		t.Errorf("%d revoked make a snapshot of %d bytes, at most 2048", s.Refused(), len(wire))
	}
}

// BenchmarkDelta is what a lane does for one revocation: apply it, and compare
// chain and root.
func BenchmarkDelta(b *testing.B) {
	s := busyState(b)
	events := []link.Event{{Type: link.Revoke, Day: today, Value: 77}}
	b.ReportAllocs()
	for b.Loop() {
		n, err := s.Apply(events)
		if err != nil || n.Root() == s.Root() {
			b.Fatal(err)
		}
	}
}
