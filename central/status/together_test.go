package status

import (
	"errors"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestTogether: a deed and the passes that change with it are durable together, or
// nothing of them is.
func TestTogether(t *testing.T) { databasetest.Each(t, testTogether) }

func testTogether(t *testing.T, where string) {
	d := newDeskOn(t, where)
	f := newFollower(d)
	if err := d.Online(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, two := d.issue(t, d.Today()), d.issue(t, d.Today()+1)
	unknown := pass.ID{Day: d.Today(), Index: pass.MaxIndex}
	errDeed := errors.New("deed")
	deed := func(err error, ids ...pass.ID) ([]database.Pass, error) {
		return d.Together(t.Context(), func(tx *database.FeedTx, now int64) (list []Change, _ error) {
			for _, id := range ids {
				list = append(list, Change{ID: id, Status: link.Revoked, By: "user:a", Reason: "why"})
			}
			return list, errors.Join(err, tx.Audit(now, "user:a", "deed", "x", ""))
		})
	}
	seq := d.View().State.Seq
	if _, err := deed(errDeed, one); !errors.Is(err, errDeed) {
		t.Errorf("a deed that fails: %v", err)
	}
	if _, err := deed(nil, one, unknown); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("a pass that is none: %v", err)
	}
	p := must[database.Pass](t)(d.config.DB.Pass(t.Context(), one))
	actions := must[[]string](t)(d.config.DB.AuditActions(t.Context()))
	for _, a := range actions {
		if a == "deed" {
			t.Error("half of a deed stands")
		}
	}
	if p.Status != link.Good || d.View().State.Seq != seq {
		t.Fatalf("%+v, %d events", p, d.View().State.Seq-seq)
	}
	done, err := deed(nil, one, two)
	if err != nil || len(done) != 2 || done[0].Changed != done[1].Changed || d.View().State.Seq != seq+2 {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, id := range []pass.ID{one, two} {
		if s := d.View().State.Day(id.Day).Status(id.Index); s != link.Revoked {
			t.Errorf("%s is %v for lanes", id, s)
		}
	}
	for _, m := range d.broker.take() {
		f.hear(t, m)
	}
	if f.state.Root() != d.View().State.Root() {
		t.Error("a lane has another state")
	}
}
