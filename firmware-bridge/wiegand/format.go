// Package wiegand turns the pulses of card readers on two wires into card numbers and back.
//
// It is pure: no I/O, no goroutine and no clock. Bits are counted from 1, the
// first on the wire, as the makers' tables do. A frame has no origin and no
// secret: a recorder on the wire replays any of them, and two parity bits let a
// quarter of all random rows of the right length through. So a number from here
// says who somebody claims to be and proves nothing.
//
// H10301, H10302 and H10304 are HID's names; the tests hold published rows of
// H10301, W34 and H10302. W66 is two parity bits around 64, each over its half as
// in W34. Makers differ in what they call 34 and 66 bits: check the very
// model's manual.
package wiegand

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

var (
	// ErrFormat says that no format has this name.
	ErrFormat = errors.New("unknown card format")
	// ErrRange says that a number does not fit into its field.
	ErrRange = errors.New("number too large for the card format")
	// ErrLength says that a row of bits has another length than its format.
	ErrLength = errors.New("wrong number of bits")
	// ErrParity says that a row of bits was garbled or made up.
	ErrParity = errors.New("wrong parity")
	// ErrSwapped says that the row would be right with each bit turned round.
	ErrSwapped = errors.New("D0 and D1 are swapped: exchange the two wires, or their names in the configuration")
)

// Span is a run of bits from First to Last, counted from 1; the zero value is
// no bits at all.
type Span struct{ First, Last int }

// Len is the number of bits in s.
func (s Span) Len() int {
	if s.First == 0 {
		return 0
	}
	return s.Last - s.First + 1
}

// Parity is one parity bit: At holds it, Over is what it is reckoned over, and
// the set bits of both together are even or odd in number.
type Parity struct {
	At   int
	Odd  bool
	Over Span
}

// Format says what each bit of a row means.
type Format struct {
	Name     string
	Bits     int
	Facility Span // who gave the card out; none in some formats
	Card     Span // the card's number, at most 64 bits
	Parity   [2]Parity
}

var table = [...]Format{
	{"H10301", 26, Span{2, 9}, Span{10, 25}, [2]Parity{{1, false, Span{2, 13}}, {26, true, Span{14, 25}}}},
	{"W34", 34, Span{2, 17}, Span{18, 33}, [2]Parity{{1, false, Span{2, 17}}, {34, true, Span{18, 33}}}},
	// Bit 19 is in both parities of the 37-bit formats: 35 data bits have a middle.
	{"H10302", 37, Span{}, Span{2, 36}, [2]Parity{{1, false, Span{2, 19}}, {37, true, Span{19, 36}}}},
	{"H10304", 37, Span{2, 17}, Span{18, 36}, [2]Parity{{1, false, Span{2, 19}}, {37, true, Span{19, 36}}}},
	{"W66", 66, Span{}, Span{2, 65}, [2]Parity{{1, false, Span{2, 33}}, {66, true, Span{34, 65}}}},
}

// Formats returns all formats, shorter ones first. H10302 and H10304 cannot be
// told apart on the wire.
func Formats() []Format { return slices.Clone(table[:]) }

// Named returns the format of that name, or ErrFormat with the names there are.
func Named(name string) (Format, error) {
	var names []string
	for _, f := range table {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("%w %q; there are %v", ErrFormat, name, names)
}

// Encode returns the row of bits for a card, or ErrRange.
func (f Format) Encode(facility, card uint64) (Bits, error) {
	if bits.Len64(facility) > f.Facility.Len() || bits.Len64(card) > f.Card.Len() {
		return Bits{}, fmt.Errorf("%w: facility %d, card %d in %s with %d and %d bits", ErrRange, facility, card, f.Name, f.Facility.Len(), f.Card.Len())
	}
	var b Bits
	for i := 1; i <= f.Bits; i++ {
		b = b.push(f.Facility.bit(facility, i) || f.Card.bit(card, i))
	}
	for _, p := range f.Parity {
		if !p.right(b) {
			b = b.flip(p.At)
		}
	}
	return b, nil
}

// bit returns bit i of a row that has v in s, false outside of s.
func (s Span) bit(v uint64, i int) bool {
	return s.First <= i && i <= s.Last && v>>(s.Last-i)&1 == 1
}

// flip returns b with bit i, counted from 1, turned round.
func (b Bits) flip(i int) Bits {
	at := uint(b.n) - uint(i)
	if at >= 64 {
		b.high ^= 1 << (at - 64)
	} else {
		b.low ^= 1 << at
	}
	return b
}

func (p Parity) right(b Bits) bool {
	n := b.ones(p.Over.First, p.Over.Last) + b.ones(p.At, p.At)
	return n%2 == 1 == p.Odd
}

// Right reports whether b has f's length and parity.
func (f Format) Right(b Bits) bool {
	return b.Len() == f.Bits && f.Parity[0].right(b) && f.Parity[1].right(b)
}

// Decode returns the two numbers in b, or ErrLength, ErrParity or ErrSwapped.
func (f Format) Decode(b Bits) (facility, card uint64, err error) {
	if _, err := Identify(b, []Format{f}); err != nil {
		return 0, 0, err
	}
	if f.Facility.Len() > 0 {
		facility = b.field(f.Facility.First, f.Facility.Last)
	}
	return facility, b.field(f.Card.First, f.Card.Last), nil
}

// Identify returns the first of formats that b is right in. Else the error is
// ErrSwapped when b's inverse is right in one (no row and its inverse are both
// right, but a garbled row looks swapped one time in four), ErrParity when one
// has b's length, and ErrLength.
func Identify(b Bits, formats []Format) (Format, error) {
	err := ErrLength
	for _, f := range formats {
		switch {
		case f.Right(b):
			return f, nil
		case f.Right(b.Invert()):
			err = ErrSwapped
		case f.Bits == b.Len() && err == ErrLength:
			err = ErrParity
		}
	}
	return Format{}, fmt.Errorf("read %d bits as a card: %w", b.Len(), err)
}

// Cut returns a shorter format in which the beginning of b is right by chance,
// and whether there is one: a frame that breaks off just there would be another
// card to a panel that takes several formats at one port.
func Cut(b Bits) (Format, bool) {
	for _, f := range table {
		if f.Bits < b.Len() && f.Right(b.first(f.Bits)) {
			return f, true
		}
	}
	return Format{}, false
}
