package campus

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"turnstile/simulator/promise"
)

// healLimit is how long a campus without a fault may take to be whole: lanes come
// back to the broker with growing pauses, up to a minute.
const healLimit = 100 * time.Second

// again is after how long a promise that looks broken is looked at once more: files
// are copied while they are written.
const again = 200 * time.Millisecond

// Check returns the promises that are broken for good at this moment; while no fault
// is on also those that are not kept once all had time to be whole, for which it
// waits up to 100 s. Nothing is done meanwhile.
func (c *Campus) Check(ctx context.Context) ([]promise.Violation, error) {
	c.acting.Lock()
	defer c.acting.Unlock()
	if c.closed {
		return nil, errClosed
	}
	found, err := c.lasting(ctx)
	if err != nil || len(found) > 0 || !c.sound() {
		return found, err
	}
	return c.observer.Settle(ctx, healLimit, c.pollPasses, nil)
}

// lasting looks at what is broken for good, twice if something seems to be.
func (c *Campus) lasting(ctx context.Context) ([]promise.Violation, error) {
	found, err := c.broken()
	if err != nil || len(found) > 0 {
		c.await(ctx, again, again, func() bool { return false })
		c.learn(ctx)
		found, err = c.broken()
	}
	return found, err
}

// Broken is a promise that was broken on a campus under watch.
type Broken struct {
	Found  []promise.Violation
	Events []string // the newest before it was found
}

// Error names the promises, and the events on a line each.
func (b *Broken) Error() string {
	lines := []string{"a promise is broken:"}
	for _, v := range b.Found {
		lines = append(lines, "  "+v.String())
	}
	return strings.Join(append(append(lines, "the last events:"), b.Events...), "\n")
}

// watchEvery is how often a campus under watch is looked at, if something was done.
const watchEvery = 5 * time.Second

// Watch looks after acts whether a promise is broken for good, for a campus on which
// nobody calls Check. It holds acts up for a moment each time, and returns a *Broken at
// the first one, nil when ctx ends.
func (c *Campus) Watch(ctx context.Context) error {
	var done atomic.Bool
	c.Record(func(time.Duration, Act) { done.Store(true) })
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !done.Swap(false) {
			continue
		}
		c.acting.Lock()
		found, err := c.lasting(ctx)
		c.acting.Unlock()
		if err == nil && len(found) > 0 {
			return &Broken{found, c.History()}
		}
		if err != nil { // files of a controller that is being changed, or without power
			c.config.Log.Warn("the promises could not be looked at", "error", err)
			done.Store(true)
		}
	}
}

// broken looks at what can be seen at any moment.
func (c *Campus) broken() ([]promise.Violation, error) {
	p, err := c.observer.Now()
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(promise.Check(p), promise.Violation.Eventual)
	return append(found, c.observer.Keep(p)...), nil
}

// harmless are verbs whose faults leave all parts well.
var harmless = []string{"people", "mode"}

// sound reports that no part is broken.
func (c *Campus) sound() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(c.standing, func(s standing) bool { return !slices.Contains(harmless, s.act.Verb) })
}
