package database

import (
	"context"
	"database/sql"
	"errors"
)

// The states of a change of a registered address.
const (
	ChangeWaiting = "waiting" // for the office
	ChangeDue     = "due"     // it takes effect at a time
	ChangeDone    = "done"
	ChangeRefused = "refused" // by the office
	ChangeStopped = "stopped" // by the holder, or another one took its place
)

// AddressChange is the replacement of a registered address.
type AddressChange struct {
	ID        string
	Person    string
	Old       string
	Address   string
	Folded    string
	State     string
	At        int64 // Unix ms
	Effect    int64 // Unix ms, 0: not decided
	Decided   int64 // Unix ms, 0: not yet
	DecidedBy string
	Reason    string
}

const changeColumns = `id, person, old, address, folded, state, at, effect, decided, decided_by, reason`

func scanChange(r rowScanner) (c AddressChange, err error) {
	return c, r.Scan(&c.ID, &c.Person, &c.Old, &c.Address, &c.Folded, &c.State, &c.At, &c.Effect, &c.Decided, &c.DecidedBy, &c.Reason)
}

// ProposeChange uses the code that was sent to a new address up, and writes down
// that the office has to decide; an earlier open change is stopped. The account is
// made if there is none, with the address that is to be replaced. ErrConflict if
// that, or the new one, is another account's.
func (d *DB) ProposeChange(ctx context.Context, t Typed, fresh Account, c AddressChange) (AddressChange, error) {
	err := d.withCodes(ctx, c.At, func(tx *sql.Tx, codes []AccountCode) error {
		code := codes[0]
		a, err := changing(ctx, tx, code, fresh)
		if err != nil {
			return err
		}
		c.Person, c.Old, c.Address, c.Folded, c.State = a.Person, a.Address, code.Address, code.Detail, ChangeWaiting
		if err := addChange(ctx, tx, c); err != nil {
			return err
		}
		return audit(ctx, tx, c.At, byHolder(a.Person), "address_ask", a.Person, "")
	}, t)
	return c, err
}

// changing returns the account whose address changes; one that has none gets that
// of fresh, the registry's, unless it is another account's. ErrConflict if the new
// address is another's.
func changing(ctx context.Context, tx *sql.Tx, code AccountCode, fresh Account) (Account, error) {
	used := func(folded string) (n int, err error) {
		return n, tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM accounts WHERE folded = $1 AND folded <> ''`, folded).Scan(&n)
	}
	fresh.Person = code.Person
	if n, err := used(fresh.Folded); err != nil {
		return fresh, err
	} else if n > 0 {
		fresh.Address, fresh.Folded = "", ""
	}
	a, err := addAccount(ctx, tx, fresh)
	if err != nil {
		return a, err
	}
	if a.Folded == "" && fresh.Folded != "" {
		a.Address, a.Folded = fresh.Address, fresh.Folded
		if err := setAddress(ctx, tx, a.Person, a.Address, a.Folded); err != nil {
			return a, err
		}
	}
	n, err := used(code.Detail)
	if err == nil && n > 0 {
		err = ErrConflict
	}
	return a, err
}

func addChange(ctx context.Context, tx *sql.Tx, c AddressChange) error {
	if _, err := tx.ExecContext(ctx, `UPDATE account_changes SET state = $1, decided = $2, decided_by = $3 WHERE person = $4 AND (state = 'waiting' OR state = 'due')`,
		ChangeStopped, c.At, byHolder(c.Person), c.Person); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO account_changes (`+changeColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.ID, c.Person, c.Old, c.Address, c.Folded, c.State, c.At, c.Effect, c.Decided, c.DecidedBy, c.Reason)
	return err
}

// ChangeAddress uses both codes up, that of the new and that of the old address,
// and replaces the address at once; an earlier open change is stopped. The notice
// goes to the old address. ErrConflict as ProposeChange.
func (d *DB) ChangeAddress(ctx context.Context, toNew, toOld Typed, fresh Account, c AddressChange, notice Letter) (AddressChange, error) {
	err := d.withCodes(ctx, c.At, func(tx *sql.Tx, codes []AccountCode) error {
		wanted, agreed := codes[0], codes[1]
		a, err := changing(ctx, tx, wanted, fresh)
		if err != nil {
			return err
		}
		if agreed.Person != wanted.Person || agreed.Detail != a.Folded {
			return ErrConflict
		}
		c.Person, c.Old, c.Address, c.Folded, c.State, c.Effect = a.Person, a.Address, wanted.Address, wanted.Detail, ChangeDone, c.At
		if err := addChange(ctx, tx, c); err != nil {
			return err
		}
		return replaceAddress(ctx, tx, c, byHolder(a.Person), c.At, notice)
	}, toNew, toOld)
	return c, err
}

// replaceAddress carries a change out: other ways to sign in stay, all sessions end.
func replaceAddress(ctx context.Context, tx *sql.Tx, c AddressChange, by string, at int64, notice Letter) error {
	if err := setAddress(ctx, tx, c.Person, c.Address, c.Folded); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person = $1`, c.Person); err != nil {
		return err
	}
	if c.Old != "" {
		if err := addLetter(ctx, tx, notice); err != nil {
			return err
		}
	}
	return audit(ctx, tx, at, by, "address_change", c.Person, "")
}

// AddressChange returns a change, or ErrNotFound.
func (d *DB) AddressChange(ctx context.Context, id string) (AddressChange, error) {
	c, err := scanChange(d.sql.QueryRowContext(ctx, `SELECT `+changeColumns+` FROM account_changes WHERE id = $1`, id))
	return c, named(err)
}

// AddressChanges lists those in a state, the oldest first.
func (d *DB) AddressChanges(ctx context.Context, state string, limit int) ([]AddressChange, error) {
	return all(ctx, d.sql, scanChange, `SELECT `+changeColumns+` FROM account_changes WHERE state = $1 ORDER BY at, id LIMIT $2`, state, limit)
}

// AddressChangesOf lists those of a person, the newest first.
func (d *DB) AddressChangesOf(ctx context.Context, person string, limit int) ([]AddressChange, error) {
	return all(ctx, d.sql, scanChange, `SELECT `+changeColumns+` FROM account_changes WHERE person = $1 ORDER BY at DESC, id LIMIT $2`, person, limit)
}

// DecideChange writes what the office decided about a change that waits: due at
// effect, or refused. The letters tell who has to know. ErrNotFound if it does not
// wait.
func (d *DB) DecideChange(ctx context.Context, c AddressChange, list ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		err := exactlyOne(tx.ExecContext(ctx, `UPDATE account_changes SET state = $1, effect = $2, decided = $3, decided_by = $4, reason = $5 WHERE id = $6 AND state = 'waiting'`,
			c.State, c.Effect, c.Decided, c.DecidedBy, c.Reason, c.ID))
		if errors.Is(err, ErrConflict) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if err := addLetters(ctx, tx, list); err != nil {
			return err
		}
		action := "address_approve"
		if c.State == ChangeRefused {
			action = "address_refuse"
		}
		return audit(ctx, tx, c.Decided, c.DecidedBy, action, c.Person, c.Reason)
	})
}

// StopChange ends a person's open change, and every session but one: somebody else
// may have asked for it. ErrNotFound if none is open.
func (d *DB) StopChange(ctx context.Context, person, session string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE account_changes SET state = $1, decided = $2, decided_by = $3 WHERE person = $4 AND (state = 'waiting' OR state = 'due')`,
			ChangeStopped, at, byHolder(person), person)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrNotFound, err)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person = $1 AND id <> $2`, person, session); err != nil {
			return err
		}
		return audit(ctx, tx, at, byHolder(person), "address_stop", person, "")
	})
}

// FinishChange carries a change out whose time has come, with the notice to the old
// address. ErrNotFound if it is not due any more; ErrConflict if the address became
// another account's meanwhile.
func (d *DB) FinishChange(ctx context.Context, c AddressChange, notice Letter, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		err := exactlyOne(tx.ExecContext(ctx, `UPDATE account_changes SET state = $1 WHERE id = $2 AND state = $3 AND effect <= $4`, ChangeDone, c.ID, ChangeDue, at))
		if errors.Is(err, ErrConflict) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return replaceAddress(ctx, tx, c, "central", at, notice)
	})
}

// RefuseChange ends a change that cannot be carried out.
func (d *DB) RefuseChange(ctx context.Context, id, reason string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE account_changes SET state = $1, reason = $2, decided = $3 WHERE id = $4 AND state = $5`, ChangeRefused, reason, at, id, ChangeDue)
		return err
	})
}
