package database

import (
	"context"
	"database/sql"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Command is a command to a lane and what the ledger says became of it.
type Command struct {
	link.Command
	Reason string // why, in words; stays here
	By     string
	CommandAnswer
}

// CommandAnswer is the newest entry about a command.
type CommandAnswer struct {
	Answer   link.EntryType // 0: none yet
	Refused  pass.Reason    // of a denial, and of a grant that was given back because the gate did not open
	Detail   uint16         // of that entry
	Entry    int64          // its number in the ledger
	Answered int64          // Unix ms, when it came
}

const commandColumns = `lane, number, idx, action, direction, cause, reason, start, issued, expires, issued_by, answer, refused, detail, entry, answered`

func scanCommand(r rowScanner) (c Command, err error) {
	var start []byte
	err = r.Scan(&c.Lane, &c.Number, &c.Index, &c.Action, &c.Direction, &c.Cause, &c.Reason, &start, &c.Issued, &c.Expires, &c.By,
		&c.Answer, &c.Refused, &c.Detail, &c.Entry, &c.Answered)
	copy(c.Start[:], start)
	return c, err
}

// AddCommand gives c the next number of its lane controller, at least its time of
// issue, has it sealed and stores it with a line in the audit; a seal that fails
// undoes all. ErrConflict if it opens a lane to which another one that opens is
// neither answered nor over.
func (d *DB) AddCommand(ctx context.Context, c *Command, subject, detail string, seal func() error) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var last int64
		if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) FROM commands WHERE lane = $1`, c.Lane).Scan(&last); err != nil {
			return err
		}
		c.Number = uint64(max(last+1, c.Issued))
		if err := alone(ctx, tx, c); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO commands (`+commandColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0, 0, 0)`,
			c.Lane, int64(c.Number), c.Index, c.Action, c.Direction, c.Cause, c.Reason, c.Start[:], c.Issued, c.Expires, c.By); err != nil {
			return err
		}
		if err := audit(ctx, tx, c.Issued, c.By, c.Action.String(), subject, detail); err != nil {
			return err
		}
		return seal()
	})
}

// alone returns ErrConflict if a command that opens c's lane waits for its answer.
func alone(ctx context.Context, tx *sql.Tx, c *Command) error {
	if c.Action != link.CommandOpen {
		return nil
	}
	var waiting int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM commands WHERE lane = $1 AND number >= $2 AND idx = $3 AND action = $4 AND answer = 0 AND expires > $5`,
		c.Lane, c.Issued-link.MaxCommandLife.Milliseconds(), c.Index, link.CommandOpen, c.Issued).Scan(&waiting)
	if err == nil && waiting > 0 {
		err = ErrConflict
	}
	return err
}

// Command returns a command, or ErrNotFound.
func (d *DB) Command(ctx context.Context, lane string, number uint64) (Command, error) {
	c, err := scanCommand(d.sql.QueryRowContext(ctx, `SELECT `+commandColumns+` FROM commands WHERE lane = $1 AND number = $2`, lane, int64(number)))
	return c, named(err)
}

// Commands returns the newest commands to a lane controller, or to all for "".
func (d *DB) Commands(ctx context.Context, lane string, limit int) ([]Command, error) {
	var c conditions
	if lane != "" {
		c.add("lane = ?", lane)
	}
	where := c.where()
	return all(ctx, d.sql, scanCommand, `SELECT `+commandColumns+` FROM commands `+where+` ORDER BY issued DESC, lane, number DESC LIMIT `+c.parameter(limit), c.args...)
}

// WaitingCommands returns up to limit commands that nobody answered and that are
// not over at now (Unix ms), the oldest first.
func (d *DB) WaitingCommands(ctx context.Context, now int64, limit int) ([]Command, error) {
	return all(ctx, d.sql, scanCommand, `SELECT `+commandColumns+` FROM commands WHERE issued > $1 AND answer = 0 AND expires > $2 ORDER BY issued LIMIT $3`,
		now-2*link.MaxCommandLife.Milliseconds(), now, limit)
}

// AnswerCommand takes in an entry about a command of a lane controller, to be
// called in the order of the journal after Append, of which it was the last but
// back. known tells whether there is such a command. Behind a result nothing
// changes it any more.
func (t *LedgerTx) AnswerCommand(lane string, e *link.Entry, back, received int64) (known bool, err error) {
	number, _ := e.Command()
	r, err := t.tx.ExecContext(t.ctx, `UPDATE commands SET answer = $1, refused = $2, detail = $3, entry = $4, answered = $5
		WHERE lane = $6 AND number = $7 AND answer IN (0, $8)`,
		e.Type, e.Reason, e.Detail, t.number-back, received, lane, int64(number), link.EntryGranted)
	if err != nil {
		return false, named(err)
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return n > 0, named(err)
	}
	var n int
	err = t.tx.QueryRowContext(t.ctx, `SELECT COUNT(*) FROM commands WHERE lane = $1 AND number = $2`, lane, int64(number)).Scan(&n)
	return n > 0, named(err)
}

// Deed is a line of the audit. Reason stands with the version of a document, and
// not in the line.
type Deed struct {
	By, Action, Subject, Detail, Reason string
}

// ChangeDocument stores a version, and in the same transaction lines in the audit
// that say why; older versions are kept. The first line says by whom; there is at
// least one. ErrConflict if the version exists.
func (d *DB) ChangeDocument(ctx context.Context, name string, version uint64, body string, at int64, why ...Deed) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := d.addDocument(ctx, tx, name, version, body, why[0], at); err != nil {
			return err
		}
		for _, w := range why {
			if err := audit(ctx, tx, at, w.By, w.Action, w.Subject, w.Detail); err != nil {
				return err
			}
		}
		return nil
	})
}
