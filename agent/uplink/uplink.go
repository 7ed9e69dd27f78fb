// Package uplink is a lane controller's MQTT session: its journal up, central's
// feed down.
//
// It believes the broker nothing. An entry leaves the journal only on central's
// signed acknowledgement, a message changes the lane only through package feed,
// and a connection that says nothing is given up.
package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/agent/enrol"
	"turnstile/agent/feed"
	"turnstile/agent/health"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// Why a connection ends or does not come about.
var (
	ErrOffline = errors.New("no connection to the broker")
	ErrRefused = errors.New("the broker and this lane do not accept each other")
	ErrSilent  = errors.New("the broker does not answer")
	ErrCut     = errors.New("no heads of central on this node of the broker: another one may have them")
)

// Link is one connection to a broker. It is used once: Connect, then the others
// from one goroutine, then Close.
type Link interface {
	// Connect returns when the broker has accepted; ErrRefused if it never will.
	Connect(ctx context.Context) error
	// Subscribe asks for the filters at QoS 0 and returns when all are granted.
	Subscribe(ctx context.Context, filters ...string) error
	// Publish hands a message over at QoS 1 and does not wait. The channel is
	// closed when the broker has taken it, which promises nothing.
	Publish(topic string, payload []byte, retained bool) (taken <-chan struct{}, err error)
	// Lost gets one error when the connection is gone.
	Lost() <-chan error
	// Close ends the connection; it does not wait for what is on its way.
	Close()
}

// LinkOptions say what a link connects to and as whom.
type LinkOptions struct {
	Broker, ClientID string
	TLS              *tls.Config
	WillTopic        string // published, retained, when the connection dies without Close
	Will             []byte
	Receive          func(topic string, payload []byte) // must not block
}

// Journal is the part of journal.Journal that is sent up.
type Journal interface {
	ID() link.JournalID
	Read(from uint64, max int) (entries [][]byte, before link.Hash, err error)
	Bounds() (first, last, acked uint64)
	Ack(seq uint64, chain link.Hash, issued int64) error
	Grown() <-chan struct{}
}

// Peers exchanges uses with the other lane controllers of this one's zones;
// agent/neighbours implements it. Its methods are called from one goroutine.
type Peers interface {
	// Topics are what to subscribe to for it.
	Topics() []string
	// Handle takes a message of these topics, or USES that were asked for.
	Handle(topic string, payload []byte, now time.Time) error
	// Outgoing gives sealed USE messages of this controller.
	Outgoing() <-chan []byte
	// Ask returns what to ask central for now, if anything is due.
	Ask(now time.Time) (link.Ask, bool)
	// Connected tells whether messages reach central's broker.
	Connected(on bool)
}

// Commands takes what central tells one lane to do once; agent/command implements
// it. An error is a *feed.Refused.
type Commands interface {
	Handle(payload []byte, now time.Time) error
}

// Config binds an uplink. All but Peers, Commands, Dial, Taken, Refused and Now is needed.
type Config struct {
	Identity enrol.Identity
	Journal  Journal
	Feed     *feed.Feed
	Clock    *wallclock.Clock
	Peers    Peers    // nil: this controller exchanges no uses
	Commands Commands // nil: this controller takes none
	Health   *health.Set
	Log      *slog.Logger
	// State returns what the lane reports of itself: Boot, Program, Lanes, Start. The
	// uplink fills in the rest.
	State func() link.LaneState
	// Taken is told of each message that was taken. It must not block for long;
	// it is where the daemon writes floors.
	Taken func(feed.Result)
	// Refused is told once of each kind of message that somebody may have meant
	// harm with, for an EntryRefused.
	Refused func(*feed.Refused)
	Now     func() time.Time       // nil: time.Now
	Dial    func(LinkOptions) Link // nil: MQTT over TLS
}

// Status is what the status page shows.
type Status struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"` // of the connection, or of its loss
	LastError string    `json:"last_error,omitempty"`
	InFlight  int       `json:"in_flight"` // batches that wait for central's acknowledgement
	Connects  uint64    `json:"connects"`
	Dropped   uint64    `json:"dropped"` // messages that came faster than they were taken
}

// Uplink keeps the session. Run it once.
type Uplink struct {
	c      Config
	topics link.Topics
	nudge  chan struct{}             // capacity 1: report soon
	nodes  []string                  // of the broker, any of which will do
	node   int                       // of nodes, the present one; owned by Run
	raised map[health.Code]time.Time // refusals by when they last came; owned by Run
	unread unread                    // owned by Run

	renewed atomic.Pointer[tls.Certificate] // nil: the identity's

	mu     sync.Mutex
	status Status // guarded by mu
}

// New returns an uplink for Run.
func New(c Config) *Uplink {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Dial == nil {
		c.Dial = dialPaho
	}
	if c.Taken == nil {
		c.Taken = func(feed.Result) {}
	}
	if c.Refused == nil {
		c.Refused = func(*feed.Refused) {}
	}
	nodes := strings.Split(c.Identity.Broker, ",")
	return &Uplink{c: c, topics: link.Topics{Site: c.Identity.Site}, nudge: make(chan struct{}, 1),
		nodes: nodes, node: rand.N(len(nodes)), // a thousand lanes spread over the nodes
		raised: map[health.Code]time.Time{}, status: Status{Since: c.Now()}}
}

// broker is the address of the node that is, or was, connected to.
func (u *Uplink) broker() string { return u.nodes[u.node] }

// Status returns how the session stands.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *Uplink) setStatus(f func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.status)
}

// Report asks for a report to central within a second: a lane's state or a
// warning changed.
func (u *Uplink) Report() {
	select {
	case u.nudge <- struct{}{}:
	default:
	}
}

// Pauses between connections: after a loss uniform over the window of the newest
// head, so that a thousand lanes do not come back at once; then full jitter over
// a limit that doubles, and after a connection over no less than that window.
const (
	firstLimit   = time.Second
	longestLimit = time.Minute
	leastWindow  = 2 * time.Second
	// A connection of that age makes the limit small again: after central restarts a
	// lane is not a minute behind. It also has to be of some windows: a central that
	// falls over whenever all lanes are back gets them back slower each time.
	settled        = 10 * time.Second
	settledWindows = 3
)

// Run connects, and again after each loss, until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	p := pauses{firstLimit}
	for ctx.Err() == nil {
		began := u.c.Now()
		connected, err := u.once(ctx)
		if ctx.Err() != nil {
			break
		}
		u.note(err)
		u.node = (u.node + 1) % len(u.nodes)
		var lasted time.Duration
		if connected {
			lasted = u.c.Now().Sub(began)
		}
		u.pause(ctx, rand.N(p.next(lasted, u.window()))+1)
	}
	return nil
}

// pauses are how long a lane stays away.
type pauses struct{ limit time.Duration }

// next returns over what time the next pause is spread, after a connection that
// lasted so long, 0 if there was none.
func (p *pauses) next(lasted, window time.Duration) time.Duration {
	if lasted > max(settled, settledWindows*window) {
		p.limit = firstLimit
	}
	spread := p.limit
	p.limit = min(2*p.limit, longestLimit)
	if lasted > 0 {
		return max(spread, window)
	}
	return spread
}

// window is the reconnect window of the newest head.
func (u *Uplink) window() time.Duration {
	w := time.Duration(u.c.Feed.View().Head.Reconnect) * time.Millisecond
	return max(w, leastWindow)
}

// note puts the loss into health, status and log.
func (u *Uplink) note(err error) {
	text := err.Error()
	u.setStatus(func(s *Status) {
		if s.Connected || s.Since.IsZero() {
			s.Since = u.c.Now()
		}
		s.Connected, s.LastError, s.InFlight = false, text, 0
	})
	u.c.Health.Put(errors.Is(err, ErrRefused), health.UplinkRefused, "", text)
	u.c.Health.Raise(health.UplinkDown, "", text)
	u.c.Log.Warn("connection to central ended", "broker", u.broker(), "error", err)
}

// pause waits, and goes on watching the feed's age meanwhile.
func (u *Uplink) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			return
		case <-tick.C:
			u.watch()
		}
	}
}

// inboxSize bounds the messages that wait for the session: the retained ones of
// a campus and a burst of deltas. What overflows is healed by numbers.
const inboxSize = 256

type message struct {
	topic   string
	payload []byte
}

// once makes one connection and returns when it is over.
func (u *Uplink) once(ctx context.Context) (connected bool, err error) {
	config, err := u.tls(u.broker())
	if err != nil {
		return false, err
	}
	will, err := u.seal(false)
	if err != nil {
		return false, err
	}
	inbox := make(chan message, inboxSize)
	l := u.c.Dial(LinkOptions{
		Broker: u.broker(), ClientID: u.c.Identity.Lane, TLS: config,
		WillTopic: u.topics.State(u.c.Identity.Lane), Will: will,
		Receive: func(topic string, payload []byte) { u.receive(inbox, message{topic, payload}) },
	})
	defer l.Close()
	if err := l.Connect(ctx); err != nil {
		return false, fmt.Errorf("connect: %w", err)
	}
	s := &session{u: u, link: l, inbox: inbox}
	return true, s.run(ctx)
}

// receive runs in the link's goroutine: it only puts the message into the inbox.
func (u *Uplink) receive(inbox chan<- message, m message) {
	if len(m.payload) > link.MaxDocument {
		m.payload = m.payload[:link.MaxDocument+1] // enough to be refused as oversized
	}
	select {
	case inbox <- m:
	default:
		u.setStatus(func(s *Status) { s.Dropped++ })
		u.c.Health.Raise(health.UplinkOverflow, "", "the inbox is full")
	}
}
