package gm65

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
)

// patience is how long a reply may take: at 9600 baud it is under way for 10 ms;
// the rest is for a busy host.
const patience = 400 * time.Millisecond

// Engine is the dialect of one GM65 or relative. Use New.
type Engine struct{}

// New returns a dialect.
func New() *Engine { return &Engine{} }

// Take implements dialect.Dialect.
func (*Engine) Take(v dialect.View) dialect.Piece {
	return dialect.Find(v, func(b []byte) int { return replyTo(b, v.Asked) })
}

// Identify implements dialect.Dialect.
func (e *Engine) Identify(l dialect.Line) (dialect.Identity, error) {
	id := dialect.Identity{Family: "gm65", Baud: l.Baud()}
	reply, err := l.Ask(AppendRead(nil, zoneSoft, 1), patience)
	if err != nil {
		return id, err
	}
	soft, _ := ParseReply(reply, 1)
	id.Firmware = fmt.Sprintf("software %02X", soft[0])
	if soft[0] == 0x69 {
		id.Warn("software 69 does not read binary QR codes reliably; passes are text, and read well")
	}
	hard, err := e.read(l, zoneHard, 1)
	if err == nil {
		id.Model = fmt.Sprintf("hardware %02X", hard[0])
	} else if !errors.Is(err, dialect.ErrSilent) {
		return id, err
	}
	return id, nil
}

// Configure implements dialect.Dialect. All settings last until the engine
// loses power, and are made again at each opening, unless s.Permanent.
func (e *Engine) Configure(l dialect.Line, s dialect.Settings, id *dialect.Identity) error {
	for _, step := range []struct {
		name string
		do   func(dialect.Line, dialect.Settings) error
		hint string
	}{
		{"read mode", e.setMode, "scan the maker's code for the mode"},
		{"set-up codes off", e.closeSetup, "scan the maker's code \"close setup code\" and save, else a visitor reprograms it with a print"},
		{"QR only", e.onlyQR, "scan the maker's codes \"forbid all\" and \"QR on\""},
		{"rate", e.raise, "scan the maker's code for the rate"},
		{"save", e.save, "scan the maker's code \"save\""},
	} {
		if err := dialect.Excuse(l, e, id, step.name, step.hint, step.do(l, s)); err != nil {
			return err
		}
	}
	id.Warn("set-up codes are off by zone 0003 as in GM65 and GM861, and a GM812 differs: show it a set-up code and see that it ignores it")
	id.Baud = l.Baud()
	return nil
}

// Alive implements dialect.Dialect.
func (e *Engine) Alive(l dialect.Line) error {
	_, err := l.Ask(AppendHeartbeat(nil), patience)
	return err
}

// Trigger implements dialect.Dialect.
func (e *Engine) Trigger(on bool) []byte {
	if on {
		return AppendWrite(nil, zoneTrigger, 1)
	}
	return AppendWrite(nil, zoneTrigger, 0)
}

// read returns count bytes of zones.
func (e *Engine) read(l dialect.Line, zone uint16, count byte) ([]byte, error) {
	reply, err := dialect.Ask(l, AppendRead(nil, zone, count), patience)
	if err != nil {
		return nil, err
	}
	data, _ := ParseReply(reply, int(count))
	return data, nil
}

// set changes the bits of mask in a zone, and reads them back: some firmware
// says yes and does not keep it.
func (e *Engine) set(l dialect.Line, zone uint16, mask, value byte) error {
	old, err := e.read(l, zone, 1)
	if err != nil {
		return err
	}
	if old[0]&mask == value {
		return nil
	}
	if _, err := dialect.Ask(l, AppendWrite(nil, zone, old[0]&^mask|value), patience); err != nil {
		return err
	}
	now, err := e.read(l, zone, 1)
	if err != nil {
		return err
	}
	if now[0]&mask != value {
		return fmt.Errorf("zone %04X stays at %02X: %w", zone, now[0], dialect.ErrRefused)
	}
	return nil
}

func (e *Engine) setMode(l dialect.Line, s dialect.Settings) error {
	switch s.Mode {
	case dialect.Presentation:
		return e.set(l, zoneMode, 0x03, 0x03)
	case dialect.Trigger:
		return e.set(l, zoneMode, 0x03, 0x01)
	}
	return nil
}

func (e *Engine) closeSetup(l dialect.Line, _ dialect.Settings) error {
	return e.set(l, zoneSetup, 0x02, 0x02)
}

// onlyQR forbids all kinds and then allows QR. If QR cannot be seen to be
// allowed the kinds go back: an engine that reads nothing would be worse.
func (e *Engine) onlyQR(l dialect.Line, s dialect.Settings) error {
	if !s.QROnly {
		return nil
	}
	kinds, err := e.read(l, zoneKinds, 1)
	if err != nil {
		return err
	}
	err = e.set(l, zoneKinds, 0x07, 0x01)
	if err == nil {
		err = e.set(l, zoneQR, 0x01, 0x01)
	}
	if err != nil {
		_, back := l.Ask(AppendWrite(nil, zoneKinds, kinds[0]), patience)
		return errors.Join(err, back)
	}
	return nil
}

func (e *Engine) raise(l dialect.Line, s dialect.Settings) error {
	if s.Baud == 0 {
		return nil
	}
	return dialect.Raise(l, s.Baud, func(baud int) error {
		_, err := l.Ask(AppendWrite(nil, zoneBaud, binary.LittleEndian.AppendUint16(nil, Divisor(baud))...), patience)
		return err
	}, func() error {
		rate, err := e.read(l, zoneBaud, 2)
		if err == nil && binary.LittleEndian.Uint16(rate) != Divisor(l.Baud()) {
			return fmt.Errorf("rate zone reads % X: %w", rate, dialect.ErrSilent)
		}
		return err
	})
}

func (e *Engine) save(l dialect.Line, s dialect.Settings) error {
	if !s.Permanent {
		return nil
	}
	_, err := l.Ask(AppendSave(nil), 3*patience)
	return err
}
