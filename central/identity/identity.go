// Package identity knows the people of the central office: how they are invited,
// how they prove who they are, and which session is whose.
//
// A person signs in with a passkey, with password and one-time code together, or
// at an OpenID provider that an admin or a claim linked them to. There is no
// default password and no way in without an invitation. What stands in the
// database lets nobody in: tokens, codes and invitations are hashes there, and
// the secrets of one-time codes are sealed with a key of the key folder.
package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"turnstile/central/database"
	"turnstile/central/openid"
	"turnstile/central/passkey"
	"turnstile/central/password"
	"turnstile/central/rights"
	"turnstile/central/seal"
	"turnstile/central/session"
	"turnstile/central/throttle"
)

// How long a session stands.
const (
	Idle     = 30 * time.Minute // without a request
	Lifetime = 12 * time.Hour   // a shift; then the person signs in again
)

// ErrConfig tells what a change of the configuration mends.
var ErrConfig = errors.New("sign-in")

// Config is what identity needs.
type Config struct {
	Site string
	DB   *database.DB
	Box  seal.Box
	// URL is the address of the console as browsers show it, https://host or for
	// this machine alone http://localhost:8080. Passkeys are bound to its host.
	URL    string
	OpenID []Provider
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default()
}

// Identity is safe for concurrent use.
type Identity struct {
	config   Config
	origin   *url.URL
	sessions *session.Sessions
	states   seal.States

	passwords *password.Hasher
	throttle  *throttle.Throttle
	browsers  throttle.Browsers
	passkeys  *passkey.Passkeys // nil: browsers offer no passkeys at this address
	openid    *openid.Client
	counts    counts
}

// Open returns the identity of a central. ErrConfig for a URL that browsers
// would not keep a session for.
func Open(c Config) (*Identity, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	origin, err := parseOrigin(c.URL)
	if err != nil {
		return nil, err
	}
	i := &Identity{config: c, origin: origin, states: seal.States{Box: c.Box, Spent: c.DB, Now: c.Now}, passwords: password.New(nil), throttle: c.throttle()}
	i.sessions, i.browsers = i.newSessions(), i.knownBrowsers()
	if i.openid, err = i.openProviders(); err != nil {
		return nil, err
	}
	if i.passkeys, err = passkey.Open(passkey.Config{Origin: origin, Name: "Turnstile " + c.Site, States: i.states, Log: c.Log}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return i, nil
}

// What the parts refuse, as this package's callers know it.
var (
	ErrState  = seal.ErrState // too late, done before, or not ours
	ErrShort  = password.ErrShort
	ErrLong   = password.ErrLong
	ErrCommon = password.ErrCommon
)

// maxPassword bounds what is typed as a password, in bytes.
const maxPassword = password.MaxBytes

// parseOrigin reads the address of the console.
func parseOrigin(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%w: want an address such as https://turnstile.example.edu, without a path", ErrConfig)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !openid.IsLoopback(u)) {
		return nil, fmt.Errorf("%w: want an address that begins with https://; http:// is for localhost alone", ErrConfig)
	}
	u.Path = ""
	return u, nil
}

// secure reports whether browsers reach the console over HTTPS.
func (i *Identity) secure() bool { return i.origin.Scheme == "https" }

// Origin is the address of the console without a path.
func (i *Identity) Origin() string { return i.origin.Scheme + "://" + i.origin.Host }

func (i *Identity) now() int64 { return i.config.Now().UnixMilli() }

// pruneEvery is how often what has expired is deleted.
const pruneEvery = 10 * time.Minute

// Run deletes what has expired, until ctx ends.
func (i *Identity) Run(ctx context.Context) error {
	t := time.NewTicker(pruneEvery)
	defer t.Stop()
	for {
		now := i.config.Now()
		if err := i.config.DB.PruneSessions(ctx, now.Add(-Lifetime).UnixMilli(), now.Add(-Idle).UnixMilli(), now.UnixMilli()); err != nil && ctx.Err() == nil {
			i.config.Log.Error("prune sessions", "cause", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// PersonName is what an account may be called: the audit names people by it.
var PersonName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)

// ParseRoles reads roles from words with spaces between; nil if one is unknown or
// there is none.
func ParseRoles(text string) []rights.Role {
	var list []rights.Role
	for _, word := range strings.Fields(text) {
		r := rights.Role(word)
		if r.Permissions() == nil {
			return nil
		}
		list = append(list, r)
	}
	return list
}

// permissions is what any of the roles may do.
func permissions(roles []rights.Role) (set rights.Set) {
	for _, r := range roles {
		for _, p := range r.Permissions() {
			if !set.Has(p) {
				set = append(set, p)
			}
		}
	}
	return set
}
