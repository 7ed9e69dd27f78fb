package honeywell

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// patience is how long a reply may take.
const patience = 500 * time.Millisecond

// Engine is the dialect of one Honeywell engine. Use New.
type Engine struct{ model string }

// New returns a dialect.
func New() *Engine { return &Engine{} }

// Take implements dialect.Dialect.
func (*Engine) Take(v dialect.View) dialect.Piece {
	command, _, n := ParseCommand(v.Asked)
	return dialect.Find(v, func(b []byte) int {
		if n <= 0 {
			return -1
		}
		_, _, n := ParseReply(b, command[:tagSize])
		return n
	})
}

// Identify implements dialect.Dialect.
func (e *Engine) Identify(l dialect.Line) (dialect.Identity, error) {
	id := dialect.Identity{Family: "honeywell", Baud: l.Baud()}
	if _, err := e.once(l, "232BAD?", Permanent); err != nil && !errors.Is(err, dialect.ErrRefused) {
		return id, err
	}
	about, err := e.once(l, aboutTag, Permanent)
	if err != nil && !errors.Is(err, dialect.ErrSilent) && !errors.Is(err, dialect.ErrRefused) {
		return id, err
	}
	id.Model, id.Firmware = dialect.About(about, "software")
	e.model = id.Model
	return id, nil
}

// Configure implements dialect.Dialect.
func (e *Engine) Configure(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	id.Warn("set-up codes cannot be switched off from here: see this model's guide, else a visitor reprograms it with a print")
	if s.QROnly {
		id.Warn("reads every kind of code: scan the maker's codes for QR only")
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
	command := map[dialect.Mode]string{dialect.Presentation: "TRGMOD3", dialect.Trigger: "TRGMOD0"}[s.Mode]
	if command == "" {
		return nil
	}
	if !strings.Contains(e.model, "N36") {
		id.Warn("read mode: its name differs by model: scan the maker's code for presentation or for serial trigger")
		return nil
	}
	if now, err := e.once(l, command[:tagSize]+"?", Permanent); err == nil && string(now) == command[tagSize:] && !s.Permanent {
		return nil // a setting may make it beep
	}
	_, err := e.ask(l, command, mark(s))
	return dialect.Excuse(l, e, id, "read mode", "scan the maker's code for the mode", err)
}

func (e *Engine) raise(l dialect.Line, s dialect.Settings) error {
	if s.Baud == 0 || s.Baud == l.Baud() {
		return nil
	}
	if codes[s.Baud] == "" || codes[l.Baud()] == "" {
		return fmt.Errorf("%w, %d: it has no code for %d", dialect.ErrRate, l.Baud(), s.Baud)
	}
	return dialect.Raise(l, s.Baud, func(baud int) error {
		_, err := e.once(l, "232BAD"+codes[baud], mark(s))
		return err
	}, func() error { return e.Alive(l) })
}

// Alive implements dialect.Dialect.
func (e *Engine) Alive(l dialect.Line) error {
	_, err := e.once(l, "232BAD?", Permanent)
	if errors.Is(err, dialect.ErrRefused) {
		return nil
	}
	return err
}

// Trigger implements dialect.Dialect.
func (*Engine) Trigger(on bool) []byte {
	if on {
		return []byte{0x16, 'T', 0x0D}
	}
	return []byte{0x16, 'U', 0x0D}
}

func mark(s dialect.Settings) byte {
	if s.Permanent {
		return Permanent
	}
	return Temporary
}

// ask sends a command, twice if need be, and returns the data of the reply.
func (e *Engine) ask(l dialect.Line, command string, mark byte) ([]byte, error) {
	return dialect.Twice(func() ([]byte, error) { return e.once(l, command, mark) })
}

func (e *Engine) once(l dialect.Line, command string, mark byte) ([]byte, error) {
	reply, err := l.Ask(Append(nil, command, mark), patience)
	if err != nil {
		return nil, err
	}
	data, status, _ := ParseReply(reply, []byte(command[:tagSize]))
	if status != Done {
		return data, fmt.Errorf("%s: %w with %02X", command, dialect.ErrRefused, status)
	}
	return data, nil
}
