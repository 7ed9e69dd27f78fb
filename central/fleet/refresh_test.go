package fleet

import (
	"errors"
	"slices"
	"testing"

	"turnstile/central/database/databasetest"
	"turnstile/central/issuer"
	"turnstile/central/link"
)

// beside returns another central's fleet on the same database.
func (y *yard) beside(t testing.TB) *yard {
	t.Helper()
	other := &yard{db: y.db}
	other.clock.Store(y.clock.Load())
	other.reopen(t, y.config.Issuer.(*issuer.Issuer))
	return other
}

// TestRefresh: what one central did with lanes the others know, with all that
// follows from it.
func TestRefresh(t *testing.T) { databasetest.Each(t, testRefresh) }

func testRefresh(t *testing.T, where string) {
	a := newYardOn(t, where)
	b := a.beside(t)
	key, first := a.enrol(t, "N1")
	a.enrol(t, "N2")
	if b.Allow("N1", first) {
		t.Fatal("known before it was told")
	}
	if err := b.Know(ctx, "N1"); err != nil {
		t.Fatal(err)
	}
	slices.Sort(b.enrolled)
	if !b.Allow("N1", first) || !slices.Equal(b.enrolled, []string{"N1", "N2"}) {
		t.Fatalf("enrolled: %v", b.enrolled)
	}
	b.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 3}, false)
	// The same id with other keys, at the other central: what was heard is not the new one's.
	_, second := b.enrol(t, "N1")
	if err := a.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if a.Allow("N1", first) || !a.Allow("N1", second) || a.lane(t, "N1").State != nil {
		t.Error("the certificate before counts at the other central")
	}
	b.enrolled = nil
	if err := b.Refresh(ctx); err != nil || len(b.enrolled) != 0 {
		t.Errorf("its own enrolment is news: %v, %v", b.enrolled, err)
	}
	if err := a.Retire(ctx, "test", "N1", "sold"); err != nil {
		t.Fatal(err)
	}
	if err := a.Revoke(ctx, "test", "N2", "stolen"); err != nil {
		t.Fatal(err)
	}
	before := b.Version()
	if err := b.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	slices.Sort(b.removed)
	if b.Allow("N1", second) || b.Keys("N2") != nil || !slices.Equal(b.removed, []string{"N1", "N2"}) || b.Version() == before || len(b.Lanes()) != 1 {
		t.Errorf("removed: %v", b.removed)
	}
}

// TestAdopt: all hear a report, one stores it, and another when that one is gone.
func TestAdopt(t *testing.T) { databasetest.Each(t, testAdopt) }

func testAdopt(t *testing.T, where string) {
	a := newYardOn(t, where)
	b := a.beside(t)
	key, _ := a.enrol(t, "N1")
	if err := b.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	served := false
	b.config.Mine = func(string) bool { return served }
	b.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 3}, false)
	b.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 4}, false)
	applied := func(seq uint64) int {
		t.Helper()
		r, err := b.RefusedBy(ctx, 1, seq)
		if err != nil {
			t.Fatal(err)
		}
		return r.Lanes
	}
	if applied(1) != 0 || !b.lane(t, "N1").Alive {
		t.Error("it is stored by one that does not serve the lane, or not heard")
	}
	served = true
	b.Adopt()
	if applied(4) != 1 {
		t.Error("it was not stored when the lane became its own")
	}
	a.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 5}, false)
	if r, err := a.RefusedBy(ctx, 1, 5); err != nil || r.Lanes != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if applied(5) != 1 { // stored by the other one
		t.Error("what another central stored is not seen")
	}
}

// TestReconcile: what one central did not hear it learns from what another stored; and
// what the one that has to store it did not hear, another stores in its place.
func TestReconcile(t *testing.T) { databasetest.Each(t, testReconcile) }

func testReconcile(t *testing.T, where string) {
	a := newYardOn(t, where)
	b := a.beside(t)
	b.config.Mine = func(string) bool { return false }
	key, _ := a.enrol(t, "N1")
	if err := b.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	reconcile := func(y *yard) {
		t.Helper()
		if err := errors.Join(y.Reconcile(ctx), y.save(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	state := link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 3, Sent: 1}
	a.report(t, key, state, false)
	if err := a.save(ctx); err != nil {
		t.Fatal(err)
	}
	reconcile(b)
	if l := b.lane(t, "N1"); l.State == nil || l.State.Seq != 3 || !l.Alive {
		t.Errorf("what another central stored is not known: %+v", l)
	}
	state.Seq, state.Sent = 4, 2
	b.report(t, key, state, false)
	reconcile(b)
	reconcile(a)
	if l := a.lane(t, "N1"); l.State.Seq != 3 {
		t.Error("stored at once by one that has not to")
	}
	b.clock.Add(healAfter.Milliseconds())
	reconcile(b)
	reconcile(a)
	if l := a.lane(t, "N1"); l.State.Seq != 4 {
		t.Error("what the other central did not hear is lost")
	}
	if r, err := a.RefusedBy(ctx, 1, 4); err != nil || r.Lanes != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	state.Sent = 3 // the same of the feed, a later report
	a.report(t, key, state, false)
	reconcile(a)
	reconcile(b)
	if l := b.lane(t, "N1"); l.State.Sent != 3 {
		t.Error("a later report is not taken in")
	}
}

// TestSilent: a lane whose broker was killed with it is dead when it has said nothing
// for minutes; one that reports is not.
func TestSilent(t *testing.T) {
	y := newYard(t)
	one, _ := y.enrol(t, "N1")
	two, _ := y.enrol(t, "N2")
	y.report(t, one, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 3}, false)
	y.report(t, two, link.LaneState{Lane: "N2", Boot: 1, Alive: true, Epoch: 1, Seq: 3}, false)
	y.clock.Add(silentLife.Milliseconds() / 2)
	y.report(t, two, link.LaneState{Lane: "N2", Boot: 1, Alive: true, Epoch: 1, Seq: 3}, false)
	y.clock.Add(silentLife.Milliseconds() / 2)
	y.silence(y.config.Now())
	if y.lane(t, "N1").Alive || !y.lane(t, "N2").Alive {
		t.Error("silence is not death, or all are dead")
	}
	if err := y.save(ctx); err != nil {
		t.Fatal(err)
	}
	y.config.TrustRetained = true
	for _, l := range must(y.db.Lanes(ctx))(t) {
		if l.Alive != (l.ID == "N2") {
			t.Errorf("%s is stored as alive: %v", l.ID, l.Alive)
		}
	}
	// Another central that starts believes what was stored, with an external broker.
	f, err := Open(ctx, y.config)
	if err != nil || f.Lane("N1").Alive || !f.Lane("N2").Alive {
		t.Errorf("after a restart: %v", err)
	}
	y.report(t, one, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 3}, false)
	if !y.lane(t, "N1").Alive {
		t.Error("it is not alive again")
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
