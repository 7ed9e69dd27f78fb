package display

import (
	"testing"
	"time"

	"turnstile/agent/lane"
	"turnstile/central/link"
	"turnstile/central/pass"
	"turnstile/firmware-bridge/gate"
)

// TestByHand: who set a mode by hand is told, whatever the lane says to the person.
func TestByHand(t *testing.T) {
	since := time.Date(2026, 11, 21, 14, 5, 0, 0, time.FixedZone("campus", 8*3600))
	texts := map[string]bool{}
	for _, m := range []link.Mode{link.Lockdown, link.FreePassage} {
		for _, at := range []time.Time{since, time.Unix(5, 0).UTC()} {
			v := ViewOf(lane.Status{Answer: lane.Answer{Signal: gate.Denied, Reason: pass.WrongZone}, ByHand: lane.ByHand{Mode: m, Since: at}})
			checkWords(t, "by hand", v.ByHand)
			texts[v.ByHand.EN.What+v.ByHand.EN.Next] = true
			if v.Words != WordsOf(pass.WrongZone) {
				t.Errorf("the answer became %+v", v.Words)
			}
		}
	}
	if !texts["This lane was closed by hand"+"Since 14:05 on 21 November 2026."] || len(texts) != 4 {
		t.Errorf("texts %v", texts)
	}
	if w := handWords(lane.ByHand{}); w != (Words{}) {
		t.Errorf("nobody set a mode, and %+v", w)
	}
	if w := handWords(lane.ByHand{Mode: link.Lockdown, Since: since}); w.ZH.Next != "自2026年11月21日14:05起。" {
		t.Errorf("%+v", w)
	}
}
