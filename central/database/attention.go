package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"turnstile/central/link"
)

// Attention is an alarm and who looked at it.
type Attention struct {
	Alarm
	Acknowledged int64  // Unix ms, 0: never
	By           string // who did
	Seen         int64  // the alarm's Count when it was acknowledged
	Note         string
}

// AttentionFilter selects alarms; zero and empty fields select all.
type AttentionFilter struct {
	Open   bool // raised more often than anybody acknowledged
	Code   string
	Lane   string
	Limit  int
	Before *AlarmCursor
}

// AlarmCursor is the position of an alarm in the order of its latest time.
type AlarmCursor struct{ Latest, Number int64 }

const attentionColumns = `number, code, lane, subject, first, latest, count, detail, next, acknowledged, acknowledged_by, acknowledged_count, note`

func scanAttention(r rowScanner) (a Attention, err error) {
	return a, r.Scan(&a.Number, &a.Code, &a.Lane, &a.Subject, &a.First, &a.Latest, &a.Count, &a.Detail, &a.Next,
		&a.Acknowledged, &a.By, &a.Seen, &a.Note)
}

// Attention returns alarms, the latest first.
func (d *DB) Attention(ctx context.Context, f AttentionFilter) ([]Attention, error) {
	var c conditions
	if f.Open {
		c.add("count > acknowledged_count")
	}
	if f.Code != "" {
		c.add("code = ?", f.Code)
	}
	if f.Lane != "" {
		c.add("lane = ?", f.Lane)
	}
	if b := f.Before; b != nil {
		c.add("(latest, number) < (?, ?)", b.Latest, b.Number)
	}
	where := c.where()
	return all(ctx, d.sql, scanAttention, `SELECT `+attentionColumns+` FROM alarms `+where+
		` ORDER BY latest DESC, number DESC LIMIT `+c.parameter(f.Limit), c.args...)
}

// OpenAlarms counts the alarms that are open, and returns when the latest of all
// alarms was raised and the latest acknowledgement made: together they change
// with every alarm.
func (d *DB) OpenAlarms(ctx context.Context) (open, latest, acknowledged int64, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM alarms WHERE count > acknowledged_count),
		(SELECT COALESCE(MAX(latest), 0) FROM alarms), (SELECT COALESCE(MAX(acknowledged), 0) FROM alarms)`).Scan(&open, &latest, &acknowledged)
	return open, latest, acknowledged, named(err)
}

// Acknowledge writes down that somebody looked at an alarm that had been raised
// count times. ErrNotFound; ErrConflict if it was raised again since, or is
// acknowledged already.
func (d *DB) Acknowledge(ctx context.Context, at int64, by string, number, count int64, note string) error {
	return d.write(ctx, func(tx *sql.Tx) error {
		// Alarms are raised inside of others' transactions; they wait for this turn.
		if err := d.lock(ctx, tx, writerAlarms); err != nil {
			return named(err)
		}
		a, err := scanAttention(tx.QueryRowContext(ctx, `SELECT `+attentionColumns+` FROM alarms WHERE number = $1`, number))
		if err != nil {
			return named(err)
		}
		if a.Count != count || a.Seen >= count {
			return ErrConflict
		}
		_, err = tx.ExecContext(ctx, `UPDATE alarms SET acknowledged = $1, acknowledged_by = $2, acknowledged_count = $3, note = $4 WHERE number = $5`,
			at, by, count, note, number)
		if err != nil {
			return named(err)
		}
		return audit(ctx, tx, at, by, "acknowledge_alarm", fmt.Sprint(number), a.Code+" "+a.Subject+": "+note)
	})
}

// EntryNumber returns the ledger number of an entry that an alarm names by the
// first four bytes of its journal and its number in that; or ErrNotFound.
func (d *DB) EntryNumber(ctx context.Context, lane string, journal [4]byte, seq uint64) (number int64, err error) {
	journals, err := all(ctx, d.sql, scanJournal, `SELECT `+journalColumns+` FROM journals WHERE lane = $1 ORDER BY key`, lane)
	if err != nil {
		return 0, err
	}
	for _, j := range journals {
		if [4]byte(j.ID[:4]) != journal {
			continue
		}
		err := d.sql.QueryRowContext(ctx, `SELECT number FROM entries WHERE journal = $1 AND seq = $2`, j.Key, int64(seq)).Scan(&number)
		if !errors.Is(named(err), ErrNotFound) {
			return number, named(err)
		}
	}
	return 0, ErrNotFound
}

// LaneCount is how many entries of one kind one lane has.
type LaneCount struct {
	Lane      string // lane controller
	Number    uint8  // of the lane on it
	Type      link.EntryType
	Direction uint8
	Count     int64
}

// LaneCounts counts each lane's entries with a time from <= at < until (Unix ms),
// of the types, by lane.
func (d *DB) LaneCounts(ctx context.Context, from, until int64, types []link.EntryType) ([]LaneCount, error) {
	present, err := d.facets(ctx, PassageFilter{Types: types})
	if err != nil || len(present) == 0 {
		return nil, err
	}
	// Each facet of each lane is a stretch of an index.
	return all(ctx, d.sql, func(r rowScanner) (c LaneCount, err error) {
		var key int64
		var f facet
		err = r.Scan(&c.Lane, &key, &f, &c.Count)
		c.Number, c.Type, c.Direction = uint8(key), f.entryType(), f.direction()
		return c, err
	}, `SELECT j.lane, x.lane_key, x.facet, x.n FROM (SELECT f.lane_key, f.facet,
			(SELECT COUNT(*) FROM entries e WHERE e.lane_key = f.lane_key AND e.facet = f.facet AND e.at >= $1 AND e.at < $2) AS n
			FROM ledger_facets f WHERE f.facet IN (`+numbers(present, func(p laneFacet) int64 { return int64(p.facet) })+`)) x
		JOIN journals j ON j.key = x.lane_key / 256 WHERE x.n > 0 ORDER BY j.lane, x.lane_key, x.facet`, from, until)
}
