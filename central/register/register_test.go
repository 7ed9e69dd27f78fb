package register_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"turnstile/central/register"
)

var (
	key          = register.Key{1, 2, 3}
	noon         = time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	institutions = []register.Institution{{ID: "university", Name: "University", KeepsNetID: true}, {ID: "college", Name: "College"}}
)

// shelf is a store of a few persons that counts what it is asked.
type shelf struct {
	people  []register.Person
	lookups int
}

func (s *shelf) RegisterPerson(_ context.Context, id string) (register.Person, error) {
	s.lookups++
	for _, p := range s.people {
		if p.ID == id || slices.Contains(p.Aliases, id) {
			return p, nil
		}
	}
	return register.Person{}, register.ErrNotFound
}

func (s *shelf) RegisterCandidates(_ context.Context, personal []byte, kind register.CardKind, number string, limit int) (list []register.Person, err error) {
	s.lookups++
	for _, p := range s.people {
		if string(p.PersonalID) == string(personal) && len(personal) > 0 || slices.ContainsFunc(p.Cards, func(c register.Card) bool { return c.Kind == kind && c.Number == number }) {
			list = append(list, p)
		}
	}
	return list[:min(len(list), limit)], nil
}

func people() []register.Person {
	return []register.Person{
		{ID: "P1", Surname: "Chan", Given: "Tai Man Peter", NameZH: "陳大文", Born: "1988-04-30", PersonalID: key.Personal("A123456(7)"),
			Cards:   []register.Card{{Kind: register.StudentCard, Number: "S1", Until: "2026-11-22"}, {Kind: register.StaffCard, Number: "T9", Until: "2026-11-21"}, {Kind: register.VisitorCard, Number: "V1", From: "2026-11-23"}},
			Degrees: []register.Degree{{Institution: "university", Graduated: "2011-11-01"}}},
		{ID: "P2", Surname: "Müller-Ng", Given: "Zoë", Born: "1970-01-01", PersonalID: key.Personal("X9")},
		{ID: "P3", Surname: "Chan", Given: "Tai Man Peter", Born: "1988-04-30", PersonalID: key.Personal("A123456(7)")}, // the same human being
	}
}

func open(s register.Store) *register.Register {
	return register.New(register.Config{Store: s, Key: key, Institutions: institutions, Location: time.FixedZone("HKT", 8*3600), Now: func() time.Time { return noon }})
}

// TestIdentify: every fact has to be true; whatever is not leaves one answer, after
// the same look-ups.
func TestIdentify(t *testing.T) {
	right := register.Facts{Surname: "Chan", Given: "Tai Man Peter", Born: "1988-04-30", PersonalID: "A123456(7)"}
	card := func(kind register.CardKind, number string) *register.Card {
		return &register.Card{Kind: kind, Number: number}
	}
	with := func(change func(*register.Facts)) register.Facts { f := right; change(&f); return f }
	for name, x := range map[string]struct {
		facts register.Facts
		want  string
	}{
		"as it stands":         {right, "P1"},
		"case, space, hyphen":  {register.Facts{Surname: " CHAN", Given: "peter tai-man", Born: "1988-04-30", PersonalID: "a 123 456-7"}, "P1"},
		"full width":           {register.Facts{Surname: "Ｃｈａｎ", Given: "Taiman Peter", Born: "1988-04-30", PersonalID: "Ａ１２３４５６（７）"}, "P1"},
		"in Chinese":           {register.Facts{Surname: "陳", Given: "大文", Born: "1988-04-30", PersonalID: "A1234567"}, "P1"},
		"marks":                {register.Facts{Surname: "Muller Ng", Given: "ZOE", Born: "1970-01-01", PersonalID: "x9"}, "P2"},
		"by card":              {with(func(f *register.Facts) { f.PersonalID, f.Card = "", card(register.StudentCard, "s 1") }), "P1"},
		"both":                 {with(func(f *register.Facts) { f.Card = card(register.StudentCard, "S1") }), "P1"},
		"nobody":               {register.Facts{Surname: "Wong", Given: "Ka", Born: "1980-01-01", PersonalID: "Z0000000"}, ""},
		"surname":              {with(func(f *register.Facts) { f.Surname = "Cham" }), ""},
		"no surname":           {with(func(f *register.Facts) { f.Surname = "" }), ""},
		"given":                {with(func(f *register.Facts) { f.Given = "Tai Man" }), ""},
		"no given":             {with(func(f *register.Facts) { f.Given = "" }), ""},
		"born":                 {with(func(f *register.Facts) { f.Born = "1988-04-29" }), ""},
		"no birth date":        {with(func(f *register.Facts) { f.Born = "" }), ""},
		"personal id":          {with(func(f *register.Facts) { f.PersonalID = "A123456(8)" }), ""},
		"other's personal id":  {with(func(f *register.Facts) { f.PersonalID = "X9" }), ""},
		"neither id nor card":  {with(func(f *register.Facts) { f.PersonalID = "" }), ""},
		"card number":          {with(func(f *register.Facts) { f.Card = card(register.StudentCard, "S2") }), ""},
		"card kind":            {with(func(f *register.Facts) { f.Card = card(register.StaffCard, "S1") }), ""},
		"no kind":              {with(func(f *register.Facts) { f.PersonalID, f.Card = "", card("", "S1") }), ""},
		"empty card":           {with(func(f *register.Facts) { f.PersonalID, f.Card = "", &register.Card{} }), ""},
		"card of yesterday":    {with(func(f *register.Facts) { f.PersonalID, f.Card = "", card(register.StaffCard, "T9") }), ""},
		"card of tomorrow":     {with(func(f *register.Facts) { f.PersonalID, f.Card = "", card(register.VisitorCard, "V1") }), ""},
		"right id, wrong card": {with(func(f *register.Facts) { f.Card = card(register.StaffCard, "T9") }), ""},
		"empty":                {register.Facts{}, ""},
		"long":                 {with(func(f *register.Facts) { f.Given = string(make([]byte, 1<<20)) }), ""},
	} {
		s := &shelf{people: people()}
		p, err := open(s).Identify(t.Context(), x.facts)
		if p.ID != x.want || (x.want == "") != errors.Is(err, register.ErrNoMatch) {
			t.Errorf("%s: %q, %v", name, p.ID, err)
		}
		if x.want == "" && (err != register.ErrNoMatch || p.Surname != "") { // the very same, and nothing of a person
			t.Errorf("%s: %v, %+v", name, err, p)
		}
		if s.lookups != 2 {
			t.Errorf("%s: %d look-ups", name, s.lookups)
		}
	}
}

func TestGraduates(t *testing.T) {
	for name, x := range map[string]struct {
		degrees         []register.Degree
		graduate, keeps bool
	}{
		"none": {nil, false, false}, "before 2011": {[]register.Degree{{Institution: "university", Graduated: "2010-12-31"}}, true, false},
		"2011": {[]register.Degree{{Institution: "university", Graduated: "2011-01-01"}}, true, true}, "of the college": {[]register.Degree{{Institution: "college", Graduated: "2020-11-01"}}, true, false},
		"both": {[]register.Degree{{Institution: "college", Graduated: "2020-11-01"}, {Institution: "university", Graduated: "2001-01-01"}}, true, false},
	} {
		p, err := open(&shelf{people: []register.Person{{ID: "P", Degrees: x.degrees}}}).Person(t.Context(), "P")
		if err != nil || p.Graduate() != x.graduate || p.KeepsStudentNetID() != x.keeps {
			t.Errorf("%s: %v %v, %v", name, p.Graduate(), p.KeepsStudentNetID(), err)
		}
	}
}

func TestNames(t *testing.T) {
	p := register.Person{Surname: "Chan", Given: "Tai Man", NameZH: "陳大文"}
	if p.Name("en") != "Chan Tai Man" || p.Name("zh-Hant") != "陳大文" || (register.Person{NameZH: "陳大文"}).Name("en") != "陳大文" || (register.Person{Surname: "Chan"}).Name("zh-Hant") != "Chan" {
		t.Error(p.Name("en"), p.Name("zh-Hant"))
	}
	same := [][2][3]string{{{"Chan", "Tai Man", ""}, {"CHAN", "Man-Tai", "陳大文"}}, {{"Müller", "Zoë", ""}, {"Muller", "Zoe", ""}}, {{"", "", "陳大文"}, {"", "", "陳 大文"}}}
	for _, x := range same {
		if a, b := register.NameKey(x[0][0], x[0][1], x[0][2]), register.NameKey(x[1][0], x[1][1], x[1][2]); a != b || a == "" {
			t.Errorf("%q is not %q", a, b)
		}
	}
	if register.NameKey("Chan", "Tai Man", "") == register.NameKey("Chan", "Siu Man", "") {
		t.Error("two names have one key")
	}
}

// TestKey: a personal id has one hash in every spelling, and another with another key.
func TestKey(t *testing.T) {
	a := key.Personal("A123456(7)")
	for _, s := range []string{"a1234567", "A 123456 [7]", "Ａ１２３４５６－７"} {
		if string(key.Personal(s)) != string(a) {
			t.Errorf("%s is another one", s)
		}
	}
	if string(register.Key{9}.Personal("A1234567")) == string(a) || string(key.Personal("A1234568")) == string(a) || len(a) != 32 {
		t.Error("the hash does not depend on key and id")
	}
	one, err := register.NewKey([32]byte{1})
	two, err2 := register.NewKey([32]byte{2})
	if err != nil || err2 != nil || one == two || one == [32]byte{1} {
		t.Error(err, err2)
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add("Chan", "Tai Man Peter", "1988-04-30", "A123456(7)", "student", "S1")
	f.Add("陳", "大文", "1988-04-30", "a1234567", "", "")
	f.Add("", "\xff", "\x00", "()", "visitor", "-")
	r := open(&shelf{people: people()})
	f.Fuzz(func(t *testing.T, surname, given, born, personal, kind, number string) {
		p, err := r.Identify(t.Context(), register.Facts{Surname: surname, Given: given, Born: born, PersonalID: personal, Card: &register.Card{Kind: register.CardKind(kind), Number: number}})
		if err == nil && (p.Born != born || born == "") || err != nil && err != register.ErrNoMatch {
			t.Errorf("%q %q %q: %+v, %v", surname, given, born, p, err)
		}
	})
}
