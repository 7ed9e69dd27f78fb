package database

import (
	"bytes"
	"errors"
	"testing"

	"turnstile/central/pass"
)

// TestGuestLinks: a pass has one link, which is found by its token's hash alone.
func TestGuestLinks(t *testing.T) { both(t, testGuestLinks) }

func testGuestLinks(t *testing.T, d *DB) {
	id := pass.ID{Day: 2516, Index: 7}
	first, err := d.KeepGuestLink(ctx, GuestLink{Pass: id, Token: []byte("hash one"), Sealed: []byte("sealed"), Made: 5})
	if err != nil || !bytes.Equal(first.Token, []byte("hash one")) || first.Made != 5 || first.Opened != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := d.KeepGuestLink(ctx, GuestLink{Pass: id, Token: []byte("hash two"), Sealed: []byte("other"), Made: 6})
	if err != nil || !bytes.Equal(again.Token, first.Token) || again.Made != 5 {
		t.Errorf("a second link: %+v, %v", again, err)
	}
	if _, err := d.GuestByToken(ctx, []byte("hash two")); !errors.Is(err, ErrNotFound) {
		t.Errorf("a token that nobody has: %v", err)
	}
	for _, err := range []error{d.GuestLinkSent(ctx, id, 8), d.GuestLinkOpened(ctx, id, 9), d.GuestLinkOpened(ctx, id, 10)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if l, err := d.GuestByToken(ctx, []byte("hash one")); err != nil || l.Pass != id || l.Sent != 8 || l.Opened != 9 || !bytes.Equal(l.Sealed, []byte("sealed")) {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := d.ErasePasses(ctx, id.Day+1, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := d.GuestByToken(ctx, []byte("hash one")); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the day was erased: %v", err)
	}
}
