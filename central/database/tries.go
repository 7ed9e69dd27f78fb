package database

import (
	"context"
	"database/sql"
	"errors"
)

// Try counts one try of each subject as failed, in advance: so that many at once
// are counted too. delay says how long after that many failures the next try has
// to wait (ms). If a subject has to wait still, nothing is counted and until says
// how long (Unix ms); else until is 0.
func (d *DB) Try(ctx context.Context, subjects []string, at, forget int64, delay func(subject string, failed int64) int64) (until int64, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		failed := make([]int64, len(subjects))
		for i, s := range subjects {
			var latest, wait int64
			err := tx.QueryRowContext(ctx, `SELECT failed, latest, until FROM sign_in_tries WHERE subject = $1`, s).Scan(&failed[i], &latest, &wait)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			if latest < at-forget {
				failed[i] = 0
			}
			until = max(until, wait)
		}
		if until > at {
			return nil
		}
		until = 0
		for i, s := range subjects {
			n := failed[i] + 1
			if _, err := tx.ExecContext(ctx, `INSERT INTO sign_in_tries (subject, failed, latest, until) VALUES ($1, $2, $3, $4)
				ON CONFLICT (subject) DO UPDATE SET failed = $2, latest = $3, until = $4`, s, n, at, at+delay(s, n)); err != nil {
				return err
			}
		}
		return nil
	})
	return until, err
}

// Succeeded forgets the failures of some subjects and takes the one back that
// Try counted in advance from another, "" for none.
func (d *DB) Succeeded(ctx context.Context, subjects []string, back string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		for _, s := range subjects {
			if _, err := tx.ExecContext(ctx, `DELETE FROM sign_in_tries WHERE subject = $1`, s); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE sign_in_tries SET failed = failed - 1, until = latest WHERE subject = $1 AND failed > 0`, back)
		return err
	})
}

// Spend notes that something which counts once was used: ErrConflict if it was
// before. It is remembered until expires (Unix ms).
func (d *DB) Spend(ctx context.Context, hash []byte, expires int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sign_in_spent (hash, expires) VALUES ($1, $2)`, hash, expires)
		return err
	})
}
