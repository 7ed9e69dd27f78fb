package daemon

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/VictoriaMetrics/metrics"
)

// metrics writes the agent's numbers in the text format of Prometheus. They are
// taken from the status at each request, so there is nothing to keep in step.
func (p *pages) metrics(w http.ResponseWriter, _ *http.Request) {
	s := p.status()
	set := metrics.NewSet()
	gauge := func(name string, v float64) { set.GetOrCreateGauge(name, nil).Set(v) }
	gauge("turnstile_feed_connected", number(s.Feed.Connected))
	gauge("turnstile_feed_usable", number(s.Feed.Has))
	gauge("turnstile_feed_seq", float64(s.Feed.Seq))
	gauge("turnstile_feed_age_seconds", float64(s.Feed.AgeSec))
	gauge("turnstile_feed_refused_passes", float64(s.Feed.Refused))
	gauge(fmt.Sprintf("turnstile_clock_state{state=%q}", s.Clock.State), 1)
	gauge("turnstile_clock_bound_seconds", float64(s.Clock.BoundSec))
	gauge("turnstile_journal_last", float64(s.Journal.Last))
	gauge("turnstile_journal_waiting_entries", float64(s.Journal.Waiting))
	gauge("turnstile_journal_level_percent", float64(s.Journal.Level))
	gauge("turnstile_presence_passes", float64(s.Presence.Records))
	gauge("turnstile_presence_inside", float64(s.Presence.Inside))
	gauge("turnstile_boot", float64(s.Boot))
	for _, w := range s.Warnings {
		gauge(fmt.Sprintf("turnstile_warning{code=%q,severity=%q}", w.Code, w.Severity), 1)
	}
	for i := range s.Lanes {
		laneMetrics(set, &s.Lanes[i])
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

func laneMetrics(set *metrics.Set, l *LaneStatus) {
	lane := strconv.Itoa(int(l.Number))
	count := func(name string, n uint64) {
		set.GetOrCreateCounter(fmt.Sprintf("turnstile_lane_%s_total{lane=%q}", name, lane)).Set(n)
	}
	for name, n := range map[string]uint64{
		"scans": l.Scans, "repeats": l.Repeats, "stale_scans": l.Stale, "garbled_scans": l.Garbled, "granted": l.Granted,
		"passed": l.Passed, "not_passed": l.NotPassed, "unknown": l.Unknown, "gate_faults": l.GateFaults,
		"alarms": l.Alarms, "unwritten_entries": l.Unwritten,
	} {
		count(name, n)
	}
	for reason, n := range l.Denied {
		set.GetOrCreateCounter(fmt.Sprintf("turnstile_lane_denied_total{lane=%q,reason=%q}", lane, reason)).Set(n)
	}
	set.GetOrCreateGauge(fmt.Sprintf("turnstile_lane_state{lane=%q,state=%q}", lane, l.State), nil).Set(1)
	set.GetOrCreateGauge(fmt.Sprintf("turnstile_gate_connected{lane=%q}", lane), nil).Set(number(l.Gate.Connected))
	for _, s := range l.Scanners {
		set.GetOrCreateGauge(fmt.Sprintf("turnstile_scanner_connected{lane=%q,direction=%q}", lane, s.Direction), nil).Set(number(s.Connected))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
