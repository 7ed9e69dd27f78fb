package pass

import "fmt"

// Reason says why a decision is what it is. The numbers stand in journals and
// in the ledger for years: append only, never give one a new meaning.
type Reason uint8

// The reasons in the order in which a lane checks (FORMAT.md, "Order of checks").
const (
	Granted        Reason = 0
	Unreadable     Reason = 1  // framing: too long, binary, or broken off
	Foreign        Reason = 2  // some other QR code
	Malformed      Reason = 3  // one of ours, damaged
	VersionUnknown Reason = 4  // a pass version that this lane does not know
	KindUnknown    Reason = 5  // a kind that this lane does not know
	FlagsUnknown   Reason = 6  // a condition that this lane does not know
	TestPass       Reason = 7  // a test pass in production
	KeyUnknown     Reason = 8  // no such pass key here
	KeyRevoked     Reason = 9  // the key was withdrawn, or is not for this kind or day
	Forged         Reason = 10 // the signature is not the key's
	ClockUntrusted Reason = 11 // the lane does not know what day it is
	TooEarly       Reason = 12
	Expired        Reason = 13
	Revoked        Reason = 14
	Held           Reason = 15
	StatusUnknown  Reason = 16 // the lane's lists are too old to tell
	HolderBlocked  Reason = 17
	Superseded     Reason = 18 // a newer one was issued in its place
	WrongZone      Reason = 19
	Closed         Reason = 20 // outside of opening hours
	Lockdown       Reason = 21
	LiveMissing    Reason = 22 // a still picture of a pass that must be shown live
	LiveForged     Reason = 23
	LiveStale      Reason = 24 // a live code of another minute: a screenshot
	LiveReplayed   Reason = 25 // a live code that somebody already used
	EscortNeeded   Reason = 26
	AlreadyInside  Reason = 27
	AlreadyUsed    Reason = 28
	GateFault      Reason = 29 // the gate does not answer
	JournalFault   Reason = 30 // the entry could not be written
	NoFeed         Reason = 31 // the lane never heard from central
	NotInside      Reason = 32 // anti-passback on the way out: it never came in
	HomeLane       Reason = 33 // the lane is cut off from the others, and another one answers for this pass meanwhile
	WrongLane      Reason = 34 // a supervisor code for another lane
)

// reasonNames are indexed by number.
var reasonNames = [...]string{
	"GRANTED", "UNREADABLE", "FOREIGN", "MALFORMED", "VERSION_UNKNOWN", "KIND_UNKNOWN", "FLAGS_UNKNOWN",
	"TEST_PASS", "KEY_UNKNOWN", "KEY_REVOKED", "FORGED", "CLOCK_UNTRUSTED", "TOO_EARLY", "EXPIRED",
	"REVOKED", "HELD", "STATUS_UNKNOWN", "HOLDER_BLOCKED", "SUPERSEDED", "WRONG_ZONE", "CLOSED", "LOCKDOWN",
	"LIVE_REQUIRED", "LIVE_FORGED", "LIVE_STALE", "LIVE_REPLAYED", "ESCORT_NEEDED", "ALREADY_INSIDE",
	"ALREADY_USED", "GATE_FAULT", "JOURNAL_FAULT", "NO_FEED", "NOT_INSIDE", "HOME_LANE", "WRONG_LANE",
}

// String returns the reason's name as it stands in logs, on the API and in vectors.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("REASON_%d", uint8(r))
}

// ParseReason is the inverse of String for the named reasons.
func ParseReason(name string) (Reason, bool) {
	for i, n := range reasonNames {
		if n == name {
			return Reason(i), true
		}
	}
	return 0, false
}

// Authentic reports whether a refusal for r says that the signature was good,
// so that what the code claims to be may be believed.
func (r Reason) Authentic() bool {
	return r > Forged && r <= AlreadyUsed || r >= NotInside && r <= WrongLane
}

// Reasons returns all of them in order.
func Reasons() []Reason {
	all := make([]Reason, len(reasonNames))
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}
