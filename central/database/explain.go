package database

import (
	"context"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// PassEvent is a status that the feed told of a pass.
type PassEvent struct {
	Epoch  uint32
	Seq    uint64
	At     int64 // Unix ms
	Status link.Status
}

// PassEvents returns what the feed told of a pass, the first first.
func (d *DB) PassEvents(ctx context.Context, id pass.ID) ([]PassEvent, error) {
	statuses := map[link.EventType]link.Status{link.Revoke: link.Revoked, link.Hold: link.Held, link.Release: link.Good}
	event := func(t link.EventType) []byte { return link.Event{Type: t, Day: id.Day, Value: id.Index}.Append(nil) }
	return all(ctx, d.sql, func(r rowScanner) (e PassEvent, err error) {
		var b []byte
		err = r.Scan(&e.Epoch, &e.Seq, &e.At, &b)
		if err == nil && len(b) > 0 {
			e.Status = statuses[link.EventType(b[0])]
		}
		return e, err
	}, `SELECT epoch, seq, at, event FROM feed_log WHERE event IN ($1, $2, $3) ORDER BY epoch, seq`,
		event(link.Revoke), event(link.Hold), event(link.Release))
}

// FeedAt returns the number of the newest event of an epoch that was made at or
// before a time (Unix ms), 0 if none was. Events are in the order of their times.
func (d *DB) FeedAt(ctx context.Context, epoch uint32, at int64) (seq uint64, err error) {
	low, high := uint64(0), uint64(0)
	if high, err = d.LastSeq(ctx, epoch); err != nil {
		return 0, err
	}
	for low < high {
		middle := low + (high-low+1)/2
		var made int64
		err := d.sql.QueryRowContext(ctx, `SELECT at FROM feed_log WHERE epoch = $1 AND seq >= $2 ORDER BY seq LIMIT 1`, epoch, int64(middle)).Scan(&made)
		switch {
		case err != nil:
			return 0, named(err)
		case made <= at:
			low = middle
		default:
			high = middle - 1
		}
	}
	return low, nil
}

// FirstApplied returns when a lane controller first reported that it had an event
// of an epoch, in Unix ms; 0 if it did not, or that is not kept any more.
func (d *DB) FirstApplied(ctx context.Context, lane string, epoch uint32, seq uint64) (at int64, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT COALESCE(MIN(at), 0) FROM lane_applied WHERE lane = $1 AND epoch = $2 AND seq >= $3`, lane, epoch, int64(seq)).Scan(&at)
	return at, named(err)
}

// DocumentOf returns one version of a named document, or ErrNotFound.
func (d *DB) DocumentOf(ctx context.Context, name string, version uint64) (body string, err error) {
	err = d.sql.QueryRowContext(ctx, `SELECT body FROM documents WHERE name = $1 AND version = $2`, name, int64(version)).Scan(&body)
	return body, named(err)
}

// NearEntries returns a journal's entries from .. to by their numbers in it.
func (d *DB) NearEntries(ctx context.Context, lane string, journal link.JournalID, from, to uint64) ([]Stored, error) {
	return all(ctx, d.sql, scanStored, selectStored+` WHERE j.lane = $1 AND j.journal = $2 AND e.seq >= $3 AND e.seq <= $4 ORDER BY e.seq`,
		lane, journal[:], int64(from), int64(to))
}
