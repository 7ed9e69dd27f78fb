package database

import (
	"context"
	"database/sql"
	"errors"
)

// Holders are the sessions of the portal, as those of the office are DB's own.
type Holders struct{ *DB }

// Session returns a holder's session by the hash of its token, or ErrNotFound.
func (h Holders) Session(ctx context.Context, id string) (Session, error) {
	s, err := scanSession(h.sql.QueryRowContext(ctx, `SELECT `+sessionColumns+` FROM account_sessions WHERE id = $1`, id))
	return s, named(err)
}

// Sessions returns a holder's sessions that began after, and were seen after, these
// times (Unix ms); the newest first.
func (h Holders) Sessions(ctx context.Context, person string, begun, seen int64) ([]Session, error) {
	return all(ctx, h.sql, scanSession, `SELECT `+sessionColumns+` FROM account_sessions WHERE person = $1 AND created > $2 AND seen > $3 ORDER BY created DESC, id`, person, begun, seen)
}

// SaveSession stores a session, and with a new one that the holder signed in.
// ErrNotFound without an account. Sign-ins of holders do not stand in the audit:
// they are many, and where somebody was when is nobody's business for long.
func (h Holders) SaveSession(ctx context.Context, s Session) error {
	return h.write(ctx, func(tx *sql.Tx) error {
		if err := exactlyOne(tx.ExecContext(ctx, `UPDATE accounts SET seen = $1 WHERE person = $2`, s.Created, s.Person)); err != nil {
			return errors.Join(ErrNotFound, err)
		}
		r, err := tx.ExecContext(ctx, `UPDATE account_sessions SET method = $1, signed = $2, seen = $3 WHERE id = $4 AND person = $5`, s.Method, s.Signed, s.Seen, s.ID, s.Person)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO account_sessions (`+sessionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			s.ID, s.Person, s.Method, s.Created, s.Signed, s.Seen, s.Address, s.Agent); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person = $1 AND id NOT IN (
			SELECT id FROM account_sessions WHERE person = $1 ORDER BY created DESC, id LIMIT $2)`, s.Person, maxSessions)
		return err
	})
}

// SessionSeen notes that a session is in use (Unix ms).
func (h Holders) SessionSeen(ctx context.Context, id string, at int64) error {
	return h.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE account_sessions SET seen = $1 WHERE id = $2`, at, id)
		return err
	})
}

// EndSession ends one session; one that is not there is no error.
func (h Holders) EndSession(ctx context.Context, id string) error {
	return h.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE id = $1`, id)
		return err
	})
}

// EndSessions ends all sessions of a holder but the one named, "" for all.
func (h Holders) EndSessions(ctx context.Context, person, but string) error {
	return h.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person = $1 AND id <> $2`, person, but)
		return err
	})
}

// EndPersonSession ends a session of a holder by hash; ErrNotFound if it is not one
// of theirs.
func (h Holders) EndPersonSession(ctx context.Context, person, id string) error {
	return h.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `DELETE FROM account_sessions WHERE person = $1 AND id = $2`, person, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrNotFound, err)
		}
		return nil
	})
}

// MoveAccount gives the account of one id of a person to another, after the office
// merged them. ErrConflict if that one has an account too.
func (d *DB) MoveAccount(ctx context.Context, from, to string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		a, err := scanAccount(tx.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE person = $1`, from))
		if err != nil {
			return err
		}
		if err := exactlyOne(tx.ExecContext(ctx, `UPDATE accounts SET folded = '', handle = $1 WHERE person = $2`, "moved "+a.Handle, from)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO accounts (`+accountColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			to, a.Address, a.Folded, a.Handle, a.Lang, a.Created, a.Seen); err != nil {
			return err
		}
		for _, table := range []string{"account_sessions", "account_changes", "account_links", "account_passkeys", "account_profiles"} {
			if _, err := tx.ExecContext(ctx, `UPDATE `+table+` SET person = $1 WHERE person = $2`, to, from); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM accounts WHERE person = $1`, from); err != nil {
			return err
		}
		return audit(ctx, tx, at, "central", "account_move", to, "from "+from)
	})
}
