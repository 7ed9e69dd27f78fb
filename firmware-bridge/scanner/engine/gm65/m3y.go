package gm65

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// M3Y is the dialect of an M3Y-W, which stands beside the GM65 in the same
// products. Use NewM3Y. A request and its reply, by the one public driver:
//
//	5A 00 LEN_H LEN_L COMMAND... BCC A5
//	5A 01 LEN_H LEN_L DATA...    BCC A5
//
// BCC is the exclusive or of all bytes between 5A and itself. Commands are text:
// T_OUT_CVER version, S_CMD_020E start reading, S_CMD_020D stop. Not known: how
// to switch set-up codes off, set the rate, or read QR only.
type M3Y struct{}

// maxM3Y bounds the data of a reply.
const maxM3Y = 256

// NewM3Y returns a dialect.
func NewM3Y() *M3Y { return &M3Y{} }

// AppendM3Y appends a frame; second is 00 in requests and 01 in replies.
func AppendM3Y(dst []byte, second byte, data string) []byte {
	dst = append(dst, 0x5A)
	start := len(dst)
	dst = append(dst, second)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)))
	dst = append(dst, data...)
	return append(dst, bcc(dst[start:]), 0xA5)
}

// ParseM3Y reads one frame at the front of b; n is 0 if more bytes are needed
// and -1 if b does not begin with one.
func ParseM3Y(b []byte, second byte) (data []byte, n int) {
	head := []byte{0x5A, second}
	if !bytes.HasPrefix(b, head[:min(2, len(b))]) {
		return nil, -1
	}
	if len(b) < 4 {
		return nil, 0
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	if size > maxM3Y {
		return nil, -1
	}
	n = size + 6
	if len(b) < n {
		return nil, 0
	}
	if b[n-1] != 0xA5 || b[n-2] != bcc(b[1:n-2]) {
		return nil, -1
	}
	return b[4 : n-2], n
}

func bcc(b []byte) (sum byte) {
	for _, c := range b {
		sum ^= c
	}
	return sum
}

// Take implements dialect.Dialect.
func (*M3Y) Take(v dialect.View) dialect.Piece {
	return dialect.Find(v, func(b []byte) int {
		_, n := ParseM3Y(b, 1)
		return n
	})
}

// Identify implements dialect.Dialect.
func (m *M3Y) Identify(l dialect.Line) (dialect.Identity, error) {
	id := dialect.Identity{Family: "m3y", Model: "M3Y-W", Baud: l.Baud()}
	reply, err := l.Ask(AppendM3Y(nil, 0, "T_OUT_CVER"), patience)
	if err != nil {
		return id, err
	}
	data, _ := ParseM3Y(reply, 1)
	id.Firmware = dialect.Clean(data)
	return id, nil
}

// Configure implements dialect.Dialect.
func (m *M3Y) Configure(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	if s.Mode != dialect.Keep {
		_, err := dialect.Ask(l, m.Trigger(s.Mode == dialect.Presentation), patience)
		if err := dialect.Excuse(l, m, id, "read mode", "scan the maker's code for the mode", err); err != nil {
			return err
		}
	}
	id.Warn("set-up codes cannot be switched off from here: scan the maker's code for it, else a visitor reprograms it with a print")
	if s.Baud != 0 && s.Baud != l.Baud() {
		id.Warn(fmt.Sprintf("stays at %d baud: scan the maker's code for %d", l.Baud(), s.Baud))
	}
	if s.QROnly {
		id.Warn("reads every kind of code: scan the maker's codes for QR only")
	}
	return nil
}

// Alive implements dialect.Dialect.
func (m *M3Y) Alive(l dialect.Line) error {
	_, err := l.Ask(AppendM3Y(nil, 0, "T_OUT_CVER"), patience)
	return err
}

// Trigger implements dialect.Dialect.
func (m *M3Y) Trigger(on bool) []byte {
	if on {
		return AppendM3Y(nil, 0, "S_CMD_020E")
	}
	return AppendM3Y(nil, 0, "S_CMD_020D")
}
