package lane

import (
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

// command returns an order to open for somebody who comes in, that lives for 30 s.
func command(number uint64, change func(o *Order)) Order {
	o := Order{link.Command{Lane: "north", Number: number, Action: link.CommandOpen, Index: 1, Direction: 1, Cause: pass.CauseAssistance}, time.Now().Add(30 * time.Second)}
	if change != nil {
		change(&o)
	}
	return o
}

func (p *place) order(o Order) {
	p.lane.Order(o)
	synctest.Wait()
}

// TestCommandOpensOnce, in whatever state central's rules and the feed are, and
// however often it comes.
func TestCommandOpensOnce(t *testing.T) {
	for name, change := range map[string]func(f *access.Facts){
		"all is well":  func(*access.Facts) {},
		"all is down":  everythingDown,
		"lockdown":     func(f *access.Facts) { f.Rules.Zones[0].Mode = link.Lockdown },
		"closed":       func(f *access.Facts) { f.Rules.Zones[0].Hours = []link.Hours{{Weekdays: 127, Open: 1, Close: 2}} },
		"unknown zone": func(f *access.Facts) { f.Rules.Zones = nil },
	} {
		t.Run(name, func(t *testing.T) {
			at(t, func(p *place) {
				p.change(change)
				o := command(1795233609000, nil)
				p.order(o)
				p.is(Passage, pass.Granted, 1)
				if a := p.lane.Status().Answer; a.Command != link.CommandOpen || a.Direction != gate.In {
					t.Errorf("answer %+v", a)
				}
				p.order(o)
				p.walk(gate.In)
				p.order(o)
				p.after(time.Second)
				p.order(o)
				p.order(command(1795233608999, nil)) // an earlier one that was held back
				p.wrote(grantedEntry, passedEntry)
				for _, e := range p.journal.about() {
					if n, ok := e.Command(); !ok || n != o.Number || e.Gen != uint8(pass.CauseAssistance) || e.Direction != 1 || e.Lane != 1 {
						t.Errorf("entry %+v", e)
					}
				}
				p.order(command(1795233609001, func(o *Order) { o.Direction = 2 }))
				p.walk(gate.Out)
				p.wrote(grantedEntry, passedEntry, grantedEntry, passedEntry)
				if s := p.presence.Stats(); s.Inside != 0 || s.Records != 0 {
					t.Errorf("presence %+v", s)
				}
			})
		})
	}
}

// TestCommandWaitsForThePassage: it comes again, and opens for the next person.
func TestCommandWaitsForThePassage(t *testing.T) {
	at(t, func(p *place) {
		o := command(5, nil)
		p.scan(codeOf(1, nil))
		p.order(o)
		p.is(Passage, pass.Granted, 1)
		p.walk(gate.In)
		p.order(o)
		p.is(Passage, pass.Granted, 2)
		p.after(gate.DefaultWindow)
		p.order(o)
		p.wrote(grantedEntry, passedEntry, grantedEntry, notPassedEntry)
	})
}

func TestCommandDuringARefusal(t *testing.T) {
	at(t, func(p *place) {
		p.scan(codeOf(1, func(c *pass.Pass) { c.Zones = 1 }))
		p.is(Refused, pass.WrongZone, 0)
		p.order(command(5, nil))
		p.is(Passage, pass.Granted, 1)
	})
}

// TestCommandDeclined: it is answered with the reason, once, and the gate is not asked.
func TestCommandDeclined(t *testing.T) {
	for name, c := range map[string]struct {
		order  func(o *Order)
		place  func(p *place)
		reason pass.Reason
		detail uint16
		state  State
	}{
		"over":              {order: func(o *Order) { o.Until = time.Now() }, reason: pass.Expired, state: Idle},
		"an unknown action": {order: func(o *Order) { o.Action, o.Direction = 77, 0 }, reason: pass.FlagsUnknown, state: Idle},
		"fire":              {place: func(p *place) { p.gate.Emit(gate.Event{Kind: gate.Fire}) }, reason: pass.GateFault, detail: link.FaultFire, state: Idle},
		"no gate":           {place: func(p *place) { p.gate.Lose() }, reason: pass.GateFault, detail: link.FaultLost, state: Down},
	} {
		t.Run(name, func(t *testing.T) {
			at(t, func(p *place) {
				if c.place != nil {
					c.place(p)
					p.after(0)
				}
				o := command(5, c.order)
				for range 3 {
					p.order(o)
				}
				p.wrote(deniedEntry)
				e := p.journal.about()[0]
				if n, ok := e.Command(); !ok || n != 5 || e.Reason != c.reason || e.Detail != c.detail || p.gate.Openings() != 0 {
					t.Errorf("entry %+v, %d openings", e, p.gate.Openings())
				}
				if s := p.lane.Status(); s.State != c.state || s.Last.Kind != pass.Command || s.Last.Reason != c.reason {
					t.Errorf("status %+v", s)
				}
			})
		})
	}
}

// TestCommandWithoutAJournal: no entry, no opening; it can come again.
func TestCommandWithoutAJournal(t *testing.T) {
	at(t, func(p *place) {
		p.journal.refuse(errDisk)
		o, show := command(5, nil), command(6, func(o *Order) { o.Action, o.Direction = link.CommandIdentify, 0 })
		p.order(o)
		p.is(Refused, pass.JournalFault, 0)
		p.order(show)
		p.is(Refused, pass.JournalFault, 0)
		p.order(command(7, func(o *Order) { o.Until = time.Now() }))
		p.journal.refuse(nil)
		p.order(o)
		p.is(Passage, pass.Granted, 1)
		p.wrote(grantedEntry)
	})
}

// TestCommandAtAGateThatDoesNotOpen: what became of it is in the journal.
func TestCommandAtAGateThatDoesNotOpen(t *testing.T) {
	at(t, func(p *place) {
		p.gate.Refuse(gate.ErrRefused)
		o := command(5, nil)
		p.order(o)
		p.is(Refused, pass.GateFault, 0)
		p.order(o)
		p.wrote(grantedEntry, notPassedEntry)
		if e := p.journal.about()[1]; e.Reason != pass.GateFault {
			t.Errorf("entry %+v", e)
		}
	})
}

func TestCommandIdentify(t *testing.T) {
	at(t, func(p *place) {
		p.change(func(f *access.Facts) { f.Rules.Zones[0].Mode = link.Lockdown })
		o := command(5, func(o *Order) { o.Action, o.Direction = link.CommandIdentify, 0 })
		p.order(o)
		p.after(showLane - time.Second)
		p.order(o)
		if a := p.lane.Status().Answer; a.Command != link.CommandIdentify || a.Signal != gate.Guard {
			t.Errorf("answer %+v", a)
		}
		p.after(time.Second)
		p.is(Idle, pass.Lockdown, 0)
		shown := 0
		for _, e := range p.journal.entries {
			if n, _ := e.Command(); n == 5 && e.Type == link.EntryShown {
				shown++
			}
		}
		if shown != 1 {
			t.Errorf("%d entries", shown)
		}
		p.gate.Lose() // a lane that cannot open can be looked for
		p.after(time.Second)
		p.order(command(6, func(o *Order) { o.Action, o.Direction = link.CommandIdentify, 0 }))
		p.after(showLane - time.Second)
		if a := p.lane.Status().Answer; a.Command != link.CommandIdentify {
			t.Errorf("answer %+v", a)
		}
		p.after(2 * time.Second)
		p.is(Down, pass.GateFault, 0)
	})
}

// TestKilledAtEachStepOfACommand opens by command and kills the agent at each
// step: the gate never opened without an entry, and after the next start each
// grant has one result.
func TestKilledAtEachStepOfACommand(t *testing.T) {
	for name, outcome := range map[string]func(p *place){
		"passed":     func(p *place) { p.walk(gate.In) },
		"not passed": func(p *place) { p.after(gate.DefaultWindow) },
	} {
		t.Run(name, func(t *testing.T) {
			frames, seen := filmCommand(t, outcome), map[link.EntryType]int{}
			if len(frames) != 6 {
				t.Fatalf("%d steps", len(frames))
			}
			for _, f := range frames {
				seen[endOfCommand(t, f)]++
			}
			if seen[0] != 1 || seen[link.EntryUnknown] != 4 {
				t.Errorf("results after the crashes: %v", seen)
			}
		})
	}
}

func filmCommand(t *testing.T, outcome func(p *place)) (frames []frame) {
	t.Helper()
	dir, outer := filepath.Join(t.TempDir(), "journal"), t
	synctest.Test(t, func(t *testing.T) {
		j, _, err := journal.Open(dir, small)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		p := newPlace(t, nil)
		c := &camera{t: outer, journal: j, dir: dir, gate: p.gate}
		p.record.Journal, p.lane.setup.Gate = c, watched{p.gate, c}
		p.start()
		p.after(time.Second) // what a start writes is written
		before := len(c.frames)
		p.order(command(5, nil))
		outcome(p)
		frames = c.frames[before:]
		p.end()
	})
	return frames
}

// endOfCommand starts again from a frame and returns how the command ended, 0 if
// the journal knows nothing of it.
func endOfCommand(t *testing.T, f frame) (end link.EntryType) {
	t.Helper()
	j, _, err := journal.Open(f.dir, small)
	if err != nil {
		t.Fatalf("%s: %v", f.step, err)
	}
	defer j.Close()
	p := presence.New()
	if err := j.Replay(1, func(e link.Entry) error { p.Apply(e); return nil }); err != nil {
		t.Fatalf("%s: replay: %v", f.step, err)
	}
	r := Recorder{Journal: j, Presence: p, Facts: goodFacts, Now: func() time.Time { return noon }}
	if left, err := r.Recover(p.Unresolved()); err != nil || len(left) != 0 {
		t.Fatalf("%s: %d left: %v", f.step, len(left), err)
	}
	grants, results := 0, 0
	if err := j.Replay(1, func(e link.Entry) error {
		if n, ok := e.Command(); !ok || n != 5 {
			return nil
		}
		if end = e.Type; e.Type == link.EntryGranted {
			grants++
		} else {
			results++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if f.openings > grants || grants != results {
		t.Errorf("%s: %d openings, %d grants, %d results", f.step, f.openings, grants, results)
	}
	return end
}
