package scenario

import (
	"strings"
	"testing"
	"time"

	"turnstile/simulator/campus"
)

// TestRecorded: what was done on a campus is recorded, and the recording passes on
// another campus; what nobody needs for it is left out.
func TestRecorded(t *testing.T) {
	c, err := campus.Open(t.Context(), campus.Config{Walk: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := NewRecorder(c, nil)
	if text := r.Stop(); text != "" {
		t.Errorf("nothing was recorded, and there is %q", text)
	}
	do := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			a, err := campus.Parse(line)
			if err == nil {
				err = c.Do(t.Context(), a)
			}
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
	}
	do("rules 0 repeat=0s", "issue alumna guest entries=1", "issue nobody ecard", "scan south nobody", "cable south cut")
	r.Start()
	do("scan north alumna", "wait 1s", "scan north alumna", "revoke alumna reason=\"lost phone\"", "wait 1s")
	text := r.Stop()
	for _, want := range []string{"rules 0 repeat=0s\n", "issue alumna guest entries=1\n", "cable south cut\n", "expect north GRANTED\n", "expect north ALREADY_USED\n", `reason="lost phone"`, "start: 2026-11-23 09:0"} {
		if !strings.Contains(text, want) {
			t.Errorf("the recording lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "nobody") {
		t.Error("the recording issues what nobody uses in it")
	}
	s, err := Parse("recorded", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := Run(t.Context(), s, Options{}); !got.Passed() || got.Steps != len(s.Steps) {
		t.Errorf("%d of %d steps: %s\n%s", got.Steps, len(s.Steps), got.Failure, text)
	}
}
