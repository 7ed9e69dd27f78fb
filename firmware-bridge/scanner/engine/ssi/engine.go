package ssi

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// patience is how long a reply may take. The guide gives an engine 2 s at most
// and has it answer at once.
const patience = 400 * time.Millisecond

// resends is how often a request is sent again that the engine did not get whole.
const resends = 3

// Parameters and their values.
const (
	paramPackets = 0xEE
	paramAck     = 0x9F
	paramSetup   = 0xEC
	paramTrigger = 0x8A
	paramBaud    = 0x9C

	triggerPresentation = 0x07
	triggerHost         = 0x08
)

// rates are the values of paramBaud.
var rates = map[int]byte{9600: 0x06, 19200: 0x07, 38400: 0x08, 57600: 0x0A, 115200: 0x0B}

// Dialect is the dialect of one SSI engine. Use New.
type Dialect struct{ decoder }

// New returns a dialect.
func New() *Dialect { return &Dialect{} }

// Take implements dialect.Dialect.
func (d *Dialect) Take(v dialect.View) dialect.Piece { return d.take(v) }

// Identify implements dialect.Dialect.
func (d *Dialect) Identify(l dialect.Line) (dialect.Identity, error) {
	id := dialect.Identity{Family: "ssi", Baud: l.Baud()}
	told, err := d.revision(l)
	if err != nil && !errors.Is(err, dialect.ErrRefused) {
		return id, err
	}
	// Software, board, engine code and program checksum, with blanks between.
	words := strings.Fields(dialect.Clean(told))
	if len(words) > 0 {
		id.Firmware = words[0]
	}
	if len(words) > 1 {
		id.Model = strings.Join(words[1:], " ")
	}
	return id, nil
}

// Configure implements dialect.Dialect.
func (d *Dialect) Configure(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	trigger := map[dialect.Mode]byte{dialect.Presentation: triggerPresentation, dialect.Trigger: triggerHost}
	for _, step := range []struct {
		name         string
		param, value byte
		hint         string
	}{
		{"scans as packets", paramPackets, 1, "scan the maker's code \"send packeted decode data\""},
		{"packets acknowledged", paramAck, 1, "scan the maker's code \"enable software handshaking\""},
		{"set-up codes off", paramSetup, 0, "scan the maker's code \"disable parameter scanning\", else a visitor reprograms it with a print"},
		{"read mode", paramTrigger, trigger[s.Mode], "scan the maker's code for the mode"},
	} {
		if step.param == paramTrigger && s.Mode == dialect.Keep {
			continue
		}
		err := d.set(l, s, step.param, step.value)
		if err := dialect.Excuse(l, d, id, step.name, step.hint, err); err != nil {
			return err
		}
	}
	if s.QROnly {
		id.Warn("reads every kind of code: scan the maker's codes for QR only")
	}
	err := d.raise(l, s)
	if err := dialect.Excuse(l, d, id, "rate", "scan the maker's code for the rate", err); err != nil {
		return err
	}
	id.Baud = l.Baud()
	return nil
}

func (d *Dialect) raise(l dialect.Line, s dialect.Settings) error {
	from := l.Baud()
	if s.Baud == 0 || s.Baud == from {
		return nil
	}
	if rates[s.Baud] == 0 || rates[from] == 0 {
		return fmt.Errorf("%w, %d: it has no code for %d", dialect.ErrRate, from, s.Baud)
	}
	return dialect.Raise(l, s.Baud, func(baud int) error { return d.set(l, s, paramBaud, rates[baud]) },
		func() error { return d.Alive(l) })
}

// Alive implements dialect.Dialect.
func (d *Dialect) Alive(l dialect.Line) error {
	_, err := d.revision(l)
	if errors.Is(err, dialect.ErrRefused) {
		return nil
	}
	return err
}

// Trigger implements dialect.Dialect.
func (*Dialect) Trigger(on bool) []byte {
	if on {
		return Append(nil, Packet{Op: opStart, Source: Host})
	}
	return Append(nil, Packet{Op: opStop, Source: Host})
}

func (d *Dialect) revision(l dialect.Line) ([]byte, error) {
	return d.ask(l, Packet{Op: opAsk, Source: Host})
}

// set sets one parameter.
func (d *Dialect) set(l dialect.Line, s dialect.Settings, param, value byte) error {
	p := Packet{Op: opSet, Source: Host, Data: []byte{0xFF, param, value}}
	if s.Permanent {
		p.Status |= statusForEver
	}
	_, err := d.ask(l, p)
	return err
}

// ask sends a packet, again if the engine wants it again, and returns the data
// of the reply.
func (d *Dialect) ask(l dialect.Line, p Packet) ([]byte, error) {
	for range resends {
		raw, err := l.Ask(Append(nil, p), patience)
		if err != nil {
			return nil, err
		}
		reply, _, _ := Parse(raw, Engine)
		if reply.Op != opRefused {
			return reply.Data, nil
		}
		cause := byte(0)
		if len(reply.Data) > 0 {
			cause = reply.Data[0]
		}
		if cause != CauseResend {
			return nil, fmt.Errorf("packet %02X: %w, cause %02X", p.Op, dialect.ErrRefused, cause)
		}
		p.Status |= statusAgain
	}
	return nil, fmt.Errorf("packet %02X: %w: it does not arrive whole", p.Op, dialect.ErrSilent)
}
