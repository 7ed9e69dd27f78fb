package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
)

// ErrNotListening says that no engine is there to be triggered now.
var ErrNotListening = errors.New("no scan engine to trigger")

// Scanner is a scanner.Scanner with an engine behind it that takes commands.
// Use New.
type Scanner struct {
	config   Config
	scans    chan scanner.Scan // sent to and closed by Run
	triggers chan bool         // read by Run; holds the newest
	started  atomic.Bool

	frames line.Assembler // owned by Run
	opened uint64         // owned by Run: sessions so far in which the engine was ready
	known  known          // owned by Run

	mu       sync.Mutex // guards the following
	stats    scanner.Stats
	identity dialect.Identity
}

// known is where the engine was found last.
type known struct {
	family string // "" for never; of one that could be set up
	baud   int
}

// New makes a driver, which opens nothing yet. Its errors wrap ErrConfig, those
// of serialport.Config.Check, or keyboard.ErrKeyboard.
func New(c Config) (*Scanner, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	return &Scanner{config: c, scans: make(chan scanner.Scan, line.Room), triggers: make(chan bool, 1)}, nil
}

// Run implements scanner.Scanner.
func (s *Scanner) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return scanner.ErrStarted
	}
	defer close(s.scans)
	defer s.disconnected(nil)
	return serialport.Keep(ctx, s.config.Port, s.session, s.disconnected)
}

// Scans implements scanner.Scanner.
func (s *Scanner) Scans() <-chan scanner.Scan { return s.scans }

// Stats implements scanner.Scanner. Connected means that the engine is set up;
// scans that arrive while it is not are delivered all the same.
func (s *Scanner) Stats() scanner.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Identity is what was found when the engine was last set up, with warnings
// about what it could not be told; the zero value before. Family "line" means
// that nothing answered and scans are read as plain lines.
func (s *Scanner) Identity() dialect.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity
}

// Trigger makes the engine begin (on) or end one read, soon; it does not wait
// for it. In mode "presentation" it is of no use. ErrNotListening if no engine
// is set up now.
func (s *Scanner) Trigger(on bool) error {
	if !s.Stats().Connected || s.Identity().Family == Line {
		return fmt.Errorf("trigger scanner %s: %w: see its state", s.config.Port.Path, ErrNotListening)
	}
	for {
		select {
		case s.triggers <- on:
			return nil
		default:
			select {
			case <-s.triggers: // the newest counts
			default:
			}
		}
	}
}

// disconnected notes that the engine is not ready, and why.
func (s *Scanner) disconnected(err error) {
	s.frames.Reset()
	s.publish(func(st *scanner.Stats) { st.Connected, st.Err = false, err })
}

// publish changes the stats and brings their counts up to date.
func (s *Scanner) publish(change func(*scanner.Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.frames.Stats()
	s.stats.Scans, s.stats.Oversized, s.stats.Noise = n.Scans, n.Oversized, n.Noise
	s.stats.Empty, s.stats.NoRead = n.Empty, n.NoRead
	change(&s.stats)
}

// give counts and delivers scans.
func (s *Scanner) give(scans []scanner.Scan) {
	s.publish(func(*scanner.Stats) {}) // whoever holds a scan finds it counted
	if dropped := line.Deliver(s.scans, scans); dropped > 0 {
		s.publish(func(st *scanner.Stats) { st.Dropped += dropped })
	}
}

// session finds and sets up the engine on an opened port, and serves it until
// it is gone or ctx ends.
func (s *Scanner) session(ctx context.Context, p *serialport.Port) error {
	if err := p.Discard(); err != nil {
		return err
	}
	w := &wire{ctx: ctx, port: p, frames: &s.frames, give: s.give}
	rates := s.config.rates(s.known.baud)
	id, err := s.meet(w, append(rates[:1:1], rates...)) // twice at the likeliest: a reply may be garbled, or come late
	if err != nil {
		return err
	}
	again := min(s.opened, 1)
	s.opened++
	s.publish(func(st *scanner.Stats) { st.Reopened += again })
	s.ready(id)
	d := newDoubt(s.config.Heartbeat, time.Now(), s.frames.Stats())
	for w.speaks == nil {
		if err := s.lines(w, d); err != nil {
			return err
		}
	}
	return s.serve(w)
}

// ready notes that the engine can be used.
func (s *Scanner) ready(id dialect.Identity) {
	s.publish(func(st *scanner.Stats) {
		st.Connected, st.Err = true, nil
		s.identity = id
	})
}

// lines reads plain lines, and asks again who sends them when there is reason to.
func (s *Scanner) lines(w *wire, d *doubt) error {
	if err := w.pump(rest); err != nil {
		return err
	}
	rates := []int{w.Baud()}
	switch now, st := time.Now(), s.frames.Stats(); {
	case d.garbled(st, w.proven != 0):
		w.proven, rates = 0, s.config.rates(s.known.baud)
	case !d.due(now):
		return nil
	}
	id, err := s.meet(w, rates)
	if err != nil {
		return err
	}
	d.again(time.Now(), s.frames.Stats())
	s.ready(id)
	return nil
}

// serve reads scans, passes triggers on, asks for signs of life and keeps the
// settings.
func (s *Scanner) serve(w *wire) error {
	wait := rest
	if s.config.settings().Mode == dialect.Trigger {
		wait = slice / 4 // a person stands there and waits
	}
	life := newPulse(s.config.Heartbeat, time.Now(), s.frames.Stats())
	for {
		if err := w.pump(wait); err != nil {
			return err
		}
		if err := s.trigger(w); err != nil {
			return err
		}
		if err := s.check(w, life); err != nil {
			return err
		}
	}
}

// check asks for a sign of life, or makes the settings anew, when it is time.
func (s *Scanner) check(w *wire, life *pulse) error {
	var err error
	now := time.Now()
	due := life.due(now, s.frames.Stats())
	switch {
	case life.worn(now):
		err = s.renew(w)
		life.renewed(time.Now())
	case due:
		err = w.speaks.Alive(w)
	default:
		return nil
	}
	if err != nil && !errors.Is(err, dialect.ErrSilent) {
		return err
	}
	if life.beat(time.Now(), s.frames.Stats(), err == nil); life.missed < misses {
		return nil
	}
	return fmt.Errorf("scanner %s: %w: %d signs of life are missing: check its power and cable", s.config.Port.Path, dialect.ErrSilent, misses)
}

// renew makes the settings anew: an engine that lost its power between two signs
// of life has its maker's, by which it may read nothing, or set-up codes. The rate
// stays: one that the cable did not carry is not tried while people pass. It ends
// with a sign of life.
func (s *Scanner) renew(w *wire) error {
	settings := s.config.settings()
	settings.Baud = 0
	if !settings.Permanent && settings.Mode != dialect.Trigger { // an installer's: flash, and no read is to be cut short
		if err := w.speaks.Configure(w, settings, &dialect.Identity{}); err != nil {
			return err
		}
	}
	return w.speaks.Alive(w) // some families are told nothing
}

// trigger sends what Trigger asked for. An engine that does not answer to it
// is none of a trigger's business.
func (s *Scanner) trigger(w *wire) error {
	select {
	case on := <-s.triggers:
		request := w.speaks.Trigger(on)
		if request == nil {
			return nil
		}
		if _, err := w.Ask(request, stall); err != nil && !errors.Is(err, dialect.ErrSilent) {
			return err
		}
	default:
	}
	return nil
}
