package measure

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the driver

	"turnstile/agent/journal"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// besideSQLite holds a durable entry against a row in SQLite that is as durable.
func (r *rig) besideSQLite(ctx context.Context, what string, product func() error, entry link.Entry) error {
	path := filepath.Join(r.folder, "entries.sqlite")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE entries (seq INTEGER PRIMARY KEY, entry BLOB NOT NULL)"); err != nil {
		return fmt.Errorf("make table: %w", err)
	}
	insert, err := db.PrepareContext(ctx, "INSERT INTO entries (entry) VALUES (?)")
	if err != nil {
		return fmt.Errorf("prepare insert: %w", err)
	}
	defer insert.Close()
	limit := func() error { _, err := insert.ExecContext(ctx, entry.Append(nil)); return err }
	return r.comparePaced(ctx, Row{Measure: what, Limit: "SQLite row, WAL, FULL", Mark: 0.9}, product, limit)
}

// written measures the bytes that an entry has the disk write, as the kernel
// counts them for this process: whole pages.
func (r *rig) written(product, limit func() error) error {
	own, err := diskBytes(product)
	if err != nil {
		return err
	}
	bound, err := diskBytes(limit)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, Row{
		Measure: "bytes on the disk for one entry", Limit: "bbolt transaction with two puts", Unit: "B", Mark: 0.25,
		Product: own, Bound: bound, Ratio: own / max(bound, 1),
	})
	return nil
}

// diskBytes returns the bytes written for one call of f, of 200.
func diskBytes(f func() error) (float64, error) {
	const n = 200
	before, err := writeBytes()
	if err != nil {
		return 0, err
	}
	if _, err := timed(n, f); err != nil {
		return 0, err
	}
	after, err := writeBytes()
	return float64(after-before) / n, err
}

// writeBytes reads how much this process had written to disks, proc_pid_io(5).
func writeBytes() (n int64, err error) {
	return procField("/proc/self/io", "write_bytes: %d")
}

// procField reads the first line of a file of proc that has the form.
func procField(path, form string) (n int64, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read counters: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, form, &n); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("no line %q in %s", form, path)
}

// together measures the flushes of an entry when eight lanes coincide.
func (r *rig) together(context.Context) error {
	j, _, err := journal.Open(filepath.Join(r.folder, "together"), journal.Options{})
	if err != nil {
		return err
	}
	entry := grant(pass.Code{Pass: pass.Pass{Kind: pass.ECard, Index: 4711}})
	errs := make([]error, 8)
	var all sync.WaitGroup
	for k := range errs {
		all.Go(func() {
			_, errs[k] = timed(250, func() error { _, err := j.Append(entry); return err })
		})
	}
	all.Wait()
	s := j.Stats()
	share := float64(s.Flushes) / float64(max(s.Entries, 1))
	r.rows = append(r.rows, Row{Measure: "flushes per entry, eight writers", Limit: "one", Unit: "flushes", Mark: 0.3, Bound: 1, Product: share, Ratio: share})
	return errors.Join(append(errs, j.Close())...)
}
