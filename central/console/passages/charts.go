package passages

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"time"

	"turnstile/central/console"
	"turnstile/central/console/chart"
	"turnstile/central/link"
	"turnstile/central/office"
	"turnstile/central/pass"
)

// hourly is up to how long bars stand for hours; beyond it they stand for days.
const hourly = 48 * time.Hour

// chartsPage is what the page of charts shows.
type chartsPage struct {
	Filter  *filter
	Choices choices
	Charts  []picture
	By      string // hour or day
	Limit   bool   // the time was too long and was cut
	Today   string
}

// picture is a chart, its legend and the same numbers as a table.
type picture struct {
	Title  string
	SVG    template.HTML
	Legend []legend
	Head   string // of the first column
	Rows   []tableRow
	Sums   []int
	Sum    int
	Note   string
}

type legend struct {
	Swatch template.HTML
	Name   string
}

type tableRow struct {
	Name   string
	Values []int
	Sum    int
}

func (d *desk) charts(r *console.Request) error {
	n, err := d.names(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	if query.Get("from") != "" || query.Get("until") != "" {
		query.Del("day") // the form comes with a day, which a range takes the place of
	}
	f := readFilter(r, query, n)
	p := &chartsPage{Filter: f, Choices: d.choices(r, n), Today: r.Now().In(r.Zone()).Format("2006-01-02")}
	if len(f.Wrong) > 0 {
		return r.PageStatus(http.StatusUnprocessableEntity, pages, "charts.html", "Charts", p)
	}
	from, until := d.chartTime(r, f)
	if until.Sub(from) > office.MaxHours {
		from, p.Limit = until.Add(-office.MaxHours), true
	}
	counts, err := d.Tally.Hours(r.Context(), office.Search{From: from, Until: until, Zones: f.search.Zones, Kinds: f.search.Kinds, Direction: f.search.Direction})
	if err != nil {
		return err
	}
	t := &tally{r: r, n: n, from: from, until: until, byDay: until.Sub(from) > hourly}
	p.By = r.Say(pages, map[bool]string{true: "day", false: "hour"}[t.byDay])
	t.slots()
	p.Charts = append(p.Charts, t.outcomes(counts), t.reasons(counts))
	if until.Sub(from) <= office.MaxLaneTime && len(f.search.Zones)+len(f.search.Kinds) == 0 && f.search.Direction == 0 {
		lanes, err := d.Tally.Lanes(r.Context(), from, until)
		if err != nil {
			return err
		}
		p.Charts = append(p.Charts, t.lanes(lanes))
	}
	return r.Page(pages, "charts.html", "Charts", p)
}

// chartTime is the time that is asked for; today without one.
func (d *desk) chartTime(r *console.Request, f *filter) (from, until time.Time) {
	from, until = f.search.From, f.search.Until
	if from.IsZero() && until.IsZero() {
		f.Day = r.Now().In(r.Zone()).Format("2006-01-02")
		return office.DayBounds(pass.DayOf(r.Now().In(r.Zone())), r.Zone())
	}
	if until.IsZero() {
		until = r.Now()
	}
	if from.IsZero() {
		from = until.AddDate(0, 0, -1)
	}
	if !from.Before(until) {
		from = until.AddDate(0, 0, -1)
	}
	return from, until
}

// tally sorts counts into the slots of an axis.
type tally struct {
	r           *console.Request
	n           *names
	from, until time.Time
	byDay       bool
	starts      []time.Time
	labels      []string // below the bars
	titles      []string // in the table
}

// slots makes a slot for each hour or day, also those without a passage. The time
// is bounded by office.MaxHours.
func (t *tally) slots() {
	local := t.from.In(t.r.Zone())
	at := local.Truncate(time.Hour)
	if t.byDay {
		at = time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, t.r.Zone())
	}
	for at.Before(t.until) {
		t.starts = append(t.starts, at)
		if t.byDay {
			t.labels, t.titles = append(t.labels, at.Format("01-02")), append(t.titles, at.Format("2006-01-02"))
			at = at.AddDate(0, 0, 1)
			continue
		}
		t.labels, t.titles = append(t.labels, at.Format("15")), append(t.titles, at.Format("2006-01-02 15:04"))
		at = at.Add(time.Hour)
	}
}

// slot returns the slot of an hour, -1 for none.
func (t *tally) slot(hour time.Time) int {
	i, found := slices.BinarySearchFunc(t.starts, hour, time.Time.Compare)
	if found {
		return i
	}
	return i - 1
}

// add counts into a series' slot.
func (t *tally) add(s *chart.Series, hour time.Time, count int) {
	if s.Values == nil {
		s.Values = make([]int, len(t.starts))
	}
	if i := t.slot(hour); i >= 0 {
		s.Values[i] += count
	}
}

func (t *tally) say(text string) string { return t.r.Say(pages, text) }

// outcomes is who passed, did not, and was refused.
func (t *tally) outcomes(counts []office.HourCount) picture {
	series := []chart.Series{{Name: t.say("Passed inwards")}, {Name: t.say("Refused")}, {Name: t.say("Not passed, or not known")}, {Name: t.say("Passed outwards")}, {Name: t.say("Forced or tailgated")}}
	for _, c := range counts {
		switch {
		case c.Type == link.EntryPassed && c.Direction == 2:
			t.add(&series[3], c.Hour, c.Count)
		case c.Type == link.EntryPassed:
			t.add(&series[0], c.Hour, c.Count)
		case c.Type == link.EntryDenied:
			t.add(&series[1], c.Hour, c.Count)
		case c.Type == link.EntryNotPassed || c.Type == link.EntryUnknown:
			t.add(&series[2], c.Hour, c.Count)
		case c.Type == link.EntryForced || c.Type == link.EntryTailgated:
			t.add(&series[4], c.Hour, c.Count)
		}
	}
	return t.picture("outcomes", t.say("Passages and refusals"), series, "")
}

// maxReasons is how many reasons have bars of their own.
const maxReasons = chart.MaxSeries - 1

// reasons is why people were refused, the most frequent reason first.
func (t *tally) reasons(counts []office.HourCount) picture {
	sums := map[pass.Reason]int{}
	for _, c := range counts {
		if c.Type == link.EntryDenied {
			sums[c.Reason] += c.Count
		}
	}
	order := slices.SortedFunc(maps.Keys(sums), func(a, b pass.Reason) int {
		return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
	})
	var series []chart.Series
	place := map[pass.Reason]int{}
	for i, reason := range order {
		place[reason] = min(i, maxReasons)
		switch {
		case i < maxReasons:
			series = append(series, chart.Series{Name: t.n.text(office.ReasonWords(reason).Name)})
		case i == maxReasons:
			series = append(series, chart.Series{Name: t.say("Other reasons")})
		}
	}
	for _, c := range counts {
		if c.Type == link.EntryDenied {
			t.add(&series[place[c.Reason]], c.Hour, c.Count)
		}
	}
	return t.picture("reasons", t.say("Refusals by reason"), series, t.say("Nobody was refused in this time."))
}

// maxLaneBars is how many lanes have bars; the table has all.
const maxLaneBars = 60

// lanes is who passed and was refused where, the busiest lane first.
func (t *tally) lanes(counts []office.LaneCount) picture {
	slices.SortStableFunc(counts, func(a, b office.LaneCount) int {
		return cmp.Compare(b.In+b.Out+b.Refused+b.Other, a.In+a.Out+a.Refused+a.Other)
	})
	series := []chart.Series{{Name: t.say("Passed inwards")}, {Name: t.say("Refused")}, {Name: t.say("Others")}, {Name: t.say("Passed outwards")}}
	var titles []string
	for _, c := range counts {
		for i, v := range []int{c.In, c.Refused, c.Other, c.Out} {
			series[i].Values = append(series[i].Values, v)
		}
		titles = append(titles, t.n.lane(c.Lane))
	}
	own := *t
	own.titles, own.labels = titles, make([]string, min(len(counts), maxLaneBars))
	for i := range own.labels {
		own.labels[i] = counts[i].Lane.String()
	}
	p := own.picture("lanes", t.say("By lane"), series, t.say("No lane reported anything in this time."))
	p.Head = t.r.T("Lane")
	return p
}

// picture draws series, and puts the same numbers into a table.
func (t *tally) picture(id, title string, series []chart.Series, empty string) picture {
	p := picture{Title: title, Head: t.r.T("Time"), Note: empty}
	bars := chart.Bars{ID: id, Title: title, Categories: t.labels, Series: series, Text: t.say("Stacked bars; the table below has the same numbers.")}
	for i, s := range series {
		p.Legend = append(p.Legend, legend{bars.Swatch(i), s.Name})
		p.Sums = append(p.Sums, s.Sum())
		p.Sum += s.Sum()
	}
	for i, name := range t.titles {
		row := tableRow{Name: name}
		for _, s := range series {
			v := 0
			if i < len(s.Values) {
				v = s.Values[i]
			}
			row.Values, row.Sum = append(row.Values, v), row.Sum+v
		}
		if row.Sum > 0 {
			p.Rows = append(p.Rows, row)
		}
	}
	if p.Sum > 0 || empty == "" {
		p.SVG, p.Note = bars.SVG(), ""
	}
	return p
}
