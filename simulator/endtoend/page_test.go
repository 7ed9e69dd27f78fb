package endtoend

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
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
	page string // address
}

// demo starts `simulator demo` and waits until it names its page.
func demo(t *testing.T, data string) *show {
	t.Helper()
	s := &show{cmd: exec.Command(filepath.Join(programs, "simulator"), "demo", "--data", data), data: data}
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
	for s.out = bufio.NewReader(out); s.page == ""; {
		line, err := s.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo did not start: %v", err)
		}
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "gates "); ok {
			s.page = strings.TrimSpace(address)
		}
	}
	return s
}

// page drives the demo's page.
type page struct {
	*testing.T
	ctx context.Context
}

func (p page) click(selector string) {
	p.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Click(selector)); err != nil {
		p.Fatalf("click %s: %v", selector, err)
	}
}

// wait waits until a JavaScript expression is true.
func (p page) wait(expression string) {
	p.Helper()
	until(p.T, expression, func() bool {
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && ok
	})
}

// hand gives the page a picture by an event, as a mouse or a keyboard does.
func (p page) hand(event, class, carrier, selector string, picture []byte) {
	p.Helper()
	script := fmt.Sprintf(`(() => {
		const bytes = Uint8Array.from(atob(%q), c => c.charCodeAt(0)), held = new DataTransfer();
		held.items.add(new File([bytes], 'code.png', {type: 'image/png'}));
		return document.querySelector(%q).dispatchEvent(new %s(%q, {%s: held, bubbles: true, cancelable: true})) || true;
	})()`, base64.StdEncoding.EncodeToString(picture), selector, class, event, carrier)
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](script)); err != nil {
		p.Fatalf("%s a picture: %v", event, err)
	}
}

// passedAt is true when the ledger's table has somebody who walked through a lane.
func passedAt(lane string) string {
	return fmt.Sprintf("[...document.querySelectorAll('#passages tr')].some(r => r.textContent.includes(%q) && r.textContent.includes('walked through') && !r.textContent.includes('nobody'))", lane)
}

// green reports whether most of what is drawn at the element is the page's green.
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
	return greenShare(img) > 0.5
}

func greenShare(img image.Image) float64 {
	b, n := img.Bounds(), 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			red, green, blue, _ := img.At(x, y).RGBA()
			if green > 2*red && green > 3*blue/2 {
				n++
			}
		}
	}
	return float64(n) / float64(b.Dx()*b.Dy())
}

// TestDemoPage plays on the demo's page: make, scan, see green; revoke, see red;
// a picture; a cut network; and Ctrl-C leaves nothing running.
func TestDemoPage(t *testing.T) {
	d := demo(t, t.TempDir())
	p := page{t, browser(t)}
	if err := chromedp.Do(p.ctx, chromedp.Navigate(d.page)); err != nil {
		t.Fatal(err)
	}
	const north, south = `.lane[data-key="north-1"]`, `.lane[data-key="south-1"]`
	state := func(lane, want string) string {
		return fmt.Sprintf("document.querySelector('%s').dataset.state === %q", lane, want)
	}
	p.wait("document.querySelectorAll('.lane').length === 2")
	p.wait(state(north, "idle"))

	p.click(north + ` [data-do="hesitate"]`) // so that it stays green for a while
	p.click(`[data-make="ecard"]`)
	p.wait("document.querySelector('.pass img').complete")
	p.click(`.pass [data-scan="north-1"]`)
	p.wait(state(north, "granted"))
	until(t, "the lane's lamp is green on the screen", func() bool { return p.green(north + " .lamp.near") })
	p.wait(`[...document.querySelectorAll('#passages tr')].some(r => r.textContent.includes('nobody walked through'))`)
	p.click(north + ` [data-do="hesitate"]`)

	picture, err := chromedp.Run(p.ctx, chromedp.Screenshot(".pass img"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "phone.png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(p.ctx, chromedp.SetUploadFiles(south+" input[type=file]", []string{file})); err != nil {
		t.Fatal(err)
	}
	p.wait(passedAt("South"))

	p.hand("drop", "DragEvent", "dataTransfer", north, picture)
	p.wait(passedAt("North"))
	p.hand("paste", "ClipboardEvent", "clipboardData", "body", picture) // no lane under the pointer: the first
	p.wait(`[...document.querySelectorAll('#passages tr')].filter(r => r.textContent.includes('North') && r.textContent.includes('walked')).length === 3`)

	p.click(`.pass [data-set="revoke"]`)
	p.wait("document.querySelector('.pass .reach').textContent.includes('2 of 2')")
	p.click(`.pass [data-scan="south-1"]`)
	p.wait(state(south, "denied"))
	p.wait(`document.querySelector('` + south + ` .verdict').textContent.includes('REVOKED')`)

	p.click(north + ` [data-do="network"]`)
	p.wait(`document.querySelector('` + north + ` [data-do=network]').getAttribute('aria-pressed') === 'true'`)
	p.click(`[data-make="live"]`)
	p.wait("document.querySelectorAll('.pass').length === 2")
	p.click(`.pass:first-child [data-scan="south-1"]`) // the other lane has its network
	p.wait(state(south, "granted"))
	p.click(`[data-make="guest"]`)
	p.wait("document.querySelectorAll('.pass').length === 3")
	p.click(`.pass:first-child [data-scan="north-1"]`)
	p.wait(state(north, "granted"))
	p.wait(`document.querySelector('` + north + ` .verdict').textContent.includes('guest')`)
	keepShot(t, p.ctx)
	d.stop(t)
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
