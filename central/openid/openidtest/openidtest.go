// Package openidtest is an OpenID provider for tests: a real one, at which whoever a
// test names is signed in.
package openidtest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/luikyv/go-oidc/pkg/goidc"
	"github.com/luikyv/go-oidc/pkg/provider"

	"turnstile/central/openid"
)

// What the provider knows its one client by.
const (
	Client = "turnstile"
	Secret = "QYVXJ4K2M7N3P5R6S8T9UWZABCDEFGHL"
)

// Place is a provider, served over HTTP. Safe for concurrent use.
type Place struct {
	*httptest.Server
	redirect string // of its client

	mu      sync.Mutex // guards the following
	subject string
	claims  map[string]any
}

// New serves a provider whose client takes people back to a redirect URI.
func New(t testing.TB, redirect string) *Place {
	t.Helper()
	p := &Place{Server: httptest.NewUnstartedServer(nil), redirect: redirect}
	op, err := p.engine()
	if err != nil {
		t.Fatal(err)
	}
	p.Config.Handler = op.Handler()
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func (p *Place) engine() (*provider.Provider, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	keys := goidc.JSONWebKeySet{Keys: []goidc.JSONWebKey{{Key: key, KeyID: "1", Algorithm: "RS256", Use: "sig"}}}
	return provider.New(goidc.ProfileOpenID, "http://"+p.Listener.Addr().String(), func(context.Context) (goidc.JSONWebKeySet, error) { return keys, nil },
		provider.WithScopes(goidc.ScopeOpenID, goidc.ScopeProfile), provider.WithIDTokenSignatureAlgs(goidc.RS256),
		provider.WithTokenAuthnMethods(goidc.AuthnMethodSecretBasic), provider.WithPKCERequired(goidc.CodeChallengeMethodSHA256),
		provider.WithAuthorizationCodeGrant(), provider.WithIssuerResponseParameter(),
		provider.WithTokenOptions(func(context.Context, *goidc.Grant, *goidc.Client) goidc.TokenOptions {
			return goidc.NewJWTTokenOptions(goidc.RS256, 600)
		}),
		provider.WithIDTokenClaims(func(context.Context, *goidc.Grant) map[string]any { _, claims := p.who(); return claims }),
		provider.WithPolicies(goidc.NewPolicy("here", func(*http.Request, *goidc.Client, *goidc.AuthnSession) bool { return true }, p.signIn)),
		provider.WithStaticClients(&goidc.Client{ID: Client, Secret: Secret, ClientMeta: goidc.ClientMeta{
			ScopeIDs: "openid profile", GrantTypes: []goidc.GrantType{goidc.GrantAuthorizationCode}, ResponseTypes: []goidc.ResponseType{goidc.ResponseTypeCode},
			RedirectURIs: []string{p.redirect}, TokenAuthnMethod: goidc.AuthnMethodSecretBasic}}))
}

func (p *Place) signIn(_ http.ResponseWriter, _ *http.Request, s *goidc.AuthnSession) (goidc.Status, error) {
	if s.Subject, _ = p.who(); s.Subject == "" {
		return goidc.StatusFailure, errors.New("nobody is signed in")
	}
	s.GrantedScopes = s.Scopes
	return goidc.StatusSuccess, nil
}

func (p *Place) who() (string, map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.subject, p.claims
}

// Is signs somebody in at the provider, with what it says of them beside.
func (p *Place) Is(subject string, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subject, p.claims = subject, claims
}

// Setting is how the client is configured for the provider, with a secret, right or
// wrong.
func (p *Place) Setting(t testing.TB, id, name, secret string) openid.Provider {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return openid.Provider{ID: id, Name: name, Issuer: p.URL, Client: Client, SecretFile: file}
}

// Visit goes where a client sends a browser, and returns where the provider sends it
// back to.
func (p *Place) Visit(t testing.TB, to string) *url.URL {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	back, err := answer.Location()
	if err != nil || !strings.HasPrefix(back.String(), p.redirect+"?") {
		t.Fatalf("%s %v %v", answer.Status, back, err)
	}
	return back
}
