package panel

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/wiegand"
)

// ErrBroken says that no try got a whole frame out in time: the panel has seen
// no card.
var ErrBroken = errors.New("card not sent: this computer was too busy for its pulses in each try; give the program a real-time priority (CPUSchedulingPolicy=fifo), or send through a lane controller")

// errWire says that a data line cannot be driven.
var errWire = errors.New("data line to the panel")

// Sender tells a panel one card: this package's own outputs, or a lane
// controller (*controller.Gate), whose pulses no scheduler disturbs.
type Sender interface {
	// SendCard sends row once and returns nil when all of it is out, or with a
	// device that has taken it and sends it now. After an error that wraps
	// gate.ErrUnsure the panel may have seen the card; after any other it has
	// seen no whole one and will not. It returns soon when ctx ends. It is called
	// by one goroutine at a time.
	SendCard(ctx context.Context, row wiegand.Bits) error
}

// Times of a frame. The bounds are narrower than those of a reader that listens
// (package wiegand): a panel's may be narrow too.
const (
	width   = 50 * time.Microsecond
	longest = wiegand.MostPulse // a pulse above it breaks the frame
	period  = 2 * time.Millisecond
	apart   = 15 * time.Millisecond  // from pulse to pulse; a longer pause breaks the frame
	quiet   = 2 * wiegand.MaxSilence // before a frame, so that none is joined to a broken one
	tries   = 5
	// awake is how long before a pulse the processor is held: a sleep ends late.
	awake = 200 * time.Microsecond
)

// output is the part of gpioline.Output that is used; on is a pulse.
type output interface {
	Set(on bool) error
	Close() error
}

// clock is what a frame is measured by.
type clock interface {
	Now() time.Time
	Sleep(d time.Duration)
}

// hostClock is this computer's.
type hostClock struct{}

func (hostClock) Now() time.Time        { return time.Now() }
func (hostClock) Sleep(d time.Duration) { time.Sleep(d) }

// port is a Sender on two outputs.
type port struct {
	data  [2]output // D0 and D1
	clock clock
	free  time.Time // no frame may begin before
}

// newPort makes a port of outputs that are off. What an earlier process may have
// left unfinished gets its silence.
func newPort(d0, d1 output, c clock) *port {
	return &port{[2]output{d0, d1}, c, c.Now().Add(quiet)}
}

// SendCard implements Sender.
func (p *port) SendCard(ctx context.Context, row wiegand.Bits) error {
	err := ErrBroken
	for range tries {
		p.clock.Sleep(p.free.Sub(p.clock.Now()))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err = p.frame(ctx, row); !errors.Is(err, ErrBroken) || errors.Is(err, gate.ErrUnsure) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("send card: %w", err)
	}
	return nil
}

// frame sends row up to the first fault.
func (p *port) frame(ctx context.Context, row wiegand.Bits) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { p.free = p.clock.Now().Add(quiet) }()
	var last time.Time // when the pulse before began
	for i := 1; i <= row.Len(); i++ {
		if i > 1 {
			p.until(last.Add(period))
			if p.clock.Now().Sub(last) > apart {
				return ErrBroken
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		began, err := p.pulse(row.Bit(i))
		if i > 1 && began.Sub(last) > apart {
			err = errors.Join(err, ErrBroken)
		}
		if err != nil && i == row.Len() {
			return fmt.Errorf("%w: the last pulse: %w", gate.ErrUnsure, err)
		}
		if err != nil {
			return err
		}
		last = began
	}
	return nil
}

// pulse makes one of at least width and returns when it began at the latest. It
// is ErrBroken if it may have been too long.
func (p *port) pulse(one bool) (began time.Time, err error) {
	line := p.data[0]
	if one {
		line = p.data[1]
	}
	before := p.clock.Now()
	err = line.Set(true)
	began = p.clock.Now()
	if err == nil {
		p.until(began.Add(width))
	}
	if off := line.Set(false); err == nil { // also after an error: it may be on
		err = off
	}
	if err != nil {
		return began, fmt.Errorf("%w: %w", errWire, err)
	}
	if p.clock.Now().Sub(before) > longest {
		return began, ErrBroken
	}
	return began, nil
}

// until sleeps to just before t and then holds the processor.
func (p *port) until(t time.Time) {
	if rest := t.Sub(p.clock.Now()); rest > awake {
		p.clock.Sleep(rest - awake)
	}
	for p.clock.Now().Before(t) { // ends: the clock is monotonic
	}
}

// Close switches both lines off and gives them back.
func (p *port) Close() error {
	var all error
	for _, line := range p.data {
		all = errors.Join(all, line.Set(false), line.Close())
	}
	return all
}
