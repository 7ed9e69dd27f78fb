package database

import (
	"slices"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestHourCounts: the counters say what going through all rows says.
func TestHourCounts(t *testing.T) { both(t, testHourCounts) }

func testHourCounts(t *testing.T, d *DB) {
	c := newCrowd(t, d, 2000)
	want := map[HourCount]int64{}
	for _, r := range c.rows {
		f := newFacet(&r.entry)
		want[HourCount{Hour: r.at / hourMs * hourMs, Type: f.entryType(), Reason: f.reason(), Kind: f.kind(), Zone: f.zone(), Direction: f.direction()}]++
	}
	list, err := d.HourCounts(ctx, base-3*dayMs, base+3*dayMs)
	if err != nil || len(list) != len(want) || len(list) < 500 {
		t.Fatalf("%d counters, want %d: %v", len(list), len(want), err)
	}
	for _, h := range list {
		n := h.Count
		if h.Count = 0; want[h] != n {
			t.Errorf("%+v: %d, want %d", h, n, want[h])
		}
	}
	type reasonKey struct {
		start  int64
		t      link.EntryType
		reason pass.Reason
	}
	sums := map[reasonKey]int64{}
	for h, n := range want {
		sums[reasonKey{base - 3*dayMs + (h.Hour-base+3*dayMs)/(6*hourMs)*6*hourMs, h.Type, h.Reason}] += n
	}
	stretches, err := d.ReasonCounts(ctx, base-3*dayMs, base+3*dayMs, 6)
	if err != nil || len(stretches) != len(sums) || len(stretches) < 50 {
		t.Errorf("%d stretches, want %d: %v", len(stretches), len(sums), err)
	}
	for _, c := range stretches {
		if n := sums[reasonKey{c.Start, c.Type, c.Reason}]; n != c.Count {
			t.Errorf("%+v, want %d", c, n)
		}
	}
	half, err := d.HourCounts(ctx, base, base+hourMs)
	if err != nil || len(half) == 0 || slices.ContainsFunc(half, func(h HourCount) bool { return h.Hour != base }) {
		t.Errorf("%d counters of one hour: %v", len(half), err)
	}
}

// TestMuster: who is inside is whose last passage led in, by the lanes' stamps,
// in whatever order they arrive.
func TestMuster(t *testing.T) { both(t, testMuster) }

func testMuster(t *testing.T, d *DB) {
	c := newCrowd(t, d, 3000)
	last := map[place]crowdRow{}
	for _, r := range c.rows {
		at := place{r.entry.Pass, r.entry.Zone}
		if r.entry.Type == link.EntryPassed && r.entry.Pass.Day > 0 && r.at >= last[at].at {
			last[at] = r
		}
	}
	since := int64(base - dayMs)
	inside := map[uint8]map[pass.ID]crowdRow{}
	for at, r := range last {
		if r.entry.Direction == 1 && r.at >= since {
			if inside[at.zone] == nil {
				inside[at.zone] = map[pass.ID]crowdRow{}
			}
			inside[at.zone][at.ID] = r
		}
	}
	counted := map[uint8]int64{}
	occupancies, err := d.Occupancies(ctx, since)
	for _, o := range occupancies {
		counted[o.Zone] += o.Inside
	}
	if err != nil || len(counted) != 3 {
		t.Fatalf("%d zones: %v", len(counted), err)
	}
	for zone, want := range inside {
		var list []Inside
		for {
			var after *Inside
			if len(list) > 0 {
				after = &list[len(list)-1]
			}
			page, err := d.Muster(ctx, zone, since, after, 7)
			if err != nil {
				t.Fatal(err)
			}
			if list = append(list, page...); len(page) < 7 {
				break
			}
		}
		if len(list) != len(want) || int64(len(list)) != counted[zone] || len(list) == 0 {
			t.Fatalf("zone %d: %d inside, %d counted, want %d", zone, len(list), counted[zone], len(want))
		}
		for i, m := range list {
			r := want[m.ID]
			if m.At != r.at || m.Lane != r.lane || m.Number != r.entry.Lane || i > 0 && m.At > list[i-1].At {
				t.Errorf("%+v, want %+v", m, r)
			}
		}
	}
}
