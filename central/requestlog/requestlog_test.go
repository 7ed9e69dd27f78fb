package requestlog_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnstile/central/requestlog"
)

// logged is a server whose handler answers by the path, and the lines it wrote.
func logged(t *testing.T) (base string, log *bytes.Buffer, lines chan requestlog.Line) {
	t.Helper()
	log, lines = &bytes.Buffer{}, make(chan requestlog.Line, 1)
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now = now.Add(1500 * time.Microsecond)
		requestlog.Route(r.Context(), "/things/{id}")
		requestlog.Actor(r.Context(), "user:anna")
		switch r.URL.Path {
		case "/things/silent":
		case "/things/written":
			io.WriteString(w, requestlog.ID(r.Context()))
		case "/things/refused":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusConflict)
		case "/things/streamed":
			io.WriteString(w, "part")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush: %v", err)
			}
			panic(http.ErrAbortHandler)
		case "/things/broken":
			panic(http.ErrAbortHandler)
		default:
			requestlog.Route(r.Context(), requestlog.Unmatched)
			http.NotFound(w, r)
		}
	})
	s := httptest.NewServer(requestlog.Wrap(handler, requestlog.Options{
		Log: slog.New(slog.NewJSONHandler(log, nil)), Now: func() time.Time { return now },
		Done: func(l requestlog.Line) { lines <- l },
	}))
	t.Cleanup(s.Close)
	return s.URL, log, lines
}

// TestLines: each request has one line, whatever becomes of it.
func TestLines(t *testing.T) {
	base, log, lines := logged(t)
	tests := []struct {
		method, path string
		status       int
		aborted      bool
	}{
		{"GET", "silent", 200, false}, {"POST", "written", 200, false}, {"GET", "refused", 409, false},
		{"GET", "streamed", 200, true}, {"DELETE", "broken", 500, true}, {"SPY", "unknown", 404, false},
	}
	for _, test := range tests {
		r, err := http.NewRequest(test.method, base+"/things/"+test.path+"?code=secret-query", strings.NewReader("secret-body"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(requestlog.Header, "secret-id")
		r.Header.Set("Authorization", "Bearer secret-token")
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			body, _ := io.ReadAll(answer.Body) // it breaks off in some
			answer.Body.Close()
			id := answer.Header.Get(requestlog.Header)
			if len(id) < 26 || test.path == "written" && string(body) != id {
				t.Errorf("%s: id %q, %q in the handler", test.path, id, body)
			}
		} else if !test.aborted {
			t.Fatal(err)
		}
		if l := <-lines; l.Status != test.status || l.Aborted != test.aborted || l.Took != 1500*time.Microsecond {
			t.Errorf("%s: %+v", test.path, l)
		}
	}
	text := log.String()
	if strings.Count(text, "\n") != len(tests) || strings.Contains(text, "secret") || strings.Contains(text, "SPY") || strings.Contains(text, "written") {
		t.Errorf("log: %s", text)
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(text[:strings.IndexByte(text, '\n')]), &first); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"msg": "request", "method": "GET", "route": "/things/{id}", "actor": "user:anna", "status": 200.0, "ms": 1.5} {
		if first[key] != want {
			t.Errorf("%s is %v, want %v", key, first[key], want)
		}
	}
	if !strings.Contains(text, `"method":"OTHER","route":"unmatched"`) {
		t.Errorf("a method that nobody knows: %s", text)
	}
}

// TestQuiet: what programs ask all the time fills no log, unless it fails.
func TestQuiet(t *testing.T) {
	var log bytes.Buffer
	status := http.StatusOK
	h := requestlog.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requestlog.Route(r.Context(), "/livez")
		w.WriteHeader(status)
	}), requestlog.Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Quiet: []string{"/livez"}})
	for _, status = range []int{http.StatusOK, http.StatusServiceUnavailable} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/livez", nil))
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "status=503") {
		t.Errorf("%d lines: %s", n, &log)
	}
}

// TestOutside: handlers may be used without a log.
func TestOutside(t *testing.T) {
	requestlog.Route(t.Context(), "/x")
	requestlog.Actor(t.Context(), "x")
	if id := requestlog.ID(t.Context()); id != "" {
		t.Errorf("id %q", id)
	}
}
