package provider

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
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
	mux := http.NewServeMux()
	mux.HandleFunc(Path+"/", func(w http.ResponseWriter, r *http.Request) { c.serving.Load().ServeHTTP(w, r) })
	mux.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir("../../portal/static")))) // as the portal does
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c.url = s.URL
	box, err := seal.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	now := func() time.Time { return time.Now().Add(time.Duration(c.skew.Load()) * time.Millisecond) }
	db := databasetest.Open(t, c.where)
	c.config = Config{DB: db, Box: box, Portal: c.url, Site: "Campus", Now: now, Log: log, keyBits: 1024, Clients: []Client{
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

var formAction = regexp.MustCompile(`<form method="post" action="(/openid/[^"]+)"`)

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

func param(name, value string) oauth2.AuthCodeOption { return oauth2.SetAuthURLParam(name, value) }
