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

func newTally() *tally {
	return &tally{map[hourFacet]int64{}, map[laneFacet]bool{}, map[place]present{}}
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

var (
	intoHours = insertion{"ledger_hours", []string{"hour", "facet", "count"},
		` ON CONFLICT (hour, facet) DO UPDATE SET count = ledger_hours.count + excluded.count`}
	intoFacets   = insertion{"ledger_facets", []string{"lane_key", "facet"}, ` ON CONFLICT (lane_key, facet) DO NOTHING`}
	intoPresence = insertion{"presence", []string{"zone", "day", "idx", "kind", "inside", "at", "lane_key"},
		` ON CONFLICT (day, idx, zone) DO UPDATE SET kind = excluded.kind, inside = excluded.inside, at = excluded.at, lane_key = excluded.lane_key
		WHERE excluded.at >= presence.at`}
)

// store writes the changes in the order of their keys, which is the quickest.
func (x *tally) store(in *inserter) error {
	hours := slices.SortedFunc(maps.Keys(x.hours), func(a, b hourFacet) int {
		return cmp.Or(cmp.Compare(a.hour, b.hour), cmp.Compare(a.facet, b.facet))
	})
	err := in.insert(&intoHours, len(hours), func(i int, args []any) []any {
		return append(args, hours[i].hour, int64(hours[i].facet), x.hours[hours[i]])
	})
	if err != nil {
		return named(err)
	}
	facets := slices.SortedFunc(maps.Keys(x.facets), func(a, b laneFacet) int {
		return cmp.Or(cmp.Compare(a.lane, b.lane), cmp.Compare(a.facet, b.facet))
	})
	err = in.insert(&intoFacets, len(facets), func(i int, args []any) []any {
		return append(args, facets[i].lane, int64(facets[i].facet))
	})
	if err != nil {
		return named(err)
	}
	places := slices.SortedFunc(maps.Keys(x.presence), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Index, b.Index), cmp.Compare(a.zone, b.zone))
	})
	return named(in.insert(&intoPresence, len(places), func(i int, args []any) []any {
		k, p := places[i], x.presence[places[i]]
		return append(args, int64(k.zone), int64(k.Day), int64(k.Index), int64(p.kind), p.inside, p.at, p.lane)
	}))
}
