package fleet

import (
	"context"
	"math/rand/v2"
	"time"

	"turnstile/agent/uplink"
	"turnstile/central/link"
)

// A bare client comes back as the product's lanes do: within a window after a
// connection, later and later after failures.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	leastWindow  = 2 * time.Second
)

// run keeps a connection until ctx ends.
func (c *client) run(ctx context.Context, topics link.Topics, window time.Duration) {
	pause := firstPause
	for ctx.Err() == nil {
		if c.once(ctx, topics) {
			pause = max(firstPause, window)
		}
		if ctx.Err() == nil {
			wait(ctx, rand.N(pause))
		}
		pause = min(2*pause, longestPause)
	}
}

// once makes one connection and returns when it is over; false if there was none.
func (c *client) once(ctx context.Context, topics link.Topics) bool {
	l := c.turns.dial(c.options)
	defer l.Close()
	if l.Connect(ctx) != nil || l.Subscribe(ctx, topics.Feed(), topics.Down(c.id)) != nil {
		return false
	}
	c.set(l)
	defer c.set(nil)
	select {
	case <-l.Lost():
	case <-ctx.Done():
	}
	return true
}

func (c *client) set(l uplink.Link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link = l
}

func (c *client) online() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link != nil
}

// publish sends so many bytes, if there is a connection.
func (c *client) publish(topic string, size int) {
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil {
		l.Publish(topic, make([]byte, size), false) // what is lost is missed by who counts
	}
}
