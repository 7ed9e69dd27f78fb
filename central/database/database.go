// Package database keeps central's data in SQL; no other package knows SQL.
//
// Queries are written once, with $N parameters, for SQLite (embedded, the
// default) and PostgreSQL. Every method that changes something returns when the
// change is on the disk: in SQLite WAL with synchronous FULL, in PostgreSQL
// synchronous_commit.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// What a caller can branch on.
var (
	ErrNewer       = errors.New("the database was made by a newer central: start that version, or restore the backup made before the upgrade")
	ErrFull        = errors.New("no space left for the database: free space on its disk; nothing was changed")
	ErrLocked      = errors.New("the database is locked by another process: stop the other program that uses the data folder and try again")
	ErrDamaged     = errors.New("the database file is damaged: set it aside and restore the newest backup")
	ErrUnreachable = errors.New("PostgreSQL does not answer: start it, and compare host and port with the setting database")
	ErrAccess      = errors.New("PostgreSQL does not let central in: compare user, password and database name with the setting database, and make what is missing (CREATE ROLE, CREATE DATABASE)")
	ErrUnsuitable  = errors.New("the PostgreSQL database cannot hold central's data")
	ErrCollision   = errors.New("another central changed the same rows at the same moment; nothing was changed: try again")
	ErrText        = errors.New("a text has NUL or bytes that are no UTF-8, which PostgreSQL does not take; nothing was changed")
	ErrNotFound    = errors.New("no such row")
	ErrConflict    = errors.New("another row stands in the way")
	ErrDayFull     = errors.New("the day's capacity is used up")
)

// DB is the open database; safe for concurrent use.
type DB struct {
	sql      *sql.DB
	postgres bool
	turns    [writers]chan struct{} // of the one transaction that writes; waiting ones come in order
	ends     endStatements
}

// maxConnections bounds open connections, each with its own page cache.
const maxConnections = 8

// Open opens the database that where names, the path of a SQLite file or a
// postgres:// URL, and brings it to this version's schema. A file that is not
// there is made (mode 0600); a PostgreSQL database has to exist, and may be
// empty. ErrNewer for one of a later version.
func Open(ctx context.Context, where string) (*DB, error) {
	open := openSQLite
	if IsPostgres(where) {
		open = openPostgres
	}
	db, name, err := open(where)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(maxConnections)
	d := &DB{sql: db, postgres: IsPostgres(where)}
	for c := range d.turns {
		d.turns[c] = make(chan struct{}, 1)
	}
	if !d.postgres { // one file has one writer, whatever it writes
		d.turns = [writers]chan struct{}{d.turns[0], d.turns[0], d.turns[0]}
	}
	if err := d.prepare(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", name, named(err))
	}
	return d, nil
}

func (d *DB) prepare(ctx context.Context) error {
	if d.postgres {
		if err := checkPostgres(ctx, d.sql); err != nil {
			return err
		}
	}
	if err := migrate(ctx, d.sql, d.postgres); err != nil {
		return err
	}
	return d.prepareEnds(ctx)
}

// Close closes the database after the running statements.
func (d *DB) Close() error { return d.sql.Close() }

// Ping returns nil if the database answers.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	return named(d.sql.QueryRowContext(ctx, `SELECT 1 FROM days UNION SELECT 1`).Scan(&one))
}

// rowScanner is *sql.Row and *sql.Rows.
type rowScanner interface{ Scan(dest ...any) error }

// querier is *sql.DB and *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// all runs a query and collects its rows.
func all[T any](ctx context.Context, q querier, scan func(rowScanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	return collect(rows, err, scan)
}

// allOf is all for a prepared query.
func allOf[T any](ctx context.Context, s *sql.Stmt, scan func(rowScanner) (T, error), args ...any) ([]T, error) {
	rows, err := s.QueryContext(ctx, args...)
	return collect(rows, err, scan)
}

func collect[T any](rows *sql.Rows, err error, scan func(rowScanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, named(err)
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, named(err)
		}
		list = append(list, v)
	}
	return list, named(rows.Err())
}
