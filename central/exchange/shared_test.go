package exchange

import (
	"errors"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
)

// right is the signer's lease as a keeper knows it.
type right struct {
	lease database.Lease
	held  bool
}

func (r *right) Held() bool                    { return r.held }
func (r *right) Lease() (database.Lease, bool) { return r.lease, r.held }
func (r *right) take(t testing.TB, b *bench, id string) {
	t.Helper()
	if err := b.db.Join(ctx, database.Central{ID: id, Name: id, Folder: id}, []string{"signer"}, func([]database.Central) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := b.db.TakeLeases(ctx, id, []string{"signer"}); err != nil {
		t.Fatal(err)
	}
	list, err := b.db.Leases(ctx)
	if err != nil || list[0].Owner != id {
		t.Fatalf("%+v, %v", list, err)
	}
	r.lease, r.held = list[0], true
}

// TestSharedDocuments: one central makes the documents; the next one goes on with
// their version, and the one before stores nothing any more.
func TestSharedDocuments(t *testing.T) {
	b := newBench(t)
	b.lanes = []Lane{{ID: "a1", Key: signer("a1").public(), Zones: 1}}
	ra, rb := &right{}, &right{}
	b.config.Signer = ra
	b.reopen(t)
	first := b.Exchange
	b.config.Signer = rb
	b.reopen(t)
	second := b.Exchange
	ra.take(t, b, "a")
	if err := errors.Join(first.Online(ctx), second.Online(ctx), second.look(ctx)); err != nil {
		t.Fatal(err)
	}
	if n := len(b.take()); n != 16 || first.Version() == 0 || second.Version() != first.Version() {
		t.Fatalf("%d documents, versions %d and %d", n, first.Version(), second.Version())
	}
	if err := b.db.Leave(ctx, "a"); err != nil { // a is stopped and knows nothing of it
		t.Fatal(err)
	}
	rb.take(t, b, "b")
	b.lanes = append(b.lanes, Lane{ID: "a2", Key: signer("a2").public(), Zones: 1})
	b.pass(time.Minute)
	if err := second.look(ctx); err != nil || second.Version() <= first.Version() {
		t.Fatalf("versions %d and %d, %v", first.Version(), second.Version(), err)
	}
	b.lanes = b.lanes[1:]
	b.pass(time.Minute)
	if err := first.look(ctx); !errors.Is(err, database.ErrFenced) {
		t.Errorf("it makes documents: %v", err)
	}
	ra.held = false
	if err := first.look(ctx); err != nil || first.Version() != second.Version() {
		t.Errorf("it does not follow: %d and %d, %v", first.Version(), second.Version(), err)
	}
}

// TestMine: a lane is served by one central.
func TestMine(t *testing.T) {
	b := newBench(t)
	b.house(map[string]uint16{"a1": 1 << 1})
	mine := false
	b.config.Mine = func(string) bool { return mine }
	b.config.Signer = &right{}
	b.reopen(t)
	message := use(t, "a1", 1, grant(1, 1, 7))
	for _, served := range []bool{false, true} {
		mine = served
		if err := b.Take(ctx, "a1", message); err != nil {
			t.Fatal(err)
		}
		if n := len(b.take()); n != map[bool]int{false: 0, true: 1}[served] {
			t.Errorf("served %v: %d messages", served, n)
		}
		if err := b.Answer(&link.Ask{Lane: "a1"}); err != nil {
			t.Fatal(err)
		}
		if n := len(b.asks); n != map[bool]int{false: 0, true: 1}[served] {
			t.Errorf("served %v: %d questions wait", served, n)
		}
	}
}
