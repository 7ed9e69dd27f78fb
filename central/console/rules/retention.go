package rules

import (
	"fmt"
	"net/http"
	"strconv"

	"turnstile/central/console"
	"turnstile/central/office"
)

func keepTyped(k office.Keep) map[string]string {
	return map[string]string{"passages": strconv.Itoa(k.Passages), "passes": strconv.Itoa(k.Passes), "photos": strconv.Itoa(k.Photos)}
}

func (d *desk) retention(r *console.Request) error {
	p, now, err := newStanding(r, retentionPath, d.Retention, d.keepFacts(r))
	if err != nil {
		return err
	}
	p.Typed = keepTyped(now.Rules)
	p.Typed["version"] = fmt.Sprint(now.Version)
	return r.Page(d.pages, "retention.html", "How long things are kept", &p)
}

// readKeep reads the form of the times to keep. With problems it answers the form
// again, and done is true.
func (d *desk) readKeep(r *console.Request) (c office.Change[office.Keep], now office.Keep, done bool, err error) {
	typed, err := fields(r, "version", "passages", "passes", "photos", "reason")
	if err != nil {
		return c, now, false, err
	}
	problems := map[string]string{}
	in := d.reader(r, problems)
	if c.Version, err = number(typed["version"]); err != nil {
		return c, now, false, d.wrong(r, "This form is not whole. Begin the change again.")
	}
	c.By, c.Reason = r.By(), in.because(typed["reason"])
	c.Rules = office.Keep{Passages: in.whole("passages", typed["passages"], 1, office.MaxKeep), Passes: in.whole("passes", typed["passes"], 1, office.MaxKeep),
		Photos: in.whole("photos", typed["photos"], 1, office.MaxKeep)}
	p, stands, err := newStanding(r, retentionPath, d.Retention, d.keepFacts(r))
	if err != nil || len(problems) == 0 {
		return c, stands.Rules, false, err
	}
	p.Typed, p.Problems = typed, problems
	return c, stands.Rules, true, r.PageStatus(http.StatusUnprocessableEntity, d.pages, "retention.html", "How long things are kept", &p)
}

func (d *desk) previewRetention(r *console.Request) error {
	c, now, done, err := d.readKeep(r)
	if err != nil || done {
		return err
	}
	return d.proposeKeep(r, now, c, 0)
}

func (d *desk) previewOldRetention(r *console.Request) error {
	c, err := rollBack(r, d.pages, d.Retention)
	if err != nil {
		return err
	}
	now, err := d.Retention.Current(r.Context())
	if err != nil {
		return err
	}
	n, _ := number(r.PathValue("version"))
	return d.proposeKeep(r, now.Rules, c, n)
}

// keepFound is what a change of the times to keep erases.
type keepFound struct {
	standingChange
	office.Erasure
	Shorter bool
	Any     bool // something goes
}

func (d *desk) proposeKeep(r *console.Request, now office.Keep, c office.Change[office.Keep], old uint64) error {
	facts := d.keepFacts(r)
	p := keepFound{standingChange: standingChange{Changes: changed(facts(now), facts(c.Rules)), Typed: keepTyped(c.Rules), Old: old}, Shorter: c.Rules.Shorter(now)}
	p.Typed["version"], p.Typed["reason"] = fmt.Sprint(c.Version), c.Reason
	var err error
	if p.Erasure, err = d.Retention.PreviewRetention(r.Context(), c.Rules); err != nil {
		return err
	}
	p.Any = p.Passages+p.Passes+p.Photos+p.Requests+p.Commands > 0
	return r.Page(d.pages, "retention-preview.html", "What would be erased", p)
}

func (d *desk) applyRetention(r *console.Request) error {
	c, now, done, err := d.readKeep(r)
	if err != nil || done {
		return err
	}
	if err := office.AllowErasing(now, c.Rules, r.PostForm.Get("erase") == "yes"); err != nil {
		return d.wrong(r, "A shorter time erases for ever. Go back and tick that you know it.")
	}
	stored, err := d.Retention.Set(r.Context(), c)
	if err != nil {
		return err
	}
	r.Flash(r.Say(d.pages, "Version %d is in force. What is over by it is erased within the hour.", stored.Version))
	return r.Redirect(retentionPath)
}
