package portaltest

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
)

// call gives the browser a command of its protocol.
func call[P, R any](t *testing.T, b *consoletest.Browser, command cdp.Command[P, R], params P) {
	t.Helper()
	err := chromedp.Do(b.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, command, params)
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
}

// forbidden lets pages keep nothing.
const forbidden = `for (const name of ["open", "match", "has", "delete", "keys"]) CacheStorage.prototype[name] = () => Promise.reject(new DOMException("The operation is insecure.", "SecurityError"));
ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException("The operation is insecure.", "SecurityError"));
window.failures = [];
window.addEventListener("unhandledrejection", (event) => window.failures.push(String(event.reason)));`

// Private makes the browser one that lets pages keep nothing, as some do in private
// windows. Failures tells which promises of the open page nobody caught.
func Private(t *testing.T, b *consoletest.Browser) (failures func() []string) {
	t.Helper()
	call(t, b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: forbidden})
	return func() []string { return consoletest.Eval[[]string](b, "window.failures") }
}

// Fill leaves the open page's site no storage, and fails the test if it can store
// something all the same.
func Fill(t *testing.T, b *consoletest.Browser) {
	t.Helper()
	size := 1.0
	call(t, b, storage.OverrideQuotaForOrigin, storage.OverrideQuotaForOriginParams{Origin: consoletest.Eval[string](b, "location.origin"), QuotaSize: &size})
	consoletest.Eval[bool](b, "caches.open('probe').then(c => c.put('/probe', new Response('x'.repeat(1e5)))).then(() => { window.full = false }, () => { window.full = true }) && true")
	b.Wait("window.full !== undefined")
	if !consoletest.Eval[bool](b, "window.full") {
		t.Fatal("the storage is not full")
	}
}
