package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/central/office"
)

// TestTriesAgain: what may pass is sent again with the same idempotency key, and
// what will not is not.
func TestTriesAgain(t *testing.T) {
	refuse := func(status int, kind string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(office.Problem{Type: "/api/v1/problems#" + kind, Status: status, Detail: "no"})
		}
	}
	breaks := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	for name, c := range map[string]struct {
		answers []func(http.ResponseWriter) // then success
		method  string
		calls   int
		good    bool
	}{
		"at once":             {nil, "POST", 1, true},
		"busy":                {[]func(http.ResponseWriter){refuse(503, "unavailable"), refuse(429, "too-many-requests"), refuse(409, "request-running")}, "POST", 4, true},
		"broken connection":   {[]func(http.ResponseWriter){breaks, breaks}, "POST", 3, true},
		"reading":             {[]func(http.ResponseWriter){breaks, refuse(503, "unavailable")}, "GET", 3, true},
		"refused":             {[]func(http.ResponseWriter){refuse(422, "invalid")}, "POST", 1, false},
		"in another state":    {[]func(http.ResponseWriter){refuse(409, "conflict")}, "POST", 1, false},
		"unknown how it went": {[]func(http.ResponseWriter){refuse(409, "outcome-unknown")}, "POST", 1, false},
		"busy for ever":       {[]func(http.ResponseWriter){refuse(503, "x"), refuse(503, "x"), refuse(503, "x"), refuse(503, "x"), refuse(503, "x"), refuse(503, "x")}, "POST", maxTries, false},
	} {
		t.Run(name, func(t *testing.T) {
			keys, calls := map[string]bool{}, 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				keys[r.Header.Get("Idempotency-Key")] = true
				if calls++; calls <= len(c.answers) {
					c.answers[calls-1](w)
					return
				}
				w.Write([]byte(`{}`))
			}))
			defer s.Close()
			api := &client{base: s.URL, token: "x"}
			_, _, err := api.send(t.Context(), c.method, "/passes", []byte(`{}`))
			if (err == nil) != c.good || calls != c.calls || len(keys) != 1 || keys[""] != (c.method == "GET") {
				t.Errorf("%d calls with the keys %v: %v", calls, keys, err)
			}
		})
	}
}

// TestEveryPage: pages are asked for one after the other, and a server that
// repeats itself does not hold the client for ever.
func TestEveryPage(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next := map[string]string{"": "b", "b": "c&d", "c&d": ""}[r.URL.Query().Get("cursor")]
		if strings.HasPrefix(r.URL.Path, "/again") {
			next = "again"
		}
		json.NewEncoder(w).Encode(office.LaneList{Lanes: []office.LaneBody{{ID: "x"}}, Next: next})
	}))
	defer s.Close()
	for path, want := range map[string]int{"/lanes": 3, "/lanes?limit=1": 3, "/again": 2} {
		n := 0
		err := everything(t.Context(), &client{base: s.URL}, path, func(page *office.LaneList) string {
			n += len(page.Lanes)
			return page.Next
		})
		if err != nil || n != want {
			t.Errorf("%s: %d lanes, %v", path, n, err)
		}
	}
	err := everything(t.Context(), &client{base: "http://127.0.0.1:1"}, "/lanes", func(*office.LaneList) string { return "" })
	if broken := (*brokenError)(nil); err == nil || errors.As(err, &broken) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestLaneArguments: what is no lane goes into no path.
func TestLaneArguments(t *testing.T) {
	if id, n, err := laneArg("north-1/2"); err != nil || id != "north-1" || n != 2 {
		t.Error(id, n, err)
	}
	for _, bad := range []string{"", "north-1", "north-1/", "north-1/0", "north-1/256", "/1", "../1", "a?b/1", "a/b/1"} {
		if _, _, err := laneArg(bad); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
