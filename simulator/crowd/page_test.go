package crowd

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/console/consoletest"
	"turnstile/simulator/campus"
	"turnstile/simulator/web"
)

// few are three lanes for a small crowd.
func few() []campus.LaneSpec { return slices.Concat(Lanes(60)[:2], Lanes(60)[4:5]) }

// opened is a day that is played on a campus, and its page.
type opened struct {
	*consoletest.Browser
	*testing.T
	campus *campus.Campus
	live   *Live
	url    string
}

func open(t *testing.T) *opened {
	t.Helper()
	k, err := campus.Open(t.Context(), campus.Config{Lanes: few(), Walk: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLive(k, LiveOptions{Seed: 7, People: 60, Lanes: few(), Day: MinDay})
	if err != nil {
		t.Fatal(err)
	}
	h, err := web.New(k, web.Options{Pages: []web.Page{l.Page()}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		server.CloseClientConnections()
		server.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return &opened{consoletest.Browse(t, server.URL), t, k, l, server.URL}
}

// press sends a button's words, as a page does that runs no script.
func (o *opened) press(name, value string) int {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), http.MethodPost, o.url+Path+"do", strings.NewReader(url.Values{name: {value}}.Encode()))
	if err != nil {
		o.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		o.Fatal(err)
	}
	defer w.Body.Close()
	return w.StatusCode
}

// fact is a number of the page.
func fact(name string) string {
	return fmt.Sprintf("Number(document.querySelector('[data-fact=%s] b').textContent)", name)
}

// TestPage plays a day on the page, and holds its numbers to central's ledger.
func TestPage(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.Open(Path)
	o.Click("[name=pace][value='4']")
	o.Wait("document.querySelector('[name=pace][value=\"4\"]').getAttribute('aria-pressed') === 'true'")
	o.Wait(fact("through") + " >= 12 && " + fact("refused") + " >= 2")
	o.Click("[value=lecture]")
	o.Wait("/A lecture ends: [1-9]\\d* people leave/.test(document.getElementById('said').textContent)")
	o.Click("[value=pause]")
	o.Wait("document.querySelector('[value=go]') && " + fact("waiting") + " === 0")
	o.matches()
	o.Click("summary")
	for _, size := range []int64{390, 1280} {
		o.Size(size, 900)
		if wide := consoletest.Eval[int](o.Browser, "document.documentElement.scrollWidth"); wide > int(size) {
			t.Errorf("%d pixels wide on %d", wide, size)
		}
		o.Shot(fmt.Sprintf("crowd-%d", size))
	}
	o.Axe()
	if n := consoletest.Eval[int](o.Browser, "document.querySelectorAll('.chart svg[aria-label]').length"); n != 6 {
		t.Errorf("%d charts", n)
	}
	for value, want := range map[string]int{"go": 303, "nothing": 422, "": 422, strings.Repeat("x", maxForm+1): 400} {
		if got := o.press("do", value); got != want {
			t.Errorf("do=%.10s: %d, want %d", value, got, want)
		}
	}
	if got := o.press("pace", "1000"); got != 422 {
		t.Errorf("pace 1000: %d", got)
	}
	if err := o.campus.Do(t.Context(), campus.Act{Verb: "mode", Target: "0", Words: []string{"lockdown"}}); err != nil {
		t.Fatal(err)
	}
	o.Wait("/tried again.*LOCKDOWN/s.test(document.querySelector('[data-part=tally]').textContent)")
}

// matches waits until the page of a day that is paused says what central has: who is at a
// lane goes on walking.
func (o *opened) matches() {
	o.Helper()
	late, again := time.NewTimer(consoletest.Patience), time.NewTicker(200*time.Millisecond)
	defer late.Stop()
	defer again.Stop()
	for {
		want := o.central()
		got := consoletest.Eval[string](o.Browser, `[...['through', 'refused', 'Campus', 'Library'].map(f => f + ' ' + document.querySelector('[data-fact=' + f + '] b').textContent),
			...[...document.querySelectorAll('.reasons tbody tr')].map(r => r.querySelector('code').textContent + ' ' + r.lastElementChild.textContent).sort()].join('\n')`)
		if got == want {
			return
		}
		select {
		case <-late.C:
			o.Fatalf("the page says\n%s\ncentral has\n%s", got, want)
		case <-again.C:
		}
	}
}

// central is what the page should say, by the ledger and by central's own count.
func (o *opened) central() string {
	o.Helper()
	rows, err := o.campus.Ledger(o.Context(), 0)
	if err != nil {
		o.Fatal(err)
	}
	passed, denied, reasons := 0, 0, map[string]int{}
	for _, r := range rows {
		switch r.Type {
		case "passed":
			passed++
		case "denied":
			denied++
			reasons[r.Reason]++
		}
	}
	zones, err := o.campus.Occupancy(o.Context())
	if err != nil || passed < 12 || denied < 2 || len(zones) != 2 {
		o.Fatalf("central has %d passages, %d refusals, %d zones: %v", passed, denied, len(zones), err)
	}
	lines := []string{fmt.Sprintf("through %d", passed), fmt.Sprintf("refused %d", denied), fmt.Sprintf("Campus %d", zones[0].Inside), fmt.Sprintf("Library %d", zones[1].Inside)}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		lines = append(lines, fmt.Sprintf("%s %d", reason, reasons[reason]))
	}
	return strings.Join(lines, "\n")
}

// TestDayClock: the day goes on at its pace, stands still, and knows what time it was.
func TestDayClock(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, campus.Zone())
	c := dayClock{begin: at(8, 0), end: at(22, 0), rate: 60, pace: 1}
	c.start(now)
	c.pace = 2
	c.turn(now.Add(time.Minute))
	c.hold(now.Add(2*time.Minute), true)
	c.hold(now.Add(3*time.Minute), false)
	c.paused = true
	c.turn(now.Add(4 * time.Minute))
	for after, want := range map[time.Duration]time.Duration{-time.Hour: at(8, 0), 0: at(8, 0), 30 * time.Second: at(8, 30), time.Minute: at(9, 0),
		2 * time.Minute: at(11, 0), 150 * time.Second: at(11, 0), 3 * time.Minute: at(11, 0), 4 * time.Minute: at(13, 0), time.Hour: at(13, 0)} {
		if got := c.at(now.Add(after)); got != want {
			t.Errorf("after %v it is %v, want %v", after, got, want)
		}
	}
}
