package promise

import (
	"testing"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestOpenZone: what stands open counts no entries, and a command in a lockdown is
// no violation.
func TestOpenZone(t *testing.T) {
	p := sound()
	lock(p)
	p.Commands = map[string]int{"north/1": 1}
	open(p, pass.Command, 0, 40, link.EntryPassed, nil)
	for s := range 3 {
		open(p, pass.Guest, 2, 60+2*s, link.EntryPassed, func(e *link.Entry) { e.Flags = link.FlagFreePassage })
	}
	if found := Check(p); len(found) > 0 {
		t.Error(found)
	}
}

// TestLocks follows two lockdowns at once.
func TestLocks(t *testing.T) {
	w := NewWitness()
	if w.Waits() {
		t.Error("nothing is locked")
	}
	w.Locked(Lock{Zone: 0, Version: 2})
	w.Locked(Lock{Zone: 1, Version: 3})
	w.Obeys("north", 2)
	w.UnlockedZone(0, noon)
	w.Obeys("north", 3)
	w.Obeys("south", 3)
	locks := w.Picture().Locks
	if len(locks) != 2 || len(locks[0].Since) != 1 || len(locks[1].Since) != 2 || !locks[0].Until.Equal(noon) || !locks[1].Until.IsZero() || !w.Waits() {
		t.Errorf("%+v", locks)
	}
	w.Unlocked(noon.Add(time.Second))
	if locks := w.Picture().Locks; w.Waits() || !locks[0].Until.Equal(noon) || !locks[1].Until.Equal(noon.Add(time.Second)) {
		t.Errorf("%+v", locks)
	}
}

// TestCommanded counts what the office asked for, here or elsewhere.
func TestCommanded(t *testing.T) {
	w := NewWitness()
	w.Commanded("north", 1)
	w.CommandedAtLeast(map[string]int{"north/1": 3, "south/2": 1})
	w.CommandedAtLeast(map[string]int{"north/1": 2})
	if c := w.Picture().Commands; c["north/1"] != 3 || c["south/2"] != 1 {
		t.Error(c)
	}
}
