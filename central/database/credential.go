package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Passkey is a public key that a person signs in with.
type Passkey struct {
	ID      []byte // the credential's
	Person  string
	Label   string
	Record  []byte // encoded by package identity
	Created int64  // Unix ms
	Used    int64  // Unix ms, 0: never
}

const passkeyColumns = `id, person, label, record, created, used`

func scanPasskey(r rowScanner) (k Passkey, err error) {
	return k, r.Scan(&k.ID, &k.Person, &k.Label, &k.Record, &k.Created, &k.Used)
}

// Passkeys returns a person's passkeys, the oldest first.
func (d *DB) Passkeys(ctx context.Context, person string) ([]Passkey, error) {
	return all(ctx, d.sql, scanPasskey, `SELECT `+passkeyColumns+` FROM person_passkeys WHERE person = $1 ORDER BY created, id`, person)
}

// Passkey returns a passkey by the credential's id, or ErrNotFound.
func (d *DB) Passkey(ctx context.Context, id []byte) (Passkey, error) {
	k, err := scanPasskey(d.sql.QueryRowContext(ctx, `SELECT `+passkeyColumns+` FROM person_passkeys WHERE id = $1`, id))
	return k, named(err)
}

// maxPasskeys bounds the passkeys of one person.
const maxPasskeys = 20

// AddPasskey stores a passkey of a person who has access. ErrConflict if it
// stands, or the person has too many.
func (d *DB) AddPasskey(ctx context.Context, k Passkey) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		name, err := personName(ctx, tx, k.Person)
		if err != nil {
			return err
		}
		return addPasskey(ctx, tx, name, k)
	})
}

func addPasskey(ctx context.Context, tx *sql.Tx, name string, k Passkey) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM person_passkeys WHERE person = $1`, k.Person).Scan(&n); err != nil {
		return err
	}
	if n >= maxPasskeys {
		return ErrConflict
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO person_passkeys (`+passkeyColumns+`) VALUES ($1, $2, $3, $4, $5, 0)`, k.ID, k.Person, k.Label, k.Record, k.Created); err != nil {
		return err
	}
	return audit(ctx, tx, k.Created, "user:"+name, "passkey_add", name, k.Label)
}

// PasskeyUsed stores what a passkey's counter says now; ErrConflict if another
// sign-in changed it meanwhile.
func (d *DB) PasskeyUsed(ctx context.Context, k Passkey, record []byte, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		return exactlyOne(tx.ExecContext(ctx, `UPDATE person_passkeys SET record = $1, used = $2 WHERE id = $3 AND record = $4`, record, at, k.ID, k.Record))
	})
}

// exactlyOne makes ErrConflict of a statement that did not change exactly one row.
func exactlyOne(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(ErrConflict, err)
	}
	return nil
}

// ErrLastCredential refuses what would leave a person nothing to sign in with.
var ErrLastCredential = errors.New("nothing else to sign in with is left")

// RemovePasskey deletes a person's passkey and ends their other sessions.
// ErrNotFound if it is not theirs, ErrLastCredential.
func (d *DB) RemovePasskey(ctx context.Context, person string, id []byte, session string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		k, err := scanPasskey(tx.QueryRowContext(ctx, `SELECT `+passkeyColumns+` FROM person_passkeys WHERE id = $1 AND person = $2`, id, person))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM person_passkeys WHERE id = $1`, id); err != nil {
			return err
		}
		return afterRemoval(ctx, tx, person, session, "passkey_remove", k.Label, at)
	})
}

// RemovePassword deletes a person's password and one-time codes and ends their
// other sessions. ErrLastCredential.
func (d *DB) RemovePassword(ctx context.Context, person, session string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE people SET password = '', totp = $1, totp_step = 0 WHERE id = $2`, []byte{}, person); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM person_recovery WHERE person = $1`, person); err != nil {
			return err
		}
		return afterRemoval(ctx, tx, person, session, "password_remove", "", at)
	})
}

func afterRemoval(ctx context.Context, tx *sql.Tx, person, session, action, detail string, at int64) error {
	var left int
	if err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM person_passkeys WHERE person = $1) + (SELECT COUNT(*) FROM person_openid WHERE person = $1) +
		(SELECT COUNT(*) FROM people WHERE id = $1 AND password <> '')`, person).Scan(&left); err != nil {
		return err
	}
	if left == 0 {
		return ErrLastCredential
	}
	name, err := personName(ctx, tx, person)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = $1 AND id <> $2`, person, session); err != nil {
		return err
	}
	return audit(ctx, tx, at, "user:"+name, action, name, detail)
}

// Password is all that a person needs to sign in with a password.
type Password struct {
	Hash     string   // argon2id
	TOTP     []byte   // sealed
	Step     int64    // of the code that proved the set-up
	Recovery [][]byte // SHA-256 of each recovery code
}

func setPassword(ctx context.Context, tx *sql.Tx, person, name string, p Password, at int64) error {
	if err := exactlyOne(tx.ExecContext(ctx, `UPDATE people SET password = $1, totp = $2, totp_step = $3 WHERE id = $4`, p.Hash, p.TOTP, p.Step, person)); err != nil {
		return err
	}
	if err := setRecovery(ctx, tx, person, p.Recovery); err != nil {
		return err
	}
	return audit(ctx, tx, at, "user:"+name, "password_set", name, "with one-time codes")
}

func setRecovery(ctx context.Context, tx *sql.Tx, person string, codes [][]byte) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM person_recovery WHERE person = $1`, person); err != nil {
		return err
	}
	for _, c := range codes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO person_recovery (person, code) VALUES ($1, $2)`, person, c); err != nil {
			return err
		}
	}
	return nil
}

// SetPassword stores password, one-time codes and recovery codes in place of
// earlier ones and ends the person's other sessions.
func (d *DB) SetPassword(ctx context.Context, person string, p Password, session string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		name, err := personName(ctx, tx, person)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = $1 AND id <> $2`, person, session); err != nil {
			return err
		}
		return setPassword(ctx, tx, person, name, p, at)
	})
}

// Rehash replaces the hash of an unchanged password.
func (d *DB) Rehash(ctx context.Context, person, old, hash string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE people SET password = $1 WHERE id = $2 AND password = $3`, hash, person, old)
		return err
	})
}

// TakeStep uses the one-time code of a step up. ErrConflict if it, or a later
// one, was used before.
func (d *DB) TakeStep(ctx context.Context, person string, step int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		return exactlyOne(tx.ExecContext(ctx, `UPDATE people SET totp_step = $1 WHERE id = $2 AND totp_step < $1`, step, person))
	})
}

// TakeRecovery uses a recovery code up. ErrConflict if it is none.
func (d *DB) TakeRecovery(ctx context.Context, person string, code []byte, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := exactlyOne(tx.ExecContext(ctx, `DELETE FROM person_recovery WHERE person = $1 AND code = $2`, person, code)); err != nil {
			return err
		}
		name, err := personName(ctx, tx, person)
		if err != nil {
			return err
		}
		var left int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM person_recovery WHERE person = $1`, person).Scan(&left); err != nil {
			return err
		}
		return audit(ctx, tx, at, "user:"+name, "recovery_code", name, fmt.Sprintf("%d left", left))
	})
}

// RecoveryLeft counts a person's recovery codes.
func (d *DB) RecoveryLeft(ctx context.Context, person string) (n int, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM person_recovery WHERE person = $1`, person).Scan(&n)
	return n, named(err)
}

// Registration is what an invited person registers: one of the three.
type Registration struct {
	Passkey  *Passkey
	Password *Password
	OpenID   *OpenID
}

// OpenID is a person at an OpenID provider.
type OpenID struct{ Issuer, Subject string }

// Register uses an invitation up. Earlier credentials and sessions of the person
// end, and access that had ended begins anew. ErrConflict if the invitation was
// used meanwhile, or the credential is another person's.
func (d *DB) Register(ctx context.Context, invitation, person string, r Registration, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := exactlyOne(tx.ExecContext(ctx, `DELETE FROM person_invitations WHERE id = $1 AND person = $2 AND expires > $3`, invitation, person, at)); err != nil {
			return err
		}
		name, err := personName(ctx, tx, person)
		if err != nil {
			return err
		}
		if err := forget(ctx, tx, person); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE people SET ended = 0, managed = '' WHERE id = $1`, person); err != nil {
			return err
		}
		if err := audit(ctx, tx, at, "user:"+name, "person_register", name, ""); err != nil {
			return err
		}
		return registerWith(ctx, tx, name, person, r, at)
	})
}

func registerWith(ctx context.Context, tx *sql.Tx, name, person string, r Registration, at int64) error {
	switch {
	case r.Passkey != nil:
		return addPasskey(ctx, tx, name, *r.Passkey)
	case r.Password != nil:
		return setPassword(ctx, tx, person, name, *r.Password, at)
	case r.OpenID != nil:
		return linkOpenID(ctx, tx, name, person, *r.OpenID, at)
	}
	return ErrLastCredential
}

func linkOpenID(ctx context.Context, tx *sql.Tx, name, person string, o OpenID, at int64) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO person_openid (issuer, subject, person, linked) VALUES ($1, $2, $3, $4)`, o.Issuer, o.Subject, person, at); err != nil {
		return err
	}
	return audit(ctx, tx, at, "user:"+name, "openid_link", name, o.Issuer)
}

// PersonByOpenID returns who was linked to an account at a provider, or ErrNotFound.
func (d *DB) PersonByOpenID(ctx context.Context, o OpenID) (Person, error) {
	p, err := scanPerson(d.sql.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id IN
		(SELECT person FROM person_openid WHERE issuer = $1 AND subject = $2)`, o.Issuer, o.Subject))
	return p, named(err)
}

// OpenIDs lists the issuers that a person is linked to.
func (d *DB) OpenIDs(ctx context.Context, person string) ([]string, error) {
	return all(ctx, d.sql, func(r rowScanner) (s string, err error) { return s, r.Scan(&s) }, `SELECT issuer FROM person_openid WHERE person = $1 ORDER BY issuer`, person)
}

// AdmitOpenID adds a person whose roles a provider's claims decide on, already
// linked. ErrConflict if the name or the link stands.
func (d *DB) AdmitOpenID(ctx context.Context, p Person, o OpenID) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		by := "openid " + o.Issuer
		if _, err := tx.ExecContext(ctx, `INSERT INTO people (`+personColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '', $8, 0)`,
			p.ID, p.Name, p.Roles, p.Lang, p.Managed, p.Created, by, []byte{}); err != nil {
			return err
		}
		if err := audit(ctx, tx, p.Created, by, "person_add", p.Name, "roles "+p.Roles); err != nil {
			return err
		}
		return linkOpenID(ctx, tx, p.Name, p.ID, o, p.Created)
	})
}

// SetManagedRoles stores the roles that a provider's claims give a person now.
func (d *DB) SetManagedRoles(ctx context.Context, id, roles, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		p, err := scanPerson(tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = $1`, id))
		if err != nil || p.Roles == roles {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE people SET roles = $1 WHERE id = $2`, roles, id); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "person_roles", p.Name, p.Roles+" -> "+roles)
	})
}
