package frame

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// Types of frames. Host to controller first; bit 7 marks the way back.
const (
	TypeHello  Type = 0x01
	TypeBeat   Type = 0x02
	TypeOpen   Type = 0x03
	TypeSignal Type = 0x04
	TypeLock   Type = 0x05
	TypeSeen   Type = 0x06

	TypeWelcome Type = 0x81
	TypeState   Type = 0x82
	TypeAnswer  Type = 0x83
	TypeEvent   Type = 0x84
)

// Flags are the bits of State.Flags.
type Flags uint16

const (
	Relay    Flags = 1 << 0 // the relay's coil is driven
	Contact  Flags = 1 << 1 // the lock's own contact says unlocked
	FireOn   Flags = 1 << 2 // the fire input is active
	TamperOn Flags = 1 << 3 // the case is open
	Passing  Flags = 1 << 4 // a passage is under way
	Attended Flags = 1 << 5 // a host is connected: HELLO was heard and no silence since
)

// Capabilities are the bits of Welcome.Capabilities.
type Capabilities uint16

const (
	CanIn       Capabilities = 1 << 0
	CanOut      Capabilities = 1 << 1
	HasContact  Capabilities = 1 << 2
	HasFire     Capabilities = 1 << 3
	HasTamper   Capabilities = 1 << 4
	HasLED      Capabilities = 1 << 5
	HasBuzzer   Capabilities = 1 << 6
	HasTailgate Capabilities = 1 << 7 // tells a second person from the first
)

// Code is what a controller answers to OPEN.
type Code uint8

const (
	Opened      Code = 0 // the relay is on
	OpenedSince Code = 1 // this very number was accepted before: nothing done now
	OldNumber   Code = 2 // below the last accepted: nothing done
	StillBusy   Code = 3 // another passage is under way
	BadGrant    Code = 4 // number 0, or a direction, that is none
	OnFire      Code = 5 // the fire input has released the gate
	NoHello     Code = 6 // the host was silent, or never said HELLO
	NoSuchWay   Code = 7 // this gate does not open in that direction
	EventsFull  Code = 8 // the host has not taken the events
)

func (c Code) String() string {
	names := [...]string{"opened", "opened before", "old number", "busy", "bad grant", "fire", "no hello", "no such direction", "events full"}
	if int(c) < len(names) {
		return names[c]
	}
	return "code " + strconv.Itoa(int(c))
}

// Kind is what happened, in an Event. The numbers are those of gate.EventKind.
type Kind uint8

const (
	Passed     Kind = 1
	NotPassed  Kind = 2
	Forced     Kind = 3
	Tailgated  Kind = 4
	Fire       Kind = 5
	FireOver   Kind = 6
	Tamper     Kind = 7
	TamperOver Kind = 8
	Fault      Kind = 11 // coil and contact disagree
)

// Message is the meaning of one frame: Hello, Beat, Open, Signal, Lock, Seen,
// Welcome, State, Answer or Event.
type Message interface {
	// Type is the frame type that carries it.
	Type() Type
	// appendBody adds the body, at most MaxBody bytes.
	appendBody(b []byte) []byte
}

// What a host sends.
type (
	// Hello begins a session; the controller answers Welcome.
	Hello struct {
		Session uint32 // random, not 0
	}
	// Beat says that the host lives; the controller answers State.
	Beat struct{}
	// Open asks for one opening; the controller answers Answer.
	Open struct {
		Number    uint32
		Direction uint8  // 1 in, 2 out
		Pulse     uint16 // ms
		Window    uint16 // ms
	}
	// Signal sets LED and buzzer; it has no answer and is sent a few times.
	Signal struct {
		Number   uint8 // one with the number of the last is that one again
		Pattern  uint8
		Duration uint16 // 100 ms; 0 until the next Signal
	}
	// Lock drops the relay and ends a passage under way.
	Lock struct{}
	// Seen acknowledges the event with this number.
	Seen struct {
		Event uint32
	}
)

// What a controller sends.
type (
	// Welcome answers Hello, and is sent with Session 0 after power-up.
	Welcome struct {
		Session      uint32 // that of the Hello
		Boot         uint32 // differs from one power-up to the next
		LastGrant    uint32 // last number accepted since power-up, 0 if none
		Capabilities Capabilities
		Firmware     [3]uint8 // major, minor, patch
		MaxPulse     uint16   // ms
		MaxWindow    uint16   // ms
		Model        string   // at most MaxModel bytes of printable ASCII
	}
	// State answers Beat and is sent when a flag changes.
	State struct {
		Flags     Flags
		Grant     uint32 // under way, 0 if none
		LastGrant uint32
		Waiting   uint8  // events not yet seen by the host
		Lost      uint16 // events that found no room, since power-up; stays at 65535
		Garbled   uint16 // frames refused since power-up; stays at 65535
		Uptime    uint32 // ms, wraps
	}
	// Answer says what became of the Open with this number.
	Answer struct {
		Number uint32
		Code   Code
	}
	// Event says what happened; it is sent until Seen.
	Event struct {
		Number    uint32 // counts from 1 at power-up
		Kind      Kind
		Direction uint8  // 0 unknown, 1 in, 2 out
		Grant     uint32 // 0 if none
		Age       uint32 // ms since it happened, at the time of sending
		Flags     Flags  // when it happened
	}
)

// MaxModel is the greatest length of Welcome.Model in bytes.
const MaxModel = 16

func (Hello) Type() Type   { return TypeHello }
func (Beat) Type() Type    { return TypeBeat }
func (Open) Type() Type    { return TypeOpen }
func (Signal) Type() Type  { return TypeSignal }
func (Lock) Type() Type    { return TypeLock }
func (Seen) Type() Type    { return TypeSeen }
func (Welcome) Type() Type { return TypeWelcome }
func (State) Type() Type   { return TypeState }
func (Answer) Type() Type  { return TypeAnswer }
func (Event) Type() Type   { return TypeEvent }

var le = binary.LittleEndian

func (m Hello) appendBody(b []byte) []byte { return le.AppendUint32(b, m.Session) }
func (Beat) appendBody(b []byte) []byte    { return b }
func (Lock) appendBody(b []byte) []byte    { return b }
func (m Seen) appendBody(b []byte) []byte  { return le.AppendUint32(b, m.Event) }

func (m Open) appendBody(b []byte) []byte {
	b = append(le.AppendUint32(b, m.Number), m.Direction)
	return le.AppendUint16(le.AppendUint16(b, m.Pulse), m.Window)
}

func (m Signal) appendBody(b []byte) []byte {
	return le.AppendUint16(append(b, m.Number, m.Pattern), m.Duration)
}

func (m Welcome) appendBody(b []byte) []byte {
	b = le.AppendUint32(le.AppendUint32(le.AppendUint32(b, m.Session), m.Boot), m.LastGrant)
	b = append(le.AppendUint16(b, uint16(m.Capabilities)), m.Firmware[:]...)
	b = le.AppendUint16(le.AppendUint16(b, m.MaxPulse), m.MaxWindow)
	return append(b, m.Model[:min(len(m.Model), MaxModel)]...)
}

func (m State) appendBody(b []byte) []byte {
	b = le.AppendUint16(b, uint16(m.Flags))
	b = append(le.AppendUint32(le.AppendUint32(b, m.Grant), m.LastGrant), m.Waiting)
	b = le.AppendUint16(le.AppendUint16(b, m.Lost), m.Garbled)
	return le.AppendUint32(b, m.Uptime)
}

func (m Answer) appendBody(b []byte) []byte {
	return append(le.AppendUint32(b, m.Number), byte(m.Code))
}

func (m Event) appendBody(b []byte) []byte {
	b = append(le.AppendUint32(b, m.Number), byte(m.Kind), m.Direction)
	b = le.AppendUint32(le.AppendUint32(b, m.Grant), m.Age)
	return le.AppendUint16(b, uint16(m.Flags))
}

// Encode appends the wire form of m with sequence number seq.
func Encode(wire []byte, seq uint8, m Message) []byte {
	var body [MaxBody]byte
	return Append(wire, Frame{Type: m.Type(), Seq: seq, Body: m.appendBody(body[:0])})
}

// lengths is the exact body length of each type; of Welcome the least.
var lengths = map[Type]int{
	TypeHello: 4, TypeBeat: 0, TypeOpen: 9, TypeSignal: 4, TypeLock: 0, TypeSeen: 4,
	TypeWelcome: 21, TypeState: 19, TypeAnswer: 5, TypeEvent: 16,
}

// Read gives the meaning of f. The message holds no reference to f.Body. A type
// that this version does not know and a body of a wrong length are ErrBody.
func Read(f Frame) (Message, error) {
	want, known := lengths[f.Type]
	if !known {
		return nil, fmt.Errorf("%w: type %#02x is not known", ErrBody, byte(f.Type))
	}
	if n := len(f.Body); n != want && (f.Type != TypeWelcome || n < want || n > want+MaxModel) {
		return nil, fmt.Errorf("%w: type %#02x has %d bytes, want %d", ErrBody, byte(f.Type), n, want)
	}
	if f.Type&0x80 == 0 {
		return readHost(f.Type, f.Body), nil
	}
	return readController(f.Type, f.Body)
}

// readHost reads a host's message; b has the right length.
func readHost(t Type, b []byte) Message {
	switch t {
	case TypeHello:
		return Hello{le.Uint32(b)}
	case TypeOpen:
		return Open{le.Uint32(b), b[4], le.Uint16(b[5:]), le.Uint16(b[7:])}
	case TypeSignal:
		return Signal{b[0], b[1], le.Uint16(b[2:])}
	case TypeLock:
		return Lock{}
	case TypeSeen:
		return Seen{le.Uint32(b)}
	}
	return Beat{}
}

// readController reads a controller's message; b has the right length.
func readController(t Type, b []byte) (Message, error) {
	switch t {
	case TypeWelcome:
		return readWelcome(b)
	case TypeState:
		return State{Flags(le.Uint16(b)), le.Uint32(b[2:]), le.Uint32(b[6:]), b[10],
			le.Uint16(b[11:]), le.Uint16(b[13:]), le.Uint32(b[15:])}, nil
	case TypeAnswer:
		return Answer{le.Uint32(b), Code(b[4])}, nil
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
