package lane

import (
	"crypto/ed25519"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/journal"
	"turnstile/agent/presence"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

var testRef = pass.LaneRefOf("campus", "north", 1)

// handCode returns the text of a supervisor code for the lane of the tests.
func handCode(index uint32, a pass.Action, change func(s *pass.SupervisorCode)) string {
	s := pass.SupervisorCode{KeyID: 7, Day: testDay, Index: index, Start: -480, Hours: 72, Action: a, Cause: pass.CauseOutage, Lane: testRef}
	if change != nil {
		change(&s)
	}
	p := s.Pass()
	return p.Text(ed25519.Sign(signingKey, p.Message()))
}

// byHand is at, at a lane that knows which it is.
func byHand(t *testing.T, f func(p *place)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, &memory{})
		p.lane.setup.Ref = testRef
		p.start()
		f(p)
		p.end()
	})
}

// everythingDown leaves the lane its keys, and nothing else that works.
func everythingDown(f *access.Facts) {
	*f = access.Facts{Keys: f.Keys, Clock: link.ClockUntrusted, Age: -1}
}

func TestOpenByHand(t *testing.T) {
	for name, change := range map[string]func(f *access.Facts){
		"all is well":   func(*access.Facts) {},
		"all is down":   everythingDown,
		"lockdown":      func(f *access.Facts) { f.Rules.Zones[0].Mode = link.Lockdown },
		"closed":        func(f *access.Facts) { f.Rules.Zones[0].Hours = []link.Hours{{Weekdays: 127, Open: 1, Close: 2}} },
		"an old feed":   func(f *access.Facts) { f.Age = 1000 * time.Hour },
		"unknown zone":  func(f *access.Facts) { f.Rules.Zones = nil },
		"clock of 1970": func(f *access.Facts) { f.Clock = link.ClockUntrusted },
	} {
		t.Run(name, func(t *testing.T) {
			byHand(t, func(p *place) {
				p.change(change)
				text := handCode(5, pass.ActOpenIn, nil)
				p.scan(text)
				p.is(Passage, pass.Granted, 1)
				p.walk(gate.In)
				p.wrote(grantedEntry, passedEntry)
				e := p.journal.about()[0]
				if e.Kind != pass.Supervisor || e.Pass.Index != 5 || e.Gen != uint8(pass.CauseOutage) || e.Holder != testRef ||
					e.Flags&link.FlagAlarm == 0 || (e.Flags&link.FlagStamped != 0) != (e.Clock == link.ClockUntrusted) {
					t.Errorf("entry %+v", e)
				}
				p.scan(text)
				if p.lane.Status().Answer.Reason != pass.AlreadyUsed || p.gate.Openings() != 1 {
					t.Error("a second use")
				}
				p.scan(handCode(6, pass.ActOpenIn, nil)) // the next one of the sheet
				p.walk(gate.In)
				p.wrote(grantedEntry, passedEntry, deniedEntry, grantedEntry, passedEntry)
			})
		})
	}
}

func TestOpenOutAtTheScannerOutside(t *testing.T) {
	byHand(t, func(p *place) {
		p.scan(handCode(5, pass.ActOpenOut, nil))
		if g := <-p.gate.Opened(); g.Direction != gate.Out {
			t.Errorf("opened %+v", g)
		}
		p.walk(gate.Out)
		p.wrote(grantedEntry, passedEntry)
		if e := p.journal.about()[0]; e.Direction != uint8(gate.Out) {
			t.Errorf("entry %+v", e)
		}
	})
}

// TestCodeThatOpenedForNobodyIsGivenBack, also by a gate that did not open.
func TestCodeThatOpenedForNobodyIsGivenBack(t *testing.T) {
	byHand(t, func(p *place) {
		text := handCode(5, pass.ActOpenIn, nil)
		p.scan(text)
		p.after(gate.DefaultWindow)
		p.wrote(grantedEntry, notPassedEntry)
		p.gate.Refuse(gate.ErrRefused)
		p.scan(text)
		p.is(Refused, pass.GateFault, 1)
		p.scan(text)
		p.is(Passage, pass.Granted, 2)
		p.gate.Lose() // nobody knows whether they walked: used
		p.after(0)
		p.gate.Find()
		p.after(showRefusal)
		p.scan(text)
		if r := p.lane.Status().Answer.Reason; r != pass.AlreadyUsed {
			t.Errorf("answer %s", r)
		}
	})
}

func TestRefusedByHand(t *testing.T) {
	byHand(t, func(p *place) {
		p.scan(handCode(5, pass.ActOpenIn, func(s *pass.SupervisorCode) { s.Lane = pass.LaneRefOf("campus", "north", 2) }))
		p.is(Refused, pass.WrongLane, 0)
		p.scan(handCode(5, pass.ActOpenIn, func(s *pass.SupervisorCode) { s.Action = 99 }))
		p.is(Refused, pass.FlagsUnknown, 0)
		p.scan(handCode(5, pass.ActLockdown, func(s *pass.SupervisorCode) { s.Day -= 9; s.Hours = 1 }))
		p.is(Refused, pass.KeyRevoked, 0)
		p.journal.refuse(errDisk)
		p.scan(handCode(6, pass.ActOpenIn, nil))
		p.is(Refused, pass.JournalFault, 0)
		p.scan(handCode(7, pass.ActLockdown, nil))
		p.is(Refused, pass.JournalFault, 0)
		if p.lane.Status().ByHand.Mode != link.Normal || p.presence.Used(pass.ID{Day: testDay, Index: 7}) {
			t.Error("a mode, or a used code, without its entry")
		}
		p.journal.refuse(nil)
		p.after(4 * time.Second)
		p.scan(handCode(7, pass.ActLockdown, nil))
		p.is(Idle, pass.Lockdown, 0)
		p.gate.Lose()
		p.after(0)
		p.scan(handCode(8, pass.ActOpenIn, nil))
		p.is(Down, pass.GateFault, 0)
		p.scan(handCode(9, pass.ActNormal, nil)) // a mode needs no gate
		p.is(Down, pass.GateFault, 0)
		if p.lane.Status().ByHand.Mode != link.Normal {
			t.Error("the mode stands")
		}
	})
}

func TestLockdownByHand(t *testing.T) {
	byHand(t, func(p *place) {
		p.scan(handCode(1, pass.ActLockdown, nil))
		p.is(Idle, pass.Lockdown, 0)
		s := p.lane.Status()
		if s.ByHand.Mode != link.Lockdown || s.ByHand.Since.Format("15:04") != "12:00" || s.ByHand.Code.Index != 1 || s.Counts.Modes != 1 {
			t.Errorf("status %+v", s.ByHand)
		}
		e := p.journal.entries[len(p.journal.entries)-1]
		if e.Type != link.EntryMode || e.Kind != pass.Supervisor || e.Detail != uint16(link.Lockdown) || e.Flags&link.FlagAlarm == 0 {
			t.Errorf("entry %+v", e)
		}
		p.scan(codeOf(2, func(c *pass.Pass) { c.Kind = pass.Staff }))
		p.is(Refused, pass.Lockdown, 0)
		p.scan(handCode(1, pass.ActLockdown, nil))
		p.is(Refused, pass.AlreadyUsed, 0)
		p.gate.Emit(gate.Event{Kind: gate.Fire}) // reported as ever; nothing asks the gate to shut
		p.after(0)
		if last := p.journal.entries[len(p.journal.entries)-1]; last.Type != link.EntryFire {
			t.Errorf("entry %+v", last)
		}
		p.scan(handCode(3, pass.ActOpenIn, nil))
		p.is(Passage, pass.Granted, 1)
		p.walk(gate.In)
		p.is(Idle, pass.Lockdown, 1)
		p.scan(handCode(4, pass.ActNormal, nil))
		p.is(Idle, pass.Granted, 1)
		p.scan(codeOf(5, nil))
		p.is(Passage, pass.Granted, 2)
	})
}

func TestFreePassageByHand(t *testing.T) {
	byHand(t, func(p *place) {
		p.change(func(f *access.Facts) {
			f.Rules.Zones[0].Hours = []link.Hours{{Weekdays: 127, Open: 1, Close: 2}}
			f.Rules.Zones[0].Passback = link.PassbackHard
		})
		p.scan(codeOf(1, nil))
		p.is(Refused, pass.Closed, 0)
		p.scan(handCode(2, pass.ActFreePassage, nil))
		p.is(Idle, pass.Granted, 0)
		for n := range 2 { // no hours, no anti-passback, as in the zone's own free passage
			p.scan(codeOf(1, nil))
			p.walk(gate.In)
			if p.gate.Openings() != n+1 {
				t.Errorf("%d openings", p.gate.Openings())
			}
		}
		e := p.journal.about()
		if g := e[len(e)-2]; g.Flags&link.FlagFreePassage == 0 {
			t.Errorf("entry %+v", g)
		}
	})
}

// TestNewerRulesEndAMode, not the same ones again; the end is written once.
func TestNewerRulesEndAMode(t *testing.T) {
	byHand(t, func(p *place) {
		p.scan(handCode(1, pass.ActLockdown, nil))
		p.change(func(f *access.Facts) { r := *f.Rules; f.Rules = &r })
		p.after(tickEvery)
		p.is(Idle, pass.Lockdown, 0)
		p.journal.refuse(errDisk)
		p.change(func(f *access.Facts) { r := *f.Rules; r.Version++; f.Rules = &r })
		p.after(4 * tickEvery)
		p.is(Idle, pass.Granted, 0) // at once, whatever the journal says
		p.journal.refuse(nil)
		p.after(4 * tickEvery)
		ends := 0
		for _, e := range p.journal.entries {
			if e.Type == link.EntryMode && e.Kind == 0 && e.Detail == uint16(link.Normal) {
				ends++
			}
		}
		if _, stands := p.presence.Hand(1); ends != 1 || stands {
			t.Errorf("%d ends written, stands: %v", ends, stands)
		}
	})
}

// TestModeOfALaneWithoutRules ends by a normal code alone: central's old rules,
// come again, are no newer ones.
func TestModeOfALaneWithoutRules(t *testing.T) {
	byHand(t, func(p *place) {
		p.change(everythingDown)
		p.scan(handCode(1, pass.ActLockdown, nil))
		p.change(func(f *access.Facts) { *f = goodFacts(); f.Rules.Version = 99 })
		p.after(tickEvery)
		p.is(Idle, pass.Lockdown, 0)
		p.scan(handCode(2, pass.ActNormal, nil))
		p.is(Idle, pass.Granted, 0)
	})
}

// TestNewerRulesWhileAModeIsSet: central's rules come while the entry about the mode
// is on its way to the disk. The mode ends, and the lane does not wait for itself.
func TestNewerRulesWhileAModeIsSet(t *testing.T) {
	byHand(t, func(p *place) {
		rules := p.facts.Rules.Version
		p.record.Took = func(e link.Entry) {
			if e.Type == link.EntryMode {
				p.change(func(f *access.Facts) { *f = goodFacts(); f.Rules.Version = rules + 1 })
			}
		}
		p.scan(handCode(64, pass.ActLockdown, nil)) // its lock is the one of entries without a pass
		p.after(tickEvery)
		p.is(Idle, pass.Granted, 0)
		modes := 0
		for _, e := range p.journal.entries {
			if e.Type == link.EntryMode {
				modes++
			}
		}
		if modes != 2 || p.lane.Status().ByHand.Mode != link.Normal {
			t.Errorf("%d entries about modes, %+v", modes, p.lane.Status().ByHand)
		}
	})
}

// TestHandAfterARestart: used codes and the mode come back from the journal on the
// disk, with no checkpoint and no cache.
func TestHandAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	day := func(p *presence.Presence, f func(p *place)) {
		synctest.Test(t, func(t *testing.T) {
			j, _, err := journal.Open(dir, small)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			if err := j.Replay(max(1, j.First()), func(e link.Entry) error { p.Apply(e); return nil }); err != nil {
				t.Fatal(err)
			}
			l := newPlace(t, nil)
			l.lane.setup.Ref = testRef
			l.record.Journal, l.record.Presence, l.presence = j, p, p
			l.change(everythingDown)
			l.start()
			f(l)
			l.end()
		})
	}
	day(presence.New(), func(p *place) {
		p.scan(handCode(1, pass.ActOpenIn, nil))
		p.walk(gate.In)
		p.scan(handCode(2, pass.ActLockdown, nil))
	})
	day(presence.New(), func(p *place) {
		if s := p.lane.Status(); s.ByHand.Mode != link.Lockdown {
			t.Errorf("the lockdown is gone: %+v", s.ByHand)
		}
		for _, text := range []string{handCode(1, pass.ActOpenIn, nil), handCode(2, pass.ActLockdown, nil)} {
			p.scan(text)
			if r := p.lane.Status().Answer.Reason; r != pass.AlreadyUsed {
				t.Errorf("used again: %s", r)
			}
		}
		p.scan(handCode(3, pass.ActOpenIn, nil))
		p.is(Passage, pass.Granted, 1)
	})
}

// TestResultsOutliveAlarms: a journal that takes nothing for long loses alarms
// before it loses who passed.
func TestResultsOutliveAlarms(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, nil))
		p.journal.refuse(errDisk)
		p.walk(gate.In)
		for range 3 * maxOwed {
			p.gate.Emit(gate.Event{Kind: gate.Tamper})
		}
		p.after(tickEvery)
		if n := len(p.lane.owed); n != maxOwed {
			t.Errorf("%d owed", n)
		}
		if s := p.lane.Status(); s.Counts.GivenUp < 2*maxOwed {
			t.Errorf("%d given up", s.Counts.GivenUp)
		}
		p.journal.refuse(nil)
		p.after(tickEvery)
		p.wrote(grantedEntry, passedEntry)
		if past := p.presence.Of(pass.ID{Day: testDay, Index: 1}, testZone, gate.In); past.Used != 1 {
			t.Errorf("presence %+v", past)
		}
	})
}

func TestTookSeesWhatIsDurable(t *testing.T) {
	at(t, func(p *place) {
		var took []link.EntryType
		p.record.Took = func(e link.Entry) { took = append(took, e.Type) }
		p.scan(codeOf(1, nil))
		p.walk(gate.In)
		p.journal.refuse(errDisk)
		p.scan(codeOf(2, nil))
		if len(took) != 2 || took[0] != grantedEntry || took[1] != passedEntry {
			t.Errorf("took %v", took)
		}
	})
}
