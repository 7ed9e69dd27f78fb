package database

import (
	"context"
	"database/sql"

	"turnstile/central/pass"
)

// The states of a mail.
const (
	MailWaiting = "waiting"
	MailSent    = "sent"
	MailFailed  = "failed"
)

// Mail is a pass's code to be sent to an address.
type Mail struct {
	ID       string
	State    string
	Pass     pass.ID
	Address  string
	By       string
	At       int64 // Unix ms
	Attempts int
	Next     int64 // Unix ms of the next attempt
	Ended    int64 // Unix ms; 0: waits
	Error    string
}

const mailColumns = `id, state, day, idx, address, by, at, attempts, next, ended, error`

func scanMail(r rowScanner) (m Mail, err error) {
	return m, r.Scan(&m.ID, &m.State, &m.Pass.Day, &m.Pass.Index, &m.Address, &m.By, &m.At, &m.Attempts, &m.Next, &m.Ended, &m.Error)
}

// AddMail puts a mail into the outbox.
func (d *DB) AddMail(ctx context.Context, m Mail) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := addMail(ctx, tx, m); err != nil {
			return err
		}
		return audit(ctx, tx, m.At, m.By, "mail_code", m.Pass.String(), "")
	})
}

func addMail(ctx context.Context, tx *sql.Tx, m Mail) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO outbox (`+mailColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, 0, '')`,
		m.ID, MailWaiting, m.Pass.Day, m.Pass.Index, m.Address, m.By, m.At, m.At)
	return err
}

// MailsOf returns the mails of a pass, the newest first.
func (d *DB) MailsOf(ctx context.Context, id pass.ID, limit int) ([]Mail, error) {
	return all(ctx, d.sql, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE day = $1 AND idx = $2 ORDER BY at DESC, id LIMIT $3`, id.Day, id.Index, limit)
}

// TakeMail returns mails whose attempt is due, and puts their next attempt off to
// until (Unix ms), so that no other central takes them meanwhile. What is taken
// and not settled is sent again then: a mail may come twice, and is not lost.
func (d *DB) TakeMail(ctx context.Context, now, until int64, limit int) (list []Mail, err error) {
	due := func(q querier) ([]Mail, error) {
		return all(ctx, q, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE state = $1 AND next <= $2 ORDER BY next, id LIMIT $3`, MailWaiting, now, limit)
	}
	if list, err = due(d.sql); err != nil || len(list) == 0 {
		return nil, err // most of the time, and without a write
	}
	err = d.write(ctx, func(tx *sql.Tx) error {
		if list, err = due(tx); err != nil {
			return err
		}
		for i := range list {
			list[i].Attempts++
			if _, err := tx.ExecContext(ctx, `UPDATE outbox SET attempts = $1, next = $2 WHERE id = $3`, list[i].Attempts, until, list[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// SettleMail writes what became of an attempt: the state, the next attempt of one
// that waits, and why.
func (d *DB) SettleMail(ctx context.Context, m Mail) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE outbox SET state = $1, next = $2, ended = $3, error = $4 WHERE id = $5 AND state = $6`,
			m.State, m.Next, m.Ended, m.Error, m.ID, MailWaiting)
		return err
	})
}

// PruneMail erases mails that ended before a time (Unix ms).
func (d *DB) PruneMail(ctx context.Context, before int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE ended > 0 AND ended < $1`, before)
		return err
	})
}
