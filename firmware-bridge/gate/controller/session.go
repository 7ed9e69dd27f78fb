package controller

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
)

// The host's times of FORMAT.md.
const (
	helloEvery  = 250 * time.Millisecond
	beatEvery   = 500 * time.Millisecond
	openEvery   = 150 * time.Millisecond
	openTries   = 6
	signalEvery = 100 * time.Millisecond
	signalTries = 3
	silence     = 2 * time.Second
	// reopen is the silence after which the port itself is opened anew, for
	// adapters that hang. It is far over the 2 s for which boards restart when
	// their port is opened.
	reopen = 30 * time.Second
	// farewell is how long a stopping driver waits for the controller to confirm
	// that it is locked. The controller locks by itself after its own silence.
	farewell = 400 * time.Millisecond
	// step is how often the session looks at its times.
	step = 25 * time.Millisecond
)

// port is what a session needs of a serialport.Port.
type port interface {
	Read(b []byte, wait time.Duration) (int, error)
	Write(b []byte) (int, error)
}

// session is the talk with whatever is at the end of one opened port.
type session struct {
	g    *Gate
	port port
	dec  frame.Decoder
	wire []byte // reused by send

	id       uint32 // of our HELLO
	seq      uint8
	attached bool
	leaving  bool
	locked   bool      // the controller confirmed that relay and passage are off
	heard    time.Time // last good frame of a controller
	echoed   time.Time // last good frame of a host: our own
	hello    time.Time // next HELLO
	beat     time.Time // next BEAT, or LOCK while leaving
	signal   time.Time // next SIGNAL
	garbled  uint64    // of dec, already counted
	err      error     // of a write; ends the session
}

// session is what Run does on an opened port until it is gone or ctx ends.
func (g *Gate) session(ctx context.Context, p port) error {
	s := &session{g: g, port: p, heard: time.Now()}
	s.greet()
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	chunks, failed := make(chan []byte), make(chan error, 1)
	go func() { failed <- read(reading, p, chunks) }()
	err := s.talk(ctx, chunks, failed)
	stop()
	for range chunks { // until the reader has ended
	}
	g.detach(err)
	return err
}

// read passes on what arrives until the port is gone or ctx ends; then it closes chunks.
func read(ctx context.Context, p port, chunks chan<- []byte) error {
	defer close(chunks)
	for ctx.Err() == nil {
		b := make([]byte, 256)
		n, err := p.Read(b, 100*time.Millisecond)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		select {
		case chunks <- b[:n]:
		case <-ctx.Done():
		}
	}
	return nil
}

// talk runs the session until the port is gone, or ctx has ended and the
// controller is locked.
func (s *session) talk(ctx context.Context, chunks <-chan []byte, failed <-chan error) error {
	tick := time.NewTicker(step)
	defer tick.Stop()
	for s.err == nil {
		select {
		case b, open := <-chunks:
			if !open {
				return <-failed
			}
			s.receive(b)
		case <-s.g.wake:
		case <-tick.C:
		case <-ctx.Done():
			return s.leave(chunks)
		}
		if err := s.work(time.Now()); err != nil {
			return err
		}
	}
	return s.err
}

// leave locks the controller and waits a little for it to say so.
func (s *session) leave(chunks <-chan []byte) error {
	tick := time.NewTicker(step)
	defer tick.Stop()
	s.leaving, s.beat = true, time.Time{}
	end := time.Now().Add(farewell)
	for s.attached && !s.locked && s.err == nil && time.Now().Before(end) {
		if now := time.Now(); !now.Before(s.beat) {
			s.send(frame.Lock{})
			s.send(frame.Beat{})
			s.beat = now.Add(100 * time.Millisecond)
		}
		select {
		case b, open := <-chunks:
			if !open {
				return nil
			}
			s.receive(b)
		case <-tick.C:
		}
	}
	return nil
}

// send writes one frame. An error ends the session at the next occasion.
func (s *session) send(m frame.Message) {
	s.seq++
	s.wire = frame.Encode(s.wire[:0], s.seq, m)
	if _, err := s.port.Write(s.wire); err != nil && s.err == nil {
		s.err = err
	}
}

// greet starts over with a new session number.
func (s *session) greet() {
	s.attached = false
	s.id = rand.Uint32() | 1
	s.hello = time.Time{}
}

// part ends the attachment for the reason err and greets anew.
func (s *session) part(err error) {
	s.g.detach(err)
	s.greet()
}

// work sends what is due at now.
func (s *session) work(now time.Time) error {
	switch {
	case now.Sub(s.heard) > reopen:
		return s.silent()
	case s.attached && now.Sub(s.heard) > silence:
		s.part(s.silent())
	case !s.attached && now.Sub(s.heard) > silence:
		s.g.detach(s.silent())
	}
	if !s.attached {
		if !now.Before(s.hello) {
			s.send(frame.Hello{Session: s.id})
			s.hello = now.Add(helloEvery)
		}
		return s.err
	}
	if open, ok := s.g.dueOpen(now); ok {
		s.send(open)
	}
	if m, ok := s.g.dueRequest(now); ok {
		s.send(m)
	}
	if !now.Before(s.beat) {
		s.send(frame.Beat{})
		if seen, ok := s.g.takesCards(); ok {
			s.send(seen)
		}
		s.beat = now.Add(beatEvery)
	}
	if sig, ok := s.g.dueSignal(now, s.signal); ok {
		s.send(sig)
		s.signal = now.Add(signalEvery)
	}
	return s.err
}

// silent says why nothing answers.
func (s *session) silent() error {
	if s.echoed.After(s.heard) {
		return fmt.Errorf("%w (%w)", ErrSilent, errEcho)
	}
	if n, err := s.dec.Garbled(); n > 0 {
		return fmt.Errorf("%w (what comes is garbled: %w)", ErrSilent, err)
	}
	return ErrSilent
}

// dueOpen returns the OPEN to send now, if one is due, and gives up on the
// current passage when its time is over.
func (g *Gate) dueOpen(now time.Time) (frame.Open, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.current
	if p == nil {
		return frame.Open{}, false
	}
	if p.sent > 0 && now.After(p.deadline) {
		p.reply(gate.ErrUnsure)
		g.outcome(gate.NotPassed, p.grant.Direction, now, "no word from the controller")
		return frame.Open{}, false
	}
	if p.answered || now.Before(p.next) {
		return frame.Open{}, false
	}
	if p.refused > 0 && now.Before(p.next.Add(openEvery)) {
		return frame.Open{}, false // it is not sent again; answers to the rest may be on their way
	}
	if p.sent == openTries || p.refused > 0 {
		p.reply(gate.ErrUnsure)
		return frame.Open{}, false
	}
	g.sending(p, now)
	return frame.Open{
		Number: p.grant.Number, Direction: uint8(p.grant.Direction),
		Pulse: uint16(p.grant.Pulse.Milliseconds()), Window: uint16(p.grant.Window.Milliseconds()),
	}, true
}

// sending notes that an OPEN for p leaves; mu is held.
func (g *Gate) sending(p *passage, now time.Time) {
	if p.sent == 0 {
		p.deadline = now.Add(p.grant.Window + gate.Grace)
		p.before, g.state.LastGrant = g.state.LastGrant, p.grant.Number
		if g.firstOwn == 0 {
			g.firstOwn = p.grant.Number
		}
	} else {
		g.state.Resent++
	}
	p.sent++
	p.next = now.Add(openEvery)
}

// dueSignal returns the SIGNAL to send now, if one is due; next is when it may
// be sent again.
func (g *Gate) dueSignal(now, next time.Time) (frame.Signal, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shown >= signalTries || g.shown > 0 && now.Before(next) {
		return frame.Signal{}, false
	}
	g.shown++
	sig := g.signal
	if !g.until.IsZero() {
		left := g.until.Sub(now)
		if left <= 0 {
			sig.Pattern = uint8(gate.Idle)
		}
		const unit = 100 * time.Millisecond
		sig.Duration = uint16(min(max((left+unit-1)/unit, 0), 0xFFFF))
	}
	return sig, true
}
