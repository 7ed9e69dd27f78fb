package campus

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"turnstile/agent/wallclock"
	"turnstile/simulator/harm"
)

// zone is the campus's: Hong Kong, which has had no summer time since 1979.
var zone = time.FixedZone("HKT", 8*3600)

// firstDay is when a played clock begins unless told: a Monday morning.
var firstDay = time.Date(2026, 11, 23, 9, 0, 0, 0, zone)

// Bounds of a played clock's begin: a machine's clock, and certificates, hold no more.
var (
	earliest = time.Date(2020, 1, 1, 0, 0, 0, 0, zone)
	latest   = time.Date(2080, 1, 1, 0, 0, 0, 0, zone)
)

// Holds reports whether a played clock can begin at a time.
func Holds(t time.Time) bool { return !t.Before(earliest) && t.Before(latest) }

// clock is what time it is on the campus, and by how much a lane controller's own
// clock is wrong. A played one goes at the pace of the machine's, and can be moved.
type clock struct {
	ahead atomic.Int64 // of the machine's, in nanoseconds of whole seconds
}

// Now is campus time. Its monotonic reading is the machine's: who measures how long
// something takes is not misled when the clock is moved.
func (c *clock) Now() time.Time { return harm.Stepped(time.Now(), time.Duration(c.ahead.Load())) }

// Ticks is the monotonic clock of lane controllers, for which the time that was
// played has passed as well.
func (c *clock) Ticks() wallclock.Ticks {
	t := wallclock.Monotonic()
	t.Elapsed += time.Duration(c.ahead.Load())
	return t
}

func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d.Truncate(time.Second))) }

// lie is one controller's wrong clock.
type lie struct {
	clock *clock
	by    atomic.Int64 // nanoseconds of whole seconds
}

// Now is what the controller takes for the time.
func (l *lie) Now() time.Time {
	return harm.Stepped(time.Now(), time.Duration(l.clock.ahead.Load()+l.by.Load()))
}

// today is the campus day of a time, as 2026-11-23.
func today(t time.Time) string { return t.In(zone).Format(time.DateOnly) }

// Bounds of what clocks are moved by.
const (
	maxLie     = 60 * 365 * 24 * time.Hour
	maxAdvance = 7 * 24 * time.Hour
)

// wrongBy reads how wrong a clock is: +1h, -24h, 1970, right.
func (c *Campus) wrongBy(word string) (time.Duration, error) {
	switch word {
	case "right":
		return 0, nil
	case "1970":
		return time.Unix(0, 0).Sub(c.clock.Now().Round(0)).Truncate(time.Second), nil
	}
	d, err := time.ParseDuration(strings.TrimPrefix(word, "+"))
	if err != nil || d.Abs() > maxLie || d.Abs() < time.Second {
		return 0, refuse("%q is no error of a clock; write one such as +1h, -24h, 1970 or right", word)
	}
	return d, nil
}

// setClock sets one lane controller's clock wrong, or right.
func (c *Campus) setClock(ctx context.Context, k *controller, word string) error {
	by, err := c.wrongBy(word)
	if err != nil {
		return err
	}
	if !c.config.Real {
		k.lie.by.Store(int64(by))
		return nil
	}
	if err := harm.SetClock(k.clockFile, by); err != nil {
		return err
	}
	if k.lying {
		return nil
	}
	// The program as installed goes by the machine's clock: from now on it runs with
	// one that can be wrong.
	k.lying = true
	k.agent.Instead(filepath.Join(c.config.Programs, "simulator"), "lane", "--clock", k.clockFile)
	if k.down {
		return nil
	}
	if err := k.agent.Stop(); err != nil {
		return err
	}
	if err := c.boot(k); err != nil || !c.hears(k) {
		return err
	}
	// That it was started anew is no part of the fault: it is over when it has heard
	// central again.
	c.await(ctx, catchUp, answerTick, func() bool {
		s, err := k.agent.Ask(ctx)
		return err == nil && s.Feed.AgeSec >= 0
	})
	return ctx.Err()
}

// howLong reads a span of time, within bounds.
func howLong(word string, limit time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(word)
	if err != nil || d <= 0 || d > limit {
		return 0, refuse("%q is no span of time up to %s; write one such as 2s or 10m", word, limit)
	}
	return d, nil
}

// refuse makes a Refusal.
func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Zone is the clock that campus days begin by.
func Zone() *time.Location { return zone }
