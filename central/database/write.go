package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// writer is a class of transactions of which one runs at a time, over all
// centrals that share a PostgreSQL.
//
// Such a transaction depends on what it reads: the next number is the highest
// plus one, an event's chain value stands on the one before, and who has read up
// to a number never looks below it again. So each begins after the one before
// has committed, and rows become visible in the order of their numbers. Without
// that, two centrals would take the same number, or a reader would pass over a
// number that commits late.
//
// A transaction takes the turns in the order of these numbers, so that none
// waits for one that waits for it.
type writer int

const (
	writerOffice writer = iota // passes, feed, audit and all the rest
	writerLedger               // journals and entries: lanes do not wait for the office
	writerAlarms               // taken in the middle of the others' transactions
	writers      = 3
)

// lockBase is where the numbers of central's advisory locks in PostgreSQL begin.
const lockBase = 0x7475726e << 16 // "turn"

// write runs f in one transaction of the office; see writeAs.
func (d *DB) write(ctx context.Context, f func(*sql.Tx) error) error {
	return d.writeAs(ctx, writerOffice, f)
}

// writeAs runs f in one transaction; f's error, or a failed commit, undoes all.
func (d *DB) writeAs(ctx context.Context, w writer, f func(*sql.Tx) error) error {
	return d.writeOn(ctx, w, func(_ *sql.Conn, tx *sql.Tx) error { return f(tx) })
}

// writeOn is writeAs for what needs the transaction's connection as well. Writers
// of this process wait here for their turn and hold no connection meanwhile:
// SQLite's own wait is a lottery that one of many loses for seconds, and then fails.
func (d *DB) writeOn(ctx context.Context, w writer, f func(*sql.Conn, *sql.Tx) error) error {
	select {
	case d.turns[w] <- struct{}{}:
		defer func() { <-d.turns[w] }()
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, tx, err := d.begin(ctx)
	if err != nil {
		return named(err)
	}
	defer conn.Close()
	defer tx.Rollback() // no-op after a commit
	if err := d.lock(ctx, tx, w); err != nil {
		return named(err)
	}
	if err := f(conn, tx); err != nil {
		return named(err)
	}
	return named(tx.Commit())
}

// begin begins a transaction on a connection that is alive: those that lay idle
// may have been cut meanwhile.
func (d *DB) begin(ctx context.Context) (conn *sql.Conn, tx *sql.Tx, err error) {
	for range maxConnections + 1 {
		if conn, err = d.sql.Conn(ctx); err != nil {
			return nil, nil, err
		}
		if tx, err = conn.BeginTx(ctx, nil); err == nil {
			return conn, tx, nil
		}
		conn.Close()
		if !errors.Is(err, driver.ErrBadConn) {
			break
		}
	}
	return nil, nil, err
}

// lock waits until no other central writes as w, and holds that to the end of
// the transaction. SQLite's transaction has the whole file already. Statements
// after it see what was committed before: PostgreSQL takes a new snapshot for
// each, by the isolation level read committed.
func (d *DB) lock(ctx context.Context, tx *sql.Tx, w writer) error {
	if !d.postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lockBase+int64(w))
	return err
}

// named puts this package's error in front of the driver's where a caller
// branches or an operator has something to do.
func named(err error) error {
	var lite *sqlite.Error
	var server *pgconn.PgError
	var name error
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case errors.As(err, &lite):
		name = nameSQLite(lite.Code())
	case errors.As(err, &server):
		name = namePostgres(server.Code)
	case lostConnection(err):
		name = ErrUnreachable
	}
	if name == nil || errors.Is(err, name) {
		return err
	}
	return fmt.Errorf("%w: %w", name, err)
}
