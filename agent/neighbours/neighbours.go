// Package neighbours lets the lane controllers of a zone know what passes did at
// each of them: through central's broker, and by signed multicast on the gate
// network, which needs neither central nor a broker.
//
// It is the transport alone; what a use changes is decided in presence. A use is
// a journal entry: granted, passed, not passed, unknown. Everything that comes in
// is bounded in size and in number, is believed only with the signature of a
// controller that central's LANES document names for that zone, and may come
// twice, late, or out of order. What is lost is told again: by the next hello, by
// central when it is asked each minute.
//
// The documents are kept in files, so that nothing of this needs central after
// they were got once.
//
// # Home
//
// Each pass has one home lane controller in each zone, found by rendezvous
// hashing: of all controllers in the zone's LANES document, the one with the
// greatest value, compared byte by byte from the first, of
//
//	SHA-256("turnstile-home/1\0" || zone (1 byte) || day (2) || index (3) || controller's id in ASCII)
//
// Day and index are the bytes 4 to 8 of the pass, big-endian.
package neighbours

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Config binds the neighbours of one lane controller. All but Multicast, Resume,
// Stale, Campus and Now is needed.
type Config struct {
	Lane, Site string
	Signer     link.Signer    // the controller's journal key
	Journal    link.JournalID // of this controller
	Boot       uint32         // as in its entries
	Zones      []uint8        // of its lanes
	Dir        string         // for LANES documents and the cursor; made if it is not there
	Multicast  Multicast      // zero: no multicast
	// Resume says that what Take was given before the last Keep is still known. If
	// not, central is asked for all uses of the day.
	Resume bool
	// Delegation returns the one in force, nil if there is none yet.
	Delegation func() *link.Delegation
	// Version returns the newest head's version of the LANES documents, 0 if unknown.
	Version func() uint64
	// Day returns the campus day; false if the clock does not tell it.
	Day func(now time.Time) (pass.Day, bool)
	// Stale reports whether the feed is: who does not hear central's heads does not
	// reach it, whatever stands between. nil: never.
	Stale func(now time.Time) bool
	// Campus returns the campus's time when Now showed now; nil: that is it.
	Campus func(now time.Time) time.Time
	// Take gets each use of another controller, again whenever it comes again, one
	// at a time and each journal's in the order of its numbers within a message.
	// It may write to the journal, and with that call Took. Without a lane it is of
	// this controller, under a journal that it does not have any more.
	Take func(lane string, journal link.JournalID, e link.Entry, now time.Time)
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger
}

// Neighbours is safe for concurrent use. Run it once.
type Neighbours struct {
	c        Config
	places   map[string]place // topics of the own zones
	outgoing chan []byte
	nudge    chan struct{} // capacity 1: there is something to tell

	taking sync.Mutex // one message's uses at a time; taken before mu

	mu        sync.Mutex // guards the following
	connected bool
	since     time.Time       // when the connection began
	own       map[uint8]*told // by zone; New made all that there will be
	sent      int64           // Sent of the last USE
	zones     map[uint8]*zone
	read      map[uint8]bool // whose file was looked at
	peers     map[link.KeyID]*peer
	known     memory // messages that were taken
	limits    limits
	counts    Counts
	asking    asking
	wire      *socket // nil: closed
	trouble   string  // why it is
}

// place is what stands on a topic.
type place struct {
	zone  uint8
	lanes bool // LANES, else USE
}

// outgoingSize bounds the messages that wait for the broker: some seconds of a
// busy controller. What finds it full goes up with the journal.
const outgoingSize = 64

// New returns neighbours with the documents of the folder.
func New(c Config) (*Neighbours, error) {
	c = c.withDefaults()
	if err := c.Multicast.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for neighbours: %w", err)
	}
	n := &Neighbours{
		c: c, places: map[string]place{}, outgoing: make(chan []byte, outgoingSize), nudge: make(chan struct{}, 1),
		own: map[uint8]*told{}, zones: map[uint8]*zone{}, read: map[uint8]bool{}, peers: map[link.KeyID]*peer{}, limits: newLimits(),
	}
	topics := link.Topics{Site: c.Site}
	for _, z := range c.Zones {
		n.own[z], n.zones[z] = &told{}, &zone{}
		n.places[topics.ZoneUse(z)] = place{zone: z}
		n.places[topics.ZoneLanes(z)] = place{zone: z, lanes: true}
	}
	n.recallCursor()
	n.readFiles()
	return n, nil
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Stale == nil {
		c.Stale = func(time.Time) bool { return false }
	}
	if c.Campus == nil {
		c.Campus = func(now time.Time) time.Time { return now }
	}
	return c
}

// Topics are the filters to subscribe to.
func (n *Neighbours) Topics() []string {
	var list []string
	for _, z := range n.sortedZones() {
		list = append(list, link.Topics{Site: n.c.Site}.Zone(z))
	}
	return list
}

// sortedZones are the controller's zones, each once, ascending.
func (n *Neighbours) sortedZones() []uint8 {
	list := slices.Clone(n.c.Zones)
	slices.Sort(list)
	return slices.Compact(list)
}

// Outgoing gives sealed USE messages of this controller for the broker.
func (n *Neighbours) Outgoing() <-chan []byte { return n.outgoing }

// Connected tells whether messages reach central's broker. Then central is asked
// at once for what was missed.
func (n *Neighbours) Connected(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if on && !n.connected {
		n.since = n.c.Now()
	}
	n.connected = on
	n.asking.soon()
}

// Run tells what Took brings, and hears the other controllers if multicast is
// configured, until ctx ends.
func (n *Neighbours) Run(ctx context.Context) error {
	var listening sync.WaitGroup
	defer listening.Wait()
	if n.c.Multicast != (Multicast{}) {
		listening.Go(func() { n.listen(ctx) })
	}
	n.tell(ctx)
	return nil
}

// How often a controller speaks.
const (
	gather     = 20 * time.Millisecond // uses that come close together share a message
	helloEvery = 2 * time.Second
)

// tell sends uses soon after they happened, and hellos.
func (n *Neighbours) tell(ctx context.Context) {
	hello := time.NewTicker(helloEvery)
	defer hello.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.nudge:
			wait(ctx, gather)
			n.flush(n.c.Now())
		case <-hello.C:
			n.readFiles()
			n.hello(n.c.Now())
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
