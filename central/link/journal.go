package link

import "fmt"

// Limits of one journal batch.
const (
	MaxBatchEntries = 500
	MaxBatchSize    = MaxBatchEntries * FloorSize // before compression, bytes
)

// Batch carries journal entries First .. First+Count-1, sealed with the lane
// controller's own key.
type Batch struct {
	Lane    string    `cbor:"1,keyasint"`
	Journal JournalID `cbor:"2,keyasint"`
	First   uint64    `cbor:"3,keyasint"`
	Count   uint32    `cbor:"4,keyasint"`
	Before  Hash      `cbor:"5,keyasint"` // chain value before First
	After   Hash      `cbor:"6,keyasint"` // chain value after the last
	Size    uint32    `cbor:"7,keyasint"` // bytes before compression
	Data    []byte    `cbor:"8,keyasint"` // DEFLATE of the entries, TOPICS.md "Batches"
	// Lost says that so many entries directly before First cannot be read any
	// more on the lane: Before is then what the journal's next file says.
	Lost uint64 `cbor:"9,keyasint,omitempty"`
}

// NewBatch returns a batch of encoded entries that follow each other from first
// on, with the chain value before them.
func NewBatch(lane string, id JournalID, first uint64, before Hash, entries [][]byte) *Batch {
	after := before
	for _, e := range entries {
		after = JournalChain(after, e)
	}
	all := pack(entries)
	return &Batch{Lane: lane, Journal: id, First: first, Count: uint32(len(entries)), Before: before, After: after, Size: uint32(len(all)), Data: Deflate(all)}
}

// Entries inflates the batch and checks numbers and chain. Each entry comes
// with its own bytes, which is what the chain covers.
func (b *Batch) Entries() ([]Entry, [][]byte, error) {
	if b.Count == 0 || b.Count > MaxBatchEntries || b.Size > MaxBatchSize || b.Lost >= b.First {
		return nil, nil, fmt.Errorf("%w: batch of %d entries, %d bytes", ErrMalformed, b.Count, b.Size)
	}
	packed, err := Inflate(b.Data, int(b.Size))
	if err != nil {
		return nil, nil, err
	}
	data, err := unpack(packed, int(b.Count))
	if err != nil {
		return nil, nil, err
	}
	entries, raw := make([]Entry, 0, b.Count), make([][]byte, 0, b.Count)
	chain := b.Before
	for n := b.First; len(data) > 0; n++ {
		e, rest, err := ParseEntry(data)
		if err != nil || e.Seq != n {
			return nil, nil, fmt.Errorf("%w: entry %d", ErrMalformed, n)
		}
		bytes := data[:len(data)-len(rest)]
		entries, raw, data = append(entries, e), append(raw, bytes), rest
		chain = JournalChain(chain, bytes)
	}
	if len(entries) != int(b.Count) || chain != b.After {
		return nil, nil, fmt.Errorf("%w: %d entries of %d, or the chain does not close", ErrMalformed, len(entries), b.Count)
	}
	return entries, raw, nil
}

// Ack tells a lane controller that central has its entries up to Seq on disk.
type Ack struct {
	Lane    string    `cbor:"1,keyasint"`
	Journal JournalID `cbor:"2,keyasint"`
	Seq     uint64    `cbor:"3,keyasint"` // durable up to here
	Chain   Hash      `cbor:"4,keyasint"` // central's chain value at Seq
	Issued  int64     `cbor:"5,keyasint"` // Unix ms
}

// LaneState is a lane controller's birth, its report after each change, and,
// with Alive false, its will.
type LaneState struct {
	Lane     string     `cbor:"1,keyasint"`
	Boot     uint32     `cbor:"2,keyasint"`
	Alive    bool       `cbor:"3,keyasint"`
	Epoch    uint32     `cbor:"4,keyasint"` // applied feed
	Seq      uint64     `cbor:"5,keyasint"`
	Chain    Hash       `cbor:"6,keyasint"`
	Keyset   uint64     `cbor:"7,keyasint"`
	Rules    uint64     `cbor:"8,keyasint"`
	Clock    ClockState `cbor:"9,keyasint"`
	Bound    uint16     `cbor:"10,keyasint"` // clock error bound, s
	Journal  JournalID  `cbor:"11,keyasint"`
	Last     uint64     `cbor:"12,keyasint"` // newest journal entry
	Acked    uint64     `cbor:"13,keyasint"` // acknowledged up to here
	Program  string     `cbor:"14,keyasint"` // the agent's version
	Lanes    []LaneInfo `cbor:"15,keyasint"`
	Warnings []string   `cbor:"16,keyasint"` // codes of package agent/health
	Sent     int64      `cbor:"17,keyasint"` // Unix ms by the lane's clock
	// Start is a Nonce that the agent made when it started and keeps in memory alone.
	// Commands name it; an agent without one takes none.
	Start []byte `cbor:"18,keyasint,omitempty"`
}

// LaneInfo is one lane of a controller.
type LaneInfo struct {
	Number uint8  `cbor:"1,keyasint"`
	Name   string `cbor:"2,keyasint"`
	Zone   uint8  `cbor:"3,keyasint"`
	State  string `cbor:"4,keyasint"` // of the lane's state machine
}

// Want is what a lane controller asks central to send again.
type Want uint8

// What can be asked for. The answers come on the repeat topic.
const (
	WantRange     Want = 1 // the events From+1 .. To
	WantSnapshots Want = 2
	WantKeys      Want = 3 // keys, rules and gate keys
	WantTime      Want = 4 // TIME with the Nonce, on the time topic
	WantUses      Want = 5 // uses of other journals behind the cursor From
)

// Ask is a lane controller's question.
type Ask struct {
	Lane  string `cbor:"1,keyasint"`
	Want  Want   `cbor:"2,keyasint"`
	Epoch uint32 `cbor:"3,keyasint"`
	From  uint64 `cbor:"4,keyasint"`
	To    uint64 `cbor:"5,keyasint"`
	Sent  int64  `cbor:"6,keyasint"`           // Unix ms by the lane's clock
	Nonce []byte `cbor:"7,keyasint,omitempty"` // of WantTime and WantUses, a Nonce
	// Journal is of WantUses: the id of the controller's journal. What central has of
	// its earlier ones was lost with them, and is told like that of other controllers.
	Journal []byte `cbor:"8,keyasint,omitempty"`
}
