package enginetest

import (
	"strings"
	"time"
)

// SetupCode begins the text of a printed code that an engine takes for one of
// its own, as long as it takes any.
const SetupCode = "SETUP CODE "

// Reader is what all engines have in common: when they read, and whether a
// print can set them up. Programmed counts the prints that did.
type Reader struct {
	Programmed int
	Closed     bool // set-up codes are read like any other
	Bare       bool // it sends no line end
	Refusing   bool // it says no to all settings

	byCommand bool
	armed     bool
	waiting   string // the code before it
}

// read is what it sends for a code that comes before it, as plain text.
func (r *Reader) read(text string) (sent []byte) {
	if strings.HasPrefix(text, SetupCode) && !r.Closed {
		r.Programmed++
		return nil
	}
	if r.byCommand && !r.armed {
		r.waiting = text
		return nil
	}
	r.armed, r.waiting = false, ""
	if r.Bare {
		return []byte(text)
	}
	return []byte(text + "\r\n")
}

// trigger begins or ends a read by command; what it returns was before it.
func (r *Reader) trigger(on bool) []byte {
	if r.armed = on; !on || r.waiting == "" {
		return nil
	}
	return r.read(r.waiting)
}

// Plain is an engine in line mode that takes no commands.
type Plain struct {
	Reader
	Rate int
}

// NewPlain returns one that sends at rate.
func NewPlain(rate int) *Plain { return &Plain{Rate: rate} }

// Hear implements Personality.
func (*Plain) Hear([]byte, time.Time) []Reply { return nil }

// Read implements Personality.
func (p *Plain) Read(text string) []Reply { return replies(p.read(text), p.Rate) }

// Baud implements Personality.
func (p *Plain) Baud() int { return p.Rate }

// Restart implements Personality.
func (*Plain) Restart() {}

// replies makes one of b; none of nothing.
func replies(b []byte, baud int) []Reply {
	if b == nil {
		return nil
	}
	return []Reply{{b, baud}}
}
