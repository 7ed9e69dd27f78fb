package endtoend

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/agent/health"
	"turnstile/simulator/site"
)

// central runs a command of central on the site's configuration.
func central(t *testing.T, s *site.Site, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(programs, "central"), append(args, "--config", filepath.Join(s.Data(), "central", "central.yaml"))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("central %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// alarmed reports whether central has an alarm of a code whose detail has a text.
func alarmed(t *testing.T, s *site.Site, code, text string) bool {
	t.Helper()
	var list struct {
		Alarms []struct{ Code, Detail string } `json:"alarms"`
	}
	if err := s.API.Do(t.Context(), "GET", "/alarms", nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Alarms {
		if a.Code == code && strings.Contains(a.Detail, text) {
			return true
		}
	}
	return false
}

// TestRestore: central's disk is lost and its data folder restored from a backup
// that was made while it ran. Lanes take the restored lists as a new epoch, and no
// fork; what was revoked since is told as missing, and reaches them when it is
// revoked again; rules and keys go on; the ledger gets from the lanes what it lacks.
func TestRestore(t *testing.T) {
	t.Parallel()
	s := campus(t, site.Config{}, "north", "south")
	synced(t, s)
	north, south := s.Agents[0], s.Agents[1]
	early, late, good := issue(t, s, nil), issue(t, s, nil), issue(t, s, nil)
	revoke := func(id string) {
		if _, err := s.API.Set(t.Context(), id, "revoke", "test"); err != nil {
			t.Fatal(err)
		}
	}
	revoke(early.ID)
	file := filepath.Join(t.TempDir(), "central.backup")
	if out := central(t, s, "backup", "--out", file); !strings.Contains(out, "checked") {
		t.Errorf("backup says %q", out)
	}
	walk(t, north, good.Code) // the backup lacks these entries, and this revocation
	revoke(late.ID)
	changeRules(t, s, 3, func(rules map[string]any) { rules["repeat_ms"] = 99 })
	until(t, "north refuses the late one", func() bool { return check(t, north, late.Code) == "REVOKED" })
	ledger(t, s, good.ID, "granted", "passed")
	epoch := status(t, north).Feed.Epoch

	s.Central().Kill()
	data := filepath.Join(s.Data(), "central", "data")
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	central(t, s, "restore", file)
	if err := s.StartCentral(); err != nil {
		t.Fatal(err)
	}
	until(t, "both lanes are in the new epoch", func() bool {
		a, b := status(t, north).Feed, status(t, south).Feed
		return a.Epoch > epoch && b.Epoch == a.Epoch && a.Seq == b.Seq
	})
	until(t, "central tells that it lacks a change", func() bool { return alarmed(t, s, "feed_lost", "1 change") })
	if got := check(t, north, early.Code); got != "REVOKED" {
		t.Errorf("revoked before the backup: %s", got)
	}
	until(t, "the revocation that the backup lacks is gone", func() bool { return check(t, north, late.Code) == "GRANTED" })
	revoke(late.ID)
	until(t, "it is back", func() bool { return check(t, north, late.Code) == "REVOKED" && check(t, south, late.Code) == "REVOKED" })
	sendsAgain(t, s, good.ID)
	rules := status(t, north).Feed.Rules
	changeRules(t, s, rules+1, func(rules map[string]any) { rules["repeat_ms"] = 98 })
	for _, a := range s.Agents {
		if now := status(t, a); alarmedFork(now.Warnings) {
			t.Errorf("%s took the restored feed for a fork: %+v", a.ID, now.Warnings)
		}
	}
}

// sendsAgain waits until the ledger has the entries of a pass again, from the lane
// that had dropped nothing. A lane believes that central lost something only from
// an acknowledgement that is a minute younger than the newest: so this takes more
// than a minute, in which the lane reports what it applies.
func sendsAgain(t *testing.T, s *site.Site, pass string) {
	t.Helper()
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	over := time.NewTimer(time.Minute + 2*patience)
	defer over.Stop()
	for {
		rows, err := s.API.Passages(t.Context(), 0)
		found := 0
		for _, r := range rows {
			if r.Pass == pass {
				found++
			}
		}
		if err == nil && found == 2 {
			return
		}
		select {
		case <-tick.C:
			if _, err := s.API.Set(t.Context(), issue(t, s, nil).ID, "revoke", "test"); err != nil {
				t.Fatal(err)
			}
		case <-over.C:
			t.Fatalf("the ledger has %d entries of pass %s: %v", found, pass, err)
		}
	}
}

// check asks an agent what it would decide; nobody passes.
func check(t *testing.T, a *site.Agent, code string) string {
	t.Helper()
	r, err := a.Check(code)
	if err != nil {
		t.Fatal(err)
	}
	return r.Reason
}

func alarmedFork(list []health.Entry) bool {
	return slices.ContainsFunc(list, func(e health.Entry) bool { return e.Code == "feed.fork" })
}
