package server

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/account"
	"turnstile/central/database"
	"turnstile/central/identity"
	"turnstile/central/letters"
	"turnstile/central/mail"
	"turnstile/central/netid/provider"
	"turnstile/central/password"
	"turnstile/central/portal"
	"turnstile/central/register"
)

// withNetID is a configuration with a portal, and mail that goes nowhere.
func withNetID(t *testing.T) Config {
	t.Helper()
	c := configure(t)
	c.Portal.Listen, c.Portal.Name = "127.0.0.1:0", "Campus"
	c.Mail = Mail{Host: "127.0.0.1", Port: 1, From: "Campus <campus@campus.example>", Security: mail.None}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("QYVXJ4K2M7N3P5R6S8T9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.NetID.Clients = []NetIDClient{{ID: "library", SecretFile: secret, RedirectURIs: []string{"https://library.example/back"}}}
	return c
}

// served asks the portal's server itself.
func served(t *testing.T, s *central, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.portalServer.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, s.portalURL()+path, nil))
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

// TestNetIDWired: the provider stands beside the portal's pages, central is a client
// of its own, and who has a reason reads the pages.
func TestNetIDWired(t *testing.T) {
	s := openCentral(t, withNetID(t))
	defer s.stop()
	if code, body := served(t, s.central, provider.Path+"/.well-known/openid-configuration"); code != http.StatusOK || !strings.Contains(body, `"issuer":"`+s.portalURL()+provider.Path+`"`) ||
		!strings.Contains(body, `"code_challenge_methods_supported":["S256"]`) || strings.Contains(body, "refresh_token") || strings.Contains(body, "implicit") {
		t.Errorf("%d %s", code, body)
	}
	for _, path := range []string{"/netid/register", "/netid/forgot", "/netid/reset", "/netid/code"} {
		if code, body := served(t, s.central, path); code != http.StatusOK || !strings.Contains(body, "NetID") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _ := served(t, s.central, "/netid"); code != http.StatusSeeOther {
		t.Errorf("the profile of nobody: %d", code)
	}
	for name, c := range map[string]struct{ id, redirect string }{
		"portal": {portalClient, s.portalURL() + account.ReturnPath + "/netid"}, "console": {consoleClient, s.consoleURL() + "/office/openid/netid"}, "library": {"library", "https://library.example/back"},
	} {
		code, body := served(t, s.central, provider.Path+"/authorize?response_type=code&scope=openid&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&client_id="+c.id+"&redirect_uri="+c.redirect)
		if code != http.StatusOK || !strings.Contains(body, `name="password"`) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	if !slices.ContainsFunc(s.identity.Buttons(), func(b identity.Button) bool { return b.ID == "netid" }) {
		t.Errorf("the console has the buttons %+v", s.identity.Buttons())
	}
	list, err := s.holderProviders([]account.Provider{{}})
	if err != nil || len(list) != 2 || list[0].PersonClaim != "person" || list[0].Check() != "" {
		t.Errorf("%+v, %v", list, err)
	}
	if members := s.leases.Members(); len(members) != 1 || !slices.Contains(members[0].Jobs, remindersJob) {
		t.Errorf("%+v", members)
	}
}

// TestCampusProvider: with the campus's own provider ours is off, with all its pages.
func TestCampusProvider(t *testing.T) {
	c := withNetID(t)
	c.NetID = NetID{Provider: "https://login.example/realms/campus", Client: "turnstile", SecretFile: c.NetID.Clients[0].SecretFile}
	s := openCentral(t, c)
	defer s.stop()
	for _, path := range []string{provider.Path + "/.well-known/openid-configuration", provider.Path + "/token", "/netid/register", "/netid"} {
		if code, _ := served(t, s.central, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if !slices.ContainsFunc(s.identity.Buttons(), func(b identity.Button) bool { return b.ID == "netid" }) {
		t.Errorf("the console has the buttons %+v", s.identity.Buttons())
	}
	list, err := s.holderProviders(nil)
	if err != nil || len(list) != 1 || list[0].Issuer != c.NetID.Provider || list[0].PersonClaim != "" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestNetIDSettings(t *testing.T) {
	good := NetIDClient{ID: "library", SecretFile: "x", RedirectURIs: []string{"https://library.example/back"}}
	with := func(change func(*NetIDClient)) NetID {
		c := good
		change(&c)
		return NetID{Clients: []NetIDClient{c}}
	}
	for name, x := range map[string]struct {
		n    NetID
		want string
	}{
		"default": {NetID{}, ""}, "own": {NetID{Provider: "own", Domain: "campus.example", Clients: []NetIDClient{good}}, ""},
		"campus": {NetID{Provider: "https://login.example", Client: "x", SecretFile: "y"}, ""},
		"http":   {NetID{Provider: "http://login.example", Client: "x", SecretFile: "y"}, "netid.provider"}, "no client": {NetID{Provider: "https://login.example"}, "netid.client"},
		"its clients": {NetID{Provider: "https://login.example", Client: "x", SecretFile: "y", Clients: []NetIDClient{good}}, "netid.clients"},
		"two":         {NetID{Client: "x"}, "netid.client"}, "domain": {NetID{Domain: "@x.y"}, "netid.domain"}, "twice": {NetID{Clients: []NetIDClient{good, good}}, "netid.clients"},
		"reserved": {with(func(c *NetIDClient) { c.ID = "console" }), "netid.clients"}, "id": {with(func(c *NetIDClient) { c.ID = "A b" }), "netid.clients"},
		"secret": {with(func(c *NetIDClient) { c.SecretFile = "" }), "netid.clients"}, "auth": {with(func(c *NetIDClient) { c.Auth = "guess" }), "netid.clients"},
		"redirects": {with(func(c *NetIDClient) { c.RedirectURIs = nil }), "netid.clients"}, "open redirect": {with(func(c *NetIDClient) { c.RedirectURIs = []string{"http://library.example/"} }), "netid.clients"},
		"fragment": {with(func(c *NetIDClient) { c.LogoutURIs = []string{"https://library.example/#x"} }), "netid.clients"},
	} {
		c := Default()
		c.NetID = x.n
		list := c.problems()
		if x.want == "" && len(list) > 0 || x.want != "" && (len(list) != 1 || list[0].key != x.want) {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// TestGuestMail: a guest's link waits in the outbox sealed, in the guest's language.
func TestGuestMail(t *testing.T) {
	s := openCentral(t, withNetID(t))
	defer s.stop()
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, s.location)
	const link = "https://ecard.example/g#secret"
	if err := s.holders.mailGuest(t.Context(), GuestMail{portal.By("nobody"), "guest@example.org", portal.Chinese, midnight, link}); err != nil {
		t.Fatal(err)
	}
	rows, err := s.db.LettersTo(t.Context(), "guest@example.org", 2)
	if err != nil || len(rows) != 1 || strings.Contains(string(rows[0].Sealed), "secret") || rows[0].Until != midnight.AddDate(0, 0, 1).UnixMilli() {
		t.Fatalf("%+v, %v", rows, err)
	}
	box, err := s.box()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := letters.Open(box, rows[0].ID, rows[0].Sealed); err != nil || !strings.Contains(l.Text, link) || !strings.Contains(l.Text, "Campus 邀請您") || strings.Contains(l.Text, "入口") {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestSignInWithNetID: a person whom the register knows signs in at the portal with
// the NetID, over this central's own provider; a new NetPassword ends that.
func TestSignInWithNetID(t *testing.T) {
	r := run(t, withNetID(t))
	db, err := r.config.OpenDatabase(t.Context())
	must(t, err)
	defer db.Close()
	hash, err := password.New(password.Cheap()).Hash(t.Context(), "seven green bicycles")
	must(t, err)
	_, _, err = db.PutRegister(t.Context(), "test", 1, []register.Record{{Kind: register.Persons, Key: "p-1", Person: "p-1", Values: map[string]string{"id": "p-1", "surname": "CHAN", "given": "Tai Man"}}}, false)
	must(t, err)
	must(t, db.AdoptNetID(t.Context(), database.NetID{ID: "tmchan", Person: "p-1", Card: "staff", Name: "Tai Man CHAN", NameKey: "tai man chan", Alias: "tai-man.chan", Email: "a@example.org", Password: hash, Changed: 1, Created: 1}))
	jar, err := cookiejar.New(nil)
	must(t, err)
	browser := &http.Client{Jar: jar}
	defer browser.CloseIdleConnections()
	read := func(a *http.Response, err error) (int, string, string) {
		t.Helper()
		must(t, err)
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		must(t, err)
		return a.StatusCode, a.Request.URL.Path, string(body)
	}
	home := r.endpoints.Portal
	_, at, page := read(browser.Get(home + "/sign-in/to/netid?next=/netid"))
	form := regexp.MustCompile(`action="(/openid/authorize/[^"]+)"`).FindStringSubmatch(page)
	if form == nil {
		t.Fatalf("at %s: %s", at, page)
	}
	code, at, page := read(browser.PostForm(home+form[1], url.Values{"netid": {"tmchan"}, "password": {"seven green bicycles"}}))
	if code != http.StatusOK || at != "/netid" || !strings.Contains(page, "tai-man.chan") {
		t.Fatalf("%d at %s: %s", code, at, page)
	}
	code, _, page = read(browser.PostForm(home+"/netid/password", url.Values{"netid": {"tmchan"}, "present": {"seven green bicycles"}, "password": {"nine yellow houses"}}))
	if code != http.StatusOK || !strings.Contains(page, "have ended") {
		t.Fatalf("%d %s", code, page)
	}
	if _, at, _ = read(browser.Get(home + "/netid")); at != "/sign-in" {
		t.Errorf("still signed in at %s", at)
	}
	_, _, page = read(browser.Get(home + "/sign-in/to/netid?next=/netid"))
	if !strings.Contains(page, `name="password"`) {
		t.Errorf("the provider knows the browser still: %s", page)
	}
}
