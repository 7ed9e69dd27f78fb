package drill

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/web"
)

//go:embed pages static
var assets embed.FS

// Path is where the pages are.
const Path = "/drills/"

// maxOrder bounds what a page sends, in bytes.
const maxOrder = 8 << 10

// Pages returns the pages of a trainer, to be shown in the simulator's frame.
func Pages(t *Trainer) web.Page {
	return web.Page{Path: Path, Name: "Drills", Open: func(f *web.Frame) (http.Handler, error) { return newPages(f, t) }}
}

// pages are the list, each drill, the certificate, and what their scripts speak to.
type pages struct {
	frame   *web.Frame
	trainer *Trainer
	sheets  *template.Template
	log     *slog.Logger
}

func newPages(f *web.Frame, t *Trainer) (http.Handler, error) {
	sheets, err := template.New("").Funcs(template.FuncMap{"span": span, "add": func(a, b int) int { return a + b }}).ParseFS(assets, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	static, err := fs.Sub(assets, "static")
	if err != nil {
		return nil, fmt.Errorf("open static files: %w", err)
	}
	p := &pages{f, t, sheets, t.log}
	mux := http.NewServeMux()
	mux.Handle("GET /drills/static/", http.StripPrefix("/drills/static/", http.FileServerFS(static)))
	mux.HandleFunc("GET /drills/{$}", p.list)
	mux.HandleFunc("GET /drills/{name}", p.drill)
	mux.HandleFunc("GET /drills/certificate", p.certificate)
	mux.HandleFunc("GET /drills/history", p.history)
	mux.HandleFunc("GET /drills/state", p.state)
	mux.HandleFunc("GET /drills/events", p.events)
	mux.HandleFunc("POST /drills/do/{what}", p.do)
	return mux, nil
}

// span is a time in words.
func span(d time.Duration) string {
	minutes, seconds := int(d.Minutes()), int(d.Seconds())%60
	switch {
	case minutes == 0:
		return fmt.Sprintf("%d s", seconds)
	case seconds == 0:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d min %d s", minutes, seconds)
}

// write writes one of the sheets into the frame.
func (p *pages) write(w http.ResponseWriter, status int, sheet, title, script string, wide bool, data any) {
	var b bytes.Buffer
	if err := p.sheets.ExecuteTemplate(&b, sheet, data); err != nil {
		p.log.Warn("write drill page", "page", sheet, "error", err)
		http.Error(w, "the page cannot be written; look at what the simulator printed", http.StatusInternalServerError)
		return
	}
	c := web.Content{Title: title, Path: Path, Main: template.HTML(b.String()), Styles: []string{"/drills/static/drill.css"}, Wide: wide}
	if script != "" {
		c.Scripts = []string{"/drills/static/" + script}
	}
	if status != http.StatusOK {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
	}
	if err := p.frame.Write(w, c); err != nil {
		p.log.Info("send drill page", "page", sheet, "error", err)
	}
}

func (p *pages) list(w http.ResponseWriter, _ *http.Request) {
	p.write(w, http.StatusOK, "list.html", "Drills", "list.js", false, p.trainer.Drills())
}

func (p *pages) drill(w http.ResponseWriter, r *http.Request) {
	d := p.trainer.Drill(r.PathValue("name"))
	if d == nil {
		p.write(w, http.StatusNotFound, "none.html", "No such drill", "", false, "There is no such drill.")
		return
	}
	p.write(w, http.StatusOK, "drill.html", d.Title, "drill.js", true, struct {
		*Drill
		Mistake, Late, Longer int
	}{d, MistakeCosts, LateCosts, unhurriedBy})
}

// certificate shows who has passed; the name is typed into the page and stays there.
func (p *pages) certificate(w http.ResponseWriter, r *http.Request) {
	result, err := p.trainer.Result(r.URL.Query().Get("run"))
	switch {
	case err != nil:
		p.write(w, http.StatusNotFound, "none.html", "No such result", "", false, "This result is not kept any more. Do the drill again, and print the certificate then.")
	case !result.Passed:
		p.write(w, http.StatusForbidden, "none.html", "No certificate", "", false,
			fmt.Sprintf("There is no certificate for %d %%: the drill “%s” is passed with %d %%. Do it again: it takes some minutes.", result.Percent, result.Title, result.Pass))
	default:
		p.write(w, http.StatusOK, "certificate.html", "Certificate", "certificate.js", false, result)
	}
}

// history is what happened on the campus before a drill was stopped, as a file.
func (p *pages) history(w http.ResponseWriter, r *http.Request) {
	v, err := p.trainer.State(r.URL.Query().Get("run"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="drill-history.txt"`)
	fmt.Fprintf(w, "drill %s, situation %d: %s\n\n%s\n", v.Drill, v.At, v.Stopped, strings.Join(v.History, "\n")) // the browser may have gone
}

func (p *pages) state(w http.ResponseWriter, r *http.Request) {
	v, err := p.trainer.State(r.URL.Query().Get("run"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // the browser may have gone
}

// How soon a browser that nobody tells anything is noticed to have gone.
const (
	heartbeat  = 10 * time.Second
	writeLimit = 5 * time.Second
)

// events sends the State at each change, as long as the page is open and the drill on.
func (p *pages) events(w http.ResponseWriter, r *http.Request) {
	run := r.URL.Query().Get("run")
	leave, err := p.trainer.Attend(run)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		changed := p.trainer.Changed() // before the State, so that no change is missed
		v, err := p.trainer.State(run)
		if err != nil || send(w, out, v) != nil {
			return // the drill is over for this page, or the browser has gone
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-beat.C:
		}
	}
}

func send(w http.ResponseWriter, out *http.ResponseController, v State) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	if err := out.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set write deadline: %w", err)
	}
	if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil {
		return fmt.Errorf("send state: %w", err)
	}
	return out.Flush()
}

// order is what a page sends; each deed uses some of it.
type order struct {
	Run       string `json:"run"`
	Drill     string `json:"drill"`
	Unhurried bool   `json:"unhurried"`
	Choice    int    `json:"choice"`
	Line      string `json:"line"`
}

// answer is what became of it.
type answer struct {
	OK    bool   `json:"ok"`
	Busy  bool   `json:"busy"`  // another drill is under way
	Error string `json:"error"` // for a person
	Run   string `json:"run"`   // of start
}

func (p *pages) do(w http.ResponseWriter, r *http.Request) {
	var o order
	a := answer{}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder)).Decode(&o)
	if err != nil {
		err = &campus.Refusal{What: "the page sent something that is no order; load it again"}
	} else {
		a.Run, err = p.order(r.PathValue("what"), &o)
	}
	if a.OK = err == nil; !a.OK {
		a.Error = err.Error()
		_, a.Busy = errors.AsType[*BusyError](err)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(a) // the browser may have gone
}

func (p *pages) order(what string, o *order) (run string, err error) {
	t := p.trainer
	switch what {
	case "start":
		return t.Start(o.Drill, o.Unhurried)
	case "answer":
		return o.Run, t.Answer(o.Run, o.Choice)
	case "act":
		return o.Run, t.Act(o.Run, o.Line)
	case "help":
		return o.Run, t.Help(o.Run)
	case "next":
		return o.Run, t.Next(o.Run)
	case "quit":
		return "", t.Quit(o.Run)
	}
	return "", &campus.Refusal{What: "there is no such deed; load the page again"}
}
