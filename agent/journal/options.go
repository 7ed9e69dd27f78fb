package journal

import (
	"errors"
	"fmt"
	"time"

	"turnstile/central/link"
)

// Options bound a journal. The zero value is what a lane runs with.
type Options struct {
	SegmentSize int64            // bytes of one file; 0: 1 MiB. A multiple of 4096, at least 16384
	Budget      int64            // bytes of all segments; 0: 256 MiB. When unacknowledged entries fill it, Append returns ErrFull
	Keep        time.Duration    // acknowledged entries are kept that long; 0: 7 days
	KeepBytes   int64            // but acknowledged segments never take more than this; 0: a quarter of Budget
	Now         func() time.Time // nil: time.Now; ages segments, nothing else
}

// Report tells what Open found.
type Report struct {
	New      bool        // an empty journal was made
	Torn     int         // bytes cut from the tail: a write that never became durable
	Damaged  int         // segments with damage: Read returns a *Gap there. The newest may be one: the journal went on behind it
	SetAside string      // folder, within the journal's, of a journal that could not be continued; this one is new, with a new id
	Removed  []string    // folders of journals set aside long before, removed because there were more than four
	Lost     error       // why it was set aside, nil if it was not
	Scanned  int         // entries read by Open
	Floor    *link.Floor // the newest EntryFloor, nil if there is none
}

// What can be wrong. Append returns ErrFull (for grants and refusals while there
// is still a reserve for alarms and results) and ErrClosed, or wraps the error
// of the disk; after any error the entry counts as not written.
var (
	ErrLocked  = errors.New("journal is in use by another process: stop the other agent first")
	ErrFull    = errors.New("journal is full: let it reach central, or free disk space")
	ErrClosed  = errors.New("journal is closed")
	ErrNewer   = errors.New("journal was written by a newer agent: install that version, or move the folder away")
	ErrDropped = errors.New("entry was dropped after its acknowledgement")
	ErrDamaged = errors.New("journal is damaged")
	ErrForked  = errors.New("acknowledgement does not match this journal")
	ErrOldAck  = errors.New("acknowledgement is too old: it was sent again, or central's clock was set back; check that clock")
)

// Gap names entries that are lost to damage; errors.Is(err, ErrDamaged). The
// file stays on the disk, named *.bad. Reading goes on at To+1.
type Gap struct{ From, To uint64 }

// Error names the entries.
func (g *Gap) Error() string {
	return fmt.Sprintf("%v: entries %d..%d cannot be read; keep the file named .bad for the office", ErrDamaged, g.From, g.To)
}

// Is reports that a gap is ErrDamaged.
func (g *Gap) Is(target error) bool { return target == ErrDamaged }

// Unread names entries that the disk does not give out: a sector gone bad, or a
// disk that hangs. They may come back; nothing was marked. Reading goes on at To+1.
type Unread struct {
	From, To uint64
	Err      error // the disk's
}

// Error names the entries.
func (u *Unread) Error() string {
	return fmt.Sprintf("journal entries %d..%d cannot be read now: %v; replace the disk and keep the old one for the office", u.From, u.To, u.Err)
}

// Unwrap returns the disk's error.
func (u *Unread) Unwrap() error { return u.Err }

// Missing returns the last one of entries that Read or Replay could not give,
// behind which a reader goes on; false if the error is another.
func Missing(err error) (to uint64, ok bool) {
	var gap *Gap
	var unread *Unread
	switch {
	case errors.As(err, &gap):
		return gap.To, true
	case errors.As(err, &unread):
		return unread.To, true
	}
	return 0, false
}

// Stats count what a journal did since Open.
type Stats struct {
	Entries uint64 // appended and durable
	Flushes uint64 // fdatasync calls for them
	Bytes   uint64 // handed to the disk, without preallocation
}
