package office_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"turnstile/central/office"
	"turnstile/central/rights"
)

func TestRates(t *testing.T) {
	d := newDesk(t)
	d.http = office.New(d.Services(), office.Options{Now: d.clock.now, Token: office.Rate{PerSecond: 2, Burst: 4}, Address: office.Rate{PerSecond: 3, Burst: 9}})
	from := func(address, role string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", "/api/v1/feed", nil)
		req.RemoteAddr = address + ":1234"
		req.Header.Set("Authorization", "Bearer "+role+"-secret")
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, req)
		return w
	}
	for i := range 4 {
		w := from("127.0.0.1", "viewer")
		if w.Code != 200 || w.Header().Get("RateLimit") != fmt.Sprintf(`"token";r=%d;t=%d`, 3-i, (i+2)/2) || w.Header().Get("RateLimit-Policy") != `"token";q=4;w=2` {
			t.Errorf("request %d: %d %v", i, w.Code, w.Header())
		}
	}
	w := from("127.0.0.1", "viewer")
	wantKind(t, "the fifth", w, 429, "too-many-requests")
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("%v", w.Header())
	}
	if w := from("127.0.0.1", "issuer"); w.Code != 200 {
		t.Errorf("another token: %d", w.Code)
	}
	d.clock.add(time.Second)
	if w := from("127.0.0.1", "viewer"); w.Code != 200 {
		t.Errorf("a second later: %d", w.Code)
	}
	// An address has a rate of its own, over all of its tokens, and an IPv6
	// network of 64 bits is one address. This machine has none.
	statuses := map[int]int{}
	for i := range 12 {
		statuses[from(fmt.Sprintf("[2001:db8::%x]", i+1), []string{"admin", "issuer", "security", "auditor"}[i%4]).Code]++
	}
	if statuses[200] != 9 || statuses[429] != 3 {
		t.Errorf("a network: %v", statuses)
	}
	if w := from("192.0.2.1", "approver"); w.Code != 200 || len(w.Header().Values("RateLimit")) != 2 {
		t.Errorf("another address: %d %v", w.Code, w.Header())
	}
}

func TestScopedTokens(t *testing.T) {
	d := newDesk(t)
	make := func(role string, body m, status int) office.TokenSecretBody {
		t.Helper()
		return ask[office.TokenSecretBody](t, d, role, "POST", "/api/v1/tokens", body, status)
	}
	use := func(secret, method, path string) *httptest.ResponseRecorder {
		req := httptest.NewRequest(method, office.Base+path, nil)
		req.RemoteAddr = "127.0.0.1:1"
		req.Header.Set("Authorization", "Bearer "+secret)
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, req)
		return w
	}
	made := make("admin", m{"name": "screen", "scopes": []string{"passages.read", "lanes.read"}, "lanes": []string{"north"}, "expires": "2026-12-21T00:00:00+08:00"}, 201)
	if made.Secret == "" || made.CreatedBy != "admin" || len(made.Scopes) != 2 || made.Expires == nil {
		t.Errorf("%+v", made)
	}
	for path, status := range map[string]int{
		"/passages?lane=north": 200, "/passages": 403, "/passages?lane=south": 403, "/lanes?lane=north": 200, "/lanes": 403, "/passes": 403, "/feed": 403, "/alarms": 403,
	} {
		if w := use(made.Secret, "GET", path); w.Code != status {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, status)
		}
	}
	wantKind(t, "a lane of others", use(made.Secret, "GET", "/passages?lane=south"), 403, "other-lane")
	wantKind(t, "no permission", use(made.Secret, "GET", "/passes?lane=north"), 403, "forbidden")

	half := make("admin", m{"name": "half", "scopes": []string{"people.manage", "lanes.read"}, "expires": "2026-12-01T00:00:00+08:00"}, 201)
	for what, body := range map[string]string{
		"a role with more":  `{"name":"more","role":"viewer"}`,
		"one scope more":    `{"name":"more","scopes":["lanes.read","passes.code"]}`,
		"a longer life":     `{"name":"more","scopes":["lanes.read"],"expires":"2027-01-01T00:00:00Z"}`,
		"neither":           `{"name":"more"}`,
		"both":              `{"name":"more","role":"viewer","scopes":["lanes.read"]}`,
		"unknown scope":     `{"name":"more","scopes":["lanes.*"]}`,
		"scope twice":       `{"name":"more","scopes":["lanes.read","lanes.read"]}`,
		"ended already":     `{"name":"more","scopes":["lanes.read"],"expires":"2020-01-01T00:00:00Z"}`,
		"another's name":    `{"name":"screen","scopes":["lanes.read"]}`,
		"a name with space": `{"name":"sc reen","scopes":["lanes.read"]}`,
	} {
		if w := bearer(d, half.Secret, "POST", "/tokens", body); w.Code != 403 && w.Code != 422 && w.Code != 409 {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if w := bearer(d, half.Secret, "POST", "/tokens/admin/rotate", ""); w.Code != 403 {
		t.Errorf("half took admin's token: %d %s", w.Code, w.Body)
	}
	if w := bearer(d, half.Secret, "POST", "/tokens", `{"name":"child","scopes":["lanes.read"]}`); w.Code != 201 {
		t.Errorf("its own rights: %d %s", w.Code, w.Body)
	}
	list := ask[office.TokenList](t, d, "admin", "GET", "/api/v1/tokens", nil, 200)
	if len(list.Tokens) != len(rights.Roles())+3 {
		t.Fatalf("%d tokens", len(list.Tokens))
	}
	for _, b := range list.Tokens {
		if b.Name == "child" && (b.Expires == nil || !b.Expires.Equal(*half.Expires)) || b.Name == "screen" && b.Used == nil {
			t.Errorf("%+v", b)
		}
	}
	rotated := ask[office.TokenSecretBody](t, d, "admin", "POST", "/api/v1/tokens/screen/rotate", nil, 200)
	if use(made.Secret, "GET", "/lanes?lane=north").Code != 401 || use(rotated.Secret, "GET", "/lanes?lane=north").Code != 200 {
		t.Error("the rotated secret is not the one that is good")
	}
	if w := d.do(t, "admin", "DELETE", "/api/v1/tokens/screen", nil); w.Code != 204 || use(rotated.Secret, "GET", "/lanes?lane=north").Code != 401 {
		t.Errorf("revoke: %d", w.Code)
	}
}
