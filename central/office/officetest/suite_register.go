package officetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/register"
)

// suiteRegister brings people into an empty register, finds them, and makes one of
// two. After it applications of others are refused.
func suiteRegister(t *testing.T, s office.Services) {
	ctx := context.Background()
	rows := []map[string]string{
		{"id": "R1", "surname": "Chan", "given": "Tai Man", "name_zh": "陳大文", "born": "1988-04-30", "personal_id": "A123456(7)"},
		{"id": "R2", "surname": "CHAN", "given": "Tai-man", "born": "1988-04-30", "personal_id": "a1234567"}, {"id": "R3", "surname": "Wong"},
	}
	put := func(what string, kind register.Kind, rows []map[string]string, preview bool, want register.Counts, bad int) {
		t.Helper()
		n, faulty, err := s.Register.Put(ctx, "suite", kind, rows, preview)
		if err != nil || len(faulty) != bad || bad == 0 && n != want {
			t.Errorf("%s: %+v, %+v, %v", what, n, faulty, err)
		}
	}
	put("preview", register.Persons, rows, true, register.Counts{Added: 3}, 0)
	put("one bad", register.Persons, append(slices.Clone(rows), map[string]string{"id": "R4", "born": "never"}), false, register.Counts{}, 1)
	if size, _, err := s.Register.About(ctx); err != nil || size != (register.Size{}) {
		t.Errorf("before: %+v, %v", size, err)
	}
	put("first", register.Persons, rows, false, register.Counts{Added: 3}, 0)
	put("again", register.Persons, rows, false, register.Counts{Same: 3}, 0)
	put("one column", register.Persons, []map[string]string{{"id": "R3", "email": "wong@mail.example"}}, false, register.Counts{Changed: 1}, 0)
	put("NetID", register.NetIDs, []map[string]string{{"person": "R2", "netid": "tmchan"}}, false, register.Counts{Added: 1}, 0)
	put("of nobody", register.NetIDs, []map[string]string{{"person": "R9", "netid": "x"}}, false, register.Counts{}, 1)
	for text, want := range map[string]int{"chan tai": 2, "大文": 1, "wong": 1, "nobody": 0} {
		if list, more, err := s.Register.Search(ctx, text, 0, 9); err != nil || more || len(list) != want {
			t.Errorf("%s: %+v, %v", text, list, err)
		}
	}
	found := map[string]bool{}
	for skip := range 2 {
		list, more, err := s.Register.Search(ctx, "chan", skip, 1)
		if err != nil || more != (skip == 0) || len(list) != 1 || found[list[0].ID] {
			t.Fatalf("behind %d: %+v, %v, %v", skip, list, more, err)
		}
		found[list[0].ID] = true
	}
	_, _, err := s.Register.Search(ctx, "c", 0, 9)
	wants(t, "a letter", err, office.ErrInvalid)
	_, err = s.Register.Person(ctx, "R9")
	wants(t, "nobody", err, office.ErrNotFound)
	if p, err := s.Register.Person(ctx, "R3"); err != nil || p.Surname != "Wong" || p.Email != "wong@mail.example" {
		t.Errorf("%+v, %v", p, err)
	}
	suiteSync(t, s)
	suiteMerges(t, s)
}

// suiteSync takes a full sync through all its states.
func suiteSync(t *testing.T, s office.Services) {
	ctx := context.Background()
	_, err := s.SyncHistory.Find(ctx, "none")
	wants(t, "find no sync", err, office.ErrNotFound)
	x := must[register.Sync](t)(s.Syncs.Begin(ctx, "suite", register.Sync{Kind: register.Persons, Name: "x.csv", Full: true}))
	rows := []office.RegisterRow{{Line: 2, Values: map[string]string{"id": "R1", "email": "chan@mail.example"}}, {Line: 3, Values: map[string]string{"id": "R2"}}, {Line: 4, Values: map[string]string{"id": "R5", "surname": "Lee"}}}
	for range 2 { // sent again
		x = must[register.Sync](t)(s.Syncs.Add(ctx, x.ID, rows))
	}
	x = must[register.Sync](t)(s.Syncs.Compare(ctx, x.ID))
	if x.State != register.SyncPreview || x.Adds != 1 || x.Alters != 1 || x.Same != 1 || x.Removes != 1 || x.Total != 3 || x.Bad != 0 || !x.Heavy() {
		t.Errorf("compared: %+v", x)
	}
	_, err = s.Syncs.Add(ctx, x.ID, rows)
	wants(t, "rows behind the end", err, office.ErrConflict)
	_, err = s.Syncs.Settle(ctx, "suite", x.ID, true, false)
	wants(t, "a heavy one", err, office.ErrInvalid)
	for which, line := range map[register.RowKind]int{register.RowsAdded: 4, register.RowsChanged: 2, register.RowsRemoved: -1} {
		list, err := s.SyncHistory.Rows(ctx, x.ID, which, 0, 9)
		if err != nil || len(list) != 1 || list[0].Line != line {
			t.Errorf("%s: %+v, %v", which, list, err)
		}
	}
	x = must[register.Sync](t)(s.Syncs.Settle(ctx, "suite", x.ID, true, true))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 { // 20 s
		if x = must[register.Sync](t)(s.SyncHistory.Find(ctx, x.ID)); x.State != register.SyncRunning {
			break
		}
		<-tick.C
	}
	if x.State != register.SyncDone || x.Added != 1 || x.Changed != 1 || x.Taken != 1 || x.Ended.IsZero() {
		t.Errorf("done: %+v", x)
	}
	_, err = s.Syncs.Settle(ctx, "suite", x.ID, false, false)
	wants(t, "settled twice", err, office.ErrConflict)
	_, err = s.Register.Person(ctx, "R3")
	wants(t, "who left", err, office.ErrNotFound)
	again := must[register.Sync](t)(s.Syncs.Upload(ctx, "suite", register.Sync{Kind: register.Persons, Full: true}, strings.NewReader("id,surname\nR1,Chan\nR2,CHAN\nR5,Lee\n")))
	if again.State != register.SyncDone || !again.Idle() || again.Same != 3 {
		t.Errorf("the same again: %+v", again)
	}
	bad := must[register.Sync](t)(s.Syncs.Upload(ctx, "suite", register.Sync{Kind: register.Persons, Full: true}, strings.NewReader("id,surname\nR1,Chan\nR1,Chan\nR2,\"x\n")))
	if faulty, err := s.SyncHistory.Rows(ctx, bad.ID, register.RowsFaulty, 0, 9); err != nil || len(faulty) != 2 || !bad.Held || bad.Removes != 0 {
		t.Errorf("%+v, %+v, %v", bad, faulty, err)
	}
	_, err = s.Syncs.Upload(ctx, "suite", register.Sync{Kind: register.Persons}, strings.NewReader("PK\x03\x04"))
	wants(t, "a workbook", err, office.ErrInvalid)
}

// suiteApart keeps two persons apart, until a fact of one of them changes.
func suiteApart(t *testing.T, s office.Services) {
	ctx := context.Background()
	for name, x := range map[string]struct {
		b, reason string
		want      error
	}{"nobody": {"R9", "x", office.ErrNotFound}, "no reason": {"R2", "", office.ErrInvalid}, "one": {"R1", "x", office.ErrInvalid}} {
		wants(t, name, s.Apart.Keep(ctx, "suite", "R1", x.b, x.reason), x.want)
	}
	wants(t, "apart", s.Apart.Keep(ctx, "suite", "R2", "R1", "twins"), nil)
	if list, err := s.Merges.Suggestions(ctx, 9); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := s.Apart.Kept(ctx, 9); err != nil || len(list) != 1 || list[0].A != "R1" || list[0].B != "R2" || list[0].Reason != "twins" || list[0].By != "suite" || list[0].At.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	for _, x := range []struct {
		column, value string
		want          int
	}{{"email", "r2@mail.example", 0}, {"given", "Tai Man", 1}} {
		must[register.Counts](t)(changed(s.Register.Put(ctx, "suite", register.Persons, []map[string]string{{"id": "R2", x.column: x.value}}, false)))
		if list, err := s.Merges.Suggestions(ctx, 9); err != nil || len(list) != x.want {
			t.Errorf("with another %s: %+v, %v", x.column, list, err)
		}
	}
}

// changed takes the bad rows, of which there are none, out of an answer.
func changed(n register.Counts, _ []register.Row, err error) (register.Counts, error) {
	return n, err
}

// suiteMerges makes one person of two, and two again.
func suiteMerges(t *testing.T, s office.Services) {
	ctx := context.Background()
	if list, err := s.Merges.Suggestions(ctx, 9); err != nil || len(list) != 1 || !list[0].PersonalID || list[0].A.ID != "R1" || list[0].B.ID != "R2" {
		t.Errorf("%+v, %v", list, err)
	}
	suiteApart(t, s)
	m := must[register.Merge](t)(s.Merges.Merge(ctx, "suite", "R1", "R2", "one"))
	if p, err := s.Register.Person(ctx, "R2"); err != nil || p.ID != "R1" || !slices.Equal(p.Aliases, []string{"R2"}) || !slices.Equal(p.NetIDs, []string{"tmchan"}) {
		t.Errorf("%+v, %v", p, err)
	}
	for _, x := range []struct {
		kept, gone string
		want       error
	}{{"R1", "R2", office.ErrConflict}, {"R2", "R5", office.ErrConflict}, {"R1", "R9", office.ErrNotFound}, {"R5", "R5", office.ErrInvalid}} {
		_, err := s.Merges.Merge(ctx, "suite", x.kept, x.gone, "x")
		wants(t, x.kept+" and "+x.gone, err, x.want)
	}
	if err := s.Merges.Undo(ctx, "suite", m.ID); err != nil {
		t.Error(err)
	}
	wants(t, "undone twice", s.Merges.Undo(ctx, "suite", m.ID), office.ErrConflict)
	wants(t, "no merge", s.Merges.Undo(ctx, "suite", "none"), office.ErrNotFound)
	if list, err := s.Merges.Merges(ctx, "R2", 9); err != nil || len(list) != 1 || list[0].Undone.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
	wants(t, "remove nobody", s.Register.Remove(ctx, "suite", "R9"), office.ErrNotFound)
	for _, id := range []string{"R1", "R2", "R5"} {
		if err := s.Register.Remove(ctx, "suite", id); err != nil {
			t.Error(err)
		}
	}
}
