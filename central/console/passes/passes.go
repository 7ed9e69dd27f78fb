// Package passes is the console's pages about passes: find, issue one or many,
// show, print and mail a code, revoke, hold and release one or many, and see which
// lanes know.
package passes

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
	"turnstile/central/roster"
	"turnstile/central/symbol"
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
	Passes  office.Passes
	Bulk    office.Bulk
	Imports office.Imports
	Mails   office.Mails
	Rules   office.Rules
	Feed    office.Feed
}

// desk serves the pages.
type desk struct {
	Deps
	picture chan struct{} // one picture is read at a time: it takes memory
}

// Bounds of uploads, beyond the file itself.
const formSpace = 64 << 10

// maxPicture bounds a picture of a code, in bytes.
const maxPicture = 8 << 20

// Routes returns the pages.
func Routes(d Deps) []console.Route {
	s := &desk{d, make(chan struct{}, 1)}
	get := func(pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodGet, Pattern: "/passes" + pattern, Need: need, Handle: handle}
	}
	post := func(pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodPost, Pattern: "/passes" + pattern, Need: need, Handle: handle}
	}
	css := get("/style.css", "", s.style)
	css.Public = true
	find, upload := post("/find", rights.PassesRead, s.findCode), post("/import", rights.PassesIssue, s.upload)
	find.MaxBody, find.Slow = maxPicture+formSpace, true
	upload.MaxBody, upload.Slow = roster.MaxFile+formSpace, true
	faults := get("/import/{id}/faults.csv", rights.PassesIssue, s.faultsFile)
	faults.Slow = true
	return []console.Route{
		css, find, upload, faults,
		get("", rights.PassesRead, s.list), get("/sheet", rights.PassesCode, s.sheet),
		get("/new", rights.PassesIssue, s.orderForm), post("/new", rights.PassesIssue, s.issue),
		get("/{day}/{index}", rights.PassesRead, s.show), get("/{day}/{index}/refused", rights.PassesRead, s.refused),
		get("/{day}/{index}/code", rights.PassesCode, s.code), get("/{day}/{index}/print", rights.PassesCode, s.print),
		post("/{day}/{index}/mail", rights.PassesCode, s.mail), post("/{day}/{index}/status", rights.PassesStatus, s.setStatus),
		get("/import", rights.PassesIssue, s.importForm), get("/import/template.csv", rights.PassesIssue, s.templateFile),
		get("/import/{id}", rights.PassesIssue, s.file), get("/import/{id}/now", rights.PassesIssue, s.fileNow),
		post("/import/{id}/settle", rights.PassesIssue, s.settleFile),
		get("/bulk", rights.PassesStatus, s.bulkForm), post("/bulk", rights.PassesStatus, s.propose), get("/changes", rights.PassesRead, s.changes),
		get("/bulk/{id}", rights.PassesRead, s.change), get("/bulk/{id}/now", rights.PassesRead, s.changeNow),
		post("/bulk/{id}/confirm", rights.PassesConfirm, s.confirm), post("/bulk/{id}/withdraw", rights.PassesStatus, s.withdraw),
	}
}

// style serves the pages' own style sheet, which changes with its address.
func (s *desk) style(r *console.Request) error { return r.Style(style) }

// say translates with the pages' words.
func say(r *console.Request, text string, args ...any) string { return r.Say(pages, text, args...) }

// base is what all pages' data begin with.
type base struct{ Style string }

func newBase() base { return base{console.Base + "/passes/style.css?v=" + styleName} }

// refuse is office.Refuse in the language of the request.
func refuse(r *console.Request, kind error, text string, args ...any) error {
	return office.Refuse(kind, "%s", say(r, text, args...))
}

// passID returns the pass that the path names.
func passID(r *console.Request) (id pass.ID, err error) {
	id.Day, err = pass.ParseDay(r.PathValue("day"))
	index, bad := strconv.ParseUint(r.PathValue("index"), 10, 32)
	if err != nil || bad != nil || index > pass.MaxIndex {
		return id, refuse(r, office.ErrNotFound, "There is no such pass.")
	}
	id.Index = uint32(index)
	return id, nil
}

// path returns a pass's page, below console.Base.
func path(id pass.ID) string { return fmt.Sprintf("/passes/%s/%06d", id.Day, id.Index) }

// today is the campus day.
func today(r *console.Request) pass.Day { return pass.DayOf(r.Now().In(r.Zone())) }

// option is a choice of a select or of radio buttons.
type option struct {
	Value, Text string
	Chosen      bool
}

// zoneOptions lists the zones by their names in the request's language.
func (s *desk) zoneOptions(r *console.Request, chosen string, none bool) (list []option, err error) {
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return nil, err
	}
	if none {
		list = append(list, option{"", say(r, "All zones"), chosen == ""})
	}
	for _, z := range rules.Zones {
		id := strconv.Itoa(int(z.ID))
		list = append(list, option{id, zoneName(r, z), id == chosen})
	}
	return list, nil
}

func zoneName(r *console.Request, z link.Zone) string {
	if r.Lang() == console.Chinese && z.NameZH != "" {
		return z.NameZH
	}
	return z.Name
}

// kindOptions lists the kinds of passes.
func kindOptions(r *console.Request, chosen string, none bool) (list []option) {
	if none {
		list = append(list, option{"", say(r, "All kinds"), chosen == ""})
	}
	for _, k := range []pass.Kind{pass.ECard, pass.Guest, pass.Staff, pass.Test} {
		list = append(list, option{k.String(), kindName(r, k), k.String() == chosen})
	}
	return list
}

func kindName(r *console.Request, k pass.Kind) string {
	switch k {
	case pass.ECard:
		return say(r, "eCard")
	case pass.Guest:
		return say(r, "Guest")
	case pass.Staff:
		return say(r, "Staff")
	}
	return say(r, "Test")
}

// The statuses as the pages' forms have them.
var statusNames = [...]string{link.Good: "good", link.Revoked: "revoked", link.Held: "held"}

func parseStatus(text string) (link.Status, bool) {
	for s, name := range statusNames {
		if name == text {
			return link.Status(s), true
		}
	}
	return 0, false
}

func statusText(r *console.Request, s link.Status) string {
	switch s {
	case link.Revoked:
		return say(r, "Revoked")
	case link.Held:
		return say(r, "Held")
	}
	return say(r, "Good")
}

// row is a pass as a list shows it.
type row struct {
	ID, Path          string
	Day               string
	Holder, Guest     string
	Purpose           string
	Kind              string
	Status            string // good, revoked, held
	StatusText        string
	From, Until       time.Time
	Zones             []string
	Issued            time.Time
	IssuedBy          string
	Live, Escort      bool
	Exempt            bool
	Entries           int
	Over              bool // its window has passed
	Changed           time.Time
	ChangedBy, Reason string
	Window            [2]string // From and Until to the minute
}

func newRow(r *console.Request, p *office.Pass, zones []link.Zone) row {
	from, until := p.Window()
	minute := func(unix int64) string { return time.Unix(unix, 0).In(r.Zone()).Format("2006-01-02 15:04") }
	out := row{
		Window: [2]string{minute(from), minute(until)},
		ID:     p.ID().String(), Path: console.Base + path(p.ID()), Day: p.Day.String(), Holder: p.HolderName, Guest: p.GuestName, Purpose: p.Purpose,
		Kind: kindName(r, p.Kind), Status: statusNames[min(int(p.Status), len(statusNames)-1)], StatusText: statusText(r, p.Status),
		From: time.Unix(from, 0), Until: time.Unix(until, 0), Issued: p.Issued, IssuedBy: office.PlainName(p.IssuedBy), Live: p.Flags&pass.LiveRequired != 0,
		Escort: p.Flags&pass.Escort != 0, Exempt: p.Flags&pass.PassbackExempt != 0, Entries: int(p.Entries),
		Over: until <= r.Now().Unix(), Changed: p.Changed, ChangedBy: office.PlainName(p.ChangedBy), Reason: p.Reason,
	}
	for _, z := range zones {
		if p.Zones&(1<<z.ID) != 0 {
			out.Zones = append(out.Zones, zoneName(r, z))
		}
	}
	return out
}

// picture returns the symbol of a code as an address of its own: an image keeps
// its black on white whatever the page's colours are.
func picture(code string) (template.URL, error) {
	s, err := symbol.Draw(code)
	if err != nil {
		return "", err
	}
	return template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(s.SVG())), nil
}

// field returns one field of a form, without space around it; a field that comes
// twice is none of ours.
func field(r *console.Request, name string) (string, error) {
	values := r.Form[name]
	if len(values) > 1 {
		return "", refuse(r, office.ErrInvalid, "The field %s came twice; load the page again.", name)
	}
	if len(values) == 0 {
		return "", nil
	}
	return strings.TrimSpace(values[0]), nil
}

// parse reads a form. Its fields are then in r.Form.
func parse(r *console.Request) error {
	err := r.ParseForm()
	if large := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &large) {
		return refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
	}
	return err
}

// refusal returns a service's words for a form that is shown again, "" if the
// error is none of those that a person can do something about.
func refusal(r *console.Request, err error) string {
	if x, ok := errors.AsType[*office.Refusal](err); ok && (errors.Is(err, office.ErrInvalid) || errors.Is(err, office.ErrConflict)) {
		return r.Told(pages, x)
	}
	return ""
}
