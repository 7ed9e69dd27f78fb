package database

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
)

// TestTurns: a writer that waits for another holds no connection, which readers
// need, waits as long as its context lets it, and comes next.
func TestTurns(t *testing.T) {
	d, err := Open(t.Context(), filepath.Join(t.TempDir(), "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	none := func(*sql.Tx) error { return nil }
	err = d.write(t.Context(), func(*sql.Tx) error {
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
