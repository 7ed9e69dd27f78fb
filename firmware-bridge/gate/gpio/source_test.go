package gpio

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"turnstile/firmware-bridge/gpioline"
)

// tape plays edges that the kernel kept while this program had no turn.
type tape struct {
	edges []gpioline.Edge
	ended chan struct{} // closed when all were read
}

func (p *tape) Read(edges []gpioline.Edge, wait time.Duration) (int, error) {
	n := copy(edges, p.edges)
	if p.edges = p.edges[n:]; n == 0 {
		if p.ended != nil {
			close(p.ended)
			p.ended = nil
		}
		<-time.After(wait)
	}
	return n, nil
}

func (p *tape) Active() ([]bool, error) { return []bool{false}, nil }
func (p *tape) Close() error            { return nil }

// played watches a contact on the tape and returns what changed.
func played(t *testing.T, edges []gpioline.Edge) []bool {
	t.Helper()
	p := &tape{edges: edges, ended: make(chan struct{})}
	c := &contact{role: walkedIn, source: &kernelSource{inputs: p}, active: true}
	ctx, cancel := context.WithCancel(context.Background())
	changes, done, ended := make(chan change), make(chan error, 1), p.ended
	go func() { done <- c.watch(ctx, changes) }()
	var got []bool
	for ended != nil {
		select {
		case c := <-changes:
			got = append(got, c.active)
		case <-ended:
			ended = nil
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	return got
}

// train makes edges from the times between them in milliseconds, to active
// first. The last one is a second ago.
func train(gaps ...int) (edges []gpioline.Edge) {
	at := time.Now().Add(-time.Second)
	for i := len(gaps); i >= 0; i-- {
		edges = append(edges, gpioline.Edge{Active: i%2 == 0, At: at})
		if i > 0 {
			at = at.Add(-time.Duration(gaps[i-1]) * time.Millisecond)
		}
	}
	slices.Reverse(edges)
	return edges
}

// Pulses that were over before anybody looked count by the kernel's time stamps,
// spikes do not, and neither does a time in which edges were lost.
func TestPulsesByTimeStamp(t *testing.T) {
	lossy := train(100)
	lossy[1].Lost = 2
	var crowd []int
	for range 40 { // more edges than are taken at a time
		crowd = append(crowd, 100, 500)
	}
	for what, c := range map[string]struct {
		edges  []gpioline.Edge
		passes int
	}{
		"one":     {train(100), 1},
		"bounces": {train(2, 1, 3, 1, 100, 2, 1), 1},
		"spikes":  {train(5, 300, 19, 300, 5), 0},
		"lost":    {lossy, 0},
		"crowd":   {train(append(crowd, 100)...), 41},
	} {
		got := played(t, c.edges)
		want := make([]bool, 0, 2*c.passes)
		for range c.passes {
			want = append(want, true, false)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d changes %v, want %d passes", what, len(got), got, c.passes)
		}
	}
}

// broken are inputs that fail in one way.
type broken struct {
	tape
	levels []bool
	err    error
}

func (b *broken) Active() ([]bool, error) { return b.levels, b.err }

// A level that cannot be read is an error, never a level.
func TestBrokenLevel(t *testing.T) {
	for _, b := range []*broken{{err: ErrChip}, {}, {levels: []bool{true, true}}} {
		k := &kernelSource{inputs: b}
		if _, err := k.wait(time.Millisecond); err == nil || b.err != nil && !errors.Is(err, b.err) {
			t.Errorf("%+v: %v", b, err)
		}
	}
}
