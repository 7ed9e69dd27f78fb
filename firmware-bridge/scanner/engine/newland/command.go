// Package newland speaks to Newland scan engines: unified commands, and the two bytes that an older EM3000 knows.
//
// Sources: Newland's serial programming guide and the user guides of several
// models as quoted by public drivers, Sunmi's kiosks among them. Nothing here ran
// on real hardware. A command, and the reply to it:
//
//	7E 01 30 30 30 30 | STORE | TAG SUBTAG DATA        | 3B 03
//	02 01 30 30 30 30 | STORE | TAG SUBTAG DATA STATUS | 3B 03
//
// STORE is 40 '@' for ever or 23 '#' until power is lost; TAG and SUBTAG are three
// capitals each; STATUS is 06 done, 15 value refused, 05 unknown. A DATA of '*' asks
// for the value. Between two commands the engine wants 50 ms or the reply.
//
// An EM3000 without unified commands answers 21 '!' to 3F '?', and some read once
// at 1B 31.
//
// Not known for all models, and so not done: how to switch set-up codes off
// (SETUPE0 only leaves the set-up that a print of the entering code starts again),
// how to read QR only, and the codes of rates other than 115200 (232BAD8, from
// one vendor): the rate to go back to is the one that the engine reads out.
package newland

import (
	"bytes"
)

// Stores.
const (
	Temporary = '#'
	Permanent = '@'
)

// Statuses.
const (
	Done    = 0x06
	Bad     = 0x15
	Unknown = 0x05
)

var (
	prefix      = []byte{0x7E, 0x01, '0', '0', '0', '0'}
	replyPrefix = []byte{0x02, 0x01, '0', '0', '0', '0'}
	suffix      = []byte{';', 0x03}
)

// aboutTag asks for model and software, the one reply of several lines.
const aboutTag = "QRYSYS"

const (
	tagSize = 6
	// maxReply bounds a reply: QRYSYS tells a few lines of text.
	maxReply = 1024
)

// Append appends one command, such as SCNMOD2, to dst.
func Append(dst []byte, store byte, command string) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, store)
	dst = append(dst, command...)
	return append(dst, suffix...)
}

// AppendReply appends what an engine answers, for what plays one: echo is tag,
// subtag and data.
func AppendReply(dst []byte, store byte, echo string, status byte) []byte {
	dst = append(dst, replyPrefix...)
	dst = append(dst, store)
	dst = append(dst, echo...)
	dst = append(dst, status)
	return append(dst, suffix...)
}

// ParseCommand reads one command at the front of b, n bytes long; n is 0 if
// more are needed and -1 if b does not begin with one.
func ParseCommand(b []byte) (store byte, command []byte, n int) {
	if !bytes.HasPrefix(b, prefix[:min(len(b), len(prefix))]) {
		return 0, nil, -1
	}
	end := bytes.Index(b, suffix)
	if end < 0 && len(b) > maxReply {
		return 0, nil, -1
	}
	if end < 0 {
		return 0, nil, 0
	}
	if end < len(prefix)+1+tagSize {
		return 0, nil, -1
	}
	return b[len(prefix)], b[len(prefix)+1 : end], end + len(suffix)
}

// ParseReply reads the reply to a command with this store and tag (tag and
// subtag, six bytes) at the front of b; n as in ParseCommand.
func ParseReply(b []byte, store byte, tag []byte) (data []byte, status byte, n int) {
	if b[0] != replyPrefix[0] {
		return nil, 0, -1
	}
	head := append(append(append(make([]byte, 0, 16), replyPrefix...), store), tag...)
	if !bytes.HasPrefix(b, head[:min(len(b), len(head))]) {
		return nil, 0, -1
	}
	if len(b) < len(head) {
		return nil, 0, 0
	}
	lines := string(tag) == aboutTag
	for i := len(head); i < len(b) && i < maxReply; i++ {
		switch c := b[i]; {
		case c == Done || c == Bad || c == Unknown:
			end := b[i+1:]
			if !bytes.HasPrefix(end, suffix[:min(len(end), len(suffix))]) {
				return nil, 0, -1
			}
			if len(end) < len(suffix) {
				return nil, 0, 0
			}
			return b[len(head):i], c, i + 3
		case c < ' ' && !lines, c == 0:
			return nil, 0, -1
		}
	}
	if len(b) >= maxReply {
		return nil, 0, -1
	}
	return nil, 0, 0
}
