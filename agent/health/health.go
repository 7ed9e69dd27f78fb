// Package health keeps the named warnings of a lane controller, each with what
// to do next. The same names stand on the status page, in the metrics and in
// what the lane tells central.
package health

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Severity says how soon somebody must look.
type Severity uint8

// The severities.
const (
	Notice  Severity = 1 // heals by itself, or is worth knowing
	Warning Severity = 2 // something must be done, the lane goes on
	Alarm   Severity = 3 // somebody must look now
)

// String returns the severity's name.
func (s Severity) String() string {
	switch s {
	case Notice:
		return "notice"
	case Warning:
		return "warning"
	}
	return "alarm"
}

// Code names what is wrong. The names (String) are kept for ever; numbers are
// not written anywhere.
type Code uint8

// The codes; the table below says what each asks for.
const (
	FeedNone Code = iota
	FeedStale
	FeedFork
	FeedRollback
	FeedForged
	FeedMalformed
	FeedReplayed
	FeedRoleExpired
	UplinkDown
	UplinkRefused
	UplinkOverflow
	JournalHalf
	Journal80
	Journal95
	JournalFull
	JournalFault
	JournalTorn
	JournalDamaged
	JournalForked
	CacheDamaged
	CacheFault
	GateKeysLost
	ClockUntrusted
	ClockHoldover
	CertificateExpiring
	ScannerLost
	GateLost
	GateFault
	GateTamper
	GateFire
	GateForced
	GateHeld
	GateUnready
	LaneByHand
	LaneGivenUp
	ZoneApart
	ZoneStranger
	ZoneMulticast
	ZoneForged
	ClockDisputed
	Overflow
	codes // their number
)

// definition is a code's row.
type definition struct {
	name     string
	severity Severity
	nextStep string
}

var table = [codes]definition{
	FeedNone:            {"feed.none", Alarm, "Connect the lane to central once; until then it refuses every code."},
	FeedStale:           {"feed.stale", Warning, "Check the network to central and whether central runs; the lane goes on by its freshness policy."},
	FeedFork:            {"feed.fork", Alarm, "Call the office: two histories are signed with central's keys. A restored backup needs a new epoch; otherwise a key is stolen."},
	FeedRollback:        {"feed.rollback", Alarm, "Call the office: an old document was sent again as if it were new."},
	FeedForged:          {"feed.forged", Alarm, "Call the office: somebody publishes messages that central did not sign."},
	FeedMalformed:       {"feed.malformed", Warning, "Update central and this agent to matching versions; if they are, somebody publishes garbage."},
	FeedReplayed:        {"feed.replayed", Notice, "Messages came twice, late or out of order; the lane asked for what lacked. Look at the network if this stays."},
	FeedRoleExpired:     {"feed.role_expired", Alarm, "Sign a new delegation with the root keys."},
	UplinkDown:          {"uplink.down", Warning, "Check the network and the broker; entries wait in the journal."},
	UplinkRefused:       {"uplink.refused", Warning, "The broker refuses this lane or shows a foreign certificate: check its address, then enrol the lane again."},
	UplinkOverflow:      {"uplink.overflow", Notice, "Messages came faster than they could be taken; the lane asks for them again."},
	JournalHalf:         {"journal.50", Notice, "Half of the space for entries waits for central: check that it acknowledges."},
	Journal80:           {"journal.80", Warning, "Let the lane reach central within hours: the journal is filling."},
	Journal95:           {"journal.95", Alarm, "Let the lane reach central now: soon nothing can be recorded."},
	JournalFull:         {"journal.full", Alarm, "Nobody is let in any more, and only alarms and results are written: let the lane reach central, or free space on its disk."},
	JournalFault:        {"journal.fault", Alarm, "The disk refuses to be written or read: replace it. What it still gives is kept and sent."},
	JournalTorn:         {"journal.torn", Notice, "Power went during a write; nothing that was promised is lost."},
	JournalDamaged:      {"journal.damaged", Alarm, "Entries on this disk cannot be read: keep the files named in the detail for the office and replace the disk."},
	JournalForked:       {"journal.forked", Alarm, "Central has other entries under this lane's numbers: call the office; nothing is dropped here."},
	CacheDamaged:        {"cache.damaged", Warning, "The cache was set aside and comes from central again; replace the disk if this happens twice."},
	CacheFault:          {"cache.fault", Alarm, "Central's changes cannot be stored: free space on the disk or replace it."},
	GateKeysLost:        {"cache.gate_keys", Notice, "Live codes cannot be checked before central has sent the gate keys again."},
	ClockUntrusted:      {"clock.untrusted", Warning, "Let the lane reach central, which tells it the time, or set up time synchronisation (NTP); guests are refused meanwhile."},
	ClockHoldover:       {"clock.holdover", Notice, "Central has not told the time for a while; the lane's own reckoning is good for a time yet."},
	CertificateExpiring: {"certificate.expiring", Warning, "The lane renews it by itself when central can be reached on its enrolment port; look at the log for why it did not, or enrol the lane again."},
	ScannerLost:         {"scanner.lost", Alarm, "Plug the scanner in again or replace it."},
	GateLost:            {"gate.lost", Alarm, "Check power and cable of the gate's controller."},
	GateHeld:            {"gate.held", Alarm, "Go and look: the door or barrier stands open after a passage."},
	GateUnready:         {"gate.unready", Warning, "Look at the gate: its own contact says that it takes nobody. It may be blocked, switched off or set to service."},
	GateFault:           {"gate.fault", Alarm, "Look at the gate: its controller reports a fault."},
	GateTamper:          {"gate.tamper", Alarm, "Look at the gate: its housing is open."},
	GateFire:            {"gate.fire", Alarm, "Fire release is on: the gate stands open."},
	GateForced:          {"gate.forced", Alarm, "Look at the gate: it was turned without a grant."},
	LaneByHand:          {"lane.by_hand", Warning, "A supervisor code set this lane's mode: scan the sheet's normal code, or change central's rules, to end it."},
	LaneGivenUp:         {"lane.given_up", Alarm, "Entries were lost because the journal took none: replace the disk, and tell the office which lane and when."},
	ZoneApart:           {"zone.apart", Warning, "This lane reaches neither central nor all lanes of its zone: what is used up there is not known here. Check both networks."},
	ZoneStranger:        {"zone.stranger", Warning, "Central's list of this zone's lanes is missing or does not name this one: let it reach central once; others do not believe it meanwhile."},
	ZoneMulticast:       {"zone.multicast", Warning, "The gate network's interface cannot be used: check its name in the configuration, its cable, and the group."},
	ZoneForged:          {"zone.forged", Alarm, "Somebody on the gate network sends what no lane has signed: look who else is connected there."},
	ClockDisputed:       {"clock.disputed", Alarm, "This machine's time server and central disagree: find out which of the two is wrong. The lane goes by central."},
	Overflow:            {"health.overflow", Warning, "More is wrong than is listed here: look at the log."},
}

// String returns the code's name.
func (c Code) String() string {
	if c >= codes {
		c = Overflow
	}
	return table[c].name
}

// Codes returns all codes.
func Codes() []Code {
	all := make([]Code, codes)
	for i := range all {
		all[i] = Code(i)
	}
	return all
}

// Entry is one standing warning.
type Entry struct {
	Code     string    `json:"code"`
	Subject  string    `json:"subject,omitempty"` // e.g. the lane or the port; "": the controller
	Severity string    `json:"severity"`
	Detail   string    `json:"detail"`
	NextStep string    `json:"next_step"`
	Since    time.Time `json:"since"`
	Count    uint64    `json:"count"` // how often it was raised
}

// Bounds of a set: what raises warnings may be hostile.
const (
	MaxEntries = 64
	MaxDetail  = 300 // bytes
)

type key struct {
	code    Code
	subject string
}

// Set holds what stands. Its methods may be called from several goroutines.
type Set struct {
	now func() time.Time
	mu  sync.Mutex
	on  map[key]Entry // guarded by mu
}

// New returns an empty set; now stamps when a warning came up.
func New(now func() time.Time) *Set { return &Set{now: now, on: map[key]Entry{}} }

// Raise puts a warning up, or renews its detail. It reports whether it is new.
func (s *Set) Raise(c Code, subject, detail string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{c, clip(subject)}
	e, known := s.on[k]
	if !known && len(s.on) >= MaxEntries {
		k = key{Overflow, ""}
		e, known = s.on[k]
		if !known {
			s.evict()
		}
	}
	if !known {
		d := table[min(k.code, Overflow)]
		e = Entry{Code: d.name, Subject: k.subject, Severity: d.severity.String(), NextStep: d.nextStep, Since: s.now()}
	}
	e.Detail, e.Count = clip(detail), e.Count+1
	s.on[k] = e
	return !known
}

// evict makes room for Overflow: the youngest of the least severe goes.
func (s *Set) evict() {
	var out key
	first := true
	for k, e := range s.on {
		o := s.on[out]
		if first || table[k.code].severity < table[out.code].severity || table[k.code].severity == table[out.code].severity && e.Since.After(o.Since) {
			out, first = k, false
		}
	}
	delete(s.on, out)
}

func clip(s string) string {
	if len(s) > MaxDetail {
		return s[:MaxDetail]
	}
	return s
}

// Clear takes a warning down. It reports whether it stood.
func (s *Set) Clear(c Code, subject string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{c, clip(subject)}
	_, stood := s.on[k]
	delete(s.on, k)
	return stood
}

// Put raises or clears a warning by a condition.
func (s *Set) Put(on bool, c Code, subject, detail string) {
	if on {
		s.Raise(c, subject, detail)
	} else {
		s.Clear(c, subject)
	}
}

// List returns what stands, the most severe and oldest first.
func (s *Set) List() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	type row struct {
		severity Severity
		Entry
	}
	var rows []*row
	for k, e := range s.on {
		rows = append(rows, &row{table[k.code].severity, e})
	}
	slices.SortFunc(rows, func(a, b *row) int {
		return cmp.Or(-cmp.Compare(a.severity, b.severity), a.Since.Compare(b.Since), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
	})
	list := make([]Entry, len(rows))
	for i, r := range rows {
		list[i] = r.Entry
	}
	return list
}

// Standing returns the names of the codes that stand, each once, for LaneState.
func (s *Set) Standing() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for k := range s.on {
		names = append(names, k.code.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}
