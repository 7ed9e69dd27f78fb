// Package databasetest runs tests on both of central's databases.
package databasetest

import (
	"path/filepath"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/postgrestest"
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
