package office_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"turnstile/central/link"
	"turnstile/central/office"
)

// bearer sends a request with any token.
func bearer(d *desk, secret, method, path, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, office.Base+path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:1"
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, req)
	return w
}

// TestFaultsHavePointers: each fault has its place as a JSON Pointer, and the type
// of its problem is one that the page of problems explains.
func TestFaultsHavePointers(t *testing.T) {
	d := newDesk(t)
	for body, want := range map[string]string{
		`{"kind":"ecard","holder":"A1","day":"2026-11-21","zones":[0,99]}`:    "#/zones/1",
		`{"kind":"ecard","holder":7,"day":"2026-11-21"}`:                      "#/holder",
		`{"kind":"ecard","holder":"A1","day":"2026-11-21","a/b~c":1}`:         "#/a~1b~0c",
		`{"kind":"ecard","day":"2026-11-21"}`:                                 "#",
		`{"kind":"ecard","holder":"A\u0000","day":"2026-11-21"}`:              "#/holder",
		`{"kind":"guest","holder":"A1","guest_name":"\n","day":"2026-11-21"}`: "#/guest_name",
	} {
		p := ask[office.Problem](t, d, "issuer", "POST", "/api/v1/passes", body, 422)
		if len(p.Errors) == 0 || p.Errors[0].Pointer != want || p.Type != "/api/v1/problems#invalid" {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if p := ask[office.Problem](t, d, "issuer", "GET", "/api/v1/passes?limit=0", nil, 422); p.Errors[0].Pointer != "" || p.Errors[0].Location != "query.limit" {
		t.Errorf("%+v", p)
	}
	page := d.do(t, "", "GET", "/api/v1/problems", nil)
	if page.Code != 200 || strings.Count(page.Body.String(), "<dt id=") < 20 || !strings.Contains(page.Body.String(), `id="key-reused"`) {
		t.Errorf("%d %s", page.Code, page.Body)
	}
}

// TestProblemsAreBounded: a request of nothing but faults is not answered with
// more than it brought.
func TestProblemsAreBounded(t *testing.T) {
	d := newDesk(t)
	body := `{"kind":"ecard","holder":"A1","day":"2026-11-21","zones":[` + strings.Repeat(`"`+strings.Repeat("x", 100)+`",`, 600) + `0]}`
	w := bearer(d, "issuer-secret", "POST", "/passes", body)
	var p office.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 422 || len(p.Errors) > 50 || w.Body.Len() > 16<<10 {
		t.Errorf("%d, %d faults, %d bytes, %v", w.Code, len(p.Errors), w.Body.Len(), err)
	}
}

func TestKeysStandOnce(t *testing.T) {
	d := newDesk(t)
	for _, body := range []string{
		`{"kind":"ecard","holder":"A1","holder":"A2","day":"2026-11-21"}`,
		`{"kind":"ecard","holder":"A1","h\u006flder":"A2","day":"2026-11-21"}`,
		`{"kind":"ecard","holder":"A1","day":"2026-11-21","kind":"staff"}`,
	} {
		wantKind(t, body, bearer(d, "issuer-secret", "POST", "/passes", body), 400, "malformed")
	}
	wantKind(t, "in a list", bearer(d, "admin-secret", "PUT", "/rules", `{"zones":[{"id":0,"name":"a"},{"id":1,"id":2}],"policies":[]}`), 400, "malformed")
	if n := d.issued(t); n != 0 {
		t.Errorf("%d passes", n)
	}
}

// TestTextsComeBackAsTheyWere: what a page could execute, and what turns the
// direction of writing, is text here: stored as it is, and answered as JSON that
// no browser takes for a page.
func TestTextsComeBackAsTheyWere(t *testing.T) {
	d := newDesk(t)
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.}}`, `'; DROP TABLE passes; --`, "محمد عبد الله", "\u202Eevil\u202C", "陳大文", "👩‍🔬 O'Brien", `\u003c`,
	} {
		o := order()
		o["kind"], o["guest_name"], o["purpose"] = "guest", name, name
		w := d.do(t, "issuer", "POST", "/api/v1/passes", o)
		var p office.PassBody
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != 201 || p.GuestName != name || p.Purpose != name {
			t.Errorf("%q: %d %s %v", name, w.Code, w.Body, err)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%q: %v", name, h)
		}
		if q := ask[office.PassBody](t, d, "viewer", "GET", "/api/v1/passes/"+p.ID, nil, 200); q.GuestName != name {
			t.Errorf("%q is stored as %q", name, q.GuestName)
		}
		if w := d.do(t, "admin", "POST", "/api/v1/lanes", m{"id": name}); w.Code != 422 || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q as an id: %d", name, w.Code)
		}
	}
}

// TestCursorsAreOfTheirList: each list pages through all of its rows by cursor,
// links to its next page, and takes no cursor that is not its own.
func TestCursorsAreOfTheirList(t *testing.T) {
	d := newDesk(t)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		d.AddLane(office.Lane{ID: id, Enrolled: d.clock.now(), State: &link.LaneState{Lanes: []link.LaneInfo{{Number: 1}}}})
		d.AddPassage(office.Passage{Lane: id, Received: d.clock.now()})
		d.AddAlarm(office.Alarm{At: d.clock.now(), Code: "x", Lane: id})
		ask[m](t, d, "issuer", "POST", "/api/v1/passes", order(), 201)
		ask[m](t, d, "admin", "POST", "/api/v1/tokens", m{"name": "token-" + id, "role": "viewer"}, 201)
		ask[m](t, d, "admin", "POST", "/api/v1/supervisor-codes", m{"controller": id, "lane": 1, "action": "open-in", "cause": "drill", "count": 1, "days": 1, "officer": "x"}, 201)
	}
	lists := map[string]int{"/passes": 5, "/passages": 5, "/alarms": 5, "/lanes": 5, "/tokens": 11, "/supervisor-codes": 5}
	cursors := map[string]string{}
	for path, want := range lists {
		at, seen := path+"?limit=2", 0
		for pages := 0; at != ""; pages++ {
			w := d.do(t, "admin", "GET", office.Base+at, nil)
			var body map[string]json.RawMessage
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 || pages > 20 {
				t.Fatalf("%s: %d %s", at, w.Code, w.Body)
			}
			n, next := 0, ""
			for name, part := range body {
				var rows []json.RawMessage
				if name == "next" {
					json.Unmarshal(part, &next)
				} else if json.Unmarshal(part, &rows) == nil {
					n += len(rows)
				}
			}
			seen += n
			link := w.Header().Get("Link")
			at = ""
			if next != "" {
				cursors[path] = next
				at = path + "?limit=2&cursor=" + next
				target, rel, _ := strings.Cut(link, ">; ")
				u, err := url.Parse(strings.TrimPrefix(target, "<"))
				if err != nil || rel != `rel="next"` || u.Path != office.Base+path || u.Query().Get("cursor") != next || u.Query().Get("limit") != "2" || n != 2 {
					t.Errorf("%s: %d rows, link %s", path, n, link)
				}
			} else if link != "" {
				t.Errorf("the last page of %s links to %s", path, link)
			}
		}
		if seen != want {
			t.Errorf("%s: %d rows, want %d", path, seen, want)
		}
	}
	tried := 0
	for path, cursor := range cursors {
		for other := range lists {
			if other != path {
				wantKind(t, path+" at "+other, d.do(t, "admin", "GET", office.Base+other+"?cursor="+cursor, nil), http.StatusUnprocessableEntity, "foreign-cursor")
				tried++
			}
		}
		for _, bad := range []string{cursor + "AA", "x" + cursor[1:], "AAAA", "***", strings.Repeat("A", 400)} {
			if bad != cursor {
				wantKind(t, bad, d.do(t, "admin", "GET", office.Base+path+"?cursor="+bad, nil), http.StatusUnprocessableEntity, "foreign-cursor")
			}
		}
	}
	if tried != len(lists)*(len(lists)-1) {
		t.Errorf("%d cursors tried at other lists", tried)
	}
	wantKind(t, "another filter", d.do(t, "admin", "GET", office.Base+"/passes?kind=ecard&cursor="+cursors["/passes"], nil), 422, "foreign-cursor")
}

// FuzzCursor: no cursor makes central fail.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("rjW5TVsRUHZBMQ")
	f.Add("AAAAAAAAAAAAAAAA")
	d := newDesk(f)
	f.Fuzz(func(t *testing.T, cursor string) {
		for _, list := range []string{"/passes", "/passages", "/alarms", "/lanes", "/tokens"} {
			if w := d.do(t, "admin", "GET", office.Base+list+"?"+url.Values{"cursor": {cursor}}.Encode(), nil); w.Code != 200 && w.Code != 422 {
				t.Errorf("%s %q: %d %s", list, cursor, w.Code, w.Body)
			}
		}
	})
}
