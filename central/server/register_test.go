package server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/register"
	"turnstile/central/register/registertest"
)

// TestRegisterOfCampus brings an invented campus in by files, identifies its people,
// and ends the eCard of who left.
func TestRegisterOfCampus(t *testing.T) {
	c := configure(t)
	c.Register.Institutions = registertest.Institutions()
	s := openCentral(t, c)
	defer s.stop()
	r := registry{s.central}
	a := approvals{s.central}
	card := func(holder string) error {
		_, err := a.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyECard, Holder: holder, Name: "First", Photo: portrait(t, 300, 400), PhotoType: "image/jpeg"})
		return err
	}
	if err := card("A1"); err != nil {
		t.Errorf("before there is a register: %v", err)
	}
	people := registertest.People(60, 7, time.Now())
	bring := func(list []registertest.Invented, k register.Kind, full bool) register.Sync {
		t.Helper()
		x, err := r.Upload(t.Context(), "user:desk", register.Sync{Kind: k, Name: "x.csv", Full: full}, strings.NewReader(string(registertest.CSV(list, k))))
		if err != nil || x.Bad > 0 {
			t.Fatalf("%+v, %v", x, err)
		}
		if x.State == register.SyncPreview {
			if x, err = r.Settle(t.Context(), "user:boss", x.ID, true, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.chores.applySyncs(t.Context()); err != nil {
			t.Fatal(err)
		}
		x, err = r.Find(t.Context(), x.ID)
		if err != nil || x.State != register.SyncDone {
			t.Fatalf("%+v, %v", x, err)
		}
		return x
	}
	for _, k := range register.Kinds() {
		if x := bring(people, k, true); x.Added == 0 || x.Added != x.Adds {
			t.Errorf("%+v", x)
		}
		if x := bring(people, k, true); !x.Idle() {
			t.Errorf("the same again: %+v", x)
		}
	}
	keeps := 0
	for _, x := range people {
		facts := register.Facts{Surname: strings.ToUpper(x.Surname), Given: strings.ReplaceAll(x.Given, "-", " "), Born: x.Born, PersonalID: strings.ToLower(x.Document)}
		p, err := s.campus.Identify(t.Context(), facts)
		if err != nil || p.ID != x.ID || p.Graduate() != (len(x.Degrees) > 0) {
			t.Errorf("%+v is %+v, %v", facts, p, err)
		}
		if p.KeepsStudentNetID() {
			keeps++
		}
		facts.Born = "1900-01-01"
		if _, err := s.campus.Identify(t.Context(), facts); err != register.ErrNoMatch {
			t.Errorf("with another birth date: %v", err)
		}
		for _, own := range x.Cards {
			facts = register.Facts{Surname: x.Surname, Given: x.Given, Born: x.Born, Card: &own}
			if p, err := s.campus.Identify(t.Context(), facts); err != nil || p.ID != x.ID {
				t.Errorf("by %+v: %v, %v", own, p.ID, err)
			}
		}
	}
	if keeps < 5 {
		t.Errorf("%d keep their NetID", keeps)
	}
	if err := card("A1"); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("of nobody: %v", err)
	}
	if err := card(people[0].ID); err != nil {
		t.Errorf("of somebody: %v", err)
	}
	bring(people[1:], register.Persons, true)
	if _, err := a.Decide(t.Context(), "user:boss", office.Decision{Number: 2, Approve: true}); !errors.Is(err, office.ErrInvalid) {
		t.Errorf("approved for who left: %v", err)
	}
	if _, err := s.campus.Person(t.Context(), people[0].ID); !errors.Is(err, register.ErrNotFound) {
		t.Error(err)
	}
}
