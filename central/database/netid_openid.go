package database

import (
	"context"
	"database/sql"
	"errors"
)

// OpenIDKey is a key that the provider signs with, or has signed with.
type OpenIDKey struct {
	ID     string
	Made   int64  // Unix ms
	Sealed []byte // the private key
}

// OpenIDKeys returns the keys, the newest first.
func (d *DB) OpenIDKeys(ctx context.Context) ([]OpenIDKey, error) { return openIDKeys(ctx, d.sql) }

func openIDKeys(ctx context.Context, q querier) ([]OpenIDKey, error) {
	return all(ctx, q, func(r rowScanner) (k OpenIDKey, err error) { return k, r.Scan(&k.ID, &k.Made, &k.Sealed) },
		`SELECT id, made, sealed FROM openid_keys ORDER BY made DESC, id`)
}

// RotateOpenIDKey adds a key unless there is one that was made after newest, by
// another central perhaps, and erases those that were made before oldest (Unix ms)
// but for the latest of them: that one is still signed with until its successor is
// known everywhere.
func (d *DB) RotateOpenIDKey(ctx context.Context, k OpenIDKey, newest, oldest int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		keys, err := openIDKeys(ctx, tx)
		if err != nil {
			return err
		}
		if len(keys) > 0 && keys[0].Made > newest {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO openid_keys (id, made, sealed) VALUES ($1, $2, $3)`, k.ID, k.Made, k.Sealed); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM openid_keys WHERE made < $1 AND made < (SELECT MAX(made) FROM openid_keys WHERE made < $2)`, oldest, k.Made)
		return err
	})
}

// OpenIDSession is a browser that is signed in at the provider.
type OpenIDSession struct {
	ID      []byte // hash of the cookie's token
	NetID   string
	Signed  int64 // Unix ms: when the password was proved
	Expires int64
}

// AddOpenIDSession stores a session.
func (d *DB) AddOpenIDSession(ctx context.Context, s OpenIDSession) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO openid_sessions (id, netid, signed, expires) VALUES ($1, $2, $3, $4)`, s.ID, s.NetID, s.Signed, s.Expires)
		return err
	})
}

// OpenIDSession returns the session of a hash that has not expired; ErrNotFound.
func (d *DB) OpenIDSession(ctx context.Context, id []byte, at int64) (s OpenIDSession, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT id, netid, signed, expires FROM openid_sessions WHERE id = $1 AND expires > $2`, id, at).Scan(&s.ID, &s.NetID, &s.Signed, &s.Expires)
	return s, named(err)
}

// OpenIDSessions lists the sessions of a NetID that have not expired, the newest first.
func (d *DB) OpenIDSessions(ctx context.Context, netID string, at int64) ([]OpenIDSession, error) {
	return all(ctx, d.sql, func(r rowScanner) (s OpenIDSession, err error) {
		return s, r.Scan(&s.ID, &s.NetID, &s.Signed, &s.Expires)
	},
		`SELECT id, netid, signed, expires FROM openid_sessions WHERE netid = $1 AND expires > $2 ORDER BY signed DESC, id`, netID, at)
}

// EndOpenIDSession ends a session; one that is not there is fine.
func (d *DB) EndOpenIDSession(ctx context.Context, id []byte) error {
	return d.execute(ctx, `DELETE FROM openid_sessions WHERE id = $1`, id)
}

// execute runs one statement that changes something.
func (d *DB) execute(ctx context.Context, query string, args ...any) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

// Sealed is something of the provider's that it alone reads, found by a hash.
type Sealed struct {
	ID      []byte
	Of      []byte // of a grant: the hash of its code; of a token: its grant
	NetID   string
	Data    []byte
	Expires int64 // Unix ms
}

// AddOpenIDCode stores what a code stands for.
func (d *DB) AddOpenIDCode(ctx context.Context, c Sealed) error {
	return d.execute(ctx, `INSERT INTO openid_codes (id, netid, data, expires) VALUES ($1, $2, $3, $4)`, c.ID, c.NetID, c.Data, c.Expires)
}

// TakeOpenIDCode returns what a code stands for, once; ErrNotFound, and whatever was
// or will be given for a code that comes again has ended with that.
func (d *DB) TakeOpenIDCode(ctx context.Context, id []byte, at int64) (c Sealed, err error) {
	var uses int
	err = d.write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `UPDATE openid_codes SET uses = uses + 1 WHERE id = $1 AND expires > $2 RETURNING id, netid, data, expires, uses`, id, at).
			Scan(&c.ID, &c.NetID, &c.Data, &c.Expires, &uses)
		if err != nil || uses == 1 {
			return err
		}
		return endOpenIDGrants(ctx, tx, []byte{}, id)
	})
	if err == nil && uses > 1 {
		return Sealed{}, ErrNotFound
	}
	return c, err
}

// PutOpenIDGrant stores a grant, or what became of it. ErrNotFound if its code has
// gone meanwhile or has come a second time.
func (d *DB) PutOpenIDGrant(ctx context.Context, g Sealed) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var uses int
		if err := tx.QueryRowContext(ctx, `SELECT uses FROM openid_codes WHERE id = $1 AND uses = 1`, g.Of).Scan(&uses); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO openid_grants (id, code, netid, data, expires) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (id) DO UPDATE SET data = $4, expires = $5`, g.ID, g.Of, g.NetID, g.Data, g.Expires)
		return err
	})
}

// OpenIDGrant returns a grant; ErrNotFound.
func (d *DB) OpenIDGrant(ctx context.Context, id []byte, at int64) (g Sealed, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT id, code, netid, data, expires FROM openid_grants WHERE id = $1 AND expires > $2`, id, at).Scan(&g.ID, &g.Of, &g.NetID, &g.Data, &g.Expires)
	return g, named(err)
}

// EndOpenIDGrants ends a grant by its id, or those of a code, with their tokens.
func (d *DB) EndOpenIDGrants(ctx context.Context, id, code []byte) error {
	return d.write(ctx, func(tx *sql.Tx) error { return endOpenIDGrants(ctx, tx, id, code) })
}

func endOpenIDGrants(ctx context.Context, tx *sql.Tx, id, code []byte) error {
	for _, query := range []string{
		`DELETE FROM openid_tokens WHERE grant_id IN (SELECT id FROM openid_grants WHERE id = $1 OR code = $2)`,
		`DELETE FROM openid_grants WHERE id = $1 OR code = $2`,
	} {
		if _, err := tx.ExecContext(ctx, query, id, code); err != nil {
			return err
		}
	}
	return nil
}

// PutOpenIDToken stores a token. ErrNotFound if its grant has ended meanwhile.
func (d *DB) PutOpenIDToken(ctx context.Context, t Sealed) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var code []byte
		if err := tx.QueryRowContext(ctx, `SELECT code FROM openid_grants WHERE id = $1`, t.Of).Scan(&code); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO openid_tokens (id, grant_id, data, expires) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET data = $3, expires = $4`, t.ID, t.Of, t.Data, t.Expires)
		return err
	})
}

// OpenIDToken returns a token; ErrNotFound.
func (d *DB) OpenIDToken(ctx context.Context, id []byte, at int64) (t Sealed, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT id, grant_id, data, expires FROM openid_tokens WHERE id = $1 AND expires > $2`, id, at).Scan(&t.ID, &t.Of, &t.Data, &t.Expires)
	return t, named(err)
}

// EndOpenIDTokens ends a token by its id, or those of a grant.
func (d *DB) EndOpenIDTokens(ctx context.Context, id, grant []byte) error {
	return d.execute(ctx, `DELETE FROM openid_tokens WHERE id = $1 OR grant_id = $2`, id, grant)
}

// endOpenID ends every session, code, grant and token of a NetID.
func endOpenID(ctx context.Context, tx *sql.Tx, netID string) error {
	var errs []error
	for _, query := range []string{
		`DELETE FROM openid_tokens WHERE grant_id IN (SELECT id FROM openid_grants WHERE netid = $1)`,
		`DELETE FROM openid_grants WHERE netid = $1`, `DELETE FROM openid_codes WHERE netid = $1`, `DELETE FROM openid_sessions WHERE netid = $1`,
	} {
		_, err := tx.ExecContext(ctx, query, netID)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// PruneNetID erases what has expired at a time (Unix ms).
func (d *DB) PruneNetID(ctx context.Context, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"netid_flows", "openid_sessions", "openid_codes", "openid_tokens", "openid_grants"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE expires <= $1`, at); err != nil {
				return err
			}
		}
		return nil
	})
}
