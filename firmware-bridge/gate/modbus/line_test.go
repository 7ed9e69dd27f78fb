package modbus

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/grid-x/modbus"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/modbus/modbustest"
	"turnstile/firmware-bridge/serialport"
)

// tape is a port that plays one answer for each request and keeps what is sent.
type tape struct {
	answers [][]byte
	pending []byte
	sent    [][]byte
	step    int // bytes for each Read; 0 for all
}

func (p *tape) Write(b []byte) (int, error) {
	p.sent = append(p.sent, bytes.Clone(b))
	p.pending = nil
	if len(p.answers) > 0 {
		p.pending, p.answers = p.answers[0], p.answers[1:]
	}
	return len(b), nil
}

func (p *tape) Read(b []byte, wait time.Duration) (int, error) {
	if len(p.sent) == 0 || len(p.pending) == 0 {
		if wait > 0 {
			<-time.After(min(wait, time.Millisecond))
		}
		return 0, nil
	}
	n := len(b)
	if p.step > 0 {
		n = min(n, p.step)
	}
	n = copy(b[:n], p.pending)
	p.pending = p.pending[n:]
	return n, nil
}

func boardOn(p port, change func(*Config)) *board {
	c := wiring()
	c.Port = serialport.Config{Path: "tape", Baud: 921600}
	c.Answer = minAnswer
	if change != nil {
		change(&c)
	}
	return newBoard(c, p, func(error) {})
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The maker's published frames, and those of the Modbus specification.
func TestPublishedFrames(t *testing.T) {
	for name, c := range map[string]struct {
		frame string
		send  func(*board) error
	}{
		"flash relay 1, 700 ms": {"0105020000078db0", func(b *board) error { return b.on(gate.In, 700*time.Millisecond) }},
		"flash relay 2, 800 ms": {"0105020100089c74", func(b *board) error { return b.on(gate.Out, 701*time.Millisecond) }},
	} {
		p := &tape{answers: [][]byte{unhex(t, c.frame)}}
		b := boardOn(p, func(c *Config) { c.Timer = TimerFlash })
		if err := c.send(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(p.sent) != 1 || hex.EncodeToString(p.sent[0]) != c.frame {
			t.Errorf("%s: sent %x", name, p.sent)
		}
	}
	p := &tape{answers: [][]byte{unhex(t, "01050000ff008c3a")}}
	if err := boardOn(p, nil).on(gate.In, time.Second); err != nil || hex.EncodeToString(p.sent[0]) != "01050000ff008c3a" {
		t.Errorf("relay 1 on: %x, %v", p.sent, err)
	}
}

// sealed appends the checksum.
func sealed(frame string) []byte {
	b, _ := hex.DecodeString(frame)
	return binary.LittleEndian.AppendUint16(b, modbustest.CRC(b))
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		want   error
	}{
		"good":                {sealed("01020105"), nil},
		"noise before":        {append([]byte{0, 0xFF}, sealed("01020105")...), nil},
		"too much noise":      {append([]byte{0, 0, 0, 0, 0}, sealed("01020105")...), ErrGarbled},
		"nothing":             {nil, ErrSilent},
		"half":                {sealed("01020105")[:3], ErrGarbled},
		"bad checksum":        {unhex(t, "010201050000"), ErrGarbled},
		"other unit":          {sealed("02020105"), ErrGarbled},
		"other function":      {sealed("01010105"), ErrGarbled},
		"two bytes for one":   {sealed("0102020500"), ErrGarbled},
		"no data":             {sealed("010200"), ErrGarbled},
		"exception":           {sealed("018202"), ErrRefused},
		"exception, unsealed": {unhex(t, "0182020000"), ErrGarbled},
		"echo":                {sealed("010200000006"), ErrEcho},
	} {
		for _, step := range []int{0, 1} {
			b := boardOn(&tape{answers: [][]byte{c.answer}, step: step}, nil)
			on, err := b.look()
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s in steps of %d: %v, want %v", name, step, err, c.want)
			}
			if err == nil && (!on[1] || on[2] || !on[3]) {
				t.Errorf("%s: inputs %v", name, on)
			}
		}
	}
}

// late is a tape on which an answer comes after its request was given up.
type late struct {
	*tape
	stale []byte
	waits []time.Duration // of reads before each request
}

func (p *late) Read(b []byte, wait time.Duration) (int, error) {
	if len(p.stale) > 0 {
		n := copy(b, p.stale)
		p.stale = p.stale[n:]
		return n, nil
	}
	if len(p.pending) == 0 {
		p.waits = append(p.waits, wait)
	}
	return p.tape.Read(b, wait)
}

// An answer that is too late is not the answer to the next request, and each
// request comes after a silence.
func TestLateAnswer(t *testing.T) {
	p := &late{tape: &tape{answers: [][]byte{sealed("01020100"), sealed("01020100")}}}
	b := boardOn(p, nil)
	for i := range 2 {
		p.stale, p.waits = sealed("0102013f"), nil
		on, err := b.look()
		if err != nil || on[1] {
			t.Errorf("look %d: inputs %v, %v", i, on, err)
		}
		if len(p.waits) == 0 || p.waits[0] <= 0 {
			t.Errorf("look %d came without a silence before it: %v", i, p.waits)
		}
	}
	if b.line.stray != 12 {
		t.Errorf("%d bytes counted as stray", b.line.stray)
	}
}

// A line that never falls silent does not hold the gate up for ever.
func TestBabble(t *testing.T) {
	b := boardOn(babble{}, nil)
	if _, err := b.look(); !errors.Is(err, ErrGarbled) {
		t.Errorf("%v", err)
	}
}

type babble struct{}

func (babble) Read(b []byte, _ time.Duration) (int, error) { return len(b), nil }
func (babble) Write(b []byte) (int, error)                 { return len(b), nil }

// FuzzAnswer: whatever comes back, an answer of the right shape or a named error.
func FuzzAnswer(f *testing.F) {
	f.Add(sealed("01020105"), uint8(0))
	f.Add(sealed("018202"), uint8(1))
	f.Add(sealed("01050000ff00"), uint8(2))
	f.Add(sealed("0105020000020000"), uint8(3))
	f.Add(sealed("010101ff"), uint8(4))
	f.Add(sealed("01030200ff"), uint8(5))
	f.Add([]byte{1, 0x85}, uint8(3))
	f.Add([]byte(nil), uint8(0))
	f.Fuzz(func(t *testing.T, answer []byte, which uint8) {
		b := boardOn(&tape{answers: [][]byte{answer}}, func(c *Config) {
			switch which % 6 {
			case 3:
				c.Timer = TimerFlash
			case 5:
				c.Inputs, c.Packed = HoldingRegisters, true
			case 1:
				c.Inputs, c.RelayOut = InputRegisters, 9
			}
		})
		var err error
		switch which % 6 {
		case 2, 3:
			err = b.on(gate.In, gate.DefaultPulse)
		case 4:
			_, err = b.isOn(gate.Out)
		default:
			_, err = b.look()
		}
		known := false
		for _, e := range []error{nil, ErrSilent, ErrGarbled, ErrEcho, ErrRefused} {
			known = known || errors.Is(err, e)
		}
		if !known {
			t.Errorf("error %v", err)
		}
		if err == nil && which%6 == 2 && !bytes.Contains(answer, sealed("01050000ff00")) {
			t.Errorf("%x was taken for done", answer)
		}
	})
}

// FuzzMissing: the count of what is still to come never grows past a frame.
func FuzzMissing(f *testing.F) {
	f.Add([]byte{1, 2, 1, 5}, byte(2), uint16(6))
	f.Add([]byte{1, 0x83}, byte(3), uint16(64))
	f.Fuzz(func(t *testing.T, got []byte, function byte, count uint16) {
		if function < 1 || function > 6 || count < 1 || count > maxNumber {
			return
		}
		request := binary.BigEndian.AppendUint16([]byte{1, function, 0, 0}, count)
		n, err := missing(request, got)
		if err == nil && (n < 0 || n+len(got) > maxReply && n > 0) {
			t.Errorf("%d bytes missing after %d", n, len(got))
		}
	})
}

// BenchmarkLook is one look at the inputs of a board on a pseudo-terminal: what
// this side takes, without the wire's time.
func BenchmarkLook(b *testing.B) {
	h := newBench(b, wiring())
	p, err := serialport.Open(h.config.Port)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	board := newBoard(h.config, p, func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	})
	board.line.baud = 921600 // the silences are the wire's as well, but not below 1.75 ms
	b.ReportAllocs()
	for b.Loop() {
		if _, err := board.look(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFrame is the library's making and checking of one frame.
func BenchmarkFrame(b *testing.B) {
	h := modbus.NewRTUClientHandler("")
	h.SetSlave(1)
	reply := sealed("01020105")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Encode(&modbus.ProtocolDataUnit{FunctionCode: 2, Data: []byte{0, 0, 0, 6}}); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Decode(reply); err != nil {
			b.Fatal(err)
		}
	}
}
