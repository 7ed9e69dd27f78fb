package cluster

import (
	"context"
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
	"turnstile/central/pass"
)

// lane is a lane controller's own parts without gates.
type lane struct {
	id, folder, token string

	cache   *cache.Cache
	journal *journal.Journal
	feed    *feed.Feed
	health  *health.Set
	uplink  *uplink.Uplink

	mu      sync.Mutex // guards refused
	refused []string   // messages of central that the lane took for harm
}

// open enrols the lane at one central and opens its files.
func (l *lane) open(c *campus, port int) {
	c.t.Helper()
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		c.t.Fatal(err)
	}
	token, err := link.ParseEnrolToken(l.token)
	if err != nil {
		c.t.Fatal(err)
	}
	identity, err := enrol.Enrol(c.t.Context(), fmt.Sprintf("https://%s:%d", host, port), token, l.folder)
	if err != nil {
		c.t.Fatal(err)
	}
	if l.cache, _, err = cache.Open(filepath.Join(l.folder, "cache.bolt"), cache.Options{}); err != nil {
		c.t.Fatal(err)
	}
	if l.journal, _, err = journal.Open(filepath.Join(l.folder, "journal"), journal.Options{SegmentSize: 64 << 10}); err != nil {
		c.t.Fatal(err)
	}
	log, err := os.Create(l.log())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.cache.Close(); l.journal.Close(); log.Close() })
	l.health = health.New(time.Now)
	l.feed = feed.New(l.cache, feed.Identity{Site: identity.Site, Lane: l.id, Root: identity.Root, Seal: identity.Seal}, feed.Options{})
	l.uplink = uplink.New(uplink.Config{
		Identity: identity, Journal: l.journal, Feed: l.feed, Clock: wallclock.New(wallclock.Options{}), Health: l.health,
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})), State: l.state, Taken: l.taken, Refused: l.refuse,
	})
}

func (l *lane) log() string { return filepath.Join(l.folder, "log") }

func (l *lane) state() link.LaneState {
	return link.LaneState{Boot: l.journal.Boot(), Program: "cluster", Lanes: []link.LaneInfo{{Number: 1, Name: l.id, Zone: 0}}}
}

// taken writes a floor after each change, as the agent does.
func (l *lane) taken(r feed.Result) {
	if r.Changed {
		l.journal.Append(link.Entry{Type: link.EntryFloor, Wall: time.Now().UnixMilli(), Floor: l.feed.Floor(time.Now())}) // a full disk is not played here
	}
}

func (l *lane) refuse(r *feed.Refused) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, fmt.Sprintf("type %d: %v", r.Type, r.Err))
}

// scanEvery is how often somebody walks through each lane.
const scanEvery = 700 * time.Millisecond

// run connects, and lets people through until working ends; ctx ends the rest.
func (l *lane) run(ctx, working context.Context) {
	var wait sync.WaitGroup
	wait.Go(func() { l.uplink.Run(ctx) }) // ends with ctx
	defer wait.Wait()
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	for n := uint32(0); ; n++ {
		select {
		case <-working.Done():
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		at := pass.ID{Day: pass.DayOf(now.In(hongKong)), Index: n % 1000}
		granted := link.Entry{Type: link.EntryGranted, Lane: 1, Direction: 1, Wall: now.UnixMilli(), Clock: link.ClockTrusted, Kind: pass.ECard, Pass: at}
		seq, err := l.journal.Append(granted)
		if err != nil {
			continue // a full disk is not played here
		}
		passed := granted
		passed.Type, passed.Grant = link.EntryPassed, seq
		l.journal.Append(passed)
	}
}

// hongKong is the campus clock, which has had no summer time since 1979.
var hongKong = time.FixedZone("HKT", 8*3600)
