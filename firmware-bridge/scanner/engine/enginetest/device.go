// Package enginetest plays scan engines on virtual serial lines: one fake for each family, and what goes wrong with them.
//
// A pseudo-terminal carries bytes at any rate, so the fakes look at the rate that
// the near end is set to and garble what passes at another one than their own.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"turnstile/firmware-bridge/serialport/serialtest"
)

// Reply is what an engine sends, at the rate it has at that moment.
type Reply struct {
	Bytes []byte
	Baud  int
}

// Personality is how one kind of engine behaves: bytes in, bytes out, without a
// wire. It is used by one goroutine at a time.
type Personality interface {
	// Hear takes bytes that arrived, or none when time has passed.
	Hear(b []byte, at time.Time) []Reply
	// Read reads a printed code with this text; nil if the engine is not to read
	// now, or takes it for a set-up code.
	Read(text string) []Reply
	// Baud is the rate the engine listens at.
	Baud() int
	// Restart is power lost and found: what is not in flash is forgotten.
	Restart()
}

// Faults are what goes wrong. The zero value is a healthy engine.
type Faults struct {
	Silent      bool          // it hears and does not answer
	Half        bool          // of each reply only the first half leaves
	Slow        time.Duration // each reply leaves so late
	Babble      []byte        // noise before each reply
	UnplugAfter int           // the plug is pulled at this many replies; 0 for never
}

// Device is one engine behind one virtual line. Use NewDevice, Plug and Run. Its
// methods may be called from any goroutine.
type Device struct {
	line *serialtest.Line

	mu      sync.Mutex // guards the following
	engine  Personality
	faults  Faults
	replies int
	heard   int
}

// NewDevice makes an unplugged device that will appear at link.
func NewDevice(link string, engine Personality) *Device {
	return &Device{line: serialtest.New(link), engine: engine}
}

// Link is the path that the driver opens.
func (d *Device) Link() string { return d.line.Link() }

// Plug makes it appear, freshly powered.
func (d *Device) Plug() error {
	d.Do(func(p Personality) { p.Restart() })
	return d.line.Plug()
}

// Unplug makes it vanish.
func (d *Device) Unplug() { d.line.Unplug() }

// Break makes things go wrong from now on.
func (d *Device) Break(f Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.replies = f, 0
}

// Do works on the engine's state.
func (d *Device) Do(work func(Personality)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	work(d.engine)
}

// Heard is how many bytes arrived so far, at whatever rate.
func (d *Device) Heard() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard
}

// Scan lets the engine read a printed code.
func (d *Device) Scan(text string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.send(d.engine.Read(text))
}

// Send puts raw bytes on the line, at the engine's rate.
func (d *Device) Send(raw []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.send([]Reply{{raw, d.engine.Baud()}})
}

// send writes replies; mu is held, so that they leave in one piece each.
func (d *Device) send(replies []Reply) error {
	for _, r := range replies {
		far, err := d.line.Far()
		if err != nil {
			return err
		}
		b, err := d.carry(r.Bytes, r.Baud)
		if err != nil {
			return err
		}
		if err := far.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		if _, err := far.Write(b); err != nil {
			return fmt.Errorf("write virtual serial line: %w", err)
		}
	}
	return nil
}

// carry is what arrives of b at the other end of a line whose ends have rates
// of their own.
func (d *Device) carry(b []byte, baud int) ([]byte, error) {
	near, err := d.line.Speed()
	if err != nil || near == baud {
		return b, err
	}
	garbage := make([]byte, len(b))
	for i, c := range b {
		garbage[i] = c ^ 0x55 | 0x80
	}
	return garbage, nil
}

// tick is how often an engine notices that time passes.
const tick = 20 * time.Millisecond

// Run plays the device until ctx ends, plugged and unplugged.
func (d *Device) Run(ctx context.Context) error {
	b := make([]byte, 512)
	for ctx.Err() == nil {
		far, err := d.line.Far()
		if err != nil {
			wait(ctx, tick)
			continue
		}
		if err := far.SetReadDeadline(time.Now().Add(tick)); err != nil {
			continue // unplugged meanwhile
		}
		n, err := far.Read(b)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			wait(ctx, tick)
			continue
		}
		d.hear(ctx, b[:n])
	}
	return nil
}

// hear passes bytes on and sends what the engine answers, as the faults allow.
func (d *Device) hear(ctx context.Context, b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard += len(b)
	b, err := d.carry(b, d.engine.Baud())
	if err != nil {
		return
	}
	for _, r := range d.engine.Hear(b, time.Now()) {
		f := d.faults
		if f.Silent {
			continue
		}
		if d.replies++; d.replies == f.UnplugAfter {
			d.line.Unplug()
			return
		}
		if f.Slow > 0 {
			d.mu.Unlock()
			wait(ctx, f.Slow)
			d.mu.Lock()
		}
		if f.Half {
			r.Bytes = r.Bytes[:len(r.Bytes)/2]
		}
		r.Bytes = append(append([]byte(nil), f.Babble...), r.Bytes...)
		if d.send([]Reply{r}) != nil {
			return // unplugged
		}
	}
}

// wait returns after t or when ctx ends.
func wait(ctx context.Context, t time.Duration) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
