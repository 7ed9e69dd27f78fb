package account

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/register"
	"turnstile/central/session"
	"turnstile/central/throttle"
)

// Methods of signing in, as the list of sessions has them. One at a provider is
// called by the provider's id.
const (
	ByMail    = "mail"
	ByPasskey = "passkey"
)

// RequestCode mails a one-time password for signing in to an address. Whether an
// account has it is told to the address alone. ErrAddress, *throttle.Wait.
func (a *Accounts) RequestCode(w http.ResponseWriter, r *http.Request, typed, lang string) error {
	address, folded, err := parseAddress(typed)
	if err != nil {
		return err
	}
	ctx := r.Context()
	row, err := a.config.DB.AccountOf(ctx, folded)
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("find account: %w", err)
	}
	if err := a.throttle.Try(ctx, a.subjects(r, folded, row.Person)...); err != nil {
		return err
	}
	return a.send(ctx, a.browser(w, r), a.invitation(row, forSignIn, "", address, lang))
}

// invitation is the code for whom an address is of, or the word that it is of
// nobody. The letter goes to the address as the account has it. Both letters are
// written, whichever is sent: the time does not tell which.
func (a *Accounts) invitation(row database.Account, purpose, detail, address, lang string) errand {
	e := errand{purpose: purpose, person: row.Person, address: address, detail: detail, lang: language(lang)}
	e.words = func(lang letters.Language, number string, until time.Time) letters.Letter {
		known, unknown := letters.OneTime(lang, number, until), letters.NotRegistered(lang, a.Origin()+RegisterPath)
		if row.Person == "" {
			return unknown
		}
		return known
	}
	if row.Person == "" {
		return e
	}
	e.address = row.Address
	if row.Lang != "" {
		e.lang = row.Lang
	}
	return e
}

// Paths of pages that letters name.
const (
	RegisterPath = "/register"        // where a person registers an address
	WaysPath     = "/profile/sign-in" // where ways to sign in are added and taken away
)

// EnterCode begins a session for who types the code of RequestCode. *WrongCode,
// ErrNoCode.
func (a *Accounts) EnterCode(w http.ResponseWriter, r *http.Request, number string) error {
	code, err := a.config.DB.TakeCode(r.Context(), a.typed(r, forSignIn, number), a.now())
	if err != nil {
		return refusedCode(err)
	}
	if err := a.letIn(r, code); err != nil {
		return err
	}
	return a.Begin(w, r, code.Person, ByMail)
}

// letIn forgets what was counted for the address of a code that was right.
func (a *Accounts) letIn(r *http.Request, code database.AccountCode) error {
	_, folded, err := parseAddress(code.Address)
	if err != nil {
		return nil // an address of before the rules of today: it is forgotten tomorrow
	}
	return a.throttle.Succeeded(r.Context(), a.subjects(r, folded, code.Person)...)
}

// Begin makes a new session for a person who has proved to be that person, and an
// account if there is none. ErrUnknown if the register knows nobody of the id.
func (a *Accounts) Begin(w http.ResponseWriter, r *http.Request, person, method string) error {
	ctx := r.Context()
	p, err := a.person(ctx, person)
	if errors.Is(err, register.ErrNotFound) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("find person: %w", err)
	}
	if _, err := a.config.DB.AddAccount(ctx, a.fresh(p.ID, "")); err != nil {
		return fmt.Errorf("store account: %w", err)
	}
	if err := a.sessions.Begin(r, p.ID, method); err != nil {
		return err
	}
	return a.browsers.Remember(w, p.ID)
}

// Holder is who is signed in.
type Holder struct {
	Person  string    // the register's id, which is the holder of passes
	Name    string    // to show
	Lang    string    // "en", "zh-Hant", or "" for the browser's wish
	Proved  time.Time // sign-in of this session
	Session string    // names the session, and is no secret
	Method  string
}

// visit is what one request knows of its session.
type visit struct {
	once   sync.Once
	holder Holder
	known  bool
}

type visitKey struct{}

// Wrap loads the session of a request and saves what it changes.
func (a *Accounts) Wrap(next http.Handler) http.Handler {
	return a.sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{})))
	}))
}

// CookieName is the name of the session's cookie.
func (a *Accounts) CookieName() string { return a.sessions.CookieName() }

// Holder returns who is signed in; inside of Wrap. Whoever left the register is
// not.
func (a *Accounts) Holder(r *http.Request) (Holder, bool) {
	v, ok := r.Context().Value(visitKey{}).(*visit)
	if !ok {
		return Holder{}, false // not below Wrap
	}
	v.once.Do(func() { v.holder, v.known = a.look(r.Context()) })
	return v.holder, v.known
}

func (a *Accounts) look(ctx context.Context) (h Holder, ok bool) {
	s, ok := a.sessions.Get(ctx)
	if !ok {
		return h, false
	}
	p, err := a.person(ctx, s.Person)
	if err == nil {
		var row database.Account
		if row, err = a.config.DB.Account(ctx, p.ID); err == nil {
			h = Holder{Person: p.ID, Lang: row.Lang, Proved: time.UnixMilli(s.Signed), Session: s.ID, Method: s.Method}
			h.Name = p.Name(h.Lang)
			return h, true
		}
	}
	if !errors.Is(err, register.ErrNotFound) && !errors.Is(err, database.ErrNotFound) && ctx.Err() == nil {
		a.config.Log.Error("find the holder of a session", "cause", err)
	}
	return h, false
}

// SignOut ends the session of a request.
func (a *Accounts) SignOut(r *http.Request) error { return a.sessions.End(r.Context()) }

// Session is one browser that is signed in.
type Session struct {
	ID             string
	Here           bool
	Method         string
	Begun, Seen    time.Time
	Address, Agent string
}

// Sessions lists the holder's sessions, the newest first.
func (a *Accounts) Sessions(ctx context.Context, h Holder) (list []Session, err error) {
	now := a.config.Now()
	rows, err := a.rows.Sessions(ctx, h.Person, now.Add(-a.config.Lifetime).UnixMilli(), now.Add(-a.config.Idle).UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	for _, s := range rows {
		list = append(list, Session{s.ID, s.ID == h.Session, s.Method, time.UnixMilli(s.Created), time.UnixMilli(s.Seen), s.Address, s.Agent})
	}
	return list, nil
}

// EndSession ends one of the holder's sessions. ErrNotYours.
func (a *Accounts) EndSession(ctx context.Context, h Holder, id string) error {
	return owned(a.rows.EndPersonSession(ctx, h.Person, id))
}

// SignOutEverywhere ends all sessions of the holder, this one too.
func (a *Accounts) SignOutEverywhere(r *http.Request, h Holder) error {
	if err := a.rows.EndSessions(r.Context(), h.Person, ""); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return a.SignOut(r)
}

// owned makes ErrNotYours of what is not there: whether it is another's is not told.
func owned(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, database.ErrNotFound):
		return ErrNotYours
	}
	return fmt.Errorf("change account: %w", err)
}

// TokenHash is what stands in the database for a cookie's token.
func TokenHash(token string) string { return session.TokenHash(token) }

// Wait refuses because of the tries before.
type Wait = throttle.Wait
