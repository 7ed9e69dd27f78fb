// Package gate says what a gate can do for a lane and what it reports back, whatever drives it.
//
// It is a contract: standard library only, no goroutine, no log, no clock. One
// folder below is one driver, but for passage, which drivers of a device without
// a memory share; gatetest holds the suite that each of them passes, and a fake
// that passes it too.
package gate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Limits of a Grant. A driver may be narrower, never wider.
const (
	DefaultPulse  = 200 * time.Millisecond // what gates on the market ask for is 100 ms or more
	MaxPulse      = time.Second            // a longer one means "hold open" to some gates
	MinPulse      = 50 * time.Millisecond
	DefaultWindow = 5 * time.Second
	MinWindow     = time.Second
	MaxWindow     = 15 * time.Second
	// Grace is how long after Window a driver waits for the device's own word
	// before it reports NotPassed by itself.
	Grace = 3 * time.Second
)

// What Open answers. After any error but ErrUnsure the gate did not open for
// this grant and no outcome of it will follow.
var (
	ErrClosed   = errors.New("gate: not running")                                                                // before Run, or after it returned
	ErrLost     = errors.New("gate: no connection to the gate; check its power and cable")                       // State().Err says more
	ErrBusy     = errors.New("gate: a passage is under way; wait for its outcome")                               // or the outcomes are not being read
	ErrRepeated = errors.New("gate: grant number used before; use one above State().LastGrant")                  // opens nothing
	ErrRefused  = errors.New("gate: the gate refused")                                                           // fire, tamper, a direction it does not have
	ErrInvalid  = errors.New("gate: invalid grant")                                                              // number 0 or no direction
	ErrUnsure   = errors.New("gate: asked, and no answer came; the gate may be open, its outcome event follows") // treat it as granted
	ErrStarted  = errors.New("gate: Run was called before; make a new gate instead")                             // only from Run
)

// Direction is the way a person walks, seen from outside the premises.
type Direction uint8

const (
	In  Direction = 1
	Out Direction = 2
)

func (d Direction) String() string { return name(int(d), "none", "in", "out") }

// Grant asks for one opening for one person.
type Grant struct {
	// Number rises by at least one with each grant of a lane, never 0. A number
	// that is not above the last one the device accepted opens nothing, so a
	// repeated request cannot let two people in. Compared in the wrap-around
	// sense: b is above a when int32(b-a) > 0.
	Number    uint32
	Direction Direction
	Pulse     time.Duration // how long the relay is on; 0 means DefaultPulse, held within MinPulse..MaxPulse
	Window    time.Duration // how long the person has to walk; 0 means DefaultWindow, held within MinWindow..MaxWindow
	// Card is what a gate behind an access panel tells the panel: the pass's
	// index on its day. Other gates ignore it; 0 if there is none.
	Card uint32
}

// Within returns g with its defaults filled in and its times held within the
// limits, or an error that wraps ErrInvalid.
func (g Grant) Within() (Grant, error) {
	if g.Number == 0 {
		return g, fmt.Errorf("%w: number 0; count from 1", ErrInvalid)
	}
	if g.Direction != In && g.Direction != Out {
		return g, fmt.Errorf("%w: direction %d; use 1 (in) or 2 (out)", ErrInvalid, g.Direction)
	}
	if g.Pulse == 0 {
		g.Pulse = DefaultPulse
	}
	if g.Window == 0 {
		g.Window = DefaultWindow
	}
	g.Pulse = min(max(g.Pulse, MinPulse), MaxPulse)
	g.Window = min(max(g.Window, MinWindow), MaxWindow)
	return g, nil
}

// Signal is what the person sees and hears: a pattern of LED and buzzer.
type Signal uint8

const (
	Idle       Signal = 0 // ready for a scan
	Wait       Signal = 1 // deciding, or the passage before is not over
	Granted    Signal = 2 // walk
	Denied     Signal = 3 // refused
	Again      Signal = 4 // could not be read: scan again
	Guard      Signal = 5 // see the guard
	Closed     Signal = 6 // this lane is closed
	OutOfOrder Signal = 7 // this lane does not work: use another
)

// Signals is the number of Signal values; all are below it.
const Signals = 8

func (s Signal) String() string {
	return name(int(s), "idle", "wait", "granted", "denied", "again", "guard", "closed", "out of order")
}

// EventKind is what happened at a gate. Numbers are never reused.
type EventKind uint8

const (
	Passed     EventKind = 1  // outcome: a person walked through on Grant
	NotPassed  EventKind = 2  // outcome: nobody walked within the window, the gate is locked again
	Forced     EventKind = 3  // passage: somebody went through without a grant
	Tailgated  EventKind = 4  // passage: a second person went through on Grant
	Fire       EventKind = 5  // the fire alarm released the gate; the driver only observes it
	FireOver   EventKind = 6  //
	Tamper     EventKind = 7  // the controller's case is open
	TamperOver EventKind = 8  //
	Lost       EventKind = 9  // the device is gone or silent; with Grant set it is that grant's outcome: unknown
	Found      EventKind = 10 // the device answers, also the first time; Detail names it
	Fault      EventKind = 11 // Detail says what; Grant is set when a late outcome came for one already reported
	Held       EventKind = 12 // the door or barrier stands open after the passage; Detail says for how long
	HeldOver   EventKind = 13 // it is shut again
)

func (k EventKind) String() string {
	return name(int(k), "none", "passed", "not passed", "forced", "tailgated", "fire", "fire over",
		"tamper", "tamper over", "lost", "found", "fault", "held open", "shut again")
}

// Passage reports whether k is about somebody walking or not walking through.
// Such events are never dropped.
func (k EventKind) Passage() bool { return k >= Passed && k <= Tailgated }

// Event is one thing that happened at the gate.
type Event struct {
	Kind      EventKind
	Direction Direction // 0 if it has none or the gate cannot tell
	Grant     uint32    // 0 if none
	At        time.Time // when it happened, by this host's clock
	Detail    string    // for people and logs; "" mostly
}

// State is what a gate is like now.
type State struct {
	Connected bool   // the device is there and answers
	Err       error  // why it is not; nil while connected and before the first try
	Device    string // model and firmware version as it names itself; "" before the first contact
	LastGrant uint32 // highest number that the device is known to have accepted; the next must be above
	Busy      uint32 // number of the grant whose outcome is awaited; 0 if none
	Fire      bool   // the fire alarm is on
	Tamper    bool   // the case is open
	Held      bool   // the door or barrier stands open after a passage
	Unready   bool   // the gate's own contact says that it takes no grant now; Open answers ErrBusy
	Relay     bool   // the relay's coil is on, as last reported
	Contact   bool   // the lock's own contact says unlocked, as last reported; false where there is none
	Garbled   uint64 // frames thrown away for a bad checksum or shape
	Resent    uint64 // requests sent more than once
	Dropped   uint64 // events without a passage that found no room in the channel
	Reopened  uint64 // times the device came back after it was lost
}

// Gate owns one gate.
//
// All methods may be called from any goroutine at any time. A gate never opens
// by itself, by a retry, or because a connection was lost or regained.
type Gate interface {
	// Run owns the device until ctx ends; it then drops the relay, releases the
	// device, closes Events and returns nil. It survives unplugging and
	// replugging by itself. It returns an error only when it can never work.
	// Run is called once.
	Run(ctx context.Context) error
	// Open opens the gate for one person. It returns nil when the device has
	// accepted; the driver repeats the request on a bad line, which never opens
	// twice. Otherwise it returns one of the errors above, wrapped. When ctx
	// ends before the request left, that is ctx.Err(); after, ErrUnsure.
	// Every Open that returned nil or ErrUnsure is followed by exactly one
	// outcome event with its number: Passed, NotPassed (from the device, or by
	// the driver's timer at Window+Grace) or Lost. The number counts as used.
	// The outcome can be on the channel before Open has returned.
	Open(ctx context.Context, g Grant) error
	// Show sets the signal for d, after which it is Idle again; d of 0 means
	// until the next Show. It never blocks and never fails: the last one wins,
	// it is repeated when a lost device comes back, and a gate without lights
	// ignores it.
	Show(s Signal, d time.Duration)
	// Events is the one channel that events arrive on. It is bounded: while it
	// is nearly full Open answers ErrBusy, so that outcomes always find room,
	// passages that the device reports wait in the device, and other events are
	// dropped and counted. An outcome of a grant that an earlier process made
	// is delivered with that number, perhaps more than once. When ctx ends while
	// an outcome is awaited, that is what the device still says within half a
	// second of being locked, else Lost. Run closes the channel when it returns;
	// what is in it can still be read.
	Events() <-chan Event
	// State returns the state as of now.
	State() State
}

// name returns names[i], or the number for one that this version does not know.
func name(i int, names ...string) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown (%d)", i)
}
