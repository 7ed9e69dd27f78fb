package modbus

import (
	"testing"
	"time"

	"turnstile/firmware-bridge/gate/passage"
)

var t0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// times returns how often a contact becomes active that is on as the given
// function says, looked at every so often, for a second.
func times(look, phase time.Duration, on func(time.Duration) bool) (n int) {
	c := contact{}
	for at := phase; at < time.Second; at += look {
		if c.sample(on(at), t0.Add(at)) && c.Steady {
			n++
		}
	}
	return n
}

// A pulse of 100 ms is seen once, wherever the looks fall and however it
// bounces, for every look that Check allows; and not for slower ones.
func TestPulseIsSeenOnce(t *testing.T) {
	const begin = 300 * time.Millisecond
	pulse := func(at time.Duration) bool {
		at -= begin
		if at > 0 && at < 4*time.Millisecond || at > shortest && at < shortest+4*time.Millisecond {
			return at/time.Millisecond%2 == 0 // bounces
		}
		return at >= 0 && at < shortest
	}
	tried, missed := 0, 0
	for look := time.Millisecond; look <= 2*shortest; look += 500 * time.Microsecond {
		for phase := time.Duration(0); phase < look; phase += look/37 + 1 {
			tried++
			n := times(look, phase, pulse)
			if fine := 2*look <= shortest-4*time.Millisecond; fine && n != 1 {
				t.Fatalf("looks of %v from %v: %d passages", look, phase, n)
			}
			if n == 0 {
				missed++
			}
		}
	}
	if tried < 1000 || missed == 0 {
		t.Errorf("%d tried, %d missed", tried, missed)
	}
}

// What is shorter than Settle is nobody walking.
func TestGlitchIsNotSeen(t *testing.T) {
	for look := time.Millisecond; look < 50*time.Millisecond; look += time.Millisecond {
		glitch := func(at time.Duration) bool { return at%(100*time.Millisecond) < passage.Settle-time.Millisecond }
		if n := times(look, 0, glitch); n != 0 {
			t.Errorf("looks of %v: %d passages", look, n)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	c := contact{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.sample(i%64 < 32, t0.Add(time.Duration(i)*time.Millisecond))
	}
}
