package office_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/office/officetest"
	"turnstile/central/pass"
	"turnstile/central/rights"
	"turnstile/central/symbol"
)

// clock is a settable now.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// desk is the API on a fake, without a network.
type desk struct {
	*officetest.Fake
	clock *clock
	http  http.Handler
	log   bytes.Buffer
}

func newDesk(testing.TB) *desk {
	c := &clock{t: time.Date(2026, 11, 21, 9, 0, 0, 0, officetest.HongKong)}
	d := &desk{Fake: officetest.New(c.now), clock: c}
	d.http = office.New(d.Services(), office.Options{Version: "test", Zone: officetest.HongKong, Now: c.now, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	return d
}

// do sends a request; body may be nil, a string, or anything for JSON.
func (d *desk) do(t *testing.T, role, method, path string, body any) *httptest.ResponseRecorder {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req := httptest.NewRequest(method, path, r)
	req.RemoteAddr = "127.0.0.1:40000"
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+role+"-secret")
	}
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, req)
	return w
}

// ask sends a request that has to end with the status, and decodes the answer.
func ask[T any](t *testing.T, d *desk, role, method, path string, body any, status int) (v T) {
	t.Helper()
	w := d.do(t, role, method, path, body)
	if w.Code != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
	return v
}

type m = map[string]any

func order() m { return m{"kind": "ecard", "holder": "A1234567", "day": "2026-11-21"} }

// needs is what each route asks for. A route that is not in it fails the test.
var needs = map[string]rights.Permission{
	"GET /webhooks": rights.WebhooksManage, "POST /webhooks": rights.WebhooksManage, "DELETE /webhooks/{id}": rights.WebhooksManage, "POST /webhooks/{id}/test": rights.WebhooksManage,
	"POST /webhooks/{id}/enable": rights.WebhooksManage, "GET /webhooks/{id}/deliveries": rights.WebhooksManage,
	"POST /passes": rights.PassesIssue, "GET /passes": rights.PassesRead, "GET /passes/{day}/{index}": rights.PassesRead,
	"GET /passes/{day}/{index}/code": rights.PassesCode, "POST /passes/{day}/{index}/revoke": rights.PassesStatus,
	"POST /passes/{day}/{index}/hold": rights.PassesStatus, "POST /passes/{day}/{index}/release": rights.PassesStatus,
	"GET /passages": rights.PassagesRead, "GET /alarms": rights.PassagesRead, "GET /lanes": rights.LanesRead, "POST /lanes": rights.LanesManage,
	"GET /entrances": rights.LanesRead, "PUT /entrances/{id}": rights.LanesManage, "DELETE /entrances/{id}": rights.LanesManage, "GET /places": rights.LanesRead,
	"PUT /lanes/{id}/place": rights.LanesManage, "POST /lanes/{id}/retire": rights.LanesManage, "POST /lanes/{id}/revoke": rights.LanesManage, "GET /retired-lanes": rights.LanesRead,
	"DELETE /lanes/{id}": rights.LanesManage, "GET /feed": rights.LanesRead, "GET /rules": rights.RulesRead, "PUT /rules": rights.RulesWrite,
	"GET /rules/versions": rights.RulesRead, "GET /rules/versions/{version}": rights.RulesRead, "POST /rules/versions/{version}/restore": rights.RulesWrite, "POST /rules/preview": rights.RulesRead,
	"POST /lanes/{id}/open": rights.LanesOpen, "POST /lanes/{id}/identify": rights.LanesOpen, "GET /commands": rights.LanesRead, "GET /commands/{id}": rights.LanesRead,
	"POST /zones/mode": rights.ZonesMode, "POST /zones/{id}/mode": rights.ZonesMode,
	"GET /keys": rights.KeysRead, "POST /keys/{key}/withdraw": rights.KeysManage,
	"POST /applications": rights.ApplicationsWrite, "GET /applications": rights.ApplicationsRead, "GET /applications/{number}": rights.ApplicationsRead,
	"GET /applications/{number}/photo": rights.ApplicationsRead, "POST /applications/{number}/approve": rights.ApplicationsJudge, "POST /applications/{number}/reject": rights.ApplicationsJudge,
	"GET /ecards/{person}": rights.ApplicationsRead, "POST /ecards/{person}/withdraw": rights.ApplicationsJudge, "POST /ecards/{person}/return": rights.ApplicationsJudge,
	"GET /ecard-rules": rights.RulesRead, "PUT /ecard-rules": rights.RulesWrite,
	"GET /ecard-rules/versions": rights.RulesRead, "POST /ecard-rules/versions/{version}/restore": rights.RulesWrite,
	"GET /guest-rules": rights.RulesRead, "PUT /guest-rules": rights.RulesWrite, "POST /guest-rules/preview": rights.RulesRead,
	"GET /guest-rules/versions": rights.RulesRead, "POST /guest-rules/versions/{version}/restore": rights.RulesWrite,
	"GET /retention": rights.RulesRead, "PUT /retention": rights.RulesWrite, "POST /retention/preview": rights.RulesRead,
	"GET /retention/versions": rights.RulesRead, "POST /retention/versions/{version}/restore": rights.RulesWrite,
	"GET /approval-policy": rights.ApplicationsRead, "PUT /approval-policy": rights.RulesWrite,
	"POST /bulk-changes": rights.PassesStatus, "GET /bulk-changes": rights.PassesRead, "GET /bulk-changes/{id}": rights.PassesRead, "POST /bulk-changes/{id}/withdraw": rights.PassesStatus,
	"POST /passes/{day}/{index}/mail": rights.PassesCode,
	"GET /passages/search":            rights.PassagesRead, "GET /passages/hours": rights.PassagesRead, "GET /passages/lanes": rights.PassagesRead,
	"GET /passages/export": rights.PassagesExport, "GET /passages/{number}": rights.PassagesRead, "GET /passages/{number}/explain": rights.PassagesRead,
	"GET /occupancy": rights.PassagesRead, "GET /muster": rights.PassagesRead, "GET /attention": rights.PassagesRead, "POST /alarms/{number}/acknowledge": rights.AlarmsAcknowledge,
	"GET /tokens": rights.PeopleManage, "POST /tokens": rights.PeopleManage, "DELETE /tokens/{name}": rights.PeopleManage, "POST /tokens/{name}/rotate": rights.PeopleManage,
	"GET /people": rights.PeopleRead, "POST /people": rights.PeopleManage, "POST /people/{name}/invite": rights.PeopleManage, "PUT /people/{name}/roles": rights.PeopleManage,
	"DELETE /people/{name}": rights.PeopleManage, "GET /audit": rights.AuditRead, "POST /audit/verify": rights.AuditRead, "GET /audit/export": rights.AuditRead,
	"GET /register": rights.RegisterRead, "GET /register/persons": rights.RegisterRead, "GET /register/persons/{person}": rights.RegisterRead, "DELETE /register/persons/{person}": rights.RegisterWrite,
	"POST /register/rows": rights.RegisterWrite, "GET /register/syncs": rights.RegisterRead, "POST /register/syncs": rights.RegisterWrite, "GET /register/syncs/{id}": rights.RegisterRead,
	"GET /register/syncs/{id}/rows": rights.RegisterRead, "POST /register/syncs/{id}/rows": rights.RegisterWrite, "POST /register/syncs/{id}/compare": rights.RegisterWrite,
	"POST /register/syncs/{id}/confirm": rights.RegisterWrite, "POST /register/syncs/{id}/discard": rights.RegisterWrite,
	"GET /register/suggestions": rights.RegisterRead, "GET /register/merges": rights.RegisterRead, "POST /register/merges": rights.RegisterMerge, "POST /register/merges/{id}/undo": rights.RegisterMerge,
	"POST /supervisor-codes": rights.SupervisorManage, "GET /supervisor-codes": rights.SupervisorManage, "POST /supervisor-codes/revoke": rights.SupervisorManage,
}

type document struct {
	OpenAPI    string `json:"openapi"`
	Paths      map[string]map[string]struct{ Security []map[string][]string }
	Components struct {
		SecuritySchemes map[string]struct{ Type, Scheme string }
	}
}

func TestRoleByRoute(t *testing.T) {
	d := newDesk(t)
	doc := ask[document](t, d, "", "GET", "/openapi.json", nil, 200)
	if doc.OpenAPI != "3.1.0" || doc.Components.SecuritySchemes["token"].Scheme != "bearer" {
		t.Errorf("OpenAPI %s, schemes %v", doc.OpenAPI, doc.Components.SecuritySchemes)
	}
	tried := 0
	for path, methods := range doc.Paths {
		for method, op := range methods {
			route := strings.ToUpper(method) + " " + strings.TrimPrefix(path, office.Base)
			need, ok := needs[route]
			if !ok || len(op.Security) != 1 {
				t.Errorf("%s: in the table %v, security %v", route, ok, op.Security)
			}
			for _, role := range append([]rights.Role{"", "wrong"}, rights.Roles()...) {
				d.clock.add(time.Minute) // bad tokens are slowed down
				tryRole(t, d, route, string(role), need)
				tried++
			}
		}
	}
	if tried != len(needs)*8 {
		t.Errorf("%d tries, want %d", tried, len(needs)*8)
	}
}

// tryRole sends a request without a body that any schema takes: what counts is
// whether it gets as far as validation.
func tryRole(t *testing.T, d *desk, route, role string, need rights.Permission) {
	method, path, _ := strings.Cut(route, " ")
	path = office.Base + strings.NewReplacer("{day}", "2026-11-21", "{index}", "7", "{id}", "x", "{key}", "1", "{name}", "x", "{number}", "1", "{version}", "1", "{person}", "x").Replace(path)
	got := d.do(t, role, method, path, nil).Code
	switch {
	case role == "" || role == "wrong":
		if got != http.StatusUnauthorized {
			t.Errorf("%s with token %q: %d, want 401", route, role, got)
		}
	case !rights.Role(role).Permissions().Has(need):
		if got != http.StatusForbidden {
			t.Errorf("%s as %s: %d, want 403", route, role, got)
		}
	case got == http.StatusUnauthorized || got == http.StatusForbidden || got >= 500:
		t.Errorf("%s as %s: %d", route, role, got)
	}
}

func TestOpenAPIAsYAML(t *testing.T) {
	if w := newDesk(t).do(t, "", "GET", "/openapi.yaml", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "openapi: 3.1.0") {
		t.Errorf("%d %.100s", w.Code, w.Body)
	}
}

func TestIssueShowRevoke(t *testing.T) {
	d := newDesk(t)
	d.AddLane(office.Lane{ID: "north", Enrolled: d.clock.now(), Alive: true, UpToDate: true})
	d.AddLane(office.Lane{ID: "south", Enrolled: d.clock.now(), Since: d.clock.now()})
	o := order()
	maps.Copy(o, m{"start": "08:30", "length": "1h30m", "entries": 1, "purpose": "lecture", "live": true})
	p := ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes", o, 201)
	if p.Status != "good" || !p.Live || p.Entries != 1 || !slices.Equal(p.Zones, []int{0}) || p.IssuedBy != "issuer" {
		t.Errorf("issued %+v", p)
	}
	if from := p.From.Format(time.RFC3339); from != "2026-11-21T08:30:00+08:00" || p.Until.Sub(p.From) != 90*time.Minute {
		t.Errorf("from %s until %s", from, p.Until)
	}
	if c, r := pass.Parse([]byte(p.Code)); r != pass.Granted || !c.Live {
		t.Errorf("code: %s, live %v", r, c.Live)
	}
	at := "/api/v1/passes/" + p.ID
	found := ask[office.PassBody](t, d, "viewer", "GET", at, nil, 200)
	if found.ID != p.ID || found.Code != "" || found.RefusedBy != nil {
		t.Errorf("found %+v", found)
	}
	if p := ask[office.PassBody](t, d, "issuer", "POST", at+"/revoke", m{"reason": "lost phone"}, 200); p.Status != "revoked" || p.Reason != "lost phone" {
		t.Errorf("revoked: %+v", p)
	}
	found = ask[office.PassBody](t, d, "viewer", "GET", at, nil, 200)
	if r := found.RefusedBy; r == nil || r.Lanes != 1 || r.Of != 2 || len(r.Missing) != 1 || r.Missing[0].ID != "south" {
		t.Errorf("refused by %+v", r)
	}
	ask[m](t, d, "issuer", "GET", at+"/code", nil, 409)
	if p := ask[office.PassBody](t, d, "issuer", "POST", at+"/release", m{}, 200); p.Status != "good" {
		t.Errorf("released: %+v", p)
	}
}

func TestCodeFormats(t *testing.T) {
	d := newDesk(t)
	o := order()
	o["live"] = true
	p := ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes", o, 201)
	for format, content := range map[string]string{"text": "text/plain; charset=utf-8", "svg": "image/svg+xml", "png": "image/png"} {
		w := d.do(t, "issuer", "GET", "/api/v1/passes/"+p.ID+"/code?format="+format, nil)
		if w.Code != 200 || w.Header().Get("Content-Type") != content || w.Header().Get("Turnstile-Until") != "2026-11-21T09:00:15+08:00" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", format, w.Code, w.Header())
		}
		switch format {
		case "text":
			if w.Body.String() != p.Code+"\n" {
				t.Errorf("text %s", w.Body)
			}
		case "svg":
			if s, err := symbol.Draw(p.Code); err != nil || !bytes.Equal(s.SVG(), w.Body.Bytes()) {
				t.Errorf("not the symbol of the code: %v", err)
			}
		case "png":
			if text, err := symbol.ReadPicture(w.Body.Bytes()); err != nil || text != p.Code {
				t.Errorf("read back %q, %v", text, err)
			}
		}
	}
}

func TestStillCodeHasNoUntil(t *testing.T) {
	d := newDesk(t)
	p := ask[office.PassBody](t, d, "issuer", "POST", "/api/v1/passes", order(), 201)
	w := d.do(t, "issuer", "GET", "/api/v1/passes/"+p.ID+"/code", nil)
	if until, ok := w.Header()["Turnstile-Until"]; w.Code != 200 || ok {
		t.Errorf("%d, until %s", w.Code, until)
	}
}

type problem struct {
	Title, Detail string
	Status        int
	Errors        []struct{ Message, Location string }
}

// TestBadRequests: every fault is named with its place, none gets to a service.
func TestBadRequests(t *testing.T) {
	d := newDesk(t)
	without := func(key string) m { o := order(); delete(o, key); return o }
	with := func(key string, v any) m { o := order(); o[key] = v; return o }
	cases := []struct {
		method, path string
		body         any
		status       int
		location     string
	}{
		{"POST", "/passes", without("kind"), 422, "body"},
		{"POST", "/passes", with("kind", "king"), 422, "body.kind"},
		{"POST", "/passes", with("day", "2026-02-30"), 422, "body.day"},
		{"POST", "/passes", with("day", "2019-12-31"), 422, "body.day"},
		{"POST", "/passes", with("holder", ""), 422, "body.holder"},
		{"POST", "/passes", with("holder", strings.Repeat("x", 65)), 422, "body.holder"},
		{"POST", "/passes", with("holder", "a\nb"), 422, "body.holder"},
		{"POST", "/passes", with("zones", []int{16}), 422, "body.zones[0]"},
		{"POST", "/passes", with("zones", []int{-1}), 422, "body.zones[0]"},
		{"POST", "/passes", with("start", "24:00"), 422, "body.start"},
		{"POST", "/passes", with("length", "5m"), 422, "body.length"},
		{"POST", "/passes", with("length", "26h"), 422, "body.length"},
		{"POST", "/passes", with("length", "15m"), 422, "body.length"},
		{"POST", "/passes", with("entries", 16), 422, "body.entries"},
		{"POST", "/passes", with("guest_name", "somebody"), 422, "body.guest_name"},
		{"POST", "/passes", with("surprise", 1), 422, "body.surprise"},
		{"POST", "/passes", with("zones", []int{9}), 422, ""},
		{"POST", "/passes", with("day", "2026-11-01"), 422, ""},
		{"POST", "/passes", `{"kind":`, 400, "body"},
		{"POST", "/passes", `[]`, 422, "body"},
		{"GET", "/passes?limit=501", nil, 422, "query.limit"},
		{"GET", "/passes?cursor=-7", nil, 422, ""},
		{"GET", "/passes?day=today", nil, 422, "query.day"},
		{"GET", "/passes?surprise=1", nil, 422, "query.surprise"},
		{"GET", "/passes/2026-11-21/16777216", nil, 422, "path.index"},
		{"GET", "/passes/2026-11-21/x", nil, 422, "path.index"},
		{"GET", "/passes/yesterday/1", nil, 422, "path.day"},
		{"GET", "/passes/2026-11-21/000001", nil, 404, ""},
		{"GET", "/passes/2026-11-21/000001/code?format=gif", nil, 422, "query.format"},
		{"GET", "/passages?lane=a/b", nil, 422, "query.lane"},
		{"GET", "/passages?pass=12", nil, 422, "query.pass"},
		{"POST", "/lanes", m{"id": "a b"}, 422, "body.id"},
		{"DELETE", "/lanes/none", nil, 404, ""},
		{"GET", "/nothing", nil, 404, ""},
		{"PATCH", "/passes", nil, 405, ""},
	}
	for _, c := range cases {
		w := d.do(t, "admin", c.method, office.Base+c.path, c.body)
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: no problem: %s", c.method, c.path, w.Body)
		}
		if w.Code != c.status || p.Status != c.status || p.Detail == "" {
			t.Errorf("%s %s %v: %d %s, want %d", c.method, c.path, c.body, w.Code, w.Body, c.status)
		}
		if c.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != c.location) {
			t.Errorf("%s %s %v: %+v, want a fault at %s", c.method, c.path, c.body, p.Errors, c.location)
		}
	}
	if list := ask[office.PassList](t, d, "viewer", "GET", "/api/v1/passes", nil, 200); len(list.Passes) != 0 {
		t.Errorf("%d passes were issued", len(list.Passes))
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	p := ask[problem](t, newDesk(t), "issuer", "POST", "/api/v1/passes", m{"kind": "king", "day": "never", "entries": 99, "surprise": 1}, 422)
	if len(p.Errors) < 5 { // and the missing holder
		t.Errorf("%d faults named, want 5: %+v", len(p.Errors), p.Errors)
	}
}

func TestBodyIsBounded(t *testing.T) {
	d := newDesk(t)
	o := order()
	o["purpose"] = strings.Repeat("x", office.MaxBody)
	if w := d.do(t, "issuer", "POST", "/api/v1/passes", o); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %.200s, want 413", w.Code, w.Body)
	}
}

func TestPages(t *testing.T) {
	d := newDesk(t)
	for i := range 7 {
		o := order()
		o["holder"] = fmt.Sprint("P", i%2)
		ask[m](t, d, "issuer", "POST", "/api/v1/passes", o, 201)
	}
	seen, cursor := 0, ""
	for pages := 1; ; pages++ {
		list := ask[office.PassList](t, d, "viewer", "GET", "/api/v1/passes?holder=P0&kind=ecard&status=good&day=2026-11-21&limit=3&cursor="+cursor, nil, 200)
		seen += len(list.Passes)
		if cursor = list.Next; cursor == "" || pages == 9 {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d passes in all pages, want 4", seen)
	}
	for range 5 {
		d.AddPassage(office.Passage{Lane: "north", Received: d.clock.now(), Entry: link.Entry{Type: link.EntryDenied, Lane: 1, Direction: 1, Reason: pass.Expired, Kind: pass.Guest, Wall: d.clock.now().UnixMilli(), Pass: pass.ID{Day: 2516, Index: 7}, Flags: link.FlagStamped, FeedAge: 1<<32 - 1, Boot: 3, Mono: 4200, Clock: link.ClockTrusted}})
	}
	d.AddAlarm(office.Alarm{At: d.clock.now(), Lane: "north", Code: "journal_gap", Detail: "3 entries are missing", Next: "look at the lane"})
	list := ask[office.PassageList](t, d, "viewer", "GET", "/api/v1/passages?after=2&limit=2&lane=north&day=2026-11-21&pass=2026-11-21/7", nil, 200)
	if len(list.Passages) != 2 || list.Next == "" {
		t.Fatalf("passages %+v", list)
	}
	if p := list.Passages[0]; p.Number != 3 || p.Type != "denied" || p.Reason != "EXPIRED" || p.Pass != "2026-11-21/000007" || p.Direction != "in" || p.FeedAge != nil || p.Boot != 3 || p.SinceBoot != 4200 || !slices.Equal(p.Marks, []string{"stamped"}) {
		t.Errorf("passage %+v", p)
	}
	if a := ask[office.AlarmList](t, d, "viewer", "GET", "/api/v1/alarms", nil, 200); len(a.Alarms) != 1 || a.Alarms[0].Next == "" {
		t.Errorf("alarms %+v", a)
	}
}

func TestRulesRoundTrip(t *testing.T) {
	d := newDesk(t)
	r := ask[office.RulesBody](t, d, "viewer", "GET", "/api/v1/rules", nil, 200)
	if z := r.Zones[0]; z.Exit != "off" || z.Apart != "soft" || z.BackMinutes != 0 {
		t.Errorf("a zone without any says %+v", z)
	}
	r.Zones[0].Mode, r.Zones[0].Passback = "lockdown", "hard"
	r.Zones[0].BackMinutes, r.Zones[0].Exit, r.Zones[0].Apart = 90, "hard", "home"
	r.Zones[0].Hours = []office.HoursBody{{Days: []string{"sun", "sat"}, Open: "07:30", Close: "24:00"}}
	r.Zones[0].Holidays = []string{"2026-12-25"}
	r.Issued = nil
	set := ask[office.RulesBody](t, d, "admin", "PUT", "/api/v1/rules", r, 200)
	got := ask[office.RulesBody](t, d, "viewer", "GET", "/api/v1/rules", nil, 200)
	if fmt.Sprint(set.Zones) != fmt.Sprint(r.Zones) || fmt.Sprint(got.Zones) != fmt.Sprint(r.Zones) || fmt.Sprint(got.Policies) != fmt.Sprint(r.Policies) || got.Version != r.Version+1 {
		t.Errorf("sent %+v\ngot  %+v", r, got)
	}
	ask[problem](t, d, "admin", "PUT", "/api/v1/rules", r, 409)
	for name, spoil := range map[string]func(*office.RulesBody){
		"hours turned round": func(r *office.RulesBody) { r.Zones[0].Hours[0].Close = "07:00" },
		"hours unreadable":   func(r *office.RulesBody) { r.Zones[0].Hours[0].Open = "7am" },
		"zone twice":         func(r *office.RulesBody) { r.Zones = append(r.Zones, r.Zones[0]) },
		"unknown mode":       func(r *office.RulesBody) { r.Zones[0].Mode = "party" },
		"unknown action":     func(r *office.RulesBody) { r.Policies[0].Ages[0] = "maybe" },
		"kind twice":         func(r *office.RulesBody) { r.Policies[1].Kind = r.Policies[0].Kind },
		"three ages":         func(r *office.RulesBody) { r.Policies[0].Ages = r.Policies[0].Ages[:3] },
		"unknown weekday":    func(r *office.RulesBody) { r.Zones[0].Hours[0].Days[0] = "someday" },
		"back after 2 days":  func(r *office.RulesBody) { r.Zones[0].BackMinutes = 2880 },
		"back in the past":   func(r *office.RulesBody) { r.Zones[0].BackMinutes = -1 },
		"unknown exit":       func(r *office.RulesBody) { r.Zones[0].Exit = "ajar" },
		"unknown apart":      func(r *office.RulesBody) { r.Zones[0].Apart = "closed" },
		"no zone":            func(r *office.RulesBody) { r.Zones = []office.ZoneBody{} },
	} {
		bad := ask[office.RulesBody](t, d, "viewer", "GET", "/api/v1/rules", nil, 200)
		spoil(&bad)
		if w := d.do(t, "admin", "PUT", "/api/v1/rules", bad); w.Code != 422 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestLanesAndFeed(t *testing.T) {
	d := newDesk(t)
	d.AddLane(office.Lane{ID: "north", Enrolled: d.clock.now(), Alive: true, UpToDate: true, Durable: 90, State: &link.LaneState{Seq: 4, Last: 100, Clock: link.ClockHoldover, Bound: 3, Warnings: []string{"feed_stale"}, Lanes: []link.LaneInfo{{Number: 1, Name: "North 1", State: "idle"}}}})
	i := ask[office.InvitationBody](t, d, "admin", "POST", "/api/v1/lanes", m{"id": "south"}, 201)
	if _, err := link.ParseEnrolToken(i.Token); err != nil {
		t.Error(err)
	}
	if strings.Contains(d.log.String(), i.Token) {
		t.Error("the enrolment token is in the log")
	}
	list := ask[office.LaneList](t, d, "viewer", "GET", "/api/v1/lanes", nil, 200)
	if len(list.Lanes) != 2 || list.Lanes[0].Backlog != 10 || list.Lanes[0].Clock != "holdover" || list.Lanes[1].Enrolled != nil {
		t.Errorf("lanes %+v", list)
	}
	if w := d.do(t, "admin", "DELETE", "/api/v1/lanes/south", nil); w.Code != 204 {
		t.Errorf("remove: %d %s", w.Code, w.Body)
	}
	f := ask[office.FeedBody](t, d, "viewer", "GET", "/api/v1/feed", nil, 200)
	if f.Site != "campus" || f.Timezone != "Asia/Hong_Kong" || len(f.Keys) != 1 || len(f.Keys[0].Kinds) != 4 || len(f.Days) != 1 {
		t.Errorf("feed %+v", f)
	}
}

// FuzzOrder: whatever the body, central answers and issues at most what lanes
// can read.
func FuzzOrder(f *testing.F) {
	f.Add(`{"kind":"ecard","holder":"A1","day":"2026-11-21"}`)
	f.Add(`{"kind":"guest","holder":"A1","day":"2026-11-21","zones":[0],"start":"23:50","length":"25h","live":true,"entries":15}`)
	f.Add(`{"kind":"guest","holder":"` + "\xff" + `","day":"2199-06-06"}`)
	f.Add(`null`)
	f.Add(`{"kind":"ecard","holder":"A1","day":"2026-11-21","zones":null,"length":null}`)
	d := newDesk(f)
	f.Fuzz(func(t *testing.T, body string) {
		w := d.do(t, "issuer", "POST", "/api/v1/passes", body)
		if w.Code >= 500 {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		if w.Code != 201 {
			return
		}
		var p office.PassBody
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if _, r := pass.Parse([]byte(p.Code)); r != pass.Granted {
			t.Errorf("%q became a code that lanes refuse as %s", body, r)
		}
	})
}
