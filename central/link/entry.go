package link

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"turnstile/central/pass"
)

// EntryType says what a journal entry records.
type EntryType uint8

// The entry types. Append only.
const (
	EntryGranted   EntryType = 1 // decided to open; written before the gate opens
	EntryDenied    EntryType = 2 // refused, with its reason
	EntryPassed    EntryType = 3 // the person of Grant walked through
	EntryNotPassed EntryType = 4 // nobody walked through: the entry is given back
	EntryUnknown   EntryType = 5 // a crash came between: not known whether anybody walked
	EntryForced    EntryType = 6 // rotation without a grant
	EntryTailgated EntryType = 7 // two went through on one grant
	EntryFire      EntryType = 8 // fire release seen
	EntryFireOver  EntryType = 9
	EntryTamper    EntryType = 10 // housing opened
	EntryTamperEnd EntryType = 11
	EntryGateLost  EntryType = 12 // the gate's controller does not answer
	EntryGateFound EntryType = 13
	EntryScanLost  EntryType = 14 // the scanner is gone
	EntryScanFound EntryType = 15
	EntryBoot      EntryType = 16 // the agent started
	EntryFloor     EntryType = 17 // what this lane has seen of the feed and of time
	EntryDropped   EntryType = 18 // entries were dropped for space; Grant counts them
	EntryRefused   EntryType = 19 // a message of central was refused (fork, forgery); Detail names it
	EntryFault     EntryType = 20 // the gate reported a fault
	EntryHeld      EntryType = 21 // the door or barrier stands open after a passage
	EntryHeldOver  EntryType = 22 // it is shut again
	EntryConflict  EntryType = 23 // another lane admitted the pass of Grant at the same time
	EntryMode      EntryType = 24 // the lane's mode was changed by hand with a supervisor code; Detail is the Mode
	EntryShown     EntryType = 25 // the lane showed which one it is, because of a command
)

// ClockState says how far the lane's clock can be trusted.
type ClockState uint8

// The clock states.
const (
	ClockUntrusted ClockState = 0
	ClockHoldover  ClockState = 1 // was trusted; the error is bounded
	ClockTrusted   ClockState = 2
)

// String returns the state's name as on pages and in metrics.
func (c ClockState) String() string {
	switch c {
	case ClockTrusted:
		return "trusted"
	case ClockHoldover:
		return "holdover"
	}
	return "untrusted"
}

// EntryFlags mark an entry for those who read it later.
type EntryFlags uint8

// The entry flags.
const (
	FlagStamped     EntryFlags = 1 << 0 // decided on an old feed or a doubtful clock
	FlagAlarm       EntryFlags = 1 << 1 // somebody should look now
	FlagPassback    EntryFlags = 1 << 2 // soft anti-passback: was inside already
	FlagLive        EntryFlags = 1 << 3 // shown as a live code
	FlagFreePassage EntryFlags = 1 << 4 // the zone stood open
	FlagShort       EntryFlags = 1 << 5 // shown as a short code, which is weak
	FlagLast        EntryFlags = 1 << 6 // an entry that leaves the pass none, each one before it having passed
)

// EntrySize and FloorSize are the lengths of an encoded entry in bytes.
const (
	EntrySize = 80
	FloorSize = 112
)

// Entry is one record of a lane's journal; TOPICS.md has its byte table.
type Entry struct {
	Type      EntryType
	Lane      uint8 // number of the lane on its controller, from 1; 0 for the controller itself
	Direction uint8 // 1 in, 2 out, 0 neither
	Zone      uint8
	Clock     ClockState
	Flags     EntryFlags
	Bound     uint16 // error bound of Wall in seconds, 65535: unknown
	Seq       uint64 // 1, 2, 3 ... within one journal
	Boot      uint32 // counts the agent's starts
	Wall      int64  // Unix ms by the lane's clock
	Mono      uint64 // ms since the agent's start

	Reason  pass.Reason
	Kind    pass.Kind
	KeyID   uint16
	Pass    pass.ID
	Gen     uint8
	Slot    uint32 // live slot, 0 if not live
	Holder  [8]byte
	Grant   uint64 // Seq of the grant that a result belongs to
	FeedSeq uint64 // last applied event when decided
	FeedAge uint32 // seconds since the newest head, 0xffffffff: never had one
	Detail  uint16 // a number that the type explains

	Floor *Floor // of an EntryFloor alone, in place of the fields from Reason on
}

// Floor is what a lane never goes behind again, even with a new cache.
type Floor struct {
	Epoch  uint32
	Seq    uint64
	Chain  Hash
	Keyset uint64
	Rules  uint64
	Time   int64  // Unix ms; the clock was here
	Gate   uint64 // version of the gate keys
	// Delegation is the version of the delegation, the lowest 16 bits. It stands
	// in the entry's bytes 2 and 3, direction and zone, which a floor has not.
	Delegation uint16
}

// Size returns the encoded length of an entry of the type.
func (t EntryType) Size() int {
	if t == EntryFloor {
		return FloorSize
	}
	return EntrySize
}

// Append appends the entry's EntrySize or FloorSize bytes. An EntryFloor must
// have a Floor.
func (e *Entry) Append(b []byte) []byte {
	be := binary.BigEndian
	direction, zone := e.Direction, e.Zone
	if e.Type == EntryFloor {
		direction, zone = byte(e.Floor.Delegation>>8), byte(e.Floor.Delegation)
	}
	b = append(b, byte(e.Type), e.Lane, direction, zone, byte(e.Clock), byte(e.Flags))
	b = be.AppendUint16(b, e.Bound)
	b = be.AppendUint64(b, e.Seq)
	b = be.AppendUint32(b, e.Boot)
	b = be.AppendUint64(b, uint64(e.Wall))
	b = be.AppendUint64(b, e.Mono)
	if e.Type == EntryFloor {
		return e.Floor.append(b)
	}
	b = append(b, byte(e.Reason), byte(e.Kind))
	b = be.AppendUint16(b, e.KeyID)
	b = be.AppendUint16(b, uint16(e.Pass.Day))
	b = be.AppendUint32(b, e.Pass.Index<<8|uint32(e.Gen))
	b = be.AppendUint32(b, e.Slot)
	b = append(b, e.Holder[:]...)
	b = be.AppendUint64(b, e.Grant)
	b = be.AppendUint64(b, e.FeedSeq)
	b = be.AppendUint32(b, e.FeedAge)
	return be.AppendUint16(b, e.Detail)
}

func (f *Floor) append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(b, f.Epoch)
	b = be.AppendUint64(b, f.Seq)
	b = append(b, f.Chain[:]...)
	b = be.AppendUint64(b, f.Keyset)
	b = be.AppendUint64(b, f.Rules)
	b = be.AppendUint64(b, uint64(f.Time))
	return be.AppendUint64(b, f.Gate)
}

// ParseEntry reads the entry at the start of b and returns the bytes behind it.
// ErrMalformed if b is too short. An unknown type is kept: a newer lane's entry
// must not be lost by an older central.
func ParseEntry(b []byte) (e Entry, rest []byte, err error) {
	if len(b) == 0 || len(b) < EntryType(b[0]).Size() || b[0] == 0 {
		return e, nil, fmt.Errorf("%w: an entry of %d bytes", ErrMalformed, len(b))
	}
	be := binary.BigEndian
	e = Entry{Type: EntryType(b[0]), Lane: b[1], Direction: b[2], Zone: b[3], Clock: ClockState(b[4]), Flags: EntryFlags(b[5])}
	e.Bound, e.Seq, e.Boot = be.Uint16(b[6:]), be.Uint64(b[8:]), be.Uint32(b[16:])
	e.Wall, e.Mono = int64(be.Uint64(b[20:])), be.Uint64(b[28:])
	rest = b[e.Type.Size():]
	if e.Type == EntryFloor {
		e.Floor = parseFloor(b[36:])
		e.Floor.Delegation, e.Direction, e.Zone = be.Uint16(b[2:]), 0, 0
		return e, rest, nil
	}
	e.parseFacts(b[36:EntrySize])
	return e, rest, nil
}

func (e *Entry) parseFacts(b []byte) {
	be := binary.BigEndian
	e.Reason, e.Kind, e.KeyID = pass.Reason(b[0]), pass.Kind(b[1]), be.Uint16(b[2:])
	e.Pass = pass.ID{Day: pass.Day(be.Uint16(b[4:])), Index: be.Uint32(b[6:]) >> 8}
	e.Gen, e.Slot = b[9], be.Uint32(b[10:])
	copy(e.Holder[:], b[14:])
	e.Grant, e.FeedSeq = be.Uint64(b[22:]), be.Uint64(b[30:])
	e.FeedAge, e.Detail = be.Uint32(b[38:]), be.Uint16(b[42:])
}

func parseFloor(b []byte) *Floor {
	be := binary.BigEndian
	f := &Floor{Epoch: be.Uint32(b), Seq: be.Uint64(b[4:])}
	copy(f.Chain[:], b[12:])
	f.Keyset, f.Rules = be.Uint64(b[44:]), be.Uint64(b[52:])
	f.Time, f.Gate = int64(be.Uint64(b[60:])), be.Uint64(b[68:])
	return f
}

// JournalID names one journal: random, new with every new disk.
type JournalID [16]byte

// UnmarshalCBOR takes a byte string of exactly 16 bytes.
func (id *JournalID) UnmarshalCBOR(data []byte) error { return fixed(id[:], data) }

// JournalStart is the chain value before a journal's first entry.
func JournalStart(id JournalID) Hash {
	return sha256.Sum256(append([]byte("turnstile-journal-start/1\x00"), id[:]...))
}

// JournalChain returns the chain value after an encoded entry.
func JournalChain(before Hash, entry []byte) Hash {
	var buf [20 + sha256.Size + FloorSize]byte // the longest, so that it stays on the stack
	b := append(buf[:0], "turnstile-journal/1\x00"...)
	b = append(b, before[:]...)
	return sha256.Sum256(append(b, entry...))
}
