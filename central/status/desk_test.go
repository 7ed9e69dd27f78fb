package status

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/broker"
	"turnstile/central/database"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

const site = "campus"

var hongKong = time.FixedZone("HKT", 8*3600)

// noon is a Saturday.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, hongKong)

// published is a broker in memory: what was said, and what is retained.
type published struct {
	mu       sync.Mutex
	offline  bool
	messages []message
	retained map[string][]byte
}

type message struct {
	topic   string
	payload []byte
}

func (p *published) Publish(_ context.Context, topic string, payload []byte, _ byte, retained bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.offline {
		return broker.ErrOffline
	}
	p.messages = append(p.messages, message{topic, payload})
	if retained {
		if p.retained == nil {
			p.retained = map[string][]byte{}
		}
		p.retained[topic] = payload
	}
	return nil
}

// take returns the messages since the last call.
func (p *published) take() []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := p.messages
	p.messages = nil
	return m
}

func (p *published) kept(topic string) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.retained[topic]
}

// desk is a feed with its database, and a lane controller's keys.
type desk struct {
	*Feed
	data     string
	where    string         // of a database that desks share, "": in data
	signer   Signer         // nil: the only one
	keys     *issuer.Issuer // nil: in data
	issuer   *issuer.Issuer // that runs
	broker   *published
	clock    atomic.Int64 // Unix ms
	lane     ed25519.PrivateKey
	seal     *ecdh.PrivateKey
	alarms   atomic.Int32
	exchange exchange
	stop     func()
}

func (d *desk) KeyID() link.KeyID { return link.IDOf(d.lane.Public().(ed25519.PublicKey)) }

func (d *desk) Sign(m []byte) ([]byte, error) { return ed25519.Sign(d.lane, m), nil }

// fataler is *testing.T, *testing.B and *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func must[T any](t fataler) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%v", err)
		}
		return v
	}
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	return newDeskOn(t, "")
}

// newDeskOn is newDesk on the database that where names, "" for a file of its own.
func newDeskOn(t testing.TB, where string) *desk {
	t.Helper()
	d := &desk{data: t.TempDir(), where: where, broker: &published{}, stop: func() {}}
	d.clock.Store(noon.UnixMilli())
	d.prepare(t)
	d.start(t)
	t.Cleanup(func() { d.stop() })
	return d
}

// prepare makes the lane's keys.
func (d *desk) prepare(t fataler) {
	t.Helper()
	d.lane = ed25519.NewKeyFromSeed(must[[]byte](t)(hex.DecodeString(strings.Repeat("5a", ed25519.SeedSize))))
	d.seal = must[*ecdh.PrivateKey](t)(ecdh.X25519().GenerateKey(rand.Reader))
}

func (d *desk) now() time.Time { return time.UnixMilli(d.clock.Load()) }

// exchange notes what lanes ask of each other.
type exchange struct{ asked atomic.Int64 }

func (x *exchange) Answer(*link.Ask) error { x.asked.Add(1); return nil }
func (x *exchange) Version() uint64        { return 41 }

func (x *exchange) Online(context.Context) error { return nil }

// start opens and runs the feed on the desk's data.
func (d *desk) start(t fataler) {
	t.Helper()
	if d.where == "" {
		d.where = filepath.Join(d.data, "central.db")
	}
	db := must[*database.DB](t)(database.Open(context.Background(), d.where))
	i := d.keys
	if i == nil { // a restart opens them anew, but for the model's: argon2 takes its time
		i = must[*issuer.Issuer](t)(issuer.Open(filepath.Join(d.data, "keys"), site, []byte("correct horse"), d.now()))
	}
	d.issuer = i
	d.Feed = must[*Feed](t)(Open(context.Background(), Config{
		Site: site, Capacity: link.MinCapacity, Location: hongKong, Heads: time.Hour, Seed: DefaultRules(), DB: db, Issuer: i, Publisher: d.broker,
		Lanes: func() []Lane { return []Lane{{ID: "N1", SealKey: d.seal.PublicKey(), Enrolled: noon}} },
		Keys: func(lane string) link.Keys {
			if lane != "N1" {
				return nil
			}
			return link.KeysOf(d.lane.Public().(ed25519.PublicKey))
		},
		Exchange: &d.exchange, Signer: d.signer,
		Alarm: func(context.Context, string, string, string, string) { d.alarms.Add(1) },
		Now:   d.now, Log: slog.New(slog.DiscardHandler),
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.stop = func() {
		cancel()
		<-ended
		db.Close()
		d.stop = func() {}
	}
}

// issue makes a pass for a day.
func (d *desk) issue(t fataler, day pass.Day) pass.ID {
	t.Helper()
	i := d.issuer
	row := must[database.Pass](t)(d.config.DB.InsertPass(context.Background(), day, link.MinCapacity, func(number, capacity uint32) (database.Pass, error) {
		p := pass.Pass{Kind: pass.ECard, Day: day, Index: must[uint32](t)(i.Index(day, number, capacity)), Start: -480, Length: 144, Zones: 1,
			Holder: must[[8]byte](t)(i.Holder(day, "A"))}
		p, signature, err := i.Mint(p)
		return database.Pass{Pass: p, Signature: signature, Holder: "A", Issued: d.clock.Load(), IssuedBy: "test"}, err
	}))
	return row.ID()
}

func (d *desk) set(t fataler, id pass.ID, s link.Status) database.Pass {
	t.Helper()
	return must[database.Pass](t)(d.SetStatus(context.Background(), Change{ID: id, Status: s, By: "test", Reason: "why"}))
}

// sync returns when Run has done everything before it.
func (d *desk) sync(t fataler) {
	t.Helper()
	if err := d.call(context.Background(), func(context.Context) {}); err != nil {
		t.Fatalf("%v", err)
	}
}

// roll does what Run does each second.
func (d *desk) roll(t fataler) {
	t.Helper()
	if err := d.call(context.Background(), d.daily); err != nil {
		t.Fatalf("%v", err)
	}
}

// follower is a lane that follows TOPICS.md, "What a lane does".
type follower struct {
	state *link.State
	keys  link.Keys
	snaps map[pass.Day]*link.Snapshot
	head  *link.Head
	forks int
}

func newFollower(d *desk) *follower {
	return &follower{keys: d.config.Issuer.StatusKeys(), snaps: map[pass.Day]*link.Snapshot{}}
}

func open[T any](t fataler, kind link.Type, keys link.Keys, data []byte, limit int) *T {
	t.Helper()
	return must[*T](t)(link.Open[T](data, kind, site, keys, limit))
}

// hear takes one message as a lane does.
func (f *follower) hear(t fataler, m message) {
	t.Helper()
	switch link.TypeOf(m.payload) {
	case link.TypeDelta:
		f.delta(t, open[link.Delta](t, link.TypeDelta, f.keys, m.payload, link.MaxDelta))
	case link.TypeHead:
		f.head = open[link.Head](t, link.TypeHead, f.keys, m.payload, link.MaxHead)
		if s := f.state; s != nil && s.Seq == f.head.Seq && (s.Chain != f.head.Chain || s.Root() != f.head.Root) {
			f.forks++
		}
	case link.TypeSnapshot:
		s := open[link.Snapshot](t, link.TypeSnapshot, f.keys, m.payload, link.MaxDocument)
		f.snaps[s.Day] = s
	}
	f.adopt(t)
}

func (f *follower) delta(t fataler, d *link.Delta) {
	t.Helper()
	if f.state == nil || d.Epoch != f.state.Epoch || d.From != f.state.Seq || d.Before != f.state.Chain {
		return
	}
	next := must[*link.State](t)(f.state.Apply(must[[]link.Event](t)(d.Events())))
	root := next.Root()
	if next.Chain != d.After || len(d.Root) > 0 && string(d.Root) != string(root[:]) {
		t.Fatalf("delta %d..%d does not come out", d.From, d.To)
	}
	f.state = next
}

// adopt takes the snapshots that the head names, when all are there.
func (f *follower) adopt(t fataler) {
	t.Helper()
	if f.head == nil || f.state != nil && f.state.Seq >= f.head.SnapSeq {
		return
	}
	var set []*link.Snapshot
	for _, h := range f.head.Snapshots {
		s := f.snaps[h.Day]
		if s == nil || s.Hash != h.Hash || s.Seq != f.head.SnapSeq {
			return
		}
		set = append(set, s)
	}
	f.state = must[*link.State](t)(link.StateOf(set))
}

// ask returns what the lane would ask for, or nil.
func (f *follower) ask() *link.Ask {
	switch {
	case f.state == nil:
		return &link.Ask{Lane: "N1", Want: link.WantSnapshots}
	case f.head != nil && f.state.Seq < f.head.Seq:
		return &link.Ask{Lane: "N1", Want: link.WantRange, Epoch: f.state.Epoch, From: f.state.Seq, To: f.head.Seq}
	}
	return nil
}

func (d *desk) ask(t fataler, a *link.Ask) error {
	t.Helper()
	d.clock.Add(10_000) // beyond the rate limit
	return d.Ask(context.Background(), "N1", must[[]byte](t)(link.Seal(d, link.TypeAsk, site, a)))
}
