package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"turnstile/central/register"
)

const syncColumns = `id, kind, name, whole, state, by, at, good, bad, adds, alters, same, removes, total, held, confirmed, confirmed_by, added, changed, taken, failed, ended, position`

// syncing is a sync with how far its rows are done.
type syncing struct {
	register.Sync
	position int
}

func scanSync(r rowScanner) (s syncing, err error) {
	var whole, held, at, confirmed, ended int64
	err = r.Scan(&s.ID, &s.Kind, &s.Name, &whole, &s.State, &s.By, &at, &s.Good, &s.Bad, &s.Adds, &s.Alters, &s.Same, &s.Removes, &s.Total, &held,
		&confirmed, &s.ConfirmedBy, &s.Added, &s.Changed, &s.Taken, &s.Failed, &ended, &s.position)
	s.Full, s.Held, s.At, s.Confirmed, s.Ended = whole == 1, held == 1, moment(at), moment(confirmed), moment(ended)
	return s, err
}

// moment is a time of Unix ms, 0 for none.
func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// AddRegisterSync begins a sync whose rows follow: of s counts ID, Kind, Name, Full,
// By and At.
func (d *DB) AddRegisterSync(ctx context.Context, s register.Sync) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO register_syncs (`+syncColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', 0, 0, 0, 0, 0, 0)`, s.ID, s.Kind, s.Name, flag(s.Full), register.SyncReading, s.By, s.At.UnixMilli())
		return err
	})
}

// AddRegisterRows adds rows to a sync that is being read, and says of each what it
// would do. A line that stands already is passed over: the same rows can be sent
// again. ErrConflict: the sync is not being read, or has more than register.MaxRows.
func (d *DB) AddRegisterRows(ctx context.Context, id string, rows []register.Row) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		s, err := scanSync(tx.QueryRowContext(ctx, `SELECT `+syncColumns+` FROM register_syncs WHERE id = $1`, id))
		if err != nil {
			return err
		}
		if s.State != register.SyncReading || s.Good+s.Bad+len(rows) > register.MaxRows {
			return ErrConflict
		}
		for _, r := range rows {
			if err := addRegisterRow(ctx, tx, &s, r); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE register_syncs SET good = $1, bad = $2, adds = $3, alters = $4, same = $5 WHERE id = $6`, s.Good, s.Bad, s.Adds, s.Alters, s.Same, id)
		return err
	})
}

func addRegisterRow(ctx context.Context, tx *sql.Tx, s *syncing, r register.Row) error {
	stands, err := all(ctx, tx, scanText, `SELECT key FROM register_rows WHERE sync = $1 AND line = $2`, s.ID, r.Line)
	if err != nil || len(stands) > 0 {
		return err
	}
	x := register.SyncRow{Line: r.Line, Record: r.Record, Faults: r.Faults}
	if len(r.Faults) == 0 {
		if err := weigh(ctx, tx, s.ID, &x); err != nil {
			return err
		}
	}
	position := 0
	switch {
	case len(x.Faults) > 0:
		s.Bad++
		x.Record, x.Effect, x.Columns = register.Record{}, "", nil
	case x.Effect == register.Same:
		s.Good, s.Same = s.Good+1, s.Same+1
	default:
		s.Good++
		if x.Effect == register.Adds {
			s.Adds++
		} else {
			s.Alters++
		}
		position = s.Adds + s.Alters
	}
	return insertRegisterRow(ctx, tx, s.ID, position, x)
}

// weigh says what a good row would do, or gives it a fault.
func weigh(ctx context.Context, tx *sql.Tx, sync string, x *register.SyncRow) error {
	lines, err := all(ctx, tx, func(r rowScanner) (n int, err error) { return n, r.Scan(&n) },
		`SELECT line FROM register_rows WHERE sync = $1 AND key = $2 LIMIT 1`, sync, x.Record.Key)
	if err != nil {
		return err
	}
	if len(lines) > 0 {
		x.Faults = []register.Fault{register.Twice(lines[0])}
		return nil
	}
	var fault *register.Fault
	x.Effect, x.Columns, fault, err = judge(ctx, tx, x.Record)
	if fault != nil {
		x.Faults = []register.Fault{*fault}
	}
	return err
}

func insertRegisterRow(ctx context.Context, tx *sql.Tx, sync string, position int, x register.SyncRow) error {
	record, faults := "", ""
	if x.Effect != "" && x.Effect != register.Same {
		text, err := json.Marshal(x.Record)
		if err != nil {
			return fmt.Errorf("encode row: %w", err)
		}
		record = string(text)
	}
	if len(x.Faults) > 0 {
		text, err := json.Marshal(x.Faults)
		if err != nil {
			return fmt.Errorf("encode faults: %w", err)
		}
		faults = string(text)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO register_rows (sync, line, position, key, effect, columns, record, faults) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		sync, x.Line, position, x.Record.Key, x.Effect, strings.Join(x.Columns, " "), record, faults)
	return err
}

// CompareRegister ends the reading of a sync: of a full one it notes what is to be
// removed, at most limit rows at a time, and lets it be looked at when that is all.
// One that changes nothing is done. ErrConflict: it is not being read.
func (d *DB) CompareRegister(ctx context.Context, id string, limit int, at int64) (more bool, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		more = false
		s, err := scanSync(tx.QueryRowContext(ctx, `SELECT `+syncColumns+` FROM register_syncs WHERE id = $1`, id))
		if err != nil {
			return err
		}
		if s.State != register.SyncReading {
			return ErrConflict
		}
		t := tableOf(s.Kind)
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+t.name).Scan(&s.Total); err != nil {
			return err
		}
		if s.Held = s.Full && s.Bad > 0; s.Full && !s.Held {
			if more, err = noteMissing(ctx, tx, &s, t, limit); err != nil {
				return err
			}
		}
		if !more {
			err = s.present(ctx, tx, at)
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE register_syncs SET state = $1, removes = $2, total = $3, held = $4, ended = $5 WHERE id = $6`, s.State, s.Removes, s.Total, flag(s.Held), milli(s.Ended), id)
		return err
	})
	return more, err
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// noteMissing notes rows of the register that the sync does not have.
func noteMissing(ctx context.Context, tx *sql.Tx, s *syncing, t registerTable, limit int) (more bool, err error) {
	missing, err := all(ctx, tx, scanText, `SELECT t.`+t.key+` FROM `+t.name+` t WHERE NOT EXISTS (SELECT 1 FROM register_rows r WHERE r.sync = $1 AND r.key = t.`+t.key+`) LIMIT $2`, s.ID, limit)
	if err != nil {
		return false, err
	}
	for _, key := range missing {
		values, err := standing(ctx, tx, s.Kind, key)
		if err != nil {
			return false, err
		}
		r := register.Record{Kind: s.Kind, Key: key, Person: values[s.Kind.Columns()[0]], Values: told(values)}
		s.Removes++
		if err := insertRegisterRow(ctx, tx, s.ID, s.Adds+s.Alters+s.Removes, register.SyncRow{Line: -s.Removes, Record: r, Effect: register.Removes}); err != nil {
			return false, err
		}
	}
	return len(missing) == limit, nil
}

// told is a row's values as a preview tells them.
func told(values map[string]string) map[string]string {
	delete(values, "personal_id")
	return values
}

// present ends the reading.
func (s *syncing) present(ctx context.Context, tx *sql.Tx, at int64) error {
	s.State = register.SyncPreview
	if s.Idle() && s.Bad == 0 {
		s.State, s.Ended = register.SyncDone, moment(at)
		return audit(ctx, tx, at, s.By, "register_done", s.ID, "nothing to change")
	}
	return audit(ctx, tx, at, s.By, "register_preview", s.ID, fmt.Sprintf("%s: %d to add, %d to change, %d to remove, %d bad", s.Kind, s.Adds, s.Alters, s.Removes, s.Bad))
}

// SettleRegister confirms or discards a preview. ErrConflict: it is decided already.
func (d *DB) SettleRegister(ctx context.Context, id string, confirm bool, by string, at int64) error {
	to, confirmed, who := register.SyncDiscarded, int64(0), ""
	if confirm {
		to, confirmed, who = register.SyncRunning, at, by
	}
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := onlyOne(tx.ExecContext(ctx, `UPDATE register_syncs SET state = $1, confirmed = $2, confirmed_by = $3 WHERE id = $4 AND state = $5`, to, confirmed, who, id, register.SyncPreview)); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "register_"+string(to), id, "")
	})
}

// ApplyRegister does the next rows of a running sync, in one transaction with its
// position: after a crash the next call goes on where the last one that returned had
// come to, and no row is done twice, by however many centrals. more is false when
// nothing is left to do.
func (d *DB) ApplyRegister(ctx context.Context, id string, limit int, at int64) (more bool, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		more = false
		s, err := scanSync(tx.QueryRowContext(ctx, `SELECT `+syncColumns+` FROM register_syncs WHERE id = $1`, id))
		if err != nil || s.State != register.SyncRunning {
			return err
		}
		rows, err := all(ctx, tx, scanSyncRow, `SELECT `+syncRowColumns+` FROM register_rows WHERE sync = $1 AND position > $2 ORDER BY position LIMIT $3`, id, s.position, limit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := s.do(ctx, tx, r, at); err != nil {
				return err
			}
			s.position++
		}
		if more = len(rows) == limit; !more {
			s.State, s.Ended = register.SyncDone, moment(at)
			if err := audit(ctx, tx, at, s.ConfirmedBy, "register_done", id, fmt.Sprintf("%s: %d added, %d changed, %d removed, %d failed", s.Kind, s.Added, s.Changed, s.Taken, s.Failed)); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE register_syncs SET state = $1, position = $2, added = $3, changed = $4, taken = $5, failed = $6, ended = $7 WHERE id = $8`,
			s.State, s.position, s.Added, s.Changed, s.Taken, s.Failed, milli(s.Ended), id)
		return err
	})
	return more, err
}

// do does one row.
func (s *syncing) do(ctx context.Context, tx *sql.Tx, r register.SyncRow, at int64) error {
	if r.Effect == register.Removes {
		there, err := removeRecord(ctx, tx, s.Kind, r.Record.Key, s.ConfirmedBy, at)
		if there {
			s.Taken++
		}
		return err
	}
	e, fault, err := put(ctx, tx, r.Record, at)
	if err != nil {
		return err
	}
	switch {
	case fault != nil:
		s.Failed++
		text, err := json.Marshal([]register.Fault{*fault})
		if err != nil {
			return fmt.Errorf("encode faults: %w", err)
		}
		_, err = tx.ExecContext(ctx, `UPDATE register_rows SET faults = $1 WHERE sync = $2 AND line = $3`, string(text), s.ID, r.Line)
		return err
	case e == register.Adds:
		s.Added++
	case e == register.Changes:
		s.Changed++
	}
	return nil
}

// RegisterSync returns a sync; ErrNotFound.
func (d *DB) RegisterSync(ctx context.Context, id string) (register.Sync, error) {
	s, err := scanSync(d.sql.QueryRowContext(ctx, `SELECT `+syncColumns+` FROM register_syncs WHERE id = $1`, id))
	return s.Sync, named(err)
}

// RegisterSyncs returns the newest, of a state if one is given.
func (d *DB) RegisterSyncs(ctx context.Context, state register.SyncState, limit int) ([]register.Sync, error) {
	var c conditions
	if state != "" {
		c.add("state = ?", state)
	}
	where := c.where()
	return all(ctx, d.sql, func(r rowScanner) (register.Sync, error) { s, err := scanSync(r); return s.Sync, err },
		`SELECT `+syncColumns+` FROM register_syncs `+where+` ORDER BY at DESC, id LIMIT `+c.parameter(limit), c.args...)
}

const syncRowColumns = `line, key, effect, columns, record, faults`

func scanSyncRow(r rowScanner) (x register.SyncRow, err error) {
	var key, columns, record, faults string
	if err := r.Scan(&x.Line, &key, &x.Effect, &columns, &record, &faults); err != nil {
		return x, err
	}
	x.Columns = strings.Fields(columns)
	for text, to := range map[string]any{record: &x.Record, faults: &x.Faults} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte(text), to); err != nil {
			return x, fmt.Errorf("read row %d: %w: %w", x.Line, ErrDamaged, err)
		}
	}
	x.Record.Key = key
	return x, nil
}

// RegisterRows returns rows of a sync, in order: those behind a line, of what is to
// be removed those below it; 0: from the first.
func (d *DB) RegisterRows(ctx context.Context, id string, which register.RowKind, after, limit int) ([]register.SyncRow, error) {
	const of = `SELECT ` + syncRowColumns + ` FROM register_rows WHERE sync = $1 AND `
	if which == register.RowsFaulty {
		return all(ctx, d.sql, scanSyncRow, of+`faults <> '' AND line > $2 ORDER BY line LIMIT $3`, id, after, limit)
	}
	effect := map[register.RowKind]register.Effect{register.RowsAdded: register.Adds, register.RowsChanged: register.Changes, register.RowsRemoved: register.Removes}[which]
	if effect == register.Removes {
		return all(ctx, d.sql, scanSyncRow, of+`effect = $2 AND line < $3 ORDER BY line DESC LIMIT $4`, id, effect, after, limit)
	}
	return all(ctx, d.sql, scanSyncRow, of+`effect = $2 AND line > $3 ORDER BY line LIMIT $4`, id, effect, after, limit)
}

// PruneRegisterSyncs erases syncs that were never confirmed and began before a time
// (Unix ms), and those that ended before another: names and addresses stand in their
// rows.
func (d *DB) PruneRegisterSyncs(ctx context.Context, begun, ended int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		const old = `SELECT id FROM register_syncs WHERE confirmed = 0 AND at < $1 OR ended > 0 AND ended < $2`
		if _, err := tx.ExecContext(ctx, `DELETE FROM register_rows WHERE sync IN (`+old+`)`, begun, ended); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM register_syncs WHERE id IN (`+old+`)`, begun, ended)
		return err
	})
}
