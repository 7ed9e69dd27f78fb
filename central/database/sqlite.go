package database

import (
	"database/sql"
	"net/url"
	"os"
)

// pragmas make every commit durable, readers free of writers, and a transaction
// take the write lock at its begin instead of failing in its middle. 16 MB of
// pages a connection hold what a large transaction changes in the indices, and as
// much log is written before it is taken into the file: a page that changes often
// is then written once. What is deleted is overwritten: names are to be gone.
const pragmas = "_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)" +
	"&_pragma=synchronous(FULL)&_pragma=cache_size(-16384)&_pragma=secure_delete(1)&_pragma=wal_autocheckpoint(4000)&_txlock=immediate"

func openSQLite(path string) (*sql.DB, string, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, path, err
	}
	f.Close()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas)
	return db, path, err
}

// SQLite result codes, https://sqlite.org/rescode.html.
const (
	codeBusy, codeLocked, codeCorrupt, codeFull, codeNotADB = 5, 6, 11, 13, 26
	codePrimaryKey, codeUnique                              = 1555, 2067
)

// nameSQLite returns this package's error for a result code, nil if it has none.
func nameSQLite(code int) error {
	if code == codePrimaryKey || code == codeUnique {
		return ErrConflict
	}
	switch code & 0xff {
	case codeBusy, codeLocked:
		return ErrLocked
	case codeFull:
		return ErrFull
	case codeCorrupt, codeNotADB:
		return ErrDamaged
	}
	return nil
}
