// Package honeywell speaks to Honeywell scan engines by menu commands, and to the DE2120, whose maker took over the tags.
//
// Sources: Honeywell's user guides (N3680, N86, HF680 family) as quoted by public
// drivers and captures. Nothing here ran on real hardware. A command, and the
// reply to it:
//
//	16 4D 0D | TAG SUBTAG DATA        | MARK
//	           TAG SUBTAG DATA STATUS   MARK
//
// TAG and SUBTAG are three characters each; MARK is '!' until power is lost or
// '.' for ever, in flash that wears out; STATUS is 06 done, 05 unknown tag, 15
// value refused. A DATA of '?' asks for the value. 16 54 0D begins a read and 16 55
// 0D ends it, once the engine is in a manual trigger mode.
//
// 232BAD is the rate: 2 is 1200 and each number twice the one before, up to 8 for
// 57600, and 9 for 115200. REVINF tells model and software.
//
// What differs by model: TRGMOD3 (presentation) and TRGMOD0 (manual) are of the
// N36xx guide and sent to no other; streaming has other names again. Not known for
// all models, and so not done: how to switch set-up codes off, and QR only. In
// packet mode a code id letter stands between STX and the text: leave it off.
package honeywell

import "bytes"

// Statuses.
const (
	Done    = 0x06
	Unknown = 0x05
	Bad     = 0x15
)

// Marks.
const (
	Temporary = '!'
	Permanent = '.'
)

var menu = []byte{0x16, 'M', 0x0D}

// aboutTag asks for model and software, the one reply of several lines.
const aboutTag = "REVINF"

const (
	tagSize = 6
	// maxReply bounds a reply: REVINF tells some lines.
	maxReply = 1024
)

// codes are the rates as 232BAD has them, for both families.
var codes = map[int]string{
	1200: "2", 2400: "3", 4800: "4", 9600: "5", 19200: "6", 38400: "7", 57600: "8", 115200: "9",
}

// Append appends one menu command, such as 232BAD9, to dst.
func Append(dst []byte, command string, mark byte) []byte {
	dst = append(dst, menu...)
	dst = append(dst, command...)
	return append(dst, mark)
}

// AppendReply appends what an engine answers, for what plays one.
func AppendReply(dst []byte, echo string, status, mark byte) []byte {
	dst = append(dst, echo...)
	return append(dst, status, mark)
}

// ParseCommand reads one menu command at the front of b, n bytes long; n is 0
// if more are needed and -1 if b does not begin with one.
func ParseCommand(b []byte) (command []byte, mark byte, n int) {
	if !bytes.HasPrefix(b, menu[:min(len(b), len(menu))]) {
		return nil, 0, -1
	}
	end := bytes.IndexAny(b, "!.")
	switch {
	case end < 0 && len(b) > maxReply:
		return nil, 0, -1
	case end < 0:
		return nil, 0, 0
	case end < len(menu)+tagSize:
		return nil, 0, -1
	}
	return b[len(menu):end], b[end], end + 1
}

// ParseReply reads the reply to a command with this tag (tag and subtag, six
// bytes) at the front of b; n as in ParseCommand.
func ParseReply(b, tag []byte) (data []byte, status byte, n int) {
	if !bytes.HasPrefix(b, tag[:min(len(b), len(tag))]) {
		return nil, 0, -1
	}
	lines := string(tag) == aboutTag
	for i := len(tag); i < len(b) && i < maxReply; i++ {
		switch c := b[i]; {
		case c == Done || c == Unknown || c == Bad:
			if i+1 == len(b) {
				return nil, 0, 0
			}
			if b[i+1] != Temporary && b[i+1] != Permanent {
				return nil, 0, -1
			}
			return b[len(tag):i], c, i + 2
		case c < ' ' && !lines, c == 0:
			return nil, 0, -1 // a scan that begins like a reply
		}
	}
	if len(b) >= maxReply {
		return nil, 0, -1
	}
	return nil, 0, 0
}
