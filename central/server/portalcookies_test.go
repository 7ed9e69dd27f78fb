package server

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/central/database"
	"turnstile/central/letters"
	"turnstile/central/netid/provider"
	"turnstile/central/register"
)

// safely is a browser that comes over HTTPS, and looks at each cookie.
type safely struct {
	t    *testing.T
	s    *opened
	kept map[string]*http.Cookie
}

func (b *safely) ask(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, "https://ecard.example"+path, strings.NewReader(form.Encode()))
	r.TLS = &tls.ConnectionState{}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range b.kept {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.s.portalServer.Handler.ServeHTTP(w, r)
	if w.Header().Get("Strict-Transport-Security") == "" {
		b.t.Errorf("%s: %d, and browsers are not told to stay with HTTPS", path, w.Code)
	}
	for _, c := range w.Result().Cookies() {
		if b.kept[c.Name] = c; !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Domain != "" {
			b.t.Errorf("%s sets %+v", path, c)
		}
	}
	return w
}

var slowLane = regexp.MustCompile(`name="slow" value="([^"]+)"`)

// TestPortalCookies: each cookie of the portal, the NetID's included, goes over HTTPS
// alone and is read by no script, and no answer lets browsers leave HTTPS.
func TestPortalCookies(t *testing.T) {
	c := withNetID(t)
	c.Portal.URL = "https://ecard.example"
	var shift atomic.Int64
	c.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	s := openCentral(t, c)
	t.Cleanup(s.stop)
	_, bad, err := registry{s.central}.Put(t.Context(), "test", register.Persons, []map[string]string{{"id": "anna", "surname": "CHAN", "given": "Tai Man"}}, false)
	if must(t, err); len(bad) > 0 {
		t.Fatal(bad)
	}
	_, err = s.db.AddAccount(t.Context(), database.Account{Person: "anna", Address: "anna@mail.example", Folded: "anna@mail.example", Handle: "anna's", Created: 1})
	must(t, err)
	b := &safely{t, s, map[string]*http.Cookie{}}
	// sends sends a form after as long as a browser without scripts has to wait.
	sends := func(path string, form url.Values) {
		t.Helper()
		slow := slowLane.FindStringSubmatch(b.ask("GET", path, nil).Body.String())
		if slow == nil {
			t.Fatalf("%s has no slow lane", path)
		}
		shift.Add(int64(11 * time.Second))
		form.Set("slow", slow[1])
		if w := b.ask("POST", path, form); w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	b.ask("POST", "/language", url.Values{"to": {"en"}})
	sends("/sign-in", url.Values{"address": {"anna@mail.example"}})
	rows, err := s.db.LettersTo(t.Context(), "anna@mail.example", 1)
	must(t, err)
	box, err := s.box()
	must(t, err)
	l, err := letters.Open(box, rows[0].ID, rows[0].Sealed)
	must(t, err)
	if w := b.ask("POST", "/sign-in/code", url.Values{"code": {mailedDigits.FindString(l.Text)}}); w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	b.ask("POST", "/profile/sign-in/language", url.Values{"lang": {"en"}})
	sends("/netid/reset", url.Values{"netid": {"nobody"}})
	b.ask("GET", provider.Path+"/authorize?response_type=code&scope=openid&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&client_id=library&redirect_uri=https://library.example/back", nil)
	if len(b.kept) != 7 { // session, browser, browser known again, language, message, NetID's journey, sign-in with it
		t.Errorf("%d cookies: %v", len(b.kept), b.kept)
	}
}
