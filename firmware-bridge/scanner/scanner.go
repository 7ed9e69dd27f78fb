// Package scanner says what a QR scanner delivers to a lane, whatever wire it hangs on.
//
// It is a contract: standard library only, no goroutine, no log, no clock. One
// folder below is one driver; scannertest holds the suite that each of them
// passes, and a fake that passes it too.
package scanner

import (
	"context"
	"errors"
	"time"
)

// MaxText is the greatest number of bytes in Scan.Text. A pass is far below it;
// the bound is there for what a visitor prints on paper.
const MaxText = 1024

// ErrStarted is returned by Run when it was called before on the same Scanner.
var ErrStarted = errors.New("scanner: Run was called before; make a new scanner instead")

// Scan is one text that a scanner delivered, with marks and line ends stripped.
type Scan struct {
	Text      []byte // 1..MaxText bytes of valid UTF-8 without control characters; owned by whoever received it
	Symbology string // AIM id without its bracket, such as "Q1"; "" if the scanner sends none
	// Bits is 0 for a text. Else Text is a card number of that many bits, parity
	// and all, as one number whose highest bit came first on the wire: (Bits+3)/4
	// upper-case hexadecimal digits, leading zeros kept. 26 bits 1000…10 are
	// "2000002". It is an identifier, without any proof that the card is there.
	Bits int
	At   time.Time // when its last byte arrived, with a monotonic reading
}

// Stats counts what came over the wire since Run began. Every frame that is not
// in Scans is in exactly one of Oversized, Noise, Empty and NoRead.
type Stats struct {
	Scans     uint64 // frames put on the channel
	Oversized uint64 // frames over MaxText, thrown away whole
	Noise     uint64 // frames with NUL, control or broken UTF-8 bytes, or cut short by the start of the next
	Empty     uint64 // frames with nothing left after stripping
	NoRead    uint64 // the scanner's own "I could not read it" texts
	Dropped   uint64 // scans pushed out of the full channel by newer ones; each was counted in Scans before
	Reopened  uint64 // times the device came back after it was lost
	Connected bool   // the device is open now
	Err       error  // why it is not; nil while connected and before the first try
}

// Scanner owns one scanning device.
//
// Scans and Stats may be called at any time from any goroutine, before, during
// and after Run.
type Scanner interface {
	// Run owns the device until ctx ends and then returns nil, having released
	// it. It survives unplugging, replugging and a port that somebody else
	// holds: it keeps trying and says why in Stats().Err. It returns an error
	// only when it can never work (ErrStarted, or a configuration that no
	// device accepts). Run is called once.
	Run(ctx context.Context) error
	// Scans is the one channel that scans arrive on; every call returns the
	// same. It is bounded. When nobody reads it the oldest scan is dropped and
	// counted, because the newest is of the person who stands at the gate now.
	// Run closes it when it returns; what is in it can still be read.
	Scans() <-chan Scan
	// Stats returns the counts as of now.
	Stats() Stats
}
