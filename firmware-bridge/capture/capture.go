// Package capture keeps what passed on a line in a file, and plays it again.
//
// The form is OSDPCAP version 1, the public one of the Security Industry
// Association's libosdp-conformance (doc/osdpcap-format.md, 2023-08-27), so that the
// tools of others read our captures of OSDP lines and we read theirs: one JSON
// object a line, with
//
//	timeSec, timeNano   when, as struct timespec; texts or numbers
//	io                  "input", "output" or "trace"; SIA's own captures say "in" and "out"
//	data                the bytes as hexadecimal digits, with blanks or hyphens between
//	osdpTraceVersion    "1"
//	osdpSource          the tool that wrote it
//
// The document leaves open whose input it is. Here "input" is what the recorder
// received and "output" what it sent, as OSDP.Net has it; "trace", from an ear
// beside the line, counts as received. It serves lines of every kind: a record is
// a piece of the stream and need not be a whole frame.
//
// A capture of a scanner holds the codes of people, and one of a card reader
// their numbers. They are kept because a fault of a scanner shows in those very
// bytes; therefore a file is for its owner only (Create), says in its first record
// what it holds and until when it may be kept, and is not played after that. The
// fields for it, note, deleteBy and lost, are ours, and other readers pass over them.
package capture

import (
	"errors"
	"time"
)

const (
	// MaxBytes is how many bytes of a line Load takes from one capture: half a
	// day of a scanner that is never idle at 9600 baud is 40 MB; what an installer
	// records is a few minutes.
	MaxBytes = 16 << 20
	// MaxRecords is how many records Load takes.
	MaxRecords = 1 << 20
	// MaxLine is the greatest length of a line of the file in bytes.
	MaxLine = 64 << 10
	// Keep is how long a capture may be kept.
	Keep = 7 * 24 * time.Hour
)

const (
	traceVersion = "1"
	note         = "Holds all that passed on a line, which can be the codes and card numbers of people. Keep it to yourself and delete it by the time in deleteBy."
)

var (
	// ErrForm is wrapped by what Load and Read say of a file that is no capture.
	ErrForm = errors.New("not a capture")
	// ErrTooLarge is wrapped when a capture is over MaxBytes, MaxRecords or MaxLine.
	ErrTooLarge = errors.New("capture is too large")
)

// Chunk is a piece of what passed on a line.
type Chunk struct {
	At   time.Time
	Sent bool   // by whoever recorded; else received
	Data []byte // at least one byte
}

// Capture is a whole file.
type Capture struct {
	Chunks   []Chunk   // in the file's order
	Source   string    // tool that wrote the first record; "" if it did not say
	DeleteBy time.Time // zero if the file does not say
	Lost     uint64    // bytes that passed and found no room in the capture
}

// record is one line of the file.
type record struct {
	TimeSec  number     `json:"timeSec"`
	TimeNano number     `json:"timeNano"`
	IO       string     `json:"io"`
	Data     string     `json:"data"`
	Version  number     `json:"osdpTraceVersion"`
	Source   string     `json:"osdpSource"`
	Note     string     `json:"note,omitempty"`
	DeleteBy *time.Time `json:"deleteBy,omitempty"`
	Lost     uint64     `json:"lost,omitempty"` // bytes between the record before and this one
}

// number is a text of digits that some tools write as a number.
type number string

// UnmarshalJSON takes both.
func (n *number) UnmarshalJSON(b []byte) error {
	if len(b) >= 2 && b[0] == '"' {
		b = b[1 : len(b)-1]
	}
	*n = number(b)
	return nil
}
