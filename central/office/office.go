package office

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"turnstile/central/requestlog"
)

// Base is the path under which all of the API stands.
const Base = "/api/v1"

// MaxBody bounds the body of a request in bytes, unless its operation says
// otherwise; the rules are the largest of those.
const MaxBody = 64 << 10

// MaxUpload bounds the body of any request in bytes.
const MaxUpload = 8 << 20

// Options are what the API needs besides its services. Zero fields have the
// defaults named.
type Options struct {
	Version string                      // of the program, for the OpenAPI document
	Zone    *time.Location              // campus clock; times in answers have its offset; nil: UTC
	Log     *slog.Logger                // nil: slog.Default()
	Metrics *prometheus.Registry        // served at /metrics, gets the API's own; nil: a new one
	Now     func() time.Time            // nil: time.Now
	Ready   func(context.Context) error // whether requests are taken; nil: while Feed is healthy
	Token   Rate                        // of requests of one token; zero: 200 a second, 2000 at once
	Address Rate                        // of requests from one address, loopback excepted; zero: 400 a second, 4000 at once
}

// api is the API's handlers.
type api struct {
	Services
	limiters
	zone    *time.Location
	log     *slog.Logger
	now     func() time.Time
	gate    *tokenGate
	metrics *metrics
	// again answers a request that was done before with what it made, by operation.
	again map[string]func(ctx context.Context, made string) (body any, err error)
}

// New returns the handler of the whole HTTP surface: the API under Base, the
// OpenAPI 3.1 document at /openapi.json and /openapi.yaml, /livez, /readyz,
// /healthz, /metrics.
// Without a token are, below Base, the page problems and the text docs.
func New(s Services, o Options) http.Handler {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &api{
		Services: s, zone: o.Zone, log: o.Log, now: o.Now, gate: newTokenGate(s.Tokens, o.Now), metrics: newMetrics(o.Metrics),
		limiters: limiters{
			byAddress: newLimiter[netip.Prefix]("address", o.Address, defaultAddressRate, o.Now),
			byToken:   newLimiter[string]("token", o.Token, defaultTokenRate, o.Now),
		},
	}
	a.again = map[string]func(context.Context, string) (any, error){"issue-pass": a.issuedBefore}
	mux := http.NewServeMux()
	a.register(mux, o.Version)
	if o.Ready == nil {
		o.Ready = s.Feed.Healthy
	}
	a.watch(mux, o.Ready, o.Metrics)
	mux.HandleFunc("GET "+problemsPath, problemPage)
	mux.HandleFunc("GET "+docsPath, docsPage)
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, problemOrigin, "A page of another site sent this request; call the API from a program, or from central's own pages.")
	}))
	return withHeaders(withText(http.MaxBytesHandler(origin.Handler(a.recovering(withProblems(mux))), MaxUpload)))
}

// Server returns an HTTP server for h whose time-outs bound what a slow or
// silent client can hold: a request is a few KB, an answer at most a few MB.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// register describes the API to huma, which validates requests against the same
// description that the OpenAPI document is made of.
func (a *api) register(mux *http.ServeMux, version string) {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	h := humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Turnstile central", Version: version, Description: "Issue and revoke campus passes, read the ledger, keep lanes and rules. " +
				"Every request needs a token: `central token create NAME --role issuer`."},
			Components: &huma.Components{Schemas: schemas, SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}},
		},
		OpenAPIPath: "/openapi", Formats: map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}, DefaultFormat: "application/json",
		RejectUnknownQueryParameters: true, Transformers: []huma.Transformer{explain},
	})
	h.UseMiddleware(a.measure, a.limitAddress, a.authorize, a.once)
	a.passRoutes(h)
	a.recordRoutes(h)
	a.ledgerRoutes(h)
	a.presenceRoutes(h)
	a.attentionRoutes(h)
	a.laneRoutes(h)
	a.placeRoutes(h)
	a.rulesRoutes(h)
	a.keyRoutes(h)
	a.supervisorRoutes(h)
	a.historyRoutes(h)
	a.guestRoutes(h)
	a.ecardRoutes(h)
	a.retentionRoutes(h)
	a.applicationRoutes(h)
	a.bulkRoutes(h)
	a.commandRoutes(h)
	a.tokenRoutes(h)
	a.peopleRoutes(h)
	a.auditRoutes(h)
	a.webhookRoutes(h)
	a.registerRoutes(h)
	a.cardRoutes(h)
	describe(h.OpenAPI(), schemas)
}

// withHeaders states for every answer what a browser may do with it: nothing.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // answers hold codes and names
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// recovering answers a handler's panic with a problem, and logs it. What has begun
// to answer is broken off: nobody must take the beginning for the whole.
func (a *api) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := &begun{ResponseWriter: w}
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			a.log.Error("a handler panicked", "request", requestlog.ID(r.Context()), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			if begun.yes {
				panic(http.ErrAbortHandler)
			}
			writeProblem(w, problemInternal, "Central could not do this; its log has the cause.")
		}()
		next.ServeHTTP(begun, r)
	})
}

// begun notes whether an answer has begun.
type begun struct {
	http.ResponseWriter
	yes bool
}

// WriteHeader implements http.ResponseWriter.
func (b *begun) WriteHeader(status int) {
	b.yes = b.yes || status >= 200
	b.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through: flushing and deadlines.
func (b *begun) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// withProblems answers unknown paths and methods with a problem (RFC 9457) too, and
// queries of which a part would be passed over: a filter that is not heard shows
// more than was asked for.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
			writeProblem(w, problemMalformed, "The query cannot be read; write %, ; and spaces in it as %25, %3B and %20.")
			return
		}
		if pattern != "" {
			_, path, _ := strings.Cut(pattern, " ")
			requestlog.Route(r.Context(), path)
			mux.ServeHTTP(w, r)
			return
		}
		probe := statusProbe{w.Header(), http.StatusNotFound}
		h.ServeHTTP(&probe, r)
		writeProblem(w, kindOf(probe.status, 0), "There is no "+r.Method+" at this path; /openapi.json lists what there is.")
	})
}

// statusProbe takes status and headers of an answer and drops its body.
type statusProbe struct {
	header http.Header
	status int
}

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) WriteHeader(status int)      { p.status = status }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

func writeProblem(w http.ResponseWriter, k *problemKind, detail string) {
	p := k.say(detail)
	p.RequestID = w.Header().Get(requestlog.Header)
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	writeJSON(w, p)
}

// remote returns the address of a peer. X-Forwarded-For is not looked at: anyone
// can write it.
func remote(hostport string) netip.Addr {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}
