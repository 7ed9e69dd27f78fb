// Package endtoend tests the product as its users meet it: real processes, real
// serial lines, a real broker, a real database, a real browser.
package endtoend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"turnstile/central/office"
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

// patience is how long anything may take; a busy machine is slow, not wrong.
const patience = 30 * time.Second

// until waits for a condition and fails the test if it does not come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	over := time.NewTimer(patience)
	defer over.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-over.C:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// walkTime is how soon virtual people walk through an open lane.
const walkTime = 100 * time.Millisecond

// campus starts central and agents with one lane each, in zone 0; with two or
// more lanes for names that say so by a digit at their end.
func campus(t *testing.T, config site.Config, ids ...string) *site.Site {
	t.Helper()
	config.Programs, config.Data = programs, t.TempDir()
	for _, id := range ids {
		lane := site.LaneSetup{Name: id, AutoWalk: walkTime}
		config.Agents = append(config.Agents, site.AgentSetup{ID: id, Lanes: []site.LaneSetup{lane}})
	}
	s, err := site.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		noLeaks(t, s)
		if t.Failed() {
			showLogs(t, filepath.Join(config.Data, "logs"))
		}
	})
	forgetSoon(t, s)
	return s
}

// repeatTime is how long the lanes of a test take the same text for the same
// scan: not three seconds, so that a code can be scanned before and after a change.
const repeatTime = 100 * time.Millisecond

// forgetSoon gives all lanes that rule.
func forgetSoon(t *testing.T, s *site.Site) {
	t.Helper()
	changeRules(t, s, 2, func(rules map[string]any) { rules["repeat_ms"] = repeatTime.Milliseconds() })
}

// changeRules makes the rules of that version and waits until all lanes have them.
func changeRules(t *testing.T, s *site.Site, version uint64, change func(rules map[string]any)) {
	t.Helper()
	var rules map[string]any
	if err := s.API.Do(t.Context(), "GET", "/rules", nil, &rules); err != nil {
		t.Fatal(err)
	}
	change(rules)
	if err := s.API.Do(t.Context(), "PUT", "/rules", rules, nil); err != nil {
		t.Fatal(err)
	}
	until(t, "all lanes have the new rules", func() bool {
		lanes, err := s.API.Lanes(t.Context())
		for _, l := range lanes {
			if l.Rules < version {
				return false
			}
		}
		return err == nil
	})
}

// showLogs prints the end of each log of a failed test.
func showLogs(t *testing.T, folder string) {
	logs, err := filepath.Glob(folder + "/*.log")
	if err != nil {
		t.Error(err)
	}
	for _, log := range logs {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s ends:\n%s", filepath.Base(log), b[max(0, len(b)-4000):])
	}
}

// issue makes a pass for today in zone 0.
func issue(t *testing.T, s *site.Site, change func(*office.OrderBody)) office.PassBody {
	t.Helper()
	o := office.OrderBody{Kind: "ecard", Holder: "A1234567", Day: site.Today(time.Now()), Zones: []int{0}, Start: "00:00", Length: "25h"}
	if change != nil {
		change(&o)
	}
	p, err := s.API.Issue(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	keepSecret(s, "code of "+p.ID, p.Code[40:])
	return p
}

func guest(o *office.OrderBody) { o.Kind, o.GuestName, o.Entries = "guest", "Visitor", 1 }

// scan holds a text before the scanner of an agent's first lane, no sooner than
// the lane takes the same text for a new scan.
func scan(t *testing.T, a *site.Agent, text string) {
	t.Helper()
	until(t, a.ID+" has forgotten the scan before", func() bool { return time.Since(lastDecision(t, a)) > repeatTime })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.Lanes[0].Scanner.Scan(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// hasGate waits until an agent hears its first lane's gate.
func hasGate(t *testing.T, a *site.Agent) {
	t.Helper()
	until(t, a.ID+" has its gate", func() bool { return status(t, a).Lanes[0].Gate.Connected })
}

// walk scans a code that must be let in, and waits until the person has walked and
// the lane has written down what became of it: until then it keeps one scan alone. A
// gate whose process a busy machine let wait is lost for a moment: the person sees
// that on the lane, and waits.
func walk(t *testing.T, a *site.Agent, text string) {
	t.Helper()
	hasGate(t, a)
	before, known := a.Lanes[0].Controller.State().Openings, results(t, a)
	t.Cleanup(func() {
		if now, err := a.Status(); t.Failed() && err == nil {
			t.Logf("%s was asked to let in; its last decision: %+v", a.ID, now.Lanes[0].Last)
		}
	})
	scan(t, a, text)
	until(t, a.ID+" opens", func() bool { return a.Lanes[0].Controller.State().Openings == before+1 })
	until(t, a.ID+" locks again", func() bool { return a.Lanes[0].Controller.State().Locked })
	until(t, a.ID+" knows the result", func() bool { return results(t, a) > known })
}

// results is of how many openings an agent's first lane knows what became of them.
func results(t *testing.T, a *site.Agent) uint64 {
	t.Helper()
	l := status(t, a).Lanes[0]
	return l.Passed + l.NotPassed + l.Unknown
}

// refused scans a code and waits for the agent's refusal with the reason; the
// gate must not move.
func refused(t *testing.T, a *site.Agent, text, reason string) {
	t.Helper()
	before, began := a.Lanes[0].Controller.State().Openings, lastDecision(t, a)
	scan(t, a, text)
	last := ""
	until(t, a.ID+" refuses with "+reason, func() bool {
		status, err := a.Status()
		if err != nil || len(status.Lanes) == 0 || status.Lanes[0].Last == nil {
			return false
		}
		l := status.Lanes[0].Last
		if l.Reason != last && l.At.After(began) {
			last = l.Reason
			t.Logf("%s says %s", a.ID, last)
		}
		return l.Reason == reason && l.At.After(began)
	})
	if now := a.Lanes[0].Controller.State().Openings; now != before {
		t.Errorf("%s opened %d times for a refused code", a.ID, now-before)
	}
}

// lastDecision returns when an agent decided last by its clock, zero if never.
func lastDecision(t *testing.T, a *site.Agent) time.Time {
	t.Helper()
	status, err := a.Status()
	if err != nil || len(status.Lanes) == 0 {
		t.Fatal(err)
	}
	if status.Lanes[0].Last == nil {
		return time.Time{}
	}
	return status.Lanes[0].Last.At
}

// synced waits until every agent has applied central's newest event.
func synced(t *testing.T, s *site.Site) {
	t.Helper()
	var lanes []office.LaneBody
	defer func() {
		if t.Failed() {
			t.Logf("central says of its lanes: %+v", lanes)
		}
	}()
	until(t, "all lanes are up to date", func() bool {
		var err error
		lanes, err = s.API.Lanes(t.Context())
		up := 0
		for _, l := range lanes {
			if current(s, &l) {
				up++
			}
		}
		return err == nil && up == len(s.Agents)
	})
}

// current reports whether central knows of an agent as it runs now that it is up to date:
// what it said before a start may stand at central for a while, and commands name the start.
func current(s *site.Site, l *office.LaneBody) bool {
	i := slices.IndexFunc(s.Agents, func(a *site.Agent) bool { return a.ID == l.ID })
	if i < 0 || !l.Alive || !l.UpToDate {
		return false
	}
	now, err := s.Agents[i].Status()
	return err == nil && now.Boot == l.Boot
}

// ledger returns the rows of a pass, once there are at least want of them.
func ledger(t *testing.T, s *site.Site, pass string, want ...string) []office.PassageBody {
	t.Helper()
	var rows []office.PassageBody
	until(t, fmt.Sprintf("the ledger has %v of %s", want, pass), func() bool {
		all, err := s.API.Passages(t.Context(), 0)
		rows = rows[:0]
		for _, r := range all {
			if r.Pass == pass {
				rows = append(rows, r)
			}
		}
		return err == nil && len(rows) >= len(want)
	})
	got := []string{}
	for _, r := range rows {
		got = append(got, r.Type)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the ledger has %v of %s, want %v", got, pass, want)
	}
	return rows
}

// gapless waits until the ledger has a journal of each agent, and checks that it has
// the entries of each exactly once: numbers 1..n.
func gapless(t *testing.T, s *site.Site) {
	t.Helper()
	until(t, fmt.Sprintf("the ledger has journals of %d agents", len(s.Agents)), func() bool { return len(journals(t, s)) >= len(s.Agents) })
}

// journals counts the ledger's entries of each journal.
func journals(t *testing.T, s *site.Site) map[string]uint64 {
	t.Helper()
	all, err := s.API.Passages(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]uint64{}
	for _, r := range all {
		id := r.Controller + "/" + r.Journal
		next[id]++
		if r.Seq != next[id] {
			t.Fatalf("ledger row %d has entry %d of %s, want %d", r.Number, r.Seq, id, next[id])
		}
	}
	return next
}
