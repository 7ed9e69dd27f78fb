package osdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrBody is wrapped by ReadCommand and ReadReply for data that does not fit its code.
var ErrBody = errors.New("osdp: data does not fit its code")

// Message is the meaning of a packet's code and data: Plain, Other or one of the
// typed commands and replies.
type Message interface {
	// Code is the code that carries it.
	Code() uint8
	// appendData adds the data.
	appendData(b []byte) []byte
}

// Messages that both sides use.
type (
	// Plain is a message without data, by its code.
	Plain uint8
	// Other is a message that this package only carries.
	Other struct {
		ID   uint8
		Data []byte
	}
)

// The plain messages that the state machines send.
const (
	Poll Plain = Plain(CmdPoll)
	ACK  Plain = Plain(ReplyACK)
	Busy Plain = Plain(ReplyBusy)
)

// Commands.
type (
	// IDRequest asks for an Identity; Kind 0 is the only one.
	IDRequest struct{ Kind uint8 }
	// CapRequest asks for Capabilities; Kind 0 is the only one.
	CapRequest struct{ Kind uint8 }
	// Outputs switches outputs; code 5 is "on for Timer", the pulse of a gate.
	Outputs []Output
	// LEDs sets lights.
	LEDs []LED
	// Buzzer sounds one.
	Buzzer struct {
		Reader  uint8
		Tone    uint8 // 1 off, 2 on
		On, Off uint8 // 100 ms
		Count   uint8 // 0 until the next Buzzer
	}
	// Text shows a text.
	Text struct {
		Reader  uint8
		Control uint8 // 1 permanent, 2 with line breaks, 3 temporary, 4 with line breaks
		Seconds uint8
		Row     uint8 // from 1
		Column  uint8 // from 1
		Text    []byte
	}
	// ComSet changes a device's address and baud rate.
	ComSet struct {
		Address uint8
		Baud    uint32
	}
	// KeySet gives a device its key. It never leaves a Panel but encrypted.
	KeySet struct{ Key Key }
	// Challenge is the panel's random number.
	Challenge Random
	// ServerCryptogram proves that the panel has the key.
	ServerCryptogram Cryptogram
	// ReceiveSize tells how long a packet the panel takes.
	ReceiveSize uint16
	// KeepActive keeps a card in the field for so many milliseconds.
	KeepActive uint16
)

// Output is one record of Outputs.
type Output struct {
	Number uint8
	Code   uint8
	Timer  uint16 // 100 ms
}

// LED is one record of LEDs, in the standard's order.
type LED struct {
	Reader, Number uint8
	Temporary      Light  // Control 0 leave, 1 end, 2 set
	Timer          uint16 // of Temporary, 100 ms
	Permanent      Light  // Control 0 leave, 1 set
}

// Light is one setting of an LED.
type Light struct {
	Control           uint8
	On, Off           uint8 // 100 ms
	OnColor, OffColor uint8 // 0 black, 1 red, 2 green, 3 amber, 4 blue, 5 magenta, 6 cyan, 7 white
}

// Replies.
type (
	// Nak refuses a command.
	Nak struct {
		Reason Reason
		Detail []byte
	}
	// Identity says what a device is.
	Identity struct {
		Vendor   [3]byte // IEEE OUI
		Model    uint8
		Version  uint8
		Serial   uint32
		Firmware [3]uint8
	}
	// Capabilities says what a device can do.
	Capabilities []Capability
	// LocalStatus says how the device is: 0 is well.
	LocalStatus struct{ Tamper, Power uint8 }
	// Raw is a card or a text as the reader saw it.
	Raw struct {
		Reader uint8
		Format uint8 // 0 not said, 1 Wiegand with parity
		Bits   uint16
		Data   []byte // (Bits+7)/8 bytes, first bit highest in the first byte
	}
	// Keypad is keys pressed.
	Keypad struct {
		Reader uint8
		Digits []byte // at most 255
	}
	// Com answers ComSet with what is in force.
	Com ComSet
	// ClientCryptogram answers Challenge.
	ClientCryptogram struct {
		CUID       CUID
		Random     Random
		Cryptogram Cryptogram
	}
	// InitialMAC answers ServerCryptogram.
	InitialMAC Cryptogram
)

// Capability is one record of Capabilities.
type Capability struct{ Function, Level, Count uint8 }

// Functions of Capability that this package looks at.
const (
	FunctionCheck    uint8 = 8  // level 1: CRC
	FunctionSecurity uint8 = 9  // level bit 0: AES-128
	FunctionReceive  uint8 = 10 // level and count: bytes, low byte first
)

// Secure reports whether c names the secure channel.
func (c Capabilities) Secure() bool {
	return slices.ContainsFunc(c, func(r Capability) bool { return r.Function == FunctionSecurity && r.Level&1 != 0 })
}

func (m Plain) Code() uint8          { return uint8(m) }
func (m Other) Code() uint8          { return m.ID }
func (IDRequest) Code() uint8        { return CmdID }
func (CapRequest) Code() uint8       { return CmdCap }
func (Outputs) Code() uint8          { return CmdOutput }
func (LEDs) Code() uint8             { return CmdLED }
func (Buzzer) Code() uint8           { return CmdBuzzer }
func (Text) Code() uint8             { return CmdText }
func (ComSet) Code() uint8           { return CmdComSet }
func (KeySet) Code() uint8           { return CmdKeySet }
func (Challenge) Code() uint8        { return CmdChallenge }
func (ServerCryptogram) Code() uint8 { return CmdServerCrypt }
func (ReceiveSize) Code() uint8      { return CmdReceiveSize }
func (KeepActive) Code() uint8       { return CmdKeepActive }
func (Nak) Code() uint8              { return ReplyNAK }
func (Identity) Code() uint8         { return ReplyID }
func (Capabilities) Code() uint8     { return ReplyCap }
func (LocalStatus) Code() uint8      { return ReplyLocalStatus }
func (Raw) Code() uint8              { return ReplyRaw }
func (Keypad) Code() uint8           { return ReplyKeypad }
func (Com) Code() uint8              { return ReplyCom }
func (ClientCryptogram) Code() uint8 { return ReplyClientCrypt }
func (InitialMAC) Code() uint8       { return ReplyInitialMAC }

var le = binary.LittleEndian

func (Plain) appendData(b []byte) []byte              { return b }
func (m Other) appendData(b []byte) []byte            { return append(b, m.Data...) }
func (m IDRequest) appendData(b []byte) []byte        { return append(b, m.Kind) }
func (m CapRequest) appendData(b []byte) []byte       { return append(b, m.Kind) }
func (m ComSet) appendData(b []byte) []byte           { return le.AppendUint32(append(b, m.Address), m.Baud) }
func (m Com) appendData(b []byte) []byte              { return ComSet(m).appendData(b) }
func (m Challenge) appendData(b []byte) []byte        { return append(b, m[:]...) }
func (m ServerCryptogram) appendData(b []byte) []byte { return append(b, m[:]...) }
func (m InitialMAC) appendData(b []byte) []byte       { return append(b, m[:]...) }
func (m ReceiveSize) appendData(b []byte) []byte      { return le.AppendUint16(b, uint16(m)) }
func (m KeepActive) appendData(b []byte) []byte       { return le.AppendUint16(b, uint16(m)) }
func (m LocalStatus) appendData(b []byte) []byte      { return append(b, m.Tamper, m.Power) }

func (m Nak) appendData(b []byte) []byte { return append(append(b, byte(m.Reason)), m.Detail...) }

func (m Buzzer) appendData(b []byte) []byte {
	return append(b, m.Reader, m.Tone, m.On, m.Off, m.Count)
}

func (m KeySet) appendData(b []byte) []byte {
	return append(append(b, keyKind, KeySize), m.Key[:]...)
}

func (m Outputs) appendData(b []byte) []byte {
	for _, o := range m {
		b = le.AppendUint16(append(b, o.Number, o.Code), o.Timer)
	}
	return b
}

func (m LEDs) appendData(b []byte) []byte {
	for _, l := range m {
		b = l.Temporary.append(append(b, l.Reader, l.Number))
		b = l.Permanent.append(le.AppendUint16(b, l.Timer))
	}
	return b
}

func (l Light) append(b []byte) []byte {
	return append(b, l.Control, l.On, l.Off, l.OnColor, l.OffColor)
}

func (m Text) appendData(b []byte) []byte {
	text := m.Text[:min(len(m.Text), 255)]
	return append(append(b, m.Reader, m.Control, m.Seconds, m.Row, m.Column, byte(len(text))), text...)
}

func (m Identity) appendData(b []byte) []byte {
	b = append(append(b, m.Vendor[:]...), m.Model, m.Version)
	return append(le.AppendUint32(b, m.Serial), m.Firmware[:]...)
}

func (m Capabilities) appendData(b []byte) []byte {
	for _, c := range m {
		b = append(b, c.Function, c.Level, c.Count)
	}
	return b
}

func (m Raw) appendData(b []byte) []byte {
	return append(le.AppendUint16(append(b, m.Reader, m.Format), m.Bits), m.Data...)
}

func (m Keypad) appendData(b []byte) []byte {
	digits := m.Digits[:min(len(m.Digits), 255)]
	return append(append(b, m.Reader, byte(len(digits))), digits...)
}

func (m ClientCryptogram) appendData(b []byte) []byte {
	return append(append(append(b, m.CUID[:]...), m.Random[:]...), m.Cryptogram[:]...)
}

// misfit is what a reader of data says of data that does not fit.
func misfit(name string, n int) error {
	return fmt.Errorf("%w: %s with %d bytes", ErrBody, name, n)
}
