package crowd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"turnstile/simulator/campus"
)

// bin is the width of a bar: so long of the day.
const bin = 5 * time.Minute

// bins are those of a day.
const bins = int(24 * time.Hour / bin)

// Bin is what central's ledger has of five minutes.
type Bin struct{ In, Out, Refused int }

// Sample is how full central took the zones to be.
type Sample struct {
	At     time.Duration
	Inside []int // in the order of Figures.Zones
}

// Figures are a day as central has it.
type Figures struct {
	Zones   []int // ascending
	Bins    []Bin // from midnight on
	Refused map[string]int
	Reasons map[int]map[string]int // by hour of the day
	Inside  []Sample
	Rows    int64 // of the ledger that were looked at
}

// figures collect a day from central. Use begin.
type figures struct {
	mu sync.Mutex // guards the following
	Figures
}

// begin forgets what was before: behind is the ledger's newest row of that.
func (f *figures) begin(lanes []campus.LaneSpec, behind int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	zones := map[int]bool{}
	for _, l := range lanes {
		zones[l.Zone] = true
	}
	f.Figures = Figures{Zones: slices.Sorted(maps.Keys(zones)), Bins: make([]Bin, bins), Refused: map[string]int{}, Reasons: map[int]map[string]int{}, Rows: behind}
}

// maxPages bounds how much of the ledger is read at a time, in pages of a thousand.
const maxPages = 100

// rows takes in what is new in the ledger; day says which time of the day a time was.
// One goroutine at a time may call it.
func (f *figures) rows(ctx context.Context, c *campus.Campus, day func(time.Time) time.Duration) error {
	for range maxPages {
		f.mu.Lock()
		after := f.Rows
		f.mu.Unlock()
		list, err := c.Ledger(ctx, after)
		if err != nil {
			return fmt.Errorf("read ledger behind row %d: %w", after, err)
		}
		if len(list) == 0 {
			return nil
		}
		f.mu.Lock()
		for i := range list {
			f.take(&list[i], day(list[i].At))
		}
		f.mu.Unlock()
	}
	return nil
}

// take counts one row. mu is held.
func (f *figures) take(p *campus.Passage, at time.Duration) {
	f.Rows = max(f.Rows, p.Number)
	at = min(max(at, 0), 24*time.Hour-1)
	b := &f.Bins[at/bin]
	switch {
	case p.Type == "passed" && p.Way == "in":
		b.In++
	case p.Type == "passed" && p.Way == "out":
		b.Out++
	case p.Type == "denied":
		b.Refused++
		f.Refused[p.Reason]++
		hour := int(at / time.Hour)
		if f.Reasons[hour] == nil {
			f.Reasons[hour] = map[string]int{}
		}
		f.Reasons[hour][p.Reason]++
	}
}

// count asks central how full the zones are, at a time of the day.
func (f *figures) count(ctx context.Context, c *campus.Campus, at time.Duration) error {
	zones, err := c.Occupancy(ctx)
	if err != nil {
		return fmt.Errorf("count who is inside: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Sample{at, make([]int, len(f.Zones))}
	for _, z := range zones {
		if i := slices.Index(f.Zones, z.Zone); i >= 0 {
			s.Inside[i] = z.Inside
		}
	}
	if n := len(f.Inside); n > 0 && at-f.Inside[n-1].At < time.Minute { // no more than the chart can show
		f.Inside[n-1].Inside = s.Inside
		return nil
	}
	f.Inside = append(f.Inside, s)
	return nil
}

// now returns a copy.
func (f *figures) now() Figures {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.Figures
	c.Bins, c.Inside, c.Refused, c.Reasons = slices.Clone(c.Bins), slices.Clone(c.Inside), maps.Clone(c.Refused), map[int]map[string]int{}
	for h, r := range f.Reasons {
		c.Reasons[h] = maps.Clone(r)
	}
	return c
}

// Passed are all passages, inwards and outwards.
func (f *Figures) Passed() (in, out int) {
	for _, b := range f.Bins {
		in, out = in+b.In, out+b.Out
	}
	return in, out
}

// Denied are all refusals.
func (f *Figures) Denied() (n int) {
	for _, b := range f.Bins {
		n += b.Refused
	}
	return n
}

// Full is how many are inside a zone by the newest count, and how many were at most.
func (f *Figures) Full(zone int) (now, most int) {
	i := slices.Index(f.Zones, zone)
	for _, s := range f.Inside {
		now, most = s.Inside[i], max(most, s.Inside[i])
	}
	return now, most
}

// byCount are the reasons, the most frequent first.
func byCount(reasons map[string]int) []string {
	return slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		if d := reasons[b] - reasons[a]; d != 0 {
			return d
		}
		if a < b {
			return -1
		}
		return 1
	})
}
