package server

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"turnstile/central/console"
	"turnstile/central/database"
	"turnstile/central/identity"
	"turnstile/central/lease"
	"turnstile/central/requestlog"
)

// registerOffice adds what the office is watched by: its pages, people, commands,
// mails and webhooks, its database, and its share of the work of several centrals.
func (s *central) registerOffice(r *prometheus.Registry, gauge, count func(name, help string, f func() float64)) {
	s.pages, s.holderPages = newPageMetrics("console"), newPageMetrics("portal")
	r.MustRegister(s.pages.requests, s.pages.seconds, s.holderPages.requests, s.holderPages.seconds, newOfficeGauges(s))
	gauge("console_streams", "Live pages that are open.", func() float64 { return float64(s.console.Streams()) })
	gauge("lease_partitions_held", "Journal partitions, of 64, that this central takes in.", func() float64 { return float64(s.leases.Partitions()) })
	gauge("lease_signer_held", "1 while this central is the one that signs and publishes the feed.", func() float64 { return one(s.leases.Job(lease.Signer).Held()) })
	gauge("centrals", "Centrals of this database that live, as this one sees them.", func() float64 { return float64(len(s.leases.Members())) })
	count("commands_sent_total", "Commands to lanes given at this central.", func() float64 { return float64(s.waiting.given.Load()) })
	count("commands_answered_total", "Commands that their lane answered.", func() float64 { return float64(s.waiting.answered.Load()) })
	count("commands_expired_total", "Commands that their lane did not answer in time.", func() float64 { return float64(s.waiting.expired.Load()) })
	for _, outcome := range []identity.Outcome{identity.SignedIn, identity.Refused, identity.Throttled} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "turnstile_signins_total", Help: "Sign-ins to the console.",
			ConstLabels: prometheus.Labels{"outcome": string(outcome)}}, func() float64 { return float64(s.identity.Count(outcome)) }))
	}
	for i, outcome := range []string{"taken", "failed"} {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "turnstile_webhook_deliveries_total", Help: "Deliveries to webhooks that were tried.",
			ConstLabels: prometheus.Labels{"outcome": outcome}}, func() float64 {
			sent, failed := s.webhooks.dispatcher.Counts()
			return float64([]uint64{sent, failed}[i])
		}))
	}
	count("database_waits_total", "Statements that waited for a connection of the pool.", func() float64 { return float64(s.db.Pool().WaitCount) })
	count("database_wait_seconds_total", "Time that statements waited for a connection.", func() float64 { return s.db.Pool().WaitDuration.Seconds() })
	gauge("database_connections_in_use", "Connections of the pool that work.", func() float64 { return float64(s.db.Pool().InUse) })
	gauge("database_connections_max", "Connections that the pool can have.", func() float64 { return float64(s.db.Pool().MaxOpenConnections) })
}

// pageMetrics count requests to console or portal by route, never by path.
type pageMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newPageMetrics(surface string) *pageMetrics {
	return &pageMetrics{
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "turnstile_" + surface + "_requests_total", Help: "Requests to the " + surface + " by route and status."}, []string{"route", "method", "status"}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "turnstile_" + surface + "_request_duration_seconds", Help: "Time to answer a request to the " + surface + ", live streams left out.",
			Buckets: []float64{.005, .02, .1, .5, 2, 10}}, []string{"route"}),
	}
}

func (p *pageMetrics) count(l requestlog.Line) {
	if !strings.HasPrefix(l.Route, console.Base+"/") {
		return // the API counts its own
	}
	p.observe(l)
}

func (p *pageMetrics) observe(l requestlog.Line) {
	p.requests.WithLabelValues(l.Route, l.Method, strconv.Itoa(l.Status)).Inc()
	if l.Route != console.Base+console.LivePattern {
		p.seconds.WithLabelValues(l.Route).Observe(l.Took.Seconds())
	}
}

// officeGauges are those that the database is asked for at each scrape.
type officeGauges struct {
	*central
	size, sessions, mails, behind, failing, disabled *prometheus.Desc
}

func newOfficeGauges(s *central) *officeGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("turnstile_"+name, help, labels, nil)
	}
	return &officeGauges{
		central: s, size: desc("database_size_bytes", "Size of the database on its disk, free pages included."),
		sessions: desc("sessions", "Sessions of the console that stand."),
		mails:    desc("mails", "Mails of the outbox: waiting, or failed for good within a week.", "state"),
		behind:   desc("webhook_events_behind", "Entries, alarms and feed events that a webhook has not been told of or passed over.", "webhook"),
		failing:  desc("webhook_failing_since_timestamp_seconds", "Unix time since which a webhook takes nothing; 0: it works.", "webhook"),
		disabled: desc("webhook_disabled", "1 for a webhook that was given up.", "webhook"),
	}
}

// Describe implements prometheus.Collector.
func (g *officeGauges) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.size, g.sessions, g.mails, g.behind, g.failing, g.disabled} {
		out <- d
	}
}

// gaugesLimit bounds what a scrape asks of the database.
const gaugesLimit = 3 * time.Second

// Collect implements prometheus.Collector. What the database does not tell is left
// out, so that everything else is seen while it fails.
func (g *officeGauges) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugesLimit) // Prometheus gives none
	defer cancel()
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := g.config.Now()
	figures, err := g.db.Figures(ctx, now.Add(-identity.Lifetime).UnixMilli(), now.Add(-identity.Idle).UnixMilli())
	if err != nil {
		g.config.Log.Warn("read figures for the metrics", "cause", err)
		return
	}
	put(g.size, float64(figures.Size))
	put(g.sessions, float64(figures.Sessions))
	put(g.mails, float64(figures.MailsWaiting), database.MailWaiting)
	put(g.mails, float64(figures.MailsFailed), database.MailFailed)
	hooks, err := g.webhooks.dispatcher.Standings(ctx)
	if err != nil {
		g.config.Log.Warn("look at webhooks for the metrics", "cause", err)
	}
	for _, h := range hooks {
		put(g.behind, float64(h.Behind), h.ID)
		put(g.failing, float64(h.Failing)/1000, h.ID)
		put(g.disabled, one(h.Disabled), h.ID)
	}
}
