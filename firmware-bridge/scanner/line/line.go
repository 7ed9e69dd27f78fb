package line

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/keyboard"
	"turnstile/firmware-bridge/serialport"
)

// Room is how many scans wait for the lane. More than a few are of people who
// have walked away.
const Room = 16

// rest is how long a read waits while no frame is under way.
const rest = time.Second

// Scanner is a scanner.Scanner on a serial port. Use New.
type Scanner struct {
	port    serialport.Config
	scans   chan scanner.Scan // sent to and closed by Run
	started atomic.Bool

	frames Assembler // owned by Run
	opened uint64    // owned by Run: sessions so far

	mu    sync.Mutex // guards the following
	stats scanner.Stats
}

// New makes a scanner on port, which is checked and not yet opened. A keyboard
// in the place of a port is refused with keyboard.ErrKeyboard.
func New(port serialport.Config) (*Scanner, error) {
	if err := errors.Join(port.Check(), keyboard.Refuse(port.Path)); err != nil {
		return nil, err
	}
	return &Scanner{port: port, scans: make(chan scanner.Scan, Room)}, nil
}

// Run implements scanner.Scanner.
func (s *Scanner) Run(ctx context.Context) error {
	if s.started.Swap(true) {
		return scanner.ErrStarted
	}
	defer close(s.scans)
	defer s.disconnected(nil)
	return serialport.Keep(ctx, s.port, s.session, s.disconnected)
}

// Scans implements scanner.Scanner.
func (s *Scanner) Scans() <-chan scanner.Scan { return s.scans }

// Stats implements scanner.Scanner.
func (s *Scanner) Stats() scanner.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// disconnected notes that the port is not open, and why.
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

// session reads one opened port until it is gone or ctx ends.
func (s *Scanner) session(ctx context.Context, p *serialport.Port) error {
	if err := p.Discard(); err != nil {
		return err
	}
	again := min(s.opened, 1)
	s.opened++
	s.publish(func(st *scanner.Stats) { st.Connected, st.Err, st.Reopened = true, nil, st.Reopened+again })
	var buf [512]byte
	var done []scanner.Scan
	for ctx.Err() == nil {
		n, err := s.read(ctx, p, buf[:])
		if err != nil {
			return err
		}
		now := time.Now()
		if n > 0 {
			done = s.frames.Feed(buf[:n], now, done[:0])
		} else {
			done = s.frames.Idle(now, done[:0])
		}
		s.publish(func(*scanner.Stats) {}) // whoever holds a scan finds it counted
		dropped := Deliver(s.scans, done)
		s.publish(func(st *scanner.Stats) { st.Dropped += dropped })
	}
	return nil
}

// read waits for bytes, no longer than until the frame under way ends by
// silence, and no longer than ctx by much.
func (s *Scanner) read(ctx context.Context, p *serialport.Port, b []byte) (int, error) {
	wait, open := s.frames.Waiting(time.Now())
	if !open {
		wait = rest
	}
	const slice = 100 * time.Millisecond
	for {
		n, err := p.Read(b, min(wait, slice))
		if wait -= slice; n > 0 || err != nil || wait <= 0 || ctx.Err() != nil {
			return n, err
		}
	}
}

// Deliver puts scans on a buffered channel and returns how many older ones it
// pushed out, for the drivers that keep the promise of scanner.Scanner.Scans.
func Deliver(to chan scanner.Scan, scans []scanner.Scan) (dropped uint64) {
	for _, scan := range scans {
		for sent := false; !sent; {
			select {
			case to <- scan:
				sent = true
			default:
				select {
				case <-to:
					dropped++
				default: // the reader was faster
				}
			}
		}
	}
	return dropped
}
