package database

import (
	"context"
	"database/sql"
	"fmt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// The states of a bulk deed.
const (
	BulkProposed  = "proposed" // waits for a second person
	BulkRunning   = "running"
	BulkDone      = "done"
	BulkWithdrawn = "withdrawn"
)

// Bulk is a change of status of many passes, which are fixed when it is stored.
type Bulk struct {
	ID        string
	State     string
	Selection string // not read here
	Status    link.Status
	Reason    string
	By        string
	At        int64 // Unix ms
	Expires   int64 // Unix ms, of a proposal
	Settled   int64 // Unix ms, when a second person decided; 0: none did
	SettledBy string
	Passes    int
	Changed   int
	Skipped   int    // somebody else had changed them meanwhile, their day is over, or their eCard is withdrawn
	Seq       uint64 // the newest feed event of it, 0 if none went out yet
}

// bulkVerbs name what is done, in the audit.
var bulkVerbs = map[link.Status]string{link.Good: "release", link.Revoked: "revocation", link.Held: "hold"}

const bulkColumns = `id, state, selection, status, reason, by, at, expires, settled, settled_by, passes, changed, skipped, seq`

func scanBulk(r rowScanner) (b Bulk, err error) {
	return b, r.Scan(&b.ID, &b.State, &b.Selection, &b.Status, &b.Reason, &b.By, &b.At, &b.Expires, &b.Settled, &b.SettledBy, &b.Passes, &b.Changed, &b.Skipped, &b.Seq)
}

// BulkPass is one pass of a bulk deed.
type BulkPass struct {
	Position int
	ID       pass.ID
	Was      link.Status
}

// BulkSelection selects passes whose status a deed changes.
type BulkSelection struct {
	IDs    []pass.ID // these, or by the fields below
	Holder string
	Day    *pass.Day
	From   pass.Day // the first day whose list is open
	Zones  uint16   // any of them; 0: all
	Status []link.Status
	Limit  int
}

// BulkPasses returns the passes of a selection, at most Limit.
func (d *DB) BulkPasses(ctx context.Context, s BulkSelection) (list []BulkPass, err error) {
	if len(s.IDs) > 0 {
		return d.bulkNamed(ctx, s)
	}
	var c conditions
	if s.Holder != "" {
		c.add("holder = ?", s.Holder)
	}
	if s.Day != nil {
		c.add("day = ?", *s.Day)
	} else {
		c.add("day >= ?", s.From)
	}
	where := c.where()
	rows, err := d.sql.QueryContext(ctx, `SELECT `+passColumns+` FROM passes `+where+` ORDER BY day, idx`, c.args...)
	if err != nil {
		return nil, named(err)
	}
	defer rows.Close()
	for rows.Next() && len(list) < s.Limit {
		p, err := scanPass(rows)
		if err != nil {
			return nil, named(err)
		}
		list = s.add(list, &p)
	}
	return list, named(rows.Err())
}

func (d *DB) bulkNamed(ctx context.Context, s BulkSelection) (list []BulkPass, err error) {
	for _, id := range s.IDs[:min(len(s.IDs), s.Limit)] {
		p, err := d.Pass(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("pass %s: %w", id, err)
		}
		if p.Day >= s.From {
			list = s.add(list, &p)
		}
	}
	return list, nil
}

// add appends p if its status and zones are selected.
func (s *BulkSelection) add(list []BulkPass, p *Pass) []BulkPass {
	for _, status := range s.Status {
		if status == p.Status && (s.Zones == 0 || s.Zones&p.Zones != 0) {
			return append(list, BulkPass{len(list) + 1, p.ID(), p.Status})
		}
	}
	return list
}

// AddBulk stores a deed with its passes.
func (d *DB) AddBulk(ctx context.Context, b Bulk, passes []BulkPass) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO bulks (`+bulkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', $9, 0, 0, 0)`,
			b.ID, b.State, b.Selection, b.Status, b.Reason, b.By, b.At, b.Expires, len(passes)); err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO bulk_passes (bulk, position, day, idx, was, done) VALUES ($1, $2, $3, $4, $5, 0)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for _, p := range passes {
			if _, err := insert.ExecContext(ctx, b.ID, p.Position, p.ID.Day, p.ID.Index, p.Was); err != nil {
				return err
			}
		}
		return audit(ctx, tx, b.At, b.By, "bulk_"+b.State, b.ID, fmt.Sprintf("%s of %d passes: %s", bulkVerbs[b.Status], len(passes), b.Reason))
	})
}

// SettleBulk confirms or withdraws a proposal. ErrConflict if it is none any
// more, or expired.
func (d *DB) SettleBulk(ctx context.Context, id, to, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := onlyOne(tx.ExecContext(ctx, `UPDATE bulks SET state = $1, settled = $2, settled_by = $3 WHERE id = $4 AND state = $5 AND expires > $2`,
			to, at, by, id, BulkProposed)); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "bulk_"+to, id, "")
	})
}

// Bulk returns a deed, or ErrNotFound.
func (d *DB) Bulk(ctx context.Context, id string) (Bulk, error) {
	b, err := scanBulk(d.sql.QueryRowContext(ctx, `SELECT `+bulkColumns+` FROM bulks WHERE id = $1`, id))
	return b, named(err)
}

// Bulks returns the newest, of a state if one is given; proposals only while they
// can be confirmed at now (Unix ms).
func (d *DB) Bulks(ctx context.Context, state string, now int64, limit int) ([]Bulk, error) {
	var c conditions
	if state != "" {
		c.add("state = ?", state)
	}
	if state == BulkProposed {
		c.add("expires > ?", now)
	}
	where := c.where()
	return all(ctx, d.sql, scanBulk, `SELECT `+bulkColumns+` FROM bulks `+where+` ORDER BY at DESC, id LIMIT `+c.parameter(limit), c.args...)
}

// OpenBulkPasses returns passes of a deed that it has not come to, in order.
func (d *DB) OpenBulkPasses(ctx context.Context, id string, limit int) ([]BulkPass, error) {
	return all(ctx, d.sql, func(r rowScanner) (p BulkPass, err error) {
		return p, r.Scan(&p.Position, &p.ID.Day, &p.ID.Index, &p.Was)
	},
		`SELECT position, day, idx, was FROM bulk_passes WHERE bulk = $1 AND done = 0 ORDER BY position LIMIT $2`, id, limit)
}

// BulkProgress is what became of some passes of a deed.
type BulkProgress struct {
	ID        string
	Positions []int
	Changed   int
	Skipped   int
	Seq       uint64 // the newest event, 0 if none went out
	Over      bool   // nothing is left
}

// SaveBulk writes progress. A position that is done already counts once.
func (d *DB) SaveBulk(ctx context.Context, p BulkProgress, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		for _, position := range p.Positions {
			err := onlyOne(tx.ExecContext(ctx, `UPDATE bulk_passes SET done = 1 WHERE bulk = $1 AND position = $2 AND done = 0`, p.ID, position))
			if err != nil {
				return err // another central has it: nothing is counted twice
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE bulks SET changed = changed + $1, skipped = skipped + $2,
			seq = CASE WHEN seq < $3 THEN $3 ELSE seq END WHERE id = $4`, p.Changed, p.Skipped, int64(p.Seq), p.ID); err != nil {
			return err
		}
		if !p.Over {
			return nil
		}
		r, err := tx.ExecContext(ctx, `UPDATE bulks SET state = $1 WHERE id = $2 AND state = $3`, BulkDone, p.ID, BulkRunning)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		b, err := scanBulk(tx.QueryRowContext(ctx, `SELECT `+bulkColumns+` FROM bulks WHERE id = $1`, p.ID))
		if err != nil {
			return err
		}
		return audit(ctx, tx, at, b.By, "bulk_done", p.ID, fmt.Sprintf("%d changed, %d skipped", b.Changed, b.Skipped))
	})
}

// PruneBulks erases deeds that began before a time (Unix ms) and are over.
func (d *DB) PruneBulks(ctx context.Context, before int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		const old = `SELECT id FROM bulks WHERE at < $1 AND state <> '` + BulkRunning + `'`
		if _, err := tx.ExecContext(ctx, `DELETE FROM bulk_passes WHERE bulk IN (`+old+`)`, before); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM bulks WHERE id IN (`+old+`)`, before)
		return err
	})
}
