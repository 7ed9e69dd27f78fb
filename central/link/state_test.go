package link_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// model is the state as a newcomer would write it.
type model struct {
	days      map[pass.Day]*modelDay
	withdrawn map[uint16]bool
}

type modelDay struct {
	capacity uint32
	status   map[uint32]link.Status
	blocked  map[[8]byte]bool
	raised   map[uint32]uint8
}

// apply reports whether the event makes sense, and does it.
func (m *model) apply(e link.Event) bool {
	d := m.days[e.Day]
	switch e.Type {
	case link.OpenDay:
		power := e.Value >= link.MinCapacity && e.Value <= link.MaxCapacity && e.Value&(e.Value-1) == 0
		if d != nil || len(m.days) >= link.MaxOpenDays || !power {
			return false
		}
		m.days[e.Day] = &modelDay{e.Value, map[uint32]link.Status{}, map[[8]byte]bool{}, map[uint32]uint8{}}
		return true
	case link.CloseDay:
		delete(m.days, e.Day)
		return true
	case link.WithdrawKey:
		if e.Value > 0xffff {
			return false
		}
		m.withdrawn[uint16(e.Value)] = true
		return true
	}
	return d != nil && d.apply(e)
}

func (d *modelDay) apply(e link.Event) bool {
	switch e.Type {
	case link.Block:
		d.blocked[e.Holder] = true
		return true
	case link.Unblock:
		delete(d.blocked, e.Holder)
		return true
	}
	if e.Value >= d.capacity {
		return false
	}
	switch e.Type {
	case link.Revoke:
		d.status[e.Value] = link.Revoked
	case link.Hold:
		d.status[e.Value] = link.Held
	case link.Release:
		delete(d.status, e.Value)
	case link.Raise:
		d.raised[e.Value] = max(d.raised[e.Value], e.Generation)
	default:
		return false
	}
	return true
}

// agree compares all that can be asked of a state.
func (m *model) agree(t *rapid.T, s *link.State) {
	if len(s.Days) != len(m.days) || len(s.Withdrawn) != len(m.withdrawn) {
		t.Fatalf("%d days, %d keys; want %d, %d", len(s.Days), len(s.Withdrawn), len(m.days), len(m.withdrawn))
	}
	for k := range m.withdrawn {
		if !s.IsWithdrawn(k) {
			t.Fatalf("key %d is not withdrawn", k)
		}
	}
	refused := uint32(0)
	for day, d := range m.days {
		l := s.Day(day)
		if l == nil || l.Capacity != d.capacity || !maps.Equal(l.Statuses(), d.status) || len(l.Blocked) != len(d.blocked) || len(l.Raised) != len(d.raised) {
			t.Fatalf("day %s: %+v, want %+v", day, l, d)
		}
		for h := range d.blocked {
			if !l.IsBlocked(h) {
				t.Fatalf("holder %x is not blocked", h)
			}
		}
		for i, g := range d.raised {
			if l.Min(i) != g {
				t.Fatalf("index %d: generation %d, want %d", i, l.Min(i), g)
			}
		}
		if l.Status(d.capacity) != link.Revoked || l.Status(1<<31) != link.Revoked {
			t.Fatal("an index that was never issued is good")
		}
		refused += uint32(len(d.status))
	}
	if s.Refused() != refused {
		t.Fatalf("%d refused, want %d", s.Refused(), refused)
	}
}

func eventGen() *rapid.Generator[link.Event] {
	return rapid.Custom(func(t *rapid.T) link.Event {
		e := link.Event{
			Type:       link.EventType(rapid.SampledFrom([]uint8{1, 1, 1, 2, 3, 3, 3, 4, 4, 5, 6, 6, 7, 8, 8, 9, 0, 10, 255}).Draw(t, "type")),
			Day:        today + pass.Day(rapid.SampledFrom([]uint8{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "day")),
			Generation: rapid.Uint8().Draw(t, "generation"),
			Value:      rapid.SampledFrom([]uint32{0, 1, 2, 3, 4, 1023, 1024, 2047, 65535, 65536, 131071, 1 << 24, 1<<32 - 1}).Draw(t, "value"),
			Holder:     [8]byte{rapid.Byte().Draw(t, "holder"), 7: rapid.SampledFrom([]byte{0, 1}).Draw(t, "last")},
		}
		if e.Type == link.OpenDay && rapid.IntRange(0, 4).Draw(t, "bad") > 0 {
			e.Value = 1024 << rapid.IntRange(0, 2).Draw(t, "capacity")
		}
		return e
	})
}

// TestApply runs events in deltas of any size against the model: nothing old
// changes, a bad event changes nothing, and however the events were cut, and
// wherever a snapshot came between, the same state, chain and root come out.
func TestApply(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{map[pass.Day]*modelDay{}, map[uint16]bool{}}
		s, good := link.NewState(7), []link.Event{}
		for range rapid.IntRange(1, 25).Draw(t, "deltas") {
			events := rapid.SliceOfN(eventGen(), 1, 6).Draw(t, "events")
			old, oldSum := s, sum(s)
			s, good = step(t, m, s, events, good)
			if sum(old) != oldSum {
				t.Fatal("Apply changed the state that it was called on")
			}
			if len(s.Days) > 0 && rapid.IntRange(0, 3).Draw(t, "snapshot") == 0 {
				s = viaSnapshots(t, s)
			}
		}
		m.agree(t, s)
		whole := link.NewState(7)
		for _, e := range good {
			var err error
			if whole, err = whole.Apply([]link.Event{e}); err != nil {
				t.Fatal(err)
			}
		}
		if sum(whole) != sum(s) {
			t.Fatalf("one by one: %s, in deltas: %s", sum(whole), sum(s))
		}
	})
}

// step applies the events that make sense as one delta, after it tried the delta
// with those that do not.
func step(t *rapid.T, m *model, s *link.State, events, done []link.Event) (*link.State, []link.Event) {
	var good []link.Event
	for _, e := range events {
		if m.apply(e) {
			good = append(good, e)
		} else if n, err := s.Apply(append(slices.Clone(good), e)); err == nil {
			t.Fatalf("%+v is taken: %d", e, n.Seq)
		}
	}
	n, err := s.Apply(good)
	if err != nil {
		t.Fatal(err)
	}
	if n.Seq != s.Seq+uint64(len(good)) {
		t.Fatalf("seq %d after %d and %d events", n.Seq, s.Seq, len(good))
	}
	return n, append(done, good...)
}

func viaSnapshots(t *rapid.T, s *link.State) *link.State {
	var snaps []*link.Snapshot
	for _, l := range s.Days {
		snaps = append(snaps, link.SnapshotOf(s, l))
	}
	rand.Shuffle(len(snaps), func(i, j int) { snaps[i], snaps[j] = snaps[j], snaps[i] })
	n, err := link.StateOf(snaps)
	if err != nil {
		t.Fatal(err)
	}
	if sum(n) != sum(s) {
		t.Fatalf("by snapshots %s, by events %s", sum(n), sum(s))
	}
	return n
}

// sum is all of a state in one text.
func sum(s *link.State) string {
	root := s.Root()
	text := fmt.Sprintf("%d %d %x %x %v", s.Epoch, s.Seq, s.Chain, root, s.Withdrawn)
	for _, l := range s.Days {
		h := l.Hash()
		text += fmt.Sprintf(" %s %x %v", l.Day, h, l.Statuses())
	}
	return text
}

// TestIdempotent: what is revoked twice is revoked, with another chain.
func TestIdempotent(t *testing.T) {
	once := apply(t, link.NewState(1), exampleEvents())
	again := exampleEvents()[2:7]
	again = append(again, exampleEvents()[8:]...)
	twice := apply(t, once, again)
	if twice.Root() != once.Root() {
		t.Error("the same events again make another root")
	}
	if twice.Chain == once.Chain {
		t.Error("the same events again make the same chain")
	}
}

// TestRaiseNeverLowers: a late or repeated re-issue does not bring an old code back.
func TestRaiseNeverLowers(t *testing.T) {
	raise := func(g uint8) link.Event { return link.Event{Type: link.Raise, Day: today, Value: 5, Generation: g} }
	s := apply(t, link.NewState(1), []link.Event{{Type: link.OpenDay, Day: today, Value: 1024}, raise(4), raise(2)})
	if g := s.Day(today).Min(5); g != 4 {
		t.Errorf("generation %d after 4 and 2", g)
	}
}

// TestOrderMatters: the last word on a pass counts, and the chain knows the order.
func TestOrderMatters(t *testing.T) {
	open := link.Event{Type: link.OpenDay, Day: today, Value: 1024}
	revoke := link.Event{Type: link.Revoke, Day: today, Value: 5}
	release := link.Event{Type: link.Release, Day: today, Value: 5}
	a := apply(t, link.NewState(1), []link.Event{open, revoke, release})
	b := apply(t, link.NewState(1), []link.Event{open, release, revoke})
	if a.Day(today).Status(5) != link.Good || b.Day(today).Status(5) != link.Revoked {
		t.Error("the order does not count")
	}
	if a.Chain == b.Chain || a.Root() == b.Root() {
		t.Error("the order does not show")
	}
}

// TestRootTellsApart makes states that differ in one thing each.
func TestRootTellsApart(t *testing.T) {
	open := link.Event{Type: link.OpenDay, Day: today, Value: 1024}
	roots := map[link.Hash]int{link.NewState(1).Root(): -1, link.NewState(2).Root(): -2}
	for i, events := range [][]link.Event{
		{open}, {{Type: link.OpenDay, Day: today, Value: 2048}}, {{Type: link.OpenDay, Day: today + 1, Value: 1024}},
		{open, {Type: link.Revoke, Day: today, Value: 1}}, {open, {Type: link.Hold, Day: today, Value: 1}}, {open, {Type: link.Revoke, Day: today, Value: 2}},
		{open, {Type: link.Block, Day: today, Holder: [8]byte{1}}}, {open, {Type: link.Block, Day: today, Holder: [8]byte{7: 1}}},
		{open, {Type: link.Raise, Day: today, Value: 1, Generation: 1}}, {open, {Type: link.Raise, Day: today, Value: 1, Generation: 2}},
		{open, {Type: link.Raise, Day: today, Value: 2, Generation: 1}}, {{Type: link.WithdrawKey, Value: 1}}, {{Type: link.WithdrawKey, Value: 2}},
	} {
		root := apply(t, link.NewState(1), events).Root()
		if other, found := roots[root]; found {
			t.Errorf("states %d and %d have one root", other, i)
		}
		roots[root] = i
	}
}

// TestBounds fills each list of a state to its bound.
func TestBounds(t *testing.T) {
	s := apply(t, link.NewState(1), []link.Event{{Type: link.OpenDay, Day: today, Value: link.MaxCapacity}})
	for what, c := range map[string]struct {
		bound int
		event func(i int) link.Event
	}{
		"blocked holders": {link.MaxBlocked, func(i int) link.Event {
			return link.Event{Type: link.Block, Day: today, Holder: [8]byte{byte(i >> 8), byte(i), 3}}
		}},
		"raised generations": {link.MaxRaised, func(i int) link.Event {
			return link.Event{Type: link.Raise, Day: today, Value: uint32(i) * 7, Generation: 1}
		}},
		"withdrawn keys": {link.MaxKeys, func(i int) link.Event { return link.Event{Type: link.WithdrawKey, Value: uint32(i)} }},
		"open days":      {link.MaxOpenDays - 1, func(i int) link.Event { return link.Event{Type: link.OpenDay, Day: pass.Day(i), Value: 1024} }},
	} {
		n := s
		for i := range c.bound {
			n = apply(t, n, []link.Event{c.event(i)})
		}
		_, err := n.Apply([]link.Event{c.event(c.bound)})
		wantError(t, what, err, link.ErrMalformed)
	}
}

func TestDeltaEvents(t *testing.T) {
	events := exampleEvents()
	good := link.Delta{From: 7, To: 7 + uint64(len(events)), Data: link.EncodeEvents(events)}
	got, err := good.Events()
	if err != nil || !slices.Equal(got, events) {
		t.Fatalf("%v, %v", got, err)
	}
	for what, change := range map[string]func(d *link.Delta){
		"no events":          func(d *link.Delta) { d.To, d.Data = d.From, nil },
		"a number more":      func(d *link.Delta) { d.To++ },
		"a number less":      func(d *link.Delta) { d.To-- },
		"backwards":          func(d *link.Delta) { d.From, d.To = d.To, d.From },
		"a byte more":        func(d *link.Delta) { d.Data = append(slices.Clone(d.Data), 0) },
		"a wrap of 64 bits":  func(d *link.Delta) { d.From, d.To = ^uint64(0)-5, 6 },
		"a root of 31 bytes": func(d *link.Delta) { d.Root = make([]byte, 31) },
	} {
		d := good
		change(&d)
		_, err := d.Events()
		wantError(t, what, err, link.ErrMalformed)
	}
}

func FuzzDeltaEvents(f *testing.F) {
	f.Add(uint64(0), uint64(12), link.EncodeEvents(exampleEvents()))
	f.Add(^uint64(0), uint64(0), make([]byte, 16))
	f.Fuzz(func(t *testing.T, from, to uint64, data []byte) {
		d := link.Delta{From: from, To: to, Data: data}
		events, err := d.Events()
		if err != nil {
			return
		}
		if string(link.EncodeEvents(events)) != string(data) || uint64(len(events)) != to-from {
			t.Fatalf("%d events of %x", len(events), data)
		}
		base := link.NewState(1)
		if s, err := base.Apply(events); err == nil && s.Seq != uint64(len(events)) {
			t.Fatal(s.Seq)
		}
	})
}

// TestHashFollowsChanges asks for the hash before and after each event, so that
// a remembered one would be found out.
func TestHashFollowsChanges(t *testing.T) {
	s := link.NewState(1)
	seen := map[link.Hash]bool{s.Root(): true}
	for _, e := range []link.Event{
		{Type: link.OpenDay, Day: today, Value: link.MinCapacity}, {Type: link.Revoke, Day: today, Value: 5},
		{Type: link.Hold, Day: today, Value: 5}, {Type: link.Block, Day: today, Holder: [8]byte{1}}, {Type: link.Raise, Day: today, Value: 6, Generation: 2},
		{Type: link.Raise, Day: today, Value: 6, Generation: 3}, {Type: link.WithdrawKey, Value: 3},
	} {
		next, err := s.Apply([]link.Event{e})
		if err != nil {
			t.Fatal(err)
		}
		if seen[next.Root()] {
			t.Errorf("event %d does not change the root", e.Type)
		}
		seen[next.Root()], s = true, next
	}
}
