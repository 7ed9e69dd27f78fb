package wiegand

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// MaxBits is the longest row of bits that is held. Card formats on the market
// end far below; what is longer is thrown away whole.
const MaxBits = 128

// ErrBits says that a text or a number of bytes is no row of bits.
var ErrBits = errors.New("row of bits")

// Bits is a row of up to MaxBits bits in the order of the wire. The zero value
// is empty; two rows are equal when == says so.
type Bits struct {
	high, low uint64 // one number whose lowest bit came last
	n         uint8
}

// Parse reads a row written as zeros and ones, first bit first.
func Parse(text string) (Bits, error) {
	var b Bits
	if len(text) > MaxBits {
		return b, fmt.Errorf("%w: %d bits, at most %d", ErrBits, len(text), MaxBits)
	}
	for _, c := range []byte(text) {
		if c != '0' && c != '1' {
			return Bits{}, fmt.Errorf("%w: %q: write zeros and ones only", ErrBits, text)
		}
		b = b.push(c == '1')
	}
	return b, nil
}

// Unpack reads n bits from data: the first is the highest of data[0]. What is
// left of the last byte must be zero, and no byte may be left over.
func Unpack(n int, data []byte) (Bits, error) {
	if n < 0 || n > MaxBits || len(data) != (n+7)/8 {
		return Bits{}, fmt.Errorf("%w: %d bits in %d bytes; at most %d bits, in as few bytes as hold them", ErrBits, n, len(data), MaxBits)
	}
	if n%8 != 0 && data[n/8]<<(n%8) != 0 {
		return Bits{}, fmt.Errorf("%w: bits set behind the last of %d", ErrBits, n)
	}
	var b Bits
	for i := range n {
		b = b.push(data[i/8]>>(7-i%8)&1 == 1)
	}
	return b, nil
}

// ParseHex reads n bits from the text that Hex gives.
func ParseHex(n int, text string) (Bits, error) {
	if n < 0 || n > MaxBits || len(text) != (n+3)/4 {
		return Bits{}, fmt.Errorf("%w: %d bits in %d digits; at most %d bits, in as few digits as hold them", ErrBits, n, len(text), MaxBits)
	}
	var b Bits
	for i, c := range []byte(text) {
		v := strings.IndexByte(digits, c)
		if v < 0 || i == 0 && v>>((n+3)%4+1) != 0 {
			return Bits{}, fmt.Errorf("%w: %q is not %d bits in upper-case hexadecimal", ErrBits, text, n)
		}
		b.high, b.low = b.high<<4|b.low>>60, b.low<<4|uint64(v)
	}
	b.n = uint8(n)
	return b, nil
}

const digits = "0123456789ABCDEF"

// Len is the number of bits.
func (b Bits) Len() int { return int(b.n) }

// Bit returns bit i as it was sent, counted from 1 as the makers' tables count;
// i must be within 1..Len.
func (b Bits) Bit(i int) bool {
	at := uint(b.n) - uint(i)
	if at >= 64 {
		return b.high>>(at-64)&1 == 1
	}
	return b.low>>at&1 == 1
}

// Invert returns b with each bit turned round: what a reader with its two wires
// swapped would have sent.
func (b Bits) Invert() Bits {
	i := Bits{^b.high, ^b.low, b.n}
	return i.last(int(b.n))
}

// Hex returns b as one number in upper-case hexadecimal, (Len+3)/4 digits.
func (b Bits) Hex() string {
	text := make([]byte, (int(b.n)+3)/4)
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = digits[b.low&15]
		b.low, b.high = b.low>>4|b.high<<60, b.high>>4
	}
	return string(text)
}

// Pack returns b in bytes, the first bit highest, zeros behind the last.
func (b Bits) Pack() []byte {
	data := make([]byte, (int(b.n)+7)/8)
	for i := range int(b.n) {
		if b.Bit(i + 1) {
			data[i/8] |= 0x80 >> (i % 8)
		}
	}
	return data
}

// String returns b as zeros and ones, first bit first.
func (b Bits) String() string {
	text := make([]byte, b.n)
	for i := range text {
		text[i] = '0'
		if b.Bit(i + 1) {
			text[i] = '1'
		}
	}
	return string(text)
}

// push returns b with one more bit behind; b must have room.
func (b Bits) push(one bool) Bits {
	b.high, b.low, b.n = b.high<<1|b.low>>63, b.low<<1, b.n+1
	if one {
		b.low |= 1
	}
	return b
}

// last returns the last n bits of b.
func (b Bits) last(n int) Bits {
	b.n = uint8(n)
	switch {
	case n <= 64:
		b.high, b.low = 0, b.low&(1<<n-1)
	default:
		b.high &= 1<<(n-64) - 1
	}
	return b
}

// first returns the first n bits of b.
func (b Bits) first(n int) Bits {
	for range int(b.n) - n {
		b.low, b.high = b.low>>1|b.high<<63, b.high>>1
	}
	b.n = uint8(n)
	return b
}

// field returns bits first to last, counted from 1, as a number; at most 64.
func (b Bits) field(first, last int) uint64 {
	return b.first(last).last(last - first + 1).low
}

// ones counts the set bits from first to last, counted from 1.
func (b Bits) ones(first, last int) int {
	part := b.first(last).last(last - first + 1)
	return bits.OnesCount64(part.high) + bits.OnesCount64(part.low)
}
