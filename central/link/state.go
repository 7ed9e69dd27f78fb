package link

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"

	"turnstile/central/pass"
)

// Status is what a status list says of one pass.
type Status uint8

// The statuses, as they stand in a list's two bits; 3 is refused everywhere.
const (
	Good    Status = 0
	Revoked Status = 1
	Held    Status = 2
)

// Bounds of one day's list, so that a snapshot fits into one message. The
// largest capacity makes an array of 32 KB before compression.
const (
	MinCapacity = 1 << 10
	MaxCapacity = 1 << 17
	MaxOpenDays = 8
	MaxBlocked  = 1000
	MaxRaised   = 2000
	MaxKeys     = 256
)

// List is the status list of one campus day.
type List struct {
	Day      pass.Day
	Capacity uint32          // a power of two
	bits     []byte          // 4 passes a byte, the first in the lowest bits
	Blocked  [][8]byte       // holders, sorted
	Raised   []MinGeneration // sorted by index

	hash atomic.Pointer[Hash] // of the content, nil until it was asked for
}

// MinGeneration says that generations of a pass below Min are superseded.
type MinGeneration struct {
	Index uint32
	Min   uint8
}

// NewList returns an empty list. Capacity must be a power of two in
// MinCapacity..MaxCapacity.
func NewList(d pass.Day, capacity uint32) (*List, error) {
	if capacity < MinCapacity || capacity > MaxCapacity || capacity&(capacity-1) != 0 {
		return nil, fmt.Errorf("%w: capacity %d, want a power of two in %d..%d", ErrMalformed, capacity, MinCapacity, MaxCapacity)
	}
	return &List{Day: d, Capacity: capacity, bits: make([]byte, capacity/4)}, nil
}

// Status returns what the list says of an index; an index beyond the capacity
// was never issued and is Revoked.
func (l *List) Status(index uint32) Status {
	if index >= l.Capacity {
		return Revoked
	}
	return Status(l.bits[index/4] >> (index % 4 * 2) & 3)
}

func (l *List) set(index uint32, s Status) {
	shift := index % 4 * 2
	l.bits[index/4] = l.bits[index/4]&^(3<<shift) | byte(s)<<shift
}

// IsBlocked reports whether all passes of a holder are refused on this day.
func (l *List) IsBlocked(holder [8]byte) bool {
	_, ok := slices.BinarySearchFunc(l.Blocked, holder, compareHolders)
	return ok
}

func compareHolders(a, b [8]byte) int { return slices.Compare(a[:], b[:]) }

// Min returns the lowest generation of a pass that is not superseded.
func (l *List) Min(index uint32) uint8 {
	i, ok := l.findRaised(index)
	if !ok {
		return 0
	}
	return l.Raised[i].Min
}

func (l *List) findRaised(index uint32) (int, bool) {
	return slices.BinarySearchFunc(l.Raised, index, func(m MinGeneration, i uint32) int { return cmp.Compare(m.Index, i) })
}

// Refused counts the passes that are revoked or held.
func (l *List) Refused() (n uint32) {
	for _, b := range l.bits {
		for ; b != 0; b >>= 2 {
			if b&3 != 0 {
				n++
			}
		}
	}
	return n
}

// content returns the list's canonical bytes after day and capacity: the array,
// the holders (8 bytes each), the raised generations (index 4, min 1 each).
func (l *List) content() []byte {
	b := slices.Clone(l.bits)
	for _, h := range l.Blocked {
		b = append(b, h[:]...)
	}
	for _, m := range l.Raised {
		b = append(binary.BigEndian.AppendUint32(b, m.Index), m.Min)
	}
	return b
}

// Hash returns the SHA-256 of the list's canonical form, TOPICS.md "State root".
// It is computed once: a lane asks for it with every head, and a list of 131,072
// passes takes a tenth of a millisecond.
func (l *List) Hash() Hash {
	if known := l.hash.Load(); known != nil {
		return *known
	}
	sum := l.computeHash()
	l.hash.Store(&sum)
	return sum
}

func (l *List) computeHash() Hash {
	h := sha256.New()
	h.Write([]byte("turnstile-list/1\x00"))
	var b []byte
	b = binary.BigEndian.AppendUint16(b, uint16(l.Day))
	for _, n := range []uint32{l.Capacity, uint32(len(l.Blocked)), uint32(len(l.Raised))} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	h.Write(b)
	h.Write(l.content())
	return Hash(h.Sum(nil))
}

func (l *List) clone() *List {
	return &List{Day: l.Day, Capacity: l.Capacity, bits: slices.Clone(l.bits), Blocked: slices.Clone(l.Blocked), Raised: slices.Clone(l.Raised)}
}

// State is all that the feed's events have said, at one number. A State that is
// shared is never changed: Apply works on a copy of what it touches.
type State struct {
	Epoch     uint32
	Seq       uint64
	Chain     Hash
	Days      []*List  // open days, ascending
	Withdrawn []uint16 // pass keys, ascending
}

// NewState returns the state before the first event of an epoch.
func NewState(epoch uint32) *State { return &State{Epoch: epoch, Chain: ChainStart(epoch)} }

// Day returns the list of an open day, nil if the state has none.
func (s *State) Day(d pass.Day) *List {
	i, ok := s.find(d)
	if !ok {
		return nil
	}
	return s.Days[i]
}

func (s *State) find(d pass.Day) (int, bool) {
	return slices.BinarySearchFunc(s.Days, d, func(l *List, d pass.Day) int { return cmp.Compare(l.Day, d) })
}

// IsWithdrawn reports whether a pass key was withdrawn.
func (s *State) IsWithdrawn(key uint16) bool {
	_, ok := slices.BinarySearch(s.Withdrawn, key)
	return ok
}

// Refused counts the passes that are revoked or held on all open days.
func (s *State) Refused() (n uint32) {
	for _, l := range s.Days {
		n += l.Refused()
	}
	return n
}

// Root returns the hash of the whole state: epoch, the days' hashes, the
// withdrawn keys.
func (s *State) Root() Hash {
	b := binary.BigEndian.AppendUint32([]byte("turnstile-state/1\x00"), s.Epoch)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Days)))
	for _, l := range s.Days {
		h := l.Hash()
		b = append(binary.BigEndian.AppendUint16(b, uint16(l.Day)), h[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Withdrawn)))
	for _, k := range s.Withdrawn {
		b = binary.BigEndian.AppendUint16(b, k)
	}
	return sha256.Sum256(b)
}

// Apply returns the state after the events, numbered from s.Seq+1 on. s stays
// as it is. ErrMalformed if an event makes no sense here: an unknown type, a day
// that is not open, an index beyond the capacity, a bound passed.
func (s *State) Apply(events []Event) (*State, error) {
	n := &State{s.Epoch, s.Seq, s.Chain, slices.Clone(s.Days), slices.Clone(s.Withdrawn)}
	own := map[pass.Day]bool{}
	for _, e := range events {
		if err := n.apply(e, own); err != nil {
			return nil, fmt.Errorf("event %d: %w", n.Seq+1, err)
		}
		n.Seq++
		n.Chain = Chain(n.Chain, n.Seq, e)
	}
	return n, nil
}

func (s *State) apply(e Event, own map[pass.Day]bool) error {
	switch e.Type {
	case OpenDay:
		return s.openDay(e, own)
	case CloseDay:
		s.Days = slices.DeleteFunc(s.Days, func(l *List) bool { return l.Day == e.Day })
		return nil
	case WithdrawKey:
		return s.withdraw(e.Value)
	}
	i, ok := s.find(e.Day)
	if !ok {
		return fmt.Errorf("%w: day %s is not open", ErrMalformed, e.Day)
	}
	if !own[e.Day] {
		s.Days[i], own[e.Day] = s.Days[i].clone(), true
	}
	return s.Days[i].apply(e)
}

func (s *State) openDay(e Event, own map[pass.Day]bool) error {
	i, found := s.find(e.Day)
	if found || len(s.Days) >= MaxOpenDays {
		return fmt.Errorf("%w: day %s is open, or too many are", ErrMalformed, e.Day)
	}
	l, err := NewList(e.Day, e.Value)
	if err != nil {
		return err
	}
	s.Days, own[e.Day] = slices.Insert(s.Days, i, l), true
	return nil
}

func (s *State) withdraw(key uint32) error {
	i, found := slices.BinarySearch(s.Withdrawn, uint16(key))
	if key > 0xffff || !found && len(s.Withdrawn) >= MaxKeys {
		return fmt.Errorf("%w: withdraw key %d", ErrMalformed, key)
	}
	if !found {
		s.Withdrawn = slices.Insert(s.Withdrawn, i, uint16(key))
	}
	return nil
}

// statusOf maps the events that set a pass's status.
var statusOf = map[EventType]Status{Revoke: Revoked, Hold: Held, Release: Good}

func (l *List) apply(e Event) error {
	l.hash.Store(nil)
	status, sets := statusOf[e.Type]
	if (sets || e.Type == Raise) && e.Value >= l.Capacity {
		return fmt.Errorf("%w: index %d of %d", ErrMalformed, e.Value, l.Capacity)
	}
	switch {
	case sets:
		l.set(e.Value, status)
		return nil
	case e.Type == Raise:
		return l.raise(e.Value, e.Generation)
	case e.Type == Block || e.Type == Unblock:
		return l.block(e.Holder, e.Type == Block)
	}
	return fmt.Errorf("%w: event type %d", ErrMalformed, e.Type)
}

func (l *List) raise(index uint32, min uint8) error {
	i, found := l.findRaised(index)
	switch {
	case found:
		l.Raised[i].Min = max(l.Raised[i].Min, min)
	case len(l.Raised) >= MaxRaised:
		return fmt.Errorf("%w: more than %d raised generations", ErrMalformed, MaxRaised)
	default:
		l.Raised = slices.Insert(l.Raised, i, MinGeneration{index, min})
	}
	return nil
}

func (l *List) block(holder [8]byte, on bool) error {
	i, found := slices.BinarySearchFunc(l.Blocked, holder, compareHolders)
	switch {
	case on && !found && len(l.Blocked) >= MaxBlocked:
		return fmt.Errorf("%w: more than %d blocked holders", ErrMalformed, MaxBlocked)
	case on && !found:
		l.Blocked = slices.Insert(l.Blocked, i, holder)
	case !on && found:
		l.Blocked = slices.Delete(l.Blocked, i, i+1)
	}
	return nil
}

// Statuses returns the indexes of a list that are not Good, for pages and tests.
func (l *List) Statuses() map[uint32]Status {
	m := map[uint32]Status{}
	for i := range l.Capacity {
		if s := l.Status(i); s != Good {
			m[i] = s
		}
	}
	return m
}
