package fleet

import (
	"context"

	"turnstile/agent/uplink"
)

// atOnce is how many connections this process makes at a time. Ten thousand lanes
// have a processor each; here they share what central leaves them, and handshakes
// that all go on together would all time out. Who waits here waits as for a network
// that is slow, and goes on from then.
const atOnce = 64

// queue lets connections be made one after the other.
type queue chan struct{}

func (q queue) dial(o uplink.LinkOptions) uplink.Link { return queued{uplink.Dial(o), q} }

// queued is a link that waits for its turn to connect.
type queued struct {
	uplink.Link
	turns queue
}

// Connect implements uplink.Link.
func (l queued) Connect(ctx context.Context) error {
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
		return l.Link.Connect(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}
