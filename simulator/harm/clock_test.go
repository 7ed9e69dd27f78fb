package harm

import (
	"testing"
	"time"
)

// TestStepped checks that a stepped clock moves the wall clock and nothing else.
func TestStepped(t *testing.T) {
	now := time.Now()
	for _, d := range []time.Duration{0, time.Hour, -time.Hour, 24 * time.Hour, 3 * time.Second, -5 * time.Second, 31 * 24 * time.Hour, -56 * 365 * 24 * time.Hour} {
		got := Stepped(now, d)
		if want := now.Round(0).Add(d); !got.Round(0).Equal(want) {
			t.Errorf("by %v: %v, want %v", d, got.Round(0), want)
		}
		if moved := got.Sub(now); moved != 0 {
			t.Errorf("by %v: the monotonic clock moved by %v", d, moved)
		}
	}
}
