// Package fleet plays many lane controllers in one process: the agent's own
// enrolment, cache, feed, journal and uplink, without lanes behind them.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
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
// its own below folder.
func Start(ctx context.Context, s *site.Site, folder string, n int) (*Fleet, error) {
	ctx, cancel := context.WithCancel(ctx)
	f := &Fleet{cancel: cancel}
	for i := range n {
		c, err := open(ctx, s, filepath.Join(folder, fmt.Sprint(i)), fmt.Sprintf("fleet-%d", i+1))
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

func open(ctx context.Context, s *site.Site, folder, id string) (*Controller, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of %s: %w", id, err)
	}
	identity, err := invite(ctx, s, folder, id)
	if err != nil {
		return nil, err
	}
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

// invite enrols a controller with a one-time token.
func invite(ctx context.Context, s *site.Site, folder, id string) (enrol.Identity, error) {
	var invitation struct {
		Token string `json:"token"`
	}
	if err := s.API.Do(ctx, http.MethodPost, "/lanes", map[string]string{"id": id}, &invitation); err != nil {
		return enrol.Identity{}, fmt.Errorf("invite %s: %w", id, err)
	}
	token, err := link.ParseEnrolToken(invitation.Token)
	if err != nil {
		return enrol.Identity{}, err
	}
	return admitted(ctx, s.EnrolURL(), token, folder)
}

// admitted enrols, as often as central refuses because too many do at once.
func admitted(ctx context.Context, url string, token link.EnrolToken, folder string) (i enrol.Identity, err error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range 60 {
		if i, err = enrol.Enrol(ctx, url, token, folder); !errors.Is(err, enrol.ErrRefused) {
			return i, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return i, ctx.Err()
		}
	}
	return i, err
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
