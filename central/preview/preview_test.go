package preview

import (
	"crypto/ed25519"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

var (
	key   = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	keys  = []link.PassKey{{ID: 1, Public: key.Public().(ed25519.PublicKey), Kinds: 0xff, From: 0, To: 65535}}
	today = pass.DayOf(time.Date(2026, 11, 18, 0, 0, 0, 0, time.UTC)) // a Wednesday
)

// at returns a campus time of the day, in a campus at UTC.
func at(hour, minute int) time.Time { return time.Date(2026, 11, 18, hour, minute, 0, 0, time.UTC) }

func rules(change func(*link.Rules)) link.Rules {
	r := link.Rules{Version: 1, Offsets: []link.Offset{{Minutes: 0}}, Policies: link.DefaultPolicies(), EscortSec: 30, RepeatMS: 3000,
		Zones: []link.Zone{{ID: 0, Name: "Main", Hours: []link.Hours{{Weekdays: 0x7f, Open: 7 * 60, Close: 22 * 60}}}}}
	if change != nil {
		change(&r)
	}
	return r
}

func sign(index uint32, change func(*pass.Pass)) (pass.Pass, string) {
	p := pass.Pass{Kind: pass.ECard, KeyID: 1, Day: today, Index: index, Zones: 1, Length: 144}
	if change != nil {
		change(&p)
	}
	return p, p.Text(ed25519.Sign(key, p.Message()))
}

// scan is an entry about a pass at a lane with a fresh feed and a good clock.
func scan(t link.EntryType, p pass.Pass, code string, when time.Time, change func(*link.Entry)) Scan {
	e := link.Entry{Type: t, Lane: 1, Direction: 1, Clock: link.ClockTrusted, Wall: when.UnixMilli(), Kind: p.Kind, KeyID: p.KeyID, Pass: p.ID(), FeedAge: 3}
	if change != nil {
		change(&e)
	}
	return Scan{Lane: "north", Entry: e, Code: code}
}

func denied(r pass.Reason) func(*link.Entry) { return func(e *link.Entry) { e.Reason = r } }

// TestChanges asks about one week's kinds of scans under one change of the rules
// each; what the rules in force say must be what was decided then.
func TestChanges(t *testing.T) {
	plain, plainCode := sign(1, nil)
	live, liveCode := sign(2, func(p *pass.Pass) { p.Flags = pass.LiveRequired })
	guarded, guardedCode := sign(3, func(p *pass.Pass) { p.Flags = pass.Escort })
	staff, staffCode := sign(4, func(p *pass.Pass) { p.Kind = pass.Staff })
	single, singleCode := sign(5, func(p *pass.Pass) { p.Entries = 1 })
	twice := []Scan{
		scan(link.EntryGranted, plain, plainCode, at(10, 0), nil), scan(link.EntryPassed, plain, plainCode, at(10, 0), nil),
		scan(link.EntryGranted, plain, plainCode, at(11, 0), nil), scan(link.EntryPassed, plain, plainCode, at(11, 0), nil),
	}
	slot := func(e *link.Entry) { e.Flags, e.Slot = link.FlagLive, pass.SlotAt(e.Wall/1000) }
	for _, c := range []struct {
		name                string
		scans               []Scan
		change              func(*link.Rules)
		opened, shut, other int
		to                  pass.Reason
	}{
		{"nothing changes", twice, nil, 0, 0, 0, 0},
		{"a name changes nothing", twice, func(r *link.Rules) { r.Zones[0].Name = "x" }, 0, 0, 0, 0},
		{"hard anti-passback", twice, func(r *link.Rules) { r.Zones[0].Passback = link.PassbackHard }, 0, 1, 0, pass.AlreadyInside},
		{"hard, but after 30 minutes", twice, func(r *link.Rules) { r.Zones[0].Passback, r.Zones[0].BackMinutes = link.PassbackHard, 30 }, 0, 0, 0, 0},
		{"opens later", twice, func(r *link.Rules) { r.Zones[0].Hours[0].Open = 10*60 + 30 }, 0, 1, 0, pass.Closed},
		{"a holiday", twice, func(r *link.Rules) { r.Zones[0].Holidays = []pass.Day{today} }, 0, 2, 0, pass.Closed},
		{"lockdown", twice, func(r *link.Rules) { r.Zones[0].Mode = link.Lockdown }, 0, 2, 0, pass.Lockdown},
		{"the zone is gone", twice, func(r *link.Rules) { r.Zones[0].ID = 3 }, 0, 2, 0, pass.Closed},
		{"always open", []Scan{scan(link.EntryDenied, plain, plainCode, at(23, 0), denied(pass.Closed))},
			func(r *link.Rules) { r.Zones[0].Hours = nil }, 1, 0, 0, pass.Granted},
		{"closed and locked down", []Scan{scan(link.EntryDenied, plain, plainCode, at(23, 0), denied(pass.Closed))},
			func(r *link.Rules) { r.Zones[0].Hours, r.Zones[0].Mode = nil, link.Lockdown }, 0, 0, 1, pass.Lockdown},
		{"old feed", []Scan{scan(link.EntryDenied, plain, plainCode, at(12, 0), func(e *link.Entry) { e.Reason, e.FeedAge = pass.StatusUnknown, 100000 })},
			func(r *link.Rules) { r.Policies[0].Ages[3] = link.Stamped }, 1, 0, 0, pass.Granted},
		{"no list of the day", []Scan{scan(link.EntryDenied, plain, plainCode, at(12, 0), denied(pass.StatusUnknown))},
			func(r *link.Rules) { r.Policies[0].Ages[3] = link.Stamped }, 1, 0, 0, pass.Granted},
		{"doubtful clock", []Scan{scan(link.EntryGranted, plain, plainCode, at(12, 0), func(e *link.Entry) { e.Clock, e.Flags = link.ClockUntrusted, link.FlagStamped })},
			func(r *link.Rules) { r.Policies[0].Untrusted = false }, 0, 1, 0, pass.ClockUntrusted},
		{"live code, then a screenshot", []Scan{scan(link.EntryGranted, live, liveCode, at(9, 0), slot), scan(link.EntryDenied, live, liveCode, at(9, 10), denied(pass.LiveStale)),
			scan(link.EntryDenied, live, liveCode, at(9, 20), func(e *link.Entry) { slot(e); e.Reason = pass.LiveReplayed }), scan(link.EntryDenied, live, liveCode, at(9, 30), denied(pass.LiveMissing))},
			func(r *link.Rules) { r.Zones[0].Mode = link.FreePassage }, 3, 0, 0, pass.Granted},
		{"longer escort", []Scan{scan(link.EntryGranted, staff, staffCode, at(9, 0), nil), scan(link.EntryPassed, staff, staffCode, at(9, 0), nil),
			scan(link.EntryDenied, guarded, guardedCode, at(9, 2), denied(pass.EscortNeeded))},
			func(r *link.Rules) { r.EscortSec = 300 }, 1, 0, 0, pass.Granted},
		{"used up stays used up", []Scan{scan(link.EntryGranted, single, singleCode, at(9, 0), nil), scan(link.EntryPassed, single, singleCode, at(9, 0), nil),
			scan(link.EntryDenied, single, singleCode, at(9, 5), denied(pass.AlreadyUsed))}, func(r *link.Rules) { r.Zones[0].Passback = link.PassbackSoft }, 0, 0, 0, 0},
		{"cut off", []Scan{scan(link.EntryGranted, single, singleCode, at(9, 0), func(e *link.Entry) { e.Flags = link.FlagStamped })},
			func(r *link.Rules) { r.Zones[0].Apart = link.ApartHome }, 0, 0, 0, 0},
		{"revoked stays revoked", []Scan{scan(link.EntryDenied, plain, plainCode, at(9, 0), denied(pass.Revoked))},
			func(r *link.Rules) { r.Zones[0].Mode = link.FreePassage }, 0, 0, 0, 0},
	} {
		r := New(keys, rules(nil), rules(c.change))
		decisions := 0
		for _, s := range c.scans {
			r.Take(s)
			if s.Entry.Type == link.EntryGranted || s.Entry.Type == link.EntryDenied {
				decisions++
			}
		}
		got := r.Report()
		if got.Scans != decisions || got.Reproduced != decisions || got.Erased != 0 {
			t.Errorf("%s: %d decisions, %d reproduced, of %d", c.name, got.Scans, got.Reproduced, decisions)
		}
		if got.Opened != c.opened || got.Shut != c.shut || got.Reworded != c.other || len(got.Changes) != c.opened+c.shut+c.other {
			t.Errorf("%s: %d opened, %d shut, %d other; want %d, %d, %d", c.name, got.Opened, got.Shut, got.Reworded, c.opened, c.shut, c.other)
		}
		for _, x := range got.Changes {
			if x.To != c.to || x.Opens() && x.Shuts() {
				t.Errorf("%s: %s becomes %s, want %s", c.name, x.From, x.To, c.to)
			}
		}
	}
}

// TestWhatIsNotKnown counts what the ledger can no longer tell, and what other
// rules decided.
func TestWhatIsNotKnown(t *testing.T) {
	p, code := sign(1, nil)
	r := New(keys, rules(nil), rules(func(r *link.Rules) { r.Zones[0].Mode = link.Lockdown }))
	r.Take(scan(link.EntryGranted, p, "", at(9, 0), nil))
	r.Take(scan(link.EntryGranted, p, "AAAA", at(9, 0), nil))
	r.Take(scan(link.EntryDenied, pass.Pass{}, "", at(9, 0), denied(pass.Foreign)))
	r.Take(scan(link.EntryGranted, p, code, at(23, 0), nil)) // the zone closed at 22:00 meanwhile
	r.Take(scan(link.EntryBoot, pass.Pass{}, "", at(9, 0), nil))
	got := r.Report()
	if got.Erased != 2 || got.Scans != 1 || got.Reproduced != 0 || got.First != at(23, 0).UnixMilli() {
		t.Errorf("%+v", got)
	}
}

// TestManyChanges keeps a report small whatever changes.
func TestManyChanges(t *testing.T) {
	p, code := sign(1, nil)
	r := New(keys, rules(nil), rules(func(r *link.Rules) { r.Zones[0].Mode = link.Lockdown }))
	for range 3 * maxChanges {
		r.Take(scan(link.EntryGranted, p, code, at(9, 0), nil))
	}
	got := r.Report()
	if got.Shut != 3*maxChanges || len(got.Changes) != maxChanges || len(got.Groups) != 1 || got.Groups[0].Count != 3*maxChanges {
		t.Errorf("%d shut, %d kept, groups %v", got.Shut, len(got.Changes), got.Groups)
	}
}

// BenchmarkDecision is two decisions with their signatures.
func BenchmarkDecision(b *testing.B) {
	p, code := sign(1, nil)
	r := New(keys, rules(nil), rules(nil))
	s := scan(link.EntryGranted, p, code, at(9, 0), nil)
	for b.Loop() {
		r.Take(s)
	}
}
