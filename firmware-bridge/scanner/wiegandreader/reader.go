// Package wiegandreader drives card readers with a Wiegand output on two GPIO lines.
//
// What it delivers is an identifier only and never a reason for a privileged
// grant. The wire has no secret: a recorder of a coin's size behind the reader
// (ESPKey is one on sale) plays back any card it has heard, a card of most 125 kHz
// kinds is copied in a second, and a quarter of all made-up rows has right parity.
// Whoever decides has to know something more, or open only what anybody may enter.
//
// # Wiring
//
// A reader pulls its two lines, D0 and D1, down from 5 V for 20 to 100 us a bit.
// A GPIO of a small computer bears 3.3 V: put a level shifter between (two of a
// 74LVC245's inputs, or an opto-coupler each, or 10 kOhm in line and 20 kOhm to
// ground), and join the reader's ground with the computer's. Lines that a shifter
// inverts are ActiveHigh. The line's own pull resistor is switched on against a
// cut wire. Up to 150 m of shielded cable; the shield on one end.
//
// Both lines have to be of one GPIO chip, so that the kernel stamps their edges
// with one clock and in one row. Do not let the chip or the kernel debounce
// them: a pulse is shorter than any bounce.
package wiegandreader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/wiegand"
)

const (
	// room is how many scans wait for the lane. More than a few are of people who
	// have walked away.
	room = 16
	// tick is how soon the end of the context is seen, and how often an idle
	// line's level is looked at.
	tick = 100 * time.Millisecond
	// retry is the pause before lost or busy lines are tried again.
	retry = 500 * time.Millisecond
	// convinced is how many frames that look swapped, with no right one between,
	// are a report. One garbled frame in four looks swapped.
	convinced = 3
)

var (
	// ErrConfig says that a Config cannot work.
	ErrConfig = errors.New("configuration of a Wiegand reader")
	// ErrLow says that a data line is at the level of a pulse and stays there.
	ErrLow = errors.New("a data line does not come to rest: check the reader's power, its ground and the level shifter, then active_high")
)

// Config says where a reader is. The lines are named as the kernel names them
// or as "gpiochip0:17".
type Config struct {
	D0, D1 string
	// Formats are the names of package wiegand's formats that are taken; anything
	// else counts as noise. None means all of them. Name the one that the
	// site's cards have: each more lets more made-up rows through.
	Formats []string
	// ActiveHigh is for a shifter that inverts: a pulse is the high level.
	ActiveHigh bool
	// Silence ends a frame: 25 to 50 ms; 0 means 25 ms. More is for a reader
	// that pauses inside of a frame, and adds to the time at the gate.
	Silence time.Duration
}

// Check reports what is wrong with c.
func (c Config) Check() error {
	_, err := c.formats()
	return err
}

// formats checks c and returns the formats to take.
func (c Config) formats() ([]wiegand.Format, error) {
	for _, name := range []string{c.D0, c.D1} {
		if err := gpioline.Check(name); err != nil {
			return nil, fmt.Errorf("%w: d0 and d1 need a line each: %w", ErrConfig, err)
		}
	}
	if c.D0 == c.D1 {
		return nil, fmt.Errorf("%w: d0 and d1 are both %q; each needs its own line", ErrConfig, c.D0)
	}
	if c.Silence != 0 && (c.Silence < wiegand.MinSilence || c.Silence > wiegand.MaxSilence) {
		return nil, fmt.Errorf("%w: silence %v; use %v to %v, or 0 for %v", ErrConfig, c.Silence, wiegand.MinSilence, wiegand.MaxSilence, wiegand.MinSilence)
	}
	if len(c.Formats) == 0 {
		return wiegand.Formats(), nil
	}
	var taken []wiegand.Format
	for _, name := range c.Formats {
		f, err := wiegand.Named(name)
		if err != nil {
			return nil, fmt.Errorf("%w: formats: %w", ErrConfig, err)
		}
		taken = append(taken, f)
	}
	return taken, nil
}

// inputs is the part of gpioline.Inputs that is used; see there.
type inputs interface {
	Read(edges []gpioline.Edge, wait time.Duration) (int, error)
	Active() ([]bool, error)
	Close() error
}

// Scanner is a scanner.Scanner on two GPIO lines. Use New. Stats().Noise counts
// frames of wrong shape, length and parity; Connected is false, with the
// remedy in Err, also while a line does not come to rest and while all that
// comes looks as if D0 and D1 were swapped.
type Scanner struct {
	open    func() (inputs, error)
	formats []wiegand.Format
	scans   chan scanner.Scan // sent to and closed by Run
	started atomic.Bool

	frames  wiegand.Assembler // owned by Run, as the following
	opened  uint64            // sessions so far
	refused uint64            // frames of the wrong length or parity
	scanned uint64
	dropped uint64
	swapped int // frames that look swapped since the last right one
	low     bool

	mu    sync.Mutex // guards the following
	stats scanner.Stats
	line  wiegand.Stats
}

// New makes a scanner on the lines of c, which is checked; nothing is opened
// before Run.
func New(c Config) (*Scanner, error) {
	return newScanner(c, func(i gpioline.InputConfig) (inputs, error) { return gpioline.OpenInputs(i) })
}

func newScanner(c Config, open func(gpioline.InputConfig) (inputs, error)) (*Scanner, error) {
	formats, err := c.formats()
	if err != nil {
		return nil, err
	}
	lines := gpioline.InputConfig{Lines: []string{c.D0, c.D1}, ActiveLow: true, Bias: gpioline.PullUp, Consumer: "turnstile reader"}
	if c.ActiveHigh {
		lines.ActiveLow, lines.Bias = false, gpioline.PullDown
	}
	return &Scanner{
		open: func() (inputs, error) { return open(lines) }, formats: formats, scans: make(chan scanner.Scan, room),
		frames: wiegand.Assembler{Silence: c.Silence},
	}, nil
}

// Run implements scanner.Scanner.
func (s *Scanner) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return scanner.ErrStarted
	}
	defer close(s.scans)
	defer s.publish(false, nil)
	for ctx.Err() == nil {
		if err := s.session(ctx); err != nil {
			s.frames.Reset()
			s.publish(false, err)
			pause(ctx, retry)
		}
	}
	return nil
}

// pause returns after d or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Scans implements scanner.Scanner.
func (s *Scanner) Scans() <-chan scanner.Scan { return s.scans }

// Stats implements scanner.Scanner.
func (s *Scanner) Stats() scanner.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Line returns what the installer's tool shows of the wire itself: odd pulses,
// glitches and edges that the kernel told badly.
func (s *Scanner) Line() wiegand.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line
}

// publish brings the stats up to date.
func (s *Scanner) publish(connected bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = s.frames.Stats()
	s.stats.Scans, s.stats.Dropped = s.scanned, s.dropped
	s.stats.Noise, s.stats.Oversized = s.line.Noise+s.refused, s.line.Oversized
	s.stats.Connected, s.stats.Err = connected, err
	s.stats.Reopened = max(s.opened, 1) - 1
}

// report brings the stats of open lines up to date.
func (s *Scanner) report() {
	err := s.fault()
	s.publish(err == nil, err)
}

// session reads the lines until they are lost or ctx ends.
func (s *Scanner) session(ctx context.Context) error {
	in, err := s.open()
	if err != nil {
		return err
	}
	defer in.Close()
	s.opened++
	s.swapped = 0
	if err := s.rest(in); err != nil {
		return err
	}
	s.report()
	var edges [64]gpioline.Edge
	var done []wiegand.Frame
	for ctx.Err() == nil {
		if done, err = s.look(in, edges[:], done[:0]); err != nil {
			return err
		}
		for _, f := range done {
			s.take(f)
		}
		s.report()
	}
	return nil
}

// look waits for edges, for no longer than until the frame under way ends by
// silence, and appends the frames that have ended to done.
func (s *Scanner) look(in inputs, edges []gpioline.Edge, done []wiegand.Frame) ([]wiegand.Frame, error) {
	wait, open := s.frames.Waiting(time.Now())
	if !open || wait > tick {
		wait = tick
	}
	n, err := in.Read(edges, wait)
	if err != nil {
		return done, err
	}
	if n == 0 && !open {
		return done, s.rest(in)
	}
	if n == 0 {
		return s.frames.Idle(time.Now(), done), nil
	}
	s.low = false
	// Each line has an interrupt of its own, and one may overtake the other.
	slices.SortStableFunc(edges[:n], func(a, b gpioline.Edge) int { return cmp.Compare(a.At.Sub(b.At), 0) })
	for _, e := range edges[:n] {
		if e.Lost > 0 {
			s.frames.Lost(e.At)
		}
		done = s.frames.Feed(wiegand.Edge{Line: e.Line, Active: e.Active, At: e.At}, done)
	}
	return done, nil
}

// rest looks whether both lines are where they are without a pulse: at the start and
// when no edge came for a tick, so that one that is not has been there for a tick.
func (s *Scanner) rest(in inputs) error {
	active, err := in.Active()
	if err != nil {
		return err
	}
	s.low = slices.Contains(active, true)
	return nil
}

// fault is what keeps the lines from being of use, nil if nothing does.
func (s *Scanner) fault() error {
	switch {
	case s.low:
		return ErrLow
	case s.swapped >= convinced:
		return fmt.Errorf("the last %d frames: %w", s.swapped, wiegand.ErrSwapped)
	}
	return nil
}

// take delivers a frame that is right in an allowed format.
func (s *Scanner) take(f wiegand.Frame) {
	_, err := wiegand.Identify(f.Bits, s.formats)
	if err != nil {
		s.refused++
		if errors.Is(err, wiegand.ErrSwapped) {
			s.swapped++
		}
		return
	}
	s.swapped = 0
	s.scanned++
	s.report() // whoever holds a scan finds it counted
	s.deliver(scanner.Scan{Text: []byte(f.Bits.Hex()), Bits: f.Bits.Len(), At: f.At})
}

// deliver puts scan on the channel, in place of the oldest if nobody reads.
func (s *Scanner) deliver(scan scanner.Scan) {
	for {
		select {
		case s.scans <- scan:
			return
		default:
		}
		select {
		case <-s.scans:
			s.dropped++
		default: // the reader was faster
		}
	}
}
