package account

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

// elsewhere is a real OpenID provider at which somebody is signed in.
type elsewhere struct {
	*httptest.Server

	mu      sync.Mutex // guards the following
	subject string
	claims  map[string]any
}

func (e *elsewhere) is(subject string, claims map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.subject, e.claims = subject, claims
}

func (e *elsewhere) who() (string, map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.subject, e.claims
}

const clientSecret = "QYVXJ4K2M7N3P5R6S8T9UWZABCDEFGHL"

// newElsewhere returns a provider and how the portal is configured for it.
func newElsewhere(t *testing.T, id string) (*elsewhere, Provider) {
	t.Helper()
	e := &elsewhere{Server: httptest.NewUnstartedServer(nil)}
	issuer := "http://" + e.Listener.Addr().String()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := goidc.JSONWebKeySet{Keys: []goidc.JSONWebKey{{Key: key, KeyID: "1", Algorithm: "RS256", Use: "sig"}}}
	op, err := provider.New(goidc.ProfileOpenID, issuer, func(context.Context) (goidc.JSONWebKeySet, error) { return keys, nil },
		provider.WithScopes(goidc.ScopeOpenID, goidc.ScopeProfile), provider.WithIDTokenSignatureAlgs(goidc.RS256),
		provider.WithTokenAuthnMethods(goidc.AuthnMethodSecretBasic), provider.WithPKCERequired(goidc.CodeChallengeMethodSHA256),
		provider.WithAuthorizationCodeGrant(), provider.WithTokenOptions(func(context.Context, *goidc.Grant, *goidc.Client) goidc.TokenOptions {
			return goidc.NewJWTTokenOptions(goidc.RS256, 600)
		}),
		provider.WithIDTokenClaims(func(context.Context, *goidc.Grant) map[string]any { _, claims := e.who(); return claims }),
		provider.WithPolicies(goidc.NewPolicy("here", func(*http.Request, *goidc.Client, *goidc.AuthnSession) bool { return true },
			func(_ http.ResponseWriter, _ *http.Request, s *goidc.AuthnSession) (goidc.Status, error) {
				s.Subject, _ = e.who()
				s.GrantedScopes = s.Scopes
				return goidc.StatusSuccess, nil
			})),
		provider.WithStaticClients(&goidc.Client{ID: "portal", Secret: clientSecret, ClientMeta: goidc.ClientMeta{
			ScopeIDs: "openid profile", GrantTypes: []goidc.GrantType{goidc.GrantAuthorizationCode}, ResponseTypes: []goidc.ResponseType{goidc.ResponseTypeCode},
			RedirectURIs: []string{portalURL + ReturnPath + "/" + id}, TokenAuthnMethod: goidc.AuthnMethodSecretBasic}}))
	if err != nil {
		t.Fatal(err)
	}
	e.Config.Handler = op.Handler()
	e.Start()
	t.Cleanup(e.Close)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(clientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return e, Provider{Provider: openid.Provider{ID: id, Name: "Elsewhere", Issuer: e.URL, Client: "portal", SecretFile: file}}
}

// visit goes to a provider and comes back.
func (b *tab) visit(id, next string) (out Arrived, err error) {
	t := b.d.t
	t.Helper()
	var to string
	b.do(func(w http.ResponseWriter, r *http.Request) { to, err = b.d.Leave(w, r, id, next, false) })
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get(to)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	back, err := answer.Location()
	if err != nil || !strings.HasPrefix(back.String(), portalURL+ReturnPath+"/"+id+"?") {
		t.Fatalf("%s %v %v", answer.Status, back, err)
	}
	return b.arrive(back, id)
}

func (b *tab) arrive(back *url.URL, id string) (out Arrived, err error) {
	r := httptest.NewRequest("GET", "/?"+back.RawQuery, nil)
	b.send(r, func(w http.ResponseWriter, r *http.Request) { out, err = b.d.Arrive(w, r, id) })
	return out, err
}

func (b *tab) link(state, address string) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = b.d.RequestLink(w, r, state, address, "en") })
	return err
}

func (b *tab) confirmLink(number string) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = b.d.ConfirmLink(w, r, number) })
	return err
}

// TestLinked: an account elsewhere is linked once, by a one-time password to the
// registered address, whatever address it says itself.
func TestLinked(t *testing.T) {
	ctx := t.Context()
	e, setting := newElsewhere(t, "google")
	d := newDesk(t, setting)
	d.registered("p-chan", "chan@example.org")
	d.registered("p-lee", "lee@example.org")
	e.is("s-1", map[string]any{"email": "chan@example.org", "email_verified": true})
	b := d.tab("192.0.2.1")
	out, err := b.visit("google", "/card")
	if err != nil || out.Link == "" || out.Provider != "Elsewhere" || b.who() != "" {
		t.Fatalf("%+v %v as %q", out, err, b.who())
	}
	wants(t, "another state", b.link("x", "chan@example.org"), ErrState)
	wants(t, "an address of nobody", b.link(out.Link, "nobody@example.org"), nil)
	if l := d.letter("nobody@example.org"); l.Kind != "not_registered" {
		t.Error(l.Kind)
	}
	wants(t, "link", b.link(out.Link, "chan@example.org"), nil)
	code := d.code("chan@example.org")
	wants(t, "in another browser", d.tab("192.0.2.2").confirmLink(code), ErrNoCode)
	wants(t, "as a sign-in", b.enter(code), ErrNoCode)
	if n := left(b.confirmLink("00000000")); n != 4 {
		t.Errorf("%d left", n)
	}
	wants(t, "confirm", b.confirmLink(code), nil)
	if h := b.me(); h.Person != "p-chan" || h.Method != "google" {
		t.Errorf("%+v", h)
	}
	if l := d.letter("chan@example.org"); l.Kind != "method_added" {
		t.Errorf("told %s", l.Kind)
	}
	other := d.tab("192.0.2.3")
	if out, err := other.visit("google", "/card"); err != nil || out.Link != "" || out.Next != "/card" || other.who() != "p-chan" {
		t.Errorf("%+v %v as %q", out, err, other.who())
	}
	// It is one person's.
	e.is("s-2", nil)
	second, err := d.tab("192.0.2.4").visit("google", "/")
	if err != nil {
		t.Fatal(err)
	}
	lee := d.tab("192.0.2.5")
	wants(t, "link", lee.link(out.Link, "lee@example.org"), nil)
	wants(t, "the account of another", lee.confirmLink(d.code("lee@example.org")), ErrTaken)
	wants(t, "link", lee.link(second.Link, "lee@example.org"), nil)
	wants(t, "confirm", lee.confirmLink(d.code("lee@example.org")), nil)
	links, err := d.Links(ctx, b.me())
	if err != nil || len(links) != 1 || links[0].Subject != "s-1" {
		t.Fatalf("%+v %v", links, err)
	}
	wants(t, "another's link", d.Unlink(ctx, lee.me(), links[0].Issuer, links[0].Subject), ErrNotYours)
	wants(t, "unlink", d.Unlink(ctx, b.me(), links[0].Issuer, links[0].Subject), nil)
	if other.who() != "" || b.who() != "p-chan" {
		t.Error("the other session of a link that was taken away stands")
	}
	e.is("s-1", nil)
	if out, err := other.visit("google", "/"); err != nil || out.Link == "" {
		t.Errorf("%+v %v", out, err)
	}
}

// TestCampus: the campus's own provider says who it is, if the register knows them.
func TestCampus(t *testing.T) {
	e, setting := newElsewhere(t, "netid")
	setting.PersonClaim = "person"
	d := newDesk(t, setting)
	b := d.tab("192.0.2.1")
	e.is("24000001d", map[string]any{"person": "p-chan"})
	if out, err := b.visit("netid", "/card"); err != nil || out.Link != "" || b.who() != "p-chan" || b.me().Method != "netid" {
		t.Errorf("%+v %v as %q", out, err, b.who())
	}
	if d.addressOf("p-chan") != "" {
		t.Error("an address of nowhere")
	}
	for name, claims := range map[string]map[string]any{"nobody": {"person": "p-none"}, "no claim": {}, "no text": {"person": 7}, "empty": {"person": ""}} {
		e.is("24000002d", claims)
		other := d.tab("192.0.2.2")
		if _, err := other.visit("netid", "/"); !errors.Is(err, ErrUnknown) || other.who() != "" {
			t.Errorf("%s: %v as %q", name, err, other.who())
		}
	}
	bad := setting
	bad.Kind, bad.Issuer = openid.Google, ""
	c := d.config
	c.Providers = []Provider{bad}
	if _, err := Open(c); !errors.Is(err, ErrConfig) {
		t.Errorf("google's word for who somebody is: %v", err)
	}
}
