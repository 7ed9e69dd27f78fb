package database

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"turnstile/central/register"
)

// apartBy are the facts of a person that make two rows look like one human being.
var apartBy = []string{"surname", "given", "name_zh", "born", "personal_id"}

// KeepApart notes that two rows are two human beings: they are suggested no more,
// until a fact of one of them changes. register.ErrNotFound; ErrMerged: one of the
// two is an alias, or both are one.
func (d *DB) KeepApart(ctx context.Context, p register.Apart) error {
	p.A, p.B = min(p.A, p.B), max(p.A, p.B)
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := twoPersons(ctx, tx, p.A, p.B); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO register_apart (a, b, reason, at, by) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (a, b) DO UPDATE SET reason = $3, at = $4, by = $5`,
			p.A, p.B, p.Reason, p.At.UnixMilli(), p.By)
		if err != nil {
			return err
		}
		return audit(ctx, tx, p.At.UnixMilli(), p.By, "register_apart", p.A, p.B+": "+p.Reason)
	})
}

// twoPersons tells whether two ids are of two rows that nobody has merged.
func twoPersons(ctx context.Context, tx *sql.Tx, a, b string) error {
	for _, id := range []string{a, b} {
		p, err := registeredRow(ctx, tx, id)
		if errors.Is(err, sql.ErrNoRows) {
			return register.ErrNotFound
		}
		if err != nil {
			return err
		}
		if p.head != "" || a == b {
			return ErrMerged
		}
	}
	return nil
}

// KeptApart returns the newest pairs of KeepApart.
func (d *DB) KeptApart(ctx context.Context, limit int) ([]register.Apart, error) {
	return all(ctx, d.sql, func(r rowScanner) (p register.Apart, err error) {
		var at int64
		err = r.Scan(&p.A, &p.B, &p.Reason, &at, &p.By)
		p.At = moment(at)
		return p, err
	}, `SELECT a, b, reason, at, by FROM register_apart ORDER BY at DESC, a, b LIMIT $1`, limit)
}

// forgetApart takes back what was said of a row of which these columns change.
func forgetApart(ctx context.Context, tx *sql.Tx, id string, columns []string) error {
	if !slices.ContainsFunc(columns, func(c string) bool { return slices.Contains(apartBy, c) }) {
		return nil
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM register_apart WHERE a = $1 OR b = $1`, id)
	return err
}
