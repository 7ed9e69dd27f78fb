package chaos

import (
	"slices"
	"testing"
)

// TestScheduleIsReplayed draws the same steps from the same seed, every kind of
// fault among them, and none twice on one thing.
func TestScheduleIsReplayed(t *testing.T) {
	cast := Cast{Lanes: []int{2, 1, 1}, Lying: 2, External: true}
	a, b, other := NewSchedule(5, cast), NewSchedule(5, cast), NewSchedule(6, cast)
	seen, differs := map[Kind]int{}, false
	for range 400 {
		s := a.Step()
		differs = differs || !slices.Equal(s, other.Step())
		if !slices.Equal(s, b.Step()) || len(s) == 0 || len(s) > maxFaults {
			t.Fatalf("a step of %d faults, or another one than before", len(s))
		}
		for i, f := range s {
			seen[f.Kind]++
			if f.At+f.For > stepTime || f.For <= 0 || f.String() == "" || slices.ContainsFunc(s[:i], f.clashes) {
				t.Fatalf("fault %v of %v", f, s)
			}
		}
	}
	if len(seen) != int(kinds) || !differs {
		t.Errorf("%d of %d kinds; another seed makes other steps: %t", len(seen), kinds, differs)
	}
}
