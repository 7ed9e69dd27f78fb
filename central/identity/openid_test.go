package identity

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"turnstile/central/openid"
	"turnstile/central/openid/openidtest"
	"turnstile/central/rights"
	"turnstile/central/seal"
)

// journeyCookie is the name of the cookie that package openid sets over HTTPS.
const journeyCookie = "__Host-turnstile-openid"

const redirectURI = "https://turnstile.example.edu/office/openid/staff"

// campus is a real OpenID provider at which somebody is signed in.
type campus struct{ *openidtest.Place }

func newCampus(t *testing.T) campus {
	t.Helper()
	return campus{openidtest.New(t, redirectURI)}
}

// setting is how the office is configured for it.
func (c campus) setting(t *testing.T, secret string) Provider {
	t.Helper()
	return Provider{Provider: c.Setting(t, "staff", "Staff NetID", secret), RoleClaim: "groups", Roles: map[string][]rights.Role{"gates": {rights.Security}, "heads": {rights.Admin, rights.Auditor}}}
}

// leave begins a journey and returns where the provider sends the browser to.
func (b *tab) leave(t *testing.T, c campus, j Journey) *url.URL {
	t.Helper()
	var to string
	var err error
	j.Provider = "staff"
	b.do(func(w http.ResponseWriter, r *http.Request) { to, err = b.d.BeginOpenID(w, r, j) })
	if err != nil {
		t.Fatal(err)
	}
	return c.Visit(t, to)
}

// arrive comes back.
func (b *tab) arrive(back *url.URL) (next string, err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) {
		r.URL, r.Method = back, http.MethodGet
		next, err = b.d.FinishOpenID(w, r, "staff")
	})
	return next, err
}

func TestOpenIDLinked(t *testing.T) {
	c := newCampus(t)
	d := newDesk(t, c.setting(t, openidtest.Secret))
	token := d.add("chan", "issuer")
	c.Is("s-1", map[string]any{"preferred_username": "chan", "email": "chan@example.edu", "email_verified": true})
	// The same name there is not the same person.
	b := d.tab("192.0.2.1")
	if _, err := b.arrive(b.leave(t, c, Journey{Next: "/passes"})); !errors.Is(err, ErrNotLinked) || b.who() != "" {
		t.Errorf("not invited: %v as %q", err, b.who())
	}
	if next, err := b.arrive(b.leave(t, c, Journey{Token: token, Next: "/"})); err != nil || next != "/" || b.who() != "chan" {
		t.Fatalf("linked: %v as %q", err, b.who())
	}
	other := d.tab("192.0.2.2")
	if next, err := other.arrive(other.leave(t, c, Journey{Next: "/passes"})); err != nil || next != "/passes" || other.who() != "chan" {
		t.Errorf("signed in: %v as %q to %q", err, other.who(), next)
	}
	// An account there is one person here.
	if _, err := other.arrive(other.leave(t, c, Journey{Token: d.add("lee", "admin")})); !errors.Is(err, ErrTaken) {
		t.Errorf("linked twice: %v", err)
	}
	p, err := d.config.DB.PersonNamed(t.Context(), "chan")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.config.DB.EndPerson(t.Context(), p.ID, "test", d.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := other.arrive(other.leave(t, c, Journey{})); !errors.Is(err, ErrNotLinked) || other.who() != "" {
		t.Errorf("after the end: %v as %q", err, other.who())
	}
}

func TestOpenIDRoles(t *testing.T) {
	c := newCampus(t)
	d := newDesk(t, c.setting(t, openidtest.Secret))
	b := d.tab("192.0.2.1")
	sign := func() error { _, err := b.arrive(b.leave(t, c, Journey{})); return err }
	c.Is("s-2", map[string]any{"preferred_username": "Wong.TM", "groups": []string{"staff", "gates"}})
	if err := sign(); err != nil || b.who() != "wong.tm" {
		t.Fatalf("%v as %q\n%s", err, b.who(), d.log.String())
	}
	roles := func() string {
		p, err := d.config.DB.PersonNamed(t.Context(), "wong.tm")
		if err != nil {
			t.Fatal(err)
		}
		return p.Roles
	}
	if roles() != "security" {
		t.Errorf("roles %q", roles())
	}
	c.Is("s-2", map[string]any{"preferred_username": "renamed", "groups": "heads"})
	if err := sign(); err != nil || b.who() != "wong.tm" || roles() != "auditor admin" {
		t.Errorf("%v as %q with %q", err, b.who(), roles())
	}
	// A passkey here would outlive what the provider says.
	b.do(func(w http.ResponseWriter, r *http.Request) {
		a, err := d.Self(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.BeginNewPasskey(r.Context(), a); !errors.Is(err, ErrManaged) {
			t.Errorf("passkey: %v", err)
		}
		if _, err := d.AddPassword(w, r, a, "", good, "1"); !errors.Is(err, ErrManaged) {
			t.Errorf("password: %v", err)
		}
	})
	c.Is("s-2", map[string]any{"preferred_username": "wong.tm", "groups": []string{"staff"}})
	if err := sign(); !errors.Is(err, ErrNotLinked) || b.who() != "" {
		t.Errorf("without a role: %v as %q", err, b.who())
	}
	for subject, claims := range map[string]map[string]any{
		"s-3": {"preferred_username": "wong.tm", "groups": "gates"}, "s-4": {"preferred_username": "a b", "groups": "gates"}, "s-5": {"groups": "gates"},
		"s-6": {"preferred_username": "x", "groups": map[string]string{"gates": "gates"}}, "s-7": {"preferred_username": 7, "groups": []any{7, "gates"}},
	} {
		c.Is(subject, claims)
		if err := sign(); !errors.Is(err, ErrNotLinked) && !errors.Is(err, ErrTaken) {
			t.Errorf("%s: %v as %q", subject, err, b.who())
		}
	}
}

func TestOpenIDAttacks(t *testing.T) {
	c := newCampus(t)
	d := newDesk(t, c.setting(t, openidtest.Secret))
	c.Is("s-2", map[string]any{"preferred_username": "wong", "groups": "gates"})
	change := func(u *url.URL, key, value string) *url.URL {
		q := u.Query()
		q.Set(key, value)
		v := *u
		v.RawQuery = q.Encode()
		return &v
	}
	b := d.tab("192.0.2.1")
	back := b.leave(t, c, Journey{})
	if _, err := d.tab("192.0.2.2").arrive(back); !errors.Is(err, ErrState) {
		t.Errorf("in another browser: %v", err)
	}
	cookie := b.cookies[journeyCookie]
	if _, err := b.arrive(change(back, "state", "x")); !errors.Is(err, ErrState) {
		t.Errorf("another state: %v", err)
	}
	b.cookies[journeyCookie] = cookie
	if _, err := b.arrive(back); err != nil || b.who() != "wong" {
		t.Fatalf("%v", err)
	}
	b.cookies[journeyCookie] = cookie
	if _, err := b.arrive(back); !errors.Is(err, ErrState) {
		t.Errorf("twice: %v", err)
	}
	if _, err := b.arrive(change(b.leave(t, c, Journey{}), "code", "x")); !errors.Is(err, ErrProvider) {
		t.Errorf("another code: %v", err)
	}
	if _, err := b.arrive(change(b.leave(t, c, Journey{}), "error", "access_denied")); !errors.Is(err, ErrProvider) {
		t.Errorf("refused there: %v", err)
	}
	c.Is("s-2", map[string]any{"preferred_username": "wong", "groups": "gates", "nonce": "x"})
	if _, err := b.arrive(b.leave(t, c, Journey{})); !errors.Is(err, ErrProvider) {
		t.Errorf("another nonce: %v", err)
	}
	c.Is("s-2", map[string]any{"preferred_username": "wong", "groups": "gates", "aud": "another"})
	if _, err := b.arrive(b.leave(t, c, Journey{})); !errors.Is(err, ErrProvider) {
		t.Errorf("for another client: %v", err)
	}
	// To prove anew is not to have proved an hour ago.
	for at, want := range map[time.Duration]error{time.Hour: ErrProvider, time.Minute: nil} {
		c.Is("s-2", map[string]any{"preferred_username": "wong", "groups": "gates", "auth_time": d.clock().Add(-at).Unix()})
		if _, err := b.arrive(b.leave(t, c, Journey{Again: true})); !errors.Is(err, want) {
			t.Errorf("proved %s ago: %v", at, err)
		}
	}
	d.wait(seal.StepLimit)
	late := b.leave(t, c, Journey{})
	d.wait(seal.StepLimit)
	if _, err := b.arrive(late); !errors.Is(err, ErrState) {
		t.Errorf("too late: %v", err)
	}
	wrong := newDesk(t, c.setting(t, "another secret"))
	b = wrong.tab("192.0.2.1")
	if _, err := b.arrive(b.leave(t, c, Journey{})); !errors.Is(err, ErrProvider) {
		t.Errorf("another secret: %v", err)
	}
	gone := c.setting(t, openidtest.Secret)
	gone.Issuer = "http://127.0.0.1:1"
	b = newDesk(t, gone).tab("192.0.2.1")
	b.do(func(w http.ResponseWriter, r *http.Request) {
		if _, err := b.d.BeginOpenID(w, r, Journey{Provider: "staff"}); !errors.Is(err, ErrProvider) {
			t.Errorf("nobody there: %v", err)
		}
	})
}

func TestProviderSetting(t *testing.T) {
	good := Provider{Provider: openid.Provider{ID: "staff", Name: "Staff", Issuer: "https://id.example.edu", Client: "x", SecretFile: "y"}}
	if text := good.Check(); text != "" {
		t.Error(text)
	}
	for name, change := range map[string]func(*Provider){
		"id": func(p *Provider) { p.ID = "../x" }, "name": func(p *Provider) { p.Name = "" }, "plain http": func(p *Provider) { p.Issuer = "http://id.example.edu" },
		"no issuer": func(p *Provider) { p.Issuer = "" }, "no secret": func(p *Provider) { p.SecretFile = "" }, "auth": func(p *Provider) { p.Auth = "guess" },
		"a claim without roles": func(p *Provider) { p.RoleClaim = "groups" }, "another kind": func(p *Provider) { p.Kind = openid.Google },
		"no such role": func(p *Provider) { p.RoleClaim, p.Roles = "groups", map[string][]rights.Role{"x": {"root"}} },
	} {
		p := good
		change(&p)
		if p.Check() == "" {
			t.Errorf("%s: good", name)
		}
		if _, err := Open(Config{URL: "https://a.example", OpenID: []Provider{p}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(Config{URL: "https://a.example", OpenID: []Provider{good, good}}); !errors.Is(err, ErrConfig) {
		t.Error("the same provider twice")
	}
}
