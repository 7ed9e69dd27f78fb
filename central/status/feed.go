// Package status keeps the feed's truth: which passes lanes refuse, and the
// signed messages that tell them so.
//
// An event and the row of the pass that it is about change in one transaction;
// what is published afterwards can always be published again. The feed's state
// is rebuilt at start from the saved snapshots and the log behind them.
//
// The log is the truth, and several centrals may share it: each transaction first
// reads what others appended, under the lock in which it appends. One of them, who
// holds the lease of the signer, publishes what all of them wrote, opens and closes
// days, and answers questions about the feed; the others follow.
//
// Lists are open for yesterday, today and tomorrow in campus time. Passes can be
// issued up to MaxAhead days ahead; a revocation of a pass whose day is not open
// yet stands in its row and goes out in the transaction that opens the day.
package status

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// MaxAhead is for how many days after today passes can be issued.
const MaxAhead = 30

// keysAhead is for how many days beyond MaxAhead pass keys stand, so that each
// key was published at least a week before its first use.
const keysAhead = 7

// What a caller can branch on.
var (
	ErrClosed  = errors.New("the day's list is closed")
	ErrVersion = errors.New("the rules were changed meanwhile")
	ErrRules   = errors.New("the rules contradict themselves")
	ErrDamaged = errors.New("the feed's log does not fit its snapshots: restore the newest backup")
)

// Publisher hands messages to the broker; broker.Session is one.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte, qos byte, retained bool) error
}

// Lane is an enrolled lane controller that gate keys are sealed to.
type Lane struct {
	ID       string
	SealKey  *ecdh.PublicKey
	Enrolled time.Time
}

// Alarm reports something that somebody should look at.
type Alarm func(ctx context.Context, code, lane, subject, detail string)

// Config of the feed.
type Config struct {
	Site      string
	Capacity  uint32 // of a day's list, for days that have none yet
	Location  *time.Location
	Heads     time.Duration // a head at least that often
	Seed      link.Rules    // rules of the first start
	DB        *database.DB
	Issuer    issuer.Feed
	Publisher Publisher
	Lanes     func() []Lane          // enrolled lane controllers
	Keys      func(string) link.Keys // a lane controller's own key, nil if it is not enrolled
	Exchange  Exchange
	Signer    Signer                 // nil: this central publishes, always
	Mine      func(lane string) bool // a lane controller that this central serves; nil: all
	Alarm     Alarm
	Now       func() time.Time
	Log       *slog.Logger
}

// Exchange knows what lanes tell each other; exchange.Exchange is one.
type Exchange interface {
	// Answer answers a verified question for uses; it does not wait.
	Answer(a *link.Ask) error
	// Version of the LANES documents in force, 0 if there are none.
	Version() uint64
	// Online publishes the LANES documents, before a head names their version.
	Online(ctx context.Context) error
}

// Signer is the right to publish, which one central of a site has; a lease.Job is one.
type Signer interface {
	// Held reports whether this central has it now.
	Held() bool
	// Lease is what a transaction of the signer stands on.
	Lease() (database.Lease, bool)
	// Confirm returns nil if a message of the time at (Unix ms) is older than all of
	// the next signer.
	Confirm(ctx context.Context, at int64) error
}

// Feed is the feed of one site. Its methods are safe for concurrent use; what
// changes something waits for Run.
type Feed struct {
	config  Config
	topics  link.Topics
	changes chan *change
	calls   chan func(context.Context)
	woken   chan struct{} // holds one value while the log may have grown
	limits  limits

	view atomic.Pointer[View] // what readers see; stored by Run and Open alone

	// The following belong to Open and then to Run.
	state   *link.State
	rules   link.Rules
	snaps   snapshots
	keyset  link.Keyset
	keys    []byte     // the message of keyset
	signer  link.KeyID // that the documents are signed with
	cleared map[pass.Day]bool
	leading bool // this central is the signer, and knows all that one has to
}

// View is the feed at one moment.
type View struct {
	State *link.State
	Head  link.Head
	Rules link.Rules
	Keys  link.Keyset
}

// snapshots are the open days' snapshots, all taken at one event.
type snapshots struct {
	seq    uint64
	taken  time.Time
	hashes []link.DayHash
	sealed map[pass.Day][]byte
}

// maxChanges bounds the changes that one transaction takes, and those waiting.
const maxChanges = 512

// Open rebuilds the feed from the database and opens the days of now.
// ErrDamaged if log and snapshots do not fit together.
func Open(ctx context.Context, c Config) (*Feed, error) {
	f := &Feed{config: c, topics: link.Topics{Site: c.Site}, changes: make(chan *change, maxChanges),
		calls: make(chan func(context.Context)), woken: make(chan struct{}, 1), cleared: map[pass.Day]bool{}}
	if err := f.load(ctx); err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	if err := f.loadRules(ctx); err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	if err := f.renewEpoch(ctx); err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	f.leading = f.held()
	if _, err := f.roll(ctx); err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	f.show(f.head())
	return f, nil
}

// load rebuilds the state. A new database begins an epoch that is higher than
// any before it, as long as central's clock does not go back by years.
func (f *Feed) load(ctx context.Context) error {
	f.snaps = snapshots{}
	epoch, err := f.config.DB.Epoch(ctx)
	if err != nil {
		return err
	}
	if epoch == 0 {
		f.state = link.NewState(uint32(f.config.Now().Unix()))
		return nil
	}
	if err := f.loadBases(ctx, epoch); err != nil {
		return err
	}
	last, err := f.config.DB.LastSeq(ctx, epoch)
	if err != nil {
		return err
	}
	events, err := f.config.DB.Events(ctx, epoch, f.state.Seq, last)
	if err != nil {
		return err
	}
	if f.state, err = f.state.Apply(events); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	chain, err := f.config.DB.Chain(ctx, epoch, f.state.Seq)
	if err != nil || chain != f.state.Chain || f.state.Seq != last {
		return fmt.Errorf("%w: event %d of %d: %w", ErrDamaged, f.state.Seq, last, err)
	}
	return nil
}

func (f *Feed) loadBases(ctx context.Context, epoch uint32) error {
	f.state = link.NewState(epoch)
	bases, err := f.config.DB.Bases(ctx)
	if err != nil || len(bases) == 0 {
		return err
	}
	keys := f.config.Issuer.StatusKeys()
	f.signer = f.config.Issuer.Status().KeyID()
	own := link.Keys{f.signer: keys[f.signer]}
	list := make([]*link.Snapshot, 0, len(bases))
	f.snaps.sealed = map[pass.Day][]byte{}
	for _, b := range bases {
		s, err := link.Open[link.Snapshot](b.Snapshot, link.TypeSnapshot, f.config.Site, own, link.MaxDocument)
		if errors.Is(err, link.ErrUnknown) { // by a key of the role before: roll signs it again
			f.signer = link.KeyID{}
			s, err = link.Open[link.Snapshot](b.Snapshot, link.TypeSnapshot, f.config.Site, keys, link.MaxDocument)
		}
		if err != nil {
			return fmt.Errorf("%w: snapshot of %s: %w", ErrDamaged, b.Day, err)
		}
		list = append(list, s)
		f.snaps.sealed[b.Day] = b.Snapshot
		f.snaps.hashes = append(f.snaps.hashes, link.DayHash{Day: s.Day, Hash: s.Hash})
	}
	state, err := link.StateOf(list)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if state.Epoch != epoch {
		return fmt.Errorf("%w: snapshots of epoch %d, log of %d", ErrDamaged, state.Epoch, epoch)
	}
	f.state, f.snaps.seq = state, state.Seq
	return nil
}

// rollEvery is how often the day is looked at, and snapshotEvery how often
// changed lists are published whole.
const (
	rollEvery     = time.Second
	snapshotEvery = 30 * time.Second
)

// Run publishes the feed until ctx ends. An error is a database that does not
// take the change of the day; lanes go on with what they have.
func (f *Feed) Run(ctx context.Context) error {
	heads, days := time.NewTicker(f.config.Heads), time.NewTicker(rollEvery)
	defer heads.Stop()
	defer days.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case c := <-f.changes:
			f.change(ctx, c)
		case call := <-f.calls:
			call(ctx)
		case <-f.woken:
			f.look(ctx)
		case <-heads.C:
			f.publishHead(ctx)
		case <-days.C:
			f.daily(ctx)
		}
	}
}

// daily follows the log, rolls the days over and renews snapshots. Its failure is
// no reason to stop: the next second tries again, and Healthy says so.
func (f *Feed) daily(ctx context.Context) {
	f.look(ctx)
	n, err := f.roll(ctx)
	if err != nil {
		f.config.Log.Error("open the day's lists", "error", err)
	}
	if !f.publishes() {
		return
	}
	switch {
	case n.days || n.roles:
		f.publishDocuments(ctx) // KEYS first
	case n.snapshots:
		f.publishSnapshots(ctx)
	}
	if n.keys && !n.days && !n.roles {
		f.publishKeys(ctx)
	}
	if n != (renewal{}) {
		f.publishHead(ctx)
	}
	if n.days || n.roles {
		f.publishAllGateKeys(ctx)
	}
}

// call runs g in Run's goroutine and waits for it.
func (f *Feed) call(ctx context.Context, g func(context.Context)) error {
	done := make(chan struct{})
	select {
	case f.calls <- func(ctx context.Context) { defer close(done); g(ctx) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// View returns the feed as it stands.
func (f *Feed) View() *View { return f.view.Load() }

func (f *Feed) show(h link.Head) {
	if f.leading {
		f.limits.forward(h.Issued)
	}
	f.view.Store(&View{State: f.state, Head: h, Rules: f.rules, Keys: f.keyset})
}

// Today returns the campus day.
func (f *Feed) Today() pass.Day { return pass.DayOf(f.config.Now().In(f.config.Location)) }
