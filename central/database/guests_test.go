package database

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func mintGuest(day pass.Day, holder string, issued int64) func(number, capacity uint32) (Pass, error) {
	return func(number, _ uint32) (Pass, error) {
		p := pass.Pass{Kind: pass.Guest, Day: day, Index: number, Length: 6, Zones: 1}
		return Pass{Pass: p, Signature: make([]byte, 64), Holder: holder, GuestName: "G", Issued: issued, IssuedBy: "test"}, nil
	}
}

var errNoRoom = errors.New("no room")

// TestGuestClaims: what a claim counts, and that of many at once no two get the
// last place.
func TestGuestClaims(t *testing.T) { both(t, testGuestClaims) }

func testGuestClaims(t *testing.T, d *DB) {
	const day, today = pass.Day(2516), pass.Day(2515)
	var use GuestUse
	look := &GuestClaim{Holder: "A", Day: day, Today: today, Allow: func(u GuestUse) (string, error) { use = u; return "", nil }}
	issue := func(day pass.Day, holder string) pass.ID {
		t.Helper()
		p, err := d.InsertPass(ctx, day, 1024, mintGuest(day, holder, 1), look)
		if err != nil {
			t.Fatal(err)
		}
		return p.ID()
	}
	issue(day, "A")
	if issue(day, "A"); use.OnDay != 0 || use.Upcoming != 0 || use.Rules != "" {
		t.Errorf("where no rules are: %+v", use)
	}
	if err := d.ChangeDocument(ctx, GuestDocument, 1, "{}", 1, Deed{By: "test", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	if v, err := d.DocumentVersions(ctx, GuestDocument, 0, 9); err != nil || len(v) != 1 || v[0].Reason != "why" {
		t.Errorf("%+v, %v", v, err)
	}
	issue(day+1, "A")
	issue(today-1, "A")
	issue(day, "B")
	if _, err := d.InsertPass(ctx, day, 1024, mint(day, "A", 1)); err != nil { // no guest
		t.Fatal(err)
	}
	gone := issue(day, "A")
	if err := d.Feed(ctx, func(tx *FeedTx) error {
		p, err := tx.Pass(gone)
		p.Status, p.Changed = link.Revoked, 77
		return errors.Join(err, tx.SetStatus(&p))
	}); err != nil {
		t.Fatal(err)
	}
	for _, a := range []Application{{Kind: ApplicationGuests, Holder: "A", Request: "one"}, {Kind: ApplicationGuests, Holder: "B", Request: "two"}, {Kind: ApplicationECard, Holder: "A", Request: "{}"}} {
		if _, err := d.AddApplication(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	if u, err := d.GuestUse(ctx, "A", day, today); err != nil || u.OnDay != 2 || u.Upcoming != 3 || u.Rules != "{}" || len(u.Requests) != 1 || u.Requests[0] != "one" {
		t.Errorf("%+v, %v", u, err)
	}
	list, err := d.GuestPasses(ctx, PassCursor{}, 100)
	if err != nil || len(list) != 6 || list[5].Ended+list[4].Ended+list[3].Ended+list[2].Ended != 77 {
		t.Errorf("%+v, %v", list, err)
	}
	testInstead(t, d, look, &use)
	testClaimRace(t, d, day)
}

// testInstead: what ends in the transaction of a claim is not counted by it.
func testInstead(t *testing.T, d *DB, look *GuestClaim, use *GuestUse) {
	t.Helper()
	number, err := d.AddApplication(ctx, Application{Kind: ApplicationGuests, Holder: "A", Request: "three", Facts: "[]"}, look)
	if err != nil || use.OnDay != 2 || len(use.Requests) != 1 {
		t.Fatalf("%+v, %v", use, err)
	}
	instead := *look
	instead.Instead = number
	count := func(what string, onDay, upcoming, requests int) {
		t.Helper()
		err := d.Feed(ctx, func(tx *FeedTx) error {
			_, err := tx.AddApplication(Application{Kind: ApplicationGuests, Holder: "A", Request: "four"}, &instead)
			return errors.Join(err, errNoRoom)
		})
		if !errors.Is(err, errNoRoom) || use.OnDay != onDay || use.Upcoming != upcoming || len(use.Requests) != requests {
			t.Errorf("%s: %+v, %v", what, use, err)
		}
	}
	count("instead of what waits", 2, 3, 1)
	draft := Draft{Day: look.Day, Mint: mintGuest(look.Day, "A", 5)}
	if _, err := d.Decide(ctx, Decision{Number: number, Approve: true, By: "desk", At: 9, Issue: []Draft{draft, draft}}); err != nil {
		t.Fatal(err)
	}
	count("instead of what is approved", 2, 3, 1)
	instead.Instead = 0
	count("beside it", 4, 5, 1)
	if err := d.Feed(ctx, func(tx *FeedTx) error {
		a, err := tx.Application(number)
		list, bad := tx.ApplicationPasses(number)
		if a.State != ApplicationApproved || len(list) != 2 || list[0].Holder != "A" {
			t.Errorf("%+v, %+v", a, list)
		}
		_, none := tx.Application(99)
		if !errors.Is(none, ErrNotFound) {
			t.Errorf("%v", none)
		}
		return errors.Join(err, bad)
	}); err != nil {
		t.Error(err)
	}
}

func testClaimRace(t *testing.T, d *DB, day pass.Day) {
	var got atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			claim := &GuestClaim{Holder: "R", Day: day, Today: day, Allow: func(u GuestUse) (string, error) {
				if u.OnDay+len(u.Requests) >= 3 {
					return "", errNoRoom
				}
				return fmt.Sprint("note ", i), nil
			}}
			var err error
			if i%2 == 0 {
				_, err = d.InsertPass(ctx, day, 1024, mintGuest(day, "R", 1), claim)
			} else {
				_, err = d.AddApplication(ctx, Application{Kind: ApplicationGuests, Holder: "R"}, claim)
			}
			if err == nil {
				got.Add(1)
			} else if !errors.Is(err, errNoRoom) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != 3 {
		t.Errorf("%d got one of 3 places", got.Load())
	}
}

// TestCountErasable counts what the erasures then take.
func TestCountErasable(t *testing.T) { both(t, testCountErasable) }

func testCountErasable(t *testing.T, d *DB) {
	if e, err := d.CountErasable(ctx, 1<<60, 9999, 1<<60); err != nil || e != (Erasable{}) {
		t.Errorf("of nothing: %+v, %v", e, err)
	}
	j := Journal{Lane: "N1", ID: link.JournalID{1}, Chain: link.JournalStart(link.JournalID{1})}
	err := d.Ledger(ctx, func(tx *LedgerTx) error { return tx.AddJournal(&j) })
	for i := range int64(20) {
		err = errors.Join(err, d.Ledger(ctx, func(tx *LedgerTx) error {
			j.Last++
			e := link.Entry{Type: link.EntryDenied, Lane: 1, Seq: j.Last, Wall: 1000 * i, Pass: pass.ID{Day: 2516}}
			raw := e.Append(nil)
			j.Chain = link.JournalChain(j.Chain, raw)
			return errors.Join(tx.Append(j.Key, 1000*(i+1), []Row{{Seq: e.Seq, Day: 2516, Pass: e.Pass, Entry: raw}}), tx.SetJournal(j))
		}))
	}
	if err != nil {
		t.Fatal(err)
	}
	for day := pass.Day(2510); day < 2516; day++ {
		if _, err := d.InsertPass(ctx, day, 1024, mintGuest(day, "A", 1)); err != nil {
			t.Fatal(err)
		}
	}
	for before, want := range map[int64]int{0: 0, 1000: 0, 1001: 1, 7500: 7, 20000: 19, 20001: 20} {
		if e, err := d.CountErasable(ctx, before, 2513, 1); err != nil || e.Passages != want || e.Passes != 3 || e.FirstPass != 2510 || (e.FirstPassage == 1000) != (want > 0) {
			t.Errorf("before %d: %+v, %v", before, e, err)
		}
	}
	if n, err := d.EraseEntries(ctx, j, 7500, 100, 1); err != nil || n != 7 {
		t.Fatalf("erased %d: %v", n, err)
	}
	if e, err := d.CountErasable(ctx, 9500, 2513, 1); err != nil || e.Passages != 2 || e.FirstPassage != 8000 {
		t.Errorf("behind what is erased: %+v, %v", e, err)
	}
}
