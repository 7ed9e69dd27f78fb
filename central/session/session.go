// Package session knows which browser is whose: sessions in SQL behind a cookie
// whose token stands there as a hash.
package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/alexedwards/scs/v2"

	"turnstile/central/database"
	"turnstile/central/throttle"
)

// Rows keep sessions by the hash of their token; *database.DB keeps those of the
// office, its Holders those of the portal.
type Rows interface {
	// Session returns a session, or database.ErrNotFound.
	Session(ctx context.Context, id string) (database.Session, error)
	// SaveSession stores a session; database.ErrNotFound for who has no access.
	SaveSession(ctx context.Context, s database.Session) error
	// SessionSeen notes that a session is in use (Unix ms).
	SessionSeen(ctx context.Context, id string, at int64) error
	// EndSession ends a session; one that is not there is no error.
	EndSession(ctx context.Context, id string) error
}

// Config of Sessions.
type Config struct {
	Rows   Rows
	Cookie string // name; Secure puts __Host- before it
	Secure bool   // browsers come over HTTPS
	// Idle is how long a session stands without a request, Lifetime in all.
	Idle, Lifetime time.Duration
	Persist        bool // the cookie outlives the browser's window
	Now            func() time.Time
	Log            *slog.Logger
}

// Sessions are those of one kind of people. Safe for concurrent use.
type Sessions struct {
	config Config
	scs    *scs.SessionManager
}

// New returns Sessions.
func New(c Config) *Sessions {
	if c.Secure {
		// The prefix makes browsers refuse the cookie from anything but this very host
		// over HTTPS.
		c.Cookie = "__Host-" + c.Cookie
	}
	s := &Sessions{config: c}
	// Not scs.New: that starts a goroutine for a store in memory that nobody uses.
	s.scs = &scs.SessionManager{Store: &store{c}, Codec: codec{c.Lifetime}, HashTokenInStore: true, Lifetime: c.Lifetime, Cookie: scs.SessionCookie{
		Name: c.Cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Secure, Persist: c.Persist,
	}}
	s.scs.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		c.Log.Error("session", "cause", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Central cannot look at sessions now; its log has the cause. Try again in a few seconds.", http.StatusServiceUnavailable)
	}
	return s
}

// CookieName is the name of the cookie, with its prefix.
func (s *Sessions) CookieName() string { return s.config.Cookie }

// TokenHash is what stands in the database for a cookie's token.
func TokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Wrap loads the session of a request and saves what it changes.
func (s *Sessions) Wrap(next http.Handler) http.Handler {
	h := s.scs.LoadAndSave(next)
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

// key is where scs has our record.
const key = "session"

// Get returns the session of a request; inside of Wrap.
func (s *Sessions) Get(ctx context.Context) (database.Session, bool) {
	row, ok := s.scs.Get(ctx, key).(database.Session)
	return row, ok && row.Person != ""
}

// Begin makes a new session for a person who has proved to be that person: with
// a new token, so that none that somebody planted is worth anything.
func (s *Sessions) Begin(r *http.Request, person, method string) error {
	ctx, now := r.Context(), s.config.Now().UnixMilli()
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	s.scs.Put(ctx, key, database.Session{Person: person, Method: method, Created: now, Signed: now, Seen: now,
		Address: throttle.Address(r).String(), Agent: Agent(r.UserAgent())})
	if _, _, err := s.scs.Commit(ctx); err != nil { // the middleware does so again, and could only say that it failed
		return fmt.Errorf("save session: %w", err)
	}
	return nil
}

// maxAgent bounds what is kept of a browser's name, in bytes.
const maxAgent = 200

// Agent is what is kept of what a browser calls itself: printable, 200 bytes.
func Agent(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, strings.ToValidUTF8(text[:min(len(text), maxAgent)], ""))
}

// End ends the session of a request.
func (s *Sessions) End(ctx context.Context) error {
	if err := s.scs.Destroy(ctx); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// maxSkew is how far (ms) the clock of another central may be ahead.
const maxSkew = 60_000

// Stands reports whether a session has not expired at now (Unix ms).
func (c *Config) Stands(s database.Session, now int64) bool {
	return now-s.Created < c.Lifetime.Milliseconds() && now-s.Seen < c.Idle.Milliseconds() && s.Created <= now+maxSkew
}

// store is scs's store of sessions. Times are ours, not scs's: our clock decides.
type store struct{ Config }

// FindCtx returns a session that still stands and notes, once a minute, that it
// is in use.
func (s *store) FindCtx(ctx context.Context, id string) ([]byte, bool, error) {
	row, err := s.Rows.Session(ctx, id)
	if errors.Is(err, database.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	now := s.Now().UnixMilli()
	if !s.Stands(row, now) {
		return nil, false, nil
	}
	if seldom, _ := ctx.Value(unattendedKey{}).(bool); !seldom && now-row.Seen >= time.Minute.Milliseconds() {
		row.Seen = now
		if err := s.Rows.SessionSeen(ctx, id, now); err != nil && ctx.Err() == nil {
			s.Log.Warn("note the use of a session", "cause", err) // on a full disk the office must still see its lanes
		}
	}
	data, err := json.Marshal(row)
	return data, err == nil, err
}

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
	return s.Rows.SaveSession(ctx, row)
}

// DeleteCtx ends a session.
func (s *store) DeleteCtx(ctx context.Context, id string) error { return s.Rows.EndSession(ctx, id) }

// Find, Commit and Delete are what scs calls without a context: never.
func (s *store) Find(id string) ([]byte, bool, error) { return s.FindCtx(context.Background(), id) }

// Commit is CommitCtx.
func (s *store) Commit(id string, data []byte, at time.Time) error {
	return s.CommitCtx(context.Background(), id, data, at)
}

// Delete is DeleteCtx.
func (s *store) Delete(id string) error { return s.DeleteCtx(context.Background(), id) }

// codec carries one database.Session between scs and store.
type codec struct{ lifetime time.Duration }

// Encode returns the record as JSON.
func (codec) Encode(_ time.Time, values map[string]any) ([]byte, error) {
	s, _ := values[key].(database.Session)
	return json.Marshal(s)
}

// Decode is the inverse; the deadline is for scs alone.
func (c codec) Decode(data []byte) (time.Time, map[string]any, error) {
	var s database.Session
	if err := json.Unmarshal(data, &s); err != nil {
		return time.Time{}, nil, fmt.Errorf("decode session: %w", err)
	}
	return time.UnixMilli(s.Created).Add(c.lifetime), map[string]any{key: s}, nil
}
