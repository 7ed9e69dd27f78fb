// Package exchange passes on what passes did at one lane to the zone's other
// lanes, and tells lanes whom to believe.
//
// A lane's USE goes on as it came, once it is known to be that lane's own and of
// a zone where it has a lane. Lanes that missed some ask, and get what the ledger
// holds. The LANES documents name the controllers of each zone with their keys,
// so that lanes can do all of this without central too.
package exchange

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"turnstile/central/database"
	"turnstile/central/link"
)

// What a USE can be refused for, beside the errors of package link.
var (
	ErrTooOften = errors.New("the lane controller tells more uses than lanes can make")
	ErrZone     = errors.New("the lane controller reports no lane in this zone")
)

// Alarm codes.
const (
	CodeForged  = "forged_use"  // not signed by the lane's key, or in another's name
	CodeForeign = "foreign_use" // of a zone where the lane has no lane
)

// Publisher hands messages to the broker; broker.Session is one.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte, qos byte, retained bool) error
}

// Lane is an enrolled lane controller.
type Lane struct {
	ID    string
	Key   ed25519.PublicKey // journal key
	Zones uint16            // that it last reported a lane in; a bit each
}

// Signer is the right to make the LANES documents, which one central of a site
// has; a lease.Job is one.
type Signer interface {
	Held() bool
	Lease() (database.Lease, bool)
}

// Config of the exchange; all but Signer and Mine is needed.
type Config struct {
	Site      string
	DB        *database.DB
	Keyset    link.Signer // signs LANES
	Status    link.Signer // signs USES
	Publisher Publisher
	Signer    Signer                      // nil: this central makes the documents, always
	Mine      func(lane string) bool      // a lane controller that this central serves; nil: all
	Lanes     func() []Lane               // the enrolled ones, by id
	Keys      func(lane string) link.Keys // a lane controller's journal key, nil if it is not enrolled
	Alarm     func(ctx context.Context, code, lane, subject, detail string)
	Location  *time.Location
	Now       func() time.Time
	Log       *slog.Logger
}

// Exchange is safe for concurrent use.
type Exchange struct {
	config Config
	topics link.Topics
	limits limits

	working sync.Mutex // guards documents, held while they are published
	documents
	version  atomic.Uint64                     // of what was published
	reported atomic.Pointer[map[string]uint16] // zones by lane, when the fleet was last looked at
	asks     chan *link.Ask

	passed, refused, answered atomic.Uint64
}

// Open loads the version of the LANES documents.
func Open(ctx context.Context, c Config) (*Exchange, error) {
	x := &Exchange{config: c, topics: link.Topics{Site: c.Site}, asks: make(chan *link.Ask, maxAsks)}
	if err := x.load(ctx); err != nil {
		return nil, fmt.Errorf("load lists of lanes: %w", err)
	}
	return x, nil
}

// lookEvery is how often the fleet is looked at, and maxAsks how many questions
// wait; a lane whose question found no room asks again.
const (
	lookEvery = 2 * time.Second
	maxAsks   = 256
)

// Run publishes LANES documents when the fleet has changed, and answers questions,
// until ctx ends.
func (x *Exchange) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failed := error(nil)
	for {
		err := x.look(ctx)
		if err != nil && failed == nil && ctx.Err() == nil {
			x.config.Log.Error("renew the lists of lanes; it is tried again", "error", err)
		}
		failed = err
		if !x.serve(ctx, tick.C) {
			return nil
		}
	}
}

// serve answers questions until the next tick; false if ctx ended.
func (x *Exchange) serve(ctx context.Context, tick <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			return true
		case a := <-x.asks:
			if err := x.answer(ctx, a); err != nil && ctx.Err() == nil {
				x.config.Log.Error("answer with uses", "lane", a.Lane, "error", err)
			}
		}
	}
}

// What one lane controller may tell: four lanes at their fastest need five
// messages a second.
const (
	usesPerSecond = 20
	useBurst      = 200
)

// foreignStands is for how long a lane tells of a zone that it does not report
// before that is an alarm: after a change of its configuration the report may be
// overtaken.
const foreignStands = 10 * time.Second

// limits are the lanes' rate limits, and since when one tells of a wrong zone.
type limits struct {
	mu    sync.Mutex
	lanes map[string]*laneLimit // of enrolled lanes alone, so bounded
}

type laneLimit struct {
	*rate.Limiter
	foreign time.Time // first wrong zone; zero: none
	latest  time.Time
}

func (l *limits) lane(id string) *laneLimit {
	if l.lanes == nil {
		l.lanes = map[string]*laneLimit{}
	}
	if l.lanes[id] == nil {
		l.lanes[id] = &laneLimit{Limiter: rate.NewLimiter(usesPerSecond, useBurst)}
	}
	return l.lanes[id]
}

func (l *limits) allow(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lane(id).AllowN(now, 1)
}

// insists reports whether a lane goes on telling of wrong zones.
func (l *limits) insists(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.lane(id)
	if now.Sub(a.latest) > 6*foreignStands {
		a.foreign = now
	}
	a.latest = now
	return now.Sub(a.foreign) >= foreignStands
}

// Take passes on what came on a lane controller's use topic, if this central serves
// the lane. What is not that lane's own is alarmed.
func (x *Exchange) Take(ctx context.Context, lane string, message []byte) error {
	if !x.mine(lane) {
		return nil
	}
	u, err := x.check(ctx, lane, message)
	if err != nil {
		x.refused.Add(1)
		return fmt.Errorf("take use of lane %.40q: %w", lane, err)
	}
	if err := x.config.Publisher.Publish(ctx, x.topics.ZoneUse(u.Zone), message, 0, false); err != nil {
		x.config.Log.Debug("pass on use", "lane", lane, "error", err) // lanes ask for it
		return nil
	}
	x.passed.Add(1)
	return nil
}

func (x *Exchange) check(ctx context.Context, lane string, message []byte) (*link.Use, error) {
	keys, now := x.config.Keys(lane), x.config.Now()
	if keys == nil {
		return nil, fmt.Errorf("%w: not enrolled", link.ErrUnknown)
	}
	if !x.limits.allow(lane, now) {
		return nil, ErrTooOften
	}
	u, err := link.Open[link.Use](message, link.TypeUse, x.config.Site, keys, link.MaxUse)
	if err == nil && u.Lane != lane {
		err = fmt.Errorf("%w: a use of lane %.40q", link.ErrForged, u.Lane)
	}
	if err == nil {
		_, err = u.List()
	}
	if err != nil {
		x.config.Alarm(ctx, CodeForged, lane, "", err.Error())
		return nil, err
	}
	if known := x.reported.Load(); known != nil && (*known)[lane]&bit(u.Zone) != 0 {
		return u, nil
	}
	if x.zones(lane)&bit(u.Zone) == 0 { // nor since it was last looked
		err := fmt.Errorf("%w: %d", ErrZone, u.Zone)
		if x.limits.insists(lane, now) {
			x.config.Alarm(ctx, CodeForeign, lane, "", err.Error())
		}
		return nil, err
	}
	return u, nil
}

func (x *Exchange) mine(lane string) bool { return x.config.Mine == nil || x.config.Mine(lane) }

func (x *Exchange) held() bool { return x.config.Signer == nil || x.config.Signer.Held() }

// bit is a zone's bit, 0 for an impossible zone.
func bit(zone uint8) uint16 {
	if zone > 15 {
		return 0
	}
	return 1 << zone
}

// zones are a lane controller's zones as it last reported them.
func (x *Exchange) zones(lane string) uint16 {
	for _, l := range x.config.Lanes() {
		if l.ID == lane {
			return l.Zones
		}
	}
	return 0
}

// Counts are what the exchange did since its start.
type Counts struct {
	Passed   uint64 // USE passed on
	Refused  uint64 // USE that were not
	Answered uint64 // USES
}

// Counts returns the counters.
func (x *Exchange) Counts() Counts {
	return Counts{x.passed.Load(), x.refused.Load(), x.answered.Load()}
}
