package ledger

import (
	"context"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// given stores a command to a lane.
func (s *shop) given(t testing.TB, lane string, issued int64) *database.Command {
	t.Helper()
	c := &database.Command{Command: link.Command{Lane: lane, Action: link.CommandIdentify, Index: 1, Issued: issued, Expires: issued + 30_000}, By: "guard", Reason: "a test"}
	if err := s.db.AddCommand(context.Background(), c, lane+"/1", "", func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	return c
}

// about adds an entry about a command.
func (j *journal) about(c *database.Command, t link.EntryType, reason pass.Reason, detail uint16) {
	e := c.EntryOf()
	e.Type, e.Lane, e.Direction, e.Seq, e.Boot, e.Wall, e.Reason, e.Detail = t, 1, 1, uint64(len(j.entries)+1), 1, now.UnixMilli(), reason, detail
	if t == link.EntryPassed || t == link.EntryNotPassed || t == link.EntryUnknown {
		e.Grant = e.Seq - 1
	}
	j.add(e)
}

// TestCommandsAreAnswered: what a journal says of a command is found with it, in
// the transaction of the entry, once, and of this lane alone.
func TestCommandsAreAnswered(t *testing.T) { databasetest.Each(t, testCommandsAreAnswered) }

func testCommandsAreAnswered(t *testing.T, where string) {
	s := newShop(t, where)
	at := now.UnixMilli()
	passed, gaveBack, unknown, refused, shown, open, twice := s.given(t, "N1", at), s.given(t, "N1", at), s.given(t, "N1", at), s.given(t, "N1", at),
		s.given(t, "N1", at), s.given(t, "N1", at), s.given(t, "N1", at)
	waiting, other := s.given(t, "N1", at), s.given(t, "N2", at)
	if passed.Number != uint64(at) || waiting.Number != uint64(at)+7 || other.Number != uint64(at) {
		t.Fatalf("numbers %d, %d, %d", passed.Number, waiting.Number, other.Number)
	}
	j := newJournal("N1", 1, 3)
	j.about(passed, link.EntryGranted, 0, 0)
	j.about(passed, link.EntryPassed, 0, 0)
	j.about(gaveBack, link.EntryGranted, 0, 0)
	j.about(gaveBack, link.EntryNotPassed, pass.GateFault, 0)
	j.about(unknown, link.EntryGranted, 0, 0)
	j.about(unknown, link.EntryUnknown, 0, 0)
	j.about(refused, link.EntryDenied, pass.GateFault, link.FaultFire)
	j.about(shown, link.EntryShown, 0, 0)
	j.grow(45) // a floor among them
	j.about(open, link.EntryGranted, 0, 0)
	j.about(twice, link.EntryDenied, pass.Expired, 0)
	j.about(twice, link.EntryPassed, 0, 0) // no lane writes this
	n := len(j.entries)
	s.put(t, "N1", j.batch(t, 1, 6))
	s.expect(t, j, 6)
	s.put(t, "N1", j.batch(t, 1, n))
	s.expect(t, j, n)
	s.put(t, "N1", j.batch(t, 4, n))
	s.expect(t, j, n)
	for what, x := range map[string]struct {
		c      *database.Command
		answer link.EntryType
		reason pass.Reason
		detail uint16
		entry  int64
	}{
		"passed": {passed, link.EntryPassed, 0, 0, 5}, "gave back": {gaveBack, link.EntryNotPassed, pass.GateFault, 0, 7}, "unknown": {unknown, link.EntryUnknown, 0, 0, 9},
		"refused": {refused, link.EntryDenied, pass.GateFault, link.FaultFire, 10}, "shown": {shown, link.EntryShown, 0, 0, 11},
		"open": {open, link.EntryGranted, 0, 0, int64(n) - 2}, "twice": {twice, link.EntryDenied, pass.Expired, 0, int64(n) - 1},
		"waiting": {waiting, 0, 0, 0, 0}, "another lane's": {other, 0, 0, 0, 0},
	} {
		c, err := s.db.Command(context.Background(), x.c.Lane, x.c.Number)
		if err != nil || c.Answer != x.answer || c.Refused != x.reason || c.Detail != x.detail || c.Entry != x.entry || c.By != "guard" || c.Reason != "a test" {
			t.Errorf("%s: %+v, %v; want %+v", what, c, err, x)
		}
	}
	if codes := s.alarmCodes(t); len(codes) != 0 {
		t.Errorf("alarms %v", codes)
	}
}

// TestUnknownCommand: a lane that opened for a command which central never gave is
// an alarm; for another lane's number too.
func TestUnknownCommand(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, where string) {
		s := newShop(t, where)
		c := s.given(t, "N2", now.UnixMilli())
		j := newJournal("N1", 1, 1)
		j.about(c, link.EntryGranted, 0, 0)
		j.about(c, link.EntryPassed, 0, 0)
		s.put(t, "N1", j.batch(t, 1, 3))
		if codes := s.alarmCodes(t); len(codes) != 1 || codes[CodeCommand] != 1 {
			t.Errorf("alarms %v", codes)
		}
		if c, err := s.db.Command(context.Background(), "N2", c.Number); err != nil || c.Answer != 0 {
			t.Errorf("%+v, %v", c, err)
		}
	})
}
