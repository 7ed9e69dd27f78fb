package office_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/central/office"
	"turnstile/central/requestlog"
	"turnstile/central/rights"
)

// TestReadiness: a central that stops is alive and healthy, and takes no requests.
func TestReadiness(t *testing.T) {
	d := newDesk(t)
	stopping := false
	d.http = office.New(d.Services(), office.Options{Now: d.clock.now, Log: slog.New(slog.NewTextHandler(&d.log, nil)), Ready: func(context.Context) error {
		if stopping {
			return errors.New("secret reason")
		}
		return nil
	}})
	for _, test := range []struct {
		stopping bool
		path     string
		want     int
	}{
		{false, "/livez", 200}, {false, "/readyz", 200}, {false, "/healthz", 200},
		{true, "/livez", 200}, {true, "/readyz", 503}, {true, "/healthz", 200}, {true, "/api/v1/feed", 401},
	} {
		stopping = test.stopping
		w := d.do(t, "", "GET", test.path, nil)
		if w.Code != test.want || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s, stopping %v: %d %s, want %d", test.path, test.stopping, w.Code, w.Body, test.want)
		}
	}
	if !strings.Contains(d.log.String(), "secret reason") {
		t.Error("the log does not say why")
	}
	if d = newDesk(t); d.do(t, "", "GET", "/readyz", nil).Code != 200 {
		t.Error("a healthy one is not ready")
	}
	d.Sick = errors.New("disk full")
	if w := d.do(t, "", "GET", "/readyz", nil); w.Code != 503 {
		t.Errorf("a sick one is ready: %d", w.Code)
	}
}

// TestMetricsNeedAToken: anybody on this machine reads the metrics, from elsewhere
// who has metrics.read.
func TestMetricsNeedAToken(t *testing.T) {
	d := newDesk(t)
	ask[m](t, d, "viewer", "GET", "/api/v1/feed", nil, 200) // so that there is something to count
	mint := func(n office.NewToken) string {
		secret, err := d.Services().Tokens.Create(t.Context(), "test", n)
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	scraper := mint(office.NewToken{Name: "scraper", Scopes: rights.Set{rights.MetricsRead}})
	other := mint(office.NewToken{Name: "other", Scopes: rights.Set{rights.PassesRead}})
	oneLane := mint(office.NewToken{Name: "one-lane", Role: rights.Viewer, Lanes: []string{"north"}})
	const here, there = "127.0.0.1:40000", "192.0.2.7:40000"
	for _, test := range []struct {
		name, from, header string
		want               int
	}{
		{"here", here, "", 200}, {"here with a bad token", here, "Bearer nonsense", 401},
		{"there", there, "", 401}, {"a bad token", there, "Bearer nonsense", 401}, {"another scheme", there, "Basic " + scraper, 401},
		{"a scraper", there, "Bearer " + scraper, 200}, {"a viewer", there, "bearer viewer-secret", 200},
		{"another scope", there, "Bearer " + other, 403}, {"one lane alone", there, "Bearer " + oneLane, 403},
	} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = test.from
		r.Header.Set("Authorization", test.header)
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, r)
		if w.Code != test.want || (w.Code == 200) != strings.Contains(w.Body.String(), "turnstile_api_requests_total{operation") {
			t.Errorf("%s: %d %.200s, want %d", test.name, w.Code, w.Body, test.want)
		}
	}
	guesses := 0
	for range 20 {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = "192.0.2.9:40000"
		r.Header.Set("Authorization", "Bearer nonsense")
		w := httptest.NewRecorder()
		d.http.ServeHTTP(w, r)
		if w.Code == 429 {
			guesses++
		}
	}
	if guesses == 0 {
		t.Error("nobody slows down who guesses tokens at /metrics")
	}
}

// TestProblemsNameTheRequest: what a caller is told and what the log says can be
// put together.
func TestProblemsNameTheRequest(t *testing.T) {
	d := newDesk(t)
	var log bytes.Buffer
	h := requestlog.Wrap(d.http, requestlog.Options{Log: slog.New(slog.NewJSONHandler(&log, nil)), Now: d.clock.now})
	tests := []struct {
		role, method, path, body, route, actor string
		status                                 int
	}{
		{"", "GET", "/api/v1/passes?holder=secret", "", "/api/v1/passes", "", 401},
		{"viewer", "POST", "/api/v1/passes", `{}`, "/api/v1/passes", "viewer", 403},
		{"issuer", "POST", "/api/v1/passes", `{"holder":"secret"}`, "/api/v1/passes", "issuer", 422},
		{"issuer", "POST", "/api/v1/passes", `secret`, "/api/v1/passes", "issuer", 400},
		{"viewer", "GET", "/api/v1/passes/2026-11-21/77", "", "/api/v1/passes/{day}/{index}", "viewer", 404},
		{"viewer", "GET", "/secret/path", "", requestlog.Unmatched, "", 404},
		{"", "GET", "/metrics", "", "/metrics", "", 401},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
		r.RemoteAddr = "192.0.2.7:1234"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Request-Id", "secret")
		if test.role != "" {
			r.Header.Set("Authorization", "Bearer "+test.role+"-secret")
		}
		w := httptest.NewRecorder()
		log.Reset()
		h.ServeHTTP(w, r)
		var p office.Problem
		var line struct {
			Request, Route, Actor string
			Status                int
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: %v in %s", test.path, err, w.Body)
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v in %s", test.path, err, &log)
		}
		if w.Code != test.status || p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") || line.Request != p.RequestID ||
			line.Route != test.route || line.Actor != test.actor || line.Status != test.status || strings.Contains(log.String(), "secret") {
			t.Errorf("%s %s: %d %s, logged %s", test.method, test.path, w.Code, w.Body, &log)
		}
	}
}
