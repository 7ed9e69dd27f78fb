package passes

import (
	"net/http"
	"strconv"
	"strings"

	"turnstile/central/console"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/rights"
)

// orderPage is the form for one pass.
type orderPage struct {
	base
	Typed        map[string]string
	Wrong        map[string]string // by field
	Problem      string            // of the order as a whole
	Kinds, Zones []option
	NoMail       bool
}

// typedField is one field as it was typed.
type typedField struct{ Name, Value, Wrong string }

// Field returns a field of the form.
func (p *orderPage) Field(name string) typedField {
	return typedField{name, p.Typed[name], p.Wrong[name]}
}

func (s *desk) orderForm(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	holder, err := field(r, "holder")
	if err != nil {
		return err
	}
	return s.showOrder(r, http.StatusOK, orderPage{Typed: map[string]string{
		"holder": holder, "kind": "ecard", "day": today(r).String(), "start": "00:00", "length": "24h", "entries": "0"}})
}

func (s *desk) showOrder(r *console.Request, status int, p orderPage) (err error) {
	p.base, p.Kinds, p.NoMail = newBase(), kindOptions(r, p.Typed["kind"], false), s.Mails.Ready() != nil
	if p.Zones, err = s.zoneOptions(r, "", false); err != nil {
		return err
	}
	for i := range p.Zones {
		p.Zones[i].Chosen = strings.Contains(","+p.Typed["zones"]+",", ","+p.Zones[i].Value+",") || p.Typed["zones"] == "" && i == 0
	}
	return r.PageStatus(status, pages, "new.html", "Issue a pass", &p)
}

// maxZones bounds the boxes that a form can have ticked.
const maxZones = 16

func (s *desk) issue(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	p := orderPage{Typed: map[string]string{}, Wrong: map[string]string{}}
	for _, name := range office.OrderFields() {
		if name == "zones" {
			p.Typed[name] = strings.Join(r.Form[name][:min(len(r.Form[name]), maxZones)], ",")
			continue
		}
		text, err := field(r, name)
		if err != nil {
			return err
		}
		p.Typed[name] = text
	}
	text, err := field(r, "exception")
	if err != nil {
		return err
	}
	p.Typed["exception"] = text
	return s.order(r, p)
}

func (s *desk) order(r *console.Request, p orderPage) error {
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	o, email, faults := office.ParseOrder(func(name string) string { return p.Typed[name] }, rules.Zones)
	if email != "" && s.Mails.Ready() != nil {
		faults = append(faults, office.RowFault{Column: "email", Text: "mail is not set up here: leave it empty"})
	}
	o.Exception = strings.TrimSpace(p.Typed["exception"])
	switch {
	case o.Exception == "":
	case !office.OneLine(o.Exception, office.MaxReason):
		faults = append(faults, office.RowFault{Column: "exception", Text: "is too long: at most %s characters", Arg: strconv.Itoa(office.MaxReason)})
	case !r.Who.Permissions.Has(rights.ApplicationsJudge):
		faults = append(faults, office.RowFault{Column: "exception", Text: "your role allows no exception: ask somebody who judges requests"})
	case o.Kind != pass.Guest:
		faults = append(faults, office.RowFault{Column: "exception", Text: "only a pass of kind guest needs one: leave it empty"})
	}
	for _, f := range faults {
		p.Wrong[f.Column] = faultText(r, f)
	}
	if len(faults) > 0 {
		return s.showOrder(r, http.StatusUnprocessableEntity, p)
	}
	made, err := s.Passes.Issue(r.Context(), r.By(), o)
	if err != nil {
		if p.Problem = refusal(r, err); p.Problem != "" {
			return s.showOrder(r, http.StatusUnprocessableEntity, p)
		}
		return err
	}
	if email != "" {
		if err := s.Mails.Send(r.Context(), r.By(), made.ID(), email); err != nil {
			return err // the pass stands; the list shows it
		}
	}
	r.Flash(say(r, "Pass %s is issued.", made.ID()))
	return r.Redirect(path(made.ID()))
}

// faultText is what is wrong with a field, in the request's language.
func faultText(r *console.Request, f office.RowFault) string {
	if f.Arg == "" {
		return say(r, f.Text)
	}
	return say(r, f.Text, f.Arg)
}

// columnText is the name of a field in the request's language.
func columnText(r *console.Request, column string) string {
	if column == "" {
		return say(r, "the whole row")
	}
	return column
}

// lineText is a line's number.
func lineText(n int) string { return strconv.Itoa(n) }
