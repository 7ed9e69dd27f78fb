// Package preview shows what other rules would have decided about scans that the
// ledger has.
//
// It asks the lane's own decision (agent/access) twice about each scan, with the
// rules in force and with those proposed, and reports where the two differ. What
// really happened stays: who walked in walked in, so the answer is about each
// scan by itself and not about another course of the week.
//
// What a lane knew and the ledger does not is filled in: the code is taken as
// authentic, a live tag as what the journal says of it, and a lane as cut off if
// its entry can be explained in no other way. How many of the decisions the rules
// in force reproduce is part of the report: what they do not was decided by
// other rules, or by something that only the lane saw.
package preview

import (
	"encoding/base32"
	"slices"
	"time"

	"turnstile/agent/access"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// Scan is one entry of the ledger; a Replay takes them in the order of their time.
type Scan struct {
	Number uint64 // in the ledger
	Lane   string // controller
	Entry  link.Entry
	Code   string // of the entry's pass as it was issued; "" for none, or one that was erased
}

// Change is a scan that the proposed rules would have decided otherwise.
type Change struct {
	Number   uint64
	Lane     string
	Entry    link.Entry
	From, To pass.Reason // by the rules in force, and by those proposed
}

// Kind of a change: Opens lets in somebody who was refused, Shuts is the reverse,
// the others are refusals for another reason.
func (c Change) Opens() bool { return c.From != pass.Granted && c.To == pass.Granted }

// Shuts reports whether somebody who was let in would have been refused.
func (c Change) Shuts() bool { return c.From == pass.Granted && c.To != pass.Granted }

// Bounds of a report.
const (
	maxChanges = 200  // kept one by one; the counts go on
	maxGroups  = 2000 // by zone, kind and reasons
)

// Group counts changes that are alike.
type Group struct {
	Zone     uint8
	Kind     pass.Kind
	From, To pass.Reason
	Count    int
}

// Report is what a Replay found.
type Report struct {
	Scans      int // decisions about passes of ours
	Reproduced int // by the rules in force
	Opened     int
	Shut       int
	Reworded   int      // refused both times, for another reason
	Erased     int      // not asked about: the pass is no longer known
	Fixed      int      // of Scans: refused for what no rule can change
	Groups     []Group  // the most frequent first
	Changes    []Change // the first maxChanges, in the order of time
	First      int64    // Unix ms of the first and the last scan, 0 if there was none
	Last       int64
}

// Replay decides scans again; not safe for concurrent use.
type Replay struct {
	rules   [2]link.Rules // in force, proposed
	keys    map[uint16]link.PassKey
	gate    pass.GateKey
	past    map[place]*past
	vouched map[lane]time.Time
	states  map[pass.Day]*link.State
	groups  map[Group]int
	report  Report
}

// Directions as entries have them.
const (
	in  = 1
	out = 2
)

// place is where a pass is inside or not; lane is one turnstile.
type (
	place struct {
		id   pass.ID
		zone uint8
	}
	lane struct {
		controller string
		number     uint8
	}
)

// past is what really happened to a pass in a zone.
type past struct {
	inside, maybe bool
	entered       int64
	used, unknown uint8
}

// New returns a replay. The public keys are by id; the proposed rules get the
// campus clock of those in force.
func New(keys []link.PassKey, inForce, proposed link.Rules) *Replay {
	proposed.Offsets = inForce.Offsets
	r := &Replay{
		rules: [2]link.Rules{inForce, proposed}, keys: map[uint16]link.PassKey{}, past: map[place]*past{}, vouched: map[lane]time.Time{},
		states: map[pass.Day]*link.State{}, groups: map[Group]int{},
	}
	for _, k := range keys {
		r.keys[k.ID] = k
	}
	return r
}

// Take takes the next entry of any type.
func (r *Replay) Take(s Scan) {
	switch s.Entry.Type {
	case link.EntryGranted, link.EntryDenied:
		r.decide(&s)
	case link.EntryPassed, link.EntryUnknown:
		r.happened(&s)
	}
}

// Report returns what was found so far.
func (r *Replay) Report() Report {
	rep := r.report
	for g, n := range r.groups {
		g.Count = n
		rep.Groups = append(rep.Groups, g)
	}
	slices.SortFunc(rep.Groups, func(a, b Group) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return (int(a.Zone)-int(b.Zone))<<24 | (int(a.Kind)-int(b.Kind))<<16 | (int(a.From)-int(b.From))<<8 | (int(a.To) - int(b.To))
	})
	rep.Changes = slices.Clone(rep.Changes)
	return rep
}

// happened notes how a passage ended.
func (r *Replay) happened(s *Scan) {
	e := &s.Entry
	if e.Pass == (pass.ID{}) {
		return
	}
	p := r.pastOf(e)
	switch {
	case e.Type == link.EntryUnknown:
		p.maybe = true
		if e.Direction == in {
			p.unknown++
		}
	case e.Direction == out:
		p.inside, p.maybe = false, false
	default:
		p.inside, p.maybe, p.entered = true, false, e.Wall
		p.used++
		if e.Kind == pass.Staff {
			r.vouched[lane{s.Lane, e.Lane}] = time.UnixMilli(e.Wall)
		}
	}
}

func (r *Replay) pastOf(e *link.Entry) *past {
	at := place{e.Pass, e.Zone}
	if r.past[at] == nil {
		r.past[at] = &past{}
	}
	return r.past[at]
}

// decide asks both rules about one scan.
func (r *Replay) decide(s *Scan) {
	e := &s.Entry
	if e.Pass == (pass.ID{}) || e.Flags&link.FlagShort != 0 {
		return // some other symbol, or a short code, whose text nobody keeps
	}
	code, ok := r.codeOf(s)
	if !ok {
		r.report.Erased++
		return
	}
	r.count(e)
	if !ruled(e.Reason) {
		r.report.Fixed++
		r.report.Reproduced++
		return
	}
	var got [2]pass.Reason
	for i := range got {
		got[i] = access.Decide(&code, r.facts(s, &code, &r.rules[i]), time.UnixMilli(e.Wall)).Reason
	}
	if got[0] == e.Reason {
		r.report.Reproduced++
	}
	r.note(s, got[0], got[1])
}

func (r *Replay) count(e *link.Entry) {
	r.report.Scans++
	if r.report.First == 0 {
		r.report.First = e.Wall
	}
	r.report.Last = e.Wall
}

func (r *Replay) note(s *Scan, from, to pass.Reason) {
	c := Change{s.Number, s.Lane, s.Entry, from, to}
	switch {
	case from == to:
		return
	case c.Opens():
		r.report.Opened++
	case c.Shuts():
		r.report.Shut++
	default:
		r.report.Reworded++
	}
	g := Group{Zone: s.Entry.Zone, Kind: s.Entry.Kind, From: from, To: to}
	if _, known := r.groups[g]; known || len(r.groups) < maxGroups {
		r.groups[g]++
	}
	if len(r.report.Changes) < maxChanges {
		r.report.Changes = append(r.report.Changes, c)
	}
}

// ruled reports whether rules have a say in a decision that came out so. What is
// refused for another reason stays refused by all rules.
func ruled(reason pass.Reason) bool {
	switch reason {
	case pass.Granted, pass.TestPass, pass.ClockUntrusted, pass.StatusUnknown, pass.WrongZone, pass.Closed, pass.Lockdown, pass.LiveMissing,
		pass.LiveStale, pass.LiveReplayed, pass.EscortNeeded, pass.AlreadyInside, pass.AlreadyUsed, pass.NotInside, pass.HomeLane:
		return true
	}
	return false
}

// codeOf returns what was scanned, as far as the ledger tells: with a tag of a
// gate key of our own, if the code was live.
func (r *Replay) codeOf(s *Scan) (pass.Code, bool) {
	code, reason := pass.Parse([]byte(s.Code))
	if reason != pass.Granted || code.ID() != s.Entry.Pass || !r.known(&code) {
		return code, false
	}
	if !wasLive(&s.Entry, &code) {
		return code, true
	}
	raw, err := encoding.DecodeString(s.Code)
	if err != nil || len(raw) != pass.Size {
		return code, false
	}
	p := code.Pass
	code, reason = pass.Parse([]byte(p.LiveText(raw[pass.BodySize:], r.gate.LiveKey(p.Body()), slotOf(&s.Entry))))
	return code, reason == pass.Granted
}

// encoding is that of codes, see central/pass/FORMAT.md.
var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

func (r *Replay) known(c *pass.Code) bool {
	_, ok := r.keys[c.KeyID]
	return ok
}

// wasLive reports whether a live code was shown: the journal says so of those
// that came as far as the check of their tag.
func wasLive(e *link.Entry, c *pass.Code) bool {
	switch {
	case e.Flags&link.FlagLive != 0, e.Slot != 0, e.Reason == pass.LiveStale, e.Reason == pass.LiveReplayed:
		return true
	case e.Reason == pass.LiveMissing:
		return false
	}
	return c.Flags&pass.LiveRequired != 0
}

// staleBy is how many slots old the code of a refusal as stale is made.
const staleBy = 100

func slotOf(e *link.Entry) uint32 {
	now := pass.SlotAt(e.Wall / 1000)
	switch {
	case e.Reason == pass.LiveStale:
		return now - staleBy
	case e.Slot != 0:
		return e.Slot
	}
	return now
}
