package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/openid"
	"turnstile/central/rights"
)

// Provider is an OpenID provider that staff may sign in at. Its redirect URI ends
// in /office/openid/ID.
type Provider struct {
	openid.Provider `yaml:",inline"`
	// RoleClaim names a claim, a text or a list of them, that Roles turns into roles.
	// Without it only people who were invited and linked their account there can
	// sign in.
	RoleClaim string                   `yaml:"role_claim"`
	Roles     map[string][]rights.Role `yaml:"roles"`
	// NameClaim names the claim that an account made by RoleClaim is called by.
	// Default preferred_username.
	NameClaim string `yaml:"name_claim"`
}

// Check returns what is wrong with the setting, or "".
func (p *Provider) Check() string {
	if text := p.Provider.Check(); text != "" {
		return text
	}
	switch {
	case p.Kind != "" && p.Kind != openid.Standard:
		return "kind: staff sign in at an OpenID provider of the campus alone"
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

// What a sign-in at a provider can fail for.
var (
	ErrProvider  = openid.ErrProvider
	ErrNotLinked = errors.New("no account here is linked to this one")
	ErrTaken     = errors.New("this account is linked, or its name is taken, already")
)

func (i *Identity) openProviders() (*openid.Client, error) {
	var list []openid.Provider
	for n := range i.config.OpenID {
		p := &i.config.OpenID[n]
		if text := p.Check(); text != "" {
			return nil, fmt.Errorf("%w: openid: %s", ErrConfig, text)
		}
		list = append(list, p.Provider)
	}
	c, err := openid.New(openid.Config{Providers: list, Redirect: func(id string) string { return i.Origin() + console.Base + OpenIDPath + "/" + id },
		Secure: i.secure(), Recent: console.Recent, States: i.states, Now: i.config.Now, Log: i.config.Log})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return c, nil
}

// Button is a button of the sign-in page.
type Button struct{ ID, Name string }

// Buttons lists the OpenID providers.
func (i *Identity) Buttons() (list []Button) {
	for _, p := range i.openid.Providers() {
		list = append(list, Button{p.ID, p.Name})
	}
	return list
}

// OpenIDPath and a provider's id are where it sends people back to, below
// console.Base.
const OpenIDPath = "/openid"

// Journey says what somebody goes to a provider for. Token is that of an
// invitation to register with, "" to sign in; Next is below console.Base.
type Journey = openid.Journey

// BeginOpenID returns the provider's URL to go to. ErrProvider.
func (i *Identity) BeginOpenID(w http.ResponseWriter, r *http.Request, j Journey) (to string, err error) {
	if j.Token != "" {
		if _, _, err := i.Invitation(r.Context(), j.Token); err != nil {
			return "", err
		}
	}
	return i.openid.Begin(w, r, j)
}

// FinishOpenID begins a session for whom the provider confirmed, and returns
// where to go on. ErrProvider, ErrNotLinked, ErrTaken, ErrState, ErrInvitation.
func (i *Identity) FinishOpenID(w http.ResponseWriter, r *http.Request, provider string) (next string, err error) {
	a, err := i.openid.Finish(w, r, provider)
	if errors.Is(err, ErrProvider) {
		i.counts.refused.Add(1)
	}
	if err != nil {
		return "", err
	}
	who := database.OpenID{Issuer: a.Issuer, Subject: a.Subject}
	if a.Token != "" {
		return a.Next, i.linkInvited(r, a.Token, who)
	}
	person, err := i.judge(r.Context(), i.setting(provider), &a, who)
	if err != nil {
		return "", err
	}
	return a.Next, i.begin(r, person, ByOpenID)
}

// setting returns the setting of a provider that openid knows.
func (i *Identity) setting(id string) *Provider {
	n := slices.IndexFunc(i.config.OpenID, func(p Provider) bool { return p.ID == id })
	return &i.config.OpenID[n]
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
func (i *Identity) judge(ctx context.Context, c *Provider, a *openid.Arrival, who database.OpenID) (person string, err error) {
	roles, err := c.roles(a)
	if err != nil {
		return "", err
	}
	p, err := i.config.DB.PersonByOpenID(ctx, who)
	switch {
	case errors.Is(err, database.ErrNotFound):
		return i.admit(ctx, c, a, who, roles)
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
func (i *Identity) admit(ctx context.Context, c *Provider, a *openid.Arrival, who database.OpenID, roles string) (string, error) {
	if roles == "" {
		return "", ErrNotLinked
	}
	claims := map[string]any{}
	if err := a.Claims(&claims); err != nil {
		return "", err
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
func (p *Provider) roles(a *openid.Arrival) (string, error) {
	if p.RoleClaim == "" {
		return "", nil
	}
	claims := map[string]any{}
	if err := a.Claims(&claims); err != nil {
		return "", err
	}
	var have []string
	switch v := claims[p.RoleClaim].(type) {
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
		if slices.ContainsFunc(have, func(h string) bool { return slices.Contains(p.Roles[h], r) }) {
			words = append(words, string(r))
		}
	}
	return strings.Join(words, " "), nil
}
