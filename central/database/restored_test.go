package database

import (
	"errors"
	"testing"
	"time"

	"turnstile/central/pass"
)

// TestRestoredAccess: what was used up after the copy was made does not let anybody
// in again: sessions that were ended, invitations and enrolment tokens that were
// used; also if the feed never told anything.
func TestRestoredAccess(t *testing.T) { both(t, testRestoredAccess) }

func testRestoredAccess(t *testing.T, d *DB) {
	for _, err := range []error{
		d.AddPerson(ctx, Person{ID: "p", Name: "ann", Created: 1}, "admin"),
		d.SaveSession(ctx, Session{ID: "s", Person: "p", Created: 1, Seen: 1}),
		d.InvitePerson(ctx, PersonInvitation{ID: "i", Person: "p", Secret: []byte("x"), Created: 1, Expires: 1 << 60}, "admin"),
		d.Invite(ctx, Invitation{ID: [8]byte{1}, Lane: "north", Created: 1, Expires: 1 << 60}, "admin"),
		d.AddToken(ctx, Token{ID: "t", Name: "portal", Role: "admin"}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.NewEpoch(ctx, 1, 2, "restore"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Session(ctx, "s"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a session: %v", err)
	}
	if _, err := d.PersonInvitation(ctx, "i"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an invitation: %v", err)
	}
	if _, err := d.Invitation(ctx, append([]byte{1}, make([]byte, 7)...)); !errors.Is(err, ErrNotFound) {
		t.Errorf("an enrolment token: %v", err)
	}
	if _, err := d.Token(ctx, "t"); err != nil {
		t.Errorf("a token is what was restored: %v", err)
	}
	if e, err := d.AuditHead(ctx); err != nil || e.Action != "restore" {
		t.Errorf("the audit ends with %q: %v", e.Action, err)
	}
}

// TestRestoredNumbers: no pass that is issued after a restoration has the number of
// one that was issued between the copy and the loss, on whatever day.
func TestRestoredNumbers(t *testing.T) { both(t, testRestoredNumbers) }

func testRestoredNumbers(t *testing.T, d *DB) {
	const capacity, lost = 1024, 50
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	today := pass.DayOf(now)
	issue := func(day pass.Day) uint32 {
		t.Helper()
		p, err := d.InsertPass(ctx, day, capacity, mint(day, "A", 1))
		if err != nil {
			t.Fatal(err)
		}
		return p.Index
	}
	for range 10 {
		issue(today)
	}
	if _, err := d.NewEpoch(ctx, 0, now.UnixMilli(), "restore"); err != nil {
		t.Fatal(err)
	}
	for day, issued := range map[pass.Day]uint32{today: 10, today + 1: 0, today + 30: 0} {
		if n := issue(day); n < issued+lost || n > capacity/2 {
			t.Errorf("%s: number %d behind %d that the copy has", day, n, issued)
		}
	}
	if least, _, err := d.LeastEpoch(ctx); err != nil || least != 0 {
		t.Errorf("a feed that told nothing begins in epoch %d: %v", least, err)
	}
}
