package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"turnstile/central/link"
	"turnstile/central/status"
)

// register adds central's own metrics.
func (s *central) register(r *prometheus.Registry) {
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "turnstile_build_info", Help: "1, with the program's version.",
		ConstLabels: prometheus.Labels{"version": s.config.Version, "site": s.config.Site}}, func() float64 { return 1 }))
	gauge := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "turnstile_" + name, Help: help}, f))
	}
	count := func(name, help string, f func() float64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "turnstile_" + name, Help: help}, f))
	}
	gauge("feed_seq", "Number of the newest feed event.", func() float64 { return float64(s.feed.View().State.Seq) })
	gauge("feed_refused", "Passes revoked or held on the open days.", func() float64 { return float64(s.feed.View().Head.Revoked) })
	gauge("broker_online", "1 while central is connected to the broker.", func() float64 { return one(s.session.Online()) })
	gauge("clock_kept", "1 while the kernel says that a time daemon keeps this machine's clock, which lanes go by.", func() float64 { return one(status.ClockKept() == nil) })
	gauge("disk_writable", "1 while the data folder takes writes.", func() float64 { return one(takesWrites(s.config.Data) == nil) })
	gauge("delegation_expires_timestamp_seconds", "Unix time at which the root's delegation ends.", func() float64 {
		d, err := s.issuer.Delegation()
		if err != nil {
			return 0
		}
		return float64(d.Expires.Unix())
	})
	count("broker_lost_total", "Connections to the broker that broke.", func() float64 { return float64(s.session.Lost()) })
	count("broker_dropped_total", "Messages dropped because their handler was behind.", func() float64 { return float64(s.session.Dropped()) })
	r.MustRegister(newCodeGauge(s.codes), newLaneGauges(s))
	s.registerOffice(r, gauge, count)
	count("ledger_entries_total", "Journal entries stored.", func() float64 { return float64(s.ledger.Counts().Stored) })
	count("ledger_repeated_total", "Journal entries that were stored before or did not fit.", func() float64 { return float64(s.ledger.Counts().Repeated) })
	count("ledger_refused_total", "Batches that were not their lane's own.", func() float64 { return float64(s.ledger.Counts().Refused) })
}

// laneGauges tell of each enrolled lane controller what central knows of it, so
// that one target is enough to watch a campus.
type laneGauges struct {
	*central
	up, behind, waiting, bound, expires *prometheus.Desc
	clock, mode, warning                *prometheus.Desc
}

func newLaneGauges(s *central) *laneGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("turnstile_lane_controller_"+name, help, append([]string{"controller"}, labels...), nil)
	}
	return &laneGauges{
		central: s,
		up:      desc("up", "1 while the lane controller is connected."),
		behind:  desc("feed_events_behind", "Feed events that it has not applied."),
		waiting: desc("journal_entries_waiting", "Journal entries that central has not acknowledged, as it reported last."),
		bound:   desc("clock_error_bound_seconds", "Greatest error of its clock, as it reported last; 65535: not known."),
		expires: desc("certificate_expires_timestamp_seconds", "Unix time at which its certificate ends."),
		clock:   desc("clock_trusted", "1 while it trusts its clock, as it reported last."),
		mode:    prometheus.NewDesc("turnstile_zone_mode", "1 for the standing mode of each zone.", []string{"zone", "mode"}, nil),
		warning: desc("warning", "1 for each warning that it reported last.", "code"),
	}
}

// Describe implements prometheus.Collector.
func (g *laneGauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.up, g.behind, g.waiting, g.bound, g.expires, g.clock, g.mode, g.warning} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (g *laneGauges) Collect(out chan<- prometheus.Metric) {
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	v := g.feed.View()
	for _, z := range v.Rules.Zones {
		put(g.mode, 1, strconv.Itoa(int(z.ID)), modeWord(z.Mode))
	}
	for _, l := range g.fleet.Lanes() {
		if l.Enrolled.IsZero() {
			continue
		}
		put(g.up, one(l.Alive), l.ID)
		put(g.expires, float64(l.Expires.Unix()), l.ID)
		if l.State != nil {
			g.report(put, l.ID, l.State, v.State.Seq)
		}
	}
}

func (g *laneGauges) report(put func(*prometheus.Desc, float64, ...string), id string, s *link.LaneState, newest uint64) {
	put(g.behind, float64(newest-min(s.Seq, newest)), id)
	put(g.waiting, float64(s.Last-min(s.Acked, s.Last)), id)
	put(g.bound, float64(s.Bound), id)
	put(g.clock, one(s.Clock == link.ClockTrusted), id)
	seen := map[string]bool{}
	for _, code := range s.Warnings {
		if !seen[code] { // two lanes of a controller can have the same one
			put(g.warning, 1, id, code)
		}
		seen[code] = true
	}
}

func modeWord(m link.Mode) string {
	switch m {
	case link.Lockdown:
		return "lockdown"
	case link.FreePassage:
		return "free_passage"
	}
	return "normal"
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
