package daemon

import (
	"fmt"
	"time"

	"turnstile/agent/health"
	"turnstile/agent/lane"
	"turnstile/agent/neighbours"
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
	r := h.central.wall.Read(now)
	w.Put(r.State == link.ClockUntrusted, health.ClockUntrusted, "", "nobody vouches for this clock")
	w.Put(r.State == link.ClockHoldover, health.ClockHoldover, "", fmt.Sprintf("it may be wrong by %d s", r.Seconds()))
	w.Put(r.Disputed, health.ClockDisputed, "", fmt.Sprintf("they differ by %v", r.Offset.Round(time.Second)))
	h.warnNeighbours(w, h.neighbours.Status(now))
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

// warnNeighbours says what lacks for uses to go from lane to lane.
func (h *house) warnNeighbours(w *health.Set, s neighbours.Status) {
	for _, z := range s.Zones {
		subject := fmt.Sprintf("zone %d", z.Zone)
		w.Put(z.Apart, health.ZoneApart, subject, "")
		known := h.cache.View().Head.Lanes > 0 // else central is older, or this lane never heard it
		w.Put(known && !z.Member, health.ZoneStranger, subject, fmt.Sprintf("list %d", z.Version))
	}
	closed := s.Multicast != "open" && s.Multicast != "off" && s.Multicast != "opening"
	w.Put(closed, health.ZoneMulticast, "", s.Multicast)
	if s.Counts.Forged > h.forgedUses {
		h.forgedUses, h.forgedAt = s.Counts.Forged, time.Now()
	}
	w.Put(!h.forgedAt.IsZero() && time.Since(h.forgedAt) < forcedStands, health.ZoneForged, "", fmt.Sprintf("%d messages since the start", s.Counts.Forged))
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
	hand := byHand(s.ByHand)
	w.Put(hand != nil, health.LaneByHand, subject, handText(hand))
	w.Put(s.Counts.GivenUp > 0, health.LaneGivenUp, subject, fmt.Sprintf("%d entries since the start", s.Counts.GivenUp))
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

func handText(h *ByHandStatus) string {
	if h == nil {
		return ""
	}
	return fmt.Sprintf("%s since %s, code %s", h.Mode, h.Since.Format(time.DateTime), h.Code)
}
