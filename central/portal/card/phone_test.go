package card_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/central/portal"
	"turnstile/central/portal/card"
	"turnstile/central/portal/portaltest"
)

// kept waits until the phone keeps the codes.
func kept(phone *consoletest.Browser) {
	phone.Wait(worker)
	phone.Open("/card/code") // now by way of the worker
	phone.Wait(drawn)
	phone.Wait("caches.open('card').then(c => c.match('/card/codes')).then(r => { window.held = !!r }) && window.held")
}

// nothingKept waits until it keeps none.
func nothingKept(phone *consoletest.Browser) {
	phone.Wait("caches.match('/card/codes', {cacheName: 'card'}).then(r => { window.held = !!r }) && window.held === false")
}

// turnClock has the page's Date run ahead by window.shift milliseconds from now on.
const turnClock = "(() => { const now = Date.now.bind(Date); window.shift = 0; Date.now = () => now() + window.shift; return true; })()"

// TestTwoHolders: a phone on which one signed out in a dead spot, or whose session just
// ended, shows the next one nothing of the first, without a network either.
func TestTwoHolders(t *testing.T) {
	f := newFake()
	f.live = false
	phone, stop := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	kept(phone)
	const page = "caches.match('/card/code', {cacheName: 'card'}).then(r => r.text())"
	consoletest.Eval[bool](phone, "Promise.all(["+page+", caches.match('/card/codes', {cacheName: 'card'}).then(r => r.text())]).then(a => { window.annas = a; sessionStorage.setItem('annas', JSON.stringify(a)) }) && true")
	phone.Wait("!!sessionStorage.getItem('annas')")
	phone.Cookie(portaltest.Cookie, "bob")
	phone.Open("/card") // any page of another's
	phone.WaitText("Valid card")
	nothingKept(phone)

	// What came late, of a request that was on its way, is not shown on the other's page.
	phone.Open("/card/code")
	phone.Wait(drawn)
	stop()
	consoletest.Eval[bool](phone, `(async () => {
		const [page, codes] = JSON.parse(sessionStorage.getItem("annas")), cache = await caches.open("card");
		await cache.put("/card/code", new Response(page, {headers: {"Content-Type": "text/html"}}));
		await cache.put("/card/codes", new Response(codes, {headers: {"Content-Type": "application/json"}}));
		window.planted = true;
	})() && true`)
	phone.Wait("window.planted")
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("There is no code for today on this phone")
	phone.Wait("document.querySelector('.symbol').hidden && !document.querySelector('#symbol canvas')")
	nothingKept(phone)
	phone.Open("/card/code")
	phone.WaitText("This page needs a network")
}

// TestDayRollsOver: a page that is open at midnight shows the next day's code at once,
// also where phones get none ahead, and never says that there is none.
func TestDayRollsOver(t *testing.T) {
	f := newFake()
	f.live, f.zone = false, time.UTC
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 22, 23, 59, 40, 0, time.UTC).Unix())
	f.now = func() time.Time { return time.Unix(clock.Load(), 0) }
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.WaitText("Sunday, 22 November 2026")
	phone.Wait(drawn)
	today := f.scanned(t, phone, "portal-before-midnight")
	consoletest.Eval[bool](phone, `(() => {
		const none = document.querySelector("[data-note=none]");
		window.said = !none.hidden;
		new MutationObserver(() => { window.said = window.said || !none.hidden; }).observe(none, { attributes: true });
		return true;
	})()`)
	consoletest.Eval[bool](phone, turnClock)
	clock.Add(25)
	consoletest.Eval[int](phone, "window.shift = 25000")
	phone.WaitText("Monday, 23 November 2026")
	if next := f.scanned(t, phone, "portal-behind-midnight"); next.Day != today.Day+1 {
		t.Errorf("day %s behind %s", next.Day, today.Day)
	}
	if consoletest.Eval[bool](phone, "window.said") {
		t.Error("the page said that there is no code")
	}
}

// TestClockWrongByHours: the code is right as long as the page stays open, with the
// network gone too; and when the holder sets the clock right meanwhile.
func TestClockWrongByHours(t *testing.T) {
	f := newFake()
	const ahead = 5 * time.Hour
	f.now = func() time.Time { return time.Now().Add(ahead) }
	f.zone = noon(f.now())
	phone, stop := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	phone.WaitText("clock is wrong")
	phone.Wait(drawn)
	f.scanned(t, phone, "portal-hours-wrong")
	stop()
	consoletest.Eval[bool](phone, turnClock)
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("No network")
	f.scanned(t, phone, "portal-hours-wrong-no-network")
	consoletest.Eval[float64](phone, "window.shift = 5 * 36e5")
	phone.Wait("document.querySelector('[data-note=drift]').hidden")
	f.scanned(t, phone, "portal-hours-set-right")
}

// TestFullStorage: a phone that can store nothing more shows the code that comes over
// the network, and not an older one.
func TestFullStorage(t *testing.T) {
	f := newFake()
	f.live = false
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	phone.Open("/card/code")
	kept(phone)
	portaltest.Fill(t, phone)
	fresh := func(shot string) {
		t.Helper()
		phone.Open("/card/code")
		phone.Wait(drawn)
		phone.Wait("!document.querySelector('main').innerText.includes('No network')") // a slow central is asked again
		f.scanned(t, phone, shot)
	}
	fresh("portal-full-with-an-older-one")
	consoletest.Eval[bool](phone, "caches.delete('card').then(() => { window.gone = true }) && true")
	phone.Wait("window.gone")
	fresh("portal-full-with-none")
}

// TestPrivateWindow: where nothing may be kept the code shows all the same, and goes
// when the office takes it back.
func TestPrivateWindow(t *testing.T) {
	f := newFake()
	phone, _ := portaltest.Serve(t, serve(t, f))
	phone.Cookie(portaltest.Cookie, "anna")
	failures := portaltest.Private(t, phone)
	phone.Open("/card/code")
	phone.Wait(drawn)
	f.scanned(t, phone, "portal-private")
	f.set(func() { f.standing = card.Revoked })
	consoletest.Eval[bool](phone, "window.dispatchEvent(new Event('online'))")
	phone.WaitText("has taken this code back")
	phone.Wait("document.querySelector('.symbol').hidden")
	if failed := failures(); len(failed) > 0 {
		t.Errorf("%q", failed)
	}
	f.set(func() { f.standing, f.card = card.Gone, card.Card{State: card.Withdrawn, Reason: "Lent."} })
	phone.Open("/card")
	phone.WaitText("Lent.")
	if failed := failures(); len(failed) > 0 {
		t.Errorf("%q", failed)
	}
}

// TestSmallPhone: on the narrowest phone the symbol is as wide as the screen lets it,
// in whole pixels and above the menu, and what to do with it stands below.
func TestSmallPhone(t *testing.T) {
	for name, live := range map[string]bool{"live": true, "static": false} {
		f := newFake()
		f.live = live
		phone, _ := portaltest.Serve(t, serve(t, f))
		if err := chromedp.Do(phone.Ctx, chromedp.EmulateViewport(320, 568, chromedp.EmulateScale(2))); err != nil {
			t.Fatal(err)
		}
		phone.Cookie(portaltest.Cookie, "anna")
		phone.Open("/card/code")
		phone.Wait(drawn)
		f.scanned(t, phone, "portal-320-"+name)
		at := consoletest.Eval[[]float64](phone, `(() => { const c = document.querySelector("#symbol canvas"), b = c.getBoundingClientRect();
			const menu = document.querySelector("nav").getBoundingClientRect().top, hours = document.getElementById("hours").getBoundingClientRect().bottom;
			return [document.documentElement.scrollWidth, b.width, b.left, b.right, c.width / 49, b.width * 2 / c.width, menu - b.bottom, menu - hours]; })()`)
		if at[0] > 320 || at[1] < 290 || at[2] < 0 || at[3] > 320 || at[4] != float64(int(at[4])) || at[5] != 1 || at[6] < 0 || at[7] < 0 {
			t.Errorf("%s: %v", name, at)
		}
		if hint := consoletest.Eval[bool](phone, "!document.querySelector('[data-note=bright]').hidden && document.querySelector('[data-note=live]').hidden"); hint == live {
			t.Errorf("%s: the hints are other ones", name)
		}
		if title := phone.Text("#day"); title != portal.DayTitle(portal.English, f.now().In(f.zone)) {
			t.Errorf("%s: %q", name, title)
		}
	}
}
