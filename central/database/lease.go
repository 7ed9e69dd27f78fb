package database

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// Central is one of the centrals that share the database.
type Central struct {
	ID       string // new at each start
	Name     string // of its configuration
	Folder   string // names its data folder, which one process at a time has
	Settings string // what all centrals of a database must have alike
	Beat     int64  // rises while it lives
	Joined   int64  // Unix ms by its own clock
}

// Lease is the right of one central to do something.
type Lease struct {
	Name   string
	Owner  string // a central's ID; "": nobody's
	Fence  int64  // rises with each new owner
	Signed int64  // Unix ms: what owners signed up to now is dated before
}

// ErrFenced tells that a lease has gone to somebody else: nothing was written.
var ErrFenced = errors.New("another central has taken over meanwhile")

const centralColumns = `id, name, folder, settings, beat, joined`

func scanCentral(r rowScanner) (c Central, err error) {
	return c, r.Scan(&c.ID, &c.Name, &c.Folder, &c.Settings, &c.Beat, &c.Joined)
}

func scanLease(r rowScanner) (l Lease, err error) {
	return l, r.Scan(&l.Name, &l.Owner, &l.Fence, &l.Signed)
}

// apart runs f in one transaction that waits for no other writer: a central must
// be able to show that it lives while the office writes for seconds. SQLite has
// one writer, and one central.
func (d *DB) apart(ctx context.Context, f func(*sql.Tx) error) error {
	if !d.postgres {
		return d.write(ctx, f)
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

// Join adds a central, unless accept says no to those that there are. What ran
// in its data folder before is dead and goes, with its leases. Leases of these
// names exist afterwards.
func (d *DB) Join(ctx context.Context, c Central, names []string, accept func(others []Central) error) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM centrals WHERE folder = $1`, c.Folder); err != nil {
			return err
		}
		others, err := all(ctx, tx, scanCentral, `SELECT `+centralColumns+` FROM centrals ORDER BY name`)
		if err != nil {
			return err
		}
		if err := accept(others); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO centrals (`+centralColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
			c.ID, c.Name, c.Folder, c.Settings, c.Beat, c.Joined); err != nil {
			return err
		}
		for _, name := range names {
			_, err := tx.ExecContext(ctx, `INSERT INTO leases (name, owner, fence, signed) VALUES ($1, '', 0, 0) ON CONFLICT (name) DO NOTHING`, name)
			if err != nil {
				return err
			}
		}
		return freeLeases(ctx, tx)
	})
}

// freeLeases takes their leases from centrals that are no more.
func freeLeases(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE leases SET owner = '' WHERE owner <> '' AND NOT EXISTS (SELECT 1 FROM centrals c WHERE c.id = leases.owner)`)
	return err
}

// Beat shows that a central lives. ErrNotFound if it was buried.
func (d *DB) Beat(ctx context.Context, id string) error {
	return d.apart(ctx, func(tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `UPDATE centrals SET beat = beat + 1 WHERE id = $1`, id))
	})
}

// one returns ErrNotFound if a statement changed no row.
func one(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(ErrNotFound, err)
	}
	return nil
}

// Bury removes a central that stands at this beat still; ErrNotFound if it does
// not. Its leases are free then.
func (d *DB) Bury(ctx context.Context, c Central) error {
	return d.apart(ctx, func(tx *sql.Tx) error {
		if err := one(tx.ExecContext(ctx, `DELETE FROM centrals WHERE id = $1 AND beat = $2`, c.ID, c.Beat)); err != nil {
			return err
		}
		return freeLeases(ctx, tx)
	})
}

// Leave removes a central that stops, and frees its leases.
func (d *DB) Leave(ctx context.Context, id string) error {
	return d.apart(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM centrals WHERE id = $1`, id); err != nil {
			return err
		}
		return freeLeases(ctx, tx)
	})
}

// Centrals returns all centrals by name, dead ones that nobody has buried too.
func (d *DB) Centrals(ctx context.Context) ([]Central, error) {
	return all(ctx, d.sql, scanCentral, `SELECT `+centralColumns+` FROM centrals ORDER BY name`)
}

// Leases returns all leases by name.
func (d *DB) Leases(ctx context.Context) ([]Lease, error) {
	return all(ctx, d.sql, scanLease, `SELECT name, owner, fence, signed FROM leases ORDER BY name`)
}

// TakeLeases gives a central those of the leases that are nobody's, if it was not
// buried.
func (d *DB) TakeLeases(ctx context.Context, id string, names []string) error {
	return d.eachLease(ctx, names, `UPDATE leases SET owner = $1, fence = fence + 1
		WHERE (owner = '' OR NOT EXISTS (SELECT 1 FROM centrals c WHERE c.id = leases.owner))
		AND EXISTS (SELECT 1 FROM centrals c WHERE c.id = $1) AND name IN `, id)
}

// ReleaseLeases makes those of the leases that are a central's nobody's.
func (d *DB) ReleaseLeases(ctx context.Context, id string, names []string) error {
	return d.eachLease(ctx, names, `UPDATE leases SET owner = '' WHERE owner = $1 AND name IN `, id)
}

func (d *DB) eachLease(ctx context.Context, names []string, query, id string) error {
	if len(names) == 0 {
		return nil
	}
	c := conditions{args: []any{id}}
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = c.parameter(n)
	}
	return d.apart(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query+"("+strings.Join(list, ", ")+")", c.args...)
		return err
	})
}

// SignUpTo moves a lease's Signed forward. ErrFenced if it is not l's owner's any more.
func (d *DB) SignUpTo(ctx context.Context, l Lease, at int64) error {
	return d.apart(ctx, func(tx *sql.Tx) error {
		if err := fence(ctx, tx, l); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE leases SET signed = $1 WHERE name = $2 AND signed < $1`, at, l.Name)
		return err
	})
}

// Confirm returns nil if a lease stands as it was taken, else ErrFenced.
func (d *DB) Confirm(ctx context.Context, l Lease) error {
	var n int
	err := d.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM leases WHERE name = $1 AND owner = $2 AND fence = $3`, l.Name, l.Owner, l.Fence).Scan(&n)
	if err == nil && n == 0 {
		err = ErrFenced
	}
	return named(err)
}

// fence keeps a lease as it is until the transaction ends, or returns ErrFenced:
// who takes it over waits for the row. A process that was stopped, and wakes when
// another has its lease, so writes nothing.
func fence(ctx context.Context, tx *sql.Tx, l Lease) error {
	err := one(tx.ExecContext(ctx, `UPDATE leases SET fence = fence WHERE name = $1 AND owner = $2 AND fence = $3`, l.Name, l.Owner, l.Fence))
	if errors.Is(err, ErrNotFound) {
		return ErrFenced
	}
	return named(err)
}

// Fence lets the transaction commit only while the lease is its owner's; ErrFenced.
func (t *FeedTx) Fence(l Lease) error { return fence(t.ctx, t.tx, l) }

// Revision returns the number of what centrals keep in memory; it rises with each
// change.
func (d *DB) Revision(ctx context.Context, name string) (n int64, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT number FROM revisions WHERE name = $1`, name).Scan(&n)
	return n, named(err)
}

// LaneRevision names what Lanes returns.
const LaneRevision = "lanes"

// revise raises a revision and wakes the other centrals.
func (d *DB) revise(ctx context.Context, tx *sql.Tx, name string) error {
	if _, err := tx.ExecContext(ctx, `UPDATE revisions SET number = number + 1 WHERE name = $1`, name); err != nil {
		return err
	}
	return d.tell(ctx, tx)
}

// EndStuck ends sessions that hold a writer's turn and have waited for their central
// for some time, and returns how many: a central that was stopped in the middle of
// what it sends holds it for good otherwise. Between statements PostgreSQL ends such
// a session by itself, in the middle of a COPY it does not.
func (d *DB) EndStuck(ctx context.Context, waited time.Duration) (n int, err error) {
	if !d.postgres {
		return 0, nil
	}
	err = d.sql.QueryRowContext(ctx, `SELECT COUNT(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND (l.classid::bigint << 32) + l.objid::bigint >= $1 AND (l.classid::bigint << 32) + l.objid::bigint < $1 + $2
		AND a.wait_event_type = 'Client' AND a.state_change <= clock_timestamp() - make_interval(secs => $3)`,
		int64(lockBase), int64(writers), waited.Seconds()).Scan(&n)
	return n, named(err)
}
