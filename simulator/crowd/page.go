package crowd

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"

	"turnstile/simulator/web"
)

//go:embed page static
var files embed.FS

// Path is where the page is.
const Path = "/crowd/"

// Page is the page of a day, for web.Options.
func (l *Live) Page() web.Page {
	return web.Page{Path: Path, Name: "Crowd", Open: func(f *web.Frame) (http.Handler, error) { return newPage(f, l, l.Log) }}
}

// partNames are the parts of the page that change.
var partNames = []string{"pause", "paces", "top", "flow", "hours", "queues", "refused", "zones", "tally"}

// shown is a picture with what the page needs beside it.
type shown struct {
	*Picture
	templates *template.Template
}

// Paces are what can be chosen.
func (shown) Paces() []float64 { return Paces() }

// Through are all passages.
func (s shown) Through() int {
	in, out := s.Passed()
	return in + out
}

// Percent is the share of those who were let through.
func (s shown) Percent() string {
	all := s.Through() + s.Denied()
	if all == 0 {
		return "none"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(s.Through())/float64(all))
}

// Standing is how many people wait at all lanes.
func (s shown) Standing() (n int) {
	for _, q := range s.Queues {
		n += q.Length
	}
	return n
}

// Names are the parts.
func (shown) Names() []string { return partNames }

// Part writes one part.
func (s shown) Part(name string) (template.HTML, error) {
	if name == "flow" {
		return s.Flow(), nil
	}
	return s.write(name)
}

func (s shown) write(name string) (template.HTML, error) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, s); err != nil {
		return "", fmt.Errorf("write %s of the crowd: %w", name, err)
	}
	return template.HTML(b.String()), nil
}

// page serves the day.
type page struct {
	frame     *web.Frame
	live      *Live
	templates *template.Template
	log       *slog.Logger
}

func newPage(f *web.Frame, l *Live, log *slog.Logger) (http.Handler, error) {
	t, err := template.ParseFS(files, "page/crowd.html")
	if err != nil {
		return nil, fmt.Errorf("parse crowd: %w", err)
	}
	static, err := fs.Sub(files, "static")
	if err != nil {
		return nil, fmt.Errorf("open crowd's files: %w", err)
	}
	p := &page{f, l, t, log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"{$}", p.whole)
	mux.HandleFunc("GET "+Path+"parts", p.parts)
	mux.HandleFunc("POST "+Path+"do", p.do)
	mux.Handle("GET "+Path+"static/", http.StripPrefix(Path+"static/", http.FileServerFS(static)))
	return mux, nil
}

func (p *page) shown() shown { return shown{p.live.Picture(), p.templates} }

func (p *page) whole(w http.ResponseWriter, _ *http.Request) {
	main, err := p.shown().write("page")
	if err == nil {
		err = p.frame.Write(w, web.Content{Title: "Crowd", Path: Path, Main: main, Wide: true, Scripts: []string{Path + "static/crowd.js"}, Styles: []string{Path + "static/crowd.css"}})
	}
	if err != nil {
		p.log.Warn("crowd's page", "error", err)
	}
}

func (p *page) parts(w http.ResponseWriter, _ *http.Request) {
	all, err := p.shown().write("parts")
	if err != nil {
		p.log.Warn("crowd's parts", "error", err)
		http.Error(w, "the crowd cannot be drawn; look at what the simulator printed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte(all)) // a browser that went away is no fault of ours
}

// maxForm bounds what a button sends, in bytes.
const maxForm = 1 << 10

// do does what a button asks for: do=pause, go or lecture, or pace=2. A script is told
// in words; a browser without one comes back to the page.
func (p *page) do(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the page sent something that is no button", http.StatusBadRequest)
		return
	}
	said, ok := p.button(r.PostForm.Get("do"), r.PostForm.Get("pace"))
	switch {
	case !ok:
		http.Error(w, said, http.StatusUnprocessableEntity)
	case r.Header.Get("Accept") == "text/plain":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, said)
	default:
		http.Redirect(w, r, Path, http.StatusSeeOther)
	}
}

func (p *page) button(do, pace string) (said string, ok bool) {
	switch {
	case do == "pause":
		p.live.Pause(true)
		return "The day is paused.", true
	case do == "go":
		p.live.Pause(false)
		return "The day goes on.", true
	case do == "lecture":
		return fmt.Sprintf("A lecture ends: %d people leave.", p.live.EndLecture()), true
	case pace != "":
		x, err := strconv.ParseFloat(pace, 64)
		if err == nil {
			err = p.live.SetPace(x)
		}
		if err != nil {
			return fmt.Sprintf("%q is no pace; take one of %v", pace, Paces()), false
		}
		return fmt.Sprintf("The day goes at pace %v.", x), true
	}
	return "There is no such button.", false
}
