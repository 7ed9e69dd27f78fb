// Package lanes is the console's pages about lanes: a live map by entrance, a
// wall screen for a guard room, a page for each lane controller, enrolment, and
// the deeds that open a lane or set a zone's mode.
package lanes

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

//go:embed style.css
var style []byte

var (
	pages     = console.MustParse(sub(), words)
	styleName = func() string { sum := sha256.Sum256(style); return hex.EncodeToString(sum[:8]) }()
)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err)
	}
	return f
}

// Deps is what the pages stand on.
type Deps struct {
	Lanes    office.Lanes
	Places   office.Places
	Fleet    office.Fleet
	Commands office.Commands
	Modes    office.Modes
	Enrol    func() string // base URL at which lanes enrol
	Log      *slog.Logger
}

// desk serves the pages.
type desk struct{ Deps }

// Routes returns the pages.
func Routes(d Deps) []console.Route {
	s := &desk{d}
	get := func(pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodGet, Pattern: "/lanes" + pattern, Need: need, Handle: handle}
	}
	post := func(pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodPost, Pattern: "/lanes" + pattern, Need: need, Handle: handle}
	}
	css := get("/style.css", "", s.style)
	css.Public = true
	return []console.Route{
		css,
		get("", rights.LanesRead, s.mapPage), get("/map", rights.LanesRead, s.mapChanges), get("/wall", rights.LanesRead, s.wall),
		get("/at/{id}", rights.LanesRead, s.lane), get("/at/{id}/now", rights.LanesRead, s.laneNow), get("/retired", rights.LanesRead, s.retired),
		get("/enrol", rights.LanesManage, s.enrolForm), post("/enrol", rights.LanesManage, s.enrol),
		post("/at/{id}/invite", rights.LanesManage, s.invite), post("/at/{id}/place", rights.LanesManage, s.place),
		post("/at/{id}/retire", rights.LanesManage, s.retire), post("/at/{id}/revoke", rights.LanesManage, s.revoke),
		get("/entrances", rights.LanesManage, s.entrances), post("/entrances", rights.LanesManage, s.setEntrance),
		post("/entrances/remove", rights.LanesManage, s.removeEntrance),
		get("/at/{id}/open/{number}", rights.LanesOpen, s.openForm), post("/at/{id}/open/{number}", rights.LanesOpen, s.open),
		post("/at/{id}/identify/{number}", rights.LanesOpen, s.identify),
		get("/commands/{command}", rights.LanesRead, s.command), get("/commands/{command}/now", rights.LanesRead, s.commandNow),
		get("/modes", rights.RulesRead, s.modes), post("/modes", rights.ZonesMode, s.setMode),
		get("/lockdown", rights.ZonesMode, s.lockdownForm), post("/lockdown", rights.ZonesMode, s.lockdown),
	}
}

// style serves the pages' own style sheet, which changes with its address.
func (s *desk) style(r *console.Request) error { return r.Style(style) }

// say translates with the pages' words.
func say(r *console.Request, text string, args ...any) string { return r.Say(pages, text, args...) }

// base is what all pages' data begin with.
type base struct{ Style string }

func newBase() base { return base{console.Base + "/lanes/style.css?v=" + styleName} }

// laneID returns the controller that the path names.
func laneID(r *console.Request) (string, error) {
	id := r.PathValue("id")
	if !link.ValidID(id) {
		return "", office.Refuse(office.ErrNotFound, "%s", say(r, "There is no such lane controller."))
	}
	return id, nil
}

// field returns one field of a form; a field that comes twice is none of ours.
func field(r *console.Request, name string) (string, error) {
	values := r.PostForm[name]
	if len(values) > 1 {
		return "", office.Refuse(office.ErrInvalid, "%s", say(r, "The field %s came twice; load the page again.", name))
	}
	if len(values) == 0 {
		return "", nil
	}
	return strings.TrimSpace(values[0]), nil
}

// form reads the named fields.
func form(r *console.Request, names ...string) (map[string]string, error) {
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, err
		}
		return nil, office.Refuse(office.ErrInvalid, "%s", say(r, "The form cannot be read; load the page again."))
	}
	values := map[string]string{}
	for _, n := range names {
		v, err := field(r, n)
		if err != nil {
			return nil, err
		}
		values[n] = v
	}
	return values, nil
}

// filled is a form as it was sent: its values, and what is wrong with which.
type filled struct {
	base
	Values map[string]string
	Wrong  map[string]string
	Suffix string // of ids of elements, where a page has the form several times
}

func newFilled(values map[string]string) filled {
	return filled{base: newBase(), Values: values, Wrong: map[string]string{}}
}

// fieldView is one field of a form that is shown.
type fieldView struct {
	ID, Name, Label, Value, Wrong string
	Max                           int
	Needed                        bool
}

// wrongName says what is wrong with a name, "" if nothing.
func wrongName(r *console.Request, name string) string {
	if office.OneLine(name, office.MaxName) {
		return ""
	}
	return say(r, "At most %d characters on one line.", office.MaxName)
}

func laneKey(id string, number uint8) string { return fmt.Sprintf("%s-%d", id, number) }

// Show returns a field for the template "text".
func (f filled) Show(name, label string, limit int) fieldView {
	return fieldView{ID: name, Name: name, Label: label, Value: f.Values[name], Wrong: f.Wrong[name], Max: limit}
}

// Need is Show for a field that must be filled in.
func (f filled) Need(name, label string, limit int) fieldView {
	v := f.Show(name, label, limit)
	v.Needed = true
	return v
}

// Reason returns the field of a deed's reason.
func (f filled) Reason(deed string) fieldView {
	return fieldView{Name: deed, Value: f.Values[deed], Wrong: f.Wrong[deed]}
}
