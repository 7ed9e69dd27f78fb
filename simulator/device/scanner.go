package device

import (
	"context"
	"fmt"
	"time"

	"turnstile/firmware-bridge/serialport/serialtest"
)

// Scanner is a virtual QR scanner in plain line mode. Use NewScanner. One
// goroutine at a time may send.
type Scanner struct {
	line *serialtest.Line
	baud int
}

// NewScanner makes an unplugged scanner whose port will appear at link and
// which sends at baud.
func NewScanner(link string, baud int) *Scanner {
	return &Scanner{line: serialtest.New(link), baud: baud}
}

// Plug makes the port appear.
func (s *Scanner) Plug() error { return s.line.Plug() }

// Unplug makes it vanish.
func (s *Scanner) Unplug() { s.line.Unplug() }

// Plugged reports whether the port is there.
func (s *Scanner) Plugged() bool {
	_, err := s.line.Far()
	return err == nil
}

// Scan sends text as a scanner does that has read a QR symbol: AIM id, text, CR
// LF. It returns when the last byte has left.
func (s *Scanner) Scan(ctx context.Context, text string) error {
	return s.Send(ctx, []byte("]Q1"+text+"\r\n"))
}

// Send sends raw bytes at the scanner's pace: 10 bit times a byte.
func (s *Scanner) Send(ctx context.Context, raw []byte) error {
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
		sent = due
	}
	return nil
}

// wireTime is how long n bytes take.
func (s *Scanner) wireTime(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(s.baud)
}
