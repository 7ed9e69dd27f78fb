// Package feed takes central's signed messages into the cache, all or nothing.
//
// Nothing is believed but signatures of keys that the root's delegation names.
// What would lead back, sideways or into a gap is kept out with a typed error,
// and the Result says what to ask central for.
package feed

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"turnstile/agent/cache"
	"turnstile/central/link"
)

// Identity is what this lane controller got at enrolment.
type Identity struct {
	Site, Lane string
	Root       link.Root        // trusted until a delegation that it signed names others
	Delegation uint64           // version of the newest delegation that this lane accepted, 0: unknown
	Seal       *ecdh.PrivateKey // X25519: gate keys are sealed to it
}

// Options bind a feed to what the lane knew before.
type Options struct {
	Floor   *link.Floor              // newest of the journal; a cache that is behind it is not shown. nil: none
	Trusted func(now time.Time) bool // the clock can judge a head's age; nil: never
	// Campus returns the campus's time when the machine's clock showed now, which may
	// be wrong by years though the lane knows the time; nil: that clock is right.
	Campus func(now time.Time) time.Time
}

// What a message can be refused for, beside link's errors. A refused message
// has changed nothing.
var (
	ErrTopic    = errors.New("message on a topic that is not of the feed")
	ErrNoKeys   = errors.New("message before the keys that could verify it")
	ErrFork     = errors.New("central's history forked: two different feeds are signed with its keys")
	ErrRollback = errors.New("message leads back to an older version")
	ErrOld      = errors.New("message was taken before")
	ErrGap      = errors.New("message does not follow: something in between is missing")
	ErrMismatch = errors.New("events do not lead to the stated hash")
	ErrOther    = errors.New("message is meant for another lane")
	ErrExpired  = errors.New("delegation has expired: the root must sign a new one")
)

// Result says what a message did.
type Result struct {
	Head    *link.Head // a newer head was taken
	Changed bool       // state, keys, rules or gate keys changed: report it, and write a floor
	Urgent  bool       // report it at once
	Asks    []link.Ask // what to ask central for; Sent is not set
}

// Feed is the receiving end. Its methods may be called from several goroutines.
type Feed struct {
	c  *cache.Cache
	id Identity
	o  Options

	mu        sync.Mutex                // guards the following
	candidate *link.State               // on the way to the floor; not shown. nil: none
	snaps     map[uint16]*link.Snapshot // verified, by day, waiting for the rest of their set
	early     map[string][]byte         // messages that came before the keys, by topic
	recent    [64]mark                  // where deltas ended, newest at next-1
	next      int
	tries     int  // heads that found the state behind since the last progress
	stranger  bool // a message is of a key that no delegation names here: there may be a newer one
}

// mark is one known place of the history.
type mark struct {
	epoch uint32
	seq   uint64
	chain link.Hash
}

// New returns a feed into the cache.
func New(c *cache.Cache, id Identity, o Options) *Feed {
	if o.Trusted == nil {
		o.Trusted = func(time.Time) bool { return false }
	}
	if o.Campus == nil {
		o.Campus = func(now time.Time) time.Time { return now }
	}
	f := &Feed{c: c, id: id, o: o, snaps: map[uint16]*link.Snapshot{}, early: map[string][]byte{}}
	if s := c.View().State; s != nil {
		f.remember(s)
	}
	return f
}

// Floor returns what the lane must not go behind from now on, for an EntryFloor.
// now is the time that the clock is known to have reached.
func (f *Feed) Floor(now time.Time) *link.Floor {
	v := f.c.View()
	n := link.Floor{Keyset: v.KeysetVersion, Rules: v.RulesVersion(), Gate: v.GateVersion, Time: now.UnixMilli()}
	if v.State != nil {
		n.Epoch, n.Seq, n.Chain = v.State.Epoch, v.State.Seq, v.State.Chain
	}
	if v.Delegation != nil {
		n.Delegation = uint16(min(v.Delegation.Version, math.MaxUint16)) // one a year: the bound is never met
	}
	old := f.o.Floor
	if old == nil {
		return &n
	}
	if n.Epoch < old.Epoch || n.Epoch == old.Epoch && n.Seq < old.Seq {
		n.Epoch, n.Seq, n.Chain = old.Epoch, old.Seq, old.Chain
	}
	n.Delegation = max(n.Delegation, old.Delegation)
	n.Keyset, n.Rules, n.Gate, n.Time = max(n.Keyset, old.Keyset), max(n.Rules, old.Rules), max(n.Gate, old.Gate), max(n.Time, old.Time)
	return &n
}

// View returns what the lane knows of the feed.
func (f *Feed) View() *cache.View { return f.c.View() }

// Stale reports whether three heads are missing, or what they announce: the feed
// is frozen, cut off, or never came.
func (f *Feed) Stale(now time.Time) bool {
	v := f.c.View()
	since := now.Sub(v.LevelAt) // below 0: the machine's clock was set back, and nothing came since
	return v.Head.Issued == 0 || since < 0 || since > 3*time.Duration(v.Head.Next)*time.Millisecond
}

// Handle takes one message that came at now. The error tells why it was
// refused; the Result may hold questions to central in either case.
func (f *Feed) Handle(topic string, payload []byte, now time.Time) (Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.handle(topic, payload, now)
	if errors.Is(err, ErrNoKeys) {
		f.keepEarly(topic, payload)
		r.Asks = append(r.Asks, f.ask(link.WantKeys, 0, 0))
	}
	if errors.Is(err, link.ErrUnknown) {
		f.stranger = true
		r.Asks = append(r.Asks, f.ask(link.WantKeys, 0, 0))
	}
	if err != nil {
		return r, &Refused{f.typeOn(topic, payload), err}
	}
	return r, nil
}

// typeOn is the type that a message on a topic has to be, or claims to be.
func (f *Feed) typeOn(topic string, payload []byte) link.Type {
	t := link.Topics{Site: f.id.Site}
	switch topic {
	case t.Head():
		return link.TypeHead
	case t.Delta():
		return link.TypeDelta
	case t.Rules():
		return link.TypeRules
	case t.Keys():
		return 0
	}
	return link.TypeOf(payload)
}

func (f *Feed) handle(topic string, payload []byte, now time.Time) (Result, error) {
	t := link.Topics{Site: f.id.Site}
	switch topic {
	case t.Head():
		return f.head(payload, now)
	case t.Delta():
		return f.delta(payload)
	case t.Keys():
		return f.keys(payload, now)
	case t.Rules():
		return f.rules(payload)
	case t.GateKeys(f.id.Lane):
		return f.gateKeys(payload)
	case t.Repeat(f.id.Lane):
		return f.repeat(payload, now)
	}
	if strings.HasPrefix(topic, t.Day(0)[:len(t.Day(0))-1]) {
		if len(payload) == 0 {
			return Result{}, nil // the broker was told to forget a closed day
		}
		return f.snapshot(payload, topic)
	}
	return Result{}, ErrTopic
}

// repeat takes what central sends to this lane again. The type is what the
// message claims; each is then checked as on its own topic.
func (f *Feed) repeat(payload []byte, now time.Time) (Result, error) {
	switch link.TypeOf(payload) {
	case link.TypeHead:
		return f.head(payload, now)
	case link.TypeDelta:
		return f.delta(payload)
	case link.TypeSnapshot:
		return f.snapshot(payload, "")
	case link.TypeRules:
		return f.rules(payload)
	case link.TypeGateKeys:
		return f.gateKeys(payload)
	}
	return f.keys(payload, now)
}

// maxEarly bounds the messages kept until the keys come; a campus has one head,
// the rules, and a snapshot for each open day.
const maxEarly = 2 + link.MaxOpenDays

func (f *Feed) keepEarly(topic string, payload []byte) {
	if _, known := f.early[topic]; (known || len(f.early) < maxEarly) && len(payload) <= link.MaxDocument {
		f.early[topic] = payload
	}
}

// takeEarly handles what came before the keys. What is then refused was not
// worth keeping; central sends heads again.
func (f *Feed) takeEarly(r *Result, now time.Time) {
	early := f.early
	f.early = map[string][]byte{}
	for topic, payload := range early {
		more, err := f.handle(topic, payload, now)
		if err != nil {
			continue
		}
		if more.Head != nil {
			r.Head = more.Head
		}
		r.Changed = r.Changed || more.Changed
		r.Asks = append(r.Asks, more.Asks...)
	}
}

// signers returns who may sign the feed.
func (f *Feed) signers() (link.Keys, error) {
	d := f.Delegation()
	if d == nil {
		return nil, ErrNoKeys
	}
	return link.KeysOf(d.Status...), nil
}

// Delegation returns the delegation in force, which says whose word counts; nil if there is none yet, or only an
// older one than this lane had, for its cache is an older copy.
func (f *Feed) Delegation() *link.Delegation {
	if d := f.c.View().Delegation; d != nil && d.Version >= f.leastDelegation() {
		return d
	}
	return nil
}

// leastDelegation is the version that a delegation has at least.
func (f *Feed) leastDelegation() uint64 { return max(uint64(f.floor().Delegation), f.id.Delegation) }

// openSigned verifies a message by the status role.
func openSigned[T any](f *Feed, payload []byte, t link.Type, limit int) (*T, error) {
	if len(payload) > limit {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", link.ErrOversized, len(payload), limit)
	}
	keys, err := f.signers()
	if err != nil {
		return nil, err
	}
	return link.Open[T](payload, t, f.id.Site, keys, limit)
}

func (f *Feed) ask(w link.Want, from, to uint64) link.Ask {
	a := link.Ask{Lane: f.id.Lane, Want: w, From: from, To: to}
	if b := f.standing(); b != nil {
		a.Epoch = b.Epoch
	}
	return a
}

// standing is the state that deltas go on from: the candidate, or what is
// shown. nil if there is none.
func (f *Feed) standing() *link.State {
	if f.candidate != nil {
		return f.candidate
	}
	return f.c.View().State
}

func (f *Feed) remember(s *link.State) {
	f.recent[f.next%len(f.recent)] = mark{s.Epoch, s.Seq, s.Chain}
	f.next++
}

// known returns the chain value at a number, if it is remembered.
func (f *Feed) known(epoch uint32, seq uint64) (link.Hash, bool) {
	for _, m := range f.recent {
		if m.epoch == epoch && m.seq == seq && m.chain != (link.Hash{}) {
			return m.chain, true
		}
	}
	return link.Hash{}, false
}

// Refused is the error of a refused message: which type it claimed to be (0 for
// KEYS), and why.
type Refused struct {
	Type link.Type
	Err  error
}

// Error names the message and the reason.
func (r *Refused) Error() string { return fmt.Sprintf("take message of type %d: %v", r.Type, r.Err) }

// Unwrap returns the reason.
func (r *Refused) Unwrap() error { return r.Err }

// Alarming reports whether a refusal is worth an EntryRefused: somebody may
// have meant harm. What is old, early or follows a gap heals by itself.
func Alarming(err error) bool {
	for _, e := range []error{
		ErrFork, ErrRollback, ErrOther, ErrMismatch, ErrExpired,
		link.ErrForged, link.ErrUnknown, link.ErrMalformed, link.ErrOversized, link.ErrVersion,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Needs returns what to ask central for as things stand now.
func (f *Feed) Needs() []link.Ask {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.needs()
}
