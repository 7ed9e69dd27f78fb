package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Withdrawal takes the eCard of a holder back.
type Withdrawal struct {
	Holder string // the person's id, not an alias
	By     string
	At     int64  // Unix ms; passes that are revoked with it change at this time
	Reason string // for the holder to read
}

// ofPerson selects the ids of a person, $1, and of those that were merged into it.
const ofPerson = `(holder = $1 OR holder IN (SELECT id FROM register_persons WHERE head = $1 AND head <> ''))`

// WithdrawnECard returns the eCard of a person that the office took back, also one of
// an id that was merged into the person; ErrNotFound if none is.
func (d *DB) WithdrawnECard(ctx context.Context, holder string) (ECard, error) {
	c, err := withdrawnECard(ctx, d.sql, holder)
	return c, named(err)
}

func withdrawnECard(ctx context.Context, q querier, holder string) (ECard, error) {
	return scanECard(q.QueryRowContext(ctx, `SELECT `+ecardColumns+` FROM ecards WHERE withdrawn <> 0 AND `+ofPerson+` ORDER BY withdrawn LIMIT 1`, holder))
}

// ErrWithdrawn tells that no code of an eCard is issued or released: the office took it back.
var ErrWithdrawn = errors.New("the eCard is withdrawn")

// notWithdrawn is ErrWithdrawn if the eCard of a person is withdrawn, named by any id.
func notWithdrawn(ctx context.Context, tx *sql.Tx, id string) error {
	p, err := registeredRow(ctx, tx, id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if p.head != "" {
		id = p.head
	}
	_, err = withdrawnECard(ctx, tx, id)
	switch {
	case err == nil:
		return ErrWithdrawn
	case errors.Is(err, sql.ErrNoRows):
		return nil
	}
	return err
}

// WithdrawnHolders returns all ids of the people whose eCard is withdrawn.
func (d *DB) WithdrawnHolders(ctx context.Context) ([]string, error) {
	return all(ctx, d.sql, scanText, `WITH gone AS (SELECT COALESCE(NULLIF(r.head, ''), c.holder) AS id FROM ecards c LEFT JOIN register_persons r ON r.id = c.holder WHERE c.withdrawn <> 0)
		SELECT id FROM gone UNION SELECT p.id FROM register_persons p JOIN gone ON gone.id = p.head WHERE p.head <> '' ORDER BY 1`)
}

// AddLetters puts letters into the outbox in the transaction.
func (t *FeedTx) AddLetters(list []Letter) error { return named(addLetters(t.ctx, t.tx, list)) }

// NotWithdrawn is ErrWithdrawn if the eCard of a person is withdrawn, named by any id.
func (t *FeedTx) NotWithdrawn(holder string) error { return named(notWithdrawn(t.ctx, t.tx, holder)) }

// WithdrawECard takes the eCard back; from then on none of its codes is issued.
// ErrNotFound: there is none; ErrConflict: it is withdrawn already.
func (t *FeedTx) WithdrawECard(w Withdrawal) error {
	switch _, err := withdrawnECard(t.ctx, t.tx, w.Holder); {
	case err == nil:
		return ErrConflict
	case !errors.Is(err, sql.ErrNoRows):
		return named(err)
	}
	r, err := t.tx.ExecContext(t.ctx, `UPDATE ecards SET withdrawn = $1, withdrawn_by = $2, reason = $3 WHERE holder = $4`, w.At, w.By, w.Reason, w.Holder)
	if err := changedOne(r, err, ErrNotFound); err != nil {
		return named(err)
	}
	return t.Audit(w.At, w.By, "ecard_withdraw", w.Holder, w.Reason)
}

// ReturnECard gives it back, and returns when it was withdrawn. ErrConflict: it is not.
func (t *FeedTx) ReturnECard(holder, by string, at int64) (withdrawn int64, err error) {
	c, err := withdrawnECard(t.ctx, t.tx, holder)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ErrConflict
	}
	if err != nil {
		return 0, named(err)
	}
	if _, err := t.tx.ExecContext(t.ctx, `UPDATE ecards SET withdrawn = 0, withdrawn_by = '', reason = '' WHERE withdrawn <> 0 AND `+ofPerson, holder); err != nil {
		return 0, named(err)
	}
	return c.Withdrawn, t.Audit(at, by, "ecard_return", holder, "")
}

// PassesOf returns a person's passes from a day on, those of the person's guests only
// if asked for.
func (t *FeedTx) PassesOf(holder string, from pass.Day, guests bool) ([]Pass, error) {
	return all(t.ctx, t.tx, scanPass, `SELECT `+passColumns+` FROM passes WHERE `+ofPerson+` AND day >= $2 AND (kind <> $3 OR $4 = 1) ORDER BY day, idx`,
		holder, from, pass.Guest, flag(guests))
}

// RevokedAt returns the passes of a person from a day on that were revoked in one
// moment (Unix ms): with the eCard.
func (t *FeedTx) RevokedAt(holder string, from pass.Day, at int64) ([]Pass, error) {
	return all(t.ctx, t.tx, scanPass, `SELECT `+passColumns+` FROM passes WHERE `+ofPerson+` AND day >= $2 AND status = $3 AND changed = $4 ORDER BY day, idx`,
		holder, from, link.Revoked, at)
}
