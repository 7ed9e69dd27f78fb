package openid

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/seal"
)

const (
	clientID = "turnstile"
	secret   = "QYVXJ4K2M7N3P5R6S8T9UWZABCDEFGHL"
	redirect = "https://ecard.example.edu/sign-in/with/there"
)

var at = time.Unix(1795233600, 0)

// spent is a seal.Spender in memory.
type spent struct {
	mu   sync.Mutex // guards the following
	seen map[string]bool
}

func (s *spent) Spend(_ context.Context, hash []byte, _ int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[string(hash)] {
		return database.ErrConflict
	}
	s.seen[string(hash)] = true
	return nil
}

// place answers as a provider does, and signs whatever claims it is told to.
type place struct {
	*httptest.Server
	key    *rsa.PrivateKey
	issuer string // as discovery says it

	mu        sync.Mutex // guards the following
	claims    map[string]any
	challenge string
	asked     url.Values // by the client, at the token endpoint
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func newPlace(t *testing.T) *place {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{key: key}
	mux := http.NewServeMux()
	answer := func(v func(r *http.Request) any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(v(r))
		}
	}
	discovery := answer(func(*http.Request) any {
		return map[string]any{"issuer": p.issuer, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}}
	})
	mux.HandleFunc("GET /.well-known/openid-configuration", discovery)
	mux.HandleFunc("GET /common/v2.0/.well-known/openid-configuration", discovery)
	mux.HandleFunc("GET /keys", answer(func(*http.Request) any {
		return map[string]any{"keys": []any{map[string]string{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig",
			"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}}
	}))
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	p.issuer = p.URL
	return p
}

func (p *place) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.ParseForm()
	p.asked = r.PostForm
	verifier := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	w.Header().Set("Content-Type", "application/json")
	if base64.RawURLEncoding.EncodeToString(verifier[:]) != p.challenge || r.PostForm.Get("code") != "good" {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant"})
		return
	}
	text := encode(map[string]string{"alg": "RS256", "kid": "1"}) + "." + encode(p.claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": text + "." + base64.RawURLEncoding.EncodeToString(signature)})
}

// desk is a client with a browser.
type desk struct {
	*Client
	t       *testing.T
	log     bytes.Buffer
	cookies map[string]string
}

func newDesk(t *testing.T, p Provider, text string) *desk {
	t.Helper()
	box, err := seal.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	p.ID, p.Client, p.SecretFile = "there", clientID, filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(p.SecretFile, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, cookies: map[string]string{}}
	now := func() time.Time { return at }
	d.Client, err = New(Config{Providers: []Provider{p}, Redirect: func(string) string { return redirect }, Secure: true, Recent: time.Minute,
		States: seal.States{Box: box, Spent: &spent{seen: map[string]bool{}}, Now: now}, Now: now, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) keep(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		if d.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(d.cookies, c.Name)
		}
	}
}

// leave begins a journey and returns the URL that the browser goes to.
func (d *desk) leave(agent string) *url.URL {
	d.t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", agent)
	to, err := d.Begin(w, r, Journey{Provider: "there", Next: "/card"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.keep(w)
	u, err := url.Parse(to)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

// request is how the browser comes back.
func (d *desk) request(method string, fields url.Values, cookies bool) *http.Request {
	r := httptest.NewRequest("GET", "/sign-in/with/there?"+fields.Encode(), nil)
	if method == http.MethodPost {
		r = httptest.NewRequest("POST", "/sign-in/with/there", strings.NewReader(fields.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range d.cookies {
		if cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	return r
}

func (d *desk) back(method string, fields url.Values) (Arrival, error) {
	w := httptest.NewRecorder()
	a, err := d.Finish(w, d.request(method, fields, true), "there")
	d.keep(w)
	return a, err
}

// allow makes the place say so for what a URL asked for.
func (p *place) allow(to *url.URL, claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.challenge = to.Query().Get("code_challenge")
	p.claims = map[string]any{"iss": p.issuer, "aud": clientID, "sub": "s-1", "nonce": to.Query().Get("nonce"), "iat": at.Unix(), "exp": at.Add(time.Hour).Unix()}
	for k, v := range claims {
		p.claims[k] = v
	}
}

// TestTenants: the issuer of Microsoft's many tenants is compared by us, and the
// address that a tenant's people can set makes nobody of them.
func TestTenants(t *testing.T) {
	const tenant, other = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
	p := newPlace(t)
	p.issuer = p.URL + "/{tenantid}/v2.0"
	of := func(tenant string) string { return p.URL + "/" + tenant + "/v2.0" }
	for name, c := range map[string]struct {
		claims  map[string]any
		tenants []string
		want    error
	}{
		"any tenant":              {map[string]any{"iss": of(tenant), "tid": tenant}, nil, nil},
		"one that is named":       {map[string]any{"iss": of(tenant), "tid": tenant}, []string{other, tenant}, nil},
		"one that is not":         {map[string]any{"iss": of(tenant), "tid": tenant}, []string{other}, ErrProvider},
		"another's issuer":        {map[string]any{"iss": of(other), "tid": tenant}, nil, ErrProvider},
		"no tenant":               {map[string]any{"iss": of(tenant)}, nil, ErrProvider},
		"the pattern itself":      {map[string]any{"iss": p.issuer, "tid": "{tenantid}"}, nil, ErrProvider},
		"a tenant that is a path": {map[string]any{"iss": of("x/../" + tenant), "tid": "x/../" + tenant}, nil, ErrProvider},
		"no subject":              {map[string]any{"iss": of(tenant), "tid": tenant, "sub": ""}, nil, ErrProvider},
		"another client":          {map[string]any{"iss": of(tenant), "tid": tenant, "aud": "x"}, nil, ErrProvider},
		"expired":                 {map[string]any{"iss": of(tenant), "tid": tenant, "exp": at.Add(-time.Hour).Unix()}, nil, ErrProvider},
		"another nonce":           {map[string]any{"iss": of(tenant), "tid": tenant, "nonce": "x"}, nil, ErrProvider},
	} {
		d := newDesk(t, Provider{Kind: Microsoft, Issuer: p.URL + "/common/v2.0", Tenants: c.tenants}, secret)
		to := d.leave("")
		p.allow(to, c.claims)
		a, err := d.back("GET", url.Values{"code": {"good"}, "state": {to.Query().Get("state")}})
		if !errors.Is(err, c.want) || err == nil && (a.Subject != "s-1" || a.Issuer != of(tenant) || a.Next != "/card") {
			t.Errorf("%s: %+v %v", name, a, err)
		}
		if got := p.asked.Get("client_secret"); got != secret {
			t.Errorf("%s: secret %q", name, got)
		}
		if strings.Contains(d.log.String(), secret) || strings.Contains(d.log.String(), to.Query().Get("state")) {
			t.Errorf("%s: secrets in the log: %s", name, d.log.String())
		}
	}
}

// TestGoogle: its preset asks for no address, and one that it says, verified or not, is
// not who somebody is; another provider's answer, and another's keys, are refused.
func TestGoogle(t *testing.T) {
	if full := (Provider{Kind: Google}).Filled(); full.Issuer != "https://accounts.google.com" || full.Name != "Google" || full.Auth != "header" || strings.Join(full.Scopes, " ") != "profile" {
		t.Errorf("%+v", full)
	}
	p, other := newPlace(t), newPlace(t)
	for name, c := range map[string]struct {
		claims map[string]any
		answer url.Values
		want   error
	}{
		"good":                       {map[string]any{"email": "chan@example.org", "email_verified": true}, url.Values{"iss": {p.URL}}, nil},
		"without naming itself":      {nil, nil, nil},
		"answered by another":        {nil, url.Values{"iss": {other.URL}}, ErrProvider},
		"issued by another":          {map[string]any{"iss": other.URL}, nil, ErrProvider},
		"as Google once named it":    {map[string]any{"iss": "accounts.google.com"}, nil, ErrProvider},
		"of an issuer that is near":  {map[string]any{"iss": p.URL + "/"}, nil, ErrProvider},
		"for several clients":        {map[string]any{"aud": []string{"x", "y"}}, nil, ErrProvider},
		"another nonce":              {map[string]any{"nonce": "x"}, nil, ErrProvider},
		"no nonce":                   {map[string]any{"nonce": ""}, nil, ErrProvider},
		"an address for the subject": {map[string]any{"sub": "", "email": "chan@example.org"}, nil, ErrProvider},
	} {
		d := newDesk(t, Provider{Kind: Google, Issuer: p.URL}, secret)
		to := d.leave("")
		q := to.Query()
		if q.Get("scope") != "openid profile" || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" || q.Get("redirect_uri") != redirect || q.Get("response_mode") != "" {
			t.Errorf("asked with %v", q)
		}
		p.allow(to, c.claims)
		fields := url.Values{"code": {"good"}, "state": {q.Get("state")}}
		for k, v := range c.answer {
			fields[k] = v
		}
		a, err := d.back("GET", fields)
		if !errors.Is(err, c.want) || err == nil && (a.Subject != "s-1" || a.Issuer != p.URL) {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	p.key, other.key = other.key, p.key
	d := newDesk(t, Provider{Kind: Google, Issuer: p.URL}, secret)
	to := d.leave("")
	p.allow(to, nil)
	if _, err := d.back("GET", url.Values{"code": {"good"}, "state": {to.Query().Get("state")}}); !errors.Is(err, ErrProvider) {
		t.Errorf("signed by another: %v", err)
	}
}

// TestOneTenant: of a tenant that is named the issuer is its own and nobody else's,
// though Microsoft signs for all with the same keys.
func TestOneTenant(t *testing.T) {
	p := newPlace(t)
	for issuer, want := range map[string]error{p.URL: nil, p.URL + "/11111111-2222-3333-4444-555555555555/v2.0": ErrProvider, "https://sts.windows.net/x/": ErrProvider} {
		d := newDesk(t, Provider{Kind: Microsoft, Issuer: p.URL}, secret)
		to := d.leave("")
		p.allow(to, map[string]any{"iss": issuer, "tid": "11111111-2222-3333-4444-555555555555"})
		if a, err := d.back("GET", url.Values{"code": {"good"}, "state": {to.Query().Get("state")}}); !errors.Is(err, want) || err == nil && a.Issuer != p.URL {
			t.Errorf("%s: %+v %v", issuer, a, err)
		}
	}
}

// TestApple: it answers by a POST from its own site, which a page of ours sends
// again, and its secret is a token that is made anew.
func TestApple(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	p := newPlace(t)
	d := newDesk(t, Provider{Kind: Apple, Issuer: p.URL, Team: "TEAM", Key: "KEY"}, file)
	to := d.leave("")
	if q := to.Query(); q.Get("response_mode") != "form_post" || q.Get("code_challenge_method") != "S256" || q.Get("scope") != "openid" {
		t.Errorf("asked with %v", q)
	}
	p.allow(to, map[string]any{"email": "x@privaterelay.example"})
	fields := url.Values{"code": {"good"}, "state": {to.Query().Get("state")}, "user": {`{"name":{}}`}, "id_token": {"x"}}
	again, needed := d.Relay(d.request("POST", fields, false))
	if !needed || len(again) != 2 || again["code"] != "good" || again["state"] != fields.Get("state") {
		t.Fatalf("relayed %v %v", again, needed)
	}
	sent := url.Values{"relayed": {"1"}}
	for k, v := range again {
		sent.Set(k, v)
	}
	if _, needed := d.Relay(d.request("POST", sent, false)); needed {
		t.Error("it is sent round and round")
	}
	if _, needed := d.Relay(d.request("POST", sent, true)); needed {
		t.Error("relayed though the cookie is here")
	}
	// A browser that withheld the cookie and whose POST is judged all the same has not
	// begun anything; what it had begun stands.
	if _, err := d.Finish(httptest.NewRecorder(), d.request("POST", sent, false), "there"); !errors.Is(err, seal.ErrState) {
		t.Errorf("without the cookie: %v", err)
	}
	a, err := d.back("POST", sent)
	if err != nil || a.Subject != "s-1" || a.Issuer != p.URL {
		t.Fatalf("%+v %v\n%s", a, err, d.log.String())
	}
	part := strings.Split(p.asked.Get("client_secret"), ".")
	if len(part) != 3 {
		t.Fatalf("secret %q", part)
	}
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	signature, err := base64.RawURLEncoding.DecodeString(part[2])
	if err != nil || len(signature) != 64 || !ecdsa.Verify(&key.PublicKey, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Errorf("signature %v", err)
	}
	body, err := base64.RawURLEncoding.DecodeString(part[1])
	var claims struct {
		Iss, Sub, Aud string
		Iat, Exp      int64
	}
	if err != nil || json.Unmarshal(body, &claims) != nil || claims.Iss != "TEAM" || claims.Sub != clientID || claims.Aud != p.URL || claims.Iat != at.Unix() || claims.Exp != at.Add(appleLife).Unix() {
		t.Errorf("%s %v", body, err)
	}
	if head, err := base64.RawURLEncoding.DecodeString(part[0]); err != nil || string(head) != `{"alg":"ES256","kid":"KEY"}` {
		t.Errorf("%s %v", head, err)
	}
	bad := newDesk(t, Provider{Kind: Apple, Issuer: p.URL, Team: "TEAM", Key: "KEY"}, "no key")
	if _, err := bad.Begin(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), Journey{Provider: "there"}); !errors.Is(err, ErrConfig) {
		t.Errorf("no key: %v", err)
	}
}

// TestSettings: each wrong setting is named.
func TestSettings(t *testing.T) {
	for name, p := range map[string]Provider{
		"google": {Kind: Google}, "microsoft": {Kind: Microsoft, Tenants: []string{"x"}}, "apple": {Kind: Apple, Team: "t", Key: "k"}, "wechat": {Kind: WeChat},
		"of a campus": {Issuer: "https://id.example.edu", Name: "Campus"},
	} {
		p.ID, p.Client, p.SecretFile = "x", "c", "f"
		if text := p.Check(); text != "" {
			t.Errorf("%s: %s", name, text)
		}
		if full := p.Filled(); full.Name == "" || full.Issuer == "" || full.Kind == "" {
			t.Errorf("%s: %+v", name, full)
		}
	}
	for name, p := range map[string]Provider{
		"no such kind": {Kind: "x"}, "apple without a key": {Kind: Apple}, "google with a key": {Kind: Google, Team: "t", Key: "k"}, "tenants of google": {Kind: Google, Tenants: []string{"x"}},
		"tenants of one tenant": {Kind: Microsoft, Issuer: "https://login.microsoftonline.com/x/v2.0", Tenants: []string{"x"}}, "plain http": {Kind: Google, Issuer: "http://id.example.edu"}, "no issuer": {Name: "x"},
	} {
		p.ID, p.Client, p.SecretFile = "x", "c", "f"
		if p.Check() == "" {
			t.Errorf("%s: good", name)
		}
	}
	one, two := Provider{ID: "a", Kind: Google}, Provider{ID: "b", Kind: Google}
	if Twice([]Provider{one, two}) != "b" || Twice([]Provider{one}) != "" {
		t.Error("the same issuer twice")
	}
}

// FuzzFinish takes whatever as what a provider, or somebody in its place, sends.
func FuzzFinish(f *testing.F) {
	box, err := seal.New([32]byte{7})
	if err != nil {
		f.Fatal(err)
	}
	now := func() time.Time { return at }
	c, err := New(Config{Providers: []Provider{{ID: "there", Kind: Apple, Client: "c", SecretFile: "f", Team: "t", Key: "k"}}, Redirect: func(string) string { return redirect }, Secure: true,
		States: seal.States{Box: box, Spent: &spent{seen: map[string]bool{}}, Now: now}, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("state=x&code=y", "x")
	f.Add("error=access_denied", "")
	f.Add("state=%00&code=%ff&relayed=", "A.A")
	f.Fuzz(func(t *testing.T, body, cookie string) {
		r := httptest.NewRequest("POST", "/sign-in/with/there", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		fields, needed := c.Relay(r)
		if needed && (len(fields) == 0 || len(fields) > 3) {
			t.Errorf("relays %v", fields)
		}
		for _, v := range fields {
			if len(v) > maxField {
				t.Errorf("relays %d bytes", len(v))
			}
		}
		r.Header.Set("Cookie", c.cookie("", 0).Name+"="+cookie)
		if _, err := c.Finish(httptest.NewRecorder(), r, "there"); !errors.Is(err, seal.ErrState) {
			t.Errorf("%q: %v", cookie, err)
		}
	})
}
