package rules

import (
	"strconv"
	"strings"
	"time"

	"turnstile/central/console"
	"turnstile/central/guests"
	"turnstile/central/office"
)

// versionRow is a version of rules that central alone goes by, in a list.
type versionRow struct {
	Version uint64
	At      time.Time
	By      string
	Reason  string
	Text    string
	Current bool
}

// standingPage is a page of such rules: what is in force, a form, and what was.
type standingPage struct {
	Path     string // of the page
	Now      versionRow
	Facts    []fact
	Typed    map[string]string
	Problems map[string]string // by field
	Versions []versionRow
	Older    uint64
}

// typed is one field of the form.
type typed struct{ Name, Value, Wrong string }

// Field returns a field of the form.
func (p *standingPage) Field(name string) typed {
	return typed{name, p.Typed[name], p.Problems[name]}
}

// newStanding collects what the page of k below a path shows; facts says rules in words.
func newStanding[T any](r *console.Request, path string, k office.Keeper[T], facts func(T) []fact) (p standingPage, now office.Standing[T], err error) {
	before, err := number(r.URL.Query().Get("before"))
	if err != nil {
		return p, now, office.Refuse(office.ErrInvalid, "There is no such version.")
	}
	if now, err = k.Current(r.Context()); err != nil {
		return p, now, err
	}
	list, err := k.Versions(r.Context(), before, versionsShown)
	if err != nil {
		return p, now, err
	}
	row := func(v office.Standing[T]) versionRow {
		var parts []string
		for _, f := range facts(v.Rules) {
			parts = append(parts, f.Name+": "+f.Value)
		}
		return versionRow{v.Version, v.At, office.PlainName(v.By), v.Reason, strings.Join(parts, "; "), v.Version == now.Version}
	}
	p = standingPage{Path: path, Now: row(now), Facts: facts(now.Rules), Typed: map[string]string{}, Problems: map[string]string{}}
	for _, v := range list {
		p.Versions = append(p.Versions, row(v))
	}
	if n := len(list); n == versionsShown && list[n-1].Version > 1 {
		p.Older = list[n-1].Version
	}
	return p, now, nil
}

// standingChange is a change that is about to be decided on.
type standingChange struct {
	Changes []change
	Typed   map[string]string // of hidden fields
	Old     uint64            // of a roll back: the version that comes back
	Since   time.Time
}

// changed lists the facts that differ; both lists have the same names.
func changed(before, after []fact) (list []change) {
	for i, f := range after {
		if i < len(before) && before[i].Value != f.Value {
			list = append(list, change{"", f.Name, before[i].Value, f.Value})
		}
	}
	return list
}

// fields reads the named fields of a form, as they were typed.
func fields(r *console.Request, names ...string) (map[string]string, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, name := range names {
		out[name] = strings.TrimSpace(r.PostForm.Get(name))
	}
	return out, nil
}

// wrong refuses what was sent, in the page's words.
func (d *desk) wrong(r *console.Request, text string) error {
	return office.Refuse(office.ErrInvalid, "%s", r.Say(d.pages, text))
}

// reader turns typed fields into numbers, and notes what is wrong.
func (d *desk) reader(r *console.Request, problems map[string]string) reading {
	return reading{&form{Problems: problems}, func(text string, args ...any) string { return r.Say(d.pages, text, args...) }}
}

// because reads the reason of a change.
func (in reading) because(text string) string {
	if text == "" || !office.OneLine(text, office.MaxReason) {
		in.wrong("reason", "Say why, in at most %d characters on one line, please.", office.MaxReason)
	}
	return text
}

// guestFacts says the rules for guests in words.
func (d *desk) guestFacts(r *console.Request) func(guests.Rules) []fact {
	say := func(text string, args ...any) string { return r.Say(d.pages, text, args...) }
	limit := func(n int) string {
		if n == 0 {
			return say("without limit")
		}
		return strconv.Itoa(n)
	}
	days := func(n int) string {
		if n == 0 {
			return say("on the day itself")
		}
		return say("%d days before", n)
	}
	return func(g guests.Rules) []fact {
		return []fact{
			{say("Guests of one host on one day"), limit(g.PerDay)},
			{say("Guests of one host from today on"), limit(g.Upcoming)},
			{say("Requests of one host that wait"), limit(g.Waiting)},
			{say("Can be asked for, at the earliest"), days(g.Ahead)},
			{say("Can be asked for, at the latest"), say("%s, until %s", days(g.Notice), g.Until)},
		}
	}
}

// keepFacts says for how long things are kept.
func (d *desk) keepFacts(r *console.Request) func(office.Keep) []fact {
	say := func(text string, args ...any) string { return r.Say(d.pages, text, args...) }
	return func(k office.Keep) []fact {
		return []fact{
			{say("Passages"), say("%d days", k.Passages)},
			{say("Passes"), say("%d days", k.Passes)},
			{say("Photos and requests"), say("%d days", k.Photos)},
		}
	}
}
