package office_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/office/officetest"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// recorded fills a desk with passages: three people, of whom one is refused and
// one leaves again.
func recorded(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	at := d.clock.now()
	add := func(lane string, kind link.EntryType, index uint32, direction uint8, holder, guest string) {
		at = at.Add(time.Minute)
		e := link.Entry{Type: kind, Lane: 1, Direction: direction, Clock: link.ClockTrusted, Bound: 1, Seq: uint64(index), Wall: at.UnixMilli(), Kind: pass.Guest,
			Pass: pass.ID{Day: 2516, Index: index}, FeedSeq: 3, FeedAge: 5}
		if kind == link.EntryDenied {
			e.Reason = pass.Revoked
		}
		d.AddPassage(office.Passage{Lane: lane, Received: at, Entry: e, HolderName: holder, GuestName: guest})
	}
	add("north", link.EntryPassed, 1, 1, "A1", "Grace Hopper")
	add("north", link.EntryDenied, 2, 1, "A2", "=1+1")
	add("south", link.EntryPassed, 3, 1, "A3", "+852 陳大文")
	add("south", link.EntryPassed, 1, 2, "A1", "Grace Hopper")
	return d
}

func TestSearchPassages(t *testing.T) {
	d := recorded(t)
	for query, want := range map[string][]int64{
		"":                              {4, 3, 2, 1},
		"type=denied":                   {2},
		"type=denied,passed&lane=north": {2, 1},
		"reason=REVOKED":                {2},
		"kind=ecard":                    {},
		"zone=0&direction=out":          {4},
		"zone=3":                        {},
		"pass=2026-11-21/000001":        {4, 1},
		"name=hopper":                   {4, 1},
		"day=2026-11-21":                {4, 3, 2, 1},
		"day=2026-11-22":                {},
		"lane=south&index=1":            {4, 3},
		"lane=south&index=2":            {},
		"from=" + url.QueryEscape(d.clock.now().Add(3*time.Minute).Format(time.RFC3339)): {4, 3},
	} {
		got := ask[office.FoundList](t, d, "viewer", "GET", "/api/v1/passages/search?"+query, nil, 200)
		numbers := []int64{}
		for _, p := range got.Passages {
			numbers = append(numbers, p.Number)
		}
		if !slices.Equal(numbers, want) {
			t.Errorf("%q finds %v, want %v", query, numbers, want)
		}
	}
	first := ask[office.FoundList](t, d, "viewer", "GET", "/api/v1/passages/search?limit=3", nil, 200)
	rest := ask[office.FoundList](t, d, "viewer", "GET", "/api/v1/passages/search?limit=3&cursor="+first.Next, nil, 200)
	if len(first.Passages) != 3 || len(rest.Passages) != 1 || rest.Passages[0].Number != 1 || rest.Next != "" {
		t.Errorf("pages %+v, %+v", first, rest)
	}
}

func TestBadSearches(t *testing.T) {
	d := recorded(t)
	for query, location := range map[string]string{
		"type=nonsense": "query.type", "reason=granted": "query.reason", "kind=vip": "query.kind", "zone=16": "query.zone", "zone=-1": "query.zone", "direction=up": "query.direction",
		"pass=x": "query.pass", "day=2026-13-01": "query.day", "from=yesterday": "query.from", "lane=" + url.QueryEscape("north'; --"): "query.lane", "limit=1001": "query.limit",
		"name=" + strings.Repeat("x", 101): "query.name", "cursor=AAAA": "query.cursor", "index=256": "query.index", "whatever=1": "query.whatever",
	} {
		p := ask[problem](t, d, "viewer", "GET", "/api/v1/passages/search?"+query, nil, 422)
		if !slices.ContainsFunc(p.Errors, func(e struct{ Message, Location string }) bool { return e.Location == location }) {
			t.Errorf("%s: %+v, want a fault at %s", query, p, location)
		}
	}
	for _, path := range []string{"hours", "hours?from=2026-11-21T00:00:00Z", "hours?day=2026-11-21&name=x", "hours?from=2026-01-01T00:00:00Z&until=2026-11-01T00:00:00Z", "lanes", "lanes?from=2026-01-01T00:00:00Z&until=2026-11-01T00:00:00Z"} {
		ask[problem](t, d, "viewer", "GET", "/api/v1/passages/"+path, nil, 422)
	}
	ask[problem](t, d, "viewer", "GET", "/api/v1/passages/99", nil, 404)
	ask[problem](t, d, "viewer", "GET", "/api/v1/passages/99/explain", nil, 404)
	ask[problem](t, d, "viewer", "GET", "/api/v1/passages/0", nil, 422)
	ask[problem](t, d, "viewer", "GET", "/api/v1/muster?zone=9", nil, 404)
}

// TestNamesStandWithPasses: a token that may read passages and no passes learns
// nobody's name, whatever it asks.
func TestNamesStandWithPasses(t *testing.T) {
	d := recorded(t)
	secret, err := d.Services().Tokens.Create(t.Context(), "test", office.NewToken{Name: "counter", Scopes: rights.Set{rights.PassagesRead, rights.PassagesExport}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"passages", "passages/search", "passages/1", "passages/1/explain", "passages/export", "passages/export?format=json", "muster"} {
		r := httptest.NewRequest("GET", "/api/v1/"+path, nil)
		r.RemoteAddr = "127.0.0.1:40000"
		r.Header.Set("Authorization", "Bearer "+secret)
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, r)
		if w.Code != 200 || strings.Contains(w.Body.String(), "Hopper") || strings.Contains(w.Body.String(), "A1") || strings.Contains(w.Body.String(), "A3") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		all := d.do(t, "admin", "GET", "/api/v1/"+path, nil)
		if all.Code != 200 || !strings.Contains(all.Body.String(), `"A`) && !strings.Contains(all.Body.String(), ",A") {
			t.Errorf("%s as admin: %d %s", path, all.Code, all.Body)
		}
	}
	r := httptest.NewRequest("GET", "/api/v1/passages/search?name=hopper", nil)
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	if d.http.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("a search for a name: %d %s", w.Code, w.Body)
	}
}

func TestExportFormats(t *testing.T) {
	d := recorded(t)
	w := d.do(t, "auditor", "GET", "/api/v1/passages/export?bom=true&day=2026-11-21", nil)
	if w.Header().Get("Content-Disposition") != `attachment; filename="passages-20261121-0000-to-20261122-0000.csv"` || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/csv") {
		t.Errorf("headers %v", w.Header())
	}
	text, marked := strings.CutPrefix(w.Body.String(), "\ufeff")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || !marked || len(rows) != 5 || !strings.Contains(text, "\r\n") {
		t.Fatalf("%d rows, %v, marked %v", len(rows), err, marked)
	}
	guest := slices.Index(rows[0], "guest_name")
	if rows[3][guest] != "'=1+1" || rows[2][guest] != "'+852 陳大文" || rows[1][guest] != "Grace Hopper" {
		t.Errorf("guests %q, %q, %q", rows[1][guest], rows[2][guest], rows[3][guest])
	}
	w = d.do(t, "auditor", "GET", "/api/v1/passages/export?format=json&type=denied", nil)
	var whole struct {
		Passages []office.PassageBody
		Complete bool
	}
	if err := json.Unmarshal(w.Body.Bytes(), &whole); err != nil || len(whole.Passages) != 1 || !whole.Complete {
		t.Errorf("%v %s", err, w.Body)
	}
	w = d.do(t, "auditor", "GET", "/api/v1/passages/export?format=ndjson", nil)
	if lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n"); len(lines) != 4 || !json.Valid([]byte(lines[3])) {
		t.Errorf("%d lines: %s", len(lines), w.Body)
	}
	if got := d.Exports(); len(got) != 3 || !strings.HasPrefix(got[0], "auditor: from 2026-11-21") || got[1] != "auditor: type denied" {
		t.Errorf("the audit has %q", got)
	}
	ask[problem](t, d, "auditor", "GET", "/api/v1/passages/export?format=xls", nil, 422)
	ask[problem](t, d, "security", "GET", "/api/v1/passages/export", nil, 403)
}

// TestInert: nothing that a person typed becomes a formula.
func TestInert(t *testing.T) {
	for _, field := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "＋1", "－1", "＠a", "\u3000=1", "\u00a0@x"} {
		if got := office.Inert(field); got != "'"+field {
			t.Errorf("%q stays %q", field, got)
		}
	}
	for _, field := range []string{"", " ", "Grace", "O'Brien", "2026-11-21/004711", "陳大文", "a=b", "1-2"} {
		if got := office.Inert(field); got != field {
			t.Errorf("%q becomes %q", field, got)
		}
	}
}

// endless is an office.Ledger with so many rows that no memory holds them.
type endless struct {
	office.Ledger
	rows int
	fail error // at the end
}

func (e endless) Search(context.Context, office.Search) (office.SearchPage, error) {
	return office.SearchPage{}, nil
}

func (e endless) Export(ctx context.Context, _ string, _ office.Search, each func(*office.Passage) error) error {
	p := office.Passage{Lane: "north", Entry: link.Entry{Type: link.EntryPassed, Wall: 1_795_190_400_000}}
	for i := range e.rows {
		p.Number = int64(i)
		if err := each(&p); err != nil {
			return err
		}
	}
	return e.fail
}

// TestExportBreaksOff: a client that goes away ends the reading, and what fails in
// the middle reaches a client as a broken answer, never as a short file.
func TestExportBreaksOff(t *testing.T) {
	s := officetest.New(time.Now).Services()
	broken := errors.New("disk")
	s.Ledger = endless{rows: 100, fail: broken}
	server := httptest.NewServer(office.New(s, office.Options{}))
	defer server.Close()
	for _, format := range []string{"csv", "json", "ndjson"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/v1/passages/export?format="+format, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer admin-secret")
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: a part was taken for the whole", format)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
	n := 0
	err := office.SendExport(r, httptest.NewRecorder(), "x", office.Exporter{Format: office.CSV, Zone: time.UTC}, func(each func(*office.Passage) error) error {
		return endless{rows: 1 << 30}.Export(ctx, "", office.Search{}, func(p *office.Passage) error {
			if n++; n == 1000 {
				cancel()
			}
			return each(p)
		})
	})
	if !errors.Is(err, context.Canceled) || n > 1001 {
		t.Errorf("%d rows for nobody, %v", n, err)
	}
}

func TestExplainOverTheAPI(t *testing.T) {
	d := recorded(t)
	e := ask[office.ExplanationBody](t, d, "viewer", "GET", "/api/v1/passages/2/explain", nil, 200)
	if e.What != "Revoked" || e.Why == "" || e.Next == "" || e.Knew.FeedSeq != 3 || e.Knew.Clock != "trusted" || len(e.Scans) != 1 {
		t.Errorf("%+v", e)
	}
	o := ask[office.OccupancyBody](t, d, "viewer", "GET", "/api/v1/occupancy", nil, 200)
	m := ask[office.MusterBody](t, d, "security", "GET", "/api/v1/muster?zone=0", nil, 200)
	if len(o.Zones) != 1 || o.Zones[0].Inside != 1 || o.Zones[0].In != 2 || o.Zones[0].Out != 1 || len(m.Inside) != 1 || m.Inside[0].GuestName != "+852 陳大文" {
		t.Errorf("%+v, %+v", o, m)
	}
	hours := ask[office.HourList](t, d, "viewer", "GET", "/api/v1/passages/hours?day=2026-11-21", nil, 200)
	lanes := ask[office.LaneCountList](t, d, "viewer", "GET", "/api/v1/passages/lanes?day=2026-11-21", nil, 200)
	if len(hours.Hours) != 3 || len(lanes.Lanes) != 2 {
		t.Errorf("%+v, %+v", hours, lanes)
	}
}

func TestAcknowledge(t *testing.T) {
	d := newDesk(t)
	d.AddAlarm(office.Alarm{At: d.clock.now(), Lane: "north", Code: "conflict", Detail: "x", Next: "look"})
	const at = "/api/v1/alarms/1/acknowledge"
	if l := ask[office.AlarmStateList](t, d, "viewer", "GET", "/api/v1/attention", nil, 200); l.Open != 1 || len(l.Alarms) != 1 || !l.Alarms[0].Open {
		t.Fatalf("%+v", l)
	}
	ask[problem](t, d, "security", "POST", at, m{"count": 2}, 409)
	ask[problem](t, d, "security", "POST", at, m{"count": 1, "note": "a\nb\x00"}, 422)
	ask[problem](t, d, "security", "POST", at, m{"count": 1, "note": strings.Repeat("x", 201)}, 422)
	ask[problem](t, d, "security", "POST", at, m{}, 422)
	ask[problem](t, d, "security", "POST", "/api/v1/alarms/9/acknowledge", m{"count": 1}, 404)
	ask[problem](t, d, "auditor", "POST", at, m{"count": 1}, 403)
	if w := d.do(t, "security", "POST", at, m{"count": 1, "note": "shared code"}); w.Code != 204 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if l := ask[office.AlarmStateList](t, d, "viewer", "GET", "/api/v1/attention?all=true", nil, 200); l.Open != 0 || len(l.Alarms) != 1 || l.Alarms[0].AcknowledgedBy != "security" || l.Alarms[0].Note != "shared code" {
		t.Errorf("%+v", l)
	}
}
