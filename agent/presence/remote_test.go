package presence

import (
	"fmt"
	"math"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

const zone = 3

var start = time.Unix(1e9, 0)

// other is another controller.
type other struct {
	p    *Presence
	name string
	now  time.Time
}

func (o *other) tell(e link.Entry) *link.Entry {
	e.Zone = zone
	if e.Pass == (pass.ID{}) {
		e.Pass = guest
	}
	if e.Direction == 0 {
		e.Direction = uint8(gate.In)
	}
	return o.p.Remote(o.name, link.JournalID{9}, e, o.now)
}

func (o *other) grant(seq uint64, d gate.Direction, wall int64) *link.Entry {
	return o.tell(link.Entry{Type: link.EntryGranted, Seq: seq, Direction: uint8(d), Slot: uint32(seq), Gen: 1, Wall: wall, Clock: link.ClockTrusted})
}

func (o *other) result(t link.EntryType, grant uint64, d gate.Direction, wall int64) {
	o.tell(link.Entry{Type: t, Seq: grant + 1, Grant: grant, Direction: uint8(d), Slot: uint32(grant), Gen: 1, Wall: wall, Clock: link.ClockTrusted})
}

func TestOneRemotePassage(t *testing.T) {
	g := uint8(1)
	under := access.Past{Inside: true, Used: 1, Going: 1, Slot: 5, Generation: g, Entered: 100}
	given := access.Past{Generation: g}
	for _, c := range []struct {
		result link.EntryType
		after  access.Past
	}{
		{link.EntryPassed, access.Past{Inside: true, Used: 1, Slot: 5, Generation: g, Entered: 103}},
		{link.EntryNotPassed, given},
		{link.EntryUnknown, access.Past{Maybe: true, Unknown: 1, Slot: 5, Generation: g}},
	} {
		o := &other{New(), "south-1", start}
		o.grant(5, gate.In, 100)
		if got := o.p.Of(guest, zone, gate.In); got != under {
			t.Errorf("under way: %+v", got)
		}
		if got := o.p.Of(guest, zone, gate.Out); got.Slot != 0 {
			t.Errorf("its live slot counts on the way out: %+v", got)
		}
		o.result(c.result, 5, gate.In, 103)
		o.grant(5, gate.In, 100) // word comes again
		o.now = o.now.Add(time.Hour)
		o.p.Expire(o.now)
		if got := o.p.Of(guest, zone, gate.In); got != c.after {
			t.Errorf("%v: %+v, want %+v", c.result, got, c.after)
		}
	}
}

// A grant without a result is under way for RemoteGrant, unknown then, and
// whatever it turns out to have been when word of that comes.
func TestRemoteGrantRunsOut(t *testing.T) {
	o := &other{New(), "south-1", start}
	o.grant(5, gate.In, 100)
	o.p.Expire(start.Add(RemoteGrant - 1))
	if got := o.p.Of(guest, zone, gate.In); !got.Inside || o.p.Stats().Awaited != 1 {
		t.Errorf("a moment before: %+v", got)
	}
	o.p.Expire(start.Add(RemoteGrant))
	if got := o.p.Of(guest, zone, gate.In); got.Inside || !got.Maybe || got.Used != 0 || got.Unknown != 1 || o.p.Stats().Awaited != 0 {
		t.Errorf("then: %+v", got)
	}
	o.result(link.EntryNotPassed, 5, gate.In, 900)
	if got := o.p.Of(guest, zone, gate.In); got != (access.Past{Generation: 1}) {
		t.Errorf("it was given back: %+v", got)
	}
}

// TestRemoteGrantAfterAStart: nobody knows when it was given, so that its time runs
// from the start on.
func TestRemoteGrantAfterAStart(t *testing.T) {
	o := &other{New(), "south-1", start}
	o.grant(5, gate.In, 100)
	p, err := Decode(o.p.encode())
	if err != nil {
		t.Fatal(err)
	}
	later := start.Add(time.Hour)
	for at, inside := range map[time.Duration]bool{0: true, RemoteGrant - 1: true, RemoteGrant: false} {
		q, err := Decode(p.encode())
		if err != nil {
			t.Fatal(err)
		}
		q.Expire(later)
		q.Expire(later.Add(at))
		if got := q.Of(guest, zone, gate.In); got.Inside != inside || (q.Stats().Awaited == 1) != inside {
			t.Errorf("after %v: %+v", at, got)
		}
	}
}

// TestBothLanesOfAZone: in at one controller, out at the other, and in again.
func TestBothLanesOfAZone(t *testing.T) {
	l := &log{p: New()}
	o := &other{l.p, "south-1", start}
	own := func(d gate.Direction, wall int64) {
		seq := l.add(link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: uint8(d), Wall: wall, Clock: link.ClockTrusted})
		l.add(link.Entry{Type: link.EntryPassed, Lane: 1, Grant: seq, Wall: wall})
	}
	check := func(when string, inside bool, used uint8) {
		t.Helper()
		if got := l.p.Of(guest, zone, gate.In); got.Inside != inside || got.Maybe || got.Used != used {
			t.Errorf("%s: %+v", when, got)
		}
	}
	own(gate.In, 1000)
	check("in here", true, 1)
	o.grant(5, gate.Out, 2000)
	o.result(link.EntryPassed, 5, gate.Out, 2000)
	check("out there", false, 1)
	o.grant(7, gate.In, 3000)
	o.result(link.EntryPassed, 7, gate.In, 3000)
	check("in there", true, 2)
	own(gate.Out, 4000)
	check("out here", false, 2)
	o.grant(3, gate.In, 1500) // healed late: it was before it all went out
	check("a late one", false, 3)
}

// TestClocksThatDoNotTell refuses nobody: neither in nor out is certain.
func TestClocksThatDoNotTell(t *testing.T) {
	for name, c := range map[string]struct {
		in, out link.ClockState
		bound   uint16
		walls   [2]int64 // in here, out there
		want    access.Past
	}{
		"out later":                 {2, 2, 0, [2]int64{1000, 2000}, access.Past{}},
		"out earlier":               {2, 2, 0, [2]int64{2000, 1000}, access.Past{Inside: true}},
		"at once":                   {2, 2, 0, [2]int64{1000, 1000}, access.Past{Maybe: true}},
		"the clock of 1970 here":    {0, 2, 0, [2]int64{1000, 2000}, access.Past{Maybe: true}},
		"the clock of 1970 there":   {2, 0, 0, [2]int64{2000, 1000}, access.Past{Maybe: true}},
		"in holdover":               {1, 1, 60, [2]int64{2000, 1000}, access.Past{Inside: true}},
		"in holdover for very long": {1, 1, 61, [2]int64{2000, 1000}, access.Past{Maybe: true}},
	} {
		l := &log{p: New()}
		e := link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: uint8(gate.In), Wall: c.walls[0], Clock: c.in, Bound: c.bound}
		l.result(link.EntryPassed, l.add(e))
		e.Direction, e.Wall, e.Clock, e.Type, e.Seq, e.Grant = uint8(gate.Out), c.walls[1], c.out, link.EntryPassed, 9, 8
		l.p.Remote("south-1", link.JournalID{1}, e, start)
		if got := l.p.Of(guest, zone, gate.In); got.Inside != c.want.Inside || got.Maybe != c.want.Maybe {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// One controller's own order holds, whatever its clock did meanwhile.
func TestClockSetBack(t *testing.T) {
	l := &log{p: New()}
	o := &other{l.p, "south-1", start}
	l.result(link.EntryPassed, l.add(link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: 1, Wall: 9000, Clock: link.ClockTrusted}))
	l.result(link.EntryPassed, l.add(link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: 2, Wall: 1000, Clock: link.ClockTrusted}))
	if got := l.p.Of(guest, zone, gate.In); got.Inside || got.Maybe {
		t.Errorf("here: %+v", got)
	}
	two := pass.ID{Day: today, Index: 2}
	for _, e := range []link.Entry{{Seq: 5, Direction: 2, Wall: 1000}, {Seq: 3, Direction: 1, Wall: 9000}} {
		e.Type, e.Pass, e.Grant, e.Clock = link.EntryPassed, two, e.Seq-1, link.ClockTrusted
		o.tell(e)
	}
	if got := l.p.Of(two, zone, gate.In); got.Inside || got.Maybe {
		t.Errorf("there: %+v", got)
	}
}

func TestConflict(t *testing.T) {
	const at = int64(100_000)
	race, late := raceTime.Milliseconds(), RemoteGrant.Milliseconds()
	type setup struct {
		own     gate.Direction
		ownAt   int64
		result  link.EntryType // of the own grant; 0: under way
		between int64          // somebody went out here at that time; 0: nobody
		clock   link.ClockState
		dir     gate.Direction
		wall    int64
		flags   link.EntryFlags
	}
	for name, c := range map[string]struct {
		want  bool
		setup setup
	}{
		"both under way":                       {true, setup{gate.In, at, 0, 0, 2, gate.In, at, 0}},
		"both passed":                          {true, setup{gate.In, at, link.EntryPassed, 0, 2, gate.In, at + 5, 0}},
		"unknown here":                         {true, setup{gate.In, at, link.EntryUnknown, 0, 2, gate.In, at, 0}},
		"given back here":                      {false, setup{gate.In, at, link.EntryNotPassed, 0, 2, gate.In, at, 0}},
		"word could not be there":              {true, setup{gate.In, at, 0, 0, 2, gate.In, at + race, 0}},
		"word was there":                       {false, setup{gate.In, at, 0, 0, 2, gate.In, at + race + 1, 0}},
		"and it says so":                       {false, setup{gate.In, at, 0, 0, 2, gate.In, at + 5, link.FlagPassback}},
		"here it was not known":                {true, setup{gate.In, at, 0, 0, 2, gate.In, at - late, 0}},
		"nor long before":                      {false, setup{gate.In, at, 0, 0, 2, gate.In, at - late - 1, 0}},
		"what it knew then is nothing to us":   {true, setup{gate.In, at, 0, 0, 2, gate.In, at - 5, link.FlagPassback}},
		"out here":                             {false, setup{gate.Out, at, 0, 0, 2, gate.In, at, 0}},
		"out there":                            {false, setup{gate.In, at, 0, 0, 2, gate.Out, at, 0}},
		"out between":                          {false, setup{gate.In, at, link.EntryPassed, at + 3, 2, gate.In, at + 5, 0}},
		"out behind both":                      {true, setup{gate.In, at, link.EntryPassed, at + 9, 2, gate.In, at + 5, 0}},
		"clocks that do not tell, under way":   {true, setup{gate.In, at, 0, 0, 0, gate.In, at + 7_000_000, 0}},
		"clocks that do not tell, long passed": {false, setup{gate.In, at, link.EntryPassed, 0, 0, gate.In, at, 0}},
	} {
		l := &log{p: New()}
		add := func(d gate.Direction, wall int64, result link.EntryType) uint64 {
			seq := l.add(link.Entry{Type: link.EntryGranted, Lane: 2, Pass: guest, Zone: zone, Direction: uint8(d), Wall: wall, Clock: link.ClockTrusted})
			if result != 0 {
				l.add(link.Entry{Type: result, Lane: 2, Grant: seq, Wall: wall})
			}
			return seq
		}
		seq := add(c.setup.own, c.setup.ownAt, c.setup.result)
		if c.setup.between != 0 {
			add(gate.Out, c.setup.between, link.EntryPassed)
		}
		e := link.Entry{Type: link.EntryGranted, Seq: 5, Lane: 1, Pass: guest, Zone: zone, Direction: uint8(c.setup.dir), Wall: c.setup.wall,
			Clock: c.setup.clock, Flags: c.setup.flags, Kind: pass.Guest, KeyID: 7, Holder: [8]byte{1}}
		got := l.p.Remote("south-1", link.JournalID{1}, e, start)
		if got != nil != c.want {
			t.Errorf("%s: %+v", name, got)
		}
		if got != nil && (got.Seq != seq || got.Lane != 2 || got.Pass != guest || got.Zone != zone || got.Kind != pass.Guest || got.Holder != e.Holder || got.Flags != 0) {
			t.Errorf("%s: own grant %+v, want number %d", name, got, seq)
		}
		if again := l.p.Remote("south-1", link.JournalID{1}, e, start); again != nil {
			t.Errorf("%s: told twice", name)
		}
	}
}

// A grant is judged when it comes, also behind its result; one that nobody
// walked on is no conflict if that is known.
func TestConflictBehindTheResult(t *testing.T) {
	for result, want := range map[link.EntryType]bool{link.EntryPassed: true, link.EntryUnknown: true, link.EntryNotPassed: false} {
		l := &log{p: New()}
		l.add(link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: 1, Wall: 1000, Clock: link.ClockTrusted})
		o := &other{l.p, "south-1", start}
		o.result(result, 5, gate.In, 4000)
		if got := o.grant(5, gate.In, 1000); got != nil != want {
			t.Errorf("%v: %+v", result, got)
		}
	}
}

func TestWhatIsNoUse(t *testing.T) {
	good := link.Entry{Type: link.EntryPassed, Seq: 9, Grant: 8, Pass: guest, Zone: zone, Direction: 1}
	tried := 0
	for name, spoil := range map[string]func(e *link.Entry, lane *string){
		"good":                      func(*link.Entry, *string) {},
		"denied":                    func(e *link.Entry, _ *string) { e.Type = link.EntryDenied },
		"forced":                    func(e *link.Entry, _ *string) { e.Type = link.EntryForced },
		"of a type to come":         func(e *link.Entry, _ *string) { e.Type = 200 },
		"of no grant":               func(e *link.Entry, _ *string) { e.Grant = 0 },
		"of a grant behind it":      func(e *link.Entry, _ *string) { e.Grant = 10 },
		"in no direction":           func(e *link.Entry, _ *string) { e.Direction = 0 },
		"in a third direction":      func(e *link.Entry, _ *string) { e.Direction = 3 },
		"in zone 16":                func(e *link.Entry, _ *string) { e.Zone = 16 },
		"beyond all lists":          func(e *link.Entry, _ *string) { e.Pass.Index = pass.MaxIndex + 1 },
		"of a day that is over":     func(e *link.Entry, _ *string) { e.Pass.Day = today - 2 },
		"of before 1970":            func(e *link.Entry, _ *string) { e.Wall = math.MinInt64 },
		"of a supervisor":           func(e *link.Entry, _ *string) { e.Kind = pass.Supervisor },
		"of a lane with a bad name": func(_ *link.Entry, lane *string) { *lane = "a/b" },
		"of a lane with a long one": func(_ *link.Entry, lane *string) { *lane = fmt.Sprintf("%033d", 1) },
	} {
		p, e, lane := New(), good, "south-1"
		p.Forget(today - 1)
		spoil(&e, &lane)
		p.Remote(lane, link.JournalID{1}, e, start)
		if got := p.Stats().Records == 1; got != (name == "good") {
			t.Errorf("%s: taken in: %v", name, got)
		}
		tried++
	}
	if tried < 15 {
		t.Errorf("%d tried", tried)
	}
}

// TestOneLaneCannotFillTheMemory: neither with uses nor with journals.
func TestOneLaneCannotFillTheMemory(t *testing.T) {
	l := &log{p: New()}
	l.result(link.EntryPassed, l.grant(1, guest, zone, gate.In, 0))
	flood := func(lane string, from, n int) {
		for i := range n {
			e := link.Entry{Type: link.EntryPassed, Seq: uint64(from+i) + 2, Grant: uint64(from+i) + 1, Direction: 1, Zone: uint8(i & 15),
				Pass: pass.ID{Day: 60000 + pass.Day(i>>20), Index: uint32(i >> 4)}}
			l.p.Remote(lane, link.JournalID{1}, e, start)
		}
	}
	flood("stolen", 0, maxOfLane+1000)
	if s := l.p.Stats(); l.p.total != maxOfLane+1 || s.Overflow != 1000 || !l.p.Of(guest, zone, gate.In).Inside {
		t.Errorf("%d uses, %+v", l.p.total, s)
	}
	for i := range 2 * maxJournals {
		e := link.Entry{Type: link.EntryPassed, Seq: 2, Grant: 1, Direction: 1, Pass: guest, Zone: zone}
		l.p.Remote("restless", link.JournalID{2, byte(i)}, e, start)
	}
	if s := l.p.Stats(); s.Others != 1+maxJournals {
		t.Errorf("%+v", s)
	}
	o := &other{l.p, "honest", start}
	o.grant(1, gate.Out, 5)
	if s := l.p.Stats(); s.Others != 2+maxJournals {
		t.Errorf("no room for an honest one: %+v", s)
	}
	l.p.Forget(60000 + 2)
	if s := l.p.Stats(); s.Others != 0 || s.Records != 0 || len(l.p.index) != 0 {
		t.Errorf("after all: %+v", s)
	}
}

// TestOneGrantIsOneConflict: another controller's key makes no more entries of it,
// however many grants it signs; nor does the next start.
func TestOneGrantIsOneConflict(t *testing.T) {
	l := &log{p: New()}
	seq := l.add(link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: uint8(gate.In), Wall: 1000, Clock: link.ClockTrusted})
	o := &other{l.p, "stolen", start}
	named := 0
	for i := range uint64(20) {
		if e := o.grant(2*i+1, gate.In, 1000); e != nil && e.Seq == seq {
			named++
		}
	}
	if named != 1 {
		t.Errorf("%d conflicts", named)
	}
	again := &log{p: New()}
	again.add(l.entries[0])
	again.add(link.Entry{Type: link.EntryConflict, Lane: 1, Grant: seq, Pass: guest})
	again.p.Forget(guest.Day) // as each start does, and each hour
	o.p = again.p
	if e := o.grant(1, gate.In, 1000); e != nil {
		t.Errorf("after a start: %+v", e)
	}
	for i := range uint64(maxConflicts) {
		again.p.conflicts[1<<40+i] = guest.Day
	}
	again.add(link.Entry{Type: link.EntryGranted, Lane: 2, Pass: guest, Zone: zone, Direction: uint8(gate.In), Wall: 2000, Clock: link.ClockTrusted})
	if e := o.grant(7, gate.In, 2000); e != nil || again.p.Stats().Overflow != 1 {
		t.Errorf("beyond the bound: %+v", e)
	}
	again.p.Own(link.JournalID{7})
	n := again.add(link.Entry{Type: link.EntryGranted, Lane: 1, Pass: guest, Zone: zone, Direction: uint8(gate.In), Wall: 2000, Clock: link.ClockTrusted})
	if e := o.grant(8, gate.In, 2000); e == nil || e.Seq != n {
		t.Errorf("in a new journal: %+v", e)
	}
	again.p.Forget(guest.Day)
	if e := o.grant(9, gate.In, 2000); e != nil {
		t.Errorf("on the same day: %+v", e)
	}
	again.p.Forget(guest.Day + 1)
	if n := len(again.p.conflicts); n != 0 {
		t.Errorf("%d conflicts of a day that is over", n)
	}
}

// TestGrantsUnderWayAreBounded: the oldest is given up early, and none is looked at
// again before its time.
func TestGrantsUnderWayAreBounded(t *testing.T) {
	o := &other{New(), "stolen", start}
	o.grant(1, gate.In, 100)
	for i := range uint32(maxDue) {
		o.tell(link.Entry{Type: link.EntryGranted, Seq: 2 * uint64(i+2), Pass: pass.ID{Day: today + 1, Index: i}, Wall: 100})
	}
	if s := o.p.Stats(); s.Awaited != maxDue || s.Records != maxDue+1 {
		t.Errorf("%+v", s)
	}
	if got := o.p.Of(guest, zone, gate.In); got.Inside || got.Unknown != 1 {
		t.Errorf("the oldest one: %+v", got)
	}
	if got := o.p.Of(pass.ID{Day: today + 1}, zone, gate.In); !got.Inside {
		t.Errorf("the next one: %+v", got)
	}
	o.result(link.EntryPassed, 1, gate.In, 103) // word of it came after all
	if got := o.p.Of(guest, zone, gate.In); !got.Inside || got.Unknown != 0 {
		t.Errorf("when its result came: %+v", got)
	}
	o.p.Expire(start.Add(RemoteGrant))
	if s := o.p.Stats(); s.Awaited != 0 || len(o.p.due) != 0 {
		t.Errorf("in the end: %+v", s)
	}
}

// TestNewJournalHere: what a controller did under an older journal stays, and
// the numbers of the new one are others.
func TestNewJournalHere(t *testing.T) {
	l := &log{p: New()}
	l.p.Own(link.JournalID{1})
	l.result(link.EntryPassed, l.grant(1, guest, zone, gate.In, 5))
	l.grant(2, pass.ID{Day: today, Index: 8}, zone, gate.In, 0)
	data, _ := l.p.Checkpoint(func() uint64 { return 3 })
	p, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	p.Own(link.JournalID{1})
	if len(p.Unresolved()) != 1 {
		t.Error("the same journal has lost its grant")
	}
	p.Own(link.JournalID{2})
	if got := p.Of(pass.ID{Day: today, Index: 8}, zone, gate.In); len(p.Unresolved()) != 0 || got.Unknown != 1 || got.Inside {
		t.Errorf("cut off by the new journal: %+v", got)
	}
	again := &log{p: p}
	again.result(link.EntryPassed, again.grant(1, guest, zone, gate.In, 4)) // the number of the first one before
	if got := p.Of(guest, zone, gate.In); got.Used != 2 || got.Slot != 5 {
		t.Errorf("%+v", got)
	}
	if s := p.Stats(); s.Others != 1 || s.Inside != 1 {
		t.Errorf("%+v", s)
	}
	if again, err := Decode(p.encode()); err != nil || again.Stats() != p.Stats() {
		t.Errorf("checkpoint: %v", err)
	}
}

// TestForgottenForGood: word of a day that is over comes late, and changes nothing.
func TestForgottenForGood(t *testing.T) {
	o := &other{New(), "south-1", start}
	o.grant(5, gate.In, 100)
	before := o.p.Changes()
	o.p.Forget(today + 1)
	o.result(link.EntryPassed, 5, gate.In, 100)
	o.p.Expire(start.Add(time.Hour))
	p, err := Decode(o.p.encode())
	if err != nil {
		t.Fatal(err)
	}
	o.p = p
	o.result(link.EntryPassed, 5, gate.In, 100)
	if s := p.Stats(); s != (Stats{}) || before == 0 {
		t.Errorf("%+v", s)
	}
}
