package campus

import (
	"context"
	"maps"
	"time"

	"turnstile/agent/neighbours"
)

// acquaintTime bounds how long Open waits for controllers that know each other.
const acquaintTime = time.Minute

// acquaint waits until the controllers of each zone know each other: before, one of
// them does not hear what a pass did at another, and central tells it only seconds later.
func (c *Campus) acquaint(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, acquaintTime)
	defer cancel()
	for _, x := range c.controllers {
		c.await(ctx, acquaintTime, answerTick, func() bool {
			s, err := x.agent.Ask(ctx)
			return err == nil && s.Neighbours.Connected && c.acquainted(s.Neighbours.Zones)
		})
	}
}

func (c *Campus) acquainted(zones []neighbours.ZoneStatus) bool {
	for _, z := range zones {
		in := map[string]bool{}
		for _, l := range c.lanes {
			in[l.controller.id] = in[l.controller.id] || l.spec.Zone == int(z.Zone)
		}
		maps.DeleteFunc(in, func(_ string, is bool) bool { return !is })
		if z.Version == 0 || z.Behind || !z.Member || len(z.Peers) != len(in)-1 {
			return false
		}
	}
	return true
}
