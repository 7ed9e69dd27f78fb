package database

import (
	"errors"
	"slices"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/register"
)

// TestWithdrawECard: a withdrawn card issues nothing, and stays withdrawn through an
// approval, a merge, a removal from the register and the erasure of the account.
func TestWithdrawECard(t *testing.T) { both(t, testWithdrawECard) }

func testWithdrawECard(t *testing.T, d *DB) {
	const day = pass.Day(2516)
	for _, id := range []string{"A", "B", "C"} {
		putRows(t, d, register.Persons, map[string]string{"id": id, "surname": "Chan"})
	}
	activate(t, d, "A")
	activate(t, d, "B")
	d.mustAccount(t, "A", "a@example.org")
	if _, err := d.IssueCardPass(ctx, "A", Draft{Day: day, Mint: mint(day, "A", 1)}, 1024); err != nil {
		t.Fatal(err)
	}
	withdraw := func(holder string, at int64) error {
		return d.Feed(ctx, func(tx *FeedTx) error {
			return tx.WithdrawECard(Withdrawal{Holder: holder, By: "user:a", At: at, Reason: "lent"})
		})
	}
	giveBack := func(holder string) (at int64, err error) {
		err = d.Feed(ctx, func(tx *FeedTx) error { at, err = tx.ReturnECard(holder, "user:a", 99); return err })
		return at, err
	}
	gone := func(what, holder string, want bool) {
		t.Helper()
		c, err := d.WithdrawnECard(ctx, holder)
		if want && (err != nil || c.Reason != "lent" || c.WithdrawnBy != "user:a") || !want && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
	}
	if err := withdraw("C", 50); !errors.Is(err, ErrNotFound) {
		t.Errorf("without a card: %v", err)
	}
	if _, err := giveBack("A"); !errors.Is(err, ErrConflict) {
		t.Errorf("give back what is active: %v", err)
	}
	if err := withdraw("A", 50); err != nil {
		t.Fatal(err)
	}
	if err := withdraw("A", 51); !errors.Is(err, ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	gone("withdrawn", "A", true)
	if _, err := d.IssuePass(ctx, Draft{Day: day, Mint: mint(day, "A", 1), ECard: "A"}, 1024); !errors.Is(err, ErrWithdrawn) {
		t.Errorf("by hand: %v", err)
	}
	if n, err := d.Issued(ctx, day); err != nil || n != 1 {
		t.Errorf("%d numbers are used up, %v", n, err)
	}
	if _, err := d.IssuePass(ctx, Draft{Day: day, Mint: mint(day, "A", 1)}, 1024); err != nil {
		t.Errorf("what is no code of the card: %v", err)
	}
	gone("another's", "B", false)
	if _, err := d.IssueCardPass(ctx, "A", Draft{Day: day + 1, Mint: mint(day+1, "A", 1)}, 1024); !errors.Is(err, ErrNotFound) {
		t.Errorf("a code of a withdrawn card: %v", err)
	}
	activate(t, d, "A")
	gone("approved again", "A", true)
	if err := d.erase("A", 60); err != nil {
		t.Fatal(err)
	}
	gone("after the account was erased", "A", true)
	if c, err := d.WithdrawnECard(ctx, "A"); err != nil || c.Name != "" {
		t.Errorf("the erased account's card has the name %q, %v", c.Name, err)
	}
	if err := d.MergeRegister(ctx, register.Merge{ID: "m", Kept: "B", Gone: "A", Reason: "one", By: "desk"}); err != nil {
		t.Fatal(err)
	}
	gone("merged into one who has a card", "B", true)
	if list, err := d.WithdrawnHolders(ctx); err != nil || !slices.Equal(list, []string{"A", "B"}) {
		t.Errorf("withdrawn are %q, %v", list, err)
	}
	for _, id := range []string{"A", "B"} {
		if _, err := d.IssuePass(ctx, Draft{Day: day, Mint: mint(day, id, 1), ECard: id}, 1024); !errors.Is(err, ErrWithdrawn) {
			t.Errorf("by hand to %s: %v", id, err)
		}
	}
	if _, err := d.IssueCardPass(ctx, "B", Draft{Day: day + 1, Mint: mint(day+1, "B", 1)}, 1024); !errors.Is(err, ErrNotFound) {
		t.Errorf("a code of the merged person: %v", err)
	}
	if at, err := giveBack("B"); err != nil || at != 50 {
		t.Errorf("give back: %d, %v", at, err)
	}
	gone("given back", "B", false)
	if list, err := d.WithdrawnHolders(ctx); err != nil || len(list) > 0 {
		t.Errorf("withdrawn are %q, %v", list, err)
	}
	if _, err := d.IssuePass(ctx, Draft{Day: day, Mint: mint(day, "A", 1), ECard: "A"}, 1024); err != nil {
		t.Errorf("by hand, given back: %v", err)
	}
	if _, err := d.IssueCardPass(ctx, "B", Draft{Day: day + 1, Mint: mint(day+1, "B", 1)}, 1024); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
	activate(t, d, "C")
	if err := withdraw("C", 70); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveRegistered(ctx, "C", "desk", 71); err != nil {
		t.Fatal(err)
	}
	gone("after the removal from the register", "C", true)
}

// TestPassesOf: those of a person and the aliases, with or without the guests'.
func TestPassesOf(t *testing.T) { both(t, testPassesOf) }

func testPassesOf(t *testing.T, d *DB) {
	const day = pass.Day(2516)
	for _, id := range []string{"A", "B"} {
		putRows(t, d, register.Persons, map[string]string{"id": id, "surname": "Chan"})
	}
	if err := d.MergeRegister(ctx, register.Merge{ID: "m", Kept: "A", Gone: "B", Reason: "one", By: "desk"}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		day    pass.Day
		holder string
		guest  bool
	}{{day, "A", false}, {day + 1, "B", false}, {day, "A", true}, {day - 1, "A", false}, {day, "Z", false}} {
		draw := mint(x.day, x.holder, 1)
		if x.guest {
			draw = mintGuest(x.day, x.holder, 1)
		}
		if _, err := d.InsertPass(ctx, x.day, 1024, draw); err != nil {
			t.Fatal(err)
		}
	}
	err := d.Feed(ctx, func(tx *FeedTx) error {
		for guests, want := range map[bool]int{false: 2, true: 3} {
			if list, err := tx.PassesOf("A", day, guests); err != nil || len(list) != want {
				t.Errorf("guests %v: %d, %v", guests, len(list), err)
			}
		}
		list, err := tx.PassesOf("A", day, false)
		for i := range list {
			p := &list[i]
			p.Status, p.Changed, p.ChangedBy = link.Revoked, int64(50+i), "x"
			err = errors.Join(err, tx.SetStatus(p))
		}
		if list, bad := tx.RevokedAt("A", day, 50); bad != nil || len(list) != 1 {
			t.Errorf("%d revoked at once, %v", len(list), bad)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
