package campus

import (
	"context"
	"fmt"
	"time"
)

// wrongClock sets a controller's clock wrong, or right.
func (c *Campus) wrongClock(ctx context.Context, a Act) error {
	k, err := c.controller(a.Target)
	if err != nil {
		return err
	}
	return c.setClock(ctx, k, a.word(0))
}

// advance moves all clocks at once, as if nothing had happened for so long; then it
// waits until whoever can hear central has heard what time it is.
func (c *Campus) advance(ctx context.Context, a Act) error {
	d, err := howLong(a.word(0), maxAdvance)
	if err != nil {
		return err
	}
	if d < time.Second {
		return refuse("clocks are moved by whole seconds: %s is less", d)
	}
	c.await(ctx, max(c.unrepeated(), time.Millisecond), answerTime, func() bool { return false })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.clock.move(d)
	return c.caughtUp(ctx)
}

// unrepeated is how long it takes until no lane takes a text for the one before any
// more: it measures that by a clock that nobody can set or play.
func (c *Campus) unrepeated() (left time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		left = max(left, c.repeat-time.Since(l.scanned))
	}
	return left
}

// wait lets the campus be for a while.
func (c *Campus) wait(ctx context.Context, a Act) error {
	d, err := howLong(a.word(0), maxWait)
	if err != nil {
		return err
	}
	c.await(ctx, d, d, func() bool { return false })
	return ctx.Err()
}

// maxWait bounds what nobody wants to look at.
const maxWait = 10 * time.Minute

// hears reports that nothing keeps a controller from hearing central in time.
func (c *Campus) hears(k *controller) bool {
	if k.down {
		return false
	}
	for _, fault := range []Act{{Verb: "cable", Target: k.id}, {Verb: "freeze", Target: k.id}, {Verb: "disk", Target: k.id}, {Verb: "clock", Target: k.id}, {Verb: "central"}, {Verb: "broker"}} {
		if _, on := c.stands(fault); on {
			return false
		}
	}
	return true
}

// catchUp is how long lanes may take to hear a head behind a jump of all clocks.
const catchUp = time.Minute

// fresh is how old the newest head may be then, in seconds.
const fresh = 5

// caughtUp waits until those who can have heard central since the clock was moved.
func (c *Campus) caughtUp(ctx context.Context) error {
	moved := c.clock.Now()
	for _, k := range c.controllers {
		if !c.hears(k) {
			continue
		}
		var last string
		ok := c.await(ctx, catchUp, answerTick, func() bool {
			s, err := c.ask(ctx, k)
			if err != nil {
				last = err.Error()
				return false
			}
			last = fmt.Sprintf("feed %d s old, clock %s by %s, off by %.0f s", s.Feed.AgeSec, s.Clock.State, s.Clock.By, s.Clock.OffsetSec)
			return s.Feed.AgeSec >= 0 && s.Feed.AgeSec <= fresh && s.Feed.HeadAt != nil && !s.Feed.HeadAt.Before(moved.Add(-time.Second)) &&
				s.Clock.State == "trusted" && s.Clock.OffsetSec > -fresh && s.Clock.OffsetSec < fresh
		})
		if err := ctx.Err(); err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("advance: %s has not heard central after %v: %s", k.id, catchUp, last)
		}
	}
	return nil
}
