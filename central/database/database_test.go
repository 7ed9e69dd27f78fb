package database

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"turnstile/central/database/postgrestest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

var ctx = context.Background()

// each runs f on a new database of each kind; where is what Open takes.
func each(t *testing.T, f func(t *testing.T, where string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, filepath.Join(t.TempDir(), "central.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, postgrestest.URL(t)) })
}

// both is each with the database open.
func both(t *testing.T, f func(t *testing.T, d *DB)) {
	t.Helper()
	each(t, func(t *testing.T, where string) { f(t, open(t, where)) })
}

func open(t testing.TB, where string) *DB {
	t.Helper()
	d, err := Open(ctx, where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// newDB opens a new SQLite database, for what is particular to it.
func newDB(t testing.TB) (*DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "central.db")
	return open(t, path), path
}

// mint returns a function that makes the pass with the issue number as its index.
func mint(day pass.Day, holder string, issued int64) func(number, capacity uint32) (Pass, error) {
	return func(number, _ uint32) (Pass, error) {
		p := pass.Pass{Kind: pass.ECard, Day: day, Index: number, Length: 6, Zones: 1}
		return Pass{Pass: p, Signature: make([]byte, 64), Holder: holder, Issued: issued, IssuedBy: "test"}, nil
	}
}

// TestNewer: a database of a later version is refused, and stays as it is.
func TestNewer(t *testing.T) { each(t, testNewer) }

func testNewer(t *testing.T, where string) {
	d := open(t, where)
	if _, err := d.sql.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`); err != nil {
		t.Fatal(err)
	}
	d.Close()
	for range 2 {
		if _, err := Open(ctx, where); !errors.Is(err, ErrNewer) {
			t.Fatalf("got %v, want ErrNewer", err)
		}
	}
}

func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "central.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v, want ErrDamaged", err)
	}
}

func TestMode(t *testing.T) {
	_, path := newDB(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v: %v", info.Mode(), err)
	}
}

// TestFull: with no page left the change is refused by name and undone; when
// there is room again, all goes on.
func TestFull(t *testing.T) {
	d, _ := newDB(t)
	d.sql.SetMaxOpenConns(1)
	var pages int
	if err := d.sql.QueryRow(`PRAGMA page_count`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	limit := func(n int) {
		if _, err := d.sql.Exec(`PRAGMA max_page_count = ` + strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
	}
	limit(pages + 4)
	stored := 0
	var err error
	for ; err == nil && stored < 10_000; stored++ {
		_, err = d.InsertPass(ctx, 2516, 16384, mint(2516, strings.Repeat("x", 500), 1))
	}
	stored--
	if !errors.Is(err, ErrFull) {
		t.Fatalf("got %v after %d passes, want ErrFull", err, stored)
	}
	if n, err := d.Issued(ctx, 2516); err != nil || int(n) != stored {
		t.Fatalf("%d passes counted, %d stored: %v", n, stored, err)
	}
	limit(1 << 20)
	if p, err := d.InsertPass(ctx, 2516, 16384, mint(2516, "A", 1)); err != nil || int(p.Index) != stored {
		t.Fatalf("after the room came back: index %d of %d, %v", p.Index, stored, err)
	}
}

// TestLocked: another process that holds the write lock is named.
func TestLocked(t *testing.T) {
	d, path := newDB(t)
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	d.sql.SetMaxOpenConns(1)
	if _, err := d.sql.Exec(`PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "A", 1)); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "A", 1)); err != nil {
		t.Error(err)
	}
}

// TestNumbers: concurrent issues give each number once, and never more than the
// capacity; a failed signature gives its number back.
func TestNumbers(t *testing.T) { both(t, testNumbers) }

func testNumbers(t *testing.T, d *DB) {
	const capacity = 1024
	if _, err := d.sql.Exec(`INSERT INTO days (day, capacity, issued) VALUES (2516, $1, $2)`, capacity, capacity-40); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen, full := map[uint32]bool{}, 0
	var wait sync.WaitGroup
	for range 60 {
		wait.Go(func() {
			p, err := d.InsertPass(ctx, 2516, capacity, mint(2516, "A", 1))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrDayFull) {
				full++
			} else if err != nil || seen[p.Index] {
				t.Errorf("index %d twice or error %v", p.Index, err)
			}
			seen[p.Index] = true
		})
	}
	wait.Wait()
	if full != 20 {
		t.Errorf("%d refused, want 20", full)
	}
	wrong := errors.New("no signature")
	if _, err := d.InsertPass(ctx, 2517, capacity, func(uint32, uint32) (Pass, error) { return Pass{}, wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
	if n, err := d.Issued(ctx, 2517); err != nil || n != 0 {
		t.Errorf("%d issued: %v", n, err)
	}
}

// TestPages: the filters, and paging over passes of one moment.
func TestPages(t *testing.T) { both(t, testPages) }

func testPages(t *testing.T, d *DB) {
	for i := range 30 {
		holder := []string{"A", "B"}[i%2]
		if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, holder, int64(i/10))); err != nil {
			t.Fatal(err)
		}
	}
	f := PassFilter{Holder: "A", Limit: 4}
	var got []uint32
	for {
		rows, err := d.Passes(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			got = append(got, r.Index)
		}
		last := rows[len(rows)-1]
		f.Before = &PassCursor{last.Issued, last.ID()}
	}
	if len(got) != 15 || got[0] != 28 || got[14] != 0 {
		t.Errorf("listed %v", got)
	}
	day, held := pass.Day(2516), link.Held
	for what, f := range map[string]PassFilter{"status": {Status: &held, Limit: 5}, "kind": {Kind: pass.Guest, Limit: 5}} {
		f.Day = &day
		if rows, err := d.Passes(ctx, f); err != nil || len(rows) != 0 {
			t.Errorf("%s: %d rows, %v", what, len(rows), err)
		}
	}
}

// TestAlarms: one that comes again is counted.
func TestAlarms(t *testing.T) { both(t, testAlarms) }

func testAlarms(t *testing.T, d *DB) {
	for i := range 5 {
		if err := d.Raise(ctx, Alarm{Code: "a", Lane: "N1", Subject: []string{"x", "y"}[i%2], Latest: int64(i + 1), Detail: "d", Next: "n"}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.Alarms(ctx, 0, 10)
	if err != nil || len(list) != 2 || list[0].Count != 3 || list[0].First != 1 || list[0].Latest != 5 || list[1].Number <= list[0].Number {
		t.Fatalf("%+v, %v", list, err)
	}
	if list, err = d.Alarms(ctx, list[0].Number, 10); err != nil || len(list) != 1 {
		t.Errorf("after the first: %d, %v", len(list), err)
	}
}

// TestFeedUndone: when a change fails, neither event nor status stays.
func TestFeedUndone(t *testing.T) { both(t, testFeedUndone) }

func testFeedUndone(t *testing.T, d *DB) {
	p, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "A", 1))
	if err != nil {
		t.Fatal(err)
	}
	event := []link.Event{{Type: link.Revoke, Day: 2516, Value: p.Index}}
	change := func(fail error) error {
		return d.Feed(ctx, func(tx *FeedTx) error {
			p.Status, p.StatusSeq = link.Revoked, 1
			return errors.Join(tx.SetStatus(&p), tx.Append(9, 1, link.ChainStart(9), 1, event), fail)
		})
	}
	wrong := errors.New("wrong")
	if err := change(wrong); !errors.Is(err, wrong) {
		t.Fatal(err)
	}
	row, err := d.Pass(ctx, p.ID())
	if last, seqErr := d.LastSeq(ctx, 9); err != nil || seqErr != nil || row.Status != link.Good || last != 0 {
		t.Fatalf("status %d, last event %d: %v %v", row.Status, last, err, seqErr)
	}
	if err := change(nil); err != nil {
		t.Fatal(err)
	}
	got, err := d.Events(ctx, 9, 0, 10)
	chain, chainErr := d.Chain(ctx, 9, 1)
	if err != nil || chainErr != nil || len(got) != 1 || got[0] != event[0] || chain != link.Chain(link.ChainStart(9), 1, event[0]) {
		t.Errorf("log %v: %v %v", got, err, chainErr)
	}
}
