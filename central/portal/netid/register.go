package netid

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"turnstile/central/letters"
	directory "turnstile/central/netid"
	"turnstile/central/portal"
	people "turnstile/central/register"
	"turnstile/central/throttle"
)

func letterLang(r *portal.Request) letters.Language { return letters.Language(r.Lang()) }

// alumni is the choice of who registers without a card.
const alumni = directory.Alumni

// form is what somebody states, shown again when it was refused. The personal id is
// not: a browser that somebody leaves would show it.
type form struct {
	Problem              *problem
	Surname, Given, Born string
	Kind, Number, Email  string
	Kinds                []string
	Challenge            any
}

func kinds() (list []string) {
	list = []string{alumni}
	for _, k := range people.CardKinds() {
		list = append(list, string(k))
	}
	return list
}

// Card names a kind of card; the page translates it.
func (form) Card(kind string) string {
	return map[string]string{
		alumni: "None: I am a graduate", string(people.StudentCard): "Student card", string(people.StaffCard): "Staff card", string(people.CPCECard): "CPCE staff card",
		string(people.PTECCard): "PTEC staff card", string(people.VisitorCard): "Visitor card", string(people.RetireeCard): "Long-serving retiree card", string(people.EmeritusCard): "Emeritus professor card",
	}[kind]
}

// readForm returns what the form states, and the form to show again.
func readForm(r *portal.Request) (directory.Applicant, form) {
	f := form{Surname: field(r, "surname"), Given: field(r, "given"), Born: field(r, "born"), Kind: field(r, "kind"), Number: field(r, "number"), Email: field(r, "email"), Kinds: kinds()}
	a := directory.Applicant{Surname: f.Surname, Given: f.Given, Born: f.Born, PersonalID: field(r, "personal_id"), Email: f.Email, Lang: letterLang(r), From: throttle.Address(r.Request)}
	if f.Kind != alumni && slices.Contains(f.Kinds, f.Kind) {
		a.Card = &people.Card{Kind: people.CardKind(f.Kind), Number: f.Number}
	} else {
		f.Kind = alumni
	}
	return a, f
}

// challenged adds what programs fail at to a form.
func (d *desk) challenged(r *portal.Request) (any, error) {
	if d.Challenge == nil {
		return nil, nil
	}
	return d.Challenge(r)
}

func (d *desk) human(r *portal.Request) error {
	if d.Human == nil {
		return nil
	}
	return d.Human(r)
}

func (d *desk) registerPage(r *portal.Request) error {
	challenge, err := d.challenged(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "register.html", "Register a NetID", form{Kind: alumni, Kinds: kinds(), Challenge: challenge})
}

func (d *desk) register(r *portal.Request) error {
	a, f := readForm(r)
	token, err := "", d.human(r)
	if err == nil {
		token, err = d.Strangers.Begin(r.Context(), a)
	}
	if err == nil {
		d.remember(r, token)
		return r.Redirect(codes)
	}
	if f.Problem, err = told(r, err); err != nil {
		return err
	}
	if f.Challenge, err = d.challenged(r); err != nil {
		return err
	}
	return r.PageStatus(f.Problem.status(), pages, "register.html", "Register a NetID", f)
}

// codesData is the page for the codes.
type codesData struct {
	Problem *problem
	Begun   bool
}

func (d *desk) codesPage(r *portal.Request) error {
	return r.Page(pages, "codes.html", "Type the codes", codesData{Begun: d.token(r) != ""})
}

func (d *desk) confirm(r *portal.Request) error {
	step, err := d.Self.Confirm(r.Context(), d.token(r), field(r, "code"), field(r, "code2"))
	if err != nil {
		p, other := told(r, err)
		if other != nil {
			return other
		}
		wrong := errors.Is(err, directory.WrongCode) || errors.Is(err, throttle.ErrWait) // anything else ended what was begun
		return r.PageStatus(p.status(), pages, "codes.html", "Type the codes", codesData{p, wrong})
	}
	switch step.Kind {
	case directory.Reset:
		return r.Redirect(fresh)
	case directory.Email:
		d.remember(r, "")
		r.Flash("Your personal address is changed.")
		return r.Redirect(home)
	}
	offered := ""
	if len(step.Names) > 0 {
		offered = "?name=" + strings.ReplaceAll(step.Names[0].Display, " ", "+")
	}
	return r.Redirect(choose + offered)
}

// chooseData is the last page of a registration.
type chooseData struct {
	Problem *problem
	Name    string
	Alias   string
	Done    *directory.Entry
}

func (d *desk) choosePage(r *portal.Request) error {
	data := chooseData{}
	if n, err := directory.ParseName(r.URL.Query().Get("name")); err == nil {
		data.Name, data.Alias = n.Display, n.Alias
	}
	return r.Page(pages, "choose.html", "Choose name and NetPassword", data)
}

func (d *desk) complete(r *portal.Request) error {
	e, err := d.Strangers.Complete(r.Context(), d.token(r), field(r, "name"), r.PostFormValue("password"))
	if err != nil {
		p, err := told(r, err)
		if err != nil {
			return err
		}
		return r.PageStatus(p.status(), pages, "choose.html", "Choose name and NetPassword", chooseData{Problem: p, Name: field(r, "name")})
	}
	d.remember(r, "")
	return r.Page(pages, "done.html", "Your NetID", chooseData{Done: &e})
}

// sentData is a page whose answer is always the same.
type sentData struct {
	form
	Sent bool
}

func (d *desk) forgotPage(r *portal.Request) error {
	challenge, err := d.challenged(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "forgot.html", "Forgot NetID", sentData{form: form{Challenge: challenge}})
}

func (d *desk) find(r *portal.Request) error {
	a, f := readForm(r)
	a.Card = nil
	err := d.human(r)
	if err == nil {
		err = d.Strangers.Find(r.Context(), a)
	}
	if err == nil {
		return r.Page(pages, "forgot.html", "Forgot NetID", sentData{Sent: true})
	}
	if f.Problem, err = told(r, err); err != nil {
		return err
	}
	if f.Challenge, err = d.challenged(r); err != nil {
		return err
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "forgot.html", "Forgot NetID", sentData{form: f})
}

// resetData is the first page of a reset.
type resetData struct {
	Problem   *problem
	NetID     string
	Challenge any
}

func (d *desk) resetPage(r *portal.Request) error {
	challenge, err := d.challenged(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "reset.html", "Forgot NetPassword", resetData{Challenge: challenge})
}

func (d *desk) beginReset(r *portal.Request) error {
	data := resetData{NetID: field(r, "netid")}
	token, err := "", d.human(r)
	if err == nil {
		token, err = d.Strangers.BeginReset(r.Context(), data.NetID, throttle.Address(r.Request))
	}
	if err == nil {
		d.remember(r, token)
		return r.Redirect(codes)
	}
	if data.Problem, err = told(r, err); err != nil {
		return err
	}
	if data.Challenge, err = d.challenged(r); err != nil {
		return err
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "reset.html", "Forgot NetPassword", data)
}

func (d *desk) freshPage(r *portal.Request) error {
	return r.Page(pages, "new.html", "Choose a new NetPassword", resetData{})
}

func (d *desk) setPassword(r *portal.Request) error {
	e, err := d.Strangers.SetPassword(r.Context(), d.token(r), r.PostFormValue("password"))
	if err != nil {
		p, err := told(r, err)
		if err != nil {
			return err
		}
		return r.PageStatus(p.status(), pages, "new.html", "Choose a new NetPassword", resetData{Problem: p})
	}
	d.remember(r, "")
	return r.Page(pages, "changed.html", "Your NetPassword is changed", resetData{NetID: e.NetID})
}
