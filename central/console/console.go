// Package console is the frame of the central office's pages: who may open which
// page, layout, languages, headers, and live pings to open pages.
//
// A page lives in a folder of its own and exports its routes; the frame knows
// none of them. Every page works without JavaScript: htmx only refreshes parts
// of it. There is no inline script or style, so a strict Content-Security-Policy
// holds whatever text a holder's name brings along.
package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"turnstile/central/requestlog"
	"turnstile/central/rights"
)

// Base is the path under which all pages stand; Route patterns are below it.
const Base = "/office"

// The frame's own routes, below Base, that programs ask rather than people.
const (
	StaticPattern = "/static/{name}" // style sheets and scripts
	LivePattern   = "/live"          // the stream of server-sent events
)

// MaxBody bounds a request's body in bytes, unless its Route says otherwise.
const MaxBody = 64 << 10

// Recent is how long ago a person may have proved who they are for a Route that
// asks for it.
const Recent = 5 * time.Minute

// Principal is the person who is signed in.
type Principal struct {
	Name        string // account name, unique
	Roles       []rights.Role
	Permissions rights.Set
	Lang        string    // "en", "zh-Hant", or "" for the browser's wish
	Proved      time.Time // last sign-in or step-up of this session
}

// Auth tells who is signed in. Wrap loads and saves the session around a request;
// Principal is called inside of it.
type Auth interface {
	Wrap(http.Handler) http.Handler
	Principal(*http.Request) (Principal, bool)
}

// Route is one page or deed.
type Route struct {
	Method  string            // GET or POST
	Pattern string            // below Base, as in http.ServeMux: "/passes/{day}/{index}"
	Need    rights.Permission // "": every person who is signed in
	Public  bool              // needs no session; Need is ignored
	Recent  bool              // the sign-in must be younger than Recent
	Within  time.Duration     // Recent with another bound: of a form that takes a while to fill in
	MaxBody int64             // bytes; 0: MaxBody
	Slow    bool              // a stream or an upload: no write deadline
	Handle  func(*Request) error
}

// Nav is an entry of the menu, shown to who has Need.
type Nav struct {
	Path string // below Base
	Text string // in English, translated by the frame's words
	Need rights.Permission
}

// Options are what the frame needs. Zero fields have the defaults named.
type Options struct {
	Auth    Auth
	Routes  []Route
	Nav     []Nav
	Live    map[string]Version // topics of live pings, see Live
	Site    string
	Version string
	Zone    *time.Location   // campus clock; nil: UTC
	Log     *slog.Logger     // nil: slog.Default()
	Now     func() time.Time // nil: time.Now
}

// Console serves the pages.
type Console struct {
	options Options
	hub     *hub
	files   *assets
	frame   *Templates
	mux     *http.ServeMux
	handler http.Handler
}

// New returns a console of the routes. Run must run while it serves.
func New(o Options) (*Console, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	files, err := readAssets()
	if err != nil {
		return nil, err
	}
	c := &Console{options: o, hub: newHub(o.Live, o.Log), files: files, frame: frameTemplates()}
	mux := http.NewServeMux()
	for _, r := range c.Routes() {
		mux.Handle(r.Method+" "+Base+r.Pattern, c.route(r))
	}
	lost := c.route(Route{Public: true, Handle: func(r *Request) error { return r.missing() }})
	mux.Handle(Base+"/", lost)
	c.mux = mux
	c.handler = withHeaders(http.NewCrossOriginProtection().Handler(o.Auth.Wrap(mux)))
	return c, nil
}

// ServeHTTP answers requests below Base.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Run watches what live pages show, until ctx ends.
func (c *Console) Run(ctx context.Context) error { return c.hub.run(ctx) }

// Routes lists every route, the frame's own included: what a test of rights goes
// through.
func (c *Console) Routes() []Route {
	own := []Route{
		{Method: http.MethodGet, Pattern: "/{$}", Handle: c.home},
		{Method: http.MethodGet, Pattern: StaticPattern, Public: true, Handle: c.static},
		{Method: http.MethodGet, Pattern: LivePattern, Slow: true, Handle: c.live},
		{Method: http.MethodPost, Pattern: "/language", Public: true, Handle: c.language},
	}
	return append(own, c.options.Routes...)
}

// route wraps a handler with what all have in common.
func (c *Console) route(o Route) http.Handler {
	limit := o.MaxBody
	if limit == 0 {
		limit = MaxBody
	}
	return http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.Slow {
			// The listener's deadlines are for pages; a stream sets its own.
			http.NewResponseController(w).SetWriteDeadline(time.Time{})
			http.NewResponseController(w).SetReadDeadline(time.Time{})
		}
		req := &Request{Request: r, Writer: w, console: c}
		if o.Pattern != "" {
			requestlog.Route(r.Context(), Base+o.Pattern)
		}
		var known bool
		if req.Who, known = c.options.Auth.Principal(r); known {
			requestlog.Actor(r.Context(), req.By())
		}
		err := c.admit(req, o, known)
		if err == nil {
			err = req.readForm()
		}
		if err == nil {
			err = o.Handle(req)
		}
		if err != nil {
			req.fail(err)
		}
	}), limit)
}

// What stands between a person and a page.
var (
	errSignIn = errors.New("not signed in")
	errAgain  = errors.New("the sign-in is not recent")
	errRight  = errors.New("not permitted")
)

func (c *Console) admit(r *Request, o Route, known bool) error {
	switch {
	case o.Public:
		return nil
	case !known:
		return errSignIn
	case o.Need != "" && !r.Who.Permissions.Has(o.Need):
		return fmt.Errorf("%w: %s", errRight, o.Need)
	case c.options.Now().Sub(r.Who.Proved) > o.proof():
		return errAgain
	}
	return nil
}

// proof is how old the sign-in may be.
func (o *Route) proof() time.Duration {
	switch {
	case o.Within != 0:
		return o.Within
	case o.Recent:
		return Recent
	}
	return math.MaxInt64
}

// home leads to the first page that the person may open.
func (c *Console) home(r *Request) error {
	for _, n := range c.options.Nav {
		if n.Need == "" || r.Who.Permissions.Has(n.Need) {
			return r.Redirect(n.Path)
		}
	}
	return fmt.Errorf("%w: no page at all", errRight)
}

// language remembers the wish of this browser.
func (c *Console) language(r *Request) error {
	to := r.PostFormValue("to")
	if to != string(English) && to != string(Chinese) {
		return r.Wrong("There are English and Traditional Chinese.")
	}
	http.SetCookie(r.Writer, &http.Cookie{Name: languageCookie, Value: to, Path: Base, MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return r.Redirect(Local(r.PostFormValue("back"), "/"))
}

// nearest returns the path below which a page stands that a GET opens: where the
// person came from, else the first one above the path of a deed.
func (c *Console) nearest(r *Request) string {
	if from := Local(pathOf(r.Referer()), ""); from != "" && c.opens(r.Request, Base+from) {
		return Base + from
	}
	for at := r.URL.Path; len(at) > len(Base); at = at[:strings.LastIndexByte(at, '/')] {
		if c.opens(r.Request, at) {
			return at
		}
	}
	return Base + "/"
}

// opens reports whether a GET of an address has a route that is for people.
func (c *Console) opens(r *http.Request, address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	_, pattern := c.mux.Handler(&http.Request{Method: http.MethodGet, URL: u, Host: r.Host})
	get := http.MethodGet + " " + Base
	return strings.HasPrefix(pattern, get) && pattern != get+LivePattern && pattern != get+StaticPattern
}

// Local returns path if it is one of this console's own below Base, else
// otherwise: nobody is sent to a foreign site after a sign-in.
func Local(path, otherwise string) string {
	below, ok := strings.CutPrefix(path, Base)
	u, err := url.Parse(below)
	if !ok || err != nil || !strings.HasPrefix(below, "/") || strings.HasPrefix(below, "//") || strings.ContainsAny(below, "\\\r\n") || u.Host != "" || u.Scheme != "" {
		return otherwise
	}
	return below
}

// withHeaders states for every answer what a browser may do with it.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		// data: pictures are the arrows and ticks in Pico's style sheet.
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=()")
		h.Set("Cache-Control", "no-store") // pages hold codes and names
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
