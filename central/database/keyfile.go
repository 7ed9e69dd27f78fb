package database

import (
	"context"
	"database/sql"
)

// KeyFile is one file of the key folder that several centrals share, encrypted as
// it is there.
type KeyFile struct {
	Name string
	Data []byte
}

// KeyRevision names the key files among the revisions.
const KeyRevision = "keys"

// ChangeKeyFiles hands the stored files to change, and stores what it returns in
// their place; nil leaves them. No other central changes them meanwhile, and those
// that Watch are woken. It returns the revision that stands then.
func (d *DB) ChangeKeyFiles(ctx context.Context, change func([]KeyFile) ([]KeyFile, error)) (revision int64, err error) {
	err = d.apart(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `UPDATE revisions SET number = number WHERE name = $1 RETURNING number`, KeyRevision).Scan(&revision)
		if err != nil {
			return err
		}
		files, err := all(ctx, tx, func(r rowScanner) (f KeyFile, err error) { return f, r.Scan(&f.Name, &f.Data) }, `SELECT name, data FROM key_files ORDER BY name`)
		if err != nil {
			return err
		}
		next, err := change(files)
		if err != nil || next == nil {
			return err
		}
		revision++
		return d.replaceKeyFiles(ctx, tx, next)
	})
	return revision, err
}

func (d *DB) replaceKeyFiles(ctx context.Context, tx *sql.Tx, files []KeyFile) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM key_files`); err != nil {
		return err
	}
	for _, f := range files {
		if _, err := tx.ExecContext(ctx, `INSERT INTO key_files (name, data) VALUES ($1, $2)`, f.Name, f.Data); err != nil {
			return err
		}
	}
	return d.revise(ctx, tx, KeyRevision)
}
