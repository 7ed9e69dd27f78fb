package engine

import (
	"context"
	"fmt"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
)

const (
	// stall is the silence after which bytes that may have begun a reply are no
	// longer held for its rest.
	stall = 100 * time.Millisecond
	// rest is how long a read waits while nothing is under way.
	rest = time.Second
	// slice is how long this driver may take to see that it is to stop.
	slice = 100 * time.Millisecond
	// grace is how long a reply that is too late is still known as one, and the
	// silence after which nothing goes on that was under way before.
	grace = 2 * time.Second
	// proof is how long a scan must be to prove the rate it came at: less might
	// be garbage that happens to be printable.
	proof = 8
	// most bounds the bytes held for a reply.
	most = 4096
)

// wire is one opening of the port, as a dialect.Line. It is owned by the
// goroutine of Run.
type wire struct {
	ctx    context.Context // ends when the driver is to stop
	port   *serialport.Port
	frames *line.Assembler
	give   func([]scanner.Scan) // counts and delivers

	speaks dialect.Dialect // nil: plain lines
	asked  []byte          // the request under way
	reply  []byte          // its reply
	late   []byte          // the last request without a reply, which may still come
	until  time.Time       // how long late is waited for
	held   []byte          // what speaks wants to see more of
	fresh  time.Time       // when the last bytes came
	pause  bool            // before what is held was silence: no scan goes on in it
	long   bool            // and a long one: no message in packets does either
	proven int             // the rate at which a scan came in good order; 0 for none
	buf    [512]byte
	done   []scanner.Scan
}

// Baud implements dialect.Line.
func (w *wire) Baud() int { return w.port.Baud() }

// SetBaud implements dialect.Line. What was under way at the old rate is over.
func (w *wire) SetBaud(baud int) error {
	if baud == w.port.Baud() {
		return nil
	}
	w.flush()
	w.frames.Reset()
	return w.port.SetBaud(baud)
}

// Ask implements dialect.Line.
func (w *wire) Ask(request []byte, wait time.Duration) ([]byte, error) {
	w.asked, w.reply, w.late = request, nil, nil
	defer func() { w.asked, w.reply = nil, nil }()
	if err := w.write(request); err != nil {
		return nil, err
	}
	for end := time.Now().Add(wait); ; {
		if w.reply != nil {
			return w.reply, nil
		}
		left := time.Until(end)
		if left <= 0 {
			w.late, w.until = request, end.Add(grace)
			return nil, fmt.Errorf("wait %v for a reply at %d baud: %w", wait, w.Baud(), dialect.ErrSilent)
		}
		if err := w.pump(left); err != nil {
			return nil, err
		}
	}
}

// Rest implements dialect.Line.
func (w *wire) Rest(wait time.Duration) error {
	for end := time.Now().Add(wait); time.Now().Before(end); {
		if err := w.pump(time.Until(end)); err != nil {
			return err
		}
	}
	return nil
}

func (w *wire) write(b []byte) error {
	_, err := w.port.Write(b)
	return err
}

// pump reads once, for no longer than wait, and digests what came.
func (w *wire) pump(wait time.Duration) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	if left, open := w.frames.Waiting(now); open {
		wait = min(wait, left)
	}
	if len(w.held) > 0 {
		wait = min(wait, max(w.fresh.Add(stall).Sub(now), time.Millisecond))
	}
	n, err := w.port.Read(w.buf[:], min(max(wait, time.Millisecond), slice))
	if err != nil {
		return err
	}
	now = time.Now()
	w.done = w.done[:0]
	switch {
	case n > 0:
		w.arrived(w.buf[:n], now)
		err = w.digest(now)
	case len(w.held) > 0 && now.Sub(w.fresh) >= stall:
		w.flushAt(w.fresh)
	default:
		w.done = w.frames.Idle(now, w.done)
	}
	w.deliver()
	return err
}

// arrived adds bytes to what is held.
func (w *wire) arrived(b []byte, now time.Time) {
	if len(w.held) == 0 { // else the pause, if there was one, was before what is held
		silence := now.Sub(w.fresh)
		w.pause, w.long = silence >= stall, silence >= grace
	}
	w.held, w.fresh = append(w.held, b...), now
}

// deliver hands over what is done.
func (w *wire) deliver() {
	for _, scan := range w.done {
		if len(scan.Text) >= proof {
			w.proven = w.Baud()
		}
	}
	w.give(w.done)
}

// digest takes apart what is held, as far as it can be told what it is.
func (w *wire) digest(at time.Time) error {
	var err error
	left := w.held
	for len(left) > 0 && err == nil {
		p := w.look(left)
		if p.Kind == dialect.More && len(left) < most {
			break
		}
		n := min(max(p.N, 1), len(left))
		w.take(p, left[:n], at)
		left = left[n:]
		err = w.answer(p.Answer)
	}
	w.held = w.held[:copy(w.held, left)]
	return err
}

// look asks the dialect what stands in front.
func (w *wire) look(left []byte) dialect.Piece {
	if w.speaks == nil {
		return dialect.Piece{Kind: dialect.Text, N: len(left)}
	}
	v := dialect.View{Bytes: left, Inside: !w.frames.Between() && !w.pause, Lines: w.frames.Ends(), Paused: w.long}
	switch {
	case w.asked != nil && w.reply == nil:
		v.Asked = w.asked
	case w.asked == nil && w.late != nil && w.fresh.Before(w.until):
		v.Asked = w.late
	}
	return w.speaks.Take(v)
}

// take does with one piece what its kind says.
func (w *wire) take(p dialect.Piece, piece []byte, at time.Time) {
	w.pause, w.long = false, false
	switch p.Kind {
	case dialect.Text, dialect.More:
		w.done = w.frames.Feed(piece, at, w.done)
	case dialect.Reply:
		w.done = w.frames.End(w.done)
		if w.late = nil; w.asked != nil {
			w.reply = append([]byte(nil), piece...)
		}
	case dialect.Scan:
		w.done = w.frames.Whole(p.Text, at, w.done)
	case dialect.Broken:
		w.frames.Broken()
	}
}

func (w *wire) answer(b []byte) error {
	if b == nil {
		return nil
	}
	return w.write(b)
}

// flush gives up waiting for the rest of a reply: what is there is not one.
func (w *wire) flush() {
	w.done = w.done[:0]
	w.flushAt(w.fresh)
	w.deliver()
}

func (w *wire) flushAt(at time.Time) {
	w.done = w.frames.Feed(w.held, at, w.done)
	w.held = w.held[:0]
}
