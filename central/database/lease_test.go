package database_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/database/postgrestest"
)

func anybody([]database.Central) error { return nil }

func join(t testing.TB, db *database.DB, id, name, folder string) {
	t.Helper()
	if err := db.Join(t.Context(), database.Central{ID: id, Name: name, Folder: folder}, []string{"signer", "p/1", "p/2"}, anybody); err != nil {
		t.Fatal(err)
	}
}

// owners returns who has which lease, and the leases by name.
func owners(t testing.TB, db *database.DB) map[string]database.Lease {
	t.Helper()
	list, err := db.Leases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]database.Lease{}
	for _, l := range list {
		m[l.Name] = l
	}
	return m
}

func TestLeases(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		join(t, db, "1", "a", "fa")
		join(t, db, "2", "b", "fb")
		for id, names := range map[string][]string{"1": {"signer", "p/1"}, "2": {"p/2"}} {
			if err := db.TakeLeases(ctx, id, names); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.TakeLeases(ctx, "2", []string{"signer"}); err != nil {
			t.Fatal(err)
		}
		had := owners(t, db)
		if had["signer"].Owner != "1" || had["p/1"].Owner != "1" || had["p/2"].Owner != "2" || had["signer"].Fence != 1 {
			t.Fatalf("%+v", had)
		}
		if err := db.SignUpTo(ctx, had["signer"], 77); err != nil {
			t.Fatal(err)
		}
		if err := db.ReleaseLeases(ctx, "2", []string{"signer", "p/2"}); err != nil {
			t.Fatal(err)
		}
		if got := owners(t, db); got["signer"].Owner != "1" || got["p/2"].Owner != "" {
			t.Errorf("after a release: %+v", got)
		}
		// It beats, so nobody buries it with what was seen before.
		seen, err := db.Centrals(ctx)
		if err != nil || len(seen) != 2 || seen[0].Name != "a" {
			t.Fatalf("%+v, %v", seen, err)
		}
		if err := db.Beat(ctx, "1"); err != nil {
			t.Fatal(err)
		}
		if err := db.Bury(ctx, seen[0]); !errors.Is(err, database.ErrNotFound) {
			t.Fatalf("a living central was buried: %v", err)
		}
		seen[0].Beat++
		if err := db.Bury(ctx, seen[0]); err != nil {
			t.Fatal(err)
		}
		if err := db.TakeLeases(ctx, "1", []string{"signer"}); err != nil {
			t.Fatal(err)
		}
		if got := owners(t, db); got["signer"].Owner != "" || got["p/1"].Owner != "" || got["signer"].Signed != 77 {
			t.Errorf("a buried central has %+v", got)
		}
		if err := db.TakeLeases(ctx, "2", []string{"signer"}); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"beat":       db.Beat(ctx, "1"),
			"sign up to": db.SignUpTo(ctx, had["signer"], 99),
			"confirm":    db.Confirm(ctx, had["signer"]),
			"write":      db.Feed(ctx, func(tx *database.FeedTx) error { return tx.Fence(had["signer"]) }),
		} {
			if !errors.Is(err, database.ErrFenced) && !errors.Is(err, database.ErrNotFound) {
				t.Errorf("%s of one that was buried: %v", what, err)
			}
		}
		if err := db.Confirm(ctx, owners(t, db)["signer"]); err != nil {
			t.Error(err)
		}
		// What runs in a data folder is the only one there.
		join(t, db, "3", "b", "fb")
		if got := owners(t, db); got["signer"].Owner != "" {
			t.Errorf("a restart left %+v", got)
		}
		if err := db.Leave(ctx, "3"); err != nil {
			t.Fatal(err)
		}
		if left, err := db.Centrals(ctx); err != nil || len(left) != 0 {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

func TestJoinRefused(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		join(t, db, "1", "a", "fa")
		no := errors.New("no")
		err := db.Join(t.Context(), database.Central{ID: "2", Name: "b", Folder: "fb"}, nil, func(others []database.Central) error {
			if len(others) != 1 || others[0].ID != "1" {
				t.Errorf("%+v", others)
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Error(err)
		}
		if list, err := db.Centrals(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestFenceHolds: while a transaction stands on a lease, nobody takes it over.
func TestFenceHolds(t *testing.T) {
	url := postgrestest.URL(t)
	one, two := databasetest.Open(t, url), databasetest.Open(t, url)
	join(t, one, "1", "a", "fa")
	join(t, two, "2", "b", "fb")
	if err := one.TakeLeases(t.Context(), "1", []string{"signer"}); err != nil {
		t.Fatal(err)
	}
	lease := owners(t, one)["signer"]
	seen, err := two.Centrals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = one.Feed(t.Context(), func(tx *database.FeedTx) error {
		if err := tx.Fence(lease); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := two.Bury(short, seen[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the lease was freed in the middle of its owner's transaction: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := two.Bury(t.Context(), seen[0]); err != nil {
		t.Error(err)
	}
	if got := owners(t, two)["signer"]; got.Owner != "" {
		t.Errorf("%+v", got)
	}
}

// TestWatch: one central's change wakes another.
func TestWatch(t *testing.T) {
	url := postgrestest.URL(t)
	one, two := databasetest.Open(t, url), databasetest.Open(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() { ended <- two.Watch(ctx, func() { woken <- struct{}{} }) }()
	<-woken // it listens
	if err := one.ChangeDocument(t.Context(), "rules", 1, "body", 1, database.Deed{By: "test"}); err != nil {
		t.Fatal(err)
	}
	<-woken
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
