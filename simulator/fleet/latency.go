package fleet

import (
	"math"
	"slices"
	"sync"
	"time"
)

// Latency is a distribution in milliseconds.
type Latency struct {
	N    int       `json:"n"`
	P50  float64   `json:"p50"`
	P95  float64   `json:"p95"`
	P99  float64   `json:"p99"`
	Max  float64   `json:"max"`
	Cuts []float64 `json:"cuts"` // what 0, 1 .. 100 % are at most: the curve
}

// latencyOf returns the distribution of some durations; the zero Latency of none.
func latencyOf(list []time.Duration) Latency {
	l := Latency{N: len(list)}
	if l.N == 0 {
		return l
	}
	list = slices.Clone(list)
	slices.Sort(list)
	at := func(percent float64) float64 { // nearest rank
		i := int(math.Ceil(percent/100*float64(len(list)))) - 1
		return float64(list[max(i, 0)].Microseconds()) / 1000
	}
	l.P50, l.P95, l.P99, l.Max = at(50), at(95), at(99), at(100)
	for p := range 101 {
		l.Cuts = append(l.Cuts, at(float64(p)))
	}
	return l
}

// tally collects durations from many goroutines.
type tally struct {
	mu   sync.Mutex // guards the following
	list []time.Duration
	last time.Time
}

func (t *tally) add(from, to time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, to.Sub(from))
	if to.After(t.last) {
		t.last = to
	}
}

// take returns what was collected, when the last one came, and begins anew.
func (t *tally) take() (list []time.Duration, last time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, last = t.list, t.last
	t.list, t.last = nil, time.Time{}
	return list, last
}
