package passes

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// bulkPage is the form for a change of many passes.
type bulkPage struct {
	base
	Selection string // in words
	Choices   []bulkChoice
	Hidden    []hidden
	Above     int
	Reason    string
	Wrong     string // of the reason
	Problem   string
	ZoneNote  bool
	None      bool
	Zones     []option // to select by, if nothing is selected
}

// bulkChoice is what can be done to the selection.
type bulkChoice struct {
	option
	Count  int
	Danger bool
}

type hidden struct{ Name, Value string }

// readSelection reads a selection from a form or an address.
func readSelection(r *console.Request) (c office.StatusChange, err error) {
	if c.Holder, err = field(r, "holder"); err != nil {
		return c, err
	}
	day, err := field(r, "day")
	if err != nil {
		return c, err
	}
	if day != "" {
		d, err := pass.ParseDay(day)
		if err != nil {
			return c, refuse(r, office.ErrInvalid, "Write a day as 2026-11-22.")
		}
		c.Day = &d
	}
	zone, err := field(r, "zone")
	if err != nil {
		return c, err
	}
	if zone != "" {
		z, ok := parseZone(zone)
		if !ok {
			return c, refuse(r, office.ErrInvalid, "There is no such zone.")
		}
		c.Zone = &z
	}
	if len(c.Holder) > 256 || !printable(c.Holder) || len(r.Form["id"]) > office.MaxSelected {
		return c, refuse(r, office.ErrInvalid, "Select at most %d passes, or by person, day and zone.", office.MaxSelected)
	}
	for _, text := range r.Form["id"] {
		id, err := pass.ParseID(text)
		if err != nil {
			return c, refuse(r, office.ErrInvalid, "One of the selected passes has no number; load the list again.")
		}
		c.IDs = append(c.IDs, id)
	}
	return c, nil
}

func empty(c *office.StatusChange) bool {
	return len(c.IDs) == 0 && c.Holder == "" && c.Day == nil && c.Zone == nil
}

func (s *desk) bulkForm(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	c, err := readSelection(r)
	if err != nil {
		return err
	}
	to, err := field(r, "to")
	if err != nil {
		return err
	}
	return s.showBulkForm(r, http.StatusOK, c, bulkPage{}, to)
}

func (s *desk) showBulkForm(r *console.Request, status int, c office.StatusChange, p bulkPage, chosen string) (err error) {
	p.base = newBase()
	if p.Zones, err = s.zoneOptions(r, "", true); err != nil {
		return err
	}
	if p.None = empty(&c); !p.None {
		if err := s.fillBulk(r, c, &p, chosen); err != nil {
			if p.Problem = refusal(r, err); p.Problem == "" {
				return err
			}
			p.None, status = true, http.StatusUnprocessableEntity
		}
	}
	return r.PageStatus(status, pages, "bulk.html", "Revoke, hold or release many", &p)
}

func (s *desk) fillBulk(r *console.Request, c office.StatusChange, p *bulkPage, chosen string) error {
	p.ZoneNote = c.Zone != nil
	var err error
	if p.Selection, err = s.selectionText(r, &c.Selection); err != nil {
		return err
	}
	p.Hidden = hiddenOf(&c.Selection)
	for _, to := range []link.Status{link.Revoked, link.Held, link.Good} {
		c.Status = to
		n, above, err := s.Bulk.Count(r.Context(), c)
		if err != nil {
			return err
		}
		p.Above = above
		text := map[link.Status]string{link.Revoked: say(r, "Revoke %d", n), link.Held: say(r, "Hold %d", n), link.Good: say(r, "Release %d", n)}[to]
		name := statusNames[to]
		p.Choices = append(p.Choices, bulkChoice{option{name, text, name == chosen || chosen == "" && to == link.Revoked}, n, to == link.Revoked})
		p.Hidden = append(p.Hidden, hidden{"due_" + name, strconv.Itoa(n)})
	}
	return nil
}

func hiddenOf(c *office.Selection) (list []hidden) {
	if c.Holder != "" {
		list = append(list, hidden{"holder", c.Holder})
	}
	if c.Day != nil {
		list = append(list, hidden{"day", c.Day.String()})
	}
	if c.Zone != nil {
		list = append(list, hidden{"zone", option16[*c.Zone&15]})
	}
	for _, id := range c.IDs {
		list = append(list, hidden{"id", id.String()})
	}
	return list
}

// selectionText says in words which passes a change is of.
func (s *desk) selectionText(r *console.Request, c *office.Selection) (string, error) {
	text := say(r, "%d passes that were selected", len(c.IDs))
	switch len(c.IDs) {
	case 0:
		text = say(r, "all passes from yesterday on")
	case 1:
		text = say(r, "the pass that was selected")
	}
	if c.Holder != "" {
		text += say(r, ", of %s and their guests", c.Holder)
	}
	if c.Day != nil {
		text += say(r, ", on %s", c.Day)
	}
	if c.Zone != nil {
		rules, err := s.Rules.Rules(r.Context())
		if err != nil {
			return "", err
		}
		name := option16[*c.Zone&15]
		for _, z := range rules.Zones {
			if z.ID == *c.Zone {
				name = zoneName(r, z)
			}
		}
		text += say(r, ", that open %s", name)
	}
	return text, nil
}

func (s *desk) propose(r *console.Request) error {
	if err := parse(r); err != nil {
		return err
	}
	c, err := readSelection(r)
	if err != nil {
		return err
	}
	to, err := field(r, "to")
	if err != nil {
		return err
	}
	status, ok := parseStatus(to)
	if !ok || empty(&c) {
		return refuse(r, office.ErrInvalid, "Select passes, a person, a day or a zone, and what to do with them.")
	}
	c.Status = status
	var wrong string
	if c.Reason, wrong, err = reason(r); err != nil {
		return err
	}
	if wrong != "" {
		return s.showBulkForm(r, http.StatusUnprocessableEntity, c, bulkPage{Reason: c.Reason, Wrong: wrong}, to)
	}
	text, err := field(r, "due_"+to)
	if err != nil {
		return err
	}
	due, err := strconv.Atoi(text)
	if err != nil || due < 1 {
		return s.showBulkForm(r, http.StatusUnprocessableEntity, c, bulkPage{Reason: c.Reason, Problem: say(r, "That would change no pass.")}, to)
	}
	b, err := s.Bulk.Propose(r.Context(), r.By(), c, due)
	if err != nil {
		if why := refusal(r, err); why != "" {
			return s.showBulkForm(r, http.StatusUnprocessableEntity, c, bulkPage{Reason: c.Reason, Problem: why}, to)
		}
		return err
	}
	return r.Redirect("/passes/bulk/" + url.PathEscape(b.ID))
}

// changePage is a change of many passes.
type changePage struct {
	base
	changePart
}

// Part is the change itself.
func (p *changePage) Part() changePart { return p.changePart }

// changePart is how far a change has come.
type changePart struct {
	office.BulkChange
	What       string // in words
	Path       string
	StatusText string
	StatusName string
	Refused    refusedPart
	Proposed   bool
	Running    bool
	Done       bool
	Mine       bool // proposed by who looks at it
	Percent    int
}

func (s *desk) part(r *console.Request, b office.BulkChange) (p changePart, err error) {
	p = changePart{BulkChange: b, Path: console.Base + "/passes/bulk/" + b.ID, Mine: b.By == r.By()}
	p.By, p.SettledBy = office.PlainName(b.By), office.PlainName(b.SettledBy)
	p.Proposed, p.Running, p.Done = b.State == office.BulkProposed, b.State == office.BulkRunning, b.State == office.BulkDone
	p.StatusName = statusNames[min(int(b.Status), len(statusNames)-1)]
	p.StatusText = map[link.Status]string{link.Good: say(r, "Release"), link.Revoked: say(r, "Revoke"), link.Held: say(r, "Hold")}[b.Status]
	p.Refused = newRefused("", b.RefusedBy)
	p.Refused.Accepted, p.Refused.Busy = b.Status == link.Good, p.Running
	if b.Passes > 0 {
		p.Percent = (b.Changed + b.Skipped) * 100 / b.Passes
	}
	p.What, err = s.selectionText(r, &b.Selection)
	return p, err
}

func (s *desk) findChange(r *console.Request) (p changePart, err error) {
	b, err := s.Bulk.Find(r.Context(), r.PathValue("id"))
	if errors.Is(err, office.ErrNotFound) {
		return p, refuse(r, office.ErrNotFound, "There is no such change; it may have been erased.")
	}
	if err != nil {
		return p, err
	}
	return s.part(r, b)
}

func (s *desk) change(r *console.Request) error {
	p, err := s.findChange(r)
	if err != nil {
		return err
	}
	return r.Page(pages, "change.html", "Change of many passes", &changePage{newBase(), p})
}

func (s *desk) changeNow(r *console.Request) error {
	p, err := s.findChange(r)
	if err != nil {
		return err
	}
	if !p.Proposed && r.URL.Query().Get("was") == "proposed" {
		return r.Redirect("/passes/bulk/" + url.PathEscape(p.ID)) // the rest of the page is another one now
	}
	return r.Fragment(pages, "change.html", "now", &p)
}

// changesPage lists changes of many passes.
type changesPage struct {
	base
	Open, All []changePart
}

func (s *desk) changes(r *console.Request) error {
	p := changesPage{base: newBase()}
	list, err := s.Bulk.List(r.Context(), false, 50)
	if err != nil {
		return err
	}
	for _, b := range list {
		x, err := s.part(r, b)
		if err != nil {
			return err
		}
		if p.All = append(p.All, x); x.Proposed {
			p.Open = append(p.Open, x)
		}
	}
	return r.Page(pages, "changes.html", "Changes of many passes", &p)
}

func (s *desk) confirm(r *console.Request) error  { return s.settle(r, true) }
func (s *desk) withdraw(r *console.Request) error { return s.settle(r, false) }

func (s *desk) settle(r *console.Request, confirm bool) error {
	id := r.PathValue("id")
	if _, err := s.Bulk.Settle(r.Context(), r.By(), id, confirm); err != nil {
		return err
	}
	if !confirm {
		r.Flash(say(r, "The proposal is withdrawn; nothing was changed."))
	}
	return r.Redirect("/passes/bulk/" + url.PathEscape(id))
}
