package database_test

import (
	"errors"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

func command(lane string, index uint8, issued int64) *database.Command {
	return &database.Command{Command: link.Command{Lane: lane, Action: link.CommandOpen, Index: index, Direction: 1, Issued: issued, Expires: issued + 30_000,
		Cause: pass.CauseVisitor, Start: link.Nonce{9, 8, 7}}, Reason: "expected at the gate", By: "guard"}
}

func add(t testing.TB, db *database.DB, c *database.Command) error {
	t.Helper()
	return db.AddCommand(t.Context(), c, c.Lane, c.Reason, func() error { return nil })
}

// TestCommands: numbers rise by lane and never below the time, a lane is told to
// open once at a time, what cannot be sealed was never given.
func TestCommands(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		const at = int64(1795233609000)
		first := command("north", 1, at)
		if err := add(t, db, first); err != nil || first.Number != uint64(at) {
			t.Fatal(first.Number, err)
		}
		if err := add(t, db, command("north", 1, at+29_999)); !errors.Is(err, database.ErrConflict) {
			t.Errorf("a second one while the first waits: %v", err)
		}
		second, south := command("north", 2, at-5_000_000), command("south", 1, at)
		broken := errors.New("no key")
		if err := db.AddCommand(t.Context(), command("north", 3, at), "", "", func() error { return broken }); !errors.Is(err, broken) {
			t.Error(err)
		}
		for _, c := range []*database.Command{second, south} {
			if err := add(t, db, c); err != nil {
				t.Fatal(err)
			}
		}
		if second.Number != uint64(at)+1 || south.Number != uint64(at) { // a clock that was set back gives no number out again
			t.Errorf("numbers %d, %d", second.Number, south.Number)
		}
		if again := command("north", 1, at+30_000); add(t, db, again) != nil || again.Number != uint64(at)+30_000 {
			t.Errorf("number %d after the first is over", again.Number)
		}
		list, err := db.Commands(t.Context(), "north", 10)
		if err != nil || len(list) != 3 || list[0].Issued != at+30_000 || list[1] != *first {
			t.Errorf("%+v, %v", list, err)
		}
		if list, err := db.Commands(t.Context(), "", 2); err != nil || len(list) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := db.Command(t.Context(), "north", 7); !errors.Is(err, database.ErrNotFound) {
			t.Error(err)
		}
	})
}

// TestChangeDocument: a document and its line in the audit, both or none.
func TestChangeDocument(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		why := database.Deed{By: "guard", Action: "mode", Subject: "zone 0", Detail: "lockdown: a drill"}
		for n, want := range []error{nil, database.ErrConflict} {
			if err := db.ChangeDocument(t.Context(), "rules", 5, "body", 1, why); !errors.Is(err, want) {
				t.Errorf("time %d: %v", n, err)
			}
		}
		if v, body, err := db.Document(t.Context(), "rules"); err != nil || v != 5 || body != "body" {
			t.Error(v, body, err)
		}
	})
}
