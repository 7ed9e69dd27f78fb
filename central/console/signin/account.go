package signin

import (
	"net/http"
	"strings"

	"turnstile/central/console"
	"turnstile/central/identity"
)

// accountData is what a person sees of the own account.
type accountData struct {
	identity.Account
	Lang       string
	OnPasskeys bool // browsers offer them at this address
}

func (s *desk) account(r *console.Request) error {
	a, err := s.who.Account(r.Request)
	if err != nil {
		return told(r, err)
	}
	a.Roles = roleNames(r, a.Roles)
	return r.Page(pages, "account.html", "My account", accountData{a, r.Who.Lang, s.who.HasPasskeys()})
}

// roleNames gives roles with spaces between their names in the person's language.
func roleNames(r *console.Request, roles string) string {
	list := strings.Fields(roles)
	for i := range list {
		list[i] = r.T(list[i])
	}
	return strings.Join(list, ", ")
}

// self is the person of the request, who has to be signed in: the frame saw to it.
func (s *desk) self(r *console.Request) (identity.Applicant, error) {
	a, err := s.who.Self(r.Request)
	return a, told(r, err)
}

func (s *desk) language(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	if err := s.who.SetLang(r.Context(), a, r.PostFormValue("lang")); err != nil {
		return r.Wrong("There are English and Traditional Chinese.")
	}
	// The browser's own choice would stand before the account's.
	http.SetCookie(r.Writer, &http.Cookie{Name: "turnstile_language", Path: console.Base, MaxAge: -1})
	return r.Redirect("/account")
}

func (s *desk) endSession(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	if err := s.who.EndSession(r.Context(), a, r.PostFormValue("id")); err != nil {
		return told(r, err)
	}
	r.Flash(r.Say(pages, "The session was ended."))
	return r.Redirect("/account")
}

func (s *desk) everywhere(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	if err := s.who.SignOutEverywhere(r.Request, a); err != nil {
		return err
	}
	return r.Redirect("/sign-in")
}

func (s *desk) accountBegin(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	return s.beginNew(r, a)
}

func (s *desk) accountPasskey(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	in, err := read(r)
	if err != nil {
		return err
	}
	return s.addPasskey(r, a, in, "/account")
}

func (s *desk) removePasskey(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	if err := s.who.RemovePasskey(r.Context(), a, r.PostFormValue("id")); err != nil {
		return told(r, err)
	}
	r.Flash(r.Say(pages, "The passkey was removed; other browsers were signed out."))
	return r.Redirect("/account")
}

func (s *desk) passwordForm(r *console.Request) error {
	return s.passwordPage(r, http.StatusOK, "", "")
}

func (s *desk) passwordPage(r *console.Request, status int, state, problem string) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	set, err := s.setUp(a, state)
	if err != nil {
		return told(r, err)
	}
	d := setUpData{Name: a.Name(), Problem: problem}
	d.take(set)
	return r.PageStatus(status, pages, "password.html", "Password and one-time codes", d)
}

func (s *desk) setPassword(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	a, err := s.self(r)
	if err != nil {
		return err
	}
	state := r.PostFormValue("state")
	codes, err := s.who.AddPassword(r.Writer, r.Request, a, state, r.PostFormValue("password"), r.PostFormValue("code"))
	if problem := passwordProblem(r, err); problem != "" {
		return s.passwordPage(r, http.StatusUnprocessableEntity, state, problem)
	}
	if err != nil {
		return told(r, err)
	}
	return r.Page(pages, "codes.html", "Recovery codes", codesData{codes})
}

func (s *desk) removePassword(r *console.Request) error {
	a, err := s.self(r)
	if err != nil {
		return err
	}
	if err := s.who.RemovePassword(r.Context(), a); err != nil {
		return told(r, err)
	}
	r.Flash(r.Say(pages, "The password was removed; other browsers were signed out."))
	return r.Redirect("/account")
}
