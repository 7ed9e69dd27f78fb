// Package chart draws bars and timelines as SVG on the server, for pages that run no script.
//
// A drawing has a title and a description for screen readers and a tooltip on each
// mark, and tells nothing by colour alone: bars differ by pattern as well, marks by
// shape. The page puts the same numbers into a table beside it. Colours are
// classes, which the style sheet chart.css gives for light and dark.
package chart

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
)

// MaxSeries is how many kinds of bars can be told apart; those beyond it are drawn
// like the last.
const MaxSeries = 8

// Series is one kind of bars: a value for each category, none below 0.
type Series struct {
	Name   string
	Values []int
}

// Bars are columns of stacked values over categories.
type Bars struct {
	ID         string // unique on its page, letters and digits
	Title      string
	Text       string   // what a reader who does not see it is told
	Categories []string // below the columns; those that have no room are left out
	Series     []Series // the lowest first
}

// Measures of a drawing in its own units, which are pixels on a wide page.
const (
	width, height             = 960, 300
	left, right, top, bottom  = 48, 8, 10, 34
	plotWidth, plotHeight     = width - left - right, height - top - bottom
	labelRoom                 = 44 // of one category's text
	minWidth, maxGap          = 1.5, 6.0
	gridLines                 = 4
	rowHeight, rowTop, rowEnd = 30, 12, 30 // of a timeline
	nameWidth                 = 150
)

// Total returns the sum of a category's values.
func (b *Bars) Total(category int) (n int) {
	for _, s := range b.Series {
		if category < len(s.Values) {
			n += s.Values[category]
		}
	}
	return n
}

// Sum returns the sum of a series' values.
func (s Series) Sum() (n int) {
	for _, v := range s.Values {
		n += v
	}
	return n
}

// Class is the style class of the series with a number, for a legend.
func Class(series int) string { return "s" + strconv.Itoa(min(series, MaxSeries-1)) }

// SVG returns the drawing. All text in it is escaped.
func (b *Bars) SVG() template.HTML {
	var d drawing
	d.open(b.ID, b.Title, b.Text, width, height)
	d.patterns(b.ID, len(b.Series))
	highest := 0
	for i := range b.Categories {
		highest = max(highest, b.Total(i))
	}
	limit := ceiling(highest)
	for i := range gridLines + 1 {
		y := top + plotHeight - float64(i)*plotHeight/gridLines
		d.line("grid", left, y, width-right, y)
		d.text("end", left-6, y+4, strconv.Itoa(limit*i/gridLines))
	}
	step := float64(plotWidth) / float64(max(len(b.Categories), 1))
	every := labelEvery(len(b.Categories))
	for i, name := range b.Categories {
		x := left + float64(i)*step
		b.column(&d, i, x, step, limit)
		if i%every == 0 {
			d.text("middle", x+step/2, height-bottom+18, name)
		}
	}
	d.line("axis", left, top+plotHeight, width-right, top+plotHeight)
	return d.close()
}

// column draws the stack of one category.
func (b *Bars) column(d *drawing, category int, x, step float64, limit int) {
	gap := min(step*0.15, maxGap)
	wide := max(step-2*gap, minWidth)
	y := float64(top + plotHeight)
	for i, s := range b.Series {
		if category >= len(s.Values) || s.Values[category] <= 0 {
			continue
		}
		high := float64(s.Values[category]) * plotHeight / float64(limit)
		y -= high
		tip := fmt.Sprintf("%s, %s: %d", b.Categories[category], s.Name, s.Values[category])
		fmt.Fprintf(d, `<g class="%s"><title>%s</title>`, Class(i), html.EscapeString(tip))
		d.rect(x+gap, y, wide, high, "")
		if i > 0 { // the lowest is plain
			d.rect(x+gap, y, wide, high, "url(#"+b.ID+Class(i)+")")
		}
		d.WriteString(`</g>`)
	}
}

// Swatch returns a small field with a series' colour and pattern, for a legend.
func (b *Bars) Swatch(series int) template.HTML {
	var d drawing
	fmt.Fprintf(&d, `<svg class="swatch" viewBox="0 0 18 14" width="18" height="14" aria-hidden="true"><g class="%s">`, Class(series))
	d.rect(0, 0, 18, 14, "")
	if series > 0 {
		d.rect(0, 0, 18, 14, "url(#"+b.ID+Class(series)+")")
	}
	d.WriteString(`</g></svg>`)
	return template.HTML(d.String())
}

// labelEvery returns of how many categories one has room for its text.
func labelEvery(categories int) int {
	fit := plotWidth / labelRoom
	every := 1
	for every*fit < categories {
		every++
	}
	return every
}

// ceiling returns the end of an axis for values up to n: a round number that its
// grid divides.
func ceiling(n int) int {
	for size := 1; ; size *= 10 {
		for _, f := range []int{1, 2, 3, 5} {
			if limit := f * size * gridLines; limit >= n {
				return limit
			}
		}
	}
}

// drawing is SVG text in the making.
type drawing struct{ strings.Builder }

func (d *drawing) open(id, title, text string, wide, high int) {
	fmt.Fprintf(d, `<svg class="chart" role="img" aria-labelledby="%[1]s-title %[1]s-text" viewBox="0 0 %[2]d %[3]d" preserveAspectRatio="xMinYMin meet">`, id, wide, high)
	fmt.Fprintf(d, `<title id="%[1]s-title">%[2]s</title><desc id="%[1]s-text">%[3]s</desc>`, id, html.EscapeString(title), html.EscapeString(text))
}

func (d *drawing) close() template.HTML {
	d.WriteString(`</svg>`)
	return template.HTML(d.String())
}

// hatches are what lies over the colours of the series after the first.
var hatches = [MaxSeries]string{
	"", "M0 8L8 0", "M0 0L8 8", "M0 4H8", "M4 0V8", "M0 8L8 0M0 0L8 8", "M4 0V8M0 4H8", "M1 1h2v2h-2zM5 5h2v2h-2z",
}

func (d *drawing) patterns(id string, series int) {
	d.WriteString(`<defs>`)
	for i := 1; i < min(series, MaxSeries); i++ {
		fmt.Fprintf(d, `<pattern id="%s%s" width="8" height="8" patternUnits="userSpaceOnUse"><path class="hatch" d="%s"/></pattern>`, id, Class(i), hatches[i])
	}
	d.WriteString(`</defs>`)
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<path class="%s" d="M%s %sL%s %s"/>`, class, number(x1), number(y1), number(x2), number(y2))
}

func (d *drawing) rect(x, y, wide, high float64, fill string) {
	fmt.Fprintf(d, `<rect x="%s" y="%s" width="%s" height="%s"`, number(x), number(y), number(wide), number(high))
	if fill != "" {
		fmt.Fprintf(d, ` fill="%s" class="over"`, fill)
	}
	d.WriteString(`/>`)
}

func (d *drawing) text(anchor string, x, y float64, text string) {
	fmt.Fprintf(d, `<text x="%s" y="%s" text-anchor="%s">%s</text>`, number(x), number(y), anchor, html.EscapeString(text))
}

// number writes a coordinate with at most two decimals.
func number(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 2, 64), "0"), ".")
}
