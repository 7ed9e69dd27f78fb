// Package console is the frame of the central office's pages: who may open which
// page, layout, menu, and live pings to open pages.
//
// A page lives in a folder of its own and exports its routes; the frame knows
// none of them. Every page works without JavaScript: htmx only refreshes parts
// of it. There is no inline script or style, so a strict Content-Security-Policy
// holds whatever text a holder's name brings along.
package console

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"turnstile/central/page"
	"turnstile/central/requestlog"
	"turnstile/central/rights"
)

// Base is the path under which all pages stand; Route patterns are below it.
const Base = "/office"

// The frame's own routes, below Base, that programs ask rather than people.
const (
	StaticPattern = page.StaticPattern // style sheets and scripts
	LivePattern   = "/live"            // the stream of server-sent events
)

// MaxBody bounds a request's body in bytes, unless its Route says otherwise.
const MaxBody = page.MaxBody

// Recent is how long ago a person may have proved who they are for a Route that
// asks for it.
const Recent = 5 * time.Minute

//go:embed static/*.js static/*.css
var static embed.FS

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
	files, err := page.ReadAssets(Base, static, "static/*")
	if err != nil {
		return nil, err
	}
	c := &Console{options: o, hub: newHub(o.Live, o.Log)}
	site := &page.Site{
		Base: Base, Cookie: "turnstile", Name: o.Site, Version: o.Version, Frame: frame, Files: files, Zone: o.Zone, Log: o.Log, Now: o.Now,
		Broken: "Central could not do this; its log has the cause.", Hidden: []string{LivePattern, StaticPattern},
	}
	for _, r := range c.Routes() {
		site.Mount(r.Method, r.Pattern, page.Limits{MaxBody: r.MaxBody, Slow: r.Slow}, c.serve(r))
	}
	site.Otherwise(c.serve(Route{Public: true, Handle: func(r *Request) error { return r.Missing() }}))
	c.handler = policy.Wrap(http.NewCrossOriginProtection().Handler(o.Auth.Wrap(site)))
	return c, nil
}

// policy is what a browser may do with a page. data: pictures are the arrows and
// ticks in Pico's style sheet.
var policy = page.Policy{
	Content: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	Referrer:    "same-origin",
	Permissions: "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=()",
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
		{Method: http.MethodGet, Pattern: StaticPattern, Public: true, Handle: func(r *Request) error { return page.ServeAsset(r.Exchange) }},
		{Method: http.MethodGet, Pattern: LivePattern, Slow: true, Handle: c.live},
		{Method: http.MethodPost, Pattern: "/language", Public: true, Handle: func(r *Request) error { return page.SwitchLanguage(r.Exchange) }},
	}
	return append(own, c.options.Routes...)
}

// serve puts the console's policy around a route.
func (c *Console) serve(o Route) func(*page.Exchange) error {
	return func(x *page.Exchange) error {
		req := &Request{Exchange: x, console: c}
		var known bool
		if req.Who, known = c.options.Auth.Principal(x.Request); known {
			requestlog.Actor(x.Context(), req.By())
		}
		x.Prefer(req.Who.Lang)
		x.Dress(func(v *page.View) any { return &View{v, req.Who, c} })
		if err := c.admit(req, o, known); err != nil {
			return err
		}
		if err := x.ReadForm(); err != nil {
			return err
		}
		return o.Handle(req)
	}
}

func (c *Console) admit(r *Request, o Route, known bool) error {
	switch {
	case o.Public:
		return nil
	case !known:
		return page.ErrSignIn
	case o.Need != "" && !r.Who.Permissions.Has(o.Need):
		return r.forbidden()
	case c.options.Now().Sub(r.Who.Proved) > o.proof():
		return page.ErrAgain
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
	return fmt.Errorf("lead to a page: %w", r.forbidden())
}

// Local returns path if it is one of this console's own below Base, else
// otherwise: nobody is sent to a foreign site after a sign-in.
func Local(path, otherwise string) string { return page.Local(Base, path, otherwise) }

// SignInPath is where the sign-in page stands, below Base; back is a whole path.
func SignInPath(back string, again bool) string { return page.SignInPath(back, again) }
