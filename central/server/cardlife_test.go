package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/guests"
	"turnstile/central/letters"
	"turnstile/central/link"
	"turnstile/central/mail"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	visitors "turnstile/central/portal/guests"
)

// shifted is a configuration whose clock a test moves on, from noon of today.
func shifted(t *testing.T) (Config, *atomic.Int64) {
	t.Helper()
	c := configure(t)
	var shift atomic.Int64
	hongKong := time.FixedZone("", 8*3600)
	y, m, d := time.Now().In(hongKong).Date()
	noon := time.Date(y, m, d, 12, 0, 0, 0, hongKong)
	c.Now = func() time.Time { return noon.Add(time.Duration(shift.Load())) }
	return c, &shift
}

// waiting makes the office decide about what holders ask for.
func (s *opened) waiting(t *testing.T) {
	t.Helper()
	p, err := approvals{s.central}.Policy(t.Context())
	must(t, err)
	must(t, approvals{s.central}.SetPolicy(t.Context(), "test", office.Policy{Version: p.Version, ECards: true, Guests: true}))
}

// TestPhotoLivesAsTheCard: a holder who does not use the card for longer than anything
// is kept still has a photo on it; also when it was withdrawn meanwhile.
func TestPhotoLivesAsTheCard(t *testing.T) {
	c, shift := shifted(t)
	s := openWithPortal(t, c)
	s.activate(t, "anna")
	desk, ctx := cards{s.central}, t.Context()
	s.codes(t, "anna", 1)
	shows := func(what string) {
		t.Helper()
		_, err := s.eraser.Erase(ctx)
		must(t, err)
		if c, err := desk.Card(ctx, "anna", portal.English); err != nil || c.State != card.Active || !c.Photo {
			t.Errorf("%s: %+v, %v", what, c, err)
		}
		if jpeg, err := desk.Photo(ctx, "anna"); err != nil || len(jpeg) == 0 {
			t.Errorf("%s: %d bytes, %v", what, len(jpeg), err)
		}
	}
	shift.Store(int64(40 * 24 * time.Hour))
	shows("after 40 days")
	if _, err := s.db.LastApplication(ctx, "anna", database.ApplicationECard); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("the application was not erased, so that this shows nothing: %v", err)
	}
	_, err := ecards{s.central}.Withdraw(ctx, "user:lee", office.CardWithdrawal{Person: "anna", Reason: "lent"})
	must(t, err)
	shift.Store(int64(400 * 24 * time.Hour))
	_, err = s.eraser.Erase(ctx)
	must(t, err)
	_, err = ecards{s.central}.Return(ctx, "user:lee", "anna")
	must(t, err)
	shows("given back after a year")
}

// TestExpired: what nobody decided in the time to keep is closed, its photo erased, and
// its holder told to ask again; a visit whose day is still to come waits on.
func TestExpired(t *testing.T) {
	c, shift := shifted(t)
	c.Retention.Photos = 2
	s := openWithPortal(t, c)
	s.waiting(t)
	desk, ask, ctx := cards{s.central}, visits{s.central}, t.Context()
	state, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t)})
	if err != nil || state != card.Waiting {
		t.Fatalf("%s, %v", state, err)
	}
	soon, err := ask.Ask(ctx, "anna", visitors.Ask{Day: s.feed.Today() + 1, Purpose: "Dinner", Names: []string{"One"}})
	must(t, err)
	later, err := ask.Ask(ctx, "anna", visitors.Ask{Day: s.feed.Today() + 20, Purpose: "Dinner", Names: []string{"One"}})
	must(t, err)
	if e, err := newKeeping(s.central).PreviewRetention(ctx, office.Keep{Passages: 1, Passes: 1, Photos: 2}); err != nil || e.Photos != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	progress := func(number int64) visitors.Progress {
		t.Helper()
		v, err := ask.Visit(ctx, "anna", number)
		must(t, err)
		return v.Progress
	}
	shift.Store(int64(2 * 24 * time.Hour))
	if p := progress(soon); p != visitors.Expired {
		t.Errorf("a visit whose day is over is %s", p)
	}
	shift.Store(int64(4 * 24 * time.Hour))
	if e, err := newKeeping(s.central).PreviewRetention(ctx, office.Keep{Passages: 1, Passes: 1, Photos: 2}); err != nil || e.Photos != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	n, err := s.eraser.Erase(ctx)
	if err != nil || n.Photos != 2 {
		t.Errorf("%+v, %v", n, err)
	}
	if c, err := desk.Card(ctx, "anna", portal.English); err != nil || c.State != card.Expired || c.Reason != "" {
		t.Errorf("%+v, %v", c, err)
	}
	if w := s.holder("GET", "/card", "anna", ""); !strings.Contains(w.Body.String(), "did not come to your photo in time") || !strings.Contains(w.Body.String(), "/card/photo") {
		t.Errorf("%s", w.Body)
	}
	if _, err := (approvals{s.central}).Photo(ctx, 1); !errors.Is(err, office.ErrNotFound) {
		t.Errorf("the photo: %v", err)
	}
	if progress(soon) != visitors.Expired || progress(later) != visitors.Waiting {
		t.Errorf("the visits are %s and %s", progress(soon), progress(later))
	}
	if w := s.holder("GET", fmt.Sprint("/guests/", soon), "anna", ""); !strings.Contains(w.Body.String(), "ask again for another day") {
		t.Errorf("%s", w.Body)
	}
	log, err := s.db.AuditAfter(ctx, 0, 100)
	must(t, err)
	closed := 0
	for _, e := range log {
		if e.Action == "application_reject" && e.By == byRetention {
			closed++
		}
	}
	if closed != 2 {
		t.Errorf("%d of it stand in the audit", closed)
	}
	if state, err := desk.HandIn(ctx, "anna", card.Upload{Data: face(t)}); err != nil || state != card.Waiting {
		t.Errorf("again: %s, %v", state, err)
	}
}

// TestChangeTakesItsPlace: with the quota full a visit can be changed, into as many
// guests as it had and not more; the old one ends with the new one, or stays as it is.
func TestChangeTakesItsPlace(t *testing.T) {
	c, _ := shifted(t)
	c.Capacity = link.MinCapacity
	s := openWithPortal(t, c)
	s.activate(t, "anna") // sets the policy too
	s.restrict(t, func(r *guests.Rules) { r.PerDay, r.Upcoming, r.Ahead = 2, 2, 10 })
	desk, ctx, today := visits{s.central}, t.Context(), s.feed.Today()
	ask := visitors.Ask{Day: today, Purpose: "Dinner", Names: []string{"One", "Two"}}
	first, err := desk.Ask(ctx, "anna", ask)
	must(t, err)
	standing := func(number int64, want ...visitors.State) {
		t.Helper()
		v, err := desk.Visit(ctx, "anna", number)
		must(t, err)
		var got []visitors.State
		for _, g := range v.Guests {
			got = append(got, g.State)
		}
		if !slices.Equal(got, want) {
			t.Errorf("visit %d is %v, want %v", number, got, want)
		}
	}
	refused := func(what string, kind error, change func(*visitors.Ask)) {
		t.Helper()
		x := ask
		x.Instead = first
		change(&x)
		if _, err := desk.Ask(ctx, "anna", x); !errors.Is(err, kind) {
			t.Errorf("%s: %v", what, err)
		}
		standing(first, visitors.Ready, visitors.Ready)
		if list, err := desk.List(ctx, "anna"); err != nil || len(list) != 1 {
			t.Errorf("%s: %d visits, %v", what, len(list), err)
		}
	}
	refused("beside it", office.ErrConflict, func(x *visitors.Ask) { x.Instead = 0 })
	refused("one more", office.ErrConflict, func(x *visitors.Ask) { x.Names = []string{"One", "Two", "Three"} })
	refused("too early", office.ErrInvalid, func(x *visitors.Ask) { x.Day = today + 11 })
	refused("a zone that guests may not enter", office.ErrInvalid, func(x *visitors.Ask) { x.Zones = []int{9} })
	s.fill(t, today+1, 1) // the second guest of the new visit finds no pass
	refused("a full day", office.ErrConflict, func(x *visitors.Ask) { x.Day = today + 1 })

	ask.Instead, ask.Names = first, []string{"Two", "Three"}
	seq := s.feed.View().State.Seq
	second, err := desk.Ask(ctx, "anna", ask)
	must(t, err)
	standing(first, visitors.Cancelled, visitors.Cancelled)
	standing(second, visitors.Ready, visitors.Ready)
	if n := s.feed.View().State.Seq - seq; n != 2 {
		t.Errorf("lanes were told %d events", n)
	}
	s.changeAtOnce(t, second)
}

// fill issues all passes of a day but so many.
func (s *opened) fill(t *testing.T, day pass.Day, but int) {
	t.Helper()
	must(t, s.db.InsertPasses(t.Context(), day, s.config.Capacity, int(s.config.Capacity)-but, func(number, capacity uint32) (database.Pass, error) {
		index, err := s.issuer.Index(day, number, capacity)
		return database.Pass{Pass: pass.Pass{Kind: pass.Staff, Day: day, Index: index, Length: 6, Zones: 1}, Signature: make([]byte, 64), Holder: "others"}, err
	}))
}

// changeAtOnce changes one visit in several windows: one of them gets its places.
func (s *opened) changeAtOnce(t *testing.T, number int64) {
	t.Helper()
	var taken atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			_, err := visits{s.central}.Ask(t.Context(), "anna", visitors.Ask{Day: s.feed.Today(), Purpose: "Lunch", Names: []string{"One", "Two"}, Instead: number})
			switch {
			case err == nil:
				taken.Add(1)
			case !errors.Is(err, office.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if taken.Load() != 1 {
		t.Errorf("%d changes took the places of one visit", taken.Load())
	}
}

// TestChangeWhatWaits: a request that waits for the office ends with the one that
// takes its place, which waits in turn.
func TestChangeWhatWaits(t *testing.T) {
	c, _ := shifted(t)
	s := openWithPortal(t, c)
	s.waiting(t)
	s.restrict(t, func(r *guests.Rules) { r.Waiting = 1 })
	desk, ctx := visits{s.central}, t.Context()
	ask := visitors.Ask{Day: s.feed.Today() + 1, Purpose: "Dinner", Names: []string{"One"}}
	first, err := desk.Ask(ctx, "anna", ask)
	must(t, err)
	if w := s.holder("GET", fmt.Sprint("/guests/new?instead=", first), "anna", ""); !strings.Contains(w.Body.String(), "The office has to approve the new one") {
		t.Errorf("%s", w.Body)
	}
	if _, err := desk.Ask(ctx, "anna", ask); !errors.Is(err, office.ErrConflict) {
		t.Errorf("a second one that waits: %v", err)
	}
	ask.Instead = first
	second, err := desk.Ask(ctx, "anna", ask)
	must(t, err)
	for number, want := range map[int64]visitors.Progress{first: visitors.Recalled, second: visitors.Waiting} {
		if v, err := desk.Visit(ctx, "anna", number); err != nil || v.Progress != want {
			t.Errorf("%d: %+v, %v", number, v, err)
		}
	}
}

// TestWithdrawnByHand: to a holder whose eCard is withdrawn nobody issues by hand or
// by a file what the card may not have; the guests' passes end if the office says so.
func TestWithdrawnByHand(t *testing.T) {
	s := openWithPortal(t, configure(t))
	s.activate(t, "anna")
	ctx, desk := t.Context(), imports{s.central}
	n, err := visits{s.central}.Ask(ctx, "anna", visitors.Ask{Day: s.feed.Today(), Purpose: "Dinner", Names: []string{"One"}})
	must(t, err)
	file := fmt.Sprintf("kind,holder,day\necard,anna,%s\nstaff,anna,%[1]s\necard,bob,%[1]s\n", s.feed.Today())
	before, err := desk.Preview(ctx, "user:lee", "before.csv", strings.NewReader(file))
	if err != nil || before.Good != 3 {
		t.Fatalf("%+v, %v", before, err)
	}
	withdraw := func(with bool) {
		t.Helper()
		_, err := ecards{s.central}.Withdraw(ctx, "user:lee", office.CardWithdrawal{Person: "anna", Reason: "Lent.", Guests: with})
		must(t, err)
	}
	guest := func(want visitors.State) {
		t.Helper()
		if v, err := (visits{s.central}).Visit(ctx, "anna", n); err != nil || v.Guests[0].State != want {
			t.Errorf("%+v, %v, want %s", v.Guests, err, want)
		}
	}
	withdraw(false)
	guest(visitors.Ready)
	order := office.Order{Kind: pass.ECard, Holder: "anna", Day: s.feed.Today(), Zones: 1, Length: time.Hour}
	if _, err := (passes{s.central}).Issue(ctx, "user:lee", order); !errors.Is(err, office.ErrConflict) || !strings.Contains(err.Error(), "(Lent.): give it back first") {
		t.Errorf("by hand: %v", err)
	}
	after, err := desk.Preview(ctx, "user:lee", "after.csv", strings.NewReader(file))
	if err != nil || after.Good != 2 || after.Bad != 1 {
		t.Errorf("%+v, %v", after, err)
	}
	if rows, err := desk.Rows(ctx, after.ID, office.RowsFaulty, 0, 9); err != nil || len(rows) != 1 || rows[0].Line != 2 || rows[0].Faults[0] != withdrawnFault() {
		t.Errorf("%+v, %v", rows, err)
	}
	_, err = desk.Settle(ctx, "user:lee", before.ID, true)
	must(t, err)
	row, err := s.db.Import(ctx, before.ID)
	must(t, err)
	must(t, s.chores.issueImport(ctx, row))
	if i, err := desk.Find(ctx, before.ID); err != nil || i.Issued != 2 || i.Failed != 1 {
		t.Errorf("%+v, %v", i, err)
	}
	_, err = ecards{s.central}.Return(ctx, "user:lee", "anna")
	must(t, err)
	_, err = passes{s.central}.Issue(ctx, "user:lee", order)
	must(t, err)
	withdraw(true)
	guest(visitors.Cancelled)
	_, err = ecards{s.central}.Return(ctx, "user:lee", "anna")
	must(t, err)
	guest(visitors.Ready)
}

// TestWithdrawnIsNotReleased: nobody releases a code of a withdrawn eCard, by itself or
// with all of the day; what is not of the card comes back.
func TestWithdrawnIsNotReleased(t *testing.T) {
	s := openWithPortal(t, configure(t))
	s.activate(t, "anna")
	ctx, by := t.Context(), "user:lee"
	today := s.feed.Today()
	desk := passes{s.central}
	var ids []pass.ID
	for _, o := range []office.Order{{Kind: pass.ECard, Holder: "anna"}, {Kind: pass.Staff, Holder: "anna"}, {Kind: pass.ECard, Holder: "bob"}} {
		o.Day, o.Zones, o.Length = today, 1, time.Hour
		p, err := desk.Issue(ctx, by, o)
		must(t, err)
		ids = append(ids, p.ID())
	}
	_, err := ecards{s.central}.Withdraw(ctx, by, office.CardWithdrawal{Person: "anna", Reason: "Lent."})
	must(t, err)
	all := office.StatusChange{Selection: office.Selection{IDs: ids[1:]}, Status: link.Revoked, Reason: "the wrong day"}
	_, err = (bulk{s.central}).Propose(ctx, by, all, 0)
	must(t, err)
	if _, err := desk.SetStatus(ctx, by, ids[0], link.Good, "asks"); !errors.Is(err, office.ErrConflict) || !strings.Contains(err.Error(), "(Lent.): give it back first") {
		t.Errorf("by itself: %v", err)
	}
	all.IDs, all.Status, all.Reason = ids, link.Good, "the right day"
	if b, err := (bulk{s.central}).Propose(ctx, by, all, 0); err != nil || b.State != office.BulkDone || b.Changed != 2 || b.Skipped != 1 {
		t.Errorf("all of them: %+v, %v", b, err)
	}
	status := func(i int) link.Status { return s.feed.View().State.Day(today).Status(ids[i].Index) }
	if status(0) != link.Revoked || status(1) != link.Good || status(2) != link.Good {
		t.Errorf("lanes know %v, %v, %v", status(0), status(1), status(2))
	}
	_, err = ecards{s.central}.Return(ctx, by, "anna")
	must(t, err)
	if status(0) != link.Good {
		t.Errorf("given back, lanes know %v", status(0))
	}
}

// letter is what of a letter in the outbox a test looks at.
type letter struct{ kind, by, text string }

// lettersTo opens the letters that wait for an address, the oldest first.
func (s *opened) lettersTo(t *testing.T, address string) (list []letter) {
	t.Helper()
	box, err := s.box()
	must(t, err)
	rows, err := s.db.LettersTo(t.Context(), address, 50)
	must(t, err)
	for _, row := range slices.Backward(rows) {
		if row.State != database.MailWaiting {
			continue // what it said is erased
		}
		l, err := letters.Open(box, row.ID, row.Sealed)
		must(t, err)
		list = append(list, letter{row.Kind, row.By, l.Text})
	}
	return list
}

// TestHolderIsTold: the office's word about an eCard and about guests comes by mail,
// in the transaction of the deed; what the holder is looking at does not, and nobody
// is written to who has no address.
func TestHolderIsTold(t *testing.T) {
	c, shift := shifted(t)
	c.Mail = Mail{Host: "127.0.0.1", Port: 1, From: "Campus <campus@campus.example>", Security: mail.None}
	s := openWithPortal(t, c)
	s.config.Portal.Office = "Alumni office, 2766 0000"
	s.activate(t, "anna") // by policy
	s.askChange(t, "anna", "new@mail.example")
	s.waiting(t)
	judge, desk, ctx := approvals{s.central}, cards{s.central}, t.Context()
	later := func() { shift.Add(int64(time.Second)) } // letters are sorted by their time
	decide := func(reason string, ask func() int64) office.Application {
		t.Helper()
		later()
		a, err := judge.Decide(ctx, "user:lee", office.Decision{Number: ask(), Approve: reason == "", Reason: reason})
		must(t, err)
		return a
	}
	photo := func(person string) func() int64 {
		return func() int64 {
			_, err := desk.HandIn(ctx, person, card.Upload{Data: face(t)})
			must(t, err)
			a, err := s.db.LastApplication(ctx, person, database.ApplicationECard)
			must(t, err)
			return a.Number
		}
	}
	visit := func() int64 {
		n, err := visits{s.central}.Ask(ctx, "anna", visitors.Ask{Day: s.feed.Today() + 1, Purpose: "Dinner", Names: []string{"One"}})
		must(t, err)
		return n
	}
	first := decide("", photo("anna"))
	decide("Look ahead.", photo("anna"))
	decide("", visit)
	last := decide("Too many.", visit)
	later()
	_, err := ecards{s.central}.Withdraw(ctx, "user:lee", office.CardWithdrawal{Person: "anna", Reason: "Lent."})
	must(t, err)
	later()
	_, err = ecards{s.central}.Return(ctx, "user:lee", "anna")
	must(t, err)
	later()
	must(t, visits{s.central}.Change(ctx, "anna", visitors.Change{Number: visit(), Cancel: true})) // the holder's own deed
	url := s.portalURL()
	want := []letter{
		{"card_ready", decisionOf(first.Number), url + "/card"}, {"card_rejected", decisionOf(first.Number + 1), "Look ahead."}, {"guests_approved", decisionOf(first.Number + 2), fmt.Sprint(url, "/guests/", first.Number+2)},
		{"guests_rejected", decisionOf(last.Number), "Too many."}, {"card_withdrawn", "eCard", "Lent."}, {"card_returned", "eCard", url + "/card"},
	}
	got := s.lettersTo(t, "anna@old.example")
	if len(got) != len(want) {
		t.Fatalf("%d letters: %+v", len(got), got)
	}
	for i, w := range want {
		if got[i].kind != w.kind || got[i].by != w.by || !strings.Contains(got[i].text, w.text) || strings.Contains(got[i].text, "辦公室") {
			t.Errorf("letter %d: %+v, want %+v", i, got[i], w)
		}
	}
	if !strings.Contains(got[4].text, s.config.Portal.Office) || first.Told == nil || *first.Told != (office.Told{To: "a…@old.example"}) {
		t.Errorf("%s\nthe page says %+v", got[4].text, first.Told)
	}
	s.toldOfSending(t, last.Number)
	if a := decide("", photo("bob")); a.Told != nil {
		t.Errorf("to nobody: %+v", a.Told)
	}
	late := photo("anna")()
	shift.Add(int64(40 * 24 * time.Hour))
	_, err = s.eraser.Erase(ctx)
	must(t, err)
	if got := s.lettersTo(t, "anna@old.example"); len(got) != 1 || got[0].kind != "card_expired" || got[0].by != decisionOf(late) || !strings.Contains(got[0].text, url+"/card") {
		t.Errorf("%+v", got)
	}
}

// toldOfSending: the page of a decision says what became of its letter.
func (s *opened) toldOfSending(t *testing.T, number int64) {
	t.Helper()
	ctx, now := t.Context(), s.config.Now().UnixMilli()
	list, err := s.db.TakeMail(ctx, now, now+1, 50)
	must(t, err)
	for _, m := range list {
		m.State, m.Ended = database.MailFailed, now
		if m.By == decisionOf(number) {
			m.State = database.MailSent
		}
		must(t, s.db.SettleMail(ctx, m))
	}
	for n, want := range map[int64]office.Told{number: {To: "a…@old.example", Sent: true}, number - 1: {To: "a…@old.example", Failed: true}} {
		a, err := approvals{s.central}.Find(ctx, n)
		if err != nil || a.Told == nil || *a.Told != want {
			t.Errorf("%d: %+v, %v", n, a.Told, err)
		}
	}
}

// TestLetterWithItsDeed: a deed that fails leaves no letter.
func TestLetterWithItsDeed(t *testing.T) {
	c, _ := shifted(t)
	c.Mail, c.Capacity = Mail{Host: "127.0.0.1", Port: 1, From: "Campus <campus@campus.example>", Security: mail.None}, link.MinCapacity
	s := openWithPortal(t, c)
	s.askChange(t, "anna", "new@mail.example")
	s.waiting(t)
	day := s.feed.Today() + 1
	n, err := visits{s.central}.Ask(t.Context(), "anna", visitors.Ask{Day: day, Purpose: "Dinner", Names: []string{"One", "Two"}})
	must(t, err)
	s.fill(t, day, 1)
	if _, err := (approvals{s.central}).Decide(t.Context(), "user:lee", office.Decision{Number: n, Approve: true}); !errors.Is(err, office.ErrConflict) {
		t.Fatalf("%v", err)
	}
	if list := s.lettersTo(t, "anna@old.example"); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	if a, err := (approvals{s.central}).Find(t.Context(), n); err != nil || a.State != office.ApplicationOpen || a.Told != nil {
		t.Errorf("%+v, %v", a, err)
	}
}
