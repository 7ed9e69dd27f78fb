package passes_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"turnstile/central/console/consoletest"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// open serves a desk to a browser.
func open(t *testing.T, d *desk) *consoletest.Browser {
	t.Helper()
	return consoletest.Serve(t, d.console)
}

// fleet adds so many lane controllers, all of which answer but the last.
func (d *desk) fleet(n int) {
	for i := range n {
		d.AddLane(office.Lane{ID: fmt.Sprint("N", i+1), Enrolled: noon, Alive: true, UpToDate: i < n-1, Since: noon.Add(-22 * time.Minute)})
	}
}

// TestPagesInABrowser looks at each page in light and dark, large and on a phone.
func TestPagesInABrowser(t *testing.T) {
	d := newDesk(t)
	d.as("desk", rights.Admin)
	d.fleet(42)
	list := d.issue(t, 57)
	if _, err := d.services.Passes.SetStatus(t.Context(), "user:chan", list[56].ID(), link.Revoked, "lost phone"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.services.Passes.SetStatus(t.Context(), "user:chan", list[55].ID(), link.Held, "asks"); err != nil {
		t.Fatal(err)
	}
	d.SetLane(office.Lane{ID: "N42", Enrolled: noon, Since: noon.Add(-22 * time.Minute)})
	file, err := d.services.Imports.Preview(t.Context(), "user:desk", "guests of the week.csv", strings.NewReader("kind,holder,day,guest_name\nguest,A,2026-11-23,Grace\nguest,B,yesterday,陳大文\nguest,,2026-11-23,\"open\nking,C,2026-11-23,\n"))
	if err != nil {
		t.Fatal(err)
	}
	change, err := d.services.Bulk.Propose(t.Context(), "user:chan", office.StatusChange{Selection: office.Selection{Holder: "P1"}, Status: link.Revoked, Reason: "left the university"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	one := func(p office.Pass) string { return fmt.Sprintf("/passes/%s/%06d", p.Day, p.Index) }
	b := open(t, d)
	for _, page := range []struct{ path, shows, name string }{
		{"/passes", "Issue many passes", "passes-list"}, {one(list[3]), "Hold", "passes-one"}, {one(list[56]), "41 of 42 lanes refuse it since 12:00:00", "passes-revoked"},
		{"/passes/new", "Issue the pass", "passes-new"}, {"/passes/import", "Columns", "passes-import"}, {"/passes/import/" + file.ID, "Every bad row", "passes-file"},
		{"/passes/bulk?holder=P1", "What is to be done", "passes-bulk"}, {"/passes/bulk/" + change.ID, "waits for a second person", "passes-change"}, {"/passes/changes", "left the university", "passes-changes"},
		{one(list[3]) + "/print", "one pass a sheet", "passes-print"}, {"/passes/sheet", "Next sheet", "passes-sheet"},
	} {
		b.Size(1280, 900)
		b.Open(page.path)
		b.WaitText(page.shows)
		b.Axe()
		b.Shot(page.name)
		b.Size(390, 844)
		if wide := consoletest.Eval[int](b, "document.documentElement.scrollWidth"); wide > 390 {
			t.Errorf("%s is %d pixels wide on a phone", page.path, wide)
		}
		b.Shot(page.name + "-phone")
	}
	b.Size(1280, 900)
	b.Open("/passes")
	b.Click("button[lang=zh-Hant]")
	b.WaitText("批量簽發通行證")
	b.Axe()
	b.Shot("passes-list-zh")
	b.Dark(true)
	b.Open(one(list[3]))
	b.Shot("passes-one-dark")
}

// TestRevoke does what the office does when a phone is lost, and watches the
// lanes: the line changes by itself until all refuse the pass.
func TestRevoke(t *testing.T) {
	d := newDesk(t)
	d.fleet(3)
	list := d.issue(t, 3)
	b := open(t, d)
	b.Open("/passes")
	b.Fill("input[name=words]", "hopper")
	b.Click("form.search button")
	b.Wait("document.querySelectorAll('#selection tbody tr').length === 1")
	b.Click("#selection tbody th a")
	b.Wait("document.querySelector('#deed-revoked')")
	b.Click("#deed-revoked summary")
	b.Fill("#deed-revoked input[name=reason]", "lost phone")
	b.Click("#deed-revoked button")
	b.WaitText("2 of 3 lanes refuse it")
	b.WaitText("N3 has not answered yet")
	d.SetLane(office.Lane{ID: "N3", Enrolled: noon, Since: noon.Add(-22 * time.Minute)})
	b.Wait("document.body.dataset.stream === 'open'")
	d.ping()
	b.WaitText("N3 offline since 2026-11-22 11:38:00")
	b.Shot("passes-revoked-live")
	d.SetLane(office.Lane{ID: "N3", Enrolled: noon, Alive: true, UpToDate: true})
	d.ping()
	b.WaitText("3 of 3 lanes refuse it since 12:00:00")
	b.Axe()
	if p, err := d.services.Passes.Find(t.Context(), list[0].ID()); err != nil || p.Reason != "lost phone" || p.ChangedBy != "user:desk" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestKeyboard issues a pass and holds it without a mouse.
func TestKeyboard(t *testing.T) {
	d := newDesk(t)
	b := open(t, d)
	b.Open("/passes/new")
	b.Wait("document.activeElement")
	tabTo := func(test string) {
		t.Helper()
		for range 40 {
			if consoletest.Eval[bool](b, "document.activeElement.matches("+fmt.Sprintf("%q", test)+")") {
				return
			}
			b.Press(kb.Tab)
		}
		t.Fatalf("no way to %s by Tab", test)
	}
	tabTo("input[name=holder]")
	b.Press("A1234567")
	tabTo("form.order button")
	b.Press(kb.Enter)
	b.WaitText("is issued")
	tabTo("#deed-held summary")
	b.Press(kb.Enter)
	tabTo("#deed-held input[name=reason]")
	b.Press("asks")
	b.Press(kb.Enter)
	b.WaitText("The pass is held")
}

// TestWithoutScripts: everything can be done; only the line does not move by itself.
func TestWithoutScripts(t *testing.T) {
	d := newDesk(t)
	d.fleet(2)
	list := d.issue(t, 5)
	b := open(t, d)
	b.Scripts(false)
	b.Open("/passes")
	b.Click("input[value='" + list[0].ID().String() + "']")
	b.Click("input[value='" + list[1].ID().String() + "']")
	b.Click("#selection button")
	b.WaitText("2 passes that were selected")
	b.Fill("input[name=reason]", "water damage")
	b.Click("main form button.danger")
	b.WaitText("2 passes are changed.")
	b.WaitText("1 of 2 lanes refuse it")
	for _, p := range list {
		p, err := d.services.Passes.Find(t.Context(), p.ID())
		if want := p.ID() == list[0].ID() || p.ID() == list[1].ID(); err != nil || (p.Status == link.Revoked) != want {
			t.Errorf("%+v, %v", p, err)
		}
	}
}

// TestUploadAFile: preview, then issue, then print.
func TestUploadAFile(t *testing.T) {
	d := newDesk(t)
	path := filepath.Join(t.TempDir(), "guests.csv")
	if err := os.WriteFile(path, []byte("kind,holder,day,guest_name\r\nguest,A,2026-11-22,Grace\r\nguest,B,2026-11-22,陳大文\r\nguest,C,22/11/2026,X\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, d)
	b.Open("/passes/import")
	b.Upload("input[type=file]", path)
	b.Click("main form button")
	b.WaitText("want a day such as 2026-11-22")
	if n := len(d.passes(t)); n != 0 {
		t.Errorf("%d passes before anybody confirmed", n)
	}
	b.Click("button[value=issue]")
	b.WaitText("Done at")
	if n := len(d.passes(t)); n != 2 {
		t.Errorf("%d passes", n)
	}
	b.Click("main p.ok a")
	b.WaitText("陳大文")
	b.Wait("document.querySelectorAll('.sheet .symbol img').length === 2") // the page before has the name too
}

func (d *desk) passes(t *testing.T) []office.Pass {
	t.Helper()
	list, err := d.services.Passes.List(t.Context(), office.PassFilter{Limit: 99})
	if err != nil {
		t.Fatal(err)
	}
	return list.Passes
}

// TestSymbolInTheDark: a symbol is black on white whatever the page's colours are.
func TestSymbolInTheDark(t *testing.T) {
	d := newDesk(t)
	p := d.issue(t, 1)[0]
	b := open(t, d)
	b.Dark(true)
	b.Open(fmt.Sprintf("/passes/%s/%06d", p.Day, p.Index))
	b.Wait("document.querySelector('.symbol img').complete")
	const corner = `(() => { const i = document.querySelector('.symbol img'), c = document.createElement('canvas'); c.width = c.height = 490;
		const x = c.getContext('2d'); x.drawImage(i, 0, 0, 490, 490); const at = (a, b) => Array.from(x.getImageData(a, b, 1, 1).data).join(); return at(5, 5) + ' ' + at(45, 45); })()`
	if got := consoletest.Eval[string](b, corner); got != "255,255,255,255 0,0,0,255" {
		t.Errorf("quiet zone and finder are %s", got)
	}
	if got := consoletest.Eval[string](b, "getComputedStyle(document.querySelector('.symbol')).backgroundColor"); got != "rgb(255, 255, 255)" {
		t.Errorf("the ground of the symbol is %s", got)
	}
	if _, reason := pass.Parse([]byte(strings.TrimSpace(consoletest.Eval[string](b, "document.querySelector('pre.code').textContent")))); reason != pass.Granted {
		t.Errorf("the text is no code: %s", reason)
	}
}
