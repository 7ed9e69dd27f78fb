// Package openid lets people sign in at OpenID providers, and at WeChat, and says
// who they are there.
//
// Always with PKCE S256, a nonce, and a state that is bound to the browser and
// counts once. What a provider says beside issuer and subject proves nothing: an
// address or a name links no account, for whoever can set it there would be that
// person.
package openid

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"turnstile/central/seal"
	"turnstile/central/session"
)

// What can go wrong.
var (
	ErrConfig   = errors.New("openid")
	ErrProvider = errors.New("the provider did not confirm the sign-in")
)

// Config of a Client.
type Config struct {
	Providers []Provider
	Redirect  func(id string) string // the redirect URI of a provider
	Kind      string                 // tells sealed journeys of one site from another's; "" is the office
	Secure    bool                   // browsers come over HTTPS
	Recent    time.Duration          // how long ago a provider may have asked a person who has to prove anew
	States    seal.States
	Now       func() time.Time
	Log       *slog.Logger
}

// Client is one of several providers. Safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client

	mu    sync.Mutex // guards the following
	known map[string]*oidc.Provider
}

// limit bounds what one question to a provider may take.
const limit = 10 * time.Second

// New returns a Client; no provider is asked yet. ErrConfig.
func New(c Config) (*Client, error) {
	list := make([]Provider, len(c.Providers))
	for n, p := range c.Providers {
		if text := p.Check(); text != "" {
			return nil, fmt.Errorf("%w: %s", ErrConfig, text)
		}
		list[n] = p.Filled()
	}
	if id := Twice(list); id != "" {
		return nil, fmt.Errorf("%w: %s stands twice", ErrConfig, id)
	}
	c.Providers = list
	return &Client{config: c, http: &http.Client{Timeout: limit}, known: map[string]*oidc.Provider{}}, nil
}

// Providers lists them with their defaults.
func (c *Client) Providers() []Provider { return slices.Clone(c.config.Providers) }

func (c *Client) find(id string) (*Provider, error) {
	for n := range c.config.Providers {
		if c.config.Providers[n].ID == id {
			return &c.config.Providers[n], nil
		}
	}
	return nil, fmt.Errorf("%w: there is no provider of that name", ErrProvider)
}

// discover reads what a provider says of itself, once it answers.
func (c *Client) discover(p *Provider) (*oidc.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.known[p.ID]; found != nil {
		return found, nil
	}
	// Its keys are fetched later, so the context is not the request's.
	ctx := oidc.ClientContext(context.Background(), c.http)
	if p.manyTenants() { // its issuer is a pattern, which judge compares (go-oidc issue 344)
		ctx = oidc.InsecureIssuerURLContext(ctx, p.Issuer)
	}
	found, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	c.known[p.ID] = found
	return found, nil
}

func (c *Client) oauth(p *Provider) (*oidc.Provider, *oauth2.Config, error) {
	found, err := c.discover(p)
	if err != nil {
		return nil, nil, err
	}
	secret, err := c.secret(p)
	if err != nil {
		return nil, nil, err
	}
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // never guessed: a guess burns the code
	if p.Auth == "post" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return found, &oauth2.Config{ClientID: p.Client, ClientSecret: secret, Endpoint: endpoint,
		RedirectURL: c.config.Redirect(p.ID), Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}, nil
}

// secret is what proves to the provider who asks.
func (c *Client) secret(p *Provider) (string, error) {
	if p.Secret != "" {
		return p.Secret, nil
	}
	text, err := os.ReadFile(p.SecretFile)
	if err != nil {
		return "", fmt.Errorf("read the client's secret: %w", err)
	}
	if p.Kind == Apple {
		return appleSecret(p, text, c.config.Now())
	}
	return strings.TrimSpace(string(text)), nil
}

// Journey says what somebody goes to a provider for.
type Journey struct {
	Provider string `json:"provider"`        // id
	Token    string `json:"token,omitempty"` // whatever the caller needs to have back
	Again    bool   `json:"again,omitempty"` // the provider has to ask the person anew
	Next     string `json:"next"`            // path to go on at
}

// trip is what the browser carries while somebody is at a provider.
type trip struct {
	Journey
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

const (
	sealedTrip = "openid"
	cookieName = "turnstile-openid"
)

// cookie carries the sealed trip.
func (c *Client) cookie(value string, age int) *http.Cookie {
	name := cookieName
	if c.config.Secure {
		name = "__Host-" + name
	}
	// Lax: the provider sends people back from its own site.
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: c.config.Secure, SameSite: http.SameSiteLaxMode}
}

// Begin returns the provider's URL to go to. ErrProvider.
func (c *Client) Begin(w http.ResponseWriter, r *http.Request, j Journey) (to string, err error) {
	p, err := c.find(j.Provider)
	if err != nil {
		return "", err
	}
	t := trip{j, rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	if p.Kind == WeChat {
		to = c.weChatURL(r, p, t)
	} else if to, err = c.authURL(p, t); err != nil {
		return "", err
	}
	sealed, err := c.config.States.Seal(c.config.Kind+sealedTrip, t)
	if err != nil {
		return "", err
	}
	http.SetCookie(w, c.cookie(sealed, int(seal.StepLimit/time.Second)))
	return to, nil
}

func (c *Client) authURL(p *Provider, t trip) (string, error) {
	_, o, err := c.oauth(p)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)}
	if t.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	if p.Kind == Apple {
		options = append(options, oauth2.SetAuthURLParam("response_mode", "form_post"))
	}
	return o.AuthCodeURL(t.State, options...), nil
}

// Arrival is who somebody is at a provider.
type Arrival struct {
	Journey
	Issuer  string
	Subject string // unique at the issuer, never given to another

	claims []byte
}

// Claims reads what else the provider says; it proves nothing.
func (a *Arrival) Claims(v any) error {
	if len(a.claims) == 0 {
		return nil
	}
	if err := json.Unmarshal(a.claims, v); err != nil {
		return fmt.Errorf("%w: %w", ErrProvider, err)
	}
	return nil
}

// Finish returns whom the provider confirmed. ErrProvider, seal.ErrState.
func (c *Client) Finish(w http.ResponseWriter, r *http.Request, provider string) (Arrival, error) {
	t, err := c.arrive(w, r, provider)
	if err != nil {
		return Arrival{}, err
	}
	p, err := c.find(provider)
	if err != nil {
		return Arrival{}, err
	}
	if e := r.FormValue("error"); e != "" {
		return c.refuse(p, "the provider says "+session.Agent(e), nil)
	}
	if said := r.FormValue("iss"); said != "" && said != p.Issuer && !p.manyTenants() { // RFC 9207
		return c.refuse(p, "another provider answers", nil)
	}
	if p.Kind == WeChat {
		return c.finishWeChat(r, p, t)
	}
	return c.exchange(r, p, t)
}

// refuse writes down why; the person is told only that it is so.
func (c *Client) refuse(p *Provider, why string, err error) (Arrival, error) {
	c.config.Log.Warn("openid sign-in refused", "provider", p.ID, "why", why, "cause", err)
	return Arrival{}, ErrProvider
}

// arrive reads what the browser left with, which counts once.
func (c *Client) arrive(w http.ResponseWriter, r *http.Request, provider string) (t trip, err error) {
	cookie, err := r.Cookie(c.cookie("", 0).Name)
	if err != nil {
		return t, seal.ErrState
	}
	http.SetCookie(w, c.cookie("", -1))
	spend, err := c.config.States.Open(c.config.Kind+sealedTrip, cookie.Value, &t)
	if err != nil {
		return t, err
	}
	if t.Provider != provider || subtle.ConstantTimeCompare([]byte(r.FormValue("state")), []byte(t.State)) != 1 {
		return t, seal.ErrState
	}
	return t, spend(r.Context())
}

// exchange turns the code into a verified ID token.
func (c *Client) exchange(r *http.Request, p *Provider, t trip) (Arrival, error) {
	found, o, err := c.oauth(p)
	if err != nil {
		return Arrival{}, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), c.http), 2*limit)
	defer cancel()
	token, err := o.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return c.refuse(p, "code", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: p.Client, Now: c.config.Now, SkipIssuerCheck: p.manyTenants()}).Verify(ctx, raw)
	if err != nil {
		return c.refuse(p, "id token", err)
	}
	if why := c.judge(p, found, id, t); why != "" {
		return c.refuse(p, why, nil)
	}
	a := Arrival{Journey: t.Journey, Issuer: p.Issuer, Subject: id.Subject}
	if p.manyTenants() {
		a.Issuer = id.Issuer
	}
	var claims json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return c.refuse(p, "claims", err)
	}
	a.claims = claims
	return a, nil
}

// judge returns what a good signature does not say, "" if nothing is wrong.
func (c *Client) judge(p *Provider, found *oidc.Provider, id *oidc.IDToken, t trip) string {
	var claims struct {
		At     int64  `json:"auth_time"`
		Tenant string `json:"tid"`
	}
	switch err := id.Claims(&claims); {
	case err != nil:
		return "claims"
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(t.Nonce)) != 1:
		return "nonce"
	case id.Subject == "":
		return "no subject"
	case t.Again && c.config.Now().Sub(time.Unix(claims.At, 0)) > c.config.Recent:
		return "it did not ask the person anew"
	case p.manyTenants():
		return judgeTenant(p, found, id.Issuer, claims.Tenant)
	}
	return ""
}

var tenantID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// judgeTenant compares the issuer of a token with that of the tenant that it
// names: the keys are the same for all tenants, so that the signature tells
// nothing of it.
func judgeTenant(p *Provider, found *oidc.Provider, issuer, tenant string) string {
	var says struct {
		Issuer string `json:"issuer"`
	}
	const place = "{tenantid}"
	if err := found.Claims(&says); err != nil || !strings.Contains(says.Issuer, place) {
		return "discovery names no issuer of tenants"
	}
	switch {
	case !tenantID.MatchString(tenant) || issuer != strings.ReplaceAll(says.Issuer, place, tenant):
		return "issuer and tenant do not belong together"
	case len(p.Tenants) > 0 && !slices.Contains(p.Tenants, tenant):
		return "another tenant"
	}
	return ""
}

// maxField bounds a field of a provider's answer, in bytes.
const maxField = 4 << 10

// Relay returns what a provider's POST from its own site carries, if the browser
// withheld our cookie from it, as it does for Apple: a page of ours has to send it
// again, with a form or a script.
func (c *Client) Relay(r *http.Request) (fields map[string]string, needed bool) {
	if _, err := r.Cookie(c.cookie("", 0).Name); err == nil || r.Method != http.MethodPost {
		return nil, false
	}
	fields = map[string]string{}
	for _, name := range []string{"state", "code", "error"} {
		if v := r.PostFormValue(name); v != "" && len(v) <= maxField {
			fields[name] = v
		}
	}
	return fields, len(fields) > 0 && r.PostFormValue("relayed") == ""
}
