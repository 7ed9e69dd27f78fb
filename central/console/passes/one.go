package passes

import (
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// onePage is what the page of a pass shows.
type onePage struct {
	base
	row
	Code    codePart
	Refused refusedPart
	Deeds   []deed
	Mails   []office.Mail
	NoMail  string // why nothing can be mailed; "": it can
	// What was typed, if a form is shown again.
	Wrong, WrongDeed string
	Typed            string
	Address          string
	WrongAddress     string
	Key              int
}

// Summary is the pass itself.
func (p *onePage) Summary() row { return p.row }

// deed is a change of status that a form on the page does.
type deed struct {
	To, Text, Explain string
	Danger            bool
}

// codePart is the symbol of a code.
type codePart struct {
	Path    string // of the pass
	None    string // why there is none to show
	Picture template.URL
	Text    string
	Until   time.Time // of a live code
	Short   string
	NoShort string
}

// refusedPart is the line that tells which lanes know.
type refusedPart struct {
	Path     string // of the fragment
	Show     bool
	Accepted bool // it is of a release: lanes accept again
	Pending  bool // no lane has to know yet
	Day      string
	Lanes    int
	Of       int
	Since    time.Time
	Missing  []office.MissingLane
	More     int // missing lanes beyond those
	Busy     bool
}

// maxMissing is how many lanes the line names.
const maxMissing = 12

func newRefused(fragment string, by *office.RefusedBy) refusedPart {
	p := refusedPart{Path: fragment}
	if by == nil {
		return p
	}
	p.Show, p.Pending, p.Lanes, p.Of, p.Since = true, by.Seq == 0, by.Lanes, by.Of, by.Since
	p.Missing = by.Missing[:min(len(by.Missing), maxMissing)]
	p.More = len(by.Missing) - len(p.Missing)
	return p
}

func (s *desk) find(r *console.Request) (office.Pass, error) {
	id, err := passID(r)
	if err != nil {
		return office.Pass{}, err
	}
	p, err := s.Passes.Find(r.Context(), id)
	if errors.Is(err, office.ErrNotFound) {
		return p, refuse(r, office.ErrNotFound, "No pass %s was issued.", id)
	}
	return p, err
}

func (s *desk) show(r *console.Request) error {
	p, err := s.find(r)
	if err != nil {
		return err
	}
	return s.showOne(r, http.StatusOK, &p, onePage{})
}

// showOne shows a pass; with holds what was typed into a form.
func (s *desk) showOne(r *console.Request, status int, p *office.Pass, with onePage) error {
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	with.base, with.row = newBase(), newRow(r, p, rules.Zones)
	with.Refused = newRefused(with.Path+"/refused", p.RefusedBy)
	with.Refused.Day, with.Deeds, with.Key = p.Day.String(), deeds(r, p.Status), int(p.KeyID)
	if r.Who.Permissions.Has("passes.code") {
		if with.Code, err = s.codePart(r, p); err != nil {
			return err
		}
		if with.Mails, err = s.Mails.Of(r.Context(), p.ID()); err != nil {
			return err
		}
		with.NoMail = s.noMail(r, p)
	}
	return r.PageStatus(status, pages, "one.html", say(r, "Pass %s", p.ID()), &with)
}

// noMail says why a code is not mailed, "" if it can be.
func (s *desk) noMail(r *console.Request, p *office.Pass) string {
	switch err := s.Mails.Ready(); {
	case err != nil:
		return say(r, "Mail is not set up: an operator sets mail.host and mail.from in central's configuration.")
	case p.Flags&pass.LiveRequired != 0:
		return say(r, "A live code is shown on the holder's phone and cannot be mailed.")
	case p.Status != link.Good:
		return say(r, "Only the code of a good pass is mailed.")
	}
	return ""
}

func deeds(r *console.Request, s link.Status) []deed {
	revoke := deed{"revoked", say(r, "Revoke"), say(r, "All lanes refuse it, for good. The holder needs a new pass."), true}
	hold := deed{"held", say(r, "Hold"), say(r, "All lanes refuse it until it is released."), false}
	release := deed{"good", say(r, "Release"), say(r, "All lanes accept it again."), false}
	switch s {
	case link.Revoked:
		return []deed{release}
	case link.Held:
		return []deed{release, revoke}
	}
	return []deed{hold, revoke}
}

func (s *desk) codePart(r *console.Request, p *office.Pass) (part codePart, err error) {
	part.Path = console.Base + path(p.ID())
	c, err := s.Passes.Code(r.Context(), p.ID())
	switch {
	case errors.Is(err, office.ErrConflict):
		part.None = say(r, "A revoked pass has no code to show.")
		return part, nil
	case errors.Is(err, office.ErrUnavailable):
		part.None = say(r, "The signing process does not answer; try again in a minute.")
		return part, nil
	case err != nil:
		return part, err
	}
	part.Text, part.Until, part.Short, part.NoShort = c.Text, c.Until, c.Short, c.NoShort
	part.Picture, err = picture(c.Text)
	return part, err
}

// code is the fragment with the code of this moment.
func (s *desk) code(r *console.Request) error {
	p, err := s.find(r)
	if err != nil {
		return err
	}
	part, err := s.codePart(r, &p)
	if err != nil {
		return err
	}
	return r.Fragment(pages, "one.html", "code", &part)
}

// refused is the fragment with the line that tells which lanes know.
func (s *desk) refused(r *console.Request) error {
	p, err := s.find(r)
	if err != nil {
		return err
	}
	part := newRefused(console.Base+path(p.ID())+"/refused", p.RefusedBy)
	part.Day = p.Day.String()
	return r.Fragment(pages, "one.html", "refusedline", &part)
}

// reason reads the reason of a deed; wrong says what is the matter with it.
func reason(r *console.Request) (text, wrong string, err error) {
	if text, err = field(r, "reason"); err != nil {
		return "", "", err
	}
	switch {
	case text == "":
		return text, say(r, "Give a reason: it is kept with the pass."), nil
	case utf8.RuneCountInString(text) > 200 || !printable(text):
		return text, say(r, "A reason is one line of at most 200 characters."), nil
	}
	return text, "", nil
}

func (s *desk) setStatus(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	p, err := s.find(r)
	if err != nil {
		return err
	}
	to, err := field(r, "to")
	if err != nil {
		return err
	}
	status, ok := parseStatus(to)
	if !ok {
		return refuse(r, office.ErrInvalid, "There is no such status.")
	}
	why, wrong, err := reason(r)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(deeds(r, p.Status), func(d deed) bool { return d.To == to }) {
		return refuse(r, office.ErrConflict, "Somebody changed this pass meanwhile: it is %s now.", strings.ToLower(statusText(r, p.Status)))
	}
	if wrong != "" {
		return s.showOne(r, http.StatusUnprocessableEntity, &p, onePage{Wrong: wrong, WrongDeed: to, Typed: why})
	}
	if _, err := s.Passes.SetStatus(r.Context(), r.By(), p.ID(), status, why); err != nil {
		return err
	}
	r.Flash(statusFlash(r, status))
	return r.Redirect(path(p.ID()))
}

func statusFlash(r *console.Request, s link.Status) string {
	switch s {
	case link.Revoked:
		return say(r, "The pass is revoked; the lanes are told at this moment.")
	case link.Held:
		return say(r, "The pass is held; the lanes are told at this moment.")
	}
	return say(r, "The pass is good again; the lanes are told at this moment.")
}

func (s *desk) mail(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	p, err := s.find(r)
	if err != nil {
		return err
	}
	address, err := field(r, "address")
	if err != nil {
		return err
	}
	if !office.ValidAddress(address) {
		return s.showOne(r, http.StatusUnprocessableEntity, &p, onePage{Address: address, WrongAddress: say(r, "want an address such as name@example.org")})
	}
	if err := s.Mails.Send(r.Context(), r.By(), p.ID(), address); err != nil {
		if why := refusal(r, err); why != "" {
			return s.showOne(r, http.StatusUnprocessableEntity, &p, onePage{Address: address, WrongAddress: why})
		}
		return err
	}
	r.Flash(say(r, "The code is on its way; below stands what became of it."))
	return r.Redirect(path(p.ID()))
}

// printPage is some passes on paper.
type printPage struct {
	base
	Passes  []printed
	Sheet   bool
	Skipped int // live and revoked ones
	Next    string
}

type printed struct {
	row
	Code codePart
}

// print shows one pass on a page of its own.
func (s *desk) print(r *console.Request) error {
	p, err := s.find(r)
	if err != nil {
		return err
	}
	if p.Flags&pass.LiveRequired != 0 {
		return refuse(r, office.ErrConflict, "A live code is shown on the holder's phone and cannot be printed.")
	}
	page := printPage{base: newBase()}
	if err := s.addPrinted(r, &page, []office.Pass{p}); err != nil {
		return err
	}
	return r.Page(pages, "print.html", say(r, "Pass %s", p.ID()), &page)
}

func (s *desk) addPrinted(r *console.Request, page *printPage, list []office.Pass) error {
	rules, err := s.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	for i := range list {
		p := &list[i]
		if p.Status != link.Good || p.Flags&pass.LiveRequired != 0 {
			page.Skipped++
			continue
		}
		code, err := s.codePart(r, p)
		if err != nil {
			return err
		}
		page.Passes = append(page.Passes, printed{newRow(r, p, rules.Zones), code})
	}
	return nil
}

// sheet shows the passes of a search, or of a file, many on a page.
func (s *desk) sheet(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	page := printPage{base: newBase(), Sheet: true}
	list, next, err := s.sheetPasses(r)
	if err != nil {
		return err
	}
	page.Next = next
	if err := s.addPrinted(r, &page, list); err != nil {
		return err
	}
	return r.Page(pages, "print.html", "Sheet of passes", &page)
}
