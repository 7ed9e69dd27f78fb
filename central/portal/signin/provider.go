package signin

import (
	"net/http"

	"turnstile/central/account"
	"turnstile/central/portal"
)

// leave goes to a provider.
func (s *desk) leave(r *portal.Request) error {
	to, err := s.who.Leave(r.Writer, r.Request, r.PathValue("id"), next(r), r.FormValue("again") == "1")
	if err != nil {
		return refused(r, err)
	}
	http.Redirect(r.Writer, r.Request, to, http.StatusSeeOther)
	return nil
}

// relay is the page that sends a provider's POST again.
type relay struct {
	Action string
	Fields map[string]string
}

// arrive comes back from a provider.
func (s *desk) arrive(r *portal.Request) error {
	id := r.PathValue("id")
	// Only an id of the configuration stands in the form's address: with what anybody
	// may write there the form would be sent to any deed of the portal.
	if fields, needed := s.who.Relay(r.Request, id); needed {
		return r.Page(pages, "relay.html", "Sign in", relay{account.ReturnPath + "/" + id, fields})
	}
	out, err := s.who.Arrive(r.Writer, r.Request, id)
	if err != nil {
		return refused(r, err)
	}
	if out.Link == "" {
		return r.Redirect(portal.Local(out.Next, "/"))
	}
	return s.linkPage(r, http.StatusOK, linkForm{Link: out.Link, Provider: out.Provider, Next: portal.Local(out.Next, "/")})
}

// linkForm asks for the registered address of somebody who is new from a provider.
type linkForm struct {
	Link, Provider, Next string
	Address, Problem     string
	Challenge            any
}

func (s *desk) linkPage(r *portal.Request, status int, f linkForm) (err error) {
	if f.Challenge, err = s.guard.Challenge(r); err != nil {
		return err
	}
	if f.Address == "" && r.Who.Person != "" {
		if f.Address, err = s.who.Address(r.Context(), r.Who.Person); err != nil {
			return err
		}
	}
	return r.PageStatus(status, pages, "link.html", "Link the account", f)
}

func (s *desk) link(r *portal.Request) error {
	// The sealed state is longer than what people type.
	f := linkForm{Link: r.PostFormValue("link"), Provider: field(r, "provider"), Next: next(r), Address: field(r, "address")}
	err := s.guard.Human(r)
	if err == nil {
		err = s.who.RequestLink(r.Writer, r.Request, f.Link, f.Address, string(r.Lang()))
	}
	if err == nil {
		return r.Redirect(with(linkCode, f.Next))
	}
	problem, status, err := told(r, err)
	if err != nil {
		return err
	}
	f.Problem = problem
	return s.linkPage(r, status, f)
}

func linkCodeForm(r *portal.Request) codeForm {
	return codeForm{Action: linkCode, Next: next(r), Back: with(signInPath, next(r))}
}

func (s *desk) linkCodeForm(r *portal.Request) error {
	return r.Page(pages, "code.html", "Type the code", linkCodeForm(r))
}

func (s *desk) linkCode(r *portal.Request) error {
	err := s.who.ConfirmLink(r.Writer, r.Request, field(r, "code"))
	if err == nil {
		r.Flash("%s", r.Say(pages, "The account is linked. Next time it signs you in by itself."))
		return r.Redirect(next(r))
	}
	return again(r, linkCodeForm(r), err)
}
