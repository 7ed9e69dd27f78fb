package office

import (
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests by operation, never by path: paths hold ids.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "turnstile_api_requests_total", Help: "API requests by operation and status."}, []string{"operation", "status"}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "turnstile_api_request_duration_seconds", Help: "Time to answer an API request.", Buckets: []float64{.001, .005, .02, .1, .5, 2, 10}}, []string{"operation"}),
	}
	r.MustRegister(m.requests, m.seconds)
	return m
}

// measure counts and times a request.
func (a *api) measure(ctx huma.Context, next func(huma.Context)) {
	start := a.now()
	next(ctx)
	took, op := a.now().Sub(start), ctx.Operation().OperationID
	a.metrics.requests.WithLabelValues(op, strconv.Itoa(ctx.Status())).Inc()
	a.metrics.seconds.WithLabelValues(op).Observe(took.Seconds())
}
