// Package register is the console's pages about the campus register: find people,
// bring files in, make one person of two, and what somebody is as a holder: eCard and
// NetIDs.
package register

import (
	"cmp"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/register"
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

// Deps is what the pages stand on.
type Deps struct {
	Register office.Register
	Syncs    office.RegisterSyncs
	History  office.RegisterHistory
	Merges   office.RegisterMerges
	Apart    office.RegisterApart
	Cards    office.Cards
	NetIDs   office.NetIDs
}

// desk serves the pages.
type desk struct{ Deps }

// formSpace is what an upload may have beyond the file itself, in bytes.
const formSpace = 64 << 10

// Routes returns the pages. What takes people out, or makes one of two, needs a
// recent sign-in.
func Routes(d Deps) []console.Route {
	s := &desk{d}
	get := func(pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodGet, Pattern: "/register" + pattern, Need: need, Handle: handle}
	}
	post := func(pattern string, need rights.Permission, handle func(*console.Request) error) console.Route {
		return console.Route{Method: http.MethodPost, Pattern: "/register" + pattern, Need: need, Handle: handle}
	}
	upload, settle, rows := post("/import", rights.RegisterWrite, s.upload), post("/import/{id}/settle", rights.RegisterWrite, s.settle), get("/import/{id}/rows.csv", rights.RegisterRead, s.rowsFile)
	upload.MaxBody, upload.Slow, rows.Slow, settle.Recent = register.MaxFile+formSpace, true, true, true
	remove, merge, undo := post("/at/{person}/remove", rights.RegisterWrite, s.remove), post("/merges", rights.RegisterMerge, s.merge), post("/merges/{id}/undo", rights.RegisterMerge, s.undo)
	remove.Recent, merge.Recent, undo.Recent = true, true, true
	withdraw, giveBack, end := post("/at/{person}/ecard/withdraw", rights.ApplicationsJudge, s.withdraw), post("/at/{person}/ecard/return", rights.ApplicationsJudge, s.giveBack), post("/at/{person}/netids/{id}/end", rights.RegisterWrite, s.endNetID)
	withdraw.Recent, giveBack.Recent, end.Recent = true, true, true
	return []console.Route{
		get("", rights.RegisterRead, s.search), get("/at/{person}", rights.RegisterRead, s.person), remove, withdraw, giveBack, end,
		get("/import", rights.RegisterWrite, s.importForm), get("/import/template.csv", rights.RegisterWrite, s.template), upload,
		get("/import/{id}", rights.RegisterRead, s.file), get("/import/{id}/now", rights.RegisterRead, s.fileNow), rows, settle,
		get("/merges", rights.RegisterRead, s.merges), merge, undo, post("/merges/apart", rights.RegisterMerge, s.apart),
	}
}

func say(r *console.Request, text string, args ...any) string { return r.Say(pages, text, args...) }

func refuse(r *console.Request, kind error, text string, args ...any) error {
	return office.Refuse(kind, "%s", say(r, text, args...))
}

// field returns one field of a form or an address, without space around it; one that
// comes twice is none of ours.
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

// fields reads a form or an address with these fields.
func fields(r *console.Request, names ...string) (map[string]string, error) {
	if err := r.ParseForm(); err != nil {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return nil, err
		}
		return nil, refuse(r, office.ErrInvalid, "The form could not be read; load the page again.")
	}
	out := map[string]string{}
	for _, name := range names {
		v, err := field(r, name)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// told returns a service's words for a form that is shown again, "" if the error is
// none of those that a person can do something about.
func told(r *console.Request, err error) string {
	if x, ok := errors.AsType[*office.Refusal](err); ok {
		return r.Told(pages, x)
	}
	return ""
}

// found is a person of a list.
type found struct {
	register.Person
	Name, Other, Path string
}

func newFound(r *console.Request, p register.Person) found {
	f := found{Person: p, Name: p.Name(string(r.Lang())), Path: personPath(p.ID)}
	for _, lang := range []console.Language{console.English, console.Chinese} {
		if name := p.Name(string(lang)); name != f.Name {
			f.Other = name
		}
	}
	return f
}

func personPath(id string) string { return console.Base + "/register/at/" + url.PathEscape(id) }

// searchPage is the first page.
type searchPage struct {
	Words, Wrong string
	Found        []found
	Asked        bool
	Page         int
	First, Next  string // pages; "" for none
	Size         register.Size
}

// How many people a page of a search shows, and how many pages can be turned to.
const (
	shown    = 50
	maxPages = 1000
)

func (s *desk) search(r *console.Request) error {
	in, err := fields(r, "words", "page")
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(cmp.Or(in["page"], "1"))
	if err != nil || number < 1 || number > maxPages {
		return refuse(r, office.ErrInvalid, "There is no such page; begin with the first.")
	}
	size, _, err := s.Register.About(r.Context())
	if err != nil {
		return err
	}
	p := searchPage{Words: in["words"], Page: number, Size: size}
	status := http.StatusOK
	if p.Words != "" {
		if status, err = s.find(r, &p); err != nil {
			return err
		}
	}
	return r.PageStatus(status, pages, "register.html", "Register", &p)
}

func (s *desk) find(r *console.Request, p *searchPage) (status int, err error) {
	if len(p.Words) > 240 {
		p.Words, p.Wrong = "", say(r, "Look for a name of at most 80 characters.")
		return http.StatusUnprocessableEntity, nil
	}
	list, more, err := s.Register.Search(r.Context(), p.Words, (p.Page-1)*shown, shown)
	if err != nil {
		if p.Wrong = told(r, err); p.Wrong != "" {
			return http.StatusUnprocessableEntity, nil
		}
		return 0, err
	}
	p.Asked = true
	if p.Page > 1 {
		p.First = searchPath(p.Words, 1)
	}
	if more && p.Page < maxPages {
		p.Next = searchPath(p.Words, p.Page+1)
	}
	for _, x := range list {
		p.Found = append(p.Found, newFound(r, x))
	}
	return http.StatusOK, nil
}

func searchPath(words string, number int) string {
	return console.Base + "/register?" + url.Values{"words": {words}, "page": {strconv.Itoa(number)}}.Encode()
}

// personPage is one person.
type personPage struct {
	found
	Cards        []card
	Degrees      []degree
	Alias        string // that the address named
	HasPersonal  bool
	Graduate     bool
	KeepsNetID   bool
	Merges       []merge
	ECard        *ecard  // nil: none
	Registered   []netID // also those that have ended
	Typed        typed
	PassesOf     string
	AuditOf      string
	MergeAddress string
}

type card struct {
	register.Card
	Name string
	Over bool
}

type degree struct {
	register.Degree
	Where string
}

func cardNames() map[register.CardKind]string {
	return map[register.CardKind]string{register.StudentCard: "Student", register.StaffCard: "Staff", register.CPCECard: "CPCE staff", register.PTECCard: "PTEC staff",
		register.VisitorCard: "Visitor", register.RetireeCard: "Long-serving retiree", register.EmeritusCard: "Emeritus professor"}
}

func (s *desk) person(r *console.Request) error {
	return s.showPerson(r, http.StatusOK, typed{})
}

func (s *desk) showPerson(r *console.Request, status int, t typed) error {
	x, err := s.Register.Person(r.Context(), r.PathValue("person"))
	if err != nil {
		return err
	}
	p := personPage{Typed: t, found: newFound(r, x), HasPersonal: len(x.PersonalID) > 0, Graduate: x.Graduate(), KeepsNetID: x.KeepsStudentNetID()}
	if p.Alias = r.PathValue("person"); p.Alias == x.ID {
		p.Alias = ""
	}
	today := r.Now().In(r.Zone()).Format("2006-01-02")
	for _, c := range x.Cards {
		p.Cards = append(p.Cards, card{c, say(r, cardNames()[c.Kind]), !c.Valid(today)})
	}
	_, institutions, err := s.Register.About(r.Context())
	if err != nil {
		return err
	}
	for _, d := range x.Degrees {
		p.Degrees = append(p.Degrees, degree{d, where(r, institutions, d.Institution)})
	}
	list, err := s.Merges.Merges(r.Context(), x.ID, 20)
	if err != nil {
		return err
	}
	for _, m := range list {
		p.Merges = append(p.Merges, newMerge(m))
	}
	if err := s.holder(r, &p); err != nil {
		return err
	}
	return r.PageStatus(status, pages, "person.html", "Person", &p)
}

func where(r *console.Request, list []register.Institution, id string) string {
	for _, i := range list {
		if i.ID == id {
			if r.Lang() == console.Chinese && i.NameZH != "" {
				return i.NameZH
			}
			return i.Name
		}
	}
	return id
}

func (s *desk) remove(r *console.Request) error {
	if err := s.Register.Remove(r.Context(), r.By(), r.PathValue("person")); err != nil {
		return err
	}
	r.Flash(say(r, "%s is out of the register.", r.PathValue("person")))
	return r.Redirect("/register")
}
