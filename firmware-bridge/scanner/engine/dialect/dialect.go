// Package dialect says what a driver for one family of scan engines must know: commands and replies on the wire that scans arrive on.
//
// It is the contract between scanner/engine, which owns the port, the counts and
// the channel of scans, and one package per family beside it, which knows bytes
// and does no I/O of its own. A family's commands are harmless to all other
// families: engines of unknown make are found by asking (enginetest checks it).
package dialect

import (
	"errors"
	"time"
)

var (
	ErrSilent  = errors.New("scan engine does not answer") // no reply in time
	ErrRefused = errors.New("scan engine refused")         // it answered with a no
	ErrRate    = errors.New("scan engine stays at its old rate")
)

// Kind is what stands at the front of the bytes that arrived.
type Kind uint8

const (
	More   Kind = iota // too few bytes to tell; they are shown again with those that follow
	Text               // N bytes of a scan in line mode, or of noise
	Reply              // N bytes that answer what was asked
	Scan               // N bytes of a packet; Text is the whole text of one scan
	Broken             // N bytes of a damaged packet
	Ignore             // N bytes that mean nothing to a lane
)

// View is what a dialect sees of the wire.
type View struct {
	Bytes []byte // at least one, at most a few kilobytes
	Asked []byte // the request that waits for its reply; nil if none does
	// Inside is true when a scan in line mode has begun before Bytes and has not
	// ended. Lines is true when this scanner is known to end its scans with a
	// line end; then no reply can stand inside of one, and what looks like one
	// there is part of what a visitor had printed.
	Inside, Lines bool
	// Paused is true when the line was silent for 2 s or more before Bytes.
	Paused bool
}

// Piece is what Take found.
type Piece struct {
	Kind   Kind
	N      int    // bytes of View.Bytes it covers: 0 for More, else at least 1
	Text   []byte // of a Scan
	Answer []byte // to be sent at once; nil for nothing
}

// Mode is when the engine reads.
type Mode uint8

const (
	Presentation Mode = iota // by itself, when a code comes before it
	Trigger                  // when told to, by Dialect.Trigger
	Keep                     // as it is set
)

// Settings are what the engine shall be set to.
type Settings struct {
	Mode      Mode
	Baud      int  // raise to this rate; 0 for leave it
	QROnly    bool // read no other kind of code
	Permanent bool // write to flash what can be written there: for the installer, not for each start
}

// Identity is what is known of an engine, for people.
type Identity struct {
	Family   string // as in the configuration; "line" if nothing answered
	Model    string // "" if it does not say
	Firmware string // "" if it does not say
	Baud     int    // bits per second, now
	Warnings []string
}

// Warn adds what could not be set and what to do about it.
func (id *Identity) Warn(warning string) { id.Warnings = append(id.Warnings, warning) }

// Dialect speaks to one engine from the opening of its port to the closing. It
// is used by one goroutine.
type Dialect interface {
	// Take says what stands at the front of v.Bytes, which it does not keep.
	// It must not take text for a reply when nothing was asked.
	Take(v View) Piece
	// Identify asks who is there. ErrSilent: none of this family at this rate.
	Identify(l Line) (Identity, error)
	// Configure applies s as far as this family allows it and adds what it could
	// not do to id.Warnings. An error means that the engine is not usable now. It
	// is called again from time to time, while scans arrive, because an engine that
	// lost its power has lost s.
	Configure(l Line, s Settings, id *Identity) error
	// Alive asks for a sign of life; ErrSilent if none came.
	Alive(l Line) error
	// Trigger is the request that begins (on) or ends one read; nil if this
	// family has none.
	Trigger(on bool) []byte
}

// Line is the wire. Its errors other than ErrSilent mean that the port is gone
// or that the driver is to stop: they are returned as they are. Scans that
// arrive during any of its methods are delivered.
type Line interface {
	// Ask sends request and returns the first reply to it, which it owns, or
	// ErrSilent after wait.
	Ask(request []byte, wait time.Duration) ([]byte, error)
	// Rest waits, for engines that want a pause.
	Rest(wait time.Duration) error
	// Baud is this end's rate.
	Baud() int
	// SetBaud changes this end's rate.
	SetBaud(baud int) error
}
