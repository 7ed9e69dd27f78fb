package lane

import (
	"errors"
	"testing"
	"time"

	"turnstile/agent/access"
	"turnstile/agent/presence"
	"turnstile/central/link"
)

// TestRecoverIsTriedAgain ends the grants of an earlier start once a journal that
// took nothing takes entries again: each once, and no grant of this start.
func TestRecoverIsTriedAgain(t *testing.T) {
	m, p := &memory{}, presence.New()
	r := Recorder{Journal: m, Presence: p, Facts: func() access.Facts { return goodFacts() }, Now: func() time.Time { return noon }}
	cutOff := []link.Entry{{Type: link.EntryGranted, Seq: 101}, {Type: link.EntryGranted, Seq: 102}}
	m.refuse(errDisk)
	left, err := r.Recover(cutOff)
	if !errors.Is(err, errDisk) || len(left) != 2 || len(m.entries) != 0 {
		t.Fatalf("%d left, %d written, %v", len(left), len(m.entries), err)
	}
	m.refuse(nil)
	if left, err = r.Recover(left); err != nil || len(left) != 0 || len(m.entries) != 2 {
		t.Fatalf("%d left, %d written, %v", len(left), len(m.entries), err)
	}
	for i, e := range m.entries {
		if e.Type != link.EntryUnknown || e.Grant != cutOff[i].Seq {
			t.Errorf("entry %+v", e)
		}
	}
}
