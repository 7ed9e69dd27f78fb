// Package signin is the console's pages with which a person signs in, registers
// with an invitation, and looks after the own account.
package signin

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"turnstile/central/console"
	"turnstile/central/identity"
	"turnstile/central/office"
	"turnstile/central/passkey"
)

//go:embed pages/*.html
var files embed.FS

var pages = console.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// desk serves the pages.
type desk struct{ who *identity.Identity }

// Routes returns the pages over an identity.
func Routes(who *identity.Identity) []console.Route {
	s := &desk{who}
	public := func(method, pattern string, handle func(*console.Request) error) console.Route {
		return console.Route{Method: method, Pattern: pattern, Public: true, Handle: handle}
	}
	own := func(method, pattern string, recent bool, handle func(*console.Request) error) console.Route {
		return console.Route{Method: method, Pattern: pattern, Recent: recent, Handle: handle}
	}
	const get, post = http.MethodGet, http.MethodPost
	return []console.Route{
		public(get, "/sign-in", s.form), public(post, "/sign-in", s.password),
		public(get, "/sign-in/passkey.js", s.script),
		public(post, "/sign-in/passkey/begin", s.beginPasskey), public(post, "/sign-in/passkey", s.passkey),
		public(get, "/sign-in/openid/{id}", s.leave), public(get, identity.OpenIDPath+"/{id}", s.arrive),
		public(get, identity.JoinPath, s.join), public(post, identity.JoinPath+"/password", s.joinPassword),
		public(post, identity.JoinPath+"/passkey/begin", s.joinBegin), public(post, identity.JoinPath+"/passkey", s.joinPasskey),
		own(post, "/sign-out", false, s.signOut),
		own(get, "/account", false, s.account), own(post, "/account/language", false, s.language),
		own(post, "/account/session", false, s.endSession), own(post, "/account/everywhere", false, s.everywhere),
		own(post, "/account/passkey/begin", true, s.accountBegin), own(post, "/account/passkey", true, s.accountPasskey),
		own(post, "/account/passkey/remove", true, s.removePasskey),
		own(get, "/account/password", true, s.passwordForm), own(post, "/account/password", true, s.setPassword),
		own(post, "/account/password/remove", true, s.removePassword),
	}
}

// script is what talks to authenticators; without it passwords work.
func (s *desk) script(r *console.Request) error {
	r.Writer.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(r.Writer, r.Request, "passkey.js", time.Time{}, bytes.NewReader(passkey.Script))
	return nil
}

// signInData is what the sign-in page shows.
type signInData struct {
	Next      string // whole path to go on at
	Again     bool   // somebody is signed in and has to prove it anew
	Name      string
	Passkeys  bool
	Buttons   []identity.Button
	Problem   string
	Elsewhere string // the address to open instead, "" if it is this one
}

func (s *desk) data(r *console.Request, next string) signInData {
	d := signInData{Next: next, Again: r.FormValue("again") == "1" && r.Who.Name != "", Passkeys: s.who.HasPasskeys(), Buttons: s.who.Buttons()}
	if d.Again {
		d.Name = r.Who.Name
	}
	if u, err := url.Parse(s.who.Origin()); err == nil && u.Host != r.Host {
		d.Elsewhere = s.who.Origin() + console.Base + "/"
	}
	return d
}

// next is where to go on after the sign-in, below console.Base.
func next(r *console.Request) string {
	to := console.Local(r.FormValue("next"), "/")
	if to == "/sign-out" {
		return "/"
	}
	return to
}

func (s *desk) form(r *console.Request) error {
	d := s.data(r, console.Base+next(r))
	if r.Who.Name != "" && !d.Again {
		return r.Redirect(next(r))
	}
	return r.Page(pages, "signin.html", "Sign in", d)
}

// parse reads a form, or says what is wrong with it as a whole.
func parse(r *console.Request) error {
	err := r.ParseForm()
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	if err != nil {
		return office.Refuse(office.ErrInvalid, "%s", r.Say(pages, "The browser sent something that is no form. Reload the page and try again."))
	}
	return nil
}

// password signs in with a password and a code.
func (s *desk) password(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	name := r.PostFormValue("name")
	err := s.who.SignInPassword(r.Writer, r.Request, name, r.PostFormValue("password"), r.PostFormValue("code"))
	if err == nil {
		return r.Redirect(next(r))
	}
	if !errors.Is(err, identity.ErrSignIn) {
		return err
	}
	d := s.data(r, console.Base+next(r))
	d.Name, d.Problem = name, r.Say(pages, "Name, password and code do not belong together. Check them and try again; each code works once.")
	status := http.StatusForbidden
	if w, ok := errors.AsType[*identity.Wait](err); ok {
		status = http.StatusTooManyRequests
		d.Problem = r.Say(pages, "There were too many tries. Wait until %s, then try again, or use a passkey.", w.Until.Add(time.Second).In(r.Zone()).Format(time.TimeOnly))
	}
	if len(d.Name) > 64 {
		d.Name = ""
	}
	return r.PageStatus(status, pages, "signin.html", "Sign in", d)
}

// answerJSON answers the script.
func answerJSON(r *console.Request, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	r.Writer.Header().Set("Content-Type", "application/json")
	_, _ = r.Writer.Write(data) // a browser that went away is no fault of ours
	return nil
}

// options is what a script begins with.
type options struct {
	Options any    `json:"options"`
	State   string `json:"state"`
}

// answer is what a script brings back.
type answer struct {
	Token  string          `json:"token"` // of an invitation
	State  string          `json:"state"`
	Label  string          `json:"label"`
	Next   string          `json:"next"`
	Answer json.RawMessage `json:"answer"`
}

func read(r *console.Request) (a answer, err error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return a, err
		}
		return a, office.Refuse(office.ErrInvalid, "%s", r.Say(pages, "The browser sent something that is no passkey. Reload the page and try again."))
	}
	return a, nil
}

// told words what identity refuses.
func told(r *console.Request, err error) error {
	for _, e := range []struct {
		err  error
		kind error
		text string
	}{
		{identity.ErrPasskey, office.ErrInvalid, "This passkey was not accepted. Try another one, or another way to sign in."},
		{identity.ErrState, office.ErrConflict, "This took too long, or was done already. Begin again."},
		{identity.ErrNoPasskeys, office.ErrInvalid, "Passkeys do not work at this address. Open the console with https://, or on this machine as localhost."},
		{identity.ErrInvitation, office.ErrNotFound, "This link was used, or has expired. Ask an admin for a new one."},
		{identity.ErrNotLinked, office.ErrInvalid, "No account here belongs to the one that you signed in with. Ask an admin for an invitation, and link it there."},
		{identity.ErrTaken, office.ErrConflict, "That account, or one of its name, is linked already. Ask an admin."},
		{identity.ErrProvider, office.ErrUnavailable, "The other service did not confirm the sign-in. Try again, or sign in another way."},
		{identity.ErrNotYours, office.ErrNotFound, "There is none of these in your account; reload the page."},
		{identity.ErrLastWay, office.ErrConflict, "That is the only way to sign in that you have left. Add another one first."},
		{identity.ErrManaged, office.ErrConflict, "Your account is kept by another service; sign in there."},
	} {
		if errors.Is(err, e.err) {
			return office.Refuse(e.kind, "%s", r.Say(pages, e.text))
		}
	}
	return err
}

func (s *desk) beginPasskey(r *console.Request) error {
	o, state, err := s.who.BeginPasskey()
	if err != nil {
		return told(r, err)
	}
	return answerJSON(r, options{o, state})
}

func (s *desk) passkey(r *console.Request) error {
	a, err := read(r)
	if err != nil {
		return err
	}
	if err := s.who.SignInPasskey(r.Request, a.State, a.Answer); err != nil {
		return told(r, err)
	}
	return answerJSON(r, map[string]string{"to": console.Base + console.Local(a.Next, "/")})
}

// leave goes to an OpenID provider: to sign in, or to link an invited account.
func (s *desk) leave(r *console.Request) error {
	to, err := s.who.BeginOpenID(r.Writer, r.Request, identity.Journey{Provider: r.PathValue("id"), Token: r.FormValue("token"),
		Again: r.FormValue("again") == "1", Next: next(r)})
	if err != nil {
		return told(r, err)
	}
	http.Redirect(r.Writer, r.Request, to, http.StatusSeeOther)
	return nil
}

// arrive comes back from one.
func (s *desk) arrive(r *console.Request) error {
	to, err := s.who.FinishOpenID(r.Writer, r.Request, r.PathValue("id"))
	if err != nil {
		return told(r, err)
	}
	return r.Redirect(to)
}

func (s *desk) signOut(r *console.Request) error {
	if err := s.who.SignOut(r.Request); err != nil {
		return err
	}
	// What the browser keeps of the pages is not for the next person at it.
	r.Writer.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	return r.Redirect("/sign-in")
}
