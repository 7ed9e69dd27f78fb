package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/link"
)

// Position is how far something has read the logs of central.
type Position struct {
	Epoch uint32 // of the feed
	Seq   uint64 // feed event of that epoch
	Alarm int64  // number
	Entry int64  // ledger number
}

// Webhook is where a program is told of what happens, and how far it was told.
type Webhook struct {
	ID        string
	URL       string
	Events    string // words with spaces between: revocation, alarm, passage
	Types     string // of passages, words with spaces between; "": all
	Kinds     string // of passes, likewise
	Lanes     string // lane controllers, likewise
	Secret    []byte // sealed
	Created   int64  // Unix ms
	CreatedBy string
	Disabled  int64 // Unix ms, 0: in force
	Why       string

	At        Position
	Attempt   int64 // tries of the event behind At
	Tried     int64 // Unix ms of the first of these
	NextTry   int64 // Unix ms, not before
	Failing   int64 // Unix ms since when nothing was delivered though something was tried, 0: it works
	Delivered int64 // Unix ms of the last success, 0: none
}

// Delivery is one try to tell a webhook of an event.
type Delivery struct {
	Number  int64 // ascending, of one webhook
	At      int64 // Unix ms
	Event   string
	Type    string
	Attempt int64
	Status  int64 // of HTTP, 0 without an answer
	Took    int64 // ms
	Problem string
}

// MaxWebhooks is how many webhooks there can be, and keptDeliveries how many
// deliveries of each are remembered.
const (
	MaxWebhooks    = 50
	keptDeliveries = 100
)

const webhookColumns = `id, url, events, types, kinds, lanes, secret, created, created_by, disabled, why,
	epoch, seq, alarm, entry, attempt, tried, next_try, failing, delivered`

func scanWebhook(r rowScanner) (h Webhook, err error) {
	return h, r.Scan(&h.ID, &h.URL, &h.Events, &h.Types, &h.Kinds, &h.Lanes, &h.Secret, &h.Created, &h.CreatedBy, &h.Disabled, &h.Why,
		&h.At.Epoch, &h.At.Seq, &h.At.Alarm, &h.At.Entry, &h.Attempt, &h.Tried, &h.NextTry, &h.Failing, &h.Delivered)
}

// Newest returns the end of the logs.
func (d *DB) Newest(ctx context.Context) (p Position, err error) { return newest(ctx, d.sql) }

func newest(ctx context.Context, q querier) (p Position, err error) {
	err = q.QueryRowContext(ctx, `SELECT
		(SELECT COALESCE(MAX(epoch), 0) FROM feed_log),
		(SELECT COALESCE(MAX(seq), 0) FROM feed_log WHERE epoch = (SELECT COALESCE(MAX(epoch), 0) FROM feed_log)),
		(SELECT COALESCE(MAX(number), 0) FROM alarms), (SELECT COALESCE(MAX(number), 0) FROM entries)`).
		Scan(&p.Epoch, &p.Seq, &p.Alarm, &p.Entry)
	return p, named(err)
}

// AddWebhook stores a webhook, which is told of what happens from now on.
// ErrConflict if there are as many as there can be.
func (d *DB) AddWebhook(ctx context.Context, h Webhook) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM webhooks`).Scan(&n); err != nil {
			return err
		}
		if n >= MaxWebhooks {
			return ErrConflict
		}
		at, err := newest(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO webhooks (`+webhookColumns+`, owner, owned)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', $10, $11, $12, $13, 0, 0, 0, 0, 0, '', 0)`,
			h.ID, h.URL, h.Events, h.Types, h.Kinds, h.Lanes, h.Secret, h.Created, h.CreatedBy, at.Epoch, int64(at.Seq), at.Alarm, at.Entry)
		if err != nil {
			return err
		}
		return audit(ctx, tx, h.Created, h.CreatedBy, "add webhook", h.ID, h.Events)
	})
}

// Webhooks returns all of them by id.
func (d *DB) Webhooks(ctx context.Context) ([]Webhook, error) {
	return all(ctx, d.sql, scanWebhook, `SELECT `+webhookColumns+` FROM webhooks ORDER BY id`)
}

// Webhook returns one, or ErrNotFound.
func (d *DB) Webhook(ctx context.Context, id string) (Webhook, error) {
	h, err := scanWebhook(d.sql.QueryRowContext(ctx, `SELECT `+webhookColumns+` FROM webhooks WHERE id = $1`, id))
	return h, named(err)
}

// RemoveWebhook forgets a webhook and its deliveries, or returns ErrNotFound.
func (d *DB) RemoveWebhook(ctx context.Context, id, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM webhook_deliveries WHERE webhook = $1`, id); err != nil {
			return err
		}
		if err := changed(tx.ExecContext(ctx, `DELETE FROM webhooks WHERE id = $1`, id)); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "remove webhook", id, "")
	})
}

// changed returns ErrNotFound if a statement changed no row.
func changed(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// EnableWebhook puts a disabled webhook into force again, or returns ErrNotFound.
// It goes on where it stopped.
func (d *DB) EnableWebhook(ctx context.Context, id, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE webhooks SET disabled = 0, why = '', attempt = 0, tried = 0, next_try = 0, failing = 0 WHERE id = $1`, id))
		if err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "enable webhook", id, "")
	})
}

// ClaimWebhook makes an owner the only one that tells a webhook in force until a
// time, and returns the webhook; ErrNotFound if it is somebody else's at now, not
// due, or not there. Times are Unix ms.
func (d *DB) ClaimWebhook(ctx context.Context, id, owner string, now, until int64) (h Webhook, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE webhooks SET owner = $1, owned = $2
			WHERE id = $3 AND disabled = 0 AND next_try <= $4 AND (owner = $1 OR owned <= $4)`, owner, until, id, now))
		if err != nil {
			return err
		}
		h, err = scanWebhook(tx.QueryRowContext(ctx, `SELECT `+webhookColumns+` FROM webhooks WHERE id = $1`, id))
		return err
	})
	return h, err
}

// MarkWebhook writes down how far an owner has told its webhook, holds it until a
// time (0: gives it up), and remembers a delivery if there was one. ErrNotFound,
// and nothing is written, if it is the owner's no more, or in force no more.
func (d *DB) MarkWebhook(ctx context.Context, h Webhook, owner string, until int64, done *Delivery) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		err := changed(tx.ExecContext(ctx, `UPDATE webhooks SET disabled = $1, why = $2, epoch = $3, seq = $4, alarm = $5, entry = $6,
			attempt = $7, tried = $8, next_try = $9, failing = $10, delivered = $11, owned = $12 WHERE id = $13 AND owner = $14 AND disabled = 0`,
			h.Disabled, h.Why, h.At.Epoch, int64(h.At.Seq), h.At.Alarm, h.At.Entry, h.Attempt, h.Tried, h.NextTry, h.Failing, h.Delivered, until, h.ID, owner))
		if err != nil || done == nil {
			return err
		}
		return addDelivery(ctx, tx, h.ID, *done)
	})
}

// AddDelivery remembers a delivery that moves nothing.
func (d *DB) AddDelivery(ctx context.Context, id string, done Delivery) error {
	return d.write(ctx, func(tx *sql.Tx) error { return addDelivery(ctx, tx, id, done) })
}

func addDelivery(ctx context.Context, tx *sql.Tx, id string, x Delivery) error {
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM webhook_deliveries WHERE webhook = $1`, id).Scan(&x.Number); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO webhook_deliveries (webhook, number, at, event, type, attempt, status, took, problem) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		id, x.Number, x.At, x.Event, x.Type, x.Attempt, x.Status, x.Took, short(x.Problem))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM webhook_deliveries WHERE webhook = $1 AND number <= $2`, id, x.Number-keptDeliveries)
	return err
}

// Deliveries returns up to limit deliveries of a webhook with a number below
// before, the newest first.
func (d *DB) Deliveries(ctx context.Context, id string, before int64, limit int) ([]Delivery, error) {
	return all(ctx, d.sql, func(r rowScanner) (x Delivery, err error) {
		return x, r.Scan(&x.Number, &x.At, &x.Event, &x.Type, &x.Attempt, &x.Status, &x.Took, &x.Problem)
	}, `SELECT number, at, event, type, attempt, status, took, problem FROM webhook_deliveries
		WHERE webhook = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, id, before, limit)
}

// Logged is an event of the feed in the log.
type Logged struct {
	Epoch uint32
	Seq   uint64
	At    int64 // Unix ms
	Event link.Event
}

// FeedAfter returns up to limit feed events behind one of an epoch, over the
// epochs that follow, in order.
func (d *DB) FeedAfter(ctx context.Context, epoch uint32, seq uint64, limit int) ([]Logged, error) {
	return all(ctx, d.sql, scanLogged, `SELECT epoch, seq, at, event FROM feed_log WHERE (epoch, seq) > ($1, $2) ORDER BY epoch, seq LIMIT $3`,
		epoch, int64(seq), limit)
}

func scanLogged(r rowScanner) (l Logged, err error) {
	var data []byte
	if err := r.Scan(&l.Epoch, &l.Seq, &l.At, &data); err != nil {
		return l, err
	}
	one := link.Delta{From: l.Seq - 1, To: l.Seq, Data: data}
	events, err := one.Events()
	if err != nil {
		return l, errors.Join(ErrDamaged, err)
	}
	l.Event = events[0]
	return l, nil
}
