// Package fleet plays many lane controllers in one process: the agent's own
// enrolment, cache, feed, journal and uplink, without lanes behind them.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/agent/journal"
	"turnstile/agent/uplink"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/simulator/site"
)

// Controller is one lane controller of a fleet.
type Controller struct {
	ID      string
	cache   *cache.Cache
	journal *journal.Journal
	feed    *feed.Feed
	uplink  *uplink.Uplink
}

// Fleet is a number of running controllers. Close it.
type Fleet struct {
	Controllers []*Controller
	cancel      context.CancelFunc
	wait        sync.WaitGroup
}

// Start enrols n controllers at a site and connects them; each has a folder of
// its own below folder. Central is started anew for it.
func Start(ctx context.Context, s *site.Site, folder string, n int) (*Fleet, error) {
	e := &Enrolment{Site: s, Prefix: "fleet-"}
	if err := errors.Join(s.Central().Stop(), e.Enrol(ctx, n), s.StartCentral()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &Fleet{cancel: cancel}
	for i, l := range e.Lanes {
		l.Broker = "ssl://" + s.BrokerAddr()
		c, err := open(l, filepath.Join(folder, fmt.Sprint(i)))
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.Controllers = append(f.Controllers, c)
		f.wait.Go(func() { c.uplink.Run(ctx) }) // ends with ctx
	}
	return f, nil
}

// Close disconnects all controllers and closes their files.
func (f *Fleet) Close() error {
	f.cancel()
	f.wait.Wait()
	var errs []error
	for _, c := range f.Controllers {
		errs = append(errs, c.cache.Close(), c.journal.Close())
	}
	return errors.Join(errs...)
}

func open(identity enrol.Identity, folder string) (*Controller, error) {
	id := identity.Lane
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of %s: %w", id, err)
	}
	var err error
	c := &Controller{ID: id}
	if c.cache, _, err = cache.Open(filepath.Join(folder, "cache.bolt"), cache.Options{}); err != nil {
		return nil, err
	}
	if c.journal, _, err = journal.Open(filepath.Join(folder, "journal"), journal.Options{SegmentSize: 64 << 10}); err != nil {
		return nil, err
	}
	clock := wallclock.New(wallclock.Options{TrustSystem: true})
	c.feed = feed.New(c.cache, feed.Identity{Site: identity.Site, Lane: id, Root: identity.Root, Seal: identity.Seal}, feed.Options{})
	c.uplink = uplink.New(uplink.Config{
		Identity: identity, Journal: c.journal, Feed: c.feed, Clock: clock, Health: health.New(time.Now),
		Log: slog.New(slog.DiscardHandler), State: c.state, Taken: c.taken,
	})
	return c, nil
}

func (c *Controller) state() link.LaneState {
	return link.LaneState{Boot: c.journal.Boot(), Program: "fleet"}
}

// taken writes a floor after each change, as the agent does.
func (c *Controller) taken(r feed.Result) {
	if !r.Changed {
		return
	}
	e := link.Entry{Type: link.EntryFloor, Wall: time.Now().UnixMilli(), Floor: c.feed.Floor(time.Now())}
	if _, err := c.journal.Append(e); err != nil {
		slog.Warn("write floor", "controller", c.ID, "error", err)
	}
}
