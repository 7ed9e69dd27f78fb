package console

import (
	"embed"
	"io/fs"
	"net/http"

	"turnstile/central/page"
)

//go:embed layout/*.html
var layout embed.FS

// frame is the layout of the console's pages.
var frame = page.MustFrame(layout, frameWords, refusalWords)

// What pages are made of.
type (
	// Templates are the pages of one package and their words in Chinese.
	Templates = page.Templates
	// Stream is a page that is shown while it is made.
	Stream = page.Stream
)

// MustParse parses the templates of an embedded folder. It panics on a template
// that does not parse, as it is part of the program.
func MustParse(files fs.FS, words Words) *Templates { return frame.MustParse(files, words) }

// Request is a request of a person for a page or a deed.
type Request struct {
	*page.Exchange
	Who Principal // zero on a public route without a session

	console *Console
}

// By names the person for the audit.
func (r *Request) By() string { return "user:" + r.Who.Name }

// forbidden is the answer to who has not the right.
func (r *Request) forbidden() error {
	return &page.Problem{Status: http.StatusForbidden, Detail: r.T("Your role does not allow this. An admin can give you another one under People.")}
}

// View is what a template sees: that of its page, and the person with their menu.
type View struct {
	*page.View
	Who     Principal
	console *Console
}

// With is a View of another value, for a template that is called for a part:
// {{template "row" ($.With .)}}.
func (v *View) With(data any) *View { return &View{v.View.With(data), v.Who, v.console} }

// May reports whether the person has a permission, so that nobody is shown a
// button that refuses.
func (v *View) May(permission string) bool {
	for _, p := range v.Who.Permissions {
		if string(p) == permission {
			return true
		}
	}
	return false
}

// Menu lists the entries that the person may open.
func (v *View) Menu() []Nav {
	var list []Nav
	for _, n := range v.console.options.Nav {
		if v.Who.Name != "" && (n.Need == "" || v.Who.Permissions.Has(n.Need)) {
			list = append(list, n)
		}
	}
	return list
}
