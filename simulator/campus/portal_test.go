package campus

import (
	"strings"
	"testing"
	"time"

	"turnstile/central/devmail"
	"turnstile/central/register/registertest"
)

// TestPersonas: among those whom one can be there is somebody of each kind, and each
// card has what a holder is asked for.
func TestPersonas(t *testing.T) {
	list := registertest.People(standardPeople, inventSeed, time.Date(2026, 11, 23, 0, 0, 0, 0, zone))
	abouts := map[string]bool{}
	for i := range list {
		p := persona(&list[i])
		abouts[p.About] = true
		if p.ID == "" || p.Surname == "" || p.Given == "" || len(p.Born) != len(time.DateOnly) || p.Document == "" || p.Email == "" {
			t.Errorf("%+v", p)
		}
		if graduate := strings.HasPrefix(p.About, "graduate of "); graduate != list[i].Graduate() || !graduate && p.Card == "" {
			t.Errorf("%+v", p)
		}
	}
	for _, name := range cardNames {
		if !abouts[name] {
			t.Errorf("nobody is %s", name)
		}
	}
	if len(list) < 40 || len(abouts) < 2*len(cardNames) {
		t.Errorf("%d people, %d kinds", len(list), len(abouts))
	}
}

// TestReadMail: the page shows what is to be typed or opened, and takes nothing else
// for it.
func TestReadMail(t *testing.T) {
	for text, want := range map[string]Mail{
		"The code:\n\n    01234567\n\nType it.":                 {Code: "01234567"},
		"Call 23456789 or write.":                               {},
		"    012345678":                                         {},
		"Show my code\nhttp://localhost:1/g#abc_-\n\nThe link.": {Link: "http://localhost:1/g#abc_-"},
		"See http://localhost:1/ for more.":                     {},
		"":                                                      {},
	} {
		m := read(&devmail.Mail{ID: "7", To: []string{"a@example.org", "b@example.org"}, Subject: "Hello", Text: text}, "http://127.0.0.1:2")
		want.ID, want.To, want.Subject, want.Page = "7", "a@example.org, b@example.org", "Hello", "http://127.0.0.1:2/mails/7"
		if *m != want {
			t.Errorf("%q: %+v, want %+v", text, *m, want)
		}
	}
}
