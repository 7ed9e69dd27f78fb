package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"turnstile/central/database"
	"turnstile/central/database/databasetest"
	"turnstile/central/netid"
	"turnstile/central/password"
	"turnstile/central/register"
	"turnstile/central/seal"
)

// nobody is an empty register.
type nobody struct{}

func (nobody) Identify(context.Context, register.Facts) (register.Person, error) {
	return register.Person{}, register.ErrNoMatch
}

func (nobody) Person(context.Context, string) (register.Person, error) {
	return register.Person{}, register.ErrNotFound
}

const (
	good   = "seven green bicycles"
	secret = "QYVXJ4K2M7N3P5R6S8T9UWZABCDEFGHL"
	back   = "https://library.example/back"
)

// campus is a provider over HTTP, with one NetID.
type campus struct {
	t      *testing.T
	where  string
	url    string
	config Config
	log    syncBuffer

	// serving is what answers; a restart replaces it.
	serving atomic.Pointer[Provider]
	skew    atomic.Int64 // ms that the clock is ahead
}

// syncBuffer is a log that requests write at once.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newCampus(t *testing.T) *campus {
	t.Helper()
	c := &campus{t: t, where: filepath.Join(t.TempDir(), "central.db")}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serving.Load().ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	c.url = s.URL
	box, err := seal.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	now := func() time.Time { return time.Now().Add(time.Duration(c.skew.Load()) * time.Millisecond) }
	db := databasetest.Open(t, c.where)
	c.config = Config{DB: db, Box: box, Portal: c.url, Now: now, Log: log, keyBits: 1024, Clients: []Client{
		{ID: "library", Name: "Library", Secret: secret, RedirectURIs: []string{back}, LogoutURIs: []string{"https://library.example/"}},
		{ID: "other", Secret: "other-" + secret, RedirectURIs: []string{"https://other.example/back"}, Post: true}}}
	c.open(db)
	hash, err := password.New(password.Cheap()).Hash(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	err = db.AdoptNetID(t.Context(), database.NetID{ID: "tmchan", Person: "p-1", Card: "staff", Name: "Tai Man CHAN", NameKey: "tai man chan", Alias: "tai-man.chan", Email: "a@example.org", Password: hash, Changed: 1, Created: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// open starts a central's provider on a database.
func (c *campus) open(db *database.DB) {
	c.t.Helper()
	conf := c.config
	conf.DB = db
	conf.Directory = netid.New(netid.Config{DB: db, Register: nobody{}, Box: conf.Box, Hasher: password.New(password.Cheap()), Portal: c.url, Location: time.UTC, Now: conf.Now, Log: conf.Log})
	p, err := Open(c.t.Context(), conf)
	if err != nil {
		c.t.Fatal(err)
	}
	c.serving.Store(p)
}

// browser is a person's, and the client's memory of where it sent them.
type browser struct {
	t        *testing.T
	c        *campus
	http     *http.Client
	rp       *client.Provider
	oauth    oauth2.Config
	verifier string
}

func (c *campus) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	rp, err := client.NewProvider(t.Context(), Issuer(c.url))
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, c: c, rp: rp, verifier: oauth2.GenerateVerifier()}
	b.oauth = oauth2.Config{ClientID: "library", ClientSecret: secret, Endpoint: rp.Endpoint(), RedirectURL: back, Scopes: []string{"openid", "profile", "email"}}
	b.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	b.http = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(b.http.CloseIdleConnections)
	return b
}

// page is what a browser shows.
type shown struct {
	status int
	text   string
	to     *url.URL // of a redirect
	header http.Header
}

func (b *browser) read(r *http.Response, err error) shown {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	to, _ := r.Location()
	return shown{r.StatusCode, string(body), to, r.Header}
}

func (b *browser) get(address string) shown {
	b.t.Helper()
	return b.read(b.http.Get(address))
}

// leave is the address that the client sends the browser to.
func (b *browser) leave(options ...oauth2.AuthCodeOption) string {
	return b.oauth.AuthCodeURL("state-1", append([]oauth2.AuthCodeOption{client.Nonce("nonce-1"), oauth2.S256ChallengeOption(b.verifier)}, options...)...)
}

var formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)

// fill posts the form of a page.
func (b *browser) fill(p shown, fields url.Values) shown {
	b.t.Helper()
	m := formAction.FindStringSubmatch(p.text)
	if m == nil {
		b.t.Fatalf("no form: %d %s", p.status, p.text)
	}
	r, err := http.NewRequest(http.MethodPost, b.c.url+m[1], strings.NewReader(fields.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.read(b.http.Do(r))
}

func typing(netID, typed string) url.Values { return url.Values{"netid": {netID}, "password": {typed}} }

// code signs in and returns the code that the client gets.
func (b *browser) code(options ...oauth2.AuthCodeOption) string {
	b.t.Helper()
	p := b.get(b.leave(options...))
	if p.to == nil {
		p = b.fill(p, typing("tmchan", good))
	}
	if p.to == nil || !strings.HasPrefix(p.to.String(), back+"?") || p.to.Query().Get("state") != "state-1" || p.to.Query().Get("iss") != Issuer(b.c.url) {
		b.t.Fatalf("%d %v %s", p.status, p.to, p.text)
	}
	return p.to.Query().Get("code")
}

func (b *browser) exchange(code string) (*oauth2.Token, error) {
	return b.oauth.Exchange(b.t.Context(), code, oauth2.VerifierOption(b.verifier))
}

// claims are what the client learns.
type claims struct {
	Sub      string   `json:"sub"`
	Person   string   `json:"person"`
	Name     string   `json:"name"`
	Username string   `json:"preferred_username"`
	Email    string   `json:"email"`
	Verified bool     `json:"email_verified"`
	AuthTime int64    `json:"auth_time"`
	AMR      []string `json:"amr"`
	Nonce    string   `json:"nonce"`
}

func (b *browser) verified(token *oauth2.Token) (out claims) {
	b.t.Helper()
	raw, _ := token.Extra("id_token").(string)
	id, err := b.rp.VerifierContext(b.t.Context(), &client.Config{ClientID: b.oauth.ClientID}).Verify(b.t.Context(), raw)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := id.Claims(&out); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// TestSignIn: a real client gets who signed in, once by the password and then by
// the session; scopes limit what it learns.
func TestSignIn(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	got := b.verified(token)
	if got.Sub != "tmchan" || got.Person != "p-1" || got.Name != "Tai Man CHAN" || got.Username != "tmchan" || got.Email != "a@example.org" || !got.Verified ||
		got.Nonce != "nonce-1" || !slices.Equal(got.AMR, []string{"pwd"}) || time.Since(time.Unix(got.AuthTime, 0)).Abs() > time.Minute {
		t.Errorf("%+v", got)
	}
	if token.RefreshToken != "" {
		t.Error("a refresh token")
	}
	info, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	var told claims
	if err != nil || info.Subject != "tmchan" || info.Claims(&told) != nil || told.Person != "p-1" {
		t.Errorf("%+v %+v, %v", info, told, err)
	}
	b.oauth.Scopes = []string{"openid"}
	p := b.get(b.leave())
	if p.to == nil {
		t.Fatalf("asked again: %s", p.text)
	}
	if token, err = b.exchange(p.to.Query().Get("code")); err != nil {
		t.Fatal(err)
	}
	if got := b.verified(token); got.Sub != "tmchan" || got.Person != "p-1" || got.Name != "" || got.Email != "" {
		t.Errorf("without scopes: %+v", got)
	}
	for _, text := range []string{good, secret, token.AccessToken, "a@example.org"} {
		if strings.Contains(c.log.String(), text) {
			t.Errorf("the log has %q", text)
		}
	}
}

func param(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }

// TestAskedAgain: prompt and max_age are kept, and a session ends.
func TestAskedAgain(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	if p := b.get(b.leave(param("prompt", "none"))); p.to == nil || p.to.Query().Get("error") != "login_required" {
		t.Errorf("nobody is here: %d %v", p.status, p.to)
	}
	b.code()
	if p := b.get(b.leave(param("prompt", "none"))); p.to == nil || p.to.Query().Get("code") == "" {
		t.Errorf("somebody is: %d %v", p.status, p.to)
	}
	if p := b.get(b.leave(param("prompt", "login"))); p.to != nil {
		t.Errorf("prompt=login goes to %v", p.to)
	}
	if p := b.get(b.leave(param("max_age", "600"))); p.to == nil {
		t.Error("asked within ten minutes")
	}
	c.skew.Add((11 * time.Minute).Milliseconds())
	if p := b.get(b.leave(param("max_age", "600"))); p.to != nil {
		t.Errorf("not asked after eleven: %v", p.to)
	}
	if p := b.get(b.leave()); p.to == nil {
		t.Error("asked within the session")
	}
	c.skew.Add(sessionLife.Milliseconds())
	if p := b.get(b.leave()); p.to != nil {
		t.Errorf("the session does not end: %v", p.to)
	}
}

// TestAttacks: what does not fit is refused, and nobody is sent anywhere that was
// not registered.
func TestAttacks(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	for name, o := range map[string]oauth2.AuthCodeOption{
		"another redirect": param("redirect_uri", "https://evil.example/"), "a longer redirect": param("redirect_uri", back+"/x"), "no such client": param("client_id", "nobody"),
		"another client's redirect": param("client_id", "other"),
	} {
		if p := b.get(b.leave(o)); p.status != http.StatusBadRequest || p.to != nil {
			t.Errorf("%s: %d to %v", name, p.status, p.to)
		}
	}
	for name, o := range map[string]oauth2.AuthCodeOption{
		"no challenge": param("code_challenge", ""), "plain": param("code_challenge_method", "plain"), "implicit": param("response_type", "id_token"), "no openid": param("scope", "profile"),
	} {
		p := b.get(b.leave(o))
		if p.to == nil && p.status == http.StatusOK || p.to != nil && (p.to.Query().Get("code") != "" || p.to.Query().Get("error") == "" && !strings.Contains(p.to.Fragment, "error=")) {
			t.Errorf("%s: %d %v", name, p.status, p.to)
		}
	}

	code := b.code()
	right := b.verifier
	b.verifier = oauth2.GenerateVerifier()
	if _, err := b.exchange(code); err == nil {
		t.Error("with another verifier")
	}
	b.verifier = right
	if _, err := b.exchange(code); err == nil {
		t.Error("a code that a wrong verifier has burned")
	}

	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	code = b.code()
	if token, err = b.exchange(code); err != nil {
		t.Fatal(err)
	}
	if _, err := b.exchange(code); err == nil {
		t.Error("a code twice")
	}
	if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the token of a code that came twice is good")
	}

	code = b.code()
	thief := *b
	thief.oauth.ClientID, thief.oauth.ClientSecret, thief.oauth.Endpoint.AuthStyle = "other", "other-"+secret, oauth2.AuthStyleInParams
	if _, err := thief.exchange(code); err == nil {
		t.Error("another client's code")
	}
	wrong := *b
	wrong.oauth.ClientSecret = "wrong"
	if _, err := wrong.exchange(b.code()); err == nil {
		t.Error("without the secret")
	}
	code = b.code()
	c.skew.Add(codeLife.Milliseconds())
	if _, err := b.exchange(code); err == nil {
		t.Error("a code of a minute ago")
	}
	if _, err := b.exchange("x"); err == nil {
		t.Error("no code")
	}
}

// TestOneExchange: of many that come with one code at once, over two centrals, one
// gets a token.
func TestOneExchange(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	code := b.code()
	second, err := Open(t.Context(), func() Config {
		conf := c.config
		conf.Directory = c.serving.Load().config.Directory
		return conf
	}())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var won atomic.Int32
	for i := range 8 {
		all.Go(func() {
			p := second
			if i%2 == 0 {
				p = c.serving.Load()
			}
			form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "code_verifier": {b.verifier}}
			r := httptest.NewRequest(http.MethodPost, Path+"/token", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("library", secret)
			w := httptest.NewRecorder()
			if p.ServeHTTP(w, r); w.Code == http.StatusOK {
				won.Add(1)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d got a token", won.Load())
	}
}

// TestForm: the wrong password says no more, is slowed, and the form is bound to
// its browser and seals what it carries.
func TestForm(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	first := b.get(b.leave())
	if first.status != http.StatusOK || !strings.Contains(first.text, "<strong>Library</strong>") || strings.Contains(first.text, "nonce-1") || strings.Contains(first.text, "library.example") {
		t.Errorf("%d %s", first.status, first.text)
	}
	if csp := first.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.HasSuffix(csp, "frame-ancestors 'none'") || !strings.Contains(first.header.Get("Cache-Control"), "no-store") {
		t.Errorf("%v", first.header)
	}
	if framed := policy([]string{"http://localhost:1", "http://localhost:2"}); !strings.HasSuffix(framed, "frame-ancestors http://localhost:1 http://localhost:2") {
		t.Errorf("framed: %s", framed)
	}
	var answers []string
	for _, who := range []string{"tmchan", "nobody", "<script>", strings.Repeat("x", 5000)} {
		p := b.fill(b.get(b.leave()), typing(who, "guess"))
		if p.status != http.StatusUnprocessableEntity || strings.Contains(p.text, "<script>") {
			t.Errorf("%.20s: %d", who, p.status)
		}
		words := regexp.MustCompile(`(?s)<p class="wrong".*?</p>`).FindString(p.text)
		answers = append(answers, words)
	}
	if slices.Sort(answers); len(slices.Compact(answers)) != 1 || answers[0] == "" {
		t.Errorf("answers differ: %q", answers)
	}
	stranger := c.browser(t)
	if p := stranger.fill(first, typing("tmchan", good)); p.status != http.StatusBadRequest || p.to != nil {
		t.Errorf("another browser's form: %d %v", p.status, p.to)
	}
	page := b.get(b.leave())
	changed := page
	changed.text = strings.Replace(page.text, `action="/openid/authorize/`, `action="/openid/authorize/A`, 1)
	if p := b.fill(changed, typing("tmchan", good)); p.status != http.StatusBadRequest || p.to != nil {
		t.Errorf("a changed form: %d %v", p.status, p.to)
	}
	slowed := shown{}
	for range 10 {
		if slowed = b.fill(b.get(b.leave()), typing("tmchan", "guess")); slowed.status == http.StatusTooManyRequests {
			break
		}
	}
	if slowed.status != http.StatusTooManyRequests || slowed.header.Get("Retry-After") == "" {
		t.Errorf("never slowed: %d", slowed.status)
	}
	r, err := http.NewRequest(http.MethodPost, c.url+formAction.FindStringSubmatch(page.text)[1], strings.NewReader(typing("tmchan", good).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p := b.read(b.http.Do(r)); p.status != http.StatusForbidden {
		t.Errorf("from another site: %d", p.status)
	}
	zh := b.get(b.leave(param("ui_locales", "zh-HK")))
	if !strings.Contains(zh.text, `<html lang="zh-Hant">`) || !strings.Contains(zh.text, "以 NetID 登入") {
		t.Errorf("%s", zh.text)
	}
	if p := b.get(c.url + Path + "/authorize?" + strings.Repeat("x", maxQuery+1)); p.status != http.StatusRequestURITooLong {
		t.Errorf("a long request: %d", p.status)
	}
}

// TestRestart: what one central began another one ends, and keys are the same.
func TestRestart(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	again := func() {
		db, err := database.Open(t.Context(), c.where)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c.open(db)
	}
	form := b.get(b.leave())
	again()
	p := b.fill(form, typing("tmchan", good))
	if p.to == nil {
		t.Fatalf("%d %s", p.status, p.text)
	}
	again()
	token, err := b.exchange(p.to.Query().Get("code"))
	if err != nil {
		t.Fatal(err)
	}
	again()
	if got := b.verified(token); got.Sub != "tmchan" {
		t.Errorf("%+v", got)
	}
	if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err != nil {
		t.Error(err)
	}
	if p := b.get(b.leave()); p.to == nil {
		t.Error("the session is forgotten")
	}
}

// TestPasswordEndsAll: after a change of the NetPassword neither session, code nor
// token is good.
func TestPasswordEndsAll(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	code := b.code()
	d := c.serving.Load().config.Directory.(*netid.Directory)
	if err := d.ChangePassword(t.Context(), "tmchan", good, "nine yellow houses", net.ParseIP("192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.exchange(code); err == nil {
		t.Error("the code is good")
	}
	if _, err := b.rp.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the token is good")
	}
	if p := b.get(b.leave()); p.to != nil {
		t.Error("the session is good")
	}
}

// TestSignOut: a client's own request signs out at once, anybody's link asks first,
// and nobody is sent anywhere else.
func TestSignOut(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	out := c.url + Path + "/logout"
	here := func() bool { return b.get(b.leave()).to != nil }
	asked := b.get(out)
	if asked.status != http.StatusOK || !strings.Contains(asked.text, "tmchan") || !here() {
		t.Errorf("a link signs out: %d", asked.status)
	}
	if p := b.get(out + "?client_id=library&post_logout_redirect_uri=" + url.QueryEscape("https://evil.example/")); p.to != nil || p.status != http.StatusBadRequest {
		t.Errorf("sent to %v", p.to)
	}
	if p := b.fill(asked, url.Values{"out": {"tmchan"}}); p.status != http.StatusOK || here() {
		t.Errorf("the button: %d, still here %v", p.status, here())
	}
	b.code()
	hint, _ := token.Extra("id_token").(string)
	p := b.get(out + "?state=s&id_token_hint=" + hint + "&post_logout_redirect_uri=" + url.QueryEscape("https://library.example/"))
	if p.to == nil || p.to.String() != "https://library.example/?state=s" || here() {
		t.Errorf("the client's: %d %v %s", p.status, p.to, p.text)
	}
}

// TestKeysRotate: a new key is published for a day before it signs, an old one two
// days longer, and tokens in hand stay good.
func TestKeysRotate(t *testing.T) {
	c := newCampus(t)
	b := c.browser(t)
	token, err := b.exchange(b.code())
	if err != nil {
		t.Fatal(err)
	}
	p := c.serving.Load()
	published := func() (ids []string) {
		t.Helper()
		var set struct {
			Keys []struct {
				ID string `json:"kid"`
				D  string `json:"d"`
			} `json:"keys"`
		}
		if err := json.Unmarshal([]byte(b.get(c.url+Path+"/jwks").text), &set); err != nil {
			t.Fatal(err)
		}
		for _, k := range set.Keys {
			if k.D != "" {
				t.Fatal("a private key is published")
			}
			ids = append(ids, k.ID)
		}
		return ids
	}
	signer := func() string {
		t.Helper()
		set, err := p.keys.set(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return set.Keys[0].KeyID
	}
	first := published()
	if len(first) != 1 || signer() != first[0] {
		t.Fatal(first)
	}
	forward := func(by time.Duration) {
		t.Helper()
		c.skew.Add(by.Milliseconds())
		for range 2 { // a second central finds it done
			if err := p.keys.rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	forward(keyLife + time.Minute)
	second := published()
	if len(second) != 2 || signer() != first[0] {
		t.Errorf("at once: %v, signs %s", second, signer())
	}
	if got := b.verified(token); got.Sub != "tmchan" {
		t.Error(got)
	}
	forward(keyNotice)
	if len(published()) != 2 || signer() == first[0] {
		t.Errorf("after a day: %v, signs %s", published(), signer())
	}
	forward(keyLife)
	forward(keyLife)
	if list := published(); slices.Contains(list, first[0]) || len(list) > 3 {
		t.Errorf("after two months: %v", list)
	}
}

func TestConfig(t *testing.T) {
	c := newCampus(t)
	for name, spoil := range map[string]func(*Config){
		"no portal": func(c *Config) { c.Portal = "" }, "a short secret": func(c *Config) { c.Clients = []Client{{ID: "x", Secret: "x", RedirectURIs: []string{back}}} },
		"no redirect": func(c *Config) { c.Clients = []Client{{ID: "x", Secret: secret}} }, "twice": func(c *Config) { c.Clients = append(c.Clients, c.Clients[0]) },
	} {
		conf := c.config
		conf.Clients = slices.Clone(conf.Clients)
		spoil(&conf)
		if _, err := Open(t.Context(), conf); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a, b := ClientSecret([32]byte{1}, "a"), ClientSecret([32]byte{1}, "b"); a == b || len(a) < 40 || a != ClientSecret([32]byte{1}, "a") {
		t.Errorf("%s %s", a, b)
	}
}

// FuzzRequest: what the browser brings back opens only as it was sealed.
func FuzzRequest(f *testing.F) {
	box, err := seal.New([32]byte{7})
	if err != nil {
		f.Fatal(err)
	}
	p := &Provider{box: sealed{box}, config: Config{Now: time.Now}}
	good, err := p.state(requestPlace, map[string]string{"sub": "x", "client_id": "y"})
	if err != nil {
		f.Fatal(err)
	}
	other, err := p.state(logoutPlace, map[string]string{"sub": "x"})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, other, "", "x", good[1:], good + "A", strings.Repeat("A", maxQuery+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, state string) {
		s, err := requests{p}.SessionByCallbackID(t.Context(), state)
		same := strings.NewReplacer("\r", "", "\n", "").Replace(state) == good // base64 passes over line ends
		if (err == nil) != same || err == nil && s.ClientID != "y" {
			t.Errorf("%q: %+v, %v", state, s, err)
		}
	})
}
