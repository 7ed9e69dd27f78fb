package profile_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"turnstile/central/account"
	"turnstile/central/account/accounttest"
	"turnstile/central/console/consoletest"
	"turnstile/central/page"
	"turnstile/central/page/pagetest"
	"turnstile/central/portal"
	"turnstile/central/portal/human"
	"turnstile/central/portal/portaltest"
	"turnstile/central/portal/profile"
	"turnstile/central/portal/signin"
)

// serve serves the pages with accounts behind them.
func serve(t *testing.T) (*accounttest.Portal, *portal.Portal, string) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	base := strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	a := accounttest.Open(t, base)
	degrees := func(context.Context, string, portal.Language) ([]profile.Degree, error) {
		return []profile.Degree{{Award: "BSc in Computing", Institution: "Campus", Year: "2012"}}, nil
	}
	routes := slices.Concat(signin.Routes(a.Accounts, human.New([32]byte{1}, a.States, a.DB)), profile.Routes(profile.Services{Accounts: a.Accounts, Degrees: degrees}))
	p, err := portal.New(portal.Options{Auth: signin.Door{Accounts: a.Accounts}, Routes: routes, Nav: []portal.Nav{{Path: "/profile", Text: "Profile", Icon: "M0 0"}},
		Site: "Campus", Office: "the office, 1234 5678", Now: a.Now})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return a, p, base
}

// as is a phone on which a person is signed in.
func as(t *testing.T, a *accounttest.Portal, base, person string) *consoletest.Browser {
	t.Helper()
	b := portaltest.Phone(t, base)
	b.Cookie(a.CookieName(), a.SignIn(person))
	return b
}

// save presses the button of a form: the menu at the foot of a phone may lie over it.
func save(b *consoletest.Browser) {
	consoletest.Eval[bool](b, "document.querySelector('main form:not([hidden]) button').click() || true")
}

func TestProfilePages(t *testing.T) {
	a, _, base := serve(t)
	a.Register(accounttest.Lee, "lee@example.org")
	b := as(t, a, base, accounttest.Lee)
	look := func(name string) {
		t.Helper()
		b.Axe()
		portaltest.Narrow(t, b)
		b.Shot("portal-" + name)
	}
	b.Open("/profile")
	b.WaitText("LEE Siu")
	b.WaitText("are needed for the card")
	look("profile-empty")
	b.Open("/profile/contact")
	b.Fill("[name=phone]", "call me")
	b.Fill("[name=address]", "1 Yuk Choi Road")
	b.Fill("[name=country]", "Hong Kong")
	save(b)
	b.WaitText("Type a telephone number such as")
	look("contact-wrong")
	b.Fill("[name=phone]", "+852 2345 6789")
	b.Choose("[name=sees_phone]", "me")
	save(b)
	b.WaitText("Saved.")
	b.WaitText("+852 2345 6789")
	b.Open("/profile/career")
	b.Fill("[name=employer]", "Works <b>陳</b>")
	b.Fill("[name=from]", "20x4")
	save(b)
	b.WaitText("Type a year such as 2014")
	look("career-wrong")
	b.Fill("[name=from]", "2014")
	b.Choose("[name=sees_career]", "alumni")
	save(b)
	b.WaitText("Works <b>陳</b>")
	b.WaitText("The office and alumni")
	look("profile")
	for path, text := range map[string]string{"/profile/data": "One file", "/profile/erase": "cannot be undone", "/profile/sign-in/address": "New email address", "/profile/education": "Institution", "/profile/achievements": "Achievement"} {
		b.Open(path)
		b.WaitText(text)
		look(strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "-"))
	}
	if p, err := a.Profile(t.Context(), accounttest.Lee); err != nil || !p.ContactComplete() || p.Viewer(account.Phone) != account.OnlyMe || len(p.Career) != 1 {
		t.Errorf("%+v %v", p, err)
	}
}

// TestWays makes a passkey, signs in with it, and ends another browser's session.
func TestWays(t *testing.T) {
	a, _, base := serve(t)
	a.Register(accounttest.Lee, "lee@example.org")
	b := as(t, a, base, accounttest.Lee)
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	b.Open("/profile/sign-in")
	b.WaitText("This browser")
	b.Fill("form[data-passkey] [name=label]", "My phone")
	b.Click("form[data-passkey] button")
	b.WaitText("Take away")
	b.Axe()
	portaltest.Narrow(t, b)
	b.Shot("portal-ways")
	if l := a.Letter("lee@example.org", 1); l.Kind != "method_added" {
		t.Errorf("told %s", l.Kind)
	}
	b.Choose("[name=lang]", "zh-Hant")
	b.Click("form[action$='/language'] button.second")
	b.WaitText("登入方式")
	b.Axe()
	b.Shot("portal-ways-zh")
	b.Click("form[action='/profile/sign-in/everywhere'] button")
	b.Wait("location.pathname == '/sign-in'")
	b.Open("/sign-in?next=/profile/sign-in")
	b.Click("form[data-passkey] button")
	b.Wait("location.pathname == '/profile/sign-in'")
	b.WaitText("此瀏覽器")
}

// TestDevice: a holder knows their browsers again.
func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                         "Chrome, Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari, iPhone",
		"Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1":       "Chrome, iPad",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge, Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0":                                                                  "Firefox, Linux",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                   "Safari, Mac",
		"curl/8": "curl/8", "": "",
	} {
		if got := profile.Device(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

// caller asks as a person, with a session that is so old.
type caller struct {
	t    *testing.T
	site http.Handler
	name string
}

func (c caller) ask(method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		r.AddCookie(&http.Cookie{Name: c.name, Value: token})
	}
	w := httptest.NewRecorder()
	c.site.ServeHTTP(w, r)
	return w
}

// TestOwners: what is another's is answered as what is not there, and every page
// asks for a sign-in.
func TestOwners(t *testing.T) {
	a, site, _ := serve(t)
	a.Register(accounttest.Lee, "lee@example.org")
	a.Register(accounttest.Chan, "chan@example.org")
	lee, mine := a.SignIn(accounttest.Lee), a.SignIn(accounttest.Chan)
	c := caller{t, site, a.CookieName()}
	if w := c.ask("GET", "/profile", lee, ""); w.Code != 200 || !strings.Contains(w.Body.String(), "LEE Siu") {
		t.Fatal(w.Code, w.Body.String())
	}
	asked := 0
	for _, r := range site.Routes() {
		if !strings.HasPrefix(r.Pattern, "/profile") {
			continue
		}
		asked++
		if w := c.ask(r.Method, r.Pattern, "", "id=x"); w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in?") {
			t.Errorf("%s %s by nobody: %d %s", r.Method, r.Pattern, w.Code, w.Header().Get("Location"))
		}
	}
	if asked < 20 {
		t.Errorf("%d pages", asked)
	}
	for _, x := range []struct{ path, theirs, none string }{
		{"/profile/sign-in/end", "id=" + account.TokenHash(mine), "id=none"},
		{"/profile/sign-in/passkey/remove", "id=a2V5", "id=eA"},
		{"/profile/sign-in/unlink", "issuer=https://id.example&subject=s-1", "issuer=x&subject=y"},
		{"/profile/sign-in/keep", "", ""},
	} {
		theirs, none := c.ask("POST", x.path, lee, x.theirs), c.ask("POST", x.path, lee, x.none)
		if theirs.Code != 404 || none.Code != 404 || theirs.Body.String() != none.Body.String() {
			t.Errorf("%s: %d and %d", x.path, theirs.Code, none.Code)
		}
	}
	if w := c.ask("GET", "/profile", mine, ""); w.Code != 200 {
		t.Errorf("the other's session ended: %d", w.Code)
	}
	// A sign-in of an hour ago is not enough for what takes data or ways away.
	a.Wait(time.Hour)
	again := 0
	for _, r := range site.Routes() {
		if !r.Recent {
			continue
		}
		again++
		if w := c.ask(r.Method, r.Pattern, lee, ""); w.Code != 303 || !strings.Contains(w.Header().Get("Location"), "again=1") {
			t.Errorf("%s %s an hour later: %d %s", r.Method, r.Pattern, w.Code, w.Header().Get("Location"))
		}
	}
	if again < 8 {
		t.Errorf("%d pages ask for a recent sign-in", again)
	}
}

// TestData takes the data away and erases them.
func TestData(t *testing.T) {
	a, site, _ := serve(t)
	a.Register(accounttest.Lee, "lee@example.org")
	token := a.SignIn(accounttest.Lee)
	c := caller{t, site, a.CookieName()}
	w := c.ask("POST", "/profile/data", token, "")
	var e account.Export
	if w.Code != 200 || json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Person != accounttest.Lee || !strings.Contains(w.Header().Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %s", w.Code, w.Body.String())
	}
	if w := c.ask("POST", "/profile/erase", token, ""); w.Code != 422 {
		t.Errorf("not sure: %d", w.Code)
	}
	if w := c.ask("POST", "/profile/erase", token, "sure=1"); w.Code != 303 || w.Header().Get("Clear-Site-Data") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := c.ask("GET", "/profile", token, ""); w.Code != 303 {
		t.Errorf("after the erasure: %d", w.Code)
	}
}

func TestWords(t *testing.T) {
	pagetest.CheckWords(t, portal.Translated, profile.Files(), ".", profile.Texts, 60)
	if len(profile.Said()) < 20 {
		t.Error(profile.Said())
	}
	for _, text := range profile.Said() {
		if !portal.Translated(profile.Texts, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
}

// FuzzRows reads whatever as the rows of a form.
func FuzzRows(f *testing.F) {
	f.Add("employer=a&employer=b&title=&from=2014")
	f.Add("until=%ff&employer=%00")
	f.Add(strings.Repeat("employer=x&", 100))
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/profile/career", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.ParseForm()
		rows := profile.ReadRows(&portal.Request{Exchange: page.NewExchange(&page.Site{}, httptest.NewRecorder(), r)})
		for _, row := range rows {
			if len(row) != 4 || strings.Join(row, "") == "" || slices.ContainsFunc(row, func(s string) bool { return len(s) > 6100 }) {
				t.Errorf("%q", row)
			}
		}
		if len(rows) > 30 {
			t.Errorf("%d rows", len(rows))
		}
	})
}
