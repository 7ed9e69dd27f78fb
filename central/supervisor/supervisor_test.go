package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/issuer"
	"turnstile/central/link"
	"turnstile/central/pass"
)

var hongKong = time.FixedZone("HKT", 8*3600)

// desk is an office with a database, true keys, and lanes that can be told to
// have used codes.
type desk struct {
	*testing.T
	*Codes
	path    string
	db      *database.DB
	signer  Signer
	now     time.Time
	journal database.Journal
	seq     uint64
}

func newDesk(t *testing.T, where string) *desk {
	t.Helper()
	d := &desk{T: t, path: where, signer: quick{}, now: time.Date(2026, 11, 22, 14, 30, 20, 0, hongKong)}
	d.open()
	d.journal = database.Journal{Lane: "north", ID: link.JournalID{1}}
	d.ledger(func(tx *database.LedgerTx) error { return tx.AddJournal(&d.journal) })
	return d
}

// quick signs nothing: opening true keys takes a second.
type quick struct{}

func (quick) Mint(p pass.Pass) (pass.Pass, []byte, error) {
	if r := p.Check(); r != pass.Granted {
		return p, nil, errors.New(r.String())
	}
	return p, make([]byte, 64), nil
}

func (quick) Index(_ pass.Day, number, capacity uint32) (uint32, error) {
	return capacity - 1 - number, nil
}

// open opens the database, as central does when it starts.
func (d *desk) open() {
	db, err := database.Open(context.Background(), d.path)
	if err != nil {
		d.Fatal(err)
	}
	d.db = db
	d.Cleanup(func() { db.Close() })
	d.Codes = New(Config{
		Site: "campus", Capacity: 1024, Location: hongKong, DB: db, Signer: d.signer, Now: func() time.Time { return d.now },
		Enrolled: func(c string, lane uint8) bool { return c == "north" && lane <= 2 },
		Revoke: func(ctx context.Context, by, sheet string, id *pass.ID, reason string) (done []database.SupervisorCode, err error) {
			err = db.Feed(ctx, func(tx *database.FeedTx) error {
				done, err = tx.RevokeSupervisor(sheet, id, d.now.UnixMilli(), by, reason)
				return err
			})
			return done, err
		},
		Log: slog.New(slog.DiscardHandler),
	})
}

func (d *desk) ledger(f func(tx *database.LedgerTx) error) {
	d.Helper()
	if err := d.db.Ledger(context.Background(), f); err != nil {
		d.Fatal(err)
	}
}

// lane puts an entry about a code into the ledger, as if a lane had sent it.
func (d *desk) lane(t link.EntryType, id pass.ID, number uint8) {
	d.Helper()
	d.seq++
	e := link.Entry{Type: t, Lane: number, Seq: d.seq, Kind: pass.Supervisor, Pass: id, Gen: uint8(pass.CauseOutage), Wall: d.now.UnixMilli()}
	d.ledger(func(tx *database.LedgerTx) error {
		return tx.Append(d.journal.Key, d.now.UnixMilli(), []database.Row{{Seq: d.seq, Day: id.Day, Pass: id, Entry: e.Append(nil)}})
	})
}

func (d *desk) issue(change func(o *Order)) []database.SupervisorCode {
	d.Helper()
	list, err := d.Issue(context.Background(), "office", order(change))
	if err != nil {
		d.Fatal(err)
	}
	return list
}

func order(change func(o *Order)) Order {
	o := Order{Lane: "north", Number: 1, Action: pass.ActOpenIn, Cause: pass.CauseOutage, Count: 3, Days: 2, Officer: "desk 3"}
	if change != nil {
		change(&o)
	}
	return o
}

func (d *desk) list(f Filter) []State {
	d.Helper()
	s, err := d.List(context.Background(), f)
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// alarms returns how often each code was raised.
func (d *desk) alarms() map[string]int {
	d.Helper()
	if err := d.Reconcile(context.Background()); err != nil {
		d.Fatal(err)
	}
	rows, err := d.db.Alarms(context.Background(), 0, 1000)
	if err != nil {
		d.Fatal(err)
	}
	n := map[string]int{}
	for _, r := range rows {
		n[r.Code] += int(r.Count)
		if r.Next == "" || r.Detail == "" {
			d.Errorf("alarm %+v", r)
		}
	}
	return n
}

// TestIssuedCodesAreGood at the lane that they are for, from now to the end of the
// last day, and different ones.
func TestIssuedCodesAreGood(t *testing.T) { databasetest.Each(t, testIssuedCodesAreGood) }

func testIssuedCodesAreGood(t *testing.T, where string) {
	d := newDesk(t, where)
	keys, err := issuer.Open(filepath.Join(t.TempDir(), "keys"), "campus", []byte("correct horse"), d.now)
	if err != nil {
		t.Fatal(err)
	}
	today := pass.DayOf(d.now)
	if err := keys.Renew(today, today+30, false, d.now); err != nil {
		t.Fatal(err)
	}
	d.config.Signer = keys
	keyset, _, err := keys.Keys()
	if err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{1, 2, 7} {
		ids := map[pass.ID]bool{}
		for _, row := range d.issue(func(o *Order) { o.Days = days }) {
			s, r := pass.ParseSupervisor([]byte(row.Code))
			key, ok := keyset.Find(s.KeyID)
			if r != pass.Granted || !ok || !key.Signs(pass.Supervisor, s.Day) || !s.Verify(key.Public) {
				t.Fatalf("%s: %s, key %d known %v", row.ID, r, s.KeyID, ok)
			}
			from, until := s.Window()
			end := time.Date(2026, 11, 22+days, 0, 0, 0, 0, hongKong).Unix()
			if from > d.now.Unix() || d.now.Unix()-from >= 60 || until > end+3600 || until < min(end, from+pass.MaxHours*3600) {
				t.Errorf("%d days: valid %d s before now, to %d s after the last midnight", days, d.now.Unix()-from, until-end)
			}
			if s.Lane != pass.LaneRefOf("campus", "north", 1) || s.Action != pass.ActOpenIn || s.ID() != row.ID || ids[row.ID] {
				t.Errorf("%+v", s)
			}
			ids[row.ID] = true
		}
		if len(ids) != 3 {
			t.Errorf("%d codes", len(ids))
		}
	}
	p, err := d.db.InsertPass(context.Background(), pass.DayOf(d.now), 1024, func(number, capacity uint32) (database.Pass, error) {
		if number != 9 {
			t.Errorf("the next pass has the number %d, not 9", number)
		}
		return database.Pass{}, errors.New("enough")
	})
	if err == nil {
		t.Errorf("%+v", p)
	}
}

// TestWindowInEveryZone: a code of any minute, anywhere on Earth, is one that
// lanes take.
func TestWindowInEveryZone(t *testing.T) { databasetest.Each(t, testWindowInEveryZone) }

func testWindowInEveryZone(t *testing.T, where string) {
	d := newDesk(t, where)
	for _, hours := range []int{-12, -5, 0, 8, 14} {
		d.config.Location = time.FixedZone("", hours*3600)
		for minute := 0; minute < 24*60; minute += 17 {
			now := time.Date(2026, 11, 22, 0, minute, 59, 0, d.config.Location)
			for days := 1; days <= MaxDays; days++ {
				s, err := d.blank(order(func(o *Order) { o.Days = days }), now)
				if err != nil {
					t.Fatalf("UTC%+d, minute %d, %d days: %v", hours, minute, days, err)
				}
				if from, _ := s.Window(); from > now.Unix() || now.Unix()-from >= 60 {
					t.Fatalf("UTC%+d, minute %d: begins %d s before now", hours, minute, now.Unix()-from)
				}
			}
		}
	}
}

func TestIssueRefuses(t *testing.T) { databasetest.Each(t, testIssueRefuses) }

func testIssueRefuses(t *testing.T, where string) {
	d := newDesk(t, where)
	for name, c := range map[string]struct {
		change func(o *Order)
		want   error
	}{
		"no action":       {func(o *Order) { o.Action = 0 }, ErrOrder},
		"no cause":        {func(o *Order) { o.Cause = 99 }, ErrOrder},
		"none":            {func(o *Order) { o.Count = 0 }, ErrOrder},
		"too many":        {func(o *Order) { o.Count = MaxSheet + 1 }, ErrOrder},
		"too long":        {func(o *Order) { o.Days = MaxDays + 1 }, ErrOrder},
		"to nobody":       {func(o *Order) { o.Officer = "" }, ErrOrder},
		"unknown lane":    {func(o *Order) { o.Number = 3 }, ErrLane},
		"another central": {func(o *Order) { o.Lane = "south" }, ErrLane},
	} {
		if _, err := d.Issue(context.Background(), "office", order(c.change)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if n := len(d.list(Filter{})); n != 0 {
		t.Errorf("%d codes", n)
	}
}

// TestWeeklyLimit: a lane has so many a week, whoever asks, and another lane its own.
func TestWeeklyLimit(t *testing.T) { databasetest.Each(t, testWeeklyLimit) }

func testWeeklyLimit(t *testing.T, where string) {
	d := newDesk(t, where)
	full := func(o *Order) { o.Count = MaxSheet }
	for range MaxWeek / MaxSheet {
		d.issue(full)
	}
	if _, err := d.Issue(context.Background(), "office", order(func(o *Order) { o.Count = 1 })); !errors.Is(err, ErrLimit) {
		t.Errorf("%v, want %v", err, ErrLimit)
	}
	d.issue(func(o *Order) { o.Number = 2 })
	d.now = d.now.Add(week + time.Second)
	d.issue(full)
}

// TestReconciliation goes through all that can become of a code.
func TestReconciliation(t *testing.T) { databasetest.Each(t, testReconciliation) }

func testReconciliation(t *testing.T, where string) {
	d := newDesk(t, where)
	sheet := d.issue(func(o *Order) { o.Count = 8 })
	use := func(i int, types ...link.EntryType) {
		for _, e := range types {
			d.lane(e, sheet[i].ID, 1)
		}
	}
	use(1, link.EntryGranted)
	use(2, link.EntryGranted, link.EntryPassed)
	use(3, link.EntryGranted, link.EntryUnknown)
	use(4, link.EntryGranted, link.EntryNotPassed)
	use(5, link.EntryDenied)
	use(6, link.EntryGranted, link.EntryNotPassed, link.EntryGranted, link.EntryPassed)
	if _, err := d.Revoke(context.Background(), "office", sheet[7].ID.String(), "lost"); err != nil {
		t.Fatal(err)
	}
	want := []Status{Unused, Open, Used, Unsure, Returned, Unused, Used, Revoked}
	got := d.list(Filter{Sheet: sheet[0].Sheet})
	for i, s := range got {
		if s.Status != want[i] || s.Place != i+1 || (s.Ledger != 0) != (i >= 1 && i <= 6 && i != 5) || s.Tried != map[int]int{5: 1}[i] {
			t.Errorf("code %d is %+v, want %s", i, s, want[i])
		}
	}
	if n := d.alarms(); n[CodeUsed] != 3 || len(n) != 1 {
		t.Errorf("alarms %v", n)
	}
	yes, no := true, false
	if used, rest := d.list(Filter{Used: &yes}), d.list(Filter{Used: &no}); len(used) != 4 || len(rest) != 4 || used[1].UsedBy != "north" || used[1].UsedLane != 1 {
		t.Errorf("%d used, %d not", len(used), len(rest))
	}
	counts, err := d.Counts(context.Background())
	if err != nil || counts[Used] != 2 || counts[Revoked] != 1 || counts[Unused] != 2 {
		t.Errorf("%v, %v", counts, err)
	}
	d.now = d.now.AddDate(0, 0, 3)
	want = []Status{Expired, Open, Used, Unsure, Expired, Expired, Used, Revoked}
	for i, s := range d.list(Filter{}) {
		if s.Status != want[i] {
			t.Errorf("later code %d is %s, want %s", i, s.Status, want[i])
		}
	}
	d.now = d.now.AddDate(0, 0, 8)
	if len(d.list(Filter{})) != 0 || len(d.list(Filter{All: true})) != 8 {
		t.Error("old codes")
	}
}

// TestAlarms: what must not be, each by its name; and each once over restarts.
func TestAlarms(t *testing.T) { databasetest.Each(t, testAlarms) }

func testAlarms(t *testing.T, where string) {
	d := newDesk(t, where)
	sheet := d.issue(nil)
	d.lane(link.EntryGranted, pass.ID{Day: 1, Index: 1}, 1)
	d.lane(link.EntryMode, pass.ID{Day: 1, Index: 2}, 1)
	d.lane(link.EntryPassed, sheet[0].ID, 1)
	d.lane(link.EntryPassed, sheet[0].ID, 1)
	d.lane(link.EntryPassed, sheet[1].ID, 2)
	if _, err := d.Revoke(context.Background(), "office", sheet[0].Sheet, "lost"); err != nil {
		t.Fatal(err)
	}
	d.now = d.now.Add(time.Minute)
	d.lane(link.EntryMode, sheet[2].ID, 1)
	want := map[string]int{CodeUnissued: 2, CodeTwice: 1, CodeLane: 1, CodeRevoked: 1, CodeUsed: 3}
	for range 3 {
		got := d.alarms()
		for code, n := range want {
			if got[code] != n {
				t.Errorf("%s raised %d times, want %d", code, got[code], n)
			}
		}
		d.db.Close()
		d.open()
	}
}

func TestRevoke(t *testing.T) { databasetest.Each(t, testRevoke) }

func testRevoke(t *testing.T, where string) {
	d := newDesk(t, where)
	sheet := d.issue(nil)
	done, err := d.Revoke(context.Background(), "office", sheet[1].ID.String(), "lost")
	if err != nil || len(done) != 1 || done[0].ID != sheet[1].ID {
		t.Fatalf("%d revoked, %v", len(done), err)
	}
	if done, err = d.Revoke(context.Background(), "office", sheet[0].Sheet, "lost"); err != nil || len(done) != 2 {
		t.Errorf("%d revoked, %v", len(done), err)
	}
	for _, what := range []string{"NOSUCH", "2026-11-22/000000", ""} {
		if _, err := d.Revoke(context.Background(), "office", what, ""); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", what, err)
		}
	}
}
