package lane

import (
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

const (
	grantedEntry   = link.EntryGranted
	deniedEntry    = link.EntryDenied
	passedEntry    = link.EntryPassed
	notPassedEntry = link.EntryNotPassed
	unknownEntry   = link.EntryUnknown
)

func TestScanOpenPass(t *testing.T) {
	at(t, func(p *place) {
		p.is(Idle, pass.Granted, 0)
		p.scan(codeOf(1, nil))
		p.is(Passage, pass.Granted, 1)
		p.wrote(grantedEntry)
		p.walk(gate.In)
		p.is(Idle, pass.Granted, 1)
		p.wrote(grantedEntry, passedEntry)
		e := p.journal.about()
		if g, r := e[0], e[1]; r.Grant != g.Seq || r.Pass != g.Pass || g.Lane != 1 || g.Zone != testZone ||
			g.Direction != 1 || g.Wall != noon.UnixMilli() || g.Clock != link.ClockTrusted || g.FeedAge != 0 || g.FeedSeq != 1 {
			t.Errorf("entries %+v and %+v", g, r)
		}
		if s := p.lane.Status(); s.Counts.Granted != 1 || s.Counts.Passed != 1 || s.Last.Result != passedEntry || !s.Last.Known {
			t.Errorf("status %+v", s)
		}
		if !slices.Contains(p.gate.Shown(), gate.Granted) {
			t.Errorf("lights %v", p.gate.Shown())
		}
	})
}

func TestNobodyWalks(t *testing.T) {
	at(t, func(p *place) {
		text := codeOf(1, single)
		p.scan(text)
		p.after(gate.DefaultWindow)
		p.is(Idle, pass.Granted, 1)
		p.wrote(grantedEntry, notPassedEntry)
		p.scan(text) // the entry was given back
		p.walk(gate.In)
		p.scan(text)
		p.is(Refused, pass.AlreadyUsed, 2)
	})
}

func TestRefusalIsShownThenOver(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, func(c *pass.Pass) { c.Zones = 1 }))
		p.is(Refused, pass.WrongZone, 0)
		p.wrote(deniedEntry)
		p.after(showRefusal)
		p.is(Idle, pass.Granted, 0)
		p.scan("https://example.org/menu")
		p.is(Refused, pass.Foreign, 0)
		p.scan(codeOf(2, nil)) // a refusal does not hold the next person up
		p.is(Passage, pass.Granted, 1)
	})
}

func TestSameTextAgain(t *testing.T) {
	at(t, func(p *place) {
		text := codeOf(1, func(c *pass.Pass) { c.Zones = 1 })
		p.scan(text)
		p.after(2900 * time.Millisecond)
		p.scan(text)
		p.wrote(deniedEntry)
		p.is(Refused, pass.WrongZone, 0)
		p.after(100 * time.Millisecond)
		p.scan(text)
		p.wrote(deniedEntry, deniedEntry)
		if n := p.lane.Status().Counts.Repeats; n != 1 {
			t.Errorf("%d repeats", n)
		}
	})
}

func TestSameTextBehindARotationIsANewDecision(t *testing.T) {
	at(t, func(p *place) {
		text := codeOf(1, single)
		p.scan(text)
		p.scan(text)
		p.wrote(grantedEntry)
		p.walk(gate.In)
		p.scan(text)
		p.wrote(grantedEntry, passedEntry, deniedEntry)
		p.is(Refused, pass.AlreadyUsed, 1)
	})
}

func TestSameTextAtTheOtherScannerIsADecision(t *testing.T) {
	at(t, func(p *place) {
		text := codeOf(1, nil)
		p.scan(text)
		p.walk(gate.In)
		p.out.Scan(text)
		p.after(0)
		p.walk(gate.Out)
		p.wrote(grantedEntry, passedEntry, grantedEntry, passedEntry)
		if past := p.presence.Of(pass.ID{Day: testDay, Index: 1}, testZone, gate.In); past.Inside || past.Used != 1 {
			t.Errorf("presence %+v", past)
		}
	})
}

func TestScanDuringAPassageWaits(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, nil))
		p.scan(codeOf(2, nil))
		p.scan(codeOf(3, nil)) // the newest one is of who stands there now
		p.is(Passage, pass.Granted, 1)
		if !p.lane.Status().Waiting {
			t.Error("nobody is told to wait")
		}
		p.walk(gate.In)
		p.is(Passage, pass.Granted, 2)
		if e := p.journal.about(); len(e) != 3 || e[2].Pass.Index != 3 {
			t.Errorf("entries %+v", e)
		}
	})
}

func TestScanThatWaitedTooLongIsDropped(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, nil))
		p.scan(codeOf(2, nil))
		p.after(gate.DefaultWindow)
		p.is(Idle, pass.Granted, 1)
		p.wrote(grantedEntry, notPassedEntry)
		if n := p.lane.Status().Counts.Stale; n != 1 {
			t.Errorf("%d stale", n)
		}
	})
}

func TestGateThatRefusesGivesTheEntryBack(t *testing.T) {
	for _, err := range []error{gate.ErrRefused, gate.ErrBusy, gate.ErrLost} {
		at(t, func(p *place) {
			text := codeOf(1, single)
			p.gate.Refuse(err)
			p.scan(text)
			p.is(Refused, pass.GateFault, 0)
			p.wrote(grantedEntry, notPassedEntry)
			if e := p.journal.about()[1]; e.Reason != pass.GateFault {
				t.Errorf("entry %+v", e)
			}
			p.scan(text) // at once: nothing was decided for good
			p.is(Passage, pass.Granted, 1)
		})
	}
}

func TestGateLostInAPassage(t *testing.T) {
	at(t, func(p *place) {
		text := codeOf(1, single)
		p.scan(text)
		p.gate.Lose()
		p.after(0)
		p.is(Down, pass.GateFault, 1)
		p.wrote(grantedEntry, unknownEntry)
		p.scan(codeOf(2, nil)) // good, but nobody can be let in
		p.is(Down, pass.GateFault, 1)
		p.gate.Find()
		p.after(showRefusal)
		p.is(Idle, pass.Granted, 1)
		p.scan(text)
		p.is(Refused, pass.AlreadyUsed, 1)
	})
}

func TestJournalThatTakesNothing(t *testing.T) {
	at(t, func(p *place) {
		p.journal.refuse(errDisk)
		text := codeOf(1, nil)
		p.scan(text)
		p.is(Refused, pass.JournalFault, 0)
		if s := p.lane.Status(); s.Journal == nil || s.Counts.Unwritten == 0 {
			t.Errorf("status %+v", s)
		}
		p.journal.refuse(nil)
		p.after(3 * time.Second)
		p.scan(text)
		p.is(Passage, pass.Granted, 1)
	})
}

func TestResultIsOwedUntilTheJournalTakesIt(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, nil))
		p.journal.refuse(errDisk)
		p.walk(gate.In)
		p.is(Idle, pass.Granted, 1)
		p.wrote(grantedEntry)
		p.scan(codeOf(2, nil))
		p.is(Refused, pass.JournalFault, 1)
		p.journal.refuse(nil)
		p.after(tickEvery)
		p.wrote(grantedEntry, passedEntry)
		p.scan(codeOf(3, nil))
		p.is(Passage, pass.Granted, 2)
	})
}

func TestWhatTheGateReportsIsWritten(t *testing.T) {
	at(t, func(p *place) {
		p.walk(gate.In) // without a grant
		p.scan(codeOf(1, nil))
		n := p.gate.State().LastGrant
		p.walk(gate.In)
		p.gate.Emit(gate.Event{Kind: gate.Tailgated, Direction: gate.In, Grant: n})
		p.after(0)
		p.wrote(link.EntryForced, grantedEntry, passedEntry, link.EntryTailgated)
		e := p.journal.about()
		if e[3].Grant != e[1].Seq || e[0].Flags&link.FlagAlarm == 0 {
			t.Errorf("entries %+v", e)
		}
		for _, k := range []gate.EventKind{gate.Fire, gate.FireOver, gate.Tamper, gate.TamperOver, gate.Fault, gate.Held, gate.HeldOver} {
			p.gate.Emit(gate.Event{Kind: k})
		}
		p.after(0)
		var got []link.EntryType
		for _, e := range p.journal.entries {
			if e.Type > link.EntryTailgated {
				got = append(got, e.Type)
			}
		}
		want := []link.EntryType{link.EntryFire, link.EntryFireOver, link.EntryTamper, link.EntryTamperEnd, link.EntryFault, link.EntryHeld, link.EntryHeldOver}
		if !slices.Equal(got[len(got)-len(want):], want) {
			t.Errorf("got %v, want %v at its end", got, want)
		}
		if held := p.journal.entries[len(p.journal.entries)-2]; held.Flags&link.FlagAlarm == 0 {
			t.Errorf("a door held open is no alarm: %+v", held)
		}
	})
}

// A panel behind the gate is told the pass's index.
func TestGateIsToldThePass(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(77, nil))
		if g := <-p.gate.Opened(); g.Card != 77 {
			t.Errorf("grant %+v, want card 77", g)
		}
	})
}

func TestOutcomeOfAnEarlierProcessChangesNothing(t *testing.T) {
	at(t, func(p *place) {
		p.gate.Emit(gate.Event{Kind: gate.Passed, Grant: 99})
		p.after(0)
		p.wrote()
		last := p.journal.entries[len(p.journal.entries)-1]
		if last.Type != link.EntryFault || last.Detail != 99 {
			t.Errorf("entry %+v", last)
		}
	})
}

func TestScannerLostAndGarbled(t *testing.T) {
	at(t, func(p *place) {
		p.after(tickEvery)
		p.in.Lose(errDisk)
		p.after(tickEvery)
		p.in.Find()
		p.after(tickEvery)
		p.in.Lose(errDisk) // out and in again before anybody looks
		p.in.Find()
		p.after(tickEvery)
		var got []link.EntryType
		for _, e := range p.journal.entries {
			if e.Direction == uint8(gate.In) {
				got = append(got, e.Type)
			}
		}
		if !slices.Equal(got, []link.EntryType{link.EntryScanFound, link.EntryScanLost, link.EntryScanFound, link.EntryScanLost, link.EntryScanFound}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestUnsignedTextsDoNotFillTheJournal(t *testing.T) {
	at(t, func(p *place) {
		for i := range 3 * garbageBurst {
			p.scan("poster number " + strings.Repeat("x", i))
		}
		if n := len(p.journal.about()); n != garbageBurst {
			t.Errorf("%d entries of %d unsigned texts", n, 3*garbageBurst)
		}
		p.after(garbageRate)
		p.scan("the last poster")
		e := p.journal.about()
		if last := e[len(e)-1]; len(e) != garbageBurst+1 || last.Detail != 2*garbageBurst {
			t.Errorf("%d entries, the last says %d were left out", len(e), last.Detail)
		}
		if n := p.lane.Status().Counts.Denied[pass.Foreign]; n != 3*garbageBurst+1 {
			t.Errorf("%d counted", n)
		}
	})
}

func TestEscort(t *testing.T) {
	at(t, func(p *place) {
		visitor := codeOf(1, func(c *pass.Pass) { c.Flags = pass.Escort })
		p.scan(visitor)
		p.is(Refused, pass.EscortNeeded, 0)
		p.scan(codeOf(2, func(c *pass.Pass) { c.Kind = pass.Staff }))
		p.walk(gate.In)
		p.scan(visitor)
		p.is(Passage, pass.Granted, 2)
	})
}

func TestStandingReasonIsShownAtRest(t *testing.T) {
	at(t, func(p *place) {
		for _, c := range []struct {
			want   pass.Reason
			change func(f *access.Facts)
		}{
			{pass.Lockdown, func(f *access.Facts) { f.Rules.Zones[0].Mode = link.Lockdown }},
			{pass.NoFeed, func(f *access.Facts) { f.Head = 0 }},
			{pass.Granted, func(f *access.Facts) { *f = goodFacts() }},
			{pass.Closed, func(f *access.Facts) { f.Rules.Zones = nil }},
		} {
			p.change(func(f *access.Facts) { *f = goodFacts(); c.change(f) })
			p.after(tickEvery)
			p.is(Idle, c.want, 0)
		}
		if !slices.Contains(p.gate.Shown(), gate.Closed) {
			t.Errorf("lights %v", p.gate.Shown())
		}
	})
}

func TestStopWaitsForThePassage(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, nil))
		p.stop()
		p.after(2 * time.Second)
		p.walk(gate.In)
		p.end()
		p.wrote(grantedEntry, passedEntry)
	})
	at(t, func(p *place) {
		p.scan(codeOf(1, nil))
		p.stop()
		p.end()
		p.wrote(grantedEntry, notPassedEntry)
	})
}

func TestNumbersGoOnWhereTheGateIs(t *testing.T) {
	at(t, func(p *place) {
		p.lane.number = 0xfffffffe
		for want := range uint32(3) {
			p.scan(codeOf(1+want, nil))
			p.walk(gate.In)
			if n := p.gate.State().LastGrant; n != [3]uint32{0xffffffff, 1, 2}[want] {
				t.Errorf("grant %d has number %d", want, n)
			}
		}
	})
}

func TestLastDecisionsAreKept(t *testing.T) {
	at(t, func(p *place) {
		for i := range keptDecisions + 3 {
			p.scan("poster number " + strings.Repeat("x", i))
		}
		s := p.lane.Status()
		before := s.Last
		for _, e := range s.Earlier {
			if e.At.IsZero() || e.Reason != pass.Foreign || e.At.After(before.At) {
				t.Errorf("%+v stands behind %+v", e, before)
			}
			before = e
		}
	})
}
