// Package portal is the frame of the holders' pages: who is signed in, layout,
// languages, headers, and what makes a phone keep them: manifest and service
// worker.
//
// A page lives in a folder of its own and exports its routes; the frame knows none
// of them. The portal has an origin of its own, so that nothing in it can act on
// the console. Every page works without JavaScript, except where a phone has to
// work without a network.
package portal

import (
	"embed"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/page"
	"turnstile/central/requestlog"
)

// MaxBody bounds a request's body in bytes, unless its Route says otherwise.
const MaxBody = page.MaxBody

// Recent is how long ago a holder may have proved who they are for a Route that
// asks for it.
const Recent = 5 * time.Minute

// The frame's own routes that programs ask rather than people.
const (
	StaticPattern   = page.StaticPattern      // style sheets, scripts and pictures
	WorkerPattern   = "/sw.js"                // the service worker
	ManifestPattern = "/manifest.webmanifest" // of the home-screen app
)

// Holder is who is signed in.
type Holder struct {
	Person  string    // the register's id
	Name    string    // to show
	Lang    string    // "en", "zh-Hant", or "" for the browser's wish
	Proved  time.Time // last sign-in of this session
	Session string    // names the session, and is no secret
}

// Auth tells who is signed in. Wrap loads and saves the session around a request;
// Holder is called inside of it.
type Auth interface {
	Wrap(http.Handler) http.Handler
	Holder(*http.Request) (Holder, bool)
}

// Route is one page or deed.
type Route struct {
	Method  string // GET or POST
	Pattern string // as in http.ServeMux: "/guests/{number}"
	Public  bool   // needs no session
	Recent  bool   // the sign-in must be younger than Recent
	MaxBody int64  // bytes; 0: MaxBody
	Slow    bool   // an upload: no deadlines of the listener's
	Hidden  bool   // for programs: nobody is led to it
	Foreign bool   // another site's page may send it, as a sign-in provider's does; it proves by itself that it was asked for
	Handle  func(*Request) error
}

// Nav is an entry of the menu.
type Nav struct {
	Path string
	Text string // in English, translated by the frame's words
	Icon string // the d of a path, 24 by 24
}

// Options are what the frame needs. Zero fields have the defaults named.
type Options struct {
	Auth    Auth
	Routes  []Route
	Nav     []Nav
	Site    string // of the campus, as holders call it
	Office  string // who helps, and how to reach them; may be empty
	Version string
	Frames  []string         // origins that may show the pages in a frame; for a demo alone
	Zone    *time.Location   // campus clock; nil: UTC
	Log     *slog.Logger     // nil: slog.Default()
	Now     func() time.Time // nil: time.Now
}

//go:embed static/*.js static/*.css static/*.svg static/*.png
var static embed.FS

// Portal serves the pages.
type Portal struct {
	options Options
	files   *page.Assets
	worker  []byte
	handler http.Handler
}

// New returns a portal of the routes.
func New(o Options) (*Portal, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	files, err := page.ReadAssets("", static, "static/*")
	if err != nil {
		return nil, err
	}
	// A library that is vendored unchanged hands its functions out by exports.
	files.Add("qr.js", slices.Concat([]byte("(function () {\nconst exports = {};\n"), files.Data("lean-qr.js"), []byte("\n"), files.Data("draw.js"), []byte("})();\n")))
	p := &Portal{options: o, files: files}
	if p.worker, err = workerFor(files); err != nil {
		return nil, err
	}
	site := &page.Site{
		Cookie: "portal", Name: o.Site, Version: o.Version, Frame: frame, Files: files, Zone: o.Zone, Log: o.Log, Now: o.Now, Broken: broken,
	}
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(site.Handler(p.serve(Route{Public: true, Handle: foreign})))
	for _, r := range p.Routes() {
		if r.Foreign {
			origins.AddInsecureBypassPattern(r.Method + " " + r.Pattern)
		}
		if r.Hidden {
			site.Hidden = append(site.Hidden, r.Pattern)
		}
		site.Mount(r.Method, r.Pattern, page.Limits{MaxBody: r.MaxBody, Slow: r.Slow}, p.serve(r))
	}
	site.Otherwise(p.serve(Route{Public: true, Handle: func(r *Request) error { return r.Missing() }}))
	p.handler = policy(o.Frames).Wrap(origins.Handler(o.Auth.Wrap(site)))
	return p, nil
}

// policy is what a browser may do with a page. A guest's link has its secret in the
// fragment, which no referrer has; the pages give none away at all.
func policy(frames []string) page.Policy {
	ancestors := "'none'"
	if len(frames) > 0 {
		ancestors = strings.Join(frames, " ")
	}
	return page.Policy{
		Content: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors " + ancestors,
		Referrer:    "no-referrer",
		Permissions: "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), screen-wake-lock=(self)",
	}
}

// ServeHTTP answers requests.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Routes lists every route, the frame's own included: what a test of ownership goes
// through.
func (p *Portal) Routes() []Route {
	own := []Route{
		{Method: http.MethodGet, Pattern: "/{$}", Public: true, Handle: p.home},
		{Method: http.MethodGet, Pattern: StaticPattern, Public: true, Hidden: true, Handle: func(r *Request) error { return page.ServeAsset(r.Exchange) }},
		{Method: http.MethodGet, Pattern: WorkerPattern, Public: true, Hidden: true, Handle: p.serveWorker},
		{Method: http.MethodGet, Pattern: ManifestPattern, Public: true, Hidden: true, Handle: p.manifest},
		{Method: http.MethodGet, Pattern: "/offline", Public: true, Hidden: true, Handle: func(r *Request) error { return r.Page(frame.Own(), "offline.html", "No network", nil) }},
		{Method: http.MethodGet, Pattern: "/install", Public: true, Handle: install},
		{Method: http.MethodPost, Pattern: "/language", Public: true, Handle: func(r *Request) error { return page.SwitchLanguage(r.Exchange) }},
	}
	return append(own, p.options.Routes...)
}

// serve puts the portal's policy around a route.
func (p *Portal) serve(o Route) func(*page.Exchange) error {
	return func(x *page.Exchange) error {
		req := &Request{Exchange: x, portal: p}
		var known bool
		if req.Who, known = p.options.Auth.Holder(x.Request); known {
			requestlog.Actor(x.Context(), "holder")
		}
		x.Prefer(req.Who.Lang)
		x.Dress(func(v *page.View) any { return &View{v, req.Who, p} })
		if err := p.admit(o, &req.Who, known); err != nil {
			return err
		}
		if err := x.ReadForm(); err != nil {
			return err
		}
		if !isText(x.Form) {
			return x.Wrong("This form has characters that are no text. Go back and type it again.")
		}
		return o.Handle(req)
	}
}

// isText reports whether all of a form is text that a database takes: browsers send
// nothing else.
func isText(form url.Values) bool {
	none := func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }
	for name, values := range form {
		if none(name) || slices.ContainsFunc(values, none) {
			return false
		}
	}
	return true
}

func (p *Portal) admit(o Route, who *Holder, known bool) error {
	switch {
	case o.Public:
		return nil
	case !known:
		return page.ErrSignIn
	case o.Recent && p.options.Now().Sub(who.Proved) > Recent:
		return page.ErrAgain
	}
	return nil
}

// foreign refuses a form that another site's page sent.
func foreign(r *Request) error {
	return &page.Problem{Status: http.StatusForbidden, Detail: r.T("Another site's page sent this, so nothing was done. Begin from the pages here.")}
}

// install says how to put the app on the home screen, first on this kind of phone.
func install(r *Request) error {
	agent := r.UserAgent()
	return r.Page(frame.Own(), "install.html", "On the home screen", strings.Contains(agent, "iPhone") || strings.Contains(agent, "iPad"))
}

// home leads to the first page of the menu.
func (p *Portal) home(r *Request) error {
	if len(p.options.Nav) == 0 {
		return r.Missing()
	}
	return r.Redirect(p.options.Nav[0].Path)
}

// Local returns path if it is one of the portal's own, else otherwise: nobody is
// sent to a foreign site after a sign-in.
func Local(path, otherwise string) string { return page.Local("", path, otherwise) }

// SignInPath is where the sign-in page stands; back is a whole path.
func SignInPath(back string, again bool) string { return page.SignInPath(back, again) }

// Forget tells the browser to drop all that it keeps of the portal: codes, pages and
// the service worker. A sign-out says it.
func (r *Request) Forget() { r.Writer.Header().Set("Clear-Site-Data", `"cache", "storage"`) }

// Request is a request of a holder for a page or a deed.
type Request struct {
	*page.Exchange
	Who Holder // zero on a public route without a session

	portal *Portal
}

// By names the holder for the audit.
func (r *Request) By() string { return By(r.Who.Person) }

// By names a holder for the audit, by the register's id.
func By(person string) string { return "holder:" + person }

// JSON answers a script of the portal's own.
func (r *Request) JSON(status int, value any) error {
	data, err := encode(value)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	r.Writer.Header().Set("Content-Type", "application/json")
	r.Writer.WriteHeader(status)
	r.Writer.Write(data) // a browser that went away is no fault of ours
	return nil
}
