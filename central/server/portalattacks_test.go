package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"turnstile/central/netid/provider"
	"turnstile/central/portal"
)

// ask sends a request of a tab with headers of the sender's choice, in pairs.
func (b *tab) ask(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, b.w.portalURL()+path, strings.NewReader(form.Encode()))
	r.RemoteAddr = b.from
	r.Header.Set("Content-Type", formKind)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	out := httptest.NewRecorder()
	b.w.portalServer.Handler.ServeHTTP(out, r)
	return out
}

// TestForeignForms sends every form from another site's page, in the browser of who
// is signed in: nothing takes it, but where a provider answers, and that one takes
// nothing that did not begin here.
func TestForeignForms(t *testing.T) {
	w := openWorld(t, "")
	w.inhabit(xylo)
	b := w.tab().join(xylo)
	sites := [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site", "X-Forwarded-Host", "evil.example", "Origin", "https://evil.example"}}
	kept, taken := 0, 0
	for _, r := range append(w.portal.Routes(), portal.Route{Method: http.MethodPost, Pattern: provider.Path + "/authorize/x"}, portal.Route{Method: http.MethodPost, Pattern: provider.Path + "/logout"}) {
		for _, site := range sites {
			if r.Method != http.MethodPost {
				continue
			}
			out := b.ask(r.Method, fill(r.Pattern), url.Values{"to": {"en"}, "code": {"x"}, "state": {"y"}}, site...)
			switch {
			case !r.Foreign:
				if kept++; out.Code != http.StatusForbidden {
					t.Errorf("%s from %v: %d", r.Pattern, site, out.Code)
				}
			case out.Code >= 500 || sets(out) || out.Header().Get("Location") != "":
				t.Errorf("%s from %v: %d %v %v", r.Pattern, site, out.Code, out.Header()["Location"], out.Header()["Set-Cookie"])
			default:
				taken++
			}
		}
	}
	if kept < 100 || taken != len(sites) {
		t.Errorf("%d were kept out, %d let in", kept, taken)
	}
	if b.get("/profile").Code != http.StatusOK {
		t.Error("the holder was signed out")
	}
}

// sets reports whether an answer gives the browser a cookie; a message that was shown
// is taken away.
func sets(out *httptest.ResponseRecorder) bool {
	return slices.ContainsFunc(out.Result().Cookies(), func(c *http.Cookie) bool { return c.MaxAge >= 0 })
}

// TestEveryHeader: no page is kept by a cache, told to another site, or shown in a
// frame; none lets a script of its own text run; and no cookie is read by scripts.
func TestEveryHeader(t *testing.T) {
	w := openWorld(t, "")
	w.inhabit(xylo)
	pages := 0
	for name, b := range map[string]*tab{"nobody": w.tab(), "a holder": w.tab().join(xylo)} {
		for _, r := range append(w.portal.Routes(), portal.Route{Method: http.MethodGet, Pattern: provider.Path + "/authorize"}, portal.Route{Method: http.MethodGet, Pattern: provider.Path + "/logout"}) {
			if r.Method != http.MethodGet || r.Hidden && r.Public {
				continue
			}
			pages++
			out := b.ask(r.Method, fill(r.Pattern), nil)
			h, csp := out.Header(), out.Header().Get("Content-Security-Policy")
			if !strings.Contains(h.Get("Cache-Control"), "no-store") || h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s for %s: %d %v", r.Pattern, name, out.Code, h)
			}
			if !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") {
				t.Errorf("%s for %s: %s", r.Pattern, name, csp)
			}
			for _, c := range out.Result().Cookies() {
				if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Domain != "" {
					t.Errorf("%s for %s: %v", r.Pattern, name, c)
				}
			}
		}
	}
	if pages < 60 {
		t.Errorf("%d pages", pages)
	}
}

// TestHostHeader: what a client calls this host stands in no letter and no link, and
// leads nobody away.
func TestHostHeader(t *testing.T) {
	w := openWorld(t, "")
	w.inhabit(xylo)
	b := w.tab().join(xylo)
	for _, path := range []string{"/sign-in", "/profile", "/netid/reset", "/", "/manifest.webmanifest", "/openid/.well-known/openid-configuration"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host, r.RemoteAddr = "evil.example", b.from
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("Forwarded", "host=evil.example")
		out := httptest.NewRecorder()
		w.portalServer.Handler.ServeHTTP(out, r)
		if text := fmt.Sprint(out.Header(), out.Body); out.Code >= 400 || strings.Contains(text, "evil.example") {
			t.Errorf("%s: %d %.400s", path, out.Code, text)
		}
	}
	out := b.ask(http.MethodPost, "/sign-in", w.worked(url.Values{"address": {"nobody@old.example"}}), "X-Forwarded-Host", "evil.example")
	rows, err := w.db.LettersTo(t.Context(), "nobody@old.example", 1)
	must(t, err)
	if out.Code != http.StatusSeeOther || len(rows) != 1 || strings.Contains(w.said(rows[0]), "evil.example") || !strings.Contains(w.said(rows[0]), w.portalURL()) {
		t.Errorf("%d %v", out.Code, rows)
	}
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "/%5cevil.example", "/\t/evil.example", "javascript:alert(1)", "/x\r\nLocation: https://evil.example"} {
		out := b.ask(http.MethodGet, "/sign-in?"+url.Values{"next": {next}}.Encode(), nil)
		to, err := url.Parse(out.Header().Get("Location"))
		if err != nil || to.Host != "" || to.Scheme != "" || strings.HasPrefix(to.Path, "//") || strings.Contains(to.Path, "\\") && next != "/%5cevil.example" || len(out.Header()["Location"]) > 1 {
			t.Errorf("%q leads to %v", next, out.Header()["Location"])
		}
	}
}

// TestForwarded: who is no proxy of ours has one network, whatever the headers say;
// a whole /64 is one as well.
func TestForwarded(t *testing.T) {
	w := openWorld(t, "")
	for name, from := range map[string]func(n int) (address string, headers []string){
		"headers": func(n int) (string, []string) {
			hop := fmt.Sprintf("203.0.113.%d", n)
			return "192.0.2.1:1", []string{"X-Forwarded-For", hop, "Forwarded", "for=" + hop, "X-Real-Ip", hop}
		},
		"a /64": func(n int) (string, []string) { return fmt.Sprintf("[2001:db8:ffff:1:%x::%x]:1", n, n), nil },
	} {
		let, slowed := 0, 0
		for n := range 60 {
			b := w.tab()
			address, headers := from(n)
			b.from = address
			switch out := b.ask(http.MethodPost, "/sign-in", w.worked(url.Values{"address": {fmt.Sprintf("%c%c@old.example", 'a'+n%26, 'a'+n/26)}}), headers...); out.Code {
			case http.StatusSeeOther:
				let++
			case http.StatusTooManyRequests:
				slowed++
			default:
				t.Fatalf("%s: %d %s", name, out.Code, out.Body)
			}
		}
		if let < 20 || let > 40 || let+slowed != 60 {
			t.Errorf("%s: %d were let, %d slowed", name, let, slowed)
		}
	}
}

// heard is a log that goroutines write at once.
type heard struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

// TestPortalLog: of a day of holders the log has requests, and neither who they are,
// nor their codes, addresses, tokens and passwords.
func TestPortalLog(t *testing.T) {
	log := &heard{}
	w := openWorld(t, "", func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.inhabit(xylo, bob)
	b := w.tab().join(xylo)
	has := b.furnish(xylo)
	secrets := []string{xylo.surname, xylo.personal, xylo.email, bob.email, has.token, has.netID, has.session, w.code(xylo.email)}
	w.tab().join(bob)
	thief := w.tab()
	thief.post("/sign-in", url.Values{"address": {bob.email}})
	thief.post("/sign-in/code", url.Values{"code": {"31415926"}})
	thief.send(http.MethodPost, thief.authorize(), url.Values{"netid": {has.netID}, "password": {"not the password"}}.Encode(), formKind)
	thief.post("/netid/reset", url.Values{"netid": {has.netID}})
	thief.get("/openid/authorize?client_id=library&redirect_uri=https://evil.example/&state=SECRETSTATE")
	secrets = append(secrets, "31415926", "not the password", "SECRETSTATE", "evil.example")
	for _, jar := range []map[string]string{b.cookies, thief.cookies} {
		for _, value := range jar {
			secrets = append(secrets, value)
		}
	}
	text := log.text.String()
	if strings.Count(text, "msg=request") < 20 {
		t.Fatalf("the log is short: %s", text)
	}
	for _, s := range secrets {
		if len(s) < 3 || strings.Contains(text, s) {
			t.Errorf("the log has %q", s)
		}
	}
}
