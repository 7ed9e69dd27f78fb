package fleet

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/agent/uplink"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// light is a lane controller without steel, disk and display: the agent's uplink,
// feed and cache over a journal and a cache in memory. What it acknowledges it has
// verified and shows, as an agent does, and would forget in a power cut.
type light struct {
	id      string
	cache   *cache.Cache
	feed    *feed.Feed
	journal *record
	uplink  *uplink.Uplink

	mu    sync.Mutex // guards the following
	head  time.Time  // of the first head since the last mark; zero: none
	steps []step     // what it refused since when, the newest last
}

// step is one place of the feed that a lane has reached.
type step struct {
	seq uint64
	at  time.Time
}

// keptSteps bounds the steps of a lane that are remembered.
const keptSteps = 64

func newLight(i enrol.Identity, q queue, log *slog.Logger, acked func(written, now time.Time)) *light {
	l := &light{id: i.Lane, cache: cache.InMemory(), journal: newRecord(acked)}
	l.feed = feed.New(l.cache, feed.Identity{Site: i.Site, Lane: i.Lane, Root: i.Root, Seal: i.Seal}, feed.Options{})
	l.uplink = uplink.New(uplink.Config{
		Identity: i, Journal: l.journal, Feed: l.feed, Health: health.New(time.Now), Log: log.With("lane", i.Lane),
		Clock: wallclock.New(wallclock.Options{TrustSystem: true, Source: trusted}), State: l.state, Taken: l.taken, Dial: q.dial,
	})
	return l
}

// trusted is a kernel that is sure of the time: ten thousand lanes need not ask it
// four times a second.
func trusted() (synchronised bool, bound time.Duration, err error) { return true, 0, nil }

func (l *light) state() link.LaneState { return link.LaneState{Boot: 1, Program: "fleet"} }

// taken notes what came, and writes a floor after each change as the agent does.
func (l *light) taken(r feed.Result) {
	now := time.Now()
	l.note(r, now)
	if r.Changed {
		l.journal.append(link.Entry{Type: link.EntryFloor, Floor: l.feed.Floor(now)}, now)
	}
}

func (l *light) note(r feed.Result, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Head != nil && l.head.IsZero() {
		l.head = now
	}
	s := l.feed.View().State
	if s == nil || len(l.steps) > 0 && l.steps[len(l.steps)-1].seq == s.Seq {
		return
	}
	if l.steps = append(l.steps, step{s.Seq, now}); len(l.steps) > keptSteps {
		l.steps = l.steps[1:]
	}
}

// mark lets the lane wait for a head that it has not heard yet.
func (l *light) mark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = time.Time{}
}

// heard returns when the lane heard a new head since the mark; zero: not yet.
func (l *light) heard() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// reached returns when the lane showed event seq; zero: not yet.
func (l *light) reached(seq uint64) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at time.Time
	for i := len(l.steps) - 1; i >= 0 && l.steps[i].seq >= seq; i-- {
		at = l.steps[i].at
	}
	return at
}

// walk writes down that somebody was let in and passed, or was refused.
func (l *light) walk(p person, now time.Time) {
	e := link.Entry{Type: link.EntryGranted, Lane: 1, Direction: p.direction, Kind: pass.ECard, Pass: p.pass, FeedSeq: l.seq()}
	if p.refused {
		e.Type, e.Reason = link.EntryDenied, pass.Expired
		l.journal.append(e, now)
		return
	}
	l.journal.append(e, now)
	grant, _ := l.journal.end()
	e.Type, e.Grant = link.EntryPassed, grant
	l.journal.append(e, now)
}

func (l *light) seq() uint64 {
	if s := l.feed.View().State; s != nil {
		return s.Seq
	}
	return 0
}

// person is who comes to a lane.
type person struct {
	pass      pass.ID
	direction uint8
	refused   bool
}

// lanes are the fleet's lanes while they run.
type lanes struct {
	list []*light
	end  context.CancelFunc
	wait sync.WaitGroup
}

// start connects all lanes at the same moment.
func (f *lanes) start(ctx context.Context) {
	ctx, f.end = context.WithCancel(ctx)
	for _, l := range f.list {
		f.wait.Go(func() { l.uplink.Run(ctx) }) // ends with ctx
	}
}

func (f *lanes) stop() {
	if f.end != nil {
		f.end()
		f.wait.Wait()
	}
}

// connected counts the lanes that have a session.
func (f *lanes) connected() (n int) {
	for _, l := range f.list {
		if l.uplink.Status().Connected {
			n++
		}
	}
	return n
}

// waiting counts the entries that central has not acknowledged.
func (f *lanes) waiting() (n int) {
	for _, l := range f.list {
		_, last, acked := l.journal.Bounds()
		n += int(last - acked)
	}
	return n
}
