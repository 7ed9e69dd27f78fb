package cluster

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/simulator/site"
)

var (
	length = flag.Duration("for", 12*time.Second, "how long processes are killed")
	seed   = flag.Uint64("seed", 1, "of the schedule")
)

// How long a process is away, and how long there is between two.
const (
	shortest, longest = 500 * time.Millisecond, 2500 * time.Millisecond
	between           = 2500 * time.Millisecond
	// stopped is longer than a central is believed to live without a sign of it.
	stopped = 7 * time.Second
	// leastDeeds are done however slow the machine is: both kinds, and a stop.
	leastDeeds = 4
)

// storm kills one process after another, or stops a central in the middle of what it
// does, by a schedule that follows from the seed. At its end all run.
func (c *campus) storm(t *testing.T, limit time.Duration) (deeds []string) {
	t.Helper()
	random := rand.New(rand.NewPCG(*seed, 0))
	wait := func(d time.Duration) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		<-timer.C
	}
	all := append(append([]*process{}, c.centrals...), c.brokers...)
	for began := time.Now(); time.Since(began) < limit || len(deeds) < leastDeeds; {
		wait(between)
		n := len(deeds)
		p := all[random.IntN(len(all))]
		if n < 2 { // whatever the seed, both kinds
			p = [][]*process{c.centrals, c.brokers}[n][random.IntN(min(len(c.brokers), centrals))]
		}
		stop := n == 2 || p.name[0] == 'c' && random.IntN(4) == 0
		away := shortest + time.Duration(random.Int64N(int64(longest-shortest)))
		if stop {
			p, away = c.signer(t), stopped
			if err := p.pause(); err != nil {
				t.Fatal(err)
			}
		} else {
			p.alive(t)
			p.kill()
		}
		wait(away)
		if stop {
			if err := p.resume(); err != nil {
				t.Fatal(err)
			}
			deeds = append(deeds, fmt.Sprintf("%s stopped for %s", p.name, away))
			continue
		}
		p.start(t)
		deeds = append(deeds, fmt.Sprintf("%s killed for %s", p.name, away.Round(time.Millisecond)))
	}
	return deeds
}

// signer returns the central that signs the feed.
func (c *campus) signer(t *testing.T) *process {
	t.Helper()
	var at *process
	until(t, "somebody signs the feed", func() bool {
		leases, err := c.db.Leases(t.Context())
		if err != nil {
			return false
		}
		list, err := c.db.Centrals(t.Context())
		if err != nil {
			return false
		}
		for _, l := range leases {
			for _, m := range list {
				if l.Name == "signer" && l.Owner == m.ID {
					at = c.centrals[m.Name[0]-'a']
				}
			}
		}
		return at != nil
	})
	return at
}

// officer issues passes and revokes them at whichever central answers, once a second
// or as fast as that goes.
type officer struct {
	mu      sync.Mutex // guards the following
	revoked []pass.ID  // that a central confirmed
	failed  int
}

func (o *officer) work(ctx context.Context, c *campus) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		err := o.revoke(ctx, c)
		o.mu.Lock()
		if err != nil && ctx.Err() == nil {
			o.failed++
		}
		o.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

func (o *officer) revoke(ctx context.Context, c *campus) error {
	var p office.PassBody
	err := c.anywhere(ctx, func(a *site.API) (err error) {
		p, err = a.Issue(ctx, office.OrderBody{Kind: "ecard", Holder: "storm", Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "24h"})
		return err
	})
	if err != nil {
		return err
	}
	err = c.anywhere(ctx, func(a *site.API) error {
		_, err := a.Set(ctx, p.ID, "revoke", "storm")
		return err
	})
	if err != nil {
		return err
	}
	id, err := pass.ParseID(p.ID)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revoked = append(o.revoked, id)
	return nil
}
