package endtoend

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"turnstile/agent/enrol"
	"turnstile/simulator/site"
)

// TestRolesChange: central's role keys are changed while the campus runs. A lane
// that is there follows, and refuses what is revoked since; so does one that was
// off, and one that lost its cache, which refuses no pass for it.
func TestRolesChange(t *testing.T) {
	t.Parallel()
	s := campus(t, site.Config{}, "R1", "R2")
	there, away := s.Agents[0], s.Agents[1]
	code, lost := issue(t, s, nil), issue(t, s, nil)
	synced(t, s)
	walk(t, there, code.Code)
	if err := away.Stop(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(programs, "central"), "root", "roles", "--config", filepath.Join(s.Data(), "central", "central.yaml")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	keeps := func(a *site.Agent) func() bool {
		return func() bool {
			data, err := os.ReadFile(filepath.Join(a.Data, enrol.RootFile))
			var kept struct{ Delegation uint64 }
			return err == nil && json.Unmarshal(data, &kept) == nil && kept.Delegation == 2
		}
	}
	until(t, "the lane follows", keeps(there))
	if _, err := s.API.Set(t.Context(), lost.ID, "revoke", "lost"); err != nil {
		t.Fatal(err)
	}
	if err := away.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the lane that was off follows", keeps(away))
	synced(t, s)
	if err := there.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(there.Data, "cache.bolt")); err != nil {
		t.Fatal(err)
	}
	if err := there.Start(); err != nil {
		t.Fatal(err)
	}
	synced(t, s)
	for _, a := range s.Agents {
		refused(t, a, lost.Code, "REVOKED")
		walk(t, a, issue(t, s, nil).Code)
	}
}
