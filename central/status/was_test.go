package status

import (
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

// TestWas: a deed on many passes leaves alone what somebody else has changed
// since it was planned.
func TestWas(t *testing.T) { databasetest.Each(t, testWas) }

func testWas(t *testing.T, where string) {
	d := newDeskOn(t, where)
	id := d.issue(t, d.Today())
	good := link.Good
	d.set(t, id, link.Revoked)
	seq := d.View().State.Seq
	p := must[database.Pass](t)(d.SetStatus(t.Context(), Change{ID: id, Status: link.Held, Was: &good, By: "bulk"}))
	if p.Status != link.Revoked || p.ChangedBy == "bulk" || d.View().State.Seq != seq {
		t.Errorf("a revoked pass became %+v", p)
	}
	revoked := link.Revoked
	if p := must[database.Pass](t)(d.SetStatus(t.Context(), Change{ID: id, Status: link.Held, Was: &revoked, By: "bulk"})); p.Status != link.Held {
		t.Errorf("%+v", p)
	}
}
