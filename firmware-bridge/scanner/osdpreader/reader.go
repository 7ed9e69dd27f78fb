package osdpreader

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/line"
)

const (
	// room is how many scans wait for the lane. More than a few are of people who
	// have walked away.
	room = 16
	// maxBits is the longest card number: four times the longest that is common
	// (FASC-N, 200 bits).
	maxBits = 1024
)

// Reader is a scanner.Scanner on a Bus.
type Reader struct {
	bus       *Bus
	address   uint8
	textBytes int
	started   atomic.Bool

	mu    sync.Mutex // guards the following
	scans chan scanner.Scan
	texts line.Assembler
	stats scanner.Stats // Scans and so on of cards; those of texts are in texts
	runs  bool          // Run is under way
	met   bool          // it was online before
}

func newReader(b *Bus, c ReaderConfig) *Reader {
	return &Reader{bus: b, address: uint8(c.Address), textBytes: cmp.Or(c.TextBytes, defaultTextBytes), scans: make(chan scanner.Scan, room)}
}

// Run implements scanner.Scanner. Readers of one Bus run in any order; one that
// stops does not disturb the other.
func (r *Reader) Run(ctx context.Context) error {
	if r.started.Swap(true) {
		return scanner.ErrStarted
	}
	r.running(true)
	defer r.running(false)
	return r.bus.run(ctx, r)
}

// running notes that Run has begun, or has ended and nothing may be sent any more.
func (r *Reader) running(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs = on; !on {
		close(r.scans)
	}
}

// Scans implements scanner.Scanner.
func (r *Reader) Scans() <-chan scanner.Scan { return r.scans }

// Stats implements scanner.Scanner. Connected is true while the secure channel is
// up; Err says why it is not, in words of package serialport or osdp.
func (r *Reader) Stats() scanner.Stats {
	connected, err := r.link()
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	n := r.texts.Stats()
	s.Scans, s.Oversized, s.Noise = s.Scans+n.Scans, s.Oversized+n.Oversized, s.Noise+n.Noise
	s.Empty, s.NoRead = n.Empty, n.NoRead
	if r.runs {
		s.Connected, s.Err = connected, err
	}
	return s
}

// link is how the reader is connected.
func (r *Reader) link() (connected bool, err error) {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	if r.bus.lost != nil {
		return false, r.bus.lost
	}
	s, err := r.bus.panel.Status(r.address)
	if err != nil {
		return false, err
	}
	return s.Online, s.Err
}

// Status is the reader's state in the protocol's terms: alarms, the install window,
// who it is, and the counts of the line for a report.
func (r *Reader) Status() osdp.Status {
	r.bus.mu.Lock()
	defer r.bus.mu.Unlock()
	s, err := r.bus.panel.Status(r.address)
	if err != nil {
		s.Err = err
	}
	return s
}

// Send lets the reader do something: osdp.LEDs, Buzzer, Text, Outputs. It does not
// wait; osdp.ErrOffline while the reader is not online, osdp.ErrFull when too much
// waits already.
func (r *Reader) Send(m osdp.Message) error {
	return r.bus.do(func(p *osdp.Panel) error { return p.Send(r.address, m) })
}

// take takes what happened at this reader.
func (r *Reader) take(e osdp.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch m := e.Message.(type) {
	case osdp.Raw:
		r.deliver(r.read(m, e.At))
	case osdp.Other:
		if personal(m) { // a code, perhaps, in a way of the reader's maker
			r.stats.Noise++
		}
	case nil:
		if e.Kind == osdp.EventOnline {
			if r.met {
				r.stats.Reopened++
			}
			r.met = true
		}
	}
}

// deliver puts scans on the channel; mu is held.
func (r *Reader) deliver(scans []scanner.Scan) {
	if r.runs {
		r.stats.Dropped += line.Deliver(r.scans, scans)
	}
}

// read makes scans of what the reader saw; mu is held.
func (r *Reader) read(m osdp.Raw, at time.Time) []scanner.Scan {
	switch {
	case r.isText(m):
		return r.texts.Whole(m.Data, at, nil)
	case m.Bits == 0:
		r.stats.Noise++
		return nil
	case m.Bits > maxBits:
		r.stats.Oversized++
		return nil
	}
	r.stats.Scans++
	return []scanner.Scan{{Text: number(m), Bits: int(m.Bits), At: at}}
}

// isText tells a QR code from a card number: OSDP has no mark for it, and readers
// report both as bits of an unnamed format.
func (r *Reader) isText(m osdp.Raw) bool {
	if m.Format != 0 || m.Bits%8 != 0 || len(m.Data) < r.textBytes {
		return false
	}
	for i, c := range m.Data {
		edge := i == 0 || i >= len(m.Data)-2 // STX, ETX, CR, LF
		if c > '~' || c < ' ' && (!edge || c == 0) {
			return false
		}
	}
	return true
}

// number is the card number as scanner.Scan has it. Its bits stand at the left of
// the data.
func number(m osdp.Raw) []byte {
	n := new(big.Int).SetBytes(m.Data)
	n.Rsh(n, uint(8*len(m.Data)-int(m.Bits)))
	return fmt.Appendf(nil, "%0*X", (int(m.Bits)+3)/4, n)
}
