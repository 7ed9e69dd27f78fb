package chaos

import (
	"testing"
	"time"
)

// TestStepped checks that a stepped clock moves the wall clock and nothing else.
func TestStepped(t *testing.T) {
	now := time.Now()
	for _, d := range append(jumps, 0) {
		d = d.Truncate(time.Second)
		got := stepped(now, d)
		if want := now.Round(0).Add(d); !got.Round(0).Equal(want) {
			t.Errorf("by %v: %v, want %v", d, got.Round(0), want)
		}
		if moved := got.Sub(now); moved != 0 {
			t.Errorf("by %v: the monotonic clock moved by %v", d, moved)
		}
	}
}
