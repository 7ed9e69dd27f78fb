// Package holder is the console's page that shows a guard who somebody at a gate
// is: the name and the photo of the holder of one passage, to who gives a reason,
// which is written down.
package holder

import (
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

var pages = console.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// desk serves the page.
type desk struct{ holders office.Holders }

// Routes returns the page. It is asked for with a POST, because each look is a
// deed; the picture stands inside of the answer and has no address of its own.
func Routes(h office.Holders) []console.Route {
	s := &desk{h}
	const at = "/passages/{number}/person"
	return []console.Route{
		{Method: http.MethodGet, Pattern: at, Need: rights.PhotosSee, Handle: s.ask},
		{Method: http.MethodPost, Pattern: at + "/shown", Need: rights.PhotosSee, Handle: s.look},
		// Whoever comes back to the answer is asked again.
		{Method: http.MethodGet, Pattern: at + "/shown", Need: rights.PhotosSee, Handle: s.ask},
	}
}

func say(r *console.Request, text string, args ...any) string { return r.Say(pages, text, args...) }

// page is the question why, and then who it is.
type page struct {
	Number  int64
	Path    string // of this page
	Passage string // of the passage's page
	Reasons []string
	Typed   string
	Wrong   string
	Shown   bool
	Name    string
	Guest   string
	Holder  string
	Pass    string
	Photo   template.URL // "" for none
	Taken   time.Time
	At      time.Time
	Lane    string
}

func newPage(r *console.Request) (p page, err error) {
	p.Number, err = strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || p.Number < 1 {
		return p, office.Refuse(office.ErrNotFound, "%s", say(r, "There is no such passage."))
	}
	p.Passage = console.Base + "/passages/" + strconv.FormatInt(p.Number, 10)
	p.Path = p.Passage + "/person"
	p.Reasons = []string{say(r, "The face has to be compared."), say(r, "The person asks for help."), say(r, "An alarm at this lane.")}
	return p, nil
}

func (s *desk) ask(r *console.Request) error {
	p, err := newPage(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "person.html", say(r, "Who is passage %d?", p.Number), &p)
}

func (s *desk) look(r *console.Request) error {
	p, err := newPage(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return office.Refuse(office.ErrInvalid, "%s", say(r, "Give a reason: it is written down who looked and why."))
	}
	status := http.StatusOK
	if p.Typed = strings.TrimSpace(r.PostForm.Get("reason")); p.Typed == "" {
		p.Typed = strings.TrimSpace(r.PostForm.Get("choice"))
	}
	bad := utf8.RuneCountInString(p.Typed) > 200 || strings.ContainsFunc(p.Typed, func(c rune) bool { return c < ' ' || c == 0x7f || c == utf8.RuneError })
	if p.Typed == "" || bad || len(r.PostForm["reason"]) > 1 {
		p.Wrong, status = say(r, "Give a reason: it is written down who looked and why."), http.StatusUnprocessableEntity
	} else if err := s.fill(r, &p); err != nil {
		return err
	}
	return r.PageStatus(status, pages, "person.html", say(r, "Who is passage %d?", p.Number), &p)
}

func (s *desk) fill(r *console.Request, p *page) error {
	f, err := s.holders.Look(r.Context(), r.By(), p.Number, p.Typed)
	if errors.Is(err, office.ErrNotFound) {
		return office.Refuse(office.ErrNotFound, "%s", say(r, "There is no person of this passage that central knows."))
	}
	if err != nil {
		return err
	}
	p.Shown, p.Name, p.Guest, p.Holder, p.Pass, p.Taken = true, f.Name, f.Guest, f.Pass.HolderName, f.Pass.ID().String(), f.Taken
	p.At, p.Lane = time.UnixMilli(f.Passage.Entry.Wall), f.Passage.Lane
	if len(f.JPEG) > 0 {
		p.Photo = template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(f.JPEG))
	}
	return nil
}
