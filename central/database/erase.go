package database

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Erased is what the retention took out of a journal: its entries up to Last.
// What remains is chained from Chain on.
type Erased struct {
	Last  uint64
	Chain link.Hash // after Last
	Count uint64    // entries; fewer than Last if some were lost before
	At    int64     // Unix ms of the last time
	// Number is the highest number in the ledger that was erased: no other entry
	// ever gets it.
	Number int64
}

// Erased returns what was erased of a journal; Last is 0 if nothing was.
func (d *DB) Erased(ctx context.Context, key int64) (Erased, error) { return erasedOf(ctx, d.sql, key) }

// Erased is DB.Erased in the transaction.
func (t *LedgerTx) Erased(key int64) (Erased, error) { return erasedOf(t.ctx, t.tx, key) }

func erasedOf(ctx context.Context, q querier, key int64) (e Erased, err error) {
	var chain []byte
	err = q.QueryRowContext(ctx, `SELECT last, chain, count, at, number FROM journal_erased WHERE journal = $1`, key).Scan(&e.Last, &chain, &e.Count, &e.At, &e.Number)
	if errors.Is(err, sql.ErrNoRows) {
		return Erased{}, nil
	}
	copy(e.Chain[:], chain)
	return e, named(err)
}

// EraseEntries erases the oldest entries of a journal that were received before a
// time (Unix ms), at most limit, and keeps the chain value behind them, so that
// the rest can still be verified. ErrDamaged, and nothing is erased, if entries
// lack: that must not be covered. It returns how many were erased; as long as
// those are limit there may be more.
func (d *DB) EraseEntries(ctx context.Context, j Journal, before int64, limit int, at int64) (n int, err error) {
	err = d.writeAs(ctx, writerLedger, func(tx *sql.Tx) error {
		e, err := erasedOf(ctx, tx, j.Key)
		if err != nil {
			return err
		}
		if e.Last == 0 {
			e.Chain = link.JournalStart(j.ID)
		}
		old, err := oldest(ctx, tx, j.Key, e.Last, before, limit)
		if err != nil || len(old) == 0 {
			return err
		}
		gaps, err := all(ctx, tx, scanGap, selectGaps, j.Key)
		if err != nil {
			return err
		}
		first := e.Last
		for _, o := range old {
			if gaps, err = e.pass(o.entry, gaps); err != nil {
				return err
			}
		}
		n, e.At, e.Number = len(old), at, old[len(old)-1].number
		return e.store(ctx, tx, j.Key, first)
	})
	return n, err
}

// oldest returns entries of a journal behind a number that came before a time:
// the ledger's arrival rises with the number.
func oldest(ctx context.Context, tx *sql.Tx, key int64, after uint64, before int64, limit int) ([]oldEntry, error) {
	list, err := all(ctx, tx, func(r rowScanner) (e oldEntry, err error) { return e, r.Scan(&e.number, &e.received, &e.entry) },
		`SELECT number, received, entry FROM entries WHERE journal = $1 AND seq > $2 ORDER BY seq LIMIT $3`, key, int64(after), limit)
	for i := range list {
		if list[i].received >= before {
			return list[:i], err
		}
	}
	return list, err
}

// pass moves e over the gap and the entry that come next, and returns the gaps
// ahead.
func (e *Erased) pass(raw []byte, gaps []Gap) ([]Gap, error) {
	for len(gaps) > 0 && gaps[0].From <= e.Last+1 {
		if gaps[0].From == e.Last+1 {
			e.Last, e.Chain = gaps[0].To, gaps[0].Before
		}
		gaps = gaps[1:]
	}
	seq := uint64(0)
	if len(raw) >= 16 { // TOPICS.md "Entries": bytes 8 to 15
		seq = binary.BigEndian.Uint64(raw[8:])
	}
	if seq != e.Last+1 {
		return nil, fmt.Errorf("%w: entry %d of the journal lacks", ErrDamaged, e.Last+1)
	}
	e.Last, e.Chain, e.Count = seq, link.JournalChain(e.Chain, raw), e.Count+1
	return gaps, nil
}

func (e *Erased) store(ctx context.Context, tx *sql.Tx, key int64, first uint64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM entries WHERE journal = $1 AND seq > $2 AND seq <= $3`, key, int64(first), int64(e.Last)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO journal_erased (journal, last, chain, count, at, number) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (journal) DO UPDATE SET last = excluded.last, chain = excluded.chain, count = excluded.count, at = excluded.at, number = excluded.number`,
		key, int64(e.Last), e.Chain[:], int64(e.Count), e.At, e.Number)
	return err
}

// ErasePasses deletes passes of days before day, at most limit, with their names,
// where they were, and the supervisor codes of these days. How many were issued
// stays. It returns how many passes were deleted.
func (d *DB) ErasePasses(ctx context.Context, day pass.Day, limit int) (n int, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		type called struct {
			pass.ID
			holder, guest string
		}
		old, err := all(ctx, tx, func(r rowScanner) (c called, err error) { return c, r.Scan(&c.Day, &c.Index, &c.holder, &c.guest) },
			`SELECT day, idx, holder, guest_name FROM passes WHERE day < $1 ORDER BY day, idx LIMIT $2`, day, limit)
		if err != nil {
			return err
		}
		for _, c := range old {
			if err := deleteWords(ctx, tx, c.ID, c.holder, c.guest); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM passes WHERE day = $1 AND idx = $2`, c.Day, c.Index); err != nil {
				return err
			}
		}
		if n = len(old); n == limit {
			return nil
		}
		for _, rest := range []string{
			`DELETE FROM presence WHERE day < $1`,
			`DELETE FROM card_passes WHERE day < $1`,
			`DELETE FROM guest_links WHERE day < $1`,
			`DELETE FROM supervisor_uses WHERE day < $1`,
			`DELETE FROM supervisor_codes WHERE day < $1`,
		} {
			if _, err := tx.ExecContext(ctx, rest, day); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// unneeded selects the photos, f, of people with neither an eCard nor a pass. A card
// that is withdrawn needs its photo until its holder has left the register, and one
// of an id that was merged into another does not.
const unneeded = `NOT EXISTS (SELECT 1 FROM ecards c LEFT JOIN register_persons r ON r.id = c.holder WHERE c.holder = f.holder AND COALESCE(r.head, '') = ''
		AND (c.withdrawn = 0 OR r.id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM register_persons)))
	AND NOT EXISTS (SELECT 1 FROM passes p WHERE p.holder = f.holder)`

// ErasePhotos deletes the photos that were taken in before a time (Unix ms) of
// people who hold neither an eCard nor a pass any more, and whose and what the
// applications were that were decided before it, whose photos went with the
// decision; at most limit of each. It returns how many rows that were.
func (d *DB) ErasePhotos(ctx context.Context, before int64, limit int) (n int, err error) {
	const decided = `SELECT number FROM applications WHERE decided > 0 AND decided < $1 AND facts <> 'null' ORDER BY number LIMIT $2`
	err = d.write(ctx, func(tx *sql.Tx) error {
		n = 0
		for _, old := range []string{
			`DELETE FROM photos WHERE holder IN (SELECT holder FROM photos f WHERE f.at < $1 AND ` + unneeded + ` ORDER BY f.holder LIMIT $2)`,
			`DELETE FROM application_passes WHERE application IN (` + decided + `)`,
			`UPDATE applications SET holder = '', name = '', facts = 'null', request = 'null', reason = '' WHERE number IN (` + decided + `)`,
		} {
			r, err := tx.ExecContext(ctx, old, before, limit)
			if err != nil {
				return err
			}
			deleted, err := r.RowsAffected()
			if err != nil {
				return err
			}
			n += int(deleted)
		}
		return nil
	})
	return n, err
}

// EraseCommands takes out who gave commands to lanes, and why, that were given
// before a time (Unix ms); at most limit. The commands stay: a lane that was cut off
// can still answer one. It returns how many rows that were.
func (d *DB) EraseCommands(ctx context.Context, before int64, limit int) (n int, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE commands SET reason = '', issued_by = '' WHERE (lane, number) IN
			(SELECT lane, number FROM commands WHERE issued < $1 AND (reason <> '' OR issued_by <> '') ORDER BY issued LIMIT $2)`, before, limit)
		if err != nil {
			return err
		}
		erased, err := r.RowsAffected()
		n = int(erased)
		return err
	})
	return n, err
}

// Erasable counts what an erasure would take.
type Erasable struct {
	Passages, Passes, Photos, Requests, Commands int
	Undecided                                    int // eCard applications, which lose their photos

	FirstPassage int64    // Unix ms of the arrival of the oldest, 0: none
	FirstPass    pass.Day // of the oldest, 0: none
}

// CountErasable counts what EraseEntries of all journals, EraseCommands, ErasePasses
// and ErasePhotos would take.
func (d *DB) CountErasable(ctx context.Context, passages int64, passes pass.Day, photos int64) (e Erasable, err error) {
	end, err := d.received(ctx, passages)
	if err != nil {
		return e, named(err)
	}
	for _, count := range []struct {
		query string
		arg   any
		to    []any
	}{
		{`SELECT COUNT(*) FROM entries WHERE number < $1`, end, []any{&e.Passages}},
		{`SELECT COALESCE((SELECT received FROM entries WHERE number < $1 ORDER BY number LIMIT 1), 0)`, end, []any{&e.FirstPassage}},
		{`SELECT COUNT(*), COALESCE(MIN(day), 0) FROM passes WHERE day < $1`, passes, []any{&e.Passes, &e.FirstPass}},
		{`SELECT COUNT(*) FROM photos f WHERE f.at < $1 AND ` + unneeded, photos, []any{&e.Photos}},
		{`SELECT COUNT(*) FROM applications WHERE decided > 0 AND decided < $1 AND facts <> 'null'`, photos, []any{&e.Requests}},
		{`SELECT COUNT(*) FROM applications WHERE decided = 0 AND kind = 'ecard' AND at < $1`, photos, []any{&e.Undecided}},
		{`SELECT COUNT(*) FROM commands WHERE issued < $1 AND (reason <> '' OR issued_by <> '')`, passages, []any{&e.Commands}},
	} {
		if err := d.sql.QueryRowContext(ctx, count.query, count.arg).Scan(count.to...); err != nil {
			return e, named(err)
		}
	}
	return e, nil
}

// received returns the lowest ledger number that arrived at a time or later, or
// the one behind the last: the arrival rises with the number, and so a search by
// halves finds it without an index.
func (d *DB) received(ctx context.Context, at int64) (number int64, err error) {
	var low, high int64 // what arrived before is below low; what did not, from high on
	err = d.sql.QueryRowContext(ctx, `SELECT COALESCE(MIN(number), 0), COALESCE(MAX(number), 0) + 1 FROM entries`).Scan(&low, &high)
	for err == nil && low < high {
		var n, arrived int64
		err = d.sql.QueryRowContext(ctx, `SELECT number, received FROM entries WHERE number >= $1 ORDER BY number LIMIT 1`, low+(high-low)/2).Scan(&n, &arrived)
		switch {
		case errors.Is(err, sql.ErrNoRows): // erased meanwhile
			high, err = low+(high-low)/2, nil
		case arrived < at:
			low = n + 1
		default:
			high = low + (high-low)/2
		}
	}
	return high, err
}

// Overwrite takes SQLite's log into the file and empties it: what was erased
// stands in it until then. In PostgreSQL that is the work of its autovacuum.
func (d *DB) Overwrite(ctx context.Context) error {
	if d.postgres {
		return nil
	}
	_, err := d.sql.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return named(err)
}
