package rules

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"turnstile/central/console"
	"turnstile/central/ecard"
	"turnstile/central/link"
	"turnstile/central/office"
)

const ecardsPath = "/rules/ecards"

// ecardFields are the fields of the form.
var ecardFields = []string{"version", "zones", "from", "until", "live", "prefetch", "guest_zones", "guest_once", "reason"}

func ecardTyped(e ecard.CodeRules) map[string]string {
	tick := map[bool]string{true: "yes"}
	return map[string]string{"zones": zoneNumbers(e.Zones), "from": e.From, "until": e.Until, "live": tick[e.Live], "prefetch": e.Prefetch,
		"guest_zones": zoneNumbers(e.GuestZones), "guest_once": tick[e.GuestOnce]}
}

func zoneNumbers(list []int) string {
	var words []string
	for _, z := range list {
		words = append(words, strconv.Itoa(z))
	}
	return strings.Join(words, " ")
}

// ecardPage is the page of the rules for codes, with the zones to choose from.
type ecardPage struct {
	standingPage
	Zones []link.Zone
}

// zoneChoice are the zones to tick for one field.
type zoneChoice struct {
	Page  *ecardPage
	Field string
}

// Choice returns the zones to tick for a field.
func (p *ecardPage) Choice(field string) zoneChoice { return zoneChoice{p, field} }

// Ticked reports whether a field has a zone.
func (p *ecardPage) Ticked(field string, zone uint8) bool {
	return slices.Contains(strings.Fields(p.Typed[field]), strconv.Itoa(int(zone)))
}

func (d *desk) newECards(r *console.Request) (p ecardPage, now office.Standing[ecard.CodeRules], err error) {
	all, err := d.Rules.Rules(r.Context())
	if err != nil {
		return p, now, err
	}
	p.Zones = all.Zones
	p.standingPage, now, err = newStanding(r, ecardsPath, d.ECards, d.ecardFacts(r, all.Zones))
	return p, now, err
}

func (d *desk) ecards(r *console.Request) error {
	p, now, err := d.newECards(r)
	if err != nil {
		return err
	}
	p.Typed = ecardTyped(now.Rules)
	p.Typed["version"] = fmt.Sprint(now.Version)
	return r.Page(d.pages, "ecards.html", "Rules for codes", &p)
}

// readECards reads the form; what is wrong with it is in problems.
func (d *desk) readECards(r *console.Request) (c office.Change[ecard.CodeRules], typed, problems map[string]string, err error) {
	if typed, err = fields(r, ecardFields...); err != nil {
		return c, nil, nil, err
	}
	for _, name := range []string{"zones", "guest_zones"} { // a tick each, or a hidden field with all
		typed[name] = strings.Join(strings.Fields(strings.Join(r.PostForm[name], " ")), " ")
	}
	problems = map[string]string{}
	in := d.reader(r, problems)
	if c.Version, err = number(typed["version"]); err != nil {
		return c, nil, nil, d.wrong(r, "This form is not whole. Begin the change again.")
	}
	c.By, c.Reason = r.By(), in.because(typed["reason"])
	c.Rules = ecard.CodeRules{Zones: in.zoneList("zones", typed["zones"]), GuestZones: in.zoneList("guest_zones", typed["guest_zones"]), From: typed["from"], Until: typed["until"],
		Prefetch: typed["prefetch"], Live: typed["live"] != "", GuestOnce: typed["guest_once"] != ""}
	for field, least := range map[string]uint16{"from": 10, "until": 10, "prefetch": 1} {
		if minute, ok := minuteOf(typed[field]); !ok || minute%least != 0 {
			in.wrong(field, "A time such as 07:00, in steps of ten minutes, please.")
		}
	}
	return c, typed, problems, nil
}

// zoneList reads numbers of zones with spaces between.
func (in reading) zoneList(field, text string) []int {
	out := []int{}
	for _, word := range strings.Fields(text) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n >= ecard.Zones {
			in.wrong(field, "There is no such zone.")
			return out
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func (d *desk) previewECards(r *console.Request) error {
	c, typed, problems, err := d.readECards(r)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return d.ecardsAgain(r, typed, problems)
	}
	return d.proposeECards(r, c, 0)
}

// ecardsAgain shows the form again with what is wrong.
func (d *desk) ecardsAgain(r *console.Request, typed, problems map[string]string) error {
	p, _, err := d.newECards(r)
	if err != nil {
		return err
	}
	p.Typed, p.Problems = typed, problems
	return r.PageStatus(http.StatusUnprocessableEntity, d.pages, "ecards.html", "Rules for codes", &p)
}

func (d *desk) previewOldECards(r *console.Request) error {
	c, err := rollBack(r, d.pages, d.ECards)
	if err != nil {
		return err
	}
	n, _ := number(r.PathValue("version"))
	return d.proposeECards(r, c, n)
}

func (d *desk) proposeECards(r *console.Request, c office.Change[ecard.CodeRules], old uint64) error {
	all, err := d.Rules.Rules(r.Context())
	if err != nil {
		return err
	}
	now, err := d.ECards.Current(r.Context())
	if err != nil {
		return err
	}
	facts := d.ecardFacts(r, all.Zones)
	p := standingChange{Changes: changed(facts(now.Rules), facts(c.Rules)), Typed: ecardTyped(c.Rules), Old: old}
	p.Typed["version"], p.Typed["reason"] = fmt.Sprint(c.Version), c.Reason
	return r.Page(d.pages, "ecards-preview.html", "What changes", &p)
}

func (d *desk) applyECards(r *console.Request) error {
	c, typed, problems, err := d.readECards(r)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return d.ecardsAgain(r, typed, problems)
	}
	stored, err := d.ECards.Set(r.Context(), c)
	if err != nil {
		return err
	}
	r.Flash(r.Say(d.pages, "Version %d is in force for codes that are issued from now on.", stored.Version))
	return r.Redirect(ecardsPath)
}

// ecardFacts says the rules for codes in words.
func (d *desk) ecardFacts(r *console.Request, zones []link.Zone) func(ecard.CodeRules) []fact {
	say := func(text string, args ...any) string { return r.Say(d.pages, text, args...) }
	places := func(list []int, none string) string {
		var names []string
		for _, z := range zones {
			if slices.Contains(list, int(z.ID)) {
				names = append(names, fmt.Sprintf("%s (%d)", z.Name, z.ID))
			}
		}
		if len(names) == 0 {
			return none
		}
		return strings.Join(names, ", ")
	}
	pick := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	return func(e ecard.CodeRules) []fact {
		ahead := say("from %s on", e.Prefetch)
		if e.Prefetch == "24:00" {
			ahead = say("not before the day itself")
		}
		return []fact{
			{say("A holder's code opens"), places(e.Zones, say("every zone"))},
			{say("A guest's code opens"), places(e.GuestZones, say("what the holder's opens"))},
			{say("Valid on its day"), e.From + "–" + e.Until},
			{say("Codes of holders"), pick(e.Live, say("change every 15 seconds"), say("stay the same all day"))},
			{say("Phones get the next day's code"), ahead},
			{say("Guests may enter"), pick(e.GuestOnce, say("once"), say("as often as they like"))},
		}
	}
}
