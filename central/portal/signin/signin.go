// Package signin is the portal's pages with which a holder signs in, and registers
// an address for the first time.
//
// Every page works without JavaScript but the passkey. Answers on the screen do not
// tell whether somebody exists; what happened goes by mail.
package signin

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"turnstile/central/account"
	"turnstile/central/office"
	"turnstile/central/openid"
	"turnstile/central/passkey"
	"turnstile/central/portal"
	"turnstile/central/register"
)

//go:embed pages/*.html
var files embed.FS

var pages = portal.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err) // embedded above
	}
	return f
}

// Guard keeps programs from what sends mail or tries identities.
type Guard interface {
	// Challenge is what the template "human" shows in a form.
	Challenge(r *portal.Request) (any, error)
	// Human refuses, as an office.Refusal, a form that a program may have sent.
	Human(r *portal.Request) error
}

// The pages' paths.
const (
	signInPath = "/sign-in"
	codePath   = "/sign-in/code"
	leavePath  = "/sign-in/to" // and a provider's id
	linkPath   = "/sign-in/link"
	linkCode   = "/sign-in/link/code"
	scriptPath = "/sign-in/passkey.js"
	relayPath  = "/sign-in/relay.js"
	newPath    = account.RegisterPath
	newAddress = account.RegisterPath + "/address"
	newCode    = account.RegisterPath + "/code"
	// ChangePath is where the codes of a change of address are typed.
	ChangePath = account.RegisterPath + "/change"
)

// Door is the portal's Auth over the holders' accounts.
type Door struct{ *account.Accounts }

// Holder implements portal.Auth.
func (d Door) Holder(r *http.Request) (portal.Holder, bool) {
	h, ok := d.Accounts.Holder(r)
	return portal.Holder{Person: h.Person, Name: h.Name, Lang: h.Lang, Proved: h.Proved, Session: h.Session}, ok
}

// desk serves the pages.
type desk struct {
	who   *account.Accounts
	guard Guard
}

// Routes returns the pages.
func Routes(who *account.Accounts, guard Guard) []portal.Route {
	s := &desk{who, guard}
	get := func(pattern string, handle func(*portal.Request) error) portal.Route {
		return portal.Route{Method: http.MethodGet, Pattern: pattern, Public: true, Handle: handle}
	}
	post := func(pattern string, handle func(*portal.Request) error) portal.Route {
		return portal.Route{Method: http.MethodPost, Pattern: pattern, Public: true, Handle: handle}
	}
	hidden := func(r portal.Route) portal.Route { r.Hidden = true; return r }
	return []portal.Route{
		get(signInPath, s.form), post(signInPath, s.request), get(codePath, s.codeForm), post(codePath, s.code),
		hidden(get(scriptPath, script)), hidden(get(relayPath, relayScript)), post(signInPath+"/passkey/begin", s.beginPasskey), post(signInPath+"/passkey", s.passkey),
		hidden(get(leavePath+"/{id}", s.leave)), hidden(get(account.ReturnPath+"/{id}", s.arrive)), foreign(post(account.ReturnPath+"/{id}", s.arrive)),
		post(linkPath, s.link), get(linkCode, s.linkCodeForm), post(linkCode, s.linkCode),
		get(newPath, s.facts), post(newPath, s.identify), post(newAddress, s.address), get(newCode, s.newCodeForm), post(newCode, s.newCode),
		get(ChangePath, s.changeForm), post(ChangePath, s.change),
		post("/sign-out", s.signOut),
	}
}

// foreign lets another site's page send the form: Apple answers so. The state that
// the browser took along is what proves that the journey began here.
func foreign(r portal.Route) portal.Route { r.Foreign = true; return r }

func script(r *portal.Request) error { return serve(r, "passkey.js", passkey.Script) }

//go:embed relay.js
var relayJS []byte

func relayScript(r *portal.Request) error { return serve(r, "relay.js", relayJS) }

func serve(r *portal.Request, name string, data []byte) error {
	r.Writer.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(r.Writer, r.Request, name, time.Time{}, bytes.NewReader(data))
	return nil
}

// form is what the sign-in page shows.
type form struct {
	Next      string // path to go on at
	Again     bool   // somebody is signed in and has to prove it anew
	Name      string
	Address   string
	Passkeys  bool
	Buttons   []account.Button
	Problem   string
	Elsewhere string // the address to open instead, "" if it is this one
	Challenge any
}

// next is where to go on after the sign-in.
func next(r *portal.Request) string {
	to := portal.Local(r.FormValue("next"), "/")
	if strings.HasPrefix(to, "/sign-") {
		return "/"
	}
	return to
}

func (s *desk) filled(r *portal.Request) (f form, err error) {
	f = form{Next: next(r), Again: r.FormValue("again") == "1" && r.Who.Person != "", Name: r.Who.Name, Passkeys: s.who.HasPasskeys(), Buttons: s.who.Buttons()}
	if u, err := url.Parse(s.who.Origin()); err == nil && u.Host != r.Host {
		f.Elsewhere = s.who.Origin() + "/"
	}
	if f.Again {
		if f.Address, err = s.who.Address(r.Context(), r.Who.Person); err != nil {
			return f, err
		}
	}
	f.Challenge, err = s.guard.Challenge(r)
	return f, err
}

func (s *desk) form(r *portal.Request) error {
	f, err := s.filled(r)
	if err != nil {
		return err
	}
	if r.Who.Person != "" && !f.Again {
		return r.Redirect(f.Next)
	}
	return r.Page(pages, "signin.html", "Sign in", f)
}

// with is a path with where to go on.
func with(path, next string) string { return path + "?" + url.Values{"next": {next}}.Encode() }

// field is a field of a form, bounded and without space around it.
func field(r *portal.Request, name string) string {
	const most = 300
	v := strings.TrimSpace(r.PostFormValue(name))
	return strings.ReplaceAll(strings.ToValidUTF8(v[:min(len(v), most)], ""), "\x00", "")
}

// request mails a one-time password.
func (s *desk) request(r *portal.Request) error {
	address := field(r, "address")
	err := s.guard.Human(r)
	if err == nil {
		err = s.who.RequestCode(r.Writer, r.Request, address, string(r.Lang()))
	}
	if err == nil {
		return r.Redirect(with(codePath, next(r)))
	}
	problem, status, err := told(r, err)
	if err != nil {
		return err
	}
	f, err := s.filled(r)
	if err != nil {
		return err
	}
	f.Address, f.Problem = address, problem
	return r.PageStatus(status, pages, "signin.html", "Sign in", f)
}

// codeForm is where a code is typed.
type codeForm struct {
	Action  string
	Next    string
	Back    string // where a new code is asked for
	Problem string
	Over    bool // no code waits any more
}

func (s *desk) codeForm(r *portal.Request) error {
	return r.Page(pages, "code.html", "Type the code", codeForm{Action: codePath, Next: next(r), Back: with(signInPath, next(r))})
}

func (s *desk) code(r *portal.Request) error {
	err := s.who.EnterCode(r.Writer, r.Request, field(r, "code"))
	if err == nil {
		return r.Redirect(next(r))
	}
	return again(r, codeForm{Action: codePath, Next: next(r), Back: with(signInPath, next(r))}, err)
}

// again shows the form of a code that was refused.
func again(r *portal.Request, f codeForm, err error) error {
	f.Over = over(err)
	problem, status, err := told(r, err)
	if err != nil {
		return err
	}
	f.Problem = problem
	return r.PageStatus(status, pages, "code.html", "Type the code", f)
}

// over reports whether no code waits any more.
func over(err error) bool {
	wrong, ok := errors.AsType[*account.WrongCode](err)
	return errors.Is(err, account.ErrNoCode) || ok && wrong.Left == 0
}

func (s *desk) signOut(r *portal.Request) error {
	if err := s.who.SignOut(r.Request); err != nil {
		return err
	}
	r.Forget()
	return r.Redirect(signInPath)
}

// refusals are what a page says of what was refused, with the next step.
var refusals = []struct {
	err    error
	status int
	text   string
}{
	{account.ErrAddress, 422, "Type an email address such as name@example.org."},
	{account.ErrNoCode, 422, "This code has expired, was used, or was tried too often. Ask for a new one."},
	{account.ErrState, 409, "This took too long, or was done already. Begin again."},
	{account.ErrTaken, 409, "It belongs to another account already. Take another one, or ask the office."},
	{account.ErrUnknown, 403, "The campus register does not know that account. Sign in by email, or ask the office."},
	{account.ErrPasskey, 422, "This passkey was not accepted. Try another one, or sign in by email."},
	{account.ErrNoPasskeys, 422, "Passkeys do not work at this address. Sign in by email."},
	{register.ErrNoMatch, 422, "These details do not match the register. Check each of them and try again; if they are right, ask the office."},
	{openid.ErrProvider, 503, "The other service did not confirm the sign-in. Try again, or sign in by email."},
}

// told words what was refused; err is what is no refusal.
func told(r *portal.Request, err error) (problem string, status int, other error) {
	if w, ok := errors.AsType[*account.Wait](err); ok {
		return r.Say(pages, "There were too many tries. Wait until %s, then try again.", w.Until.Add(time.Second).In(r.Zone()).Format("15:04:05")), http.StatusTooManyRequests, nil
	}
	if w, ok := errors.AsType[*account.WrongCode](err); ok {
		return r.Say(pages, "That is not the code. Tries that are left: %d", w.Left), http.StatusUnprocessableEntity, nil
	}
	for _, e := range refusals {
		if errors.Is(err, e.err) {
			return r.Say(pages, e.text), e.status, nil
		}
	}
	if refusal, ok := errors.AsType[*office.Refusal](err); ok {
		return r.Told(pages, refusal), http.StatusUnprocessableEntity, nil
	}
	return "", 0, err
}

// refused is told for where no form is shown again.
func refused(r *portal.Request, err error) error {
	problem, status, err := told(r, err)
	if err != nil {
		return err
	}
	kind := office.ErrInvalid
	switch status {
	case http.StatusConflict:
		kind = office.ErrConflict
	case http.StatusServiceUnavailable:
		kind = office.ErrUnavailable
	}
	return office.Refuse(kind, "%s", problem)
}

// answer is what the passkey's script brings back.
type answer struct {
	State  string          `json:"state"`
	Next   string          `json:"next"`
	Answer json.RawMessage `json:"answer"`
}

func (s *desk) beginPasskey(r *portal.Request) error {
	options, state, err := s.who.BeginPasskey()
	if err != nil {
		return refused(r, err)
	}
	return r.JSON(http.StatusOK, map[string]any{"options": options, "state": state})
}

func (s *desk) passkey(r *portal.Request) error {
	var a answer
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return err
		}
		return refused(r, account.ErrPasskey)
	}
	if err := s.who.SignInPasskey(r.Writer, r.Request, a.State, a.Answer); err != nil {
		return refused(r, err)
	}
	to := portal.Local(a.Next, "/")
	if strings.HasPrefix(to, "/sign-") {
		to = "/"
	}
	return r.JSON(http.StatusOK, map[string]string{"to": to})
}
