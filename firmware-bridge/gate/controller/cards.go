package controller

import (
	"context"
	"errors"
	"sync"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/wiegand"
)

// Readers is how many Wiegand readers a controller can have.
const Readers = 2

// ErrNoReader says that the controller reads no cards there.
var ErrNoReader = errors.New("this lane controller has no such Wiegand reader; use one whose firmware names it, as the reference firmware does")

// cardRoom is how many reads wait for the lane.
const cardRoom = 16

// reader is one Wiegand input of the controller.
type reader struct {
	number uint8
	scans  chan scanner.Scan // sent to under mu, closed by Run

	mu      sync.Mutex // guards the following
	started bool
	ended   bool
	there   bool // the controller is, and has this reader
	found   bool // it was there before
	faults  int  // as last told by the controller, -1 when that is not known
	stats   scanner.Stats
}

func newReader(number uint8) *reader {
	return &reader{number: number, scans: make(chan scanner.Scan, cardRoom), faults: -1}
}

// Cards is the Wiegand reader 0 or 1 of the controller; another number panics.
// Its scans are card numbers: Bits is set, Text is hexadecimal. It is connected
// while its own Run and the gate's are running and the controller is there. Its
// Stats count pulses and rows out of specification as Noise.
func (g *Gate) Cards(reader int) scanner.Scanner { return g.readers[reader] }

// Run implements scanner.Scanner. The line is the gate's: this only takes what comes.
func (r *reader) Run(ctx context.Context) error {
	r.mu.Lock()
	if r.started {
		r.mu.Unlock()
		return scanner.ErrStarted
	}
	r.started = true
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	close(r.scans)
	return nil
}

// Scans implements scanner.Scanner.
func (r *reader) Scans() <-chan scanner.Scan { return r.scans }

// Stats implements scanner.Scanner.
func (r *reader) Stats() scanner.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Connected = r.there && r.started && !r.ended
	if r.ended || s.Connected {
		s.Err = nil
	}
	return s
}

// attach notes a controller with these capabilities; anew says that it has just powered up.
func (r *reader) attach(can frame.Capabilities, anew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if can&(frame.HasReader0<<r.number) == 0 {
		r.stats.Err = ErrNoReader
		return
	}
	if r.found {
		if r.started {
			r.stats.Reopened++
		}
		if anew {
			r.faults = 0
		}
	}
	r.there, r.found, r.stats.Err = true, true, nil
}

// detach notes that the controller is gone, and why; nil when the gate stops.
func (r *reader) detach(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.there, r.stats.Err = false, lost(err)
}

// take delivers a read, and pushes out the oldest when nobody reads.
func (r *reader) take(m frame.CardIn, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults >= 0 {
		r.stats.Noise += uint64(max(int(m.Faults)-r.faults, 0))
	}
	r.faults = int(m.Faults)
	bits, err := wiegand.Unpack(int(m.Card.Bits), m.Card.Bytes())
	if err != nil || bits.Len() == 0 || !r.started || r.ended {
		return
	}
	r.stats.Scans++
	scan := scanner.Scan{Text: []byte(bits.Hex()), Bits: bits.Len(), At: now.Add(-time.Duration(m.Age) * time.Millisecond)}
	if len(r.scans) == cap(r.scans) {
		select {
		case <-r.scans:
			r.stats.Dropped++
		default: // the reader was faster
		}
	}
	r.scans <- scan
}

// takesCards returns what shows a controller with readers that this host knows
// CARD IN: the acknowledgement of the last read taken, 0 for none.
func (g *Gate) takesCards() (frame.CardSeen, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return frame.CardSeen{Read: g.read}, g.can&(frame.HasReader0|frame.HasReader1) != 0
}

// takeCard passes a read on, once. It is always acknowledged: what nobody takes
// now is of somebody who has left.
func (g *Gate) takeCard(m frame.CardIn, now time.Time) {
	g.mu.Lock()
	again := g.read != 0 && int32(m.Number-g.read) <= 0
	if !again {
		g.read = m.Number
	}
	g.mu.Unlock()
	if !again && int(m.Reader) < Readers {
		g.readers[m.Reader].take(m, now)
	}
}
