package database

import (
	"context"
	"database/sql"
)

// Letter is a mail of any kind as it is put into the outbox. What it says is
// sealed, by letters.Seal, and erased when it was sent.
type Letter struct {
	ID      string
	Kind    string // such as one_time; never PassMail
	Lang    string
	Address string // "": of nobody, and not sent
	Sealed  []byte
	Until   int64  // Unix ms: of no use later, and not sent then; 0: whenever
	By      string // who had it sent
	At      int64  // Unix ms
}

// addLetter puts a letter into the outbox in the transaction of the deed that it
// tells of: with the deed it is sent, and without it is not.
func addLetter(ctx context.Context, tx *sql.Tx, l Letter) error {
	return addMail(ctx, tx, Mail{ID: l.ID, Kind: l.Kind, Lang: l.Lang, Sealed: l.Sealed, Until: l.Until, Address: l.Address, By: l.By, At: l.At})
}

// addLetters is addLetter for several. One of nobody is put there and taken back: a
// stranger cannot tell by the time whether a letter was written.
func addLetters(ctx context.Context, tx *sql.Tx, list []Letter) error {
	for _, l := range list {
		if err := addLetter(ctx, tx, l); err != nil {
			return err
		}
		if l.Address != "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE id = $1`, l.ID); err != nil {
			return err
		}
	}
	return nil
}

// AddLetters puts letters into the outbox that tell of nothing that is written
// down, such as that there is no account: all or none.
func (d *DB) AddLetters(ctx context.Context, list ...Letter) error {
	return d.write(ctx, func(tx *sql.Tx) error { return addLetters(ctx, tx, list) })
}

// LettersTo returns the mails of all kinds to an address, the newest first.
func (d *DB) LettersTo(ctx context.Context, address string, limit int) ([]Mail, error) {
	return all(ctx, d.sql, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE address = $1 ORDER BY at DESC, id LIMIT $2`, address, limit)
}
