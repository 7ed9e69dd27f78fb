package newland

import (
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

const (
	// patience is how long one command's reply may take; guides speak of 500 ms
	// for one and 5 s for many in one frame, which are not sent here.
	patience = 700 * time.Millisecond
	gap      = 50 * time.Millisecond
	// fastest is the one rate whose code is known.
	fastest     = 115200
	fastestCode = "8"
)

// The EM3000's two bytes.
const (
	areYou = '?'
	iAm    = '!'
)

// Engine is the dialect of one Newland engine. Use New.
type Engine struct {
	old bool // an EM3000 without unified commands
}

// New returns a dialect.
func New() *Engine { return &Engine{} }

// Take implements dialect.Dialect.
func (e *Engine) Take(v dialect.View) dialect.Piece {
	if len(v.Asked) == 1 { // one byte is a reply only where a scan could begin
		if !v.Inside && v.Bytes[0] == iAm && len(v.Bytes) == 1 {
			return dialect.Piece{Kind: dialect.Reply, N: 1}
		}
		return dialect.Piece{Kind: dialect.Text, N: dialect.LineOf(v)}
	}
	store, command, n := ParseCommand(v.Asked)
	return dialect.Find(v, func(b []byte) int {
		if n <= 0 {
			return -1
		}
		_, _, n := ParseReply(b, store, command[:tagSize])
		return n
	})
}

// Identify implements dialect.Dialect.
func (e *Engine) Identify(l dialect.Line) (dialect.Identity, error) {
	id := dialect.Identity{Family: "newland", Baud: l.Baud()}
	data, err := e.once(l, Temporary, aboutTag)
	if err == nil || errors.Is(err, dialect.ErrRefused) {
		id.Model, id.Firmware = dialect.About(data, "version")
		return id, nil
	}
	if !errors.Is(err, dialect.ErrSilent) {
		return id, err
	}
	if _, err := l.Ask([]byte{areYou}, patience); err != nil {
		return id, err
	}
	e.old, id.Model = true, "EM3000 without unified commands"
	return id, nil
}

// Configure implements dialect.Dialect.
func (e *Engine) Configure(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	id.Warn("set-up codes cannot be switched off from here: see this model's guide, else a visitor reprograms it with a print")
	if s.QROnly {
		id.Warn("reads every kind of code: scan the maker's codes for QR only")
	}
	if e.old {
		id.Warn("knows no commands for mode and rate: scan the maker's codes for them")
		return nil
	}
	if err := e.setMode(l, s, id); err != nil {
		return err
	}
	err := e.raise(l, s)
	if err := dialect.Excuse(l, e, id, "rate", "scan the maker's code for the rate", err); err != nil {
		return err
	}
	id.Baud = l.Baud()
	return nil
}

func (e *Engine) setMode(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	command := map[dialect.Mode]string{dialect.Presentation: "SCNMOD2", dialect.Trigger: "SCNMOD0"}[s.Mode]
	if command == "" {
		return nil
	}
	if now, err := e.once(l, Temporary, command[:tagSize]+"*"); err == nil && string(now) == command[tagSize:] && !s.Permanent {
		return nil // a setting may make it beep
	}
	_, err := e.ask(l, store(s), command)
	return dialect.Excuse(l, e, id, "read mode", "scan the maker's code for the mode", err)
}

// raise changes the rate, if the engine reads out the one to go back to.
func (e *Engine) raise(l dialect.Line, s dialect.Settings) error {
	from := l.Baud()
	if s.Baud == 0 || s.Baud == from {
		return nil
	}
	if s.Baud != fastest {
		return fmt.Errorf("%w, %d: the code of %d is not known", dialect.ErrRate, from, s.Baud)
	}
	was, err := e.ask(l, Temporary, "232BAD*")
	if err != nil {
		return err
	}
	if len(was) != 1 || was[0] < '0' || was[0] > '9' {
		return fmt.Errorf("%w, %d: it reads out %q", dialect.ErrRate, from, was)
	}
	return dialect.Raise(l, s.Baud, func(baud int) error {
		code := fastestCode
		if baud == from {
			code = string(was)
		}
		_, err := e.once(l, store(s), "232BAD"+code)
		return err
	}, func() error { return e.Alive(l) })
}

// Alive implements dialect.Dialect.
func (e *Engine) Alive(l dialect.Line) error {
	if e.old {
		_, err := l.Ask([]byte{areYou}, patience)
		return err
	}
	_, err := e.once(l, Temporary, "SCNMOD*")
	if errors.Is(err, dialect.ErrRefused) {
		return nil
	}
	return err
}

// Trigger implements dialect.Dialect.
func (e *Engine) Trigger(on bool) []byte {
	switch {
	case e.old && on:
		return []byte{0x1B, 0x31}
	case e.old:
		return nil
	case on:
		return Append(nil, Temporary, "SCNTRG1")
	}
	return Append(nil, Temporary, "SCNTRG0")
}

func store(s dialect.Settings) byte {
	if s.Permanent {
		return Permanent
	}
	return Temporary
}

// ask sends a command, twice if need be, and returns the data of the reply.
func (e *Engine) ask(l dialect.Line, store byte, command string) ([]byte, error) {
	return dialect.Twice(func() ([]byte, error) { return e.once(l, store, command) })
}

// once sends a command. After silence it leaves the gap that the engine wants.
func (e *Engine) once(l dialect.Line, store byte, command string) ([]byte, error) {
	reply, err := l.Ask(Append(nil, store, command), patience)
	if errors.Is(err, dialect.ErrSilent) {
		return nil, errors.Join(err, l.Rest(gap))
	}
	if err != nil {
		return nil, err
	}
	data, status, _ := ParseReply(reply, store, []byte(command[:tagSize]))
	if status != Done {
		return data, fmt.Errorf("%s: %w with %02X", command, dialect.ErrRefused, status)
	}
	return data, nil
}
