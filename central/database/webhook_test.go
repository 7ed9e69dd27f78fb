package database_test

import (
	"errors"
	"fmt"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

func addWebhook(t *testing.T, d *database.DB, id string) {
	t.Helper()
	if err := d.AddWebhook(t.Context(), database.Webhook{ID: id, URL: "https://example.edu/", Events: "revocation", Secret: []byte("sealed"), Created: 1, CreatedBy: "test"}); err != nil {
		t.Fatal(err)
	}
}

// TestFeedIsReadOverEpochs: after a restored backup the feed begins a new epoch, and
// a webhook goes on with it.
func TestFeedIsReadOverEpochs(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, d *database.DB) {
		log := func(epoch uint32, first uint64, n int) {
			t.Helper()
			events := make([]link.Event, n)
			for i := range events {
				events[i] = link.Event{Type: link.Revoke, Day: 2516, Value: uint32(first) + uint32(i)}
			}
			err := d.Feed(t.Context(), func(tx *database.FeedTx) error { return tx.Append(epoch, first, link.Hash{}, 5, events) })
			if err != nil {
				t.Fatal(err)
			}
		}
		log(7, 1, 5)
		addWebhook(t, d, "h")
		h, err := d.Webhook(t.Context(), "h")
		if err != nil || h.At != (database.Position{Epoch: 7, Seq: 5}) {
			t.Errorf("a new webhook stands at %+v, %v", h.At, err)
		}
		log(9, 1, 2)
		if p, err := d.Newest(t.Context()); err != nil || p != (database.Position{Epoch: 9, Seq: 2}) {
			t.Errorf("newest %+v, %v", p, err)
		}
		var got string
		for at := (database.Position{Epoch: 7, Seq: 3}); ; {
			rows, err := d.FeedAfter(t.Context(), at.Epoch, at.Seq, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				break
			}
			for _, r := range rows {
				got += fmt.Sprintf(" %d.%d=%d", r.Epoch, r.Seq, r.Event.Value)
				at.Epoch, at.Seq = r.Epoch, r.Seq
			}
		}
		if got != " 7.4=4 7.5=5 9.1=1 9.2=2" {
			t.Errorf("read%s", got)
		}
	})
}

func TestWebhookHasOneOwner(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, d *database.DB) {
		ctx := t.Context()
		addWebhook(t, d, "h")
		mine, err := d.ClaimWebhook(ctx, "h", "me", 1000, 2000)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.ClaimWebhook(ctx, "h", "you", 1999, 3000); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("claimed twice: %v", err)
		}
		yours, err := d.ClaimWebhook(ctx, "h", "you", 2000, 3000)
		if err != nil {
			t.Fatal(err)
		}
		mine.At.Alarm = 7
		if err := d.MarkWebhook(ctx, mine, "me", 4000, &database.Delivery{}); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("moved by who has lost it: %v", err)
		}
		yours.At.Alarm, yours.NextTry = 8, 5000
		for i := range 150 {
			if err := d.MarkWebhook(ctx, yours, "you", 0, &database.Delivery{At: int64(i), Event: "e"}); err != nil {
				t.Fatal(err)
			}
		}
		if h, err := d.Webhook(ctx, "h"); err != nil || h.At.Alarm != 8 {
			t.Errorf("%+v, %v", h, err)
		}
		list, err := d.Deliveries(ctx, "h", 1<<62, 500)
		if err != nil || len(list) != 100 || list[0].Number != 150 || list[99].Number != 51 {
			t.Errorf("%d deliveries kept, %v", len(list), err)
		}
		if _, err := d.ClaimWebhook(ctx, "h", "me", 4999, 9000); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("claimed before it is due: %v", err)
		}
		yours.Disabled, yours.Why = 4000, "gone"
		if err := d.MarkWebhook(ctx, yours, "you", 0, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ClaimWebhook(ctx, "h", "me", 9000, 9999); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("claimed a disabled one: %v", err)
		}
		if err := d.EnableWebhook(ctx, "h", "test", 1); err != nil {
			t.Fatal(err)
		}
		if h, err := d.ClaimWebhook(ctx, "h", "me", 9000, 9999); err != nil || h.At.Alarm != 8 || h.Why != "" {
			t.Errorf("%+v, %v", h, err)
		}
		if err := d.RemoveWebhook(ctx, "h", "test", 1); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveWebhook(ctx, "h", "test", 1); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		for i := range database.MaxWebhooks {
			addWebhook(t, d, fmt.Sprint("h", i))
		}
		if err := d.AddWebhook(ctx, database.Webhook{ID: "more", Secret: []byte("x")}); !errors.Is(err, database.ErrConflict) {
			t.Errorf("one more: %v", err)
		}
	})
}

func TestTokenRows(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, d *database.DB) {
		ctx := t.Context()
		row := database.Token{ID: "one", Name: "screen", Scopes: "passages.read lanes.read", Lanes: "north", Secret: link.Hash{1}, Created: 5, CreatedBy: "boss", Expires: 9}
		if err := d.AddToken(ctx, row); err != nil {
			t.Fatal(err)
		}
		if err := d.AddToken(ctx, database.Token{ID: "two", Name: "screen"}); !errors.Is(err, database.ErrConflict) {
			t.Errorf("a name twice: %v", err)
		}
		turned, err := d.RotateToken(ctx, "screen", "admin", 6, "three", link.Hash{2})
		if err != nil || turned.Scopes != row.Scopes || turned.Lanes != "north" || turned.Expires != 9 || turned.CreatedBy != "admin" {
			t.Errorf("%+v, %v", turned, err)
		}
		if _, err := d.Token(ctx, "one"); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("the token before its rotation: %v", err)
		}
		if got, err := d.Token(ctx, "three"); err != nil || got != turned {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := d.RotateToken(ctx, "other", "admin", 6, "four", link.Hash{}); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("rotated what is not there: %v", err)
		}
		for n, by := range []string{"first", "second"} { // within one millisecond
			id := []string{"a", "b"}[n]
			if _, err := d.RotateToken(ctx, "screen", by, int64(7+n), "A"+id, link.Hash{}); err != nil {
				t.Fatal(err)
			}
			if _, err := d.RotateToken(ctx, "screen", by+"-after", int64(7+n), "Z"+id, link.Hash{}); err != nil {
				t.Fatal(err)
			}
			if maker, err := d.TokenMaker(ctx, "screen", int64(7+n)); err != nil || maker != by+"-after" {
				t.Errorf("made by %s, %v", maker, err)
			}
		}
		if maker, err := d.TokenMaker(ctx, "screen", 7); err != nil || maker != "first-after" {
			t.Errorf("of before: made by %s, %v", maker, err)
		}
		if err := d.RevokeToken(ctx, "screen", "admin", 9); err != nil {
			t.Fatal(err)
		}
		if err := d.RevokeToken(ctx, "screen", "admin", 7); !errors.Is(err, database.ErrNotFound) {
			t.Errorf("revoked twice: %v", err)
		}
	})
}
