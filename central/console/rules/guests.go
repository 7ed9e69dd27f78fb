package rules

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"turnstile/central/console"
	"turnstile/central/guests"
	"turnstile/central/office"
)

// Where the pages are.
const (
	guestsPath    = "/rules/guests"
	retentionPath = "/rules/retention"
)

// month is how far the preview of rules for guests looks back.
const month = 30

func guestTyped(g guests.Rules) map[string]string {
	out := map[string]string{"until": g.Until}
	for name, n := range map[string]int{"per_day": g.PerDay, "upcoming": g.Upcoming, "waiting": g.Waiting, "ahead": g.Ahead, "notice": g.Notice} {
		out[name] = strconv.Itoa(n)
	}
	return out
}

func (d *desk) guests(r *console.Request) error {
	p, now, err := newStanding(r, guestsPath, d.Guests, d.guestFacts(r))
	if err != nil {
		return err
	}
	p.Typed = guestTyped(now.Rules)
	p.Typed["version"] = fmt.Sprint(now.Version)
	return r.Page(d.pages, "guests.html", "Rules for guests", &p)
}

// readGuests reads the form of the rules for guests.
func (d *desk) readGuests(r *console.Request) (c office.Change[guests.Rules], typed, problems map[string]string, err error) {
	typed, err = fields(r, "version", "per_day", "upcoming", "waiting", "ahead", "notice", "until", "reason")
	if err != nil {
		return c, nil, nil, err
	}
	problems = map[string]string{}
	in := d.reader(r, problems)
	if c.Version, err = number(typed["version"]); err != nil {
		return c, nil, nil, d.wrong(r, "This form is not whole. Begin the change again.")
	}
	c.By, c.Reason = r.By(), in.because(typed["reason"])
	c.Rules = guests.Rules{
		PerDay: in.whole("per_day", typed["per_day"], 0, guests.MaxGuests), Upcoming: in.whole("upcoming", typed["upcoming"], 0, guests.MaxGuests),
		Waiting: in.whole("waiting", typed["waiting"], 0, guests.MaxGuests), Ahead: in.whole("ahead", typed["ahead"], 0, guests.MaxDays),
		Notice: in.whole("notice", typed["notice"], 0, guests.MaxDays),
	}
	minute, ok := minuteOf(typed["until"])
	if !ok {
		in.wrong("until", "A time such as 07:00, please.")
	}
	c.Rules.Until = clock(minute)
	if len(problems) == 0 && c.Rules.Notice > c.Rules.Ahead {
		in.wrong("notice", "No day is left: the latest is before the earliest.")
	}
	return c, typed, problems, nil
}

func (d *desk) previewGuests(r *console.Request) error {
	c, typed, problems, err := d.readGuests(r)
	if err != nil {
		return err
	}
	p, now, err := newStanding(r, guestsPath, d.Guests, d.guestFacts(r))
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		p.Typed, p.Problems = typed, problems
		return r.PageStatus(http.StatusUnprocessableEntity, d.pages, "guests.html", "Rules for guests", &p)
	}
	return d.proposeGuests(r, now.Rules, c, 0)
}

func (d *desk) previewOldGuests(r *console.Request) error {
	c, err := rollBack(r, d.pages, d.Guests)
	if err != nil {
		return err
	}
	now, err := d.Guests.Current(r.Context())
	if err != nil {
		return err
	}
	n, _ := number(r.PathValue("version"))
	return d.proposeGuests(r, now.Rules, c, n)
}

// rollBack returns the change that brings back the version of the path.
func rollBack[T any](r *console.Request, t *console.Templates, k office.Keeper[T]) (c office.Change[T], err error) {
	n, err := number(r.PathValue("version"))
	if err != nil || n == 0 {
		return c, office.Refuse(office.ErrInvalid, "%s", r.Say(t, "There is no such version."))
	}
	old, err := office.FindVersion(r.Context(), k, n)
	if err != nil {
		return c, err
	}
	now, err := k.Current(r.Context())
	return office.Change[T]{Version: now.Version, Rules: old.Rules, By: r.By(), Reason: r.Say(t, "Back to version %d", n)}, err
}

// proposeGuests shows what a change would have refused, while it is found.
func (d *desk) proposeGuests(r *console.Request, now guests.Rules, c office.Change[guests.Rules], old uint64) error {
	facts := d.guestFacts(r)
	p := standingChange{Changes: changed(facts(now), facts(c.Rules)), Typed: guestTyped(c.Rules), Old: old, Since: r.Now().AddDate(0, 0, -month)}
	p.Typed["version"], p.Typed["reason"] = fmt.Sprint(c.Version), c.Reason
	page, err := r.Stream(d.pages, "guests-preview.html", "What these rules would have refused", p)
	if err != nil {
		return err
	}
	if len(p.Changes) == 0 {
		if err := page.Part("nothing", p); err != nil {
			return err
		}
		return page.End()
	}
	report, err := d.Guests.PreviewGuests(r.Context(), c.Rules, p.Since, d.progress(r, page))
	if err != nil {
		return page.Fail(err)
	}
	if err := page.Part("found", d.guestSummary(r, report)); err != nil {
		return err
	}
	if err := page.Part("decide", p); err != nil {
		return err
	}
	return page.End()
}

// guestFound is a guests.Report in words.
type guestFound struct {
	guests.Report
	Sum, SumNow int // refused
	Rules       []guestRuleRow
	Asks        []guestAskRow
}

type guestRuleRow struct {
	Name          string
	Proposed, Now int
}

type guestAskRow struct {
	At         time.Time
	Day        string
	Count      int
	Rule       string
	Link, What string
}

// ruleWords are the rules for guests by their number.
var ruleWords = map[guests.Rule]string{
	guests.Ahead: "Too early", guests.Notice: "Too late", guests.PerDay: "Too many guests of one host on one day",
	guests.Upcoming: "Too many guests of one host from that day on", guests.Waiting: "Too many requests of one host wait",
}

func (d *desk) guestSummary(r *console.Request, rep guests.Report) guestFound {
	out := guestFound{Report: rep}
	for _, rule := range guests.All() {
		row := guestRuleRow{r.Say(d.pages, ruleWords[rule]), rep.Refused[rule], rep.InForce[rule]}
		out.Sum, out.SumNow = out.Sum+row.Proposed, out.SumNow+row.Now
		out.Rules = append(out.Rules, row)
	}
	for _, x := range rep.Rows[:min(len(rep.Rows), rowsShown)] {
		row := guestAskRow{At: time.UnixMilli(x.At), Day: x.Day.String(), Count: x.Count, Rule: r.Say(d.pages, ruleWords[x.Rule])}
		if x.Application != 0 {
			row.Link, row.What = fmt.Sprintf("/approvals/%d", x.Application), r.Say(d.pages, "Request %d", x.Application)
		} else {
			row.Link, row.What = fmt.Sprintf("/passes/%s/%d", x.Pass.Day, x.Pass.Index), x.Pass.String()
		}
		out.Asks = append(out.Asks, row)
	}
	return out
}

func (d *desk) applyGuests(r *console.Request) error {
	c, typed, problems, err := d.readGuests(r)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		p, _, err := newStanding(r, guestsPath, d.Guests, d.guestFacts(r))
		if err != nil {
			return err
		}
		p.Typed, p.Problems = typed, problems
		return r.PageStatus(http.StatusUnprocessableEntity, d.pages, "guests.html", "Rules for guests", &p)
	}
	stored, err := d.Guests.Set(r.Context(), c)
	if err != nil {
		return err
	}
	r.Flash(r.Say(d.pages, "Version %d is in force for guests who are asked for from now on.", stored.Version))
	return r.Redirect(guestsPath)
}
