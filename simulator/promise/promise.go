// Package promise checks what the product promises on a running campus: a Witness
// notes what an onlooker sees and what the office knows, Look takes a picture of
// the whole campus, and Check compares what was seen on the wires with the lanes'
// journals, central's ledger and the feed.
//
// Whatever breaks a campus, for tests, drills or training, is held to the same list.
package promise

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/parity"
)

// Opening is one time that a relay went on, as seen on the wire.
type Opening struct {
	Controller string
	Lane       uint8
	Number     uint32 // of the grant, as the gate was told
	At         time.Time
}

// Journal is a copy of one journal of a lane controller.
type Journal struct {
	Controller string
	ID         string
	Acked      uint64 // what the lane controller says that central has
	Entries    []link.Entry
}

// Pass is what the office knows of a pass that it issued.
type Pass struct {
	Kind    pass.Kind
	Entries uint8                // 0: without limit
	Revoked uint64               // the feed event, 0: not revoked, or not known to be
	Refused map[string]time.Time // lane controllers that have acknowledged it, and since when that is known
}

// Steel is a lane as an onlooker sees it.
type Steel struct {
	Controller string
	Lane       uint8
	Relay      bool
	Locked     bool
	Passage    bool // somebody may walk
}

// Picture is everything that is known at one moment.
type Picture struct {
	Openings []Opening // by time
	Journals []Journal // of a lane controller in the order of their begin
	Ledger   []office.PassageBody
	Passes   map[string]Pass
	Codes    map[string]Code // supervisor codes, by pass id
	// Withdrawn are the keys that were withdrawn: whoever has applied the event
	// knows.
	Withdrawn map[uint16]uint64
	Locks     []Lock         // by time
	Rules     []Rules        // by time
	Commands  map[string]int // openings by command that the office asked for, by controller/lane
	// Of a campus that is healed: no fault is on, nobody is on the way.
	Healed bool
	Feed   office.FeedBody
	Ruled  uint64 // version of central's rules
	Lanes  []office.LaneBody
	Steel  []Steel
}

// Lock is one lockdown of a zone, by rules of central.
type Lock struct {
	Zone    uint8
	Version uint64               // of the rules
	Since   map[string]time.Time // lane controllers that have acknowledged them, and since when that is known
	Until   time.Time            // when other rules were first asked for; zero: it stands
}

// Rules is a version of the rules, and when it was asked for.
type Rules struct {
	Version uint64
	At      time.Time
}

// Code is a supervisor code that the office issued.
type Code struct {
	Controller string
	Lane       uint8
	Action     pass.Action
}

// Violation is a promise that was broken.
type Violation struct {
	Promise string `json:"promise"`
	Detail  string `json:"detail"`
}

// String is the violation in one line.
func (v Violation) String() string { return v.Promise + ": " + v.Detail }

// refusedWithin is how long after a lane has acknowledged a revocation a gate
// can still open for it: the decision before, on its way over a bad line.
const refusedWithin = 3 * time.Second

// Eventual reports whether a campus that was just healed may still be about to keep
// the promise; the others are broken once for all.
func (v Violation) Eventual() bool { return eventual[v.Promise] }

var eventual = map[string]bool{promiseLost: true, promiseConverge: true, promiseClosed: true, promiseResult: true, promiseShared: true}

// checker collects violations.
type checker struct {
	*Picture
	found []Violation
}

func (c *checker) wrong(promise, format string, args ...any) {
	c.found = append(c.found, Violation{promise, fmt.Sprintf(format, args...)})
}

// Check returns the promises that a picture breaks.
func Check(p *Picture) []Violation {
	c := checker{Picture: p}
	c.openings()
	for i := range p.Journals {
		c.journal(&p.Journals[i])
	}
	c.floors()
	c.codes()
	c.commands()
	c.ledger()
	if p.Healed {
		c.shared()
		c.closed()
		c.converged()
	}
	return c.found
}

// The promises. Kept and Secrets are looked at by who holds two pictures, or the logs.
const (
	promiseGrant    = "no opening without its durable grant"
	promiseRefused  = "no opening on a pass that the lane has acknowledged as revoked"
	promiseRevoked  = "no grant on a pass that the lane's own list refuses"
	promiseIssued   = "no grant on a pass that nobody issued"
	promiseCommand  = "no opening by a command that nobody gave"
	promisePolicy   = "the freshness policy"
	promiseEntries  = "no more entries than the pass has"
	promiseShared   = "no more entries than the pass has over all lanes, unless they are marked"
	promiseWithdrew = "no grant on a key that the lane's own list has withdrawn"
	promiseLocked   = "no opening in a zone that the lane has acknowledged as locked down"
	promiseHand     = "no opening at a lane that was locked down by hand"
	promiseCode     = "a supervisor code does what it says, once, at its lane"
	Secrets         = "no secret in a log"
	promiseResult   = "each grant ends once"
	promiseNumbers  = "a journal without gaps"
	promiseBack     = "a lane never goes back"
	promiseChain    = "all lanes have central's history"
	promiseOnce     = "each entry once in the ledger"
	Kept            = "what was acknowledged is kept"
	promiseLost     = "no entry lost"
	promiseClosed   = "lanes end closed"
	promiseConverge = "lanes reach central's state"
)

// openings finds for each opening the grant that the lane wrote before it. A
// grant without an opening is possible (the gate did not answer), the other way
// round never.
func (c *checker) openings() {
	grants := map[string][]link.Entry{}
	for _, j := range c.Journals {
		for _, e := range j.Entries {
			if e.Type == link.EntryGranted {
				at := fmt.Sprintf("%s/%d", j.Controller, e.Lane)
				grants[at] = append(grants[at], e)
			}
		}
	}
	modes := c.modes()
	for _, o := range c.Openings {
		at := fmt.Sprintf("%s/%d", o.Controller, o.Lane)
		i := slices.IndexFunc(grants[at], func(e link.Entry) bool { return e.Detail == uint16(o.Number) })
		if i < 0 {
			c.wrong(promiseGrant, "lane %s opened for number %d at %s, and no grant is left for it", at, o.Number, stamp(o.At))
			continue
		}
		e := grants[at][i]
		grants[at] = grants[at][i+1:]
		c.locked(&o, &e, modes[at])
		since, refused := c.Passes[e.Pass.String()].Refused[o.Controller]
		if refused && o.At.After(since.Add(refusedWithin)) {
			c.wrong(promiseRefused, "lane %s opened for %s at %s (entry %d), acknowledged as refused before %s", at, e.Pass, stamp(o.At), e.Seq, stamp(since))
		}
	}
}

func stamp(t time.Time) string { return t.Format("15:04:05.000") }

// journal checks the entries of one journal.
func (c *checker) journal(j *Journal) {
	results, used, free := map[uint64]int{}, map[string]int{}, map[uint64]bool{}
	last := map[uint8]uint64{} // feed seq, by lane
	for i, e := range j.Entries {
		if e.Seq != uint64(i)+1 {
			c.wrong(promiseNumbers, "%s: entry %d stands where %d must be", j.Controller, e.Seq, i+1)
			return
		}
		switch e.Type {
		case link.EntryGranted:
			c.grant(j, &e)
			results[e.Seq] += 0
			free[e.Seq] = e.Flags&link.FlagFreePassage != 0
		case link.EntryPassed, link.EntryNotPassed, link.EntryUnknown:
			results[e.Grant]++
			if e.Type != link.EntryNotPassed && !free[e.Grant] { // a zone that stands open counts nothing
				used[fmt.Sprintf("%s in zone %d", e.Pass, e.Zone)]++
				c.uses(j, &e, used[fmt.Sprintf("%s in zone %d", e.Pass, e.Zone)])
			}
		}
		if e.Type == link.EntryGranted && e.Kind != pass.Supervisor { // a refusal with less than before is the safe side: no feed at all
			if e.FeedSeq < last[e.Lane] {
				c.wrong(promiseBack, "%s: grant %d knows feed event %d, one before it knew %d", j.Controller, e.Seq, e.FeedSeq, last[e.Lane])
			}
			last[e.Lane] = e.FeedSeq
		}
	}
	for seq, n := range results {
		if n > 1 || n == 0 && c.Healed {
			c.wrong(promiseResult, "%s: grant %d has %d results", j.Controller, seq, n)
		}
	}
}

// uses checks one more use of a pass against its entries.
func (c *checker) uses(j *Journal, e *link.Entry, n int) {
	p, ok := c.Passes[e.Pass.String()]
	if ok && p.Entries > 0 && e.Direction == 1 && n > int(p.Entries) {
		c.wrong(promiseEntries, "%s: entry %d is use %d of %s, which has %d", j.Controller, e.Seq, n, e.Pass, p.Entries)
	}
}

// grant checks that a grant was right by what the lane knew.
func (c *checker) grant(j *Journal, e *link.Entry) {
	if event, gone := c.Withdrawn[e.KeyID]; gone && e.FeedSeq >= event {
		c.wrong(promiseWithdrew, "%s: grant %d for %s at feed event %d, its key %d is withdrawn since event %d", j.Controller, e.Seq, e.Pass, e.FeedSeq, e.KeyID, event)
	}
	if e.Kind == pass.Supervisor || e.Kind == pass.Command {
		return // see codes and commands
	}
	p, ok := c.Passes[e.Pass.String()]
	if !ok {
		c.wrong(promiseIssued, "%s: grant %d for %s", j.Controller, e.Seq, e.Pass)
		return
	}
	if p.Revoked != 0 && e.FeedSeq >= p.Revoked {
		c.wrong(promiseRevoked, "%s: grant %d for %s at feed event %d, revoked by event %d", j.Controller, e.Seq, e.Pass, e.FeedSeq, p.Revoked)
	}
	const marked = link.FlagStamped | link.FlagAlarm
	if e.Clock == link.ClockUntrusted {
		if p.Kind == pass.Guest || e.Flags&link.FlagStamped == 0 {
			c.wrong(promisePolicy, "%s: grant %d for a %s pass, marks %#x, with an untrusted clock", j.Controller, e.Seq, p.Kind, e.Flags)
		}
		return
	}
	rules := link.Rules{Policies: link.DefaultPolicies()}
	action := rules.Policy(p.Kind).Ages[link.AgeBand(int64(e.FeedAge), e.FeedAge != 1<<32-1)]
	marks := parity.Marks(action)
	if p.Entries > 0 && e.Flags&link.FlagStamped != 0 {
		marks |= link.FlagStamped // a lane that is cut off from the others marks passes with a number of entries
	}
	if parity.Refuses(action, e.Flags&link.FlagLive != 0, p.Entries == 1) || e.Flags&marked != marks {
		c.wrong(promisePolicy, "%s: grant %d for a %s pass, marks %#x, at a feed age of %d s", j.Controller, e.Seq, p.Kind, e.Flags, e.FeedAge)
	}
}

// floors checks that no lane controller's floor sinks, and that all of them saw
// one history.
func (c *checker) floors() {
	seen := map[string]string{}
	for _, j := range c.Journals {
		var last link.Floor
		for _, e := range j.Entries {
			f := e.Floor
			if e.Type != link.EntryFloor {
				continue
			}
			if f.Epoch < last.Epoch || f.Epoch == last.Epoch && f.Seq < last.Seq || f.Keyset < last.Keyset || f.Rules < last.Rules {
				c.wrong(promiseBack, "%s: floor in entry %d is below the one before", j.Controller, e.Seq)
			}
			last = *f
			at, chain := fmt.Sprintf("%d/%d", f.Epoch, f.Seq), hex.EncodeToString(f.Chain[:])
			if other, ok := seen[at]; ok && other != chain {
				c.wrong(promiseChain, "%s: event %s has another hash than elsewhere", j.Controller, at)
			}
			seen[at] = chain
		}
		if c.Healed && len(j.Entries) > 0 && j.ID == c.newest(j.Controller) && (last.Seq != c.Feed.Seq || hex.EncodeToString(last.Chain[:]) != c.Feed.Chain) {
			c.wrong(promiseConverge, "%s: its last floor is event %d %x, central is at %d %.8s", j.Controller, last.Seq, last.Chain[:4], c.Feed.Seq, c.Feed.Chain)
		}
	}
}

// newest is the journal that a lane controller writes to.
func (c *checker) newest(controller string) (id string) {
	for _, j := range c.Journals {
		if j.Controller == controller {
			id = j.ID
		}
	}
	return id
}

// ledger compares central's rows with the journals.
func (c *checker) ledger() {
	type key struct {
		controller, journal string
		seq                 uint64
	}
	rows := map[key]*office.PassageBody{}
	for i := range c.Ledger {
		r := &c.Ledger[i]
		k := key{r.Controller, r.Journal, r.Seq}
		if rows[k] != nil {
			c.wrong(promiseOnce, "rows %d and %d are both entry %d of %s", rows[k].Number, r.Number, r.Seq, r.Controller)
		}
		if r.Number != int64(i)+1 {
			c.wrong(Kept, "ledger row %d stands where %d must be", r.Number, i+1)
		}
		rows[k] = r
	}
	for _, j := range c.Journals {
		for i := range j.Entries {
			e := &j.Entries[i]
			r := rows[key{j.Controller, j.ID, e.Seq}]
			switch {
			case r == nil && e.Seq <= j.Acked:
				c.wrong(Kept, "entry %d of %s was acknowledged and is not in the ledger", e.Seq, j.Controller)
			case r == nil && c.Healed:
				c.wrong(promiseLost, "entry %d of %s is not in the ledger", e.Seq, j.Controller)
			case r != nil && !same(e, r):
				c.wrong(promiseLost, "entry %d of %s is another one in the ledger: %s", e.Seq, j.Controller, r.Type)
			}
			delete(rows, key{j.Controller, j.ID, e.Seq})
		}
	}
	for k, r := range rows {
		c.wrong(promiseLost, "row %d is entry %d of %s, which its journal does not have", r.Number, k.seq, k.controller)
	}
}

// same compares an entry with its row in the API's words.
func same(e *link.Entry, r *office.PassageBody) bool {
	ok := int(e.Lane) == r.Lane && e.Boot == r.Boot && e.Grant == r.Grant && e.FeedSeq == r.FeedSeq && r.Time.UnixMilli() == e.Wall
	if e.Kind != 0 && e.Kind != pass.Command { // a command has no pass
		ok = ok && r.Pass == e.Pass.String()
	}
	if e.Type == link.EntryGranted || e.Type == link.EntryDenied {
		ok = ok && r.Reason == e.Reason.String()
	}
	return ok
}

// closed checks the steel of a healed campus.
func (c *checker) closed() {
	for _, s := range c.Steel {
		if s.Relay || !s.Locked || s.Passage {
			c.wrong(promiseClosed, "%s lane %d: relay %t, locked %t, passage %t", s.Controller, s.Lane, s.Relay, s.Locked, s.Passage)
		}
	}
}

// converged checks what the lane controllers of a healed campus report.
func (c *checker) converged() {
	for _, l := range c.Lanes {
		if !l.Alive || !l.UpToDate || l.AppliedSeq != c.Feed.Seq || l.Rules < c.Ruled || l.Backlog != 0 {
			c.wrong(promiseConverge, "%s: alive %t, up to date %t, event %d of %d, rules %d of %d, backlog %d", l.ID, l.Alive, l.UpToDate, l.AppliedSeq, c.Feed.Seq, l.Rules, c.Ruled, l.Backlog)
		}
	}
}
