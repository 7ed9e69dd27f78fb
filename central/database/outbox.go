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

// PassMail is the kind of a mail with a pass's code, which is drawn when it is
// sent. Those of every other kind wait as they were written, sealed.
const PassMail = "pass"

// Mail is a letter to be sent to an address.
type Mail struct {
	ID       string
	State    string
	Kind     string  // "" is PassMail
	Pass     pass.ID // of a PassMail
	Lang     string
	Sealed   []byte // of the others; empty as soon as the mail has ended
	Until    int64  // Unix ms: not sent later; 0: whenever
	Address  string
	By       string
	At       int64 // Unix ms
	Attempts int
	Next     int64 // Unix ms of the next attempt
	Ended    int64 // Unix ms; 0: waits
	Error    string
}

const mailColumns = `id, state, kind, day, idx, lang, sealed, until, address, by, at, attempts, next, ended, error`

func scanMail(r rowScanner) (m Mail, err error) {
	return m, r.Scan(&m.ID, &m.State, &m.Kind, &m.Pass.Day, &m.Pass.Index, &m.Lang, &m.Sealed, &m.Until, &m.Address, &m.By, &m.At, &m.Attempts, &m.Next, &m.Ended, &m.Error)
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
	if m.Kind == "" {
		m.Kind = PassMail
	}
	if m.Sealed == nil {
		m.Sealed = []byte{}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO outbox (`+mailColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $11, 0, '')`,
		m.ID, MailWaiting, m.Kind, m.Pass.Day, m.Pass.Index, m.Lang, m.Sealed, m.Until, m.Address, m.By, m.At)
	return err
}

// MailsOf returns the mails of a pass, the newest first.
func (d *DB) MailsOf(ctx context.Context, id pass.ID, limit int) ([]Mail, error) {
	return all(ctx, d.sql, scanMail, `SELECT `+mailColumns+` FROM outbox WHERE day = $1 AND idx = $2 AND kind = $3 ORDER BY at DESC, id LIMIT $4`, id.Day, id.Index, PassMail, limit)
}

// TakeMail returns mails whose attempt is due, those first that are of no use
// later: somebody waits for their code. It puts their next attempt off to
// until (Unix ms), so that no other central takes them meanwhile. What is taken
// and not settled is sent again then: a mail may come twice, and is not lost. Those
// of the resting kinds stay where they are.
func (d *DB) TakeMail(ctx context.Context, now, until int64, limit int, resting ...string) (list []Mail, err error) {
	if list, err = dueMail(ctx, d.sql, now, limit, resting); err != nil || len(list) == 0 {
		return nil, err // most of the time, and without a write
	}
	err = d.write(ctx, func(tx *sql.Tx) error {
		if list, err = dueMail(ctx, tx, now, limit, resting); err != nil {
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

// dueMail returns mails whose attempt is due, those that are of no use later first.
func dueMail(ctx context.Context, q querier, now int64, limit int, resting []string) (list []Mail, err error) {
	for _, which := range []string{"until > 0", "until = 0"} {
		var c conditions
		c.add("state = ?", MailWaiting)
		c.add("next <= ?", now)
		c.add(which)
		for _, kind := range resting {
			c.add("kind <> ?", kind)
		}
		where := c.where()
		more, err := all(ctx, q, scanMail, `SELECT `+mailColumns+` FROM outbox `+where+` ORDER BY next, id LIMIT `+c.parameter(limit-len(list)), c.args...)
		if err != nil {
			return nil, err
		}
		if list = append(list, more...); len(list) == limit {
			break
		}
	}
	return list, nil
}

// SettleMail writes what became of an attempt: the state, the next attempt of one
// that waits, and why. What a mail that has ended said is erased with that.
func (d *DB) SettleMail(ctx context.Context, m Mail) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if m.State != MailWaiting || m.Sealed == nil {
			m.Sealed = []byte{}
		}
		_, err := tx.ExecContext(ctx, `UPDATE outbox SET state = $1, next = $2, ended = $3, error = $4, sealed = $5 WHERE id = $6 AND state = $7`,
			m.State, m.Next, m.Ended, m.Error, m.Sealed, m.ID, MailWaiting)
		return err
	})
}

// PruneMail erases mails that ended before a time (Unix ms), and those that nobody
// sent while they were of use.
func (d *DB) PruneMail(ctx context.Context, before int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE ended > 0 AND ended < $1 OR until > 0 AND until < $1`, before)
		return err
	})
}
