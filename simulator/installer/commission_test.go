package installer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/commission"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/simulator/device"
)

// key makes an installer's key and returns its file and fingerprint.
func key(t *testing.T) (file, fingerprint string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "installer.pem")
	said, code := once(t, "key", "new", "--out", file)
	m := regexp.MustCompile(`fingerprint ([0-9a-f-]{39})`).FindStringSubmatch(said)
	if code != 0 || m == nil {
		t.Fatalf("%d: %s", code, said)
	}
	return file, m[1]
}

// site is a lane that is commissioned, and the report that will be written.
type site struct {
	*run
	gate        *device.Controller
	scanner     *scanner
	report      string // without its ending
	key, finger string
}

// commissioning begins a run with a scanner at 9600 baud and a controller. Times
// are short: it is this process that stands at the lane.
func commissioning(t *testing.T, more ...string) *site {
	t.Helper()
	s := &site{report: filepath.Join(t.TempDir(), "report")}
	s.key, s.finger = key(t)
	var link string
	s.gate, link = lane(t, 0)
	s.scanner = hang(t, enginetest.NewPlain(9600))
	s.run = start(t, append([]string{"commission", "--lane", "north-1", "--installer", "An Installer", "--key", s.key, "--report", s.report,
		"--scanner", "entry=" + s.scanner.Link(), "--gate-port", link,
		"--act", "20s", "--listen", "2s", "--quality", "1s", "--window", "5s"}, more...)...)
	return s
}

// do does what is asked for at the lane, and answers.
func (s *site) do(asked string, what func()) {
	s.t.Helper()
	s.expect(`>> ` + asked)
	what()
	s.enter("")
}

func nothing() {}

// sheetCodes are all test codes.
func sheetCodes(t *testing.T) (codes []string) {
	t.Helper()
	for _, n := range commission.Lengths {
		code, err := commission.TestText(n)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	return codes
}

// scanners does the scanner's steps.
func (s *site) scanners() {
	s.t.Helper()
	codes := sheetCodes(s.t)
	s.do("Hold the sheet's code of 32", func() { s.scanner.before <- codes[:1] })
	s.do("Scan all codes", func() { s.scanner.before <- codes })
	s.do("Take all codes away", func() { s.scanner.before <- nil })
}

// walks does the gate's steps that let people through.
func (s *site) walks() {
	s.t.Helper()
	s.do("Stand ready to walk in", func() { s.gate.SetAutoWalk(100 * time.Millisecond) })
	s.do("Stand ready to walk out", nothing)
	s.do("Step back", func() { s.gate.SetAutoWalk(0) })
}

// inputs does the gate's inputs.
func (s *site) inputs() {
	s.t.Helper()
	s.do("Trigger the fire alarm", func() { s.gate.Fire(true) })
	s.do("Reset the fire alarm", func() { s.gate.Fire(false) })
	s.do("Open the controller's case", func() { s.gate.Tamper(true) })
	s.do("Close the controller's case", func() { s.gate.Tamper(false) })
}

// read reads and verifies the report.
func (s *site) read() (commission.Report, []byte) {
	s.t.Helper()
	file, err := os.ReadFile(s.report + ".json")
	if err != nil {
		s.t.Fatal(err)
	}
	r, _, err := commission.Verify(file, commission.Fingerprint(s.finger))
	if err != nil {
		s.t.Fatal(err)
	}
	return r, file
}

// counted is what differs from run to run in a text.
var counted = regexp.MustCompile(`\d+ (unreadable frames)`)

// outline is a report without times, numbers and paths.
func outline(r commission.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nlane %s by %s: %s, complete %v\n", r.Form, r.Lane, r.Installer, r.Verdict, r.Complete)
	for _, d := range r.Devices {
		fmt.Fprintf(&b, "%s %s: driver %s, %d baud\n", d.Kind, d.Subject, d.Driver, d.Rate)
	}
	for _, e := range r.Results {
		fmt.Fprintf(&b, "%s (%s): %s\n", e.Step, e.Subject, e.Outcome)
		if e.Reason+e.Next != "" {
			fmt.Fprintf(&b, "  because %q, next %q\n", e.Reason, e.Next)
		}
		for _, v := range e.Values {
			if v.Number != nil {
				fmt.Fprintf(&b, "  %s: %s\n", v.Name, strings.TrimSpace("a number "+v.Unit))
			} else {
				fmt.Fprintf(&b, "  %s: %s\n", v.Name, counted.ReplaceAllString(v.Text, "some $1"))
			}
		}
	}
	return b.String()
}

// TestCommission proves a whole lane, and holds the report to the one on file.
func TestCommission(t *testing.T) {
	t.Parallel()
	s := commissioning(t)
	s.scanners()
	s.walks()
	s.inputs()
	if code := s.end(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	t.Logf("transcript:\n%s", strings.Join(s.said, "\n"))
	r, file := s.read()
	golden, err := os.ReadFile("testdata/report.txt")
	if got := outline(r); err != nil || got != string(golden) {
		t.Errorf("the report's outline is not that of testdata/report.txt (%v):\n%s", err, got)
	}
	for _, e := range r.Results {
		if e.Began.IsZero() || e.Outcome != commission.Passed {
			t.Errorf("%+v", e)
		}
	}
	if st := s.gate.State(); st.Openings != 3 || st.Relay || !st.Locked {
		t.Errorf("the gate afterwards: %+v", st)
	}
	s.verifies(file)
}

// verifies tries the report's signature by the tool.
func (s *site) verifies(file []byte) {
	t := s.t
	t.Helper()
	json := s.report + ".json"
	if said, code := once(t, "verify", json, "--key", strings.ToUpper(s.finger)); code != 0 || !strings.Contains(said, "unchanged since it was signed by key "+s.finger) {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := once(t, "verify", json); code != 0 || !strings.Contains(said, "Whose key that is, this cannot say") {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := once(t, "verify", json, "--key", strings.Repeat("0", 32)); code != 1 || !strings.Contains(said, "another key") {
		t.Errorf("a stranger's key: %d: %s", code, said)
	}
	forged := filepath.Join(t.TempDir(), "forged.json")
	if err := os.WriteFile(forged, bytes.Replace(file, []byte(`"north-1"`), []byte(`"north-2"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, code := once(t, "verify", forged); code != 1 || !strings.Contains(said, "was changed") {
		t.Errorf("another lane's name: %d: %s", code, said)
	}
	again := filepath.Join(t.TempDir(), "again.html")
	if said, code := once(t, "page", json, "--out", again); code != 0 {
		t.Errorf("%d: %s", code, said)
	}
	first, err := os.ReadFile(s.report + ".html")
	second, errAgain := os.ReadFile(again)
	if err != nil || errAgain != nil || !bytes.Equal(first, second) {
		t.Errorf("the page made anew differs: %v, %v", err, errAgain)
	}
}

// TestCommissionUnplugged pulls the gate in the middle and puts it back.
func TestCommissionUnplugged(t *testing.T) {
	t.Parallel()
	s := commissioning(t)
	s.scanners()
	s.do("Stand ready to walk in", func() { s.gate.SetAutoWalk(100 * time.Millisecond) })
	s.do("Stand ready to walk out", s.gate.Unplug)
	s.expect(`failed: .*`)
	s.expect(`next: check the plug`)
	if err := s.gate.Plug(); err != nil {
		t.Fatal(err)
	}
	s.do("Step back", func() { s.gate.SetAutoWalk(0) })
	s.inputs()
	if code := s.end(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	r, _ := s.read()
	if r.Verdict != commission.Bad || !r.Complete {
		t.Errorf("%s, complete %v", r.Verdict, r.Complete)
	}
	for _, e := range r.Results {
		want := commission.Passed
		if e.Step == commission.GateOut {
			want = commission.Failed
		}
		if e.Outcome != want {
			t.Errorf("%s: %s: %s", e.Step, e.Outcome, e.Reason)
		}
	}
}

// TestCommissionBrokenOff ends a run by Ctrl-C, by its answer and by the end of
// its input: each leaves a signed report of what was found until then.
func TestCommissionBrokenOff(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(s *site) int{
		"Ctrl-C": func(s *site) int { return s.interrupt() },
		"answer": func(s *site) int { s.enter("q"); return s.end() },
		"closed": func(s *site) int { _ = s.stdin.Close(); return s.end() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := commissioning(t)
			s.scanners()
			s.expect(`>> Stand ready to walk in`)
			if code := end(s); code != 1 {
				t.Errorf("exit code %d", code)
			}
			r, _ := s.read()
			if r.Complete || r.Verdict != commission.Incomplete || len(r.Results) != 11 {
				t.Fatalf("%s, complete %v, %d results", r.Verdict, r.Complete, len(r.Results))
			}
			for i, e := range r.Results {
				if (e.Outcome == commission.Passed) != (i < 4) || i >= 4 && !strings.Contains(e.Reason, "ended before") {
					t.Errorf("%s: %s: %s", e.Step, e.Outcome, e.Reason)
				}
			}
			if st := s.gate.State(); st.Openings != 0 {
				t.Errorf("the gate opened: %+v", st)
			}
			html, err := os.ReadFile(s.report + ".html")
			if err != nil || !bytes.Contains(html, []byte("the run was broken off")) {
				t.Errorf("the page does not say so: %v", err)
			}
		})
	}
}

// TestCommissionByScript lets nobody answer: what is printed moves the lane.
func TestCommissionByScript(t *testing.T) {
	t.Parallel()
	file, _ := key(t)
	v, link := lane(t, 0)
	report := filepath.Join(t.TempDir(), "report")
	r := start(t, "commission", "--auto", "--lane", "north-1", "--key", file, "--report", report, "--gate-port", link, "--act", "20s", "--quality", "1s")
	r.expect(`>> Stand ready to walk in`)
	gatetest.Until(t, "the gate opens", func() bool { return v.State().Openings == 1 })
	v.Walk(gate.In, 100*time.Millisecond)
	r.expect(`>> Stand ready to walk out`)
	gatetest.Until(t, "the gate opens once more", func() bool { return v.State().Openings == 2 })
	v.Walk(gate.Out, 100*time.Millisecond)
	r.expect(`>> Step back`)
	r.expect(`>> Trigger the fire`)
	v.Fire(true)
	r.expect(`>> Reset the fire`)
	v.Fire(false)
	r.expect(`>> Open the controller`)
	v.Tamper(true)
	r.expect(`>> Close the controller`)
	v.Tamper(false)
	if code := r.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text, err := os.ReadFile(report + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := commission.Verify(text, ""); err != nil || got.Verdict != commission.Good || len(got.Results) != 8 {
		t.Errorf("%s, %d results, %v", got.Verdict, len(got.Results), err)
	}
}

// TestCommissionAnEngine lets the engine name itself and its rate.
func TestCommissionAnEngine(t *testing.T) {
	t.Parallel()
	file, _ := key(t)
	v := hang(t, enginetest.NewGM65(9600))
	report := filepath.Join(t.TempDir(), "report")
	r := start(t, "commission", "--yes", "--lane", "south", "--key", file, "--report", report, "--scanner", v.Link(), "--driver", "auto", "--quality", "1s", "--listen", "20s")
	codes := sheetCodes(t)
	r.expect(`>> Hold the sheet's`)
	v.before <- codes[:1]
	r.expect(`>> Scan all`)
	v.before <- codes
	r.expect(`>> Take all`)
	v.before <- nil
	if code := r.end(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text, err := os.ReadFile(report + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var sealed struct {
		Report commission.Report `json:"report"`
	}
	if err := json.Unmarshal(text, &sealed); err != nil {
		t.Fatal(err)
	}
	if d := sealed.Report.Devices[0]; !strings.HasPrefix(d.Named, "gm65") || d.Rate != 9600 {
		t.Errorf("%+v", d)
	}
	if next := sealed.Report.Results[0].Next; !strings.Contains(next, "115200") || !strings.Contains(next, "12 ms in place of 149") {
		t.Errorf("no proposal: %q", next)
	}
}

// TestCommissionAtTheWrongPorts finds nothing, and says what to do.
func TestCommissionAtTheWrongPorts(t *testing.T) {
	t.Parallel()
	file, _ := key(t)
	quiet := hang(t, enginetest.NewPlain(9600))
	report := filepath.Join(t.TempDir(), "report")
	said, code := once(t, "commission", "--auto", "--lane", "north-1", "--key", file, "--report", report, "--scanner", "/dev/serial/by-id/none", "--baud", "9600",
		"--gate-port", quiet.Link(), "--act", "3s", "--listen", "1s", "--quality", "1s")
	if code != 1 || strings.Count(said, "failed:") != 2 || strings.Count(said, "not possible:") != 9 || !strings.Contains(said, "next: check power and cable") || !strings.Contains(said, "find --probe") {
		t.Errorf("%d: %s", code, said)
	}
}
