package daemon

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"turnstile/agent/display"
	"turnstile/agent/health"
	"turnstile/agent/lane"
	"turnstile/central/pass"
)

func servePages(t *testing.T) *httptest.Server {
	b := display.NewBoard()
	b.Set(display.ViewOf(lane.Status{Number: 1, Name: "North 1"}))
	p := &pages{
		board: b,
		status: func() Status {
			return Status{Version: "v", Agent: "lane-1", Lanes: []LaneStatus{laneStatus(lane.Status{Number: 1, Name: "North 1",
				Counts: lane.Counts{Scans: 3, Denied: map[pass.Reason]uint64{pass.Forged: 2}}})},
				Warnings: []health.Entry{{Code: "gate.lost", Subject: "lane 1", Severity: "alarm"}}}
		},
		check: func(text []byte, n uint8) (CheckResult, bool) {
			return CheckResult{Lane: n, Reason: string(text)}, n < 2
		},
	}
	s := httptest.NewServer(p.handler())
	t.Cleanup(s.Close)
	return s
}

// client leaves no connection behind.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func do(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestPages(t *testing.T) {
	s := servePages(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/", "", 200, "/lane/1"},
		{"GET", "/status", "", 200, `"agent": "lane-1"`},
		{"GET", "/lane/1", "", 200, "<!doctype html>"},
		{"GET", "/lane/7", "", 404, "no such lane"},
		{"GET", "/metrics", "", 200, `turnstile_lane_denied_total{lane="1",reason="FORGED"} 2`},
		{"GET", "/metrics", "", 200, `turnstile_warning{code="gate.lost",subject="lane 1",severity="alarm"} 1`},
		{"GET", "/metrics", "", 200, "process_resident_memory_bytes"},
		{"POST", "/check?lane=1", "ABC", 200, `"reason": "ABC"`},
		{"POST", "/check", "ABC", 200, `"lane": 0`},
		{"POST", "/check?lane=2", "ABC", 404, "no such lane"},
		{"POST", "/check?lane=x", "ABC", 400, "1 to 255"},
		{"POST", "/check", strings.Repeat("A", MaxCheck+1), 413, "at most"},
		{"GET", "/check", "", 405, ""},
		{"GET", "/other", "", 404, ""},
	} {
		status, body := do(t, c.method, s.URL+c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %.200s", c.method, c.path, status, body)
		}
	}
}

func TestForeignPagesAreTurnedAway(t *testing.T) {
	s := servePages(t)
	for _, host := range []string{"evil.example", "evil.example:80", "10.0.0.1:8090"} {
		if status, _ := do(t, "GET", s.URL+"/status", "", "Host", host); status != http.StatusForbidden {
			t.Errorf("host %s: %d", host, status)
		}
	}
	for _, host := range []string{"localhost:80", "127.0.0.1", "[::1]:80"} {
		if status, _ := do(t, "GET", s.URL+"/status", "", "Host", host); status != http.StatusOK {
			t.Errorf("host %s: %d", host, status)
		}
	}
	if status, _ := do(t, "POST", s.URL+"/check", "ABC", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a foreign page's POST: %d", status)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := listen(l.Addr().String()); !errors.Is(err, ErrListen) {
		t.Errorf("got %v", err)
	}
}

func TestStatusFileIsWhole(t *testing.T) {
	dir := t.TempDir()
	for _, site := range []string{"one", "two"} {
		if err := writeStatus(dir, &Status{Site: site}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := http.Dir(dir).Open(StatusFile)
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	var s Status
	if err := json.NewDecoder(data).Decode(&s); err != nil || s.Site != "two" {
		t.Errorf("%+v, %v", s, err)
	}
}
