// Package web is the simulator's pages: one campus to look at and to act on in a browser.
//
// Whatever a page does is a line of package campus's acts, and whatever it shows is
// campus.View. Other packages add pages of their own (Page) in the same Frame:
//
//	handler, err := web.New(k, web.Options{Pages: []web.Page{{Path: "/drills/", Name: "Drills",
//		Open: func(f *web.Frame) (http.Handler, error) { return drill.New(f, k) }}}})
//
// A page writes itself with Frame.Write and takes part by modules of its scripts, which
// any page may import:
//
//	import { watch, act } from '/static/live.js';
//	import { drawLane } from '/static/lane.js';
//	watch(view => view.lanes.forEach(lane => drawLane(boxes[lane.id], lane, view)));  // at each change
//	const { ok, error } = await act('scan north student');               // error: for a person, '' if ok
//
// Live serves what these two speak to: "events", "do", "picture", "symbol" and "verbs".
// New has it at "/live/" for its own campus; a package with a campus of its own mounts
// another one, at a path that ends in a slash, and names that path: watch(draw, {live:
// '/drills/live/'}), act(line, '/drills/live/'). Styles are in /static/frame.css (colours
// are custom properties, light and dark) and /static/lane.css, which every page has.
//
// Pages have no password: New's handler answers this machine alone, and takes no deed
// from a page of somebody else.
package web

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"

	"turnstile/simulator/campus"
)

//go:embed static pages
var files embed.FS

// Campus is what the pages act on and look at; *campus.Campus is one.
type Campus interface {
	Do(ctx context.Context, a campus.Act) error
	View() campus.View
	Changed() <-chan struct{}
	Symbol(ctx context.Context, name string) ([]byte, error)
	ScanPicture(ctx context.Context, lane string, picture []byte) error
}

// Recorder writes down what is done, as a scenario.
type Recorder interface {
	Start()
	Stop() (scenario string) // "": nothing was being recorded
	Recording() bool
}

// Options are what the pages can do without.
type Options struct {
	Pages    []Page
	Recorder Recorder        // nil: nothing can be recorded
	Office   string          // address of central's console; "": View's
	Holders  *campus.Holders // whom one can be on a phone beside the lanes; nil: nobody
	Log      *slog.Logger    // nil: thrown away
}

// Page is a further page of the simulator, or a folder of pages.
type Page struct {
	Path string // such as "/drills/": all below it is the page's
	Name string // stands in the navigation
	Open func(*Frame) (http.Handler, error)
}

// New returns the handler of all pages.
func New(c Campus, o Options) (http.Handler, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	frame, err := newFrame(o.Pages)
	if err != nil {
		return nil, err
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, fmt.Errorf("open static files: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.Handle("/live/", http.StripPrefix("/live", Live(c, o.Log)))
	for _, p := range o.Pages {
		h, err := p.Open(frame)
		if err != nil {
			return nil, fmt.Errorf("open page %s: %w", p.Name, err)
		}
		mux.Handle(p.Path, h)
	}
	if err := addGates(mux, frame, c, o); err != nil {
		return nil, err
	}
	portal := ""
	if o.Holders != nil {
		portal = o.Holders.Portal
	}
	return secure(onlyHere(onlyOwn(http.NewCrossOriginProtection().Handler(mux))), portal), nil
}
