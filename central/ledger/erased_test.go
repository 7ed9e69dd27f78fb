package ledger

import (
	"context"
	"testing"

	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

// TestErasedIsKnown: a lane that sends again what the retention erased is
// acknowledged and raises no alarm, it brings nothing back, and what is new behind
// it is stored.
func TestErasedIsKnown(t *testing.T) { databasetest.Each(t, testErasedIsKnown) }

func testErasedIsKnown(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 60)
	s.put(t, "N1", j.batch(t, 1, 40))
	s.expect(t, j, 40)
	stored, err := s.db.Journal(context.Background(), "N1", j.id)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.db.EraseEntries(context.Background(), stored, now.UnixMilli()+1, 30, 1); err != nil || n != 30 {
		t.Fatalf("%d erased: %v", n, err)
	}
	for _, c := range []struct{ first, last, acked int }{{1, 20, 40}, {25, 38, 40}, {25, 50, 50}, {1, 60, 60}} {
		s.put(t, "N1", j.batch(t, c.first, c.last))
		s.expect(t, j, c.acked)
	}
	v := s.verified(t)
	if v.Err != nil || v.Entries != 30 || v.Erased.Last != 30 || len(s.stored(t, j)) != 30 {
		t.Errorf("%+v", v)
	}
	if list, err := s.db.Alarms(context.Background(), 0, 10); err != nil || len(list) != 0 {
		t.Errorf("%d alarms: %v", len(list), err)
	}
	forged := newJournal("N1", 1, 34)
	forged.add(link.Entry{Type: link.EntryDenied, Lane: 1, Seq: 35})
	s.put(t, "N1", forged.batch(t, 25, 35))
	<-s.acks
	if len(s.alarm(t, CodeRewritten)) != 1 {
		t.Error("a rewritten entry behind the erased ones was taken")
	}
}
