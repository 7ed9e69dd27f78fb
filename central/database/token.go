package database

import (
	"context"
	"errors"

	"turnstile/central/link"
)

// Token is an API token; its secret stands here as a hash.
type Token struct {
	ID      string
	Name    string
	Role    string
	Secret  link.Hash // SHA-256 of the secret
	Created int64     // Unix ms
	Expires int64     // Unix ms, 0: never
	Used    int64     // Unix ms, 0: never
}

const tokenColumns = `id, name, role, secret, created, expires, used`

func scanToken(r rowScanner) (t Token, err error) {
	var secret []byte
	err = r.Scan(&t.ID, &t.Name, &t.Role, &secret, &t.Created, &t.Expires, &t.Used)
	copy(t.Secret[:], secret)
	return t, err
}

// AddToken stores a token; ErrConflict if one of that name stands.
func (d *DB) AddToken(ctx context.Context, t Token) error {
	_, err := d.sql.ExecContext(ctx, `INSERT INTO api_tokens (`+tokenColumns+`, revoked) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
		t.ID, t.Name, t.Role, t.Secret[:], t.Created, t.Expires, t.Used)
	return named(err)
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

// RevokeToken ends the token of that name, or returns ErrNotFound.
func (d *DB) RevokeToken(ctx context.Context, name string, at int64) error {
	r, err := d.sql.ExecContext(ctx, `UPDATE api_tokens SET revoked = $1 WHERE name = $2 AND revoked = 0`, at, name)
	if err != nil {
		return named(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// TokenUsed notes a use (Unix ms).
func (d *DB) TokenUsed(ctx context.Context, id string, at int64) error {
	_, err := d.sql.ExecContext(ctx, `UPDATE api_tokens SET used = $1 WHERE id = $2`, at, id)
	return named(err)
}
