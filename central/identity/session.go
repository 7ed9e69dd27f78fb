package identity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/alexedwards/scs/v2"

	"turnstile/central/console"
	"turnstile/central/database"
)

// Cookie names. The prefix makes browsers refuse the cookie from anything but
// this very host over HTTPS.
const (
	secureCookie = "__Host-turnstile"
	plainCookie  = "turnstile" // http://localhost
)

// CookieName is the name of the session's cookie.
func (i *Identity) CookieName() string {
	if i.secure() {
		return secureCookie
	}
	return plainCookie
}

func (i *Identity) newSessions() *scs.SessionManager {
	// Not scs.New: that starts a goroutine for a store in memory that nobody uses.
	m := &scs.SessionManager{Store: &store{i}, Codec: codec{}, HashTokenInStore: true, Lifetime: Lifetime, Cookie: scs.SessionCookie{
		Name: i.CookieName(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: i.secure(),
		Persist: false, // the browser forgets it when it is closed
	}}
	m.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		i.config.Log.Error("session", "cause", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Central cannot look at sessions now; its log has the cause. Try again in a few seconds.", http.StatusServiceUnavailable)
	}
	return m
}

// TokenHash is what stands in the database for a cookie's token.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

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
	h := i.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{})))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), unattendedKey{}, unattended(r))))
	})
}

type unattendedKey struct{}

// unattended reports whether a page asked by itself: that does not keep a
// session alive that nobody sits before.
func unattended(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream") || r.Header.Get("X-Unattended") != ""
}

// sessionKey is where scs has our record.
const sessionKey = "session"

// visit loads person and session once in a request.
func (i *Identity) visit(ctx context.Context) *visit {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		return &visit{} // not below Wrap
	}
	v.once.Do(func() {
		s, ok := i.sessions.Get(ctx, sessionKey).(database.Session)
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

// maxAgent bounds what is kept of a browser's name.
const maxAgent = 200

// begin makes a new session for a person who has proved to be that person: with
// a new token, so that none that somebody planted is worth anything.
func (i *Identity) begin(r *http.Request, person, method string) error {
	ctx, now := r.Context(), i.now()
	if err := i.sessions.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	i.sessions.Put(ctx, sessionKey, database.Session{Person: person, Method: method, Created: now, Signed: now, Seen: now,
		Address: address(r).String(), Agent: agent(r.UserAgent())})
	if _, _, err := i.sessions.Commit(ctx); err != nil { // the middleware does so again, and could only say that it failed
		return fmt.Errorf("save session: %w", err)
	}
	i.counts.signedIn.Add(1)
	return nil
}

func agent(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text[:min(len(text), maxAgent)], ""))
	return text
}

// address is the network address that a request came from.
func address(r *http.Request) net.IP {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return net.ParseIP(host)
}

// SignOut ends the session of a request.
func (i *Identity) SignOut(r *http.Request) error {
	if err := i.sessions.Destroy(r.Context()); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// store is scs's store of sessions. Times are ours, not scs's: our clock decides.
type store struct{ *Identity }

// FindCtx returns a session that still stands and notes, once a minute, that it
// is in use.
func (s *store) FindCtx(ctx context.Context, id string) ([]byte, bool, error) {
	row, err := s.config.DB.Session(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	now := s.now()
	if !Stands(row, now) {
		return nil, false, nil
	}
	if seldom, _ := ctx.Value(unattendedKey{}).(bool); !seldom && now-row.Seen >= time.Minute.Milliseconds() {
		row.Seen = now
		if err := s.config.DB.SessionSeen(ctx, id, now); err != nil && ctx.Err() == nil {
			s.config.Log.Warn("note the use of a session", "cause", err) // on a full disk the office must still see its lanes
		}
	}
	data, err := json.Marshal(row)
	return data, err == nil, err
}

// Stands reports whether a session has not expired at now (Unix ms).
func Stands(s database.Session, now int64) bool {
	return now-s.Created < Lifetime.Milliseconds() && now-s.Seen < Idle.Milliseconds() && s.Created <= now+maxSkew
}

// maxSkew is how far (ms) the clock of another central may be ahead.
const maxSkew = 60_000

// CommitCtx stores a session.
func (s *store) CommitCtx(ctx context.Context, id string, data []byte, _ time.Time) error {
	var row database.Session
	if err := json.Unmarshal(data, &row); err != nil {
		return fmt.Errorf("decode session: %w", err)
	}
	if row.Person == "" {
		return nil // nobody is signed in: nothing to remember
	}
	row.ID = id
	return s.config.DB.SaveSession(ctx, row)
}

// DeleteCtx ends a session.
func (s *store) DeleteCtx(ctx context.Context, id string) error {
	return s.config.DB.EndSession(ctx, id)
}

// Find, Commit and Delete are what scs calls without a context: never.
func (s *store) Find(id string) ([]byte, bool, error) { return s.FindCtx(context.Background(), id) }

// Commit is CommitCtx.
func (s *store) Commit(id string, data []byte, at time.Time) error {
	return s.CommitCtx(context.Background(), id, data, at)
}

// Delete is DeleteCtx.
func (s *store) Delete(id string) error { return s.DeleteCtx(context.Background(), id) }

// codec carries one database.Session between scs and store.
type codec struct{}

// Encode returns the record as JSON.
func (codec) Encode(_ time.Time, values map[string]any) ([]byte, error) {
	s, _ := values[sessionKey].(database.Session)
	return json.Marshal(s)
}

// Decode is the inverse; the deadline is for scs alone.
func (codec) Decode(data []byte) (time.Time, map[string]any, error) {
	var s database.Session
	if err := json.Unmarshal(data, &s); err != nil {
		return time.Time{}, nil, fmt.Errorf("decode session: %w", err)
	}
	return time.UnixMilli(s.Created).Add(Lifetime), map[string]any{sessionKey: s}, nil
}
