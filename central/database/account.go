package database

import (
	"context"
	"database/sql"
	"errors"
)

// Account is a holder at the portal.
type Account struct {
	Person  string // the register's id
	Address string // registered mail address, "" for none
	Folded  string // the same for two spellings of one address
	Handle  string // random: what passkeys know the account by
	Lang    string
	Created int64 // Unix ms
	Seen    int64 // Unix ms of the last sign-in, 0: never
}

const accountColumns = `person, address, folded, handle, lang, created, seen`

func scanAccount(r rowScanner) (a Account, err error) {
	return a, r.Scan(&a.Person, &a.Address, &a.Folded, &a.Handle, &a.Lang, &a.Created, &a.Seen)
}

// byHolder names a holder in the audit.
func byHolder(person string) string { return "holder:" + person }

// Account returns a person's account, or ErrNotFound.
func (d *DB) Account(ctx context.Context, person string) (Account, error) {
	a, err := scanAccount(d.sql.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE person = $1`, person))
	return a, named(err)
}

// AccountOf is Account by a folded address.
func (d *DB) AccountOf(ctx context.Context, folded string) (Account, error) {
	a, err := scanAccount(d.sql.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE folded = $1 AND folded <> ''`, folded))
	return a, named(err)
}

// AccountByHandle is Account by what passkeys know it by.
func (d *DB) AccountByHandle(ctx context.Context, handle string) (Account, error) {
	a, err := scanAccount(d.sql.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE handle = $1`, handle))
	return a, named(err)
}

// AddAccount makes an account, if the person has none, and returns the one that
// stands. ErrConflict if the address is another's.
func (d *DB) AddAccount(ctx context.Context, a Account) (Account, error) {
	err := d.write(ctx, func(tx *sql.Tx) (err error) {
		a, err = addAccount(ctx, tx, a)
		return err
	})
	return a, err
}

func addAccount(ctx context.Context, tx *sql.Tx, a Account) (Account, error) {
	stands, err := scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE person = $1`, a.Person))
	if !errors.Is(err, sql.ErrNoRows) {
		return stands, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO accounts (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6, 0)`,
		a.Person, a.Address, a.Folded, a.Handle, a.Lang, a.Created); err != nil {
		return a, err
	}
	return a, audit(ctx, tx, a.Created, byHolder(a.Person), "account_add", a.Person, "")
}

// setAddress gives an account its address. ErrConflict if it is another's.
func setAddress(ctx context.Context, tx *sql.Tx, person, address, folded string) error {
	return exactlyOne(tx.ExecContext(ctx, `UPDATE accounts SET address = $1, folded = $2 WHERE person = $3`, address, folded, person))
}

// SetAccountLang remembers the language that a holder wishes; "" for none.
func (d *DB) SetAccountLang(ctx context.Context, person, lang string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE accounts SET lang = $1 WHERE person = $2`, lang, person)
		return err
	})
}

// Profile is what a holder wrote about themselves.
type Profile struct {
	Person  string
	Body    string // JSON, of package account
	Changed int64  // Unix ms
}

// Profile returns a person's profile, or ErrNotFound.
func (d *DB) Profile(ctx context.Context, person string) (p Profile, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT person, body, changed FROM account_profiles WHERE person = $1`, person).Scan(&p.Person, &p.Body, &p.Changed)
	return p, named(err)
}

// SetProfile stores a profile in place of the one that was changed at was (Unix
// ms, 0: none). ErrConflict if it was changed meanwhile, ErrNotFound without an
// account.
func (d *DB) SetProfile(ctx context.Context, p Profile, was int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var found string
		if err := tx.QueryRowContext(ctx, `SELECT person FROM accounts WHERE person = $1`, p.Person).Scan(&found); err != nil {
			return err
		}
		if was == 0 {
			_, err := tx.ExecContext(ctx, `INSERT INTO account_profiles (person, body, changed) VALUES ($1, $2, $3)`, p.Person, p.Body, p.Changed)
			return err
		}
		return exactlyOne(tx.ExecContext(ctx, `UPDATE account_profiles SET body = $1, changed = $2 WHERE person = $3 AND changed = $4`, p.Body, max(p.Changed, was+1), p.Person, was))
	})
}

// PruneAccounts deletes sessions that began before, or were last seen before, these
// times (Unix ms), and codes that nobody typed until now.
func (d *DB) PruneAccounts(ctx context.Context, begun, seen, now int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE created < $1 OR seen < $2`, begun, seen); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM account_codes WHERE expires < $1`, now)
		return err
	})
}

// HolderAudit writes a line of the audit about a holder's own deed that changes
// nothing, such as an export.
func (d *DB) HolderAudit(ctx context.Context, at int64, person, action, detail string) error {
	return d.Audit(ctx, at, byHolder(person), action, person, detail)
}
