package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/central/portal/portaltest"
	"turnstile/central/server"
)

// fetched reads what the portal serves to a program.
func fetched(t *testing.T, url string) (body []byte, header http.Header) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, answer.StatusCode, err)
	}
	return body, answer.Header
}

// TestHomeScreen is what makes the portal an app of a phone: the manifest with its
// icons, a worker that has the start page, little to load, and nothing from elsewhere.
func TestHomeScreen(t *testing.T) {
	g := server.OpenStage(t)
	phone := portaltest.Phone(t, g.URL)
	var mu sync.Mutex
	asked := map[string]bool{}
	err := chromedp.Listen(phone.Ctx, func(ev any) {
		if e, ok := ev.(*network.EventRequestWillBeSent); ok {
			mu.Lock()
			defer mu.Unlock()
			asked[e.Request.URL] = true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	phone.Cookie(g.Session("active-en", 0))
	before := g.Sent()
	phone.Open("/card/code")
	phone.Wait("document.querySelector('#symbol canvas')")
	phone.Wait("navigator.serviceWorker.controller && caches.keys().then((k) => { window.kept = k.some((n) => n.startsWith('files-')); }) && window.kept")
	manifest := installable(t, phone)
	if sum := g.Sent() - before; sum > 150_000 || sum < 40_000 {
		t.Errorf("the page with the code, all that it loads, and what the phone keeps are %d bytes", sum)
	}
	mu.Lock()
	for url := range asked {
		if !strings.HasPrefix(url, g.URL+"/") {
			t.Errorf("the page asks %s", url)
		}
	}
	if len(asked) < 6 {
		t.Errorf("%d requests seen", len(asked))
	}
	mu.Unlock()
	isManifest(t, g.URL, manifest)
	_, header := fetched(t, g.URL+"/install")
	if policy := header.Get("Content-Security-Policy"); policy == "" || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
		t.Errorf("the policy is %q", policy)
	}
	hints(t, phone)
	// The page for no network is kept in the language that is read.
	phone.Open("/install")
	phone.Click("button[value=zh-Hant]")
	phone.WaitText("加到主畫面")
	phone.Wait("caches.match('/offline').then((r) => r.text()).then((x) => { window.offline = x.includes('沒有網絡'); }) && window.offline")
	g.Close()
	phone.Open("/guests")
	phone.WaitText("沒有網絡")
	phone.Shot("portal-offline-zh")
}

// installable returns the manifest, of a page that the browser would put on the home
// screen.
func installable(t *testing.T, b *consoletest.Browser) (text string) {
	t.Helper()
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		found, err := chromedp.Call(ctx, page.GetAppManifest, page.GetAppManifestParams{})
		if err != nil {
			return err
		}
		for _, e := range found.Errors {
			t.Errorf("the manifest: %s", e.Message)
		}
		wrong, err := chromedp.Call(ctx, page.GetInstallabilityErrors, cdp.Empty{})
		if err != nil {
			return err
		}
		for _, e := range wrong.InstallabilityErrors {
			t.Errorf("not installable: %s", e.ErrorID)
		}
		text = found.Data
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// isManifest looks at the fields that phones need, and at each icon.
func isManifest(t *testing.T, url, text string) {
	t.Helper()
	var m struct {
		Name, Display, Scope, Lang string
		ShortName                  string `json:"short_name"`
		StartURL                   string `json:"start_url"`
		Theme                      string `json:"theme_color"`
		Background                 string `json:"background_color"`
		Icons                      []struct{ Src, Sizes, Type, Purpose string }
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if m.Name != "Campus Campus card" || len(m.ShortName) > 12 || m.ShortName == "" || m.StartURL != "/card/code" || m.Scope != "/" || m.Display != "standalone" || m.Lang != "en" || m.Background == "" {
		t.Errorf("%+v", m)
	}
	if body, _ := fetched(t, url+"/install"); !bytes.Contains(body, []byte(`<meta name="theme-color" content="`+m.Theme+`">`)) {
		t.Errorf("the theme's colour %s is not that of the pages", m.Theme)
	}
	found := ""
	for _, icon := range m.Icons {
		data, header := fetched(t, url+icon.Src)
		size, err := png.DecodeConfig(bytes.NewReader(data))
		if err != nil || fmt.Sprintf("%dx%d", size.Width, size.Height) != icon.Sizes || header.Get("Content-Type") != icon.Type || !strings.Contains(header.Get("Cache-Control"), "immutable") {
			t.Errorf("%+v: %+v, %v, %v", icon, size, header, err)
		}
		found += icon.Sizes + " " + icon.Purpose + "; "
	}
	if found != "192x192 any; 512x512 any; 512x512 maskable; " {
		t.Errorf("icons: %s", found)
	}
}

// hints are what each kind of phone is told first.
func hints(t *testing.T, b *consoletest.Browser) {
	t.Helper()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "iPhone, in Safari",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                         "Android, in Chrome",
	} {
		err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			// What a worker asks for has the headers of this very browser.
			if _, err := chromedp.Call(ctx, network.SetBypassServiceWorker, network.SetBypassServiceWorkerParams{Bypass: true}); err != nil {
				return err
			}
			_, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"User-Agent": agent}})
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
		b.Open("/install")
		if first := b.Text("main h2"); first != want {
			t.Errorf("%s is told %q first", want, first)
		}
		b.Shot("portal-install-" + strings.ToLower(want[:6]))
	}
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.SetBypassServiceWorker, network.SetBypassServiceWorkerParams{})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// TestPortalByKeyboard: the first key leads past the header, the next ones through
// the menu; and a button that is pressed twice sends once.
func TestPortalByKeyboard(t *testing.T) {
	g := server.OpenStage(t)
	phone := portaltest.Phone(t, g.URL)
	phone.Cookie(g.Session("active-en", 0))
	phone.Open("/card")
	phone.Press("\t")
	if first := consoletest.Eval[string](phone, "document.activeElement.getAttribute('href') + ' ' + (document.activeElement.getBoundingClientRect().left >= 0)"); first != "#main true" {
		t.Errorf("first: %s", first)
	}
	phone.Press("\r")
	phone.Wait("document.activeElement.id === 'main'")
	phone.Press("\t")
	if next := consoletest.Eval[bool](phone, "document.querySelector('main').contains(document.activeElement)"); !next {
		t.Error("behind the skip link is not the content")
	}
	phone.Open("/card")
	reached := ""
	for range 8 {
		phone.Press("\t")
		reached += consoletest.Eval[string](phone, "(document.activeElement.getAttribute('href') || document.activeElement.tagName) + ' '")
	}
	if reached != "#main / BUTTON BUTTON /card /guests /profile /netid " {
		t.Errorf("keys reach %s", reached)
	}
	phone.Open("/guests/new")
	const twice = `(() => {
		let sent = 0;
		window.addEventListener('submit', (e) => { if (!e.defaultPrevented) sent++; e.preventDefault(); });
		const form = document.querySelector('main form');
		form.requestSubmit();
		form.requestSubmit();
		return sent + ' ' + form.getAttribute('aria-busy');
	})()`
	if sent := consoletest.Eval[string](phone, twice); sent != "1 true" {
		t.Errorf("pressed twice: %s", sent)
	}
}

// TestPortalPasskey makes a passkey with an authenticator of Chromium's, signs in with
// it by the button and by the field that offers it, takes it away, and is not let in
// with it any more.
func TestPortalPasskey(t *testing.T) {
	g := server.OpenStage(t)
	phone := portaltest.Phone(t, g.URL)
	err := chromedp.Do(phone.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
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
	phone.Cookie(g.Session("keyed-en", 0))
	signsOut := func() {
		t.Helper()
		phone.Click("form[action='/sign-out'] button")
		phone.Wait("location.pathname === '/sign-in'")
	}
	offers := withoutOffer(t, phone)
	phone.Open("/profile/sign-in")
	phone.Fill("form[data-passkey] [name=label]", "My phone")
	phone.Click("form[data-passkey] button")
	phone.WaitText("Take away")
	signsOut()
	phone.Open("/sign-in?next=/profile/sign-in")
	phone.Click("form[data-passkey] button")
	phone.Wait("location.pathname === '/profile/sign-in'")
	phone.WaitText("My phone")
	phone.Shot("portal-passkey")
	signsOut()
	offers() // and the authenticator takes it by itself
	phone.Open("/sign-in?next=/profile/sign-in")
	phone.Wait("location.pathname === '/profile/sign-in'")
	withoutOffer(t, phone)
	phone.Click("form[action='/profile/sign-in/passkey/remove'] button")
	phone.WaitText("Taken away.")
	signsOut()
	phone.Click("form[data-passkey] button")
	phone.WaitText("This passkey was not accepted")
	phone.Shot("portal-passkey-refused")
}

// withoutOffer makes the browser one that offers no passkeys in a field, until offers
// is called.
func withoutOffer(t *testing.T, b *consoletest.Browser) (offers func()) {
	t.Helper()
	var made page.AddScriptToEvaluateOnNewDocumentResult
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) (err error) {
		made, err = chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete PublicKeyCredential.isConditionalMediationAvailable"})
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, page.RemoveScriptToEvaluateOnNewDocument, page.RemoveScriptToEvaluateOnNewDocumentParams{Identifier: made.Identifier})
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
}
