package database

import (
	"context"
	"database/sql"
	"errors"
	"testing"
)

// TestTurns: a writer that waits for another holds no connection, which readers
// need, waits as long as its context lets it, and comes next.
func TestTurns(t *testing.T) { both(t, testTurns) }

func testTurns(t *testing.T, d *DB) {
	none := func(*sql.Tx) error { return nil }
	err := d.write(t.Context(), func(*sql.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		waited := make(chan error)
		go func() { waited <- d.write(ctx, none) }()
		cancel()
		if err := <-waited; !errors.Is(err, context.Canceled) {
			t.Errorf("a writer that gave up: %v", err)
		}
		if n := d.sql.Stats().InUse; n != 1 {
			t.Errorf("%d connections in use", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), none); err != nil {
		t.Error(err)
	}
}
