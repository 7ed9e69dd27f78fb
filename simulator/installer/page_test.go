package installer

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"turnstile/firmware-bridge/commission"
)

// printed is a report with every outcome, long texts and hostile names.
func printed(t *testing.T) []byte {
	t.Helper()
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	n := 12.5
	r := commission.Report{
		Form: commission.Form, Lane: "Main Entrance, lane 3", Installer: "An Installer", Computer: "lane-3, Linux 6.1.0-50-arm64, arm64", Tool: "firmware-bridge 1.0",
		Began: at, Ended: at.Add(4 * time.Minute), Complete: true, Verdict: commission.Bad,
		Devices: []commission.Device{
			{Subject: "entry", Kind: "scanner", Driver: "auto", Path: "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0-with-a-name-that-does-not-end-anywhere-soon", Named: `<script>document.title="hacked"</script>`, Rate: 9600},
			{Subject: "gate", Kind: "gate", Driver: "controller", Path: "/dev/serial/by-id/usb-lane", Named: `virtual lane 1.0.0"><img src=x onerror="document.title='hacked'">`, Rate: 115200},
		},
	}
	outcomes := []commission.Outcome{commission.Passed, commission.Failed, commission.Skipped, commission.NotPossible}
	for i, task := range commission.Plan(commission.Lane{Scanners: make([]commission.Scanner, 1), Gate: &commission.Gate{}}) {
		e := commission.Result{Step: task.Step, Subject: "entry", Outcome: outcomes[i%4], Began: at.Add(time.Duration(i) * time.Minute), Took: 3.2,
			Values: []commission.Value{{Name: "relay on for", Number: &n, Unit: "ms"}, {Name: "engine", Text: strings.Repeat("x", 300)}}}
		if e.Outcome != commission.Passed {
			e.Reason, e.Next = "the lock's contact does not follow the relay", "check that the lock moves, and the wiring of its contact"
		}
		r.Results = append(r.Results, e)
	}
	key, err := commission.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file, err := key.Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	html, err := commission.Page(file)
	if err != nil {
		t.Fatal(err)
	}
	return html
}

// browse opens html in a headless Chromium that is width pixels wide.
func browse(t *testing.T, name string, html []byte, width int) context.Context {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(path, html, 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(width, 1100))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("file://"+path)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// holds checks what must be true of the page, as scripts.
func holds(t *testing.T, ctx context.Context, name string, scripts ...string) {
	t.Helper()
	for _, s := range scripts {
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+s+")")); err != nil || !ok {
			t.Errorf("%s: not so: %s (%v)", name, s, err)
		}
	}
}

// keep saves the page as a picture where TURNSTILE_SHOTS says, for people to look at.
func keep(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("TURNSTILE_SHOTS")
	if folder == "" {
		return
	}
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPagesInABrowser opens the report and the sheet as people do: they fit the
// window, a phone's too, load nothing, run nothing that a device says, and every
// table has its headings.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	const fits = "document.documentElement.scrollWidth <= window.innerWidth"
	const alone = "performance.getEntriesByType('resource').length == 0 && document.scripts.length == 0 && document.images.length == 0"
	report := printed(t)
	for name, width := range map[string]int{"report": 1000, "report-phone": 500} {
		ctx := browse(t, name, report, width)
		holds(t, ctx, name, fits, alone,
			"document.title.startsWith('Commissioning report')",
			"document.querySelectorAll('.step').length == 11",
			"[...document.querySelectorAll('table')].every(t => t.caption && t.querySelector('th[scope]'))",
			"document.querySelectorAll('h1').length == 1 && document.documentElement.lang == 'en'",
			"document.querySelectorAll('[lang=zh-Hant]').length > 20",
			"[...document.querySelectorAll('.outcome')].every(o => o.innerText.trim().length > 4)")
		keep(t, ctx, name)
	}
	sheet, err := commission.Sheet()
	if err != nil {
		t.Fatal(err)
	}
	ctx := browse(t, "sheet", sheet, 1000)
	holds(t, ctx, "sheet", fits, alone, "document.querySelectorAll('svg[aria-label] path').length == 9")
	keep(t, ctx, "sheet")
}
