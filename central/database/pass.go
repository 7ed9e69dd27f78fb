package database

import (
	"context"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Pass is a row: a signed pass, whose it is, and what lanes are told of it.
type Pass struct {
	pass.Pass
	Signature []byte // 64 bytes
	Holder    string // text id of the person who answers for it
	GuestName string
	Purpose   string
	Issued    int64 // Unix ms
	IssuedBy  string

	Status    link.Status
	StatusSeq uint64 // the feed event that set Status, 0 if none went out yet
	Changed   int64  // Unix ms of the last change of Status, 0 if none
	ChangedBy string
	Reason    string
}

const passColumns = `code, holder, guest_name, purpose, issued, issued_by,
	status, status_seq, changed, changed_by, reason`

func scanPass(r rowScanner) (Pass, error) {
	var p Pass
	var code string
	err := r.Scan(&code, &p.Holder, &p.GuestName, &p.Purpose, &p.Issued, &p.IssuedBy,
		&p.Status, &p.StatusSeq, &p.Changed, &p.ChangedBy, &p.Reason)
	if err != nil {
		return p, err
	}
	return p, p.fill(code)
}

// fill reads the pass and its signature from its code.
func (p *Pass) fill(code string) error {
	c, reason := pass.Parse([]byte(code))
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(code)
	if reason != pass.Granted || err != nil || len(raw) != pass.Size {
		return fmt.Errorf("%w: the row of a pass is %s", ErrDamaged, reason)
	}
	p.Pass, p.Signature = c.Pass, raw[pass.BodySize:]
	return nil
}

// InsertPass gives the day's next issue number, 0, 1, 2 ..., and the day's
// capacity to mint and stores what it returns, all in one transaction, if the
// claims allow it. A day that has no row yet gets the given capacity. ErrDayFull
// when none is left.
func (d *DB) InsertPass(ctx context.Context, day pass.Day, capacity uint32, mint func(number, capacity uint32) (Pass, error), claims ...*GuestClaim) (Pass, error) {
	return d.IssuePass(ctx, Draft{Day: day, Mint: mint, Claims: claims}, capacity)
}

// IssuePass is InsertPass of a draft. ErrWithdrawn.
func (d *DB) IssuePass(ctx context.Context, draft Draft, capacity uint32) (p Pass, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		if p, err = issueDraft(ctx, tx, draft, capacity); err != nil {
			return err
		}
		return made(ctx, tx, p.ID().String())
	})
	return p, err
}

// InsertPasses is InsertPass for n passes of one day, all of them or none.
func (d *DB) InsertPasses(ctx context.Context, day pass.Day, capacity uint32, n int, mint func(number, capacity uint32) (Pass, error)) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		for range n {
			number, stands, err := nextNumber(ctx, tx, day, capacity)
			if err != nil {
				return err
			}
			p, err := mint(number, stands)
			if err != nil {
				return err
			}
			if err := insertPass(ctx, tx, &p); err != nil {
				return err
			}
		}
		return nil
	})
}

func nextNumber(ctx context.Context, tx *sql.Tx, day pass.Day, capacity uint32) (number, stands uint32, err error) {
	if _, err := dayCapacity(ctx, tx, day, capacity); err != nil {
		return 0, 0, err
	}
	row := tx.QueryRowContext(ctx, `UPDATE days SET issued = issued + 1 WHERE day = $1 AND issued < capacity
		RETURNING issued - 1, capacity`, day)
	err = row.Scan(&number, &stands)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, ErrDayFull
	}
	return number, stands, err
}

// dayCapacity returns the capacity of a day, which is the given one from the
// day's first use on.
func dayCapacity(ctx context.Context, tx *sql.Tx, day pass.Day, capacity uint32) (stands uint32, err error) {
	_, err = tx.ExecContext(ctx, `INSERT INTO days (day, capacity, issued) VALUES ($1, $2, 0) ON CONFLICT (day) DO NOTHING`, day, capacity)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `SELECT capacity FROM days WHERE day = $1`, day).Scan(&stands)
	return stands, err
}

func insertPass(ctx context.Context, tx *sql.Tx, p *Pass) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO passes (day, idx, kind, zones, `+passColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, '', '')`,
		p.Day, p.Index, p.Kind, p.Zones, p.Text(p.Signature), p.Holder, p.GuestName, p.Purpose, p.Issued, p.IssuedBy)
	if err != nil {
		return err
	}
	return insertWords(ctx, tx, p.ID(), p.Holder, p.GuestName)
}

// Pass returns a pass, or ErrNotFound.
func (d *DB) Pass(ctx context.Context, id pass.ID) (Pass, error) { return findPass(ctx, d.sql, id) }

func findPass(ctx context.Context, q querier, id pass.ID) (Pass, error) {
	p, err := scanPass(q.QueryRowContext(ctx, `SELECT `+passColumns+` FROM passes WHERE day = $1 AND idx = $2`, id.Day, id.Index))
	return p, named(err)
}

// PassFilter selects passes; nil, zero and empty fields select all.
type PassFilter struct {
	Day    *pass.Day
	Status *link.Status
	Kind   pass.Kind
	Holder string
	Words  string // each begins a word of the holder's id or the guest's name
	Zones  uint16 // passes for one of these zones; with Day alone it is quick
	Limit  int    // at most that many
	Before *PassCursor
}

// PassCursor is the position of a pass in the order of issue.
type PassCursor struct {
	Issued int64
	ID     pass.ID
}

// Passes returns the newest issued first. ErrBroad if too many passes, of the day
// if there is one, fit f.Words.
func (d *DB) Passes(ctx context.Context, f PassFilter) ([]Pass, error) {
	var c conditions
	if f.Day != nil {
		c.add("day = ?", *f.Day)
	}
	if f.Words != "" {
		within := allDays
		if f.Day != nil {
			within = days{*f.Day, *f.Day}
		}
		ids, err := d.match(ctx, f.Words, within)
		if err != nil {
			return nil, err
		}
		c.in("(day, idx)", ids)
	}
	if f.Zones != 0 {
		c.add("(zones & ?) <> 0", f.Zones)
	}
	if f.Status != nil {
		c.add("status = ?", *f.Status)
	}
	if f.Kind != 0 {
		c.add("kind = ?", f.Kind)
	}
	if f.Holder != "" {
		c.add("holder = ?", f.Holder)
	}
	if b := f.Before; b != nil {
		c.add("(issued, day, idx) < (?, ?, ?)", b.Issued, b.ID.Day, b.ID.Index)
	}
	where := c.where()
	return all(ctx, d.sql, scanPass, `SELECT `+passColumns+` FROM passes `+where+
		` ORDER BY issued DESC, day DESC, idx DESC LIMIT `+c.parameter(f.Limit), c.args...)
}

// conditions collects the parts of a WHERE clause with their $N parameters.
type conditions struct {
	parts []string
	args  []any
}

// add appends a condition whose ? stand for the values in order.
func (c *conditions) add(condition string, values ...any) {
	for _, v := range values {
		condition = strings.Replace(condition, "?", c.parameter(v), 1)
	}
	c.parts = append(c.parts, condition)
}

// parameter adds a value and returns its $N.
func (c *conditions) parameter(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *conditions) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(c.parts, " AND ")
}

// Issued returns how many passes were issued for a day, 0 for an unknown one.
func (d *DB) Issued(ctx context.Context, day pass.Day) (n uint32, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT COALESCE(SUM(issued), 0) FROM days WHERE day = $1`, day).Scan(&n)
	return n, named(err)
}
