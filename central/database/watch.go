package database

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// channel is where centrals tell each other, by PostgreSQL, that they changed
// something.
const channel = "turnstile"

// tell wakes the centrals that Watch, when the transaction commits.
func (d *DB) tell(ctx context.Context, tx *sql.Tx) error {
	if !d.postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_notify($1, '')`, channel)
	return err
}

// IsShared tells whether other centrals may use the same database.
func (d *DB) IsShared() bool { return d.postgres }

// listenAgain is the pause before a lost connection is made again. What was
// changed meanwhile is found by looking, which callers do as well.
const listenAgain = time.Second

// Watch calls changed soon after any central has changed the feed, the rules, the
// lanes or the lists of them, also this one, until ctx ends. It can miss one. A
// SQLite database is nobody else's: there it only waits.
func (d *DB) Watch(ctx context.Context, changed func()) error {
	for d.postgres && ctx.Err() == nil {
		d.listen(ctx, changed) // an error is the database's, which everything else that uses it tells
		t := time.NewTimer(listenAgain)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	<-ctx.Done()
	return nil
}

func (d *DB) listen(ctx context.Context, changed func()) error {
	c, err := d.sql.Conn(ctx)
	if err != nil {
		return fmt.Errorf("listen: %w", named(err))
	}
	defer c.Close()
	return c.Raw(func(raw any) error {
		conn := raw.(*stdlib.Conn).Conn()
		defer conn.Close(context.WithoutCancel(ctx)) // it listens, and must not serve others
		return follow(ctx, conn, changed)
	})
}

func follow(ctx context.Context, conn *pgx.Conn, changed func()) error {
	if _, err := conn.Exec(ctx, `LISTEN `+channel); err != nil {
		return err
	}
	changed() // what came before the LISTEN
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
		changed()
	}
}
