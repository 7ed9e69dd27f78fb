package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/rights"
)

// Provider is an OpenID provider that staff may sign in at.
type Provider struct {
	// ID stands in the path of the redirect URI, /office/openid/ID: 1 to 32 of
	// a-z 0-9 -.
	ID string `yaml:"id"`
	// Name is on the button.
	Name string `yaml:"name"`
	// Issuer is its URL, exactly as in its discovery document; https. For Microsoft
	// the one of the tenant, not common.
	Issuer string `yaml:"issuer"`
	// Client is the client id that it gave; SecretFile holds the secret alone.
	Client     string `yaml:"client"`
	SecretFile string `yaml:"secret_file"`
	// Auth is how the secret is sent: header (client_secret_basic) or post
	// (client_secret_post). Default header.
	Auth string `yaml:"auth"`
	// Scopes beside openid. Default profile.
	Scopes []string `yaml:"scopes"`
	// RoleClaim names a claim, a text or a list of them, that Roles turns into roles.
	// Without it only people who were invited and linked their account there can
	// sign in.
	RoleClaim string                   `yaml:"role_claim"`
	Roles     map[string][]rights.Role `yaml:"roles"`
	// NameClaim names the claim that an account made by RoleClaim is called by.
	// Default preferred_username.
	NameClaim string `yaml:"name_claim"`
}

// providerID is what an id may be.
var providerID = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Check returns what is wrong with the setting, or "".
func (p *Provider) Check() string {
	u, err := url.Parse(p.Issuer)
	switch {
	case !providerID.MatchString(p.ID):
		return "id: want 1 to 32 of a-z 0-9 -"
	case p.Name == "" || len(p.Name) > 60:
		return "name: want what to write on the button, up to 60 bytes"
	case err != nil || u.Host == "" || u.Scheme != "https" && !isLoopback(u):
		return "issuer: want an address that begins with https://"
	case p.Client == "" || p.SecretFile == "":
		return "client and secret_file: want what the provider gave"
	case !slices.Contains([]string{"", "header", "post"}, p.Auth):
		return "auth: want header or post"
	case (p.RoleClaim == "") != (len(p.Roles) == 0):
		return "role_claim and roles belong together"
	}
	for claim, roles := range p.Roles {
		for _, r := range roles {
			if r.Permissions() == nil {
				return fmt.Sprintf("roles: %.40q of %.40q is no role", r, claim)
			}
		}
	}
	return ""
}

func isLoopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// What a sign-in at a provider can fail for.
var (
	ErrProvider  = errors.New("the provider did not confirm the sign-in")
	ErrNotLinked = errors.New("no account here is linked to this one")
	ErrTaken     = errors.New("this account is linked, or its name is taken, already")
)

// providers are the OpenID providers of a configuration.
type providers struct {
	list   []Provider
	client *http.Client

	mu    sync.Mutex // guards the following
	known map[string]*oidc.Provider
}

// providerLimit bounds what one question to a provider may take.
const providerLimit = 10 * time.Second

func newProviders(list []Provider) (*providers, error) {
	for n, p := range list {
		if text := p.Check(); text != "" {
			return nil, fmt.Errorf("%w: openid: %s", ErrConfig, text)
		}
		if slices.ContainsFunc(list[:n], func(q Provider) bool { return q.ID == p.ID || q.Issuer == p.Issuer }) {
			return nil, fmt.Errorf("%w: openid: %s stands twice", ErrConfig, p.ID)
		}
	}
	return &providers{list: list, client: &http.Client{Timeout: providerLimit}, known: map[string]*oidc.Provider{}}, nil
}

// Button is a button of the sign-in page.
type Button struct{ ID, Name string }

// Buttons lists the OpenID providers.
func (i *Identity) Buttons() (list []Button) {
	for _, p := range i.providers.list {
		list = append(list, Button{p.ID, p.Name})
	}
	return list
}

func (p *providers) find(id string) (*Provider, error) {
	for n := range p.list {
		if p.list[n].ID == id {
			return &p.list[n], nil
		}
	}
	return nil, fmt.Errorf("%w: there is no provider of that name", ErrProvider)
}

// discover reads what a provider says of itself, once it answers.
func (p *providers) discover(c *Provider) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.known[c.ID]; found != nil {
		return found, nil
	}
	// Its keys are fetched later, so the context is not the request's.
	found, err := oidc.NewProvider(oidc.ClientContext(context.Background(), p.client), c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProvider, err)
	}
	p.known[c.ID] = found
	return found, nil
}

func (i *Identity) oauth(c *Provider) (*oidc.Provider, *oauth2.Config, error) {
	found, err := i.providers.discover(c)
	if err != nil {
		return nil, nil, err
	}
	secret, err := os.ReadFile(c.SecretFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read the client's secret: %w", err)
	}
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader // never guessed: a guess burns the code
	if c.Auth == "post" {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	scopes := c.Scopes
	if scopes == nil {
		scopes = []string{"profile"}
	}
	return found, &oauth2.Config{ClientID: c.Client, ClientSecret: strings.TrimSpace(string(secret)), Endpoint: endpoint,
		RedirectURL: i.Origin() + console.Base + OpenIDPath + "/" + c.ID, Scopes: append([]string{oidc.ScopeOpenID}, scopes...)}, nil
}

// OpenIDPath and a provider's id are where it sends people back to, below
// console.Base.
const OpenIDPath = "/openid"

// journey is what is remembered while somebody is at a provider.
type journey struct {
	Provider string `json:"provider"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Token    string `json:"token,omitempty"` // invitation that is to be linked
	Again    bool   `json:"again,omitempty"` // the person has to prove anew
	Next     string `json:"next"`
}

const (
	sealedJourney = "openid"
	journeyCookie = "turnstile-openid"
)

func (i *Identity) journeyCookie(value string, age int) *http.Cookie {
	name := journeyCookie
	if i.secure() {
		name = "__Host-" + name
	}
	// Lax: the provider sends people back from its own site.
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: i.secure(), SameSite: http.SameSiteLaxMode}
}

// Journey says what somebody goes to a provider for.
type Journey struct {
	Provider string // id
	Token    string // of an invitation to register with; "": to sign in
	Again    bool   // the provider has to ask the person anew
	Next     string // path below console.Base to go on at
}

// BeginOpenID returns the provider's URL to go to. ErrProvider.
func (i *Identity) BeginOpenID(w http.ResponseWriter, r *http.Request, j Journey) (to string, err error) {
	c, err := i.providers.find(j.Provider)
	if err != nil {
		return "", err
	}
	if j.Token != "" {
		if _, _, err := i.Invitation(r.Context(), j.Token); err != nil {
			return "", err
		}
	}
	_, o, err := i.oauth(c)
	if err != nil {
		return "", err
	}
	trip := journey{c.ID, rand.Text(), rand.Text(), oauth2.GenerateVerifier(), j.Token, j.Again, j.Next}
	state, err := i.sealState(sealedJourney, trip)
	if err != nil {
		return "", err
	}
	http.SetCookie(w, i.journeyCookie(state, int(stepLimit/time.Second)))
	options := []oauth2.AuthCodeOption{oidc.Nonce(trip.Nonce), oauth2.S256ChallengeOption(trip.Verifier)}
	if j.Again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	return o.AuthCodeURL(trip.State, options...), nil
}

// FinishOpenID begins a session for whom the provider confirmed, and returns
// where to go on. ErrProvider, ErrNotLinked, ErrTaken, ErrState, ErrInvitation.
func (i *Identity) FinishOpenID(w http.ResponseWriter, r *http.Request, provider string) (next string, err error) {
	trip, err := i.arrive(w, r, provider)
	if err != nil {
		return "", err
	}
	c, err := i.providers.find(provider)
	if err != nil {
		return "", err
	}
	token, err := i.exchange(r, c, trip)
	if err != nil {
		return "", err
	}
	who := database.OpenID{Issuer: token.Issuer, Subject: token.Subject}
	if trip.Token != "" {
		return trip.Next, i.linkInvited(r, trip.Token, who)
	}
	person, err := i.judge(r.Context(), c, token, who)
	if err != nil {
		return "", err
	}
	return trip.Next, i.begin(r, person, ByOpenID)
}

// arrive reads what the browser left with, which counts once.
func (i *Identity) arrive(w http.ResponseWriter, r *http.Request, provider string) (trip journey, err error) {
	cookie, err := r.Cookie(i.journeyCookie("", 0).Name)
	if err != nil {
		return trip, ErrState
	}
	http.SetCookie(w, i.journeyCookie("", -1))
	spend, err := i.openState(sealedJourney, cookie.Value, &trip)
	if err != nil {
		return trip, err
	}
	state := r.FormValue("state")
	if trip.Provider != provider || subtle.ConstantTimeCompare([]byte(state), []byte(trip.State)) != 1 {
		return trip, ErrState
	}
	return trip, spend(r.Context())
}

// exchange turns the code into a verified ID token.
func (i *Identity) exchange(r *http.Request, c *Provider, trip journey) (*oidc.IDToken, error) {
	refuse := func(why string, err error) (*oidc.IDToken, error) {
		i.counts.refused.Add(1)
		i.config.Log.Warn("openid sign-in refused", "provider", c.ID, "why", why, "cause", err)
		return nil, ErrProvider
	}
	if e := r.FormValue("error"); e != "" {
		return refuse("the provider says "+agent(e), nil)
	}
	found, o, err := i.oauth(c)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), i.providers.client), 2*providerLimit)
	defer cancel()
	token, err := o.Exchange(ctx, r.FormValue("code"), oauth2.VerifierOption(trip.Verifier))
	if err != nil {
		return refuse("code", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: c.Client, Now: i.config.Now}).Verify(ctx, raw)
	if err != nil {
		return refuse("id token", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(trip.Nonce)) != 1 {
		return refuse("nonce", nil)
	}
	if trip.Again && !i.proved(id) {
		return refuse("it did not ask the person anew", nil)
	}
	return id, nil
}

// proved reports whether the provider asked the person within the last minutes.
func (i *Identity) proved(id *oidc.IDToken) bool {
	var c struct {
		At int64 `json:"auth_time"`
	}
	return id.Claims(&c) == nil && i.config.Now().Sub(time.Unix(c.At, 0)) <= console.Recent
}

func (i *Identity) linkInvited(r *http.Request, token string, who database.OpenID) error {
	a, err := i.Invited(r.Context(), token)
	if err != nil {
		return err
	}
	if p, err := i.config.DB.PersonByOpenID(r.Context(), who); err == nil && p.ID != a.person.ID {
		return ErrTaken
	} else if err != nil && !errors.Is(err, database.ErrNotFound) {
		return fmt.Errorf("find link: %w", err)
	}
	return i.register(r, a, database.Registration{OpenID: &who}, ByOpenID)
}

// judge returns the person that an account at a provider is linked to. An address
// or a name there links nothing: whoever can set it there would be that person.
func (i *Identity) judge(ctx context.Context, c *Provider, token *oidc.IDToken, who database.OpenID) (person string, err error) {
	roles, err := c.roles(token)
	if err != nil {
		return "", err
	}
	p, err := i.config.DB.PersonByOpenID(ctx, who)
	switch {
	case errors.Is(err, database.ErrNotFound):
		return i.admit(ctx, c, token, who, roles)
	case err != nil:
		return "", fmt.Errorf("find link: %w", err)
	case p.Ended != 0:
		return "", ErrNotLinked
	case p.Managed == "":
		return p.ID, nil // roles are an admin's affair
	case roles == "":
		if err := i.config.DB.EndSessions(ctx, p.ID, "", "openid "+c.Issuer, i.now()); err != nil {
			return "", fmt.Errorf("end sessions: %w", err)
		}
		return "", ErrNotLinked
	}
	if err := i.config.DB.SetManagedRoles(ctx, p.ID, roles, "openid "+c.Issuer, i.now()); err != nil {
		return "", fmt.Errorf("store roles: %w", err)
	}
	return p.ID, nil
}

// admit makes an account for somebody whose claims give a role.
func (i *Identity) admit(ctx context.Context, c *Provider, token *oidc.IDToken, who database.OpenID, roles string) (string, error) {
	if roles == "" {
		return "", ErrNotLinked
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return "", fmt.Errorf("%w: %w", ErrProvider, err)
	}
	claim := c.NameClaim
	if claim == "" {
		claim = "preferred_username"
	}
	name, _ := claims[claim].(string)
	name = strings.ToLower(name)
	if !PersonName.MatchString(name) {
		i.config.Log.Warn("openid sign-in refused: the claim is no name for an account", "provider", c.ID, "claim", claim)
		return "", ErrNotLinked
	}
	p := database.Person{ID: rand.Text(), Name: name, Roles: roles, Managed: c.Issuer, Created: i.now()}
	err := i.config.DB.AdmitOpenID(ctx, p, who)
	if errors.Is(err, database.ErrConflict) {
		return "", ErrTaken
	}
	if err != nil {
		return "", fmt.Errorf("store person: %w", err)
	}
	return p.ID, nil
}

// roles returns the roles that the claims give, as words; "" for none.
func (c *Provider) roles(token *oidc.IDToken) (string, error) {
	if c.RoleClaim == "" {
		return "", nil
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		return "", fmt.Errorf("%w: %w", ErrProvider, err)
	}
	var have []string
	switch v := claims[c.RoleClaim].(type) {
	case string:
		have = append(have, v)
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				have = append(have, s)
			}
		}
	}
	var words []string
	for _, r := range rights.Roles() { // in their order
		if slices.ContainsFunc(have, func(h string) bool { return slices.Contains(c.Roles[h], r) }) {
			words = append(words, string(r))
		}
	}
	return strings.Join(words, " "), nil
}
