// Package frame is the wire format between a host and a serial lane controller: bytes in, values out, no I/O.
//
// FORMAT.md beside this file is the specification. A frame is a message with a
// version, a type, a sequence number and a CRC-16, stuffed (COBS) so that a zero byte
// stands between frames and nowhere else: after any garbage the reader is in
// step again at the next zero.
package frame

import (
	"errors"
	"fmt"
)

const (
	// Version is the protocol version this package speaks. History:
	//   1 (2026-11): first. Cards and UPDATE came later, as types that an older
	//   side drops; capability bits 8 to 11 say who has them.
	Version = 1
	// MaxBody is the greatest length of a message body in bytes.
	MaxBody = 48
	// header is version, type and sequence number; trailer is the CRC.
	header, trailer = 3, 2
	// MaxRaw is the greatest length of a frame before stuffing.
	MaxRaw = header + MaxBody + trailer
	// MaxWire is the greatest length of a frame on the wire: one stuffing byte
	// and the zeros before and after.
	MaxWire = MaxRaw + 1 + 2
)

// What Parse refuses a frame for.
var (
	ErrShape   = errors.New("frame: bad length or stuffing")
	ErrSum     = errors.New("frame: bad checksum")
	ErrVersion = errors.New("frame: unknown protocol version; update the older of controller and host")
	ErrBody    = errors.New("frame: body does not fit its type")
)

// Type says what a body means. Bit 7 is set in what a controller sends.
type Type uint8

// Frame is one message as it travels, its body not yet looked at.
type Frame struct {
	Type Type
	Seq  uint8  // rises by one with each frame of a sender, wraps; a frame sent again has a new one
	Body []byte // valid until the next call on the Decoder it came from
}

// Append puts f on the wire form: zero, stuffed frame, zero. A body over
// MaxBody is a programming error and panics.
func Append(wire []byte, f Frame) []byte {
	if len(f.Body) > MaxBody {
		panic(fmt.Sprintf("frame: body of %d bytes, limit %d", len(f.Body), MaxBody))
	}
	var raw [MaxRaw]byte
	b := append(raw[:0], Version, byte(f.Type), f.Seq)
	b = append(b, f.Body...)
	sum := CRC(b)
	b = append(b, byte(sum), byte(sum>>8))
	wire = append(wire, 0)
	wire = stuff(wire, b)
	return append(wire, 0)
}

// Parse reads what stood between two zeros. It unstuffs in place: the frame's
// body is part of wire.
func Parse(wire []byte) (Frame, error) {
	raw, ok := unstuff(wire)
	if !ok || len(raw) < header+trailer || len(raw) > MaxRaw {
		return Frame{}, ErrShape
	}
	end := len(raw) - trailer
	if CRC(raw[:end]) != uint16(raw[end])|uint16(raw[end+1])<<8 {
		return Frame{}, ErrSum
	}
	if raw[0] != Version {
		return Frame{}, fmt.Errorf("%w: frame has %d, this side %d", ErrVersion, raw[0], Version)
	}
	return Frame{Type: Type(raw[1]), Seq: raw[2], Body: raw[header:end]}, nil
}

// stuff appends b without zeros: each run of non-zero bytes is preceded by its
// length plus one. b is shorter than 254 bytes, so runs need not be split.
func stuff(wire, b []byte) []byte {
	mark := len(wire)
	wire = append(wire, 1)
	for _, c := range b {
		if c == 0 {
			mark = len(wire)
			wire = append(wire, 1)
			continue
		}
		wire = append(wire, c)
		wire[mark]++
	}
	return wire
}

// unstuff undoes stuff in place. It accepts exactly what stuff makes.
func unstuff(wire []byte) (raw []byte, ok bool) {
	if len(wire) == 0 || len(wire) > MaxRaw+1 {
		return nil, false
	}
	raw = wire[:0]
	for i := 0; i < len(wire); {
		run := int(wire[i])
		if run == 0 || i+run > len(wire) {
			return nil, false
		}
		if i > 0 {
			raw = append(raw, 0)
		}
		raw = append(raw, wire[i+1:i+run]...)
		i += run
	}
	return raw, true
}

// CRC is CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected.
// CRC("123456789") is 0x29B1.
func CRC(b []byte) uint16 {
	sum := uint16(0xFFFF)
	for _, c := range b {
		sum = sum<<8 ^ table[byte(sum>>8)^c]
	}
	return sum
}

// table holds the CRC of each single byte, from a start of 0.
var table = func() (t [256]uint16) {
	for i := range t {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

// Decoder finds frames in a stream of bytes. The zero value is ready. It holds
// at most one frame and resynchronises at the next zero after anything else.
type Decoder struct {
	held    [MaxRaw + 1]byte
	n       int
	over    bool   // the frame under way is too long: skip to the next zero
	garbled uint64 // frames refused
	err     error  // why the last refused one was
}

// Feed hands each good frame in b to take, in order. Frames that are not good
// are counted.
func (d *Decoder) Feed(b []byte, take func(Frame)) {
	for _, c := range b {
		if c != 0 {
			d.hold(c)
			continue
		}
		if d.n == 0 && !d.over {
			continue // zeros between frames are idle line
		}
		f, err := d.parse()
		d.n, d.over = 0, false
		if err != nil {
			d.garbled++
			d.err = err
			continue
		}
		take(f)
	}
}

// parse reads the frame that has just ended.
func (d *Decoder) parse() (Frame, error) {
	if d.over {
		return Frame{}, ErrShape
	}
	return Parse(d.held[:d.n])
}

// hold keeps one byte of the frame under way.
func (d *Decoder) hold(c byte) {
	if d.n == len(d.held) {
		d.over = true
		return
	}
	d.held[d.n] = c
	d.n++
}

// Garbled is how many frames were refused since the start, and why the last one was.
func (d *Decoder) Garbled() (uint64, error) { return d.garbled, d.err }
