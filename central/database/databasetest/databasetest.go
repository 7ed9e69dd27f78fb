// Package databasetest runs tests on both of central's databases.
package databasetest

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/postgrestest"
	"turnstile/central/database/rowstest"
)

// Both runs f as the subtests sqlite and postgres, each on a new, empty and
// migrated database that is closed when the subtest ends.
func Both(t *testing.T, f func(t *testing.T, db *database.DB)) {
	t.Helper()
	Each(t, func(t *testing.T, where string) { f(t, Open(t, where)) })
}

// Each is Both for tests that open the database themselves, or twice: where is
// what database.Open takes.
func Each(t *testing.T, f func(t *testing.T, where string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, filepath.Join(t.TempDir(), "central.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, postgrestest.URL(t)) })
}

// Erase erases accounts where no lanes are told of what ends with them.
func Erase(db *database.DB) func(ctx context.Context, person string) error {
	return func(ctx context.Context, person string) error {
		return db.Feed(ctx, func(tx *database.FeedTx) error {
			_, err := tx.EraseAccount(person, 0, time.Now().UnixMilli())
			return err
		})
	}
}

// Rows returns all rows of all tables of a database that may be in use: where is what
// database.Open took.
func Rows(t *testing.T, where string) map[string][]map[string]string {
	t.Helper()
	driver, source := "sqlite", "file:"+where+"?mode=ro"
	if database.IsPostgres(where) {
		driver, source = "pgx", where
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return rowstest.Read(t, db, database.IsPostgres(where))
}

// Open opens a database until the test ends.
func Open(t testing.TB, where string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
