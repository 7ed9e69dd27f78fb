package modbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/grid-x/modbus"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/serialport"
)

const (
	coilOn  = 0xFF00 // of function 5
	coilOff = 0x0000
	// exceptionBusy is the one exception that is of the moment.
	exceptionBusy = modbus.ExceptionCodeServerDeviceBusy
	// flashUnit is what TimerFlash counts.
	flashUnit = 100 * time.Millisecond
)

// board is the board behind an open line: each method is one or a few requests.
// It is used by one goroutine.
type board struct {
	config Config
	line   *line
	pack   modbus.Packager
	client modbus.Client
	count  func(error) // hears how each request went
}

func newBoard(c Config, p port, count func(error)) *board {
	// The library has its packager only together with a port of its own, which
	// is never opened: of the handler nothing but the packager is used.
	pack := modbus.NewRTUClientHandler("")
	pack.SetSlave(byte(c.Unit))
	l := &line{port: p, baud: c.Port.Baud, answer: c.answer()}
	return &board{config: c, line: l, pack: pack, client: modbus.NewClient2(pack, l), count: count}
}

// done counts how a request went and makes its error one of this package's.
func (b *board) done(what string, err error) error {
	err = classify(err)
	b.count(err)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// classify names what the library has only a text for: what it finds wrong with
// an answer that came.
func classify(err error) error {
	var exception *modbus.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exception):
		return fmt.Errorf("%w (%w): does it have these numbers, in this table?", ErrRefused, exception)
	case errors.Is(err, ErrSilent), errors.Is(err, ErrGarbled), errors.Is(err, ErrEcho),
		errors.Is(err, serialport.ErrGone), errors.Is(err, serialport.ErrClosed):
		return err
	}
	return fmt.Errorf("%w: %w", ErrGarbled, err)
}

// isBusy reports whether the board refuses only for now.
func isBusy(err error) bool {
	var exception *modbus.Error
	return errors.As(err, &exception) && exception.ExceptionCode == exceptionBusy
}

// relay returns the coil of a direction's relay; false if it has none.
func (b *board) relay(d gate.Direction) (coil uint16, ok bool) {
	n := b.config.RelayIn
	if d == gate.Out {
		n = b.config.RelayOut
	}
	return uint16(b.config.FirstRelay + n - 1), n != 0
}

// off switches both relays off, as often as needed: off twice is off.
func (b *board) off() error {
	for _, d := range []gate.Direction{gate.In, gate.Out} {
		coil, ok := b.relay(d)
		if !ok {
			continue
		}
		_, err := b.client.WriteSingleCoil(coil, coilOff)
		if err := b.done(fmt.Sprintf("switch relay %d off", int(coil)+1-b.config.FirstRelay), err); err != nil {
			return err
		}
	}
	return nil
}

// on asks for a relay once.
func (b *board) on(d gate.Direction, pulse time.Duration) error {
	coil, _ := b.relay(d)
	var err error
	if b.config.Timer == TimerFlash {
		err = b.flash(coil, pulse)
	} else {
		_, err = b.client.WriteSingleCoil(coil, coilOn)
	}
	return b.done(fmt.Sprintf("switch relay %d on", int(coil)+1-b.config.FirstRelay), err)
}

// flash has the board make the pulse. The library's WriteSingleCoil allows no
// value but on and off, so this is its packager without its client.
func (b *board) flash(coil uint16, pulse time.Duration) error {
	data := binary.BigEndian.AppendUint16(nil, flashBase+coil)
	data = binary.BigEndian.AppendUint16(data, uint16((pulse+flashUnit-1)/flashUnit))
	request, err := b.pack.Encode(&modbus.ProtocolDataUnit{FunctionCode: modbus.FuncCodeWriteSingleCoil, Data: data})
	if err != nil {
		return err
	}
	reply, err := b.line.Send(request)
	if err != nil {
		return err
	}
	if err := b.pack.Verify(request, reply); err != nil {
		return err
	}
	pdu, err := b.pack.Decode(reply)
	switch {
	case err != nil:
		return err
	case pdu.FunctionCode != modbus.FuncCodeWriteSingleCoil:
		return &modbus.Error{FunctionCode: pdu.FunctionCode, ExceptionCode: pdu.Data[0]}
	case !bytes.Equal(pdu.Data, data):
		return fmt.Errorf("%w: it is to another request", ErrGarbled)
	}
	return nil
}

// isOn asks whether a relay is on.
func (b *board) isOn(d gate.Direction) (bool, error) {
	coil, _ := b.relay(d)
	bits, err := b.client.ReadCoils(coil, 1)
	if err == nil && len(bits) != 1 {
		err = fmt.Errorf("%w: %d bytes for one relay", ErrGarbled, len(bits))
	}
	if err := b.done("read relay", err); err != nil {
		return false, err
	}
	return bits[0]&1 != 0, nil
}

// look reads the inputs: which number, from 1, is on.
func (b *board) look() (on [maxNumber + 1]bool, err error) {
	first, count := b.config.span()
	address, n := uint16(b.config.FirstInput+first), uint16(count)
	if b.config.registers() && b.config.Packed {
		address, n = uint16(b.config.FirstInput+first/16), uint16(packedEnd(first, count)-first/16)
	}
	var data []byte
	switch b.config.Inputs {
	case Coils:
		data, err = b.client.ReadCoils(address, n)
	case HoldingRegisters:
		data, err = b.client.ReadHoldingRegisters(address, n)
	case InputRegisters:
		data, err = b.client.ReadInputRegisters(address, n)
	default:
		data, err = b.client.ReadDiscreteInputs(address, n)
	}
	if err = b.done("read inputs", err); err != nil {
		return on, err
	}
	for i := range count {
		on[first+i+1] = b.bit(data, first, i)
	}
	return on, nil
}

// bit returns the i-th input read from first on; false where data ends.
func (b *board) bit(data []byte, first, i int) bool {
	at, mask := i/8, byte(1)<<(i%8)
	if b.config.registers() {
		if !b.config.Packed {
			return 2*i+1 < len(data) && (data[2*i] != 0 || data[2*i+1] != 0)
		}
		i += first % 16
		at, mask = i/8^1, byte(1)<<(i%8) // the high byte of a register comes first
	}
	return at < len(data) && data[at]&mask != 0
}
