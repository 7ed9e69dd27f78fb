package device

import (
	"path/filepath"
	"strings"
	"testing"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

// TestSensor: what a worn contact and a gate that turns backwards say of one
// person with a grant.
func TestSensor(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*Controller)
		want  []gate.EventKind
	}{
		{"well", func(*Controller) {}, []gate.EventKind{gate.Passed}},
		{"bouncing", func(v *Controller) { v.Bounce(true) }, []gate.EventKind{gate.Passed, gate.Tailgated}},
		{"backwards", func(v *Controller) { v.Backwards(true) }, []gate.EventKind{gate.Forced, gate.NotPassed}},
		{"well again", func(v *Controller) { v.Bounce(true); v.Backwards(true); v.Bounce(false); v.Backwards(false) }, []gate.EventKind{gate.Passed}},
	} {
		v := power(t, ControllerConfig{})
		g := drive(t, v)
		gatetest.Start(t, g)
		c.spoil(v)
		mustOpen(t, g, 1)
		v.Walk(gate.In, 0)
		for _, want := range c.want {
			if e := <-g.Events(); e.Kind != want {
				t.Errorf("%s: %v, want %v", c.name, e.Kind, want)
			}
		}
	}
}

// TestMoods: a silent scanner sends nothing, and of half a code the driver makes
// no whole one.
func TestMoods(t *testing.T) {
	v := NewScanner(filepath.Join(t.TempDir(), "scanner"), 115200)
	if err := v.Plug(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Unplug)
	s, err := line.New(serialport.Config{Path: v.line.Link(), Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	hear(t, s)
	scannertest.Until(t, "the driver has the port", func() bool { return s.Stats().Connected })
	text := strings.Repeat("CEAQALYJ", 17)
	for m, want := range map[Mood]int{Silent: 0, Half: len(text) / 2, Well: len(text)} {
		v.Suffer(m)
		if err := v.Scan(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		if want == 0 {
			continue // what comes next is compared
		}
		if got := len(scannertest.Next(t, s).Text); got < want-5 || got > want {
			t.Errorf("mood %d: %d bytes, want %d", m, got, want)
		}
	}
}
