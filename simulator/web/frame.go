package web

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
)

// Frame is what all pages have in common: head, navigation, styles.
type Frame struct {
	layout *template.Template
	links  []link
}

type link struct{ Path, Name string }

// home is the page with the gates.
const home = "/"

func newFrame(more []Page) (*Frame, error) {
	t, err := template.ParseFS(files, "pages/frame.html")
	if err != nil {
		return nil, fmt.Errorf("parse frame: %w", err)
	}
	f := &Frame{layout: t, links: []link{{home, "Gates"}}}
	for _, p := range more {
		f.links = append(f.links, link{p.Path, p.Name})
	}
	return f, nil
}

// Content is one page's part of a document.
type Content struct {
	Title   string
	Path    string        // of the Page, as in Page.Path: it is marked in the navigation
	Main    template.HTML // what stands in <main>; its first heading is an h1
	Scripts []string      // paths of module scripts of this server
	Styles  []string      // paths of further style sheets of this server
	Wide    bool          // over the whole width of the window
}

// Write writes a whole document. An error is one of the connection.
func (f *Frame) Write(w http.ResponseWriter, p Content) error {
	var b bytes.Buffer
	err := f.layout.ExecuteTemplate(&b, "frame.html", struct {
		Content
		Links []link
	}{p, f.links})
	if err != nil {
		return fmt.Errorf("write page %q: %w", p.Title, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("send page %q: %w", p.Title, err)
	}
	return nil
}
