package replay

import (
	"testing"
	"time"

	"turnstile/central/link"
)

// TestAlign pairs scans and decisions, both by seconds; -1 is a scan without one.
func TestAlign(t *testing.T) {
	for name, test := range map[string]struct {
		scans, entries []float64
		want           []int
	}{
		"one by one":              {[]float64{0, 10, 20}, []float64{0.1, 10.1, 20.2}, []int{0, 1, 2}},
		"the same text again":     {[]float64{0, 1, 10}, []float64{0.1, 10.1}, []int{0, -1, 1}},
		"all late, behind others": {[]float64{0, 2, 3}, []float64{2.5, 3.5, 5}, []int{0, 1, 2}},
		"an opening by command":   {[]float64{0, 60}, []float64{0.1, 30, 60.1}, []int{0, 2}},
		"clocks that differ":      {[]float64{5, 5.2, 5.4}, []float64{4.5, 4.8, 4.9}, []int{0, 1, 2}},
		"nothing was decided":     {[]float64{1, 2}, nil, []int{-1, -1}},
		"much later":              {[]float64{1}, []float64{40}, []int{-1}},
	} {
		at := func(s float64) time.Time { return time.UnixMilli(1_800_000_000_000 + int64(s*1000)) }
		var scans []*Scan
		for _, s := range test.scans {
			scans = append(scans, &Scan{At: at(s)})
		}
		var entries []*link.Entry
		for _, e := range test.entries {
			entries = append(entries, &link.Entry{Wall: at(e).UnixMilli()})
		}
		align(scans, entries)
		for i, s := range scans {
			if w := test.want[i]; w < 0 && s.then != nil || w >= 0 && s.then != entries[w] {
				t.Errorf("%s: scan %d has %+v, want entry %d", name, i, s.then, w)
			}
		}
	}
}
