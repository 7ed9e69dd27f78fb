package office

import (
	"context"
	"io"

	"turnstile/central/register"
)

// Register is the campus register. The argument by is who does it, for the audit.
// Nothing of it tells a personal id.
type Register interface {
	// Search returns persons by name in any script, id, card number or NetID, those of
	// a name from the skipped ones on; more tells that there are more than limit.
	// ErrInvalid: nothing certain is asked for.
	Search(ctx context.Context, text string, skip, limit int) (list []register.Person, more bool, err error)
	// Person returns the person that an id or an alias names, or ErrNotFound.
	Person(ctx context.Context, id string) (register.Person, error)
	// About says how much the register holds, and which institutions there are.
	About(ctx context.Context) (register.Size, []register.Institution, error)
	// Put brings rows of one kind, each by column, into the register: all, or none if
	// one is bad. Line is a bad row's place, from 1. A preview changes nothing.
	Put(ctx context.Context, by string, kind register.Kind, rows []map[string]string, preview bool) (register.Counts, []register.Row, error)
	// Remove takes a person out: eCard applications are refused from then on. ErrNotFound.
	Remove(ctx context.Context, by, id string) error
}

// RegisterSyncs take files and many rows into the register.
type RegisterSyncs interface {
	// Begin begins a sync whose rows follow. A full one removes what it does not have.
	Begin(ctx context.Context, by string, s register.Sync) (register.Sync, error)
	// Add adds rows, each with its line; a line that stands is passed over. ErrConflict:
	// the rows are complete already, or too many.
	Add(ctx context.Context, id string, rows []RegisterRow) (register.Sync, error)
	// Compare ends the rows and says what they would do. One that changes nothing is done.
	Compare(ctx context.Context, id string) (register.Sync, error)
	// Upload is Begin, Add and Compare for a CSV file. ErrInvalid: it is no such file.
	Upload(ctx context.Context, by string, s register.Sync, file io.Reader) (register.Sync, error)
	// Settle confirms, which goes on in the background, or discards. A heavy one is
	// ErrInvalid without removals; ErrConflict: that is decided already.
	Settle(ctx context.Context, by, id string, confirm, removals bool) (register.Sync, error)
}

// RegisterRow is a row by column, with its line in a file.
type RegisterRow struct {
	Line   int               `json:"line" minimum:"1" maximum:"2000000" doc:"Where the row stands in its file: faults name it."`
	Values map[string]string `json:"values,omitempty" doc:"By column, as in a file: central/register/FORMAT.md."`
	// Unreadable is why a line has no values.
	Unreadable string `json:"unreadable,omitempty" maxLength:"200" doc:"Of a line that could not be split into values: why. The row is bad."`
}

// Read reads the row; what is unreadable is a fault of the whole row.
func (r RegisterRow) Read(rules register.Rules, kind register.Kind) register.Row {
	row := register.Row{Line: r.Line}
	if r.Unreadable != "" {
		row.Faults = []register.Fault{{Text: r.Unreadable}}
		return row
	}
	row.Record, row.Faults = rules.Parse(kind, r.Values)
	return row
}

// RegisterHistory reads syncs.
type RegisterHistory interface {
	// Find returns a sync, or ErrNotFound.
	Find(ctx context.Context, id string) (register.Sync, error)
	// List returns the newest.
	List(ctx context.Context, limit int) ([]register.Sync, error)
	// Rows returns rows behind a line, in order; of RowsRemoved those below it.
	Rows(ctx context.Context, id string, which register.RowKind, after, limit int) ([]register.SyncRow, error)
}

// RegisterMerges makes one person of several rows that are one human being.
type RegisterMerges interface {
	// Suggestions returns pairs that may be one human being.
	Suggestions(ctx context.Context, limit int) ([]register.Suggestion, error)
	// Merge makes gone an alias of kept. ErrNotFound; ErrConflict: one of them is an
	// alias already; ErrInvalid: no reason, or both are one.
	Merge(ctx context.Context, by, kept, gone, reason string) (register.Merge, error)
	// Undo takes a merge apart. ErrNotFound; ErrConflict: something was issued since,
	// it was undone, or merged further.
	Undo(ctx context.Context, by, id string) error
	// Merges returns the newest, of a person if one is given.
	Merges(ctx context.Context, person string, limit int) ([]register.Merge, error)
}

// RegisterApart keeps two rows apart that look like one human being and are two.
type RegisterApart interface {
	// Keep has a pair suggested no more, until a fact of one of them changes.
	// ErrNotFound; ErrConflict: one of them is an alias; ErrInvalid: no reason, or
	// both are one.
	Keep(ctx context.Context, by, a, b, reason string) error
	// Kept returns the newest of them.
	Kept(ctx context.Context, limit int) ([]register.Apart, error)
}
