// Package wallclock says what time it is on the campus, and how far that can be trusted.
//
// The machine's clock is one witness and no more; nothing here sets it. What is
// known is kept as a span of times on a monotonic clock that nobody can set,
// that no time daemon steers and that counts while the machine sleeps; a span
// grows at both ends with the drift of a cheap crystal. When the machine's clock
// lies in the span it is the time. When it does not, the time is the span's
// middle, and Reading.Offset is what the machine's clock is wrong by: a board
// that begins in 1970 decides rightly as soon as one signed answer came.
//
// Witnesses, the stronger first:
//
//	answer   central's signed TIME to a nonce of this lane (TOPICS.md, "Time"): it was
//	         made between question and receipt, so both ends are known
//	head     central's signed word that it is at least so late; no upper end, for
//	         whoever delivers may hold it back. The journal's floor is the last of these
//	machine  the kernel's word that a time daemon keeps the clock, or the
//	         configuration's that something else does (trust_system)
//
// States:
//
//	trusted    a witness stands: an answer of the last AnswerStands with an error of at
//	           most Close, or the machine's word of such an error, which central does
//	           not contradict
//	holdover   the error is at most MaxBound, by an answer or the machine's word of
//	           earlier
//	untrusted  all else. Time is then the machine's, or what central has
//	           signed if that is later
//
// While an answer's span is narrow enough, no time daemon's word is believed
// against it, and none makes its bound smaller. Without one the machine's word is all there is: a time server that
// lies to a lane that never heard an answer is believed, unless it goes
// behind what central signed. No claim of an answer is ever wrong by more than its
// bound if central is honest to within slack, the crystal keeps to Drift, and
// sleep is counted. A pause that the kernel does not count (a virtual machine
// that was frozen) is noticed when the machine's clock is set after it, or by the
// next head; either ends the claim until the next answer.
package wallclock

import (
	"errors"
	"math"
	"sync"
	"time"

	"turnstile/central/link"
)

const (
	// MaxBound is the largest error with which passes are decided as usual.
	MaxBound = 60 * time.Second
	// Close is the largest error of a trusted clock: with it a live code of a phone
	// that is right by 10 s is still at most one slot away.
	Close = 5 * time.Second
	// Unknown is the bound of an untrusted clock in an entry.
	Unknown uint16 = 65535
	// Drift bounds how fast an unsynchronised clock goes wrong: 100 ppm, twice what
	// cheap crystals do over their temperature range; 8.6 s a day.
	Drift = 100e-6
	// AnswerLife is the age at which an answer proves too little to be taken. Its
	// bound is half of its round trip, so this keeps it near Close.
	AnswerLife = 10 * time.Second
	// AnswerEvery is how often a confirmed clock is confirmed again.
	AnswerEvery = time.Hour
	// AnswerStands is how long an answer counts as a witness: two may be lost.
	AnswerStands = 2*AnswerEvery + 30*time.Minute
)

const (
	// slack is what two honest clocks may differ by at a leap second, which one
	// repeats, another smears and a third hears of later.
	slack = time.Second
	// jump is a step of the machine's clock that no daemon's steering explains.
	jump = 2 * time.Second
	// sleep is the least sleep that is doubted: the clock that counts it is read
	// from a chip with a resolution of a second.
	sleep = time.Second
	// vouched is the error of a clock that the configuration vouches for.
	vouched = 2 * time.Second
)

// Why an answer is not taken.
var (
	ErrLate   = errors.New("the answer took so long that it proves nothing")
	ErrBehind = errors.New("central signed a later time before: its clock was wrong then or is wrong now; see to central's time synchronisation")
)

// Witness is what a reading rests on.
type Witness uint8

// The witnesses.
const (
	ByNobody        Witness = iota
	ByKernel                // a time daemon, as the kernel says
	ByConfiguration         // trust_system
	ByCentral               // a signed answer
)

// String returns the witness's name for status pages.
func (w Witness) String() string {
	return [...]string{"nobody", "kernel", "configuration", "central"}[min(w, ByCentral)]
}

// Reading is what is known of the time at one look at the machine's clock.
type Reading struct {
	Time   time.Time     // of the campus; what passes, rules and entries go by
	Offset time.Duration // Time less what the machine's clock showed; mostly 0
	State  link.ClockState
	Bound  time.Duration // Time is wrong by at most that; nothing if untrusted
	By     Witness
	// Disputed: the machine says that its clock is kept, and central's signed answer
	// says otherwise. The answer is believed.
	Disputed bool
}

// Seconds returns the bound as entries carry it: rounded up, Unknown if untrusted.
func (r Reading) Seconds() uint16 {
	if r.State == link.ClockUntrusted {
		return Unknown
	}
	return uint16(min(math.Ceil(r.Bound.Seconds()), 65534))
}

// Options bind a clock.
type Options struct {
	TrustSystem bool      // the machine's clock is set by means that the kernel does not know of (a hypervisor, a GPS daemon)
	Floor       time.Time // of the journal: central signed that time once. Zero: never
	Source      Source    // nil: Kernel

	Ticks func() Ticks // the monotonic clock; nil: Monotonic
}

// Clock judges the times that it is shown. Its methods may be called from
// several goroutines.
type Clock struct {
	o  Options
	mu sync.Mutex // guards the following

	floor     time.Time     // the latest time that central signed
	least     moment        // it was at least wall; from central alone
	signed    *span         // of answers
	confirmed time.Duration // elapsed when the last answer was taken
	doubted   bool          // signed may lie behind the time: no word of the machine's is believed against it, nor it
	kept      *span         // of the machine's last word
	last      *moment       // the look before
	stirred   time.Duration // elapsed when a sleep or a step forward was last seen
}

// moment is one look at both clocks.
type moment struct {
	wall time.Time // without a monotonic reading
	Ticks
}

func (m moment) awake() time.Duration { return m.Elapsed - m.Suspended }

// New returns a clock without any witness but the floor.
func New(o Options) *Clock {
	if o.Source == nil {
		o.Source = Kernel
	}
	if o.Ticks == nil {
		o.Ticks = Monotonic
	}
	return &Clock{o: o, floor: o.Floor, least: moment{o.Floor.Add(-slack), o.Ticks()}, stirred: math.MinInt64}
}

// Elapsed returns the monotonic clock that answers are timed by.
func (c *Clock) Elapsed() time.Duration { return c.o.Ticks().Elapsed }

// Read returns what is known of the time when the machine's clock showed now.
func (c *Clock) Read(now time.Time) Reading {
	synchronised, bound, err := c.o.Source()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.look(now)
	word := c.word(m, synchronised && err == nil, bound)
	r, known := c.bySigned(m, word)
	if !known {
		r = c.byMachine(m, word)
	}
	if r.Offset = r.Time.Sub(m.wall); r.Offset == 0 {
		r.Time = now // with its monotonic reading
	}
	return r
}

// State returns how far the clock that showed now can be trusted, and the error
// bound in seconds (Unknown if untrusted), as entries carry them.
func (c *Clock) State(now time.Time) (link.ClockState, uint16) {
	r := c.Read(now)
	return r.State, r.Seconds()
}

// Time returns the campus time when the machine's clock showed now.
func (c *Clock) Time(now time.Time) time.Time { return c.Read(now).Time }

// Trusted reports whether the state is not ClockUntrusted, for package feed.
func (c *Clock) Trusted(now time.Time) bool {
	s, _ := c.State(now)
	return s != link.ClockUntrusted
}

// CheckAt returns the time at which to check a certificate that holds from one
// time until another. It is the campus time if an answer stands for it;
// otherwise the earliest that it can be by what central signed, but not before
// the certificate begins: a machine whose clock runs ahead, or whose time server
// lies, would else take every certificate for expired, and never hear the answer
// that puts its clock right.
func (c *Clock) CheckAt(now, from, until time.Time) time.Time {
	r := c.Read(now)
	if r.By == ByCentral && r.State != link.ClockUntrusted {
		return r.Time
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	low := c.atLeast(c.look(now))
	if at := from.Add(time.Second); low.Before(at) && at.Before(until) {
		return at
	}
	return low
}

// Wants reports whether an answer of central is due.
func (c *Clock) Wants(now time.Time) bool {
	r := c.Read(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	return r.By != ByCentral || r.State == link.ClockUntrusted || c.o.Ticks().Elapsed-c.confirmed >= AnswerEvery
}
