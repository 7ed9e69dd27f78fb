package campus

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"turnstile/simulator/site"
)

// programs is the folder of the binaries under test, built from this checkout.
var programs string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

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

// TestReal does what needs the programs as processes, with a broker of its own.
func TestReal(t *testing.T) {
	t.Parallel()
	mosquitto, err := exec.LookPath("mosquitto")
	if err != nil {
		t.Fatal("install the package mosquitto: ", err)
	}
	s := opened(t, Config{Real: true, Programs: programs, Mosquitto: mosquitto, Lanes: DefaultLanes()[:2]})
	used := s.perform([]step{
		{"issue alumna ecard", nil}, {"issue porter staff", nil}, {"issue ho staff", nil}, {"issue visitor guest entries=1", nil},
		{"scan north alumna", came("north", "alumna", "passed")},

		{"people north stay", nil},
		{"scan north visitor", func(v View) bool { return v.on("north").Open }},
		{"power north cut", func(v View) bool { return !v.on("north").Answers }},
		{"people north walk", nil},
		{"power north on", happened("north", "unknown")},
		{"scan north visitor", decided("north", "ALREADY_USED")},

		{"disk south full", nil},
		{"scan south porter", decided("south", "JOURNAL_FAULT")},
		{"disk south space", stand(0)},
		{"scan south ho", came("south", "ho", "passed")},

		{"freeze north on", func(v View) bool { return !v.on("north").Answers }},
		{"freeze north off", func(v View) bool { // its gate's board may have taken it for gone
			l, err := s.lane("north")
			return err == nil && v.on("north").Answers && v.on("north").State == "idle" && l.steel.Controller.State().Attended
		}},
		{"broker kill", stand(1)},
		{"scan north porter", came("north", "porter", "passed")},
		{"broker start", stand(0)},
		{"clock north -24h", nil},
		{"scan north alumna", func(v View) bool { return v.last("north").Pass == "alumna" && v.last("north").Result == "passed" }},
		{"clock north right", stand(0)},
		{"central freeze", func(v View) bool { return !v.Central.Up }},
		{"central full", nil},
		{"central kill", nil},
		{"central start", func(v View) bool { return v.Central.Up && len(v.Standing) == 0 }},
		{"heal", nil},
	})
	s.whole()
	for _, v := range Verbs() {
		if v.Real && !used[v.Name] {
			t.Errorf("nobody has done: %s", v.Name)
		}
	}
	if a, _ := Parse("advance 1h"); !refused(s.Do(t.Context(), a)) {
		t.Error("a real clock is moved")
	}
}

// TestRealOwnBroker: central's own broker falls with it, and can fall no other way.
func TestRealOwnBroker(t *testing.T) {
	t.Parallel()
	s := opened(t, Config{Real: true, Programs: programs, Lanes: DefaultLanes()[:1]})
	if a, _ := Parse("broker kill"); !refused(s.Do(t.Context(), a)) {
		t.Error("there is no such broker")
	}
	s.perform([]step{
		{"issue alumna ecard", nil},
		{"central kill", func(v View) bool { return !v.Central.Up }},
		{"scan north alumna", came("north", "alumna", "passed")},
		{"central start", func(v View) bool { return v.Central.Up }},
	})
	s.whole()
}
