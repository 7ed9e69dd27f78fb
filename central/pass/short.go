package pass

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// Short is a short code: what is left of a pass in the 64 bits of a Wiegand 66
// or OSDP card number. It is weak, and off unless a campus's rules admit it;
// FORMAT.md says what it does not promise.
type Short struct {
	Kind  Kind   // ECard or Guest
	Day   uint8  // campus day modulo 4
	Index uint32 // 24 bits
	Tag   uint64 // 34 bits of the day's gate key
}

const (
	shortVersion = 1
	shortTagBits = 34
	// ShortBits and ShortFrameBits are the lengths of card numbers that carry a
	// short code: bare, and between the two parity bits of Wiegand 66.
	ShortBits      = 64
	ShortFrameBits = 66
)

// Short returns the short code of a pass. Kind is ECard or Guest.
func (g GateKey) Short(k Kind, id ID, generation uint8) Short {
	s := Short{Kind: k, Day: uint8(id.Day % 4), Index: id.Index & (1<<24 - 1)}
	s.Tag = g.shortTag(s.head(), id.Day, generation)
	return s
}

// Verify reports whether g, the gate key of day, made s for this generation of
// the pass.
func (s Short) Verify(g GateKey, day Day, generation uint8) bool {
	var got, want [8]byte
	binary.BigEndian.PutUint64(got[:], s.Tag)
	binary.BigEndian.PutUint64(want[:], g.shortTag(s.head(), day, generation))
	return s.Day == uint8(day%4) && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// head is the code without its tag, 30 bits.
func (s Short) head() uint32 {
	return shortVersion<<28 | uint32(s.Kind&3)<<26 | uint32(s.Day&3)<<24 | s.Index
}

func (g GateKey) shortTag(head uint32, day Day, generation uint8) uint64 {
	h := hmac.New(sha256.New, g[:])
	h.Write([]byte("short"))
	key := h.Sum(nil)[:16]
	h = hmac.New(sha256.New, key)
	h.Write([]byte("campus-short/1\x00"))
	m := binary.BigEndian.AppendUint16(nil, uint16(day))
	m = binary.BigEndian.AppendUint32(append(m, generation), head)
	h.Write(m)
	return binary.BigEndian.Uint64(h.Sum(nil)) >> (64 - shortTagBits)
}

// Value returns the code's 64 bits.
func (s Short) Value() uint64 { return uint64(s.head())<<shortTagBits | s.Tag }

// String returns the code's 64 bits as 16 upper-case hexadecimal digits.
func (s Short) String() string { return fmt.Sprintf("%016X", s.Value()) }

// ParseShort reads a card number of the given length in bits, as a reader
// delivers it: (bits+3)/4 upper-case hexadecimal digits. The reasons are Foreign
// (no length that carries a short code, no digits), VersionUnknown, KindUnknown;
// with Granted nothing is known yet about who made it.
func ParseShort(bits int, digits []byte) (Short, Reason) {
	if bits != ShortBits && bits != ShortFrameBits || len(digits) != (bits+3)/4 {
		return Short{}, Foreign
	}
	var high, low uint64 // high has what does not fit into low
	for _, c := range digits {
		d := hexDigit(c)
		if d > 15 {
			return Short{}, Foreign
		}
		high, low = low>>60, low<<4|uint64(d)
	}
	if bits == ShortFrameBits {
		if high > 3 {
			return Short{}, Foreign
		}
		low = high<<63 | low>>1 // the parity bits are the reader's business
	}
	return shortOf(low)
}

func shortOf(v uint64) (Short, Reason) {
	s := Short{Kind: Kind(v >> 60 & 3), Day: uint8(v >> 58 & 3), Index: uint32(v>>shortTagBits) & (1<<24 - 1), Tag: v & (1<<shortTagBits - 1)}
	switch {
	case v>>62 != shortVersion:
		return Short{}, VersionUnknown
	case s.Kind != ECard && s.Kind != Guest:
		return Short{}, KindUnknown
	}
	return s, Granted
}

// hexDigit returns the value of an upper-case hexadecimal digit, or 255.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
