package office

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"turnstile/central/rights"
)

// The paths by which programs watch central.
const (
	livePath    = "/livez"   // the process answers: restart it if not
	readyPath   = "/readyz"  // it takes requests: send it none if not
	healthPath  = "/healthz" // it can do all of its work
	metricsPath = "/metrics"
)

// Probes lists these paths: programs ask them all the time.
func Probes() []string { return []string{livePath, readyPath, healthPath, metricsPath} }

// watch adds what programs watch central by.
func (a *api) watch(mux *http.ServeMux, ready func(context.Context) error, metrics *prometheus.Registry) {
	mux.HandleFunc("GET "+livePath, func(w http.ResponseWriter, _ *http.Request) { sayOK(w) })
	mux.HandleFunc("GET "+readyPath, a.check(ready, "Central takes no requests at the moment: it stops, or a part of it does not work; its log names it."))
	mux.HandleFunc("GET "+healthPath, a.check(a.Feed.Healthy, "Central cannot do all of its work; its log names the part that fails."))
	mux.Handle("GET "+metricsPath, a.forWatchers(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeLimit})))
}

// Bounds of reading the metrics: some of them ask the database.
const (
	maxScrapes  = 4
	scrapeLimit = 10 * time.Second
)

func sayOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(`{"status":"ok"}` + "\n"))
}

// check answers 200, or 503 and the detail if ok returns an error; that goes to
// the log alone.
func (a *api) check(ok func(context.Context) error, detail string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := ok(r.Context()); err != nil {
			a.log.Warn("not healthy", "cause", err)
			writeProblem(w, problemAway, detail)
			return
		}
		sayOK(w)
	}
}

// forWatchers serves the metrics to programs on this machine, and to those
// elsewhere that have a token for them.
func (a *api) forWatchers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, secret := remote(r.RemoteAddr), bearer(r.Header.Get("Authorization"))
		if secret == "" && from.IsLoopback() {
			next.ServeHTTP(w, r)
			return
		}
		t, err := a.gate.check(r.Context(), from, secret)
		switch {
		case errors.Is(err, errTooMany):
			w.Header().Set("Retry-After", "6")
			writeProblem(w, problemGuessing, "Too many bad tokens from this address; wait a few seconds and check the token.")
		case errors.Is(err, ErrNotFound):
			w.Header().Set("WWW-Authenticate", `Bearer realm="turnstile"`)
			writeProblem(w, problemToken, "From another machine metrics need a token. Send Authorization: Bearer TOKEN; an operator makes one with: central token create NAME --scope "+string(rights.MetricsRead))
		case err != nil:
			a.log.Error("check token", "cause", err)
			writeProblem(w, problemInternal, "Central could not check the token; its log has the cause.")
		case !t.Permissions().Has(rights.MetricsRead) || len(t.Lanes) > 0:
			writeProblem(w, problemForbidden, "The token "+t.Name+" "+t.mayDo()+"; metrics need "+string(rights.MetricsRead)+
				" for all lanes. An operator makes such a token with: central token create NAME --scope "+string(rights.MetricsRead))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// bearer returns the token of an Authorization header, "" without one.
func bearer(header string) string {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}
