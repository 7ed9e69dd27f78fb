package daemon

import (
	"fmt"
	"time"

	"turnstile/agent/health"
	"turnstile/agent/lane"
	"turnstile/central/link"
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
	stored := h.cache.Settle()
	w.Put(stored != nil, health.CacheFault, "", text(stored))
	w.Put(!h.cache.View().HasFeed(), health.FeedNone, "", "no lists, rules or keys yet")
	h.warnJournal(w, h.journal.Level())
	now := h.o.Now()
	state, bound := h.central.clock(now)
	w.Put(state == link.ClockUntrusted, health.ClockUntrusted, "", "nobody vouches for this clock")
	w.Put(state == link.ClockHoldover, health.ClockHoldover, "", fmt.Sprintf("it may be wrong by %v", bound))
	ends := h.central.certificate().NotAfter
	w.Put(ends.Sub(h.central.wall.Time(now)) < certificateLeft, health.CertificateExpiring, "", "it ends at "+ends.Format(time.DateTime))
}

const (
	certificateLeft = 14 * 24 * time.Hour // a working week and more to enrol again
	forcedStands    = 10 * time.Minute    // the journal has it for good
	unreadyStands   = 20 * time.Second    // a passage takes less
)

// forced is what the last round knew of a lane's forced passages.
type forced struct {
	count uint64
	until time.Time
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
	f := h.forced[s.Number]
	if s.Counts.Alarms > f.count {
		f = forced{s.Counts.Alarms, time.Now().Add(forcedStands)}
		h.forced[s.Number] = f
	}
	w.Put(time.Now().Before(f.until), health.GateForced, subject, fmt.Sprintf("%d times since the start, tailgating and tampering included", f.count))
	w.Put(s.Gate.Tamper, health.GateTamper, subject, "the controller's case is open")
	w.Put(s.Gate.Held, health.GateHeld, subject, "open for too long after a passage")
	if !s.Gate.Unready {
		delete(h.unready, s.Number)
	} else if _, known := h.unready[s.Number]; !known {
		h.unready[s.Number] = time.Now()
	}
	since, unready := h.unready[s.Number]
	w.Put(unready && time.Since(since) > unreadyStands, health.GateUnready, subject, "not ready since "+since.Format(time.TimeOnly))
	w.Put(s.Gate.Fire, health.GateFire, subject, "the fire alarm released the gate")
	for _, r := range s.Readers {
		w.Put(!r.Stats.Connected, health.ScannerLost, fmt.Sprintf("%s, %s", subject, r.Name), text(r.Stats.Err))
	}
}
