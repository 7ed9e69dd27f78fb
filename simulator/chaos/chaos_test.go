package chaos

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"turnstile/central/pass"
	"turnstile/simulator/promise"
	"turnstile/simulator/site"
)

// programs is the folder of the binaries under test, built from this checkout.
var programs string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	folder, remove, err := site.Build("../..")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer remove()
	programs = folder
	return m.Run()
}

// leastSteps are as many as two lockdowns take place in: a busy machine is long whole again
// after each.
const leastSteps = 5

// TestCampaign is a short campaign; `make chaos` has longer ones.
func TestCampaign(t *testing.T) {
	t.Parallel()
	r, err := Run(t.Context(), Options{Seed: 1, For: time.Minute, Steps: leastSteps, Programs: programs})
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.Text())
	if r.Failed() {
		t.Error("a promise is broken")
	}
	faults := 0
	for _, n := range r.Faults {
		faults += n
	}
	if r.Steps < leastSteps || faults < 4 || r.Checks < r.Steps || r.Counts["openings"] < 30 || r.Grants < 30 || r.Rows < r.Entries || r.Counts["revocations"] < 2 {
		t.Errorf("a thin campaign: %d steps, %d faults, %d checks, %d rows of %d entries", r.Steps, faults, r.Checks, r.Rows, r.Entries)
	}
	if r.Counts["lockdowns"] < 2 || r.Counts["refused: "+pass.Lockdown.String()] < 3 || r.Counts["openings by hand"] < 1 || r.Secrets < 200 || r.Logged < 10<<10 {
		t.Errorf("a thin campaign: %v, %d secrets looked for in %d bytes of logs", r.Counts, r.Secrets, r.Logged)
	}
	var again Report
	b, err := r.JSON()
	if err != nil || json.Unmarshal(b, &again) != nil || again.Steps != r.Steps {
		t.Errorf("the JSON has %d steps, %v", again.Steps, err)
	}
}

// TestReportOfFailure checks that a broken promise is told with all that is
// needed to see it again.
func TestReportOfFailure(t *testing.T) {
	r := Report{Seed: 77, Step: 3, Steps: 3, Violations: []promise.Violation{{Promise: "each entry once in the ledger", Detail: "rows 4 and 9"}}, Schedule: []string{"kill agent"}, History: []string{"a scan"}, Folder: "somewhere"}
	text := r.Text()
	for _, want := range []string{"step 3 of seed 77", "each entry once in the ledger", "rows 4 and 9", "kill agent", "a scan", "somewhere", "SEED=77"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if !r.Failed() {
		t.Error("a broken promise is no failure")
	}
}
