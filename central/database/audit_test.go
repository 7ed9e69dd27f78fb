package database

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	chain "turnstile/central/audit"
	"turnstile/central/database/postgrestest"
)

// onBoth runs f with the place of a new database of either kind.
func onBoth(t *testing.T, f func(t *testing.T, where string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, filepath.Join(t.TempDir(), "central.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, postgrestest.URL(t)) })
}

func verifyAudit(t *testing.T, d *DB) (v chain.Verifier) {
	t.Helper()
	for {
		rows, err := d.AuditAfter(t.Context(), v.Number, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range rows {
			if err := v.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		if len(rows) < 7 {
			return v
		}
	}
}

// TestAuditOfTwoCentrals appends from two centrals at once: one chain comes out.
func TestAuditOfTwoCentrals(t *testing.T) {
	onBoth(t, func(t *testing.T, where string) {
		const each, hands = 15, 4
		var centrals []*DB
		for range 2 {
			d, err := Open(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			centrals = append(centrals, d)
		}
		var wg sync.WaitGroup
		for i := range hands {
			wg.Go(func() {
				for n := range each {
					if err := centrals[i%2].Audit(t.Context(), int64(n), fmt.Sprint("user:", i), "test", "陳\xff\x00大文", "x"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if v := verifyAudit(t, centrals[0]); v.Number != each*hands {
			t.Errorf("%d entries, want %d", v.Number, each*hands)
		}
	})
}

// TestAuditBeforeTheChain takes what an older central wrote down over.
func TestAuditBeforeTheChain(t *testing.T) {
	onBoth(t, func(t *testing.T, where string) {
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
		if _, err := p.UpTo(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		for i, by := range []string{"b", "a"} {
			if _, err := db.ExecContext(t.Context(), `INSERT INTO audit (at, by, action, subject, detail) VALUES ($1, $2, 'remove', 'north', '')`, 200-i, by); err != nil {
				t.Fatal(err)
			}
		}
		db.Close()
		d, err := Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if v := verifyAudit(t, d); v.Number != 2 {
			t.Errorf("%d entries", v.Number)
		}
		if head, err := d.AuditHead(t.Context()); err != nil || head.By != "b" || head.At != 200 {
			t.Errorf("%+v %v", head, err)
		}
	})
}

// TestAuditPage finds by who, what and when; a pattern in a search is text.
func TestAuditPage(t *testing.T) {
	onBoth(t, func(t *testing.T, where string) {
		d, err := Open(t.Context(), where)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for i := range int64(10) {
			by, subject := "user:chan", fmt.Sprintf("Pass_%d", i)
			if i%2 == 1 {
				by, subject = "user%x", "100%"
			}
			if err := d.Audit(t.Context(), i*1000, by, fmt.Sprint("a", i%3), subject, ""); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			f    AuditFilter
			want int
		}{{AuditFilter{}, 10}, {AuditFilter{By: "user:"}, 5}, {AuditFilter{By: "USER:"}, 5}, {AuditFilter{By: "user%"}, 5}, {AuditFilter{Action: "a0"}, 4}, {AuditFilter{Subject: "pass_4"}, 1},
			{AuditFilter{Subject: "%"}, 5}, {AuditFilter{Subject: "_"}, 5}, {AuditFilter{From: 2000, To: 4000}, 2}, {AuditFilter{Before: 4}, 3}, {AuditFilter{By: "x"}, 0}} {
			c.f.Limit = 100
			rows, err := d.AuditPage(t.Context(), c.f)
			if err != nil || len(rows) != c.want {
				t.Errorf("%+v: %d rows, want %d, %v", c.f, len(rows), c.want, err)
			}
		}
		if n, err := d.EraseAudit(t.Context(), "Pass_4", 1<<40, "test", 20_000); err != nil || n != 1 {
			t.Errorf("erased %d, %v", n, err)
		}
		if v := verifyAudit(t, d); v.Number != 11 || v.Erased != 1 {
			t.Errorf("after erasing: %+v", v)
		}
		// A deed that fails leaves nothing in the log.
		err = d.write(context.Background(), func(tx *sql.Tx) error {
			if err := audit(context.Background(), tx, 1, "x", "undone", "", ""); err != nil {
				return err
			}
			return ErrConflict
		})
		if v := verifyAudit(t, d); err == nil || v.Number != 11 {
			t.Errorf("undone: %d entries, %v", v.Number, err)
		}
	})
}
