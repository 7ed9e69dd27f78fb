package database

import (
	"context"
	"database/sql"
	"errors"
)

// AccountLink is an account elsewhere that a holder signs in with.
type AccountLink struct {
	OpenID
	Person   string
	Provider string // id in the configuration
	Linked   int64  // Unix ms
	Used     int64  // Unix ms of the last sign-in, 0: never
}

const linkColumns = `issuer, subject, person, provider, linked, used`

func scanLink(r rowScanner) (l AccountLink, err error) {
	return l, r.Scan(&l.Issuer, &l.Subject, &l.Person, &l.Provider, &l.Linked, &l.Used)
}

// UseLink returns the link of an account elsewhere and notes that it was used; or
// ErrNotFound.
func (d *DB) UseLink(ctx context.Context, o OpenID, at int64) (l AccountLink, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		if l, err = scanLink(tx.QueryRowContext(ctx, `SELECT `+linkColumns+` FROM account_links WHERE issuer = $1 AND subject = $2`, o.Issuer, o.Subject)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE account_links SET used = $1 WHERE issuer = $2 AND subject = $3`, at, o.Issuer, o.Subject)
		return err
	})
	return l, err
}

// maxLinks bounds the links of one person.
const maxLinks = 20

// LinkAccount uses the code up that confirms a link, and stores it for the person
// that the code was sent to, with the notice to the registered address.
// ErrConflict, and the code is as it was, if the account elsewhere is linked
// already, or the person has too many.
func (d *DB) LinkAccount(ctx context.Context, t Typed, l AccountLink, notice Letter) (AccountLink, error) {
	err := d.withCodes(ctx, l.Linked, func(tx *sql.Tx, codes []AccountCode) error {
		l.Person, notice.Address = codes[0].Person, codes[0].Address
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM account_links WHERE person = $1`, l.Person).Scan(&n); err != nil {
			return err
		}
		if n >= maxLinks {
			return ErrConflict
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO account_links (`+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $5)`, l.Issuer, l.Subject, l.Person, l.Provider, l.Linked); err != nil {
			return err
		}
		if err := addLetter(ctx, tx, notice); err != nil {
			return err
		}
		return audit(ctx, tx, l.Linked, byHolder(l.Person), "account_link", l.Person, l.Provider)
	}, t)
	return l, err
}

// AccountLinks lists a person's links, the oldest first.
func (d *DB) AccountLinks(ctx context.Context, person string) ([]AccountLink, error) {
	return all(ctx, d.sql, scanLink, `SELECT `+linkColumns+` FROM account_links WHERE person = $1 ORDER BY linked, issuer, subject`, person)
}

// Unlink deletes a person's link and ends their other sessions; ErrNotFound if it is
// not theirs.
func (d *DB) Unlink(ctx context.Context, person string, o OpenID, session string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM account_links WHERE person = $1 AND issuer = $2 AND subject = $3`, person, o.Issuer, o.Subject)
		return afterTaking(ctx, tx, r, err, person, session, "account_unlink", o.Issuer, at)
	})
}

// afterTaking ends the other sessions of a person from whom a way to sign in was
// taken away; ErrNotFound if it was not theirs.
func afterTaking(ctx context.Context, tx *sql.Tx, r sql.Result, err error, person, session, action, detail string, at int64) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrNotFound, err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person = $1 AND id <> $2`, person, session); err != nil {
		return err
	}
	return audit(ctx, tx, at, byHolder(person), action, person, detail)
}

// HolderPasskeys returns a holder's passkeys, the oldest first.
func (d *DB) HolderPasskeys(ctx context.Context, person string) ([]Passkey, error) {
	return all(ctx, d.sql, scanPasskey, `SELECT `+passkeyColumns+` FROM account_passkeys WHERE person = $1 ORDER BY created, id`, person)
}

// HolderPasskey returns a holder's passkey by the credential's id, or ErrNotFound.
func (d *DB) HolderPasskey(ctx context.Context, id []byte) (Passkey, error) {
	k, err := scanPasskey(d.sql.QueryRowContext(ctx, `SELECT `+passkeyColumns+` FROM account_passkeys WHERE id = $1`, id))
	return k, named(err)
}

// AddHolderPasskey stores a passkey, with notices to whom they are for. ErrConflict
// if it stands, or the holder has too many.
func (d *DB) AddHolderPasskey(ctx context.Context, k Passkey, notices ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM account_passkeys WHERE person = $1`, k.Person).Scan(&n); err != nil {
			return err
		}
		if n >= maxPasskeys {
			return ErrConflict
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO account_passkeys (`+passkeyColumns+`) VALUES ($1, $2, $3, $4, $5, 0)`, k.ID, k.Person, k.Label, k.Record, k.Created); err != nil {
			return err
		}
		if err := addLetters(ctx, tx, notices); err != nil {
			return err
		}
		return audit(ctx, tx, k.Created, byHolder(k.Person), "passkey_add", k.Person, k.Label)
	})
}

// HolderPasskeyUsed stores what a passkey's counter says now; ErrConflict if another
// sign-in changed it meanwhile.
func (d *DB) HolderPasskeyUsed(ctx context.Context, k Passkey, record []byte, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		return exactlyOne(tx.ExecContext(ctx, `UPDATE account_passkeys SET record = $1, used = $2 WHERE id = $3 AND record = $4`, record, at, k.ID, k.Record))
	})
}

// RemoveHolderPasskey deletes a holder's passkey and ends their other sessions.
// ErrNotFound if it is not theirs.
func (d *DB) RemoveHolderPasskey(ctx context.Context, person string, id []byte, session string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM account_passkeys WHERE person = $1 AND id = $2`, person, id)
		return afterTaking(ctx, tx, r, err, person, session, "passkey_remove", "", at)
	})
}
