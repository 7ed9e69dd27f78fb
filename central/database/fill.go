package database

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"

	"turnstile/central/pass"
)

// searchMigration is the migration that fills in what rows from before version 6 are
// searched by, and then makes the indices. Each part is a transaction that notes
// how far it is: one that is broken off goes on there. Ten million entries take
// some minutes.
func searchMigration() *goose.Migration {
	return goose.NewGoMigration(7, &goose.GoFunc{RunDB: fillSearch}, nil)
}

func fillSearch(ctx context.Context, db *sql.DB) error {
	for _, fill := range []func(context.Context, *sql.Tx) (bool, error){fillEntries, fillPasses} {
		for more := true; more; {
			var err error
			if more, err = fillPart(ctx, db, fill); err != nil {
				return err
			}
		}
	}
	for _, statement := range []string{
		`CREATE INDEX IF NOT EXISTS entries_facet ON entries (facet, at, number)`,
		`CREATE INDEX IF NOT EXISTS entries_lane ON entries (lane_key, facet, at, number)`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func fillPart(ctx context.Context, db *sql.DB, fill func(context.Context, *sql.Tx) (bool, error)) (bool, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback() // no-op after a commit
	more, err := fill(ctx, tx)
	if err != nil {
		return false, err
	}
	return more, tx.Commit()
}

// filledTogether bounds the rows of one transaction of the migration.
const filledTogether = 5000

type oldEntry struct {
	number, journal, received int64
	pass                      pass.ID
	entry                     []byte
}

func fillEntries(ctx context.Context, tx *sql.Tx) (more bool, err error) {
	list, err := all(ctx, tx, func(r rowScanner) (e oldEntry, err error) {
		return e, r.Scan(&e.number, &e.journal, &e.received, &e.pass.Day, &e.pass.Index, &e.entry)
	}, `SELECT number, journal, received, pass_day, pass_idx, entry FROM entries
		WHERE number > (SELECT entries FROM search_filled) ORDER BY number LIMIT $1`, filledTogether)
	if err != nil || len(list) == 0 {
		return false, err
	}
	update, err := tx.PrepareContext(ctx, `UPDATE entries SET at = $1, lane_key = $2, facet = $3 WHERE number = $4`)
	if err != nil {
		return false, err
	}
	defer update.Close()
	tally := newTally()
	for _, e := range list {
		c := columnsOf(e.journal, e.received, e.entry)
		tally.add(e.pass, &c)
		if _, err := update.ExecContext(ctx, c.at, c.lane, int64(c.facet), e.number); err != nil {
			return false, err
		}
	}
	if err := tally.store(newInserter(ctx, nil, tx, false)); err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE search_filled SET entries = $1`, list[len(list)-1].number)
	return true, err
}

func fillPasses(ctx context.Context, tx *sql.Tx) (more bool, err error) {
	list, err := all(ctx, tx, scanPass, `SELECT `+passColumns+` FROM passes
		WHERE (day, idx) > (SELECT pass_day, pass_idx FROM search_filled) ORDER BY day, idx LIMIT $1`, filledTogether)
	if err != nil || len(list) == 0 {
		return false, err
	}
	for _, p := range list {
		if err := insertWords(ctx, tx, p.ID(), p.Holder, p.GuestName); err != nil {
			return false, err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE passes SET zones = $1 WHERE day = $2 AND idx = $3`, int64(p.Zones), p.Day, p.Index); err != nil {
			return false, err
		}
	}
	last := list[len(list)-1]
	_, err = tx.ExecContext(ctx, `UPDATE search_filled SET pass_day = $1, pass_idx = $2`, last.Day, last.Index)
	return true, err
}
