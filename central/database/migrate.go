package database

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema to this version's, or returns ErrNewer.
func migrate(ctx context.Context, db *sql.DB, postgres bool) error {
	p, err := provider(db, postgres)
	if err != nil {
		return err
	}
	for before := int64(-1); ; {
		current, target, err := p.GetVersions(ctx)
		if err != nil {
			return err
		}
		if current > target {
			return fmt.Errorf("%w (schema %d, this program knows %d)", ErrNewer, current, target)
		}
		// A command that runs on central's SQLite file migrates it as well: who comes
		// second to a migration fails, finds that it is done, and goes on.
		if _, err = p.Up(ctx); err == nil || current == before {
			return err
		}
		before = current
	}
}

// provider holds all migrations. Of several centrals that start on one
// PostgreSQL one migrates, and the others wait for it.
func provider(db *sql.DB, postgres bool) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()), goose.WithGoMigrations(searchMigration(), auditMigration())}
	if !postgres {
		return goose.NewProvider(goose.DialectSQLite3, db, files, options...)
	}
	turn, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files, append(options, goose.WithSessionLocker(turn))...)
}
