package approvals_test

import (
	"testing"

	"github.com/chromedp/chromedp/kb"

	"turnstile/central/console/consoletest"
	"turnstile/central/office"
)

// open serves a desk to a browser.
func open(t *testing.T, d *desk) *consoletest.Browser {
	t.Helper()
	return consoletest.Serve(t, d.console)
}

// TestApprove goes through what waits: look at the photo, approve, the next one
// follows; reject with a reason; by keys alone.
func TestApprove(t *testing.T) {
	d := newDesk(t)
	d.handIn(t, 4)
	b := open(t, d)
	b.Open("/approvals")
	b.WaitText("陳大文")
	b.Axe()
	b.Shot("approvals-list")
	b.Click("th[scope=row] a")
	b.Wait("document.querySelector('img.photo').complete && document.querySelector('img.photo').naturalWidth === 300")
	b.WaitText("4 more wait")
	b.Axe()
	b.Shot("approvals-one")
	b.Click("#approve")
	b.Wait("location.pathname.endsWith('/2')")
	b.WaitText("Application 1 is approved.")
	b.Choose("select[name=choice]", "The photo is not of this person.")
	b.Click("#reject")
	b.Wait("location.pathname.endsWith('/3')")
	for range 60 {
		if consoletest.Eval[bool](b, "document.activeElement.id === 'approve'") {
			break
		}
		b.Press(kb.Tab)
	}
	b.Press(kb.Enter)
	b.Wait("location.pathname.endsWith('/4')")
	b.Fill("input[name=reason]", "模糊")
	b.Press(kb.Enter)
	b.Wait("location.pathname.endsWith('/5')")
	b.WaitText("One")
	b.Axe()
	b.Shot("approvals-guests")
	b.Size(390, 844)
	if wide := consoletest.Eval[int](b, "document.documentElement.scrollWidth"); wide > 390 {
		t.Errorf("%d pixels wide on a phone", wide)
	}
	b.Click("#approve")
	b.WaitText("No application waits.")
	for n, want := range map[int64]office.ApplicationState{1: office.ApplicationApproved, 2: office.ApplicationRejected, 3: office.ApplicationApproved, 4: office.ApplicationRejected, 5: office.ApplicationApproved} {
		if a, err := d.services.Approvals.Find(t.Context(), n); err != nil || a.State != want {
			t.Errorf("%d: %s, %v", n, a.State, err)
		}
	}
	b.Size(1280, 900)
	b.Open("/approvals?done=1")
	b.WaitText("模糊")
	b.Axe()
	b.Shot("approvals-decided")
	b.Click("button[lang=zh-Hant]")
	b.WaitText("已拒絕")
	b.Dark(true)
	b.Shot("approvals-decided-zh-dark")
}

// TestListIsLive: what is handed in shows up by itself; and the list works
// without scripts.
func TestListIsLive(t *testing.T) {
	d := newDesk(t)
	b := open(t, d)
	b.Open("/approvals")
	b.WaitText("No application waits.")
	b.Wait("document.body.dataset.stream === 'open'")
	d.handIn(t, 1)
	d.mu.Lock()
	d.version++
	d.mu.Unlock()
	b.WaitText("Grace Hopper")
	b.Scripts(false)
	b.Open("/approvals/1")
	b.Click("#approve")
	b.WaitText("Application 1 is approved.")
}
