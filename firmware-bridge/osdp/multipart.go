package osdp

import (
	"errors"
	"fmt"
)

// ErrPart is wrapped by what Parts refuses; the sender is then answered with
// NakRecord and begins again.
var ErrPart = errors.New("osdp: part does not fit those before it")

// partHead is the length of a part's header: size of the whole, offset and
// size of this part, two bytes each.
const partHead = 6

// Parts puts a long message together that came in several packets, in the one way
// that the standard has (5.10). In OSDP 2.2 that is for what smart cards say
// (PIVDATAR, GENAUTHR, CRAUTHR, XRD); RAW and MFGREP have no parts, so no code
// that a visitor shows comes this way. The zero value is ready.
type Parts struct {
	held []byte
	size int // of the whole; 0 while no message is under way
}

// AppendPart adds the data of the packet that carries whole[offset:offset+n].
func AppendPart(b, whole []byte, offset, n int) []byte {
	for _, v := range []int{len(whole), offset, n} {
		b = le.AppendUint16(b, uint16(v))
	}
	return append(b, whole[offset:offset+n]...)
}

// Add takes one part. It returns the message once it is whole, at most limit
// bytes long, and nil before. A part at offset 0 begins anew; a part that was
// there already changes nothing; after an error, and after the sender's mark that
// it gives up, nothing is held.
func (p *Parts) Add(data []byte, limit int) ([]byte, error) {
	if len(data) < partHead {
		return nil, p.refuse("short header")
	}
	size, offset, n := int(le.Uint16(data)), int(le.Uint16(data[2:])), int(le.Uint16(data[4:]))
	part := data[partHead:]
	if offset >= size && n == 0 && size > 0 {
		*p = Parts{}
		return nil, nil
	}
	if offset == 0 {
		*p = Parts{size: size}
	}
	switch {
	case size == 0 || size > limit:
		return nil, p.refuse(fmt.Sprintf("%d bytes in all, limit %d", size, limit))
	case n != len(part) || n == 0 || offset+n > size:
		return nil, p.refuse("wrong size")
	case size != p.size || offset > len(p.held):
		return nil, p.refuse("out of order")
	case offset+n > len(p.held):
		p.held = append(p.held[:offset], part...)
	}
	if len(p.held) < size {
		return nil, nil
	}
	whole := p.held
	*p = Parts{}
	return whole, nil
}

func (p *Parts) refuse(why string) error {
	*p = Parts{}
	return fmt.Errorf("%w: %s", ErrPart, why)
}
