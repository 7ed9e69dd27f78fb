package database

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"turnstile/central/pass"
)

const approvalDay = pass.Day(2516)

func draftOf(holder string) Draft {
	return Draft{Day: approvalDay, Mint: mint(approvalDay, holder, 7)}
}

func TestDecideECard(t *testing.T) { both(t, testDecideECard) }

func testDecideECard(t *testing.T, d *DB) {
	a := Application{Kind: ApplicationECard, Holder: "A1", Name: "First", Facts: "[]", Photo: []byte("jpeg one"), At: 5, By: "portal"}
	number, err := d.AddApplication(ctx, a)
	if err != nil || number != 1 {
		t.Fatal(number, err)
	}
	if _, err := d.AddApplication(ctx, a); !errors.Is(err, ErrConflict) {
		t.Errorf("a second open one: %v", err)
	}
	if a, err := d.Application(ctx, number); err != nil || !a.HasPhoto || !bytes.Equal(a.Photo, []byte("jpeg one")) || a.State != ApplicationOpen {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := d.Decide(ctx, Decision{Number: number, Approve: true, By: "desk", At: 9}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decide(ctx, Decision{Number: number, By: "other", At: 10, Reason: "no"}); !errors.Is(err, ErrConflict) {
		t.Errorf("decided twice: %v", err)
	}
	if a, err := d.Application(ctx, number); err != nil || a.HasPhoto || len(a.Photo) != 0 || a.State != ApplicationApproved || a.DecidedBy != "desk" || a.Decided != 9 {
		t.Errorf("%+v, %v", a, err)
	}
	c, err := d.ECard(ctx, "A1")
	if err != nil || c != (ECard{Holder: "A1", Name: "First", Since: 9, By: "desk"}) {
		t.Errorf("%+v, %v", c, err)
	}
	// The next photo replaces the first once it is approved, and not when it is rejected.
	for i, approve := range []bool{false, true} {
		a.Photo, a.Name = []byte("jpeg two"), "Second"
		number, err := d.AddApplication(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decide(ctx, Decision{Number: number, Approve: approve, By: "desk", At: 20, Reason: "blurred"}); err != nil {
			t.Fatal(err)
		}
		if p, err := d.Photo(ctx, "A1"); err != nil || string(p.JPEG) != []string{"jpeg one", "jpeg two"}[i] {
			t.Errorf("after %v: %s, %v", approve, p.JPEG, err)
		}
	}
	if _, err := d.Decide(ctx, Decision{Number: 99}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := d.Photo(ctx, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown photo: %v", err)
	}
	if open, newest, err := d.OpenApplications(ctx); open != 0 || newest != 3 || err != nil {
		t.Error(open, newest, err)
	}
}

// TestDecideGuests: the passes and the decision come together, or neither.
func TestDecideGuests(t *testing.T) { both(t, testDecideGuests) }

func testDecideGuests(t *testing.T, d *DB) {
	number, err := d.AddApplication(ctx, Application{Kind: ApplicationGuests, Holder: "A1", Request: "{}", At: 5, By: "portal"})
	if err != nil {
		t.Fatal(err)
	}
	three := Decision{Number: number, Approve: true, By: "desk", At: 9, Capacity: 2, Issue: []Draft{draftOf("A1"), draftOf("A1"), draftOf("A1")}}
	if _, err := d.Decide(ctx, three); !errors.Is(err, ErrDayFull) {
		t.Fatalf("more than the day holds: %v", err)
	}
	if a, err := d.Application(ctx, number); err != nil || a.State != ApplicationOpen {
		t.Errorf("%+v, %v", a, err)
	}
	if n, err := d.Issued(ctx, approvalDay); n != 0 || err != nil {
		t.Errorf("%d passes of a decision that was undone, %v", n, err)
	}
	two := three
	two.Issue = two.Issue[:2]
	// Two people decide at once: one of them does, and each pass is issued once.
	var wg sync.WaitGroup
	results := make([]error, 2)
	for i := range results {
		wg.Go(func() { _, results[i] = d.Decide(ctx, two) })
	}
	wg.Wait()
	if (results[0] == nil) == (results[1] == nil) || !errors.Is(errors.Join(results...), ErrConflict) {
		t.Errorf("two at once: %v", results)
	}
	if ids, err := d.ApplicationPasses(ctx, number); len(ids) != 2 || err != nil {
		t.Errorf("%v, %v", ids, err)
	}
	if n, err := d.Issued(ctx, approvalDay); n != 2 || err != nil {
		t.Errorf("%d passes, %v", n, err)
	}
}

func TestApplicationList(t *testing.T) { both(t, testApplicationList) }

func testApplicationList(t *testing.T, d *DB) {
	for i, kind := range []string{ApplicationECard, ApplicationGuests, ApplicationECard, ApplicationGuests, ApplicationGuests} {
		if _, err := d.AddApplication(ctx, Application{Kind: kind, Holder: string(rune('A' + i)), By: "portal"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Decide(ctx, Decision{Number: 2, By: "desk", Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		f    ApplicationFilter
		want []int64
	}{
		"all":       {ApplicationFilter{Limit: 9}, []int64{1, 2, 3, 4, 5}},
		"open":      {ApplicationFilter{State: ApplicationOpen, Limit: 2}, []int64{1, 3}},
		"next open": {ApplicationFilter{State: ApplicationOpen, After: 3, Limit: 9}, []int64{4, 5}},
		"newest":    {ApplicationFilter{Before: 5, Limit: 2}, []int64{4, 3}},
		"guests":    {ApplicationFilter{Kind: ApplicationGuests, State: ApplicationRejected, Limit: 9}, []int64{2}},
		"holder":    {ApplicationFilter{Holder: "C", Limit: 9}, []int64{3}},
	} {
		list, err := d.Applications(ctx, x.f)
		if err != nil || len(list) != len(x.want) {
			t.Errorf("%s: %d, %v", name, len(list), err)
			continue
		}
		for i, a := range list {
			if a.Number != x.want[i] {
				t.Errorf("%s: %d at %d", name, a.Number, i)
			}
		}
	}
}
