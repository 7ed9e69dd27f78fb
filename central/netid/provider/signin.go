package provider

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/luikyv/go-oidc/pkg/goidc"

	"turnstile/central/database"
	"turnstile/central/netid"
	"turnstile/central/throttle"
)

// What a request has in its store.
const (
	signedAt = "auth_time" // Unix seconds
	boundTo  = "browser"   // hash of the cookie of the browser that began
)

// Cookies.
const (
	sessionCookie = "turnstile-netid"
	requestCookie = "turnstile-netid-request"
)

func (p *Provider) cookieName(name string) string {
	if p.secure {
		return "__Host-" + name
	}
	return name
}

func (p *Provider) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: p.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, Secure: p.secure,
		SameSite: http.SameSiteLaxMode}) // requests begin on other sites
}

func (p *Provider) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookieName(name))
	if err != nil || len(c.Value) > 100 {
		return ""
	}
	return c.Value
}

// session returns the browser's session, if it has one.
func (p *Provider) session(r *http.Request) (database.OpenIDSession, bool, error) {
	token := p.cookie(r, sessionCookie)
	if token == "" {
		return database.OpenIDSession{}, false, nil
	}
	s, err := p.config.DB.OpenIDSession(r.Context(), hashed(token), p.config.Now().UnixMilli())
	if errors.Is(err, database.ErrNotFound) {
		return s, false, nil
	}
	return s, err == nil, err
}

// errLogin is what a client is told that wants no page shown.
var errLogin = goidc.NewError(goidc.ErrorCodeLoginRequired, "nobody is signed in")

// signIn decides on a request: by the session that the browser has, by what was
// typed into the form, or by showing the form.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request, s *goidc.AuthnSession) (goidc.Status, error) {
	if s.Store == nil {
		s.Store = map[string]any{}
	}
	if r.Method == http.MethodPost && s.Store[boundTo] != nil {
		return p.typed(w, r, s)
	}
	here, found, err := p.session(r)
	if err != nil {
		return p.broken(err)
	}
	if found && s.Store[boundTo] == nil && p.recent(s, here) {
		e, err := p.config.Directory.Profile(r.Context(), here.NetID)
		if err == nil {
			return grant(s, e, here.Signed)
		}
		if !errors.Is(err, netid.Unknown) {
			return p.broken(err)
		}
	}
	if s.Prompt == goidc.PromptTypeNone {
		return goidc.StatusFailure, errLogin
	}
	return p.ask(w, r, s, http.StatusOK, netid.Words{})
}

// broken keeps an error of ours from the client.
func (p *Provider) broken(err error) (goidc.Status, error) {
	p.config.Log.Error("sign in with a NetID", "cause", err)
	return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeInternalError, "try again later")
}

// recent reports whether a session is enough for what the client asks for.
func (p *Provider) recent(s *goidc.AuthnSession, here database.OpenIDSession) bool {
	if s.Prompt == goidc.PromptTypeLogin || s.Prompt == goidc.PromptTypeSelectAccount {
		return false
	}
	age := p.config.Now().Sub(time.UnixMilli(here.Signed))
	return s.MaxAuthnAgeSecs == nil || age <= time.Duration(*s.MaxAuthnAgeSecs)*time.Second
}

func grant(s *goidc.AuthnSession, e netid.Entry, signed int64) (goidc.Status, error) {
	s.Subject, s.GrantedScopes = e.NetID, s.Scopes
	s.Store[signedAt] = signed / 1000
	delete(s.Store, boundTo)
	return goidc.StatusSuccess, nil
}

// typed judges what came with the form.
func (p *Provider) typed(w http.ResponseWriter, r *http.Request, s *goidc.AuthnSession) (goidc.Status, error) {
	bound, _ := s.Store[boundTo].(string)
	if mine := p.cookie(r, requestCookie); mine == "" || subtle.ConstantTimeCompare([]byte(fmt.Sprintf("%x", hashed(mine))), []byte(bound)) != 1 {
		return p.ask(w, r, s, http.StatusBadRequest, over(lang(r)))
	}
	e, err := p.config.Directory.Check(r.Context(), r.PostFormValue("netid"), r.PostFormValue("password"), throttle.Address(r))
	var wait *throttle.Wait
	switch {
	case errors.As(err, &wait):
		seconds := max(int(wait.Until.Sub(p.config.Now())/time.Second), 1)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		return p.ask(w, r, s, http.StatusTooManyRequests, tooMany(lang(r), seconds))
	case errors.Is(err, netid.WrongPassword):
		return p.ask(w, r, s, http.StatusUnprocessableEntity, netid.WrongPassword.Words(lang(r)))
	case err != nil:
		return p.broken(err)
	}
	now := p.config.Now()
	token := rand.Text()
	if old := p.cookie(r, sessionCookie); old != "" {
		if err := p.config.DB.EndOpenIDSession(r.Context(), hashed(old)); err != nil {
			return p.broken(err)
		}
	}
	err = p.config.DB.AddOpenIDSession(r.Context(), database.OpenIDSession{ID: hashed(token), NetID: e.NetID, Signed: now.UnixMilli(), Expires: now.Add(sessionLife).UnixMilli()})
	if err != nil {
		return p.broken(err)
	}
	p.setCookie(w, sessionCookie, token, sessionLife)
	p.setCookie(w, requestCookie, "", -time.Second)
	return grant(s, e, now.UnixMilli())
}

// ask shows the form. The request goes with it, sealed and bound to this browser.
func (p *Provider) ask(w http.ResponseWriter, r *http.Request, s *goidc.AuthnSession, status int, wrong netid.Words) (goidc.Status, error) {
	token := rand.Text()
	p.setCookie(w, requestCookie, token, requestLife)
	s.Store[boundTo] = fmt.Sprintf("%x", hashed(token))
	state, err := p.state(requestPlace, s)
	if err != nil {
		return p.broken(err)
	}
	if len(state) > maxQuery-len("/authorize/") { // the form could not be sent
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeInvalidRequest, "the request is too long")
	}
	p.show(w, r, status, "signin.html", page{Action: Path + "/authorize/" + state, Client: p.clientName(s.ClientID), NetID: bounded(r.PostFormValue("netid")), Wrong: wrong})
	return goidc.StatusInProgress, nil
}

func bounded(text string) string { return strings.ToValidUTF8(text[:min(len(text), 64)], "") }

func (p *Provider) clientName(id string) string {
	for _, c := range p.config.Clients {
		if c.ID == id && c.Name != "" {
			return c.Name
		}
	}
	return id
}

// signOut ends the browser's session. A client that shows whose session it is ends
// it at once; somebody else's link asks first.
func (p *Provider) signOut(w http.ResponseWriter, r *http.Request, s *goidc.LogoutSession) (goidc.Status, error) {
	here, found, err := p.session(r)
	if err != nil {
		return p.broken(err)
	}
	if !found {
		return goidc.StatusSuccess, nil
	}
	said, _ := s.IDTokenHintClaims["sub"].(string)
	if said != here.NetID && r.PostFormValue("out") != here.NetID {
		state, err := p.state(logoutPlace, s)
		if err != nil {
			return p.broken(err)
		}
		p.show(w, r, http.StatusOK, "signout.html", page{Action: Path + "/logout/" + state, NetID: here.NetID})
		return goidc.StatusInProgress, nil
	}
	if err := p.config.DB.EndOpenIDSession(r.Context(), here.ID); err != nil {
		return p.broken(err)
	}
	p.setCookie(w, sessionCookie, "", -time.Second)
	return goidc.StatusSuccess, nil
}

// showError tells a person what another system did wrong.
func (p *Provider) showError(w http.ResponseWriter, r *http.Request, err error) error {
	p.show(w, r, http.StatusBadRequest, "problem.html", page{Code: cause(err)})
	return nil
}

// SignedOut ends the session of a browser, for a portal that signs people out of
// itself and of this together.
func (p *Provider) SignedOut(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	token := p.cookie(r, sessionCookie)
	if token == "" {
		return nil
	}
	p.setCookie(w, sessionCookie, "", -time.Second)
	if err := p.config.DB.EndOpenIDSession(ctx, hashed(token)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}
