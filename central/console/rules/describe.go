package rules

import (
	"fmt"
	"slices"
	"strings"

	"turnstile/central/console"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
	"turnstile/central/preview"
)

// group is a part of the rules in words: a zone, a kind of pass, or the rest.
type group struct {
	Name  string
	Facts []fact
}

type fact struct{ Name, Value string }

// change is one fact that differs; Before or After is "" if the group is new or gone.
type change struct{ Group, Name, Before, After string }

// English words of what rules can say, by number; the page translates them.
var (
	modeWords     = []string{"Normal", "Lockdown", "Free passage"}
	passbackWords = []string{"Off", "Soft: admit and flag", "Hard: refuse"}
	apartWords    = []string{"Admit and flag", "Only at the pass's home lane"}
	actionWords   = []string{"Refuse", "By the rules", "By the rules, marked", "Live codes only", "Live codes and single entries only", "By the rules, marked and alarmed"}
	kindWords     = map[pass.Kind]string{pass.ECard: "eCards", pass.Guest: "Guests", pass.Staff: "Staff", pass.Test: "Test passes"}
	dayWords      = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}
	ageWords      = []string{"Feed younger than 2 minutes", "Younger than 30 minutes", "Younger than a day", "Older"}
)

func word[N ~uint8](words []string, n N) string {
	if int(n) < len(words) {
		return words[n]
	}
	return fmt.Sprint(uint8(n))
}

// describe says rules in the person's language.
func (d *desk) describe(r *console.Request, rules link.Rules) []group {
	say := func(text string, args ...any) string { return r.Say(d.pages, text, args...) }
	var out []group
	for _, z := range rules.Zones {
		out = append(out, group{say("Zone %d: %s", z.ID, zoneName(r, &z)), zoneFacts(say, &z, rules.Short&(1<<z.ID) != 0)})
	}
	for _, p := range rules.Policies {
		g := group{Name: say(kindWords[p.Kind])}
		for i, a := range p.Ages {
			g.Facts = append(g.Facts, fact{say(ageWords[i]), say(word(actionWords, a))})
		}
		g.Facts = append(g.Facts, fact{say("With a clock that is not trusted"), say(yesNo(p.Untrusted, "Admit if the day agrees with central's last word", "Refuse"))})
		out = append(out, g)
	}
	return append(out, group{say("Everywhere"), []fact{
		{say("A staff pass vouches for the next person"), say("%d seconds", rules.EscortSec)},
		{say("The same code again is the same passage"), say("within %.1f seconds", float64(rules.RepeatMS)/1000)},
		{say("Test passes"), say(yesNo(rules.TestPass, "Admitted: never in production", "Refuse"))},
	}})
}

func yesNo(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

func zoneName(r *console.Request, z *link.Zone) string {
	if r.Lang() == console.Chinese && z.NameZH != "" {
		return z.NameZH
	}
	return z.Name
}

func zoneFacts(say func(string, ...any) string, z *link.Zone, short bool) []fact {
	list := []fact{
		{say("Mode"), say(word(modeWords, z.Mode))},
		{say("Name"), z.Name}, {say("Name in Chinese"), z.NameZH},
		{say("Opening hours"), hoursText(say, z.Hours)},
		{say("Closed on"), holidayText(say, z.Holidays)},
		{say("Inside already"), say(word(passbackWords, z.Passback))},
		{say("May enter again after"), say(yesNo(z.BackMinutes == 0, "never", "%d minutes"), minutes(z.BackMinutes)...)},
		{say("Leaves without having come in"), say(word(passbackWords, z.Exit))},
		{say("Lane cut off from the others"), say(word(apartWords, z.Apart))},
	}
	if short {
		list = append(list, fact{say("Short codes"), say("Admitted: they are weak")})
	}
	return list
}

func minutes(n uint16) []any {
	if n == 0 {
		return nil
	}
	return []any{n}
}

func hoursText(say func(string, ...any) string, hours []link.Hours) string {
	if len(hours) == 0 {
		return say("Always open")
	}
	var parts []string
	for _, h := range hours {
		var days []string
		for i, name := range dayWords {
			if h.Weekdays&(1<<i) != 0 {
				days = append(days, say(name))
			}
		}
		parts = append(parts, strings.Join(days, " ")+" "+clock(h.Open)+"–"+clock(h.Close))
	}
	return strings.Join(parts, "; ")
}

func clock(m uint16) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }

func holidayText(say func(string, ...any) string, days []pass.Day) string {
	if len(days) == 0 {
		return say("no day")
	}
	words := make([]string, len(days))
	for i, d := range days {
		words[i] = d.String()
	}
	return strings.Join(words, ", ")
}

// differences lists what differs between two rules, zone by zone.
func (d *desk) differences(r *console.Request, from, to link.Rules) []change {
	a, b := d.byKey(r, from), d.byKey(r, to)
	var out []change
	for _, key := range slices.Concat(a.keys, b.keys) {
		before, was := a.facts[key]
		after, is := b.facts[key]
		c := change{key.group, key.name, before, after}
		if before != after && !(was && is && slices.Contains(out, c)) && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

type factKey struct{ group, name string }

type keyed struct {
	keys  []factKey
	facts map[factKey]string
}

// byKey names zones by their number, so that a new name is one change and not many.
func (d *desk) byKey(r *console.Request, rules link.Rules) keyed {
	out := keyed{facts: map[factKey]string{}}
	for i, g := range d.describe(r, rules) {
		if i < len(rules.Zones) {
			g.Name = r.Say(d.pages, "Zone %d", rules.Zones[i].ID)
		}
		for _, f := range g.Facts {
			k := factKey{g.Name, f.Name}
			out.keys, out.facts[k] = append(out.keys, k), f.Value
		}
	}
	return out
}

// found is a preview's report in words.
type found struct {
	preview.Report
	Rows    []foundRow
	Share   string // of the scans that the rules in force reproduce
	Through int    // the highest count, for the bars
}

type foundRow struct {
	Zone, Kind, From, To string
	Count, Width         int // Width of the bar, 1..200
	Opens, Shuts         bool
}

// rowsShown bounds the table of a preview.
const rowsShown = 50

func (d *desk) summary(r *console.Request, rep preview.Report, now, proposed link.Rules) found {
	out := found{Report: rep, Share: "–"}
	if rep.Scans > 0 {
		out.Share = fmt.Sprintf("%.1f %%", 100*float64(rep.Reproduced)/float64(rep.Scans))
	}
	for _, g := range rep.Groups[:min(len(rep.Groups), rowsShown)] {
		c := preview.Change{From: g.From, To: g.To}
		name := fmt.Sprint(g.Zone)
		for _, rules := range []*link.Rules{&now, &proposed} {
			if z := rules.Zone(g.Zone); z != nil {
				name = zoneName(r, z)
			}
		}
		out.Rows = append(out.Rows, foundRow{
			Zone: name, Kind: r.Say(d.pages, kindWords[g.Kind]), From: reason(r, g.From), To: reason(r, g.To),
			Count: g.Count, Width: max(1, 200*g.Count/rep.Groups[0].Count), Opens: c.Opens(), Shuts: c.Shuts(),
		})
	}
	return out
}

func reason(r *console.Request, p pass.Reason) string {
	return office.ReasonWords(p).Name.In(string(r.Lang()))
}
