package daemon

import (
	"fmt"

	"turnstile/agent/health"
	"turnstile/agent/lane"
)

// warn puts up and takes down the warnings that follow from what the lanes, the
// journal and the clock are like now. Session and feed raise their own.
func (h *house) warn(lanes []lane.Status) {
	var journal error
	for i := range lanes {
		h.warnLane(&lanes[i])
		if lanes[i].Journal != nil {
			journal = lanes[i].Journal
		}
	}
	w := h.warnings
	w.Put(journal != nil, health.JournalFault, "", text(journal))
	v := h.cache.View()
	w.Put(!v.HasFeed(), health.FeedNone, "", "no list, rules or keys of central yet")
	h.warnJournal(w, h.journal.Level())
}

// warnJournal has one warning for the highest watermark that is passed.
func (h *house) warnJournal(w *health.Set, level int) {
	for mark, code := range map[int]health.Code{50: health.JournalHalf, 80: health.Journal80, 95: health.Journal95, 100: health.JournalFull} {
		w.Put(level == mark, code, "", fmt.Sprintf("%d entries wait for central", h.journal.Last()-h.journal.Acked()))
	}
}

func (h *house) warnLane(s *lane.Status) {
	w, subject := h.warnings, fmt.Sprintf("lane %d", s.Number)
	lost, why := !s.Gate.Connected, text(s.Gate.Err)
	if s.Device != nil {
		lost, why = true, s.Device.Error()
	}
	w.Put(lost, health.GateLost, subject, why)
	w.Put(s.Gate.Tamper, health.GateTamper, subject, "the controller's case is open")
	w.Put(s.Gate.Fire, health.GateFire, subject, "the fire alarm released the gate")
	for _, r := range s.Readers {
		w.Put(!r.Stats.Connected, health.ScannerLost, fmt.Sprintf("%s, %s", subject, r.Name), text(r.Stats.Err))
	}
}
