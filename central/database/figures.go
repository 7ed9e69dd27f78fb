package database

import (
	"context"
	"database/sql"
)

// Figures are what a database is watched by.
type Figures struct {
	Size         int64 // bytes, free pages included
	Sessions     int64
	MailsWaiting int64
	MailsFailed  int64 // that are still kept
}

// Figures counts sessions that began and were seen since these times (Unix ms), and
// the rest.
func (d *DB) Figures(ctx context.Context, begun, seen int64) (f Figures, err error) {
	size := `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`
	if d.postgres {
		size = `SELECT pg_database_size(current_database())`
	}
	if err := d.sql.QueryRowContext(ctx, size).Scan(&f.Size); err != nil {
		return f, named(err)
	}
	err = d.sql.QueryRowContext(ctx, `SELECT
		(SELECT COUNT(*) FROM sessions WHERE created >= $1 AND seen >= $2),
		(SELECT COUNT(*) FROM outbox WHERE state = $3), (SELECT COUNT(*) FROM outbox WHERE state = $4)`, begun, seen, MailWaiting, MailFailed).
		Scan(&f.Sessions, &f.MailsWaiting, &f.MailsFailed)
	return f, named(err)
}

// Pool tells how the connections to the database are used.
func (d *DB) Pool() sql.DBStats { return d.sql.Stats() }
