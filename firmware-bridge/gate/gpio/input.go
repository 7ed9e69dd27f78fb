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
	tamper
	ready
	inhibitIn
	inhibitOut
	fault
	wrongWay
	tailgate
	door
	roles // how many there are
)

// momentary reports whether r tells of a moment: what it says when it is claimed
// is not news. Of the others, a fire that burns already is.
func (r role) momentary() bool { return r == walkedIn || r == walkedOut }

// standing reports whether r is a state that counts from the first look on,
// without an event.
func (r role) standing() bool {
	return r == ready || r == inhibitIn || r == inhibitOut || r == door
}

// change is a contact that became active or inactive.
type change struct {
	role   role
	active bool
	at     time.Time
}

// contact is one input line and its one goroutine.
type contact struct {
	role   role
	source source
	active gpio.Level // the level that means active
	steady debounce   // owned by claim, then by watch
}

// watch sends each steady change until ctx ends. It returns an error, such as
// ErrChip, when the line has stopped working. A change has to be confirmed:
// nobody walked because a cable came out.
func (c *contact) watch(ctx context.Context, out chan<- change) error {
	d := &c.steady
	for ctx.Err() == nil {
		readings, err := c.source.wait(d.patience(time.Now()))
		if err != nil {
			return err
		}
		for _, r := range readings {
			if !d.sample(gpio.Level(r.high), r.edge, r.at) {
				continue
			}
			if err := c.source.confirm(); err != nil {
				return fmt.Errorf("confirm contact: %w", err)
			}
			select {
			case out <- change{c.role, d.steady == c.active, r.at}:
			case <-ctx.Done():
			}
		}
	}
	return nil
}
