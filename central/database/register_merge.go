package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"turnstile/central/register"
)

// What merging can refuse.
var (
	ErrMerged = errors.New("one of the two is merged already")
	ErrIssued = errors.New("something was issued since the merge")
)

// MergeRegister makes the person gone, with its aliases, an alias of kept: m.ID,
// Kept, Gone, Reason, By and At count. Each row keeps its cards, degrees and NetIDs,
// and a pass the id that it was issued to; an eCard becomes that of kept, if kept has
// none. register.ErrNotFound; ErrMerged: one of the two is an alias itself, or both
// are one.
func (d *DB) MergeRegister(ctx context.Context, m register.Merge) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := twoPersons(ctx, tx, m.Kept, m.Gone); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM register_apart WHERE a = $1 AND b = $2`, min(m.Kept, m.Gone), max(m.Kept, m.Gone)); err != nil {
			return err
		}
		at := m.At.UnixMilli()
		card, err := moveECard(ctx, tx, m.Gone, m.Kept)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO register_merges (id, kept, gone, reason, at, by, card, undone, undone_by) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '')`,
			m.ID, m.Kept, m.Gone, m.Reason, at, m.By, flag(card)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO register_merged (merge, person) SELECT $1, id FROM register_persons WHERE id = $2 OR head = $2`, m.ID, m.Gone); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE register_persons SET head = $1 WHERE id = $2 OR head = $2`, m.Kept, m.Gone); err != nil {
			return err
		}
		return audit(ctx, tx, at, m.By, "register_merge", m.Kept, m.Gone+": "+m.Reason)
	})
}

// moveECard gives the eCard of one id, with its photo, to another that has none.
func moveECard(ctx context.Context, tx *sql.Tx, from, to string) (moved bool, err error) {
	r, err := tx.ExecContext(ctx, `UPDATE ecards SET holder = $1 WHERE holder = $2 AND NOT EXISTS (SELECT 1 FROM ecards t WHERE t.holder = $1)`, to, from)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `UPDATE photos SET holder = $1 WHERE holder = $2 AND NOT EXISTS (SELECT 1 FROM photos t WHERE t.holder = $1)`, to, from)
	return true, err
}

// issuedSince counts what was issued to any id of a merge, or handed in by it, at
// its time or after it.
const issuedSince = `(SELECT COUNT(*) FROM passes p WHERE p.issued >= m.at AND (p.holder = m.kept OR p.holder IN (SELECT person FROM register_merged x WHERE x.merge = m.id)))
	+ (SELECT COUNT(*) FROM applications a WHERE a.at >= m.at AND (a.holder = m.kept OR a.holder IN (SELECT person FROM register_merged x WHERE x.merge = m.id)))`

// UndoRegisterMerge takes a merge apart. ErrNotFound; ErrConflict: it was undone, or
// the person that it made was merged further; ErrIssued, also if the account of gone
// became that of kept with a sign-in since.
func (d *DB) UndoRegisterMerge(ctx context.Context, id, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		var m register.Merge
		var undone, issued, card, moved int64
		err := tx.QueryRowContext(ctx, `SELECT kept, gone, card, undone, `+issuedSince+`, (SELECT COUNT(*) FROM audit u WHERE u.action = 'account_move' AND u.subject = m.kept AND u.at >= m.at)
			FROM register_merges m WHERE id = $1`, id).Scan(&m.Kept, &m.Gone, &card, &undone, &issued, &moved)
		if err != nil {
			return err
		}
		kept, err := registeredRow(ctx, tx, m.Kept)
		switch {
		case err != nil:
			return err
		case undone != 0 || kept.head != "":
			return ErrConflict
		case issued+moved > 0:
			return ErrIssued
		}
		if _, err := tx.ExecContext(ctx, `UPDATE register_persons SET head = $1 WHERE id IN (SELECT person FROM register_merged WHERE merge = $2)`, m.Gone, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE register_persons SET head = '' WHERE id = $1`, m.Gone); err != nil {
			return err
		}
		if card == 1 {
			if _, err := moveECard(ctx, tx, m.Kept, m.Gone); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `UPDATE register_merges SET undone = $1, undone_by = $2 WHERE id = $3`, at, by, id); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "register_merge_undo", m.Kept, m.Gone)
	})
}

// RegisterMerges returns merges, the newest first; of one person those that its id
// stands in.
func (d *DB) RegisterMerges(ctx context.Context, person string, limit int) ([]register.Merge, error) {
	var c conditions
	if person != "" {
		c.add("(m.kept = ? OR m.gone = ?)", person, person)
	}
	where := c.where()
	return all(ctx, d.sql, func(r rowScanner) (m register.Merge, err error) {
		var at, undone, issued int64
		err = r.Scan(&m.ID, &m.Kept, &m.Gone, &m.Reason, &at, &m.By, &undone, &m.UndoneBy, &issued)
		m.At, m.Undone, m.Final = moment(at), moment(undone), issued > 0
		return m, err
	}, `SELECT m.id, m.kept, m.gone, m.reason, m.at, m.by, m.undone, m.undone_by, `+issuedSince+` FROM register_merges m `+where+` ORDER BY m.at DESC, m.id LIMIT `+c.parameter(limit), c.args...)
}

// RegisterSuggestions returns pairs of persons with one personal id, and then those
// with one birth date and name, that are neither merged nor kept apart.
func (d *DB) RegisterSuggestions(ctx context.Context, limit int) ([]register.Suggestion, error) {
	var list []register.Suggestion
	for _, same := range []string{"a.personal_id = b.personal_id AND a.personal_id <> ''", "a.born = b.born AND a.name_key = b.name_key AND a.born <> '' AND (a.personal_id <> b.personal_id OR a.personal_id = '')"} {
		found, err := all(ctx, d.sql, scanSuggestion, `SELECT `+ofTable("a")+`, `+ofTable("b")+` FROM register_persons a JOIN register_persons b ON `+same+
			` AND (a.since < b.since OR a.since = b.since AND a.id < b.id) WHERE a.head = '' AND b.head = '' AND NOT EXISTS
			(SELECT 1 FROM register_apart x WHERE x.a = a.id AND x.b = b.id OR x.a = b.id AND x.b = a.id) ORDER BY a.id, b.id LIMIT $1`, limit-len(list))
		if err != nil {
			return nil, err
		}
		if list = append(list, found...); len(list) >= limit {
			break
		}
	}
	return list, nil
}

func ofTable(name string) string {
	return name + "." + strings.ReplaceAll(registeredColumns, ", ", ", "+name+".")
}

func scanSuggestion(r rowScanner) (s register.Suggestion, err error) {
	var a, b registered
	personal := [2]string{}
	times := [4]int64{}
	err = r.Scan(&a.ID, &a.head, &a.Surname, &a.Given, &a.NameZH, &a.Born, &personal[0], &a.Email, &a.Phone, &times[0], &times[1],
		&b.ID, &b.head, &b.Surname, &b.Given, &b.NameZH, &b.Born, &personal[1], &b.Email, &b.Phone, &times[2], &times[3])
	if err != nil {
		return s, fmt.Errorf("read suggestion: %w", err)
	}
	a.Since, a.Changed, b.Since, b.Changed = time.UnixMilli(times[0]), time.UnixMilli(times[1]), time.UnixMilli(times[2]), time.UnixMilli(times[3])
	return register.Suggestion{A: a.Person, B: b.Person, PersonalID: personal[0] != "" && personal[0] == personal[1]}, nil
}
