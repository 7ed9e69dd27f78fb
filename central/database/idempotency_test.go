package database_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/pass"
)

func requestKey(text, claim string) database.RequestKey {
	return database.RequestKey{Token: "desk", Key: sha256.Sum256([]byte(text)), Request: sha256.Sum256([]byte("issue")), Claim: claim}
}

func TestRequestsTakeTheirKeyOnce(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, d *database.DB) {
		ctx := t.Context()
		first, second := requestKey("k", "first"), requestKey("k", "second")
		begin := func(k database.RequestKey, at, stale int64) database.RequestRow {
			t.Helper()
			row, err := d.BeginRequest(ctx, k, database.RequestTerms{At: at, Forget: at - 1000, Stale: stale, Limit: 10})
			if err != nil {
				t.Fatal(err)
			}
			return row
		}
		if row := begin(first, 2000, 0); row.Claim != "first" || row.State != database.RequestRunning {
			t.Errorf("first: %+v", row)
		}
		if row := begin(second, 2001, 0); row.Claim != "first" {
			t.Errorf("second while the first runs: %+v", row)
		}
		other := second
		other.Request[0]++
		if row := begin(other, 2001, 2001); row.Claim != "first" || row.Request != first.Request {
			t.Errorf("another request takes the key over: %+v", row)
		}
		if row := begin(second, 2002, 2001); row.Claim != "second" || row.Begun != 2002 {
			t.Errorf("second after the first went stale: %+v", row)
		}
		if err := d.EndRequest(ctx, first, database.RequestAnswered, []byte("late")); err != nil {
			t.Fatal(err)
		}
		if row := begin(first, 2003, 0); row.Claim != "second" || row.State != database.RequestRunning {
			t.Errorf("the first, whose key is lost, wrote: %+v", row)
		}
		if err := d.EndRequest(ctx, second, database.RequestAnswered, []byte("answer")); err != nil {
			t.Fatal(err)
		}
		if err := d.FreeRequest(ctx, second); err != nil {
			t.Fatal(err)
		}
		if row := begin(first, 2004, 2004); row.State != database.RequestAnswered || string(row.Answer) != "answer" {
			t.Errorf("answered: %+v", row)
		}
		if row := begin(first, 3003, 0); row.State != database.RequestRunning || row.Claim != "first" {
			t.Errorf("a second later it is not forgotten: %+v", row)
		}
		if err := d.FreeRequest(ctx, first); err != nil {
			t.Fatal(err)
		}
		if row := begin(second, 3003, 0); row.Claim != "second" {
			t.Errorf("a freed key is not free: %+v", row)
		}
	})
}

// TestPassAndItsKeyStandTogether: a pass notes the request that it was issued
// for in its own transaction, and an attempt whose key was taken over issues none.
func TestPassAndItsKeyStandTogether(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, d *database.DB) {
		k := requestKey("k", "first")
		if _, err := d.BeginRequest(t.Context(), k, database.RequestTerms{At: 1000, Limit: 10}); err != nil {
			t.Fatal(err)
		}
		mint := func(number, _ uint32) (database.Pass, error) {
			p := database.Pass{Pass: pass.Pass{Kind: pass.ECard, KeyID: 1, Day: 2516, Index: number, Length: 6, Zones: 1}, Signature: make([]byte, 64), Issued: 1, IssuedBy: "desk"}
			return p, nil
		}
		lost := k
		lost.Claim = "somebody else"
		if _, err := d.InsertPass(database.WithRequest(t.Context(), lost), 2516, 1024, mint); !errors.Is(err, database.ErrClaimLost) {
			t.Fatalf("issued without the claim: %v", err)
		}
		if n, err := d.Issued(t.Context(), 2516); n != 0 || err != nil {
			t.Fatalf("%d passes, %v", n, err)
		}
		p, err := d.InsertPass(database.WithRequest(t.Context(), k), 2516, 1024, mint)
		if err != nil {
			t.Fatal(err)
		}
		row, err := d.BeginRequest(t.Context(), requestKey("k", "second"), database.RequestTerms{At: 1001, Stale: 1001, Limit: 10})
		if err != nil || row.State != database.RequestMade || row.Made != p.ID().String() {
			t.Errorf("after the pass: %+v, %v", row, err)
		}
		if _, err := d.InsertPass(database.WithRequest(t.Context(), k), 2516, 1024, mint); !errors.Is(err, database.ErrClaimLost) {
			t.Errorf("a second pass for one request: %v", err)
		}
	})
}

func TestRequestKeysAreBounded(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, d *database.DB) {
		begin := func(name string, at, forget int64) error {
			_, err := d.BeginRequest(t.Context(), requestKey(name, "c"), database.RequestTerms{At: at, Forget: forget, Limit: 20})
			return err
		}
		for i := range 20 {
			if err := begin(fmt.Sprint(i), 1000, 0); err != nil {
				t.Fatal(i, err)
			}
		}
		if err := begin("more", 1000, 0); !errors.Is(err, database.ErrKeysFull) {
			t.Errorf("one more: %v", err)
		}
		if err := begin("more", 3000, 2000); err != nil {
			t.Errorf("a day later: %v", err)
		}
		added := 0 // ten of the twenty were forgotten, one was added
		for begin(fmt.Sprint("after", added), 3000, 0) == nil && added < 20 {
			added++
		}
		if added != 9 {
			t.Errorf("room for %d more, want 9", added)
		}
	})
}
