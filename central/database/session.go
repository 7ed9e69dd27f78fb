package database

import (
	"context"
	"database/sql"
	"errors"
)

// Session is a person's session of one browser; the cookie's token stands here as
// a hash.
type Session struct {
	ID      string // hash of the token
	Person  string // id
	Method  string // passkey, password, openid
	Created int64  // Unix ms
	Signed  int64  // Unix ms of the last proof
	Seen    int64  // Unix ms, to the minute
	Address string // network address at the sign-in
	Agent   string // what the browser calls itself
}

const sessionColumns = `id, person, method, created, signed, seen, address, agent`

func scanSession(r rowScanner) (s Session, err error) {
	err = r.Scan(&s.ID, &s.Person, &s.Method, &s.Created, &s.Signed, &s.Seen, &s.Address, &s.Agent)
	return s, err
}

// Session returns a session by the hash of its token, or ErrNotFound.
func (d *DB) Session(ctx context.Context, id string) (Session, error) {
	s, err := scanSession(d.sql.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM sessions WHERE id = $1`, id))
	return s, named(err)
}

// Sessions returns a person's sessions that began after, and were seen after,
// these times (Unix ms); the newest first.
func (d *DB) Sessions(ctx context.Context, person string, begun, seen int64) ([]Session, error) {
	return all(ctx, d.sql, scanSession, `SELECT `+sessionColumns+` FROM sessions WHERE person = $1 AND created > $2 AND seen > $3 ORDER BY created DESC`, person, begun, seen)
}

// maxSessions bounds the sessions of one person; the oldest ends for a new one.
const maxSessions = 20

// SaveSession stores a session, and with created also the person's sign-in.
// ErrNotFound if the person's access ended meanwhile.
func (d *DB) SaveSession(ctx context.Context, s Session) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var name string
		if err := tx.QueryRowContext(ctx, `SELECT name FROM people WHERE id = $1 AND ended = 0`, s.Person).Scan(&name); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE sessions SET method = $1, signed = $2, seen = $3 WHERE id = $4 AND person = $5`, s.Method, s.Signed, s.Seen, s.ID, s.Person)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if err := addSession(ctx, tx, s); err != nil {
			return err
		}
		return audit(ctx, tx, s.Created, "user:"+name, "sign_in", name, s.Method)
	})
}

func addSession(ctx context.Context, tx *sql.Tx, s Session) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO sessions (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		s.ID, s.Person, s.Method, s.Created, s.Signed, s.Seen, s.Address, s.Agent); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE people SET seen = $1 WHERE id = $2`, s.Created, s.Person); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = $1 AND id NOT IN (
		SELECT id FROM sessions WHERE person = $1 ORDER BY created DESC, id LIMIT $2)`, s.Person, maxSessions)
	return err
}

// SessionSeen notes that a session is in use (Unix ms).
func (d *DB) SessionSeen(ctx context.Context, id string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE sessions SET seen = $1 WHERE id = $2`, at, id)
		return err
	})
}

// EndSession ends one session; one that is not there is no error.
func (d *DB) EndSession(ctx context.Context, id string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE id = $1`, id)
		return err
	})
}

// EndSessions ends all sessions of a person but the one named, "" for all.
func (d *DB) EndSessions(ctx context.Context, person, but, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		name, err := personName(ctx, tx, person)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = $1 AND id <> $2`, person, but); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "sign_out_everywhere", name, "")
	})
}

// EndPersonSession ends a session of a person by hash; ErrNotFound if it is not
// one of theirs.
func (d *DB) EndPersonSession(ctx context.Context, person, id string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE person = $1 AND id = $2`, person, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrNotFound, err)
		}
		return nil
	})
}

// PruneSessions deletes sessions that began before, or were last seen before,
// these times (Unix ms), and what counted only until now.
func (d *DB) PruneSessions(ctx context.Context, begun, seen, now int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE created < $1 OR seen < $2`, begun, seen); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM sign_in_spent WHERE expires < $1`, now); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM person_invitations WHERE expires < $1`, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sign_in_tries WHERE latest < $1 AND until < $2`, now-24*3600*1000, now)
		return err
	})
}
