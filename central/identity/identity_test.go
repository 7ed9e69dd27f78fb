package identity

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/password"
	"turnstile/central/rights"
	"turnstile/central/seal"
)

// desk is an identity on a database of its own, with a clock to set.
type desk struct {
	*Identity
	t   *testing.T
	mu  sync.Mutex // guards the following
	at  time.Time
	log bytes.Buffer
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at
}

func (d *desk) wait(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = d.at.Add(by)
}

// secureCookie is the name of the session's cookie over HTTPS.
const secureCookie = "__Host-" + sessionCookie

func newDesk(t *testing.T, list ...Provider) *desk {
	t.Helper()
	db, err := database.Open(t.Context(), filepath.Join(t.TempDir(), "central.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	box, err := seal.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, at: time.Now()}
	d.Identity, err = Open(Config{Site: "campus", DB: db, Box: box, URL: "https://turnstile.example.edu", OpenID: list, Now: d.clock, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	d.passwords = password.New(password.Cheap())
	return d
}

// add makes a person and returns the token of an invitation.
func (d *desk) add(name, roles string) (token string) {
	d.t.Helper()
	p := database.Person{ID: rand.Text(), Name: name, Roles: roles, Created: d.now()}
	if err := d.config.DB.AddPerson(d.t.Context(), p, "test"); err != nil {
		d.t.Fatal(err)
	}
	return d.invite(name)
}

func (d *desk) invite(name string) string {
	d.t.Helper()
	p, err := d.config.DB.PersonNamed(d.t.Context(), name)
	if err != nil {
		d.t.Fatal(err)
	}
	token, i := NewInvitation(p.ID, d.clock(), d.clock().Add(48*time.Hour))
	if err := d.config.DB.InvitePerson(d.t.Context(), i, "test"); err != nil {
		d.t.Fatal(err)
	}
	return token
}

// tab is a browser with cookies at an address.
type tab struct {
	d       *desk
	address string
	cookies map[string]string
}

func (d *desk) tab(address string) *tab { return &tab{d, address, map[string]string{}} }

// do runs f as the handler of a request of the tab.
func (b *tab) do(f func(w http.ResponseWriter, r *http.Request)) {
	r := httptest.NewRequest("POST", "/office/sign-in", nil)
	r.RemoteAddr = b.address + ":40000"
	r.Header.Set("User-Agent", "Test/1")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.d.Wrap(http.HandlerFunc(f)).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
}

// who returns the name of who is signed in.
func (b *tab) who() (name string) {
	b.do(func(_ http.ResponseWriter, r *http.Request) {
		p, _ := b.d.Principal(r)
		name = p.Name
	})
	return name
}

func (b *tab) signIn(name, password, code string) (err error) {
	b.do(func(w http.ResponseWriter, r *http.Request) { err = b.d.SignInPassword(w, r, name, password, code) })
	return err
}

const good = "a walrus in the library"

// member is a person with password and one-time codes.
type member struct {
	secret   []byte
	recovery []string
}

func (m *member) code(d *desk) string {
	d.t.Helper()
	return codeAt(d.t, m.secret, d.clock())
}

// register takes an invitation with a password, in a tab.
func (b *tab) register(token string) *member {
	t := b.d.t
	t.Helper()
	a, err := b.d.Invited(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	set, err := b.d.SetUpOneTime(a)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := encoding().DecodeString(set.Secret)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{secret: secret}
	b.do(func(w http.ResponseWriter, r *http.Request) {
		m.recovery, err = b.d.AddPassword(w, r, a, set.State, good, m.code(b.d))
	})
	if err != nil || len(m.recovery) != recoveryCodes {
		t.Fatal(m.recovery, err)
	}
	return m
}

func TestRegisterAndSignIn(t *testing.T) {
	d := newDesk(t)
	token := d.add("chan", "issuer")
	first := d.tab("192.0.2.1")
	m := first.register(token)
	if first.who() != "chan" {
		t.Error("the registered person is not signed in")
	}
	if _, err := d.Invited(t.Context(), token); !errors.Is(err, ErrInvitation) {
		t.Errorf("the invitation is good twice: %v", err)
	}
	b := d.tab("192.0.2.2")
	// The code that set the app up is used; so is each later one, and all before.
	if err := b.signIn("chan", good, m.code(d)); !errors.Is(err, ErrSignIn) {
		t.Errorf("the code of the set-up again: %v", err)
	}
	d.wait(stepTime)
	for name, try := range map[string][3]string{"no code": {"chan", good, ""}, "no password": {"chan", "", m.code(d)}, "wrong password": {"chan", good + "!", m.code(d)},
		"another's name": {"lee", good, m.code(d)}, "wrong code": {"chan", good, "000000"}} {
		if err := d.tab("192.0.2.9").signIn(try[0], try[1], try[2]); !errors.Is(err, ErrSignIn) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.wait(time.Minute) // after those failures
	if err := b.signIn(" Chan ", good, m.code(d)[:3]+" "+m.code(d)[3:]); err != nil || b.who() != "chan" {
		t.Errorf("good sign-in: %v as %q", err, b.who())
	}
	if err := d.tab("192.0.2.3").signIn("chan", good, m.code(d)); !errors.Is(err, ErrSignIn) {
		t.Errorf("a code twice: %v", err)
	}
	c := d.tab("192.0.2.4")
	if err := c.signIn("chan", good, strings.ToLower(m.recovery[3])); err != nil {
		t.Errorf("recovery code: %v", err)
	}
	if err := d.tab("192.0.2.5").signIn("chan", good, m.recovery[3]); !errors.Is(err, ErrSignIn) {
		t.Errorf("recovery code twice: %v", err)
	}
}

// TestAtRest looks for secrets in the database.
func TestAtRest(t *testing.T) {
	d := newDesk(t)
	b := d.tab("192.0.2.1")
	token := d.add("chan", "issuer")
	m := b.register(token)
	p, err := d.config.DB.PersonNamed(t.Context(), "chan")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.TOTP) == 0 || bytes.Contains(p.TOTP, m.secret) || !strings.HasPrefix(p.Password, "$argon2id$v=19$") || strings.Contains(p.Password, good) {
		t.Error("password or secret stand in the open")
	}
	if _, err := d.config.Box.Open(sealedTOTP+"another", p.TOTP); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a secret moved to another person opens: %v", err)
	}
	rows, err := d.config.DB.Sessions(t.Context(), p.ID, 0, 0)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	for _, secret := range []string{b.cookies[secureCookie], token, good, m.recovery[0], string(m.secret), m.code(d)} {
		if secret == "" || strings.Contains(rows[0].ID, secret) || strings.Contains(d.log.String(), secret) {
			t.Errorf("%q stands in the open", secret)
		}
		for _, e := range auditOf(t, d) {
			if strings.Contains(e.Subject+e.Detail+e.By, secret) {
				t.Errorf("%q stands in the audit", secret)
			}
		}
	}
}

type entry struct{ By, Action, Subject, Detail string }

func auditOf(t *testing.T, d *desk) (list []entry) {
	t.Helper()
	rows, err := d.config.DB.AuditAfter(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rows {
		list = append(list, entry{e.By, e.Action, e.Subject, e.Detail})
	}
	return list
}

// TestSessionEnds lets sessions end in each way.
func TestSessionEnds(t *testing.T) {
	d := newDesk(t)
	sign := func() *tab {
		b := d.tab("192.0.2.1")
		d.invited(b, "chan")
		return b
	}
	d.add("chan", "issuer")
	b := sign()
	for range 3 { // in use
		d.wait(Idle - time.Second)
		if b.who() != "chan" {
			t.Fatal("a session in use ended")
		}
	}
	d.wait(Idle)
	if b.who() != "" {
		t.Error("an idle session stands")
	}
	b = sign()
	for range 30 {
		d.wait(25 * time.Minute)
		b.who()
	}
	if b.who() != "" {
		t.Error("a session stands for more than 12 hours")
	}
	b = sign()
	old := b.cookies[secureCookie]
	d.invited(b, "chan")
	if b.cookies[secureCookie] == old || (&tab{d, "192.0.2.1", map[string]string{secureCookie: old}}).who() != "" {
		t.Error("the session was not renewed at the sign-in")
	}
	other := sign()
	other.do(func(_ http.ResponseWriter, r *http.Request) {
		a, err := d.Self(r)
		if err == nil {
			err = d.SignOutEverywhere(r, a)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if b.who() != "" || other.who() != "" {
		t.Error("signed out everywhere, and still in")
	}
	b = sign()
	p, err := d.config.DB.PersonNamed(t.Context(), "chan")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.config.DB.SetPersonRoles(t.Context(), p.ID, "auditor", "test", d.now()); err != nil {
		t.Fatal(err)
	}
	b.do(func(_ http.ResponseWriter, r *http.Request) {
		if p, _ := d.Principal(r); p.Permissions.Has(rights.PassesIssue) || !p.Permissions.Has(rights.AuditRead) {
			t.Error("roles are not those of now")
		}
	})
	if err := d.config.DB.EndPerson(t.Context(), p.ID, "test", d.now()); err != nil {
		t.Fatal(err)
	}
	if b.who() != "" {
		t.Error("the session of an ended person stands")
	}
}

// invited signs a person in without more ado.
func (d *desk) invited(b *tab, name string) {
	d.t.Helper()
	p, err := d.config.DB.PersonNamed(d.t.Context(), name)
	if err != nil {
		d.t.Fatal(err)
	}
	b.do(func(_ http.ResponseWriter, r *http.Request) { err = d.begin(r, p.ID, ByHand) })
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestUnattended does not keep a session alive for a page that asks by itself.
func TestUnattended(t *testing.T) {
	d := newDesk(t)
	d.add("chan", "issuer")
	b := d.tab("192.0.2.1")
	d.invited(b, "chan")
	for range 4 {
		d.wait(10 * time.Minute)
		r := httptest.NewRequest("GET", "/office/live", nil)
		r.Header.Set("Accept", "text/event-stream")
		r.AddCookie(&http.Cookie{Name: secureCookie, Value: b.cookies[secureCookie]})
		d.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(httptest.NewRecorder(), r)
	}
	if b.who() != "" {
		t.Error("a stream kept a session alive")
	}
}

func TestCookie(t *testing.T) {
	d := newDesk(t)
	d.add("chan", "issuer")
	p, err := d.config.DB.PersonNamed(t.Context(), "chan")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	d.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := d.begin(r, p.ID, ByHand); err != nil {
			t.Error(err)
		}
	})).ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
	c := w.Result().Cookies()
	if len(c) != 1 || c[0].Name != "__Host-turnstile" || !c[0].HttpOnly || !c[0].Secure || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].Domain != "" || c[0].MaxAge != 0 {
		t.Errorf("cookies %+v", c)
	}
	for address, want := range map[string]bool{"https://a.example": true, "http://localhost:8080": false, "ftp://a": false, "http://turnstile.example.edu": false, "a.example": false, "https://a.example/office": false, "https://u@a.example": false, "": false} {
		i, err := Open(Config{DB: d.config.DB, Box: d.config.Box, URL: address})
		if ok := err == nil && i.secure(); ok != want || (err != nil) != (!want && address != "http://localhost:8080") {
			t.Errorf("%q: %v, %v", address, ok, err)
		}
	}
}

// TestRehash replaces a hash of yesterday's parameters at the sign-in.
func TestRehash(t *testing.T) {
	d := newDesk(t)
	m := d.tab("192.0.2.1").register(d.add("chan", "issuer"))
	stronger := password.Cheap()
	stronger.Iterations = 2
	d.passwords = password.New(stronger)
	d.wait(stepTime)
	if err := d.tab("192.0.2.1").signIn("chan", good, m.code(d)); err != nil {
		t.Fatal(err)
	}
	if p, err := d.config.DB.PersonNamed(t.Context(), "chan"); err != nil || !strings.Contains(p.Password, "t=2,") {
		t.Errorf("%.40s %v", p.Password, err)
	}
	d.wait(stepTime)
	if err := d.tab("192.0.2.1").signIn("chan", good, m.code(d)); err != nil {
		t.Error(err)
	}
}
