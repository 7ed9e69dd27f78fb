package daemon

import (
	"testing"
	"time"

	"turnstile/agent/cache"
	"turnstile/agent/wallclock"
	"turnstile/central/link"
)

// TestFactsOfAWrongClock: a board that began in 1970 and has an answer of central
// knows how old its feed is, also one of before the start.
func TestFactsOfAWrongClock(t *testing.T) {
	campus := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	machine := time.Unix(60, 0)
	ticks := wallclock.Ticks{Elapsed: time.Hour}
	none := func() (bool, time.Duration, error) { return false, 0, nil }
	clock := wallclock.New(wallclock.Options{Source: none, Ticks: func() wallclock.Ticks { return ticks }})
	view := &cache.View{Head: link.Head{Issued: 1}, LevelIssued: campus.Add(-20 * time.Minute).UnixMilli(), LevelAt: campus.Add(-20 * time.Minute)}
	if f := FactsAt(view, machine, clock.Read(machine)); f.Age >= 0 || f.ClockUsable() || f.Offset != 0 {
		t.Fatalf("without an answer %+v", f)
	}
	if err := clock.Answer(campus, ticks.Elapsed, machine); err != nil {
		t.Fatal(err)
	}
	f := FactsAt(view, machine, clock.Read(machine))
	if off := f.Age - 20*time.Minute; off.Abs() > 2*time.Second || !f.ClockUsable() || f.Bound > 3*time.Second {
		t.Fatalf("%+v", f)
	}
	if off := machine.Add(f.Offset).Sub(campus); off.Abs() > 2*time.Second {
		t.Fatalf("the offset leads to %v", machine.Add(f.Offset))
	}
}
