package pass

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
)

// Action is what a supervisor code makes its lane do.
type Action uint8

// The actions. Append only.
const (
	ActOpenIn      Action = 1 // let one person in
	ActOpenOut     Action = 2 // let one person out
	ActLockdown    Action = 3 // from now on nobody
	ActFreePassage Action = 4 // from now on every pass that is not refused itself
	ActNormal      Action = 5 // back to what central's rules say
)

var actionNames = [...]string{ActOpenIn: "open-in", ActOpenOut: "open-out", ActLockdown: "lockdown", ActFreePassage: "free-passage", ActNormal: "normal"}

// String returns the action's name as on the command line and the API.
func (a Action) String() string {
	if a == 0 || int(a) >= len(actionNames) {
		return fmt.Sprintf("action(%d)", uint8(a))
	}
	return actionNames[a]
}

// Opens reports whether the action opens the gate for one person, and does not
// change the lane's mode.
func (a Action) Opens() bool { return a == ActOpenIn || a == ActOpenOut }

// ParseAction is the inverse of Action.String for the known ones.
func ParseAction(name string) (Action, bool) {
	for a := ActOpenIn; int(a) < len(actionNames); a++ {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

// Cause is why a supervisor code may be used: what its sheet was issued for.
type Cause uint8

// The causes. Append only.
const (
	CauseOutage      Cause = 1 // central, the network or the clock does not work
	CauseCode        Cause = 2 // an honest holder's code or phone does not work
	CauseAssistance  Cause = 3 // somebody needs help to pass
	CauseVisitor     Cause = 4 // somebody is expected and has no pass
	CauseRescue      Cause = 5 // ambulance, fire brigade, police
	CauseIncident    Cause = 6
	CauseEvacuation  Cause = 7
	CauseMaintenance Cause = 8
	CauseEvent       Cause = 9
	CauseDrill       Cause = 10
)

var causeNames = [...]string{
	CauseOutage: "outage", CauseCode: "code", CauseAssistance: "assistance", CauseVisitor: "visitor", CauseRescue: "rescue",
	CauseIncident: "incident", CauseEvacuation: "evacuation", CauseMaintenance: "maintenance", CauseEvent: "event", CauseDrill: "drill",
}

// String returns the cause's name as on the command line and the API.
func (c Cause) String() string {
	if c == 0 || int(c) >= len(causeNames) {
		return fmt.Sprintf("cause(%d)", uint8(c))
	}
	return causeNames[c]
}

// ParseCause is the inverse of Cause.String for the known ones.
func ParseCause(name string) (Cause, bool) {
	for c := CauseOutage; int(c) < len(causeNames); c++ {
		if c.String() == name {
			return c, true
		}
	}
	return 0, false
}

// LaneRef stands for one lane in a supervisor code.
type LaneRef [8]byte

// LaneRefOf returns the reference of the lane with the number on a controller of
// a site.
func LaneRefOf(site, controller string, number uint8) (ref LaneRef) {
	h := sha256.Sum256([]byte("campus-lane/1\x00" + site + "\x00" + controller + "\x00" + string([]byte{number})))
	copy(ref[:], h[:])
	return ref
}

// Limits of a supervisor code. MaxAfter keeps its end within 8 times 24 hours of
// 00:00 UTC of its day: a lane that forgets used codes 8 campus days after their
// day never forgets one that is still valid.
const (
	MaxHours = 168
	MaxAfter = 8 * 24 * 3600 // s
)

// SupervisorCode is what a code of kind Supervisor says: what one lane does once,
// by hand, for which cause. It is no pass; FORMAT.md, "Supervisor codes", has its
// bytes.
type SupervisorCode struct {
	KeyID  uint16
	Day    Day
	Index  uint32 // with Day the code's name, as of a pass
	Start  int16  // minutes from 00:00 UTC of Day
	Hours  uint8  // validity, 1..168
	Action Action
	Cause  Cause
	Lane   LaneRef

	body      [BodySize]byte // as scanned
	signature [ed25519.SignatureSize]byte
}

// ParseSupervisor reads a scanned text, as Parse reads a pass: with Granted it is
// well formed, and nothing is known yet about who signed it. A pass is
// KindUnknown here, as a supervisor code is for Parse. It allocates nothing.
func ParseSupervisor(text []byte) (SupervisorCode, Reason) {
	c, r := Parse(text)
	if c.Kind != Supervisor {
		if r == Granted {
			r = KindUnknown
		}
		return SupervisorCode{}, r
	}
	if r != KindUnknown {
		return SupervisorCode{}, r
	}
	s := supervisorOf(&c.body)
	s.body, s.signature = c.body, c.signature
	if c.tailed {
		return s, Malformed
	}
	return s, c.Check()
}

func supervisorOf(b *[BodySize]byte) SupervisorCode {
	p := parseBody(b)
	return SupervisorCode{
		KeyID: p.KeyID, Day: p.Day, Index: p.Index, Start: p.Start, Hours: p.Length,
		Action: Action(b[12]), Cause: Cause(b[14]), Lane: LaneRef(p.Holder),
	}
}

// Pass returns the code in the form in which an issuer signs and writes it: the
// same 24 bytes under the names of a pass's fields.
func (s *SupervisorCode) Pass() *Pass {
	return &Pass{
		Kind: Supervisor, KeyID: s.KeyID, Day: s.Day, Index: s.Index, Start: s.Start, Length: s.Hours,
		Zones: uint16(s.Action) << 8, Generation: uint8(s.Cause), Holder: s.Lane,
	}
}

// ID returns the code's day and index.
func (s *SupervisorCode) ID() ID { return ID{s.Day, s.Index} }

// Window returns when the code is valid, as Unix seconds: from <= t < until.
func (s *SupervisorCode) Window() (from, until int64) {
	from = s.Day.UTC() + int64(s.Start)*60
	return from, from + int64(s.Hours)*3600
}

// Verify reports whether key signed the code that ParseSupervisor read. It
// allocates nothing and panics if key is not 32 bytes long.
func (s *SupervisorCode) Verify(key ed25519.PublicKey) bool {
	c := Code{body: s.body, signature: s.signature}
	return c.Verify(key)
}

// checkSupervisor is Check for the kind Supervisor.
func (p *Pass) checkSupervisor() Reason {
	b := p.Body()
	s := supervisorOf(&b)
	switch {
	case p.Flags != 0, b[13] != 0, b[15] != 0, s.Action == 0, int(s.Action) >= len(actionNames), s.Cause == 0, int(s.Cause) >= len(causeNames):
		return FlagsUnknown
	case s.Start < MinStart || s.Start > MaxStart || s.Hours == 0 || s.Hours > MaxHours, p.Index > MaxIndex,
		int(s.Start)*60+int(s.Hours)*3600 > MaxAfter:
		return Malformed
	}
	return Granted
}

// RevokedRef is what a day's list has among its blocked holders when the code
// with this id is revoked.
func (id ID) RevokedRef() [8]byte {
	return [8]byte{3: byte(id.Day >> 8), 4: byte(id.Day), 5: byte(id.Index >> 16), 6: byte(id.Index >> 8), 7: byte(id.Index)}
}
