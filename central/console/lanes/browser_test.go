package lanes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"turnstile/central/console/consoletest"
	"turnstile/central/link"
	"turnstile/central/office"
)

// open serves a yard to a browser.
func open(t *testing.T, y *yard) *consoletest.Browser {
	t.Helper()
	return consoletest.Serve(t, serve(t, y))
}

// TestPagesInABrowser looks at each page in light and dark, large and on a phone.
func TestPagesInABrowser(t *testing.T) {
	b := open(t, newYard())
	for _, page := range []struct{ path, shows, name string }{
		{"/lanes", "North 1", "lanes-map"}, {"/lanes/wall", "North 1", "lanes-wall"}, {"/lanes/at/north-2", "Gate forced", "lanes-controller"},
		{"/lanes/enrol", "Make a token", "lanes-enrol"}, {"/lanes/entrances", "Library", "lanes-entrances"}, {"/lanes/modes", "in force at 1 of 2", "lanes-modes"},
		{"/lanes/lockdown", "Lock all zones down now", "lanes-lockdown"}, {"/lanes/at/north-1/open/1", "The person walks", "lanes-open"},
		{"/lanes/commands/north-1.1", "passed at 12:00:04", "lanes-command"}, {"/lanes/retired", "sold", "lanes-retired"}, {"/lanes/at/old-1", "Retired at", "lanes-old"},
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
		if page.name == "lanes-map" {
			b.Shot(page.name + "-phone")
		}
	}
	b.Size(1280, 900)
	b.Open("/lanes/enrol")
	b.Fill("input[name=id]", "west-1")
	b.Click("main button")
	b.WaitText("turnstile-enrol-1.")
	b.Axe()
	b.Shot("lanes-token")
}

func TestChinese(t *testing.T) {
	b := open(t, newYard())
	b.Open("/lanes")
	b.Click("button[value=zh-Hant]")
	b.WaitText("正門")
	for _, want := range []string{"閘門被強行轉動", "拒絕：已過期", "2／2", "自由通行", "全部封鎖"} {
		if want == "2／2" {
			want = "1／2 個閘道已生效"
		}
		b.WaitText(want)
	}
	b.Axe()
	b.Shot("lanes-map-zh")
	b.Open("/lanes/wall")
	b.WaitText("圖書館")
	b.Dark(true)
	b.Shot("lanes-wall-zh-dark")
}

// many returns a yard of n lanes at ten entrances.
func many(n int) *yard {
	y := newYard()
	y.board.Lanes, y.board.Entrances = nil, nil
	for e := range 10 {
		y.board.Entrances = append(y.board.Entrances, office.Entrance{ID: fmt.Sprint("e", e), Name: fmt.Sprint("Entrance ", e), NameZH: fmt.Sprint("入口 ", e), Position: e})
	}
	for i := range n {
		y.board.Lanes = append(y.board.Lanes, stand(fmt.Sprint("lane-", i), fmt.Sprint("e", i*10/n), fmt.Sprint("Lane ", i), nil))
	}
	return y
}

// TestLiveWithoutJumps: of 200 lanes one changes, far below what is read: its
// card is another one, what is read stays where it is, the focus stays, and no
// more than that card was sent. It also works while somebody has the focus in the
// map.
func TestLiveWithoutJumps(t *testing.T) {
	y := many(200)
	b := open(t, y)
	b.Open("/lanes")
	b.WaitText("Lane 150")
	b.Wait("document.body.dataset.stream === 'open'")
	b.Wait("(document.getElementById('link-lane-150-1').scrollIntoView({block: 'center'}), document.getElementById('link-lane-150-1').focus({preventScroll: true}), true)")
	top := "Math.round(document.getElementById('lane-lane-150-1').getBoundingClientRect().top)"
	before := consoletest.Eval[int](b, top)
	b.Wait("(window.untouched = document.getElementById('lane-lane-151-1'), true)")
	for _, i := range []int{3, 150} {
		y.change(func(board *office.Board) {
			l := stand(fmt.Sprint("lane-", i), board.Lanes[i].Place.Entrance, fmt.Sprint("Lane ", i), func(s *link.LaneState) { s.Warnings = []string{"gate.held"} })
			l.Changed = board.Version
			board.Lanes[i] = l
		})
		b.Wait(fmt.Sprintf("document.getElementById('lane-lane-%d-1').innerText.includes('Held open')", i))
	}
	b.WaitText("2 with trouble")
	if after := consoletest.Eval[int](b, top); after != before {
		t.Errorf("the card that is read jumped from %d to %d", before, after)
	}
	if id := consoletest.Eval[string](b, "document.activeElement.id"); id != "link-lane-150-1" {
		t.Errorf("the focus went to %q", id)
	}
	if !consoletest.Eval[bool](b, "window.untouched === document.getElementById('lane-lane-151-1')") {
		t.Error("a lane that did not change was sent")
	}
	b.Open("/lanes/wall")
	b.Size(1920, 1080)
	b.WaitText("Lane 199")
	if high := consoletest.Eval[int](b, "document.documentElement.scrollHeight"); high > 1080 {
		t.Errorf("200 lanes are %d pixels high on the wall: nobody scrolls there", high)
	}
	b.Shot("lanes-wall-200")
}

// TestToldWhileItFetches: what changes while a page fetches what changed before is
// shown as well, though nothing happens after it.
func TestToldWhileItFetches(t *testing.T) {
	y := newYard()
	b := open(t, y)
	b.Open("/lanes")
	b.Wait("document.body.dataset.stream === 'open' && !document.querySelector('.htmx-request')")
	b.Wait("(window.told = 0, new EventSource('/office/live?topics=lanes').addEventListener('lanes', () => window.told++), true)")
	slow := make(chan struct{})
	y.hold(slow)
	y.change(func(*office.Board) {})
	b.Wait("window.told > 0 && document.querySelector('.htmx-request')")
	told := consoletest.Eval[int](b, "window.told")
	y.change(func(board *office.Board) {
		l := stand("north-2", "main", "North 2", func(s *link.LaneState) { s.Warnings = []string{"gate.held"} })
		l.Changed = board.Version
		board.Lanes[1] = l
	})
	b.Wait(fmt.Sprintf("window.told > %d", told))
	y.hold(nil)
	close(slow)
	b.Wait("document.getElementById('lane-north-2-1').innerText.includes('Held open')")
}

// TestOneLane: a campus with one lane looks at home too.
func TestOneLane(t *testing.T) {
	y := many(1)
	y.board.Entrances = y.board.Entrances[:1]
	y.board.Zones = y.board.Zones[:1]
	b := open(t, y)
	b.Open("/lanes")
	b.WaitText("Lanes: 1")
	b.Shot("lanes-1")
	y.change(func(board *office.Board) { board.Lanes, board.Layout = nil, board.Version })
	b.WaitText("No lane is enrolled yet.")
}

// TestWithoutScripts: everything works with JavaScript off.
func TestWithoutScripts(t *testing.T) {
	y := newYard()
	b := open(t, y)
	b.Scripts(false)
	b.Open("/lanes")
	b.Click("#open-north-1-1")
	b.WaitText("The person walks")
	b.Choose("select[name=cause]", "visitor")
	b.Click("#do-open")
	b.WaitText("passed at 12:00:04")
	if len(y.done) != 1 || !strings.Contains(y.done[0], "opens north-1/1 1 visitor") {
		t.Errorf("done %q", y.done)
	}
}

// TestKeyboard: a lockdown by Tab and Enter alone.
func TestKeyboard(t *testing.T) {
	y := newYard()
	b := open(t, y)
	b.Open("/lanes")
	focus := func(id string) {
		for range 40 {
			if consoletest.Eval[string](b, "document.activeElement.id") == id {
				return
			}
			b.Press(kb.Tab)
		}
		t.Fatalf("Tab does not lead to %s", id)
	}
	focus("lock-all")
	b.Press(kb.Enter)
	b.WaitText("Lock all zones down now")
	focus("do-lockdown")
	b.Press(kb.Enter)
	b.WaitText("All zones are locked down")
	if len(y.done) != 1 {
		t.Errorf("done %q, want one deed for all zones", y.done)
	}
}
