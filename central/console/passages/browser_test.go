package passages_test

import (
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/central/database"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// guests are names as people have them, and as attackers write them.
var guests = []string{"Grace Hopper", "", "陳大文", "<script>alert(1)</script>", "=HYPERLINK(\"http://x\")", "محمد علي", "", "O'Brien Mary"}

// firstTime returns the time that stands in the first row of a list, once there is
// one: the address is the new page's before its rows are.
func firstTime(b *consoletest.Browser) string {
	b.Wait("document.querySelector('#rows tbody tr:first-child td')")
	return consoletest.Eval[string](b, "document.querySelector('#rows tbody tr:first-child td').innerText")
}

// TestBusyDay looks at a day of three thousand people: one central and one browser,
// since each start costs seconds.
func TestBusyDay(t *testing.T) {
	c := newCampus(t, guests...)
	c.day(t, 3000)
	b := c.As(t, rights.Admin)
	findAndExplain(t, c, b)
	charts(t, b)
	chinese(b)
}

// findAndExplain does what the office does when somebody calls: find the person,
// read why, see what else the pass did.
func findAndExplain(t *testing.T, c *campus, b *consoletest.Browser) {
	refused := c.entry(t, link.EntryDenied, 0, c.now.Add(-time.Minute))
	refused.Reason, refused.FeedSeq = pass.Revoked, 5
	c.Call(t, "POST", "/passes/"+c.passes[0].ID+"/revoke", map[string]string{"reason": "lost phone"}, nil, 200)
	c.record(t, 0, refused)

	b.Open("/passages")
	b.WaitText("Passages and refusals")
	if n := consoletest.Eval[int](b, "document.querySelectorAll('#rows tbody tr').length"); n != 50 {
		t.Errorf("%d rows on the first page, want 50", n)
	}
	if n := consoletest.Eval[int](b, "document.querySelectorAll('#rows script, #rows img').length"); n != 0 {
		t.Error("a guest's name became a part of the page")
	}
	b.Axe()
	b.Shot("passages-list")
	b.Dark(true)
	b.Shot("passages-list-dark")
	b.Dark(false)

	first := firstTime(b)
	b.Click("a[rel=next]")
	b.Wait("location.search.includes('cursor')")
	if again := firstTime(b); again == first {
		t.Errorf("the page of older ones begins with %q as well", again)
	}
	b.Click("a[rel=prev]")
	b.Wait("!location.search.includes('cursor')")
	if back := firstTime(b); back != first {
		t.Errorf("back on the first page stands %q, not %q", back, first)
	}

	b.Fill("input[name=name]", "hopper")
	b.Choose("select[name=reason]", "REVOKED")
	b.Click("form.search button")
	b.Wait("location.search.includes('name=hopper')")
	b.WaitText("Revoked")
	b.Click("#rows tbody tr:first-child a[href*='/passages/']")
	b.WaitText("What the lane knew")
	b.WaitText("lost phone")
	b.Axe()
	b.Shot("passages-explain")
	b.Dark(true)
	b.Shot("passages-explain-dark")
	b.Size(390, 844)
	b.Shot("passages-explain-phone")
	b.Open("/passages")
	b.WaitText("Passages and refusals")
	b.Axe()
	b.Shot("passages-list-phone")
}

// TestLateLane: the office revoked a pass, and a lane let it in because it had not
// heard of that.
func TestLateLane(t *testing.T) {
	c := newCampus(t, "Grace Hopper")
	c.Call(t, "POST", "/passes/"+c.passes[0].ID+"/revoke", map[string]string{"reason": "stolen"}, nil, 200)
	granted := c.entry(t, link.EntryGranted, 0, time.Now().Add(2*time.Second))
	granted.FeedSeq, granted.FeedAge, granted.Clock, granted.Bound = 1, 2400, link.ClockHoldover, 40
	passed := granted
	passed.Type, passed.Grant = link.EntryPassed, 2
	c.record(t, 0, granted, passed)
	b := c.As(t, rights.Auditor)
	b.Open("/passages/3")
	b.WaitText("The lane did not know that when it decided")
	b.WaitText("±40 s")
	b.WaitText("The decision that it belongs to")
	b.Axe()
	b.Shot("passages-late")
}

// TestLive: what comes in is told, and does not move what is being read.
func TestLive(t *testing.T) {
	c := newCampus(t, "Grace Hopper", "")
	c.day(t, 200)
	b := c.As(t, rights.Security)
	b.Open("/passages")
	b.Wait("document.body.dataset.stream === 'open'")
	first := firstTime(b)
	c.record(t, 1, c.entry(t, link.EntryDenied, 1, time.Now()), c.entry(t, link.EntryPassed, 0, time.Now()))
	b.WaitText("2 new")
	if now := firstTime(b); now != first {
		t.Errorf("the list moved from %q to %q", first, now)
	}
	b.Axe()
	b.Shot("passages-new")
	consoletest.Eval[bool](b, "document.querySelector('#fresh a').click(), true") // it is fetched anew at any time
	b.Wait("document.querySelector('#rows tbody tr:first-child a[href*=\"/passages/\"]') && !document.querySelector('#fresh a')")
	consoletest.Eval[bool](b, "document.querySelector('a.follow').click(), true")
	b.WaitText("Stop following")
	b.Wait("document.body.dataset.stream === 'open'")
	before := consoletest.Eval[string](b, "document.querySelector('#rows tbody tr:first-child a[href*=\"/passages/\"]').href")
	c.record(t, 1, c.entry(t, link.EntryPassed, 0, time.Now().Add(time.Second)))
	b.Wait("document.querySelector('#rows tbody tr:first-child a[href*=\"/passages/\"]').href !== '" + before + "'")
}

// TestOccupancyAndMuster: who is inside, on one click, and on paper.
func TestOccupancyAndMuster(t *testing.T) {
	c := newCampus(t, guests...)
	for i := range guests {
		c.record(t, i%2, c.entry(t, link.EntryPassed, i, c.now.Add(time.Duration(i-20)*time.Minute)))
	}
	out := c.entry(t, link.EntryPassed, 7, c.now.Add(-time.Minute))
	out.Direction = 2
	c.record(t, 0, out, c.entry(t, link.EntryTailgated, 0, c.now))
	b := c.As(t, rights.Security)
	b.Open("/passages/occupancy")
	b.WaitText("In today")
	b.Wait("document.querySelector('#zones .count strong').innerText === '7'")
	b.Axe()
	b.Shot("passages-occupancy")
	b.Click(".evacuate")
	b.WaitText("Last seen")
	if n := consoletest.Eval[int](b, "document.querySelectorAll('table.muster tbody tr').length"); n != 7 {
		t.Errorf("%d on the list", n)
	}
	b.WaitText("Not counted today (tailgated, forced, or not known): 1.")
	b.Axe()
	b.Shot("passages-muster")
	b.Dark(true)
	b.Shot("passages-muster-dark")
	b.Size(390, 844)
	b.Axe()
	b.Shot("passages-muster-phone")
}

// charts looks at the drawings and that each has its numbers beside it.
func charts(t *testing.T, b *consoletest.Browser) {
	b.Size(1280, 900)
	b.Dark(false)
	b.Open("/passages/charts")
	b.WaitText("Refusals by reason")
	if n := consoletest.Eval[int](b, "document.querySelectorAll('svg.chart[role=img]').length"); n != 3 {
		t.Errorf("%d charts", n)
	}
	if n := consoletest.Eval[int](b, "document.querySelectorAll('details table tfoot').length"); n != 3 {
		t.Errorf("%d tables behind them", n)
	}
	b.Axe()
	b.Shot("passages-charts")
	b.Dark(true)
	b.Shot("passages-charts-dark")
	b.Size(390, 844)
	b.Axe()
	b.Shot("passages-charts-phone")
}

// TestAttention: an alarm is acknowledged with the keyboard alone, without
// JavaScript, and comes back when it is raised again.
func TestAttention(t *testing.T) {
	c := newCampus(t, "Grace Hopper")
	conflict := c.entry(t, link.EntryConflict, 0, c.now)
	conflict.Flags = link.FlagAlarm
	c.record(t, 0, conflict)
	raise := func() {
		t.Helper()
		err := c.db.Raise(t.Context(), database.Alarm{Code: "conflict", Lane: "north-1", Subject: "01020304/2", Latest: time.Now().UnixMilli(), Detail: "lane 1, entry 2", Next: "See both passages."})
		if err != nil {
			t.Fatal(err)
		}
	}
	raise()
	b := c.As(t, rights.Security)
	b.Scripts(false)
	b.Open("/passages/attention")
	b.WaitText("Let in twice at once")
	b.Shot("passages-attention")
	consoletest.Eval[bool](b, "document.querySelector('input[name=note]').focus(), true")
	b.Press("shared code\t\r")
	b.WaitText("Nothing to look at.")
	b.Open("/passages/attention?all=1")
	b.WaitText("shared code")
	b.Scripts(true)
	b.Open("/passages/attention")
	b.Wait("document.body.dataset.stream === 'open'")
	raise()
	b.WaitText("raised again since")
	b.Axe()
	b.Click("a[href*='/passages/2']")
	b.WaitText("Two lanes let the same pass in")
	b.Axe()
	b.Shot("passages-conflict")
}

// chinese shows the pages in Traditional Chinese.
func chinese(b *consoletest.Browser) {
	b.Size(1280, 900)
	b.Dark(false)
	b.Open("/passages")
	b.Click("button[value='zh-Hant']")
	b.WaitText("通行及拒絕")
	b.Axe()
	b.Shot("passages-list-zh")
	b.Open("/passages/20")
	b.WaitText("閘道當時所知")
	b.Shot("passages-explain-zh")
	b.Open("/passages/charts")
	b.WaitText("按原因分類的拒絕")
	b.Shot("passages-charts-zh")
	b.Open("/passages/occupancy")
	b.WaitText("點名名單")
	b.Shot("passages-occupancy-zh")
}
