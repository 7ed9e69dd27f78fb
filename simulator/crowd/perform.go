package crowd

import (
	"cmp"
	"context"
	"slices"
	"time"

	"turnstile/simulator/campus"
)

// patience is how long somebody waits for what a lane makes of a code, and for how
// the passage ends.
const patience = 15 * time.Second

// perform does a step at a lane and waits, no longer than limit, for what was planned.
// It returns what there was instead, "" for nothing, and how long the lane took to
// decide.
func perform(ctx context.Context, c *campus.Campus, lane string, s *Step, limit time.Duration) (instead string, took time.Duration, err error) {
	before := last(find(c, lane))
	began := time.Now()
	if err := c.Do(ctx, s.Act); err != nil {
		return "", 0, err
	}
	if s.Reason != "" {
		d := await(ctx, c, lane, limit, func(d campus.Decision) bool { return d.At.After(before.At) })
		took = time.Since(began)
		switch {
		case !d.At.After(before.At):
			return silence, took, ctx.Err()
		case d.Reason != s.Reason:
			return d.Reason, took, ctx.Err()
		}
	}
	if s.Result != "" {
		d := await(ctx, c, lane, limit, func(d campus.Decision) bool { return d.Result != "" })
		if d.Result != s.Result {
			return cmp.Or(d.Result, silence), took, ctx.Err()
		}
	}
	return "", took, ctx.Err()
}

// silence is what stands where a lane has not said anything.
const silence = "no answer"

// last is what a lane decided last: nothing at no time if it has decided nothing.
func last(l *campus.Lane) campus.Decision {
	if l == nil || l.Last == nil {
		return campus.Decision{}
	}
	return *l.Last
}

// find looks at a lane; nil for the office.
func find(c *campus.Campus, lane string) *campus.Lane {
	if lane == "" {
		return nil
	}
	v := c.View()
	if i := slices.IndexFunc(v.Lanes, func(l campus.Lane) bool { return l.ID == lane }); i >= 0 {
		return &v.Lanes[i]
	}
	return nil
}

// await looks at what a lane decided last until it is as wanted or the limit is over.
func await(ctx context.Context, c *campus.Campus, lane string, limit time.Duration, wanted func(campus.Decision) bool) campus.Decision {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		changed := c.Changed()
		d := last(find(c, lane))
		if wanted(d) {
			return d
		}
		select {
		case <-changed:
		case <-late.C:
			return d
		case <-ctx.Done():
			return d
		}
	}
}
