package office_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnstile/central/office"
)

func TestGuessersAreSlowedDown(t *testing.T) {
	d := newDesk(t)
	ask[m](t, d, "viewer", "GET", "/api/v1/feed", nil, 200) // a good client at the same address
	statuses := map[int]int{}
	for range 30 {
		statuses[d.do(t, "guess", "GET", "/api/v1/feed", nil).Code]++
	}
	if statuses[401] != 10 || statuses[429] != 20 {
		t.Errorf("30 guesses: %v", statuses)
	}
	if w := d.do(t, "viewer", "GET", "/api/v1/feed", nil); w.Code != 200 {
		t.Errorf("the good client is locked out: %d", w.Code)
	}
	if w := d.do(t, "admin", "GET", "/api/v1/feed", nil); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a token not seen before passes the lock: %d", w.Code)
	}
	d.clock.add(time.Minute)
	if w := d.do(t, "admin", "GET", "/api/v1/feed", nil); w.Code != 200 {
		t.Errorf("after a minute: %d", w.Code)
	}
	if err := d.Services().Tokens.Revoke(t.Context(), "boss", "viewer"); err != nil {
		t.Fatal(err)
	}
	if w := d.do(t, "viewer", "GET", "/api/v1/feed", nil); w.Code != 401 {
		t.Errorf("a revoked token: %d", w.Code)
	}
}

func TestCrossSiteAndHeaders(t *testing.T) {
	d := newDesk(t)
	req := httptest.NewRequest("POST", "/api/v1/passes", strings.NewReader("{}"))
	req.Header.Set("Authorization", "Bearer admin-secret")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, req)
	if w.Code != http.StatusForbidden {
		t.Errorf("cross-site request: %d", w.Code)
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy"} {
		if w.Header().Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

func TestHealthAndMetrics(t *testing.T) {
	d := newDesk(t)
	if w := d.do(t, "", "GET", "/healthz", nil); w.Code != 200 {
		t.Errorf("healthz %d", w.Code)
	}
	d.Sick = errors.New("database: disk full on /secret/path")
	if w := d.do(t, "", "GET", "/healthz", nil); w.Code != 503 || strings.Contains(w.Body.String(), "secret") || !strings.Contains(d.log.String(), "disk full") {
		t.Errorf("healthz of a sick one: %d %s", w.Code, w.Body)
	}
	ask[m](t, d, "viewer", "GET", "/api/v1/feed", nil, 200)
	if w := d.do(t, "", "GET", "/metrics", nil); w.Code != 200 || !strings.Contains(w.Body.String(), `turnstile_api_requests_total{operation="get-feed",status="200"} 1`) {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.RemoteAddr = "192.0.2.7:1234"
	w := httptest.NewRecorder()
	d.http.ServeHTTP(w, req)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("metrics from elsewhere: %d", w.Code)
	}
}

func TestInnerErrorsStayInside(t *testing.T) {
	d := newDesk(t)
	s := d.Services()
	s.Feed = brokenFeed{}
	d.http = office.New(s, office.Options{Now: d.clock.now, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	p := ask[problem](t, d, "viewer", "GET", "/api/v1/feed", nil, 500)
	if strings.Contains(fmt.Sprint(p), "secret") || !strings.Contains(d.log.String(), "secret") {
		t.Errorf("answered %+v, logged %s", p, d.log.String())
	}
}

// brokenFeed fails with an error that is nobody's business.
type brokenFeed struct{ office.Feed }

func (brokenFeed) State(context.Context) (office.FeedState, error) {
	return office.FeedState{}, errors.New("pq: secret table is gone")
}

// mad panics, at once or behind a part of an answer.
type mad struct {
	office.Feed
	office.Ledger
}

func (mad) State(context.Context) (office.FeedState, error) { panic("secret state") }

func (mad) Export(_ context.Context, _ string, _ office.Search, each func(*office.Passage) error) error {
	for range 2000 { // more than is buffered
		if err := each(&office.Passage{Lane: "north"}); err != nil {
			return err
		}
	}
	panic("secret row")
}

// TestPanics: a handler's panic is a problem like any other; behind the begin of an
// answer it breaks that off.
func TestPanics(t *testing.T) {
	d := newDesk(t)
	s := d.Services()
	s.Feed, s.Ledger = mad{Feed: s.Feed}, mad{Ledger: s.Ledger}
	d.http = office.New(s, office.Options{Now: d.clock.now, Log: slog.New(slog.NewTextHandler(&d.log, nil))})
	w := d.do(t, "viewer", "GET", "/api/v1/feed", nil)
	if w.Code != 500 || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "secret") || !strings.Contains(d.log.String(), "secret state") {
		t.Errorf("%d %s, logged %s", w.Code, w.Body, d.log.String())
	}
	server := httptest.NewServer(d.http)
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r, err := http.NewRequest("GET", server.URL+"/api/v1/passages/export?format=json", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer auditor-secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil || len(text) == 0 || !strings.Contains(d.log.String(), "secret row") {
		t.Errorf("%d bytes of a broken answer end in order: %v", len(text), err)
	}
}

// TestQueriesAreHeardWhole: a filter that cannot be read is refused; passed over it
// would show more than was asked for.
func TestQueriesAreHeardWhole(t *testing.T) {
	d := newDesk(t)
	for _, query := range []string{"status=revoked%zz", "status=revoked;x", "status=%"} {
		r := httptest.NewRequest("GET", "/api/v1/passes", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Bearer viewer-secret")
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, r)
		wantKind(t, query, w, 400, "malformed")
	}
}
