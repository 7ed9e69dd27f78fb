package ledger

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

// lossy seals the entries first .. last, and says that lost ones before are gone.
func (j *journal) lossy(t testing.TB, first, last int, lost uint64) []byte {
	t.Helper()
	b := link.NewBatch(j.lane, j.id, uint64(first), j.chain[first-1], j.entries[first-1:last])
	b.Lost = lost
	return seal(t, laneKey, link.TypeBatch, b)
}

// stored returns the numbers and bytes of a journal's entries.
func (s *shop) stored(t testing.TB, j *journal) map[uint64]string {
	t.Helper()
	rows, err := s.db.Entries(context.Background(), database.EntryFilter{Limit: 100_000, Lane: j.lane})
	if err != nil {
		t.Fatal(err)
	}
	found := map[uint64]string{}
	for _, r := range rows {
		if r.Journal == j.id {
			found[seqOf(r.Entry)] = string(r.Entry)
		}
	}
	return found
}

// verified returns Verify's verdict of the one journal.
func (s *shop) verified(t testing.TB) Verdict {
	t.Helper()
	list, err := Verify(context.Background(), s.db)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d journals, %v", len(list), err)
	}
	return list[0]
}

func (s *shop) alarm(t testing.TB, code string) (found []database.Alarm) {
	t.Helper()
	list, err := s.db.Alarms(context.Background(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.Code == code {
			found = append(found, a)
		}
	}
	return found
}

// TestLostEntriesAreNamedAndPassedOver goes through what can come around a gap,
// one after another, on one journal of 200 entries.
func TestLostEntriesAreNamedAndPassedOver(t *testing.T) {
	databasetest.Each(t, testLostEntriesAreNamedAndPassedOver)
}

func testLostEntriesAreNamedAndPassedOver(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 200)
	for _, step := range []struct {
		what        string
		first, last int
		lost        uint64
		acked       int
		alarms      int // of CodeLost so far
		gaps        int
	}{
		{"the start", 1, 50, 0, 50, 0, 0},
		{"entries behind the damage, nothing declared", 71, 80, 0, 50, 0, 0},
		{"not all that lacks is declared", 71, 80, 19, 50, 0, 0},
		{"51 to 70 are lost", 71, 80, 20, 80, 1, 1},
		{"the same batch again", 71, 80, 20, 80, 1, 1},
		{"more declared than central lacks", 101, 110, 30, 110, 2, 2},
		{"declared lost, but stored: 41 to 45", 46, 50, 5, 110, 3, 2},
		{"declared lost, but stored, with news", 106, 120, 3, 120, 4, 2},
		{"the mended file, all of it", 40, 130, 0, 130, 5, 2},
		{"entries of the gap alone", 55, 60, 0, 130, 6, 2},
		{"the rest", 131, 200, 0, 200, 6, 2},
	} {
		s.put(t, "N1", j.lossy(t, step.first, step.last, step.lost))
		s.expect(t, j, step.acked)
		v := s.verified(t)
		if n := len(s.alarm(t, CodeLost)); n != step.alarms || len(v.Gaps) != step.gaps || v.Err != nil {
			t.Fatalf("%s: %d alarms, want %d; %d gaps, want %d; %v", step.what, n, step.alarms, len(v.Gaps), step.gaps, v.Err)
		}
	}
	s.db.Close()
	s = newShop(t, where)
	found := s.stored(t, j)
	for seq := uint64(1); seq <= 200; seq++ {
		lost := seq >= 51 && seq <= 70 || seq >= 81 && seq <= 100
		if e, ok := found[seq]; ok == lost || ok && e != string(j.entries[seq-1]) {
			t.Errorf("entry %d: stored %v, lost %v", seq, ok, lost)
		}
	}
	v := s.verified(t)
	if v.Entries != 160 || v.Last != 200 || len(v.Gaps) != 2 || v.Gaps[0].From != 51 || v.Gaps[0].To != 70 || v.Gaps[1].From != 81 || v.Gaps[1].To != 100 {
		t.Errorf("%+v", v)
	}
	if a := s.alarm(t, CodeLost)[0]; !strings.Contains(a.Detail, "51 to 70") || a.Next == "" {
		t.Errorf("alarm %+v does not name the numbers", a)
	}
}

// TestLostIsNoWayToRewrite: who holds the lane's key cannot replace or take away
// by it what is stored.
func TestLostIsNoWayToRewrite(t *testing.T) { databasetest.Each(t, testLostIsNoWayToRewrite) }

func testLostIsNoWayToRewrite(t *testing.T, where string) {
	s := newShop(t, where)
	good := newJournal("N1", 1, 60)
	s.put(t, "N1", good.batch(t, 1, 40))
	s.expect(t, good, 40)
	other := newJournal("N1", 1, 9)
	other.add(link.Entry{Type: link.EntryForced, Seq: 10, Wall: 1})
	other.grow(14)
	other.add(link.Entry{Type: link.EntryForced, Seq: 25, Wall: 1})
	other.grow(35)
	for _, c := range []struct {
		what        string
		first, last int
		lost        uint64
		code        string
	}{
		{"stored ones lost, others in their place", 21, 30, 10, CodeRewritten},
		{"stored ones lost, another chain behind", 41, 50, 10, CodeFork},
		{"all lost", 31, 60, 30, CodeFork},
	} {
		s.put(t, "N1", other.lossy(t, c.first, c.last, c.lost))
		s.expect(t, good, 40)
		s.check(t, good, 40)
		if codes := s.alarmCodes(t); codes[c.code] == 0 || codes[CodeLost] == 0 {
			t.Errorf("%s: alarms %v, want %s", c.what, codes, c.code)
		}
		if v := s.verified(t); v.Err != nil || len(v.Gaps) != 0 {
			t.Errorf("%s: %+v", c.what, v)
		}
	}
	s.put(t, "N1", good.batch(t, 41, 60))
	s.expect(t, good, 60)
}

// TestGapsAreBounded: a lane that loses every second entry is stopped.
func TestGapsAreBounded(t *testing.T) { databasetest.Each(t, testGapsAreBounded) }

func testGapsAreBounded(t *testing.T, where string) {
	s := newShop(t, where)
	j := newJournal("N1", 1, 2*maxGaps+40)
	var batches []incoming
	for n := 2; n < len(j.entries); n += 2 {
		in, err := s.Ledger.check("N1", j.lossy(t, n, n, 1))
		if err != nil {
			t.Fatal(err)
		}
		batches = append(batches, in)
	}
	if err := s.store(context.Background(), batches); err != nil {
		t.Fatal(err)
	}
	if v := s.verified(t); len(v.Gaps) != maxGaps || v.Last != 2*maxGaps || v.Err != nil {
		t.Errorf("%d gaps up to entry %d, want %d; %v", len(v.Gaps), v.Last, maxGaps, v.Err)
	}
	if n := len(s.alarm(t, CodeGaps)); n == 0 {
		t.Error("nobody is told that no more is taken")
	}
}

// TestVerifyFindsWhatWasChanged in the database by hand.
func TestVerifyFindsWhatWasChanged(t *testing.T) {
	for what, change := range map[string]func(tx *database.LedgerTx, j database.Journal) error{
		"a gap that nobody had": func(tx *database.LedgerTx, j database.Journal) error {
			return tx.AddGap(j.Key, database.Gap{From: 90, To: 95})
		},
		"another end": func(tx *database.LedgerTx, j database.Journal) error {
			j.Chain[0] ^= 1
			return tx.SetJournal(j)
		},
		"an end cut off": func(tx *database.LedgerTx, j database.Journal) error {
			j.Last--
			return tx.SetJournal(j)
		},
		"an end made longer": func(tx *database.LedgerTx, j database.Journal) error {
			j.Last++
			return tx.SetJournal(j)
		},
	} {
		t.Run(what, func(t *testing.T) {
			databasetest.Each(t, func(t *testing.T, where string) {
				s := newShop(t, where)
				j := newJournal("N1", 1, 2500)
				for first := 1; first <= 2500; first += 500 {
					s.put(t, "N1", j.batch(t, first, first+499))
				}
				if v := s.verified(t); v.Err != nil || v.Entries != 2500 {
					t.Fatalf("before: %+v", v)
				}
				err := s.db.Ledger(context.Background(), func(tx *database.LedgerTx) error {
					stored, err := tx.Journal("N1", j.id)
					if err != nil {
						return err
					}
					return change(tx, stored)
				})
				if err != nil {
					t.Fatal(err)
				}
				if v := s.verified(t); !errors.Is(v.Err, ErrBroken) {
					t.Errorf("%s was not found: %+v", what, v)
				}
			})
		})
	}
}

// TestRemind: a lane that reports more acknowledged than the ledger has is told
// where the ledger stands, also of a journal that it does not know; no other is.
func TestRemind(t *testing.T) { databasetest.Each(t, testRemind) }

func testRemind(t *testing.T, where string) {
	s := newShop(t, where)
	j, unknown := newJournal("N1", 1, 30), newJournal("N2", 2, 5)
	s.put(t, "N1", j.batch(t, 1, 20))
	s.expect(t, j, 20)
	for _, c := range []struct {
		j     *journal
		acked uint64
		told  int // -1: nothing
	}{{j, 20, -1}, {j, 5, -1}, {j, 21, 20}, {unknown, 3, 0}, {unknown, 0, -1}} {
		if err := s.Remind(context.Background(), c.j.lane, c.j.id, c.acked); err != nil {
			t.Fatal(err)
		}
		if c.told >= 0 {
			s.expect(t, c.j, c.told)
		} else if len(s.acks) != 0 {
			t.Fatalf("%d acknowledged: told though nothing lacks", c.acked)
		}
	}
}

// TestRemindAsksOnce: where the ledger stands with a lane is known without the
// database after its journal was stored or looked up.
func TestRemindAsksOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "central.db")
	s := newShop(t, path)
	j := newJournal("N1", 1, 30)
	s.put(t, "N1", j.batch(t, 1, 20))
	s.expect(t, j, 20)
	if err := s.config.DB.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Remind(context.Background(), j.lane, j.id, 20); err != nil {
		t.Error("stored a moment ago:", err)
	}
	if err := s.Remind(context.Background(), j.lane, j.id, 21); err == nil {
		t.Error("more than is known to be stored was not looked up")
	}
	if err := s.Remind(context.Background(), j.lane, link.JournalID{9}, 1); err == nil {
		t.Error("another journal of the lane was not looked up")
	}
}
