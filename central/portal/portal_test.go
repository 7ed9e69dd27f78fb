package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"turnstile/central/page/pagetest"
)

// door is an Auth that knows a holder by a header.
type door struct{ proved time.Time }

func (door) Wrap(next http.Handler) http.Handler { return next }

func (d door) Holder(r *http.Request) (Holder, bool) {
	person := r.Header.Get("X-Person")
	return Holder{Person: person, Name: person, Proved: d.proved, Lang: r.Header.Get("X-Lang")}, person != ""
}

var pages = MustParse(fstest.MapFS{"hello.html": {Data: []byte(`{{define "main"}}<p>{{.T "Good day, %s" .Data}}</p>{{end}}`)}}, Words{"Good day, %s": "您好，%s"})

func newPortal(t *testing.T, frames ...string) *Portal {
	t.Helper()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	show := func(r *Request) error { return r.Page(pages, "hello.html", "My card", r.Who.Name) }
	p, err := New(Options{
		Auth: door{now.Add(-time.Hour)}, Site: "campus", Office: "office@campus.example", Version: "test", Frames: frames, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return now }, Nav: []Nav{{Path: "/card", Text: "My card"}},
		Routes: []Route{
			{Method: "GET", Pattern: "/card", Handle: show},
			{Method: "POST", Pattern: "/recent", Recent: true, Handle: show},
			{Method: "GET", Pattern: "/open", Public: true, Handle: show},
			{Method: "GET", Pattern: "/codes", Hidden: true, Handle: func(r *Request) error { return r.JSON(200, "x") }},
			{Method: "POST", Pattern: "/deed", Handle: func(r *Request) error { r.Flash("Save"); return r.Redirect("/card") }},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func do(p *Portal, method, path, person, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://ecard.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Person", person)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestWhoMayOpenWhat(t *testing.T) {
	p := newPortal(t)
	for _, x := range []struct {
		method, path, person string
		status               int
		location, body       string
	}{
		{"GET", "/", "anna", 303, "/card", ""},
		{"GET", "/", "", 303, "/card", ""},
		{"GET", "/card", "", 303, "/sign-in?next=%2Fcard", ""},
		{"GET", "/card?x=1", "", 303, "/sign-in?next=%2Fcard%3Fx%3D1", ""},
		{"GET", "/card", "<b>", 200, "", "Good day, &lt;b&gt;"},
		{"POST", "/recent", "anna", 303, "/sign-in?again=1&next=%2F", ""},
		{"GET", "/open", "", 200, "", "Good day"},
		{"GET", "/codes", "", 401, "", ""},
		{"GET", "/nowhere", "anna", 404, "", "There is no such page"},
		{"GET", "/nowhere", "", 404, "", "There is no such page"},
		{"GET", "/offline", "", 200, "", "Show my code"},
		{"GET", "/install", "", 200, "", "Add to Home Screen"},
		{"GET", "/static/portal.css", "", 200, "", ".symbol"},
		{"GET", "/static/VENDORED.md", "", 404, "", ""},
		{"GET", "/static/..%2fportal.go", "", 404, "", ""},
		{"GET", "/sw.js", "", 200, "", "const VERSION = "},
		{"GET", "/manifest.webmanifest?lang=zh-Hant", "", 200, "", `"short_name":"電子證"`},
		{"POST", "/language", "", 422, "", ""},
	} {
		w := do(p, x.method, x.path, x.person, "")
		if w.Code != x.status || w.Header().Get("Location") != x.location || !strings.Contains(w.Body.String(), x.body) {
			t.Errorf("%s %s as %q: %d to %q, want %d to %q with %q in\n%.300s", x.method, x.path, x.person, w.Code, w.Header().Get("Location"), x.status, x.location, x.body, w.Body)
		}
		h := w.Header()
		if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "worker-src 'self'; manifest-src 'self'") {
			t.Errorf("%s has the policy %q", x.path, csp)
		}
		if h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s gives a referrer: %q", x.path, h.Get("Referrer-Policy"))
		}
	}
	if csp := do(newPortal(t, "http://localhost:1"), "GET", "/card", "", "").Header().Get("Content-Security-Policy"); !strings.HasSuffix(csp, "frame-ancestors http://localhost:1") {
		t.Errorf("in a demo: %s", csp)
	}
}

func TestMenuAndLanguage(t *testing.T) {
	p := newPortal(t)
	if body := do(p, "GET", "/open", "", "").Body.String(); strings.Contains(body, "<nav") || strings.Contains(body, "/sign-out") {
		t.Error("a stranger is shown a menu")
	}
	body := do(p, "GET", "/card", "anna", "", "X-Lang", "zh-Hant").Body.String()
	for _, want := range []string{`<html lang="zh-Hant">`, "您好，anna", "我的卡", `aria-current="page"`, "manifest.webmanifest?lang=zh-Hant"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %.900s", want, body)
		}
	}
	w := do(p, "POST", "/language", "", "to=en&back=//evil.example")
	if w.Code != 303 || w.Header().Get("Location") != "/" || w.Result().Cookies()[0].Path != "/" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if body := do(p, "GET", "/card", "anna", "", "X-Lang", "zh-Hant", "Cookie", w.Result().Cookies()[0].String()).Body.String(); !strings.Contains(body, "Good day, anna") {
		t.Error("the browser's wish is not the first")
	}
	w = do(p, "POST", "/deed", "anna", "", "Sec-Fetch-Site", "same-origin")
	if page := do(p, "GET", "/card", "anna", "", "Cookie", w.Result().Cookies()[0].String()); !strings.Contains(page.Body.String(), `<p class="flash">Save</p>`) {
		t.Errorf("flash: %s", page.Body)
	}
	if w := do(p, "POST", "/deed", "anna", "", "Sec-Fetch-Site", "same-site"); w.Code != 403 {
		t.Errorf("the console's pages did it: %d", w.Code)
	}
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"", "/card", "//evil.example", "/\\evil.example", "https://evil.example/", "/a?b=c#d", "/%2f%2fevil", "/\r\nSet-Cookie: a=b", "card"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to, err := url.Parse("https://ecard.example/sign-in")
		if err != nil {
			t.Fatal(err)
		}
		out, err := to.Parse(Local(s, "/"))
		if err != nil || out.Host != "ecard.example" || out.Scheme != "https" {
			t.Errorf("%q leads to %v (%v)", s, out, err)
		}
	})
}

// TestWords: the frame's own pages are whole in both languages.
func TestWords(t *testing.T) {
	pagetest.CheckWords(t, Translated, layout, ".", frameWords, 20)
	data, err := layout.ReadFile("layout/_layout.html")
	if n := len(regexp.MustCompile(`\.T "[^"]+"`).FindAll(data, -1)); err != nil || n < 4 {
		t.Errorf("%d texts in the layout, %v", n, err)
	}
}

// TestVendored holds what was taken from elsewhere to its sum.
func TestVendored(t *testing.T) {
	list, err := os.ReadFile("static/VENDORED.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lean-qr.js", "altcha-worker.js"} {
		data, err := static.ReadFile("static/" + name)
		sum := sha256.Sum256(data)
		if err != nil || !strings.Contains(string(list), hex.EncodeToString(sum[:])) {
			t.Errorf("%s is not what VENDORED.md says (%v)", name, err)
		}
	}
}
