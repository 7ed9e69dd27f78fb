package crowd

import (
	"fmt"
	"html"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// canvas is the size that a chart is drawn in: once for wide windows and once for
// phones, where the same text would be too small. The style sheet shows one of them.
type canvas struct {
	class         string
	width, height float64
	hours         int // between two labels of the axis
}

// canvases are both sizes; wide is how wide the larger one is.
func canvases(wide, height float64) []canvas {
	hours := 1
	if wide < allWide {
		hours = 2
	}
	return []canvas{{"wide", wide, height, hours}, {"narrow", 360, height, 3}}
}

// Widths of charts on wide windows, in pixels: over all of it, and over half.
const (
	allWide  = 960.0
	halfWide = 560.0
)

// Margins of a chart.
const (
	leftOf, rightOf, above, below = 44.0, 10.0, 12.0, 26.0
	gridLines                     = 4
)

// chart is SVG text in the making. Colours are classes of crowd.css.
type chart struct {
	strings.Builder
	canvas
	from, until time.Duration // of the day
	limit       int           // of the vertical axis
}

// draw makes a chart in both sizes. label is what a reader is told who does not see it.
func draw(label string, wide, height float64, from, until time.Duration, limit int, marks func(*chart)) template.HTML {
	var all strings.Builder
	for _, size := range canvases(wide, height) {
		c := &chart{canvas: size, from: from, until: until, limit: ceiling(limit)}
		fmt.Fprintf(c, `<svg class="%s" role="img" aria-label="%s" viewBox="0 0 %s %s">`, c.class, html.EscapeString(label), number(c.width), number(c.height))
		c.axes()
		marks(c)
		c.line("axis", leftOf, c.floor(), c.width-rightOf, c.floor())
		c.WriteString(`</svg>`)
		all.WriteString(c.String())
	}
	return template.HTML(all.String())
}

func (c *chart) floor() float64 { return c.height - below }

// x is where a time of the day lies.
func (c *chart) x(at time.Duration) float64 {
	return leftOf + float64(at-c.from)/float64(max(c.until-c.from, 1))*(c.width-leftOf-rightOf)
}

// y is where a value lies.
func (c *chart) y(v int) float64 {
	return c.floor() - float64(v)/float64(c.limit)*(c.floor()-above)
}

// axes draws the grid, its values, and the hours.
func (c *chart) axes() {
	for i := range gridLines + 1 {
		v := c.limit * i / gridLines
		c.line("grid", leftOf, c.y(v), c.width-rightOf, c.y(v))
		c.text("end", leftOf-6, c.y(v)+4, strconv.Itoa(v))
	}
	for at := c.from.Truncate(time.Hour); at <= c.until; at += time.Hour {
		if at < c.from {
			continue
		}
		c.line("grid", c.x(at), c.floor(), c.x(at), c.floor()+4)
		if int(at/time.Hour)%c.hours == 0 && c.x(at) < c.width-rightOf-14 {
			c.text("middle", c.x(at), c.floor()+19, clock(at))
		}
	}
}

// lectures shades when lectures are.
func (c *chart) lectures() {
	for _, l := range Lectures() {
		from, until := max(l.From, c.from), min(l.Until, c.until)
		if until > from {
			fmt.Fprintf(c, `<rect class="lecture" x="%s" y="%s" width="%s" height="%s"><title>Lecture %s to %s</title></rect>`,
				number(c.x(from)), number(above), number(c.x(until)-c.x(from)), number(c.floor()-above), clock(l.From), clock(l.Until))
		}
	}
}

// now marks what time of the day it is.
func (c *chart) now(at time.Duration) {
	if at >= c.from && at <= c.until {
		c.line("now", c.x(at), above-4, c.x(at), c.floor())
	}
}

// stack draws one bar of values that stand on each other, with a tooltip.
func (c *chart) stack(at, wide time.Duration, tip string, classes []string, values []int) {
	base := 0
	fmt.Fprintf(c, `<g><title>%s</title>`, html.EscapeString(tip))
	for i, v := range values {
		if v > 0 {
			fmt.Fprintf(c, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`, classes[i], number(c.x(at)+.4), number(c.y(base+v)),
				number(max(c.x(at+wide)-c.x(at)-.8, 1)), number(c.y(base)-c.y(base+v)))
		}
		base += v
	}
	c.WriteString(`</g>`)
}

// area draws values over time as a line with what is below it filled.
func (c *chart) area(class string, at []time.Duration, values []int) {
	if len(at) < 2 {
		return
	}
	var line strings.Builder
	for i := range at {
		fmt.Fprintf(&line, "%s%s %s", map[bool]string{true: "M", false: "L"}[i == 0], number(c.x(at[i])), number(c.y(values[i])))
	}
	last := len(at) - 1
	fmt.Fprintf(c, `<path class="%[1]s fill" d="%[2]sL%[3]s %[5]sL%[4]s %[5]sZ"/><path class="%[1]s line" d="%[2]s"/>`, class, line.String(),
		number(c.x(at[last])), number(c.x(at[0])), number(c.floor()))
	fmt.Fprintf(c, `<circle class="%s dot" cx="%s" cy="%s" r="4"/>`, class, number(c.x(at[last])), number(c.y(values[last])))
}

func (c *chart) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(c, `<path class="%s" d="M%s %sL%s %s"/>`, class, number(x1), number(y1), number(x2), number(y2))
}

func (c *chart) text(anchor string, x, y float64, text string) {
	fmt.Fprintf(c, `<text x="%s" y="%s" text-anchor="%s">%s</text>`, number(x), number(y), anchor, html.EscapeString(text))
}

// ceiling is the end of an axis for values up to n: a round number that its grid
// divides.
func ceiling(n int) int {
	for size := 1; ; size *= 10 {
		for _, f := range []int{1, 2, 3, 5} {
			if limit := f * size * gridLines; limit >= n {
				return limit
			}
		}
	}
}

// number writes a coordinate with at most one decimal.
func number(f float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
}
