package database

import (
	"context"

	"turnstile/central/link"
)

// Gap is a stretch of a journal that the lane lost before central had it.
type Gap struct {
	From, To uint64    // the entries that nobody has any more
	Before   link.Hash // chain value after To, as the lane's next file says: from there the chain is checked again
	At       int64     // Unix ms, when the lane said so
}

const gapColumns = `first, last, before, at`

func scanGap(r rowScanner) (g Gap, err error) {
	var before []byte
	err = r.Scan(&g.From, &g.To, &before, &g.At)
	copy(g.Before[:], before)
	return g, err
}

const selectGaps = `SELECT ` + gapColumns + ` FROM journal_gaps WHERE journal = $1 ORDER BY first`

// Gaps returns the gaps of a journal, ascending.
func (t *LedgerTx) Gaps(key int64) ([]Gap, error) {
	return all(t.ctx, t.tx, scanGap, selectGaps, key)
}

// AddGap stores a gap, for good: what the ledger closed it does not open again.
func (t *LedgerTx) AddGap(key int64, g Gap) error {
	_, err := t.tx.ExecContext(t.ctx, `INSERT INTO journal_gaps (journal, `+gapColumns+`) VALUES ($1, $2, $3, $4, $5)`,
		key, int64(g.From), int64(g.To), g.Before[:], g.At)
	return named(err)
}

// Gaps returns the gaps of a journal, ascending.
func (d *DB) Gaps(ctx context.Context, key int64) ([]Gap, error) {
	return all(ctx, d.sql, scanGap, selectGaps, key)
}

// JournalEntries returns up to limit entries of a journal behind number after,
// as the lane encoded them, ascending.
func (d *DB) JournalEntries(ctx context.Context, key int64, after uint64, limit int) ([][]byte, error) {
	return all(ctx, d.sql, func(r rowScanner) (b []byte, err error) { return b, r.Scan(&b) },
		`SELECT entry FROM entries WHERE journal = $1 AND seq > $2 ORDER BY seq LIMIT $3`, key, int64(after), limit)
}

// Journal returns a lane's journal, or ErrNotFound.
func (d *DB) Journal(ctx context.Context, lane string, id link.JournalID) (Journal, error) {
	j, err := scanJournal(d.sql.QueryRowContext(ctx, findJournal, lane, id[:]))
	return j, named(err)
}
