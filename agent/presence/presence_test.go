package presence

import (
	"testing"

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
		{link.EntryPassed, gate.In, access.Past{Inside: true, Used: 1, Going: 1, Slot: 9, Generation: g}, access.Past{Inside: true, Used: 1, Slot: 9, Generation: g}},
		{link.EntryNotPassed, gate.In, access.Past{Inside: true, Used: 1, Going: 1, Slot: 9, Generation: g}, access.Past{Generation: g}},
		{link.EntryUnknown, gate.In, access.Past{Inside: true, Used: 1, Going: 1, Slot: 9, Generation: g}, access.Past{Maybe: true, Unknown: 1, Slot: 9, Generation: g}},
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
	put := func(d pass.Day, i, n int) bool {
		k := keyOf(pass.ID{Day: d, Index: uint32(i) & pass.MaxIndex}, uint8(i>>24))
		return p.put(k, use{grant: uint64(n), bits: uint8(passed)})
	}
	for i := range 10 {
		put(today-1, i, i)
	}
	for i := range MaxRecords {
		if !put(today, i, i) {
			t.Fatalf("no room for pass %d", i)
		}
	}
	if s := p.Stats(); s.Records != MaxRecords || s.Inside != MaxRecords {
		t.Errorf("the oldest day did not make room: %+v", s)
	}
	if put(today, MaxRecords, 1) || put(today-1, 1, 1) {
		t.Error("there is room beyond the bound")
	}
	for i := range MaxUses - MaxRecords {
		if !put(today, i%MaxRecords, MaxRecords+i) {
			t.Fatalf("no room for use %d", i)
		}
	}
	if put(today, 0, 2*MaxUses) {
		t.Error("there are uses beyond the bound")
	}
	if s := p.Stats(); s.Records != MaxRecords || p.total != MaxUses {
		t.Errorf("%+v, %d uses", s, p.total)
	}
	if b := p.encode(); len(b) > 16<<20 {
		t.Errorf("a full checkpoint takes %d bytes", len(b))
	}
}

// TestManyPassagesOfOnePass keeps what decides: where the person is, and more
// entries than a pass can have.
func TestManyPassagesOfOnePass(t *testing.T) {
	l := &log{p: New()}
	for range 100 {
		l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 0))
		l.result(link.EntryPassed, l.grant(1, guest, 3, gate.Out, 0))
		l.result(link.EntryPassed, l.grant(1, guest, 3, gate.Out, 0))
	}
	got := l.p.Of(guest, 3, gate.In)
	if got.Inside || got.Used < 15 || l.p.total > maxRun {
		t.Errorf("%+v of %d uses", got, l.p.total)
	}
	l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 0))
	if got := l.p.Of(guest, 3, gate.In); !got.Inside {
		t.Errorf("%+v", got)
	}
}

func TestLookUpAllocatesNothing(t *testing.T) {
	l := &log{p: New()}
	for range maxRun {
		l.result(link.EntryPassed, l.grant(1, guest, 3, gate.In, 0))
	}
	l.grant(2, guest, 3, gate.Out, 0)
	if n := testing.AllocsPerRun(100, func() { l.p.Of(guest, 3, gate.In) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
