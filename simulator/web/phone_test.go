package web

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/simulator/campus"
)

// inPhone reports whether an expression is true in the phone's frame; false while the
// frame is between two pages.
func (v *visit) inPhone(expression string) (ok bool) {
	v.Helper()
	err := chromedp.Do(v.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		tree, err := chromedp.Call(ctx, page.GetFrameTree, struct{}{})
		if err != nil {
			return err
		}
		for _, child := range tree.FrameTree.ChildFrames {
			if !strings.HasPrefix(child.Frame.URL, v.campus.Holders().Portal) {
				continue
			}
			world, err := chromedp.Call(ctx, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: child.Frame.ID})
			if err != nil {
				return err
			}
			byValue := true
			out, err := chromedp.Call(ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "!!(" + expression + ")", ContextID: world.ExecutionContextID, ReturnByValue: &byValue})
			if err != nil || out.ExceptionDetails != nil {
				return err
			}
			return json.Unmarshal(out.Result.Value, &ok)
		}
		return nil
	}))
	return err == nil && ok
}

// phoneWaits waits until an expression is true in the phone's frame.
func (v *visit) phoneWaits(expression string) {
	v.Helper()
	limit, tick := time.NewTimer(consoletest.Patience), time.NewTicker(50*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !v.inPhone("document.readyState === 'complete' && " + expression) {
		select {
		case <-limit.C:
			v.Shot("failed-" + v.Name())
			v.Fatalf("never true on the phone: %s", expression)
		case <-tick.C:
		}
	}
}

// phoneSends fills in a form of the phone's page and sends it as a click does.
func (v *visit) phoneSends(form string, fields map[string]string) {
	v.Helper()
	v.phoneWaits(fmt.Sprintf("document.querySelector(%q)", form))
	if fields == nil {
		fields = map[string]string{}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		v.Fatal(err)
	}
	if !v.inPhone(fmt.Sprintf(`(() => { const form = document.querySelector(%q);
		for (const [name, value] of Object.entries(%s)) form.elements[name].value = value;
		form.requestSubmit(form.querySelector('button'));
		return true; })()`, form, text)) {
		v.Fatalf("the form %s cannot be sent", form)
	}
}

// TestPhone is a holder on the page's own phone: signs in there by the card and the
// mail beside it, and holds it before a lane.
func TestPhone(t *testing.T) {
	t.Parallel()
	v := enterAt(t, func(origin string, c *campus.Config) {
		c.Portal = &campus.Portal{Frames: []string{origin}}
		c.Start = time.Now() // cookies go by the browser's clock
	})
	who := v.campus.Holders().People[1]
	v.Press("h")
	v.Wait("!document.querySelector('#phone').hidden && document.activeElement.id === 'phone-title'")
	v.phoneWaits("location.pathname === '/sign-in'")
	consoletest.Eval[bool](v.Browser, `(() => { navigator.clipboard.writeText = async text => { window.copied = text; };
		document.querySelector('#persona').selectedIndex = 1;
		return document.querySelector('#persona').dispatchEvent(new Event('change')) || true; })()`)
	v.press(fmt.Sprintf("#persona-card [data-copy=%q]", who.Document))
	v.Wait(fmt.Sprintf("window.copied === %q && document.querySelector('#persona-card .copied')", who.Document))

	v.inPhone("location.assign('/register') || true")
	v.phoneSends("form[action='/register']", map[string]string{"surname": who.Surname, "given": who.Given, "born": who.Born, "personal_id": who.Document})
	v.phoneSends("form[action='/register/address']", nil)
	v.Wait("document.querySelector('#mail [data-copy]')")
	code := consoletest.Eval[string](v.Browser, "document.querySelector('#mail [data-copy]').dataset.copy")
	if text := v.Text("#mail"); len(code) != 8 || !strings.Contains(text, who.Email) || !strings.HasSuffix(who.Email, "@example.org") {
		t.Fatalf("the mail beside the phone is %q", text)
	}
	v.phoneSends("form[action='/register/code']", map[string]string{"code": code})
	v.phoneWaits("location.pathname === '/card' && document.querySelector('main a[href^=\"/profile\"]')") // the frame has the session's cookie
	v.Size(1600, 1000)
	v.Axe()
	v.Shot("simulator-phone")
	v.hold()
	v.leave()

	v.must(chromedp.Navigate(strings.Replace(v.url, "localhost", "127.0.0.1", 1)))
	v.press("#phone-button")
	v.Wait("document.querySelector('#phone-elsewhere a').href.startsWith('http://localhost:')")
}

func (v *visit) must(step chromedp.Action[chromedp.Void]) {
	v.Helper()
	if err := chromedp.Do(v.Ctx, step); err != nil {
		v.Fatal(err)
	}
}

// hold holds the phone before the chosen lane: first the tab may not be looked at, then
// it shows no code, then one.
func (v *visit) hold() {
	v.Helper()
	consoletest.Eval[bool](v.Browser, "(navigator.mediaDevices.getDisplayMedia = async () => { throw new DOMException('', 'NotAllowedError'); }, true)")
	v.press("#phone-hold")
	v.Wait("document.querySelector('#say').textContent.includes('paste a screenshot')")
	v.press(`[data-stem="student"]`)
	v.Wait("document.querySelector('.person img')?.complete")
	consoletest.Eval[bool](v.Browser, `(() => {
		const tab = document.createElement('canvas'), brush = tab.getContext('2d');
		[tab.width, tab.height] = [innerWidth, innerHeight];
		const draw = () => {
			brush.fillStyle = '#eee';
			brush.fillRect(0, 0, tab.width, tab.height);
			const glass = document.querySelector('#phone .glass').getBoundingClientRect(), side = glass.width - 20;
			if (window.lit) brush.drawImage(document.querySelector('.person img'), glass.left + 10, glass.top + 40, side, side);
		};
		draw();
		setInterval(draw, 50);
		window.mirror = document.createElement('video');
		navigator.mediaDevices.getDisplayMedia = async () => {
			const seen = tab.captureStream(20);
			Object.assign(mirror, {muted: true, srcObject: seen}).play();
			return seen;
		};
		window.dark = () => {
			const copy = document.createElement('canvas'), brush = copy.getContext('2d');
			[copy.width, copy.height] = [mirror.videoWidth, mirror.videoHeight];
			brush.drawImage(mirror, 0, 0);
			return brush.getImageData(0, 0, copy.width, copy.height).data.some((b, i) => i % 4 === 0 && b < 64);
		};
		return true;
	})()`)
	v.press("#phone-hold")
	v.Wait("document.querySelector('#say').textContent.includes('no readable')")
	before := lane(v.campus.View(), "north").Decisions
	v.Wait("mirror.videoWidth > 0 && !dark()")
	consoletest.Eval[bool](v.Browser, "window.lit = true")
	v.Wait("mirror.videoWidth > 0 && dark()") // what the tab shows comes later to who looks at it
	v.press("#phone-hold")
	v.until("the phone is read", func(now campus.View) bool {
		l := lane(now, "north")
		return l.Decisions > before && l.Last != nil && l.Last.Reason == "GRANTED" && l.Last.Pass == "student-1"
	})
}
