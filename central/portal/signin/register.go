package signin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"turnstile/central/account"
	"turnstile/central/portal"
	"turnstile/central/register"
)

// factsForm is what somebody states about themselves, shown again when it was
// refused. The personal id is not: a browser that somebody leaves would show it.
type factsForm struct {
	Problem              string
	Surname, Given, Born string
	Kind, Number         string
	Kinds                []kind
	Challenge            any
}

// kind is a kind of card, with its name in English.
type kind struct{ ID, Name string }

func kinds() []kind {
	names := map[register.CardKind]string{register.StudentCard: "Student card", register.StaffCard: "Staff card", register.CPCECard: "CPCE staff card", register.PTECCard: "PTEC staff card",
		register.VisitorCard: "Visitor card", register.RetireeCard: "Long-serving retiree card", register.EmeritusCard: "Emeritus professor card"}
	var list []kind
	for _, k := range register.CardKinds() {
		list = append(list, kind{string(k), names[k]})
	}
	return list
}

func (s *desk) factsPage(r *portal.Request, status int, f factsForm) (err error) {
	f.Kinds = kinds()
	if f.Challenge, err = s.guard.Challenge(r); err != nil {
		return err
	}
	return r.PageStatus(status, pages, "facts.html", "Register your email", f)
}

func (s *desk) facts(r *portal.Request) error { return s.factsPage(r, http.StatusOK, factsForm{}) }

// readFacts returns what a form states, and the form to show again.
func readFacts(r *portal.Request) (register.Facts, factsForm) {
	f := factsForm{Surname: field(r, "surname"), Given: field(r, "given"), Born: field(r, "born"), Kind: field(r, "kind"), Number: field(r, "number")}
	facts := register.Facts{Surname: f.Surname, Given: f.Given, Born: f.Born, PersonalID: field(r, "personal_id")}
	if slices.ContainsFunc(kinds(), func(k kind) bool { return k.ID == f.Kind }) && f.Number != "" {
		facts.Card = &register.Card{Kind: register.CardKind(f.Kind), Number: f.Number}
	}
	return facts, f
}

// identify finds out who it is, and offers the address on record.
func (s *desk) identify(r *portal.Request) error {
	facts, f := readFacts(r)
	var who account.Identified
	err := s.guard.Human(r)
	if err == nil {
		who, err = s.who.Identify(r.Request, facts)
	}
	if err == nil {
		return r.Page(pages, "address.html", "Your email address", addressForm{Identified: who})
	}
	problem, status, err := told(r, err)
	if err != nil {
		return err
	}
	f.Problem = problem
	return s.factsPage(r, status, f)
}

// addressForm is where somebody identified says which address to use.
type addressForm struct {
	account.Identified
	Address string
	Problem string
}

func (s *desk) address(r *portal.Request) error {
	state, typed := r.PostFormValue("state"), field(r, "address")
	if r.PostFormValue("other") == "" {
		typed = ""
	}
	asked, err := s.who.RegisterAddress(r.Writer, r.Request, state, typed, r.PostFormValue("old") != "", string(r.Lang()))
	if err == nil {
		return toCodes(r, asked)
	}
	who, gone := s.who.IdentifiedBy(r.Context(), state)
	if gone != nil {
		return refused(r, gone)
	}
	problem, status, err := told(r, err)
	if err != nil {
		return err
	}
	return r.PageStatus(status, pages, "address.html", "Your email address", addressForm{who, typed, problem})
}

// toCodes leads to where the codes that are on their way are typed.
func toCodes(r *portal.Request, asked account.Asked) error {
	if !asked.Change {
		return r.Redirect(newCode)
	}
	return r.Redirect(CodesPath(asked))
}

// CodesPath is where the codes of a change of address are typed.
func CodesPath(asked account.Asked) string {
	if asked.Old {
		return ChangePath + "?" + url.Values{"old": {"1"}}.Encode()
	}
	return ChangePath
}

func (s *desk) newCodeForm(r *portal.Request) error {
	return r.Page(pages, "code.html", "Type the code", codeForm{Action: newCode, Next: "/", Back: newPath})
}

func (s *desk) newCode(r *portal.Request) error {
	err := s.who.ConfirmAddress(r.Writer, r.Request, field(r, "code"), string(r.Lang()))
	if err == nil {
		r.Flash("%s", r.Say(pages, "Your address is registered. Sign in with it from now on."))
		return r.Redirect("/")
	}
	return again(r, codeForm{Action: newCode, Next: "/", Back: newPath}, err)
}

// changeForm is where the codes of a change of address are typed.
type changeForm struct {
	Old     bool // the address on record got one too
	Problem string
	Over    bool
}

func (s *desk) changeForm(r *portal.Request) error {
	return r.Page(pages, "change.html", "Change your address", changeForm{Old: r.FormValue("old") == "1"})
}

func (s *desk) change(r *portal.Request) error {
	c, err := s.who.ConfirmChange(r.Request, field(r, "code"), field(r, "code_old"))
	if err == nil {
		return r.Page(pages, "changed.html", "Change your address", c)
	}
	problem, status, other := told(r, err)
	if other != nil {
		return other
	}
	if wrong, ok := errors.AsType[*account.WrongCode](err); ok && wrong.Left > 0 {
		problem = r.Say(pages, "One of the codes is not right. Tries that are left: %d", wrong.Left)
	}
	return r.PageStatus(status, pages, "change.html", "Change your address", changeForm{r.FormValue("old") == "1", problem, over(err)})
}
