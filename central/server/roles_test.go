package server

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/identity"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/seal"
)

// initials name the roles in the table.
func initials() map[rights.Role]string {
	return map[rights.Role]string{rights.Viewer: "v", rights.Issuer: "i", rights.Approver: "a", rights.Security: "s", rights.Auditor: "u", rights.Admin: "d"}
}

// somewhere fills a route's wildcards with what does not exist, or is somebody
// else's: nobody may learn the difference.
func somewhere(path string) string {
	return strings.NewReplacer("{day}", "2026-11-21", "{index}", "7", "{id}", "nobodys", "{key}", "60000", "{name}", "nobodys", "{number}", "99", "{$}", "",
		"{version}", "99", "{person}", "nobodys", "{command}", "nobodys.1").Replace(path)
}

// surfaceOf sends one request to API and console.
func (s *opened) surfaceOf(method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(""))
	r.RemoteAddr, r.Host = "192.0.2.1:40000", "localhost"
	change(r)
	w := httptest.NewRecorder()
	s.api.Handler.ServeHTTP(w, r)
	return w
}

// TestEveryPage tries every route of the console as every role, without a
// session, and with a sign-in that is not recent.
func TestEveryPage(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	table := pageRights()
	seen, tried := map[string]bool{}, 0
	sessions := s.people(t)
	for _, route := range s.console.Routes() {
		key := route.Method + " " + route.Pattern
		who, ok := table[key]
		if seen[key] = true; !ok {
			t.Errorf("%s is not in the table of rolestable_test.go", key)
			continue
		}
		path := console.Base + somewhere(route.Pattern)
		w := s.surfaceOf(route.Method, path, func(*http.Request) {})
		if in := asksSignIn(w); in != (who != "*") {
			t.Errorf("%s without a session: %d to %q", key, w.Code, w.Header().Get("Location"))
		}
		for role, letter := range initials() {
			recent := strings.HasSuffix(who, "!")
			s.tryPage(t, key, path, sessions.begin(t, role, 0), who == "*" || strings.Contains(who, letter), false)
			if recent && strings.Contains(who, letter) {
				s.tryPage(t, key+" after a while", path, sessions.begin(t, role, console.Recent+time.Minute), true, true)
			}
			if strings.HasSuffix(who, "~") && strings.Contains(who, letter) {
				s.tryPage(t, key+" after ten minutes", path, sessions.begin(t, role, 10*time.Minute), true, false)
				s.tryPage(t, key+" after an hour", path, sessions.begin(t, role, formTime+time.Minute), true, true)
			}
			tried++
		}
	}
	for key := range table {
		if !seen[key] {
			t.Errorf("%s is in the table and not in the program", key)
		}
	}
	if len(seen) < 110 || tried < 6*len(seen)-6 {
		t.Errorf("%d routes, %d tries", len(seen), tried)
	}
}

// asksSignIn reports whether an answer leads to the sign-in; a stream can only say
// that it wants one.
func asksSignIn(w *httptest.ResponseRecorder) bool {
	return w.Code == http.StatusUnauthorized || w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), console.Base+"/sign-in?")
}

func (s *opened) tryPage(t *testing.T, key, path string, cookie *http.Cookie, may, again bool) {
	t.Helper()
	method, _, _ := strings.Cut(key, " ")
	w := s.surfaceOf(method, path, func(r *http.Request) { r.AddCookie(cookie) })
	switch {
	case again:
		if !asksSignIn(w) || !strings.Contains(w.Header().Get("Location"), "again=1") {
			t.Errorf("%s: %d to %q, and was not asked to sign in again", key, w.Code, w.Header().Get("Location"))
		}
	case !may:
		if w.Code != http.StatusForbidden {
			t.Errorf("%s as one who may not: %d", key, w.Code)
		}
	case asksSignIn(w) || w.Code >= 500 && w.Code != http.StatusServiceUnavailable:
		t.Errorf("%s as one who may: %d to %q: %.300s", key, w.Code, w.Header().Get("Location"), w.Body)
	case w.Code == http.StatusForbidden && !strings.HasSuffix(key, "/sign-in"): // whose form says so of a wrong password
		t.Errorf("%s as one who may: 403", key)
	}
}

// staff begins sessions of a person for each role.
type staff struct {
	s   *opened
	ids map[rights.Role]string
}

func (s *opened) people(t *testing.T) *staff {
	t.Helper()
	p := &staff{s, map[rights.Role]string{}}
	for role := range initials() {
		if err := (People{db: s.db, now: s.config.Now}).Add(t.Context(), "test", string(role), []rights.Role{role}); err != nil {
			t.Fatal(err)
		}
		row, err := s.db.PersonNamed(t.Context(), string(role))
		if err != nil {
			t.Fatal(err)
		}
		p.ids[role] = row.ID
	}
	return p
}

// begin returns the cookie of a new session in which the person proved to be that
// person so long ago.
func (p *staff) begin(t *testing.T, role rights.Role, ago time.Duration) *http.Cookie {
	t.Helper()
	token, now := rand.Text(), time.Now().UnixMilli()
	err := p.s.db.SaveSession(t.Context(), database.Session{ID: identity.TokenHash(token), Person: p.ids[role], Method: identity.ByHand, Created: now, Signed: now - ago.Milliseconds(), Seen: now})
	if err != nil {
		t.Fatal(err)
	}
	return &http.Cookie{Name: p.s.identity.CookieName(), Value: token}
}

// TestEveryOperation tries every operation of the API as every role, and without
// a token.
func TestEveryOperation(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	w := s.surfaceOf("GET", "/openapi.json", func(*http.Request) {})
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	table, seen := apiRights(), map[string]bool{}
	tokens := map[rights.Role]string{}
	for role := range initials() {
		secret, err := s.services().Tokens.Create(t.Context(), "test", office.NewToken{Name: string(role), Role: role})
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = secret
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			key := strings.ToUpper(method) + " " + strings.TrimPrefix(path, office.Base)
			who, ok := table[key]
			if seen[key] = true; !ok {
				t.Errorf("%s is not in the table of rolestable_test.go", key)
				continue
			}
			s.tryOperation(t, key, who, tokens)
		}
	}
	for key := range table {
		if !seen[key] {
			t.Errorf("%s is in the table and not in the program", key)
		}
	}
	if len(seen) < 75 {
		t.Errorf("%d operations", len(seen))
	}
}

func (s *opened) tryOperation(t *testing.T, key, who string, tokens map[rights.Role]string) {
	t.Helper()
	method, path, _ := strings.Cut(key, " ")
	path = office.Base + somewhere(path)
	// A stranger has an address of its own: bad tokens are slowed down by address.
	if w := s.surfaceOf(method, path, func(r *http.Request) { r.RemoteAddr = fmt.Sprintf("[2001:db8:%x::1]:1", seal.Secret(2)) }); w.Code != http.StatusUnauthorized && w.Code != http.StatusTooManyRequests {
		t.Errorf("%s without a token: %d", key, w.Code)
	}
	for role, letter := range initials() {
		w := s.surfaceOf(method, path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tokens[role]) })
		switch may := strings.Contains(who, letter); {
		case !may && w.Code != http.StatusForbidden:
			t.Errorf("%s as %s: %d, want 403", key, role, w.Code)
		case may && (w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || w.Code >= 500 && w.Code != http.StatusServiceUnavailable):
			t.Errorf("%s as %s: %d %.200s", key, role, w.Code, w.Body)
		}
	}
}

// TestOthersThings tries to end another person's session and passkey.
func TestOthersThings(t *testing.T) {
	s := openCentral(t, configure(t))
	defer s.stop()
	p := s.people(t)
	victim := p.begin(t, rights.Issuer, 0)
	key := database.Passkey{ID: []byte("key"), Person: p.ids[rights.Issuer], Label: "x", Record: []byte("{}"), Created: 1}
	if err := s.db.AddPasskey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	attacker := p.begin(t, rights.Admin, 0)
	for path, form := range map[string]string{"/account/session": "id=" + identity.TokenHash(victim.Value), "/account/passkey/remove": "id=a2V5"} {
		w := s.surfaceOf("POST", console.Base+path, func(r *http.Request) {
			*r = *httptest.NewRequest("POST", console.Base+path, strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(attacker)
		})
		if w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if _, err := s.db.Session(t.Context(), identity.TokenHash(victim.Value)); err != nil {
		t.Errorf("the victim's session: %v", err)
	}
	if keys, err := s.db.Passkeys(t.Context(), p.ids[rights.Issuer]); err != nil || len(keys) != 1 {
		t.Errorf("the victim's passkeys: %v %v", keys, err)
	}
	// A session is no token of the API, and a token no session.
	if w := s.surfaceOf("GET", office.Base+"/passes", func(r *http.Request) { r.AddCookie(attacker) }); w.Code != http.StatusUnauthorized {
		t.Errorf("the API by a session: %d", w.Code)
	}
	if w := s.surfaceOf("GET", console.Base+"/account", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+attacker.Value) }); !asksSignIn(w) {
		t.Errorf("the console by a token: %d", w.Code)
	}
}
