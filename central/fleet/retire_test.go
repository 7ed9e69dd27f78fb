package fleet

import (
	"errors"
	"testing"

	"turnstile/central/link"
)

// TestRevoke: a revoked lane is out at once and stays on the list; it comes back
// with a new enrolment alone.
func TestRevoke(t *testing.T) {
	y := newYard(t)
	key, c := y.enrol(t, "N1")
	y.report(t, key, link.LaneState{Lane: "N1", Boot: 1, Alive: true, Epoch: 1, Seq: 4}, false)
	stolen, before := y.invite(t, "N1"), y.Version()
	if err := y.Revoke(ctx, "test", "N1", "stolen"); err != nil {
		t.Fatal(err)
	}
	l := y.lane(t, "N1")
	if y.Allow("N1", c) || y.Keys("N1") != nil || l.Alive || !l.Enrolled.IsZero() || l.State != nil || len(y.removed) != 1 || y.Version() == before {
		t.Errorf("a revoked lane: %+v", l)
	}
	request, _ := newRequest(t, stolen)
	if w := y.post(t, encode(t, request)); w.Code != 403 {
		t.Errorf("an earlier token lets it in again: %d", w.Code)
	}
	if err := y.Revoke(ctx, "test", "N1", "stolen"); !errors.Is(err, ErrUnknown) {
		t.Errorf("revoked twice: %v", err)
	}
	y.reopen(t, y.config.Issuer)
	if y.Allow("N1", c) || !y.lane(t, "N1").Enrolled.IsZero() {
		t.Error("after a restart it is let in")
	}
	if _, again := y.enrol(t, "N1"); !y.Allow("N1", again) {
		t.Error("it cannot enrol again")
	}
}

// TestRetire: a retired lane is gone from the fleet, and stands on the list of
// those that were until it is invited again.
func TestRetire(t *testing.T) {
	y := newYard(t)
	_, c := y.enrol(t, "N1")
	if err := y.Retire(ctx, "test", "N1", "sold"); err != nil {
		t.Fatal(err)
	}
	list, err := y.db.RetiredLanes(ctx)
	if err != nil || len(list) != 1 || list[0].Reason != "sold" || list[0].By != "test" || list[0].Enrolled != noon.UnixMilli() {
		t.Errorf("retired lanes %+v, %v", list, err)
	}
	if y.Allow("N1", c) || len(y.Lanes()) != 0 || len(y.removed) != 1 {
		t.Error("a retired lane is in the fleet")
	}
	if err := y.Retire(ctx, "test", "N1", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("retired twice: %v", err)
	}
	y.invite(t, "N1")
	if list, err := y.db.RetiredLanes(ctx); err != nil || len(list) != 0 {
		t.Errorf("invited and retired: %v, %v", list, err)
	}
}
