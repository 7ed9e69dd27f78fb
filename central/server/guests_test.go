package server

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/guests"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// restrict puts rules for guests into force.
func (s *opened) restrict(t *testing.T, change func(*guests.Rules)) {
	t.Helper()
	k := newGuestRules(s.central)
	now, err := k.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	change(&now.Rules)
	if _, err := k.Set(t.Context(), office.Change[guests.Rules]{Version: now.Version, Rules: now.Rules, By: "user:admin", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
}

func guestOf(host, name string, day pass.Day) office.Order {
	return office.Order{Kind: pass.Guest, Holder: host, GuestName: name, Day: day, Zones: 1, Length: 24 * time.Hour}
}

// TestLastPlace: of many at once, by requests and by hand, exactly as many get a
// place as there are.
func TestLastPlace(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	s.restrict(t, func(r *guests.Rules) { r.PerDay = 3 })
	day := s.feed.Today() + 1
	var got, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = passes{s.central}.Issue(t.Context(), "test", guestOf("A1", fmt.Sprint("G", i), day))
			} else {
				_, err = approvals{s.central}.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyGuests, Holder: "A1", Name: "Host",
					Guests: []string{fmt.Sprint("G", i)}, Order: guestOf("", "", day)})
			}
			switch {
			case err == nil:
				got.Add(1)
			case errors.Is(err, office.ErrConflict):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != 3 || refused.Load() != 13 {
		t.Errorf("%d got a place and %d did not", got.Load(), refused.Load())
	}
	// Another host has places of their own, on this day and of the same guests.
	if _, err := (passes{s.central}).Issue(t.Context(), "test", guestOf("A2", "G0", day)); err != nil {
		t.Error(err)
	}
	// A holder's own pass is no guest.
	card := guestOf("A1", "", day)
	card.Kind = pass.ECard
	if _, err := (passes{s.central}).Issue(t.Context(), "test", card); err != nil {
		t.Error(err)
	}
}

// TestWhatFreesAPlace: a revoked pass and a rejected request do, a held pass does
// not; what is approved was counted when it was handed in.
func TestWhatFreesAPlace(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	day := s.feed.Today()
	s.restrict(t, func(r *guests.Rules) { r.PerDay, r.Waiting, r.Upcoming = 2, 1, 3 })
	p, a := passes{s.central}, approvals{s.central}
	issue := func(want error, host string, day pass.Day) office.Pass {
		t.Helper()
		made, err := p.Issue(t.Context(), "test", guestOf(host, "G", day))
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		return made
	}
	ask := office.Submission{Kind: office.ApplyGuests, Holder: "A1", Name: "Host", Guests: []string{"One", "Two"}, Order: guestOf("", "", day)}
	x, err := a.HandIn(t.Context(), "portal", ask)
	if err != nil {
		t.Fatal(err)
	}
	issue(office.ErrConflict, "A1", day)
	ask.Order.Day++
	ask.Guests = ask.Guests[:1]
	if _, err := a.HandIn(t.Context(), "portal", ask); !errors.Is(err, office.ErrConflict) {
		t.Errorf("a second request that waits: %v", err)
	}
	// Rules that are made stricter do not take back what was handed in by others.
	s.restrict(t, func(r *guests.Rules) { r.PerDay = 1 })
	if x, err = a.Decide(t.Context(), "user:desk", office.Decision{Number: x.Number, Approve: true}); err != nil || len(x.Passes) != 2 {
		t.Fatalf("%+v, %v", x, err)
	}
	s.restrict(t, func(r *guests.Rules) { r.PerDay = 2 })
	if _, err := p.SetStatus(t.Context(), "test", x.Passes[0], link.Held, "asked"); err != nil {
		t.Fatal(err)
	}
	issue(office.ErrConflict, "A1", day)
	if _, err := p.SetStatus(t.Context(), "test", x.Passes[0], link.Revoked, "not coming"); err != nil {
		t.Fatal(err)
	}
	issue(nil, "A1", day)
	issue(nil, "A1", day+1) // the third from today on
	issue(office.ErrConflict, "A1", day+2)
	if x, err = a.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyGuests, Holder: "A2", Name: "Host", Guests: []string{"One", "Two"}, Order: ask.Order}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Decide(t.Context(), "user:desk", office.Decision{Number: x.Number, Reason: "no"}); err != nil {
		t.Fatal(err)
	}
	issue(nil, "A2", ask.Order.Day)
}

// TestException: beyond the rules only with a reason, which stands in the audit
// with the rule that it was from; and only where the rules are against it.
func TestException(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	s.restrict(t, func(r *guests.Rules) { r.PerDay = 1 })
	o := guestOf("A1", "One", s.feed.Today())
	o.Exception = "the rector's guest"
	first, err := passes{s.central}.Issue(t.Context(), "user:desk", o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := passes{s.central}.Issue(t.Context(), "user:desk", o)
	if err != nil {
		t.Fatal(err)
	}
	log, err := s.db.AuditPage(t.Context(), database.AuditFilter{Action: "guest_exception", Limit: 10})
	if err != nil || len(log) != 1 || log[0].Subject != second.ID().String() || log[0].By != "user:desk" || log[0].Detail != "per_day: the rector's guest" {
		t.Errorf("of %s and %s the audit says %+v, %v", first.ID(), second.ID(), log, err)
	}
}

// TestGuestsOfAFile: rows take places from each other, the preview says which have
// none, and where they went meanwhile the row fails alone.
func TestGuestsOfAFile(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	s.restrict(t, func(r *guests.Rules) { r.PerDay, r.Ahead = 2, 7 })
	today := s.feed.Today()
	file := "kind,holder,guest_name,day\n"
	for i, day := range []pass.Day{today, today, today, today + 7, today + 8} {
		file += fmt.Sprintf("guest,A1,G%d,%s\n", i, day)
	}
	m := imports{s.central}
	i, err := m.Preview(t.Context(), "user:desk", "guests.csv", strings.NewReader(file))
	if err != nil || i.Good != 3 || i.Bad != 2 {
		t.Fatalf("%+v, %v", i, err)
	}
	rows, err := m.Rows(t.Context(), i.ID, office.RowsFaulty, 0, 10)
	if err != nil || len(rows) != 2 || rows[0].Faults[0].Column != "holder" || rows[0].Faults[0].Arg != "2" || rows[1].Faults[0].Column != "day" || rows[1].Faults[0].Arg != (today+1).String() {
		t.Fatalf("%+v, %v", rows, err)
	}
	if _, err := (passes{s.central}).Issue(t.Context(), "test", guestOf("A1", "Other", today)); err != nil {
		t.Fatal(err)
	}
	if i, err = m.Settle(t.Context(), "user:desk", i.ID, true); err != nil {
		t.Fatal(err)
	}
	row, err := s.db.Import(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.chores.issueImport(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	if i, err = m.Find(t.Context(), i.ID); err != nil || i.Issued != 2 || i.Failed != 1 {
		t.Errorf("%+v, %v", i, err)
	}
}

// TestGuestPreview asks other rules about what was asked for, with a request that
// was approved, one that was erased, and one that is of long ago.
func TestGuestPreview(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	day := s.feed.Today() + 1
	a := approvals{s.central}
	x, err := a.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyGuests, Holder: "A1", Name: "Host", Guests: []string{"One", "Two"}, Order: guestOf("", "", day)})
	if err == nil {
		_, err = a.Decide(t.Context(), "user:desk", office.Decision{Number: x.Number, Approve: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := passes{s.central}.Issue(t.Context(), "test", guestOf("A1", "Three", day))
	if err != nil {
		t.Fatal(err)
	}
	old := database.Application{Kind: database.ApplicationGuests, Holder: "", Facts: "null", Request: "null", At: s.config.Now().UnixMilli()}
	if _, err := s.db.AddApplication(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	k := newGuestRules(s.central)
	rules := guests.Default()
	rules.PerDay = 2
	seen := 0.0
	r, err := k.PreviewGuests(t.Context(), rules, s.config.Now().AddDate(0, 0, -30), func(done float64) { seen = done })
	if err != nil || r.Asks != 2 || r.Guests != 3 || r.Erased != 1 || r.Refused[guests.PerDay] != 1 || len(r.InForce) != 0 || len(r.Rows) != 1 || r.Rows[0].Pass != p.ID() || seen <= 0 || seen > 1 {
		t.Errorf("%+v at %v: %v", r, seen, err)
	}
	rules.PerDay = 1 // then the request is refused, and so the third guest has room
	if r, err = k.PreviewGuests(t.Context(), rules, s.config.Now().AddDate(0, 0, -30), nil); err != nil || len(r.Rows) != 1 || r.Rows[0].Application != x.Number {
		t.Errorf("%+v: %v", r, err)
	}
}

// TestRetentionPreview counts exactly what is erased then, and changes nothing.
func TestRetentionPreview(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	s.issue(t, 2)
	k := newKeeping(s.central)
	e, err := k.PreviewRetention(t.Context(), office.Keep{Passages: 1, Passes: 1, Photos: 1})
	if err != nil || e.Passes != 0 || e.FirstPass != 0 || e.Passages != 0 || !e.FirstPassage.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	if now, err := k.Current(t.Context()); err != nil || now.Version != 0 || now.Rules != (office.Keep{Passages: 31, Passes: 31, Photos: 31}) {
		t.Errorf("%+v, %v", now, err)
	}
	set := office.Change[office.Keep]{Rules: office.Keep{Passages: 7, Passes: 8, Photos: 9}, By: "user:admin", Reason: "shorter"}
	if _, err := k.Set(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	if p, version, err := s.eraser.Policy(t.Context()); err != nil || version != 1 || office.Keep(p) != set.Rules {
		t.Errorf("the eraser goes by %+v, %d, %v", p, version, err)
	}
}

// TestRollBackOfAZone: a zone that comes back with an earlier version does not come
// back open for all, as it was then.
func TestRollBackOfAZone(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	r, err := rules{s.central}.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Zones = append(r.Zones, link.Zone{ID: 5, Name: "Fair", Mode: link.FreePassage})
	with, err := rules{s.central}.SetRules(t.Context(), "user:admin", r)
	if err != nil {
		t.Fatal(err)
	}
	r = with
	r.Zones = r.Zones[:len(r.Zones)-1]
	if _, err := (rules{s.central}).SetRules(t.Context(), "user:admin", r); err != nil {
		t.Fatal(err)
	}
	back, err := history{s.central}.RollBack(t.Context(), "user:admin", with.Version)
	if err != nil {
		t.Fatal(err)
	}
	if z := back.Zone(5); z == nil || z.Mode != link.Normal {
		t.Errorf("came back as %+v", z)
	}
}

// TestApprovalPolicyOfTwo: the second of two who look at the same version is told.
func TestApprovalPolicyOfTwo(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	a := approvals{s.central}
	seen, err := a.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen.Guests = false
	if err := a.SetPolicy(t.Context(), "user:one", seen); err != nil {
		t.Fatal(err)
	}
	seen.Guests, seen.ECards = true, false
	if err := a.SetPolicy(t.Context(), "user:two", seen); !errors.Is(err, office.ErrConflict) {
		t.Error(err)
	}
	if p, err := a.Policy(t.Context()); err != nil || p.Guests || !p.ECards || p.Version != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestBrokenRules: rules that cannot be read let nobody pass by.
func TestBrokenRules(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	if err := s.db.ChangeDocument(t.Context(), database.GuestDocument, 1, `{"per_day": "`, 1, database.Deed{By: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := (passes{s.central}).Issue(t.Context(), "test", guestOf("A1", "One", s.feed.Today())); !errors.Is(err, database.ErrDamaged) {
		t.Error(err)
	}
	file := bytes.NewBufferString("kind,holder,guest_name,day\nguest,A1,G," + s.feed.Today().String() + "\n")
	if i, err := (imports{s.central}).Preview(t.Context(), "user:desk", "guests.csv", file); err != nil || i.Good != 0 {
		t.Errorf("%+v, %v", i, err)
	}
}
