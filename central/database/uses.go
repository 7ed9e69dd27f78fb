package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// PassEntry is an entry of the ledger that is about a pass.
type PassEntry struct {
	Number  uint64 // in the ledger
	Lane    string
	Journal link.JournalID
	Entry   []byte // as the lane encoded it
}

// LastEntry returns the highest number in the ledger, 0 if it is empty.
func (d *DB) LastEntry(ctx context.Context) (last uint64, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM entries`).Scan(&last)
	return last, named(err)
}

// BeforeEntries returns the highest number below which all entries were received
// before a time (Unix ms). The ledger's numbers rise with that time, so that a
// few look-ups find it.
func (d *DB) BeforeEntries(ctx context.Context, received int64) (uint64, error) {
	low := uint64(0)
	high, err := d.LastEntry(ctx)
	if err != nil {
		return 0, err
	}
	for low < high {
		middle := low + (high-low)/2
		var number uint64
		var at int64
		err := d.sql.QueryRowContext(ctx, `SELECT number, received FROM entries WHERE number > $1 ORDER BY number LIMIT 1`, int64(middle)).Scan(&number, &at)
		switch {
		case err != nil && !errors.Is(named(err), ErrNotFound):
			return 0, named(err)
		case err == nil && at < received:
			low = number
		default:
			high = middle
		}
	}
	return low, nil
}

// PassEntries returns up to limit entries with numbers above after, not above
// last, about passes of the days from to until, ascending by number.
func (d *DB) PassEntries(ctx context.Context, after, last uint64, from, until pass.Day, limit int) ([]PassEntry, error) {
	// The plus keeps SQLite from sorting whole days: what is asked for are the newest numbers.
	return all(ctx, d.sql, func(r rowScanner) (e PassEntry, err error) {
		var id []byte
		err = r.Scan(&e.Number, &e.Lane, &id, &e.Entry)
		copy(e.Journal[:], id)
		return e, err
	}, `SELECT e.number, j.lane, j.journal, e.entry FROM entries e JOIN journals j ON j.key = e.journal
		WHERE e.number > $1 AND e.number <= $2 AND +e.pass_day >= $3 AND +e.pass_day <= $4 ORDER BY e.number LIMIT $5`,
		int64(after), int64(last), from, until, limit)
}

// ReplaceDocument stores a version of a named document and forgets the others.
func (d *DB) ReplaceDocument(ctx context.Context, name string, version uint64, body, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error { return d.replaceDocument(ctx, tx, name, version, body, by, at) })
}

func (d *DB) replaceDocument(ctx context.Context, tx *sql.Tx, name string, version uint64, body, by string, at int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM documents WHERE name = $1`, name); err != nil {
		return err
	}
	return d.addDocument(ctx, tx, name, version, body, Deed{By: by}, at)
}
