package database_test

import (
	"errors"
	"slices"
	"testing"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/link"
)

// invite stores a lane controller that is invited.
func invite(t *testing.T, d *database.DB, lane string, number byte) database.Invitation {
	t.Helper()
	i := database.Invitation{ID: [8]byte{number}, Lane: lane, Created: 1, Expires: 9_000}
	if err := d.Invite(t.Context(), i, "desk"); err != nil {
		t.Fatal(err)
	}
	return i
}

func enrol(t *testing.T, d *database.DB, lane string, number byte) database.Lane {
	t.Helper()
	l := database.Lane{ID: lane, Enrolled: 5, Expires: 5_000, Certificate: []byte{number}, JournalKey: []byte{1}, SealKey: []byte{2}}
	if err := d.Enrol(t.Context(), invite(t, d, lane, number), l, database.Removed{}); err != nil {
		t.Fatal(err)
	}
	return l
}

func revision(t *testing.T, d *database.DB) int64 {
	t.Helper()
	n, err := d.Revision(t.Context(), database.PlaceRevision)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func actions(t *testing.T, d *database.DB, subject string) (list []string) {
	t.Helper()
	rows, err := d.AuditOf(t.Context(), subject, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		list = append(list, r.Action)
	}
	return list
}

func TestPlaces(t *testing.T) { databasetest.Both(t, testPlaces) }

func testPlaces(t *testing.T, d *database.DB) {
	ctx := t.Context()
	begun := revision(t, d)
	for i, e := range []database.Entrance{{"south", "South", "南門", 2}, {"main", "Main", "正門", 1}, {"south", "South gate", "南門", 3}} {
		if err := d.SetEntrance(ctx, e, "desk", int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.Entrances(ctx)
	if err != nil || !slices.Equal(list, []database.Entrance{{"main", "Main", "正門", 1}, {"south", "South gate", "南門", 3}}) {
		t.Errorf("entrances %v, %v", list, err)
	}
	invite(t, d, "north-1", 1)
	rows := []database.Place{{Lane: "north-1", Name: "North", NameZH: "北", Entrance: "main", Position: 4}, {Lane: "north-1", Number: 2, Name: "Left", NameZH: "左"}}
	for range 2 { // the second time changes nothing
		if err := d.SetPlaces(ctx, rows, "desk", 7); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.Places(ctx)
	if err != nil || !slices.Equal(got, rows) {
		t.Errorf("places %v, %v", got, err)
	}
	if list := actions(t, d, "north-1"); !slices.Equal(list, []string{"rename", "move", "invite"}) {
		t.Errorf("the audit says %v", list)
	}
	if err := d.SetPlaces(ctx, []database.Place{{Lane: "nobody"}}, "desk", 7); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("a place for nobody: %v", err)
	}
	if err := d.SetPlaces(ctx, []database.Place{{Lane: "north-1", Entrance: "moon"}}, "desk", 7); !errors.Is(err, database.ErrConflict) {
		t.Errorf("a place nowhere: %v", err)
	}
	if err := d.RemoveEntrance(ctx, "main", "desk", 8); !errors.Is(err, database.ErrConflict) {
		t.Errorf("an entrance went with its lanes: %v", err)
	}
	if err := d.RemoveEntrance(ctx, "moon", "desk", 8); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("no entrance went: %v", err)
	}
	if err := errors.Join(d.RemoveEntrance(ctx, "south", "desk", 8), d.SetPlaces(ctx, []database.Place{{Lane: "north-1"}}, "desk", 9), d.RemoveEntrance(ctx, "main", "desk", 10)); err != nil {
		t.Error(err)
	}
	if n := revision(t, d); n < begun+6 {
		t.Errorf("revision %d after %d: pages would show what was", n, begun)
	}
}

func TestRetiredLanesKeepTheirName(t *testing.T) { databasetest.Both(t, testRetired) }

func testRetired(t *testing.T, d *database.DB) {
	ctx := t.Context()
	enrol(t, d, "north-1", 1)
	begun := revision(t, d)
	gone := database.Retired{Lane: "north-1", At: 20, By: "desk", Reason: "sold"}
	if err := d.RemoveLane(ctx, gone, database.Removed{Serial: "01", Lane: "north-1", Removed: 20, Expires: 5_000}); err != nil {
		t.Fatal(err)
	}
	gone.Enrolled = 5
	if list, err := d.RetiredLanes(ctx); err != nil || !slices.Equal(list, []database.Retired{gone}) {
		t.Errorf("retired %v, %v", list, err)
	}
	if revision(t, d) == begun {
		t.Error("no page learns of it")
	}
	if err := d.RemoveLane(ctx, gone, database.Removed{}); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("retired twice: %v", err)
	}
	invite(t, d, "north-1", 2)
	if list, err := d.RetiredLanes(ctx); err != nil || len(list) != 0 {
		t.Errorf("invited again, and retired: %v, %v", list, err)
	}
	certificates, err := d.LaneCertificates(ctx, "north-1", 10)
	if err != nil || len(certificates) != 1 || certificates[0].Serial != "01" {
		t.Errorf("certificates %v, %v", certificates, err)
	}
}

func TestRevokeCertificate(t *testing.T) { databasetest.Both(t, testRevokeCertificate) }

func testRevokeCertificate(t *testing.T, d *database.DB) {
	ctx := t.Context()
	l := enrol(t, d, "north-1", 1)
	invite(t, d, "north-1", 2) // the thief may have it
	cut := database.Retired{Lane: "north-1", At: 30, By: "desk", Reason: "stolen"}
	if err := d.RevokeCertificate(ctx, []byte{9}, cut, database.Removed{}); !errors.Is(err, database.ErrNotFound) {
		t.Errorf("a certificate that it has not: %v", err)
	}
	if err := d.RevokeCertificate(ctx, l.Certificate, cut, database.Removed{Serial: "0a", Lane: "north-1", Removed: 30, Expires: 5_000}); err != nil {
		t.Fatal(err)
	}
	lanes, err := d.Lanes(ctx)
	if err != nil || len(lanes) != 1 || lanes[0].Enrolled != 0 || len(lanes[0].Certificate)+len(lanes[0].JournalKey)+len(lanes[0].SealKey) != 0 {
		t.Errorf("lanes %+v, %v", lanes, err)
	}
	if open, err := d.Invitations(ctx, "north-1", 31); err != nil || len(open) != 0 {
		t.Errorf("it may enrol with %v, %v", open, err)
	}
	if list, err := d.RemovedCertificates(ctx, 31); err != nil || len(list) != 1 || list[0].Serial != "0a" {
		t.Errorf("refused certificates %v, %v", list, err)
	}
	if list := actions(t, d, "north-1"); list[0] != "revoke_certificate" {
		t.Errorf("the audit says %v", list)
	}
}

func TestLatestEntries(t *testing.T) { databasetest.Both(t, testLatestEntries) }

func testLatestEntries(t *testing.T, d *database.DB) {
	var keys []int64
	err := d.Ledger(t.Context(), func(tx *database.LedgerTx) error {
		for lane := range 2 {
			j := database.Journal{Lane: []string{"a", "b"}[lane], ID: link.JournalID{byte(lane)}}
			if err := tx.AddJournal(&j); err != nil {
				return err
			}
			keys = append(keys, j.Key)
		}
		for seq := range uint64(6) {
			if err := tx.Append(keys[seq%2], 1, []database.Row{{Seq: seq/2 + 1, Entry: []byte{byte(seq)}}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := d.LatestEntries(t.Context(), keys[1], 5, 10)
	if err != nil || len(list) != 2 || list[0].Number != 4 || list[1].Number != 2 || list[0].Lane != "b" {
		t.Errorf("of b up to 5: %+v, %v", list, err)
	}
	if list, err := d.EntriesAfter(t.Context(), 4, 10); err != nil || len(list) != 2 || list[0].Number != 5 {
		t.Errorf("after 4: %+v, %v", list, err)
	}
	if list, err := d.JournalsOf(t.Context(), "a"); err != nil || len(list) != 1 || list[0].Key != keys[0] {
		t.Errorf("journals of a: %+v, %v", list, err)
	}
	raise := func(lane string, at int64) {
		if err := d.Raise(t.Context(), database.Alarm{Code: "x", Lane: lane, Subject: lane, Latest: at}); err != nil {
			t.Fatal(err)
		}
	}
	raise("a", 1)
	raise("b", 2)
	if list, err := d.AlarmsOf(t.Context(), "a", 10); err != nil || len(list) != 1 || list[0].Lane != "a" {
		t.Errorf("alarms of a: %+v, %v", list, err)
	}
}
