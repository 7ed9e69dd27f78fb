// Package page is what the console and the portal have in common: pages made of
// templates in two languages, forms, short messages, problems, files and headers.
//
// A surface has a Site and a policy of its own: who may open what, what its layout
// shows, and under which path it stands. The site knows none of that.
package page

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"turnstile/central/requestlog"
)

// MaxBody bounds a request's body in bytes, unless its Limits say otherwise.
const MaxBody = 64 << 10

// Site is one surface of pages. Its fields do not change once it serves.
type Site struct {
	Base    string // the path below which all pages stand: "/office", or "" for a host of its own
	Cookie  string // what the names of its cookies begin with
	Name    string // of the campus
	Version string // of the program
	Frame   *Frame
	Files   *Assets
	Zone    *time.Location // campus clock
	Log     *slog.Logger
	Now     func() time.Time
	// Broken is what a person is told about a fault of central's own, in English.
	Broken string
	// Hidden are patterns below Base that programs ask rather than people: nobody is
	// led to them, and nobody is led from them to a sign-in.
	Hidden []string

	mux http.ServeMux
}

// Limits bound a request.
type Limits struct {
	MaxBody int64 // bytes; 0: MaxBody
	Slow    bool  // a stream or an upload: no deadlines of the listener's
}

// Mount adds a route. serve answers an exchange, or returns an error that its
// person is then shown.
func (s *Site) Mount(method, pattern string, l Limits, serve func(*Exchange) error) {
	s.mux.Handle(method+" "+s.Base+pattern, s.handler(pattern, l, serve))
}

// Otherwise answers what no route does.
func (s *Site) Otherwise(serve func(*Exchange) error) { s.mux.Handle(s.Base+"/", s.Handler(serve)) }

// Handler answers with pages of the site what stands in front of its routes.
func (s *Site) Handler(serve func(*Exchange) error) http.Handler {
	return s.handler("", Limits{}, serve)
}

// ServeHTTP answers requests below Base.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Site) handler(pattern string, l Limits, serve func(*Exchange) error) http.Handler {
	if l.MaxBody == 0 {
		l.MaxBody = MaxBody
	}
	return http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.Slow {
			// The listener's deadlines are for pages; a stream sets its own.
			http.NewResponseController(w).SetWriteDeadline(time.Time{})
			http.NewResponseController(w).SetReadDeadline(time.Time{})
		}
		if pattern != "" {
			requestlog.Route(r.Context(), s.Base+pattern)
		}
		x := NewExchange(s, w, r)
		if err := serve(x); err != nil {
			x.fail(err)
		}
	}), l.MaxBody)
}

// cookiePath is where the site's cookies are sent to.
func (s *Site) cookiePath() string {
	if s.Base == "" {
		return "/"
	}
	return s.Base
}

// SwitchLanguage remembers the wish of this browser: the deed behind the layout's
// button.
func SwitchLanguage(x *Exchange) error {
	to := x.PostFormValue("to")
	if to != string(English) && to != string(Chinese) {
		return x.Wrong("There are English and Traditional Chinese.")
	}
	http.SetCookie(x.Writer, &http.Cookie{Name: x.site.Cookie + languageCookie, Value: to, Path: x.site.cookiePath(), MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.TLS != nil})
	return x.Redirect(x.site.Local(x.PostFormValue("back"), "/"))
}

// Local returns the part below Base of a path that is one of this site's own, else
// otherwise: nobody is sent to a foreign site after a sign-in.
func (s *Site) Local(path, otherwise string) string { return Local(s.Base, path, otherwise) }

// Local is Site.Local for a base.
func Local(base, path, otherwise string) string {
	below, ok := strings.CutPrefix(path, base)
	u, err := url.Parse(below)
	if !ok || err != nil || !strings.HasPrefix(below, "/") || strings.HasPrefix(below, "//") || strings.ContainsAny(below, "\\\r\n") || u.Host != "" || u.Scheme != "" {
		return otherwise
	}
	return below
}

// nearest returns the path below which a page stands that a GET opens: where the
// person came from, else the first one above the path of a deed.
func (s *Site) nearest(x *Exchange) string {
	if from := s.Local(pathOf(x.Referer()), ""); from != "" && s.opens(x.Request, s.Base+from) {
		return s.Base + from
	}
	for at := x.URL.Path; len(at) > len(s.Base); at = at[:strings.LastIndexByte(at, '/')] {
		if s.opens(x.Request, at) {
			return at
		}
	}
	return s.Base + "/"
}

// opens reports whether a GET of an address has a route that is for people.
func (s *Site) opens(r *http.Request, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, pattern := s.mux.Handler(&http.Request{Method: http.MethodGet, URL: u, Host: r.Host})
	below, ok := strings.CutPrefix(pattern, http.MethodGet+" "+s.Base)
	return ok && !slices.Contains(s.Hidden, below)
}

// pathOf returns path and query of a URL of ours.
func pathOf(referer string) string {
	_, rest, ok := strings.Cut(referer, "://")
	if !ok {
		return ""
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// Policy states for every answer what a browser may do with it.
type Policy struct {
	Content     string // Content-Security-Policy
	Referrer    string // Referrer-Policy
	Permissions string // Permissions-Policy
}

// Wrap returns next with the policy's headers on each of its answers.
func (p Policy) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", p.Content)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", p.Referrer)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", p.Permissions)
		h.Set("Cache-Control", "no-store") // pages hold codes and names
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
