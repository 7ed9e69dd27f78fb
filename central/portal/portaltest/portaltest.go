// Package portaltest serves portals to tests, with a browser the size of a phone.
package portaltest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/central/portal"
	"turnstile/central/porttest"
)

// The size of a phone, in CSS pixels, each of Scale by Scale of the screen's.
const (
	Width  = 390
	Height = 844
	Scale  = 2
)

// Cookie names the holder in requests to a Door.
const Cookie = "holder"

// Door is an Auth that takes a cookie's word for who somebody is.
type Door struct {
	Now  func() time.Time // nil: time.Now
	Lang string
}

// Wrap implements portal.Auth.
func (d Door) Wrap(next http.Handler) http.Handler { return next }

// Holder implements portal.Auth. The person is what the cookie says, signed in this
// moment; "old-" in front of it is somebody who did so an hour ago.
func (d Door) Holder(r *http.Request) (portal.Holder, bool) {
	c, err := r.Cookie(Cookie)
	if err != nil || c.Value == "" {
		return portal.Holder{}, false
	}
	proved := time.Now()
	if d.Now != nil {
		proved = d.Now()
	}
	person, old := strings.CutPrefix(c.Value, "old-")
	if old {
		proved = proved.Add(-time.Hour)
	}
	return portal.Holder{Person: person, Name: person, Lang: d.Lang, Proved: proved, Session: person}, true
}

// Serve serves a portal and opens a phone on it, on which nobody is signed in. stop
// takes the network away: the server is dead from then on, and nobody is in its place.
func Serve(t *testing.T, p http.Handler) (phone *consoletest.Browser, stop func()) {
	t.Helper()
	server := &httptest.Server{Listener: porttest.Listen(t), Config: &http.Server{Handler: p}}
	server.Start()
	t.Cleanup(server.Close)
	return Phone(t, server.URL), func() {
		server.CloseClientConnections()
		server.Close()
	}
}

// Phone opens a browser the size of a phone on the pages at a URL.
func Phone(t *testing.T, url string) *consoletest.Browser {
	t.Helper()
	b := consoletest.Browse(t, strings.Replace(url, "127.0.0.1", "localhost", 1))
	Turn(t, b)
	return b
}

// Turn makes a browser the size of a phone.
func Turn(t *testing.T, b *consoletest.Browser) {
	t.Helper()
	if err := chromedp.Do(b.Ctx, chromedp.EmulateViewport(Width, Height, chromedp.EmulateScale(Scale))); err != nil {
		t.Fatal(err)
	}
}

// Narrow fails the test if the page is wider than the phone.
func Narrow(t *testing.T, b *consoletest.Browser) {
	t.Helper()
	if wide := consoletest.Eval[int](b, "document.documentElement.scrollWidth"); wide > Width {
		t.Errorf("%s is %d wide on a phone", b.Path(), wide)
	}
}
