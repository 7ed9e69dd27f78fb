package link

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"turnstile/central/pass"
)

// Snapshot is one day's status list at Seq. A lane that cannot follow the
// deltas takes the snapshots of all open days, which have the same Seq.
type Snapshot struct {
	Epoch     uint32   `cbor:"1,keyasint"`
	Seq       uint64   `cbor:"2,keyasint"`
	Chain     Hash     `cbor:"3,keyasint"` // chain value at Seq
	Day       pass.Day `cbor:"4,keyasint"`
	Capacity  uint32   `cbor:"5,keyasint"`
	Blocked   uint32   `cbor:"6,keyasint"`  // number of blocked holders
	Raised    uint32   `cbor:"7,keyasint"`  // number of raised generations
	Withdrawn []uint16 `cbor:"8,keyasint"`  // pass keys, ascending
	Hash      Hash     `cbor:"9,keyasint"`  // List.Hash of the list
	Data      []byte   `cbor:"10,keyasint"` // DEFLATE of array, holders, generations
}

// SnapshotOf returns the snapshot of one day of a state.
func SnapshotOf(s *State, l *List) *Snapshot {
	return &Snapshot{
		Epoch: s.Epoch, Seq: s.Seq, Chain: s.Chain, Day: l.Day, Capacity: l.Capacity,
		Blocked: uint32(len(l.Blocked)), Raised: uint32(len(l.Raised)),
		Withdrawn: slices.Clone(s.Withdrawn), Hash: l.Hash(), Data: Deflate(l.content()),
	}
}

// List returns the snapshot's list, or ErrMalformed if its content does not
// have the stated size and hash. Nothing beyond the stated size is inflated.
func (s *Snapshot) List() (*List, error) {
	l, err := NewList(s.Day, s.Capacity)
	if err != nil {
		return nil, err
	}
	if s.Blocked > MaxBlocked || s.Raised > MaxRaised {
		return nil, fmt.Errorf("%w: %d holders, %d generations", ErrMalformed, s.Blocked, s.Raised)
	}
	b, err := Inflate(s.Data, int(s.Capacity/4+s.Blocked*8+s.Raised*5))
	if err != nil {
		return nil, err
	}
	l.fill(b, int(s.Blocked))
	if err := l.check(); err != nil {
		return nil, err
	}
	if l.Hash() != s.Hash {
		return nil, fmt.Errorf("%w: the list of %s does not have the stated hash", ErrMalformed, s.Day)
	}
	return l, nil
}

// fill sets the list from its content with the given number of holders.
func (l *List) fill(b []byte, blocked int) {
	n := copy(l.bits, b)
	for b = b[n:]; blocked > 0; b, blocked = b[8:], blocked-1 {
		l.Blocked = append(l.Blocked, [8]byte(b))
	}
	for ; len(b) > 0; b = b[5:] {
		l.Raised = append(l.Raised, MinGeneration{binary.BigEndian.Uint32(b), b[4]})
	}
}

// check returns ErrMalformed for a list that Apply cannot have made: look-ups
// rely on its order, and status 3 has no meaning.
func (l *List) check() error {
	for i, b := range l.bits {
		if b&(b>>1)&0x55 != 0 {
			return fmt.Errorf("%w: status 3 at index %d..%d", ErrMalformed, i*4, i*4+3)
		}
	}
	for i := 1; i < len(l.Blocked); i++ {
		if compareHolders(l.Blocked[i-1], l.Blocked[i]) >= 0 {
			return fmt.Errorf("%w: blocked holders out of order", ErrMalformed)
		}
	}
	for i, m := range l.Raised {
		if m.Index >= l.Capacity || i > 0 && l.Raised[i-1].Index >= m.Index {
			return fmt.Errorf("%w: raised generations out of order", ErrMalformed)
		}
	}
	return nil
}

// StateOf joins the snapshots of all open days into a state. ErrMalformed if
// they were not taken at the same event.
func StateOf(snaps []*Snapshot) (*State, error) {
	if len(snaps) == 0 || len(snaps) > MaxOpenDays {
		return nil, fmt.Errorf("%w: %d snapshots", ErrMalformed, len(snaps))
	}
	f := snaps[0]
	for i, k := range f.Withdrawn {
		if len(f.Withdrawn) > MaxKeys || i > 0 && f.Withdrawn[i-1] >= k {
			return nil, fmt.Errorf("%w: withdrawn keys out of order, or too many", ErrMalformed)
		}
	}
	s := &State{Epoch: f.Epoch, Seq: f.Seq, Chain: f.Chain, Withdrawn: slices.Clone(f.Withdrawn)}
	for _, n := range snaps {
		if n.Epoch != f.Epoch || n.Seq != f.Seq || n.Chain != f.Chain || !slices.Equal(n.Withdrawn, f.Withdrawn) {
			return nil, fmt.Errorf("%w: snapshots of different moments", ErrMalformed)
		}
		l, err := n.List()
		if err != nil {
			return nil, err
		}
		i, found := s.find(l.Day)
		if found {
			return nil, fmt.Errorf("%w: two snapshots of %s", ErrMalformed, l.Day)
		}
		s.Days = slices.Insert(s.Days, i, l)
	}
	return s, nil
}

// smallBatch is below which searching for repetitions takes longer than sending
// them, in bytes: a lane's few entries.
const smallBatch = 1 << 10

// A compressor is most of a megabyte of tables, whatever it is given, and all but
// the fastest clear them each time: one that was used is used again.
var (
	deflaters = [2]sync.Pool{{New: deflater(flate.BestSpeed)}, {New: deflater(flate.BestCompression)}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
)

func deflater(level int) func() any {
	return func() any {
		w, err := flate.NewWriter(io.Discard, level)
		if err != nil {
			panic(err) // the levels are constants
		}
		return w
	}
}

// Deflate compresses b (RFC 1951).
func Deflate(b []byte) []byte {
	pool := &deflaters[0]
	if len(b) > smallBatch {
		pool = &deflaters[1]
	}
	w := pool.Get().(*flate.Writer)
	defer pool.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	w.Write(b) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

// Inflate expands b, which must become exactly size bytes, with nothing behind
// the stream; it inflates no further.
func Inflate(b []byte, size int) ([]byte, error) {
	out := make([]byte, size)
	in := bytes.NewReader(b)
	r := inflaters.Get().(io.Reader)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(in, nil); err != nil {
		return nil, fmt.Errorf("%w: inflate: %w", ErrMalformed, err)
	}
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, fmt.Errorf("%w: inflate: %w", ErrMalformed, err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("%w: inflates to more than %d bytes", ErrMalformed, size)
	}
	if in.Len() != 0 {
		return nil, fmt.Errorf("%w: %d bytes behind the compressed ones", ErrMalformed, in.Len())
	}
	return out, nil
}
