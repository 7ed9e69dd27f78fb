package passages

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// maxField bounds what is typed into one field, in characters.
const maxField = 200

// filter is the search form: what was typed, and what it means.
type filter struct {
	Day, From, Until          string // 2026-11-21; 2026-11-21T08:00 by the campus clock
	Lane, Entrance, Zone      string
	What, Reason, Kind, Going string
	Pass, Name                string
	Wrong                     map[string]string // what is wrong with a field, by its name

	search office.Search
}

// fields are the form's fields in the order of the page.
func (f *filter) fields() []struct {
	name string
	text *string
} {
	return []struct {
		name string
		text *string
	}{
		{"day", &f.Day}, {"from", &f.From}, {"until", &f.Until}, {"lane", &f.Lane}, {"entrance", &f.Entrance}, {"zone", &f.Zone},
		{"what", &f.What}, {"reason", &f.Reason}, {"kind", &f.Kind}, {"going", &f.Going}, {"pass", &f.Pass}, {"name", &f.Name},
	}
}

// wrong notes a mistake; the first one of a field counts.
func (f *filter) wrong(field, text string) {
	if f.Wrong[field] == "" {
		f.Wrong[field] = text
	}
}

// readFilter reads a form or a query. A field that came twice counts once.
func readFilter(r *console.Request, values url.Values, n *names) *filter {
	f := &filter{Wrong: map[string]string{}}
	for _, x := range f.fields() {
		text := strings.TrimSpace(values.Get(x.name))
		if utf8.RuneCountInString(text) > maxField {
			f.wrong(x.name, r.Say(pages, "That is too long: at most %d characters.", maxField))
			text = string([]rune(text)[:maxField])
		}
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			f.wrong(x.name, r.Say(pages, "That has characters that nobody can see; type it anew."))
			text = ""
		}
		*x.text = text
	}
	f.times(r)
	f.places(r, n)
	f.kinds(r)
	f.person(r)
	return f
}

func (f *filter) times(r *console.Request) {
	s := &f.search
	if f.Day != "" {
		day, err := pass.ParseDay(f.Day)
		if err != nil {
			f.wrong("day", r.Say(pages, "A day is written as 2026-11-21."))
		}
		if f.From != "" || f.Until != "" {
			f.wrong("day", r.Say(pages, "Give a day, or from and until, not both."))
		}
		s.From, s.Until = office.DayBounds(day, r.Zone())
		return
	}
	s.From, s.Until = f.moment(r, "from", f.From), f.moment(r, "until", f.Until)
	if !s.From.IsZero() && !s.Until.IsZero() && !s.From.Before(s.Until) {
		f.wrong("until", r.Say(pages, "The end lies before the begin."))
	}
}

// moment reads a time of the campus clock, to the minute or the second.
func (f *filter) moment(r *console.Request, field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		t, err := time.ParseInLocation(layout, text, r.Zone())
		if err == nil && t.Year() >= 2000 && t.Year() < 2200 {
			return t
		}
	}
	f.wrong(field, r.Say(pages, "A time is written as 2026-11-21 08:00."))
	return time.Time{}
}

func (f *filter) places(r *console.Request, n *names) {
	s := &f.search
	if f.Lane != "" {
		ref, ok := parseLane(f.Lane)
		if !ok {
			f.wrong("lane", r.Say(pages, "There is no such lane."))
		}
		s.Lanes = []office.LaneRef{ref}
	}
	if f.Entrance != "" {
		s.Lanes = n.at(f.Entrance)
		if f.Lane != "" {
			f.wrong("entrance", r.Say(pages, "Choose a lane or an entrance, not both."))
		} else if len(s.Lanes) == 0 {
			f.wrong("entrance", r.Say(pages, "No lane stands at this entrance."))
		}
	}
	if f.Zone != "" {
		z, err := strconv.ParseUint(f.Zone, 10, 8)
		if err != nil || z > 15 {
			f.wrong("zone", r.Say(pages, "There is no such zone."))
		}
		s.Zones = []uint8{uint8(z)}
	}
}

// parseLane is the inverse of office.LaneRef.String.
func parseLane(text string) (ref office.LaneRef, ok bool) {
	id, number, numbered := strings.Cut(text, ".")
	ref.Controller = id
	if numbered {
		n, err := strconv.ParseUint(number, 10, 8)
		if err != nil || n == 0 {
			return ref, false
		}
		ref.Number = uint8(n)
	}
	return ref, link.ValidID(id)
}

// outcome is a choice of what to show: some types of entries.
type outcome struct {
	value, text string
	types       []link.EntryType
}

// outcomes are the choices of "what"; the first is shown unless another is chosen.
// It leaves grants out, which their results repeat.
var outcomes = []outcome{
	{"", "Passages and refusals", []link.EntryType{link.EntryDenied, link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, link.EntryForced, link.EntryTailgated, link.EntryConflict}},
	{"passed", "Passed", []link.EntryType{link.EntryPassed}},
	{"refused", "Refused", []link.EntryType{link.EntryDenied}},
	{"not_passed", "Not passed", []link.EntryType{link.EntryNotPassed}},
	{"unknown", "Not known whether passed", []link.EntryType{link.EntryUnknown}},
	{"forced", "Forced", []link.EntryType{link.EntryForced}},
	{"tailgated", "Tailgated", []link.EntryType{link.EntryTailgated}},
	{"conflict", "Conflicts", []link.EntryType{link.EntryConflict}},
	{"granted", "Decisions to open", []link.EntryType{link.EntryGranted}},
	{"decided", "All decisions", []link.EntryType{link.EntryGranted, link.EntryDenied}},
	{"lane", "Events of lanes", laneEvents()},
	{"all", "Everything in the ledger", nil},
}

// laneEvents are the types that are about a lane and not about a person.
func laneEvents() []link.EntryType {
	people := []link.EntryType{link.EntryGranted, link.EntryDenied, link.EntryPassed, link.EntryNotPassed, link.EntryUnknown, link.EntryForced, link.EntryTailgated, link.EntryConflict, link.EntryFloor}
	return slices.DeleteFunc(office.EntryTypes(), func(t link.EntryType) bool { return slices.Contains(people, t) })
}

func (f *filter) kinds(r *console.Request) {
	s := &f.search
	i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.value == f.What })
	if i < 0 {
		f.wrong("what", r.Say(pages, "There is no such choice."))
		i = 0
	}
	s.Types = outcomes[i].types
	if f.Reason != "" {
		reason, ok := pass.ParseReason(f.Reason)
		if !ok {
			f.wrong("reason", r.Say(pages, "There is no such reason."))
		}
		s.Reasons = []pass.Reason{reason}
		if f.What == "" {
			s.Types = []link.EntryType{link.EntryDenied}
		}
	}
	if f.Kind != "" {
		kind, ok := office.ParseKind(f.Kind)
		if !ok {
			f.wrong("kind", r.Say(pages, "There is no such kind."))
		}
		s.Kinds = []pass.Kind{kind}
	}
	switch f.Going {
	case "in":
		s.Direction = 1
	case "out":
		s.Direction = 2
	case "":
	default:
		f.wrong("going", r.Say(pages, "There is no such choice."))
	}
}

func (f *filter) person(r *console.Request) {
	s := &f.search
	if f.Pass != "" {
		id, ok := parsePass(f.Pass)
		if !ok {
			f.wrong("pass", r.Say(pages, "That is neither a pass number such as 2026-11-21/004711 nor a code."))
			if len(f.Pass) > len("2026-11-21/004711") {
				f.Pass = "" // perhaps a code, which is a key: it is not shown again
			}
		} else {
			s.Pass, f.Pass = &id, id.String() // a code stands in no address
		}
	}
	if f.Name != "" && !seesNames(r) {
		f.wrong("name", r.Say(pages, "Your role sees no names."))
	}
	s.Words = f.Name
}

// parsePass reads a pass's number, or its code as a scanner delivers it.
func parsePass(text string) (pass.ID, bool) {
	if id, err := pass.ParseID(text); err == nil {
		return id, true
	}
	code, reason := pass.Parse([]byte(strings.ToUpper(strings.Join(strings.Fields(text), ""))))
	if reason != pass.Granted {
		return pass.ID{}, false
	}
	return code.ID(), true
}

// values is the filter as a query, without what was left empty.
func (f *filter) values() url.Values {
	q := url.Values{}
	for _, x := range f.fields() {
		if *x.text != "" {
			q.Set(x.name, *x.text)
		}
	}
	return q
}

// Hidden lists the filter for a form that hands it on.
func (f *filter) Hidden() (list []option) {
	for _, x := range f.fields() {
		if *x.text != "" {
			list = append(list, option{x.name, *x.text})
		}
	}
	return list
}

// Detailed tells that a field below "more" is used, so that it is shown open.
func (f *filter) Detailed() bool {
	for _, text := range []string{f.From, f.Until, f.Entrance, f.Kind, f.Going, f.Pass} {
		if text != "" {
			return true
		}
	}
	for _, field := range []string{"from", "until", "entrance", "kind", "going", "pass"} {
		if f.Wrong[field] != "" {
			return true
		}
	}
	return false
}

// path returns an address below /passages with the filter, and pairs of more.
func (f *filter) path(path string, pairs ...string) string {
	q := f.values()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// choices are the options of the form's selects.
type choices struct {
	What, Reasons, Kinds, Zones, Lanes, Entrances []option
}

func (d *desk) choices(r *console.Request, n *names) choices {
	c := choices{Lanes: n.lanes}
	for _, o := range outcomes {
		c.What = append(c.What, option{o.value, r.Say(pages, o.text)})
	}
	for _, reason := range pass.Reasons() {
		if reason != pass.Granted {
			c.Reasons = append(c.Reasons, option{reason.String(), n.text(office.ReasonWords(reason).Name)})
		}
	}
	for _, k := range office.SearchKinds() {
		c.Kinds = append(c.Kinds, option{k.String(), n.text(office.KindText(k))})
	}
	for _, z := range n.zones {
		c.Zones = append(c.Zones, option{strconv.Itoa(int(z.ID)), n.pick(z.Name, z.NameZH)})
	}
	for _, e := range n.entrances {
		c.Entrances = append(c.Entrances, option{e.ID, n.pick(e.Name, e.NameZH)})
	}
	return c
}
