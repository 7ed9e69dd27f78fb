package register

import "time"

// SyncState is how far a sync has come.
type SyncState string

// The states of a sync.
const (
	SyncReading   SyncState = "reading" // its rows come in
	SyncPreview   SyncState = "preview" // somebody looks at what it would do
	SyncRunning   SyncState = "running"
	SyncDone      SyncState = "done"
	SyncDiscarded SyncState = "discarded"
)

// Sync is a file, or the rows of a program, on its way into the register.
type Sync struct {
	ID    string
	Kind  Kind
	Name  string // of the file, or what the program calls it
	Full  bool   // what it does not have is to be removed
	State SyncState
	By    string
	At    time.Time
	// What it would do, as the register stood at the preview.
	Good, Bad             int // rows
	Adds, Alters, Same    int // of the good ones
	Removes               int
	Total                 int  // how many of this kind the register had
	Held                  bool // nothing is removed, because a row is bad: it might be about what looks missing
	Confirmed             time.Time
	ConfirmedBy           string
	Added, Changed, Taken int // done so far
	Failed                int // rows that could not be done after all
	Ended                 time.Time
}

// MaxShare is how much of a kind, in percent, a sync removes without being told so
// in so many words: a file that was cut off looks like half of the campus left.
const MaxShare = 5

// Heavy reports whether more would be removed than MaxShare.
func (s *Sync) Heavy() bool { return s.Removes*100 > s.Total*MaxShare }

// Idle reports whether there is nothing to do.
func (s *Sync) Idle() bool { return s.Adds+s.Alters+s.Removes == 0 }

// SyncRow is one row of a sync as it stands in a preview.
type SyncRow struct {
	Line    int // of the file; of what is to be removed -1, -2, ...
	Record  Record
	Effect  Effect
	Columns []string // that it changes
	Faults  []Fault  // it is bad, or could not be done
}

// RowKind selects rows of a sync.
type RowKind string

// The kinds of rows of a sync.
const (
	RowsAdded   RowKind = "added"
	RowsChanged RowKind = "changed"
	RowsRemoved RowKind = "removed"
	RowsFaulty  RowKind = "faulty"
)

// Counts is what rows did, or would do.
type Counts struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
}

// Add counts one effect.
func (c *Counts) Add(e Effect) {
	switch e {
	case Adds:
		c.Added++
	case Changes:
		c.Changed++
	case Same:
		c.Same++
	}
}

// Merge is a deed of the office: two ids are one human being.
type Merge struct {
	ID         string
	Kept, Gone string // ids: Gone is an alias of Kept since
	Reason     string
	At         time.Time
	By         string
	Undone     time.Time // zero: it stands
	UndoneBy   string
	Final      bool // something was issued since: it can no longer be undone
}

// Apart is a word of the office: two rows that look like one human being are two.
type Apart struct {
	A, B   string // ids
	Reason string
	At     time.Time
	By     string
}

// Suggestion is two persons of the register who may be one human being.
type Suggestion struct {
	A, B       Person // their own rows, without cards and degrees
	PersonalID bool   // they have one personal id; else one birth date and name
}

// Size is how much a register holds.
type Size struct{ Persons, Cards, Degrees, NetIDs int }

// Of returns how many rows of a kind there are.
func (s Size) Of(k Kind) int {
	return map[Kind]int{Persons: s.Persons, Cards: s.Cards, Degrees: s.Degrees, NetIDs: s.NetIDs}[k]
}
