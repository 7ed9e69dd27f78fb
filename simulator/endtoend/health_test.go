package endtoend

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"turnstile/agent/health"
	"turnstile/simulator/site"
)

// TestOneWarningEverywhere pulls a scanner and finds the same code on the lane's
// page, in its metrics, in what it tells central, and with its next step on the
// terminal; and nowhere any more when the scanner is back.
func TestOneWarningEverywhere(t *testing.T) {
	s := campus(t, site.Config{}, "north")
	synced(t, s)
	a, code := s.Agents[0], health.ScannerLost.String()
	a.Lanes[0].Scanner.Unplug()
	everywhere(t, s, code, true)
	out := terminal(t, a)
	if !strings.Contains(out, code) || !strings.Contains(out, "Plug the scanner in again") {
		t.Errorf("agent status says:\n%s", out)
	}
	if err := a.Lanes[0].Scanner.Plug(); err != nil {
		t.Fatal(err)
	}
	everywhere(t, s, code, false)
	if out := terminal(t, a); strings.Contains(out, code) {
		t.Errorf("agent status still says:\n%s", out)
	}
}

// everywhere waits until a warning stands, or does not, in all three places.
func everywhere(t *testing.T, s *site.Site, code string, stands bool) {
	t.Helper()
	a := s.Agents[0]
	until(t, code+" on the lane's page", func() bool {
		n := 0
		for _, w := range status(t, a).Warnings {
			if w.Code == code && w.NextStep != "" && w.Severity == "alarm" {
				n++
			}
		}
		return n == 1 == stands
	})
	until(t, code+" in the metrics", func() bool {
		return strings.Contains(get(t, status(t, a).HTTP+"/metrics"), `turnstile_warning{code="`+code+`"`) == stands
	})
	until(t, code+" at central", func() bool {
		lanes, err := s.API.Lanes(t.Context())
		return err == nil && len(lanes) == 1 && slices.Contains(lanes[0].Warnings, code) == stands
	})
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// terminal returns what `agent status` prints.
func terminal(t *testing.T, a *site.Agent) string {
	t.Helper()
	out, err := exec.Command(filepath.Join(programs, "agent"), "status", "--config", filepath.Join(filepath.Dir(a.Data), "agent.yaml")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
