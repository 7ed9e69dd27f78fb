// Package provider lets other systems sign people in with their NetID: an OpenID
// provider of the authorization code flow, with PKCE always, for the clients that
// the configuration names.
//
// Before somebody has typed a NetPassword nothing is stored: the request goes
// through the browser sealed, bound to it by a cookie. Codes, grants, tokens and
// sessions stand in SQL under the hash of what names them, what they say sealed, so
// that any central answers what another began and the database lets nobody in. A
// code counts once; used twice, what it was given for ends. There are no refresh
// tokens. A changed or reset NetPassword ends all of a NetID's (package netid).
//
// Keys are RSA, made by whichever central is first, and rotated every 30 days: a
// new one is published for a day before it signs, and stays for two days after.
package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"
	oidc "github.com/luikyv/go-oidc/pkg/provider"

	"turnstile/central/database"
	"turnstile/central/netid"
	"turnstile/central/seal"
)

// Path is where the provider is below the portal's address.
const Path = "/openid"

// Client is a system that signs people in here.
type Client struct {
	ID     string
	Name   string // shown on the sign-in page
	Secret string
	// RedirectURIs are where it takes people back, exactly.
	RedirectURIs []string
	// Post: it sends the secret in the form instead of the header.
	Post bool
	// LogoutURIs are where people may be sent after signing out.
	LogoutURIs []string
}

// Directory knows the NetIDs; *netid.Directory is one.
type Directory interface {
	Check(ctx context.Context, netID, typed string, from net.IP) (netid.Entry, error)
	Profile(ctx context.Context, netID string) (netid.Entry, error)
}

// Config of a Provider; all is needed but Clients and Frames.
type Config struct {
	DB        *database.DB
	Directory Directory
	Box       seal.Box
	Portal    string // address of the portal, without a slash at the end
	Site      string // of the campus, as people call it
	Clients   []Client
	Frames    []string // origins that may show the pages in a frame; for a demo alone
	Now       func() time.Time
	Log       *slog.Logger
	// keyBits is the size of new keys, 0 for keyBits' standard; tests take less time.
	keyBits int
}

// Times.
const (
	sessionLife = 8 * time.Hour // of a browser; then the NetPassword is asked again
	requestLife = 15 * time.Minute
	codeLife    = time.Minute
	tokenLife   = 10 * time.Minute
)

// Provider is safe for concurrent use.
type Provider struct {
	config Config
	keys   *keys
	box    sealed
	secure bool
	http   http.Handler
}

// ErrConfig tells what a change of the configuration mends.
var ErrConfig = errors.New("netid")

// Issuer is what the provider calls itself, for a portal at an address.
func Issuer(portal string) string { return strings.TrimSuffix(portal, "/") + Path }

// ClientSecret derives the secret of a client that central itself is, so that no
// file has to hold it: from the key of the secrets, alike for all centrals.
func ClientSecret(key [32]byte, id string) string {
	h := hmac.New(sha256.New, key[:])
	fmt.Fprintf(h, "turnstile-openid-client-1\x00%s", id)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Open returns the provider; the first one of a database makes its first key.
func Open(ctx context.Context, c Config) (*Provider, error) {
	portal, err := url.Parse(c.Portal)
	if err != nil || portal.Host == "" {
		return nil, fmt.Errorf("%w: want the portal's address", ErrConfig)
	}
	p := &Provider{config: c, box: sealed{c.Box}, secure: portal.Scheme == "https"}
	p.keys = &keys{db: c.DB, box: c.Box, now: c.Now, bits: c.keyBits}
	if p.keys.bits == 0 {
		p.keys.bits = standardBits
	}
	if err := p.keys.rotate(ctx); err != nil {
		return nil, err
	}
	op, err := p.engine()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	p.http = p.guarded(op.Handler())
	return p, nil
}

// engine sets the library up: this and nothing else of what it can do.
func (p *Provider) engine() (*oidc.Provider, error) {
	static, err := p.clients()
	if err != nil {
		return nil, err
	}
	options := []oidc.Option{
		oidc.WithScopes(goidc.ScopeOpenID, goidc.ScopeProfile, goidc.ScopeEmail), oidc.WithOpenIDScopeRequired(),
		oidc.WithClaims("sub", "auth_time", "amr", "person", "name", "preferred_username", "email", "email_verified"),
		oidc.WithIDTokenSignatureAlgs(goidc.RS256), oidc.WithIDTokenLifetime(int(tokenLife / time.Second)),
		oidc.WithTokenAuthnMethods(goidc.AuthnMethodSecretBasic, goidc.AuthnMethodSecretPost),
		oidc.WithPKCERequired(goidc.CodeChallengeMethodSHA256), oidc.WithAuthorizationCodeGrant(), oidc.WithAuthorizationCodeLifetime(int(codeLife / time.Second)),
		oidc.WithIssuerResponseParameter(), oidc.WithAuthnSessionTimeout(int(requestLife / time.Second)),
		oidc.WithTokenOptions(func(context.Context, *goidc.Grant, *goidc.Client) goidc.TokenOptions {
			return goidc.NewOpaqueTokenOptions(int(tokenLife / time.Second))
		}),
		oidc.WithAuthnSessionManager(requests{p}), oidc.WithGrantManager(grants{p}), oidc.WithTokenManager(tokens{p}),
		oidc.WithIDTokenClaims(p.claims), oidc.WithUserInfoClaims(p.claims),
		oidc.WithPolicies(goidc.NewPolicy("netid", func(*http.Request, *goidc.Client, *goidc.AuthnSession) bool { return true }, p.signIn)),
		oidc.WithLogout(func(w http.ResponseWriter, r *http.Request, _ *goidc.LogoutSession) error {
			p.show(w, r, http.StatusOK, "out.html", page{})
			return nil
		}, goidc.NewLogoutPolicy("netid", func(*http.Request, *goidc.LogoutSession) bool { return true }, p.signOut)),
		oidc.WithLogoutSessionManager(logouts{p}), oidc.WithLogoutSessionTimeoutSecs(int(requestLife / time.Second)),
		oidc.WithRenderErrorFunc(p.showError),
		oidc.WithNotifyErrorFunc(func(_ context.Context, err error) {
			p.config.Log.Info("a sign-in of another system was refused", "cause", cause(err))
		}),
	}
	if len(static) > 0 {
		options = append(options, oidc.WithStaticClients(static[0], static[1:]...))
	}
	return oidc.New(goidc.ProfileOpenID, Issuer(p.config.Portal), p.keys.set, options...)
}

// cause is an error of the library as the log may have it: the description of ours
// and theirs, never a parameter.
func cause(err error) string {
	if e, ok := errors.AsType[goidc.Error](err); ok {
		return string(e.Code) + ": " + e.Description
	}
	return "internal"
}

func (p *Provider) clients() (list []*goidc.Client, err error) {
	for i, c := range p.config.Clients {
		if c.ID == "" || len(c.Secret) < 16 || len(c.RedirectURIs) == 0 {
			return nil, fmt.Errorf("client %q: want an id, a secret of at least 16 characters and redirect_uris", c.ID)
		}
		if slices.ContainsFunc(p.config.Clients[:i], func(o Client) bool { return o.ID == c.ID }) {
			return nil, fmt.Errorf("client %q stands twice", c.ID)
		}
		method := goidc.AuthnMethodSecretBasic
		if c.Post {
			method = goidc.AuthnMethodSecretPost
		}
		list = append(list, &goidc.Client{ID: c.ID, Secret: c.Secret, ClientMeta: goidc.ClientMeta{
			Name: c.Name, ScopeIDs: "openid profile email", GrantTypes: []goidc.GrantType{goidc.GrantAuthorizationCode},
			ResponseTypes: []goidc.ResponseType{goidc.ResponseTypeCode}, RedirectURIs: c.RedirectURIs, PostLogoutRedirectURIs: c.LogoutURIs,
			TokenAuthnMethod: method}})
	}
	return list, nil
}

// claims are what a client is told, by the scopes that it asked for.
func (p *Provider) claims(ctx context.Context, g *goidc.Grant) map[string]any {
	out := map[string]any{"amr": []string{"pwd"}}
	switch at := g.Store[signedAt].(type) {
	case int64:
		out["auth_time"] = at
	case float64: // it has been JSON
		out["auth_time"] = int64(at)
	}
	e, err := p.config.Directory.Profile(ctx, g.Subject)
	if err != nil {
		p.config.Log.Warn("read a NetID for a token", "cause", err)
		return out
	}
	scopes := strings.Fields(g.Scopes)
	if out["person"] = e.Person; slices.Contains(scopes, "profile") {
		out["name"], out["preferred_username"] = e.DisplayName, e.NetID
	}
	if slices.Contains(scopes, "email") {
		out["email"], out["email_verified"] = e.Email, true
	}
	return out
}

// Bounds of a request in bytes.
const (
	maxBody  = 16 << 10
	maxQuery = 8 << 10
)

// guarded bounds requests, keeps other sites' forms out, and sets the headers.
func (p *Provider) guarded(next http.Handler) http.Handler {
	protected := http.NewCrossOriginProtection().Handler(next)
	return http.StripPrefix(Path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.RawQuery) > maxQuery || len(r.URL.Path) > maxQuery {
			http.Error(w, "the request is too long", http.StatusRequestURITooLong)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if p.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if why := p.inexact(r.URL); why != "" {
			p.show(w, r, http.StatusBadRequest, "problem.html", page{Code: "invalid_request: " + why})
			return
		}
		protected.ServeHTTP(w, r)
	}))
}

// inexact says what is wrong with a request that does not name each parameter once
// (RFC 6749, 3.1), and the redirect URI letter by letter as it is registered: the
// library compares it as it reads it, to which https://x/back# is https://x/back.
func (p *Provider) inexact(u *url.URL) string {
	if u.Path != "/authorize" {
		return ""
	}
	q := u.Query()
	for name, values := range q {
		if len(values) > 1 && name != "resource" { // which RFC 8707 repeats, and nobody here reads
			return "a parameter comes twice"
		}
	}
	known := slices.ContainsFunc(p.config.Clients, func(c Client) bool {
		return c.ID == q.Get("client_id") && slices.Contains(c.RedirectURIs, q.Get("redirect_uri"))
	})
	if !known {
		return "no client of this redirect_uri"
	}
	return ""
}

// ServeHTTP answers everything below Path.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.http.ServeHTTP(w, r) }

// Run rotates the keys until ctx ends.
func (p *Provider) Run(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := p.keys.rotate(ctx); err != nil && ctx.Err() == nil {
				p.config.Log.Warn("rotate the provider's keys; it is tried again", "cause", err)
			}
		}
	}
}
