package database

import (
	"context"
	"database/sql"
	"fmt"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// SupervisorCode is an issued supervisor code.
type SupervisorCode struct {
	pass.ID
	Sheet     string
	Place     int // on its sheet, from 1
	Lane      string
	Number    uint8 // of the lane on that controller
	Action    pass.Action
	Cause     pass.Cause
	From      int64  // Unix ms
	Till      int64  // Unix ms
	Code      string // the text of one that was just made: it is not kept
	Officer   string // whom the sheet was given to; stays here
	Issued    int64  // Unix ms
	IssuedBy  string
	Revoked   int64 // Unix ms; 0: stands
	RevokedBy string
	Reason    string // given with the revocation
}

const supervisorColumns = `day, idx, sheet, place, lane, number, action, cause, valid_from, valid_till,
	officer, issued, issued_by, revoked, revoked_by, reason`

func scanSupervisor(r rowScanner) (c SupervisorCode, err error) {
	return c, r.Scan(&c.Day, &c.Index, &c.Sheet, &c.Place, &c.Lane, &c.Number, &c.Action, &c.Cause, &c.From, &c.Till,
		&c.Officer, &c.Issued, &c.IssuedBy, &c.Revoked, &c.RevokedBy, &c.Reason)
}

// SupervisorTx is one transaction that issues a sheet, or reads what the ledger
// says of codes. Valid only inside the function that it was given to.
type SupervisorTx struct {
	db  *DB
	ctx context.Context
	tx  *sql.Tx
}

// Supervisor runs f in one transaction.
func (d *DB) Supervisor(ctx context.Context, f func(*SupervisorTx) error) error {
	return d.write(ctx, func(tx *sql.Tx) error { return f(&SupervisorTx{d, ctx, tx}) })
}

// IssuedSince returns how many codes for a lane were issued at or after a time in
// Unix ms.
func (t *SupervisorTx) IssuedSince(lane string, number uint8, since int64) (n int, err error) {
	err = t.tx.QueryRowContext(t.ctx, `SELECT COUNT(*) FROM supervisor_codes WHERE lane = $1 AND number = $2 AND issued >= $3`, lane, number, since).Scan(&n)
	return n, named(err)
}

// NextNumber returns the day's next issue number and the day's capacity, as for a
// pass. ErrDayFull when none is left.
func (t *SupervisorTx) NextNumber(day pass.Day, capacity uint32) (number, stands uint32, err error) {
	number, stands, err = nextNumber(t.ctx, t.tx, day, capacity)
	return number, stands, named(err)
}

// Insert stores a code.
func (t *SupervisorTx) Insert(c *SupervisorCode) error {
	_, err := t.tx.ExecContext(t.ctx, `INSERT INTO supervisor_codes (`+supervisorColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, '', '')`,
		c.Day, c.Index, c.Sheet, c.Place, c.Lane, c.Number, c.Action, c.Cause, c.From, c.Till, c.Officer, c.Issued, c.IssuedBy)
	return named(err)
}

// Audit writes down who did what to what, in the same transaction.
func (t *SupervisorTx) Audit(at int64, by, action, subject, detail string) error {
	return audit(t.ctx, t.tx, at, by, action, subject, detail)
}

// SupervisorFilter selects codes; nil, zero and empty fields select all.
type SupervisorFilter struct {
	Sheet string
	Lane  string
	ID    *pass.ID
	Since int64 // valid at or after, Unix ms
	Limit int
}

// SupervisorCodes returns codes, the newest sheet first, each sheet in its order.
func (d *DB) SupervisorCodes(ctx context.Context, f SupervisorFilter) ([]SupervisorCode, error) {
	return supervisorCodes(ctx, d.sql, f)
}

// Find returns a code by its id, or ErrNotFound.
func (t *SupervisorTx) Find(id pass.ID) (SupervisorCode, error) {
	found, err := supervisorCodes(t.ctx, t.tx, SupervisorFilter{ID: &id, Limit: 1})
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return SupervisorCode{}, err
	}
	return found[0], nil
}

func supervisorCodes(ctx context.Context, q querier, f SupervisorFilter) ([]SupervisorCode, error) {
	var c conditions
	if f.Sheet != "" {
		c.add("sheet = ?", f.Sheet)
	}
	if f.Lane != "" {
		c.add("lane = ?", f.Lane)
	}
	if f.ID != nil {
		c.add("day = ? AND idx = ?", f.ID.Day, f.ID.Index)
	}
	if f.Since != 0 {
		c.add("valid_till > ?", f.Since)
	}
	where := c.where()
	return all(ctx, q, scanSupervisor, `SELECT `+supervisorColumns+` FROM supervisor_codes `+where+
		` ORDER BY issued DESC, sheet, place LIMIT `+c.parameter(f.Limit), c.args...)
}

// SupervisorUse is a ledger entry about a supervisor code.
type SupervisorUse struct {
	Ledger int64 // its number in the ledger
	Lane   string
	Entry  link.Entry
}

func scanUse(r rowScanner) (u SupervisorUse, err error) {
	var raw []byte
	if err := r.Scan(&u.Ledger, &u.Lane, &raw); err != nil {
		return u, err
	}
	if u.Entry, _, err = link.ParseEntry(raw); err != nil {
		return u, fmt.Errorf("%w: ledger row %d: %w", ErrDamaged, u.Ledger, err)
	}
	return u, nil
}

// SupervisorUses returns what the ledger has about a code, in its order.
func (d *DB) SupervisorUses(ctx context.Context, id pass.ID) ([]SupervisorUse, error) {
	return supervisorUses(ctx, d.sql, id)
}

// Uses is DB.SupervisorUses in the transaction: with the entries read so far.
func (t *SupervisorTx) Uses(id pass.ID) ([]SupervisorUse, error) {
	return supervisorUses(t.ctx, t.tx, id)
}

// Raise adds an alarm in the same transaction; see DB.Raise.
func (t *SupervisorTx) Raise(a Alarm) error { return t.db.raise(t.ctx, t.tx, a) }

func supervisorUses(ctx context.Context, q querier, id pass.ID) ([]SupervisorUse, error) {
	return all(ctx, q, scanUse, `SELECT number, lane, entry FROM supervisor_uses WHERE day = $1 AND idx = $2 ORDER BY number`, id.Day, id.Index)
}

// readAtOnce bounds the ledger rows that one ReadSupervisorUses looks at.
const readAtOnce = 20000

// ReadSupervisorUses gives look what is new in the ledger about supervisor codes,
// in the transaction that notes it as read: each entry comes once, also over
// crashes. more tells that there may be more.
func (d *DB) ReadSupervisorUses(ctx context.Context, look func(*SupervisorTx, *SupervisorUse) error) (more bool, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		var from, last int64
		if err := tx.QueryRowContext(ctx, `SELECT r.number, COALESCE((SELECT MAX(number) FROM entries), 0) FROM supervisor_read r`).Scan(&from, &last); err != nil {
			return err
		}
		to := min(last, from+readAtOnce)
		if more = to < last; to <= from {
			return nil
		}
		if err := readUses(&SupervisorTx{d, ctx, tx}, from, to, look); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE supervisor_read SET number = $1`, to)
		return err
	})
	return more, err
}

func readUses(t *SupervisorTx, from, to int64, look func(*SupervisorTx, *SupervisorUse) error) error {
	// Bytes 1 and 38 of an entry are its type and its kind; a floor has no kind.
	uses, err := all(t.ctx, t.tx, scanUse, `SELECT e.number, j.lane, e.entry FROM entries e JOIN journals j ON j.key = e.journal
		WHERE e.number > $1 AND e.number <= $2 AND substr(e.entry, 38, 1) = $3 AND substr(e.entry, 1, 1) <> $4 ORDER BY e.number`,
		from, to, []byte{byte(pass.Supervisor)}, []byte{byte(link.EntryFloor)})
	if err != nil {
		return err
	}
	for i := range uses {
		u := &uses[i]
		if _, err := t.tx.ExecContext(t.ctx, `INSERT INTO supervisor_uses (number, day, idx, lane, entry) VALUES ($1, $2, $3, $4, $5)`,
			u.Ledger, u.Entry.Pass.Day, u.Entry.Pass.Index, u.Lane, u.Entry.Append(nil)); err != nil {
			return err
		}
		if err := look(t, u); err != nil {
			return err
		}
	}
	return nil
}

// RevokeSupervisor marks the codes of a sheet, or one code by its id, that stand
// and are not over, and returns them. ErrNotFound if there is no such sheet or code.
func (t *FeedTx) RevokeSupervisor(sheet string, id *pass.ID, now int64, by, reason string) ([]SupervisorCode, error) {
	var c conditions
	if id != nil {
		c.add("day = ? AND idx = ?", id.Day, id.Index)
	} else {
		c.add("sheet = ?", sheet)
	}
	found, err := all(t.ctx, t.tx, scanSupervisor, `SELECT `+supervisorColumns+` FROM supervisor_codes `+c.where()+` ORDER BY place`, c.args...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, ErrNotFound
	}
	var done []SupervisorCode
	for _, x := range found {
		if x.Revoked != 0 || x.Till <= now {
			continue
		}
		if _, err := t.tx.ExecContext(t.ctx, `UPDATE supervisor_codes SET revoked = $1, revoked_by = $2, reason = $3 WHERE day = $4 AND idx = $5`,
			now, by, reason, x.Day, x.Index); err != nil {
			return nil, named(err)
		}
		x.Revoked, x.RevokedBy, x.Reason = now, by, reason
		done = append(done, x)
	}
	return done, nil
}

// RevokedSupervisor returns the revoked codes that are valid after now, Unix ms.
func (t *FeedTx) RevokedSupervisor(now int64) ([]pass.ID, error) {
	return all(t.ctx, t.tx, func(r rowScanner) (id pass.ID, err error) { return id, r.Scan(&id.Day, &id.Index) },
		`SELECT day, idx FROM supervisor_codes WHERE revoked > 0 AND valid_till > $1 ORDER BY day, idx`, now)
}
