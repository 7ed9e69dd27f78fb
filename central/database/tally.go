package database

import (
	"cmp"
	"maps"
	"slices"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// tally collects what new entries change beside the ledger, in the ledger's
// transaction: the counters by hour, the facets that there are, and who is inside.
type tally struct {
	t        *LedgerTx
	hours    map[hourFacet]int64
	facets   map[laneFacet]bool
	presence map[place]present
}

type hourFacet struct {
	hour  int64
	facet facet
}

// place is where a pass can be.
type place struct {
	pass.ID
	zone uint8
}

type present struct {
	kind   pass.Kind
	inside int64
	at     int64
	lane   int64
}

func newTally(t *LedgerTx) *tally {
	return &tally{t, map[hourFacet]int64{}, map[laneFacet]bool{}, map[place]present{}}
}

func (x *tally) add(id pass.ID, c *columns) {
	x.hours[hourFacet{c.at / hourMs, c.facet}]++
	x.facets[laneFacet{c.lane, c.facet}] = true
	e := &c.entry
	if !c.known || e.Type != link.EntryPassed || id.Day == 0 || c.facet.direction() == 0 {
		return
	}
	at := place{id, e.Zone}
	if old, ok := x.presence[at]; !ok || old.at <= c.at {
		p := present{kind: e.Kind, at: c.at, lane: c.lane}
		if e.Direction == 1 {
			p.inside = 1
		}
		x.presence[at] = p
	}
}

// store writes the changes in the order of their keys: two transactions must not
// wait for each other crosswise.
func (x *tally) store() error {
	hours := slices.SortedFunc(maps.Keys(x.hours), func(a, b hourFacet) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.facet, b.facet))
	})
	err := upsert(x.t, "ledger_hours", []string{"hour", "facet", "count"}, hours, func(k hourFacet) []any {
		return []any{k.hour, int64(k.facet), x.hours[k]}
	}, ` ON CONFLICT (hour, facet) DO UPDATE SET count = ledger_hours.count + excluded.count`)
	if err != nil {
		return err
	}
	facets := slices.SortedFunc(maps.Keys(x.facets), func(a, b laneFacet) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.facet, b.facet))
	})
	err = upsert(x.t, "ledger_facets", []string{"lane_key", "facet"}, facets, func(k laneFacet) []any {
		return []any{k.lane, int64(k.facet)}
	}, ` ON CONFLICT (lane_key, facet) DO NOTHING`)
	if err != nil {
		return err
	}
	places := slices.SortedFunc(maps.Keys(x.presence), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Index, b.Index), cmp.Compare(a.zone, b.zone))
	})
	return upsert(x.t, "presence", []string{"zone", "day", "idx", "kind", "inside", "at", "lane_key"}, places, func(k place) []any {
		p := x.presence[k]
		return []any{int64(k.zone), int64(k.Day), int64(k.Index), int64(p.kind), p.inside, p.at, p.lane}
	}, ` ON CONFLICT (day, idx, zone) DO UPDATE SET kind = excluded.kind, inside = excluded.inside, at = excluded.at, lane_key = excluded.lane_key
		WHERE excluded.at >= presence.at`)
}

// upsert inserts a row for each key, rowsPerInsert in a statement.
func upsert[K any](t *LedgerTx, table string, columns []string, keys []K, row func(K) []any, end string) error {
	for part := range slices.Chunk(keys, rowsPerInsert) {
		var args []any
		for _, k := range part {
			args = append(args, row(k)...)
		}
		if _, err := t.tx.ExecContext(t.ctx, insertRows(table, columns, len(part), end), args...); err != nil {
			return err
		}
	}
	return nil
}
