package human

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/altcha-org/altcha-lib-go"

	"turnstile/central/database/databasetest"
	"turnstile/central/office"
	"turnstile/central/portal"
	"turnstile/central/seal"
)

// nobody is an Auth.
type nobody struct{}

func (nobody) Wrap(next http.Handler) http.Handler             { return next }
func (nobody) Holder(*http.Request) (h portal.Holder, ok bool) { return h, false }

// desk is a form behind a guard.
type desk struct {
	t     testing.TB
	guard *Guard
	now   time.Time
	site  *portal.Portal
	last  error // of the guard
	shown Challenge
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Unix(1795233600, 0)}
	db := databasetest.Open(t, filepath.Join(t.TempDir(), "central.db"))
	box, err := seal.New([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	d.guard = New([32]byte{1}, seal.States{Box: box, Spent: db, Now: func() time.Time { return d.now }}, db)
	d.site, err = portal.New(portal.Options{Auth: nobody{}, Site: "Campus", Now: func() time.Time { return d.now }, Routes: []portal.Route{
		{Method: "GET", Pattern: "/form", Public: true, Handle: func(r *portal.Request) error {
			c, err := d.guard.Challenge(r)
			d.shown, _ = c.(Challenge)
			r.Writer.Write([]byte(template.HTMLEscapeString(d.shown.Task)))
			return err
		}},
		{Method: "POST", Pattern: "/form", Public: true, Handle: func(r *portal.Request) error {
			d.last = d.guard.Human(r)
			return d.last
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) open() Challenge {
	d.t.Helper()
	w := httptest.NewRecorder()
	d.site.ServeHTTP(w, httptest.NewRequest("GET", "/form", nil))
	if w.Code != http.StatusOK || d.shown.Slow == "" {
		d.t.Fatal(w.Code, d.shown)
	}
	return d.shown
}

// send returns whether the guard let the form through.
func (d *desk) send(fields url.Values, address string) bool {
	d.t.Helper()
	r := httptest.NewRequest("POST", "/form", strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = address + ":1"
	w := httptest.NewRecorder()
	d.last = errors.New("not asked")
	d.site.ServeHTTP(w, r)
	if text := fields.Get("altcha") + " " + fields.Get("slow"); !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		if w.Code != http.StatusUnprocessableEntity {
			d.t.Errorf("what is no text: %d", w.Code)
		}
		return false // the frame refuses it before the guard is asked
	}
	if _, refused := errors.AsType[*office.Refusal](d.last); d.last != nil && !refused {
		d.t.Errorf("%v", d.last)
	}
	return d.last == nil
}

// solve does the work of a challenge.
func solve(t testing.TB, task string) string {
	t.Helper()
	var c altcha.Challenge
	if err := json.Unmarshal([]byte(task), &c); err != nil {
		t.Fatal(err)
	}
	s, err := altcha.SolveChallenge(c.Challenge, c.Salt, altcha.SHA256, int(c.MaxNumber), 0, nil)
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	return answer(t, altcha.Payload{Algorithm: c.Algorithm, Challenge: c.Challenge, Number: int64(s.Number), Salt: c.Salt, Signature: c.Signature})
}

func answer(t testing.TB, p altcha.Payload) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}

// TestWork: what was worked for goes through once, and in its time.
func TestWork(t *testing.T) {
	d := newDesk(t)
	good := solve(t, d.open().Task)
	if !d.send(url.Values{"altcha": {good}}, "192.0.2.1") {
		t.Error(d.last)
	}
	if d.send(url.Values{"altcha": {good}}, "192.0.2.1") {
		t.Error("the same work twice")
	}
	late := solve(t, d.open().Task)
	d.now = d.now.Add(life)
	if d.send(url.Values{"altcha": {late}}, "192.0.2.1") {
		t.Error("too late")
	}
	var p altcha.Payload
	fresh := solve(t, d.open().Task)
	text, err := base64.StdEncoding.DecodeString(fresh)
	if err != nil || json.Unmarshal(text, &p) != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*altcha.Payload){
		"another number": func(p *altcha.Payload) { p.Number++ }, "another salt": func(p *altcha.Payload) { p.Salt = "x" + p.Salt }, "a later end": func(p *altcha.Payload) { p.Salt = strings.Replace(p.Salt, "expires=1", "expires=2", 1) },
		"another signature": func(p *altcha.Payload) { p.Signature = strings.Repeat("0", 64) }, "a weaker hash": func(p *altcha.Payload) { p.Algorithm = "SHA-1" },
	} {
		q := p
		change(&q)
		if d.send(url.Values{"altcha": {answer(t, q)}}, "192.0.2.1") {
			t.Errorf("%s goes through", name)
		}
	}
	if !d.send(url.Values{"altcha": {fresh}}, "192.0.2.1") {
		t.Errorf("what was not used: %v", d.last)
	}
}

// TestSlow: a browser without scripts waits instead, and a network has few of them.
func TestSlow(t *testing.T) {
	d := newDesk(t)
	if d.send(url.Values{}, "192.0.2.1") || d.send(url.Values{"slow": {"x"}}, "192.0.2.1") {
		t.Error("nothing was done, and it goes through")
	}
	shown := d.open().Slow
	if d.send(url.Values{"slow": {shown}}, "192.0.2.1") {
		t.Error("at once")
	}
	d.now = d.now.Add(slowWait)
	if !d.send(url.Values{"slow": {shown}}, "192.0.2.1") {
		t.Error(d.last)
	}
	if d.send(url.Values{"slow": {shown}}, "192.0.2.1") {
		t.Error("twice")
	}
	let := 0
	for range 20 {
		shown := d.open().Slow
		d.now = d.now.Add(slowWait)
		if d.send(url.Values{"slow": {shown}}, "192.0.2.1") {
			let++
		}
	}
	if let < 2 || let > 12 {
		t.Errorf("%d of 20 went through", let)
	}
	shown = d.open().Slow
	d.now = d.now.Add(slowWait)
	if !d.send(url.Values{"slow": {shown}}, "203.0.113.1") {
		t.Errorf("another network: %v", d.last)
	}
}

// FuzzAnswer takes whatever as work.
func FuzzAnswer(f *testing.F) {
	d := newDesk(f)
	f.Add("x", "y")
	f.Add("e30=", "")
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"algorithm":"SHA-256","number":1,"salt":"a?expires=9999999999&"}`)), "AAAA")
	f.Fuzz(func(t *testing.T, work, slow string) {
		d.t = t
		if d.send(url.Values{"altcha": {work}, "slow": {slow}}, "192.0.2.1") {
			t.Errorf("%q %q goes through", work, slow)
		}
	})
}

// TestWords: each refusal has its Chinese.
func TestWords(t *testing.T) {
	if len(Texts) < 3 {
		t.Error(len(Texts))
	}
	for text, zh := range Texts {
		if text == "" || zh == "" || strings.Count(text, "%") != strings.Count(zh, "%") {
			t.Errorf("%q: %q", text, zh)
		}
	}
}
