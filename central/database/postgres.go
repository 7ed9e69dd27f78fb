package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// IsPostgres tells whether where names a PostgreSQL database, not a file.
func IsPostgres(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

// session is what central relies on, whatever the server's configuration says.
// A commit is on the disk when it returns. A central whose machine died in a
// transaction gives its turn back after half a minute, also one that hangs.
var session = map[string]string{
	"synchronous_commit":                  "on",
	"default_transaction_isolation":       "read committed",
	"idle_in_transaction_session_timeout": "30s",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
	"application_name":                    "turnstile-central",
}

// openPostgres returns the database's name as host/database, fit for logs: the
// URL may hold a password.
func openPostgres(where string) (*sql.DB, string, error) {
	c, err := pgx.ParseConfig(where)
	if err != nil { // its text repeats parts of the URL
		return nil, "", fmt.Errorf("%w: the setting database is no URL of the form postgres://USER@HOST:PORT/NAME, or names files that cannot be read", ErrAccess)
	}
	for name, value := range session {
		c.RuntimeParams[name] = value
	}
	return stdlib.OpenDB(*c), fmt.Sprintf("%s on %s", c.Database, c.Host), nil
}

// minPostgres is the oldest server that the tests run on.
const minPostgres = 150000

// checkPostgres refuses a server on which names or times would be told wrongly.
func checkPostgres(ctx context.Context, db *sql.DB) error {
	var version int
	var encoding string
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding')`).Scan(&version, &encoding)
	switch {
	case err != nil:
		return err
	case version < minPostgres:
		return fmt.Errorf("%w: its version is %d, want 15 or later", ErrUnsuitable, version/10000)
	case encoding != "UTF8":
		return fmt.Errorf("%w: its encoding is %s: make it with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0", ErrUnsuitable, encoding)
	}
	return nil
}

// namePostgres returns this package's error for an SQLSTATE, nil if it has none.
// https://www.postgresql.org/docs/15/errcodes-appendix.html
func namePostgres(code string) error {
	switch code {
	case "23505":
		return ErrConflict
	case "22021", "22P05":
		return ErrText
	case "53100":
		return ErrFull
	case "40001", "40P01", "55P03":
		return ErrCollision
	case "28000", "28P01", "3D000", "42501":
		return ErrAccess
	case "XX001", "XX002":
		return ErrDamaged
	case "53300", "57P01", "57P02", "57P03", "25006", "25P03": // full, stopping, starting, standing by
		return ErrUnreachable
	}
	return nil
}

// lostConnection tells whether the network made the error, or a server that
// ended; a caller that gave up did not.
func lostConnection(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, driver.ErrBadConn)
}
