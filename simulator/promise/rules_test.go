package promise

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// add appends an entry at s seconds to the first journal.
func add(p *Picture, t link.EntryType, kind pass.Kind, index uint32, s int, more func(*link.Entry)) uint64 {
	j := &p.Journals[0]
	e := link.Entry{Seq: uint64(len(j.Entries)) + 1, Type: t, Lane: 1, Direction: 1, Boot: 1, Wall: noon.Add(time.Duration(s) * time.Second).UnixMilli(),
		Clock: link.ClockTrusted, Kind: kind, Pass: idOf(index), FeedSeq: 9}
	if more != nil {
		more(&e)
	}
	j.Entries = append(j.Entries, e)
	j.Acked = e.Seq
	store(p)
	return e.Seq
}

// open appends a grant at s seconds with its opening and its result.
func open(p *Picture, kind pass.Kind, index uint32, s int, result link.EntryType, more func(*link.Entry)) {
	number := uint32(len(p.Openings)) + 1
	seq := add(p, link.EntryGranted, kind, index, s, func(e *link.Entry) {
		e.Detail = uint16(number)
		if more != nil {
			more(e)
		}
	})
	p.Openings = append(p.Openings, Opening{"north", 1, number, noon.Add(time.Duration(s) * time.Second)})
	add(p, result, kind, index, s+1, func(e *link.Entry) { e.Grant = seq })
}

// mode appends a mode by hand under rules 1.
func mode(p *Picture, m link.Mode, s int) {
	add(p, link.EntryMode, pass.Supervisor, 8, s, func(e *link.Entry) { e.Detail, e.Grant = uint16(m), 1 })
}

// elsewhere adds a second controller where a guest came in too.
func elsewhere(p *Picture, flags link.EntryFlags) {
	at := noon.Add(12 * time.Second)
	e := link.Entry{Seq: 1, Type: link.EntryGranted, Lane: 1, Direction: 1, Boot: 1, Wall: at.UnixMilli(), Clock: link.ClockTrusted,
		Kind: pass.Guest, Pass: idOf(2), FeedSeq: 9, Flags: flags, Detail: 1}
	passed := e
	passed.Seq, passed.Type, passed.Grant, passed.Flags = 2, link.EntryPassed, 1, 0
	floor := p.Journals[0].Entries[0]
	floor.Seq = 3
	p.Journals = append(p.Journals, Journal{Controller: "south", ID: "b1", Acked: 3, Entries: []link.Entry{e, passed, floor}})
	p.Openings = append(p.Openings, Opening{"south", 1, 1, at})
	store(p)
}

// lock adds a lockdown that north has acknowledged 30 s after noon and that ends at 50 s.
func lock(p *Picture) {
	p.Locks = []Lock{{Zone: 0, Version: 2, Since: map[string]time.Time{"north": noon.Add(30 * time.Second)}, Until: noon.Add(50 * time.Second)}}
}

func brokenRules() []damage {
	return []damage{
		{"a single entry at two controllers", promiseShared, func(p *Picture) { elsewhere(p, 0) }},
		{"a grant on a withdrawn key", promiseWithdrew, func(p *Picture) { p.Withdrawn = map[uint16]uint64{0: 9} }},
		{"an opening in a locked zone", promiseLocked, func(p *Picture) { lock(p); open(p, pass.ECard, 1, 40, link.EntryPassed, nil) }},
		{"an opening in a zone that stays locked", promiseLocked, func(p *Picture) {
			lock(p)
			p.Locks[0].Until = time.Time{}
			open(p, pass.ECard, 1, 90, link.EntryPassed, nil)
		}},
		{"an opening at a lane locked by hand", promiseHand, func(p *Picture) { mode(p, link.Lockdown, 30); open(p, pass.ECard, 1, 40, link.EntryPassed, nil) }},
		{"a supervisor code twice", promiseCode, func(p *Picture) {
			open(p, pass.Supervisor, 7, 30, link.EntryPassed, nil)
			open(p, pass.Supervisor, 7, 40, link.EntryPassed, nil)
		}},
		{"a mode twice", promiseCode, func(p *Picture) { mode(p, link.Lockdown, 30); mode(p, link.Lockdown, 31) }},
		{"a supervisor code that nobody issued", promiseCode, func(p *Picture) { open(p, pass.Supervisor, 9, 30, link.EntryPassed, nil) }},
		{"a supervisor code of another lane", promiseCode, func(p *Picture) {
			p.Codes[idOf(7).String()] = Code{"south", 1, pass.ActOpenIn}
			open(p, pass.Supervisor, 7, 30, link.EntryPassed, nil)
		}},
		{"a code for a lockdown opens", promiseCode, func(p *Picture) { open(p, pass.Supervisor, 8, 30, link.EntryPassed, nil) }},
	}
}

// TestCheckRulesBounds checks what is no violation of rules, codes and uses
// between controllers.
func TestCheckRulesBounds(t *testing.T) {
	for name, allowed := range map[string]func(*Picture){
		"marked at the grant": func(p *Picture) { elsewhere(p, link.FlagStamped) },
		"marked afterwards": func(p *Picture) {
			elsewhere(p, 0)
			add(p, link.EntryConflict, pass.Guest, 2, 20, func(e *link.Entry) { e.Grant = 4 })
		},
		"before the lockdown was known": func(p *Picture) { lock(p); open(p, pass.ECard, 1, 31, link.EntryPassed, nil) },
		"after the lockdown":            func(p *Picture) { lock(p); open(p, pass.ECard, 1, 51, link.EntryPassed, nil) },
		"another zone":                  func(p *Picture) { lock(p); p.Locks[0].Zone = 1; open(p, pass.ECard, 1, 40, link.EntryPassed, nil) },
		"by hand in a locked zone":      func(p *Picture) { lock(p); open(p, pass.Supervisor, 7, 40, link.EntryPassed, nil) },
		"normal by hand in a locked zone": func(p *Picture) {
			p.Codes[idOf(8).String()] = Code{"north", 1, pass.ActNormal}
			lock(p)
			add(p, link.EntryMode, pass.Supervisor, 8, 35, func(e *link.Entry) { e.Grant = 2 })
			open(p, pass.ECard, 1, 40, link.EntryPassed, nil)
		},
		"by hand at a lane locked by hand": func(p *Picture) { mode(p, link.Lockdown, 30); open(p, pass.Supervisor, 7, 40, link.EntryPassed, nil) },
		"newer rules end a mode by hand":   func(p *Picture) { mode(p, link.Lockdown, 30); open(p, pass.ECard, 1, 110, link.EntryPassed, nil) },
		"a code given back": func(p *Picture) {
			open(p, pass.Supervisor, 7, 30, link.EntryNotPassed, nil)
			open(p, pass.Supervisor, 7, 40, link.EntryPassed, nil)
		},
		"a key withdrawn later": func(p *Picture) { p.Withdrawn = map[uint16]uint64{0: 10} },
	} {
		p := sound()
		allowed(p)
		p.Feed.Chain = sound().Feed.Chain
		p.Lanes = []office.LaneBody{{ID: "north", Alive: true, UpToDate: true, AppliedSeq: 9}}
		if found := Check(p); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}
