package identity

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/session"
)

// sessionCookie is the name of the session's cookie, without its prefix.
const sessionCookie = "turnstile"

// CookieName is the name of the session's cookie.
func (i *Identity) CookieName() string { return i.sessions.CookieName() }

func (i *Identity) newSessions() *session.Sessions {
	// The browser forgets the cookie when it is closed.
	return session.New(session.Config{Rows: i.config.DB, Cookie: sessionCookie, Secure: i.secure(), Idle: Idle, Lifetime: Lifetime,
		Now: i.config.Now, Log: i.config.Log})
}

// TokenHash is what stands in the database for a cookie's token.
func TokenHash(token string) string { return session.TokenHash(token) }

// visit is what one request knows of its session.
type visit struct {
	once    sync.Once
	session database.Session
	person  database.Person
	known   bool
}

type visitKey struct{}

// Wrap loads the session of a request and saves what it changes.
func (i *Identity) Wrap(next http.Handler) http.Handler {
	return i.sessions.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{})))
	}))
}

// visit loads person and session once in a request.
func (i *Identity) visit(ctx context.Context) *visit {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		return &visit{} // not below Wrap
	}
	v.once.Do(func() {
		s, ok := i.sessions.Get(ctx)
		if !ok {
			return
		}
		p, err := i.config.DB.Person(ctx, s.Person)
		if err != nil || p.Ended != 0 {
			if err != nil && !errors.Is(err, database.ErrNotFound) && ctx.Err() == nil {
				i.config.Log.Error("find the person of a session", "cause", err)
			}
			return
		}
		v.session, v.person, v.known = s, p, true
	})
	return v
}

// Principal returns who is signed in; inside of Wrap. Roles are those of this
// moment, so a change of them is in force with the next request.
func (i *Identity) Principal(r *http.Request) (console.Principal, bool) {
	v := i.visit(r.Context())
	if !v.known {
		return console.Principal{}, false
	}
	roles := ParseRoles(v.person.Roles)
	return console.Principal{Name: v.person.Name, Roles: roles, Permissions: permissions(roles), Lang: v.person.Lang, Proved: time.UnixMilli(v.session.Signed)}, true
}

// Methods of signing in, as the audit and the list of sessions have them.
const (
	ByPasskey  = "passkey"
	ByPassword = "password"
	ByOpenID   = "openid"
	ByHand     = "hand" // who can write the database made the session
)

// begin makes a new session for a person who has proved to be that person.
func (i *Identity) begin(r *http.Request, person, method string) error {
	if err := i.sessions.Begin(r, person, method); err != nil {
		return err
	}
	i.counts.signedIn.Add(1)
	return nil
}

// SignOut ends the session of a request.
func (i *Identity) SignOut(r *http.Request) error { return i.sessions.End(r.Context()) }
