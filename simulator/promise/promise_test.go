package promise

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// noon is the moment of the sound picture.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func idOf(index uint32) pass.ID { return pass.ID{Day: 2151, Index: index} }

// sound is a healed campus of one lane that kept every promise: an eCard and a
// guest came, a revoked pass was refused.
func sound() *Picture {
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	floor := link.Floor{Epoch: 1, Seq: 9, Chain: link.Hash{7}, Keyset: 1, Rules: 1}
	entry := func(seq uint64, t link.EntryType, index uint32, s int) link.Entry {
		return link.Entry{Seq: seq, Type: t, Lane: 1, Direction: 1, Boot: 1, Wall: at(s).UnixMilli(), Clock: link.ClockTrusted, Kind: pass.ECard, Pass: idOf(index), FeedSeq: 9}
	}
	grant := func(seq uint64, index uint32, s int, number uint16) link.Entry {
		e := entry(seq, link.EntryGranted, index, s)
		e.Detail = number
		return e
	}
	result := func(seq uint64, t link.EntryType, index uint32, s int, grant uint64) link.Entry {
		e := entry(seq, t, index, s)
		e.Grant = grant
		return e
	}
	denied := entry(6, link.EntryDenied, 3, 20)
	denied.Reason = pass.Revoked
	guest, through := grant(4, 2, 10, 2), result(5, link.EntryPassed, 2, 11, 4)
	guest.Kind, through.Kind = pass.Guest, pass.Guest
	p := &Picture{
		Healed: true,
		Journals: []Journal{{Controller: "north", ID: "a1", Acked: 6, Entries: []link.Entry{
			{Seq: 1, Type: link.EntryFloor, Boot: 1, Wall: at(0).UnixMilli(), Floor: &floor},
			grant(2, 1, 1, 1), result(3, link.EntryPassed, 1, 2, 2), guest, through, denied,
		}}},
		Openings: []Opening{{"north", 1, 1, at(1)}, {"north", 1, 2, at(10)}},
		Passes: map[string]Pass{
			idOf(1).String(): {Kind: pass.ECard}, idOf(2).String(): {Kind: pass.Guest, Entries: 1},
			idOf(3).String(): {Kind: pass.ECard, Revoked: 9, Refused: map[string]time.Time{"north": at(5)}},
		},
		Codes: map[string]Code{idOf(7).String(): {"north", 1, pass.ActOpenIn}, idOf(8).String(): {"north", 1, pass.ActLockdown}},
		Rules: []Rules{{2, at(100)}},
		Feed:  office.FeedBody{Epoch: 1, Seq: 9, Chain: hex.EncodeToString(floor.Chain[:])},
		Lanes: []office.LaneBody{{ID: "north", Alive: true, UpToDate: true, AppliedSeq: 9}},
		Steel: []Steel{{Controller: "north", Lane: 1, Locked: true}},
	}
	store(p)
	return p
}

// store writes the journals into the ledger.
func store(p *Picture) {
	p.Ledger = nil
	for _, j := range p.Journals {
		for _, e := range j.Entries {
			r := office.PassageBody{Number: int64(len(p.Ledger)) + 1, Type: "x", Controller: j.Controller, Journal: j.ID, Seq: e.Seq,
				Lane: int(e.Lane), Boot: e.Boot, Grant: e.Grant, FeedSeq: e.FeedSeq, Time: time.UnixMilli(e.Wall)}
			if e.Kind != 0 {
				r.Pass = e.Pass.String()
			}
			if e.Type == link.EntryGranted || e.Type == link.EntryDenied {
				r.Reason = e.Reason.String()
			}
			p.Ledger = append(p.Ledger, r)
		}
	}
}

// damage breaks a sound picture.
type damage struct {
	name, promise string
	damage        func(*Picture)
}

// TestCheckFinds breaks each promise once, in otherwise sound pictures.
func TestCheckFinds(t *testing.T) {
	if found := Check(sound()); len(found) > 0 {
		t.Fatalf("a sound picture: %v", found)
	}
	entries := func(p *Picture) []link.Entry { return p.Journals[0].Entries }
	broken := []damage{
		{"a gate opens by itself", promiseGrant, func(p *Picture) { p.Openings = append(p.Openings, Opening{"north", 1, 3, noon.Add(time.Minute)}) }},
		{"a gate opens twice for one grant", promiseGrant, func(p *Picture) { p.Openings = append(p.Openings, Opening{"north", 1, 2, noon.Add(11 * time.Second)}) }},
		{"a grant is lost after the gate opened", promiseGrant, func(p *Picture) { p.Journals[0].Entries = entries(p)[:1]; store(p) }},
		{"a lane opens on a pass that it acknowledged as revoked", promiseRefused, func(p *Picture) {
			entries(p)[3].Pass, entries(p)[3].FeedSeq = idOf(3), 8
			store(p)
		}},
		{"a lane grants what its list refuses", promiseRevoked, func(p *Picture) { entries(p)[3].Pass = idOf(3); store(p) }},
		{"a lane grants a forged pass", promiseIssued, func(p *Picture) { entries(p)[1].Pass = idOf(99); store(p) }},
		{"a guest on an old feed", promisePolicy, func(p *Picture) { entries(p)[3].FeedAge = 90000; store(p) }},
		{"an eCard on an old feed, not stamped", promisePolicy, func(p *Picture) { entries(p)[1].FeedAge = 300; store(p) }},
		{"a guest with an untrusted clock", promisePolicy, func(p *Picture) {
			entries(p)[3].Clock, entries(p)[3].Flags = link.ClockUntrusted, link.FlagStamped
			store(p)
		}},
		{"a single entry twice", promiseEntries, func(p *Picture) { entries(p)[2].Pass, entries(p)[1].Pass = idOf(2), idOf(2); store(p) }},
		{"a grant without an end", promiseResult, func(p *Picture) { entries(p)[4].Grant = 77; store(p) }},
		{"a grant with two ends", promiseResult, func(p *Picture) { entries(p)[4].Grant = 2; store(p) }},
		{"an entry missing in a journal", promiseNumbers, func(p *Picture) { p.Journals[0].Entries = slices.Delete(entries(p), 4, 5); store(p) }},
		{"a lane that forgets a revocation", promiseBack, func(p *Picture) { entries(p)[3].FeedSeq = 4; store(p) }},
		{"a floor that sinks", promiseBack, func(p *Picture) {
			entries(p)[5] = link.Entry{Seq: 6, Type: link.EntryFloor, Boot: 1, Floor: &link.Floor{Epoch: 1, Seq: 3, Keyset: 1, Rules: 1}}
			store(p)
		}},
		{"a lane with another history", promiseChain, func(p *Picture) {
			p.Journals = append(p.Journals, Journal{Controller: "south", ID: "b1", Entries: []link.Entry{{Seq: 1, Type: link.EntryFloor, Floor: &link.Floor{Epoch: 1, Seq: 9, Chain: link.Hash{8}}}}})
			store(p)
		}},
		{"a doubled row", promiseOnce, func(p *Picture) {
			r := p.Ledger[2]
			r.Number = int64(len(p.Ledger)) + 1
			p.Ledger = append(p.Ledger, r)
		}},
		{"a row that vanished", Kept, func(p *Picture) { p.Ledger = slices.Delete(p.Ledger, 2, 3) }},
		{"an acknowledged entry that central does not have", Kept, func(p *Picture) { p.Ledger = p.Ledger[:5] }},
		{"an entry that never arrives", promiseLost, func(p *Picture) { p.Journals[0].Acked, p.Ledger = 5, p.Ledger[:5] }},
		{"another entry in the ledger", promiseLost, func(p *Picture) { p.Ledger[3].Pass = idOf(1).String() }},
		{"a row that no lane wrote", promiseLost, func(p *Picture) {
			p.Ledger = append(p.Ledger, office.PassageBody{Number: 7, Controller: "north", Journal: "a1", Seq: 7})
		}},
		{"a relay that stays on", promiseClosed, func(p *Picture) { p.Steel[0].Relay = true }},
		{"a lock that stays open", promiseClosed, func(p *Picture) { p.Steel[0].Locked = false }},
		{"a lane that is behind", promiseConverge, func(p *Picture) { p.Lanes[0].AppliedSeq = 8 }},
		{"a lane with older rules", promiseConverge, func(p *Picture) { p.Lanes[0].Rules, p.Ruled = 1, 2 }},
		{"a lane whose hash is another one", promiseConverge, func(p *Picture) { p.Feed.Chain = hex.EncodeToString(make([]byte, 32)) }},
		{"a command that nobody gave", promiseCommand, func(p *Picture) {
			p.Commands = map[string]int{"north/1": 1}
			for s := range 2 {
				open(p, pass.Command, 0, 40+2*s, link.EntryPassed, nil)
			}
		}},
		{"a lane that is gone", promiseConverge, func(p *Picture) { p.Lanes[0].Alive = false }},
	}
	broken = append(broken, brokenRules()...)
	promises := map[string]bool{}
	for _, b := range broken {
		p := sound()
		b.damage(p)
		promises[b.promise] = true
		if found := Check(p); !slices.ContainsFunc(found, func(v Violation) bool { return v.Promise == b.promise }) {
			t.Errorf("%s: found %v", b.name, found)
		}
	}
	if len(promises) != 21 {
		t.Errorf("%d promises are broken, want all 21 of Check", len(promises))
	}
}

// TestCheckBounds checks what is no violation: a decision on its way when the
// lane acknowledged, an end that is still to come while faults are on.
func TestCheckBounds(t *testing.T) {
	p := sound()
	p.Journals[0].Entries[1].FeedSeq, p.Journals[0].Entries[3].FeedSeq, p.Journals[0].Entries[3].Pass = 8, 8, idOf(3)
	p.Openings[1].At = noon.Add(5*time.Second + refusedWithin)
	store(p)
	if found := Check(p); len(found) > 0 {
		t.Errorf("an opening on its way: %v", found)
	}
	p = sound()
	p.Healed, p.Lanes[0].Alive, p.Steel[0].Relay = false, false, true
	p.Journals[0].Entries = p.Journals[0].Entries[:4]
	p.Journals[0].Acked, p.Ledger = 3, p.Ledger[:3]
	if found := Check(p); len(found) > 0 {
		t.Errorf("in the middle of a step: %v", found)
	}
}

// TestNoAnswer: a picture of a campus whose central did not answer has no feed. That is
// a promise that is not kept yet, and nothing that is broken for good.
func TestNoAnswer(t *testing.T) {
	p := sound()
	p.Feed = office.FeedBody{}
	found := Check(p)
	if !slices.ContainsFunc(found, func(v Violation) bool { return v.Promise == promiseConverge && v.Eventual() }) {
		t.Errorf("found %v", found)
	}
}
