package frame

import "fmt"

// lengths is the least and the greatest body length of each type.
var lengths = map[Type][2]int{
	TypeHello: {4, 4}, TypeBeat: {0, 0}, TypeOpen: {9, 9}, TypeSignal: {4, 4}, TypeLock: {0, 0}, TypeSeen: {4, 4},
	TypeCardOut: {2, 2 + maxCardBytes}, TypeCardSeen: {4, 4}, TypeUpdate: {8, 8},
	TypeWelcome: {21, 21 + MaxModel}, TypeState: {19, 19}, TypeAnswer: {5, 5}, TypeEvent: {16, 16},
	TypeCardIn: {10, 10 + maxCardBytes}, TypeReply: {3, 3},
}

// Read gives the meaning of f. The message holds no reference to f.Body. A type
// that this version does not know and a body that does not fit its type are ErrBody.
func Read(f Frame) (Message, error) {
	want, known := lengths[f.Type]
	if !known {
		return nil, fmt.Errorf("%w: type %#02x is not known", ErrBody, byte(f.Type))
	}
	if n := len(f.Body); n < want[0] || n > want[1] {
		return nil, fmt.Errorf("%w: type %#02x has %d bytes, want %d to %d", ErrBody, byte(f.Type), n, want[0], want[1])
	}
	if f.Type&0x80 == 0 {
		return readHost(f.Type, f.Body)
	}
	return readController(f.Type, f.Body)
}

// readHost reads a host's message; b has a length of its type.
func readHost(t Type, b []byte) (Message, error) {
	switch t {
	case TypeHello:
		return Hello{le.Uint32(b)}, nil
	case TypeOpen:
		return Open{le.Uint32(b), b[4], le.Uint16(b[5:]), le.Uint16(b[7:])}, nil
	case TypeSignal:
		return Signal{b[0], b[1], le.Uint16(b[2:])}, nil
	case TypeLock:
		return Lock{}, nil
	case TypeSeen:
		return Seen{le.Uint32(b)}, nil
	case TypeCardOut:
		c, err := NewCard(int(b[1]), b[2:])
		if err != nil {
			return nil, err
		}
		return CardOut{b[0], c}, nil
	case TypeCardSeen:
		return CardSeen{le.Uint32(b)}, nil
	case TypeUpdate:
		return Update{b[0], [3]uint8(b[1:4]), le.Uint32(b[4:])}, nil
	}
	return Beat{}, nil
}

// readController reads a controller's message; b has a length of its type.
func readController(t Type, b []byte) (Message, error) {
	switch t {
	case TypeWelcome:
		return readWelcome(b)
	case TypeState:
		return State{Flags(le.Uint16(b)), le.Uint32(b[2:]), le.Uint32(b[6:]), b[10],
			le.Uint16(b[11:]), le.Uint16(b[13:]), le.Uint32(b[15:])}, nil
	case TypeAnswer:
		return Answer{le.Uint32(b), Code(b[4])}, nil
	case TypeCardIn:
		return readCardIn(b)
	case TypeReply:
		return Reply{Type(b[0]), b[1], ReplyCode(b[2])}, nil
	}
	return Event{le.Uint32(b), Kind(b[4]), b[5], le.Uint32(b[6:]), le.Uint32(b[10:]), Flags(le.Uint16(b[14:]))}, nil
}

func readWelcome(b []byte) (Message, error) {
	for _, c := range b[21:] {
		if c < ' ' || c > '~' {
			return nil, fmt.Errorf("%w: byte %#02x in the model's name", ErrBody, c)
		}
	}
	return Welcome{
		Session: le.Uint32(b), Boot: le.Uint32(b[4:]), LastGrant: le.Uint32(b[8:]),
		Capabilities: Capabilities(le.Uint16(b[12:])), Firmware: [3]uint8(b[14:17]),
		MaxPulse: le.Uint16(b[17:]), MaxWindow: le.Uint16(b[19:]), Model: string(b[21:]),
	}, nil
}

func readCardIn(b []byte) (Message, error) {
	m := CardIn{Number: le.Uint32(b), Reader: b[4], Faults: le.Uint16(b[5:]), Age: le.Uint16(b[7:])}
	if b[9] == 0 && len(b) == 10 {
		return m, nil
	}
	c, err := NewCard(int(b[9]), b[10:])
	m.Card = c
	if err != nil {
		return nil, err
	}
	return m, nil
}
