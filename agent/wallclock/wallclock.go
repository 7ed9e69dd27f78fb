// Package wallclock says how far the lane's clock can be trusted.
//
// Witnesses: the kernel's word that a time daemon keeps it (adjtimex); central's
// signed heads, which prove that it is at least so late; and the journal's
// floor. Nothing here sets a clock.
//
//	trusted    the kernel says synchronised with an error up to MaxBound, or the
//	           configuration vouches for the machine (trust_system)
//	holdover   it was trusted before, or a head that had just arrived agreed with
//	           it; the bound grows with the drift of a cheap crystal
//	untrusted  neither, the bound is above MaxBound, the clock is behind what
//	           central has signed, or it jumped without synchronisation
//
// A head's agreement alone gives holdover and not trust: whoever delivers heads
// late and has set this clock back by as much would not be noticed.
package wallclock

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/central/link"
)

// MaxBound is the largest error with which passes are decided as usual.
const MaxBound = 60 * time.Second

// Unknown is the bound of an untrusted clock in an entry.
const Unknown uint16 = 65535

// Drift bounds how fast an unsynchronised clock goes wrong: 100 ppm, twice what
// cheap crystals do over their temperature range; 8.6 s a day.
const Drift = 100e-6

// jump is how far wall and monotonic clock may part between two looks without
// synchronisation.
const jump = 2 * time.Second

// Source asks the kernel: whether the clock is synchronised, and its largest
// error.
type Source func() (synchronised bool, bound time.Duration, err error)

// Options bind a clock.
type Options struct {
	TrustSystem bool      // the machine's clock is set by means that the kernel does not know of (a hypervisor, a GPS daemon)
	Floor       time.Time // of the journal: the clock was here once. Zero: never
	Source      Source    // nil: Kernel

	Mono func() time.Duration // the monotonic clock, from any start; nil: the process's own
}

// Clock judges the times that it is shown. Its methods may be called from
// several goroutines.
type Clock struct {
	o  Options
	mu sync.Mutex // guards the following

	lower    moment        // mono: it is at least wall since then
	anchored bool          // anchor is set
	anchor   moment        // last moment with a known error
	bound    time.Duration // the error there
}

// moment is one look at both clocks.
type moment struct {
	wall time.Time // without a monotonic reading
	mono time.Duration
}

func (c *Clock) at(now time.Time) moment { return moment{now.Round(0), c.o.Mono()} }

// New returns a clock without any witness but the floor.
func New(o Options) *Clock {
	if o.Source == nil {
		o.Source = Kernel
	}
	if o.Mono == nil {
		start := time.Now()
		o.Mono = func() time.Duration { return time.Since(start) }
	}
	return &Clock{o: o, lower: moment{o.Floor, o.Mono()}}
}

// Kernel is the Source on Linux: adjtimex.
func Kernel() (synchronised bool, bound time.Duration, err error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, 0, fmt.Errorf("ask the kernel for its clock: %w", err)
	}
	bound = time.Duration(t.Maxerror) * time.Microsecond
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, bound, nil
}

// Observe takes a head of central, signed at issued, that arrived at now; next
// is how often heads come.
func (c *Clock) Observe(issued, now time.Time, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.at(now)
	if issued.After(c.atLeast(m)) {
		c.lower = moment{issued, m.mono}
	}
	late := m.wall.Sub(issued)
	if late < -jump || late > next+jump {
		return
	}
	bound := late.Abs() + jump
	if !c.anchored || bound < c.errorAt(m) {
		c.anchored, c.anchor, c.bound = true, m, bound
	}
}

// atLeast is the earliest that it can be. mu is held.
func (c *Clock) atLeast(m moment) time.Time { return c.lower.wall.Add(m.mono - c.lower.mono) }

// errorAt is the bound grown since the anchor. mu is held.
func (c *Clock) errorAt(m moment) time.Duration {
	return c.bound + time.Duration(float64(m.mono-c.anchor.mono)*Drift)
}

// Time returns now, or the earliest that it can be if the clock is behind that:
// the time to check certificates at.
func (c *Clock) Time(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.at(now)
	if low := c.atLeast(m); m.wall.Before(low) {
		return low
	}
	return now
}

// State returns how far the clock that showed now can be trusted, and the error
// bound in seconds (Unknown if untrusted), as entries carry them.
func (c *Clock) State(now time.Time) (link.ClockState, uint16) {
	synchronised, bound, err := c.o.Source()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.at(now)
	switch {
	case m.wall.Before(c.atLeast(m).Add(-jump)):
		c.anchored = false
		return link.ClockUntrusted, Unknown
	case err == nil && synchronised && bound <= MaxBound:
		c.anchored, c.anchor, c.bound = true, m, bound
		return link.ClockTrusted, seconds(bound)
	case c.o.TrustSystem:
		return link.ClockTrusted, seconds(jump)
	case !c.anchored:
		return link.ClockUntrusted, Unknown
	}
	return c.holdover(m)
}

// holdover judges a clock that nobody keeps any more. mu is held.
func (c *Clock) holdover(m moment) (link.ClockState, uint16) {
	parted := m.wall.Sub(c.anchor.wall) - (m.mono - c.anchor.mono)
	bound := c.errorAt(m)
	if parted.Abs() > jump || bound > MaxBound {
		c.anchored = false
		return link.ClockUntrusted, Unknown
	}
	return link.ClockHoldover, seconds(bound)
}

// seconds rounds up.
func seconds(d time.Duration) uint16 { return uint16(min(math.Ceil(d.Seconds()), 65534)) }

// Trusted reports whether the state is not ClockUntrusted, for package feed.
func (c *Clock) Trusted(now time.Time) bool {
	s, _ := c.State(now)
	return s != link.ClockUntrusted
}
