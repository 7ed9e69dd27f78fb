package database

import (
	"errors"
	"strings"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// fill stores entries in batches of ten at the times 100, 200 and so on. Their
// day is the pass's too; every third is about no pass.
func fill(t testing.TB, d *DB, batches int, day func(i int) pass.Day) {
	t.Helper()
	err := d.Ledger(ctx, func(tx *LedgerTx) error {
		j := Journal{Lane: "north", ID: link.JournalID{1}, Started: 1}
		if err := tx.AddJournal(&j); err != nil {
			return err
		}
		for b := range batches {
			var rows []Row
			for i := range 10 {
				r := Row{Seq: uint64(b*10 + i + 1), Day: day(b*10 + i), Entry: []byte{byte(b), byte(i)}}
				if i%3 != 0 {
					r.Pass = pass.ID{Day: r.Day, Index: uint32(i)}
				}
				rows = append(rows, r)
			}
			if err := tx.Append(j.Key, int64(100*(b+1)), rows); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBeforeEntries(t *testing.T) { both(t, testBeforeEntries) }

func testBeforeEntries(t *testing.T, d *DB) {
	if n, err := d.BeforeEntries(ctx, 5); err != nil || n != 0 {
		t.Errorf("of an empty ledger: %d, %v", n, err)
	}
	fill(t, d, 7, func(int) pass.Day { return 1 })
	if _, err := d.sql.Exec(`DELETE FROM entries WHERE number > 12 AND number < 35`); err != nil { // numbers may have gaps
		t.Fatal(err)
	}
	for received, want := range map[int64]uint64{0: 0, 100: 0, 101: 10, 200: 10, 201: 12, 300: 12, 400: 12, 401: 40, 500: 40, 700: 60, 701: 70, 1 << 60: 70} {
		if n, err := d.BeforeEntries(ctx, received); err != nil || n != want {
			t.Errorf("before %d: %d, %v, want %d", received, n, err, want)
		}
	}
}

func TestPassEntries(t *testing.T) { both(t, testPassEntries) }

func testPassEntries(t *testing.T, d *DB) {
	fill(t, d, 4, func(i int) pass.Day { return pass.Day(i/10 + 1) })
	list, err := d.PassEntries(ctx, 12, 38, 2, 3, 100)
	if err != nil || len(list) != 5+6 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	first, last := list[0], list[len(list)-1]
	if first.Number != 13 || first.Lane != "north" || first.Journal != (link.JournalID{1}) || string(first.Entry) != "\x01\x02" || last.Number != 29 {
		t.Errorf("from %+v to %+v", first, last)
	}
	if list, err := d.PassEntries(ctx, 12, 38, 2, 3, 5); err != nil || len(list) != 5 || list[4].Number != 19 {
		t.Errorf("%d entries, %v", len(list), err)
	}
}

// TestPassEntriesPlan: SQLite finds the newest entries by their numbers.
func TestPassEntriesPlan(t *testing.T) {
	d, _ := newDB(t)
	rows, err := d.sql.Query(`EXPLAIN QUERY PLAN SELECT e.number, j.lane FROM entries e JOIN journals j ON j.key = e.journal
		WHERE e.number > 1 AND e.number <= 9 AND +e.pass_day >= 1 AND +e.pass_day <= 2 ORDER BY e.number LIMIT 5`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	plan := ""
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "\n"
	}
	if plan == "" || strings.Contains(plan, "B-TREE") || strings.Contains(plan, "SCAN e") {
		t.Errorf("the newest entries are not found by number:\n%s", plan)
	}
}

func TestReplaceDocument(t *testing.T) { both(t, testReplaceDocument) }

func testReplaceDocument(t *testing.T, d *DB) {
	if _, _, err := d.Document(ctx, "lanes"); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := d.ChangeDocument(ctx, "rules", 1, "other", 1, Deed{By: "test"}); err != nil {
		t.Fatal(err)
	}
	for v := range uint64(3) {
		if err := d.ReplaceDocument(ctx, "lanes", v+1, "body", "test", 1); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := d.sql.QueryRow(`SELECT COUNT(*) FROM documents`).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d documents, %v", n, err)
	}
	if v, body, err := d.Document(ctx, "lanes"); err != nil || v != 3 || body != "body" {
		t.Errorf("%d, %q, %v", v, body, err)
	}
}
