package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	scene "turnstile/simulator/campus"
	"turnstile/simulator/scenario"
)

// browser returns a headless Chromium; it ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 1100))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// show is a running `simulator demo`.
type show struct {
	cmd  *exec.Cmd
	data string
	out  *bufio.Reader
	page string            // address
	at   map[string]string // what it says where everything is
}

// demo starts `simulator demo` and waits until it has said where everything is.
func demo(t *testing.T, data string) *show {
	t.Helper()
	s := &show{cmd: exec.Command(filepath.Join(programs, "simulator"), "demo", "--data", data), data: data, at: map[string]string{}}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() }) // if it still runs, the test failed before its end
	late := time.AfterFunc(time.Minute, func() { s.cmd.Process.Kill() })
	defer late.Stop()
	for s.out = bufio.NewReader(out); s.at["data"] == ""; {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo did not start: %v", err)
		}
		if words := strings.Fields(line); len(words) > 1 {
			s.at[words[0]] = words[1]
		}
	}
	s.page = s.at["gates"]
	return s
}

// page drives the demo's page.
type page struct {
	*testing.T
	ctx context.Context
}

// wait waits until a JavaScript expression is true.
func (p page) wait(expression string) {
	p.Helper()
	until(p.T, expression, func() bool {
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && ok
	})
}

// click clicks by script: what is below the window is reached as well.
func (p page) click(selector string) {
	p.Helper()
	p.wait(fmt.Sprintf("document.querySelector(%q) && !document.querySelector(%q).disabled", selector, selector))
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](fmt.Sprintf("(document.querySelector(%q).click(), true)", selector))); err != nil {
		p.Fatalf("click %s: %v", selector, err)
	}
}

// green reports whether most of what is drawn at the element is the signal's green.
func (p page) green(selector string) bool {
	p.Helper()
	shot, err := chromedp.Run(p.ctx, chromedp.Screenshot(selector))
	if err != nil {
		p.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.Fatal(err)
	}
	b, n := img.Bounds(), 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if red, green, blue, _ := img.At(x, y).RGBA(); green > 2*red && green > 3*blue/2 {
				n++
			}
		}
	}
	return n > b.Dx()*b.Dy()/2
}

// TestDemoPage plays on the demo's page with the programs as processes: make, scan,
// see green; revoke, see why not; each fault that needs processes; a guest while the
// cable is cut; and Ctrl-C leaves nothing running.
func TestDemoPage(t *testing.T) {
	d := demo(t, t.TempDir())
	p := page{t, browser(t)}
	for what, path := range map[string]string{"phone": "/sign-in", "mails": "/"} {
		answer, err := http.Get(d.at[what])
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || answer.Request.URL.Path != path {
			t.Errorf("%s: %s at %s", what, answer.Status, answer.Request.URL)
		}
	}
	if err := chromedp.Do(p.ctx, chromedp.Navigate(d.page)); err != nil {
		t.Fatal(err)
	}
	const north, south = `[data-lane="north"]`, `[data-lane="south"]`
	signal := func(lane, want string) string {
		return fmt.Sprintf("document.querySelector('%s .drawn').dataset.signal === %q", lane, want)
	}
	p.wait("document.body.dataset.ready && document.querySelectorAll('.lane').length === 3")
	p.wait(signal(north, "idle"))

	p.click("#record")
	p.wait("document.querySelector('#record').getAttribute('aria-pressed') === 'true'")
	p.click(`#switches [data-verb="people"] [data-words="stay"]`) // so that it stays green for a while
	p.click(`[data-stem="student"]`)
	p.click(`.person[data-key="student-1 "] .hold`)
	p.wait(signal(north, "granted"))
	until(t, "the lane's sign is green on the screen", func() bool { return p.green(north + " .sign .disc") })
	p.wait(`[...document.querySelectorAll('#passages li')].some(r => r.textContent.includes('student-1') && r.textContent.includes('Not passed'))`)
	p.click(`#standing button`)

	p.click(`.person[data-key="student-1 "] .more`)
	p.click(`#pass-dialog [data-verb="revoke"] button`)
	p.wait("document.querySelector('#pass-facts').textContent.includes('3 of 3')")
	p.click(`#pass-dialog .close`)
	p.click(south + " .choose")
	p.click(`.person[data-key="student-1 "] .hold`)
	p.wait(`document.querySelector('` + south + ` .verdict').textContent.includes('student-1 was refused: Revoked')`)

	p.recorded()
	p.breaks()
	p.click(south + " .cable")
	p.wait(`document.querySelector('` + south + ` .wire').dataset.state === 'cut'`)
	p.click(`[data-stem="guest"]`)
	p.click(`.person[data-key="guest-1 "] .hold`)
	p.wait(signal(south, "granted"))
	keepShot(t, p.ctx)
	d.stop(t)
}

// recorded ends the recording, and reads the scenario.
func (p page) recorded() {
	p.Helper()
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string]("fetch('/record/stop', {method: 'POST'}).then(a => a.text())", chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatal(err)
	}
	s, err := scenario.Parse("recorded", text)
	if err != nil || len(s.Steps) < 4 || !strings.Contains(text, "revoke student-1") {
		p.Errorf("the scenario that was recorded: %v\n%s", err, text)
	}
}

// breaks clicks each fault that only processes can have, and takes it off again.
func (p page) breaks() {
	p.Helper()
	clicked := 0
	for _, v := range scene.Verbs() {
		for _, word := range realWords(v) {
			button := fmt.Sprintf("#switches [data-verb=%q] [data-words=%q]", v.Name, word)
			p.click(button)
			p.wait(fmt.Sprintf("document.querySelector(%q).getAttribute('aria-pressed') === 'true' && document.querySelectorAll('#standing .note').length === 1", button))
			p.click("#standing button")
			p.wait("document.querySelectorAll('#standing .note').length === 0")
			clicked++
		}
	}
	if clicked < 4 {
		p.Errorf("only %d faults need processes", clicked)
	}
	p.click(`#switches [data-verb="broker"] [data-words="kill"]`)
	p.wait("document.querySelector('#say').textContent.includes('central kill')") // it has none of its own: what to do instead
}

// realWords are a verb's faults that need processes, but for the broker's.
func realWords(v scene.Verb) []string {
	if !v.Real || v.Name == "broker" {
		return v.RealWords
	}
	return slices.DeleteFunc(slices.Clone(v.Words[0]), func(w string) bool { return w == v.Undo })
}

// keepShot saves the page as a picture where TURNSTILE_SHOTS says, for people to look at.
func keepShot(t *testing.T, ctx context.Context) {
	folder := os.Getenv("TURNSTILE_SHOTS")
	if folder == "" {
		return
	}
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, t.Name()+".png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
}

// stop interrupts the demo as Ctrl-C does and looks for what it left behind.
func (s *show) stop(t *testing.T) {
	t.Helper()
	if n := processesOf(t, s.data); n < 4 {
		t.Fatalf("only %d processes of the demo are seen while it runs", n)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(s.out)
	if err := errors.Join(err, s.cmd.Wait()); err != nil {
		t.Errorf("the demo ended with %v: %s", err, said)
	}
	if n := processesOf(t, s.data); n != 0 {
		t.Errorf("%d processes are left running", n)
	}
	if !bytes.Contains(said, []byte(s.data)) {
		t.Errorf("the demo does not say where the data is: %s", said)
	}
}

// processesOf counts the processes whose command line names the data folder.
func processesOf(t *testing.T, data string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatal("no /proc", err)
	}
	for _, line := range lines {
		b, err := os.ReadFile(line)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(data)) {
			n++
		}
	}
	return n
}
