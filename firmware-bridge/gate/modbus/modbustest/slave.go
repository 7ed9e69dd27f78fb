// Package modbustest is a Modbus RTU board without a relay: it answers on a serialtest.Line.
//
// It speaks functions 1, 2, 3, 4, 5, 6 and 15 and has a timer for each relay, as
// boards with "flash on" have. What is wrong with lines can be made to happen.
package modbustest

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"

	"turnstile/firmware-bridge/serialport/serialtest"
)

// Coils and Inputs are how many the board has.
const (
	Coils  = 16
	Inputs = 16
)

const (
	flashBase = 0x0200 // of the coils that are timers
	flashUnit = 100 * time.Millisecond
)

// Board is one board. Use New.
type Board struct {
	line *serialtest.Line
	unit byte

	mu       sync.Mutex // guards the following
	coils    [Coils]bool
	rises    [Coils]int
	timers   [Coils]*time.Timer
	inputs   [Inputs]bool
	values   [Inputs]uint16 // what registers say instead, if not 0
	requests int
	deaf     harm // requests lost on their way
	mute     harm // answers lost on their way
	garble   harm // answers hit on their way
	noise    []byte
	echo     bool
	except   map[byte]byte // by function
	strange  int           // requests that no master may send
}

// harm is a fault that happens to requests of function f (any for 0) n times.
type harm struct {
	f byte
	n int
}

func (h *harm) strikes(f byte) bool {
	if h.n == 0 || h.f != 0 && h.f != f {
		return false
	}
	h.n--
	return true
}

// New returns a board with the given unit number on line.
func New(line *serialtest.Line, unit byte) *Board {
	return &Board{line: line, unit: unit, except: map[byte]byte{}}
}

// Run answers until ctx ends, whenever the line is plugged in.
func (b *Board) Run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		if far, err := b.line.Far(); err == nil {
			b.serve(ctx, far)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// serve answers on far until it is closed or ctx ends.
func (b *Board) serve(ctx context.Context, far *os.File) {
	var got []byte
	chunk := make([]byte, 256)
	for ctx.Err() == nil {
		if far.SetReadDeadline(time.Now().Add(20*time.Millisecond)) != nil {
			return
		}
		n, err := far.Read(chunk)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			got = got[:0] // silence ends a frame
			continue
		}
		if err != nil {
			return
		}
		got = append(got, chunk[:n]...)
		for size := requestSize(got); size > 0 && len(got) >= size; size = requestSize(got) {
			if reply := b.Answer(got[:size]); reply != nil {
				_, _ = far.Write(reply) // a lost line shows at the next read
			}
			got = got[size:]
		}
	}
}

// requestSize is how long the request is that got begins with, 0 if that does
// not show yet.
func requestSize(got []byte) int {
	switch {
	case len(got) < 7:
		return 0
	case got[1] == 15:
		return 9 + int(got[6])
	}
	return 8
}

// Answer does one request and returns what comes back over the line, nil for nothing.
func (b *Board) Answer(request []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deaf.strikes(request[1]) {
		return b.echoed(request, nil)
	}
	end := len(request) - 2
	if CRC(request[:end]) != binary.LittleEndian.Uint16(request[end:]) || request[0] != b.unit {
		b.strange++
		return nil
	}
	b.requests++
	pdu := b.do(request[1], request[2:end])
	reply := append([]byte{b.unit}, pdu...)
	reply = binary.LittleEndian.AppendUint16(reply, CRC(reply))
	switch {
	case b.mute.strikes(request[1]):
		return b.echoed(request, nil)
	case b.garble.strikes(request[1]):
		reply[len(reply)-3] ^= 0x40
	}
	return b.echoed(request, append(append([]byte(nil), b.noise...), reply...))
}

// echoed puts the request before the reply, as an adapter with local echo does.
func (b *Board) echoed(request, reply []byte) []byte {
	if b.echo {
		return append(append([]byte(nil), request...), reply...)
	}
	return reply
}

// do runs function f and returns its answer.
func (b *Board) do(f byte, data []byte) []byte {
	if code := b.except[f]; code != 0 {
		return []byte{f | 0x80, code}
	}
	address, value := int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))
	switch f {
	case 1:
		return bits(f, b.coils[:], address, value)
	case 2:
		return bits(f, b.inputs[:], address, value)
	case 3, 4:
		return b.registers(f, address, value)
	case 5:
		return b.write(f, address, value, data)
	case 6:
		if address < Coils && value <= 1 {
			b.set(address, value == 1)
			return append([]byte{f}, data...)
		}
		return []byte{f | 0x80, 2}
	case 15:
		if address+value > Coils || len(data) < 5+(value+7)/8 {
			return []byte{f | 0x80, 2}
		}
		for i := range value {
			b.set(address+i, data[5+i/8]>>(i%8)&1 != 0)
		}
		return append([]byte{f}, data[:4]...)
	}
	return []byte{f | 0x80, 1}
}

// bits answers functions 1 and 2.
func bits(f byte, all []bool, address, count int) []byte {
	if count < 1 || address+count > len(all) {
		return []byte{f | 0x80, 2}
	}
	out := make([]byte, 2+(count+7)/8)
	out[0], out[1] = f, byte(len(out)-2)
	for i := range count {
		if all[address+i] {
			out[2+i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// registers answers functions 3 and 4: an input each, and from 100 on 16 inputs each.
func (b *Board) registers(f byte, address, count int) []byte {
	out := []byte{f, byte(2 * count)}
	for i := address; i < address+count; i++ {
		switch {
		case i < Inputs:
			v := b.values[i]
			if b.inputs[i] {
				v = 1
			}
			out = binary.BigEndian.AppendUint16(out, v)
		case i == 100:
			v := uint16(0)
			for n, on := range b.inputs {
				if on {
					v |= 1 << n
				}
			}
			out = binary.BigEndian.AppendUint16(out, v)
		default:
			return []byte{f | 0x80, 2}
		}
	}
	return out
}

// write answers function 5, also to a timer's address.
func (b *Board) write(f byte, address, value int, data []byte) []byte {
	coil := address
	switch {
	case address < Coils && (value == 0 || value == 0xFF00):
		b.set(coil, value != 0)
	case address >= flashBase && address < flashBase+Coils && value > 0:
		coil -= flashBase
		b.set(coil, true)
		b.timers[coil] = time.AfterFunc(time.Duration(value)*flashUnit, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.coils[coil] = false
		})
	default:
		return []byte{f | 0x80, 2}
	}
	return append([]byte{f}, data...)
}

// set switches a relay; a timer that runs for it is void.
func (b *Board) set(coil int, on bool) {
	if b.timers[coil] != nil {
		b.timers[coil].Stop()
		b.timers[coil] = nil
	}
	if on && !b.coils[coil] {
		b.rises[coil]++
	}
	b.coils[coil] = on
}

// CRC is the checksum of Modbus RTU, low byte first on the line.
func CRC(frame []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, c := range frame {
		crc ^= uint16(c)
		for range 8 {
			odd := crc & 1
			crc >>= 1
			crc ^= odd * 0xA001
		}
	}
	return crc
}
