package netid

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/register"
)

// TestRegister: each of the seven cards and a graduate get a NetID, are mailed it,
// and sign in with it.
func TestRegister(t *testing.T) {
	d := newDesk(t)
	kinds := register.CardKinds()
	if len(kinds) != 7 {
		t.Fatalf("%d kinds of cards", len(kinds))
	}
	for i, kind := range append(kinds, "") {
		id := fmt.Sprint("p", i)
		p := d.add(id, "CHAN", "Tai Man", 2005)
		want, card := fmt.Sprintf("tmchan%d", i), Alumni
		if kind != "" {
			p = d.add(id, "CHAN", "Tai Man", 0, register.Card{Kind: kind, Number: fmt.Sprintf("2610%d000D", i)})
			card = string(kind)
		}
		switch {
		case kind == register.StudentCard:
			want = fmt.Sprintf("2610%d000d", i)
		case i == 1:
			want = "tmchan"
		}
		email := id + "@example.org"
		e := d.enrolled(p, email, fmt.Sprintf("Tai Man CHAN %d", i+10))
		if e.NetID != want || e.Card != card || e.Person != id || e.Alias != fmt.Sprintf("tai-man.chan-%d@campus.example", i+10) || e.Email != email || e.Changed.IsZero() {
			t.Errorf("%s: %+v, want %s", kind, e, want)
		}
		if l := d.mails(email)[0]; l.Kind != "netid_done" || !strings.Contains(l.Text, e.NetID) || !strings.Contains(l.Subject, "Completion of NetID registration") {
			t.Errorf("%s: mailed %+v", kind, l)
		}
		if got, err := d.Check(t.Context(), " "+strings.ToUpper(e.NetID), good, from); err != nil || got.NetID != e.NetID {
			t.Errorf("%s: sign in: %+v, %v", kind, got, err)
		}
	}
}

// TestGivesNothingAway: before a code was typed, whoever has a NetID, had to keep
// one, or has none is answered alike; and whatever is wrong is one answer.
func TestGivesNothingAway(t *testing.T) {
	d := newDesk(t)
	has := d.add("has", "CHAN", "Tai Man", 2005)
	d.enrolled(has, "has@example.org", "Tai Man CHAN")
	keeps := d.add("keeps", "LEE", "Ka Yan", 2015)
	keeps.NetIDs = []string{"15001234d"}
	d.people["keeps"] = keeps
	never := d.add("never", "HO", "Mei", 2001)
	none := d.add("none", "NG", "Siu", 0)
	for _, p := range []register.Person{has, keeps, never, none} {
		a := d.as(p, "typed@example.org")
		if _, err := d.Begin(t.Context(), a); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
		if l := d.mails("typed@example.org")[0]; l.Kind != "confirm_address" {
			t.Errorf("%s: mailed %s", p.ID, l.Kind)
		}
		d.wait(24*time.Hour + time.Minute) // its mails are counted
	}
	for name, spoil := range map[string]func(*Applicant){
		"surname": func(a *Applicant) { a.Surname = "CHEN" }, "given": func(a *Applicant) { a.Given = "Tai" }, "born": func(a *Applicant) { a.Born = "1980-01-03" },
		"personal id": func(a *Applicant) { a.PersonalID = "X1" }, "a card": func(a *Applicant) { a.Card = &register.Card{Kind: register.StaffCard, Number: "1"} },
	} {
		a := d.as(has, "typed2@example.org")
		spoil(&a)
		if _, err := d.Begin(t.Context(), a); !errors.Is(err, NoMatch) {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Find(t.Context(), a); err != nil {
			t.Errorf("%s: found: %v", name, err)
		}
		d.wait(24*time.Hour + time.Minute)
	}
	if got := d.mails("typed2@example.org"); len(got) != 0 {
		t.Errorf("mailed %+v", got)
	}
	for _, text := range []string{"CHAN", "example.org", secretOf("has"), good} {
		if strings.Contains(d.log.String(), text) {
			t.Errorf("the log has %q: %s", text, d.log.String())
		}
	}
}

// TestDuplicates: who has one is told how to find it, after the code that came to
// the address of that person, and not to the one that was typed in.
func TestDuplicates(t *testing.T) {
	d := newDesk(t)
	has := d.add("has", "CHAN", "Tai Man", 2005)
	first := d.enrolled(has, "has@example.org", "Tai Man CHAN")
	token, err := d.Begin(t.Context(), d.as(has, "thief@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("thief@example.org")); !errors.Is(err, WrongCode) {
		t.Errorf("with the typed address alone: %v", err)
	}
	_, err = d.Confirm(t.Context(), token, d.code("has@example.org"), d.code("thief@example.org"))
	if r := refused(t, err, Already); !slices.Equal(r.NetIDs, []string{first.NetID}) {
		t.Errorf("%+v", r)
	}
	if _, err := d.Complete(t.Context(), token, "Another NAME", good); !errors.Is(err, Over) {
		t.Errorf("after that: %v", err)
	}
	none := d.add("none", "NG", "Siu", 0)
	if token, err = d.Begin(t.Context(), d.as(none, "n@example.org")); err != nil {
		t.Fatal(err)
	}
	_, err = d.Confirm(t.Context(), token, d.code("n@example.org"))
	refused(t, err, NotGraduate)
}

// TestPortalAddress: who has an address at the portal alone is asked there too: with
// somebody's details nobody gets a NetID that opens that portal.
func TestPortalAddress(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	p.Aliases = []string{"b"} // whose account has not come along yet
	d.people["a"] = p
	if _, err := d.db.AddAccount(t.Context(), database.Account{Person: "b", Address: "own@example.org", Folded: "own@example.org", Handle: "h", Created: 1}); err != nil {
		t.Fatal(err)
	}
	token, err := d.Begin(t.Context(), d.as(p, "thief@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("thief@example.org")); !errors.Is(err, WrongCode) {
		t.Errorf("with the typed address alone: %v", err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("thief@example.org"), d.code("own@example.org")); err != nil {
		t.Error(err)
	}
}

// TestKeepsStudentNetID: graduates of 2011 or later keep the one they have, and can
// set a NetPassword for it.
func TestKeepsStudentNetID(t *testing.T) {
	d := newDesk(t)
	p := d.add("keeps", "LEE", "Ka Yan", 2015)
	p.NetIDs, p.Email = []string{"15001234d"}, "old@example.org"
	d.people["keeps"] = p
	token, err := d.Begin(t.Context(), d.as(p, "new@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Confirm(t.Context(), token, d.code("new@example.org"), d.code("old@example.org"))
	if r := refused(t, err, KeepsStudent); !slices.Equal(r.NetIDs, p.NetIDs) {
		t.Errorf("%+v", r)
	}
	if _, err := d.Check(t.Context(), "15001234d", "", from); !errors.Is(err, WrongPassword) {
		t.Errorf("without a password: %v", err)
	}
	if token, err = d.BeginReset(t.Context(), "15001234D", from); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Confirm(t.Context(), token, d.code("new@example.org")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.SetPassword(t.Context(), token, good); err != nil {
		t.Fatal(err)
	}
	if e, err := d.Check(t.Context(), "15001234d", good, from); err != nil || e.Person != "keeps" || e.Card != string(register.StudentCard) {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestStudentLost: a graduate who would keep the NetID of a student, and has none to go
// on with, is not led round in a circle: the office has to help.
func TestStudentLost(t *testing.T) {
	d := newDesk(t)
	d.enrolled(d.add("other", "CHAN", "Tai Man", 0, register.Card{Kind: register.StudentCard, Number: "15009999D"}), "other@example.org", "Tai Man CHAN")
	for name, known := range map[string][]string{"none known": nil, "ended": {"15001234d"}, "another's": {"15009999d"}} {
		p := d.add("lost "+name, "LEE", "Ka Yan", 2015)
		p.NetIDs = known
		d.people[p.ID] = p
		try := func() error {
			t.Helper()
			token, err := d.Begin(t.Context(), d.as(p, "lee@example.org"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.Confirm(t.Context(), token, d.code("lee@example.org"))
			return err
		}
		if name == "ended" {
			refused(t, try(), KeepsStudent)
			if err := d.End(t.Context(), known[0], "user:lee", "left"); err != nil {
				t.Fatal(err)
			}
		}
		if r := refused(t, try(), StudentLost); len(r.NetIDs) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestFind: NetIDs come by mail, to the addresses of the person alone.
func TestFind(t *testing.T) {
	d := newDesk(t)
	p := d.add("a", "CHAN", "Tai Man", 2005)
	p.NetIDs, p.Email = []string{"05001234d"}, "old@example.org"
	d.people["a"] = p
	if err := d.Find(t.Context(), d.as(p, "")); err != nil {
		t.Fatal(err)
	}
	if l := d.mails("old@example.org"); len(l) != 1 || l[0].Kind != "netid_forgotten" || !strings.Contains(l[0].Text, "05001234d") {
		t.Errorf("%+v", l)
	}
	e := d.enrolled(p, "a@example.org", "Tai Man CHAN")
	if err := d.Find(t.Context(), d.as(p, "")); err != nil {
		t.Fatal(err)
	}
	if l := d.mails("a@example.org")[0]; !strings.Contains(l.Text, "05001234d, "+e.NetID) {
		t.Errorf("%s", l.Text)
	}
	q := d.add("b", "HO", "Mei", 2001)
	q.Email = "b@example.org"
	d.people["b"] = q
	if err := d.Find(t.Context(), d.as(q, "")); err != nil {
		t.Fatal(err)
	}
	if l := d.mails("b@example.org")[0]; l.Kind != "netid_none" {
		t.Errorf("%+v", l)
	}
}
