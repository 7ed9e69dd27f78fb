package status

import (
	"context"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

// restored tells the desk's database that it is a restored one.
func (d *desk) restored(t *testing.T) database.Restored {
	t.Helper()
	db := must[*database.DB](t)(database.Open(context.Background(), d.where))
	defer db.Close()
	return must[database.Restored](t)(db.NewEpoch(context.Background(), 0, d.now().UnixMilli(), "test"))
}

// TestRestored: after a restoration the feed begins a higher epoch, once, in which
// what was refused and withdrawn stays so; rules get a version above any before; and
// whoever starts with its snapshots comes to its state.
func TestRestored(t *testing.T) { databasetest.Each(t, testRestored) }

func testRestored(t *testing.T, where string) {
	d := newDeskOn(t, where)
	bad, good := d.issue(t, d.Today()), d.issue(t, d.Today())
	d.set(t, bad, link.Revoked)
	key := d.View().Keys.Keys[0].ID
	if err := d.WithdrawKey(t.Context(), "test", key, "stolen"); err != nil {
		t.Fatal(err)
	}
	before := d.View()
	d.stop()
	d.clock.Add(time.Hour.Milliseconds())
	if r := d.restored(t); r.Epoch != before.State.Epoch || r.Seq != before.State.Seq {
		t.Errorf("restored from %+v, the feed was at %d/%d", r, before.State.Epoch, before.State.Seq)
	}
	for range 3 { // the second and third start go on
		d.clock.Add(time.Minute.Milliseconds())
		d.start(t)
		v := d.View()
		if int64(v.State.Epoch) != noon.Unix()+3660 || !v.State.IsWithdrawn(key) {
			t.Fatalf("epoch %d after %d, withdrawn %v", v.State.Epoch, before.State.Epoch, v.State.Withdrawn)
		}
		l := v.State.Day(d.Today())
		if l == nil || l.Status(bad.Index) != link.Revoked || l.Status(good.Index) != link.Good {
			t.Fatal("the list is not what the passes say")
		}
		if v.Rules.Version != uint64(noon.Unix())+3661 {
			t.Errorf("rules %d after %d", v.Rules.Version, before.Rules.Version)
		}
		f := newFollower(d)
		d.broker.take()
		if err := d.call(t.Context(), func(ctx context.Context) { d.publishDocuments(ctx); d.publishHead(ctx) }); err != nil {
			t.Fatal(err)
		}
		for _, m := range d.broker.take() {
			f.hear(t, m)
		}
		if f.state == nil || f.state.Epoch != v.State.Epoch || f.state.Root() != v.State.Root() {
			t.Errorf("who begins with the snapshots is at %+v, central at %+v", f.state, v.State)
		}
		d.stop()
	}
}
