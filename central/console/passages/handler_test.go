package passages_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/console/passages"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/office/officetest"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

var now = time.Date(2026, 11, 21, 9, 0, 0, 0, officetest.HongKong)

// door lets in whom a header names: a role, or single permissions.
type door struct{}

func (door) Wrap(next http.Handler) http.Handler { return next }

func (door) Principal(r *http.Request) (console.Principal, bool) {
	name := r.Header.Get("X-Role")
	p := console.Principal{Name: name, Permissions: rights.Role(name).Permissions(), Proved: now}
	if p.Permissions == nil {
		p.Permissions, _ = rights.Parse(name)
	}
	return p, name != ""
}

// desktop is the pages on a fake office.
type desktop struct {
	*officetest.Fake
	console http.Handler
	pass    office.Pass
}

func newDesktop(t *testing.T) *desktop {
	t.Helper()
	d := &desktop{Fake: officetest.New(func() time.Time { return now })}
	s := d.Services()
	c, err := console.New(console.Options{
		Auth: door{}, Site: "campus", Zone: officetest.HongKong, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Routes: passages.Routes(passages.Services{Ledger: s.Ledger, Tally: s.Tally, Presence: s.Presence, Attention: s.Attention, Zones: s.Rules, Lanes: s.Lanes, Places: s.Places, Site: "campus"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.console = c
	d.pass, err = s.Passes.Issue(t.Context(), "test", office.Order{Kind: pass.Guest, Holder: "A1", GuestName: "<b>Grace</b>", Day: 2516, Zones: 1, Length: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		e := link.Entry{Type: link.EntryPassed, Lane: 1, Direction: 1, Clock: link.ClockTrusted, Wall: now.Add(time.Duration(i-60) * time.Minute).UnixMilli(), Kind: pass.Guest, Pass: d.pass.ID(), FeedSeq: 1}
		if i%2 == 1 {
			e.Type, e.Reason = link.EntryDenied, pass.AlreadyInside
		}
		d.AddPassage(office.Passage{Lane: "north", Received: now, Entry: e, HolderName: "A1", GuestName: "<b>Grace</b>"})
	}
	d.AddAlarm(office.Alarm{At: now, Lane: "north", Code: "gate_forced", Detail: "<i>x</i>", Next: "Look."})
	return d
}

func (d *desktop) do(method, path, role string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://office.example/office"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Role", role)
	w := httptest.NewRecorder()
	d.console.ServeHTTP(w, r)
	return w
}

// TestBadInput: whatever is typed comes back with its mistake beside its field,
// and never as a part of the page.
func TestBadInput(t *testing.T) {
	d := newDesktop(t)
	long := strings.Repeat("x", 300)
	for _, x := range []struct{ field, value, mistake string }{
		{"day", "21.11.2026", "day-mistake"}, {"day", "2026-02-30", "day-mistake"}, {"day", "<script>", "day-mistake"}, {"day", long, "day-mistake"},
		{"from", "yesterday", "from-mistake"}, {"from", "9999-01-01T00:00", "from-mistake"}, {"until", "0001-01-01T00:00", "until-mistake"},
		{"lane", "north';--", "lane-mistake"}, {"lane", "north.0", "lane-mistake"}, {"lane", "north.300", "lane-mistake"}, {"lane", "../../x", "lane-mistake"},
		{"zone", "16", "zone-mistake"}, {"zone", "-1", "zone-mistake"}, {"zone", "1e9", "zone-mistake"},
		{"what", "nothing", "what-mistake"}, {"reason", "granted?", "reason-mistake"}, {"kind", "vip", "kind-mistake"}, {"going", "up", "going-mistake"},
		{"pass", "4711", "pass-mistake"}, {"pass", "2026-11-21/99999999", "pass-mistake"}, {"pass", strings.Repeat("A", 141), "pass-mistake"},
		{"name", long, "name-mistake"}, {"name", "a\x00b", "name-mistake"}, {"name", "a\u202eb\x7f", "name-mistake"}, {"name", "\xff\xfe", "name-mistake"},
	} {
		for _, method := range []string{"GET", "POST"} {
			form := url.Values{x.field: {x.value}}
			path := "/passages"
			if method == "GET" {
				path, form = path+"?"+form.Encode(), nil
			}
			w := d.do(method, path, "admin", form)
			body := w.Body.String()
			if method == "GET" && !office.IsText(&url.URL{RawQuery: url.Values{x.field: {x.value}}.Encode()}) {
				if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, "This address has characters that are no text") {
					t.Errorf("%s %s=%.30q: %d", method, x.field, x.value, w.Code)
				}
				continue
			}
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, `id="`+x.mistake+`"`) || !strings.Contains(body, `aria-describedby="`+x.mistake+`"`) || strings.Contains(body, "<script>") {
				t.Errorf("%s %s=%.30q: %d, no %s", method, x.field, x.value, w.Code, x.mistake)
			}
		}
	}
	if w := d.do("GET", "/passages?day=2026-11-21&from=2026-11-21T08:00", "admin", nil); w.Code != 422 {
		t.Errorf("a day and a range: %d", w.Code)
	}
	if w := d.do("GET", "/passages?from=2026-11-21T08:00&until=2026-11-21T07:00", "admin", nil); w.Code != 422 {
		t.Errorf("an end before its begin: %d", w.Code)
	}
	for path, want := range map[string]int{
		"/passages?cursor=x": 422, "/passages/0": 404, "/passages/-1": 404, "/passages/99999": 404, "/passages/x": 404, "/passages/99999999999999999999": 404,
		"/passages/fresh?after=x": 422, "/passages/muster?zone=99": 404, "/passages/muster?zone=x": 404, "/passages/charts?day=x": 422, "/passages/charts?from=2000-01-01T00:00": 200,
		"/passages/attention?cursor=x": 422, "/passages?day=2026-11-21&day=x": 200, "/passages?trail=a,b,c": 200, "/passages/fresh?after=1&name=%00": 422,
	} {
		if w := d.do("GET", path, "admin", nil); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// TestCodeStandsInNoAddress: a code that is pasted becomes the number of its pass.
func TestCodeStandsInNoAddress(t *testing.T) {
	d := newDesktop(t)
	code, err := d.Services().Passes.Code(t.Context(), d.pass.ID())
	if err != nil {
		t.Fatal(err)
	}
	typed := strings.ToLower(code.Text[:60]) + " \r\n" + code.Text[60:]
	w := d.do("POST", "/passages", "admin", url.Values{"pass": {strings.ReplaceAll(typed, "\r\n", "")}, "what": {""}, "day": {" "}})
	if want := "/office/passages?pass=" + url.QueryEscape(d.pass.ID().String()); w.Code != 303 || w.Header().Get("Location") != want {
		t.Errorf("%d to %q, want %q", w.Code, w.Header().Get("Location"), want)
	}
	if w := d.do("POST", "/passages", "admin", url.Values{"pass": {code.Text + "A"}}); w.Code != 422 || strings.Contains(w.Body.String(), code.Text[:40]) {
		t.Errorf("%d: a broken code is shown again", w.Code)
	}
}

// TestNames: who may not look at passes sees passages without names.
func TestNames(t *testing.T) {
	d := newDesktop(t)
	for _, path := range []string{"/passages", "/passages/2", "/passages/muster", "/passages/rows", "/passages?what=all"} {
		if w := d.do("GET", path, "admin", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "&lt;b&gt;Grace&lt;/b&gt;") || strings.Contains(w.Body.String(), "<b>Grace") {
			t.Errorf("%s as admin: %d", path, w.Code)
		}
		if w := d.do("GET", path, "passages.read", nil); w.Code != 200 || strings.Contains(w.Body.String(), "Grace") {
			t.Errorf("%s without passes.read: %d, or a name", path, w.Code)
		}
	}
	if w := d.do("GET", "/passages?name=grace", "passages.read", nil); w.Code != 422 || strings.Contains(w.Body.String(), "#rows tr") {
		t.Errorf("a search for a name: %d", w.Code)
	}
	w := d.do("POST", "/passages/export", "passages.read,passages.export", url.Values{"format": {"csv"}})
	if w.Code != 200 || strings.Contains(w.Body.String(), "Grace") || !strings.Contains(w.Body.String(), "ALREADY_INSIDE") {
		t.Errorf("a file: %d %.200s", w.Code, w.Body)
	}
}

func TestExportForm(t *testing.T) {
	d := newDesktop(t)
	w := d.do("POST", "/passages/export", "auditor", url.Values{"format": {"spreadsheet"}, "reason": {"ALREADY_INSIDE"}})
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), "\ufeffnumber,") || strings.Count(w.Body.String(), "\r\n") != 31 || w.Header().Get("Content-Disposition") != `attachment; filename="passages-campus.csv"` {
		t.Errorf("%d %v %.100s", w.Code, w.Header(), w.Body)
	}
	if got := d.Exports(); len(got) != 1 || got[0] != "user:auditor: type denied, reason ALREADY_INSIDE" {
		t.Errorf("the audit has %q", got)
	}
	for _, form := range []url.Values{{"format": {"xls"}}, {}, {"format": {"csv"}, "day": {"x"}}} {
		if w := d.do("POST", "/passages/export", "auditor", form); w.Code != 422 {
			t.Errorf("%v: %d", form, w.Code)
		}
	}
	if w := d.do("POST", "/passages/export", "security", url.Values{"format": {"csv"}}); w.Code != 403 {
		t.Errorf("security takes it away: %d", w.Code)
	}
	w = d.do("POST", "/passages/muster", "security", url.Values{})
	if w.Code != 200 || strings.Count(w.Body.String(), "\r\n") != 2 || !strings.Contains(w.Body.String(), "<b>Grace</b>") {
		t.Errorf("muster: %d %s", w.Code, w.Body)
	}
}

func TestAcknowledgeForm(t *testing.T) {
	d := newDesktop(t)
	const path = "/passages/attention/1/acknowledge"
	if w := d.do("POST", path, "auditor", url.Values{"count": {"1"}}); w.Code != 403 {
		t.Errorf("an auditor: %d", w.Code)
	}
	for _, note := range []string{strings.Repeat("語", 201), "a\x07b", "a\nb"} {
		w := d.do("POST", path, "security", url.Values{"count": {"1"}, "note": {note}})
		if w.Code != 422 || !strings.Contains(w.Body.String(), `id="note-1-mistake"`) || !strings.Contains(w.Body.String(), `aria-describedby="note-1-mistake"`) {
			t.Errorf("note %.10q: %d", note, w.Code)
		}
	}
	for _, count := range []string{"", "x", "0", "2"} {
		if w := d.do("POST", path, "security", url.Values{"count": {count}}); w.Code != 422 && w.Code != 409 {
			t.Errorf("count %q: %d", count, w.Code)
		}
	}
	if w := d.do("POST", "/passages/attention/9/acknowledge", "security", url.Values{"count": {"1"}}); w.Code != 404 {
		t.Errorf("no such alarm: %d", w.Code)
	}
	if w := d.do("POST", path, "security", url.Values{"count": {"1"}, "note": {"<u>seen</u>"}}); w.Code != 303 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := d.do("GET", "/passages/attention?all=1", "security", nil)
	if !strings.Contains(w.Body.String(), "&lt;u&gt;seen&lt;/u&gt;") || !strings.Contains(w.Body.String(), "by security") || !strings.Contains(w.Body.String(), "Gate forced") {
		t.Errorf("%s", w.Body)
	}
}

// TestPager: newer leads back through the pages that older led through.
func TestPager(t *testing.T) {
	d := newDesktop(t)
	first := d.do("GET", "/passages", "viewer", nil).Body.String()
	older := link1(t, first, `rel="next" href="`)
	second := d.do("GET", older, "viewer", nil).Body.String()
	if strings.Contains(second, `rel="next"`) || strings.Count(second, "<tr>") != 11 {
		t.Errorf("%d rows on the last page", strings.Count(second, "<tr>"))
	}
	if newer := link1(t, second, `rel="prev" href="`); newer != "/passages" {
		t.Errorf("newer leads to %s", newer)
	}
	trail := passages.JoinTrail(nil, "a")
	for range 100 {
		trail = passages.JoinTrail(passages.SplitTrail(trail), "1795230000000.12345678")
	}
	if n := len(passages.SplitTrail(trail)); n != passages.MaxTrail {
		t.Errorf("a trail of %d", n)
	}
	if passages.SplitTrail(strings.Repeat("x", 1<<16)) != nil {
		t.Error("a trail without bound")
	}
}

func link1(t *testing.T, page, before string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, before+"/office")
	path, _, closed := strings.Cut(rest, `"`)
	if !ok || !closed {
		t.Fatalf("no %s", before)
	}
	return strings.ReplaceAll(path, "&amp;", "&")
}

func TestWords(t *testing.T) {
	consoletest.CheckWords(t, os.DirFS("pages"), ".", passages.Words, 120)
	texts, _ := passages.Outcomes()
	for _, text := range append(texts, "alarm", "old feed or doubtful clock", "was inside already", "free passage", "live code", "short code", "in", "out", "day", "hour") {
		if !console.Translated(passages.Words, text) {
			t.Errorf("no Chinese for %q", text)
		}
	}
	said := regexp.MustCompile(`\.say\(("(?:[^"\\]|\\.)*")`)
	found := 0
	for _, file := range []string{"one.go", "charts.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllSubmatch(source, -1) {
			text, err := strconv.Unquote(string(m[1]))
			if found++; err != nil || !console.Translated(passages.Words, text) {
				t.Errorf("no Chinese for %s", m[1])
			}
		}
	}
	if found < 70 {
		t.Errorf("%d texts found", found)
	}
	for english, chinese := range passages.Words {
		if strings.Count(english, "%") != strings.Count(chinese, "%") {
			t.Errorf("%q and %q have other arguments", english, chinese)
		}
	}
	if len(texts) < 12 {
		t.Errorf("%d choices", len(texts))
	}
}

// TestOutcomes: every type of entry can be searched for.
func TestOutcomes(t *testing.T) {
	_, shown := passages.Outcomes()
	for _, x := range office.EntryTypes() {
		if !slices.Contains(shown, x) && x != link.EntryFloor { // that is under "everything" alone
			t.Errorf("no choice shows %s", office.EntryTypeName(x))
		}
	}
}
