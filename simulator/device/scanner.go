package device

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"turnstile/firmware-bridge/serialport/serialtest"
)

// Scanner is a virtual QR scanner in plain line mode. Use NewScanner. One
// goroutine at a time may send.
type Scanner struct {
	line *serialtest.Line
	baud int
	mood atomic.Uint32 // a Mood
	ear  func(b []byte)
	// spoken is that a whole line was sent to the driver that listens now.
	spoken atomic.Bool
}

// Mood is what is wrong with a scanner that has power.
type Mood uint32

// The moods.
const (
	Well   Mood = iota
	Silent      // it reads nothing
	Half        // its line breaks off in the middle of each code
)

// Suffer gives the scanner a mood from the next scan on.
func (s *Scanner) Suffer(m Mood) { s.mood.Store(uint32(m)) }

// NewScanner makes an unplugged scanner whose port will appear at link and
// which sends at baud.
func NewScanner(link string, baud int) *Scanner {
	return &Scanner{line: serialtest.New(link), baud: baud}
}

// Tell has f hear each piece that leaves the scanner; call it before the first Send.
// f must not keep the piece.
func (s *Scanner) Tell(f func(b []byte)) { s.ear = f }

// Plug makes the port appear.
func (s *Scanner) Plug() error {
	s.spoken.Store(false)
	return s.line.Plug()
}

// Unplug makes it vanish.
func (s *Scanner) Unplug() { s.line.Unplug() }

// Anew tells the scanner that another driver listens from now on.
func (s *Scanner) Anew() { s.spoken.Store(false) }

// Plugged reports whether the port is there.
func (s *Scanner) Plugged() bool {
	_, err := s.line.Far()
	return err == nil
}

// Reads reports that something comes of a code that is held before it.
func (s *Scanner) Reads() bool { return s.Plugged() && Mood(s.mood.Load()) != Silent }

// Scan sends text as a scanner does that has read a QR symbol: AIM id, text, CR
// LF. It returns when the last byte has left.
func (s *Scanner) Scan(ctx context.Context, text string) error {
	raw, mood := []byte("]Q1"+text+"\r\n"), Mood(s.mood.Load())
	switch mood {
	case Silent:
		return nil
	case Half:
		raw = raw[:len(raw)/2]
	}
	if s.spoken.Swap(mood == Well) {
		return s.send(ctx, raw)
	}
	return s.Burst(ctx, raw)
}

// Burst sends raw bytes at once, when the last of them is due: silence in a code ends it,
// after 50 ms until a driver has heard the end of one, and a busy machine makes such a
// silence where no wire would.
func (s *Scanner) Burst(ctx context.Context, raw []byte) error {
	if pause(ctx, s.wireTime(len(raw))); ctx.Err() != nil {
		return fmt.Errorf("send scan: %w", ctx.Err())
	}
	far, err := s.line.Far()
	if err == nil {
		err = writeSoon(far, raw)
	}
	if err != nil {
		return fmt.Errorf("send scan: %w: nobody reads the port, or it was unplugged", err)
	}
	if s.ear != nil {
		s.ear(raw)
	}
	return nil
}

// Send sends raw bytes at the scanner's pace: 10 bit times a byte.
func (s *Scanner) Send(ctx context.Context, raw []byte) error {
	s.spoken.Store(bytes.HasSuffix(raw, []byte("\n"))) // what broke off may have its driver doubt that lines end
	return s.send(ctx, raw)
}

func (s *Scanner) send(ctx context.Context, raw []byte) error {
	far, err := s.line.Far()
	if err != nil {
		return fmt.Errorf("send scan: %w", err)
	}
	began := time.Now()
	for sent := 0; sent < len(raw); {
		due := min(int(time.Since(began)*time.Duration(s.baud)/(10*time.Second))+1, len(raw))
		if due <= sent {
			pause(ctx, time.Until(began.Add(s.wireTime(sent+1))))
			if ctx.Err() != nil {
				return fmt.Errorf("send scan: %w", ctx.Err())
			}
			continue
		}
		if err := writeSoon(far, raw[sent:due]); err != nil {
			return fmt.Errorf("send scan: %w: nobody reads the port, or it was unplugged", err)
		}
		if s.ear != nil {
			s.ear(raw[sent:due])
		}
		sent = due
	}
	return nil
}

// wireTime is how long n bytes take.
func (s *Scanner) wireTime(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(s.baud)
}
