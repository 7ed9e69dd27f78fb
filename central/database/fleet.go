package database

import (
	"context"
	"database/sql"
	"errors"

	"turnstile/central/link"
)

// Lane is a lane controller: invited (Enrolled 0) or enrolled.
type Lane struct {
	ID          string
	Enrolled    int64 // Unix ms, 0: invited only
	Expires     int64 // Unix ms, of its certificate
	Certificate []byte
	JournalKey  []byte
	SealKey     []byte
	State       []byte // as last reported, encoded by package fleet; empty if never
	Alive       bool
	Since       int64 // Unix ms since when Alive is what it is, 0 if never heard
}

const laneColumns = `id, enrolled, expires, certificate, journal_key, seal_key, state, alive, since`

func scanLane(r rowScanner) (l Lane, err error) {
	err = r.Scan(&l.ID, &l.Enrolled, &l.Expires, &l.Certificate, &l.JournalKey, &l.SealKey, &l.State, &l.Alive, &l.Since)
	return l, err
}

// Lanes returns all lane controllers by id.
func (d *DB) Lanes(ctx context.Context) ([]Lane, error) {
	return all(ctx, d.sql, scanLane, `SELECT `+laneColumns+` FROM lanes ORDER BY id`)
}

// Invitation is a stored enrolment token: its secret stands here as a hash.
type Invitation struct {
	ID      [8]byte
	Lane    string
	Secret  link.Hash // SHA-256 of the secret
	Created int64     // Unix ms
	Expires int64     // Unix ms
	Used    int64     // Unix ms, 0: not yet
}

// Invite stores an invitation in place of the lane's earlier ones, and the lane
// if it is new.
func (d *DB) Invite(ctx context.Context, i Invitation, by string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM enrol_tokens WHERE lane = $1 AND used = 0 OR expires < $2`,
			i.Lane, i.Created-30*24*3600*1000); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO enrol_tokens (id, lane, secret, created, expires, used)
			VALUES ($1, $2, $3, $4, $5, 0)`, i.ID[:], i.Lane, i.Secret[:], i.Created, i.Expires); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO lanes (`+laneColumns+`) VALUES ($1, 0, 0, $2, $2, $2, $2, 0, 0)
			ON CONFLICT (id) DO NOTHING`, i.Lane, []byte{}); err != nil {
			return err
		}
		if err := d.revise(ctx, tx, LaneRevision); err != nil {
			return err
		}
		if err := d.unretire(ctx, tx, i.Lane); err != nil {
			return err
		}
		return audit(ctx, tx, i.Created, by, "invite", i.Lane, "")
	})
}

// Invitation returns an invitation by its id, or ErrNotFound.
func (d *DB) Invitation(ctx context.Context, id []byte) (Invitation, error) {
	var i Invitation
	var token, secret []byte
	err := d.sql.QueryRowContext(ctx, `SELECT id, lane, secret, created, expires, used FROM enrol_tokens WHERE id = $1`, id).
		Scan(&token, &i.Lane, &secret, &i.Created, &i.Expires, &i.Used)
	copy(i.ID[:], token)
	copy(i.Secret[:], secret)
	return i, named(err)
}

// Enrol uses an invitation up and stores what the lane controller enrolled
// with, in one transaction. ErrConflict if the invitation was used meanwhile.
// A certificate that the lane had before is listed as removed.
func (d *DB) Enrol(ctx context.Context, i Invitation, l Lane, removed Removed) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE enrol_tokens SET used = $1 WHERE id = $2 AND used = 0`, l.Enrolled, i.ID[:])
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrConflict, err)
		}
		if err := addRemoved(ctx, tx, removed); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE lanes SET enrolled = $1, expires = $2, certificate = $3, journal_key = $4, seal_key = $5
			WHERE id = $6`, l.Enrolled, l.Expires, l.Certificate, l.JournalKey, l.SealKey, l.ID)
		if err != nil {
			return err
		}
		if err := d.revise(ctx, tx, LaneRevision); err != nil {
			return err
		}
		return audit(ctx, tx, l.Enrolled, "lane "+l.ID, "enrol", l.ID, "")
	})
}

// Removed is a certificate that is refused although it has not expired.
type Removed struct {
	Serial  string // hexadecimal; "" stands for no certificate
	Lane    string
	Removed int64 // Unix ms
	Expires int64 // Unix ms
}

func addRemoved(ctx context.Context, tx *sql.Tx, r Removed) error {
	if r.Serial == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO removed_certificates (serial, lane, removed, expires) VALUES ($1, $2, $3, $4)
		ON CONFLICT (serial) DO NOTHING`, r.Serial, r.Lane, r.Removed, r.Expires)
	return err
}

// RemovedCertificates returns those that have not expired at now (Unix ms).
func (d *DB) RemovedCertificates(ctx context.Context, now int64) ([]Removed, error) {
	return all(ctx, d.sql, func(r rowScanner) (c Removed, err error) {
		return c, r.Scan(&c.Serial, &c.Lane, &c.Removed, &c.Expires)
	}, `SELECT serial, lane, removed, expires FROM removed_certificates WHERE expires > $1 ORDER BY removed`, now)
}

// RemoveLane deletes a lane controller with its invitations and lists it as
// retired; ErrNotFound if there is none. Its journal stays in the ledger.
func (d *DB) RemoveLane(ctx context.Context, gone Retired, removed Removed) error {
	id := gone.Lane
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := d.addRetired(ctx, tx, gone); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `DELETE FROM lanes WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(ErrNotFound, err)
		}
		for _, table := range []string{"enrol_tokens", "lane_applied"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE lane = $1`, id); err != nil {
				return err
			}
		}
		if err := addRemoved(ctx, tx, removed); err != nil {
			return err
		}
		if err := d.revise(ctx, tx, LaneRevision); err != nil {
			return err
		}
		return audit(ctx, tx, gone.At, gone.By, "remove", id, gone.Reason)
	})
}

// Report is one lane controller's report as it is to be kept.
type Report struct {
	Lane  string
	State []byte
	Alive bool
	Since int64 // Unix ms since when Alive is what it is
	Epoch uint32
	Seq   uint64 // applied feed event; 0 leaves no trace in the history
	At    int64  // Unix ms
}

// SaveReports stores reports, and when each lane was first seen at a feed event.
func (d *DB) SaveReports(ctx context.Context, reports []Report) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		state, err := tx.PrepareContext(ctx, `UPDATE lanes SET state = $1, alive = $2, since = $3 WHERE id = $4`)
		if err != nil {
			return err
		}
		defer state.Close()
		applied, err := tx.PrepareContext(ctx, `INSERT INTO lane_applied (lane, epoch, seq, at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (lane, epoch, seq) DO NOTHING`)
		if err != nil {
			return err
		}
		defer applied.Close()
		for _, r := range reports {
			if err := r.save(ctx, state, applied); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *Report) save(ctx context.Context, state, applied *sql.Stmt) error {
	alive := 0
	if r.Alive {
		alive = 1
	}
	if _, err := state.ExecContext(ctx, r.State, alive, r.Since, r.Lane); err != nil || r.Seq == 0 {
		return err
	}
	_, err := applied.ExecContext(ctx, r.Lane, r.Epoch, int64(r.Seq), r.At)
	return err
}

// Applied tells since when (Unix ms) a lane controller is known to have applied
// an event.
type Applied struct {
	Lane string
	At   int64
}

// AppliedBy returns the lane controllers that reported event seq of an epoch or
// a later one, by id.
func (d *DB) AppliedBy(ctx context.Context, epoch uint32, seq uint64) ([]Applied, error) {
	return all(ctx, d.sql, func(r rowScanner) (a Applied, err error) { return a, r.Scan(&a.Lane, &a.At) },
		`SELECT lane, MIN(at) FROM lane_applied WHERE epoch = $1 AND seq >= $2 GROUP BY lane ORDER BY lane`, epoch, int64(seq))
}

// PruneApplied forgets reports before a time (Unix ms), but for each lane's newest.
func (d *DB) PruneApplied(ctx context.Context, before int64) error {
	_, err := d.sql.ExecContext(ctx, `DELETE FROM lane_applied WHERE at < $1 AND at < (SELECT MAX(a.at) FROM lane_applied a
		WHERE a.lane = lane_applied.lane)`, before)
	return named(err)
}

// Renew stores a lane controller's next certificate in place of the present one,
// which is listed as removed. ErrConflict if present is not the stored one.
func (d *DB) Renew(ctx context.Context, l Lane, present []byte, at int64, removed Removed) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE lanes SET expires = $1, certificate = $2 WHERE id = $3 AND certificate = $4 AND enrolled <> 0`,
			l.Expires, l.Certificate, l.ID, present)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrConflict, err)
		}
		if err := addRemoved(ctx, tx, removed); err != nil {
			return err
		}
		if err := d.revise(ctx, tx, LaneRevision); err != nil {
			return err
		}
		return audit(ctx, tx, at, "lane "+l.ID, "renew", l.ID, "")
	})
}
