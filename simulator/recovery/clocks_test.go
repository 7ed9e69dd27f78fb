package recovery

import (
	"math"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// TestEntriesOfWrongClocks: a lane that was long away brings entries dated by all
// sorts of clocks, also backwards in time and over a start. Central has each of
// them, in the order of their numbers, with both clocks as they were.
func TestEntriesOfWrongClocks(t *testing.T) {
	now := time.Now()
	written := []link.Entry{
		{Wall: 0, Mono: 9_000, Clock: link.ClockUntrusted, Bound: math.MaxUint16}, // a board that begins in 1970
		{Wall: now.Add(24 * time.Hour).UnixMilli(), Mono: 10_000, Clock: link.ClockHoldover, Bound: 60},
		{Wall: now.Add(-24 * time.Hour).UnixMilli(), Mono: 11_000, Clock: link.ClockTrusted, Bound: 1},
		{Wall: now.AddDate(0, -2, 0).UnixMilli(), Mono: 11_000, Clock: link.ClockTrusted, Bound: 2},
		{Wall: now.AddDate(100, 0, 0).UnixMilli(), Mono: 500, Clock: link.ClockUntrusted, Bound: math.MaxUint16}, // behind a start
	}
	w := newTown(t)
	w.away.Store(true)
	d := w.begin()
	for i := range written {
		if i == len(written)-1 {
			d.stop()
			d = w.begin()
		}
		e := &written[i]
		e.Type, e.Lane, e.Boot = link.EntryForced, 1, d.journal.Boot()
		var err error
		if e.Seq, err = d.journal.Append(*e); err != nil {
			t.Fatal(err)
		}
	}
	d.stop()
	w.away.Store(false)
	d = w.begin()
	defer func() { d.stop() }()
	d.acked(uint64(len(written)))
	rows, err := d.db.Entries(t.Context(), database.EntryFilter{Limit: 100, Lane: lane})
	if err != nil || len(rows) != len(written) {
		t.Fatalf("%d rows of %d entries, %v", len(rows), len(written), err)
	}
	for i, r := range rows {
		if got, rest, err := link.ParseEntry(r.Entry); err != nil || len(rest) != 0 || got != written[i] {
			t.Errorf("central has %+v, the lane wrote %+v, %v", got, written[i], err)
		}
	}
}
