package database

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/register"
	"turnstile/central/register/registertest"
)

// registerRules are what the tests' rows are held to.
func registerRules() register.Rules {
	return register.Rules{Key: register.Key{7}, Institutions: registertest.Institutions(), Today: "2026-11-22"}
}

func parsed(t *testing.T, k register.Kind, rows ...map[string]string) (list []register.Row) {
	t.Helper()
	for i, values := range rows {
		row := register.Row{Line: i + 2}
		row.Record, row.Faults = registerRules().Parse(k, values)
		list = append(list, row)
	}
	return list
}

// put brings good rows in.
func putRows(t *testing.T, d *DB, k register.Kind, rows ...map[string]string) register.Counts {
	t.Helper()
	var records []register.Record
	for _, r := range parsed(t, k, rows...) {
		if len(r.Faults) > 0 {
			t.Fatalf("%+v", r.Faults)
		}
		records = append(records, r.Record)
	}
	n, faults, err := d.PutRegister(ctx, "test", 5, records, false)
	if err != nil || len(faults) > 0 {
		t.Fatal(n, faults, err)
	}
	return n
}

// syncRows brings rows to a preview.
func syncRows(t *testing.T, d *DB, id string, k register.Kind, full bool, rows []register.Row) register.Sync {
	t.Helper()
	if err := d.AddRegisterSync(ctx, register.Sync{ID: id, Kind: k, Name: "file.csv", Full: full, By: "desk", At: time.UnixMilli(10)}); err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(rows, 7) {
		for range 2 { // sent again
			if err := d.AddRegisterRows(ctx, id, part); err != nil {
				t.Fatal(err)
			}
		}
	}
	for more := true; more; {
		var err error
		if more, err = d.CompareRegister(ctx, id, 3, 11); err != nil {
			t.Fatal(err)
		}
	}
	s, err := d.RegisterSync(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func applyAll(t *testing.T, d *DB, id string) register.Sync {
	t.Helper()
	if err := d.SettleRegister(ctx, id, true, "boss", 12); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 2 { // two centrals
		all.Go(func() {
			for more := true; more; {
				var err error
				if more, err = d.ApplyRegister(ctx, id, 4, 13); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	s, err := d.RegisterSync(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func invented(n int) []registertest.Invented {
	return registertest.People(n, 3, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
}

// TestRegisterSync: files of all kinds come in, once, by however many centrals; the
// same again changes nothing; a full one removes what it does not have.
func TestRegisterSync(t *testing.T) { both(t, testRegisterSync) }

func testRegisterSync(t *testing.T, d *DB) {
	people := invented(40)
	for _, k := range register.Kinds() {
		rows := parsed(t, k, registertest.Rows(people, k)...)
		s := syncRows(t, d, "first-"+string(k), k, false, rows)
		if s.State != register.SyncPreview || s.Good != len(rows) || s.Adds != len(rows) || s.Bad+s.Alters+s.Same+s.Removes != 0 {
			t.Fatalf("%+v", s)
		}
		if more, err := d.ApplyRegister(ctx, s.ID, 10, 12); more || err != nil {
			t.Errorf("applied before it was confirmed: %v %v", more, err)
		}
		if s = applyAll(t, d, s.ID); s.State != register.SyncDone || s.Added != len(rows) || s.Failed != 0 || s.ConfirmedBy != "boss" {
			t.Errorf("%+v", s)
		}
		if err := d.SettleRegister(ctx, s.ID, true, "other", 14); !errors.Is(err, ErrConflict) {
			t.Errorf("settled twice: %v", err)
		}
		if err := d.AddRegisterRows(ctx, s.ID, rows[:1]); !errors.Is(err, ErrConflict) {
			t.Errorf("rows behind the end: %v", err)
		}
		for _, full := range []bool{false, true} {
			s = syncRows(t, d, fmt.Sprint("again-", k, full), k, full, rows)
			if s.State != register.SyncDone || s.Same != len(rows) || !s.Idle() || s.Held {
				t.Errorf("the same again: %+v", s)
			}
		}
	}
	size, err := d.RegisterSize(ctx)
	if err != nil || size.Persons != 40 || size.Of(register.Cards) < 10 || size.Degrees < 20 || size.NetIDs < 10 {
		t.Errorf("%+v, %v", size, err)
	}
	checkFullSync(t, d, people)
}

func checkFullSync(t *testing.T, d *DB, people []registertest.Invented) {
	t.Helper()
	if _, err := d.sql.ExecContext(ctx, `INSERT INTO ecards (holder, name, since, by) VALUES ($1, 'x', 1, 'x'), ($2, 'x', 1, 'x')`, people[0].ID, people[1].ID); err != nil {
		t.Fatal(err)
	}
	values := registertest.Rows(people[1:39], register.Persons) // the first and the last left
	values[0]["email"] = "new@mail.example"
	bad := append(parsed(t, register.Persons, values...), register.Row{Line: 90, Faults: []register.Fault{{Column: "id", Text: "is missing"}}})
	if s := syncRows(t, d, "held", register.Persons, true, bad); !s.Held || s.Removes != 0 || s.Bad != 1 || s.State != register.SyncPreview {
		t.Errorf("with a bad row: %+v", s)
	}
	s := syncRows(t, d, "full", register.Persons, true, parsed(t, register.Persons, values...))
	if s.Removes != 2 || s.Alters != 1 || s.Same != 37 || s.Total != 40 || s.Heavy() {
		t.Errorf("%+v", s)
	}
	rows, err := d.RegisterRows(ctx, "full", register.RowsRemoved, 0, 9)
	if err != nil || len(rows) != 2 || rows[0].Line != -1 || rows[0].Record.Values["surname"] == "" || rows[0].Record.Values["personal_id"] != "" {
		t.Errorf("%+v, %v", rows, err)
	}
	if rows, err = d.RegisterRows(ctx, "full", register.RowsChanged, 0, 9); err != nil || len(rows) != 1 || !slices.Equal(rows[0].Columns, []string{"email"}) {
		t.Errorf("%+v, %v", rows, err)
	}
	if s = applyAll(t, d, "full"); s.Taken != 2 || s.Changed != 1 || s.State != register.SyncDone {
		t.Errorf("%+v", s)
	}
	if _, err := d.RegisterPerson(ctx, people[0].ID); !errors.Is(err, register.ErrNotFound) {
		t.Errorf("who left is there: %v", err)
	}
	if known, used, err := d.RegisterKnows(ctx, people[0].ID); known || !used || err != nil {
		t.Error(known, used, err)
	}
	if _, err := d.ECard(ctx, people[0].ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("the eCard of who left: %v", err)
	}
	if _, err := d.ECard(ctx, people[1].ID); err != nil {
		t.Errorf("the eCard of who stayed: %v", err)
	}
	if p, err := d.RegisterPerson(ctx, people[1].ID); err != nil || p.Email != "new@mail.example" || p.Surname != people[1].Surname || len(p.PersonalID) != 32 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := d.PruneRegisterSyncs(ctx, 0, 1000); err != nil {
		t.Fatal(err)
	}
	if list, err := d.RegisterSyncs(ctx, "", 99); err != nil || len(list) != 1 || list[0].ID != "held" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestRegisterRowFaults: rows that only the register shows to be bad are set apart
// from good ones, before and after the confirmation.
func TestRegisterRowFaults(t *testing.T) { both(t, testRegisterRowFaults) }

func testRegisterRowFaults(t *testing.T, d *DB) {
	putRows(t, d, register.Persons, map[string]string{"id": "P1", "surname": "Chan"}, map[string]string{"id": "P2", "surname": "Wong"})
	s := syncRows(t, d, "s", register.NetIDs, false, parsed(t, register.NetIDs, map[string]string{"person": "P1", "netid": "a"}, map[string]string{"person": "P9", "netid": "b"},
		map[string]string{"person": "P2", "netid": "A"}, map[string]string{"person": "P2", "netid": "c"}))
	if s.Good != 2 || s.Bad != 2 || s.Adds != 2 {
		t.Errorf("%+v", s)
	}
	faulty, err := d.RegisterRows(ctx, "s", register.RowsFaulty, 0, 9)
	if err != nil || len(faulty) != 2 || faulty[0].Line != 3 || faulty[0].Faults[0].Column != "person" || faulty[1].Faults[0].Arg != "2" {
		t.Errorf("%+v, %v", faulty, err)
	}
	if err := d.RemoveRegistered(ctx, "P2", "test", 11); err != nil { // meanwhile
		t.Fatal(err)
	}
	if s = applyAll(t, d, "s"); s.Added != 1 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
	if faulty, err = d.RegisterRows(ctx, "s", register.RowsFaulty, 0, 9); err != nil || len(faulty) != 3 {
		t.Errorf("%+v, %v", faulty, err)
	}
	n, faults, err := d.PutRegister(ctx, "test", 5, []register.Record{parsed(t, register.Persons, map[string]string{"id": "P3", "surname": "Lee"})[0].Record, parsed(t, register.Persons, map[string]string{"id": "P4", "email": ""})[0].Record}, false)
	if err != nil || n.Added != 1 || faults[1].Column != "surname" {
		t.Error(n, faults, err)
	}
	if _, err := d.RegisterPerson(ctx, "P3"); !errors.Is(err, register.ErrNotFound) {
		t.Errorf("a half of a batch is in: %v", err)
	}
	if n, _, err := d.PutRegister(ctx, "test", 5, []register.Record{parsed(t, register.Persons, map[string]string{"id": "P3", "surname": "Lee"})[0].Record}, true); err != nil || n.Added != 1 {
		t.Error(n, err)
	}
	if _, err := d.RegisterPerson(ctx, "P3"); !errors.Is(err, register.ErrNotFound) {
		t.Errorf("a preview put it in: %v", err)
	}
	if n := putRows(t, d, register.Persons, map[string]string{"id": "P1", "surname": "Chan"}); n.Same != 1 || n.Added+n.Changed != 0 {
		t.Errorf("%+v", n)
	}
}

// TestRegisterCrash cuts the power at each row of a sync: nothing of the running
// step stands, and the next central, which opens the database anew, goes on and does
// nothing twice.
func TestRegisterCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "central.db")
	reopen := func() *DB {
		d, err := Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := reopen()
	people := invented(9)
	rows := parsed(t, register.Persons, registertest.Rows(people, register.Persons)...)
	putRows(t, d, register.Persons, map[string]string{"id": "X1", "surname": "Left"}, map[string]string{"id": people[4].ID, "surname": "Before"})
	syncRows(t, d, "s", register.Persons, true, rows)
	if err := d.SettleRegister(ctx, "s", true, "boss", 12); err != nil {
		t.Fatal(err)
	}
	cuts := 0
	for _, at := range append(slices.Clone(people), registertest.Invented{Person: register.Person{ID: "X1"}}) {
		for _, deed := range []string{"INSERT ON register_words WHEN NEW.person", "UPDATE ON register_persons WHEN NEW.id", "DELETE ON register_persons WHEN OLD.id"} {
			if _, err := d.sql.ExecContext(ctx, `CREATE TRIGGER power BEFORE `+deed+` = '`+at.ID+`' BEGIN SELECT RAISE(ABORT, 'power cut'); END`); err != nil {
				t.Fatal(err)
			}
			was, err := d.RegisterSync(ctx, "s")
			if err != nil {
				t.Fatal(err)
			}
			_, broke := d.ApplyRegister(ctx, "s", 1, 13)
			d.Close()
			d = reopen()
			if is, err := d.RegisterSync(ctx, "s"); err != nil || broke != nil && is != was {
				t.Errorf("%s at %s: %+v became %+v, %v", deed, at.ID, was, is, err)
			}
			if broke != nil {
				cuts++
			}
			if _, err := d.sql.ExecContext(ctx, `DROP TRIGGER power`); err != nil {
				t.Fatal(err)
			}
		}
	}
	for more := true; more; {
		var err error
		if more, err = d.ApplyRegister(ctx, "s", 2, 13); err != nil {
			t.Fatal(err)
		}
	}
	defer d.Close()
	s, err := d.RegisterSync(ctx, "s")
	if err != nil || s.Added != 8 || s.Changed != 1 || s.Taken != 1 || s.Failed != 0 || cuts < 15 {
		t.Errorf("%d cuts: %+v, %v", cuts, s, err)
	}
	if again := syncRows(t, d, "again", register.Persons, true, rows); again.State != register.SyncDone || again.Same != 9 {
		t.Errorf("%+v", again)
	}
}

// TestRegisterFinds: people are found in any script, by card and by NetID, and as
// candidates by personal id and card.
func TestRegisterFinds(t *testing.T) { both(t, testRegisterFinds) }

func testRegisterFinds(t *testing.T, d *DB) {
	putRows(t, d, register.Persons, map[string]string{"id": "P1", "surname": "Chan", "given": "Tai-Man", "name_zh": "陳大文", "personal_id": "A123456(7)"},
		map[string]string{"id": "P2", "surname": "Chan", "given": "Siu Ming", "name_zh": "陳小明", "personal_id": "A1234567"}, map[string]string{"id": "Q3", "surname": "Müller", "given": "Zoë"})
	putRows(t, d, register.Cards, map[string]string{"person": "Q3", "kind": "visitor", "number": "V-77"})
	putRows(t, d, register.NetIDs, map[string]string{"person": "Q3", "netid": "zmuller"})
	for text, want := range map[string]string{"chan": "P2 P1", "CHAN tai": "P1", "陳": "P2 P1", "大文": "P1", "陳小": "P2", "p2": "P2", "v-77": "Q3", "zmuller": "Q3", "zoë": "Q3", "mü": "Q3", "chan zoë": "", "nobody": "", "man": "P1", "ｃｈａｎ": "P2 P1"} {
		list, more, err := d.SearchRegister(ctx, text, 0, 9)
		var ids []string
		for _, p := range list {
			ids = append(ids, p.ID)
		}
		if err != nil || more || strings.Join(ids, " ") != want {
			t.Errorf("%s: %v %v, want %s", text, ids, err, want)
		}
	}
	if _, _, err := d.SearchRegister(ctx, "c", 0, 9); !errors.Is(err, ErrBroad) {
		t.Errorf("a letter: %v", err)
	}
	if list, more, err := d.SearchRegister(ctx, "chan", 0, 1); len(list) != 1 || !more || err != nil {
		t.Error(list, more, err)
	}
	if list, more, err := d.SearchRegister(ctx, "chan", 1, 1); len(list) != 1 || list[0].ID != "P1" || more || err != nil {
		t.Error(list, more, err)
	}
	if list, more, err := d.SearchRegister(ctx, "chan", 2, 1); len(list) != 0 || more || err != nil {
		t.Error(list, more, err)
	}
	putRows(t, d, register.Persons, map[string]string{"id": "P1", "surname": "Lee", "given": "Ka", "name_zh": ""})
	if list, _, err := d.SearchRegister(ctx, "大文", 0, 9); len(list) != 0 || err != nil {
		t.Errorf("by a former name: %v %v", list, err)
	}
	hash := registerRules().Key.Personal("A1234567")
	for name, x := range map[string]struct {
		hash   []byte
		number string
		want   []string
	}{"both rows": {hash, "", []string{"P1", "P2"}}, "card": {nil, "V-77", []string{"Q3"}}, "all": {hash, "V-77", []string{"P1", "P2", "Q3"}}, "none": {registerRules().Key.Personal("Z"), "V-78", nil}, "nothing": {nil, "", nil}} {
		list, err := d.RegisterCandidates(ctx, x.hash, register.VisitorCard, x.number, 4)
		var ids []string
		for _, p := range list {
			ids = append(ids, p.ID)
		}
		if slices.Sort(ids); err != nil || !slices.Equal(ids, x.want) {
			t.Errorf("%s: %v, %v", name, ids, err)
		}
	}
}

// TestRegisterMerge: two ids become one person and two again; each row stays under
// its id; what was issued since makes it final.
func TestRegisterMerge(t *testing.T) { both(t, testRegisterMerge) }

func testRegisterMerge(t *testing.T, d *DB) {
	for n, id := range []string{"P1", "P2", "P3", "P4"} {
		putRows(t, d, register.Persons, map[string]string{"id": id, "surname": "Chan", "given": []string{"Tai Man", "Man Tai"}[n%2], "born": "1988-04-30", "personal_id": []string{"A1234567", "A123456(7)", "B7654321", ""}[n]})
		putRows(t, d, register.NetIDs, map[string]string{"person": id, "netid": "n" + id})
		putRows(t, d, register.Cards, map[string]string{"person": id, "kind": "student", "number": "s" + id})
	}
	list, err := d.RegisterSuggestions(ctx, 9)
	if err != nil || len(list) != 6 || !list[0].PersonalID || list[0].A.ID != "P1" || list[0].B.ID != "P2" || list[1].PersonalID {
		t.Fatalf("%+v, %v", list, err)
	}
	checkApart(t, d)
	if _, err := d.sql.ExecContext(ctx, `INSERT INTO ecards (holder, name, since, by) VALUES ('P1', 'one', 1, 'x'), ('P2', 'two', 1, 'x')`); err != nil {
		t.Fatal(err)
	}
	at := func(n int64) time.Time { return time.UnixMilli(n) }
	merge := func(id, kept, gone string, n int64) error {
		return d.MergeRegister(ctx, register.Merge{ID: id, Kept: kept, Gone: gone, Reason: "one", By: "desk", At: at(n)})
	}
	if err := errors.Join(merge("m1", "P1", "P2", 100), merge("m2", "P3", "P1", 101)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"P1", "P2", "P3"} {
		p, err := d.RegisterPerson(ctx, id)
		if err != nil || p.ID != "P3" || !slices.Equal(p.Aliases, []string{"P1", "P2"}) || len(p.NetIDs) != 3 || len(p.Cards) != 3 {
			t.Errorf("%s: %+v, %v", id, p, err)
		}
	}
	for id, want := range map[string]string{"P1": "", "P2": "two", "P3": "one"} { // P3 had none
		if c, err := d.ECard(ctx, id); c.Name != want || (want == "") != errors.Is(err, ErrNotFound) {
			t.Errorf("the eCard of %s: %+v, %v", id, c, err)
		}
	}
	if list, err := d.RegisterCandidates(ctx, registerRules().Key.Personal("B7654321"), register.StudentCard, "SP2", 4); err != nil || len(list) != 2 || len(list[0].Cards) != 1 {
		t.Errorf("the card of an alias: %+v, %v", list, err)
	}
	for name, err := range map[string]error{"itself": merge("x", "P3", "P3", 1), "an alias": merge("x", "P4", "P2", 1), "into an alias": merge("x", "P1", "P4", 1)} {
		if !errors.Is(err, ErrMerged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := merge("x", "P3", "nobody", 1); !errors.Is(err, register.ErrNotFound) {
		t.Error(err)
	}
	if s := syncRows(t, d, "again", register.NetIDs, true, parsed(t, register.NetIDs, map[string]string{"person": "P1", "netid": "nP1"}, map[string]string{"person": "P2", "netid": "nP2"},
		map[string]string{"person": "P3", "netid": "nP3"}, map[string]string{"person": "P4", "netid": "nP4"})); s.State != register.SyncDone {
		t.Errorf("the same file after a merge: %+v", s)
	}
	checkUndo(t, d)
}

// checkApart keeps pairs of P1 to P4 apart, and takes all of it back by other facts.
func checkApart(t *testing.T, d *DB) {
	t.Helper()
	keep := func(a, b string) error {
		return d.KeepApart(ctx, register.Apart{A: a, B: b, Reason: "twins", By: "desk", At: time.UnixMilli(50)})
	}
	suggested := func() int {
		t.Helper()
		list, err := d.RegisterSuggestions(ctx, 9)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	wants(t, "nobody", keep("P1", "none"), register.ErrNotFound)
	wants(t, "one", keep("P1", "P1"), ErrMerged)
	for i, pair := range [][2]string{{"P1", "P2"}, {"P2", "P1"}, {"P4", "P3"}} {
		wants(t, "apart", keep(pair[0], pair[1]), nil)
		if n, want := suggested(), []int{5, 5, 4}[i]; n != want {
			t.Errorf("%v apart: %d are suggested, want %d", pair, n, want)
		}
	}
	if list, err := d.KeptApart(ctx, 9); err != nil || len(list) != 2 || list[0] != (register.Apart{A: "P1", B: "P2", Reason: "twins", By: "desk", At: time.UnixMilli(50)}) || list[1].A != "P3" {
		t.Errorf("%+v, %v", list, err)
	}
	putRows(t, d, register.Persons, map[string]string{"id": "P2", "phone": "+852 2345 6789"})
	if n := suggested(); n != 4 {
		t.Errorf("with another phone %d are suggested", n)
	}
	for i, id := range []string{"P2", "P4"} {
		putRows(t, d, register.Persons, map[string]string{"id": id, "given": "Another"}, map[string]string{"id": "P3", "email": "p3@example.org"})
		putRows(t, d, register.Persons, map[string]string{"id": id, "given": "Tai Man"})
		if n := suggested(); n != 5+i {
			t.Errorf("after %s was called otherwise %d are suggested, want %d", id, n, 5+i)
		}
	}
}

func checkUndo(t *testing.T, d *DB) {
	t.Helper()
	if err := d.UndoRegisterMerge(ctx, "m1", "desk", 102); !errors.Is(err, ErrConflict) {
		t.Errorf("the inner merge: %v", err)
	}
	if err := d.UndoRegisterMerge(ctx, "none", "desk", 102); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := d.Audit(ctx, 101, "central", "account_move", "P3", "from P1"); err != nil {
		t.Fatal(err)
	}
	if err := d.UndoRegisterMerge(ctx, "m2", "desk", 102); !errors.Is(err, ErrIssued) {
		t.Errorf("after an account moved: %v", err)
	}
	if _, err := d.sql.ExecContext(ctx, `DELETE FROM audit WHERE action = 'account_move'`); err != nil {
		t.Fatal(err)
	}
	if err := d.UndoRegisterMerge(ctx, "m2", "desk", 102); err != nil {
		t.Fatal(err)
	}
	if c, err := d.ECard(ctx, "P1"); err != nil || c.Name != "one" {
		t.Errorf("the eCard came not back: %+v, %v", c, err)
	}
	if p, err := d.RegisterPerson(ctx, "P2"); err != nil || p.ID != "P1" || !slices.Equal(p.Aliases, []string{"P2"}) || len(p.NetIDs) != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := d.UndoRegisterMerge(ctx, "m2", "desk", 103); !errors.Is(err, ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	if _, err := d.AddApplication(ctx, Application{Kind: ApplicationGuests, Holder: "P2", Facts: "null", Request: "null", At: 104}); err != nil {
		t.Fatal(err)
	}
	if err := d.UndoRegisterMerge(ctx, "m1", "desk", 105); !errors.Is(err, ErrIssued) {
		t.Errorf("after an application: %v", err)
	}
	list, err := d.RegisterMerges(ctx, "P1", 9)
	if err != nil || len(list) != 2 || list[0].ID != "m2" || list[0].Undone.IsZero() || !list[1].Final || !list[1].Undone.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	// The first row of a person goes: the person goes on under the other id.
	if _, err := d.sql.ExecContext(ctx, `DELETE FROM ecards WHERE holder = 'P2'`); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveRegistered(ctx, "P1", "desk", 106); err != nil {
		t.Fatal(err)
	}
	if p, err := d.RegisterPerson(ctx, "P2"); err != nil || p.ID != "P2" || len(p.Aliases) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := d.ECard(ctx, "P2"); err != nil {
		t.Errorf("the eCard did not go along: %v", err)
	}
	if err := d.RemoveRegistered(ctx, "P1", "desk", 107); !errors.Is(err, register.ErrNotFound) {
		t.Error(err)
	}
}

// TestRegisterSaysNothing: no personal id stands in the database, and none in the
// audit.
func TestRegisterSaysNothing(t *testing.T) { both(t, testRegisterSaysNothing) }

func testRegisterSaysNothing(t *testing.T, d *DB) {
	syncRows(t, d, "s", register.Persons, false, parsed(t, register.Persons, map[string]string{"id": "P1", "surname": "Chan", "personal_id": "SECRET77"}, map[string]string{"id": "P2", "surname": "Wong", "personal_id": "SECRET*"}))
	applyAll(t, d, "s")
	looked := 0
	for _, q := range []string{`SELECT id || surname || personal_id FROM register_persons`, `SELECT record || faults || key FROM register_rows`, `SELECT by || action || subject || detail FROM audit`} {
		rows, err := all(ctx, d.sql, scanText, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range rows {
			if looked++; strings.Contains(strings.ToUpper(text), "SECRET") {
				t.Errorf("%s: %s", q, text)
			}
		}
	}
	if looked < 5 {
		t.Errorf("%d texts looked at", looked)
	}
}
