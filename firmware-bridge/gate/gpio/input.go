package gpio

import (
	"context"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate/passage"
)

// look is how often a level is read even if no edge is reported, because edges
// can be lost. It is half of the shortest pulse.
const look = 50 * time.Millisecond

// patience is how long to wait at now for the next edge of a contact.
func patience(d *passage.Debounce, now time.Time) time.Duration {
	due := d.Due()
	if due.IsZero() {
		return look
	}
	return max(due.Sub(now), time.Millisecond)
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
	active bool             // the level that means active
	level  passage.Debounce // owned by claim, then by watch
}

// watch sends each steady change until ctx ends. It returns an error, such as
// ErrChip, when the line has stopped working. A change has to be confirmed:
// nobody walked because a cable came out.
func (c *contact) watch(ctx context.Context, out chan<- change) error {
	d := &c.level
	for ctx.Err() == nil {
		readings, err := c.source.wait(patience(d, time.Now()))
		if err != nil {
			return err
		}
		for _, r := range readings {
			if !d.Sample(r.high, r.edge, r.at) {
				continue
			}
			if err := c.source.confirm(); err != nil {
				return fmt.Errorf("confirm contact: %w", err)
			}
			select {
			case out <- change{c.role, d.Steady == c.active, r.at}:
			case <-ctx.Done():
			}
		}
	}
	return nil
}
