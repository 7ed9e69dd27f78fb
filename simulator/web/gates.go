package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"net/http"

	"turnstile/simulator/campus"
)

// gates is the page with the gates.
type gates struct {
	frame  *Frame
	page   *template.Template
	campus Campus
	Options
}

// addGates adds the page with the gates.
func addGates(mux *http.ServeMux, f *Frame, c Campus, o Options) error {
	t, err := template.ParseFS(files, "pages/gates.html")
	if err != nil {
		return fmt.Errorf("parse gates: %w", err)
	}
	g := &gates{f, t, c, o}
	mux.HandleFunc("GET /{$}", g.show)
	mux.HandleFunc("POST /record/start", g.start)
	mux.HandleFunc("POST /record/stop", g.stop)
	return nil
}

func (g *gates) show(w http.ResponseWriter, _ *http.Request) {
	v := g.campus.View()
	office := g.Office
	if office == "" {
		office = v.Central.Console
	}
	var b bytes.Buffer
	err := g.page.Execute(&b, struct {
		View      campus.View
		Office    string
		Holders   *campus.Holders
		Records   bool
		Recording bool
		Presets   []preset
		Groups    []group
		Kinds     []control
		Issue     control
	}{v, office, g.Holders, g.Recorder != nil, g.Recorder != nil && g.Recorder.Recording(), presets(), switches(v.Played), holders(v.Played), issuing(v.Played)})
	if err != nil {
		g.Log.Error("write gates", "error", err)
		http.Error(w, "the page cannot be written; look at what the simulator printed", http.StatusInternalServerError)
		return
	}
	page := Content{Title: "Gates", Path: home, Main: template.HTML(b.String()), Scripts: []string{"/static/gates.js"}, Styles: []string{"/static/gates.css"}, Wide: true}
	if err := g.frame.Write(w, page); err != nil {
		g.Log.Info("send gates", "error", err)
	}
}

// holders are what can be done with a pass.
func holders(played bool) (list []control) {
	for _, v := range campus.Verbs() {
		if v.Group == campus.Passes && v.Name != "issue" {
			list = append(list, controlOf(v, played))
		}
	}
	return list
}

// issuing is how any pass is issued.
func issuing(played bool) (c control) {
	for _, v := range campus.Verbs() {
		if v.Name == "issue" {
			c = controlOf(v, played)
		}
	}
	return c
}

func (g *gates) start(w http.ResponseWriter, _ *http.Request) {
	if g.Recorder == nil {
		http.Error(w, "nothing can be recorded here", http.StatusNotFound)
		return
	}
	g.Recorder.Start()
	w.WriteHeader(http.StatusNoContent)
}

// stop answers with the scenario.
func (g *gates) stop(w http.ResponseWriter, _ *http.Request) {
	if g.Recorder == nil {
		http.Error(w, "nothing can be recorded here", http.StatusNotFound)
		return
	}
	text := g.Recorder.Stop()
	if text == "" {
		http.Error(w, "Nothing is being recorded; another window has saved it. Load this page again.", http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := io.WriteString(w, text); err != nil {
		g.Log.Info("send recording", "error", err)
	}
}
