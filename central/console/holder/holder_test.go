package holder_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/consoletest"
	"turnstile/central/console/holder"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

func TestWords(t *testing.T) { consoletest.CheckWords(t, holder.Files, ".", holder.Words, 15) }

// people is an office.Holders that knows one person.
type people struct{ looks []string }

func (p *people) Look(_ context.Context, by string, number int64, reason string) (office.Face, error) {
	if number != 7 {
		return office.Face{}, office.Refuse(office.ErrNotFound, "Passage %d is not of a pass.", number)
	}
	p.looks = append(p.looks, by+": "+reason)
	return office.Face{
		Passage: office.Passage{Number: 7, Lane: "north-1", Entry: link.Entry{Wall: 1795233600000}}, Name: "<b>陳大文</b>", JPEG: []byte("\xff\xd8\xffjpeg"), Taken: time.UnixMilli(1795000000000),
		Pass: office.Pass{Pass: pass.Pass{Day: 2517, Index: 4711}, HolderName: "A1234567"},
	}, nil
}

// guard is an Auth of one role.
type guard struct{ role rights.Role }

func (guard) Wrap(next http.Handler) http.Handler { return next }

func (g guard) Principal(*http.Request) (console.Principal, bool) {
	return console.Principal{Name: "guard", Roles: []rights.Role{g.role}, Permissions: g.role.Permissions()}, true
}

func serve(t *testing.T, role rights.Role) (*people, *console.Console) {
	t.Helper()
	p := &people{}
	c, err := console.New(console.Options{Auth: guard{role}, Routes: holder.Routes(p), Site: "campus", Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

func send(c http.Handler, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://office.example/office"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// TestLook: nobody is shown without a reason, and who looked is told with it.
func TestLook(t *testing.T) {
	p, c := serve(t, rights.Security)
	if w := send(c, "GET", "/passages/7/person", nil); w.Code != 200 || strings.Contains(w.Body.String(), "陳大文") || strings.Contains(w.Body.String(), "data:image") {
		t.Errorf("shown before a reason: %d %s", w.Code, w.Body)
	}
	for name, form := range map[string]url.Values{
		"nothing": {}, "spaces": {"reason": {"  "}}, "long": {"reason": {strings.Repeat("x", 201)}}, "control": {"reason": {"a\nb"}}, "twice": {"reason": {"a", "b"}},
	} {
		if w := send(c, "POST", "/passages/7/person/shown", form); w.Code != 422 || strings.Contains(w.Body.String(), "data:image") {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	if len(p.looks) != 0 {
		t.Errorf("looked up without a reason: %v", p.looks)
	}
	w := send(c, "POST", "/passages/7/person/shown", url.Values{"reason": {"face <i>"}})
	body := w.Body.String()
	if w.Code != 200 || !strings.Contains(body, "data:image/jpeg;base64,/9j/anBlZw==") || !strings.Contains(body, "&lt;b&gt;陳大文") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v %s", w.Code, w.Header(), body)
	}
	if len(p.looks) != 1 || p.looks[0] != "user:guard: face <i>" {
		t.Errorf("%v", p.looks)
	}
	for _, path := range []string{"/passages/8/person", "/passages/0/person", "/passages/-1/person", "/passages/x/person", "/passages/99999999999999999999/person"} {
		if w := send(c, "POST", path+"/shown", url.Values{"reason": {"x"}}); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestOnlyWhoMaySee(t *testing.T) {
	for _, role := range rights.Roles() {
		p, c := serve(t, role)
		may := role.Permissions().Has(rights.PhotosSee)
		w := send(c, "POST", "/passages/7/person/shown", url.Values{"reason": {"x"}})
		if may != (w.Code == 200) || may != (len(p.looks) == 1) {
			t.Errorf("%s: %d, %v", role, w.Code, p.looks)
		}
	}
}
