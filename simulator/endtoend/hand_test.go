package endtoend

import (
	"testing"

	"github.com/chromedp/chromedp"

	"turnstile/simulator/site"
)

// handSays is true when the lane's page has a visible box about what was set by
// hand, in both languages, that begins so.
func handSays(en, zh string) string {
	return `(() => { const box = document.getElementById('hand');
		return !box.hidden && box.getBoundingClientRect().height > 20 && box.getBoundingClientRect().bottom <= innerHeight &&
			document.getElementById('hand-en').textContent === '` + en + `' && /^Since \d\d:\d\d on /.test(document.getElementById('since-en').textContent) &&
			document.getElementById('hand-zh').textContent === '` + zh + `' && /^自\d+年/.test(document.getElementById('since-zh').textContent); })()`
}

// TestPageOfALaneByHand looks at a lane's own page while a supervisor closes it,
// frees it and gives it back, with central gone: the box says so, beside the answer
// to a person, and also while the lane's program is away.
func TestPageOfALaneByHand(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a, pass := s.Agents[0], issue(t, s, nil)
	lock, free, normal := sheetFor(t, s, "north", "lockdown", 1)[0], sheetFor(t, s, "north", "free-passage", 1)[0], sheetFor(t, s, "north", "normal", 1)[0]
	s.Central().Kill()
	p := page{t, browser(t)}
	if err := chromedp.Do(p.ctx, chromedp.Navigate(status(t, a).HTTP+"/lane/1")); err != nil {
		t.Fatal(err)
	}
	p.wait("document.body.dataset.signal === 'idle' && document.getElementById('hand').hidden")
	byHand(t, a, lock.Code)
	p.wait(handSays("This lane was closed by hand", "此閘機已由人手封鎖"))
	p.wait("document.body.dataset.signal === 'closed'")
	refused(t, a, pass.Code, "LOCKDOWN")
	p.wait(handSays("This lane was closed by hand", "此閘機已由人手封鎖"))
	keepShot(t, p.ctx)

	byHand(t, a, free.Code)
	p.wait(handSays("This lane was opened by hand", "此閘機已由人手開放"))
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	p.wait("document.body.dataset.signal === 'out'")
	p.wait(handSays("This lane was opened by hand", "此閘機已由人手開放"))
	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(p.ctx, chromedp.Navigate(status(t, a).HTTP+"/lane/1")); err != nil { // on another port
		t.Fatal(err)
	}
	p.wait(handSays("This lane was opened by hand", "此閘機已由人手開放"))
	byHand(t, a, normal.Code)
	p.wait("document.body.dataset.signal === 'idle' && document.getElementById('hand').hidden")
}
