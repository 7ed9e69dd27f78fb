package web

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/simulator/campus"
)

// visit is a browser on the pages of a played campus.
type visit struct {
	*consoletest.Browser
	*testing.T
	campus *campus.Campus
	url    string

	mu     sync.Mutex // guards the following
	faults []string   // what the browser complained about
	asked  int        // requests
}

// script writes down what a person would tell it.
type script struct{ begun int }

func (s *script) Start()          { s.begun++ }
func (s *script) Recording() bool { return s.begun > 0 }
func (s *script) Stop() string {
	if s.begun == 0 {
		return ""
	}
	s.begun = 0
	return "title: what was recorded\nheal\n"
}

// enter opens the page with the gates. When the test ends the browser must have
// complained about nothing and asked nobody else.
func enter(t *testing.T) *visit {
	t.Helper()
	return enterAt(t, func(string, *campus.Config) {})
}

// enterAt is enter for a campus that is changed; it is told the page's origin.
func enterAt(t *testing.T, change func(origin string, c *campus.Config)) *visit {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	v := &visit{T: t, url: strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)}
	config := campus.Config{Walk: 50 * time.Millisecond}
	change(v.url, &config)
	k, err := campus.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if server.Config.Handler, err = New(k, Options{Recorder: &script{}, Holders: k.Holders()}); err != nil {
		t.Fatal(err)
	}
	server.Start()
	v.campus, v.Browser = k, consoletest.Browse(t, v.url)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the browser complains:", v.complaints())
		}
		server.CloseClientConnections()
		server.Close()
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	v.listen()
	v.Open("/")
	v.Wait("document.body.dataset.ready && document.querySelectorAll('.lane').length === 3")
	return v
}

// listen keeps what goes wrong in the browser. A display whose lane is switched off
// looks for it in vain, on its own address: that is no fault of the page.
func (v *visit) listen() {
	keep := func(what string) { v.faults = append(v.faults, what) }
	err := chromedp.Listen(v.Ctx, func(ev any) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			keep(fmt.Sprintf("thrown: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		case *log.EventEntryAdded:
			if e.Entry.Level == "error" && (e.Entry.URL == "" || strings.HasPrefix(e.Entry.URL, v.url)) {
				keep(e.Entry.Text + " " + e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			v.asked++
			if u := e.Request.URL; !strings.HasPrefix(u, "http://127.0.0.1:") && !strings.HasPrefix(u, "http://localhost:") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:") {
				keep("a foreign request: " + u)
			}
		}
	})
	if err != nil {
		v.Fatal(err)
	}
	v.run(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, log.Enable, struct{}{})
		return err
	})
}

func (v *visit) run(f func(context.Context) error) {
	v.Helper()
	if err := chromedp.Do(v.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error { return f(ctx) })); err != nil {
		v.Fatal(err)
	}
}

func (v *visit) complaints() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.faults)
}

// leave looks at what the browser complained about.
func (v *visit) leave() {
	v.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.faults) > 0 || v.asked < 10 {
		v.Errorf("%d requests; the browser complains: %s", v.asked, strings.Join(v.faults, "\n"))
	}
}

// press clicks by script: what is below the window is reached as well.
func (v *visit) press(selector string) {
	v.Helper()
	v.Wait(fmt.Sprintf("document.querySelector(%q) && !document.querySelector(%q).disabled", selector, selector))
	consoletest.Eval[bool](v.Browser, fmt.Sprintf("(document.querySelector(%q).click(), true)", selector))
}

// until waits for what the campus is to be like.
func (v *visit) until(what string, shown func(campus.View) bool) {
	v.Helper()
	ctx, cancel := context.WithTimeout(v.Context(), 30*time.Second)
	defer cancel()
	for {
		changed := v.campus.Changed()
		if shown(v.campus.View()) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			now := v.campus.View()
			v.Fatalf("%s: never; lanes %+v, standing %+v; the page says %q", what, now.Lanes, now.Standing, v.Text("#say"))
		}
	}
}

func lane(v campus.View, id string) campus.Lane {
	i := slices.IndexFunc(v.Lanes, func(l campus.Lane) bool { return l.ID == id })
	return v.Lanes[i]
}

// TestSwitches clicks every switch of every fault on, sees it stand in the guard's
// console, and takes it off there; what a played campus cannot do is shown as that.
func TestSwitches(t *testing.T) {
	t.Parallel()
	v := enter(t)
	clicked, refused := 0, 0
	for _, verb := range campus.Verbs() {
		if verb.Undo == "" {
			continue
		}
		for _, c := range controlOf(verb, true).Choices {
			if c.Well || c.Words == "restart" { // nothing stands then
				continue
			}
			button := fmt.Sprintf(`#switches [data-verb=%q] [data-words=%q]`, verb.Name, c.Words)
			if c.Refused != "" {
				refused++
				if !consoletest.Eval[bool](v.Browser, fmt.Sprintf("document.querySelector(%q).disabled && document.querySelector(%q).title.includes('--played')", button, button)) {
					t.Errorf("%s %s can be clicked", verb.Name, c.Words)
				}
				continue
			}
			clicked++
			v.fault(verb, c, button)
		}
	}
	if clicked < 20 || refused < 3 {
		t.Errorf("%d switches were clicked and %d refused", clicked, refused)
	}
	v.leave()
}

func (v *visit) fault(verb campus.Verb, c choice, button string) {
	v.Helper()
	what := verb.Name + " " + c.Words
	v.press(button)
	v.until(what, func(now campus.View) bool {
		return len(now.Standing) == 1 && strings.HasPrefix(now.Standing[0].Act, verb.Name) && strings.HasSuffix(now.Standing[0].Act, c.Words)
	})
	v.Wait(fmt.Sprintf("document.querySelector(%q).getAttribute('aria-pressed') === 'true' && document.querySelectorAll('#standing .note').length === 1", button))
	if text := v.Text("#standing"); !strings.Contains(text, strings.ToLower(c.Label)) || verb.Guard == "" || !strings.Contains(text, verb.Guard) {
		v.Errorf("%s: the guard reads %q", what, text)
	}
	v.press("#standing button")
	v.until(what+" is taken off", func(now campus.View) bool { return len(now.Standing) == 0 })
	v.Wait("document.querySelectorAll('#standing .note').length === 0 && !document.querySelector('#all-well').hidden")
}

// TestPeople makes everybody that can be made by one click, has them scan by another,
// and looks for why the lane lets them in or does not.
func TestPeople(t *testing.T) {
	t.Parallel()
	v := enter(t)
	ids := []string{"north", "south", "library"}
	for i, p := range presets() {
		id := ids[i%len(ids)]
		v.press(fmt.Sprintf(`[data-lane=%q] .choose`, id))
		v.press(fmt.Sprintf(`[data-stem=%q]`, p.Stem))
		person := fmt.Sprintf(`.person[data-key=%q]`, p.Stem+"-1 "+p.Which)
		v.Wait(fmt.Sprintf("document.querySelector('[data-stem=%q]:not(:disabled)') && document.querySelector(%q)", p.Stem, person+" img"))
		if p.Stem == "revoked" || p.Stem == "held" {
			v.until("all lanes know", func(now campus.View) bool {
				return slices.ContainsFunc(now.Passes, func(q campus.Pass) bool { return q.Name == p.Stem+"-1" && q.Lanes == q.Of })
			})
		}
		before := lane(v.campus.View(), id).Decisions
		v.press(person + " .hold")
		v.until(p.Stem, func(now campus.View) bool { return lane(now, id).Decisions > before && lane(now, id).Signal != "wait" })
		if got := lane(v.campus.View(), id).Last.Reason; !slices.Contains(p.Reasons, got) {
			t.Errorf("%s: %s, want one of %v", p.Label, got, p.Reasons)
		}
		v.until(p.Stem+" is over", func(now campus.View) bool { return lane(now, id).Signal == "idle" || lane(now, id).Signal != "granted" })
	}
	consoletest.Eval[bool](v.Browser, "document.querySelectorAll('.other, .other details').forEach(d => d.open = true) || true")
	v.Fill(`.other [data-key="entries"]`, "2")
	v.press(`.other [data-words="guest"]`)
	v.until("any other pass", func(now campus.View) bool {
		return slices.ContainsFunc(now.Passes, func(p campus.Pass) bool { return p.Name == "guest-2" })
	})
	if n := len(presets()); n < 13 {
		t.Errorf("only %d kinds of people", n)
	}
	v.Wait("document.querySelectorAll('#passages li').length >= 10")
	v.Wait("document.querySelector('#told').textContent.includes('was refused')")
	v.leave()
}

// hand gives the page a picture by an event, as a mouse or a keyboard does.
func (v *visit) hand(event, class, carrier, selector string, picture []byte) {
	v.Helper()
	consoletest.Eval[bool](v.Browser, fmt.Sprintf(`(() => {
		const bytes = Uint8Array.from(atob(%q), c => c.charCodeAt(0)), held = new DataTransfer();
		held.items.add(new File([bytes], 'code.png', {type: 'image/png'}));
		return document.querySelector(%q).dispatchEvent(new %s(%q, {%s: held, bubbles: true, cancelable: true})) || true;
	})()`, base64.StdEncoding.EncodeToString(picture), selector, class, event, carrier))
}

// vast is the head of a PNG file of 10000 x 10000 pixels.
func vast() []byte {
	head := []byte("IHDR\x00\x00\x27\x10\x00\x00\x27\x10\x08\x06\x00\x00\x00")
	file := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(head))
}

// TestPictures scans what is dropped, pasted and chosen, and refuses what is none.
func TestPictures(t *testing.T) {
	t.Parallel()
	v := enter(t)
	v.press(`[data-stem="student"]`)
	v.Wait("document.querySelector('.person img')?.complete")
	v.press(".person .more")
	v.Wait("document.querySelector('#pass-symbol').complete && document.querySelector('#pass-symbol').naturalWidth > 0")
	phone, err := chromedp.Run(v.Ctx, chromedp.Screenshot("#pass-symbol"))
	if err != nil {
		t.Fatal(err)
	}
	v.press("#pass-dialog .close")
	passed := func(id string) {
		t.Helper()
		v.until(id, func(now campus.View) bool {
			l := lane(now, id).Last
			return l != nil && l.Pass == "student-1" && l.Result == "passed"
		})
	}
	consoletest.Eval[bool](v.Browser, `(() => { const held = new DataTransfer(), all = {dataTransfer: held, bubbles: true, cancelable: true};
		document.querySelector('.person .hold').dispatchEvent(new DragEvent('dragstart', all));
		return document.querySelector('[data-lane="library"] .verdict').dispatchEvent(new DragEvent('drop', all)) || true; })()`)
	passed("library")
	before := lane(v.campus.View(), "library").Decisions
	v.hand("drop", "DragEvent", "dataTransfer", `[data-lane="library"] .figure`, phone)
	v.until("a dropped picture", func(now campus.View) bool { return lane(now, "library").Decisions > before })
	v.hand("paste", "ClipboardEvent", "clipboardData", "body", phone) // at the chosen lane
	passed("north")
	v.press(`[data-lane="south"] .choose`)
	file := filepath.Join(t.TempDir(), "phone.png")
	if err := os.WriteFile(file, phone, 0o600); err != nil {
		t.Fatal(err)
	}
	v.Upload("#picture", file)
	passed("south")

	v.look()

	v.hand("drop", "DragEvent", "dataTransfer", `[data-lane="south"]`, []byte("a text"))
	v.Wait("document.querySelector('#say').textContent.includes('not a PNG, JPEG or GIF picture')")
	v.hand("drop", "DragEvent", "dataTransfer", "#line", phone)
	v.Wait("document.querySelector('#say').textContent === 'Drop it on a lane.'")
	v.hand("drop", "DragEvent", "dataTransfer", `[data-lane="south"]`, vast())
	v.Wait("document.querySelector('#say').textContent.includes('10000 x 10000 pixels, at most')")
	consoletest.Eval[bool](v.Browser, `(() => { const held = new DataTransfer(); held.setData('text/plain', 'https://example.org/"menu"');
		return document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: held, bubbles: true})) || true; })()`)
	v.until("a pasted text", func(now campus.View) bool { return lane(now, "library").Last.Reason == "FOREIGN" })
	v.leave()
}

// look holds the phone before the webcam: first one that is refused, then one that
// sees the phone.
func (v *visit) look() {
	v.Helper()
	v.press(".camera")
	v.Wait("/scan a picture instead/i.test(document.querySelector('#camera-say').textContent)")
	v.press("#camera-dialog .close")
	_, err := chromedp.Run(v.Ctx, chromedp.Evaluate[bool](`(async () => {
		const canvas = document.createElement('canvas'), phone = document.querySelector('#pass-symbol'), brush = canvas.getContext('2d');
		[canvas.width, canvas.height] = [640, 480];
		const draw = () => { brush.fillStyle = '#ccc'; brush.fillRect(0, 0, 640, 480); brush.drawImage(phone, 140, 60, 360, 360); };
		draw();
		setInterval(draw, 100);
		navigator.mediaDevices.getUserMedia = async () => window.seen = canvas.captureStream(10);
		return true;
	})()`, chromedp.EvalAwaitPromise))
	if err != nil {
		v.Fatal(err)
	}
	v.press(`[data-lane="library"] .choose`)
	before := lane(v.campus.View(), "library").Decisions
	v.press(".camera")
	v.until("the webcam sees the phone", func(now campus.View) bool { return lane(now, "library").Decisions > before })
	v.press("#camera-dialog .close")
	v.Wait("window.seen.getTracks().every(t => t.readyState === 'ended') && document.querySelector('#camera-video').srcObject === null")
}

// TestKeyboard plays without a mouse: chooses a lane, makes somebody, has them scan,
// cuts a cable by the line, reads the help, and records.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	v := enter(t)
	v.Press("2")
	v.Wait(`document.querySelector('[data-lane="south"] .choose').getAttribute('aria-pressed') === 'true'`)
	v.Press("p")
	v.tabTo(`[data-stem="student"]`)
	v.Press("\r")
	v.Wait("document.querySelector('.person img')")
	v.Wait(`document.activeElement.matches('[data-stem="student"]:not(:disabled)')`) // where the focus comes back to
	v.tabTo(".person .hold")
	v.Press("\r")
	v.until("somebody passes", func(now campus.View) bool { l := lane(now, "south").Last; return l != nil && l.Result == "passed" })
	v.tabTo("#line-text")
	v.Press("cable south ")
	v.Wait(`[...document.querySelectorAll('#line-list option')].some(o => o.value === 'cable south cut')`)
	v.Press("cut\r")
	v.until("the cable is cut", func(now campus.View) bool { return len(now.Standing) == 1 })
	v.Wait(`document.querySelector('[data-lane="south"] .wire').dataset.state === 'cut' && document.querySelector('#line-text').value === ''`)
	v.Press("sing\r")
	v.Wait("document.querySelector('#say').textContent.includes('there is no act')")
	v.tabTo("#standing button")
	v.Press("\r")
	v.until("the cable is whole", func(now campus.View) bool { return len(now.Standing) == 0 })
	v.Press("?")
	v.Wait("document.querySelector('#help-dialog').open")
	v.Press("\x1b")
	v.Wait("!document.querySelector('#help-dialog').open")
	v.press("#record")
	v.Wait("document.querySelector('#record').getAttribute('aria-pressed') === 'true'")
	v.Open("/") // loaded again, it goes on
	v.Wait("document.body.dataset.ready && document.querySelector('#record').getAttribute('aria-pressed') === 'true'")
	v.press("#record")
	v.Wait("document.querySelector('#record').getAttribute('aria-pressed') === 'false'")
	v.leave()
}

// tabTo presses Tab until the focus is there.
func (v *visit) tabTo(selector string) {
	v.Helper()
	for range 150 {
		if consoletest.Eval[bool](v.Browser, fmt.Sprintf("document.activeElement.matches(%q)", selector)) {
			return
		}
		v.Press("\t")
	}
	v.Fatalf("%s is never reached", selector)
}

// TestLooks: a bad day in light and dark, on a phone and on a large screen, is as axe
// and whoever wants no motion have it.
func TestLooks(t *testing.T) {
	t.Parallel()
	v := enter(t)
	for _, stem := range []string{"student", "forger", "held"} {
		v.press(fmt.Sprintf("[data-stem=%q]", stem))
		v.Wait(fmt.Sprintf("document.querySelector('.person[data-key^=%q]')", stem))
	}
	v.press(".person .hold")
	for _, line := range []string{"power library cut", "fire north on", "cable south cut", "walk south in people=2", "scanner north babble"} {
		a, err := campus.Parse(line)
		if err == nil {
			err = v.campus.Do(t.Context(), a)
		}
		if err != nil {
			t.Fatal(line, err)
		}
	}
	v.Wait(`document.querySelectorAll('#standing .note').length === 4 && document.querySelector('[data-lane="library"] .drawn.off.mute')`)
	v.Wait("document.querySelector('#alarms .note') && document.querySelector('#warnings .note')")
	v.Axe()
	v.Shot("gates-wide")
	v.Size(390, 844)
	v.Axe()
	if wide := consoletest.Eval[int](v.Browser, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("a phone of 390 pixels has to scroll sideways: %d", wide)
	}
	if open := consoletest.Eval[int](v.Browser, "document.querySelectorAll('#switches .group[open]').length"); open != 0 {
		t.Errorf("%d groups of switches stand open on a phone", open)
	}
	v.Wait("document.querySelector('#switches .group.on:has([data-verb=scanner])')")
	v.Shot("gates-phone")
	v.press("#switches .group:has([data-verb=scanner]) > summary")
	v.Wait("document.querySelector('#switches .group[open] .control.on [data-words=babble]')")
	v.press(".person .more")
	v.Wait("document.querySelector('#pass-dialog').open")
	v.Size(2560, 1300)
	for _, found := range v.AxeNow() {
		t.Error("on a large screen, with a pass: ", found)
	}
	if moves := consoletest.Eval[int](v.Browser, `[...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);
		return s.animationName !== 'none' || s.transitionDuration.split(', ').some(d => parseFloat(d) > 0); }).length`); moves != 0 {
		t.Errorf("%d things move although nobody wants that", moves)
	}
	v.leave()
}
