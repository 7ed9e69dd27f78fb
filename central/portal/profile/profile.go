// Package profile is the portal's pages of what holders write about themselves, who
// may see it, how they sign in, and how they take their data away or erase it.
package profile

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"turnstile/central/account"
	"turnstile/central/portal"
)

//go:embed pages/*.html
var files embed.FS

var pages = portal.MustParse(sub(), words)

func sub() fs.FS {
	f, err := fs.Sub(files, "pages")
	if err != nil {
		panic(err) // embedded above
	}
	return f
}

// Degree is an award as the register has it.
type Degree struct{ Award, Institution, Year string }

// Services are what the pages stand on.
type Services struct {
	Accounts *account.Accounts
	// Degrees returns a person's awards; nil: they are not shown.
	Degrees func(ctx context.Context, person string, lang portal.Language) ([]Degree, error)
}

// The pages' paths.
const (
	home       = "/profile"
	contact    = "/profile/contact"
	ways       = account.WaysPath
	export     = "/profile/data"
	erase      = "/profile/erase"
	newPasskey = ways + "/passkey"
)

type desk struct{ Services }

// Routes returns the pages.
func Routes(s Services) []portal.Route {
	d := &desk{s}
	get := func(pattern string, handle func(*portal.Request) error) portal.Route {
		return portal.Route{Method: http.MethodGet, Pattern: pattern, Handle: handle}
	}
	post := func(pattern string, handle func(*portal.Request) error) portal.Route {
		return portal.Route{Method: http.MethodPost, Pattern: pattern, Handle: handle}
	}
	recent := func(r portal.Route) portal.Route { r.Recent = true; return r }
	list := []portal.Route{
		get(home, d.home), get(contact, d.contact), post(contact, d.setContact),
		get(ways, d.ways), post(ways+"/language", d.language), recent(get(ways+"/address", d.addressForm)), recent(post(ways+"/address", d.address)), post(ways+"/keep", d.keep),
		recent(post(newPasskey+"/begin", d.beginPasskey)), recent(post(newPasskey, d.addPasskey)), recent(post(newPasskey+"/remove", d.removePasskey)),
		recent(post(ways+"/unlink", d.unlink)), post(ways+"/end", d.endSession), post(ways+"/everywhere", d.everywhere),
		recent(get(export, d.exportForm)), recent(post(export, d.export)), recent(get(erase, d.eraseForm)), recent(post(erase, d.erase)),
	}
	for _, section := range sections {
		list = append(list, get(home+"/"+section.name, d.rows(section)), post(home+"/"+section.name, d.setRows(section)))
	}
	return list
}

// holder is who is signed in; the frame saw to it that somebody is.
func (d *desk) holder(r *portal.Request) account.Holder {
	h, _ := d.Accounts.Holder(r.Request)
	return h
}

// homeData is all of a profile.
type homeData struct {
	Profile account.Profile
	Address string // registered
	Degrees []Degree
}

// Sees names who sees a field.
func (h homeData) Sees(field string) string { return viewers[h.Profile.Viewer(account.Field(field))] }

// viewers are what pages call those who see a field.
var viewers = map[account.Viewer]string{account.OnlyMe: "Only me", account.TheOffice: "The office", account.AllAlumni: "The office and alumni"}

func (d *desk) home(r *portal.Request) error {
	p, err := d.Accounts.Profile(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	data := homeData{Profile: p}
	if data.Address, err = d.Accounts.Address(r.Context(), r.Who.Person); err != nil {
		return err
	}
	if d.Degrees != nil {
		if data.Degrees, err = d.Degrees(r.Context(), r.Who.Person, r.Lang()); err != nil {
			return err
		}
	}
	return r.Page(pages, "home.html", "Profile", data)
}

// field is a field of a form, bounded and without space around it. Lines are kept.
func field(r *portal.Request, name string) string {
	return clean(r.PostFormValue(name))
}

func clean(v string) string {
	const most = 2000 // bytes: what is longer is told by account
	return strings.TrimSpace(strings.ToValidUTF8(v[:min(len(v), most)], "\uFFFD"))
}

// choice is one of a select.
type choice struct {
	Value, Name string
	On          bool
}

// seen is the choice of who sees a field.
func seen(p *account.Profile, f account.Field) []choice {
	var list []choice
	for _, v := range []account.Viewer{account.OnlyMe, account.TheOffice, account.AllAlumni} {
		list = append(list, choice{string(v), viewers[v], p.Viewer(f) == v})
	}
	return list
}

// takeSees reads who sees a field, if the form says so.
func takeSees(r *portal.Request, p *account.Profile, f account.Field) {
	v := r.PostFormValue("sees_" + string(f))
	if v == "" {
		return
	}
	sees := map[account.Field]account.Viewer{f: account.Viewer(v)}
	for field, viewer := range p.Sees {
		if field != f {
			sees[field] = viewer
		}
	}
	p.Sees = sees
}

// takeVersion makes p the version that the form was made of.
func takeVersion(r *portal.Request, p *account.Profile) {
	if n, err := strconv.ParseInt(r.PostFormValue("changed"), 10, 64); err == nil {
		p.Changed = n
	}
}

// faults are what is wrong with a form, by field and row, in the page's language.
type faults map[string]string

// At returns what is wrong with a field, "" if nothing is.
func (f faults) At(field string, row int) string { return f[field+" "+strconv.Itoa(row)] }

var whys = []struct {
	err  error
	text string
}{
	{account.ErrEmpty, "Type something here."}, {account.ErrLong, "This is too long. Shorten it."}, {account.ErrText, "This has characters that are no text. Type it again."},
	{account.ErrPhone, "Type a telephone number such as +852 2345 6789."}, {account.ErrYear, "Type a year such as 2014."}, {account.ErrMany, "These are too many. Keep twenty at most."},
	{account.ErrViewer, "Choose who sees this."},
}

// store saves a profile. problem and wrong say why not.
func (d *desk) store(r *portal.Request, p account.Profile) (problem string, wrong faults, err error) {
	err = d.Accounts.SetProfile(r.Context(), r.Who.Person, p)
	if errors.Is(err, account.ErrOutdated) {
		return r.Say(pages, "This was changed in another window meanwhile. Open the page again and repeat your change."), nil, nil
	}
	bad, ok := errors.AsType[*account.FaultError](err)
	if !ok {
		return "", nil, err
	}
	wrong = faults{}
	for _, f := range bad.Faults {
		for _, w := range whys {
			if errors.Is(f.Why, w.err) {
				wrong[f.Field+" "+strconv.Itoa(f.Row)] = r.Say(pages, w.text)
			}
		}
	}
	return r.Say(pages, "Nothing was saved yet. Mend what is marked."), wrong, nil
}

// contactData is the form of the contact.
type contactData struct {
	Profile            account.Profile
	Problem            string
	Wrong              faults
	SeesPhone, SeesAll []choice
	Next               string
}

func (d *desk) contactPage(r *portal.Request, status int, p account.Profile, problem string, wrong faults) error {
	return r.PageStatus(status, pages, "contact.html", "Contact", contactData{p, problem, wrong, seen(&p, account.Phone), seen(&p, account.Postal), portal.Local(r.FormValue("next"), "")})
}

func (d *desk) contact(r *portal.Request) error {
	p, err := d.Accounts.Profile(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	return d.contactPage(r, http.StatusOK, p, "", nil)
}

func (d *desk) setContact(r *portal.Request) error {
	p, err := d.Accounts.Profile(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	takeVersion(r, &p)
	p.Phone, p.Address, p.PostalCode, p.Country = field(r, "phone"), field(r, "address"), field(r, "postal_code"), field(r, "country")
	takeSees(r, &p, account.Phone)
	takeSees(r, &p, account.Postal)
	problem, wrong, err := d.store(r, p)
	if err != nil {
		return err
	}
	if problem != "" {
		return d.contactPage(r, http.StatusUnprocessableEntity, p, problem, wrong)
	}
	r.Flash("%s", r.Say(pages, "Saved."))
	return r.Redirect(portal.Local(r.PostFormValue("next"), home))
}
