// Package line drives QR scanners that send each scan as a line of text over a serial port.
//
// Any engine in "plain line mode" over UART or USB-CDC works: text ended by CR,
// LF, CR LF or ETX, with or without STX, AIM id and ECI marks, or with nothing at
// all, in which case silence ends it. Set the engine to QR only, 115200 baud, and
// switch off configuration by barcode: a visitor could reprogram it with a print.
package line

import (
	"bytes"
	"time"
	"unicode"
	"unicode/utf8"

	"turnstile/firmware-bridge/scanner"
)

const (
	stx, etx, eot = 0x02, 0x03, 0x04
	// idle is the silence that ends a frame of a scanner that never sent a line
	// end. It is well over the gap between two bytes at 1200 baud (8 ms) and the
	// 16 ms for which USB adapters hold bytes back.
	idle = 50 * time.Millisecond
	// stalled is that silence for a scanner known to end its lines: what is there
	// is half a scan, unless this host was too busy to read.
	stalled = 500 * time.Millisecond
)

// Assembler makes scans of bytes: no I/O and no clock of its own. The zero
// value is ready.
type Assembler struct {
	stats  scanner.Stats // only the counts
	held   [scanner.MaxText + margin]byte
	n      int
	state  state
	ends   bool      // this scanner ends its lines, as far as one can tell
	framed bool      // the frame began with STX
	seen   uint32    // the bytes before, the last one lowest
	last   time.Time // when the last byte of the frame came
}

// margin is room for marks around the text of a frame.
const margin = 32

// state is what the bytes since the last line end are good for.
type state uint8

const (
	clean state = iota
	dirty       // noise inside: thrown away at its end
	over        // too long: thrown away at its end
)

// Stats returns the counts of frames so far.
func (a *Assembler) Stats() scanner.Stats { return a.stats }

// Feed takes bytes that arrived at the instant at and appends each scan they
// complete to out.
func (a *Assembler) Feed(b []byte, at time.Time, out []scanner.Scan) []scanner.Scan {
	for _, c := range b {
		switch {
		case c == '\r' || c == '\n' || c == etx || c == eot:
			a.ends = a.ends || a.n > 0
			out = a.finish(at, out)
		case c == stx:
			if a.n > 0 || a.state != clean { // the frame before has lost its end
				a.state = max(a.state, dirty)
				out = a.finish(at, out)
			}
			a.framed, a.last = true, at
		case (c == 0 || c == 0xFF) && a.n == 0 && a.state == clean:
			// A BREAK or a glitch while the plug goes in: no frame has begun.
		default:
			a.last = at
			a.hold(c)
			out = a.resync(c, at, out)
		}
	}
	return out
}

// resync begins a new frame at the AIM id of a QR code that stands inside of
// one: the scan before has lost its end. No text that a lane is meant to read has
// such a mark inside; without this the good scan would go with the bad one.
func (a *Assembler) resync(c byte, at time.Time, out []scanner.Scan) []scanner.Scan {
	a.seen = a.seen<<8 | uint32(c)
	id := [...]byte{byte(a.seen >> 16), byte(a.seen >> 8), c}
	if id[0] != ']' || id[1] != 'Q' || !digit(c) || a.n <= len(id) && a.state == clean {
		return out
	}
	a.state = max(a.state, dirty)
	out = a.finish(at, out) // counts it, and gives nothing
	a.n, a.last = copy(a.held[:], id[:]), at
	return out
}

// hold keeps one byte of a frame.
func (a *Assembler) hold(c byte) {
	switch {
	case a.n == len(a.held):
		a.state = over
	case c < ' ' || c == 0x7F:
		a.state = max(a.state, dirty)
	}
	if a.state == clean || a.n == 0 {
		a.held[a.n] = c
		a.n++
	}
}

// Waiting is how long after now the frame under way ends by silence, at least
// 1 ms; false if no frame is under way.
func (a *Assembler) Waiting(now time.Time) (time.Duration, bool) {
	if a.Between() {
		return 0, false
	}
	return max(a.last.Add(a.silence()).Sub(now), time.Millisecond), true
}

func (a *Assembler) silence() time.Duration {
	if a.ends {
		return stalled
	}
	return idle
}

// Idle says that by now every byte that had arrived was fed. It ends a frame
// after enough silence. It is not derived from the times given to Feed: a host
// too busy to read sees gaps that the line never had.
func (a *Assembler) Idle(now time.Time, out []scanner.Scan) []scanner.Scan {
	if _, open := a.Waiting(now); !open || now.Sub(a.last) < a.silence() {
		return out
	}
	a.ends = false // until it is seen again: a line end may have been printed
	return a.finish(a.last, out)
}

// Reset forgets a frame under way: the port it came from is gone.
func (a *Assembler) Reset() {
	if a.n > 0 || a.state != clean {
		a.stats.Noise++
	}
	a.n, a.state, a.framed = 0, clean, false
}

// Between reports that no frame is under way: the next byte begins one.
func (a *Assembler) Between() bool { return a.n == 0 && a.state == clean && !a.framed }

// Ends reports that this scanner is known to end its lines, so that what looks
// like the end of a scan by silence alone is none.
func (a *Assembler) Ends() bool { return a.ends }

// End ends the frame under way, if there is one: what follows on the wire is
// not of it.
func (a *Assembler) End(out []scanner.Scan) []scanner.Scan {
	if a.Between() {
		return out
	}
	return a.finish(a.last, out)
}

// Whole takes the text of one scan that a protocol delivered in one piece, ends
// and marks included. A frame under way is not touched.
func (a *Assembler) Whole(text []byte, at time.Time, out []scanner.Scan) []scanner.Scan {
	text = bytes.TrimRight(text, "\r\n\x03\x04")
	text = bytes.TrimPrefix(text, []byte{stx})
	state := clean
	if len(text) > len(a.held) {
		state, text = over, nil
	}
	return a.judge(state, true, text, at, out)
}

// Broken counts a frame that arrived damaged, and of which nothing is left.
func (a *Assembler) Broken() { a.stats.Noise++ }

// finish ends the frame under way and appends its scan, if it is one.
func (a *Assembler) finish(at time.Time, out []scanner.Scan) []scanner.Scan {
	state, framed, raw := a.state, a.framed, a.held[:a.n]
	a.n, a.state, a.framed = 0, clean, false
	return a.judge(state, framed, raw, at, out)
}

// judge counts one frame and appends its scan, if it is one.
func (a *Assembler) judge(state state, framed bool, raw []byte, at time.Time, out []scanner.Scan) []scanner.Scan {
	symbology, text := strip(raw)
	switch {
	case state == over || len(text) > scanner.MaxText:
		a.stats.Oversized++
	case state == dirty || !utf8.Valid(text) || bytes.ContainsFunc(text, unicode.IsControl): // U+0080 to U+009F too
		a.stats.Noise++
	case len(raw) == 0 && !framed: // the LF of a CR LF, or an empty line
	case len(text) == 0:
		a.stats.Empty++
	case noRead(text):
		a.stats.NoRead++
	default:
		a.stats.Scans++
		out = append(out, scanner.Scan{Text: bytes.Clone(text), Symbology: symbology, At: at})
	}
	return out
}

// strip takes marks off the front of a frame: an AIM id (ISO/IEC 15424: "]", a
// letter, a letter or digit) and ECI numbers (a backslash and six digits).
func strip(raw []byte) (symbology string, text []byte) {
	text = raw
	if len(text) >= 3 && text[0] == ']' && letter(text[1]) && (letter(text[2]) || digit(text[2])) {
		symbology, text = name(text[1:3]), text[3:]
	}
	for isECI(text) {
		text = text[7:]
	}
	return symbology, text
}

// name saves an allocation for the ids that are always seen.
func name(id []byte) string {
	switch string(id) {
	case "Q1":
		return "Q1"
	case "Q3":
		return "Q3"
	}
	return string(id)
}

func isECI(text []byte) bool {
	if len(text) < 7 || text[0] != '\\' {
		return false
	}
	for _, c := range text[1:7] {
		if !digit(c) {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return c&^0x20 >= 'A' && c&^0x20 <= 'Z' }
func digit(c byte) bool  { return '0' <= c && c <= '9' }

// noRead reports whether text is an engine's way to say that it saw a symbol and
// could not read it.
func noRead(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("%%"))
	for _, word := range []string{"noread", "no read", "nr"} {
		if len(text) == len(word) && bytes.EqualFold(text, []byte(word)) {
			return true
		}
	}
	return false
}
