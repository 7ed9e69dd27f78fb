package retention

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/ledger"
	"turnstile/central/link"
	"turnstile/central/pass"
)

var (
	ctx  = context.Background()
	zone = time.FixedZone("HKT", 8*3600)
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, zone)
)

// archive is a database with one journal and an eraser.
type archive struct {
	*Eraser
	db      *database.DB
	now     time.Time
	journal database.Journal
}

func newArchive(t *testing.T, db *database.DB) *archive {
	t.Helper()
	a := &archive{db: db, now: noon, journal: database.Journal{Lane: "N1", ID: link.JournalID{1}}}
	a.journal.Chain = link.JournalStart(a.journal.ID)
	a.Eraser = New(Config{DB: db, Default: DefaultPolicy(), Location: zone, Now: func() time.Time { return a.now }, Log: slog.New(slog.DiscardHandler)})
	err := db.Ledger(ctx, func(tx *database.LedgerTx) error { return tx.AddJournal(&a.journal) })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// take stores n entries that were received at a time, and issues a pass of its day.
func (a *archive) take(t *testing.T, at time.Time, n int) {
	t.Helper()
	day := pass.DayOf(at)
	_, err := a.db.InsertPass(ctx, day, 1024, func(number, _ uint32) (database.Pass, error) {
		p := pass.Pass{Kind: pass.Guest, Day: day, Index: number, Length: 6, Zones: 1}
		return database.Pass{Pass: p, Signature: make([]byte, 64), Holder: "s0001", GuestName: "Chan Tai Man"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = a.db.Ledger(ctx, func(tx *database.LedgerTx) error {
		var rows []database.Row
		for range n {
			a.journal.Last++
			e := link.Entry{Type: link.EntryDenied, Lane: 1, Seq: a.journal.Last, Wall: at.UnixMilli(), Pass: pass.ID{Day: day}}
			raw := e.Append(nil)
			a.journal.Chain = link.JournalChain(a.journal.Chain, raw)
			rows = append(rows, database.Row{Seq: e.Seq, Day: day, Pass: e.Pass, Entry: raw})
		}
		return errors.Join(tx.Append(a.journal.Key, at.UnixMilli(), rows), tx.SetJournal(a.journal))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// set puts a policy in force behind a version.
func (a *archive) set(t *testing.T, p Policy, behind uint64) {
	t.Helper()
	body, err := json.Marshal(p)
	if err == nil {
		err = a.db.ChangeDocument(ctx, Document, behind+1, string(body), a.now.UnixMilli(), database.Deed{By: "user:eve", Action: "set_retention"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestErase: what is older than the policy goes, what remains verifies, a shorter
// policy takes more, and it is all in the audit.
func TestErase(t *testing.T) { databasetest.Both(t, testErase) }

func testErase(t *testing.T, db *database.DB) {
	a := newArchive(t, db)
	midnight := time.Date(2026, 10, 22, 0, 0, 0, 0, zone)
	a.take(t, midnight.AddDate(0, 0, -10), 2*together+5)
	a.take(t, midnight.Add(-time.Second), 3)
	a.take(t, midnight, 4)
	a.take(t, noon.AddDate(0, 0, -3), 5)
	for _, step := range []struct {
		policy   Policy
		version  uint64
		want     Counts
		verified uint64
	}{
		{Policy{}, 0, Counts{Passages: 2*together + 8, Passes: 2}, 9},
		{Policy{}, 0, Counts{}, 9},
		{Policy{Passages: 5, Passes: 40, Photos: 1}, 0, Counts{Passages: 4}, 5},
		{Policy{Passages: 5, Passes: 2, Photos: 1}, 1, Counts{Passes: 2}, 5},
	} {
		if step.policy != (Policy{}) {
			a.set(t, step.policy, step.version)
		}
		n, err := a.Erase(ctx)
		if err != nil || n != step.want {
			t.Fatalf("%+v: erased %+v: %v", step.policy, n, err)
		}
		v, err := ledger.Verify(ctx, db)
		if err != nil || len(v) != 1 || v[0].Err != nil || v[0].Entries != step.verified || v[0].Erased.Last+step.verified != a.journal.Last {
			t.Fatalf("%+v: %v", v, err)
		}
	}
	log, err := db.AuditAfter(ctx, 0, 100)
	said := map[string]int{}
	for _, e := range log {
		said[e.Action]++
	}
	if err != nil || said["erase"] != 3 || said["set_retention"] != 2 {
		t.Errorf("audit %v: %v", said, err)
	}
}

// TestEraseShowsTampering: an entry that was changed before it was erased does
// not make the chain close.
func TestEraseShowsTampering(t *testing.T) { databasetest.Both(t, testEraseShowsTampering) }

func testEraseShowsTampering(t *testing.T, db *database.DB) {
	a := newArchive(t, db)
	good := a.journal.Chain
	a.journal.Chain[0] ^= 1 // as if the first entry had been another one
	a.take(t, noon.AddDate(0, 0, -40), 10)
	a.take(t, noon, 2)
	if a.journal.Chain == good {
		t.Fatal("the chain stands still")
	}
	if _, err := a.Erase(ctx); err != nil {
		t.Fatal(err)
	}
	if v, err := ledger.Verify(ctx, db); err != nil || !errors.Is(v[0].Err, ledger.ErrBroken) || v[0].Erased.Last != 10 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestPolicy: what cannot be is refused, also where it stands in the database, and
// the newest version is in force.
func TestPolicy(t *testing.T) { databasetest.Both(t, testPolicy) }

func testPolicy(t *testing.T, db *database.DB) {
	a := newArchive(t, db)
	for _, p := range []Policy{{}, {31, 31, 0}, {31, -1, 31}, {MaxDays + 1, 1, 1}} {
		if err := p.Check(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if p, version, err := a.Policy(ctx); err != nil || p != DefaultPolicy() || version != 0 {
		t.Errorf("%+v, %d, %v", p, version, err)
	}
	want := Policy{7, 8, 9}
	a.set(t, want, 0)
	if p, version, err := a.Policy(ctx); err != nil || p != want || version != 1 {
		t.Errorf("%+v, %d, %v", p, version, err)
	}
	a.take(t, noon.AddDate(0, 0, -40), 3)
	a.set(t, Policy{}, 1) // nobody can set this
	if n, err := a.Erase(ctx); !errors.Is(err, ErrPolicy) || n != (Counts{}) {
		t.Errorf("erased %+v by a policy of no days: %v", n, err)
	}
}

// TestRun erases at once, and ends with its context.
func TestRun(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		a := newArchive(t, db)
		a.take(t, noon.AddDate(0, 0, -40), 10)
		running, stop := context.WithCancel(ctx)
		a.config.Now = func() time.Time { // asked for the audit at the end
			if e, err := db.Erased(ctx, a.journal.Key); err == nil && e.Last == 10 {
				stop()
			}
			return a.now
		}
		if err := a.Run(running); err != nil {
			t.Error(err)
		}
		if e, err := db.Erased(ctx, a.journal.Key); err != nil || e.Last != 10 {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// TestEraseCommands: who gave a command and why goes with the passages of its day;
// the command stays, and a lane that was cut off can answer it.
func TestEraseCommands(t *testing.T) {
	databasetest.Both(t, func(t *testing.T, db *database.DB) {
		a := newArchive(t, db)
		limit := time.Date(2026, 10, 22, 0, 0, 0, 0, zone)
		var given []*database.Command
		for i, at := range []time.Time{limit.AddDate(0, -1, 0), limit.Add(-time.Millisecond), limit, noon} {
			c := &database.Command{By: "user:guard", Reason: "Mr Chan forgot his card", Command: link.Command{
				Lane: "N1", Action: link.CommandOpen, Index: uint8(i + 1), Direction: 1, Issued: at.UnixMilli(), Expires: at.UnixMilli() + 1}}
			if err := db.AddCommand(ctx, c, "N1/1", c.Reason, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
			given = append(given, c)
		}
		if n, err := a.Erase(ctx); err != nil || n != (Counts{Commands: 2}) {
			t.Fatalf("erased %+v: %v", n, err)
		}
		for i, c := range given {
			got, err := db.Command(ctx, c.Lane, c.Number)
			if gone := got.By == "" && got.Reason == ""; err != nil || gone != (i < 2) || !gone && got != *c || got.Start != c.Start || got.Issued != c.Issued {
				t.Errorf("command %d: %+v, %v", i, got, err)
			}
		}
		if n, err := a.Erase(ctx); err != nil || n != (Counts{}) {
			t.Errorf("again %+v: %v", n, err)
		}
	})
}

// TestEraseRequests: the answers that the API keeps for a day go then, also when no
// request with a key ever comes again.
func TestEraseRequests(t *testing.T) { databasetest.Both(t, testEraseRequests) }

func testEraseRequests(t *testing.T, db *database.DB) {
	a := newArchive(t, db)
	const keys = together + 50
	terms := func(at time.Time) database.RequestTerms {
		return database.RequestTerms{At: at.UnixMilli(), Limit: keys + 2}
	}
	for i := range keys {
		k := database.RequestKey{Token: "t", Key: link.Hash{byte(i), byte(i >> 8)}, Claim: "c"}
		if _, err := db.BeginRequest(ctx, k, terms(noon)); err != nil {
			t.Fatal(err)
		}
	}
	late := database.RequestKey{Token: "t", Key: link.Hash{1, 2, 3}, Claim: "c"}
	if _, err := db.BeginRequest(ctx, late, terms(noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	a.now = noon.Add(answersKept + time.Minute)
	if _, err := a.Erase(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := db.EraseRequests(ctx, noon.Add(time.Minute).UnixMilli(), 2*keys); n != 0 || err != nil {
		t.Errorf("%d keys are left: %v", n, err)
	}
	if n, err := db.EraseRequests(ctx, noon.Add(2*time.Hour).UnixMilli(), 2*keys); n != 1 || err != nil {
		t.Errorf("%d keys of the last day: %v", n, err)
	}
}
