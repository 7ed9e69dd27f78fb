package office

import (
	"context"
	"io"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Bulk changes the status of many passes. Above a set size a second person has to
// agree.
type Bulk interface {
	// Count returns how many passes d would change now, and above how many a
	// second person is asked.
	Count(ctx context.Context, d StatusChange) (n, above int, err error)
	// Propose fixes the passes of d and changes them, or keeps it for a second
	// person. ErrInvalid: it selects nothing, or contradicts itself. With due set it
	// is ErrConflict if the selection is another number of passes by now.
	Propose(ctx context.Context, by string, d StatusChange, due int) (BulkChange, error)
	// Settle confirms a proposal, which changes its passes, or withdraws it.
	// ErrConflict: it is settled, expired, or by is who proposed it and confirms.
	Settle(ctx context.Context, by, id string, confirm bool) (BulkChange, error)
	// Find returns one, with RefusedBy once its passes are changed; or ErrNotFound.
	Find(ctx context.Context, id string) (BulkChange, error)
	// List returns the newest, with open set only those that wait for somebody.
	List(ctx context.Context, open bool, limit int) ([]BulkChange, error)
}

// Selection says which passes. Lanes know the lists of yesterday, today and
// tomorrow, and of later days when these come; passes of days before that are
// over, and never selected.
type Selection struct {
	IDs    []pass.ID `json:"ids,omitempty"` // these and nothing else; at most MaxSelected
	Holder string    `json:"holder,omitempty"`
	Day    *pass.Day `json:"day,omitempty"`
	Zone   *uint8    `json:"zone,omitempty"` // with Day alone: passes that open this zone, perhaps among others
}

// MaxSelected bounds Selection.IDs.
const MaxSelected = 500

// StatusChange is a change of status of all passes of a selection: good ones are held,
// good and held ones revoked, held ones released. Of passes named one by one,
// revoked ones are released too.
type StatusChange struct {
	Selection
	Status link.Status
	Reason string // needed
}

// BulkState is how far a change has come.
type BulkState string

// The states of a change.
const (
	BulkProposed  BulkState = "proposed" // waits for a second person
	BulkRunning   BulkState = "running"
	BulkDone      BulkState = "done"
	BulkWithdrawn BulkState = "withdrawn"
	BulkExpired   BulkState = "expired"
)

// BulkChange is a StatusChange as central knows it.
type BulkChange struct {
	ID string
	StatusChange
	State     BulkState
	By        string
	At        time.Time
	Expires   time.Time // of a proposal
	Settled   time.Time // when a second person decided; zero: none did
	SettledBy string
	Passes    int
	Changed   int
	Skipped   int        // somebody else changed them meanwhile, their day is over, or their eCard is withdrawn
	RefusedBy *RefusedBy // of the last event, when it is done
}

// Imports issues the passes of a CSV file.
type Imports interface {
	// Preview reads a file and keeps its rows; nothing is issued. ErrInvalid: it is
	// no such file at all, with the reason.
	Preview(ctx context.Context, by, name string, file io.Reader) (Import, error)
	// Settle issues the good rows of a preview, which goes on in the background, or
	// discards it. ErrConflict: that is decided already.
	Settle(ctx context.Context, by, id string, confirm bool) (Import, error)
	// Find returns an import, or ErrNotFound.
	Find(ctx context.Context, id string) (Import, error)
	// List returns the newest.
	List(ctx context.Context, limit int) ([]Import, error)
	// Rows returns rows behind a line, in order.
	Rows(ctx context.Context, id string, which RowKind, after, limit int) ([]ImportRow, error)
}

// RowKind selects rows of an import.
type RowKind int

// The kinds of rows.
const (
	RowsGood   RowKind = iota // the first good ones, whatever after is
	RowsFaulty                // bad ones, and good ones that could not be issued
	RowsIssued
)

// ImportState is how far an import has come.
type ImportState string

// The states of an import.
const (
	ImportPreview   ImportState = "preview"
	ImportRunning   ImportState = "running"
	ImportDone      ImportState = "done"
	ImportDiscarded ImportState = "discarded"
)

// Import is a file of passes.
type Import struct {
	ID          string
	Name        string // of the file
	State       ImportState
	By          string
	At          time.Time
	Confirmed   time.Time // zero: not yet
	ConfirmedBy string
	Good, Bad   int // rows
	Issued      int
	Failed      int       // good rows that could not be issued after all
	Ended       time.Time // zero: not yet
}

// ImportRow is one row.
type ImportRow struct {
	Line   int // of the file, the header's is 1
	Order  Order
	Email  string
	Faults []RowFault
	Pass   *Pass // issued
}

// Mails sends codes to people.
type Mails interface {
	// Ready returns nil, or a refusal that says how mail is set up.
	Ready() error
	// Send puts a pass's code into the outbox. ErrUnavailable: see Ready. ErrInvalid:
	// no address. ErrConflict: the pass is not good, or only valid as a live code.
	Send(ctx context.Context, by string, id pass.ID, address string) error
	// Of returns the mails of a pass, the newest first; a sent one is erased after
	// some days.
	Of(ctx context.Context, id pass.ID) ([]Mail, error)
}

// MailState is what became of a mail.
type MailState string

// The states of a mail.
const (
	MailWaiting MailState = "waiting" // for its first or next attempt
	MailSent    MailState = "sent"
	MailFailed  MailState = "failed" // for good
)

// Mail is a code on its way to an address.
type Mail struct {
	Address  string
	State    MailState
	By       string
	At       time.Time
	Attempts int
	Next     time.Time // of one that waits
	Ended    time.Time
	Error    string // of the last attempt
}
