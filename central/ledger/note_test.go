package ledger

import (
	"path/filepath"
	"testing"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// TestTroubleIsAlarmed: what somebody should look at becomes an alarm that says
// what to do, once for each entry, also when the entry comes twice.
func TestTroubleIsAlarmed(t *testing.T) {
	s := newShop(t, filepath.Join(t.TempDir(), "central.db"))
	j := newJournal("N1", 7, 0)
	for kind := range alarming {
		j.add(link.Entry{Type: kind, Lane: 1, Seq: uint64(len(j.entries) + 1), Boot: 1, Wall: now.UnixMilli(), Kind: pass.ECard, Pass: pass.ID{Day: 2516, Index: 9}})
	}
	for range 2 {
		s.put(t, "N1", j.batch(t, 1, len(j.entries)))
		s.expect(t, j, len(j.entries))
	}
	codes := s.alarmCodes(t)
	for _, code := range alarming {
		if codes[code] != 1 {
			t.Errorf("%d alarms of %s", codes[code], code)
		}
		if _, ok := nextSteps[code]; !ok && next(code) == "" {
			t.Errorf("%s does not say what to do", code)
		}
	}
	if len(codes) < 10 || codes["conflict"] != 1 || codes["tailgated"] != 1 {
		t.Errorf("alarms %v", codes)
	}
}
