package database

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Base is one open day of the feed's state as it was saved, from which the log
// goes on. Snapshot is a sealed link.Snapshot.
type Base struct {
	Day      pass.Day
	Snapshot []byte
}

// Bases returns the saved days, ascending; none in a new database.
func (d *DB) Bases(ctx context.Context) ([]Base, error) {
	return all(ctx, d.sql, func(r rowScanner) (b Base, err error) { return b, r.Scan(&b.Day, &b.Snapshot) },
		`SELECT day, snapshot FROM feed_base ORDER BY day`)
}

// SaveBases replaces all saved days.
func (d *DB) SaveBases(ctx context.Context, bases []Base) error {
	return d.write(ctx, func(tx *sql.Tx) error { return saveBases(ctx, tx, bases) })
}

func saveBases(ctx context.Context, tx *sql.Tx, bases []Base) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM feed_base`); err != nil {
		return err
	}
	for _, b := range bases {
		_, err := tx.ExecContext(ctx, `INSERT INTO feed_base (day, snapshot) VALUES ($1, $2)`, b.Day, b.Snapshot)
		if err != nil {
			return err
		}
	}
	return nil
}

// Epoch returns the newest epoch in the feed's log, 0 if it is empty.
func (d *DB) Epoch(ctx context.Context) (uint32, error) { return epochOf(ctx, d.sql) }

func epochOf(ctx context.Context, q querier) (epoch uint32, err error) {
	err = q.QueryRowContext(ctx, `SELECT COALESCE(MAX(epoch), 0) FROM feed_log`).Scan(&epoch)
	return epoch, named(err)
}

// Events returns the events from+1 .. to of an epoch in order; fewer if the log
// does not reach so far. ErrDamaged if one is missing in between.
func (d *DB) Events(ctx context.Context, epoch uint32, from, to uint64) ([]link.Event, error) {
	return events(ctx, d.sql, epoch, from, to)
}

func events(ctx context.Context, q querier, epoch uint32, from, to uint64) ([]link.Event, error) {
	last := from
	parts, err := all(ctx, q, func(r rowScanner) (event []byte, err error) {
		var seq uint64
		if err := r.Scan(&seq, &event); err != nil {
			return nil, err
		}
		if last++; seq != last || len(event) != link.EventSize {
			return nil, fmt.Errorf("%w: feed event %d is missing", ErrDamaged, last)
		}
		return event, nil
	}, `SELECT seq, event FROM feed_log WHERE epoch = $1 AND seq > $2 AND seq <= $3 ORDER BY seq`, epoch, int64(from), int64(to))
	if err != nil || len(parts) == 0 {
		return nil, err
	}
	logged := link.Delta{From: from, To: last, Data: bytes.Join(parts, nil)}
	return logged.Events()
}

// Chain returns the chain value after an event; of number 0 the epoch's start.
// ErrNotFound if the log does not have the event.
func (d *DB) Chain(ctx context.Context, epoch uint32, seq uint64) (chain link.Hash, err error) {
	if seq == 0 {
		return link.ChainStart(epoch), nil
	}
	var b []byte
	err = d.sql.QueryRowContext(ctx, `SELECT chain FROM feed_log WHERE epoch = $1 AND seq = $2`, epoch, int64(seq)).Scan(&b)
	copy(chain[:], b)
	return chain, named(err)
}

// FeedTx is one transaction of the feed: events and the passes they are about
// change together or not at all. Valid only inside the function given to Feed.
type FeedTx struct {
	d   *DB
	ctx context.Context
	tx  *sql.Tx
}

// Feed runs f in one transaction.
func (d *DB) Feed(ctx context.Context, f func(*FeedTx) error) error {
	return d.write(ctx, func(tx *sql.Tx) error { return f(&FeedTx{d, ctx, tx}) })
}

// Epoch is DB.Epoch as the transaction sees it: no other one changes it before
// this one ends.
func (t *FeedTx) Epoch() (uint32, error) { return epochOf(t.ctx, t.tx) }

// After returns the events behind from of an epoch in order, as DB.Events.
func (t *FeedTx) After(epoch uint32, from uint64) ([]link.Event, error) {
	return events(t.ctx, t.tx, epoch, from, math.MaxInt64)
}

// SaveBases replaces all saved days.
func (t *FeedTx) SaveBases(bases []Base) error { return saveBases(t.ctx, t.tx, bases) }

// ReplaceDocument is DB.ReplaceDocument in the same transaction.
func (t *FeedTx) ReplaceDocument(name string, version uint64, body, by string, at int64) error {
	return t.d.replaceDocument(t.ctx, t.tx, name, version, body, by, at)
}

// Pass returns a pass, or ErrNotFound.
func (t *FeedTx) Pass(id pass.ID) (Pass, error) { return findPass(t.ctx, t.tx, id) }

// SetStatus writes the status fields of p.
func (t *FeedTx) SetStatus(p *Pass) error {
	_, err := t.tx.ExecContext(t.ctx, `UPDATE passes SET status = $1, status_seq = $2, changed = $3, changed_by = $4, reason = $5
		WHERE day = $6 AND idx = $7`, p.Status, int64(p.StatusSeq), p.Changed, p.ChangedBy, p.Reason, p.Day, p.Index)
	return named(err)
}

// Audit writes down who did what to what, in the same transaction.
func (t *FeedTx) Audit(at int64, by, action, subject, detail string) error {
	return audit(t.ctx, t.tx, at, by, action, subject, detail)
}

// Capacity returns the capacity of a day, which is the given one from the day's
// first use on.
func (t *FeedTx) Capacity(day pass.Day, capacity uint32) (uint32, error) {
	n, err := dayCapacity(t.ctx, t.tx, day, capacity)
	return n, named(err)
}

// Refused returns the revoked and held passes of a day by index.
func (t *FeedTx) Refused(day pass.Day) ([]Pass, error) {
	return all(t.ctx, t.tx, scanPass, `SELECT `+passColumns+` FROM passes WHERE day = $1 AND status <> 0 ORDER BY idx`, day)
}

// Append writes events to the log, numbered from first on, each with the chain
// value after it; before is the one before the first.
func (t *FeedTx) Append(epoch uint32, first uint64, before link.Hash, at int64, events []link.Event) error {
	insert, err := t.tx.PrepareContext(t.ctx, `INSERT INTO feed_log (epoch, seq, event, chain, at) VALUES ($1, $2, $3, $4, $5)`)
	if err != nil {
		return named(err)
	}
	defer insert.Close()
	for i, e := range events {
		seq := first + uint64(i)
		before = link.Chain(before, seq, e)
		if _, err := insert.ExecContext(t.ctx, epoch, int64(seq), e.Append(nil), before[:], at); err != nil {
			return named(err)
		}
	}
	if len(events) == 0 {
		return nil
	}
	return t.d.tell(t.ctx, t.tx)
}

// Document returns the newest version of a named document; ErrNotFound if
// there is none.
func (d *DB) Document(ctx context.Context, name string) (version uint64, body string, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT version, body FROM documents WHERE name = $1 ORDER BY version DESC LIMIT 1`, name).
		Scan(&version, &body)
	return version, body, named(err)
}

func (d *DB) addDocument(ctx context.Context, tx *sql.Tx, name string, version uint64, body string, why Deed, at int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO documents (name, version, body, at, by, reason) VALUES ($1, $2, $3, $4, $5, $6)`,
		name, int64(version), body, at, why.By, why.Reason)
	if err != nil {
		return err
	}
	return d.tell(ctx, tx)
}

// LastSeq returns the number of the newest event of an epoch, 0 if none.
func (d *DB) LastSeq(ctx context.Context, epoch uint32) (seq uint64, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM feed_log WHERE epoch = $1`, epoch).Scan(&seq)
	return seq, named(err)
}
