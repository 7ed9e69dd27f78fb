package database

import (
	"context"
	"database/sql"
	"errors"
)

// Flow is what somebody has begun with a NetID or to get one.
type Flow struct {
	ID      []byte // hash of the token
	Subject string // the NetID, or the person of the register
	Data    []byte // sealed
	Expires int64  // Unix ms
}

// PersonSubject is the subject of what a person of the register has begun to get a
// NetID.
func PersonSubject(person string) string { return "person " + person }

// BeginFlow stores a flow with the letters that carry its codes; those of the same
// subject that were begun before end.
func (d *DB) BeginFlow(ctx context.Context, f Flow, letters ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := endFlows(ctx, tx, f.Subject); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO netid_flows (id, subject, data, tries, expires) VALUES ($1, $2, $3, 0, $4)`, f.ID, f.Subject, f.Data, f.Expires)
		return errors.Join(err, addLetters(ctx, tx, letters))
	})
}

// TryFlow counts a try of a flow and returns it; ErrNotFound if it has ended, or has
// had that many tries.
func (d *DB) TryFlow(ctx context.Context, id []byte, at int64, most int) (f Flow, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE netid_flows SET tries = tries + 1 WHERE id = $1 AND expires > $2 AND tries < $3 RETURNING id, subject, data, expires`, id, at, most).
			Scan(&f.ID, &f.Subject, &f.Data, &f.Expires)
	})
	return f, err
}

// Flow returns a flow; ErrNotFound if it has ended.
func (d *DB) Flow(ctx context.Context, id []byte, at int64) (f Flow, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT id, subject, data, expires FROM netid_flows WHERE id = $1 AND expires > $2`, id, at).
		Scan(&f.ID, &f.Subject, &f.Data, &f.Expires)
	return f, named(err)
}

// AdvanceFlow writes a flow's next state; ErrNotFound if it has ended.
func (d *DB) AdvanceFlow(ctx context.Context, f Flow) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE netid_flows SET data = $1, expires = $2, tries = 0 WHERE id = $3`, f.Data, f.Expires, f.ID)
		return changedOne(r, err, ErrNotFound)
	})
}

// EndFlow ends a flow; one that has ended is fine.
func (d *DB) EndFlow(ctx context.Context, id []byte) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := endFlow(ctx, tx, id); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	})
}

func endFlow(ctx context.Context, tx *sql.Tx, id []byte) error {
	r, err := tx.ExecContext(ctx, `DELETE FROM netid_flows WHERE id = $1`, id)
	return changedOne(r, err, ErrNotFound)
}

func endFlows(ctx context.Context, tx *sql.Tx, subject string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM netid_flows WHERE subject = $1`, subject)
	return err
}
