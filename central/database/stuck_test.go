package database

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"turnstile/central/database/postgrestest"
)

// TestStuck: a central that is stopped in the middle of a COPY, with the turn of the
// ledger, has its session ended by another one, which then writes. A session that
// does something, or waits for its client without a turn, is left alone.
func TestStuck(t *testing.T) {
	where := postgrestest.URL(t)
	d := open(t, where)
	ended := make(chan error)
	halfway, halfwayWriter := io.Pipe()
	go func() { ended <- stopInCopy(where, halfway) }()
	if _, err := halfwayWriter.Write([]byte("1\t")); err != nil { // it is read when the COPY goes on
		t.Fatal(err)
	}
	waiting := `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event = 'ClientRead'`
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n == 0; <-tick.C {
		if err := d.sql.QueryRow(waiting).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.EndStuck(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("%d sessions ended before the time: %v", n, err)
	}
	late, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := d.Ledger(late, func(*LedgerTx) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("beside the stopped one: %v", err)
	}
	if n, err := d.EndStuck(t.Context(), 0); n != 1 || err != nil {
		t.Fatalf("%d sessions ended: %v", n, err)
	}
	if err := d.Ledger(t.Context(), func(*LedgerTx) error { return nil }); err != nil {
		t.Error(err)
	}
	halfwayWriter.Close() // now it wakes
	if err := <-ended; !errors.Is(named(err), ErrUnreachable) {
		t.Errorf("the stopped one: %v", err)
	}
	if n, err := d.EndStuck(t.Context(), 0); n != 0 || err != nil {
		t.Errorf("%d sessions ended, nobody is stuck: %v", n, err)
	}
}

// stopInCopy takes the ledger's turn and begins a COPY whose rows come from a pipe.
func stopInCopy(where string, rows io.Reader) error {
	c, err := pgx.Connect(ctx, where)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockBase+int64(writerLedger)); err != nil {
		return err
	}
	if _, err := c.PgConn().CopyFrom(ctx, rows, `COPY days FROM STDIN`); err != nil {
		return err
	}
	return tx.Commit(ctx)
}
