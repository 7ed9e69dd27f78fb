package database

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"turnstile/central/database/rowstest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// released are the migrations that databases in use were made with, by the first
// bytes of their SHA-256: they are never changed, a correction is a new one.
var released = map[string]string{
	"00001_first.sql":      "fd5161647a53",
	"00003_supervisor.sql": "8913397b83f9",
	"00004_gaps.sql":       "8b3d11668476",
	"00005_alarms.sql":     "10c498933d43",
}

func TestReleasedMigrations(t *testing.T) {
	for name, want := range released {
		text, err := migrations.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%.6x", sha256.Sum256(text)); got != want {
			t.Errorf("%s was changed: %s", name, got)
		}
	}
}

// older makes a database of an older schema.
func older(t *testing.T, where string, version int64) *sql.DB {
	t.Helper()
	open := openSQLite
	if IsPostgres(where) {
		open = openPostgres
	}
	db, _, err := open(where)
	if err != nil {
		t.Fatal(err)
	}
	p, err := provider(db, IsPostgres(where))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		t.Fatal(err)
	}
	return db
}

// oldRows fill the tables of each schema that was released.
var oldRows = map[int64][]string{
	1: {
		`INSERT INTO days VALUES (2517, 1024, 2), (2518, 2048, 0)`,
		`INSERT INTO feed_log VALUES (9, 1, $1, $2, 5), (9, 2, $2, $1, 6)`,
		`INSERT INTO feed_base VALUES (2517, $1), (2518, $2)`,
		`INSERT INTO documents VALUES ('rules', 1, 'old', 1, 'a'), ('rules', 2, '新', 2, 'b')`,
		`INSERT INTO lanes VALUES ('north', 1, 2, $1, $2, $1, $2, 1, 7)`,
		`INSERT INTO removed_certificates VALUES ('0af3', 'north', 1, 9000000000000)`,
		`INSERT INTO enrol_tokens VALUES ($1, 'north', $2, 1, 2, 0)`,
		`INSERT INTO lane_applied VALUES ('north', 9, 1, 77)`,
		`INSERT INTO journals VALUES (1, 'north', $1, 2, $2, 3), (2, 'south', $2, 0, $1, 3)`,
		`INSERT INTO alarms VALUES (4, 'journal_fork', 'north', 'x', 1, 2, 3, 'd', 'n')`,
		`INSERT INTO api_tokens VALUES ('id', 'console', 'admin', $1, 1, 0, 0, 0)`,
		`INSERT INTO audit VALUES (5, 'a', 'revoke', 'p', 'd'), (5, 'a', 'revoke', 'p', 'd')`,
	},
	3: {
		`INSERT INTO supervisor_codes VALUES (2517, 5, 's', 1, 'north', 1, 2, 0, 1, 2, 'officer', 1, 'a', 0, '', '')`,
		`INSERT INTO supervisor_uses VALUES (1, 2517, 5, 'north', $1)`,
	},
	4: {`INSERT INTO journal_gaps VALUES (1, 5, 6, $1, 7)`},
}

// fillOld writes rows into every table of an older schema, with n entries.
func fillOld(t *testing.T, db *sql.DB, version int64, n int) {
	t.Helper()
	one, two := []byte("\x00\x01\xff bytes of one"), []byte("\xfe two")
	for v := range version + 1 {
		for _, statement := range oldRows[v] {
			args := []any{one, two}[:highest(statement)]
			if _, err := db.Exec(statement, args...); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	p := pass.Pass{Kind: pass.Guest, Day: 2517, Index: 1, Length: 6, Zones: 5}
	if _, err := db.Exec(`INSERT INTO passes VALUES (2517, 1, 2, $1, 's0001', 'Chan Tai Man', 'visit', 5, 'a', 0, 0, 0, '', '')`, p.Text(make([]byte, 64))); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	into := insertion{table: "entries", columns: []string{"number", "journal", "seq", "day", "pass_day", "pass_idx", "received", "entry"}}
	err = newInserter(ctx, nil, tx, false).insert(&into, n, func(i int, args []any) []any {
		e := randomEntry(r)
		e.Seq, e.Pass = uint64(i+1), pass.ID{Day: 2517, Index: 1}
		return append(args, i+1, 1, int64(e.Seq), 2517, int64(e.Pass.Day), int64(e.Pass.Index), int64(base+dayMs), e.Append(nil))
	})
	if err := errors.Join(err, tx.Commit()); err != nil {
		t.Fatal(err)
	}
}

// highest returns the highest $N of a statement.
func highest(statement string) (n int) {
	for i := range 3 {
		if strings.Contains(statement, fmt.Sprintf("$%d", i)) {
			n = i
		}
	}
	return n
}

// TestOlder: a database of each schema that was released opens, and has every
// row that it had.
func TestOlder(t *testing.T) {
	for _, version := range []int64{1, 3, 4, 5} {
		t.Run(fmt.Sprint(version), func(t *testing.T) { each(t, func(t *testing.T, where string) { testOlder(t, where, version) }) })
	}
}

func testOlder(t *testing.T, where string, version int64) {
	old := older(t, where, version)
	fillOld(t, old, version, 40)
	before := rowstest.Read(t, old, IsPostgres(where))
	for table, rows := range before {
		if len(rows) == 0 {
			t.Errorf("the test has no row for table %s", table)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	d := open(t, where)
	after := rowstest.Read(t, d.sql, d.postgres)
	for table, rows := range before {
		if len(after[table]) < len(rows) {
			t.Errorf("table %s has %d rows, had %d", table, len(after[table]), len(rows))
		}
		for _, row := range rows {
			if !slices.ContainsFunc(after[table], func(now map[string]string) bool { return contains(now, row) }) {
				t.Errorf("table %s lacks %v", table, row)
			}
		}
	}
	if list, err := d.Passes(ctx, PassFilter{Words: "tai", Limit: 5}); err != nil || len(list) != 1 {
		t.Errorf("%d passes found by name: %v", len(list), err)
	}
	day := pass.Day(2517)
	if list, err := d.Passes(ctx, PassFilter{Day: &day, Zones: 4, Limit: 5}); err != nil || len(list) != 1 {
		t.Errorf("%d passes found by zone: %v", len(list), err)
	}
}

// contains tells whether a row has the values of another, and maybe more.
func contains(row, values map[string]string) bool {
	for column, v := range values {
		if row[column] != v {
			return false
		}
	}
	return true
}

// TestFillGoesOn: the filling of old rows, broken off in the middle, goes on where
// it was: each entry is found, and counted once.
func TestFillGoesOn(t *testing.T) { each(t, testFillGoesOn) }

func testFillGoesOn(t *testing.T, where string) {
	const n = filledTogether*2 + 77
	old := older(t, where, 5)
	fillOld(t, old, 5, n)
	p, err := provider(old, IsPostgres(where))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(ctx, 6); err != nil {
		t.Fatal(err)
	}
	if more, err := fillPart(ctx, old, fillEntries); err != nil || !more {
		t.Fatal(more, err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	d := open(t, where)
	counted := int64(0)
	hours, err := d.HourCounts(ctx, 0, base+2*dayMs)
	for _, h := range hours {
		counted += h.Count
	}
	if err != nil || counted != n {
		t.Errorf("%d counted, want %d: %v", counted, n, err)
	}
	found, f := 0, PassageFilter{Types: []link.EntryType{link.EntryGranted, link.EntryDenied, link.EntryPassed, link.EntryNotPassed, link.EntryTamper}, Limit: 1000}
	for {
		page, err := d.Search(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		if found += len(page); len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].Cursor()
	}
	if found != n {
		t.Errorf("%d found, want %d", found, n)
	}
}
