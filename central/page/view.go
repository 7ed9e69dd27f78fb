package page

import (
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Frame is the layout that a surface's pages stand in, and the words that all of
// them share.
type Frame struct {
	base  *template.Template
	words []Words
	own   *Templates
}

// MustFrame parses a folder layout/ of an embedded file system: its files that
// begin with "_" define "layout" and what else every page has, and problem.html is
// the page of what went wrong. It panics on a template that does not parse, as it
// is part of the program.
func MustFrame(layout fs.FS, words ...Words) *Frame {
	base, err := template.New("").ParseFS(layout, "layout/_*.html")
	if err != nil {
		panic(fmt.Errorf("parse layout: %w", err))
	}
	f := &Frame{base: base, words: words}
	f.own = f.MustParse(layout, nil)
	return f
}

// Templates are the pages of one package and their words in Chinese.
//
// Each file of the folder that does not begin with "_" is a page: it defines
// "main", and whatever fragments it has. Files that begin with "_" are shared by
// all of them. A template gets a *View, or what its surface made of it.
type Templates struct {
	pages map[string]*template.Template
	words Words
	frame *Frame
}

// MustParse parses the templates of an embedded folder. It panics on a template
// that does not parse.
func (f *Frame) MustParse(files fs.FS, words Words) *Templates {
	t, err := f.parse(files, words)
	if err != nil {
		panic(err)
	}
	return t
}

func (f *Frame) parse(files fs.FS, words Words) (*Templates, error) {
	t := &Templates{map[string]*template.Template{}, words, f}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".html") || strings.HasPrefix(d.Name(), "_") {
			return err
		}
		set, err := f.base.Clone()
		if err != nil {
			return err
		}
		shared, err := fs.Glob(files, path.Join(path.Dir(name), "_*.html"))
		if err != nil {
			return err
		}
		t.pages[d.Name()], err = set.ParseFS(files, append(shared, name)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	return t, nil
}

// View is what a template sees: its page's Data, the request, and these methods.
type View struct {
	*Exchange
	Title string
	Flash string
	Data  any
	of    *Templates
}

// T translates an English text and fills in its arguments.
func (v *View) T(text string, args ...any) string {
	return v.of.frame.translate(v.Lang(), v.of.words, text, args)
}

// With is a View of another value, for a template that is called for a part:
// {{template "row" ($.With .)}}. A surface that dresses views has its own.
func (v *View) With(data any) *View {
	w := *v
	w.Data = data
	return &w
}

// Link returns the URL of a path below Base.
func (v *View) Link(parts ...string) string { return v.site.Base + strings.Join(parts, "") }

// Query returns a path below Base with pairs of names and values.
func (v *View) Query(path string, pairs ...string) (string, error) {
	if len(pairs)%2 != 0 {
		return "", fmt.Errorf("query of %s: a name without a value", path)
	}
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return v.site.Base + path, nil
	}
	return v.site.Base + path + "?" + q.Encode(), nil
}

// Asset returns the URL of a file that the site serves; it changes with the file.
func (v *View) Asset(name string) string { return v.site.Files.URL(name) }

// Here reports whether a menu entry is the page that is open.
func (v *View) Here(path string) bool {
	return v.URL.Path == v.site.Base+path || strings.HasPrefix(v.URL.Path, v.site.Base+path+"/")
}

// Site names the campus.
func (v *View) Site() string { return v.site.Name }

// Version names the program.
func (v *View) Version() string { return v.site.Version }

// Self is the path with its query that comes back to this page. A form that is
// shown again in the answer to a POST has none: it is where the person came from,
// else the nearest page above.
func (v *View) Self() string {
	if v.Method == http.MethodGet {
		return v.URL.RequestURI()
	}
	return v.site.nearest(v.Exchange)
}

// When returns a moment as campus date and time, "" for none.
func (v *View) When(t time.Time) string { return v.format(t, "2006-01-02 15:04:05") }

// Clock returns a moment's campus time of day.
func (v *View) Clock(t time.Time) string { return v.format(t, "15:04:05") }

// Minute returns a moment's campus date and time to the minute, "" for none.
func (v *View) Minute(t time.Time) string { return v.format(t, "2006-01-02 15:04") }

// Date returns a moment's campus date.
func (v *View) Date(t time.Time) string { return v.format(t, time.DateOnly) }

// ISO returns a moment as a machine reads it, for <time datetime>.
func (v *View) ISO(t time.Time) string { return v.format(t, time.RFC3339) }

func (v *View) format(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.In(v.Zone()).Format(layout)
}

// Own are the frame's own pages: those of its layout folder.
func (f *Frame) Own() *Templates { return f.own }
