package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/central/symbol"
	"turnstile/simulator/campus"
)

// nobody is a campus on which nothing works.
type nobody struct{ done []string }

var errNobody = errors.New("nobody is here")

func (n *nobody) Do(_ context.Context, a campus.Act) error {
	n.done = append(n.done, a.String())
	return errNobody
}
func (*nobody) View() campus.View                                 { return campus.View{} }
func (*nobody) Changed() <-chan struct{}                          { return nil }
func (*nobody) ScanPicture(context.Context, string, []byte) error { return errNobody }
func (*nobody) Symbol(context.Context, string) ([]byte, error)    { return nil, errNobody }

// ask sends a request to the pages of a campus.
func ask(t *testing.T, c Campus, o Options, method, host, site, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, "http://"+host+path, strings.NewReader(body))
	r.Header.Set("Sec-Fetch-Site", site)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestForeignRequests lets nobody but the page itself do anything.
func TestForeignRequests(t *testing.T) {
	n := &nobody{}
	for _, c := range []struct {
		name, host, site, body, path string
		status                       int
		says                         string
	}{
		{"the page", "127.0.0.1:8100", "same-origin", "heal", "/live/do", http.StatusOK, "nobody"},
		{"by name", "localhost:8100", "same-origin", "heal", "/live/do", http.StatusOK, "nobody"},
		{"another name for this machine", "evil.example:8100", "same-origin", "heal", "/live/do", http.StatusForbidden, "127.0.0.1"},
		{"another page", "127.0.0.1:8100", "cross-site", "heal", "/live/do", http.StatusForbidden, "cross-origin"},
		{"no act", "127.0.0.1:8100", "same-origin", "sing", "/live/do", http.StatusOK, "there is no act"},
		{"a huge act", "127.0.0.1:8100", "same-origin", strings.Repeat("A", campus.MaxLine+1), "/live/do", http.StatusOK, "4000 bytes"},
		{"a huge picture", "127.0.0.1:8100", "same-origin", strings.Repeat("A", symbol.MaxPicture+1), "/live/picture?lane=north", http.StatusOK, "larger than 32 MB"},
	} {
		w := ask(t, n, Options{}, http.MethodPost, c.host, c.site, c.path, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s, want %d %q", c.name, w.Code, w.Body, c.status, c.says)
		}
	}
	if len(n.done) != 2 {
		t.Errorf("%d acts were done, want 2", len(n.done))
	}
	for site, status := range map[string]int{"same-origin": http.StatusOK, "none": http.StatusOK, "cross-site": http.StatusForbidden, "same-site": http.StatusForbidden} {
		if w := ask(t, n, Options{}, http.MethodGet, "127.0.0.1:8100", site, "/live/verbs", ""); w.Code != status {
			t.Errorf("read by a page that is %s: %d, want %d", site, w.Code, status)
		}
	}
}

// TestFurtherPages: a page of somebody else stands in the navigation of all.
func TestFurtherPages(t *testing.T) {
	drills := Page{Path: "/drills/", Name: "Drills", Open: func(f *Frame) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := f.Write(w, Content{Title: "Drills <1>", Path: "/drills/", Main: "<h1>Drills</h1>"}); err != nil {
				t.Error(err)
			}
		}), nil
	}}
	for path, want := range map[string]string{"/": `<a href="/drills/">Drills</a>`, "/drills/1": `<a href="/drills/" aria-current="page">Drills</a>`} {
		w := ask(t, &nobody{}, Options{Pages: []Page{drills}}, http.MethodGet, "localhost:1", "none", path, "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s, want %s", path, w.Code, w.Body, want)
		}
		if p := w.Header().Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "default-src 'self'") {
			t.Errorf("%s: policy %q", path, p)
		}
	}
}
