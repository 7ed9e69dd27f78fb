package crowd

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"turnstile/central/office"
	"turnstile/central/pass"
)

// span is what the time axes show: whole hours around the day.
func (p *Picture) span() (from, until time.Duration) {
	from, until = p.Begin.Truncate(time.Hour), (p.End + time.Hour - 1).Truncate(time.Hour)
	return from, min(until, 24*time.Hour)
}

// Flow is the chart of who went through, and who did not.
func (p *Picture) Flow() template.HTML {
	from, until := p.span()
	most := 0
	for _, b := range p.Bins {
		most = max(most, b.In+b.Out+b.Refused)
	}
	in, out := p.Passed()
	label := fmt.Sprintf("Bars over the day, for each five minutes: %d came in, %d left, %d were refused so far. The same is in the table below by the hour.", in, out, p.Denied())
	return draw(label, allWide, 240, from, until, most, func(c *chart) {
		c.lectures()
		for i, b := range p.Bins {
			if b != (Bin{}) {
				at := time.Duration(i) * bin
				c.stack(at, bin, fmt.Sprintf("%s: %d in, %d out, %d refused", clock(at), b.In, b.Out, b.Refused), []string{"in", "out", "refused"}, []int{b.In, b.Out, b.Refused})
			}
		}
		c.now(p.Now)
	})
}

// zoneNames are what the zones are called on the page.
var zoneNames = map[int]string{mainZone: "Campus", libraryZone: "Library"}

// Zone is one zone on the page.
type Zone struct {
	Name      string
	Now, Most int
	Chart     template.HTML
}

// Occupied are the zones with their charts.
func (p *Picture) Occupied() (list []Zone) {
	from, until := p.span()
	for i, zone := range p.Zones {
		z := Zone{Name: zoneNames[zone]}
		z.Now, z.Most = p.Full(zone)
		var at []time.Duration
		var values []int
		for _, s := range p.Inside {
			at, values = append(at, s.At), append(values, s.Inside[i])
		}
		label := fmt.Sprintf("Line over the day: %d are inside %s now, %d were at most.", z.Now, z.Name, z.Most)
		z.Chart = draw(label, halfWide, 190, from, until, z.Most, func(c *chart) {
			c.lectures()
			c.area(fmt.Sprintf("zone%d", i), at, values)
			c.now(p.Now)
		})
		list = append(list, z)
	}
	return list
}

// Refusal is one reason on the page.
type Refusal struct {
	Reason, Name string
	Count        int
	Share        float64 // of the most frequent, in percent
}

// Refusals are all reasons, the most frequent first.
func (p *Picture) Refusals() (list []Refusal) {
	most := 1
	for _, name := range byCount(p.Refused) {
		n := p.Refused[name]
		most = max(most, n)
		known, _ := pass.ParseReason(name) // central's own word
		list = append(list, Refusal{name, office.ReasonWords(known).Name.English, n, 100 * float64(n) / float64(most)})
	}
	return list
}

// HourRow is one row of the table behind the charts.
type HourRow struct {
	Hour             string
	In, Out, Refused int
	Inside           []int // by zone, at the end of the hour
}

// HourRows are the hours in which something happened.
func (p *Picture) HourRows() (list []HourRow) {
	for _, h := range p.hours() {
		r := HourRow{Hour: fmt.Sprintf("%02d:00", h.Hour), In: h.In, Out: h.Out, Refused: total(h.Refused)}
		for _, z := range p.Zones {
			r.Inside = append(r.Inside, h.Inside[z])
		}
		list = append(list, r)
	}
	return list
}

// shownInQueue is how many people of a queue are drawn.
const shownInQueue = 24

// Line is a queue as it is drawn: who is at the lane, and who stands behind.
func (q *Queue) Line() template.HTML {
	var b strings.Builder
	shown := min(q.Length, shownInQueue)
	label := fmt.Sprintf("%s: %s, %d wait", q.Name, map[bool]string{true: "somebody is before the scanner", false: "free"}[q.Serving], q.Length)
	fmt.Fprintf(&b, `<svg class="queue" role="img" aria-label="%s" viewBox="0 0 %d 24" preserveAspectRatio="xMinYMid slice">`, label, 44+shownInQueue*13)
	fmt.Fprintf(&b, `<rect class="post" x="1" y="3" width="5" height="18" rx="2"/><rect class="post" x="26" y="3" width="5" height="18" rx="2"/><path class="%s" d="M6 12H26"/>`,
		map[bool]string{true: "bar open", false: "bar"}[q.Serving])
	if q.Serving {
		figure(&b, 16, "person walking")
	}
	for i := range shown {
		figure(&b, 44+float64(i)*13, "person")
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

func figure(b *strings.Builder, x float64, class string) {
	fmt.Fprintf(b, `<g class="%s"><circle cx="%s" cy="7" r="3.4"/><path d="M%s 21v-5a4 4 0 0 1 8 0v5z"/></g>`, class, number(x), number(x-4))
}

// More is how many are not drawn.
func (q *Queue) More() int { return max(0, q.Length-shownInQueue) }

// DayLine is how far the day is, as a band with its lectures.
func (p *Picture) DayLine() template.HTML {
	var b strings.Builder
	const width = 1000.0
	x := func(at time.Duration) float64 {
		return min(max(float64(at-p.Begin)/float64(max(p.End-p.Begin, 1)), 0), 1) * width
	}
	fmt.Fprintf(&b, `<svg class="dayline" role="img" aria-label="It is %s of a day from %s to %s" viewBox="0 0 %s 14" preserveAspectRatio="none"><rect class="track" width="%[4]s" height="14"/>`,
		clock(p.Now), clock(p.Begin), clock(p.End), number(width))
	for _, l := range Lectures() {
		fmt.Fprintf(&b, `<rect class="lecture" x="%s" width="%s" height="14"/>`, number(x(l.From)), number(x(l.Until)-x(l.From)))
	}
	fmt.Fprintf(&b, `<rect class="gone" width="%s" height="14"/></svg>`, number(x(p.Now)))
	return template.HTML(b.String())
}

// Clock is the time of the day.
func (p *Picture) Clock() string { return clock(p.Now) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// Median is the 50th percentile for people.
func (s Spread) Median() string { return seconds(s.P50) }

// Most is the 95th percentile.
func (s Spread) Most() string { return seconds(s.P95) }

// Worst is the 99th percentile.
func (s Spread) Worst() string { return seconds(s.P99) }
