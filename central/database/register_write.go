package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"turnstile/central/register"
)

// registerTable is where the rows of a kind are: the columns stand as in
// Kind.Columns.
type registerTable struct {
	name    string
	key     string // column
	columns []string
}

func tableOf(k register.Kind) registerTable {
	switch k {
	case register.Persons:
		return registerTable{"register_persons", "id", []string{"id", "surname", "given", "name_zh", "born", "personal_id", "email", "phone"}}
	case register.Cards:
		return registerTable{"register_cards", "key", []string{"person", "kind", "number", "from_day", "until_day"}}
	case register.Degrees:
		return registerTable{"register_degrees", "key", []string{"person", "award", "programme", "institution", "graduated"}}
	}
	return registerTable{"register_netids", "key", []string{"person", "netid"}}
}

// standing returns what stands under a key by column, nil for nothing.
func standing(ctx context.Context, q querier, k register.Kind, key string) (map[string]string, error) {
	t := tableOf(k)
	values := make([]string, len(t.columns))
	to := make([]any, len(values))
	for i := range values {
		to[i] = &values[i]
	}
	err := q.QueryRowContext(ctx, `SELECT `+strings.Join(t.columns, ", ")+` FROM `+t.name+` WHERE `+t.key+` = $1`, key).Scan(to...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	stands := map[string]string{}
	for i, column := range k.Columns() {
		stands[column] = values[i]
	}
	return stands, named(err)
}

// judge says what a record does to the register as it stands, and gives what is
// not about the row alone a fault.
func judge(ctx context.Context, q querier, r register.Record) (e register.Effect, columns []string, fault *register.Fault, err error) {
	stands, err := standing(ctx, q, r.Kind, r.Key)
	if err != nil {
		return "", nil, nil, err
	}
	if r.Kind != register.Persons {
		var n int
		if err := q.QueryRowContext(ctx, `SELECT COUNT(*) FROM register_persons WHERE id = $1`, r.Person).Scan(&n); err != nil {
			return "", nil, nil, named(err)
		}
		if n == 0 {
			return "", nil, &register.Fault{Column: "person", Text: "there is no person %s in the register: import persons first", Arg: r.Person}, nil
		}
	}
	e, columns, fault = register.Compare(stands, r)
	return e, columns, fault, nil
}

// put brings a record into the register. What stands already stays untouched.
func put(ctx context.Context, tx *sql.Tx, r register.Record, at int64) (e register.Effect, fault *register.Fault, err error) {
	e, columns, fault, err := judge(ctx, tx, r)
	switch {
	case err != nil || fault != nil || e == register.Same:
		return e, fault, err
	case e == register.Adds:
		err = insertRecord(ctx, tx, r, at)
	default:
		err = updateRecord(ctx, tx, r, columns)
	}
	if err == nil && r.Kind == register.Persons {
		err = errors.Join(forgetApart(ctx, tx, r.Key, columns), derive(ctx, tx, r.Key, at))
	}
	return e, nil, err
}

func insertRecord(ctx context.Context, tx *sql.Tx, r register.Record, at int64) error {
	t := tableOf(r.Kind)
	columns, args := slices.Clone(t.columns), []any{}
	for _, c := range r.Kind.Columns() {
		args = append(args, r.Values[c])
	}
	if r.Kind == register.Persons {
		columns = append(columns, "head", "name_key", "since", "changed")
		args = append(args, "", "", at, at)
	} else {
		columns, args = append(columns, "key"), append(args, r.Key)
	}
	places := make([]string, len(args))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO `+t.name+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(places, ", ")+`)`, args...)
	return err
}

func updateRecord(ctx context.Context, tx *sql.Tx, r register.Record, columns []string) error {
	t := tableOf(r.Kind)
	var sets []string
	var args []any
	for i, c := range r.Kind.Columns() {
		if slices.Contains(columns, c) {
			args = append(args, r.Values[c])
			sets = append(sets, fmt.Sprintf("%s = $%d", t.columns[i], len(args)))
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE `+t.name+` SET `+strings.Join(sets, ", ")+` WHERE `+t.key+fmt.Sprintf(` = $%d`, len(args)+1), append(args, r.Key)...)
	return err
}

// derive stores what a person is found and compared by.
func derive(ctx context.Context, tx *sql.Tx, id string, at int64) error {
	p, err := registeredRow(ctx, tx, id)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE register_persons SET name_key = $1, changed = $2 WHERE id = $3`, register.NameKey(p.Surname, p.Given, p.NameZH), at, id); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM register_words WHERE person = $1`, id); err != nil {
		return err
	}
	for _, w := range personWords(&p.Person) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO register_words (word, person) VALUES ($1, $2)`, w, id); err != nil {
			return err
		}
	}
	return nil
}

// errPreview undoes a transaction whose effects were only to be seen.
var errPreview = errors.New("preview")

// PutRegister brings records of one kind into the register, all or none. With
// faults, by position, none of them is in; a preview stores nothing either way.
func (d *DB) PutRegister(ctx context.Context, by string, at int64, records []register.Record, preview bool) (n register.Counts, faults map[int]register.Fault, err error) {
	err = d.write(ctx, func(tx *sql.Tx) error {
		n, faults = register.Counts{}, map[int]register.Fault{}
		for i, r := range records {
			e, fault, err := put(ctx, tx, r, at)
			if err != nil {
				return err
			}
			if n.Add(e); fault != nil {
				faults[i] = *fault
			}
		}
		switch {
		case preview || len(faults) > 0:
			return errPreview
		case n.Added+n.Changed == 0:
			return nil
		}
		return audit(ctx, tx, at, by, "register_put", string(records[0].Kind), fmt.Sprintf("%d added, %d changed", n.Added, n.Changed))
	})
	if errors.Is(err, errPreview) {
		err = nil
	}
	return n, faults, err
}

// RemoveRegistered takes a person's own row out of the register, with cards,
// degrees and NetIDs, and ends the eCard of one of whom no other row is left.
// register.ErrNotFound.
func (d *DB) RemoveRegistered(ctx context.Context, id, by string, at int64) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		there, err := removePerson(ctx, tx, id, by, at)
		if err != nil {
			return err
		}
		if !there {
			return register.ErrNotFound
		}
		return audit(ctx, tx, at, by, "register_remove", id, "")
	})
}

// removeRecord takes a row out; there is false if it was gone.
func removeRecord(ctx context.Context, tx *sql.Tx, k register.Kind, key, by string, at int64) (there bool, err error) {
	if k == register.Persons {
		return removePerson(ctx, tx, key, by, at)
	}
	r, err := tx.ExecContext(ctx, `DELETE FROM `+tableOf(k).name+` WHERE key = $1`, key)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

func removePerson(ctx context.Context, tx *sql.Tx, id, by string, at int64) (there bool, err error) {
	p, err := registeredRow(ctx, tx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	members, err := all(ctx, tx, scanText, `SELECT id FROM register_persons WHERE head = $1 AND head <> '' ORDER BY since, id`, id)
	if err != nil {
		return false, err
	}
	for _, q := range []string{
		`DELETE FROM register_cards WHERE person = $1`, `DELETE FROM register_degrees WHERE person = $1`, `DELETE FROM register_netids WHERE person = $1`,
		`DELETE FROM register_words WHERE person = $1`, `DELETE FROM register_apart WHERE a = $1 OR b = $1`, `DELETE FROM register_persons WHERE id = $1`,
	} {
		if _, err := tx.ExecContext(ctx, q, id); err != nil {
			return false, err
		}
	}
	// What was merged with a row that is gone cannot be taken apart any more.
	if _, err := tx.ExecContext(ctx, `UPDATE register_merges SET undone = $1, undone_by = $2 WHERE undone = 0 AND (kept = $3 OR gone = $3)`, at, by, id); err != nil {
		return false, err
	}
	switch {
	case len(members) > 0:
		return true, succeed(ctx, tx, id, members[0])
	case p.head == "":
		_, err = tx.ExecContext(ctx, `DELETE FROM ecards WHERE holder = $1 AND withdrawn = 0`, id) // who comes back finds it withdrawn still
	}
	return true, err
}

// succeed makes another row of a person the first, with eCard and photo.
func succeed(ctx context.Context, tx *sql.Tx, old, head string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE register_persons SET head = '' WHERE id = $1`, head); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE register_persons SET head = $1 WHERE head = $2`, head, old); err != nil {
		return err
	}
	if _, err := moveECard(ctx, tx, old, head); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM ecards WHERE holder = $1 AND withdrawn = 0`, old)
	return err
}
