// Package database keeps central's data in SQL; no other package knows SQL.
//
// Queries are written once, with $N parameters, for SQLite (embedded, the
// default). Every method that changes something returns when the change is on
// the disk: WAL with synchronous FULL.
package database

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// What a caller can branch on.
var (
	ErrNewer    = errors.New("the database was made by a newer central: start that version, or restore the backup made before the upgrade")
	ErrFull     = errors.New("no space left for the database: free space on the disk that holds the data folder; nothing was changed")
	ErrLocked   = errors.New("the database is locked by another process: stop the other program that uses the data folder and try again")
	ErrDamaged  = errors.New("the database file is damaged: set it aside and restore the newest backup")
	ErrNotFound = errors.New("no such row")
	ErrConflict = errors.New("another row stands in the way")
	ErrDayFull  = errors.New("the day's capacity is used up")
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is the open database; safe for concurrent use.
type DB struct {
	sql  *sql.DB
	turn chan struct{} // of the one transaction that writes; waiting ones come in order
}

// pragmas make every commit durable, readers free of writers, and a transaction
// take the write lock at its begin instead of failing in its middle.
const pragmas = "_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)" +
	"&_pragma=synchronous(FULL)&_txlock=immediate"

// maxConnections bounds open connections, each with its own page cache.
const maxConnections = 8

// Open opens the database file, makes it (mode 0600) if there is none, and
// brings it to this version's schema. ErrNewer for one of a later version.
func Open(ctx context.Context, path string) (*DB, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	f.Close()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	db.SetMaxOpenConns(maxConnections)
	if err := migrate(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("open database %s: %w", path, named(err))
	}
	return &DB{db, make(chan struct{}, 1)}, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("%w (schema %d, this program knows %d)", ErrNewer, current, target)
	}
	_, err = p.Up(ctx)
	return err
}

// Close closes the database after the running statements.
func (d *DB) Close() error { return d.sql.Close() }

// Ping returns nil if the database answers.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	return named(d.sql.QueryRowContext(ctx, `SELECT 1 FROM days UNION SELECT 1`).Scan(&one))
}

// write runs f in one transaction; f's error, or a failed commit, undoes all.
// Writers of this process wait here for their turn: SQLite's own wait is a lottery
// that one of many loses for seconds, and then fails.
func (d *DB) write(ctx context.Context, f func(*sql.Tx) error) error {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return named(err)
	}
	defer tx.Rollback() // no-op after a commit
	if err := f(tx); err != nil {
		return named(err)
	}
	return named(tx.Commit())
}

// SQLite result codes, https://sqlite.org/rescode.html.
const (
	codeBusy, codeLocked, codeCorrupt, codeFull, codeNotADB = 5, 6, 11, 13, 26
	codePrimaryKey, codeUnique                              = 1555, 2067
)

// named puts this package's error in front of the driver's where a caller
// branches or an operator has something to do.
func named(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == codePrimaryKey || e.Code() == codeUnique {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	switch e.Code() & 0xff {
	case codeBusy, codeLocked:
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case codeFull:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
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

// Audit writes down who did what to what.
func (d *DB) Audit(ctx context.Context, at int64, by, action, subject, detail string) error {
	return audit(ctx, d.sql, at, by, action, subject, detail)
}

func audit(ctx context.Context, q querier, at int64, by, action, subject, detail string) error {
	_, err := q.ExecContext(ctx, `INSERT INTO audit (at, by, action, subject, detail) VALUES ($1, $2, $3, $4, $5)`,
		at, by, action, subject, detail)
	return named(err)
}
