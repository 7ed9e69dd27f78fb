package database_test

import (
	"errors"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

func TestAcknowledge(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		raise := func(subject string, at int64) {
			t.Helper()
			if err := db.Raise(ctx, database.Alarm{Code: "conflict", Lane: "N1", Subject: subject, Latest: at, Next: "look"}); err != nil {
				t.Fatal(err)
			}
		}
		raise("a", 1000)
		raise("b", 2000)
		raise("a", 3000)
		if open, latest, done, err := db.OpenAlarms(ctx); err != nil || open != 2 || latest != 3000 || done != 0 {
			t.Fatalf("%d open, latest %d, done %d, %v", open, latest, done, err)
		}
		page, err := db.Attention(ctx, database.AttentionFilter{Open: true, Limit: 1})
		if err != nil || len(page) != 1 || page[0].Subject != "a" || page[0].Count != 2 {
			t.Fatalf("%+v, %v", page, err)
		}
		a := page[0]
		page, err = db.Attention(ctx, database.AttentionFilter{Limit: 9, Before: &database.AlarmCursor{Latest: a.Latest, Number: a.Number}})
		if err != nil || len(page) != 1 || page[0].Subject != "b" {
			t.Fatalf("behind the first: %+v, %v", page, err)
		}
		if err := db.Acknowledge(ctx, 4000, "user:guard", a.Number, 1, "seen"); !errors.Is(err, database.ErrConflict) {
			t.Errorf("of an older count: %v", err)
		}
		if err := db.Acknowledge(ctx, 4000, "user:guard", 99, 1, ""); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("of none: %v", err)
		}
		if err := db.Acknowledge(ctx, 4000, "user:guard", a.Number, 2, "seen"); err != nil {
			t.Fatal(err)
		}
		if err := db.Acknowledge(ctx, 4001, "user:other", a.Number, 2, ""); !errors.Is(err, database.ErrConflict) {
			t.Errorf("twice: %v", err)
		}
		if open, _, done, err := db.OpenAlarms(ctx); err != nil || open != 1 || done != 4000 {
			t.Errorf("%d open, done %d, %v", open, done, err)
		}
		raise("a", 5000) // happens again
		page, err = db.Attention(ctx, database.AttentionFilter{Open: true, Code: "conflict", Lane: "N1", Limit: 9})
		if err != nil || len(page) != 2 || page[0].Subject != "a" || page[0].By != "user:guard" || page[0].Seen != 2 || page[0].Count != 3 || page[0].Note != "seen" {
			t.Errorf("raised again: %+v, %v", page, err)
		}
	})
}

// TestExplained: what an explanation is made of.
func TestExplained(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		id := pass.ID{Day: 2516, Index: 7}
		revoke, release := link.Event{Type: link.Revoke, Day: id.Day, Value: id.Index}, link.Event{Type: link.Release, Day: id.Day, Value: id.Index}
		other := link.Event{Type: link.Revoke, Day: id.Day, Value: 8}
		first := link.ChainStart(3)
		for i, e := range []link.Event{other, revoke, other, release} {
			err := db.Feed(ctx, func(tx *database.FeedTx) error {
				return tx.Append(3, uint64(i+1), first, int64(1000*(i+1)), []link.Event{e})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		events, err := db.PassEvents(ctx, id)
		if err != nil || len(events) != 2 || events[0] != (database.PassEvent{Epoch: 3, Seq: 2, At: 2000, Status: link.Revoked}) || events[1].Status != link.Good {
			t.Errorf("%+v, %v", events, err)
		}
		for at, want := range map[int64]uint64{0: 0, 999: 0, 1000: 1, 2500: 2, 4000: 4, 9000: 4} {
			if seq, err := db.FeedAt(ctx, 3, at); err != nil || seq != want {
				t.Errorf("at %d: %d, %v, want %d", at, seq, err, want)
			}
		}
		if at, err := db.FirstApplied(ctx, "N1", 3, 2); err != nil || at != 0 {
			t.Errorf("of a lane that reported nothing: %d, %v", at, err)
		}
		if err := db.ChangeDocument(ctx, "x", 4, "four", 1, database.Deed{By: "me"}); err != nil {
			t.Fatal(err)
		}
		if body, err := db.DocumentOf(ctx, "x", 4); err != nil || body != "four" {
			t.Errorf("%q, %v", body, err)
		}
		if _, err := db.DocumentOf(ctx, "x", 3); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("of a version that there is not: %v", err)
		}
	})
}

// TestLaneCounts counts by lane, and finds entries by their place in a journal.
func TestLaneCounts(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		j := database.Journal{Lane: "N1", ID: link.JournalID{1, 2, 3, 4, 5}}
		var rows []database.Row
		for i := range 10 {
			e := link.Entry{Type: link.EntryPassed, Lane: uint8(1 + i%2), Direction: 1, Seq: uint64(i + 1), Wall: 1_795_230_000_000 + int64(i), Kind: pass.ECard, Pass: pass.ID{Day: 2516, Index: 7}}
			if i == 9 {
				e.Type, e.Reason = link.EntryDenied, pass.Revoked
			}
			rows = append(rows, database.Row{Seq: e.Seq, Day: 2516, Pass: e.Pass, Entry: e.Append(nil)})
		}
		err := db.Ledger(ctx, func(tx *database.LedgerTx) error {
			if err := tx.AddJournal(&j); err != nil {
				return err
			}
			return tx.Append(j.Key, 1_795_230_001_000, rows)
		})
		if err != nil {
			t.Fatal(err)
		}
		counts, err := db.LaneCounts(ctx, 1_795_230_000_000, 1_795_230_000_010, []link.EntryType{link.EntryPassed, link.EntryDenied})
		want := []database.LaneCount{{Lane: "N1", Number: 1, Type: link.EntryPassed, Direction: 1, Count: 5}, {Lane: "N1", Number: 2, Type: link.EntryDenied, Direction: 1, Count: 1}, {Lane: "N1", Number: 2, Type: link.EntryPassed, Direction: 1, Count: 4}}
		if err != nil || len(counts) != 3 || counts[0] != want[0] {
			t.Fatalf("%+v, %v", counts, err)
		}
		for _, w := range want {
			found := false
			for _, c := range counts {
				found = found || c == w
			}
			if !found {
				t.Errorf("no %+v in %+v", w, counts)
			}
		}
		if counts, err := db.LaneCounts(ctx, 1_795_230_000_009, 1_795_230_000_010, []link.EntryType{link.EntryPassed}); err != nil || len(counts) != 0 {
			t.Errorf("outside of the time: %+v, %v", counts, err)
		}
		if n, err := db.EntryNumber(ctx, "N1", [4]byte{1, 2, 3, 4}, 3); err != nil || n != 3 {
			t.Errorf("entry %d, %v", n, err)
		}
		if _, err := db.EntryNumber(ctx, "N1", [4]byte{9}, 3); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("of no journal: %v", err)
		}
		near, err := db.NearEntries(ctx, "N1", j.ID, 2, 4)
		if err != nil || len(near) != 3 || near[0].Number != 2 {
			t.Errorf("%d near, %v", len(near), err)
		}
	})
}
