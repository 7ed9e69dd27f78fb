package database

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
)

// ErrLastAdmin refuses what would leave nobody who can let people in.
var ErrLastAdmin = errors.New("nobody else is an admin")

// Person is a staff account.
type Person struct {
	ID        string
	Name      string // unique for good
	Roles     string // rights.Role, with spaces between
	Lang      string
	Managed   string // "": by admins; else the OpenID issuer whose claims decide on Roles
	Created   int64  // Unix ms
	CreatedBy string
	Ended     int64  // Unix ms, 0: has access
	Seen      int64  // Unix ms of the last sign-in, 0: never
	Password  string // argon2id, "" for none
	TOTP      []byte // sealed; empty for none
	TOTPStep  int64  // the last one used
}

const personColumns = `id, name, roles, lang, managed, created, created_by, ended, seen, password, totp, totp_step`

// adminRole is what the last one of cannot be taken away.
const adminRole = "admin"

func scanPerson(r rowScanner) (p Person, err error) {
	err = r.Scan(&p.ID, &p.Name, &p.Roles, &p.Lang, &p.Managed, &p.Created, &p.CreatedBy, &p.Ended, &p.Seen, &p.Password, &p.TOTP, &p.TOTPStep)
	return p, err
}

// PersonInvitation is a one-use link to register with; its secret stands here as
// a hash.
type PersonInvitation struct {
	ID      string
	Person  string
	Secret  []byte // SHA-256 of the secret
	Created int64  // Unix ms
	Expires int64  // Unix ms
}

// AddPerson stores a person without anything to sign in with. ErrConflict if the
// name stands, also of one whose access ended.
func (d *DB) AddPerson(ctx context.Context, p Person, by string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO people (`+personColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, '', $8, 0)`,
			p.ID, p.Name, p.Roles, p.Lang, p.Managed, p.Created, by, []byte{}); err != nil {
			return err
		}
		return audit(ctx, tx, p.Created, by, "person_add", p.Name, "roles "+p.Roles)
	})
}

// Person returns a person by id, also one whose access ended; or ErrNotFound.
func (d *DB) Person(ctx context.Context, id string) (Person, error) {
	p, err := scanPerson(d.sql.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = $1`, id))
	return p, named(err)
}

// PersonNamed is Person by name.
func (d *DB) PersonNamed(ctx context.Context, name string) (Person, error) {
	p, err := scanPerson(d.sql.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE name = $1`, name))
	return p, named(err)
}

// People returns everybody by name.
func (d *DB) People(ctx context.Context) ([]Person, error) {
	return all(ctx, d.sql, scanPerson, `SELECT `+personColumns+` FROM people ORDER BY name`)
}

// InvitePerson stores an invitation in place of the person's earlier ones. It
// gives access back to one whose access ended, once it is used.
func (d *DB) InvitePerson(ctx context.Context, i PersonInvitation, by string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		name, err := personName(ctx, tx, i.Person)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM person_invitations WHERE person = $1`, i.Person); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO person_invitations (id, person, secret, created, expires) VALUES ($1, $2, $3, $4, $5)`,
			i.ID, i.Person, i.Secret, i.Created, i.Expires); err != nil {
			return err
		}
		return audit(ctx, tx, i.Created, by, "person_invite", name, "")
	})
}

func personName(ctx context.Context, q querier, id string) (name string, err error) {
	return name, q.QueryRowContext(ctx, `SELECT name FROM people WHERE id = $1`, id).Scan(&name)
}

// PersonInvitation returns an invitation by its id, or ErrNotFound.
func (d *DB) PersonInvitation(ctx context.Context, id string) (i PersonInvitation, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT id, person, secret, created, expires FROM person_invitations WHERE id = $1`, id).
		Scan(&i.ID, &i.Person, &i.Secret, &i.Created, &i.Expires)
	return i, named(err)
}

// Invited lists when the invitation of each invited person expires (Unix ms).
func (d *DB) Invited(ctx context.Context) (map[string]int64, error) {
	rows, err := all(ctx, d.sql, func(r rowScanner) (i PersonInvitation, err error) { return i, r.Scan(&i.Person, &i.Expires) },
		`SELECT person, expires FROM person_invitations`)
	out := map[string]int64{}
	for _, i := range rows {
		out[i.Person] = i.Expires
	}
	return out, err
}

// SetPersonRoles changes what a person may do; it is in force with the next
// request. ErrNotFound, ErrLastAdmin.
func (d *DB) SetPersonRoles(ctx context.Context, id, roles, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		p, err := scanPerson(tx.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = $1`, id))
		if err != nil || p.Roles == roles {
			return err
		}
		if err := keepAdmin(ctx, tx, id, roles); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE people SET roles = $1 WHERE id = $2`, roles, id); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "person_roles", p.Name, p.Roles+" -> "+roles)
	})
}

// keepAdmin returns ErrLastAdmin if a person is the last admin and would not be
// with these roles. An invited admin who never signed in does not count.
func keepAdmin(ctx context.Context, tx *sql.Tx, id, roles string) error {
	if slices.Contains(strings.Fields(roles), adminRole) {
		return nil
	}
	people, err := all(ctx, tx, scanPerson, `SELECT `+personColumns+` FROM people WHERE ended = 0`)
	if err != nil {
		return err
	}
	was, others := false, false
	for _, p := range people {
		if slices.Contains(strings.Fields(p.Roles), adminRole) {
			was = was || p.ID == id
			others = others || p.ID != id && p.Seen > 0
		}
	}
	if was && !others {
		return ErrLastAdmin
	}
	return nil
}

// EndPerson takes a person's access and all credentials and sessions away.
// ErrNotFound if that was done already, ErrLastAdmin.
func (d *DB) EndPerson(ctx context.Context, id, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := keepAdmin(ctx, tx, id, ""); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE people SET ended = $1 WHERE id = $2 AND ended = 0`, at, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrNotFound, err)
		}
		name, err := personName(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := forget(ctx, tx, id); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "person_end", name, "")
	})
}

// forget deletes all that a person can sign in with, and the sessions.
func forget(ctx context.Context, tx *sql.Tx, id string) error {
	for _, table := range []string{"sessions", "person_invitations", "person_passkeys", "person_recovery", "person_openid"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE person = $1`, id); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE people SET password = '', totp = $1, totp_step = 0 WHERE id = $2`, []byte{}, id)
	return err
}

// SetPersonLang remembers the language that a person wishes; "" for none.
func (d *DB) SetPersonLang(ctx context.Context, id, lang string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE people SET lang = $1 WHERE id = $2`, lang, id)
		return err
	})
}
