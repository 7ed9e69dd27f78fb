package endtoend

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"turnstile/agent/health"
	"turnstile/central/console/consoletest"
	"turnstile/central/office"
	"turnstile/central/rights"
	"turnstile/central/server"
	"turnstile/simulator/site"
)

// deskAt is the console of a site's central, for a browser.
func deskAt(t *testing.T, s *site.Site) *consoletest.Office {
	t.Helper()
	c, err := server.Load(filepath.Join(s.Data(), "central", "central.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return &consoletest.Office{Config: c, URL: s.API.URL}
}

// reason picks why something is done, which every deed asks for.
func reason(b *consoletest.Browser, cause, note string) {
	b.Choose("select[name=cause]", cause)
	b.Fill("input[name=note]", note)
}

// TestLanesFromTheConsole is a guard's day in a browser: a lane is enrolled with
// the token that the page shows, appears by itself on the map, is opened by hand,
// shows who passes, is locked down with all others, stays so while central is
// away and over a restart, and is retired.
func TestLanesFromTheConsole(t *testing.T) {
	s := campus(t, site.Config{})
	desk := deskAt(t, s)
	chief, wall := desk.As(t, rights.Admin), desk.As(t, rights.Security)
	wall.Open("/lanes")
	wall.WaitText("No lane is enrolled yet.")

	chief.Open("/lanes/entrances")
	chief.Fill("input[name=id]", "main")
	chief.Fill("input[name=new] ~ .grid input[name=name]", "Main gate")
	chief.Click("section:last-of-type button")
	chief.WaitText("Saved.")
	chief.Open("/lanes/enrol")
	chief.Fill("input[name=id]", "north")
	chief.Fill("input[name=name]", "North side")
	chief.Choose("select[name=entrance]", "main")
	chief.Click("main form button")
	chief.WaitText("This token is shown once.")
	token := strings.TrimSpace(chief.Text("#token"))
	keepSecret(s, "enrolment token", token[20:])
	if command := chief.Text("#command"); !strings.Contains(command, "agent enroll --central "+s.EnrolURL()+" --token-file -") {
		t.Errorf("the page says to type %q", command)
	}
	wall.WaitText("Not enrolled yet")

	a, err := s.Add(t.Context(), site.AgentSetup{ID: "north", Lanes: []site.LaneSetup{{Name: "North-1", AutoWalk: walkTime}}}, token)
	if err != nil {
		t.Fatal(err)
	}
	wall.Wait("document.querySelector('#lane-north-1.look-ready') && document.querySelector('#lane-north-1').innerText.includes('North side')")
	wall.WaitText("Main gate")
	synced(t, s)

	openedFromDesk(t, wall, a)
	p := issue(t, s, func(o *office.OrderBody) { o.Holder = "B7654321" })
	walk(t, a, p.Code)
	wall.Open("/lanes")
	wall.Wait("[...document.querySelectorAll('#lane-north-1 .sights li')].some(l => l.innerText.includes('Passed') && l.innerText.includes('eCard') && l.querySelector('a[href*=\"/person\"]'))")
	if strings.Contains(wall.Text("body"), "B7654321") {
		t.Error("the map names a holder")
	}
	wall.Shot("lanes-endtoend-map")
	wall.Click("#lane-north-1 a[href*='/person']")
	wall.Wait("location.pathname.endsWith('/person') && document.querySelector('main form textarea, main form input, main form select')") // why it is asked

	lockedFromDesk(t, s, wall, a, p.Code)
	retiredFromDesk(t, s, chief, a)
}

// openedFromDesk opens the lane once; its page tells live what became of it.
func openedFromDesk(t *testing.T, b *consoletest.Browser, a *site.Agent) {
	t.Helper()
	hasGate(t, a)
	before := a.Lanes[0].Controller.State().Openings
	b.Click("#open-north-1")
	b.WaitText("The person walks")
	reason(b, "visitor", "the dean's guest")
	b.Click("#do-open")
	b.WaitText("Opened, and passed at")
	b.Shot("lanes-endtoend-opened")
	if now := a.Lanes[0].Controller.State().Openings; now != before+1 {
		t.Errorf("the gate opened %d times", now-before)
	}
	b.Open("/lanes/at/north")
	b.WaitText("visitor: the dean's guest")
	b.Axe()
}

// lockedFromDesk locks everything down by two clicks; the lane refuses, also after
// a restart without central, until the zone is set back.
func lockedFromDesk(t *testing.T, s *site.Site, b *consoletest.Browser, a *site.Agent, code string) {
	t.Helper()
	b.Open("/lanes")
	b.Click("#lock-all")
	b.WaitText("Lock all zones down now")
	b.Click("#do-lockdown")
	b.WaitText("All zones are locked down")
	b.WaitText("in force at 1 of 1 lanes")
	refused(t, a, code, "LOCKDOWN")
	b.Open("/lanes")
	b.Wait("document.querySelector('#lane-north-1.look-lockdown') && document.querySelector('#lane-north-1').innerText.includes('Refused: Lockdown')")
	b.Shot("lanes-endtoend-lockdown")
	b.Open("/lanes/wall")
	b.Wait("document.querySelector('#lane-north-1.look-lockdown') && document.body.dataset.stream === 'open'")

	s.Central().Kill()
	b.Wait("document.body.dataset.stream === 'lost' && document.querySelector('.lost').offsetHeight > 0")
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	refused(t, a, code, "LOCKDOWN")
	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
	b.Wait("document.body.dataset.stream === 'open' && document.querySelector('#lane-north-1.look-lockdown')")
	refused(t, a, code, "LOCKDOWN")

	b.Open("/lanes/modes")
	b.WaitText("incident")
	b.Click("#zone-0 input[name=mode][value='0']")
	b.Choose("#zone-0 select[name=cause]", "incident")
	b.Click("#zone-0 button")
	b.WaitText("Main: Normal.")
	b.Wait("!document.querySelector('#standing li:first-child.mode-lockdown')")
	until(t, "the lane has heard", func() bool {
		lanes, err := s.API.Lanes(t.Context())
		var rules office.RulesBody
		return err == nil && s.API.Do(t.Context(), "GET", "/rules", nil, &rules) == nil && len(lanes) == 1 && lanes[0].Rules == rules.Version
	})
	before := a.Lanes[0].Controller.State().Openings
	guestPass := issue(t, s, guest)
	hasGate(t, a)
	scan(t, a, guestPass.Code)
	until(t, "the lane opens again", func() bool { return a.Lanes[0].Controller.State().Openings == before+1 })
}

// retiredFromDesk ends the lane's rights; what it did stays to be read.
func retiredFromDesk(t *testing.T, s *site.Site, b *consoletest.Browser, a *site.Agent) {
	t.Helper()
	b.Open("/lanes/at/north")
	b.Wait("(document.querySelector('form[action$=\"/retire\"]').closest('details').open = true)")
	b.Fill("form[action$='/retire'] input[name=reason]", "the building is closed")
	b.Click("form[action$='/retire'] button")
	b.WaitText("Retired at")
	b.WaitText("the building is closed")
	b.WaitText("Last passages")
	until(t, "the lane lost its connection", func() bool {
		now, err := a.Status()
		return err == nil && slices.ContainsFunc(now.Warnings, func(w health.Entry) bool { return strings.HasPrefix(w.Code, "uplink.") })
	})
	lanes, err := s.API.Lanes(t.Context())
	if err != nil || len(lanes) != 0 {
		t.Errorf("%d lanes, %v", len(lanes), err)
	}
	b.Open("/lanes")
	b.WaitText("Retired lanes: 1")
}
