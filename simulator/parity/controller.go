package parity

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/cache"
	"turnstile/agent/daemon"
	"turnstile/agent/feed"
	"turnstile/agent/journal"
	"turnstile/agent/lane"
	"turnstile/agent/presence"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner"
)

// clock is the simulated time.
type clock struct {
	ms    atomic.Int64
	still sync.RWMutex // held for reading by whoever looks at it twice
}

// Now returns it.
func (c *clock) Now() time.Time { return time.UnixMilli(c.ms.Load()) }

func (c *clock) set(t time.Time) {
	c.still.Lock()
	defer c.still.Unlock()
	c.ms.Store(t.UnixMilli())
}

// laneZones are the zones of a controller's lanes 1, 2, 3 and 4.
var laneZones = [...]uint8{0, 0, 1, 2}

// controller is a lane controller: the agent's packages, wired as the agent
// wires them, with a simulated clock, gates without steel, and no network.
type controller struct {
	id      string
	clock   *clock
	offline atomic.Bool // no network: no feed, and nobody who keeps the clock
	seal    *ecdh.PrivateKey
	cache   *cache.Cache
	journal *journal.Journal
	wall    *wallclock.Clock
	feed    *feed.Feed
	record  *lane.Recorder
	lanes   []*steel
	read    uint64 // entries of the journal looked at
	grants  uint64 // among them

	cancel context.CancelFunc
	wait   sync.WaitGroup
}

// steel is one lane with its gate and readers.
type steel struct {
	*lane.Lane
	gate    *turnstile
	readers [2]reader // in, out
	changed chan struct{}
	latest  atomic.Pointer[lane.Status] // as the lane last told, between two scans
}

func newController(id string, c *clock) (*controller, error) {
	seal, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a lane controller's key: %w", err)
	}
	return &controller{id: id, clock: c, seal: seal}, nil
}

// open makes the files and starts the lanes.
func (c *controller) open(ctx context.Context, folder string, root link.Root) error {
	var err error
	folder = filepath.Join(folder, c.id)
	if c.journal, _, err = journal.Open(filepath.Join(folder, "journal"), journal.Options{Now: c.clock.Now}); err != nil {
		return err
	}
	if c.cache, _, err = cache.Open(filepath.Join(folder, "cache.bolt"), cache.Options{Now: c.clock.Now}); err != nil {
		return errors.Join(err, c.journal.Close())
	}
	start := c.clock.Now()
	c.wall = wallclock.New(wallclock.Options{Source: c.kernel, Ticks: func() wallclock.Ticks { return wallclock.Ticks{Elapsed: c.clock.Now().Sub(start)} }})
	c.feed = feed.New(c.cache, feed.Identity{Site: siteName, Lane: c.id, Root: root, Seal: c.seal}, feed.Options{Trusted: c.wall.Trusted})
	c.record = &lane.Recorder{Journal: c.journal, Presence: presence.New(), Facts: c.facts, Now: c.clock.Now, Start: time.Now()}
	ctx, c.cancel = context.WithCancel(ctx)
	c.wait.Go(func() { c.journal.Run(ctx) }) // ends with ctx
	for i, zone := range laneZones {
		c.lanes = append(c.lanes, c.start(ctx, uint8(i+1), zone))
	}
	return nil
}

func (c *controller) start(ctx context.Context, number, zone uint8) *steel {
	s := &steel{gate: newTurnstile(), readers: [2]reader{newReader(), newReader()}, changed: make(chan struct{}, 1)}
	s.latest.Store(&lane.Status{})
	s.Lane = lane.New(lane.Setup{
		Number: number, Name: fmt.Sprintf("Lane %d", number), Zone: zone, Gate: s.gate, Record: c.record, Others: c, Log: slog.New(slog.DiscardHandler),
		Readers: []lane.Reader{
			{Name: "in", Scanner: s.readers[0], Direction: gate.In}, {Name: "out", Scanner: s.readers[1], Direction: gate.Out},
		},
		Changed: func(now lane.Status) {
			s.latest.Store(&now)
			select {
			case s.changed <- struct{}{}:
			default: // somebody is told already
			}
		},
	})
	c.wait.Go(func() { s.Lane.Run(ctx) }) // its devices never fail
	return s
}

func (c *controller) close() error {
	c.cancel()
	c.wait.Wait()
	return errors.Join(c.cache.Close(), c.journal.Close())
}

// kernel says how well the machine's clock is kept: by a time server as long as
// there is a network.
func (c *controller) kernel() (synchronised bool, bound time.Duration, err error) {
	return !c.offline.Load(), 10 * time.Millisecond, nil
}

// facts are what the agent's own facts are.
func (c *controller) facts() access.Facts {
	c.clock.still.RLock() // wall and monotonic clock must not part by minutes in between
	defer c.clock.still.RUnlock()
	now := c.clock.Now()
	state, bound := c.wall.State(now)
	return daemon.FactsOf(c.cache.View(), now, state, time.Duration(bound)*time.Second)
}

// Apart implements lane.Others: there is no zone without a network.
func (c *controller) Apart(uint8, time.Time) bool { return c.offline.Load() }

// Home implements lane.Others: no zone of the campus asks for it.
func (c *controller) Home(uint8, pass.ID) bool { return false }

// hear takes what central said, unless the network is cut.
func (c *controller) hear(said []message) error {
	if c.offline.Load() {
		return nil
	}
	now := c.clock.Now()
	topics := link.Topics{Site: siteName}
	for _, m := range said {
		if m.topic != topics.GateKeys(c.id) && !strings.HasPrefix(m.topic, strings.TrimSuffix(topics.Feed(), "#")) {
			continue // another lane controller's
		}
		r, err := c.feed.Handle(m.topic, m.payload, now)
		if err != nil && !errors.Is(err, feed.ErrOld) {
			return fmt.Errorf("%s takes the message on %s: %w", c.id, m.topic, err)
		}
		if r.Head != nil {
			c.wall.Observe(time.UnixMilli(r.Head.Issued), now)
		}
	}
	if !c.cache.View().IsLevel() {
		return fmt.Errorf("%s is not level with central after its messages", c.id)
	}
	return nil
}

// verdict is what a lane decided.
type verdict struct {
	reason  pass.Reason
	flags   link.EntryFlags
	feedAge uint32
}

// scan holds a text before a lane's reader and waits for the decision and, if
// the gate opened, for the end of the passage.
func (c *controller) scan(ctx context.Context, v *visit, text string) (verdict, error) {
	s := c.lanes[v.lane]
	before := decisions(s.latest.Load())
	s.gate.stays.Store(v.stays)
	select {
	case s.readers[v.direction-gate.In].scans <- scanner.Scan{Text: []byte(text), At: time.Now()}:
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	}
	over := time.NewTimer(30 * time.Second)
	defer over.Stop()
	for {
		now := s.latest.Load()
		if decisions(now) > before && now.State != lane.Passage && now.State != lane.Opening && now.State != lane.Deciding {
			s.gate.stays.Store(false)
			return c.verdict(now)
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return verdict{}, ctx.Err()
		case <-over.C:
			return verdict{}, fmt.Errorf("lane %d of %s does not decide", v.lane+1, c.id)
		}
	}
}

// decisions counts what a lane decided so far.
func decisions(s *lane.Status) uint64 {
	n := s.Counts.Granted
	for _, d := range s.Counts.Denied {
		n += d
	}
	return n
}

// verdict reads the newest decision, with its marks if the journal has it:
// texts that nobody signed are not all written down.
func (c *controller) verdict(s *lane.Status) (verdict, error) {
	v := verdict{reason: s.Last.Reason}
	err := c.journal.Replay(c.read+1, func(e link.Entry) error {
		c.read = e.Seq
		if e.Type == link.EntryGranted {
			c.grants++
		}
		if (e.Type == link.EntryGranted || e.Type == link.EntryDenied) && e.Lane == s.Number {
			v.flags, v.feedAge = e.Flags, e.FeedAge
			if e.Reason != v.reason {
				return fmt.Errorf("the journal of %s says %s, the lane %s", c.id, e.Reason, v.reason)
			}
		}
		return nil
	})
	return v, err
}
