package server

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnstile/central/requestlog"
	"turnstile/central/rights"
)

// metric returns the value of a metric, "" of one that is not there: of requests and
// the like there is none before the first.
func metric(t *testing.T, r *running, name string) string {
	t.Helper()
	answer, err := http.Get(r.endpoints.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// marked stands in everything that a log must not have: names, codes, tokens.
const marked = "GEHEIM"

// spy sends requests full of marked words and remembers secrets of the answers.
type spy struct {
	base    string
	token   string
	cookie  *http.Cookie
	sent    int
	secrets []string
}

func (s *spy) do(t *testing.T, method, path, kind, body string) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", marked)
	r.Header.Set(requestlog.Header, marked)
	r.Header.Set("X-Forwarded-For", marked)
	if strings.HasPrefix(path, "/office") {
		r.AddCookie(s.cookie)
		r.AddCookie(&http.Cookie{Name: "turnstile_flash", Value: marked})
		r.Header.Set("Origin", s.base)
	} else {
		r.Header.Set("Authorization", "Bearer "+s.token)
		if method == "POST" {
			r.Header.Set("Idempotency-Key", marked+strings.Repeat("x", s.sent%10))
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	s.sent++
	if answer, err = io.ReadAll(got.Body); err != nil {
		t.Fatal(err)
	}
	return got.StatusCode, answer
}

// whole is the field of an answer that is a secret as it stands.
const whole = "*"

// call calls the API, and returns a field of the answer and remembers it as a secret.
func (s *spy) call(t *testing.T, method, path, body, field string, want int) string {
	t.Helper()
	status, answer := s.do(t, method, "/api/v1"+path, "application/json", body)
	if status != want {
		t.Fatalf("%s %s: %d %s, want %d", method, path, status, answer, want)
	}
	if field == "" {
		return ""
	}
	secret := string(bytes.TrimSpace(answer))
	if field != whole {
		var fields map[string]any
		if err := json.Unmarshal(answer, &fields); err != nil {
			t.Fatal(err)
		}
		secret, _ = fields[field].(string)
	}
	if len(secret) < 10 {
		t.Fatalf("%s %s has no %s: %s", method, path, field, answer)
	}
	s.secrets = append(s.secrets, secret)
	return secret
}

// TestLogTellsNoSecrets: each request of API and console is logged once, and no
// line, at any level, has a name, a code, a token, or what a client wrote.
func TestLogTellsNoSecrets(t *testing.T) {
	var log bytes.Buffer
	c := configure(t)
	c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := run(t, c)
	s := &spy{base: r.endpoints.HTTP, token: r.api(t).token, cookie: r.session(t, rights.Admin)}
	s.secrets = append(s.secrets, s.token, s.cookie.Value)
	day := time.Now().In(time.FixedZone("HKT", 8*3600)).Format(time.DateOnly)
	id := s.call(t, "POST", "/passes", `{"kind":"guest","holder":"`+marked+`-1","guest_name":"`+marked+` 陳","purpose":"`+marked+`","day":"`+day+`","length":"25h","start":"00:00","entries":1}`, "id", 201)
	s.secrets = s.secrets[:2] // an id is none
	s.call(t, "GET", "/passes/"+id+"/code", "", whole, 200)
	s.call(t, "GET", "/passes?holder="+marked+"-1", "", "", 200)
	s.call(t, "GET", "/passes/"+marked+"/1", "", "", 422)
	s.call(t, "GET", "/passes?surprise="+marked, "", "", 422)
	s.call(t, "POST", "/passes/"+id+"/revoke", `{"reason":"`+marked+`"}`, "", 200)
	s.call(t, "POST", "/passes", `{"kind":"`+marked+`"}`, "", 422)
	s.call(t, "POST", "/passes", marked, "", 400)
	s.call(t, "POST", "/lanes", `{"id":"north"}`, "token", 201)
	s.call(t, "POST", "/tokens", `{"name":"other","role":"viewer"}`, "secret", 201)
	s.call(t, "GET", "/"+marked+"?"+marked, "", "", 404)
	s.call(t, marked, "/passes", "", "", 405)
	s.token = marked + "-token"
	s.call(t, "GET", "/passes", "", "", 401)
	form := url.Values{"name": {marked}, "password": {marked}, "code": {marked}, "token": {marked}, "q": {marked}, "reason": {marked}}.Encode()
	for _, path := range []string{"/", "/sign-in?back=" + marked, "/passes?q=" + marked, "/passes/" + marked + "/1", "/passages?words=" + marked, "/lanes/" + marked, "/people/" + marked,
		"/audit?q=" + marked, "/rules?x=" + marked, "/live?topics=" + marked, "/static/" + marked, "/" + marked, "/join?token=" + marked} {
		s.do(t, "GET", "/office"+path, "", "")
	}
	for _, path := range []string{"/sign-in", "/sign-in/passkey", "/sign-in/openid/" + marked, "/passes/new", "/language", "/people", "/lanes", "/" + marked} {
		s.do(t, "POST", "/office"+path, "application/x-www-form-urlencoded", form)
	}
	s.do(t, marked, "/office/passes", "", "")
	if err := r.stop(); err != nil { // now each line is written
		t.Fatal(err)
	}
	judge(t, log.String(), s)
}

func judge(t *testing.T, log string, s *spy) {
	t.Helper()
	requests, actors := 0, map[string]int{}
	for line := range strings.Lines(log) {
		var l struct{ Msg, Request, Method, Route, Actor string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("no JSON: %s", line)
		}
		for _, secret := range append(s.secrets, marked) {
			if strings.Contains(strings.ToLower(line), strings.ToLower(secret)) {
				t.Errorf("%q stands in the log: %s", secret, line)
			}
		}
		if l.Msg == "request" {
			requests++
			actors[l.Actor]++
			if l.Request == "" || l.Method == "" || l.Route == "" {
				t.Errorf("a line without its parts: %s", line)
			}
		}
	}
	if requests != s.sent || s.sent < 30 {
		t.Errorf("%d requests, %d lines", s.sent, requests)
	}
	if actors["user:anna"] < 8 || actors[""] < 2 || len(actors) != 3 || len(s.secrets) != 5 {
		t.Errorf("actors %v, %d secrets", actors, len(s.secrets))
	}
}
