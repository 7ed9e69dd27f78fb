package access

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// scene is a pass, a lane and a moment that make a grant; tests spoil it.
type scene struct {
	pass   pass.Pass
	forge  bool         // sign with a key that the lane does not trust
	slot   int64        // live code of this many slots from now; see live
	live   bool         // show it as a live code
	badTag bool         // live code with the tag of another gate key
	events []link.Event // what the feed said
	raise  uint8        // highest generation this lane has seen
	facts  Facts        // all but State
	now    time.Time    // by the lane's clock
	shown  time.Time    // when the phone made the live code, by a true clock
	modify func(*link.Rules)
}

const (
	testDay   = pass.Day(2516) // 2026-11-21, a Saturday
	testKey   = 7
	testIndex = 4711
)

var (
	trusted = ed25519.NewKeyFromSeed([]byte("the keyset's key for these tests"))
	foreign = ed25519.NewKeyFromSeed([]byte("a key that no lane has heard of."))
	holder  = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	gateKey = pass.GateKey{1: 1, 31: 9}
)

// noon is 12:00 campus time in Hong Kong on the test day.
var noon = time.Unix(testDay.UTC()+4*3600, 0)

func newScene() *scene {
	return &scene{
		pass: pass.Pass{Kind: pass.ECard, KeyID: testKey, Day: testDay, Index: testIndex, Start: -480,
			Length: 144, Zones: 1 << 3, Generation: 2, Holder: holder},
		events: []link.Event{{Type: link.OpenDay, Day: testDay, Value: 1 << 13}},
		facts: Facts{
			Keys:  map[uint16]link.PassKey{testKey: {ID: testKey, Public: trusted.Public().(ed25519.PublicKey), Kinds: 0xffff, From: testDay - 3, To: testDay + 3}},
			Gate:  map[pass.Day]pass.GateKey{testDay: gateKey},
			Head:  noon.UnixMilli(),
			Clock: link.ClockTrusted, Zone: 3, Direction: gate.In,
		},
		now: noon, shown: noon,
	}
}

func (s *scene) rules() *link.Rules {
	r := &link.Rules{
		Version: 1, Offsets: []link.Offset{{From: 0, Minutes: 480}}, EscortSec: 30, RepeatMS: 3000,
		Zones:    []link.Zone{{ID: 3, Hours: []link.Hours{{Weekdays: 127, Open: 7 * 60, Close: 22 * 60}}}},
		Policies: link.DefaultPolicies(),
	}
	if s.modify != nil {
		s.modify(r)
	}
	return r
}

func (s *scene) code(t testing.TB) pass.Code {
	t.Helper()
	key := trusted
	if s.forge {
		key = foreign
	}
	sig := ed25519.Sign(key, s.pass.Message())
	text := s.pass.Text(sig)
	if s.live {
		g := gateKey
		if s.badTag {
			g[0]++
		}
		text = s.pass.LiveText(sig, g.LiveKey(s.pass.Body()), uint32(int64(pass.SlotAt(s.shown.Unix()))+s.slot))
	}
	c, r := pass.Parse([]byte(text))
	if r != pass.Granted {
		t.Fatalf("the scene's code does not parse: %v", r)
	}
	return c
}

func (s *scene) decide(t testing.TB) Decision {
	t.Helper()
	f := s.facts
	if f.Rules == nil {
		f.Rules = s.rules()
	}
	if f.State == nil {
		state, err := link.NewState(1).Apply(s.events)
		if err != nil {
			t.Fatal(err)
		}
		f.State = state
	}
	f.Past.Generation = max(f.Past.Generation, s.raise)
	c := s.code(t)
	return Decide(&c, f, s.now)
}

func (s *scene) event(e link.Event) {
	e.Day = testDay
	s.events = append(s.events, e)
}

func (s *scene) zone(f func(z *link.Zone)) {
	before := s.modify
	s.modify = func(r *link.Rules) {
		if before != nil {
			before(r)
		}
		f(&r.Zones[0])
	}
}

func TestGrantsTheUnspoiled(t *testing.T) {
	if d := newScene().decide(t); d != (Decision{}) {
		t.Errorf("got %+v", d)
	}
}

// faults are in the order in which a lane has to check.
var faults = []struct {
	want  pass.Reason
	spoil func(s *scene)
}{
	{pass.NoFeed, func(s *scene) { s.facts.Head = 0 }},
	{pass.TestPass, func(s *scene) { s.pass.Kind = pass.Test }},
	{pass.KeyUnknown, func(s *scene) { s.pass.KeyID = 9 }},
	{pass.KeyRevoked, func(s *scene) { s.events = append(s.events, link.Event{Type: link.WithdrawKey, Value: testKey}) }},
	{pass.Forged, func(s *scene) { s.forge = true }},
	{pass.ClockUntrusted, func(s *scene) {
		s.facts.Clock = link.ClockUntrusted
		s.modify = func(r *link.Rules) { r.Policies[0].Untrusted = false }
	}},
	{pass.TooEarly, func(s *scene) { s.pass.Start = 600 }},
	{pass.Revoked, func(s *scene) { s.event(link.Event{Type: link.Revoke, Value: testIndex}) }},
	{pass.StatusUnknown, func(s *scene) { s.facts.Age = 48 * time.Hour }},
	{pass.HolderBlocked, func(s *scene) { s.event(link.Event{Type: link.Block, Holder: holder}) }},
	{pass.Superseded, func(s *scene) { s.event(link.Event{Type: link.Raise, Value: testIndex, Generation: 3}) }},
	{pass.WrongZone, func(s *scene) { s.pass.Zones = 1 << 4 }},
	{pass.Closed, func(s *scene) { s.zone(func(z *link.Zone) { z.Holidays = []pass.Day{testDay} }) }},
	{pass.Lockdown, func(s *scene) { s.zone(func(z *link.Zone) { z.Mode = link.Lockdown }) }},
	{pass.LiveMissing, func(s *scene) { s.pass.Flags |= pass.LiveRequired }},
	{pass.EscortNeeded, func(s *scene) { s.pass.Flags |= pass.Escort }},
	{pass.AlreadyInside, func(s *scene) {
		s.facts.Past.Inside = true
		s.zone(func(z *link.Zone) { z.Passback = link.PassbackHard })
	}},
	{pass.AlreadyUsed, func(s *scene) { s.pass.Entries, s.facts.Past.Used = 2, 2 }},
	{pass.HomeLane, func(s *scene) {
		s.facts.Apart = true
		s.zone(func(z *link.Zone) { z.Apart, z.Passback = link.ApartHome, link.PassbackHard })
	}},
}

// TestOrder spoils everything from one check on: that check must speak first.
func TestOrder(t *testing.T) {
	for i, f := range faults {
		s := newScene()
		for _, later := range slices.Backward(faults[i:]) {
			later.spoil(s)
		}
		if got := s.decide(t).Reason; got != f.want {
			t.Errorf("with all faults from %v on: %v", f.want, got)
		}
		alone := newScene()
		f.spoil(alone)
		if got := alone.decide(t).Reason; got != f.want {
			t.Errorf("with %v alone: %v", f.want, got)
		}
	}
	if len(faults) < 19 {
		t.Errorf("%d checks tried", len(faults))
	}
}

var reasonCases = []struct {
	name  string
	want  pass.Reason
	flags link.EntryFlags
	spoil func(s *scene)
}{
	{"no rules yet", pass.NoFeed, 0, func(s *scene) { s.facts.Keys = nil }},
	{"test pass where tests are allowed", 0, 0, func(s *scene) {
		s.pass.Kind = pass.Test
		s.modify = func(r *link.Rules) { r.TestPass = true }
	}},
	{"key not for this kind", pass.KeyRevoked, 0, func(s *scene) { s.key(func(k *link.PassKey) { k.Kinds = 1 << pass.Guest }) }},
	{"key not yet for this day", pass.KeyRevoked, 0, func(s *scene) { s.key(func(k *link.PassKey) { k.From = testDay + 1 }) }},
	{"first second", 0, 0, func(s *scene) { s.pass.Start = 240 }},
	{"one second early", pass.TooEarly, 0, func(s *scene) { s.pass.Start, s.now = 240, noon.Add(-time.Second) }},
	{"last second", 0, 0, func(s *scene) { s.pass.Length, s.now = 72, noon.Add(-time.Second) }},
	{"over", pass.Expired, 0, func(s *scene) { s.pass.Length = 72 }},
	{"held", pass.Held, 0, func(s *scene) { s.event(link.Event{Type: link.Hold, Value: testIndex}) }},
	{"released", 0, 0, func(s *scene) {
		s.event(link.Event{Type: link.Revoke, Value: testIndex})
		s.event(link.Event{Type: link.Release, Value: testIndex})
	}},
	{"an old list still revokes", pass.Revoked, 0, func(s *scene) {
		s.facts.Age = 48 * time.Hour
		s.event(link.Event{Type: link.Revoke, Value: testIndex})
	}},
	{"beyond the capacity", pass.Revoked, 0, func(s *scene) { s.pass.Index = 1 << 13 }},
	{"a newer generation was seen here", pass.Superseded, 0, func(s *scene) { s.raise = 3 }},
	{"the newest generation", 0, 0, func(s *scene) { s.raise = 2 }},
	{"lane's zone not in the rules", pass.Closed, 0, func(s *scene) { s.facts.Zone, s.pass.Zones = 5, 1<<5 }},
	{"after hours", pass.Closed, 0, func(s *scene) { s.now = noon.Add(10 * time.Hour) }},
	{"leaving after hours", 0, 0, func(s *scene) { s.now, s.facts.Direction = noon.Add(10*time.Hour), gate.Out }},
	{"leaving in a lockdown", pass.Lockdown, 0, func(s *scene) {
		s.facts.Direction = gate.Out
		s.zone(func(z *link.Zone) { z.Mode = link.Lockdown })
	}},
	{"free passage waives what comes after it", 0, link.FlagFreePassage, func(s *scene) {
		s.pass.Flags, s.pass.Entries, s.facts.Past.Used = pass.LiveRequired|pass.Escort, 1, 1
		s.zone(func(z *link.Zone) { z.Mode, z.Holidays = link.FreePassage, []pass.Day{testDay} })
	}},
	{"free passage does not waive a revocation", pass.Revoked, 0, func(s *scene) {
		s.event(link.Event{Type: link.Revoke, Value: testIndex})
		s.zone(func(z *link.Zone) { z.Mode = link.FreePassage })
	}},
	{"escorted in time", 0, 0, func(s *scene) { s.pass.Flags, s.facts.Vouched = pass.Escort, noon.Add(-30*time.Second) }},
	{"escorted too long ago", pass.EscortNeeded, 0, func(s *scene) { s.pass.Flags, s.facts.Vouched = pass.Escort, noon.Add(-31*time.Second) }},
	{"escorted in the future", pass.EscortNeeded, 0, func(s *scene) { s.pass.Flags, s.facts.Vouched = pass.Escort, noon.Add(time.Second) }},
	{"inside, soft", 0, link.FlagPassback, func(s *scene) {
		s.facts.Past.Inside = true
		s.zone(func(z *link.Zone) { z.Passback = link.PassbackSoft })
	}},
	{"inside, off", 0, 0, func(s *scene) { s.facts.Past.Inside = true }},
	{"inside, exempt", 0, 0, func(s *scene) {
		s.facts.Past.Inside, s.pass.Flags = true, pass.PassbackExempt
		s.zone(func(z *link.Zone) { z.Passback = link.PassbackHard })
	}},
	{"leaving, inside", 0, 0, func(s *scene) {
		s.facts.Past.Inside, s.facts.Direction = true, gate.Out
		s.zone(func(z *link.Zone) { z.Passback = link.PassbackHard })
	}},
	{"leaving, not inside", pass.NotInside, 0, func(s *scene) {
		s.facts.Direction = gate.Out
		s.zone(func(z *link.Zone) { z.Exit = link.PassbackHard })
	}},
	{"leaving, used up", 0, 0, func(s *scene) { s.pass.Entries, s.facts.Past.Used, s.facts.Direction = 1, 1, gate.Out }},
	{"one of two used", 0, link.FlagLast, func(s *scene) { s.pass.Entries, s.facts.Past.Used = 2, 1 }},
	{"one of two under way, perhaps given back", 0, 0, func(s *scene) { s.pass.Entries, s.facts.Past.Used, s.facts.Past.Going = 2, 1, 1 }},
	{"one of three used", 0, 0, func(s *scene) { s.pass.Entries, s.facts.Past.Used = 3, 1 }},
	{"single", 0, link.FlagLast, func(s *scene) { s.pass.Entries = 1 }},
	{"single, inside by a pass before, soft", 0, link.FlagPassback | link.FlagLast, func(s *scene) {
		s.pass.Entries, s.facts.Past.Inside = 1, true
		s.zone(func(z *link.Zone) { z.Passback = link.PassbackSoft })
	}},
	{"single, exempt", 0, link.FlagLast, func(s *scene) { s.pass.Entries, s.pass.Flags = 1, pass.PassbackExempt }},
	{"single, leaving", 0, 0, func(s *scene) { s.pass.Entries, s.facts.Direction = 1, gate.Out }},
	{"unlimited", 0, 0, func(s *scene) { s.facts.Past.Used = 255 }},
	{"single, outcome unknown", pass.AlreadyUsed, 0, func(s *scene) { s.pass.Entries, s.facts.Past.Unknown = 1, 1 }},
	{"one of two, outcome unknown", 0, 0, func(s *scene) { s.pass.Entries, s.facts.Past.Unknown = 2, 2 }},
	{"live, an older slot was used", 0, link.FlagLive, func(s *scene) {
		s.liveCode(0)
		s.facts.Past.Slot = pass.SlotAt(noon.Unix()) - 1
	}},
	{"live, this slot was used", pass.LiveReplayed, 0, func(s *scene) {
		s.liveCode(0)
		s.facts.Past.Slot = pass.SlotAt(noon.Unix())
	}},
	{"live, one slot ahead", 0, link.FlagLive, func(s *scene) { s.liveCode(1) }},
	{"live, two slots ahead", pass.LiveStale, 0, func(s *scene) { s.liveCode(2) }},
	{"live, two slots behind", pass.LiveStale, 0, func(s *scene) { s.liveCode(-2) }},
	{"live, another phone's tag", pass.LiveForged, 0, func(s *scene) { s.liveCode(0); s.badTag = true }},
	{"live, no gate key for the day", pass.KeyUnknown, 0, func(s *scene) { s.liveCode(0); s.facts.Gate = nil }},
	{"live, holdover, four behind", 0, link.FlagLive, func(s *scene) { s.liveCode(-4); s.facts.Clock = link.ClockHoldover }},
	{"live, holdover, five behind", pass.LiveStale, 0, func(s *scene) { s.liveCode(-5); s.facts.Clock = link.ClockHoldover }},
	{"live, clock of 1970, an hour after the head", 0, link.FlagLive | link.FlagStamped, func(s *scene) { s.liveCode(240); s.noClock() }},
	{"live, clock of 1970, older than the head", pass.LiveStale, link.FlagStamped, func(s *scene) { s.liveCode(-5); s.noClock() }},
	{"live, clock of 1970, beyond the window", pass.LiveStale, link.FlagStamped, func(s *scene) { s.liveCode(240); s.noClock(); s.pass.Length = 74 }},
	{"clock of 1970, over by the head's time", pass.Expired, link.FlagStamped, func(s *scene) { s.noClock(); s.pass.Length = 72 }},
	{"clock of 1970, may have begun since", 0, link.FlagStamped, func(s *scene) { s.noClock(); s.pass.Start = 300 }},
	{"clock of 1970, another day than the head's", pass.ClockUntrusted, 0, func(s *scene) { s.noClock(); s.facts.Head -= 13 * 3600e3 }},
}

func (s *scene) key(change func(k *link.PassKey)) {
	k := s.facts.Keys[testKey]
	change(&k)
	s.facts.Keys[testKey] = k
}

func (s *scene) liveCode(slots int64) {
	s.pass.Flags |= pass.LiveRequired
	s.live, s.slot = true, slots
}

func (s *scene) noClock() {
	s.facts.Clock, s.now = link.ClockUntrusted, time.Unix(60, 0)
}

func TestReasons(t *testing.T) {
	for _, c := range reasonCases {
		s := newScene()
		c.spoil(s)
		d := s.decide(t)
		if d.Reason != c.want || d.Flags != c.flags {
			t.Errorf("%s: %v %05b, want %v %05b", c.name, d.Reason, d.Flags, c.want, c.flags)
		}
		if wantSlot := d.Flags&link.FlagLive != 0; wantSlot != (d.Slot != 0) {
			t.Errorf("%s: slot %d with flags %05b", c.name, d.Slot, d.Flags)
		}
	}
	if len(reasonCases) < 45 {
		t.Errorf("%d cases tried", len(reasonCases))
	}
}

func TestEveryReasonOfDecideIsTried(t *testing.T) {
	tried := map[pass.Reason]bool{}
	for _, f := range faults {
		tried[f.want] = true
	}
	for _, c := range reasonCases {
		tried[c.want] = true
	}
	elsewhere := []pass.Reason{pass.Unreadable, pass.Foreign, pass.Malformed, pass.VersionUnknown,
		pass.KindUnknown, pass.FlagsUnknown, pass.GateFault, pass.JournalFault, // of Parse and of the lane
		pass.WrongLane}
	for _, r := range pass.Reasons() {
		if tried[r] == slices.Contains(elsewhere, r) {
			t.Errorf("%v: tried here: %v", r, tried[r])
		}
	}
}
