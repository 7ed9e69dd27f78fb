package presence

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

const today = pass.Day(2516)

var guest = pass.ID{Day: today, Index: 4711}

// log numbers entries and applies them, as a lane does.
type log struct {
	p       *Presence
	entries []link.Entry
}

func (l *log) add(e link.Entry) uint64 {
	e.Seq = uint64(len(l.entries) + 1)
	l.entries = append(l.entries, e)
	l.p.Apply(e)
	return e.Seq
}

func (l *log) grant(lane uint8, id pass.ID, zone uint8, d gate.Direction, slot uint32) uint64 {
	return l.add(link.Entry{Type: link.EntryGranted, Lane: lane, Pass: id, Zone: zone, Direction: uint8(d), Slot: slot, Gen: 1})
}

func (l *log) result(t link.EntryType, grant uint64) {
	l.add(link.Entry{Type: t, Grant: grant})
}

func TestOnePassage(t *testing.T) {
	type step struct {
		result link.EntryType
		dir    gate.Direction
		before access.Past // while the grant is under way
		after  access.Past
	}
	g := uint8(1)
	for _, c := range []step{
		{link.EntryPassed, gate.In, access.Past{Inside: true, Used: 1, Slot: 9, Generation: g}, access.Past{Inside: true, Used: 1, Slot: 9, Generation: g}},
		{link.EntryNotPassed, gate.In, access.Past{Inside: true, Used: 1, Slot: 9, Generation: g}, access.Past{Generation: g}},
		{link.EntryUnknown, gate.In, access.Past{Inside: true, Used: 1, Slot: 9, Generation: g}, access.Past{Unknown: 1, Slot: 9, Generation: g}},
		{link.EntryPassed, gate.Out, access.Past{Slot: 9, Generation: g}, access.Past{Slot: 9, Generation: g}},
		{link.EntryUnknown, gate.Out, access.Past{Slot: 9, Generation: g}, access.Past{Slot: 9, Generation: g}},
	} {
		l := &log{p: New()}
		n := l.grant(1, guest, 3, c.dir, 9)
		if got := l.p.Of(guest, 3, c.dir); got != c.before {
			t.Errorf("%v %v under way: %+v, want %+v", c.result, c.dir, got, c.before)
		}
		l.result(c.result, n)
		l.result(link.EntryPassed, n) // a second result says nothing any more
		if got := l.p.Of(guest, 3, c.dir); got != c.after {
			t.Errorf("%v %v: %+v, want %+v", c.result, c.dir, got, c.after)
		}
		if got := l.p.Of(guest, 2, c.dir); got != (access.Past{Generation: g}) {
			t.Errorf("%v %v: another zone has %+v", c.result, c.dir, got)
		}
	}
}

func TestOutEndsInside(t *testing.T) {
	l := &log{p: New()}
	l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 0))
	if s := l.p.Stats(); s != (Stats{Records: 1, Inside: 1}) {
		t.Errorf("%+v", s)
	}
	l.result(link.EntryPassed, l.grant(2, guest, 3, gate.Out, 0))
	if got := l.p.Of(guest, 3, gate.In); got.Inside || got.Used != 1 {
		t.Errorf("%+v", got)
	}
	if s := l.p.Stats(); s != (Stats{Records: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestLostResultIsUnknown(t *testing.T) {
	l := &log{p: New()}
	l.grant(1, guest, 3, gate.In, 0)
	other := pass.ID{Day: today, Index: 1}
	n := l.grant(1, other, 3, gate.In, 0)
	if got := l.p.Of(guest, 3, gate.In); got.Unknown != 1 || got.Inside {
		t.Errorf("the grant before on the same lane: %+v", got)
	}
	if u := l.p.Unresolved(); len(u) != 1 || u[0].Seq != n {
		t.Errorf("unresolved: %+v", u)
	}
}

func TestGenerationIsSeenOnlyBehindAGoodSignature(t *testing.T) {
	for _, r := range pass.Reasons()[1:] {
		l := &log{p: New()}
		l.add(link.Entry{Type: link.EntryDenied, Reason: r, Pass: guest, Gen: 7})
		want := r.Authentic()
		if got := l.p.Of(guest, 0, gate.In).Generation == 7; got != want {
			t.Errorf("denied for %v: seen %v, want %v", r, got, want)
		}
	}
}

func TestForget(t *testing.T) {
	l := &log{p: New()}
	old := pass.ID{Day: today - 1, Index: 3}
	for _, id := range []pass.ID{old, guest} {
		l.result(link.EntryPassed, l.grant(1, id, 3, gate.In, 0))
	}
	l.p.Forget(today)
	if l.p.Of(old, 3, gate.In) != (access.Past{}) || !l.p.Of(guest, 3, gate.In).Inside {
		t.Error("forgot the wrong day")
	}
	if s := l.p.Stats(); s.Records != 1 || s.Inside != 1 {
		t.Errorf("%+v", s)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	p := New()
	fill := func(d pass.Day, n int) {
		for i := range n {
			p.set(keyOf(pass.ID{Day: d, Index: uint32(i)}, 3), record{inside: true, used: 1})
		}
	}
	fill(today-1, 10)
	fill(today, MaxRecords)
	if s := p.Stats(); s.Records != MaxRecords || s.Inside != MaxRecords || s.Overflow != 0 {
		t.Errorf("the oldest day did not make room: %+v", s)
	}
	p.set(keyOf(pass.ID{Day: today, Index: MaxRecords}, 3), record{used: 1})
	p.set(keyOf(pass.ID{Day: today - 1, Index: 1}, 3), record{used: 1})
	if s := p.Stats(); s.Records != MaxRecords || s.Overflow != 2 {
		t.Errorf("beyond the bound: %+v", s)
	}
	if b := p.encode(); len(b) > 6<<20 {
		t.Errorf("a full checkpoint takes %d bytes", len(b))
	}
}

// randomEntry draws what a lane could write next.
func randomEntry(t *rapid.T, l *log) link.Entry {
	e := link.Entry{
		Lane: uint8(rapid.IntRange(1, 3).Draw(t, "lane")),
		Pass: pass.ID{Day: today - pass.Day(rapid.IntRange(0, 1).Draw(t, "age")), Index: uint32(rapid.IntRange(0, 2).Draw(t, "index"))},
		Zone: uint8(rapid.IntRange(0, 1).Draw(t, "zone")), Direction: uint8(rapid.IntRange(1, 2).Draw(t, "direction")),
		Slot: uint32(rapid.IntRange(0, 5).Draw(t, "slot")), Gen: uint8(rapid.IntRange(0, 2).Draw(t, "generation")),
	}
	e.Type = rapid.SampledFrom([]link.EntryType{link.EntryGranted, link.EntryGranted, link.EntryDenied,
		link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, link.EntryForced}).Draw(t, "type")
	switch open := l.p.Unresolved(); {
	case e.Type == link.EntryDenied:
		e.Reason = pass.Reason(rapid.IntRange(1, 31).Draw(t, "reason"))
	case e.Type != link.EntryGranted && len(open) > 0:
		e.Grant = open[rapid.IntRange(0, len(open)-1).Draw(t, "grant")].Seq
	}
	return e
}

// naive counts one pass in one zone from the entries, the long way.
func naive(entries []link.Entry, id pass.ID, zone uint8) (inside bool, used, unknown uint8) {
	result := map[uint64]link.EntryType{}
	for i, e := range entries {
		if e.Type == link.EntryPassed || e.Type == link.EntryNotPassed || e.Type == link.EntryUnknown {
			if result[e.Grant] == 0 {
				result[e.Grant] = e.Type
			}
		}
		if e.Type == link.EntryGranted { // cuts off what its lane had open
			for _, g := range entries[:i] {
				if g.Type == link.EntryGranted && g.Lane == e.Lane && result[g.Seq] == 0 {
					result[g.Seq] = link.EntryUnknown
				}
			}
		}
	}
	type moment struct{ at, grant uint64 }
	var order []moment
	for _, e := range entries {
		if e.Type == link.EntryGranted && e.Pass == id && e.Zone == zone {
			order = append(order, moment{settledAt(entries, e), e.Seq})
		}
	}
	for at := uint64(1); at <= uint64(len(entries)); at++ {
		for _, m := range order {
			if m.at != at {
				continue
			}
			in := entries[m.grant-1].Direction == uint8(gate.In)
			switch result[m.grant] {
			case link.EntryPassed:
				inside = in
				used += uint8(count(in))
			case link.EntryUnknown:
				inside = inside && in
				unknown += uint8(count(in))
			}
		}
	}
	return inside, used, unknown
}

// settledAt is the Seq of the entry that settled a grant, 0 if none did.
func settledAt(entries []link.Entry, g link.Entry) uint64 {
	for _, e := range entries[g.Seq:] {
		isResult := e.Type == link.EntryPassed || e.Type == link.EntryNotPassed || e.Type == link.EntryUnknown
		if isResult && e.Grant == g.Seq || e.Type == link.EntryGranted && e.Lane == g.Lane {
			return e.Seq
		}
	}
	return 0
}

func TestCheckpointAndRestEqualsAll(t *testing.T) {
	settled := 0
	rapid.Check(t, func(t *rapid.T) {
		l := &log{p: New()}
		half := New()
		for range rapid.IntRange(20, 80).Draw(t, "entries") {
			e := randomEntry(t, l)
			l.add(e)
			half.Apply(l.entries[len(l.entries)-1])
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				data, seq := half.Checkpoint(func() uint64 { return uint64(len(l.entries)) })
				again, err := Decode(data)
				if err != nil || seq != uint64(len(l.entries)) {
					t.Fatalf("checkpoint at %d: %v", seq, err)
				}
				half = again
			}
		}
		if !bytes.Equal(half.encode(), l.p.encode()) {
			t.Fatalf("checkpoint and rest differ from all of %+v", l.entries)
		}
		for index := range uint32(3) {
			for zone := range uint8(2) {
				id := pass.ID{Day: today, Index: index}
				in, used, unknown := naive(l.entries, id, zone)
				r := l.p.records[keyOf(id, zone)]
				if r.inside != in || r.used != used || r.unknown != unknown {
					t.Fatalf("%v zone %d: %+v, want inside %v used %d unknown %d", id, zone, r, in, used, unknown)
				}
				settled += int(used + unknown)
			}
		}
		half.Forget(today)
		l.p.Forget(today)
		if !bytes.Equal(half.encode(), l.p.encode()) {
			t.Fatal("they forget differently")
		}
	})
	if settled < 100 {
		t.Errorf("only %d passages were tried", settled)
	}
}

func FuzzDecode(f *testing.F) {
	l := &log{p: New()}
	l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 9))
	l.grant(2, pass.ID{Day: today, Index: 8}, 3, gate.Out, 0)
	f.Add(New().encode())
	f.Add(l.p.encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrCheckpoint) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if !bytes.Equal(p.encode(), data) {
			t.Errorf("another text for the same: %x", data)
		}
	})
}

func TestEveryFlippedByteIsRefused(t *testing.T) {
	l := &log{p: New()}
	l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 9))
	l.grant(2, pass.ID{Day: today, Index: 8}, 3, gate.Out, 0)
	data := l.p.encode()
	for i := range data {
		bad := bytes.Clone(data)
		bad[i] ^= 0x40
		if _, err := Decode(bad); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
	}
	if len(data) < 100 {
		t.Errorf("only %d bytes tried", len(data))
	}
}
