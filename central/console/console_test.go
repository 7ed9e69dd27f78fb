package console

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"turnstile/central/office"
	"turnstile/central/rights"
)

// door is an Auth that knows a person by a header.
type door struct{ proved time.Time }

func (door) Wrap(next http.Handler) http.Handler { return next }

func (d door) Principal(r *http.Request) (Principal, bool) {
	role := rights.Role(r.Header.Get("X-Role"))
	return Principal{Name: "desk", Roles: []rights.Role{role}, Permissions: role.Permissions(), Proved: d.proved}, role != ""
}

var pages = MustParse(fstest.MapFS{
	"hello.html":   {Data: []byte(`{{define "main"}}<p id="x">{{.T "Good day, %s" .Data}}</p>{{template "shared" .}}{{end}}{{define "part"}}<i>{{.Data}}</i>{{end}}`)},
	"_shared.html": {Data: []byte(`{{define "shared"}}<b>{{if .May "rules.write"}}may{{else}}may not{{end}}</b>{{end}}`)},
}, Words{"Good day, %s": "您好，%s"})

func newConsole(t *testing.T, now time.Time, live map[string]Version) *Console {
	t.Helper()
	show := func(r *Request) error { return r.Page(pages, "hello.html", "Passes", r.URL.Query().Get("name")) }
	again := func(r *Request) error {
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "hello.html", "Passes", "")
	}
	c, err := New(Options{
		Auth: door{proved: now.Add(-time.Hour)}, Site: "campus", Version: "test", Now: func() time.Time { return now }, Live: live, Log: slog.New(slog.DiscardHandler),
		Nav: []Nav{{"/hello", "Passes", rights.PassesRead}, {"/people", "People", rights.PeopleManage}},
		Routes: []Route{
			{Method: "GET", Pattern: "/hello", Need: rights.PassesRead, Handle: show},
			{Method: "GET", Pattern: "/people", Need: rights.PeopleManage, Handle: show},
			{Method: "POST", Pattern: "/again", Handle: again},
			{Method: "POST", Pattern: "/hello/deep/again", Handle: again},
			{Method: "POST", Pattern: "/recent", Recent: true, Handle: show},
			{Method: "POST", Pattern: "/deed", Need: rights.PassesIssue, Handle: func(r *Request) error {
				if err := r.ParseForm(); err != nil {
					return err
				}
				r.Flash("Done: %s", r.PostForm.Get("what"))
				return r.Redirect("/hello")
			}},
			{Method: "GET", Pattern: "/refused", Handle: func(*Request) error { return office.Refuse(office.ErrConflict, "It is <gone>.") }},
			{Method: "GET", Pattern: "/broken", Handle: func(*Request) error { return errors.New("secret of the database") }},
			{Method: "GET", Pattern: "/part", Handle: func(r *Request) error { return r.Fragment(pages, "hello.html", "part", "<x>") }},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func do(c *Console, method, path, role, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://office.example"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Role", role)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func TestWhoMayOpenWhat(t *testing.T) {
	c := newConsole(t, time.Now(), nil)
	for _, x := range []struct {
		method, path, role string
		status             int
		location, body     string
	}{
		{"GET", "/office/hello?name=a", "viewer", 200, "", "Good day, a"},
		{"GET", "/office/hello?name=%3Cscript%3E", "viewer", 200, "", "&lt;script&gt;"},
		{"GET", "/office/hello?x=1", "", 303, "/office/sign-in?next=%2Foffice%2Fhello%3Fx%3D1", ""},
		{"GET", "/office/people", "security", 403, "", "Your role does not allow this"},
		{"POST", "/office/deed", "security", 403, "", ""},
		{"POST", "/office/recent", "admin", 303, "/office/sign-in?again=1&next=%2Foffice%2F", ""},
		{"GET", "/office/", "viewer", 303, "/office/hello", ""},
		{"GET", "/office/nowhere", "viewer", 404, "", "There is no such page"},
		{"GET", "/office/nowhere", "", 404, "", "There is no such page"},
		{"GET", "/office/refused", "viewer", 409, "", "It is &lt;gone&gt;."},
		{"GET", "/office/broken", "viewer", 500, "", "its log has the cause"},
		{"GET", "/office/part", "viewer", 200, "", "<i>&lt;x&gt;</i>"},
		{"GET", "/office/live?topics=none", "viewer", 404, "", ""},
		{"GET", "/office/live?topics=none", "", 401, "", ""},
		{"GET", "/office/static/console.css", "", 200, "", ".symbol"},
		{"GET", "/office/static/..%2fconsole.go", "", 404, "", ""},
	} {
		w := do(c, x.method, x.path, x.role, "")
		if w.Code != x.status || w.Header().Get("Location") != x.location || !strings.Contains(w.Body.String(), x.body) {
			t.Errorf("%s %s as %q: %d to %q, want %d to %q with %q in\n%.300s", x.method, x.path, x.role, w.Code, w.Header().Get("Location"), x.status, x.location, x.body, w.Body)
		}
		if strings.Contains(w.Body.String(), "secret of the database") {
			t.Errorf("%s tells what broke", x.path)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s has the policy %q", x.path, csp)
		}
	}
}

func TestMenuShowsWhatMayBeOpened(t *testing.T) {
	c := newConsole(t, time.Now(), nil)
	viewer, admin := do(c, "GET", "/office/hello", "viewer", "").Body.String(), do(c, "GET", "/office/hello", "admin", "").Body.String()
	if strings.Contains(viewer, "/office/people") || !strings.Contains(admin, "/office/people") || !strings.Contains(viewer, `href="/office/hello" aria-current="page"`) {
		t.Error("the menu is not the person's own")
	}
	if !strings.Contains(viewer, "<b>may not</b>") || !strings.Contains(admin, "<b>may</b>") {
		t.Error("May is wrong")
	}
}

func TestDeedAndForeignPages(t *testing.T) {
	c := newConsole(t, time.Now(), nil)
	w := do(c, "POST", "/office/deed", "issuer", "what="+url.QueryEscape("<b>"), "Sec-Fetch-Site", "same-origin")
	if w.Code != 303 || w.Header().Get("Location") != "/office/hello" || len(w.Result().Cookies()) != 1 {
		t.Fatal(w.Code, w.Header())
	}
	cookie := w.Result().Cookies()[0]
	page := do(c, "GET", "/office/hello", "issuer", "", "Cookie", cookie.Name+"="+cookie.Value)
	if !strings.Contains(page.Body.String(), `<p class="flash">Done: &lt;b&gt;</p>`) || !strings.Contains(page.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("flash: %s", page.Body)
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		if w := do(c, "POST", "/office/deed", "issuer", "what=x", headers...); w.Code != 403 || len(w.Result().Cookies()) != 0 {
			t.Errorf("a foreign page (%v) did it: %d", headers, w.Code)
		}
	}
	if w := do(c, "POST", "/office/deed", "issuer", "what="+strings.Repeat("x", MaxBody)); w.Code != 413 {
		t.Errorf("a huge form: %d", w.Code)
	}
	if w := do(c, "POST", "/office/deed", "issuer", "what=x", "HX-Request", "true"); w.Header().Get("HX-Redirect") != "/office/hello" {
		t.Errorf("htmx is sent to %q", w.Header().Get("HX-Redirect"))
	}
}

func TestLanguages(t *testing.T) {
	c := newConsole(t, time.Now(), nil)
	for wish, want := range map[string]string{"": "Good day, ", "zh-TW,zh;q=0.9": "您好，", "zh-HK": "您好，", "en-GB, zh;q=0.1": "Good day, ", "\x00;;;": "Good day, ", strings.Repeat("zh,", 500): "Good day, "} {
		if body := do(c, "GET", "/office/hello", "viewer", "", "Accept-Language", wish).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%.20q is not greeted with %q", wish, want)
		}
	}
	w := do(c, "POST", "/office/language", "", "to=zh-Hant&back=https://evil.example/")
	if w.Code != 303 || w.Header().Get("Location") != "/office/" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	body := do(c, "GET", "/office/hello", "viewer", "", "Cookie", w.Result().Cookies()[0].String()).Body.String()
	if !strings.Contains(body, `<html lang="zh-Hant">`) || !strings.Contains(body, "通行證") {
		t.Errorf("not in Chinese: %.300s", body)
	}
	if w := do(c, "POST", "/office/language", "", "to=tlh"); w.Code != 422 {
		t.Errorf("Klingon: %d", w.Code)
	}
}

func FuzzLocal(f *testing.F) {
	for _, s := range []string{"", "/office/passes", "/office//evil.example", "/office/\\evil.example", "//evil.example", "https://evil.example/office/", "/office", "/office/a?b=c#d", "/office/%2f%2fevil", "/officer/x", "/office/\r\nSet-Cookie: a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		to, err := url.Parse("https://office.example/office/sign-in")
		if err != nil {
			t.Fatal(err)
		}
		out, err := to.Parse(Base + Local(s, "/"))
		if err != nil || out.Host != "office.example" || out.Scheme != "https" || !strings.HasPrefix(Base+Local(s, "/"), "/office/") {
			t.Errorf("%q leads to %v (%v)", s, out, err)
		}
	})
}

func TestLive(t *testing.T) {
	var n atomic.Int64
	version := func(context.Context) (string, error) {
		return time.Unix(n.Load(), 0).UTC().Format("15:04:05") + "\nx", nil
	}
	c := newConsole(t, time.Now(), map[string]Version{"passages": version, "lanes": func(context.Context) (string, error) { return "", errors.New("away") }})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	server := httptest.NewServer(c)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/office/live?topics=passages,lanes", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Role", "viewer")
	answer, err := server.Client().Do(req)
	if err != nil || answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(answer, err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	seen := 0
	for lines.Scan() {
		if lines.Text() == "data: 00:00:0"+string(rune('0'+seen))+" x" {
			if seen++; seen < 3 {
				n.Add(1)
			} else {
				cancel() // the stream ends with the console
			}
		}
	}
	if err := <-ended; seen != 3 || err != nil {
		t.Errorf("%d pings, %v", seen, err)
	}
}

// TestFrameWords holds the frame's own texts to its table.
func TestFrameWords(t *testing.T) {
	data, err := layout.ReadFile("layout/_layout.html")
	if err != nil {
		t.Fatal(err)
	}
	texts := regexp.MustCompile(`\.T "([^"]+)"`).FindAllStringSubmatch(string(data), -1)
	for _, m := range texts {
		if frameWords[m[1]] == "" {
			t.Errorf("%q has no Chinese", m[1])
		}
	}
	if len(texts) < 4 {
		t.Errorf("only %d texts found", len(texts))
	}
}

// TestVendored holds what was taken from elsewhere to its sums.
func TestVendored(t *testing.T) {
	list, err := os.ReadFile("static/VENDORED.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"htmx.min.js", "pico.min.css"} {
		data, err := static.ReadFile("static/" + name)
		sum := sha256.Sum256(data)
		if err != nil || !strings.Contains(string(list), hex.EncodeToString(sum[:])) {
			t.Errorf("%s is not what VENDORED.md says (%v)", name, err)
		}
	}
}

// TestLanguageOfAFormShownAgain: the answer to a POST has no address to come back
// to; the switch of the language leads to where the person came from, else to a page
// above, and never away.
func TestLanguageOfAFormShownAgain(t *testing.T) {
	c := newConsole(t, time.Now(), nil)
	back := regexp.MustCompile(`name="back" value="([^"]*)"`)
	for _, x := range []struct{ referer, path, want string }{
		{"http://office.example/office/people?page=2", "/again", "/office/people?page=2"},
		{"", "/hello/deep/again", "/office/hello"},
		{"", "/again", "/office/"},
		{"http://office.example/office/hello/deep/again", "/hello/deep/again", "/office/hello"}, // sent twice
		{"http://office.example/office/nowhere", "/again", "/office/"},
		{"http://elsewhere.example/people", "/again", "/office/"},
		{"http://office.example/office//elsewhere.example/", "/again", "/office/"},
		{"http://office.example/office/live", "/again", "/office/"},
	} {
		w := do(c, "POST", Base+x.path, "admin", "", "Referer", x.referer)
		m := back.FindStringSubmatch(w.Body.String())
		if m == nil || m[1] != x.want {
			t.Errorf("%s from %q: back is %q, want %s: %d %.200s", x.path, x.referer, m, x.want, w.Code, w.Body)
			continue
		}
		if w = do(c, "POST", Base+"/language", "admin", url.Values{"to": {"en"}, "back": {m[1]}}.Encode()); w.Header().Get("Location") != x.want {
			t.Errorf("%s: the switch leads to %q", x.want, w.Header().Get("Location"))
		}
	}
}
