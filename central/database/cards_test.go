package database

import (
	"errors"
	"sync"
	"testing"

	"turnstile/central/pass"
)

// TestCardPass: a holder has one code a day, also when many browsers ask for it at
// once, and it is issued whole or not at all.
func TestCardPass(t *testing.T) { both(t, testCardPass) }

func testCardPass(t *testing.T, d *DB) {
	const day = pass.Day(2516)
	draft := Draft{Day: day, Mint: mint(day, "A", 1)}
	if _, err := d.IssueCardPass(ctx, "A", draft, 1024); !errors.Is(err, ErrNotFound) {
		t.Fatalf("a code without a card: %v", err)
	}
	activate(t, d, "A")
	activate(t, d, "B")
	broken := Draft{Day: day, Mint: func(uint32, uint32) (Pass, error) { return Pass{}, errNoRoom }}
	if _, err := d.IssueCardPass(ctx, "A", broken, 1024); !errors.Is(err, errNoRoom) {
		t.Fatalf("%v", err)
	}
	if _, err := d.CardPass(ctx, "A", day); !errors.Is(err, ErrNotFound) {
		t.Fatalf("half of an issue stands: %v", err)
	}
	var mu sync.Mutex
	got := map[pass.ID]int{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p, err := d.IssueCardPass(ctx, "A", draft, 1024)
			mu.Lock()
			defer mu.Unlock()
			if got[p.ID()]++; err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n, err := d.Issued(ctx, day)
	if len(got) != 1 || n != 1 || err != nil {
		t.Errorf("%v, %d issued, %v", got, n, err)
	}
	if p, err := d.CardPass(ctx, "A", day); err != nil || got[p.ID()] != 8 || p.Holder != "A" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := d.IssueCardPass(ctx, "A", Draft{Day: day + 1, Mint: mint(day+1, "A", 2)}, 1024); err != nil || p.Day != day+1 {
		t.Errorf("the next day: %+v, %v", p, err)
	}
	if p, err := d.IssueCardPass(ctx, "B", Draft{Day: day, Mint: mint(day, "B", 2)}, 1024); err != nil || got[p.ID()] != 0 {
		t.Errorf("another holder: %+v, %v", p, err)
	}
	if _, err := d.ErasePasses(ctx, day+1, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CardPass(ctx, "A", day); !errors.Is(err, ErrNotFound) {
		t.Errorf("after it was erased: %v", err)
	}
	if _, err := d.CardPass(ctx, "A", day+1); err != nil {
		t.Errorf("the day that stays: %v", err)
	}
}

// activate gives a holder an eCard by the way of an application.
func activate(t *testing.T, d *DB, holder string) {
	t.Helper()
	n, err := d.AddApplication(ctx, Application{Kind: ApplicationECard, Holder: holder, Name: "Name of " + holder, Facts: "[]", Request: "{}", Photo: []byte{1}, At: 1, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if last, err := d.LastApplication(ctx, holder, ApplicationECard); err != nil || last.Number != n || last.State != ApplicationOpen {
		t.Errorf("%+v, %v", last, err)
	}
	if _, err := d.Decide(ctx, Decision{Number: n, Approve: true, By: "test", At: 2}); err != nil {
		t.Fatal(err)
	}
}
