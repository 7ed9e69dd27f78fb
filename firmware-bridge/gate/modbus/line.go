package modbus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/grid-x/modbus"
)

// What can go wrong with one request.
var (
	ErrSilent  = errors.New("no answer from the Modbus board: check its power, the wires A and B, its unit number and its baud rate")
	ErrGarbled = errors.New("garbled answer from the Modbus board: check the wires, the line's ends (120 ohms) and that no other master is on it")
	ErrEcho    = errors.New("the adapter echoes what is sent: switch its local echo off, or use one that switches direction by itself")
	ErrRefused = errors.New("the Modbus board refuses")
)

const (
	requestSize   = 8 // bytes of each request that is used here
	replyOverhead = 5 // unit, function, count, checksum
	exceptionSize = 5
	echoSize      = 8 // of the answer to a write
	maxReply      = 256
	// maxLead is how many bytes before an answer are looked over: a line without
	// bias resistors makes one or two while its direction turns.
	maxLead = 4
)

// characters is the time of n characters of 10 bits.
func characters(baud, n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(baud)
}

// gap is the silence between two frames: 3.5 characters, and above 19200 baud a
// fixed time (MODBUS over Serial Line V1.02, 2.5.1.1).
func gap(baud int) time.Duration {
	if baud > 19200 {
		return 1750 * time.Microsecond
	}
	return 35 * time.Second / time.Duration(baud)
}

// port is what a line needs of a serialport.Port.
type port interface {
	Read(b []byte, wait time.Duration) (int, error)
	Write(b []byte) (int, error)
}

// line sends one request at a time and receives its answer: it implements the
// library's Transporter. It is used by one goroutine.
type line struct {
	port   port
	baud   int
	answer time.Duration
	last   time.Time // when the line was last in use
	stray  uint64    // bytes that nobody asked for
}

// Send implements modbus.Transporter. It waits for the silence before a frame,
// throws away what came meanwhile, and returns an answer of the right shape,
// whose checksum the library checks. Its errors wrap ErrSilent, ErrGarbled,
// ErrEcho or those of the port.
func (l *line) Send(request []byte) ([]byte, error) {
	if err := l.rest(); err != nil {
		return nil, err
	}
	if _, err := l.port.Write(request); err != nil {
		return nil, err
	}
	reply, err := l.receive(request)
	l.last = time.Now()
	return reply, err
}

// rest waits until the line was silent for gap. Bytes that come are of an
// answer that was too late: they must not be taken for the next one.
func (l *line) rest() error {
	var stale [maxReply]byte
	silence := gap(l.baud)
	for range 16 {
		wait := max(silence-time.Since(l.last), 0)
		n, err := l.port.Read(stale[:], wait)
		if err != nil {
			return err
		}
		if n == 0 && wait == 0 {
			return nil
		}
		if n > 0 {
			l.stray += uint64(n)
			l.last = time.Now()
		}
	}
	return fmt.Errorf("%w: it never falls silent", ErrGarbled)
}

// receive collects the answer to request.
func (l *line) receive(request []byte) ([]byte, error) {
	var got []byte
	var chunk [maxReply]byte
	noise := maxLead
	whole := max(size(request), exceptionSize)
	end := time.Now().Add(characters(l.baud, len(request)+whole) + 2*gap(l.baud) + l.answer)
	for {
		need, err := missing(request, got)
		if err != nil || need == 0 {
			return got, err
		}
		wait := time.Until(end)
		if wait <= 0 {
			break
		}
		n, err := l.port.Read(chunk[:need], wait)
		if err != nil {
			return nil, err
		}
		before := len(got) + n
		got = lead(request[0], append(got, chunk[:n]...), noise)
		noise -= before - len(got)
		l.stray += uint64(before - len(got))
	}
	if len(got) > 0 {
		return nil, fmt.Errorf("%w: it ends after %d bytes", ErrGarbled, len(got))
	}
	return nil, ErrSilent
}

// lead cuts off bytes before the one that an answer of unit begins with, most at
// the most.
func lead(unit byte, got []byte, most int) []byte {
	i := bytes.IndexByte(got, unit)
	if i < 0 {
		i = len(got)
	}
	return got[min(i, most):]
}

// size is how long the answer to request is if it is no exception. Requests
// are those of this package.
func size(request []byte) int {
	count := int(binary.BigEndian.Uint16(request[4:]))
	switch request[1] {
	case modbus.FuncCodeReadCoils, modbus.FuncCodeReadDiscreteInputs:
		return replyOverhead + (count+7)/8
	case modbus.FuncCodeReadHoldingRegisters, modbus.FuncCodeReadInputRegisters:
		return replyOverhead + 2*count
	}
	return echoSize
}

// missing returns how many bytes of the answer to request are still to come
// after got, or what is wrong with those that are there.
func missing(request, got []byte) (int, error) {
	want := size(request)
	reads := request[1] < modbus.FuncCodeWriteSingleCoil
	if len(got) > 0 && got[0] != request[0] {
		return 0, fmt.Errorf("%w: it is of unit %d", ErrGarbled, got[0])
	}
	if len(got) > 1 {
		switch got[1] {
		case request[1] | 0x80:
			want = exceptionSize
		case request[1]:
		default:
			return 0, fmt.Errorf("%w: it is to function %d", ErrGarbled, got[1])
		}
	}
	if reads && len(got) > 2 && got[1] == request[1] && int(got[2]) != want-replyOverhead {
		switch {
		case bytes.Equal(request, got):
			return 0, ErrEcho
		case bytes.HasPrefix(request, got):
			return len(request) - len(got), nil
		}
		return 0, fmt.Errorf("%w: it has %d bytes of data, not %d", ErrGarbled, got[2], want-replyOverhead)
	}
	return max(want-len(got), 0), nil
}
