package lanes_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/console/lanes"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

// said are the texts of the package's Go files that go through its own helper.
var said = regexp.MustCompile(`say\((?:r, )?("(?:[^"\\]|\\.)*")|\{pass\.Cause\w+, ("(?:[^"\\]|\\.)*")\}`)

func TestWords(t *testing.T) {
	consoletest.CheckWords(t, lanes.Files(), ".", lanes.Words, 130)
	n := 0
	for _, name := range []string{"lanes.go", "view.go", "enrol.go", "entrances.go", "open.go", "modes.go", "map.go"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllSubmatch(data, -1) {
			text, err := strconv.Unquote(string(slices.Concat(m[1], m[2])))
			if err != nil {
				t.Fatal(err)
			}
			if n++; !console.Translated(lanes.Words, text) {
				t.Errorf("%s: no Chinese for %q", name, text)
			}
		}
	}
	if n < 70 {
		t.Errorf("%d texts found", n)
	}
}

// TestWarningsAreTheAgents holds the table to what agents publish.
func TestWarningsAreTheAgents(t *testing.T) {
	data, err := os.ReadFile("../../../agent/health/WARNINGS.md")
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]uint8{"notice": 1, "warning": 2, "alarm": 3}
	rows := regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\| (\\w+) \\| (.+) \\|$").FindAllStringSubmatch(string(data), -1)
	for _, m := range rows {
		level, next, chinese := lanes.Advice(m[1])
		if level != levels[m[2]] || next != m[3] {
			t.Errorf("%s is %d %q here, %s %q at the agent", m[1], level, next, m[2], m[3])
		}
		if strings.ContainsFunc(chinese, func(r rune) bool { return unicode.Is(unicode.Han, r) }) == false {
			t.Errorf("%s has no Chinese", m[1])
		}
	}
	if len(rows) < 40 || lanes.Advices() != len(rows) {
		t.Errorf("%d warnings at the agent, %d here", len(rows), lanes.Advices())
	}
}

func TestMapTellsEachState(t *testing.T) {
	y := newYard()
	c := serve(t, y)
	page := ask(t, c, "GET", "/lanes", "").Body.String()
	for _, want := range []string{
		`aria-label="North 1: Ready"`, `aria-label="North 2: Alarm"`, `aria-label="North 3: No contact"`, `aria-label="North 4: Gate does not answer"`,
		`aria-label="North 5: Works, needs attention"`, `aria-label="Library 1: Lockdown"`, `aria-label="Library 2: Mode not yet taken over"`,
		`aria-label="Hall: Free passage"`, `aria-label="Fire: Fire release: open"`, `aria-label="new-1: Not enrolled yet"`,
		"Look at the gate: it was turned without a grant.", "Behind by 2", "30 waiting", "Refused: Expired", "/office/passages/900/person",
		"in force at 1 of 2 lanes", "incident: flood", "since 11:00:00", "<strong>Lanes: 10</strong>", "6 with trouble", "Retired lanes: 1",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the map does not say %q", want)
		}
	}
	trouble := ask(t, c, "GET", "/lanes?trouble=1", "").Body.String()
	if strings.Contains(trouble, `id="lane-north-1-1"`) || !strings.Contains(trouble, `id="lane-north-2-1"`) || !strings.Contains(trouble, "Lanes: 10") {
		t.Error("the filter is wrong")
	}
	library := ask(t, c, "GET", "/lanes?entrance=library", "").Body.String()
	if strings.Contains(library, `id="lane-north-1-1"`) || !strings.Contains(library, `id="lane-hall-1"`) || strings.Contains(library, "new-1") {
		t.Error("the choice of an entrance is wrong")
	}
	y.role = rights.Viewer
	viewer := ask(t, c, "GET", "/lanes", "").Body.String()
	for _, not := range []string{"Open once", "who is this?", "Enrol a lane", "Lock everything down", "Change modes"} {
		if strings.Contains(viewer, not) {
			t.Errorf("a viewer is shown %q", not)
		}
	}
}

// refreshAt is the address at which a page asks for changes.
var refreshAt = regexp.MustCompile(`hx-get="/office(/lanes/map[^"]*)"`)

func refresh(t *testing.T, page string) string {
	t.Helper()
	m := refreshAt.FindStringSubmatch(page)
	if m == nil {
		t.Fatal("the page does not refresh itself")
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

// TestChangesAlone: a page that stands gets the lanes that changed, the whole map
// if it is another one, and from a central that it does not know.
func TestChangesAlone(t *testing.T) {
	y := newYard()
	c := serve(t, y)
	for _, path := range []string{"/lanes", "/lanes/wall"} {
		at := refresh(t, ask(t, c, "GET", path, "").Body.String())
		none := ask(t, c, "GET", at, "").Body.String()
		if strings.Contains(none, `id="lane-`) || !strings.Contains(none, `id="pulse"`) {
			t.Errorf("%s: nothing changed, and it sends\n%.2000s", path, none)
		}
		y.change(func(b *office.Board) {
			b.Lanes[2].Alive, b.Lanes[2].Changed = true, b.Version
		})
		one := ask(t, c, "GET", at, "").Body.String()
		if strings.Count(one, `id="lane-`) != 1 || !strings.Contains(one, `id="lane-north-3-1" hx-swap-oob="true"`) || !strings.Contains(one, "North 3: Ready") || strings.Contains(one, `id="map"`) {
			t.Errorf("%s: one lane changed, and it sends\n%.2000s", path, one)
		}
		y.change(func(b *office.Board) { b.Lanes[2].Alive, b.Lanes[2].Changed = false, b.Version })
		y.change(func(b *office.Board) { b.Layout = b.Version })
		if whole := ask(t, c, "GET", at, "").Body.String(); !strings.Contains(whole, `<div id="map"`) || strings.Count(whole, `id="lane-`) != 10 {
			t.Errorf("%s: the map changed, and it sends\n%.300s", path, whole)
		}
		other := strings.Replace(refresh(t, ask(t, c, "GET", path, "").Body.String()), "at=here", "at=there", 1)
		if whole := ask(t, c, "GET", other, "").Body.String(); !strings.Contains(whole, `<div id="map"`) {
			t.Errorf("%s: another central's cursor is believed", path)
		}
	}
	at := refresh(t, ask(t, c, "GET", "/lanes?trouble=1", "").Body.String())
	y.change(func(b *office.Board) { b.Lanes[2].Alive, b.Lanes[2].Changed = true, b.Version })
	if whole := ask(t, c, "GET", at, "").Body.String(); !strings.Contains(whole, `<div id="map"`) || strings.Contains(whole, "north-3-1") {
		t.Error("a lane without trouble stays among those with it")
	}
	for _, bad := range []string{"", "x", "here.", "here.x.y", "here.99999999999999999999.", strings.Repeat("9", 2000)} {
		if w := ask(t, c, "GET", "/lanes/map?at="+url.QueryEscape(bad), ""); w.Code != 200 || !strings.Contains(w.Body.String(), `<div id="map"`) {
			t.Errorf("cursor %.20q: %d", bad, w.Code)
		}
	}
}

func TestDeeds(t *testing.T) {
	for _, x := range []struct {
		path, body, to, done string
	}{
		{"/lanes/at/north-1/place", "name=North&name_zh=北&entrance=library&position=2&name_1=Left&name_zh_1=左", "/office/lanes/at/north-1",
			"user:guard places {Lane:north-1 Entrance:library Position:2 Name:North NameZH:北 Lanes:[{Number:1 Name:Left NameZH:左}]}"},
		{"/lanes/at/north-1/retire", "reason=sold", "/office/lanes/at/north-1", "user:guard retires north-1: sold"},
		{"/lanes/at/north-1/revoke", "reason=stolen", "/office/lanes/at/north-1", "user:guard revokes north-1: stolen"},
		{"/lanes/entrances", "id=south&name=South&name_zh=南門&position=3&new=1", "/office/lanes/entrances", "user:guard sets entrance {ID:south Name:South NameZH:南門 Position:3}"},
		{"/lanes/entrances/remove", "id=main", "/office/lanes/entrances", "user:guard removes entrance main"},
		{"/lanes/at/north-1/open/1", "direction=out&cause=visitor&note=+the+dean+", "/office/lanes/commands/north-1.1", `user:guard opens north-1/1 2 visitor "visitor: the dean"`},
		{"/lanes/at/north-1/identify/1", "", "/office/lanes/commands/north-1.2", "user:guard identifies north-1/1"},
		{"/lanes/modes", "zone=1&mode=0&cause=incident", "/office/lanes/modes", "user:guard sets zones [1] to 0: incident"},
	} {
		y := newYard()
		w := ask(t, serve(t, y), "POST", x.path, x.body)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != x.to || !slices.Equal(y.done, []string{x.done}) {
			t.Errorf("%s: %d to %q, done %q\n%.400s", x.path, w.Code, w.Header().Get("Location"), y.done, w.Body)
		}
	}
	y := newYard()
	w := ask(t, serve(t, y), "POST", "/lanes/lockdown", "cause=incident&note=shots")
	if w.Code != http.StatusSeeOther || !slices.Equal(y.done, []string{"user:guard sets zones [] to 1: incident: shots"}) {
		t.Errorf("lockdown: %d, %q", w.Code, y.done)
	}
	y.fail = office.Refuse(office.ErrUnavailable, "The signer does not answer.")
	if w := ask(t, serve(t, y), "POST", "/lanes/lockdown", "cause=incident"); w.Code != http.StatusConflict ||
		!strings.Contains(w.Body.String(), "Nothing was locked down") || !strings.Contains(w.Body.String(), "The signer does not answer.") {
		t.Errorf("a lockdown that fails: %d\n%.600s", w.Code, w.Body)
	}
}

func TestTokenIsShownOnce(t *testing.T) {
	for _, path := range []string{"/lanes/enrol", "/lanes/at/north-1/invite", "/lanes/at/old-1/invite"} {
		y := newYard()
		w := ask(t, serve(t, y), "POST", path, "id=west-1&name=West&entrance=main")
		body := w.Body.String()
		if w.Code != 200 || !strings.Contains(body, "turnstile-enrol-1.") || !strings.Contains(body, "data:image/png;base64,") || w.Header().Get("Cache-Control") != "no-store" ||
			!strings.Contains(body, "agent enroll --central https://office.example:8443 --token-file -") || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d %v\n%.500s", path, w.Code, w.Header(), body)
		}
		if strings.Contains(body, "agent enroll --central https://office.example:8443 --token-file - turnstile") {
			t.Error("the token stands in a command line, for all processes to see")
		}
	}
}

// bad is what forms get that nobody should send.
var bad = map[string]string{
	"long": strings.Repeat("x", 3000), "control": "a\nb", "script": "<script>alert(1)</script>", "rtl": "\u202eabc\u202c", "zero": "a\x00b", "invalid": "\xff\xfe", "blank": "   ",
}

func TestBadForms(t *testing.T) {
	wrong := 0
	for path, fields := range map[string]url.Values{
		"/lanes/enrol":             {"id": {"west-1"}, "name": {"West"}, "name_zh": {""}, "entrance": {"main"}, "position": {"1"}},
		"/lanes/entrances":         {"id": {"south"}, "name": {"South"}, "name_zh": {""}, "position": {"1"}},
		"/lanes/at/north-1/place":  {"name": {"North"}, "name_zh": {""}, "entrance": {"main"}, "position": {"1"}, "name_1": {""}},
		"/lanes/at/north-1/retire": {"reason": {"sold"}}, "/lanes/at/north-1/revoke": {"reason": {"stolen"}},
		"/lanes/at/north-1/open/1": {"direction": {"in"}, "cause": {"visitor"}, "note": {"x"}},
		"/lanes/modes":             {"zone": {"0"}, "mode": {"1"}, "cause": {"incident"}, "note": {"x"}},
		"/lanes/lockdown":          {"cause": {"incident"}, "note": {"x"}},
	} {
		if w := ask(t, serve(t, newYard()), "POST", path, fields.Encode()); w.Code != 200 && w.Code != 303 {
			t.Fatalf("%s: the good form: %d", path, w.Code)
		}
		for field := range fields {
			for name, value := range bad {
				y := newYard()
				w := send(t, y, path, fields, field, value)
				body := w.Body.String()
				if strings.Contains(body, "<script>alert") {
					t.Errorf("%s %s: a script is in the page", path, field)
				}
				if w.Code >= 500 {
					t.Errorf("%s %s %s: %d", path, field, name, w.Code)
				}
				if name == "long" || name == "control" || name == "zero" || name == "invalid" {
					if len(y.done) > 0 || w.Code != 422 && w.Code != 404 {
						t.Errorf("%s %s %s: %d, done %q", path, field, name, w.Code, y.done)
					}
					if w.Code == 422 && !strings.Contains(body, `aria-invalid="true"`) && !strings.Contains(body, `class="no"`) {
						t.Errorf("%s %s %s: the mistake is not shown", path, field, name)
					}
					wrong++
				}
			}
			y := newYard()
			if w := ask(t, serve(t, y), "POST", path, fields.Encode()+"&"+field+"=again"); w.Code != 422 || len(y.done) > 0 {
				t.Errorf("%s: %s twice: %d, done %q", path, field, w.Code, y.done)
			}
		}
	}
	if wrong < 80 {
		t.Errorf("only %d bad forms were tried", wrong)
	}
}

func send(t *testing.T, y *yard, path string, fields url.Values, field, value string) *httptest.ResponseRecorder {
	t.Helper()
	form := url.Values{}
	for k, v := range fields {
		form[k] = v
	}
	form[field] = []string{value}
	return ask(t, serve(t, y), "POST", path, form.Encode())
}

func TestMissingFields(t *testing.T) {
	for _, path := range []string{"/lanes/enrol", "/lanes/entrances", "/lanes/at/north-1/retire", "/lanes/at/north-1/revoke", "/lanes/at/north-1/open/1", "/lanes/lockdown"} {
		y := newYard()
		if w := ask(t, serve(t, y), "POST", path, ""); w.Code != 422 || len(y.done) != 0 {
			t.Errorf("%s without fields: %d, %q", path, w.Code, y.done)
		}
	}
	for _, path := range []string{"/lanes/at/nobody", "/lanes/at/north-1/open/9", "/lanes/at/north-1/open/0", "/lanes/at/north-1/open/01", "/lanes/at/a%20b", "/lanes/commands/none", "/lanes/at/north-1/open/x"} {
		if w := ask(t, serve(t, newYard()), "GET", path, ""); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestResultOfACommand(t *testing.T) {
	y := newYard()
	c := serve(t, y)
	for _, x := range []struct {
		command office.Command
		want    string
		waits   bool
	}{
		{office.Command{State: office.CommandSent}, "On its way to the lane", true},
		{office.Command{State: office.CommandOpened, Answered: noon}, "Opened 12:00:00; waiting", true},
		{office.Command{State: office.CommandDone, Result: link.EntryPassed, Answered: noon}, "Opened, and passed at 12:00:00", false},
		{office.Command{State: office.CommandDone, Result: link.EntryNotPassed, Answered: noon}, "nobody walked through", false},
		{office.Command{State: office.CommandDone, Result: link.EntryShown, Action: link.CommandIdentify}, "shows itself", false},
		{office.Command{State: office.CommandDone, Result: link.EntryUnknown}, "not known whether", false},
		{office.Command{State: office.CommandRefused, Refused: 29}, "The lane refused: Gate fault", false},
		{office.Command{State: office.CommandRefused, Refused: 29, Fire: true}, "fire alarm has released", false},
		{office.Command{State: office.CommandExpired, Expires: noon}, "offline or too slow", true},
		{office.Command{State: office.CommandExpired, Expires: noon.Add(-3600e9)}, "offline or too slow", false},
	} {
		x.command.ID, x.command.Lane, x.command.Index = "north-1.5", "north-1", 1
		y.commands["north-1.5"] = x.command
		part := ask(t, c, "GET", "/lanes/commands/north-1.5/now", "").Body.String()
		if !strings.Contains(part, x.want) || strings.Contains(part, "every 1s") != x.waits {
			t.Errorf("%s %v: %s", x.command.State, x.command.Result, part)
		}
		if page := ask(t, c, "GET", "/lanes/commands/north-1.5", "").Body.String(); !strings.Contains(page, x.want) || !strings.Contains(page, "North 1") {
			t.Errorf("the page of %s", x.command.State)
		}
	}
}

// TestControllersPage: what is known of a controller stands there, and what came
// from elsewhere is text.
func TestControllersPage(t *testing.T) {
	y := newYard()
	page := ask(t, serve(t, y), "GET", "/lanes/at/north-2", "").Body.String()
	for _, want := range []string{"Gate forced", "0badcafe", "Journal lacks entries", "&lt;b&gt;3&lt;/b&gt; entries", "7–9", "Enrolled", "Certificate renewed", "1 ×",
		"event 40, keys 2, rules 5", "entry 120, at central up to 120", "1.4.0", "Issue a pass for today.", "visitor: the dean&#39;s guest", "/office/lanes/at/north-2/open/1"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, "<b>3</b>") {
		t.Error("an alarm's detail is markup")
	}
	old := ask(t, serve(t, y), "GET", "/lanes/at/old-1", "").Body.String()
	if !strings.Contains(old, "Retired at 2026-11-21 12:00:00 by user:office") || strings.Contains(old, "/old-1/retire") || !strings.Contains(old, "/old-1/invite") {
		t.Error("a retired controller's page")
	}
	y.role = rights.Security
	guard := ask(t, serve(t, y), "GET", "/lanes/at/north-2", "").Body.String()
	if strings.Contains(guard, "/retire") || strings.Contains(guard, "/revoke") || !strings.Contains(guard, "/open/1") {
		t.Error("a guard is shown what a guard may not do, or not what may be done")
	}
}

// FuzzMap: no cursor and no filter breaks the map.
func FuzzMap(f *testing.F) {
	for _, s := range []string{"at=here.10.000000000000", "at=here.-1.x&trouble=1", "entrance=main&view=wall&at=..", "%zz", "at=here.18446744073709551615."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if len(query) > 4096 || strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return
		}
		if w := ask(t, serve(t, newYard()), "GET", "/lanes/map?"+query, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `id="pulse"`) {
			t.Errorf("%q: %d", query, w.Code)
		}
	})
}
