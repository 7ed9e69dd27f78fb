package page_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"turnstile/central/office"
	"turnstile/central/page"
)

// words are those of the test's surface.
var words = page.Words{"Good day": "您好", "The register is closed.": "登記冊已關閉。", "Broken.": "故障。"}

var frame = page.MustFrame(fstest.MapFS{
	"layout/_layout.html": {Data: []byte(`{{define "layout"}}<html lang="{{.Lang}}"><h1>{{.T .Title}}</h1><i>{{.Flash}}</i>{{template "main" .}}</html>{{end}}`)},
	"layout/problem.html": {Data: []byte(`{{define "main"}}{{template "problem" .}}{{end}}{{define "problem"}}<p>{{.Data.Detail}}</p>{{end}}`)},
}, words)

var pages = frame.MustParse(fstest.MapFS{"hello.html": {Data: []byte(`{{define "main"}}{{.T "Good day"}} {{.Data}}{{end}}`)}}, nil)

// streamed is a page that is made while it is shown.
var streamed = frame.MustParse(fstest.MapFS{"long.html": {Data: []byte(`{{define "main"}}{{.Hole}}{{end}}{{define "part"}}part{{end}}`)}}, nil)

// surface is a site below /base whose pages answer with what a test wants; log is what
// it writes down.
func surface(log io.Writer, serve func(*page.Exchange) error) *page.Site {
	s := &page.Site{Base: "/base", Cookie: "test", Name: "Campus", Frame: frame, Zone: time.UTC, Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now, Broken: "Broken.", Hidden: []string{"/hidden"}}
	s.Mount("GET", "/page", page.Limits{}, serve)
	s.Mount("GET", "/hidden", page.Limits{}, serve)
	s.Mount("POST", "/deed", page.Limits{MaxBody: 2 << 10}, serve)
	s.Mount("POST", "/language", page.Limits{}, page.SwitchLanguage)
	s.Otherwise(func(x *page.Exchange) error { return x.Missing() })
	return s
}

// ask sends a request; headers are pairs.
func ask(s http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestLanguage: what was chosen in this browser goes before the account's wish, and
// that before the browser's; whatever else is asked for is English.
func TestLanguage(t *testing.T) {
	wish := ""
	s := surface(io.Discard, func(x *page.Exchange) error {
		x.Prefer(wish)
		return x.Page(pages, "hello.html", "Good day", "")
	})
	for _, x := range []struct{ cookie, account, browser, want string }{
		{"", "", "", "en"}, {"", "", "zh-HK,zh;q=0.9,en;q=0.8", "zh-Hant"}, {"", "", "en-GB, zh-HK;q=0.5", "en"}, {"", "", "fr", "en"}, {"", "", "zh-TW,zh;q=0.9,en-US;q=0.8,en;q=0.7", "zh-Hant"}, {"", "", "fr,zh-CN;q=0.8,en;q=0.5", "zh-Hant"}, {"", "", "yue-HK,en;q=0.3", "zh-Hant"}, {"", "", "en;q=0.1,zh-HK", "zh-Hant"}, {"", "", "\x00;q=x", "en"}, {"", "", "en," + strings.Repeat("zh-HK,", 5000), "en"},
		{"", "zh-Hant", "en", "zh-Hant"}, {"", "en", "zh-HK", "en"}, {"", "de", "zh-HK", "zh-Hant"},
		{"en", "zh-Hant", "zh-HK", "en"}, {"zh-Hant", "en", "en", "zh-Hant"}, {"de", "zh-Hant", "en", "zh-Hant"}, {"", "zh-Hant", "", "zh-Hant"},
	} {
		wish = x.account
		w := ask(s, "GET", "/base/page", "", "Accept-Language", x.browser, "Cookie", "test_language="+x.cookie)
		if !strings.Contains(w.Body.String(), `lang="`+x.want+`"`) || w.Header().Get("Content-Language") != x.want {
			t.Errorf("%+v: %s, %s", x, w.Header().Get("Content-Language"), w.Body)
		}
	}
}

// TestSwitchLanguage: the choice is kept by this site alone, over HTTPS if the page
// came so, and leads back to one of its own pages.
func TestSwitchLanguage(t *testing.T) {
	s := surface(io.Discard, nil)
	for body, to := range map[string]string{"to=zh-Hant&back=/base/page?x=1": "/base/page?x=1", "to=en&back=//evil.example/base": "/base/", "to=en&back=/elsewhere": "/base/", "to=en": "/base/"} {
		w := ask(s, "POST", "/base/language", body)
		c := w.Result().Cookies()
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != to || len(c) != 1 || c[0].Path != "/base" || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Secure {
			t.Errorf("%s: %d to %s, %+v", body, w.Code, w.Header().Get("Location"), c)
		}
	}
	if w := ask(s, "POST", "/base/language", "to=de"); w.Code != http.StatusUnprocessableEntity || len(w.Result().Cookies()) != 0 {
		t.Errorf("German: %d", w.Code)
	}
	r := httptest.NewRequest("POST", "/base/language", strings.NewReader("to=en"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); !w.Result().Cookies()[0].Secure {
		t.Error("over HTTPS the cookie is not bound to it")
	}
}

// TestProblems: each error is told in the person's language, under words of theirs;
// what is nobody's business is written down, and not shown.
func TestProblems(t *testing.T) {
	for _, x := range []struct {
		err          error
		status       int
		heading      string
		detail, zhTW string
	}{
		{office.Refuse(office.ErrNotFound, "The register is closed."), 404, "There is nothing here", "The register is closed.", "登記冊已關閉。"},
		{office.Refuse(office.ErrConflict, "The register is closed."), 409, "That does not fit any more", "The register is closed.", "登記冊已關閉。"},
		{office.Refuse(office.ErrInvalid, "A name: %s.", "<b>"), 422, "That cannot be taken", "A name: &lt;b&gt;.", "A name: &lt;b&gt;."},
		{office.Refuse(office.ErrUnavailable, "The register is closed."), 503, "Not just now", "The register is closed.", "登記冊已關閉。"},
		{&page.Problem{Status: 403, Detail: "Not you."}, 403, "That is not allowed", "Not you.", "Not you."},
		{office.ErrNotFound, 404, "There is nothing here", "There is nothing here", "此處沒有內容"},
		{errors.New("disk secret"), 500, "That did not work", "Broken.", "故障。"},
	} {
		var log bytes.Buffer
		s := surface(&log, func(*page.Exchange) error { return x.err })
		w, zh := ask(s, "GET", "/base/page", ""), ask(s, "GET", "/base/page", "", "Accept-Language", "zh-HK")
		if w.Code != x.status || !strings.Contains(w.Body.String(), "<h1>"+x.heading+"</h1>") || !strings.Contains(w.Body.String(), "<p>"+x.detail+"</p>") || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%v: %d %s", x.err, w.Code, w.Body)
		}
		if body := zh.Body.String(); zh.Code != x.status || strings.Contains(body, x.heading) || !strings.Contains(body, "<p>"+x.zhTW+"</p>") {
			t.Errorf("%v: %d %s", x.err, zh.Code, body)
		}
		if written := strings.Contains(log.String(), "disk secret"); written != (x.status == 500) {
			t.Errorf("%v: the log has %q", x.err, log.String())
		}
		if w := ask(s, "GET", "/base/page", "", "Accept", "application/json"); w.Code != x.status || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "<") {
			t.Errorf("%v to a script: %d %s", x.err, w.Code, w.Body)
		}
		if w := ask(s, "GET", "/base/page", "", "HX-Request", "true"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "<html") || !strings.Contains(w.Body.String(), x.detail) {
			t.Errorf("%v within a page: %d %s", x.err, w.Code, w.Body)
		}
	}
}

// gone is a browser that leaves behind the first piece of an answer.
type gone struct {
	*httptest.ResponseRecorder
	pieces, heads int
}

func (g *gone) WriteHeader(status int) {
	g.heads++
	g.ResponseRecorder.WriteHeader(status)
}

func (g *gone) Write(b []byte) (int, error) {
	if g.pieces++; g.pieces > 1 {
		return 0, io.ErrClosedPipe
	}
	return g.ResponseRecorder.Write(b)
}

// TestLeft: who leaves a page that is being made is no fault, and gets no second answer;
// what fails while they stay is one.
func TestLeft(t *testing.T) {
	fault := errors.New("fault")
	for name, x := range map[string]struct {
		work   func(ctx context.Context) error
		logged bool
	}{
		"between two parts":  {func(context.Context) error { return nil }, false},
		"while work is done": {func(ctx context.Context) error { return ctx.Err() }, false},
		"with a fault":       {func(context.Context) error { return fault }, true},
	} {
		var log bytes.Buffer
		ctx, leave := context.WithCancel(t.Context())
		s := surface(&log, func(e *page.Exchange) error {
			p, err := e.Stream(streamed, "long.html", "Long", nil)
			if err != nil {
				t.Fatal(err)
			}
			leave()
			if err := x.work(e.Context()); err != nil {
				return p.Fail(err)
			}
			return p.Part("part", nil)
		})
		w := &gone{ResponseRecorder: httptest.NewRecorder()}
		s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/base/page", nil))
		if w.heads != 1 || !strings.Contains(w.Body.String(), "Long") || strings.Contains(log.String(), "level=ERROR") != x.logged {
			t.Errorf("%s: %d answers, %q; the log has %q", name, w.heads, w.Body, log.String())
		}
	}
}

// TestForms: a form that is too large, broken off, or no form is refused before a page
// takes it for an empty one.
func TestForms(t *testing.T) {
	s := surface(io.Discard, func(x *page.Exchange) error {
		if err := x.ReadForm(); err != nil {
			return err
		}
		return x.Page(pages, "hello.html", "Good day", x.PostFormValue("name"))
	})
	for body, want := range map[string]int{"name=x": 200, "": 200, "name=" + strings.Repeat("x", 3<<10): 413, "name=%zz": 422, "a;b=c": 422} {
		if w := ask(s, "POST", "/base/deed", body); w.Code != want {
			t.Errorf("%.20q: %d, want %d: %s", body, w.Code, want, w.Body)
		}
	}
	if w := ask(s, "GET", "/base/page?x=%ff", ""); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("an address that is no text: %d", w.Code)
	}
	if w := ask(s, "POST", "/base/deed", "name=%ff"); !strings.Contains(w.Body.String(), "\uFFFD") {
		t.Errorf("what is no text is shown again as %q", w.Body)
	}
}

// TestSignInAsked: who is not signed in is led to the sign-in and back to a page, never
// to a deed; programs are told so.
func TestSignInAsked(t *testing.T) {
	wrong := page.ErrSignIn
	s := surface(io.Discard, func(*page.Exchange) error { return wrong })
	for _, x := range []struct {
		err                             error
		method, path, referer, location string
		status                          int
	}{
		{page.ErrSignIn, "GET", "/base/page?x=1", "", "/base/sign-in?next=%2Fbase%2Fpage%3Fx%3D1", 303}, {page.ErrSignIn, "POST", "/base/deed", "http://example.com/base/page", "/base/sign-in?next=%2Fbase%2F", 303},
		{page.ErrAgain, "POST", "/base/deed", "http://example.com/base/page?y", "/base/sign-in?again=1&next=%2Fbase%2Fpage%3Fy", 303}, {page.ErrAgain, "POST", "/base/deed", "http://evil.example//evil", "/base/sign-in?again=1&next=%2Fbase%2F", 303},
		{page.ErrSignIn, "GET", "/base/hidden", "", "", 401},
	} {
		wrong = x.err
		if w := ask(s, x.method, x.path, "", "Referer", x.referer); w.Code != x.status || w.Header().Get("Location") != x.location {
			t.Errorf("%+v: %d to %s", x, w.Code, w.Header().Get("Location"))
		}
	}
	wrong = page.ErrSignIn
	if w := ask(s, "GET", "/base/page", "", "Accept", "application/json"); w.Code != http.StatusUnauthorized {
		t.Errorf("a script: %d", w.Code)
	}
}

// TestFlash: a message is shown once, on the next page, as text.
func TestFlash(t *testing.T) {
	s := surface(io.Discard, func(x *page.Exchange) error {
		if x.Method == http.MethodPost {
			x.Flash("<b>%s", strings.Repeat("é", 2000))
			return x.Redirect("/page")
		}
		return x.Page(pages, "hello.html", "Good day", "")
	})
	w := ask(s, "POST", "/base/deed", "")
	c := w.Result().Cookies()
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/base/page" || len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != "/base" || len(c[0].Value) > 2000 {
		t.Fatalf("%d %v", w.Code, c)
	}
	w = ask(s, "GET", "/base/page", "", "Cookie", c[0].Name+"="+c[0].Value)
	if !strings.Contains(w.Body.String(), "<i>&lt;b&gt;éé") || w.Result().Cookies()[0].MaxAge != -1 {
		t.Errorf("%s", w.Body)
	}
	for _, forged := range []string{"!", strings.Repeat("A", 4000), ""} {
		if w := ask(s, "GET", "/base/page", "", "Cookie", c[0].Name+"="+forged); !strings.Contains(w.Body.String(), "<i></i>") {
			t.Errorf("%.20q is shown: %s", forged, w.Body)
		}
	}
}

// TestPolicy: each answer has the headers, those of what is refused too.
func TestPolicy(t *testing.T) {
	s := page.Policy{Content: "default-src 'none'", Referrer: "no-referrer", Permissions: "camera=()"}.Wrap(surface(io.Discard, func(*page.Exchange) error { return page.ErrSignIn }))
	want := map[string]string{"Content-Security-Policy": "default-src 'none'", "Referrer-Policy": "no-referrer", "Permissions-Policy": "camera=()", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "Strict-Transport-Security": ""}
	for _, path := range []string{"/base/page", "/base/nowhere"} {
		w := ask(s, "GET", path, "")
		for name, value := range want {
			if w.Header().Get(name) != value {
				t.Errorf("%s: %s is %q", path, name, w.Header().Get(name))
			}
		}
	}
	r := httptest.NewRequest("GET", "https://example.com/base/page", nil)
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, r); w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("over HTTPS browsers are not told to stay there")
	}
}

// TestAssets: a file's address changes with it, and then it is kept for good.
func TestAssets(t *testing.T) {
	files, err := page.ReadAssets("/base", fstest.MapFS{"static/a.css": {Data: []byte("a{}")}}, "static/*")
	if err != nil {
		t.Fatal(err)
	}
	s := surface(io.Discard, page.ServeAsset)
	s.Files = files
	s.Mount("GET", page.StaticPattern, page.Limits{}, page.ServeAsset)
	w := ask(s, "GET", files.URL("a.css"), "")
	if w.Code != http.StatusOK || w.Body.String() != "a{}" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if again := ask(s, "GET", "/base/static/a.css", "", "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("%d %v", again.Code, again.Header())
	}
	if none := ask(s, "GET", "/base/static/b.css", ""); none.Code != http.StatusNotFound {
		t.Errorf("%d", none.Code)
	}
	before := files.URL("a.css")
	if files.Add("a.css", []byte("b{}")); files.URL("a.css") == before {
		t.Error("another file has the address of the one before")
	}
}
