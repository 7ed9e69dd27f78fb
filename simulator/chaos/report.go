package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"turnstile/simulator/promise"
)

// The brokers of a report.
const (
	brokerOwn      = "central's own broker"
	brokerExternal = "mosquitto"
)

// Report is the outcome of a campaign.
type Report struct {
	Seed       uint64         `json:"seed"`
	Broker     string         `json:"broker"`
	Steps      int            `json:"steps"`
	Took       string         `json:"took"`
	Counts     map[string]int `json:"counts"`
	Faults     map[string]int `json:"faults"`
	Entries    int            `json:"journal_entries"`
	Rows       int            `json:"ledger_rows"`
	Grants     int            `json:"grants"`
	Checks     int            `json:"pictures_checked"`
	Secrets    int            `json:"secrets_looked_for"`
	Logged     int            `json:"bytes_of_logs_searched"`
	SlowestSec float64        `json:"slowest_healing_seconds"`

	Step       int                 `json:"failed_step,omitempty"`
	Violations []promise.Violation `json:"violations,omitempty"`
	Schedule   []string            `json:"schedule_of_failed_step,omitempty"`
	History    []string            `json:"history,omitempty"` // of a failed run
	Folder     string              `json:"folder,omitempty"`  // logs and data of a failed run
}

// Failed reports whether a promise was broken.
func (r *Report) Failed() bool { return len(r.Violations) > 0 }

// Text is the report for people.
func (r *Report) Text() string {
	var w strings.Builder
	if r.Failed() {
		r.failure(&w)
	}
	fmt.Fprintf(&w, "chaos: %d steps in %s, seed %d, %s\n", r.Steps, r.Took, r.Seed, r.Broker)
	fmt.Fprintf(&w, "  checked %d times: %d openings, %d grants, %d journal entries, %d ledger rows; slowest healing %.1f s\n",
		r.Checks, r.Counts["openings"], r.Grants, r.Entries, r.Rows, r.SlowestSec)
	fmt.Fprintf(&w, "  %d secrets looked for in %d KB of logs\n", r.Secrets, r.Logged>>10)
	line := func(title string, m map[string]int) {
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			parts = append(parts, fmt.Sprintf("%s %d", k, m[k]))
		}
		fmt.Fprintf(&w, "  %s: %s\n", title, strings.Join(parts, ", "))
	}
	line("people", r.Counts)
	line("faults", r.Faults)
	if r.Failed() {
		again := fmt.Sprintf("make chaos SEED=%d", r.Seed)
		if r.Broker == brokerExternal {
			again = fmt.Sprintf("bin/simulator chaos --seed %d --mosquitto PATH", r.Seed)
		}
		fmt.Fprintf(&w, "BROKEN: %d promises; again with: %s\n", len(r.Violations), again)
	} else {
		fmt.Fprintln(&w, "all promises held")
	}
	return w.String()
}

// failure describes what went wrong.
func (r *Report) failure(w *strings.Builder) {
	fmt.Fprintf(w, "step %d of seed %d broke:\n", r.Step, r.Seed)
	for _, v := range r.Violations[:min(len(r.Violations), 12)] {
		fmt.Fprintln(w, "  ", v)
	}
	fmt.Fprintln(w, "its faults:")
	for _, f := range r.Schedule {
		fmt.Fprintln(w, "  ", f)
	}
	fmt.Fprintln(w, "the last events:")
	for _, e := range r.History[max(0, len(r.History)-60):] {
		fmt.Fprintln(w, "  ", e)
	}
	fmt.Fprintln(w, "logs and data are kept in", r.Folder)
}

// JSON is the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }
