package database

import (
	"context"
	"database/sql"
)

// Photo is a holder's photo as the office approved it.
type Photo struct {
	Holder string
	JPEG   []byte
	At     int64 // Unix ms
}

// Photo returns a holder's photo, or ErrNotFound.
func (d *DB) Photo(ctx context.Context, holder string) (p Photo, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT holder, jpeg, at FROM photos WHERE holder = $1`, holder).Scan(&p.Holder, &p.JPEG, &p.At)
	return p, named(err)
}

func savePhoto(ctx context.Context, tx *sql.Tx, p Photo) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO photos (holder, jpeg, at) VALUES ($1, $2, $3)
		ON CONFLICT (holder) DO UPDATE SET jpeg = excluded.jpeg, at = excluded.at`, p.Holder, p.JPEG, p.At)
	return err
}

// ECard tells that a holder has an eCard. It is active unless it is withdrawn.
type ECard struct {
	Holder string
	Name   string
	Since  int64 // Unix ms
	By     string

	Withdrawn   int64 // Unix ms; 0: it is not
	WithdrawnBy string
	Reason      string // of a withdrawal, for the holder to read
}

const ecardColumns = `holder, name, since, by, withdrawn, withdrawn_by, reason`

func scanECard(r rowScanner) (c ECard, err error) {
	return c, r.Scan(&c.Holder, &c.Name, &c.Since, &c.By, &c.Withdrawn, &c.WithdrawnBy, &c.Reason)
}

// ECard returns a holder's eCard, or ErrNotFound.
func (d *DB) ECard(ctx context.Context, holder string) (ECard, error) {
	c, err := scanECard(d.sql.QueryRowContext(ctx, `SELECT `+ecardColumns+` FROM ecards WHERE holder = $1`, holder))
	return c, named(err)
}

// saveECard leaves a withdrawal as it is: a new photo gives no card back.
func saveECard(ctx context.Context, tx *sql.Tx, c ECard) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO ecards (holder, name, since, by) VALUES ($1, $2, $3, $4)
		ON CONFLICT (holder) DO UPDATE SET name = excluded.name, since = excluded.since, by = excluded.by`, c.Holder, c.Name, c.Since, c.By)
	return err
}
