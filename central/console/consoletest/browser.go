package consoletest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"turnstile/central/console"
	"turnstile/central/rights"
)

// Browser is one tab of a headless Chromium of its own.
type Browser struct {
	t    *testing.T
	url  string
	base string          // of the paths of its pages
	Ctx  context.Context // for chromedp's own actions
}

// As opens a browser in which a new person with the roles is signed in; without
// roles nobody is.
func (o *Office) As(t *testing.T, roles ...rights.Role) *Browser {
	t.Helper()
	// Pages of a central that is reached by address; passkeys want a name.
	b := Browse(t, strings.Replace(o.URL, "127.0.0.1", "localhost", 1))
	b.base = console.Base
	if len(roles) > 0 {
		b.Cookie(o.Session(t, roles...))
	}
	return b
}

// Browse opens a browser for another server's pages, which are at the address and
// below it.
func Browse(t *testing.T, url string) *Browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"), chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(Patience))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	// The browser lives as long as the context that it is started in.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &Browser{t: t, url: url, Ctx: ctx}
}

// Other opens another tab of the same browser, which shares no cookies and nothing
// else that pages keep: somebody else's.
func (b *Browser) Other() *Browser {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.Ctx, chromedp.WithNewBrowserContext())
	b.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("open another tab: %v", err)
	}
	return &Browser{t: b.t, url: b.url, base: b.base, Ctx: ctx}
}

// Cookie gives the browser a cookie of central's.
func (b *Browser) Cookie(name, value string) {
	b.t.Helper()
	b.must(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.url, Path: "/"})
		return err
	}))
}

// again does something to elements of a page, and once more if another has taken the
// place of one that it found meanwhile, as on a live page.
func (b *Browser) again(do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(b.Ctx, Patience)
	defer cancel()
	err := do(ctx)
	for gone(err) && ctx.Err() == nil {
		err = do(ctx)
	}
	return err
}

// gone reports Chromium's word for a node that is not in the page any more.
func gone(err error) bool {
	const noSuchNode = -32000 // of many things
	e := (*cdproto.Error)(nil)
	return errors.As(err, &e) && e.Code == noSuchNode && strings.Contains(strings.ToLower(e.Message), "node")
}

func (b *Browser) must(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.again(func(ctx context.Context) error { return chromedp.Do(ctx, steps...) }); err != nil {
		b.t.Fatal(err)
	}
}

// Open loads one of its pages.
func (b *Browser) Open(path string) {
	b.t.Helper()
	b.must(chromedp.Navigate(b.url + b.base + path))
}

// Path returns the path and query that the tab shows.
func (b *Browser) Path() string {
	b.t.Helper()
	return strings.TrimPrefix(Eval[string](b, "location.pathname+location.search"), b.base)
}

// Click clicks the first element of a CSS selector, once it is visible, in the middle
// of the page: no menu lies over it there.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	middle := fmt.Sprintf("(document.querySelector(%q)?.scrollIntoView({block: 'center', behavior: 'instant'}), true)", selector)
	err := b.again(func(ctx context.Context) error {
		if err := chromedp.Do(ctx, chromedp.WaitVisible(selector)); err != nil {
			return err
		}
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](middle)); err != nil {
			return err
		}
		return chromedp.Do(ctx, chromedp.Click(selector))
	})
	if err != nil {
		b.t.Fatalf("click %s: %v", selector, err)
	}
}

// Fill empties a field and types text into it.
func (b *Browser) Fill(selector, text string) {
	b.t.Helper()
	empty := fmt.Sprintf("(document.querySelector(%q) ?? {}).value = ''", selector) // chromedp's Clear wants a text node in a textarea
	err := b.again(func(ctx context.Context) error {
		if err := chromedp.Do(ctx, chromedp.WaitVisible(selector)); err != nil {
			return err
		}
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](empty)); err != nil {
			return err
		}
		return chromedp.Do(ctx, chromedp.SendKeys(selector, text))
	})
	if err != nil {
		b.t.Fatalf("fill %s: %v", selector, err)
	}
}

// Choose picks the option of a <select> by its value.
func (b *Browser) Choose(selector, value string) {
	b.t.Helper()
	b.must(chromedp.SetValue(selector, value))
}

// Press types keys into whatever has the focus (chromedp/kb has special ones).
func (b *Browser) Press(keys string) {
	b.t.Helper()
	b.must(chromedp.KeyEvent(keys))
}

// Upload puts a file into an <input type=file>.
func (b *Browser) Upload(selector, path string) {
	b.t.Helper()
	b.must(chromedp.SetUploadFiles(selector, []string{path}))
}

// Text returns the text of an element as it is shown.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	var text string
	err := b.again(func(ctx context.Context) (err error) {
		text, err = chromedp.Run(ctx, chromedp.Text(selector))
		return err
	})
	if err != nil {
		b.t.Fatalf("text of %s: %v", selector, err)
	}
	return text
}

// Eval returns what a JavaScript expression is worth in the page.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.Ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Wait waits until a JavaScript expression is true of a page that is there whole,
// also across a new page: one that is still being read has its address already, and
// perhaps half of its rows.
func (b *Browser) Wait(expression string) {
	b.t.Helper()
	limit, tick := time.NewTimer(Patience), time.NewTicker(50*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for {
		if ok, err := chromedp.Run(b.Ctx, chromedp.Evaluate[bool]("document.readyState !== 'loading' && !!("+expression+")")); err == nil && ok {
			return
		}
		select {
		case <-limit.C:
			b.Shot("failed-" + strings.NewReplacer("/", "-", " ", "-").Replace(b.t.Name()))
			b.t.Fatalf("never true: %s\nthe page shows:\n%.3000s", expression, b.Text("body"))
		case <-tick.C:
		}
	}
}

// WaitText waits until the page shows a text.
func (b *Browser) WaitText(text string) {
	b.t.Helper()
	b.Wait(fmt.Sprintf("document.body && document.body.innerText.includes(%q)", text))
}

// Dark switches the page to dark or light colours.
func (b *Browser) Dark(on bool) {
	b.t.Helper()
	value := map[bool]string{true: "dark", false: "light"}[on]
	b.must(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	}))
}

// Scripts switches the page's own JavaScript off or on; Eval works all the same.
func (b *Browser) Scripts(on bool) {
	b.t.Helper()
	b.must(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// Size makes the page so wide and high, in CSS pixels; 390 by 844 is a phone.
func (b *Browser) Size(width, height int64) {
	b.t.Helper()
	b.must(chromedp.EmulateViewport(width, height))
}

// Shot keeps a screenshot of the whole page as NAME.png and returns it.
func (b *Browser) Shot(name string) []byte {
	b.t.Helper()
	picture, err := chromedp.Run(b.Ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatalf("screenshot: %v", err)
	}
	folder := filepath.Join(os.TempDir(), "turnstile-screens")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return picture
}
