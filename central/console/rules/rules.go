// Package rules is the console's pages of the rules, those that lanes decide by and
// those that central alone goes by: what is in force, every earlier version, and
// changes that are shown by what they would have decided, or what they erase,
// before they are put into force.
package rules

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/rights"
)

//go:embed pages/*.html
var files embed.FS

// Services is what the page stands on.
type Services struct {
	Rules    office.Rules
	History  office.History
	Policies office.Policies

	Guests    office.GuestRules
	Retention office.Retention
	ECards    office.ECards
}

// desk is the page's handlers.
type desk struct {
	Services
	pages *console.Templates
}

// Routes returns the page's routes.
func Routes(s Services) []console.Route {
	d := &desk{s, console.MustParse(files, words)}
	return []console.Route{
		{Method: http.MethodGet, Pattern: "/rules", Need: rights.RulesRead, Handle: d.show},
		{Method: http.MethodGet, Pattern: "/rules/edit", Need: rights.RulesWrite, Recent: true, Handle: d.edit},
		{Method: http.MethodPost, Pattern: "/rules/edit", Need: rights.RulesWrite, Handle: d.more},
		{Method: http.MethodPost, Pattern: "/rules/preview", Need: rights.RulesWrite, Slow: true, Handle: d.preview},
		{Method: http.MethodPost, Pattern: "/rules", Need: rights.RulesWrite, Handle: d.apply},
		{Method: http.MethodPost, Pattern: "/rules/policy", Need: rights.RulesWrite, Handle: d.policy},
		{Method: http.MethodGet, Pattern: guestsPath, Need: rights.RulesRead, Handle: d.guests},
		{Method: http.MethodPost, Pattern: guestsPath, Need: rights.RulesWrite, Handle: d.applyGuests},
		{Method: http.MethodPost, Pattern: guestsPath + "/preview", Need: rights.RulesWrite, Slow: true, Handle: d.previewGuests},
		{Method: http.MethodPost, Pattern: guestsPath + "/versions/{version}", Need: rights.RulesWrite, Slow: true, Handle: d.previewOldGuests},
		{Method: http.MethodGet, Pattern: retentionPath, Need: rights.RulesRead, Handle: d.retention},
		{Method: http.MethodPost, Pattern: retentionPath, Need: rights.RulesWrite, Handle: d.applyRetention},
		{Method: http.MethodPost, Pattern: retentionPath + "/preview", Need: rights.RulesWrite, Recent: true, Slow: true, Handle: d.previewRetention},
		{Method: http.MethodPost, Pattern: retentionPath + "/versions/{version}", Need: rights.RulesWrite, Recent: true, Slow: true, Handle: d.previewOldRetention},
		{Method: http.MethodGet, Pattern: ecardsPath, Need: rights.RulesRead, Handle: d.ecards},
		{Method: http.MethodPost, Pattern: ecardsPath, Need: rights.RulesWrite, Handle: d.applyECards},
		{Method: http.MethodPost, Pattern: ecardsPath + "/preview", Need: rights.RulesWrite, Handle: d.previewECards},
		{Method: http.MethodPost, Pattern: ecardsPath + "/versions/{version}", Need: rights.RulesWrite, Handle: d.previewOldECards},
		{Method: http.MethodGet, Pattern: "/rules/versions/{version}", Need: rights.RulesRead, Handle: d.version},
		{Method: http.MethodPost, Pattern: "/rules/versions/{version}/preview", Need: rights.RulesWrite, Slow: true, Handle: d.previewOld},
	}
}

// versionsShown is how many versions the page lists.
const versionsShown = 20

// shown is what the page shows.
type shown struct {
	Rules    office.RulesVersion
	Facts    []group
	Versions []office.RulesVersion
	Older    uint64
	Policy   office.Policy
	Guests   []fact
	Keep     []fact
	ECards   []fact
}

func (d *desk) show(r *console.Request) error {
	before, err := number(r.URL.Query().Get("before"))
	if err != nil {
		return d.wrong(r, "There is no such version.")
	}
	now, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	out := shown{}
	if out.Rules, err = d.History.Version(r.Context(), now.Version); err != nil {
		return err
	}
	if out.Versions, err = d.History.Versions(r.Context(), before, versionsShown); err != nil {
		return err
	}
	if n := len(out.Versions); n == versionsShown && out.Versions[n-1].Version > 1 {
		out.Older = out.Versions[n-1].Version
	}
	if out.Policy, err = d.Policies.Policy(r.Context()); err != nil {
		return err
	}
	guests, err := d.Services.Guests.Current(r.Context())
	if err != nil {
		return err
	}
	keep, err := d.Retention.Current(r.Context())
	if err != nil {
		return err
	}
	cards, err := d.Services.ECards.Current(r.Context())
	if err != nil {
		return err
	}
	out.ECards = d.ecardFacts(r, now.Zones)(cards.Rules)
	out.Guests, out.Keep = d.guestFacts(r)(guests.Rules), d.keepFacts(r)(keep.Rules)
	out.Facts = d.describe(r, now)
	return r.Page(d.pages, "rules.html", "Rules", out)
}

// number reads a version; "" is 0.
func number(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseUint(text, 10, 53)
}

func (d *desk) edit(r *console.Request) error {
	now, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	return r.Page(d.pages, "edit.html", "Change the rules", newForm(now))
}

// more shows the form again with one more zone or period; nothing is changed.
func (d *desk) more(r *console.Request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	f.add(r.PostForm.Get("add"))
	return r.Page(d.pages, "edit.html", "Change the rules", f)
}

// proposal is a change that is about to be decided on.
type proposal struct {
	Changes []change
	Rules   string // JSON of the rules proposed
	Version uint64 // that they were made from
	Old     uint64 // of a roll back: the version that comes back
	Since   time.Time
}

func (d *desk) preview(r *console.Request) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	now, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	proposed := f.rules(r, d.pages, now)
	if len(f.Problems) > 0 {
		return r.PageStatus(http.StatusUnprocessableEntity, d.pages, "edit.html", "Change the rules", f)
	}
	return d.propose(r, now, proposed, 0)
}

func (d *desk) previewOld(r *console.Request) error {
	n, err := number(r.PathValue("version"))
	if err != nil {
		return d.wrong(r, "There is no such version.")
	}
	old, err := d.History.Version(r.Context(), n)
	if err != nil {
		return err
	}
	now, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	proposed := old.Rules
	proposed.Version = now.Version
	keepModes(&proposed, &now)
	return d.propose(r, now, proposed, n)
}

// keepModes takes the modes of zones from the rules in force: these are changed on
// the page Lanes, by who stands at the gates.
func keepModes(to, from *link.Rules) {
	for i := range to.Zones {
		to.Zones[i].Mode = link.Normal
		if z := from.Zone(to.Zones[i].ID); z != nil {
			to.Zones[i].Mode = z.Mode
		}
	}
}

// week is how far a preview looks back.
const week = 7 * 24 * time.Hour

// propose shows what changes and what that would have decided, while it is found.
func (d *desk) propose(r *console.Request, now, proposed link.Rules, old uint64) error {
	text, err := json.Marshal(proposed)
	if err != nil {
		return fmt.Errorf("encode rules: %w", err)
	}
	p := proposal{d.differences(r, now, proposed), string(text), now.Version, old, r.Now().Add(-week)}
	page, err := r.Stream(d.pages, "preview.html", "What this would have decided", p)
	if err != nil {
		return err
	}
	if len(p.Changes) == 0 {
		if err := page.Part("nothing", p); err != nil {
			return err
		}
		return page.End()
	}
	found, err := d.History.Preview(r.Context(), proposed, p.Since, d.progress(r, page))
	if err != nil {
		return page.Fail(err)
	}
	if err := page.Part("found", d.summary(r, found, now, proposed)); err != nil {
		return err
	}
	if err := page.Part("decide", p); err != nil {
		return err
	}
	return page.End()
}

// progressEvery is how often a page that is being made says how far it is.
const progressEvery = 300 * time.Millisecond

func (d *desk) progress(r *console.Request, page *console.Stream) func(float64) {
	var last time.Time
	return func(done float64) {
		if now := r.Now(); now.Sub(last) >= progressEvery {
			last = now
			page.Part("progress", int(done*100)) // a page that was closed ends the work through its context
		}
	}
}

func (d *desk) apply(r *console.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	var proposed link.Rules
	if err := json.Unmarshal([]byte(r.PostForm.Get("rules")), &proposed); err != nil {
		return d.wrong(r, "This form is not whole. Begin the change again.")
	}
	now, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	keepModes(&proposed, &now)
	stored, err := d.Rules.SetRules(r.Context(), r.By(), proposed)
	if err != nil {
		return err
	}
	r.Flash(r.Say(d.pages, "Version %d of the rules is in force. Lanes take it within seconds; the page Lanes shows which have.", stored.Version))
	return r.Redirect("/rules")
}

func (d *desk) policy(r *console.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	version, err := number(r.PostForm.Get("version"))
	if err != nil {
		return d.wrong(r, "This form is not whole. Begin the change again.")
	}
	p := office.Policy{Version: version, ECards: r.PostForm.Get("ecards") != "", Guests: r.PostForm.Get("guests") != ""}
	if err := d.Policies.SetPolicy(r.Context(), r.By(), p); err != nil {
		return err
	}
	r.Flash(r.Say(d.pages, "Saved. It holds for what is handed in from now on."))
	return r.Redirect("/rules")
}

// old is a version with what differs from the one before it.
type old struct {
	office.RulesVersion
	Changes []change
	Facts   []group
	Current bool
}

func (d *desk) version(r *console.Request) error {
	n, err := number(r.PathValue("version"))
	if err != nil || n == 0 {
		return d.wrong(r, "There is no such version.")
	}
	list, err := d.History.Versions(r.Context(), n+1, 2)
	if err != nil {
		return err
	}
	now, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	if len(list) == 0 || list[0].Version != n {
		return office.Refuse(office.ErrNotFound, "%s", r.Say(d.pages, "There is no such version."))
	}
	out := old{RulesVersion: list[0], Facts: d.describe(r, list[0].Rules), Current: now.Version == n}
	if len(list) == 2 {
		out.Changes = d.differences(r, list[1].Rules, list[0].Rules)
	}
	return r.Page(d.pages, "version.html", r.Say(d.pages, "Version %d of the rules", n), out)
}
