package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/pass"
)

// GuestLink is a guest's way to their code. Its token stands here as a hash, by
// which it is found, and sealed, for the host to share it again.
type GuestLink struct {
	Pass   pass.ID
	Token  []byte // hash
	Sealed []byte
	Made   int64 // Unix ms
	Sent   int64 // Unix ms, 0: not that central knows of
	Opened int64 // Unix ms of the first time, 0: never
}

const guestLinkColumns = `day, idx, token, sealed, made, sent, opened`

func scanGuestLink(r rowScanner) (l GuestLink, err error) {
	return l, r.Scan(&l.Pass.Day, &l.Pass.Index, &l.Token, &l.Sealed, &l.Made, &l.Sent, &l.Opened)
}

// KeepGuestLink returns the link of a pass: l, or the one that was kept before.
func (d *DB) KeepGuestLink(ctx context.Context, l GuestLink) (out GuestLink, err error) {
	if out, err = guestLink(ctx, d.sql, l.Pass); !errors.Is(err, ErrNotFound) {
		return out, err
	}
	err = d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO guest_links (`+guestLinkColumns+`) VALUES ($1, $2, $3, $4, $5, 0, 0) ON CONFLICT (day, idx) DO NOTHING`,
			l.Pass.Day, l.Pass.Index, l.Token, l.Sealed, l.Made); err != nil {
			return err
		}
		out, err = guestLink(ctx, tx, l.Pass)
		return err
	})
	return out, err
}

func guestLink(ctx context.Context, q querier, id pass.ID) (GuestLink, error) {
	l, err := scanGuestLink(q.QueryRowContext(ctx, `SELECT `+guestLinkColumns+` FROM guest_links WHERE day = $1 AND idx = $2`, id.Day, id.Index))
	return l, named(err)
}

// GuestByToken returns the link with the hash of a token, or ErrNotFound.
func (d *DB) GuestByToken(ctx context.Context, token []byte) (GuestLink, error) {
	l, err := scanGuestLink(d.sql.QueryRowContext(ctx, `SELECT `+guestLinkColumns+` FROM guest_links WHERE token = $1`, token))
	return l, named(err)
}

// GuestLinkSent notes that a link was sent, GuestLinkOpened that its guest opened it
// for the first time; at is Unix ms.
func (d *DB) GuestLinkSent(ctx context.Context, id pass.ID, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE guest_links SET sent = $1 WHERE day = $2 AND idx = $3`, at, id.Day, id.Index)
		return err
	})
}

// GuestLinkOpened is told of with GuestLinkSent.
func (d *DB) GuestLinkOpened(ctx context.Context, id pass.ID, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE guest_links SET opened = $1 WHERE day = $2 AND idx = $3 AND opened = 0`, at, id.Day, id.Index)
		return err
	})
}
