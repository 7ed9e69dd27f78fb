package presence

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/firmware-bridge/gate"
)

// entrance is one entry of the tests' pass at some controller.
type entrance struct {
	at     int64          // Unix ms: when it was granted
	result link.EntryType // 0: none yet
	flags  link.EntryFlags
	clock  link.ClockState
	dir    gate.Direction
}

// once is an entrance with a single-entry pass.
func once(at int64, result link.EntryType) entrance {
	return entrance{at, result, link.FlagLast, link.ClockTrusted, gate.In}
}

func (e entrance) with(flags link.EntryFlags) entrance { e.flags = flags; return e }

func (e entrance) by(c link.ClockState) entrance { e.clock = c; return e }

// entries are the grant with the number seq, and its result if there is one.
func (e entrance) entries(seq uint64) []link.Entry {
	g := link.Entry{Type: link.EntryGranted, Seq: seq, Lane: 1, Pass: guest, Zone: zone, Direction: uint8(e.dir), Wall: e.at, Clock: e.clock, Flags: e.flags}
	if e.result == 0 {
		return []link.Entry{g}
	}
	r := g
	r.Type, r.Seq, r.Grant, r.Wall = e.result, seq+1, seq, e.at+1000
	return []link.Entry{g, r}
}

// here applies an own entrance, and returns the number of its grant.
func (l *log) here(e entrance) (seq uint64) {
	for _, x := range e.entries(uint64(len(l.entries) + 1)) {
		if n := l.add(x); seq == 0 {
			seq = n
		}
	}
	return seq
}

// there tells an entrance at another controller, and returns the own grants that
// are in conflict with it.
func (o *other) there(seq uint64, e entrance) (named []uint64) {
	for _, x := range e.entries(seq) {
		if c := o.p.Remote(o.name, link.JournalID{9}, x, o.now); c != nil {
			named = append(named, c.Seq)
		}
	}
	return named
}

// TestUsedUpElsewhere: hours apart, a pass was let in here that had no entry left,
// which this lane could not know.
func TestUsedUpElsewhere(t *testing.T) {
	const at, hour = int64(100_000_000), int64(3_600_000)
	early := once(at-hour, link.EntryPassed)
	for name, c := range map[string]struct {
		want  bool
		here  entrance
		there entrance
	}{
		"both walked":                        {true, once(at, link.EntryPassed), early},
		"under way here":                     {true, once(at, 0), early},
		"unknown here":                       {true, once(at, link.EntryUnknown), early},
		"given back here":                    {false, once(at, link.EntryNotPassed), early},
		"given back there":                   {false, once(at, link.EntryPassed), once(at-hour, link.EntryNotPassed)},
		"unknown there: perhaps nobody came": {false, once(at, link.EntryPassed), once(at-hour, link.EntryUnknown)},
		"no word there of a result":          {false, once(at, link.EntryPassed), once(at-hour, 0)},
		"later there: that lane writes it":   {false, once(at, link.EntryPassed), once(at+hour, link.EntryPassed)},
		"clocks do not tell, both write it":  {true, once(at, link.EntryPassed).by(link.ClockUntrusted), once(at+hour, link.EntryPassed)},
		"nor there":                          {true, once(at, link.EntryPassed), once(at+hour, link.EntryPassed).by(link.ClockUntrusted)},
		"unlimited":                          {false, once(at, link.EntryPassed).with(0), early.with(0)},
		"unlimited, soft, known inside":      {false, once(at, link.EntryPassed).with(link.FlagPassback), early.with(0)},
		"soft, known inside by another way":  {true, once(at, link.EntryPassed).with(link.FlagPassback | link.FlagLast), early},
		"not the last one there":             {false, once(at, link.EntryPassed), early.with(0)},
		"first of several here":              {true, once(at, link.EntryPassed).with(0), early},
		"but before it, by the clocks":       {false, once(at-2*hour, link.EntryPassed).with(0), early},
		"or within their errors":             {false, once(at-hour+120_000, link.EntryPassed).with(0), early},
		"or by a clock of 1970":              {false, once(at, link.EntryPassed).with(0).by(link.ClockUntrusted), early},
		"both by short code":                 {true, once(at, link.EntryPassed).with(link.FlagLast | link.FlagShort), early.with(link.FlagLast | link.FlagShort)},
		"one of them by short code":          {false, once(at, link.EntryPassed), early.with(link.FlagLast | link.FlagShort)},
		"and the other one":                  {false, once(at, link.EntryPassed).with(link.FlagLast | link.FlagShort), early},
		"out here":                           {false, entrance{at, link.EntryPassed, 0, link.ClockTrusted, gate.Out}, early},
		"out there":                          {false, once(at, link.EntryPassed), entrance{at - hour, link.EntryPassed, 0, link.ClockTrusted, gate.Out}},
	} {
		l := &log{p: New()}
		o := &other{l.p, "south-1", start}
		own := l.here(c.here)
		named := o.there(5, c.there)
		if (len(named) == 1 && named[0] == own) != c.want || len(named) > 1 {
			t.Errorf("%s: %v", name, named)
		}
		if again := o.there(5, c.there); again != nil {
			t.Errorf("%s: told twice: %v", name, again)
		}
	}
}

// TestUsedUpOnceKnown: what this lane knew when it granted is in no conflict, in
// whatever order the word of it came, and of several others one is named.
func TestUsedUpOnceKnown(t *testing.T) {
	const at, hour = int64(100_000_000), int64(3_600_000)
	l := &log{p: New()}
	o := &other{l.p, "south-1", start}
	o.there(5, once(at-hour, link.EntryPassed))
	own := l.here(once(at, link.EntryPassed).with(0)) // as a pass of another generation has it
	if named := o.there(5, once(at-hour, link.EntryPassed)); named != nil {
		t.Errorf("known before: %v", named)
	}
	clear(l.p.conflicts)
	late := once(at-2*hour, link.EntryPassed).entries(15)
	if c := o.tell(late[1]); c == nil || c.Seq != own || c.Lane != 1 || c.Pass != guest || c.Zone != zone {
		t.Errorf("the result alone: %+v", c)
	}
	if c := o.tell(late[0]); c != nil {
		t.Errorf("the grant behind it: %+v", c)
	}
	if named := o.there(25, once(at-3*hour, link.EntryPassed)); named != nil {
		t.Errorf("a third one: %v", named)
	}
	second := l.here(once(at+hour, link.EntryPassed))
	if named := o.there(35, once(at-3*hour, link.EntryPassed)); len(named) != 1 || named[0] != second {
		t.Errorf("another own one: %v, want %d", named, second)
	}
}

// TestUsedUpAfterAStart: the conflict is found behind a checkpoint and a start, by
// entries that were applied anew, and not a second time.
func TestUsedUpAfterAStart(t *testing.T) {
	const at, hour = int64(100_000_000), int64(3_600_000)
	restart := func(t *testing.T, p *Presence, entries ...link.Entry) *Presence {
		data, _ := p.Checkpoint(func() uint64 { return 0 })
		again, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again.Own(link.JournalID{})
		for _, e := range entries {
			again.Apply(e)
		}
		return again
	}
	early := once(at-hour, link.EntryPassed)
	l := &log{p: New()}
	own := l.here(once(at, link.EntryPassed))
	for name, p := range map[string]*Presence{
		"in the checkpoint": restart(t, l.p), "behind it": restart(t, New(), l.entries...), "both": restart(t, l.p, l.entries...),
		"its grant in it": restart(t, func() *Presence { p := New(); p.Apply(l.entries[0]); return p }(), l.entries[1]),
	} {
		o := &other{p, "south-1", start}
		if c := o.tell(early.entries(5)[0]); c != nil {
			t.Errorf("%s: by the grant alone: %+v", name, c)
		}
		o.p = restart(t, p) // between the two
		if named := o.there(5, early); len(named) != 1 || named[0] != own {
			t.Errorf("%s: %v, want %d", name, named, own)
		}
		conflict := link.Entry{Type: link.EntryConflict, Seq: 9, Lane: 1, Grant: own, Pass: guest, Zone: zone}
		o.p.Apply(conflict)
		o.p = restart(t, o.p)
		if named := o.there(5, early); named != nil {
			t.Errorf("%s: told after the next start: %v", name, named)
		}
		o.p = restart(t, New(), append(l.entries[:2:2], conflict)...)
		if named := o.there(5, early); named != nil {
			t.Errorf("%s: told after a start without a checkpoint: %v", name, named)
		}
	}
}

// TestEarlierJournal: after the journal was lost central tells what stood in it, also
// of what a checkpoint still has. Nothing counts twice, and what is told of the
// journal in use changes nothing.
func TestEarlierJournal(t *testing.T) {
	old, now := link.JournalID{1}, link.JournalID{2}
	before := &log{p: New()}
	before.p.Own(old)
	before.here(once(1000, link.EntryPassed).with(0)) // in the checkpoint
	data, _ := before.p.Checkpoint(func() uint64 { return 2 })
	before.here(once(5000, link.EntryPassed).with(0)) // behind it: lost
	kept, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*Presence{"with a checkpoint": kept, "with nothing": New()} {
		p.Own(now)
		for range 2 {
			for _, e := range before.entries {
				if c := p.Remote("", old, e, start); c != nil {
					t.Errorf("%s: %+v", name, c)
				}
			}
		}
		if got := p.Of(guest, zone, gate.In); !got.Inside || got.Used != 2 || got.Unknown != 0 || got.Maybe {
			t.Errorf("%s: %+v", name, got)
		}
		p.Remote("", now, before.entries[1], start)
		if got := p.Of(guest, zone, gate.In); got.Used != 2 {
			t.Errorf("%s: an entry of the journal in use was taken: %+v", name, got)
		}
		again, err := Decode(p.encode())
		if err != nil || again.Of(guest, zone, gate.In).Used != 2 || again.Stats() != p.Stats() {
			t.Errorf("%s: next start: %v", name, err)
		}
		p.Expire(start.Add(time.Hour))
		if s := p.Stats(); s.Others != 1 || s.Awaited != 0 || s.Overflow != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestUsedAgainBeforeWordOfTheEarlierJournal is the conflict of a controller with itself.
func TestUsedAgainBeforeWordOfTheEarlierJournal(t *testing.T) {
	l := &log{p: New()}
	l.p.Own(link.JournalID{2})
	own := l.here(once(9_000_000, link.EntryPassed))
	o := &other{l.p, "", start}
	if named := o.there(5, once(1000, link.EntryPassed)); len(named) != 1 || named[0] != own {
		t.Errorf("%v, want %d", named, own)
	}
}
