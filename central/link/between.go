package link

import (
	"crypto/ed25519"
	"fmt"

	"turnstile/central/pass"
)

// Nonce makes an answer the answer to one question: random, used once.
type Nonce [16]byte

// UnmarshalCBOR takes a byte string of exactly 16 bytes.
func (n *Nonce) UnmarshalCBOR(data []byte) error { return fixed(n[:], data) }

// Time answers a lane controller's WantTime. It is the only message that bounds
// the time from both sides: it was signed after the question and before the answer.
type Time struct {
	Lane  string `cbor:"1,keyasint"`
	Nonce Nonce  `cbor:"2,keyasint"`
	At    int64  `cbor:"3,keyasint"` // Unix ms by central's clock, when it signed
}

// Lanes lists the lane controllers of a zone with their keys, so that they can
// believe each other without central.
type Lanes struct {
	Zone    uint8  `cbor:"1,keyasint"`
	Version uint64 `cbor:"2,keyasint"` // of all zones' lists, which rise together
	Lanes   []Peer `cbor:"3,keyasint"` // ascending ids
	Issued  int64  `cbor:"4,keyasint"` // Unix ms
}

// Peer is a lane controller as others know it.
type Peer struct {
	ID  string            `cbor:"1,keyasint"`
	Key ed25519.PublicKey `cbor:"2,keyasint"` // journal key
}

// MaxPeers bounds the lane controllers of one zone: so many fit into one message.
const MaxPeers = 900

// Check returns ErrMalformed for an impossible zone, ids that are none or out of
// order, keys of another length, or more than MaxPeers.
func (l *Lanes) Check() error {
	if l.Zone > 15 || len(l.Lanes) > MaxPeers {
		return fmt.Errorf("%w: %d lane controllers of zone %d", ErrMalformed, len(l.Lanes), l.Zone)
	}
	for i, p := range l.Lanes {
		if !ValidID(p.ID) || len(p.Key) != ed25519.PublicKeySize || i > 0 && l.Lanes[i-1].ID >= p.ID {
			return fmt.Errorf("%w: lane controller %.40q of zone %d", ErrMalformed, p.ID, l.Zone)
		}
	}
	return nil
}

// MaxUseEntries is how many entries one Use carries at most: with its envelope
// they fit into one datagram of an Ethernet.
const MaxUseEntries = 14

// MaxUse is the largest Use on the wire in bytes.
const MaxUse = 1400

// Use tells the other lanes of a zone what passes did at this one. Without
// entries it says that the lane is there.
type Use struct {
	Lane    string    `cbor:"1,keyasint"`
	Journal JournalID `cbor:"2,keyasint"`
	Zone    uint8     `cbor:"3,keyasint"`
	Entries []byte    `cbor:"4,keyasint"` // up to MaxUseEntries journal entries, end to end
	Sent    int64     `cbor:"5,keyasint"` // Unix ms by the lane's clock
	// Before is the number of the use of this zone before the first of Entries, 0 if
	// the sender has none of these days. So a receiver knows what it has not heard.
	Before uint64 `cbor:"6,keyasint,omitempty"`
}

// List returns the entries; ErrMalformed if there are too many, or one is no
// use of this zone or out of order.
func (u *Use) List() ([]Entry, error) {
	if len(u.Entries) > MaxUseEntries*EntrySize {
		return nil, fmt.Errorf("%w: %d bytes of uses", ErrMalformed, len(u.Entries))
	}
	return parseUses(u.Entries, func(e *Entry) bool { return e.Zone == u.Zone })
}

// Uses answers a WantUses with what other journals hold than the asker's.
type Uses struct {
	Lane   string     `cbor:"1,keyasint"` // who asked
	Next   uint64     `cbor:"2,keyasint"` // From of the next question
	More   bool       `cbor:"3,keyasint"` // there is more behind Next now
	Groups []UseGroup `cbor:"4,keyasint"`
	From   uint64     `cbor:"5,keyasint"`           // of the question: what was lost or kept back before this is asked for again
	Nonce  []byte     `cbor:"6,keyasint,omitempty"` // of the question: what was played again answers none
}

// UseGroup is entries of one journal.
type UseGroup struct {
	Lane    string    `cbor:"1,keyasint"`
	Journal JournalID `cbor:"2,keyasint"`
	Entries []byte    `cbor:"3,keyasint"` // end to end, ascending
}

// MaxUsesSize bounds the entries of one Uses in bytes.
const MaxUsesSize = 56_000

// List returns the group's entries; ErrMalformed if one is no use or out of order.
func (g *UseGroup) List() ([]Entry, error) {
	if len(g.Entries) > MaxUsesSize {
		return nil, fmt.Errorf("%w: %d bytes of uses", ErrMalformed, len(g.Entries))
	}
	return parseUses(g.Entries, func(*Entry) bool { return true })
}

// IsUse reports whether an entry is one that lanes tell each other: what a pass of
// a kind that is counted did at a gate. Supervisor codes, test passes and what
// walked through an open gate are not.
func (e *Entry) IsUse() bool {
	fits := e.Grant != 0 && e.Grant < e.Seq // a result comes after its grant
	switch e.Type {
	case EntryGranted:
		fits = e.Grant == 0
	case EntryPassed, EntryNotPassed, EntryUnknown:
	default:
		return false
	}
	counted := e.Kind == pass.ECard || e.Kind == pass.Guest || e.Kind == pass.Staff
	return fits && counted && e.Flags&FlagFreePassage == 0 && e.Lane != 0 && e.Zone <= 15 && (e.Direction == 1 || e.Direction == 2)
}

func parseUses(b []byte, ok func(*Entry) bool) ([]Entry, error) {
	list := make([]Entry, 0, len(b)/EntrySize)
	for last := uint64(0); len(b) > 0; {
		e, rest, err := ParseEntry(b)
		if err != nil || !e.IsUse() || e.Seq <= last || !ok(&e) {
			return nil, fmt.Errorf("%w: use %d", ErrMalformed, len(list)+1)
		}
		list, b, last = append(list, e), rest, e.Seq
	}
	return list, nil
}
