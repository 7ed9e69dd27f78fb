package database

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"slices"
	"testing"

	"turnstile/central/database/rowstest"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/register"
)

// store puts entries of a new journal into the ledger, the one with number n
// received at n hours, but for the gap; and returns the journal.
func store(t *testing.T, d *DB, lane string, n uint64, gap Gap) Journal {
	t.Helper()
	j := Journal{Lane: lane, ID: link.JournalID{byte(len(lane)), lane[0]}, Started: 1}
	j.Chain = link.JournalStart(j.ID)
	err := d.Ledger(ctx, func(tx *LedgerTx) error {
		if err := tx.AddJournal(&j); err != nil {
			return err
		}
		for seq := uint64(1); seq <= n; seq++ {
			if seq == gap.From && gap.To > 0 {
				if err := tx.AddGap(j.Key, gap); err != nil {
					return err
				}
				seq, j.Chain = gap.To, gap.Before
				continue
			}
			e := link.Entry{Type: link.EntryPassed, Lane: 1, Direction: 1, Seq: seq, Wall: base, Kind: pass.Guest, Pass: pass.ID{Day: baseDay, Index: uint32(seq)}}
			raw := e.Append(nil)
			j.Chain, j.Last = link.JournalChain(j.Chain, raw), seq
			if err := tx.Append(j.Key, int64(seq)*hourMs, []Row{{Seq: seq, Day: baseDay, Pass: e.Pass, Entry: raw}}); err != nil {
				return err
			}
		}
		return tx.SetJournal(j)
	})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// chained computes the chain over what is left of a journal.
func chained(t *testing.T, d *DB, j Journal) link.Hash {
	t.Helper()
	e, err := d.Erased(ctx, j.Key)
	if err != nil {
		t.Fatal(err)
	}
	if e.Last == 0 {
		e.Chain = link.JournalStart(j.ID)
	}
	gaps, err := d.Gaps(ctx, j.Key)
	if err != nil {
		t.Fatal(err)
	}
	rest, err := d.JournalEntries(ctx, j.Key, e.Last, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range rest {
		if gaps, err = e.pass(raw, gaps); err != nil {
			t.Fatal(err)
		}
	}
	return e.Chain
}

// TestEraseEntries: part by part, over a gap, the rest stays chained; numbers are
// not given again when all is gone; what lacks stops it.
func TestEraseEntries(t *testing.T) { both(t, testEraseEntries) }

func testEraseEntries(t *testing.T, d *DB) {
	j := store(t, d, "north", 100, Gap{From: 21, To: 30, Before: link.Hash{7}})
	other := store(t, d, "so", 5, Gap{})
	for _, step := range []struct {
		hours, n int
		last     uint64
	}{{1, 0, 0}, {11, 8, 8}, {11, 2, 10}, {11, 0, 10}, {34, 8, 18}, {34, 5, 33}, {90, 8, 41}} {
		n, err := d.EraseEntries(ctx, j, int64(step.hours)*hourMs, 8, 99)
		e, readErr := d.Erased(ctx, j.Key)
		if err := errors.Join(err, readErr); err != nil || n != step.n || e.Last != step.last {
			t.Fatalf("before %d: %d erased up to %d, want %d up to %d: %v", step.hours, n, e.Last, step.n, step.last, err)
		}
		if chained(t, d, j) != j.Chain {
			t.Fatalf("before %d: the chain does not close", step.hours)
		}
	}
	if _, err := d.sql.Exec(`DELETE FROM entries WHERE journal = $1 AND seq = 45`, j.Key); err != nil {
		t.Fatal(err)
	}
	if n, err := d.EraseEntries(ctx, j, 90*hourMs, 8, 99); !errors.Is(err, ErrDamaged) || n != 0 {
		t.Errorf("over an entry that lacks: %d erased, %v", n, err)
	}
	if e, err := d.Erased(ctx, j.Key); err != nil || e.Last != 41 || e.Count != 31 || e.At != 99 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := d.sql.Exec(`DELETE FROM entries WHERE journal = $1`, j.Key); err != nil {
		t.Fatal(err)
	}
	last, err := d.LastEntry(ctx)
	if err != nil || last != 95 {
		t.Fatalf("last number %d, %v", last, err)
	}
	if n, err := d.EraseEntries(ctx, other, 1000*hourMs, 8, 99); err != nil || n != 5 {
		t.Fatalf("%d erased: %v", n, err)
	}
	store(t, d, "west", 1, Gap{})
	if list, err := d.Entries(ctx, EntryFilter{Limit: 5}); err != nil || len(list) != 1 || list[0].Number != 96 {
		t.Errorf("%+v, %v", list, err)
	}
}

const secretName = "Xylophia Quarz"

// TestErasePasses: passes of past days go with their words, presence, photos and
// what was asked for; others stay; numbers are not issued again.
func TestErasePasses(t *testing.T) { each(t, testErasePasses) }

func testErasePasses(t *testing.T, where string) {
	d := open(t, where)
	for i := range 40 {
		_, err := d.InsertPass(ctx, baseDay-pass.Day(i%4), 1024, func(number, _ uint32) (Pass, error) {
			p := pass.Pass{Kind: pass.Guest, Day: baseDay - pass.Day(i%4), Index: number, Length: 6, Zones: 1}
			return Pass{Pass: p, Signature: make([]byte, 64), Holder: "holder-" + string(rune('a'+i%4)), GuestName: secretName, Purpose: secretName}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	store(t, d, "north", 3, Gap{})
	err := d.write(ctx, func(tx *sql.Tx) error {
		for _, h := range []string{"holder-a", "holder-d", "new"} { // d's passes are of the oldest day
			if err := savePhoto(ctx, tx, Photo{Holder: h, JPEG: []byte(secretName), At: map[string]int64{"new": 100}[h]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	erased := 0
	for range 3 {
		n, err := d.ErasePasses(ctx, baseDay-1, 15)
		if err != nil {
			t.Fatal(err)
		}
		erased += n
	}
	left, err := d.Passes(ctx, PassFilter{Words: "quarz", Limit: 100})
	if err != nil || erased != 20 || len(left) != 20 {
		t.Errorf("%d erased, %d left: %v", erased, len(left), err)
	}
	if p, err := d.InsertPass(ctx, baseDay-3, 1024, mint(baseDay-3, "A", 1)); err != nil || p.Index != 10 {
		t.Errorf("the next pass of an erased day has index %d: %v", p.Index, err)
	}
	if n, err := d.ErasePhotos(ctx, 50, 10); err != nil || n != 1 {
		t.Errorf("%d photos erased: %v", n, err)
	}
	if _, err := d.Photo(ctx, "holder-d"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the photo of one without passes: %v", err)
	}
	if m, err := d.Muster(ctx, 0, 0, nil, 10); err != nil || len(m) != 3 {
		t.Errorf("%d inside: %v", len(m), err)
	}
	if _, err := d.ErasePasses(ctx, baseDay+1, 100); err != nil {
		t.Fatal(err)
	}
	if m, err := d.Muster(ctx, 0, 0, nil, 10); err != nil || len(m) != 0 {
		t.Errorf("%d inside: %v", len(m), err)
	}
	if _, err := d.ErasePhotos(ctx, 1000, 100); err != nil {
		t.Fatal(err)
	}
	gone(t, d, where)
}

// TestEraseRequests: what was asked for goes when it was decided long ago, whether a
// photo came with it or not.
func TestEraseRequests(t *testing.T) { both(t, testEraseRequests) }

func testEraseRequests(t *testing.T, d *DB) {
	for kind, photo := range map[string][]byte{ApplicationGuests: nil, ApplicationECard: []byte(secretName)} {
		n, err := d.AddApplication(ctx, Application{Kind: kind, Holder: "holder", Name: secretName, Facts: "[]", Request: "[]", Photo: photo, At: 1, By: "portal"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decide(ctx, Decision{Number: n, By: "user:a", At: 5}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := d.ErasePhotos(ctx, 5, 10); err != nil || n != 0 {
		t.Errorf("too early: %d, %v", n, err)
	}
	if n, err := d.ErasePhotos(ctx, 6, 10); err != nil || n != 2 {
		t.Errorf("%d requests erased: %v", n, err)
	}
	list, err := d.Applications(ctx, ApplicationFilter{Limit: 10})
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, a := range list {
		if a.Holder != "" || a.Name != "" || a.HasPhoto {
			t.Errorf("%+v", a)
		}
	}
}

// TestErasePhotos: a photo lives as long as the eCard, whether its holder uses it or
// not; what has neither card nor pass goes.
func TestErasePhotos(t *testing.T) { both(t, testErasePhotos) }

func testErasePhotos(t *testing.T, d *DB) {
	activate(t, d, "nobody's register") // with no register at all
	withdraw := func(holder string) {
		t.Helper()
		err := d.Feed(ctx, func(tx *FeedTx) error {
			return tx.WithdrawECard(Withdrawal{Holder: holder, By: "user:a", At: 3, Reason: "lent"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	photos := func(what string, want ...string) {
		t.Helper()
		if _, err := d.ErasePhotos(ctx, 1000, 1); err != nil { // part by part
			t.Fatal(err)
		}
		if _, err := d.ErasePhotos(ctx, 1000, 100); err != nil {
			t.Fatal(err)
		}
		got, err := all(ctx, d.sql, scanText, `SELECT holder FROM photos ORDER BY holder`)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: photos of %q, want %q: %v", what, got, want, err)
		}
	}
	withdraw("nobody's register")
	photos("withdrawn", "nobody's register")
	for _, id := range []string{"active", "alias", "head", "left", "withdrawn"} {
		putRows(t, d, register.Persons, map[string]string{"id": id, "surname": "Chan"})
		activate(t, d, id)
	}
	withdraw("withdrawn")
	withdraw("left")
	if err := d.write(ctx, func(tx *sql.Tx) error {
		return errors.Join(savePhoto(ctx, tx, Photo{Holder: "no card", JPEG: []byte{1}, At: 2}), savePhoto(ctx, tx, Photo{Holder: "new", JPEG: []byte{1}, At: 1000}))
	}); err != nil {
		t.Fatal(err)
	}
	if e, err := d.CountErasable(ctx, 0, 0, 1000); err != nil || e.Photos != 2 { // without a card, and of whom the register does not know
		t.Errorf("%+v, %v", e, err)
	}
	photos("in the register", "active", "alias", "head", "left", "new", "withdrawn")
	if err := d.MergeRegister(ctx, register.Merge{ID: "m", Kept: "head", Gone: "alias", Reason: "one", By: "desk"}); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveRegistered(ctx, "left", "desk", 71); err != nil {
		t.Fatal(err)
	}
	photos("merged and removed", "active", "head", "new", "withdrawn")
	if _, err := d.InsertPass(ctx, 2516, 1024, mint(2516, "active", 1)); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveRegistered(ctx, "active", "desk", 72); err != nil {
		t.Fatal(err)
	}
	photos("without a card, with a pass", "active", "head", "new", "withdrawn")
	if _, err := d.AddApplication(ctx, Application{Kind: ApplicationECard, Holder: "head", Facts: "[]", Request: "{}", Photo: []byte{2}, At: 999}); err != nil {
		t.Fatal(err)
	}
	if e, err := d.CountErasable(ctx, 0, 0, 999); err != nil || e.Undecided != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := d.CountErasable(ctx, 0, 0, 1000); err != nil || e.Undecided != 1 {
		t.Errorf("%+v, %v", e, err)
	}
}

// gone looks for what was erased, in SQLite's files as well.
func gone(t *testing.T, d *DB, where string) {
	t.Helper()
	if err := d.Overwrite(ctx); err != nil {
		t.Fatal(err)
	}
	for table, rows := range rowstest.Read(t, d.sql, d.postgres) {
		for _, row := range rows {
			for column, v := range row {
				if bytes.Contains(bytes.ToLower([]byte(v)), []byte("quarz")) {
					t.Errorf("%s.%s still has %q", table, column, v)
				}
			}
		}
	}
	if d.postgres {
		return
	}
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(where + end)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(bytes.ToLower(data), []byte("quarz")) {
			t.Errorf("the name still stands in the file %s", where+end)
		}
	}
}
