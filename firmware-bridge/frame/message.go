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
	// Added to version 1 later; a side that does not know them drops them.
	TypeCardOut  Type = 0x07
	TypeCardSeen Type = 0x08
	TypeUpdate   Type = 0x09

	TypeWelcome Type = 0x81
	TypeState   Type = 0x82
	TypeAnswer  Type = 0x83
	TypeEvent   Type = 0x84
	TypeCardIn  Type = 0x85 // added later, as the next
	TypeReply   Type = 0x86
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
	HasReader0  Capabilities = 1 << 8 // a Wiegand reader can be connected
	HasReader1  Capabilities = 1 << 9
	HasCardOut  Capabilities = 1 << 10 // sends card numbers to an access panel
	HasReply    Capabilities = 1 << 11 // answers UPDATE, if only with a refusal
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

// ReplyCode is what a controller answers to CARD OUT and UPDATE.
type ReplyCode uint8

const (
	Done         ReplyCode = 0 // the card is on its way out
	DoneSince    ReplyCode = 1 // this very number was taken before: nothing done now
	OutputBusy   ReplyCode = 2 // the card before is not out yet
	NoSession    ReplyCode = 3 // the host was silent, or never said HELLO
	NoOutput     ReplyCode = 4 // this controller has no output for cards
	NoSecondBank ReplyCode = 5 // it has room for one image only: a power cut in an update would leave a gate without any
)

func (c ReplyCode) String() string {
	names := [...]string{"done", "done before", "card output busy", "no session", "no card output", "no second bank for an update"}
	if int(c) < len(names) {
		return names[c]
	}
	return "reply " + strconv.Itoa(int(c))
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
// CardOut, CardSeen or Update; Welcome, State, Answer, Event, CardIn or Reply.
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
	// CardOut sends a card number out on the controller's Wiegand output; the
	// controller answers Reply.
	CardOut struct {
		Number uint8 // one with the number of the last is that one again
		Card   Card
	}
	// CardSeen acknowledges the card read with this number.
	CardSeen struct {
		Read uint32
	}
	// Update asks whether the controller takes a new firmware; it answers Reply.
	Update struct {
		Number   uint8
		Firmware [3]uint8 // of the image: major, minor, patch
		Size     uint32   // of the image in bytes
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
	// CardIn says what a reader sent; it is repeated until CardSeen, for 3 s.
	CardIn struct {
		Number uint32 // counts from 1 at power-up
		Reader uint8  // 0 or 1
		Faults uint16 // pulses and rows of that reader out of specification, since power-up; stays at 65535
		Age    uint16 // ms since it was read, at the time of sending
		Card   Card   // Bits 0: none, only Faults has risen
	}
	// Reply says what became of the CardOut or Update with this number.
	Reply struct {
		To     Type
		Number uint8
		Code   ReplyCode
	}
)

// Limits of Card.
const (
	MinCardBits  = 26
	MaxCardBits  = 66
	maxCardBytes = (MaxCardBits + 7) / 8
)

// Card is a row of bits as Wiegand readers send them, MinCardBits to MaxCardBits.
type Card struct {
	Bits uint8
	Data [maxCardBytes]byte // the first bit on the wire is the highest of Data[0]; zero behind the last
}

// Bytes is the part of Data that holds bits.
func (c *Card) Bytes() []byte { return c.Data[:min((int(c.Bits)+7)/8, maxCardBytes)] }

// NewCard makes a card of n bits in as few bytes as hold them. An error wraps ErrBody.
func NewCard(n int, data []byte) (Card, error) {
	if n < MinCardBits || n > MaxCardBits {
		return Card{}, fmt.Errorf("%w: a card of %d bits, want %d to %d", ErrBody, n, MinCardBits, MaxCardBits)
	}
	if len(data) != (n+7)/8 || data[len(data)-1]<<((n-1)%8+1) != 0 {
		return Card{}, fmt.Errorf("%w: %d bytes do not hold just %d bits", ErrBody, len(data), n)
	}
	c := Card{Bits: uint8(n)}
	copy(c.Data[:], data)
	return c, nil
}

// MaxModel is the greatest length of Welcome.Model in bytes.
const MaxModel = 16

func (Hello) Type() Type    { return TypeHello }
func (Beat) Type() Type     { return TypeBeat }
func (Open) Type() Type     { return TypeOpen }
func (Signal) Type() Type   { return TypeSignal }
func (Lock) Type() Type     { return TypeLock }
func (Seen) Type() Type     { return TypeSeen }
func (CardOut) Type() Type  { return TypeCardOut }
func (CardSeen) Type() Type { return TypeCardSeen }
func (Update) Type() Type   { return TypeUpdate }
func (Welcome) Type() Type  { return TypeWelcome }
func (State) Type() Type    { return TypeState }
func (Answer) Type() Type   { return TypeAnswer }
func (Event) Type() Type    { return TypeEvent }
func (CardIn) Type() Type   { return TypeCardIn }
func (Reply) Type() Type    { return TypeReply }

var le = binary.LittleEndian

func (m Hello) appendBody(b []byte) []byte { return le.AppendUint32(b, m.Session) }
func (Beat) appendBody(b []byte) []byte    { return b }
func (Lock) appendBody(b []byte) []byte    { return b }
func (m Seen) appendBody(b []byte) []byte  { return le.AppendUint32(b, m.Event) }

func (m CardSeen) appendBody(b []byte) []byte { return le.AppendUint32(b, m.Read) }

func (m CardOut) appendBody(b []byte) []byte { return m.Card.append(append(b, m.Number)) }

func (m Update) appendBody(b []byte) []byte {
	return le.AppendUint32(append(append(b, m.Number), m.Firmware[:]...), m.Size)
}

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

func (m CardIn) appendBody(b []byte) []byte {
	b = append(le.AppendUint32(b, m.Number), m.Reader)
	b = le.AppendUint16(le.AppendUint16(b, m.Faults), m.Age)
	return m.Card.append(b)
}

func (m Reply) appendBody(b []byte) []byte { return append(b, byte(m.To), m.Number, byte(m.Code)) }

// append adds the number of bits and the bits.
func (c Card) append(b []byte) []byte { return append(append(b, c.Bits), c.Bytes()...) }

// Encode appends the wire form of m with sequence number seq.
func Encode(wire []byte, seq uint8, m Message) []byte {
	var body [MaxBody]byte
	return Append(wire, Frame{Type: m.Type(), Seq: seq, Body: m.appendBody(body[:0])})
}
