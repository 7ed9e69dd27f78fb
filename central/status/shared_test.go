package status

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/database/postgrestest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// right is the signer's lease of one desk: as its keeper would know it.
type right struct {
	db *database.DB
	id string

	mu    sync.Mutex // guards the following
	lease database.Lease
	held  bool
}

func (r *right) Held() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *right) Lease() (database.Lease, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease, r.held
}

func (r *right) Confirm(ctx context.Context, _ int64) error {
	l, held := r.Lease()
	if !held {
		return database.ErrFenced
	}
	return r.db.Confirm(ctx, l)
}

// take makes the right this desk's in the database and by its own knowledge.
func (r *right) take(t testing.TB) {
	t.Helper()
	if err := r.db.TakeLeases(t.Context(), r.id, []string{"signer"}); err != nil {
		t.Fatal(err)
	}
	list := must[[]database.Lease](t)(r.db.Leases(t.Context()))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lease, r.held = list[0], list[0].Owner == r.id
	if !r.held {
		t.Fatalf("the lease is %+v", list[0])
	}
}

// release frees it in the database; the desk knows only with known.
func (r *right) release(t testing.TB, known bool) {
	t.Helper()
	if err := r.db.ReleaseLeases(t.Context(), r.id, []string{"signer"}); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = !known
}

// newPair returns two desks of one database and one broker; the first signs.
func newPair(t *testing.T, where string) (a, b *desk, ra, rb *right) {
	t.Helper()
	db := databasetest.Open(t, where)
	broker := &published{}
	make := func(id string) (*desk, *right) {
		r := &right{db: db, id: id}
		d := &desk{data: t.TempDir(), where: where, broker: broker, signer: r, stop: func() {}}
		d.clock.Store(noon.UnixMilli())
		d.prepare(t)
		err := db.Join(t.Context(), database.Central{ID: id, Name: id, Folder: id}, []string{"signer"}, func([]database.Central) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return d, r
	}
	a, ra = make("a")
	b, rb = make("b")
	ra.take(t)
	a.start(t)
	t.Cleanup(func() { a.stop() })
	b.keys, b.seal, b.lane = a.issuer, a.seal, a.lane
	b.start(t)
	t.Cleanup(func() { b.stop() })
	return a, b, ra, rb
}

// hearAll lets a lane hear what was published, and ask for what it lacks.
func (f *follower) hearAll(t testing.TB, broker *published) {
	t.Helper()
	for _, m := range broker.take() {
		f.hear(t, m)
	}
}

// TestTwoCentrals: both take changes at the same time, the signer publishes all of
// them in one chain, and the other one nothing.
func TestTwoCentrals(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, where string) {
		a, b, _, _ := newPair(t, where)
		if err := errors.Join(a.Online(t.Context()), b.Online(t.Context())); err != nil {
			t.Fatal(err)
		}
		lane := newFollower(a)
		lane.hearAll(t, a.broker)
		desks := []*desk{a, b}
		const each = 20
		var ids [2][]pass.ID
		for i := range 2 * each {
			ids[i%2] = append(ids[i%2], a.issue(t, a.Today()))
		}
		var wait sync.WaitGroup
		for i, d := range desks {
			wait.Go(func() {
				for _, id := range ids[i] {
					_, err := d.SetStatus(context.Background(), Change{ID: id, Status: link.Revoked, By: fmt.Sprint(i), Reason: "why"})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		a.Wake()
		b.Wake()
		a.sync(t)
		a.roll(t)
		b.roll(t)
		lane.hearAll(t, a.broker)
		va, vb := a.View(), b.View()
		if lane.forks > 0 || lane.state.Seq != va.State.Seq || lane.state.Chain != va.State.Chain || vb.State.Chain != va.State.Chain || vb.State.Root() != lane.state.Root() {
			t.Errorf("lane at %d, a at %d, b at %d, %d forks", lane.state.Seq, va.State.Seq, vb.State.Seq, lane.forks)
		}
		if n := va.State.Refused(); n != 2*each {
			t.Errorf("%d of %d passes are refused", n, 2*each)
		}
		for _, id := range append(ids[0], ids[1]...) {
			if s := lane.state.Day(id.Day).Status(id.Index); s != link.Revoked {
				t.Fatalf("pass %s is %d", id, s)
			}
		}
		// Rules go the same way.
		r := vb.Rules
		r.TestPass = true
		if stored, err := b.SetRules(t.Context(), "test", r); err != nil || stored.Version != 2 {
			t.Fatalf("%+v, %v", stored, err)
		}
		a.roll(t)
		sent := open[link.Rules](t, link.TypeRules, a.config.Issuer.StatusKeys(), a.broker.kept(a.topics.Rules()), link.MaxDocument)
		if sent.Version != 2 || a.View().Head.Rules != 2 {
			t.Errorf("rules of version %d are published, the head says %d", sent.Version, a.View().Head.Rules)
		}
		if _, err := a.SetRules(t.Context(), "test", r); !errors.Is(err, ErrVersion) {
			t.Errorf("rules made from an older version: %v", err)
		}
	})
}

// TestTakeOver: a signer that was stopped, and wakes when another one signs, signs
// no head and stores no list.
func TestTakeOver(t *testing.T) {
	a, b, ra, rb := newPair(t, postgrestest.URL(t))
	if err := a.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	lane := newFollower(a)
	lane.hearAll(t, a.broker)
	id := a.issue(t, a.Today())
	ra.release(t, false) // a is stopped: it knows nothing of it
	rb.take(t)
	b.roll(t)
	b.set(t, id, link.Revoked)
	b.sync(t)
	lane.hearAll(t, a.broker)
	if lane.state.Day(id.Day).Status(id.Index) != link.Revoked || lane.forks > 0 {
		t.Fatalf("the new signer's delta did not arrive; %d forks", lane.forks)
	}
	seq := lane.head.Seq
	// a wakes in the middle of a head, and of a new list.
	err := a.call(t.Context(), func(ctx context.Context) {
		a.publishHead(ctx)
		if err := a.takeSnapshots(ctx); !errors.Is(err, database.ErrFenced) {
			t.Errorf("it stores lists: %v", err)
		}
		a.answerSnapshots(ctx, a.topics.Repeat("N1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range a.broker.take() {
		if link.TypeOf(m.payload) == link.TypeHead {
			t.Error("it signs a head")
		}
	}
	ra.release(t, true)
	a.roll(t)
	if a.publishes() || a.View().State.Seq != seq {
		t.Errorf("it signs still, or stands at %d instead of %d", a.View().State.Seq, seq)
	}
	// And back: a knows what b did.
	rb.release(t, true)
	ra.take(t)
	b.roll(t)
	a.roll(t)
	a.set(t, id, link.Good)
	a.sync(t)
	lane.hearAll(t, a.broker)
	if lane.forks > 0 || lane.head.Seq != seq+1 || lane.state.Day(id.Day).Status(id.Index) != link.Good {
		t.Errorf("lane at %d, %d forks", lane.head.Seq, lane.forks)
	}
}

// TestWhoAnswers: of all centrals one answers a lane: about the feed the signer, about
// the time the one that serves the lane.
func TestWhoAnswers(t *testing.T) {
	a, b, _, _ := newPair(t, filepath.Join(t.TempDir(), "central.db"))
	served := map[*desk]*atomic.Bool{a: {}, b: {}}
	for d, mine := range served {
		d.config.Mine = func(string) bool { return mine.Load() }
	}
	if err := a.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.broker.take()
	answers := func(want *link.Ask) (n int) {
		t.Helper()
		for _, d := range []*desk{a, b} {
			if err := d.ask(t, want); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range a.broker.take() {
			if k := link.TypeOf(m.payload); k == link.TypeTime || k == link.TypeRules {
				n++
			}
		}
		return n
	}
	nonce := make([]byte, len(link.Nonce{}))
	for _, c := range []struct {
		mine        []*desk
		times, keys int
	}{{nil, 0, 1}, {[]*desk{a}, 1, 1}, {[]*desk{b}, 1, 1}} {
		for d, mine := range served {
			mine.Store(slices.Contains(c.mine, d))
		}
		if n := answers(&link.Ask{Lane: "N1", Want: link.WantTime, Nonce: nonce}); n != c.times {
			t.Errorf("served by %d: %d answers about the time", len(c.mine), n)
		}
		if n := answers(&link.Ask{Lane: "N1", Want: link.WantKeys}); n != c.keys {
			t.Errorf("served by %d: %d answers about keys", len(c.mine), n)
		}
	}
	if n := a.exchange.asked.Load() + b.exchange.asked.Load(); n != 0 {
		t.Errorf("%d questions for uses", n)
	}
}
