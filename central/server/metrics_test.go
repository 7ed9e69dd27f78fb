package server

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnstile/central/rights"
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

// withHooks lets webhooks go to this machine.
func withHooks(c Config) Config {
	c.Webhooks = Webhooks{Allow: []string{"127.0.0.1"}, HTTP: true}
	return c
}

// busy makes what metrics with labels come from: requests to API and console, a
// sign-in that fails, a session, and a webhook that nobody answers.
func (r *running) busy(t *testing.T) (hook string) {
	t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	if code := r.api(t).call(t, "POST", "/webhooks", map[string]any{"url": "http://127.0.0.1:1/", "events": []string{"revocation"}}, &made); code != http.StatusCreated || made.ID == "" {
		t.Fatalf("POST /webhooks: %d", code)
	}
	request, err := http.NewRequest("POST", r.endpoints.HTTP+"/office/sign-in", strings.NewReader("name=anna&password=wrong+horse+battery&code=123456"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.AddCookie(r.session(t, rights.Viewer))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return made.ID
}

// TestOfficeInTheMetrics: the figures are those of what happened.
func TestOfficeInTheMetrics(t *testing.T) {
	r := run(t, withHooks(configure(t)))
	hook := r.busy(t)
	a := r.api(t)
	var p struct {
		ID string `json:"id"`
	}
	order := map[string]any{"kind": "ecard", "holder": "A1", "day": time.Now().In(time.FixedZone("HKT", 8*3600)).Format(time.DateOnly), "start": "00:00", "length": "25h"}
	if code := a.call(t, "POST", "/passes", order, &p); code != http.StatusCreated {
		t.Fatalf("POST /passes: %d", code)
	}
	if code := a.call(t, "POST", "/passes/"+p.ID+"/revoke", map[string]any{"reason": "lost"}, nil); code != http.StatusOK {
		t.Fatalf("revoke: %d", code)
	}
	eventually(t, "the last request is counted, behind its answer", func() bool {
		return metric(t, r, `turnstile_console_requests_total{method="POST",route="/office/sign-in",status="403"}`) == "1"
	})
	eventually(t, "a delivery that fails", func() bool { return metric(t, r, `turnstile_webhook_deliveries_total{outcome="failed"}`) == "1" })
	for name, want := range map[string]string{
		"turnstile_sessions": "1", `turnstile_signins_total{outcome="refused"}`: "1", `turnstile_signins_total{outcome="signed_in"}`: "0",
		`turnstile_mails{state="waiting"}`: "0", "turnstile_lease_partitions_held": "64", "turnstile_lease_signer_held": "1", "turnstile_centrals": "1",
		`turnstile_webhook_events_behind{webhook="` + hook + `"}`: "1", `turnstile_webhook_disabled{webhook="` + hook + `"}`: "0",
	} {
		if got := metric(t, r, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"turnstile_database_size_bytes", "turnstile_database_connections_max", `turnstile_webhook_failing_since_timestamp_seconds{webhook="` + hook + `"}`} {
		if got, err := strconv.ParseFloat(metric(t, r, name), 64); err != nil || got < 1 {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
}

// TestDashboardsAskForWhatThereIs holds the dashboard and the alert rules to the
// metrics that a running central has.
func TestDashboardsAskForWhatThereIs(t *testing.T) {
	r := run(t, withHooks(configure(t)))
	r.busy(t)
	var names map[string]bool
	eventually(t, "the last request is counted, behind its answer", func() bool {
		names = scrape(t, r)
		return names["turnstile_console_requests_total"]
	})
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
