package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/central/portal"
	"turnstile/central/portal/portaltest"
	"turnstile/central/server"
)

// noHolderPages are the routes that answer with a file, a redirect, or what a script
// reads; and the deeds that are wrong only for who was not shown their form.
func noHolderPages() []string {
	return []string{
		"GET /{$}", "GET /static/{name}", "GET /sw.js", "GET /manifest.webmanifest", "POST /language", "GET /card/photo.jpg", "GET /card/codes",
		"GET /sign-in/passkey.js", "GET /sign-in/relay.js", "POST /sign-in/passkey/begin", "POST /sign-in/passkey", "POST /sign-out",
		"POST /guests/{number}/cancel", "POST /profile/data",
		"POST /profile/sign-in/language", "POST /profile/sign-in/keep", "POST /profile/sign-in/passkey/begin", "POST /profile/sign-in/passkey", "POST /profile/sign-in/passkey/remove",
		"POST /profile/sign-in/unlink", "POST /profile/sign-in/end", "POST /profile/sign-in/everywhere",
	}
}

// givenWords are words of what the stage was filled with, and of what has no other name
// in Chinese either.
func givenWords() []string {
	return []string{"NetID", "NetPassword", "CPCE", "PTEC", "WhatsApp", "JPEG", "PNG", "Android", "Chrome", "iPhone", "Safari", "JavaScript", "name@example.org", "Tai", "Man", "CHAN", "Completion", "registration", "Library", "example", "firstzh", "secondzh"}
}

// walk is a walk over the portal in one language, on one phone.
type walk struct {
	*consoletest.Browser
	*testing.T
	stage  *server.Stage
	lang   portal.Language
	suffix string // of who reads the language
	seen   map[string]bool
	looks  int

	mu     sync.Mutex // guards the following
	faults []string   // that pages made in the browser
}

// TestEveryPortalPageLooks opens every page of the portal in a browser, in English and
// in Chinese, as who it is for: axe-core finds nothing, a phone needs not scroll
// sideways, a thumb hits each button, nothing stays behind the menu, the focus is
// seen, and a Chinese page has no English.
func TestEveryPortalPageLooks(t *testing.T) {
	g := server.OpenStage(t)
	walks := []*walk{
		{stage: g, lang: portal.English, suffix: "en", seen: map[string]bool{}},
		{stage: g, lang: portal.Chinese, suffix: "zh", seen: map[string]bool{}},
	}
	t.Run("walks", func(t *testing.T) {
		for _, w := range walks {
			t.Run(w.suffix, func(t *testing.T) {
				t.Parallel()
				w.T, w.Browser = t, consoletest.Browse(t, g.URL)
				w.begin()
				w.strangers()
				w.holders()
				w.netIDs()
				w.elsewhere()
			})
		}
	})
	for _, route := range g.Routes {
		for _, w := range walks {
			if w.seen[route] == slices.Contains(noHolderPages(), route) {
				t.Errorf("%s, %s: either the walk shows its page, or it stands under noHolderPages; not both", route, w.suffix)
			}
		}
	}
	if n := walks[0].looks; n < 90 || n != walks[1].looks {
		t.Errorf("%d and %d pages looked at", n, walks[1].looks)
	}
}

// begin makes the phone one of the language, on which nobody is signed in. It asks the
// server for each page: what a phone keeps has a test of its own.
func (w *walk) begin() {
	w.Helper()
	err := chromedp.Listen(w.Ctx, w.hear)
	if err == nil {
		err = chromedp.Do(w.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
				return err
			}
			if _, err := chromedp.Call(ctx, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": string(w.lang)}}); err != nil {
				return err
			}
			// A page of a window behind others has no focus to show.
			if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
				return err
			}
			_, err := chromedp.Call(ctx, network.SetBypassServiceWorker, network.SetBypassServiceWorkerParams{Bypass: true})
			return err
		}))
	}
	if err != nil {
		w.Fatal(err)
	}
	w.Dark(w.lang == portal.Chinese)
	w.Size(portaltest.Width, portaltest.Height)
	w.Cookie("portal_language", string(w.lang))
}

// hear notes what goes wrong within a page: a script, or what the policy stops.
func (w *walk) hear(ev any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		w.faults = append(w.faults, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity {
			w.faults = append(w.faults, e.Entry.Text)
		}
	}
}

// as signs somebody in; nobody for "".
func (w *walk) as(part string) { w.since(part, 0) }

// since signs somebody in, so long ago.
func (w *walk) since(part string, ago time.Duration) {
	w.Helper()
	name, value := w.stage.Session(w.who("active"), 0)
	if part == "" {
		value = ""
	} else {
		name, value = w.stage.Session(w.who(part), ago)
	}
	w.Cookie(name, value)
}

// who is the person who plays a part in the walk's language.
func (w *walk) who(part string) string { return part + "-" + w.suffix }

// shows opens a page and looks at it.
func (w *walk) shows(path, name string) {
	w.Helper()
	w.Open(path)
	w.look(name)
}

// leaves goes to another site's page.
func (w *walk) leaves(url string) {
	w.Helper()
	if err := chromedp.Do(w.Ctx, chromedp.Navigate(url)); err != nil {
		w.Fatal(err)
	}
}

// look looks at the page that is shown.
func (w *walk) look(name string) {
	w.Helper()
	w.seen[w.stage.Shown(w.lang)] = true
	w.looks++
	w.Wait("document.readyState === 'complete'")
	w.mu.Lock()
	for _, fault := range w.faults {
		w.Errorf("%s: %s", name, fault)
	}
	w.faults = nil
	w.mu.Unlock()
	w.Shot("portal-every-" + name + "-" + w.suffix)
	for _, found := range w.AxeNow() {
		w.Errorf("%s: %s", name, found)
	}
	for _, found := range consoletest.Eval[[]string](w.Browser, "("+inspection+")()") {
		w.Errorf("%s: %s", name, found)
	}
	if w.lang == portal.Chinese {
		if words := slices.DeleteFunc(w.Foreign(), func(f string) bool { return slices.Contains(givenWords(), f) }); len(words) > 0 {
			w.Errorf("%s: on the Chinese page stands %q", name, words)
		}
		return
	}
	for _, width := range []int64{320, 1280} {
		w.Size(width, portaltest.Height)
		if wide := consoletest.Eval[int64](w.Browser, "document.documentElement.scrollWidth"); wide > width {
			w.Errorf("%s: %d wide on %d", name, wide, width)
		}
	}
	for _, found := range w.AxeNow() {
		w.Errorf("%s, on a desk: %s", name, found)
	}
	w.Size(portaltest.Width, portaltest.Height)
}

// inspection returns what is wrong with a page on a phone, beside what axe finds. 44
// pixels are what a thumb hits (WCAG 2.2, 2.5.5); a link within a sentence is excepted
// there.
const inspection = `() => {
	const found = [], say = (e, what) => found.push(what + ': ' + e.outerHTML.slice(0, 160));
	if (document.documentElement.scrollWidth > innerWidth) found.push(document.documentElement.scrollWidth + ' wide');
	if (document.querySelectorAll('h1').length !== 1) found.push(document.querySelectorAll('h1').length + ' headings');
	if (!document.title.split(' · ')[0].trim()) found.push('no title');
	if (!document.querySelector('meta[name=viewport]').content.startsWith('width=device-width, initial-scale=1')) found.push('it cannot be zoomed');
	if (document.getAnimations().length > 0) found.push('it moves for who wants no motion');
	const shown = (e) => e.checkVisibility({visibilityProperty: true}) && !e.matches('.skip');
	const all = Array.from(document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')).filter(shown);
	if (all.length < 2) found.push('nothing leads on');
	for (const e of all) {
		if (e.matches('a') && getComputedStyle(e).display === 'inline' && e.parentElement.innerText.trim() !== e.innerText.trim()) continue;
		const at = (e.matches('[type=checkbox], [type=radio]') && e.closest('label') || e).getBoundingClientRect();
		if (at.width < 44 || at.height < 44) say(e, Math.round(at.width) + ' by ' + Math.round(at.height));
	}
	const nav = document.querySelector('nav'), fixed = nav && getComputedStyle(nav).position === 'fixed';
	for (const e of all) {
		e.focus();
		const style = getComputedStyle(e), at = e.getBoundingClientRect();
		if (document.activeElement !== e || style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2) say(e, 'its focus is not seen');
		if (fixed && !nav.contains(e) && at.height < 300 && at.bottom > nav.getBoundingClientRect().top + 1) say(e, 'focused behind the menu');
	}
	document.activeElement.blur();
	scrollTo(0, document.documentElement.scrollHeight);
	const last = Array.from(document.querySelectorAll('main *')).filter((e) => e.checkVisibility()).pop();
	if (fixed && last.getBoundingClientRect().bottom > nav.getBoundingClientRect().top) say(last, 'behind the menu');
	scrollTo(0, 0);
	return found;
}`

// fills types into fields: pairs of a name and a text.
func (w *walk) fills(pairs ...string) {
	w.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		w.Wait(fmt.Sprintf("document.getElementsByName(%q).length > 0", pairs[i]))
		text, err := json.Marshal(pairs[i+1])
		if err != nil {
			w.Fatal(err)
		}
		consoletest.Eval[string](w.Browser, fmt.Sprintf("document.getElementsByName(%q)[0].value = %s", pairs[i], text))
	}
}

// sends presses the button of a form, whatever the browser has against its fields, and
// waits for the answer, which is another page.
func (w *walk) sends(action string) {
	w.Helper()
	form := fmt.Sprintf(`document.querySelector('main form[action^="%s"]')`, action)
	w.Wait(form)
	consoletest.Eval[bool](w.Browser, fmt.Sprintf("(() => { const f = %s; f.noValidate = true; window.before = true; f.querySelector('button:not([type=button])').click(); return true; })()", form))
	w.Wait("!window.before && document.readyState === 'complete'")
}

// types types the newest code to an address, and sends it.
func (w *walk) types(address, action string) {
	w.Helper()
	w.fills("code", w.stage.Code(address))
	w.sends(action)
}

// at fails the test unless the page that is shown is of a path.
func (w *walk) at(path string) {
	w.Helper()
	if got, _, _ := strings.Cut(w.Path(), "?"); got != path {
		w.Shot("failed-walk-" + w.suffix)
		w.Fatalf("at %s, want %s:\n%.1500s", got, path, w.Text("body"))
	}
}
