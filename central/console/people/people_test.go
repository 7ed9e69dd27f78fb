package people_test

import (
	"strings"
	"testing"

	"turnstile/central/console/consoletest"
	"turnstile/central/console/people"
	"turnstile/central/rights"
)

// TestInvite makes an account, opens its link in another browser, and takes the
// access away again.
func TestInvite(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Admin)
	b.Open("/people")
	b.WaitText("Invite somebody")
	b.Axe()
	b.Fill("[name=name]", "chan")
	b.Click("[name=role][value=issuer]")
	b.Click("form[action$='/people'] button")
	b.WaitText("Whoever opens it first has the account")
	b.Axe()
	b.Shot("people-invited")
	link := consoletest.Eval[string](b, "document.querySelector('input[readonly]').value")
	if !strings.Contains(link, "/office/join?token=") {
		t.Fatalf("invited with %s", link)
	}
	other := o.As(t)
	other.Open(link[strings.Index(link, "/join"):])
	other.WaitText("Your account is chan")

	b.Open("/people")
	b.WaitText("invited until")
	b.Shot("people")
	b.Fill("[name=name]", "chan") // again
	b.Click("[name=role][value=viewer]")
	b.Click("form[action$='/people'] button")
	b.WaitText("There is an account of this name")
	b.Open("/people/at/chan")
	b.WaitText("Invite anew")
	b.Axe()
	b.Click("[name=role][value=auditor]")
	b.Click("form[action$='/roles'] button")
	b.WaitText("are in force")
	b.Open("/people/at/chan")
	if n := consoletest.Eval[int](b, "document.querySelectorAll('[name=role]:checked').length"); n != 2 {
		t.Errorf("%d roles", n)
	}
	b.Click("details:last-of-type summary")
	b.Click("form[action$='/end'] button")
	b.WaitText("has ended, in every browser")
	other.Open(link[strings.Index(link, "/join"):])
	other.WaitText("This link was used, or has expired")
}

// TestWhoMay shows an auditor the people and no way to change them.
func TestWhoMay(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t, rights.Auditor)
	b.Open("/people")
	b.WaitText("auditor")
	if strings.Contains(b.Text("main"), "Invite somebody") {
		t.Error("an auditor is shown a way to invite")
	}
	if n := consoletest.Eval[int](b, "document.querySelectorAll('main form').length"); n != 0 {
		t.Errorf("%d forms", n)
	}
	b = o.As(t, rights.Issuer)
	b.Open("/people")
	b.WaitText("Your role does not allow this")
}

// TestRolesHaveTexts: a new role is explained, in both languages.
func TestRolesHaveTexts(t *testing.T) {
	texts := people.Roles()
	for _, r := range rights.Roles() {
		if texts[r] == "" || people.Texts[texts[r]] == "" {
			t.Errorf("%s is not explained", r)
		}
	}
	if len(texts) != len(rights.Roles()) {
		t.Errorf("%d texts", len(texts))
	}
}

func TestWords(t *testing.T) { consoletest.CheckWords(t, people.Files(), ".", people.Texts, 30) }
