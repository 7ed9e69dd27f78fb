package postgrestest

import (
	"context"
	"database/sql"
	"testing"
)

// TestURL: each test has a database of its own on a server of the stated version.
func TestURL(t *testing.T) {
	one, two := URL(t), URL(t)
	if one == two {
		t.Fatal("two tests share a database")
	}
	for _, url := range []string{one, two} {
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		var version string
		var tables int
		err = db.QueryRowContext(context.Background(), `SELECT current_setting('server_version_num'),
			(SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'public')`).Scan(&version, &tables)
		if err != nil || version[:2] != "15" || tables != 0 {
			t.Errorf("version %s with %d tables: %v", version, tables, err)
		}
		if _, err := db.Exec(`CREATE TABLE mine (a BIGINT)`); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
