package approvals_test

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/approvals"
	"turnstile/central/office"
	"turnstile/central/office/officetest"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// noon is the time of the fake.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, officetest.HongKong)

// desk is the pages over a fake office.
type desk struct {
	*officetest.Fake
	services office.Services
	console  *console.Console

	addresses addresses
	mu        sync.Mutex // guards the following
	name      string
	role      rights.Role
	version   int
	letter    *office.Told // about each decision
}

// posted is the fake's applications with letters about what was decided.
type posted struct {
	office.Approvals
	desk *desk
}

func (p posted) told(a office.Application, err error) (office.Application, error) {
	p.desk.mu.Lock()
	defer p.desk.mu.Unlock()
	if a.State != office.ApplicationOpen {
		a.Told = p.desk.letter
	}
	return a, err
}

func (p posted) Find(ctx context.Context, number int64) (office.Application, error) {
	return p.told(p.Approvals.Find(ctx, number))
}

func (p posted) Decide(ctx context.Context, by string, d office.Decision) (office.Application, error) {
	return p.told(p.Approvals.Decide(ctx, by, d))
}

func (*desk) Wrap(next http.Handler) http.Handler { return next }

func (d *desk) Principal(*http.Request) (console.Principal, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return console.Principal{Name: d.name, Roles: []rights.Role{d.role}, Permissions: d.role.Permissions(), Proved: noon}, true
}

func (d *desk) as(name string, role rights.Role) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name, d.role = name, role
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{Fake: officetest.New(func() time.Time { return noon }), name: "lee", role: rights.Approver}
	d.services = d.Services()
	var err error
	d.console, err = console.New(console.Options{
		Auth: d, Site: "campus", Version: "test", Zone: officetest.HongKong, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Nav: []console.Nav{{Path: "/approvals", Text: "Approvals", Need: rights.ApplicationsRead}},
		Live: map[string]console.Version{"approvals": func(context.Context) (string, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			return strconv.Itoa(d.version), nil
		}},
		Routes: approvals.Routes(approvals.Deps{Approvals: posted{d.services.Approvals, d}, Policies: d.services.Policies, Bulk: d.services.Bulk, Rules: d.services.Rules, Addresses: &d.addresses}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// names are as people have them, and as attackers write them.
var names = []string{"Grace Hopper", "陳大文", "<img src=x onerror=alert(1)>", "محمد علي"}

func face(t *testing.T, shade uint8) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 300, 400))
	for i := range img.Pix {
		img.Pix[i] = shade + uint8(i%97)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// handIn hands in n eCard applications and one request for guests.
func (d *desk) handIn(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		_, err := d.services.Approvals.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyECard, Holder: "A" + strconv.Itoa(i), Name: names[i%len(names)],
			Facts: []office.Fact{{Name: "Degree", Value: "BSc 2014"}, {Name: "<b>Year</b>", Value: "\u202e4102"}}, Photo: face(t, uint8(40*i))})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.services.Approvals.HandIn(t.Context(), "portal", office.Submission{Kind: office.ApplyGuests, Holder: "A0", Name: names[0], Guests: []string{"One", "<script>alert(2)</script>"},
		Order: office.Order{Day: pass.DayOf(noon), Zones: 1, Length: 24 * time.Hour, Purpose: "lecture"}})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) send(method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://office.example/office"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	d.console.ServeHTTP(w, r)
	return w
}

func TestGoThrough(t *testing.T) {
	d := newDesk(t)
	d.handIn(t, 3)
	page := d.send("GET", "/approvals", nil).Body.String()
	if strings.Count(page, `<th scope="row"`) != 4 || strings.Contains(page, "<img src=x") {
		t.Errorf("%.3000s", page)
	}
	one := d.send("GET", "/approvals/3", nil).Body.String()
	if !strings.Contains(one, `src="/office/approvals/3/photo"`) || !strings.Contains(one, "&lt;img src=x") || !strings.Contains(one, "&lt;b&gt;Year") || strings.Contains(one, "<b>Year") {
		t.Errorf("%.3000s", one)
	}
	if w := d.send("GET", "/approvals/3/photo", nil); w.Code != 200 || w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("photo: %d %v", w.Code, w.Header())
	}
	// Each decision leads to the next one that waits.
	for i, x := range []struct {
		at   string
		form url.Values
		to   string
	}{
		{"/approvals/2/approve", url.Values{}, "/office/approvals/3"}, {"/approvals/3/reject", url.Values{"choice": {"The photo is not of this person."}}, "/office/approvals/4"},
		{"/approvals/4/approve", url.Values{}, "/office/approvals/1"}, {"/approvals/1/reject", url.Values{"reason": {"blurred"}, "choice": {"other"}}, "/office/approvals"},
	} {
		if w := d.send("POST", x.at, x.form); w.Code != 303 || w.Header().Get("Location") != x.to {
			t.Errorf("%d: %d to %q, want %q: %.2000s", i, w.Code, w.Header().Get("Location"), x.to, w.Body)
		}
	}
	for n, want := range map[int64]string{1: "blurred", 3: "The photo is not of this person."} {
		if a, err := d.services.Approvals.Find(t.Context(), n); err != nil || a.State != office.ApplicationRejected || a.Reason != want || a.DecidedBy != "user:lee" {
			t.Errorf("%d: %+v, %v", n, a, err)
		}
	}
	if page := d.send("GET", "/approvals?done=1", nil).Body.String(); strings.Count(page, `<th scope="row"`) != 4 || !strings.Contains(page, "blurred") {
		t.Errorf("decided ones: %.3000s", page)
	}
	if page := d.send("GET", "/approvals/4", nil).Body.String(); strings.Count(page, `href="/office/passes/2026-11-22/`) != 2 {
		t.Error("the guests' passes are not shown")
	}
}

// TestTold: an approver sees where the letter about a decision goes, and what became
// of it.
func TestTold(t *testing.T) {
	d := newDesk(t)
	d.handIn(t, 1)
	d.letter = &office.Told{To: "t…@mail.example"}
	w := d.send("POST", "/approvals/1/approve", nil)
	r := httptest.NewRequest("GET", "http://office.example/office/approvals/1", nil)
	for _, c := range w.Result().Cookies() {
		r.AddCookie(c)
	}
	page := httptest.NewRecorder()
	d.console.ServeHTTP(page, r)
	if n := strings.Count(page.Body.String(), "A letter to t…@mail.example is on its way."); n != 2 {
		t.Errorf("said %d times, want in the notice and at the decision: %.3000s", n, page.Body)
	}
	for told, want := range map[*office.Told]string{
		{To: "t…@mail.example", Sent: true}: "A letter was sent to t…@mail.example.", {To: "t…@mail.example", Failed: true}: "The letter to t…@mail.example could not be sent",
	} {
		d.letter = told
		if page := d.send("GET", "/approvals/1", nil).Body.String(); !strings.Contains(page, want) {
			t.Errorf("no %q: %.3000s", want, page)
		}
	}
	d.letter = nil
	if page := d.send("GET", "/approvals/1", nil).Body.String(); strings.Contains(page, "letter") {
		t.Errorf("without a letter: %.3000s", page)
	}
}

// TestTwoApprovers: the second is told what the first decided.
func TestTwoApprovers(t *testing.T) {
	d := newDesk(t)
	d.handIn(t, 1)
	if w := d.send("POST", "/approvals/1/approve", nil); w.Code != 303 {
		t.Fatal(w.Code)
	}
	d.as("wong", rights.Approver)
	w := d.send("POST", "/approvals/1/reject", url.Values{"reason": {"blurred"}})
	if w.Code != 409 || !strings.Contains(w.Body.String(), "approved by user:lee") || strings.Contains(w.Body.String(), `id="approve"`) {
		t.Errorf("%d %.3000s", w.Code, w.Body)
	}
}

func TestBadForms(t *testing.T) {
	d := newDesk(t)
	d.handIn(t, 1)
	for name, form := range map[string]url.Values{
		"no reason": {}, "spaces": {"reason": {" "}, "choice": {""}}, "long": {"reason": {strings.Repeat("字", 201)}}, "control": {"reason": {"a\x00b"}}, "twice": {"reason": {"a", "b"}}, "not UTF-8": {"reason": {"\xff"}},
	} {
		w := d.send("POST", "/approvals/1/reject", form)
		if w.Code != 422 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if w := d.send("POST", "/approvals/1/reject", url.Values{"reason": {`"><script>alert(1)</script>` + strings.Repeat("x", 200)}}); w.Code != 422 || strings.Contains(w.Body.String(), "<script>alert") {
		t.Errorf("a script: %d", w.Code)
	}
	if w := d.send("POST", "/approvals/1/reject", url.Values{"reason": {strings.Repeat("x", 70<<10)}}); w.Code != 413 {
		t.Errorf("huge: %d", w.Code)
	}
	for _, path := range []string{"/approvals/0", "/approvals/-1", "/approvals/x", "/approvals/99", "/approvals/99999999999999999999", "/approvals/2/photo"} {
		if w := d.send("GET", path, nil); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if a, err := d.services.Approvals.Find(t.Context(), 1); err != nil || a.State != office.ApplicationOpen {
		t.Errorf("%+v, %v", a, err)
	}
	for _, query := range []string{"?after=x", "?kind=<script>", "?done=2", "?done=1&before=-5"} {
		if w := d.send("GET", "/approvals"+query, nil); w.Code != 200 || strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%s: %d", query, w.Code)
		}
	}
}

func TestRoles(t *testing.T) {
	tried := 0
	for _, role := range rights.Roles() {
		for path, need := range map[string]rights.Permission{
			"GET /approvals": rights.ApplicationsRead, "GET /approvals/1": rights.ApplicationsRead, "GET /approvals/1/photo": rights.ApplicationsRead, "GET /approvals/now": rights.ApplicationsRead,
			"POST /approvals/1/approve": rights.ApplicationsJudge, "POST /approvals/1/reject": rights.ApplicationsJudge, "POST /approvals/policy": rights.RulesWrite,
		} {
			d := newDesk(t)
			d.handIn(t, 1)
			d.as("somebody", role)
			method, at, _ := strings.Cut(path, " ")
			if w := d.send(method, at, nil); (w.Code == 403) == role.Permissions().Has(need) || w.Code >= 500 {
				t.Errorf("%s as %s: %d", path, role, w.Code)
			}
			tried++
		}
	}
	if tried != 6*7 {
		t.Errorf("%d tries", tried)
	}
}

func TestPolicyAndProposals(t *testing.T) {
	d := newDesk(t)
	d.as("root", rights.Admin)
	if w := d.send("POST", "/approvals/policy", url.Values{"guests": {"yes"}, "version": {"0"}}); w.Code != 303 {
		t.Errorf("%d", w.Code)
	}
	if p, err := d.services.Policies.Policy(t.Context()); err != nil || p.ECards || !p.Guests {
		t.Errorf("%+v, %v", p, err)
	}
	for range officetest.TwoPersonsAbove + 1 {
		if _, err := d.services.Passes.Issue(t.Context(), "test", office.Order{Kind: pass.ECard, Holder: "A", Day: pass.DayOf(noon), Zones: 1, Length: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.services.Bulk.Propose(t.Context(), "user:chan", office.StatusChange{Selection: office.Selection{Holder: "A"}, Reason: "<i>left</i>", Status: 1}, 0); err != nil {
		t.Fatal(err)
	}
	if page := d.send("GET", "/approvals", nil).Body.String(); !strings.Contains(page, "Revoke 4 passes") || !strings.Contains(page, "&lt;i&gt;left") || strings.Contains(page, "yours:") {
		t.Errorf("%.3000s", page)
	}
	d.as("chan", rights.Issuer)
	if page := d.send("GET", "/approvals", nil).Body.String(); !strings.Contains(page, "yours: somebody else confirms") {
		t.Errorf("%.3000s", page)
	}
}
