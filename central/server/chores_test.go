package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/mail"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/symbol"
)

func portrait(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestECardOfPortal(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	a := approvals{s.central}
	card := office.Submission{Kind: office.ApplyECard, Holder: "A1", Name: "First Last", Facts: []office.Fact{{Name: "Degree", Value: "BSc 2014"}}, Photo: portrait(t, 900, 1200), PhotoType: "image/jpeg"}
	x, err := a.HandIn(t.Context(), "portal", card)
	if err != nil || x.State != office.ApplicationOpen || !x.HasPhoto || len(x.Facts) != 1 {
		t.Fatalf("%+v, %v", x, err)
	}
	if picture, err := a.Photo(t.Context(), x.Number); err != nil {
		t.Error(err)
	} else if c, err := jpeg.DecodeConfig(bytes.NewReader(picture)); err != nil || c.Width != 600 || c.Height != 800 {
		t.Errorf("kept as %d x %d, %v", c.Width, c.Height, err)
	}
	if _, err := a.HandIn(t.Context(), "portal", card); !errors.Is(err, office.ErrConflict) {
		t.Errorf("a second open one: %v", err)
	}
	card.Holder, card.PhotoType = "A2", "image/png"
	if _, err := a.HandIn(t.Context(), "portal", card); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("a photo that is not what it says: %v", err)
	}
	// Two people decide at once: the second hears of the first.
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = a.Decide(t.Context(), fmt.Sprint("user:", i), office.Decision{Number: x.Number, Approve: true})
		})
	}
	wg.Wait()
	if refusal, ok := errors.AsType[*office.Refusal](errors.Join(errs...)); !ok || refusal.Kind != office.ErrConflict || !strings.Contains(refusal.Detail, "approved by user:") || errs[0] != nil && errs[1] != nil {
		t.Errorf("two at once: %v", errs)
	}
	if err := a.SetPolicy(t.Context(), "user:admin", office.Policy{Guests: true}); err != nil {
		t.Fatal(err)
	}
	card.PhotoType = ""
	if x, err := a.HandIn(t.Context(), "portal", card); err != nil || x.State != office.ApplicationApproved || x.DecidedBy != byPolicy {
		t.Errorf("without approval: %+v, %v", x, err)
	}
}

func TestGuestsOfPortal(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	a := approvals{s.central}
	ask := office.Submission{Kind: office.ApplyGuests, Holder: "A1", Name: "First", Guests: []string{"One", "Two"}, Order: office.Order{Day: s.feed.Today() + 1, Zones: 1, Length: 24 * time.Hour}}
	x, err := a.HandIn(t.Context(), "portal", ask)
	if err != nil || x.State != office.ApplicationOpen {
		t.Fatalf("%+v, %v", x, err)
	}
	if x, err = a.Decide(t.Context(), "user:desk", office.Decision{Number: x.Number, Approve: true}); err != nil || len(x.Passes) != 2 {
		t.Fatalf("%+v, %v", x, err)
	}
	for i, id := range x.Passes {
		if p, err := (passes{s.central}).Find(t.Context(), id); err != nil || p.Kind != pass.Guest || p.HolderName != "A1" || p.IssuedBy != "user:desk" {
			t.Errorf("%d: %+v, %v", i, p, err)
		}
	}
	for name, spoil := range map[string]func(*office.Submission){
		"no such zone": func(x *office.Submission) { x.Order.Zones = 1 << 9 }, "over": func(x *office.Submission) { x.Order.Day -= 9 },
		"nobody": func(x *office.Submission) { x.Guests = nil }, "a crowd": func(x *office.Submission) { x.Guests = make([]string, 21) },
	} {
		bad := ask
		spoil(&bad)
		if _, err := a.HandIn(t.Context(), "portal", bad); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Decide(t.Context(), "user:desk", office.Decision{Number: x.Number}); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("rejected without a reason: %v", err)
	}
	if _, err := a.Decide(t.Context(), "user:desk", office.Decision{Number: 99, Approve: true}); !errors.Is(err, office.ErrNotFound) {
		t.Error(err)
	}
}

// issue issues n passes of today for holders H0, H1, H2 in turn.
func (s *opened) issue(t *testing.T, n int) (ids []pass.ID) {
	t.Helper()
	for i := range n {
		p, err := passes{s.central}.Issue(t.Context(), "test", office.Order{Kind: pass.ECard, Holder: fmt.Sprint("H", i%3), Day: s.feed.Today(), Zones: 1, Length: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID())
	}
	return ids
}

func TestBulkOfOnePerson(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	ids := s.issue(t, 9)
	b := bulk{s.central}
	want := office.StatusChange{Selection: office.Selection{Holder: "H1"}, Status: link.Revoked, Reason: "left"}
	if n, above, err := b.Count(t.Context(), want); n != 3 || above != 20 || err != nil {
		t.Error(n, above, err)
	}
	if _, err := b.Propose(t.Context(), "user:a", want, 4); !errors.Is(err, office.ErrConflict) {
		t.Errorf("another number than was shown: %v", err)
	}
	done, err := b.Propose(t.Context(), "user:a", want, 3)
	if err != nil || done.State != office.BulkDone || done.Changed != 3 || done.RefusedBy == nil || done.RefusedBy.Seq != s.feed.View().State.Seq {
		t.Fatalf("%+v, %v", done, err)
	}
	for i, id := range ids {
		if got := s.feed.View().State.Day(id.Day).Status(id.Index); (got == link.Revoked) != (i%3 == 1) {
			t.Errorf("pass %d is %d", i, got)
		}
	}
	for name, x := range map[string]office.StatusChange{
		"again": want, "no reason": {Selection: office.Selection{Holder: "H0"}, Status: link.Held, Reason: " "}, "nothing": {Status: link.Held, Reason: "x"},
		"status": {Selection: office.Selection{Holder: "H0"}, Status: 7, Reason: "x"}, "too many": {Selection: office.Selection{IDs: make([]pass.ID, 501)}, Status: link.Held, Reason: "x"},
	} {
		if _, err := b.Propose(t.Context(), "user:a", x, 0); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTwoPersons: above the set size nobody does it alone.
func TestTwoPersons(t *testing.T) {
	c := configure(t)
	c.Office.TwoPersonsAbove = 5
	s := openCentral(t, c)
	defer s.stop()
	ids := s.issue(t, 12)
	b := bulk{s.central}
	today := s.feed.Today()
	proposed, err := b.Propose(t.Context(), "user:a", office.StatusChange{Selection: office.Selection{Day: &today}, Status: link.Held, Reason: "water"}, 0)
	if err != nil || proposed.State != office.BulkProposed || proposed.Passes != 12 {
		t.Fatalf("%+v, %v", proposed, err)
	}
	if s.feed.View().Head.Revoked != 0 {
		t.Error("held before anybody agreed")
	}
	if list, err := b.List(t.Context(), true, 9); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	// Somebody revokes one meanwhile: it stays revoked.
	if _, err := (passes{s.central}).SetStatus(t.Context(), "user:c", ids[4], link.Revoked, "stolen"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"user:a", "a", "user:A"} {
		if _, err := b.Settle(t.Context(), who, proposed.ID, true); !errors.Is(err, office.ErrConflict) {
			t.Errorf("%s confirmed what user:a proposed: %v", who, err)
		}
	}
	done, err := b.Settle(t.Context(), "user:b", proposed.ID, true)
	if err != nil || done.State != office.BulkDone || done.Changed != 11 || done.Skipped != 1 || done.SettledBy != "user:b" {
		t.Fatalf("%+v, %v", done, err)
	}
	if p, err := (passes{s.central}).Find(t.Context(), ids[4]); err != nil || p.Status != link.Revoked || p.Reason != "stolen" {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := (passes{s.central}).Find(t.Context(), ids[5]); err != nil || p.Status != link.Held || p.ChangedBy != "user:a" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := b.Settle(t.Context(), "user:b", proposed.ID, false); !errors.Is(err, office.ErrConflict) {
		t.Errorf("withdrawn when it was done: %v", err)
	}
}

func TestProposalExpires(t *testing.T) {
	c := configure(t)
	c.Office.TwoPersonsAbove = 0
	var late bool
	c.Now = func() time.Time {
		if late {
			return time.Now().Add(25 * time.Hour)
		}
		return time.Now()
	}
	s := openCentral(t, c)
	ids := s.issue(t, 1)
	s.stop()
	db, err := c.OpenDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s.db = db
	b := bulk{s.central}
	x, err := b.Propose(t.Context(), "user:a", office.StatusChange{Selection: office.Selection{IDs: ids}, Status: link.Held, Reason: "x"}, 0)
	if err != nil || x.State != office.BulkProposed {
		t.Fatalf("%+v, %v", x, err)
	}
	late = true
	if _, err := b.Settle(t.Context(), "user:b", x.ID, true); !errors.Is(err, office.ErrConflict) {
		t.Errorf("confirmed a day later: %v", err)
	}
	if x, err := b.Find(t.Context(), x.ID); err != nil || x.State != office.BulkExpired {
		t.Errorf("%+v, %v", x, err)
	}
}

// TestBulkGoesOn: a crash in the middle of a large change is made up for.
func TestBulkGoesOn(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	ids := s.issue(t, 6)
	list, err := s.db.BulkPasses(t.Context(), database.BulkSelection{IDs: ids, Status: []link.Status{link.Good}, Limit: 99})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.AddBulk(t.Context(), database.Bulk{ID: "crashed", State: database.BulkRunning, Selection: "{}", Status: link.Revoked, Reason: "x", By: "user:a"}, list); err != nil {
		t.Fatal(err)
	}
	// These two were changed, and the crash came before the progress was saved.
	for _, id := range ids[:2] {
		if _, err := (passes{s.central}).SetStatus(t.Context(), "user:a", id, link.Revoked, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.chores.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := (bulk{s.central}).Find(t.Context(), "crashed")
	if err != nil || b.State != office.BulkDone || b.Changed != 6 || b.Skipped != 0 {
		t.Errorf("%+v, %v", b, err)
	}
}

func guestFile(day pass.Day, rows int) string {
	var b strings.Builder
	b.WriteString("kind,holder,guest_name,day\r\n")
	for i := range rows {
		fmt.Fprintf(&b, "guest,H%d,Guest %d,%s\r\n", i%7, i, day)
	}
	return b.String()
}

// TestImportGoesOn: central stops in the middle of a file, and the next start
// issues the rest; nobody gets two passes.
func TestImportGoesOn(t *testing.T) {
	const rows = 450
	c := configure(t)
	s := openCentral(t, c)
	day := s.feed.Today() + 1
	i, err := (imports{s.central}).Preview(t.Context(), "user:a", `C:\lists\guests.csv`, strings.NewReader(guestFile(day, rows)+"guest,,,x\n"))
	if err != nil || i.State != office.ImportPreview || i.Good != rows || i.Bad != 1 || i.Name != "guests.csv" {
		t.Fatalf("%+v, %v", i, err)
	}
	if n, err := s.db.Issued(t.Context(), day); n != 0 || err != nil {
		t.Errorf("%d issued by a preview, %v", n, err)
	}
	bad, err := (imports{s.central}).Rows(t.Context(), i.ID, office.RowsFaulty, 0, 9)
	if err != nil || len(bad) != 1 || bad[0].Line != rows+2 || len(bad[0].Faults) != 3 {
		t.Errorf("%+v, %v", bad, err)
	}
	if i, err = (imports{s.central}).Settle(t.Context(), "user:a", i.ID, true); err != nil || i.State != office.ImportRunning {
		t.Fatalf("%+v, %v", i, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.chores.pace.SetBurst(importBatch)
	row, err := s.db.Import(ctx, i.ID)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.db.IssueImport(ctx, i.ID, importBatch, c.Capacity, 1, func(r database.ImportRow) (database.ImportDraft, error) {
			return s.chores.importDraft(row.ConfirmedBy, r)
		}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := s.chores.issueImport(ctx, row); err == nil {
		t.Error("it went on after the end")
	}
	s.stop()
	s = openCentral(t, c)
	defer s.stop()
	if err := s.chores.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if i, err = (imports{s.central}).Find(t.Context(), i.ID); err != nil || i.State != office.ImportDone || i.Issued != rows || i.Failed != 0 {
		t.Errorf("%+v, %v", i, err)
	}
	if n, err := s.db.Issued(t.Context(), day); n != rows || err != nil {
		t.Errorf("%d issued, %v", n, err)
	}
	issued, err := (imports{s.central}).Rows(t.Context(), i.ID, office.RowsIssued, 0, 999)
	if err != nil || len(issued) != rows || issued[7].Pass == nil || issued[7].Pass.GuestName != "Guest 7" || issued[7].Pass.IssuedBy != "user:a" {
		t.Errorf("%d rows, %v", len(issued), err)
	}
	if _, err := (imports{s.central}).Settle(t.Context(), "user:a", i.ID, true); !errors.Is(err, office.ErrConflict) {
		t.Errorf("confirmed again: %v", err)
	}
}

// TestImportAgainstNewRules: what was good at the preview and is not any more is
// named, and the rest is issued.
func TestImportAgainstNewRules(t *testing.T) {
	c := configure(t)
	c.Zones = []Zone{{ID: 0, Name: "Main"}, {ID: 1, Name: "Annex"}}
	s := openCentral(t, c)
	defer s.stop()
	day := (s.feed.Today() + 1).String()
	x := imports{s.central}
	i, err := x.Preview(t.Context(), "user:a", "f.csv", strings.NewReader("kind,holder,day,zones\necard,A,"+day+",Main\necard,B,"+day+",annex\n"))
	if err != nil || i.Good != 2 {
		t.Fatalf("%+v, %v", i, err)
	}
	r, err := (rules{s.central}).Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Zones = r.Zones[:1]
	if _, err := (rules{s.central}).SetRules(t.Context(), "user:admin", r); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Settle(t.Context(), "user:a", i.ID, true); err != nil {
		t.Fatal(err)
	}
	if err := s.chores.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	i, err = x.Find(t.Context(), i.ID)
	if err != nil || i.State != office.ImportDone || i.Issued != 1 || i.Failed != 1 {
		t.Errorf("%+v, %v", i, err)
	}
	if rows, err := x.Rows(t.Context(), i.ID, office.RowsFaulty, 0, 9); err != nil || len(rows) != 1 || rows[0].Line != 3 || len(rows[0].Faults) != 1 {
		t.Errorf("%+v, %v", rows, err)
	}
}

// watched samples how much memory is in use while a file is read. Garbage is
// collected first: how much of it lies about is the collector's affair.
type watched struct {
	*strings.Reader
	reads int
	peak  uint64
}

func (w *watched) Read(p []byte) (int, error) {
	if w.reads++; w.reads%200 == 0 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		w.peak = max(w.peak, m.HeapAlloc)
	}
	return w.Reader.Read(p)
}

// TestLargestFile: of 100,000 rows each of the 10,000 bad ones is named, and the
// memory that it takes does not grow with the file.
func TestLargestFile(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	day := s.feed.Today() + 1
	var b strings.Builder
	b.WriteString("kind,holder,guest_name,day\r\n")
	for i := range 100_000 {
		if i%10 == 3 {
			fmt.Fprintf(&b, "guest,H%d,\"Guest %d,%s\r\n", i, i, day)
			continue
		}
		fmt.Fprintf(&b, "guest,H%d,Guest %d,%s\r\n", i, i, day)
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	file := &watched{Reader: strings.NewReader(b.String())}
	i, err := (imports{s.central}).Preview(t.Context(), "user:a", "all.csv", file)
	if err != nil || i.Good != 90_000 || i.Bad != 10_000 {
		t.Fatalf("%+v, %v", i, err)
	}
	if file.peak > before.HeapAlloc+64<<20 {
		t.Errorf("%d MB in use while reading, %d before", file.peak>>20, before.HeapAlloc>>20)
	}
	named := map[int]bool{}
	for after, more := 0, true; more; {
		rows, err := (imports{s.central}).Rows(t.Context(), i.ID, office.RowsFaulty, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			named[r.Line], after = true, r.Line
		}
		more = len(rows) == 1000
	}
	if len(named) != 10_000 || !named[5] || !named[99_995] {
		t.Errorf("%d bad rows are named", len(named))
	}
}

func TestImportRefused(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	x := imports{s.central}
	for name, text := range map[string]string{"a picture": "\x89PNG\r\n\x1a\n\x00", "nothing": "", "no header": "ecard,A,2026-11-22\n"} {
		if _, err := x.Preview(t.Context(), "user:a", name, strings.NewReader(text)); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	i, err := x.Preview(t.Context(), "user:a", "all bad", strings.NewReader("kind,holder,day,email\necard,A,"+s.feed.Today().String()+",a@example.org\n"))
	if err != nil || i.Bad != 1 || i.Good != 0 { // mail is not set up
		t.Errorf("%+v, %v", i, err)
	}
	if _, err := x.Settle(t.Context(), "user:a", i.ID, true); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("nothing to issue: %v", err)
	}
	if list, err := x.List(t.Context(), 9); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestLook(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	for _, reason := range []string{"", "  ", strings.Repeat("x", 900)} {
		if _, err := (holders{s.central}).Look(t.Context(), "user:guard", 1, reason); !errors.Is(err, office.ErrInvalid) {
			t.Errorf("%.10q: %v", reason, err)
		}
	}
	if _, err := (holders{s.central}).Look(t.Context(), "user:guard", 1, "face"); !errors.Is(err, office.ErrNotFound) {
		t.Error(err)
	}
	p := office.Face{Pass: office.Pass{Pass: pass.Pass{Kind: pass.ECard}, HolderName: "A1"}}
	number, err := s.db.AddApplication(t.Context(), database.Application{Kind: database.ApplicationECard, Holder: "A1", Name: "First Last", Facts: "[]", Request: "{}", Photo: portrait(t, 200, 200)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Decide(t.Context(), database.Decision{Number: number, Approve: true, At: 1}); err != nil {
		t.Fatal(err)
	}
	if err := (holders{s.central}).person(t.Context(), &p); err != nil || p.Name != "First Last" || len(p.JPEG) == 0 {
		t.Errorf("%q, %d bytes, %v", p.Name, len(p.JPEG), err)
	}
	guest := office.Face{Pass: office.Pass{Pass: pass.Pass{Kind: pass.Guest}, HolderName: "A1", GuestName: "One"}}
	if err := (holders{s.central}).person(t.Context(), &guest); err != nil || guest.Guest != "One" || guest.JPEG != nil {
		t.Errorf("a guest is shown with the holder's face: %+v, %v", guest, err)
	}
}

// TestLookAtPassage: who looked and why stands in the audit, with the pass and
// without the name.
func TestLookAtPassage(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	id := s.issue(t, 1)[0]
	j := database.Journal{Lane: "north-1", ID: link.JournalID{1}, Last: 1}
	err := s.db.Ledger(t.Context(), func(tx *database.LedgerTx) error {
		if err := tx.AddJournal(&j); err != nil {
			return err
		}
		e := link.Entry{Type: link.EntryGranted, Seq: 1, Lane: 1, Direction: 1, Kind: pass.ECard, KeyID: 1, Pass: id, Wall: time.Now().UnixMilli()}
		if err := tx.Append(j.Key, 1, []database.Row{{Seq: 1, Day: id.Day, Pass: id, Entry: e.Append(nil)}}); err != nil {
			return err
		}
		return tx.SetJournal(j)
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := (holders{s.central}).Look(t.Context(), "user:guard", 1, "face")
	if err != nil || f.Pass.ID() != id || f.Pass.HolderName != "H0" || f.JPEG != nil || f.Passage.Lane != "north-1" {
		t.Errorf("%+v, %v", f, err)
	}
	lines, err := s.db.AuditPage(t.Context(), database.AuditFilter{Action: "see_person", Limit: 9})
	if err != nil || len(lines) != 1 || lines[0].By != "user:guard" || lines[0].Detail != "face" || !strings.Contains(lines[0].Subject, id.String()) {
		t.Errorf("the audit has %+v, %v", lines, err)
	}
}

func TestLetter(t *testing.T) {
	c := configure(t)
	c.Mail = Mail{Host: "127.0.0.1", Port: 1, From: "Campus passes <passes@campus.example>", Security: mail.None}
	s := openCentral(t, c)
	defer s.stop()
	id := s.issue(t, 1)[0]
	m := mails{s.central}
	if err := m.Ready(); err != nil {
		t.Error(err)
	}
	l, err := s.chores.letter(t.Context(), id)
	if err != nil || !strings.Contains(l.Text, "Entrances: Main") || !strings.Contains(l.Text, "校園通行證") || strings.Contains(l.Text, "H0") {
		t.Errorf("%+v, %v", l.Text, err)
	}
	code, err := (passes{s.central}).Code(t.Context(), id)
	if text, bad := symbol.ReadPicture(l.PNG); err != nil || bad != nil || text != code.Text {
		t.Errorf("the symbol reads %q, %v, %v", text, bad, err)
	}
	if err := m.Send(t.Context(), "user:a", id, "a@example.org"); err != nil {
		t.Error(err)
	}
	if list, err := m.Of(t.Context(), id); err != nil || len(list) != 1 || list[0].State != office.MailWaiting {
		t.Errorf("%+v, %v", list, err)
	}
	if err := m.Send(t.Context(), "user:a", id, "a@example.org\r\nBcc: b@example.org"); !errors.Is(err, office.ErrInvalid) {
		t.Error(err)
	}
	if _, err := (passes{s.central}).SetStatus(t.Context(), "user:a", id, link.Revoked, "x"); err != nil {
		t.Fatal(err)
	}
	var no *mail.ErrNoLetter
	if _, err := s.chores.letter(t.Context(), id); !errors.As(err, &no) {
		t.Errorf("a revoked pass is mailed: %v", err)
	}
	if err := m.Send(t.Context(), "user:a", id, "a@example.org"); !errors.Is(err, office.ErrConflict) {
		t.Error(err)
	}
}

func TestMailIsOff(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	if err := (mails{s.central}).Ready(); !errors.Is(err, office.ErrUnavailable) {
		t.Error(err)
	}
	if err := (mails{s.central}).Send(t.Context(), "user:a", s.issue(t, 1)[0], "a@example.org"); !errors.Is(err, office.ErrUnavailable) {
		t.Error(err)
	}
}

func TestMailSettings(t *testing.T) {
	for name, m := range map[string]Mail{
		"mail.host":     {From: "a@campus.example"},
		"mail.from":     {Host: "mail.campus.example", From: "nobody"},
		"mail.port":     {Host: "mail.campus.example", From: "a@campus.example", Port: 70000},
		"mail.security": {Host: "mail.campus.example", From: "a@campus.example", Security: mail.None},
		"mail.password": {Host: "mail.campus.example", From: "a@campus.example", User: "central"},
	} {
		c := Default()
		c.Mail = m
		if list := c.problems(); len(list) != 1 || list[0].key != name {
			t.Errorf("%s: %+v", name, list)
		}
	}
	c := Default()
	c.Office.TwoPersonsAbove = -1
	if list := c.problems(); len(list) != 1 || list[0].key != "office.two_persons_above" {
		t.Errorf("%+v", list)
	}
}
