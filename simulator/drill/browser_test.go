package drill

import (
	"context"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"turnstile/central/console/consoletest"
	"turnstile/simulator/campus"
	"turnstile/simulator/web"
)

// visit is a browser on the pages of a trainer, with a campus of their own: drills
// wait for lanes more than they compute, so that tests go on side by side.
type visit struct {
	*consoletest.Browser
	t       *testing.T
	trainer *Trainer

	mu     sync.Mutex // guards the following
	faults []string   // of scripts
}

func enter(t *testing.T) *visit {
	t.Helper()
	k, err := campus.Open(context.Background(), campus.Config{Walk: 250 * time.Millisecond})
	must(t, err)
	t.Cleanup(func() { must(t, k.Close()) })
	began := time.Now()
	// Whether the right deed has all points is looked at, not how soon a busy machine's browser does it.
	slow := func() time.Time { return began.Add(time.Since(began) / 10) }
	trainer, err := NewTrainer(k, Options{Now: slow})
	must(t, err)
	h, err := web.New(k, web.Options{Pages: []web.Page{Pages(trainer)}})
	must(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	run(t, trainer)
	v := &visit{Browser: consoletest.Browse(t, server.URL), t: t, trainer: trainer}
	must(t, chromedp.Listen(v.Ctx, func(ev any) {
		if e, ok := ev.(*runtime.EventExceptionThrown); ok {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.faults = append(v.faults, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
		}
	}))
	t.Cleanup(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, f := range v.faults {
			t.Error(f)
		}
	})
	return v
}

// until waits for a phase of a situation; a drill that is stopped ends the test.
func (v *visit) until(phase Phase, situation int) {
	v.t.Helper()
	const now = "document.getElementById('drill').dataset.phase"
	v.Wait(fmt.Sprintf("%s === 'stopped' || %s === %q && (%q === 'over' || document.getElementById('where').textContent.startsWith('Situation %d '))", now, now, phase, phase, situation))
	if consoletest.Eval[string](v.Browser, now) == string(Stopped) {
		v.t.Fatal(v.Text("#stopped"))
	}
}

// begin opens a drill and begins it.
func (v *visit) begin(d *Drill) {
	v.t.Helper()
	v.Open(Path + d.Name)
	v.Wait("document.body.dataset.ready")
	v.Click("#start")
}

// choose clicks an answer; they stand in another order each time.
func (v *visit) choose(c *Choice) {
	v.t.Helper()
	n := consoletest.Eval[int](v.Browser, fmt.Sprintf("[...document.querySelectorAll('#choices li')].findIndex(li => li.querySelector('.text').textContent === %q)", c.Text))
	v.Click(fmt.Sprintf("#choices li:nth-child(%d) button", n+1))
}

// fill writes an act into the form that makes it.
func (v *visit) order(a campus.Act) {
	v.t.Helper()
	fields := map[string]string{}
	tool := a.Verb
	switch a.Verb {
	case "mode":
		fields["zone"], fields["mode"] = a.Target, a.Words[0]
	case "open":
		fields["lane"], fields["way"] = a.Target, a.Words[0]
	case "hold", "revoke", "release":
		tool, fields["pass"], fields["deed"] = "pass", a.Target, a.Verb
	case "scan":
		fields["lane"], fields["pass"] = a.Target, a.Words[0]
	default:
		tool, fields["lane"], fields["deed"] = "hands", a.Target, a.Verb+" "+a.Words[0]
	}
	v.Click(fmt.Sprintf(".tool-tabs button[data-tool=%s]", tool))
	form := fmt.Sprintf("form.tool[data-tool=%s]", tool)
	for name, value := range fields {
		v.Choose(fmt.Sprintf("%s select[name=%s]", form, name), value)
	}
	if reason := a.Args["reason"]; reason != "" {
		v.Fill(form+" input[name=reason]", reason)
	}
	v.Click(form + " button.main")
}

// solve does what is right in a situation.
func (v *visit) solve(k *Situation) {
	v.t.Helper()
	for i := range k.Choices {
		if k.Choices[i].Right {
			v.choose(&k.Choices[i])
		}
	}
	for _, g := range k.Goals {
		v.order(g.Act)
	}
}

// TestEachDrill clicks through each drill on a campus: the lanes do what it says, and
// who does the right thing at once has all points.
func TestEachDrill(t *testing.T) {
	drills, err := Library()
	must(t, err)
	if len(drills) < 12 {
		t.Fatalf("%d drills, want at least 12", len(drills))
	}
	for part := range slices.Chunk(drills, (len(drills)+1)/2) {
		t.Run(part[0].Name, func(t *testing.T) {
			t.Parallel()
			v := enter(t)
			for _, d := range part {
				v.pass(d)
			}
			v.looks(len(part), len(drills))
		})
	}
}

// pass goes through a drill without a mistake.
func (v *visit) pass(d *Drill) {
	v.t.Helper()
	v.begin(d)
	for i := range d.Situations {
		v.until(Asked, i+1)
		if i == 0 {
			v.Shot("drill-" + d.Name)
		}
		v.solve(&d.Situations[i])
		v.until(Explained, i+1)
		v.Click("#next")
	}
	v.until(Over, 0)
	if got := v.Text(".percent"); got != "100 %" {
		v.t.Errorf("%s: %s: %s", d.Name, got, v.Text("#summary"))
	}
}

// looks looks at the list and at a certificate, behind drills that were passed.
func (v *visit) looks(passed, of int) {
	v.t.Helper()
	v.Shot("drill-summary")
	v.Click("#summary a.main")
	v.Wait("document.querySelector('.certificate')")
	v.Fill("#name", "A. Trainee")
	v.Wait("document.getElementById('who').textContent === 'A. Trainee'")
	v.Axe()
	v.Shot("drill-certificate")
	v.print()
	v.Open(Path)
	v.WaitText(fmt.Sprintf("%d of %d passed", passed, of))
	v.Axe()
	v.Shot("drill-list")
	v.Size(390, 844)
	v.Axe()
	v.Dark(true)
	v.Shot("drill-list-phone-dark")
}

// print prints what is open, which has to be one sheet.
func (v *visit) print() {
	v.t.Helper()
	yes := true
	must(v.t, chromedp.Do(v.Ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		sheet, err := chromedp.Call(ctx, page.PrintToPDF, page.PrintToPDFParams{PreferCSSPageSize: &yes, PrintBackground: &yes})
		if err == nil && len(onePage.FindAll(sheet.Data, -1)) != 1 {
			v.t.Errorf("the certificate has %d pages", len(onePage.FindAll(sheet.Data, -1)))
		}
		return err
	})))
}

// onePage is what a PDF has for each page.
var onePage = regexp.MustCompile(`/Type\s*/Page\b`)

// TestMistakes makes every mistake of a drill: each is explained, and there is no
// certificate. Another window is told that the drill is on.
func TestMistakes(t *testing.T) {
	t.Parallel()
	v := enter(t)
	d := v.trainer.Drill("damaged-print")
	v.Open(Path + d.Name)
	v.Wait("document.body.dataset.ready")
	v.Axe()
	v.Shot("drill-briefing")
	v.begin(d)
	for i := range d.Situations {
		v.until(Asked, i+1)
		for j := range d.Situations[i].Choices {
			if c := &d.Situations[i].Choices[j]; !c.Right {
				v.choose(c)
				v.WaitText(c.Why)
			}
		}
		if i == 1 {
			v.Axe()
			v.Shot("drill-mistakes")
			v.Size(390, 844)
			v.Axe()
			v.Dark(true)
			v.Shot("drill-mistakes-phone-dark")
			v.Size(1280, 900)
			v.Dark(false)
		}
		if i == 2 { // loaded again, it goes on
			v.Open(Path + d.Name)
			v.until(Asked, i+1)
			v.Wait("document.querySelectorAll('.remark.bad').length === 2")
		}
		if _, err := v.trainer.Start("fire", false); err == nil || !strings.Contains(err.Error(), d.Title) {
			t.Errorf("a second drill began beside: %v", err)
		}
		v.solve(&d.Situations[i])
		v.until(Explained, i+1)
		v.Press("\r") // the focus is on it
	}
	v.until(Over, 0)
	v.WaitText("Not passed yet")
	v.Axe()
	v.Shot("drill-failed")
	if n := consoletest.Eval[int](v.Browser, "document.querySelectorAll('#summary a[href*=certificate]').length"); n != 0 {
		t.Error("a certificate is offered")
	}
	token := v.trainer.current().token
	v.Open(Path + "certificate?run=" + token)
	v.WaitText("There is no certificate for")
}
