package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"turnstile/central/pass"
)

// The states of an import.
const (
	ImportReading   = "reading"
	ImportPreview   = "preview"
	ImportRunning   = "running"
	ImportDone      = "done"
	ImportDiscarded = "discarded"
)

// Import is a file of passes to issue.
type Import struct {
	ID          string
	Name        string // of the file
	State       string
	By          string
	At          int64 // Unix ms
	Confirmed   int64 // Unix ms, 0: not yet
	ConfirmedBy string
	Good, Bad   int   // rows
	Position    int   // good rows up to here are issued or failed
	Issued      int   // passes
	Failed      int   // good rows that could not be issued
	Ended       int64 // Unix ms, 0: not yet
}

// ImportRow is one row of the file below its header.
type ImportRow struct {
	Line     int
	Position int      // of a good one, from 1; 0: bad
	Request  string   // of a good one; not read here
	Faults   string   // of a bad one, or why a good one failed; not read here
	Pass     *pass.ID // issued for it
}

const importColumns = `id, name, state, by, at, confirmed, confirmed_by, good, bad, position, issued, failed, ended`

func scanImport(r rowScanner) (i Import, err error) {
	return i, r.Scan(&i.ID, &i.Name, &i.State, &i.By, &i.At, &i.Confirmed, &i.ConfirmedBy, &i.Good, &i.Bad, &i.Position, &i.Issued, &i.Failed, &i.Ended)
}

// AddImport begins an import whose rows follow.
func (d *DB) AddImport(ctx context.Context, i Import) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO imports (`+importColumns+`) VALUES ($1, $2, $3, $4, $5, 0, '', 0, 0, 0, 0, 0, 0)`,
			i.ID, i.Name, ImportReading, i.By, i.At)
		return err
	})
}

// AddImportRows adds rows to an import that is being read.
func (d *DB) AddImportRows(ctx context.Context, id string, rows []ImportRow) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		insert, err := tx.PrepareContext(ctx, `INSERT INTO import_rows (import, line, position, request, faults, day, idx) VALUES ($1, $2, $3, $4, $5, 0, -1)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		good := 0
		for _, r := range rows {
			if r.Position > 0 {
				good++
			}
			if _, err := insert.ExecContext(ctx, id, r.Line, r.Position, r.Request, r.Faults); err != nil {
				return err
			}
		}
		return onlyOne(tx.ExecContext(ctx, `UPDATE imports SET good = good + $1, bad = bad + $2 WHERE id = $3 AND state = $4`, good, len(rows)-good, id, ImportReading))
	})
}

// onlyOne makes ErrConflict of a change that did not find its row.
func onlyOne(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n != 1 {
		err = ErrConflict
	}
	return err
}

// MoveImport takes an import from one state to another. ErrConflict if it is not
// in that state: somebody else was faster.
func (d *DB) MoveImport(ctx context.Context, id, from, to, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := onlyOne(tx.ExecContext(ctx, `UPDATE imports SET state = $1 WHERE id = $2 AND state = $3`, to, id, from)); err != nil {
			return err
		}
		if to == ImportRunning {
			if _, err := tx.ExecContext(ctx, `UPDATE imports SET confirmed = $1, confirmed_by = $2 WHERE id = $3`, at, by, id); err != nil {
				return err
			}
		}
		return audit(ctx, tx, at, by, "import_"+to, id, "")
	})
}

// Import returns an import, or ErrNotFound.
func (d *DB) Import(ctx context.Context, id string) (Import, error) {
	i, err := scanImport(d.sql.QueryRowContext(ctx, `SELECT `+importColumns+` FROM imports WHERE id = $1`, id))
	return i, named(err)
}

// Imports returns the newest, of a state if one is given.
func (d *DB) Imports(ctx context.Context, state string, limit int) ([]Import, error) {
	var c conditions
	if state != "" {
		c.add("state = ?", state)
	}
	where := c.where()
	return all(ctx, d.sql, scanImport, `SELECT `+importColumns+` FROM imports `+where+` ORDER BY at DESC, id LIMIT `+c.parameter(limit), c.args...)
}

const importRowColumns = `line, position, request, faults, day, idx`

func scanImportRow(r rowScanner) (row ImportRow, err error) {
	var day, index int64
	err = r.Scan(&row.Line, &row.Position, &row.Request, &row.Faults, &day, &index)
	if index >= 0 {
		row.Pass = &pass.ID{Day: pass.Day(day), Index: uint32(index)}
	}
	return row, err
}

// ImportRows returns rows behind a line, in order: those with faults, or those
// that were issued.
func (d *DB) ImportRows(ctx context.Context, id string, faults bool, after, limit int) ([]ImportRow, error) {
	which := "idx >= 0"
	if faults {
		which = "faults <> ''"
	}
	return all(ctx, d.sql, scanImportRow, `SELECT `+importRowColumns+` FROM import_rows WHERE import = $1 AND line > $2 AND `+which+` ORDER BY line LIMIT $3`, id, after, limit)
}

// FirstImportRows returns good rows from the beginning.
func (d *DB) FirstImportRows(ctx context.Context, id string, limit int) ([]ImportRow, error) {
	return all(ctx, d.sql, scanImportRow, `SELECT `+importRowColumns+` FROM import_rows WHERE import = $1 AND position > 0 ORDER BY position LIMIT $2`, id, limit)
}

// ErrRow is what draft returns to IssueImport, with words, for a row that cannot
// be issued; the others can.
type ErrRow struct{ Faults string }

func (e *ErrRow) Error() string { return "row not issued: " + e.Faults }

// ImportDraft is what a row asks for.
type ImportDraft struct {
	Draft
	Mail *Mail  // to send when it is issued; its pass is filled in
	Full string // the faults to store if the day is full
	Gone string // the same if the eCard is withdrawn
}

// IssueImport issues the next good rows of a running import, in one transaction
// with the import's position: after a crash the next call goes on where the last
// one that returned had come to, and no row is issued twice, by however many
// centrals. more is false when nothing is left to do.
func (d *DB) IssueImport(ctx context.Context, id string, limit int, capacity uint32, at int64, draft func(ImportRow) (ImportDraft, error)) (more bool, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		more = false
		i, err := scanImport(tx.QueryRowContext(ctx, `SELECT `+importColumns+` FROM imports WHERE id = $1`, id))
		if err != nil || i.State != ImportRunning {
			return err
		}
		rows, err := all(ctx, tx, scanImportRow, `SELECT `+importRowColumns+` FROM import_rows WHERE import = $1 AND position > $2 ORDER BY position LIMIT $3`, id, i.Position, limit)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := issueRow(ctx, tx, &i, row, capacity, draft); err != nil {
				return err
			}
		}
		more = len(rows) == limit
		return saveProgress(ctx, tx, &i, more, at)
	})
	return more, err
}

func issueRow(ctx context.Context, tx *sql.Tx, i *Import, row ImportRow, capacity uint32, draft func(ImportRow) (ImportDraft, error)) error {
	i.Position = row.Position
	x, err := draft(row)
	var p Pass
	if err == nil {
		p, err = issueDraft(ctx, tx, x.Draft, capacity)
	}
	switch {
	case errors.Is(err, ErrDayFull):
		err = &ErrRow{x.Full}
	case errors.Is(err, ErrWithdrawn):
		err = &ErrRow{x.Gone}
	}
	if refused, ok := errors.AsType[*ErrRow](err); ok {
		i.Failed++
		_, err = tx.ExecContext(ctx, `UPDATE import_rows SET faults = $1 WHERE import = $2 AND line = $3`, refused.Faults, i.ID, row.Line)
		return err
	}
	if err != nil {
		return err
	}
	i.Issued++
	if _, err := tx.ExecContext(ctx, `UPDATE import_rows SET day = $1, idx = $2 WHERE import = $3 AND line = $4`, p.Day, p.Index, i.ID, row.Line); err != nil {
		return err
	}
	if x.Mail == nil {
		return nil
	}
	x.Mail.Pass = p.ID()
	return addMail(ctx, tx, *x.Mail)
}

func saveProgress(ctx context.Context, tx *sql.Tx, i *Import, more bool, at int64) error {
	if !more {
		i.State, i.Ended = ImportDone, at
		if err := audit(ctx, tx, at, i.ConfirmedBy, "import_done", i.ID, fmt.Sprintf("%d issued, %d failed", i.Issued, i.Failed)); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE imports SET state = $1, position = $2, issued = $3, failed = $4, ended = $5 WHERE id = $6`,
		i.State, i.Position, i.Issued, i.Failed, i.Ended, i.ID)
	return err
}

// PruneImports erases the rows of imports that were never confirmed and began
// before a time (Unix ms), and those of imports that ended before another: names
// and addresses stand in them.
func (d *DB) PruneImports(ctx context.Context, begun, ended int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		const old = `SELECT id FROM imports WHERE confirmed = 0 AND at < $1 OR ended > 0 AND ended < $2`
		if _, err := tx.ExecContext(ctx, `DELETE FROM import_rows WHERE import IN (`+old+`)`, begun, ended); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM imports WHERE id IN (`+old+`)`, begun, ended)
		return err
	})
}
