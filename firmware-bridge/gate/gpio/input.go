package gpio

import (
	"context"
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// settle is how long a contact must be steady to count. Gates hold theirs
	// for 100 ms and more; relay contacts bounce for some milliseconds.
	settle = 20 * time.Millisecond
	// look is how often a level is read even if no edge is reported, because
	// edges can be lost. It is half of the shortest pulse.
	look = 50 * time.Millisecond
	// hasty is how many waits in a row may end at once for no reason. A chip that
	// vanished does it thousands of times a second.
	hasty = 20
	// stale is how many edges from before In are thrown away at most.
	stale = 64
)

// debounce turns raw levels into steady ones: pure, its times are the caller's.
type debounce struct {
	steady gpio.Level
	rival  time.Time // since when the level has been different; zero if it is not
}

// sample takes a level read at now, and whether an edge came since the last one. It
// reports whether the steady level changed.
func (d *debounce) sample(l gpio.Level, edge bool, now time.Time) bool {
	switch {
	case l == d.steady:
		d.rival = time.Time{}
	case d.rival.IsZero() || edge:
		d.rival = now
	case now.Sub(d.rival) >= settle:
		d.steady, d.rival = l, time.Time{}
		return true
	}
	return false
}

// patience is how long to wait for the next edge.
func (d *debounce) patience(now time.Time) time.Duration {
	if d.rival.IsZero() {
		return look
	}
	return max(settle-now.Sub(d.rival), time.Millisecond)
}

// role is what a contact means.
type role uint8

const (
	walkedIn role = iota
	walkedOut
	fire
)

// change is a contact that became active or inactive.
type change struct {
	role   role
	active bool
	at     time.Time
}

// contact is one input line and its one goroutine.
type contact struct {
	role   role
	line   Input
	pull   gpio.Pull
	active gpio.Level // the level that means active
	steady debounce   // owned by arm, then by watch
}

// arm configures the line and learns its level. A fire that burns now is a
// change; a passage contact that is active now is not: nobody walked.
func (c *contact) arm() error {
	if err := c.line.In(c.pull, gpio.BothEdges); err != nil {
		return err
	}
	for range stale { // edges from before
		if !c.line.WaitForEdge(time.Millisecond) {
			break
		}
	}
	c.steady.steady = !c.active
	if c.role != fire {
		c.steady.steady = c.line.Read()
	}
	return nil
}

// watch sends each steady change until ctx ends. It returns ErrChip when the
// line has stopped working. Read cannot fail and says Low for a chip that is
// gone, so In, which can, has to confirm a change: nobody walked because a
// cable came out.
func (c *contact) watch(ctx context.Context, out chan<- change) error {
	d := &c.steady
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		wait := d.patience(began)
		edge := c.line.WaitForEdge(wait)
		now := time.Now()
		if failures++; edge || now.Sub(began) >= wait/2 {
			failures = 0
		}
		if failures >= hasty {
			return ErrChip
		}
		if !d.sample(c.line.Read(), edge, now) {
			continue
		}
		if err := c.line.In(c.pull, gpio.BothEdges); err != nil {
			return fmt.Errorf("confirm contact: %w", err)
		}
		select {
		case out <- change{c.role, d.steady == c.active, now}:
		case <-ctx.Done():
		}
	}
	return nil
}
