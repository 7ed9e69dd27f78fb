package database

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"turnstile/central/database/postgrestest"
	"turnstile/central/link"
)

// TestOpenPostgres: what is wrong with a server or its setting has a name, and no
// error repeats the password.
func TestOpenPostgres(t *testing.T) {
	const secret = "hunter2secret"
	good, err := url.Parse(postgrestest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	missing := *good
	missing.Path, missing.User = "/nothing_here", url.UserPassword("turnstile", secret)
	stranger := *good
	stranger.User = url.UserPassword("stranger", secret)
	for where, want := range map[string]error{
		"postgres://u:" + secret + "@127.0.0.1:1/x?connect_timeout=5":                 ErrUnreachable,
		"postgres://u:" + secret + "@/x?host=/nowhere&connect_timeout=5":              ErrUnreachable,
		"postgres://u:" + secret + "%zz@127.0.0.1:1/x":                                ErrAccess,
		"postgres://u:" + secret + "@127.0.0.1:1/x?sslmode=perhaps":                   ErrAccess,
		"postgres://u:" + secret + "@127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/": ErrAccess,
		missing.String():  ErrAccess,
		stranger.String(): ErrAccess,
	} {
		d, err := Open(ctx, where)
		if !errors.Is(err, want) || d != nil {
			t.Errorf("%s: %v, want %v", where, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	exec(t, good.String(), `CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
	t.Cleanup(func() { exec(t, good.String(), `DROP DATABASE ascii WITH (FORCE)`) })
	ascii := *good
	ascii.Path = "/ascii"
	if _, err := Open(ctx, ascii.String()); !errors.Is(err, ErrUnsuitable) {
		t.Errorf("a database without UTF-8: %v", err)
	}
}

func exec(t *testing.T, where, statement string) {
	t.Helper()
	db, _, err := openPostgres(where)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// TestPostgresGoes: a server that ends in the middle of work is named, and one
// that cut the connections is worked with again.
func TestPostgresGoes(t *testing.T) {
	server, err := postgrestest.Start()
	if err != nil {
		t.Fatal(err)
	}
	where, err := server.Create(ctx, "goes")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, where)
	if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "A", 1)); err != nil {
		t.Fatal(err)
	}
	exec(t, where, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'goes' AND pid <> pg_backend_pid()`)
	worked := false
	for range maxConnections + 1 { // each connection may be found dead once
		if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "A", 1)); err == nil {
			worked = true
		} else if !errors.Is(err, ErrUnreachable) {
			t.Errorf("a cut connection: %v", err)
		}
	}
	if !worked {
		t.Error("nothing works after the connections were cut")
	}
	err = d.write(ctx, func(tx *sql.Tx) error {
		if err := server.Stop(); err != nil {
			return err
		}
		return insertPass(ctx, tx, &Pass{Signature: make([]byte, 64)})
	})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("in a transaction: %v", err)
	}
	if err := d.Ping(ctx); !errors.Is(err, ErrUnreachable) {
		t.Errorf("afterwards: %v", err)
	}
}

// TestTwoCentrals: two centrals on one PostgreSQL give no number twice, and who
// follows the ledger by its numbers misses none: rows become visible in their order.
func TestTwoCentrals(t *testing.T) {
	const each, batches, batch = 40, 40, 25
	where := postgrestest.URL(t)
	one, two := open(t, where), open(t, where)
	var wait sync.WaitGroup
	for k, d := range []*DB{one, two} {
		wait.Go(func() { appendBatches(t, d, byte(k+1), batches, batch) })
		wait.Go(func() {
			for n := range each {
				if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "A", 1)); err != nil {
					t.Error(err)
				}
				if err := d.Raise(ctx, Alarm{Code: "a", Lane: fmt.Sprint(k), Subject: fmt.Sprint(n), Latest: 1}); err != nil {
					t.Error(err)
				}
				if err := d.Audit(ctx, 1, "test", "a", fmt.Sprint(k), ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	last := int64(0)
	for last < 2*batches*batch && !t.Failed() {
		list, err := two.Entries(ctx, EntryFilter{After: last, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if last++; e.Number != last {
				t.Fatalf("entry %d comes behind %d", e.Number, last-1)
			}
		}
	}
	wait.Wait()
	if n, err := one.Issued(ctx, 2516); err != nil || n != 2*each {
		t.Errorf("%d passes issued: %v", n, err)
	}
	if list, err := one.Alarms(ctx, 0, 1000); err != nil || len(list) != 2*each {
		t.Errorf("%d alarms: %v", len(list), err)
	}
}

func appendBatches(t *testing.T, d *DB, id byte, batches, batch int) {
	j := Journal{Lane: fmt.Sprint("N", id), ID: link.JournalID{id}}
	for b := range batches {
		err := d.Ledger(ctx, func(tx *LedgerTx) error {
			if b == 0 {
				if err := tx.AddJournal(&j); err != nil {
					return err
				}
			}
			rows := make([]Row, batch)
			for i := range rows {
				j.Last++
				e := link.Entry{Type: link.EntryBoot, Seq: j.Last, Wall: base}
				rows[i] = Row{Seq: j.Last, Entry: e.Append(nil)}
			}
			return errors.Join(tx.Append(j.Key, base, rows), tx.SetJournal(j))
		})
		if err != nil {
			t.Error(err)
			return
		}
	}
}
