package signin

import (
	"errors"
	"html/template"
	"net/http"
	"slices"

	"turnstile/central/console"
	"turnstile/central/identity"
)

// setUpData is what a form for a password shows.
type setUpData struct {
	Name     string
	Roles    string
	Token    string // of an invitation; "" for the own account
	Passkeys bool
	Buttons  []identity.Button
	Secret   string
	QR       template.URL
	State    string
	Problem  string
}

func (d *setUpData) take(s identity.SetUp) {
	d.State = s.State
	for four := range slices.Chunk([]byte(s.Secret), 4) { // as it is typed
		d.Secret += string(four) + " "
	}
	d.QR = template.URL(s.QR) // a picture that identity drew
}

// join shows an invited person the ways to sign in from now on.
func (s *desk) join(r *console.Request) error {
	return s.joinPage(r, http.StatusOK, r.FormValue("token"), "", "")
}

func (s *desk) joinPage(r *console.Request, status int, token, state, problem string) error {
	a, err := s.who.Invited(r.Context(), token)
	if err != nil {
		return told(r, err)
	}
	set, err := s.setUp(a, state)
	if err != nil {
		return told(r, err)
	}
	d := setUpData{Name: a.Name(), Roles: roleNames(r, a.Roles()), Token: token, Passkeys: s.who.HasPasskeys(), Buttons: s.who.Buttons(), Problem: problem}
	d.take(set)
	return r.PageStatus(status, pages, "join.html", "Welcome", d)
}

// setUp makes a secret, or shows the one of a form again: the app has it already.
func (s *desk) setUp(a identity.Applicant, state string) (identity.SetUp, error) {
	if state != "" {
		set, err := s.who.SetUpAgain(a, state)
		if !errors.Is(err, identity.ErrState) {
			return set, err
		}
	}
	return s.who.SetUpOneTime(a)
}

// codesData is the page with recovery codes, which is shown once.
type codesData struct{ Codes []string }

func (s *desk) joinPassword(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	token, state := r.PostFormValue("token"), r.PostFormValue("state")
	a, err := s.who.Invited(r.Context(), token)
	if err != nil {
		return told(r, err)
	}
	codes, err := s.who.AddPassword(r.Writer, r.Request, a, state, r.PostFormValue("password"), r.PostFormValue("code"))
	if problem := passwordProblem(r, err); problem != "" {
		return s.joinPage(r, http.StatusUnprocessableEntity, token, state, problem)
	}
	if err != nil {
		return told(r, err)
	}
	return r.Page(pages, "codes.html", "Recovery codes", codesData{codes})
}

// passwordProblem words what a person can mend in the form, "" for nothing.
func passwordProblem(r *console.Request, err error) string {
	switch {
	case errors.Is(err, identity.ErrShort):
		return r.Say(pages, "A password has at least 12 characters. Three or four words are good.")
	case errors.Is(err, identity.ErrLong):
		return r.Say(pages, "A password has at most 128 characters.")
	case errors.Is(err, identity.ErrCommon):
		return r.Say(pages, "This password is one of the first that somebody would try. Take another one.")
	case errors.Is(err, identity.ErrCode):
		return r.Say(pages, "The code is not the one that the app shows now. Wait for the next one; compare the clock of the phone.")
	case errors.Is(err, identity.ErrState):
		return r.Say(pages, "This took too long. Remove the entry from the app and scan the new symbol.")
	}
	return ""
}

func (s *desk) joinBegin(r *console.Request) error {
	in, err := read(r)
	if err != nil {
		return err
	}
	a, err := s.who.Invited(r.Context(), in.Token)
	if err != nil {
		return told(r, err)
	}
	return s.beginNew(r, a)
}

func (s *desk) beginNew(r *console.Request, a identity.Applicant) error {
	o, state, err := s.who.BeginNewPasskey(r.Context(), a)
	if err != nil {
		return told(r, err)
	}
	return answerJSON(r, options{o, state})
}

func (s *desk) joinPasskey(r *console.Request) error {
	in, err := read(r)
	if err != nil {
		return err
	}
	a, err := s.who.Invited(r.Context(), in.Token)
	if err != nil {
		return told(r, err)
	}
	return s.addPasskey(r, a, in, "/")
}

func (s *desk) addPasskey(r *console.Request, a identity.Applicant, in answer, to string) error {
	if err := s.who.AddPasskey(r.Request, a, in.State, in.Label, in.Answer); err != nil {
		return told(r, err)
	}
	return answerJSON(r, map[string]string{"to": console.Base + to})
}
