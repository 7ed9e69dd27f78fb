package gate

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestGrantWithin(t *testing.T) {
	for _, c := range []struct {
		pulse, window, wantPulse, wantWindow time.Duration
	}{
		{0, 0, DefaultPulse, DefaultWindow},
		{time.Hour, time.Hour, MaxPulse, MaxWindow},
		{1, 1, MinPulse, MinWindow},
		{-1, -1, MinPulse, MinWindow},
		{300 * time.Millisecond, 8 * time.Second, 300 * time.Millisecond, 8 * time.Second},
	} {
		g, err := Grant{Number: 1, Direction: Out, Pulse: c.pulse, Window: c.window}.Within()
		if err != nil || g.Pulse != c.wantPulse || g.Window != c.wantWindow {
			t.Errorf("%v, %v: got %v, %v, %v", c.pulse, c.window, g.Pulse, g.Window, err)
		}
	}
	for _, g := range []Grant{{Direction: In}, {Number: 1}, {Number: 1, Direction: 3}} {
		if _, err := g.Within(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", g, err)
		}
	}
}

func TestEveryValueHasAName(t *testing.T) {
	seen := map[string]bool{}
	for s := range Signal(Signals) {
		seen[s.String()] = true
	}
	for k := Passed; k <= Fault; k++ {
		seen[k.String()] = true
	}
	seen[In.String()], seen[Out.String()] = true, true
	if want := Signals + int(Fault) + 2; len(seen) != want {
		t.Errorf("%d different names, want %d: %v", len(seen), want, seen)
	}
	for n := range seen {
		if strings.HasPrefix(n, "unknown") {
			t.Errorf("a value without a name: %q", n)
		}
	}
	if !strings.HasPrefix(EventKind(200).String(), "unknown") {
		t.Error("a made-up kind has a name")
	}
}
