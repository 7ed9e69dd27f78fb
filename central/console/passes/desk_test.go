package passes_test

import (
	"bytes"
	"context"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/passes"
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

	mu   sync.Mutex // guards the following
	role rights.Role
	name string
	seq  int // of the feed, for live pages
}

func (*desk) Wrap(next http.Handler) http.Handler { return next }

func (d *desk) Principal(*http.Request) (console.Principal, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return console.Principal{Name: d.name, Roles: []rights.Role{d.role}, Permissions: d.role.Permissions(), Proved: noon}, d.role != ""
}

// as changes who is signed in.
func (d *desk) as(name string, role rights.Role) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.name, d.role = name, role
}

// ping tells live pages that lanes answered.
func (d *desk) ping() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{Fake: officetest.New(func() time.Time { return noon }), role: rights.Issuer, name: "desk"}
	d.services = d.Services()
	var err error
	d.console, err = console.New(console.Options{
		Auth: d, Site: "campus", Version: "test", Zone: officetest.HongKong, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Nav:    []console.Nav{{Path: "/passes", Text: "Passes", Need: rights.PassesRead}},
		Live:   map[string]console.Version{"feed": d.version, "approvals": d.version},
		Routes: passes.Routes(passes.Deps{Passes: d.services.Passes, Bulk: d.services.Bulk, Imports: d.services.Imports, Mails: d.services.Mails, Rules: d.services.Rules, Feed: d.services.Feed}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) version(context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Repeat("x", d.seq), nil
}

// issue issues n passes of today for P0, P1, P2 in turn.
func (d *desk) issue(t *testing.T, n int) (list []office.Pass) {
	t.Helper()
	for i := range n {
		p, err := d.services.Passes.Issue(t.Context(), "test", office.Order{Kind: pass.Guest, Holder: "P" + string(rune('0'+i%3)), GuestName: guests[i%len(guests)], Day: pass.DayOf(noon), Zones: 1, Length: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// guests are names as people have them, and as attackers write them.
var guests = []string{"Grace Hopper", "陳大文", "<script>alert(1)</script>", "محمد علي", "=HYPERLINK(\"http://x\")", "O'Brien \u202eyraM"}

func (d *desk) send(method, path, kind string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://office.example/office"+path, bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	d.console.ServeHTTP(w, r)
	return w
}

func (d *desk) get(path string) *httptest.ResponseRecorder { return d.send("GET", path, "", nil) }

func (d *desk) post(path string, form url.Values) *httptest.ResponseRecorder {
	return d.send("POST", path, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// upload posts a file, and further fields before it.
func (d *desk) upload(t *testing.T, path, name string, data []byte, fields ...string) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	field, file, _ := strings.Cut(name, ":")
	if field != "" {
		part, err := w.CreateFormFile(field, file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return d.send("POST", path, w.FormDataContentType(), b.Bytes())
}
