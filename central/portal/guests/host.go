package guests

import (
	"errors"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/portal"
)

func (s *desk) list(r *portal.Request) error {
	all, err := s.visits.List(r.Context(), r.Who.Person)
	if err != nil {
		return err
	}
	return r.Page(pages, "list.html", "Guests", all)
}

// formData is the form of a new visit, perhaps shown again.
type formData struct {
	Terms
	Day, Purpose, Names string
	Chosen              []int
	Instead             int64
	Problem             string
	Wrong               map[string]string // by field
}

// Ticked reports whether a zone is chosen; all are, before somebody chose.
func (f *formData) Ticked(id int) bool { return len(f.Chosen) == 0 || slices.Contains(f.Chosen, id) }

// FirstDay and LastDay bound the date.
func (f *formData) FirstDay() string { return f.First.String() }

// LastDay is told of with FirstDay.
func (f *formData) LastDay() string { return f.Last.String() }

// form is empty, or filled with the visit that is to be changed.
func (s *desk) form(r *portal.Request) error {
	terms, err := s.visits.Terms(r.Context())
	if err != nil {
		return err
	}
	f := formData{Terms: terms, Day: terms.First.String()}
	if from := r.URL.Query().Get("instead"); from != "" {
		v, err := s.find(r, from)
		if err != nil {
			return err
		}
		f.Day, f.Purpose, f.Names, f.Instead = max(v.Day, terms.First).String(), v.Purpose, strings.Join(v.Names, "\n"), v.Number
	}
	return r.Page(pages, "new.html", "New campus access", &f)
}

// read reads the form; what is wrong with it stands in Wrong.
func (f *formData) read(r *portal.Request) (a Ask) {
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	f.Day, f.Purpose, f.Names = get("day"), get("purpose"), get("names")
	f.Wrong = map[string]string{}
	wrong := func(field, text string, args ...any) { f.Wrong[field] = r.Say(pages, text, args...) }
	var err error
	if a.Day, err = pass.ParseDay(f.Day); err != nil || a.Day < f.First || a.Day > f.Last {
		wrong("day", "Choose a day from %s to %s.", f.First, f.Last)
	}
	if a.Purpose = f.Purpose; a.Purpose == "" || !office.OneLine(a.Purpose, MaxPurpose) {
		wrong("purpose", "Say in a few words what the visit is for.")
	}
	a.Names = names(f.Names)
	switch {
	case len(a.Names) == 0 || len(a.Names) > f.Most:
		wrong("names", "Write 1 to %d names, each on a line of its own.", f.Most)
	case slices.ContainsFunc(a.Names, func(n string) bool { return !office.OneLine(n, MaxName) }):
		wrong("names", "A name has at most %d characters.", MaxName)
	}
	for _, text := range r.PostForm["zone"] {
		if id, err := strconv.Atoi(text); err == nil && slices.ContainsFunc(f.Terms.Zones, func(z Zone) bool { return z.ID == id }) {
			a.Zones = append(a.Zones, id)
		}
	}
	f.Chosen = a.Zones
	if f.Instead, err = strconv.ParseInt("0"+get("instead"), 10, 64); err != nil {
		f.Instead = 0
	}
	a.Instead = f.Instead
	return a
}

// names reads one name a line; a name that stands twice is two guests of it.
func names(text string) (list []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "\n")) {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			list = append(list, line)
		}
	}
	return list
}

func (s *desk) ask(r *portal.Request) error {
	terms, err := s.visits.Terms(r.Context())
	if err != nil {
		return err
	}
	f := formData{Terms: terms}
	a := f.read(r)
	if len(f.Wrong) == 0 {
		number, err := s.visits.Ask(r.Context(), r.Who.Person, a)
		if err == nil {
			return r.Redirect(Path + "/" + strconv.FormatInt(number, 10))
		}
		refusal, ok := errors.AsType[*office.Refusal](err)
		if !ok || errors.Is(err, office.ErrNotFound) {
			return err
		}
		f.Problem = told(r, refusal)
	}
	return r.PageStatus(http.StatusUnprocessableEntity, pages, "new.html", "New campus access", &f)
}

// told words for a holder what the office's services refuse.
func told(r *portal.Request, x *office.Refusal) string {
	if own := plain[x.Text]; own != "" {
		return r.Say(pages, own, x.Args...)
	}
	return r.Told(pages, x)
}

// find returns one of the holder's own visits.
func (s *desk) find(r *portal.Request, text string) (Visit, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || number < 1 {
		return Visit{}, r.Missing()
	}
	v, err := s.visits.Visit(r.Context(), r.Who.Person, number)
	if errors.Is(err, office.ErrNotFound) {
		return v, r.Missing()
	}
	return v, err
}

// visitData is one visit.
type visitData struct {
	Visit
	Mail          bool
	Problem       string
	Pass, Address string // of the form for a mail that is shown again
}

// Title names the day.
func (v *visitData) Title(lang portal.Language) string { return portal.DayTitle(lang, v.Begin) }

func (s *desk) visit(r *portal.Request) error {
	v, err := s.find(r, r.PathValue("number"))
	if err != nil {
		return err
	}
	return s.visitPage(r, http.StatusOK, visitData{Visit: v})
}

func (s *desk) visitPage(r *portal.Request, status int, d visitData) error {
	terms, err := s.visits.Terms(r.Context())
	if err != nil {
		return err
	}
	d.Mail = terms.Mail
	return r.PageStatus(status, pages, "visit.html", "Campus access", &d)
}

// change does a deed about one guest of the form, or about the visit.
func (s *desk) change(r *portal.Request, c Change, done string) error {
	v, err := s.find(r, r.PathValue("number"))
	if err != nil {
		return err
	}
	c.Number = v.Number
	if text := r.PostForm.Get("pass"); text != "" {
		if c.Pass, err = pass.ParseID(text); err != nil || !slices.ContainsFunc(v.Guests, func(g Guest) bool { return g.Pass == c.Pass }) {
			return r.Missing()
		}
	}
	if err := s.visits.Change(r.Context(), r.Who.Person, c); err != nil {
		refusal, ok := errors.AsType[*office.Refusal](err)
		if !ok || errors.Is(err, office.ErrNotFound) {
			return err
		}
		return s.visitPage(r, http.StatusUnprocessableEntity, visitData{Visit: v, Problem: told(r, refusal), Pass: r.PostForm.Get("pass"), Address: c.Address})
	}
	r.Flash(r.Say(pages, done))
	return r.Redirect(Path + "/" + strconv.FormatInt(v.Number, 10))
}

func (s *desk) cancel(r *portal.Request) error {
	return s.change(r, Change{Cancel: true}, "Cancelled. The code opens no gate any more.")
}

// maxAddress bounds a mail address, in bytes (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// clipped is an address as it is shown again.
func clipped(address string) string {
	return strings.ToValidUTF8(address[:min(len(address), maxAddress)], "")
}

func (s *desk) send(r *portal.Request) error {
	address := strings.TrimSpace(r.PostForm.Get("address"))
	if a, err := mail.ParseAddress(address); err != nil || a.Address != address || len(address) > maxAddress {
		v, err := s.find(r, r.PathValue("number"))
		if err != nil {
			return err
		}
		return s.visitPage(r, http.StatusUnprocessableEntity, visitData{Visit: v, Problem: r.Say(pages, "Write a mail address such as name@example.org."), Pass: r.PostForm.Get("pass"), Address: clipped(address)})
	}
	lang := portal.English
	if r.PostForm.Get("lang") == string(portal.Chinese) {
		lang = portal.Chinese
	}
	return s.change(r, Change{Address: address, Lang: lang}, "The link is on its way.")
}

// WhatsApp is the address that opens WhatsApp with a text.
func WhatsApp(text string) string { return "https://wa.me/?" + url.Values{"text": {text}}.Encode() }

// Message is the text to share: it names neither holder nor purpose.
func (v *visitData) Message(view *portal.View, g Guest) string {
	return view.Say(pages, "Your campus access on %s: %s", v.Title(view.Lang()), g.Link)
}

// Share is the address for WhatsApp.
func (v *visitData) Share(view *portal.View, g Guest) string { return WhatsApp(v.Message(view, g)) }
