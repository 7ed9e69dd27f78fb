package server

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// scrape returns the names of all metrics that a central offers.
func scrape(t *testing.T, r *running) map[string]bool {
	t.Helper()
	answer, err := http.Get(r.endpoints.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status, err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllSubmatch(text, -1) {
		name := string(m[1])
		names[name] = true
		if kind := string(m[2]); kind == "counter" != regexp.MustCompile(`_total$`).MatchString(name) {
			t.Errorf("%s is a %s", name, kind)
		}
		if kind := string(m[2]); kind == "histogram" {
			names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true
		}
	}
	return names
}

// described are the metrics that exist only with lanes or requests; their
// descriptions stand for them.
func described(r *running) []string {
	return []string{"turnstile_lane_controller_up", "turnstile_lane_controller_feed_events_behind", "turnstile_lane_controller_journal_entries_waiting",
		"turnstile_lane_controller_clock_error_bound_seconds", "turnstile_lane_controller_certificate_expires_timestamp_seconds",
		"turnstile_lane_controller_clock_trusted", "turnstile_lane_controller_warning", "turnstile_supervisor_codes"}
}

// TestDashboardsAskForWhatThereIs holds the dashboard and the alert rules to the
// metrics that a running central has.
func TestDashboardsAskForWhatThereIs(t *testing.T) {
	r := run(t, configure(t))
	r.api(t).call(t, "GET", "/lanes", nil, nil) // so that there is a request to count
	names := scrape(t, r)
	for _, name := range described(r) {
		names[name] = true
	}
	asked := map[string]bool{}
	for _, path := range []string{"prometheus/alerts.yaml", "grafana/turnstile.json"} {
		text, err := os.ReadFile(filepath.Join("../../configs", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\b(?:turnstile|process|go)_[a-z_]+`).FindAllString(string(text), -1) {
			asked[name] = true
			if !names[name] {
				t.Errorf("%s asks for %s, which central does not have", path, name)
			}
		}
	}
	if len(asked) < 13 {
		t.Errorf("only %d metrics are looked at", len(asked))
	}
	if !slices.Contains(described(r), "turnstile_lane_controller_up") || len(names) < 40 {
		t.Errorf("%d metrics", len(names))
	}
}
