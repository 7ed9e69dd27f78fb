package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/link"
)

// Token is an API token; its secret stands here as a hash.
type Token struct {
	ID        string
	Name      string
	Role      string    // "" with Scopes
	Scopes    string    // permissions with spaces between, instead of a role
	Lanes     string    // lane controllers that it is limited to, with spaces between; "": all
	Secret    link.Hash // SHA-256 of the secret
	Created   int64     // Unix ms
	CreatedBy string
	Expires   int64 // Unix ms, 0: never
	Used      int64 // Unix ms, 0: never
}

const tokenColumns = `id, name, role, scopes, lanes, secret, created, created_by, expires, used`

func scanToken(r rowScanner) (t Token, err error) {
	var secret []byte
	err = r.Scan(&t.ID, &t.Name, &t.Role, &t.Scopes, &t.Lanes, &secret, &t.Created, &t.CreatedBy, &t.Expires, &t.Used)
	copy(t.Secret[:], secret)
	return t, err
}

// AddToken stores a token; ErrConflict if one of that name stands.
func (d *DB) AddToken(ctx context.Context, t Token) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := addToken(ctx, tx, t); err != nil {
			return err
		}
		return audit(ctx, tx, t.Created, t.CreatedBy, "create token", t.Name, tokenRights(t))
	})
}

func addToken(ctx context.Context, tx *sql.Tx, t Token) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO api_tokens (`+tokenColumns+`, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)`,
		t.ID, t.Name, t.Role, t.Scopes, t.Lanes, t.Secret[:], t.Created, t.CreatedBy, t.Expires, t.Used)
	return named(err)
}

// tokenRights says in the audit what a token may do.
func tokenRights(t Token) string {
	text := t.Role + t.Scopes
	if t.Lanes != "" {
		text += ", lanes " + t.Lanes
	}
	return text
}

// Tokens returns the tokens that are not revoked, by name.
func (d *DB) Tokens(ctx context.Context) ([]Token, error) {
	return all(ctx, d.sql, scanToken, `SELECT `+tokenColumns+` FROM api_tokens WHERE revoked = 0 ORDER BY name`)
}

// Token returns a token that is not revoked by its id, or ErrNotFound.
func (d *DB) Token(ctx context.Context, id string) (Token, error) {
	t, err := scanToken(d.sql.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM api_tokens WHERE id = $1 AND revoked = 0`, id))
	return t, named(err)
}

// TokenMaker returns who made the token that had a name at a time (Unix ms), or gave
// it its secret of then; or ErrNotFound. Of two of one millisecond the one that
// outlived the other counts.
func (d *DB) TokenMaker(ctx context.Context, name string, at int64) (by string, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT created_by FROM api_tokens WHERE name = $1 AND created <= $2 ORDER BY created DESC, CASE WHEN revoked = 0 THEN 0 ELSE 1 END, revoked DESC, id LIMIT 1`, name, at).Scan(&by)
	return by, named(err)
}

// RevokeToken ends the token of that name, or returns ErrNotFound.
func (d *DB) RevokeToken(ctx context.Context, name, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := revokeToken(ctx, tx, name, at); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "revoke token", name, "")
	})
}

func revokeToken(ctx context.Context, tx *sql.Tx, name string, at int64) error {
	r, err := tx.ExecContext(ctx, `UPDATE api_tokens SET revoked = $1 WHERE name = $2 AND revoked = 0`, at, name)
	if err != nil {
		return named(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// RotateToken puts another id and secret in the place of a token, which ends, or
// returns ErrNotFound. What the token may do, and until when, stays.
func (d *DB) RotateToken(ctx context.Context, name, by string, at int64, id string, secret link.Hash) (t Token, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		t, err = scanToken(tx.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM api_tokens WHERE name = $1 AND revoked = 0`, name))
		if err != nil {
			return err
		}
		if err := revokeToken(ctx, tx, name, at); err != nil {
			return err
		}
		t.ID, t.Secret, t.Created, t.CreatedBy, t.Used = id, secret, at, by, 0
		if err := addToken(ctx, tx, t); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "rotate token", name, "")
	})
	return t, err
}

// TokenUsed notes a use (Unix ms).
func (d *DB) TokenUsed(ctx context.Context, id string, at int64) error {
	_, err := d.sql.ExecContext(ctx, `UPDATE api_tokens SET used = $1 WHERE id = $2`, at, id)
	return named(err)
}
