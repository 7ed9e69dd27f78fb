package database

import (
	"context"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// HourCount is how many entries of one kind an hour had.
type HourCount struct {
	Hour      int64 // Unix ms of its begin; hours begin with those of UTC
	Type      link.EntryType
	Reason    pass.Reason
	Kind      pass.Kind
	Zone      uint8
	Direction uint8
	Count     int64
}

// HourCounts returns the counts of the hours that begin at from or later and
// before until (Unix ms), ascending by hour. They stay when entries are erased.
func (d *DB) HourCounts(ctx context.Context, from, until int64) ([]HourCount, error) {
	return all(ctx, d.sql, func(r rowScanner) (h HourCount, err error) {
		var f facet
		err = r.Scan(&h.Hour, &f, &h.Count)
		h.Hour *= hourMs
		h.Type, h.Reason, h.Kind, h.Zone, h.Direction = f.entryType(), f.reason(), f.kind(), f.zone(), f.direction()
		return h, err
	}, `SELECT hour, facet, count FROM ledger_hours WHERE hour >= $1 AND hour < $2 ORDER BY hour, facet`, (from+hourMs-1)/hourMs, (until+hourMs-1)/hourMs)
}

// ReasonCount is how many entries of a type and reason a stretch of time had.
type ReasonCount struct {
	Start  int64 // Unix ms
	Type   link.EntryType
	Reason pass.Reason
	Count  int64
}

// ReasonCounts returns the counts in stretches of some hours that begin at from or
// later and before until (Unix ms, a whole hour), ascending by time. A campus day
// begins with from: where clocks change, ask for each day.
func (d *DB) ReasonCounts(ctx context.Context, from, until int64, hours int) ([]ReasonCount, error) {
	return all(ctx, d.sql, func(r rowScanner) (c ReasonCount, err error) {
		var n, f int64
		err = r.Scan(&n, &f, &c.Count)
		c.Start, c.Type, c.Reason = from+n*int64(hours)*hourMs, facet(f<<24).entryType(), facet(f<<24).reason()
		return c, err
	}, `SELECT (hour - $1) / $3 AS stretch, facet / 16777216 AS reason, SUM(count) FROM ledger_hours WHERE hour >= $1 AND hour < $2
		GROUP BY (hour - $1) / $3, facet / 16777216 ORDER BY stretch, reason`, from/hourMs, (until+hourMs-1)/hourMs, hours)
}

// Occupancy is how many passes are inside a zone.
type Occupancy struct {
	Zone   uint8
	Kind   pass.Kind
	Inside int64
}

// Occupancies counts the passes whose last passage in a zone led in, at since
// (Unix ms) or later: who left through the fire doors does not stay for ever.
func (d *DB) Occupancies(ctx context.Context, since int64) ([]Occupancy, error) {
	return all(ctx, d.sql, func(r rowScanner) (o Occupancy, err error) { return o, r.Scan(&o.Zone, &o.Kind, &o.Inside) },
		`SELECT zone, kind, COUNT(*) FROM presence WHERE inside = 1 AND at >= $1 GROUP BY zone, kind ORDER BY zone, kind`, since)
}

// Inside is a pass whose last passage in a zone led in.
type Inside struct {
	pass.ID
	Kind      pass.Kind
	At        int64  // Unix ms of that passage
	Lane      string // lane controller of it
	Number    uint8  // of the lane on that controller
	Holder    string // of a known pass
	GuestName string
}

// Muster returns up to limit passes that are inside a zone since since (Unix ms)
// or later, the newest first, behind the pass after; nil begins.
func (d *DB) Muster(ctx context.Context, zone uint8, since int64, after *Inside, limit int) ([]Inside, error) {
	var c conditions
	c.add("m.zone = ? AND m.inside = 1 AND m.at >= ?", zone, since)
	if after != nil {
		c.add("(m.at, m.day, m.idx) < (?, ?, ?)", after.At, after.Day, after.Index)
	}
	where := c.where()
	return all(ctx, d.sql, func(r rowScanner) (i Inside, err error) {
		var key int64
		err = r.Scan(&i.Day, &i.Index, &i.Kind, &i.At, &key, &i.Lane, &i.Holder, &i.GuestName)
		i.Number = uint8(key)
		return i, err
	}, `SELECT m.day, m.idx, m.kind, m.at, m.lane_key, j.lane, COALESCE(p.holder, ''), COALESCE(p.guest_name, '')
		FROM presence m JOIN journals j ON j.key = m.lane_key / 256 LEFT JOIN passes p ON p.day = m.day AND p.idx = m.idx
		`+where+` ORDER BY m.at DESC, m.day DESC, m.idx DESC LIMIT `+c.parameter(limit), c.args...)
}
