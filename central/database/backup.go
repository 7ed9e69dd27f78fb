package database

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"turnstile/central/pass"
)

// ErrDump tells that the database is not a file that central copies.
var ErrDump = errors.New("the database is PostgreSQL, which has a tool of its own")

// Backup writes the database as it stands at one moment into a new file of mode
// 0600, beside everything that goes on. The file is compact: it has no room that
// was freed. ErrDump for PostgreSQL.
func (d *DB) Backup(ctx context.Context, path string) error {
	if d.postgres {
		return ErrDump
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("back up database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("back up database: %w", err)
	}
	if _, err := d.sql.ExecContext(ctx, `VACUUM INTO $1`, path); err != nil {
		return fmt.Errorf("back up database: %w", errors.Join(named(err), os.Remove(path)))
	}
	return nil
}

// CheckFile reads all of a SQLite file that is in no use, and returns its schema's
// version. ErrDamaged if the file is not whole, ErrNewer if it is of a later central.
func CheckFile(ctx context.Context, path string) (schema int64, err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return 0, fmt.Errorf("check database: %w", errors.Join(err, fs.ErrInvalid))
	}
	db, _, err := openSQLite(path)
	if err != nil {
		return 0, fmt.Errorf("check database: %w", err)
	}
	defer db.Close()
	if err := whole(ctx, db); err != nil {
		return 0, fmt.Errorf("check database: %w", named(err))
	}
	p, err := provider(db, false)
	if err != nil {
		return 0, fmt.Errorf("check database: %w", err)
	}
	schema, target, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return 0, fmt.Errorf("check database: %w", named(err))
	case schema == 0:
		return 0, fmt.Errorf("check database: %w: it has no schema", ErrDamaged)
	case schema > target:
		return schema, fmt.Errorf("check database: %w (schema %d, this program knows %d)", ErrNewer, schema, target)
	}
	return schema, nil
}

func whole(ctx context.Context, db *sql.DB) error {
	found, err := all(ctx, db, func(r rowScanner) (s string, err error) { return s, r.Scan(&s) }, `PRAGMA integrity_check(5)`)
	if err == nil && (len(found) != 1 || found[0] != "ok") {
		err = fmt.Errorf("%w: %q", ErrDamaged, found)
	}
	return err
}

// epochDocument has as its version the lowest epoch that the feed may be in.
const epochDocument = "feed_epoch"

// Restored is what a new epoch begins from.
type Restored struct {
	Epoch uint32 `json:"epoch"` // the last one that the restored database knew, up to Seq
	Seq   uint64 `json:"seq"`
	Made  int64  `json:"made"` // Unix ms of the backup, 0: not known
	At    int64  `json:"at"`   // Unix ms of the restoration
}

// NewEpoch makes the feed begin anew when central starts: lanes may know more
// events than this database, which was restored from a copy. It belongs to a
// database that no central uses. Nobody has a lease in it, and the keyset is made
// anew: it may be older than what lanes know. What counts once, and may have been
// used up since the copy was made, ends: sessions, invitations, enrolment tokens, and
// the numbers of passes that may have been issued.
func (d *DB) NewEpoch(ctx context.Context, made, at int64, by string) (Restored, error) {
	r := Restored{Made: made, At: at}
	err := d.write(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{
			`DELETE FROM documents WHERE name = '` + epochDocument + `'`, `DELETE FROM centrals`, `DELETE FROM key_files WHERE name = 'keyset.cbor'`,
			`DELETE FROM sessions`, `DELETE FROM person_invitations`, `DELETE FROM enrol_tokens WHERE used = 0`,
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		if err := skipNumbers(ctx, tx, pass.DayOf(time.UnixMilli(at).UTC())); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `SELECT epoch, seq FROM feed_log ORDER BY epoch DESC, seq DESC LIMIT 1`).Scan(&r.Epoch, &r.Seq)
		if err == nil {
			err = requireEpoch(ctx, tx, r, by)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) { // nothing was ever told: the first epoch begins by itself
			return err
		}
		return audit(ctx, tx, at, by, "restore", fmt.Sprintf("epoch %d", r.Epoch), fmt.Sprintf("the feed begins anew behind event %d", r.Seq))
	})
	return r, err
}

func requireEpoch(ctx context.Context, tx *sql.Tx, r Restored, by string) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	least := max(int64(r.Epoch)+1, r.At/1000)
	if least > math.MaxUint32 {
		return fmt.Errorf("%w: epoch %d", ErrDamaged, r.Epoch)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO documents (name, version, body, at, by) VALUES ($1, $2, $3, $4, $5)`, epochDocument, least, string(body), r.At, by)
	return err
}

// issuedAhead is how many days ahead passes can have been issued, and some more for
// campuses whose day is not UTC's.
const issuedAhead = 32

// skipNumbers passes over a quarter of the numbers that are left of each day from
// the one before today on. Somebody may hold a pass that was issued after the copy
// was made: the next one must not get its place in the list, in which both would be
// revoked together, and each pass through a gate told of the other's holder.
func skipNumbers(ctx context.Context, tx *sql.Tx, today pass.Day) error {
	var capacity int64
	err := tx.QueryRowContext(ctx, `SELECT capacity FROM days ORDER BY day DESC LIMIT 1`).Scan(&capacity)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // none was ever issued
	}
	for day := today - 1; err == nil && day <= today+issuedAhead; day++ {
		_, err = tx.ExecContext(ctx, `INSERT INTO days (day, capacity, issued) VALUES ($1, $2, 0) ON CONFLICT (day) DO NOTHING`, day, capacity)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE days SET issued = issued + (capacity - issued + 3) / 4 WHERE day >= $1`, today-1)
	}
	return err
}

// LeastEpoch returns the lowest epoch that the feed may be in and what it begins
// from; 0 if the database was never restored.
func (d *DB) LeastEpoch(ctx context.Context) (least uint32, r Restored, err error) {
	version, body, err := d.Document(ctx, epochDocument)
	if errors.Is(err, ErrNotFound) {
		return 0, r, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &r)
	}
	return uint32(version), r, err
}

// ForgetBases deletes the saved days: those of an epoch that is over.
func (t *FeedTx) ForgetBases() error {
	_, err := t.tx.ExecContext(t.ctx, `DELETE FROM feed_base`)
	return named(err)
}
