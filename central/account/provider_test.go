package account

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"turnstile/central/openid"
	"turnstile/central/openid/openidtest"
)

// newElsewhere returns a provider and how the portal is configured for it.
func newElsewhere(t *testing.T, id string) (*openidtest.Place, Provider) {
	t.Helper()
	e := openidtest.New(t, portalURL+ReturnPath+"/"+id)
	return e, Provider{Provider: e.Setting(t, id, "Elsewhere", openidtest.Secret)}
}

// visit goes to a provider and comes back.
func (b *tab) visit(e *openidtest.Place, id, next string) (out Arrived, err error) {
	t := b.d.t
	t.Helper()
	var to string
	b.do(func(w http.ResponseWriter, r *http.Request) { to, err = b.d.Leave(w, r, id, next, false) })
	if err != nil {
		t.Fatal(err)
	}
	return b.arrive(e.Visit(t, to), id)
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
	e.Is("s-1", map[string]any{"email": "chan@example.org", "email_verified": true})
	b := d.tab("192.0.2.1")
	out, err := b.visit(e, "google", "/card")
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
	if out, err := other.visit(e, "google", "/card"); err != nil || out.Link != "" || out.Next != "/card" || other.who() != "p-chan" {
		t.Errorf("%+v %v as %q", out, err, other.who())
	}
	// It is one person's.
	e.Is("s-2", nil)
	second, err := d.tab("192.0.2.4").visit(e, "google", "/")
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
	e.Is("s-1", nil)
	if out, err := other.visit(e, "google", "/"); err != nil || out.Link == "" {
		t.Errorf("%+v %v", out, err)
	}
}

// TestCampus: the campus's own provider says who it is, if the register knows them.
func TestCampus(t *testing.T) {
	e, setting := newElsewhere(t, "netid")
	setting.PersonClaim = "person"
	d := newDesk(t, setting)
	b := d.tab("192.0.2.1")
	e.Is("24000001d", map[string]any{"person": "p-chan"})
	if out, err := b.visit(e, "netid", "/card"); err != nil || out.Link != "" || b.who() != "p-chan" || b.me().Method != "netid" {
		t.Errorf("%+v %v as %q", out, err, b.who())
	}
	if d.addressOf("p-chan") != "" {
		t.Error("an address of nowhere")
	}
	for name, claims := range map[string]map[string]any{"nobody": {"person": "p-none"}, "no claim": {}, "no text": {"person": 7}, "empty": {"person": ""}} {
		e.Is("24000002d", claims)
		other := d.tab("192.0.2.2")
		if _, err := other.visit(e, "netid", "/"); !errors.Is(err, ErrUnknown) || other.who() != "" {
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
