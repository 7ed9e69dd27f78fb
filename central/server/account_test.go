package server

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnstile/central/account"
	"turnstile/central/openid"
)

// TestHolderSignIn: a portal has the pages of signing in, and lets nobody further.
func TestHolderSignIn(t *testing.T) {
	c := configure(t)
	c.Portal.Listen = "127.0.0.1:0"
	c.Portal.SignIn.Providers = []account.Provider{{Provider: openid.Provider{ID: "google", Kind: openid.Google, Client: "c", SecretFile: "f"}}}
	s := openCentral(t, c)
	t.Cleanup(s.stop)
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.portal.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := ask("/sign-in"); w.Code != 200 || !strings.Contains(w.Body.String(), `href="/sign-in/to/google`) || !strings.Contains(w.Body.String(), `href="/sign-in/to/netid`) || !strings.Contains(w.Body.String(), "data-human") {
		t.Errorf("%d %s", w.Code, w.Body.String())
	}
	refused := 0
	for _, r := range s.portal.Routes() {
		if r.Public || r.Method != "GET" || strings.Contains(r.Pattern, "{") {
			continue
		}
		refused++
		if w := ask(r.Pattern); w.Code != 303 && w.Code != 401 || w.Code == 303 && !strings.HasPrefix(w.Header().Get("Location"), "/sign-in?") {
			t.Errorf("%s by nobody: %d %s", r.Pattern, w.Code, w.Header().Get("Location"))
		}
	}
	if refused < 10 {
		t.Errorf("%d pages need a sign-in", refused)
	}
}

// TestHolderSetting: each wrong setting is named by its key.
func TestHolderSetting(t *testing.T) {
	google := account.Provider{Provider: openid.Provider{ID: "google", Kind: openid.Google, Client: "c", SecretFile: "f"}}
	for name, x := range map[string]struct {
		set HolderSignIn
		key string
	}{
		"nothing": {HolderSignIn{}, ""}, "good": {HolderSignIn{Providers: []account.Provider{google}, Idle: time.Hour, Lifetime: time.Hour}, ""},
		"twice": {HolderSignIn{Providers: []account.Provider{google, google}}, "portal.sign_in.providers"}, "no client": {HolderSignIn{Providers: []account.Provider{{}}}, "portal.sign_in.providers"},
		"short": {HolderSignIn{Idle: time.Minute}, "portal.sign_in.idle"}, "longer than all": {HolderSignIn{Idle: 3 * time.Hour, Lifetime: 2 * time.Hour}, "portal.sign_in.idle"},
		"for ever": {HolderSignIn{Lifetime: 400 * 24 * time.Hour}, "portal.sign_in.lifetime"}, "at once": {HolderSignIn{ChangeDelay: time.Second}, "portal.sign_in.change_delay"},
	} {
		wrong := map[string]bool{}
		x.set.problems(func(bad bool, key, _ string, _ ...any) {
			if bad {
				wrong[key] = true
			}
		})
		if len(wrong) > 1 || x.key != "" && !wrong[x.key] || x.key == "" && len(wrong) != 0 {
			t.Errorf("%s: %v", name, wrong)
		}
	}
}
