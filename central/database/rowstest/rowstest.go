// Package rowstest reads every row of every table, for tests that look for what has
// to be there, or to be gone.
package rowstest

import (
	"database/sql"
	"fmt"
	"testing"
)

// Read returns all rows of all tables but goose's, each as column=value; bytes are
// shown as the text that they may be.
func Read(t *testing.T, db *sql.DB, postgres bool) map[string][]map[string]string {
	t.Helper()
	found := map[string][]map[string]string{}
	for _, table := range tables(t, db, postgres) {
		found[table] = read(t, db, table)
	}
	return found
}

func tables(t *testing.T, db *sql.DB, postgres bool) (list []string) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%'`
	if postgres {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%'`
	}
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	if err := rows.Err(); err != nil || len(list) < 5 {
		t.Fatal(list, err)
	}
	return list
}

func read(t *testing.T, db *sql.DB, table string) (list []map[string]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, row := make([]any, len(columns)), map[string]string{}
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			row[c] = shown(*values[i].(*any))
		}
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func shown(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
