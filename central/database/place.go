package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	chain "turnstile/central/audit"
)

// Entrance is a place with lanes.
type Entrance struct {
	ID       string
	Name     string
	NameZH   string
	Position int // entrances are shown in this order
}

// Place says where a lane controller stands and what it is called (Number 0), or
// what one of its lanes is called.
type Place struct {
	Lane     string
	Number   uint8
	Name     string
	NameZH   string
	Entrance string // of number 0 alone; "" for none
	Position int    // of number 0 alone, among the controllers of its entrance
}

// Entrances returns all entrances in their order.
func (d *DB) Entrances(ctx context.Context) ([]Entrance, error) {
	return all(ctx, d.sql, func(r rowScanner) (e Entrance, err error) {
		return e, r.Scan(&e.ID, &e.Name, &e.NameZH, &e.Position)
	}, `SELECT id, name, name_zh, position FROM entrances ORDER BY position, id`)
}

// SetEntrance stores an entrance, new or in place of the one of its id.
func (d *DB) SetEntrance(ctx context.Context, e Entrance, by string, at int64) error {
	return d.place(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO entrances (id, name, name_zh, position) VALUES ($1, $2, $3, $4)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_zh = excluded.name_zh, position = excluded.position`,
			e.ID, e.Name, e.NameZH, e.Position)
		if err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "entrance", e.ID, fmt.Sprintf("%q %q at %d", e.Name, e.NameZH, e.Position))
	})
}

// RemoveEntrance deletes an entrance at which no lane controller stands, but for
// retired ones. ErrNotFound if there is none, ErrConflict if some do.
func (d *DB) RemoveEntrance(ctx context.Context, id, by string, at int64) error {
	return d.place(ctx, func(tx *sql.Tx) error {
		var standing int
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM lane_places p JOIN lanes l ON l.id = p.lane WHERE p.entrance = $1 AND p.number = 0`, id).Scan(&standing)
		if err != nil {
			return err
		}
		if standing > 0 {
			return ErrConflict
		}
		if err := one(tx.ExecContext(ctx, `DELETE FROM entrances WHERE id = $1`, id)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE lane_places SET entrance = '' WHERE entrance = $1`, id); err != nil {
			return err
		}
		return audit(ctx, tx, at, by, "entrance_remove", id, "")
	})
}

// PlaceRevision names what Entrances, Places and RetiredLanes return.
const PlaceRevision = "places"

// place runs f in one transaction that raises PlaceRevision.
func (d *DB) place(ctx context.Context, f func(*sql.Tx) error) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return d.revise(ctx, tx, PlaceRevision)
	})
}

const placeColumns = `lane, number, name, name_zh, entrance, position`

func scanPlace(r rowScanner) (p Place, err error) {
	return p, r.Scan(&p.Lane, &p.Number, &p.Name, &p.NameZH, &p.Entrance, &p.Position)
}

// Places returns the places and names of all lane controllers and lanes, by
// controller and number.
func (d *DB) Places(ctx context.Context) ([]Place, error) {
	return all(ctx, d.sql, scanPlace, `SELECT `+placeColumns+` FROM lane_places ORDER BY lane, number`)
}

// SetPlaces stores the rows of one lane controller in place of all that it had;
// the first is number 0. ErrNotFound if there is no such controller, ErrConflict
// if there is no such entrance. What stands already changes nothing.
func (d *DB) SetPlaces(ctx context.Context, rows []Place, by string, at int64) error {
	lane, entrance := rows[0].Lane, rows[0].Entrance
	return d.place(ctx, func(tx *sql.Tx) error {
		if found, err := exists(ctx, tx, `SELECT COUNT(*) FROM lanes WHERE id = $1`, lane); err != nil || !found {
			return errors.Join(ErrNotFound, err)
		}
		if found, err := exists(ctx, tx, `SELECT COUNT(*) FROM entrances WHERE id = $1`, entrance); err != nil || !found && entrance != "" {
			return errors.Join(ErrConflict, err)
		}
		before, err := all(ctx, tx, scanPlace, `SELECT `+placeColumns+` FROM lane_places WHERE lane = $1 ORDER BY number`, lane)
		if err != nil || slices.Equal(before, rows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM lane_places WHERE lane = $1`, lane); err != nil {
			return err
		}
		for _, p := range rows {
			if _, err := tx.ExecContext(ctx, `INSERT INTO lane_places (`+placeColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
				lane, p.Number, p.Name, p.NameZH, p.Entrance, p.Position); err != nil {
				return err
			}
		}
		return auditPlaces(ctx, tx, before, rows, by, at)
	})
}

func exists(ctx context.Context, tx *sql.Tx, query, id string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, query, id).Scan(&n)
	return n > 0, err
}

// auditPlaces writes down what changed: the place, the names, or both.
func auditPlaces(ctx context.Context, tx *sql.Tx, before, after []Place, by string, at int64) error {
	lane, old := after[0].Lane, Place{}
	if len(before) > 0 && before[0].Number == 0 {
		old = before[0]
	}
	if old.Entrance != after[0].Entrance || old.Position != after[0].Position {
		detail := fmt.Sprintf("from %q to %q at %d", old.Entrance, after[0].Entrance, after[0].Position)
		if err := audit(ctx, tx, at, by, "move", lane, detail); err != nil {
			return err
		}
	}
	if names(before) == names(after) {
		return nil
	}
	return audit(ctx, tx, at, by, "rename", lane, names(after))
}

// names writes all names of a controller in one line.
func names(rows []Place) (text string) {
	for _, p := range rows {
		if p.Name != "" || p.NameZH != "" {
			text += fmt.Sprintf("%d: %q %q; ", p.Number, p.Name, p.NameZH)
		}
	}
	return text
}

// Retired is a lane controller that lost its rights for good.
type Retired struct {
	Lane     string
	At       int64 // Unix ms
	By       string
	Reason   string
	Enrolled int64 // Unix ms of its last enrolment, 0: never
}

// RetiredLanes returns the lane controllers that are no more, by id.
func (d *DB) RetiredLanes(ctx context.Context) ([]Retired, error) {
	return all(ctx, d.sql, func(r rowScanner) (x Retired, err error) {
		return x, r.Scan(&x.Lane, &x.At, &x.By, &x.Reason, &x.Enrolled)
	}, `SELECT lane, retired, by, reason, enrolled FROM retired_lanes ORDER BY lane`)
}

// addRetired lists the lane controller that the transaction is about to delete.
func (d *DB) addRetired(ctx context.Context, tx *sql.Tx, r Retired) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO retired_lanes (lane, retired, by, reason, enrolled) SELECT id, $2, $3, $4, enrolled FROM lanes WHERE id = $1
		ON CONFLICT (lane) DO UPDATE SET retired = excluded.retired, by = excluded.by, reason = excluded.reason, enrolled = excluded.enrolled`,
		r.Lane, r.At, r.By, r.Reason)
	if err != nil {
		return err
	}
	return d.revise(ctx, tx, PlaceRevision)
}

// unretire takes a lane controller off that list: it is invited again.
func (d *DB) unretire(ctx context.Context, tx *sql.Tx, lane string) error {
	err := one(tx.ExecContext(ctx, `DELETE FROM retired_lanes WHERE lane = $1`, lane))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.revise(ctx, tx, PlaceRevision)
}

// RevokeCertificate takes a lane controller's certificate and keys away; it may
// enrol again. ErrNotFound if it is not enrolled with this certificate.
func (d *DB) RevokeCertificate(ctx context.Context, present []byte, r Retired, removed Removed) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		if err := one(tx.ExecContext(ctx, `UPDATE lanes SET enrolled = 0, expires = 0, certificate = $1, journal_key = $1, seal_key = $1, state = $1, alive = 0, since = $2
			WHERE id = $3 AND enrolled <> 0 AND certificate = $4`, []byte{}, r.At, r.Lane, present)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM enrol_tokens WHERE lane = $1 AND used = 0`, r.Lane); err != nil {
			return err
		}
		if err := addRemoved(ctx, tx, removed); err != nil {
			return err
		}
		if err := d.revise(ctx, tx, LaneRevision); err != nil {
			return err
		}
		return audit(ctx, tx, r.At, r.By, "revoke_certificate", r.Lane, removed.Serial+" "+r.Reason)
	})
}

// Invitations returns a lane controller's enrolment tokens that can still be used
// at now (Unix ms), without their secrets.
func (d *DB) Invitations(ctx context.Context, lane string, now int64) ([]Invitation, error) {
	return all(ctx, d.sql, func(r rowScanner) (i Invitation, err error) {
		return i, r.Scan(&i.Lane, &i.Created, &i.Expires)
	}, `SELECT lane, created, expires FROM enrol_tokens WHERE lane = $1 AND used = 0 AND expires > $2 ORDER BY created`, lane, now)
}

// LaneCertificates returns the certificates that a lane controller had and that
// are refused now, the newest first.
func (d *DB) LaneCertificates(ctx context.Context, lane string, limit int) ([]Removed, error) {
	return all(ctx, d.sql, func(r rowScanner) (c Removed, err error) {
		return c, r.Scan(&c.Serial, &c.Lane, &c.Removed, &c.Expires)
	}, `SELECT serial, lane, removed, expires FROM removed_certificates WHERE lane = $1 ORDER BY removed DESC, serial LIMIT $2`, lane, limit)
}

// AuditOf returns the newest entries of the audit about a subject, exactly.
func (d *DB) AuditOf(ctx context.Context, subject string, limit int) ([]chain.Entry, error) {
	return all(ctx, d.sql, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE subject = $1 ORDER BY number DESC LIMIT $2`, subject, limit)
}

// AlarmsOf returns a lane controller's alarms, the latest first.
func (d *DB) AlarmsOf(ctx context.Context, lane string, limit int) ([]Alarm, error) {
	return all(ctx, d.sql, func(r rowScanner) (a Alarm, err error) {
		return a, r.Scan(&a.Number, &a.Code, &a.Lane, &a.Subject, &a.First, &a.Latest, &a.Count, &a.Detail, &a.Next)
	}, `SELECT number, code, lane, subject, first, latest, count, detail, next FROM alarms WHERE lane = $1 ORDER BY latest DESC, number DESC LIMIT $2`, lane, limit)
}

const plainEntry = `SELECT e.number, j.lane, j.journal, e.received, e.entry, '', '' FROM entries e JOIN journals j ON j.key = e.journal `

// EntriesAfter returns up to limit ledger rows behind a number, ascending,
// without anybody's name.
func (d *DB) EntriesAfter(ctx context.Context, number int64, limit int) ([]Stored, error) {
	return all(ctx, d.sql, scanStored, plainEntry+`WHERE e.number > $1 ORDER BY e.number LIMIT $2`, number, limit)
}

// LatestEntries returns the newest entries of a journal up to a ledger number,
// the newest first, without anybody's name.
func (d *DB) LatestEntries(ctx context.Context, key, number int64, limit int) ([]Stored, error) {
	return all(ctx, d.sql, scanStored, plainEntry+`WHERE e.journal = $1 AND e.number <= $2 ORDER BY e.seq DESC LIMIT $3`, key, number, limit)
}

// JournalsOf returns the journals of a lane controller, the one last begun first.
func (d *DB) JournalsOf(ctx context.Context, lane string) ([]Journal, error) {
	return all(ctx, d.sql, scanJournal, `SELECT `+journalColumns+` FROM journals WHERE lane = $1 ORDER BY started DESC, key DESC`, lane)
}
