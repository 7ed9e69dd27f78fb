package endtoend

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"turnstile/simulator/scenario"
)

// bothWays are the scenarios of the library that are played both ways here: each kind
// of outcome, and the faults that differ most between a process and a part of one.
var bothWays = []string{"good-day", "revoked", "forged", "guest-used", "lockdown", "power-cut", "network-down"}

// TestScenariosBothWays: by a played clock and with the programs as processes the same
// scenario has the same outcome, down to what stands in the ledger.
func TestScenariosBothWays(t *testing.T) {
	list, err := scenario.Library()
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, s := range list {
		if !slices.Contains(bothWays, s.Name) {
			continue
		}
		played++
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			ways := [2]scenario.Result{scenario.Run(t.Context(), s, scenario.Options{}), scenario.Run(t.Context(), s, scenario.Options{Real: true, Programs: programs})}
			for _, r := range ways {
				if !r.Passed() || r.Steps != len(s.Steps) || len(r.Ledger) == 0 {
					t.Errorf("%s: %d of %d steps, %d rows\n%s\n%s", r.Way, r.Steps, len(s.Steps), len(r.Ledger), r.Failure, strings.Join(r.History, "\n"))
				}
			}
			if !slices.Equal(ways[0].Ledger, ways[1].Ledger) {
				t.Errorf("played:\n%s\nreal:\n%s", strings.Join(ways[0].Ledger, "\n"), strings.Join(ways[1].Ledger, "\n"))
			}
		})
	}
	if played != len(bothWays) {
		t.Errorf("%d of %d scenarios are in the library", played, len(bothWays))
	}
}

// TestScenariosOfProcesses plays what needs the programs as processes.
func TestScenariosOfProcesses(t *testing.T) {
	list, err := scenario.Library()
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, s := range list {
		if s.Only != "real" {
			continue
		}
		played++
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			if r := scenario.Run(t.Context(), s, scenario.Options{Real: true, Programs: programs}); !r.Passed() || r.Steps != len(s.Steps) {
				t.Errorf("%d of %d steps\n%s\n%s", r.Steps, len(s.Steps), r.Failure, strings.Join(r.History, "\n"))
			}
		})
	}
	if played < 2 {
		t.Errorf("%d scenarios", played)
	}
}

// TestRunCommand: `simulator run` says what is wrong with a file, all of it with its
// lines; tells what was not as expected; and writes what CI systems read.
func TestRunCommand(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) (string, bool) {
		out, err := exec.CommandContext(t.Context(), filepath.Join(programs, "simulator"), append([]string{"run"}, args...)...).CombinedOutput()
		return string(out), err == nil
	}
	out, ok := run(file("mistakes.txt", "issue a ecard\nfly north\nexpect a ledger passed extra=1\nscan north\n"), file("more.txt", "title: x\nexpect\n"))
	for _, want := range []string{"mistakes.txt:2:1: there is no act \"fly\"", "mistakes.txt:3:24: ", "mistakes.txt:4:1: no title", "more.txt:2:1: "} {
		if ok || !strings.Contains(out, want) {
			t.Errorf("%t: want %q in\n%s", ok, want, out)
		}
	}
	good, bad := file("good.txt", "title: Good\nissue a ecard\nscan north a\nexpect north GRANTED\n"), file("bad.txt", "title: Bad\nissue a ecard\nscan north a\nexpect north REVOKED within=1s\n")
	report := filepath.Join(folder, "report.xml")
	out, ok = run(good, bad, "--junit", report)
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	b, err := os.ReadFile(report)
	if err != nil || xml.Unmarshal(b, &suite) != nil || suite.Tests != 2 || suite.Failures != 1 || ok || !strings.Contains(out, "bad.txt:4: expect north REVOKED") {
		t.Errorf("%t, %v, %+v\n%s", ok, err, suite, out)
	}
	if out, ok = run(good); !ok || !strings.Contains(out, "0 failed") {
		t.Error(out)
	}
}
