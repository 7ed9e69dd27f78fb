// Package requestlog writes one line for each request of the API and the console.
//
// A line says which route was asked, by whom, how it came out and how long it
// took. It never has a path, a query, a header or a body: these hold codes, names
// and tokens. What a route is and who asks comes from the handlers, by Route and
// Actor.
package requestlog

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// Header carries the id that each request gets here. The same id stands in the
// log and in problems; what a client sends in it is not looked at.
const Header = "X-Request-Id"

// Unmatched is the route of a request that no handler took.
const Unmatched = "unmatched"

// Line is one request after its answer.
type Line struct {
	ID      string
	Method  string // OTHER for one that HTTP does not name
	Route   string // a pattern such as /api/v1/passes/{day}/{index}
	Actor   string // token, or user:NAME; "": nobody
	Status  int
	Took    time.Duration
	Aborted bool // the answer broke off
}

// Options of a Log. Zero fields have the defaults named.
type Options struct {
	Log  *slog.Logger     // nil: slog.Default()
	Now  func() time.Time // nil: time.Now
	Done func(Line)       // is told of each request too; nil: nobody
	// Quiet are routes that programs ask all the time; they are logged at level
	// Debug.
	Quiet []string
}

// record is what handlers tell of a request. It belongs to the goroutine that
// serves the request.
type record struct{ id, route, actor string }

type recordKey struct{}

// Wrap returns next with a line for each of its requests.
func Wrap(next http.Handler, o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &record{id: rand.Text(), route: Unmatched}
		w.Header().Set(Header, rec.id)
		answer := &answer{ResponseWriter: w}
		began, ended := o.Now(), false
		defer func() {
			line := Line{rec.id, method(r.Method), rec.route, rec.actor, answer.result(ended), o.Now().Sub(began), !ended}
			o.write(r.Context(), line)
		}()
		next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), recordKey{}, rec)))
		ended = true
	})
}

func (o *Options) write(ctx context.Context, l Line) {
	level := slog.LevelInfo
	switch {
	case slices.Contains(o.Quiet, l.Route) && l.Status < 400:
		level = slog.LevelDebug
	case l.Status >= 500:
		level = slog.LevelWarn
	}
	attributes := []slog.Attr{slog.String("request", l.ID), slog.String("method", l.Method), slog.String("route", l.Route), slog.String("actor", l.Actor),
		slog.Int("status", l.Status), slog.Float64("ms", float64(l.Took.Microseconds())/1000)}
	if l.Aborted {
		attributes = append(attributes, slog.Bool("aborted", true))
	}
	o.Log.LogAttrs(ctx, level, "request", attributes...)
	if o.Done != nil {
		o.Done(l)
	}
}

// method returns one of HTTP's methods: a client can write any word there.
func method(name string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace}
	if slices.Contains(known, name) {
		return name
	}
	return "OTHER"
}

// Route tells the pattern of the route that answers the request.
func Route(ctx context.Context, pattern string) {
	if rec := of(ctx); rec != nil {
		rec.route = pattern
	}
}

// Actor tells who asks, once that is proved.
func Actor(ctx context.Context, name string) {
	if rec := of(ctx); rec != nil {
		rec.actor = name
	}
}

// ID returns the request's id, "" outside of Wrap.
func ID(ctx context.Context) string {
	if rec := of(ctx); rec != nil {
		return rec.id
	}
	return ""
}

func of(ctx context.Context) *record {
	rec, _ := ctx.Value(recordKey{}).(*record)
	return rec
}

// answer notes the status of an answer.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the first final status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write answers 200 if nothing else was said.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through: flushing and deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// result is the status for the log: a handler that said nothing has answered 200,
// or failed with a panic.
func (a *answer) result(ended bool) int {
	switch {
	case a.status != 0:
		return a.status
	case ended:
		return http.StatusOK
	}
	return http.StatusInternalServerError
}
