package database

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

func addImport(t *testing.T, d *DB, good, bad int) {
	t.Helper()
	if err := d.AddImport(ctx, Import{ID: "i", Name: "guests.csv", By: "desk", At: 1}); err != nil {
		t.Fatal(err)
	}
	var rows []ImportRow
	for i := range good + bad {
		r := ImportRow{Line: i + 2, Position: i + 1, Request: fmt.Sprint("H", i)}
		if i >= good {
			r = ImportRow{Line: i + 2, Faults: "bad"}
		}
		rows = append(rows, r)
	}
	if err := d.AddImportRows(ctx, "i", rows); err != nil {
		t.Fatal(err)
	}
	if err := d.MoveImport(ctx, "i", ImportReading, ImportPreview, "desk", 2); err != nil {
		t.Fatal(err)
	}
}

func rowDraft(r ImportRow) (ImportDraft, error) {
	if r.Position == 5 {
		return ImportDraft{}, &ErrRow{"no such zone any more"}
	}
	x := ImportDraft{Draft: draftOf(r.Request)}
	if r.Position == 1 {
		x.Mail = &Mail{ID: "m", Address: "a@example.org", At: 3, By: "desk"}
	}
	return x, nil
}

// TestImport: two centrals work on one file; every good row is issued once.
func TestImport(t *testing.T) { both(t, testImport) }

func testImport(t *testing.T, d *DB) {
	const good, bad = 57, 4
	addImport(t, d, good, bad)
	if more, err := d.IssueImport(ctx, "i", 10, 1024, 3, rowDraft); more || err != nil {
		t.Errorf("issued before it was confirmed: %v, %v", more, err)
	}
	if err := d.MoveImport(ctx, "i", ImportPreview, ImportRunning, "desk", 3); err != nil {
		t.Fatal(err)
	}
	if err := d.MoveImport(ctx, "i", ImportPreview, ImportRunning, "other", 3); !errors.Is(err, ErrConflict) {
		t.Errorf("confirmed twice: %v", err)
	}
	broken := errors.New("power cut")
	if _, err := d.IssueImport(ctx, "i", 10, 1024, 3, func(r ImportRow) (ImportDraft, error) {
		if r.Position == 7 {
			return ImportDraft{}, broken
		}
		return rowDraft(r)
	}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if i, err := d.Import(ctx, "i"); err != nil || i.Position != 0 || i.Issued != 0 {
		t.Errorf("half a chunk stands: %+v, %v", i, err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for more := true; more; {
				var err error
				if more, err = d.IssueImport(ctx, "i", 10, 1024, 4, rowDraft); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	i, err := d.Import(ctx, "i")
	if err != nil || i.State != ImportDone || i.Issued != good-1 || i.Failed != 1 || i.Bad != bad || i.Ended != 4 {
		t.Errorf("%+v, %v", i, err)
	}
	checkImported(t, d, good-1, bad+1)
}

func checkImported(t *testing.T, d *DB, issued, faulty int) {
	t.Helper()
	passes, err := d.Passes(ctx, PassFilter{Limit: 999})
	if err != nil || len(passes) != issued {
		t.Errorf("%d passes, %v", len(passes), err)
	}
	holders := map[string]bool{}
	for _, p := range passes {
		holders[p.Holder] = true
	}
	if len(holders) != issued {
		t.Errorf("%d holders of %d passes: a row was issued twice", len(holders), issued)
	}
	rows, err := d.ImportRows(ctx, "i", false, 0, 999)
	if err != nil || len(rows) != issued || rows[0].Pass == nil {
		t.Errorf("%d rows issued, %v", len(rows), err)
	}
	if rows, err := d.ImportRows(ctx, "i", true, 0, 999); err != nil || len(rows) != faulty {
		t.Errorf("%d rows with faults, %v", len(rows), err)
	}
	if mails, err := d.MailsOf(ctx, *rows[0].Pass, 9); err != nil || len(mails) != 1 {
		t.Errorf("mails %+v, %v", mails, err)
	}
}

func TestImportFillsTheDay(t *testing.T) { both(t, testImportFillsTheDay) }

func testImportFillsTheDay(t *testing.T, d *DB) {
	addImport(t, d, 6, 0)
	if err := d.MoveImport(ctx, "i", ImportPreview, ImportRunning, "desk", 3); err != nil {
		t.Fatal(err)
	}
	more, err := d.IssueImport(ctx, "i", 100, 4, 3, func(r ImportRow) (ImportDraft, error) {
		return ImportDraft{Draft: draftOf(r.Request), Full: "full"}, nil
	})
	if more || err != nil {
		t.Fatal(more, err)
	}
	if i, err := d.Import(ctx, "i"); err != nil || i.Issued != 4 || i.Failed != 2 || i.State != ImportDone {
		t.Errorf("%+v, %v", i, err)
	}
	if rows, err := d.ImportRows(ctx, "i", true, 0, 9); err != nil || len(rows) != 2 || rows[0].Faults != "full" {
		t.Errorf("%+v, %v", rows, err)
	}
}

// TestImportOfWithdrawn: a row for somebody whose eCard is withdrawn fails alone, and
// uses up no number of the day.
func TestImportOfWithdrawn(t *testing.T) { both(t, testImportOfWithdrawn) }

func testImportOfWithdrawn(t *testing.T, d *DB) {
	activate(t, d, "H1")
	if err := d.Feed(ctx, func(tx *FeedTx) error {
		return tx.WithdrawECard(Withdrawal{Holder: "H1", By: "user:a", At: 3, Reason: "lent"})
	}); err != nil {
		t.Fatal(err)
	}
	addImport(t, d, 3, 0)
	if err := d.MoveImport(ctx, "i", ImportPreview, ImportRunning, "desk", 3); err != nil {
		t.Fatal(err)
	}
	_, err := d.IssueImport(ctx, "i", 100, 4, 3, func(r ImportRow) (ImportDraft, error) {
		x := ImportDraft{Draft: draftOf(r.Request), Full: "full", Gone: "gone"}
		x.ECard = r.Request
		return x, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if i, err := d.Import(ctx, "i"); err != nil || i.Issued != 2 || i.Failed != 1 || i.State != ImportDone {
		t.Errorf("%+v, %v", i, err)
	}
	if rows, err := d.ImportRows(ctx, "i", true, 0, 9); err != nil || len(rows) != 1 || rows[0].Line != 3 || rows[0].Faults != "gone" {
		t.Errorf("%+v, %v", rows, err)
	}
	if n, err := d.Issued(ctx, approvalDay); err != nil || n != 2 {
		t.Errorf("%d numbers are used up, %v", n, err)
	}
}

func TestPruneImports(t *testing.T) { both(t, testPruneImports) }

func testPruneImports(t *testing.T, d *DB) {
	addImport(t, d, 2, 1)
	if err := d.PruneImports(ctx, 1, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Import(ctx, "i"); err != nil {
		t.Errorf("a young one is gone: %v", err)
	}
	if err := d.PruneImports(ctx, 2, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Import(ctx, "i"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an old one stands: %v", err)
	}
}

func TestOutbox(t *testing.T) { both(t, testOutbox) }

func testOutbox(t *testing.T, d *DB) {
	for i := range 3 {
		if err := d.AddMail(ctx, Mail{ID: fmt.Sprint(i), Pass: pass.ID{Day: 2516, Index: 7}, Address: "a@example.org", By: "desk", At: int64(10 + i)}); err != nil {
			t.Fatal(err)
		}
	}
	first, err := d.TakeMail(ctx, 11, 100, 9)
	if err != nil || len(first) != 2 || first[0].ID != "0" || first[0].Attempts != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := d.TakeMail(ctx, 11, 100, 9); err != nil || len(again) != 0 {
		t.Errorf("taken twice: %+v, %v", again, err)
	}
	first[0].State, first[0].Ended = MailSent, 12
	first[1].Error, first[1].Next = "greylisted", 50
	for _, m := range first {
		if err := d.SettleMail(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	due, err := d.TakeMail(ctx, 50, 200, 9)
	if err != nil || len(due) != 2 || due[1].ID != "1" || due[1].Attempts != 2 || due[1].Error != "greylisted" {
		t.Errorf("%+v, %v", due, err)
	}
	if err := d.PruneMail(ctx, 13); err != nil {
		t.Fatal(err)
	}
	if left, err := d.MailsOf(ctx, pass.ID{Day: 2516, Index: 7}, 9); err != nil || len(left) != 2 || left[0].ID != "2" {
		t.Errorf("%+v, %v", left, err)
	}
}

// bulkFixture issues ten passes on each of two days, for holders A and B in turn.
func bulkFixture(t *testing.T, d *DB) {
	t.Helper()
	for i := range 20 {
		day, holder := approvalDay+pass.Day(i/10), string(rune('A'+i%2))
		if _, err := d.InsertPass(ctx, day, 1024, mint(day, holder, int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	err := d.Feed(ctx, func(tx *FeedTx) error {
		p, err := tx.Pass(pass.ID{Day: approvalDay, Index: 0})
		if err != nil {
			return err
		}
		p.Status, p.Changed = link.Held, 5
		return tx.SetStatus(&p)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBulkSelections(t *testing.T) { both(t, testBulkSelections) }

func testBulkSelections(t *testing.T, d *DB) {
	bulkFixture(t, d)
	day := approvalDay
	good, bad := []link.Status{link.Good}, []link.Status{link.Good, link.Held}
	for name, x := range map[string]struct {
		s    BulkSelection
		want int
	}{
		"a person to hold":   {BulkSelection{Holder: "A", Status: good}, 9},
		"a person to revoke": {BulkSelection{Holder: "A", Status: bad}, 10},
		"a day":              {BulkSelection{Day: &day, Status: bad}, 10},
		"open days":          {BulkSelection{From: approvalDay + 1, Status: bad}, 10},
		"its zone":           {BulkSelection{Day: &day, Zones: 1, Status: bad}, 10},
		"another zone":       {BulkSelection{Day: &day, Zones: 2, Status: bad}, 0},
		"named":              {BulkSelection{IDs: []pass.ID{{Day: approvalDay, Index: 0}, {Day: approvalDay, Index: 1}}, Status: good}, 1},
		"at most":            {BulkSelection{Status: bad, Limit: 3}, 3},
	} {
		if x.s.Limit == 0 {
			x.s.Limit = 999
		}
		if list, err := d.BulkPasses(ctx, x.s); err != nil || len(list) != x.want {
			t.Errorf("%s: %d, %v; want %d", name, len(list), err, x.want)
		}
	}
	if _, err := d.BulkPasses(ctx, BulkSelection{IDs: []pass.ID{{Day: 1, Index: 1}}, Limit: 9}); !errors.Is(err, ErrNotFound) {
		t.Errorf("an unknown pass: %v", err)
	}
}

func TestBulk(t *testing.T) { both(t, testBulk) }

func testBulk(t *testing.T, d *DB) {
	bulkFixture(t, d)
	passes, err := d.BulkPasses(ctx, BulkSelection{Holder: "B", Status: []link.Status{link.Good}, Limit: 99})
	if err != nil {
		t.Fatal(err)
	}
	b := Bulk{ID: "b", State: BulkProposed, Status: link.Revoked, Reason: "left", By: "one", At: 10, Expires: 20}
	if err := d.AddBulk(ctx, b, passes); err != nil {
		t.Fatal(err)
	}
	if err := d.SettleBulk(ctx, "b", BulkRunning, "two", 20); !errors.Is(err, ErrConflict) {
		t.Errorf("an expired one: %v", err)
	}
	if list, err := d.Bulks(ctx, BulkProposed, 20, 9); err != nil || len(list) != 0 {
		t.Errorf("an expired one is shown: %+v, %v", list, err)
	}
	if err := d.SettleBulk(ctx, "b", BulkRunning, "two", 19); err != nil {
		t.Fatal(err)
	}
	if err := d.SettleBulk(ctx, "b", BulkWithdrawn, "one", 19); !errors.Is(err, ErrConflict) {
		t.Errorf("withdrawn while it runs: %v", err)
	}
	open, err := d.OpenBulkPasses(ctx, "b", 4)
	if err != nil || len(open) != 4 || open[3].Position != 4 {
		t.Fatalf("%+v, %v", open, err)
	}
	part := BulkProgress{ID: "b", Positions: []int{1, 2, 3, 4}, Changed: 3, Skipped: 1, Seq: 9}
	if err := d.SaveBulk(ctx, part, 30); err != nil {
		t.Fatal(err)
	}
	if err := d.SaveBulk(ctx, part, 30); !errors.Is(err, ErrConflict) {
		t.Errorf("counted twice: %v", err)
	}
	if err := d.SaveBulk(ctx, BulkProgress{ID: "b", Positions: []int{5, 6, 7, 8, 9, 10}, Changed: 6, Seq: 8, Over: true}, 31); err != nil {
		t.Fatal(err)
	}
	got, err := d.Bulk(ctx, "b")
	if err != nil || got.State != BulkDone || got.Passes != 10 || got.Changed != 9 || got.Skipped != 1 || got.Seq != 9 || got.SettledBy != "two" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := d.PruneBulks(ctx, 11); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Bulk(ctx, "b"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an old one stands: %v", err)
	}
}
