package database

import (
	"context"
	"database/sql"
	"errors"
)

// NetID is a row of the NetIDs. Times are Unix ms.
type NetID struct {
	ID       string
	Person   string // of the register
	Card     string // the kind it was registered with, or alumni
	Name     string // as shown
	NameKey  string // what of it must be unique
	Alias    string
	Email    string
	Lang     string
	Password string // argon2id; "" for none yet
	Changed  int64  // of the password
	Due      int64  // of the next advice or reminder; 0: none
	Created  int64
	Ended    int64 // 0: in use
}

// What stands in the way of a new NetID; each is an ErrConflict.
var (
	ErrNameTaken  = taken("the display name is another NetID's")
	ErrAliasTaken = taken("the email alias is another NetID's")
	ErrHasNetID   = taken("the person has a NetID of that card already")
)

type taken string

func (t taken) Error() string { return string(t) }

// Unwrap makes errors.Is(err, ErrConflict) true.
func (taken) Unwrap() error { return ErrConflict }

const netIDColumns = `id, person, card, name, name_key, alias, email, lang, password, changed, due, created, ended`

func scanNetID(r rowScanner) (n NetID, err error) {
	return n, r.Scan(&n.ID, &n.Person, &n.Card, &n.Name, &n.NameKey, &n.Alias, &n.Email, &n.Lang, &n.Password, &n.Changed, &n.Due, &n.Created, &n.Ended)
}

// NetID returns one; ErrNotFound.
func (d *DB) NetID(ctx context.Context, id string) (NetID, error) {
	n, err := scanNetID(d.sql.QueryRowContext(ctx, `SELECT `+netIDColumns+` FROM netids WHERE id = $1`, id))
	return n, named(err)
}

// maxNetIDs bounds the NetIDs of a person.
const maxNetIDs = 50

// NetIDsOf returns the NetIDs of a person of the register and of those that were
// merged into it, the oldest first, also those that have ended.
func (d *DB) NetIDsOf(ctx context.Context, person string) ([]NetID, error) {
	return netIDsOf(ctx, d.sql, person)
}

func netIDsOf(ctx context.Context, q querier, person string) ([]NetID, error) {
	return all(ctx, q, scanNetID, `SELECT `+netIDColumns+` FROM netids WHERE person = $1 OR person IN (SELECT id FROM register_persons WHERE head = $1 AND head <> '') ORDER BY created, id LIMIT $2`, person, maxNetIDs)
}

// NameFree returns which of these are free: ErrNameTaken, ErrAliasTaken, or nil.
func (d *DB) NameFree(ctx context.Context, nameKey, alias string) error {
	return nameFree(ctx, d.sql, nameKey, alias)
}

func nameFree(ctx context.Context, q querier, nameKey, alias string) error {
	for _, look := range []struct {
		query string
		value string
		err   error
	}{{`SELECT id FROM netids WHERE name_key = $1`, nameKey, ErrNameTaken}, {`SELECT id FROM netids WHERE alias = $1`, alias, ErrAliasTaken}} {
		var id string
		switch err := q.QueryRowContext(ctx, look.query, look.value).Scan(&id); {
		case err == nil:
			return look.err
		case !errors.Is(err, sql.ErrNoRows):
			return named(err)
		}
	}
	return nil
}

// AddNetID stores a new NetID under the first of the ids that is free, and ends the
// flow that it came from: ErrNotFound if that has ended meanwhile. ErrNameTaken,
// ErrAliasTaken, ErrHasNetID, or ErrConflict if no id is free; the flow goes on then.
func (d *DB) AddNetID(ctx context.Context, flow []byte, n NetID, ids []string, letter func(id string) (Letter, error)) (id string, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		if err := endFlow(ctx, tx, flow); err != nil {
			return err
		}
		have, err := netIDsOf(ctx, tx, n.Person)
		if err != nil {
			return err
		}
		for _, o := range have {
			if o.Card == n.Card && o.Ended == 0 {
				return ErrHasNetID
			}
		}
		if err := nameFree(ctx, tx, n.NameKey, n.Alias); err != nil {
			return err
		}
		if n.ID, err = firstFree(ctx, tx, n.Person, ids); err != nil {
			return err
		}
		id = n.ID
		if err := insertNetID(ctx, tx, n); err != nil {
			return err
		}
		l, err := letter(n.ID)
		if err != nil {
			return err
		}
		if err := addLetter(ctx, tx, l); err != nil {
			return err
		}
		return audit(ctx, tx, n.Created, netIDActor(n.ID), "netid_register", n.ID, n.Card)
	})
	return id, err
}

// netIDActor is how the audit names who does something with a NetID.
func netIDActor(id string) string { return "netid:" + id }

// firstFree returns an id that is nobody's, here and in the register; one that the
// register says to be the person's is.
func firstFree(ctx context.Context, tx *sql.Tx, person string, ids []string) (string, error) {
	for _, id := range ids {
		var others int
		err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM netids WHERE id = $1)
			+ (SELECT COUNT(*) FROM register_netids n JOIN register_persons p ON p.id = n.person WHERE n.netid = $1 AND p.id <> $2 AND p.head <> $2)`, id, person).Scan(&others)
		if err != nil {
			return "", err
		}
		if others == 0 {
			return id, nil
		}
	}
	return "", ErrConflict
}

func insertNetID(ctx context.Context, tx *sql.Tx, n NetID) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO netids (`+netIDColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0)`,
		n.ID, n.Person, n.Card, n.Name, n.NameKey, n.Alias, n.Email, n.Lang, n.Password, n.Changed, n.Due, n.Created)
	return err
}

// AdoptNetID stores a NetID that the register knows already, without a password,
// so that its person can set one. One that is there stays as it is.
func (d *DB) AdoptNetID(ctx context.Context, n NetID) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := firstFree(ctx, tx, n.Person, []string{n.ID}); errors.Is(err, ErrConflict) {
			return nil
		} else if err != nil {
			return err
		}
		if err := nameFree(ctx, tx, n.NameKey, n.Alias); err != nil {
			return err
		}
		if err := insertNetID(ctx, tx, n); err != nil {
			return err
		}
		return audit(ctx, tx, n.Created, netIDActor(n.ID), "netid_adopt", n.ID, n.Card)
	})
}

// NewPassword is a change of a NetPassword.
type NewPassword struct {
	ID      string
	Was     string // the hash that it replaces: ErrConflict if there is another by now
	Hash    string
	At      int64 // Unix ms
	Due     int64 // of the next advice
	Keep    int   // how many of those before are kept
	Flow    []byte
	Letters []Letter
	Deed    string // of the audit: netid_password or netid_reset
	Issuer  string // of the NetIDs, as the office's people have linked theirs
}

// SetNetPassword changes a password and ends all that was signed in with it: every
// session, code, grant and token at the provider, the sessions of its person at the
// portal, those at the office that stand on it, and the flow that it came from, nil
// for none: ErrNotFound if that has ended.
func (d *DB) SetNetPassword(ctx context.Context, p NewPassword) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if p.Flow != nil {
			if err := endFlow(ctx, tx, p.Flow); err != nil {
				return err
			}
		}
		r, err := tx.ExecContext(ctx, `UPDATE netids SET password = $1, changed = $2, due = $3 WHERE id = $4 AND password = $5 AND ended = 0`, p.Hash, p.At, p.Due, p.ID, p.Was)
		if err := changedOne(r, err, ErrConflict); err != nil {
			return err
		}
		if p.Was != "" {
			if _, err := tx.ExecContext(ctx, `INSERT INTO netid_passwords (netid, at, hash) VALUES ($1, $2, $3) ON CONFLICT (netid, at) DO UPDATE SET hash = $3`, p.ID, p.At, p.Was); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM netid_passwords WHERE netid = $1 AND at NOT IN (SELECT at FROM netid_passwords WHERE netid = $1 ORDER BY at DESC LIMIT $2)`, p.ID, p.Keep)
		err = errors.Join(err, endSignIns(ctx, tx, p.ID, p.Issuer), endFlows(ctx, tx, p.ID), addLetters(ctx, tx, p.Letters))
		if err != nil {
			return err
		}
		return audit(ctx, tx, p.At, netIDActor(p.ID), p.Deed, p.ID, "")
	})
}

// changedOne is nil if a statement changed one row.
func changedOne(r sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, none)
	}
	return nil
}

// RehashNetPassword stores the same password's hash with other parameters.
func (d *DB) RehashNetPassword(ctx context.Context, id, was, hash string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE netids SET password = $1 WHERE id = $2 AND password = $3`, hash, id, was)
		return err
	})
}

// NetPasswords returns the hashes of the passwords before the present one, the
// latest first.
func (d *DB) NetPasswords(ctx context.Context, id string, limit int) ([]string, error) {
	return all(ctx, d.sql, func(r rowScanner) (h string, err error) { return h, r.Scan(&h) },
		`SELECT hash FROM netid_passwords WHERE netid = $1 ORDER BY at DESC LIMIT $2`, id, limit)
}

// SetNetIDEmail changes the personal address and ends the flow that it came from;
// ErrNotFound if that has ended.
func (d *DB) SetNetIDEmail(ctx context.Context, flow []byte, id, email string, at int64, letters ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := endFlow(ctx, tx, flow); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE netids SET email = $1 WHERE id = $2 AND ended = 0`, email, id)
		if err := changedOne(r, err, ErrNotFound); err != nil {
			return err
		}
		if err := errors.Join(endFlows(ctx, tx, id), addLetters(ctx, tx, letters)); err != nil {
			return err
		}
		return audit(ctx, tx, at, netIDActor(id), "netid_email", id, "")
	})
}

// EndNetID takes a NetID of an issuer out of use for good, and ends what
// SetNetPassword ends; its name and alias are given to nobody else. ErrNotFound if it
// is not in use.
func (d *DB) EndNetID(ctx context.Context, id, issuer, by, reason string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE netids SET ended = $1, password = '', due = 0 WHERE id = $2 AND ended = 0`, at, id)
		if err := changedOne(r, err, ErrNotFound); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM netid_passwords WHERE netid = $1`, id)
		if err := errors.Join(err, endSignIns(ctx, tx, id, issuer), endFlows(ctx, tx, id)); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "netid_end", id, reason)
	})
}

// endSignIns ends all that was signed in with a NetID: nothing of it outlives the
// password, also when central dies the moment after.
func endSignIns(ctx context.Context, tx *sql.Tx, id, issuer string) error {
	const person = `SELECT n.person FROM netids n WHERE n.id = $1 UNION SELECT x.id FROM netids n JOIN register_persons o ON o.id = n.person
		JOIN register_persons x ON x.id = o.head OR x.head = o.id OR o.head <> '' AND x.head = o.head WHERE n.id = $1`
	if _, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person IN (`+person+`)`, id); err != nil {
		return err
	}
	const linked = `SELECT person FROM person_openid WHERE issuer = $1 AND subject = $2`
	if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE method = 'openid' AND person IN (`+linked+`)`, issuer, id); err != nil {
		return err
	}
	return endOpenID(ctx, tx, id)
}

// DueNetIDs returns NetIDs whose next advice or reminder is due at a time (Unix ms).
func (d *DB) DueNetIDs(ctx context.Context, at int64, limit int) ([]NetID, error) {
	return all(ctx, d.sql, scanNetID, `SELECT `+netIDColumns+` FROM netids WHERE due > 0 AND due <= $1 ORDER BY due, id LIMIT $2`, at, limit)
}

// Reminded puts letters into the outbox and the next one off, if n still is as it was
// read: ErrConflict otherwise, and nothing is sent.
func (d *DB) Reminded(ctx context.Context, n NetID, next int64, list ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE netids SET due = $1 WHERE id = $2 AND due = $3 AND changed = $4`, next, n.ID, n.Due, n.Changed)
		if err := changedOne(r, err, ErrConflict); err != nil {
			return err
		}
		return addLetters(ctx, tx, list)
	})
}
