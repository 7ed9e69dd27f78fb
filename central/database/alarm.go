package database

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// Alarm is something that somebody should look at. One that is raised again
// with the same code, lane and subject is counted, not repeated.
type Alarm struct {
	Number  int64
	Code    string // e.g. journal_fork
	Lane    string // "" if it is not of one lane
	Subject string // what it is about, e.g. journal and entry number
	First   int64  // Unix ms
	Latest  int64  // Unix ms
	Count   int64
	Detail  string
	Next    string // what to do
}

// MaxAlarms is how many alarms of one code a lane can have on one day (UTC), each
// in a row of its own. Those beyond it share one row more, which counts them and
// shows the latest: a lane controller that was taken over fills no disk by alarms,
// and pushes none away that stands.
const MaxAlarms = 100

// maxDetail bounds an alarm's subject and its detail, in bytes.
const maxDetail = 512

// Raise stores an alarm; a.Latest is its time.
func (d *DB) Raise(ctx context.Context, a Alarm) error {
	return d.writeAs(ctx, writerAlarms, func(tx *sql.Tx) error { return d.raise(ctx, tx, a) })
}

const insertAlarm = `INSERT INTO alarms (number, code, lane, subject, first, latest, count, detail, next)
	SELECT (SELECT COALESCE(MAX(number), 0) + 1 FROM alarms), $1, $2, row.subject, $4, $4, 1, row.detail, $6
	FROM (SELECT CASE WHEN beyond THEN $7 ELSE $3 END AS subject, CASE WHEN beyond THEN 'the latest: ' || $3 || ' ' || $5 ELSE $5 END AS detail
		FROM (SELECT NOT EXISTS (SELECT 1 FROM alarms WHERE code = $1 AND lane = $2 AND subject = $3)
			AND (SELECT COUNT(*) FROM alarms WHERE code = $1 AND lane = $2 AND first >= $8 AND first < $9) >= $10 AS beyond) AS place) AS row
	WHERE true
	ON CONFLICT (code, lane, subject) DO UPDATE SET latest = excluded.latest, count = alarms.count + 1, detail = excluded.detail`

func (d *DB) raise(ctx context.Context, tx *sql.Tx, a Alarm) error {
	if err := d.lock(ctx, tx, writerAlarms); err != nil {
		return named(err)
	}
	day := time.UnixMilli(a.Latest).UTC().Truncate(24 * time.Hour)
	_, err := tx.ExecContext(ctx, insertAlarm, a.Code, a.Lane, short(a.Subject), a.Latest, short(a.Detail), a.Next,
		"more on "+day.Format(time.DateOnly), day.UnixMilli(), day.Add(24*time.Hour).UnixMilli(), MaxAlarms)
	return named(err)
}

// short cuts what others had a hand in.
func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "") }

// Alarms returns up to limit alarms with a number above after, ascending.
func (d *DB) Alarms(ctx context.Context, after int64, limit int) ([]Alarm, error) {
	return all(ctx, d.sql, func(r rowScanner) (a Alarm, err error) {
		return a, r.Scan(&a.Number, &a.Code, &a.Lane, &a.Subject, &a.First, &a.Latest, &a.Count, &a.Detail, &a.Next)
	}, `SELECT number, code, lane, subject, first, latest, count, detail, next FROM alarms
		WHERE number > $1 ORDER BY number LIMIT $2`, after, limit)
}
