package fleet

import (
	"slices"
	"testing"

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
func TestRefresh(t *testing.T) {
	a := newYard(t)
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
func TestAdopt(t *testing.T) {
	a := newYard(t)
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
