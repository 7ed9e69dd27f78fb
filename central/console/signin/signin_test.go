package signin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/console/signin"
	"turnstile/central/page"
	"turnstile/central/rights"
	"turnstile/central/server"
)

// invite makes a person and returns the path of the link to register with.
func invite(t *testing.T, o *consoletest.Office, name string, roles ...rights.Role) string {
	t.Helper()
	people, closer, err := server.OpenPeople(t.Context(), o.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if len(roles) > 0 {
		if err := people.Add(t.Context(), "test", name, roles); err != nil {
			t.Fatal(err)
		}
	}
	i, err := people.Invite(t.Context(), "test", name)
	if err != nil {
		t.Fatal(err)
	}
	_, path, ok := strings.Cut(i.URL, console.Base)
	if !ok || !strings.HasPrefix(i.URL, strings.Replace(o.URL, "127.0.0.1", "localhost", 1)+console.Base+"/join?token=") {
		t.Errorf("invited with %s", i.URL)
	}
	return path
}

// authenticator gives the browser a virtual one, as a phone has.
func authenticator(t *testing.T, b *consoletest.Browser) webauthn.AuthenticatorID {
	t.Helper()
	var id webauthn.AuthenticatorID
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		r, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}})
		id = r.AuthenticatorID
		return err
	}))
	if err != nil {
		t.Fatalf("add an authenticator: %v", err)
	}
	return id
}

func verified(t *testing.T, b *consoletest.Browser, id webauthn.AuthenticatorID, yes bool) {
	t.Helper()
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: id, IsUserVerified: yes})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// TestPasskey registers with a passkey, signs out and in with it.
func TestPasskey(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t)
	link := invite(t, o, "chan", rights.Admin)
	b.Open("/account")
	b.Wait("location.pathname.endsWith('/sign-in')") // nobody is signed in
	b.WaitText("With a password")
	b.Axe()
	b.Shot("sign-in")
	device := authenticator(t, b)
	b.Open(link)
	b.WaitText("Your account is chan")
	b.Axe()
	b.Shot("join")
	b.Fill("form[data-passkey] [name=label]", "My phone <b>陳</b>")
	b.Click("form[data-passkey] button")
	b.Wait("!location.pathname.endsWith('/join')")
	b.Open("/account")
	b.WaitText("My phone <b>陳</b>")
	b.Axe()
	b.Shot("account")
	b.Open(link)
	b.WaitText("This link was used, or has expired")
	// The only way in cannot be thrown away.
	b.Open("/account")
	b.Click("form[action$='/passkey/remove'] button")
	b.WaitText("the only way to sign in")

	verified(t, b, device, false)
	b.Open("/account")
	b.Click("form[action$='/sign-out'] button")
	b.Wait("location.pathname.endsWith('/sign-in')")
	b.Open("/sign-in?next=/office/account")
	b.Click("form[data-passkey] button")
	b.WaitText("Nothing was chosen") // the phone does not know its owner
	verified(t, b, device, true)
	b.Click("form[data-passkey] button")
	b.Wait("location.pathname.endsWith('/account')")
	b.Click("form[action$='/sign-out'] button")
	// Autofill offers the passkey; the virtual phone takes the offer by itself.
	b.Wait("!location.pathname.endsWith('/sign-in') && document.querySelector('form[action$=\"/sign-out\"]')")
}

// TestWithoutScripts registers with a password, signs out and in with it, and
// changes the account, in Chinese, in a browser without JavaScript.
func TestWithoutScripts(t *testing.T) {
	o := consoletest.Start(t)
	b := o.As(t)
	b.Scripts(false)
	axe := func() { // which is a script, and waits for itself
		t.Helper()
		b.Scripts(true)
		b.Axe()
		b.Scripts(false)
	}
	b.Open(invite(t, o, "lee", rights.Auditor))
	b.WaitText("Passkeys need JavaScript")
	fill := func(password string) string {
		key := b.Text("code.key")
		code, err := totp.GenerateCode(strings.ReplaceAll(key, " ", ""), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b.Fill("[name=password]", password)
		b.Fill("[name=code]", code)
		b.Click("form[action$='/join/password'] button")
		return key
	}
	key := fill("passwordpassword")
	b.WaitText("first that somebody would try")
	if again := fill("a walrus in the library"); again != key {
		t.Error("the app would have to be set up again after a mistake")
	}
	b.WaitText("Keep these codes")
	axe()
	if n := consoletest.Eval[int](b, "document.querySelectorAll('code.recovery').length"); n != 10 {
		t.Errorf("%d recovery codes", n)
	}
	recovery := b.Text("code.recovery")
	b.Open("/account")
	b.WaitText("Recovery codes left: 10")
	b.Choose("[name=lang]", "zh-Hant")
	b.Click("form[action$='/account/language'] button")
	b.WaitText("我的帳戶")
	axe()
	b.Shot("account-zh")
	b.Click("form[action$='/account/everywhere'] button")
	b.WaitText("With a password") // the browser asks for English
	for _, try := range []struct{ password, code, want string }{
		{"a walrus in the library", "000000", "do not belong together"}, {"a walrus in the librarY", recovery, "do not belong together"}, {"a walrus in the library", strings.ToLower(recovery), "lee"},
	} {
		b.Open("/sign-in?next=/office/account")
		b.Fill("[name=name]", "LEE")
		b.Fill("[name=password]", try.password)
		b.Fill("[name=code]", try.code)
		b.Click("form[action$='/sign-in'] button")
		b.WaitText(try.want)
	}
	b.WaitText("剩餘備用驗證碼：9")
}

// TestStepUp asks for a new sign-in before a deed that needs a recent one.
func TestStepUp(t *testing.T) {
	var late atomic.Int64
	o := consoletest.Start(t, func(c *server.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(late.Load())) }
	})
	b := o.As(t, rights.Issuer)
	b.Open("/account/password")
	b.WaitText("Scan this")
	late.Store(int64(console.Recent + time.Second))
	b.Open("/account/password")
	b.WaitText("confirm that it is you")
	if to := b.Path(); !strings.Contains(to, "again=1") || !strings.Contains(to, url.QueryEscape("/office/account/password")) {
		t.Errorf("asked at %s", to)
	}
	b.Axe()
	b.Open("/account")
	b.WaitText("Where you are signed in") // which needs none
}

// TestBadInput sends what no form of ours sends.
func TestBadInput(t *testing.T) {
	o := consoletest.Start(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	link := invite(t, o, "chan", rights.Issuer)
	long := strings.Repeat("x", 70<<10)
	for n, c := range []struct {
		method, path, kind, body string
		want                     int
	}{
		{"POST", "/sign-in", "form", "", 403}, {"POST", "/sign-in", "form", "name=%00&password=%ff&code=<script>", 403},
		{"POST", "/sign-in", "form", "name=" + long, 413}, {"POST", "/sign-in", "form", "name=a&name=b&password=" + strings.Repeat("y", 2000), 403},
		{"POST", "/sign-in/passkey", "json", "", 422}, {"POST", "/sign-in/passkey", "json", "{}", 409}, {"POST", "/sign-in/passkey", "json", `{"x":1}`, 422},
		{"POST", "/sign-in/passkey", "json", `{"state":"` + long + `"}`, 413}, {"POST", "/sign-in/passkey", "json", "[" + strings.Repeat("[", 5000), 422},
		{"GET", "/join", "", "", 404}, {"GET", "/join?token=%00", "", "", 422}, {"GET", link + "x", "", "", 404},
		{"POST", "/join/password", "form", strings.TrimPrefix(link, "/join?") + "&state=x&password=short&code=1", 422},
		{"POST", "/join/passkey", "json", `{"token":"` + strings.TrimPrefix(link, "/join?token=") + `","state":"","answer":{}}`, 409},
		{"GET", "/openid/none", "", "", 409}, {"GET", "/openid/none?state=x&code=y", "", "", 409}, {"GET", "/sign-in/openid/none", "", "", 503},
		{"POST", "/sign-out", "form", "", 303}, {"POST", "/account/everywhere", "form", "", 303},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, o.URL+console.Base+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		switch c.kind {
		case "form":
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		case "json":
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/json")
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != c.want {
			t.Errorf("%d: %s %s %.60q: %s, want %d: %.200s", n, c.method, c.path, c.body, answer.Status, c.want, text)
		}
		if strings.Contains(string(text), "<script>") || strings.Contains(answer.Header.Get("Set-Cookie"), "turnstile=") {
			t.Errorf("%d: answered %.300s", n, text)
		}
	}
	// Another site's page cannot sign anybody in or out.
	for _, header := range []string{"cross-site", "same-site"} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", o.URL+console.Base+"/sign-in", strings.NewReader("name=a"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", header)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden || fmt.Sprint(answer.Header["Set-Cookie"]) != "[]" {
			t.Errorf("from a %s page: %s", header, answer.Status)
		}
	}
}

// TestNext never leads to another site.
func TestNext(t *testing.T) {
	for to, want := range map[string]string{"/office/passes?x=1": "/passes?x=1", "https://evil.example": "/", "//evil.example": "/", "/office//evil.example": "/",
		"/office/\\evil.example": "/", "/officeevil": "/", "": "/", "/office/sign-out": "/", "javascript:alert(1)": "/"} {
		r := &console.Request{Exchange: &page.Exchange{Request: &http.Request{Form: url.Values{"next": {to}}}}}
		if got := signin.Next(r); got != want {
			t.Errorf("%q leads to %q, want %q", to, got, want)
		}
	}
}

func TestWords(t *testing.T) { consoletest.CheckWords(t, signin.Files(), ".", signin.Texts, 60) }
