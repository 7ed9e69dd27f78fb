package link

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"turnstile/central/pass"
)

// Head tells where the feed stands. Retained, at every change and every few
// seconds: its absence for three times Next is how a lane notices a freeze.
type Head struct {
	Epoch     uint32    `cbor:"1,keyasint"`  // new only when central lost its own history
	Seq       uint64    `cbor:"2,keyasint"`  // number of the last event
	Chain     Hash      `cbor:"3,keyasint"`  // chain value at Seq
	Root      Hash      `cbor:"4,keyasint"`  // State.Root at Seq
	Revoked   uint32    `cbor:"5,keyasint"`  // passes revoked or held on the open days
	SnapSeq   uint64    `cbor:"6,keyasint"`  // all snapshots were taken here
	Snapshots []DayHash `cbor:"7,keyasint"`  // one per open day, ascending
	Keyset    uint64    `cbor:"8,keyasint"`  // version of the keys in force
	Rules     uint64    `cbor:"9,keyasint"`  // version of the rules in force
	Issued    int64     `cbor:"10,keyasint"` // Unix ms
	Next      uint32    `cbor:"11,keyasint"` // ms until the next head at the latest
	Expires   int64     `cbor:"12,keyasint"` // Unix ms; an older head says nothing any more
	Reconnect uint32    `cbor:"13,keyasint"` // ms over which lanes spread a reconnect
	Lanes     uint64    `cbor:"14,keyasint"` // version of all LANES documents in force, 0: none
}

// DayHash names a snapshot by its day and content (List.Hash).
type DayHash struct {
	Day  pass.Day `cbor:"1,keyasint"`
	Hash Hash     `cbor:"2,keyasint"`
}

// EventType is what an event does to the state.
type EventType uint8

// The event types. Append only.
const (
	OpenDay     EventType = 1 // Day, Value = capacity
	CloseDay    EventType = 2 // Day
	Revoke      EventType = 3 // Day, Value = index
	Hold        EventType = 4 // Day, Value = index
	Release     EventType = 5 // Day, Value = index: neither revoked nor held
	Block       EventType = 6 // Day, Holder
	Unblock     EventType = 7 // Day, Holder
	Raise       EventType = 8 // Day, Value = index, Generation: lower ones are superseded
	WithdrawKey EventType = 9 // Value = pass key id
)

// EventSize is the length of an encoded event in bytes.
const EventSize = 16

// Event is one change of what lanes refuse. Events are numbered without gaps.
type Event struct {
	Type       EventType
	Day        pass.Day
	Value      uint32 // index, capacity or key id
	Generation uint8
	Holder     [8]byte
}

// Append appends the 16 bytes of e: type 1, day 2, value 4, generation 1, holder 8.
func (e Event) Append(b []byte) []byte {
	b = append(b, byte(e.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(e.Day))
	b = binary.BigEndian.AppendUint32(b, e.Value)
	b = append(b, e.Generation)
	return append(b, e.Holder[:]...)
}

func parseEvent(b []byte) (e Event) {
	e.Type = EventType(b[0])
	e.Day = pass.Day(binary.BigEndian.Uint16(b[1:]))
	e.Value = binary.BigEndian.Uint32(b[3:])
	e.Generation = b[7]
	copy(e.Holder[:], b[8:])
	return e
}

// Delta carries the events From+1 .. To.
type Delta struct {
	Epoch  uint32 `cbor:"1,keyasint"`
	From   uint64 `cbor:"2,keyasint"`
	To     uint64 `cbor:"3,keyasint"`
	Before Hash   `cbor:"4,keyasint"` // chain value at From
	After  Hash   `cbor:"5,keyasint"` // chain value at To
	Root   []byte `cbor:"6,keyasint"` // State.Root at To, or empty in a repeated range
	Data   []byte `cbor:"7,keyasint"` // To-From events of 16 bytes
	Urgent bool   `cbor:"8,keyasint"` // lanes report it at once, without jitter
}

// EncodeEvents returns the Data of a delta.
func EncodeEvents(events []Event) []byte {
	b := make([]byte, 0, len(events)*EventSize)
	for _, e := range events {
		b = e.Append(b)
	}
	return b
}

// Events returns the delta's events in order; ErrMalformed if their number is
// not To-From, or Root neither a hash nor empty.
func (d *Delta) Events() ([]Event, error) {
	n := len(d.Data) / EventSize
	if len(d.Data)%EventSize != 0 || d.To < d.From || uint64(n) != d.To-d.From || n == 0 {
		return nil, fmt.Errorf("%w: %d bytes of events for %d..%d", ErrMalformed, len(d.Data), d.From, d.To)
	}
	list := make([]Event, n)
	for i := range list {
		list[i] = parseEvent(d.Data[i*EventSize:])
	}
	if len(d.Root) != 0 && len(d.Root) != len(Hash{}) {
		return nil, fmt.Errorf("%w: a root of %d bytes", ErrMalformed, len(d.Root))
	}
	return list, nil
}

// ChainStart is the chain value before the first event of an epoch.
func ChainStart(epoch uint32) Hash {
	b := binary.BigEndian.AppendUint32([]byte("turnstile-feed-start/1\x00"), epoch)
	return sha256.Sum256(b)
}

// Chain returns the chain value after event number seq, given the one before it.
func Chain(before Hash, seq uint64, e Event) Hash {
	b := append([]byte("turnstile-feed/1\x00"), before[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	return sha256.Sum256(e.Append(b))
}
