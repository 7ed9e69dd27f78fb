package presence_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// ecard is a good pass that is shown as a live code alone.
var ecard = pass.Pass{Kind: pass.ECard, Flags: pass.LiveRequired, KeyID: 7, Day: day, Index: 2, Start: -480, Length: 144, Zones: 3 << zone}

// phone makes the live code of a moment, by its own clock and its own live key:
// it needs no network.
type phone struct {
	pass pass.Pass
	key  pass.LiveKey
}

func newPhone(p pass.Pass) phone { return phone{p, gateKey.LiveKey(p.Body())} }

func (p phone) code(at time.Time) string {
	return p.pass.LiveText(ed25519.Sign(key, p.pass.Message()), p.key, pass.SlotAt(at.Unix()))
}

// controller is a gate without a network but to the others of its zone.
type controller struct {
	*testing.T
	name     string
	presence *presence.Presence
	facts    access.Facts
	others   []*controller
	seq      uint64
}

// newControllers are two of one zone that hear each other.
func newControllers(t *testing.T) (a, b *controller) {
	make := func(name string) *controller {
		c := &controller{T: t, name: name, presence: presence.New(), facts: goodFacts()}
		c.facts.Zone, c.facts.Direction = zone, gate.In
		return c
	}
	a, b = make("north-1"), make("south-1")
	a.others, b.others = []*controller{b}, []*controller{a}
	return a, b
}

func (c *controller) write(e link.Entry, now time.Time) link.Entry {
	c.seq++
	e.Seq, e.Wall, e.Clock, e.Lane = c.seq, now.UnixMilli(), link.ClockTrusted, 1
	c.presence.Apply(e)
	for _, o := range c.others {
		o.presence.Remote(c.name, link.JournalID{c.name[0]}, e, now)
	}
	return e
}

// show decides on a text as a lane does.
func (c *controller) show(text string, now time.Time) (pass.Reason, link.Entry) {
	c.Helper()
	code, r := pass.Parse([]byte(text))
	if r != pass.Granted {
		return r, link.Entry{}
	}
	f := c.facts
	f.Past = c.presence.Of(code.ID(), f.Zone, f.Direction)
	d := access.Decide(&code, f, now)
	if !d.Granted() {
		return d.Reason, link.Entry{}
	}
	return d.Reason, c.write(link.Entry{Type: link.EntryGranted, Pass: code.ID(), Zone: f.Zone, Direction: uint8(f.Direction), Slot: d.Slot, Flags: d.Flags}, now)
}

func (c *controller) result(grant link.Entry, result link.EntryType, now time.Time) {
	e := grant
	e.Type, e.Grant = result, grant.Seq
	c.write(e, now)
}

// TestLiveSkew goes through the distance of phone and lane, in slots, for each
// clock: one while it is trusted, four in holdover.
func TestLiveSkew(t *testing.T) {
	cells := 0
	for clock, tolerance := range map[link.ClockState]int{link.ClockTrusted: 1, link.ClockHoldover: 4} {
		for slots := -6; slots <= 6; slots++ {
			a, _ := newControllers(t)
			a.facts.Clock = clock
			want := pass.Granted
			if slots < -tolerance || slots > tolerance {
				want = pass.LiveStale
			}
			if got, _ := a.show(newPhone(ecard).code(noon.Add(time.Duration(slots)*15*time.Second)), noon); got != want {
				t.Errorf("%v, %+d slots: %v, want %v", clock, slots, got, want)
			}
			cells++
		}
	}
	if cells != 26 {
		t.Errorf("%d cells", cells)
	}
}

// TestLiveCodeIsShownAgain goes through what became of the first showing, and
// where the same code is shown next.
func TestLiveCodeIsShownAgain(t *testing.T) {
	const quick, slow = 2 * time.Second, presence.RemoteGrant
	for name, c := range map[string]struct {
		result link.EntryType // of the first; 0: none
		after  time.Duration
		second bool // at the other gate
		want   pass.Reason
	}{
		"under way, here":             {0, quick, false, pass.LiveReplayed},
		"under way, there":            {0, quick, true, pass.LiveReplayed},
		"passed, here":                {link.EntryPassed, quick, false, pass.LiveReplayed},
		"passed, there":               {link.EntryPassed, quick, true, pass.LiveReplayed},
		"unknown, here":               {link.EntryUnknown, quick, false, pass.LiveReplayed},
		"unknown, there":              {link.EntryUnknown, quick, true, pass.LiveReplayed},
		"nobody walked, here":         {link.EntryNotPassed, quick, false, pass.Granted},
		"nobody walked, there":        {link.EntryNotPassed, quick, true, pass.Granted},
		"no word of it, there":        {0, slow, true, pass.LiveStale},
		"nobody walked, but too late": {link.EntryNotPassed, slow, true, pass.LiveStale},
	} {
		a, b := newControllers(t)
		text := newPhone(ecard).code(noon)
		r, grant := a.show(text, noon)
		if r != pass.Granted {
			t.Fatalf("%s: the first: %v", name, r)
		}
		if c.result != 0 {
			a.result(grant, c.result, noon.Add(time.Second))
		}
		where := a
		if c.second {
			where = b
		}
		now := noon.Add(c.after)
		b.presence.Expire(now)
		if got, _ := where.show(text, now); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// In holdover a code lives for a minute, longer than a grant of which no word
// came: it stays used where it was.
func TestLostWordKeepsTheSlot(t *testing.T) {
	a, b := newControllers(t)
	b.facts.Clock = link.ClockHoldover
	text := newPhone(ecard).code(noon)
	_, grant := a.show(text, noon)
	now := noon.Add(presence.RemoteGrant + time.Second)
	b.presence.Expire(now)
	if got, _ := b.show(text, now); got != pass.LiveReplayed {
		t.Errorf("no word of it: %v", got)
	}
	a.result(grant, link.EntryNotPassed, now)
	if got, _ := b.show(text, now); got != pass.Granted {
		t.Errorf("word that nobody walked: %v", got)
	}
}

// TestLiveCodesAreOfOnePhoneAndOneGate: what a thief can try with what a phone shows.
func TestLiveCodesAreOfOnePhoneAndOneGate(t *testing.T) {
	honest := newPhone(ecard)
	otherPass := ecard
	otherPass.Index++
	tried := 0
	for name, c := range map[string]struct {
		want pass.Reason
		text string
		at   time.Duration
	}{
		"the holder":                 {pass.Granted, honest.code(noon), 0},
		"a screenshot, 14 s later":   {pass.Granted, honest.code(noon), 14 * time.Second},
		"a screenshot, 30 s later":   {pass.LiveStale, honest.code(noon), 30 * time.Second},
		"a screenshot, an hour on":   {pass.LiveStale, honest.code(noon), time.Hour},
		"a screenshot, 12 days on":   {pass.Expired, honest.code(noon), 65536 * 15 * time.Second}, // the slot's 16 bits are the same
		"a code made ahead":          {pass.LiveStale, honest.code(noon.Add(time.Minute)), 0},
		"the key of another pass":    {pass.LiveForged, phone{ecard, newPhone(otherPass).key}.code(noon), 0},
		"no key at all":              {pass.LiveForged, phone{ecard, pass.LiveKey{}}.code(noon), 0},
		"the tag of another slot":    {pass.LiveForged, honest.code(noon.Add(15 * time.Second))[:144] + honest.code(noon)[144:], 15 * time.Second},
		"without the tail":           {pass.LiveMissing, ecard.Text(ed25519.Sign(key, ecard.Message())), 0},
		"the tail on another's pass": {pass.LiveForged, newPhone(otherPass).code(noon)[:141] + honest.code(noon)[141:], 0},
	} {
		a, _ := newControllers(t)
		if got, _ := a.show(c.text, noon.Add(c.at)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		tried++
	}
	if tried < 11 {
		t.Errorf("%d tried", tried)
	}
}

// TestGateKeyIsNotThere: a lane without the day's key refuses live codes, says
// that it is the lane's lack, and uses nothing up.
func TestGateKeyIsNotThere(t *testing.T) {
	a, b := newControllers(t)
	a.facts.Gate = nil
	text := newPhone(ecard).code(noon)
	if got, _ := a.show(text, noon); got != pass.KeyUnknown {
		t.Errorf("without the key: %v", got)
	}
	if got, _ := b.show(text, noon); got != pass.Granted {
		t.Errorf("at the next gate: %v", got)
	}
}

// TestSlotsAreByZoneAndDirection: one code in and at once out again, and in at
// another zone, is no replay.
func TestSlotsAreByZoneAndDirection(t *testing.T) {
	a, b := newControllers(t)
	text := newPhone(ecard).code(noon)
	_, in := a.show(text, noon)
	a.result(in, link.EntryPassed, noon)
	for _, c := range []struct {
		zone uint8
		dir  gate.Direction
		want pass.Reason
	}{
		{zone, gate.In, pass.LiveReplayed},
		{zone, gate.Out, pass.Granted},
		{zone + 1, gate.In, pass.Granted},
	} {
		b.facts.Zone, b.facts.Direction = c.zone, c.dir
		b.facts.Rules = &link.Rules{Offsets: []link.Offset{{Minutes: 480}}, Zones: []link.Zone{{ID: c.zone}}, Policies: link.DefaultPolicies()}
		if got, _ := b.show(text, noon); got != c.want {
			t.Errorf("zone %d %v: %v, want %v", c.zone, c.dir, got, c.want)
		}
	}
}

// TestEntriesAcrossLanes: a pass of n entries has n of them at all lanes of the
// zone together; those given back are not among them.
func TestEntriesAcrossLanes(t *testing.T) {
	for n := uint8(1); n <= 15; n++ {
		a, b := newControllers(t)
		p := pass.Pass{Kind: pass.Guest, KeyID: 7, Day: day, Index: 3, Start: -480, Length: 144, Zones: 1 << zone, Entries: n}
		text := p.Text(ed25519.Sign(key, p.Message()))
		admitted := uint8(0)
		for i := range 40 {
			gates, now := []*controller{a, b}, noon.Add(time.Duration(i)*time.Minute)
			r, grant := gates[i%2].show(text, now)
			if r != pass.Granted {
				if r != pass.AlreadyUsed {
					t.Fatalf("%d entries: %v", n, r)
				}
				continue
			}
			result := link.EntryNotPassed
			if i%3 > 0 {
				result = link.EntryPassed
				admitted++
			}
			gates[i%2].result(grant, result, now)
		}
		if admitted != n {
			t.Errorf("a pass of %d entries had %d", n, admitted)
		}
	}
}

// TestMidnight: what a pass did is its day's. A pass that is valid past midnight
// keeps it while the daemon forgets the days before; the next day's begins anew.
func TestMidnight(t *testing.T) {
	a, b := newControllers(t)
	for _, c := range []*controller{a, b} {
		c.facts.Rules = &link.Rules{Offsets: []link.Offset{{Minutes: 480}}, Policies: link.DefaultPolicies(),
			Zones: []link.Zone{{ID: zone, Passback: link.PassbackHard, Exit: link.PassbackHard}}}
		k := c.facts.Keys[7]
		k.To = day + 1
		c.facts.Keys = map[uint16]link.PassKey{7: k}
		state, err := c.facts.State.Apply([]link.Event{{Type: link.OpenDay, Day: day + 1, Value: 1 << 13}})
		if err != nil {
			t.Fatal(err)
		}
		c.facts.State = state
	}
	late := pass.Pass{Kind: pass.Guest, KeyID: 7, Day: day, Index: 4, Start: 20*60 - 480, Length: 48, Zones: 1 << zone, Entries: 2} // 20:00 to 04:00
	text := late.Text(ed25519.Sign(key, late.Message()))
	evening, night := noon.Add(10*time.Hour), noon.Add(14*time.Hour)
	_, in := a.show(text, evening)
	a.result(in, link.EntryPassed, evening)
	for _, c := range []*controller{a, b} {
		c.presence.Forget(day) // at midnight: the days before yesterday
		if got, _ := c.show(text, night); got != pass.AlreadyInside {
			t.Errorf("%s: in again at night: %v", c.name, got)
		}
	}
	next := late
	next.Day, next.Start = day+1, -480
	nextText := next.Text(ed25519.Sign(key, next.Message()))
	if got, _ := b.show(nextText, night); got != pass.Granted {
		t.Errorf("the next day's pass of the same index: %v", got)
	}
	b.facts.Direction = gate.Out
	if got, _ := b.show(text, night); got != pass.Granted {
		t.Errorf("out at night: %v", got)
	}
	for _, c := range []*controller{a, b} {
		c.presence.Forget(day + 1)
		if got := c.presence.Of(late.ID(), zone, gate.In); got != (access.Past{}) {
			t.Errorf("%s: a day later: %+v", c.name, got)
		}
	}
}

// TestZonesAndDirections: anti-passback holds across both lanes of a zone, in
// each mode, and one zone's rule says nothing about another.
func TestZonesAndDirections(t *testing.T) {
	cells := 0
	for _, rule := range []link.Passback{link.PassbackOff, link.PassbackSoft, link.PassbackHard} {
		for _, back := range []uint16{0, 30} {
			for _, exempt := range []pass.Flags{0, pass.PassbackExempt} {
				for _, minutes := range []time.Duration{29, 30} {
					a, b := newControllers(t)
					zones := []link.Zone{{ID: zone, Passback: rule, BackMinutes: back}, {ID: zone + 1}}
					rules := &link.Rules{Offsets: []link.Offset{{Minutes: 480}}, Zones: zones, Policies: link.DefaultPolicies()}
					a.facts.Rules, b.facts.Rules = rules, rules
					p := pass.Pass{Kind: pass.ECard, Flags: exempt, KeyID: 7, Day: day, Index: 5, Start: -480, Length: 144, Zones: 3 << zone}
					text := p.Text(ed25519.Sign(key, p.Message()))
					_, in := a.show(text, noon)
					a.result(in, link.EntryPassed, noon)
					now := noon.Add(minutes * time.Minute)
					stays := exempt == 0 && (back == 0 || minutes < 30)
					var reason pass.Reason
					var flags link.EntryFlags
					switch {
					case stays && rule == link.PassbackHard:
						reason = pass.AlreadyInside
					case stays && rule == link.PassbackSoft:
						flags = link.FlagPassback
					}
					got, grant := b.show(text, now)
					if got != reason || grant.Flags != flags {
						t.Errorf("%s: %v %05b, want %v %05b", fmt.Sprint(rule, back, exempt, minutes), got, grant.Flags, reason, flags)
					}
					b.facts.Zone = zone + 1
					if got, _ := b.show(text, now); got != pass.Granted {
						t.Errorf("another zone: %v", got)
					}
					cells++
				}
			}
		}
	}
	if cells != 24 {
		t.Errorf("%d cells", cells)
	}
}
