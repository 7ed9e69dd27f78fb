package chart

import (
	"fmt"
	"html"
	"html/template"
	"time"
	"unicode/utf8"
)

// Shape is what a mark looks like.
type Shape int

// The shapes.
const (
	Dot     Shape = iota // something was decided or done
	Tick                 // good: somebody went through
	Cross                // refused
	Ring                 // not known, or nothing came of it
	Diamond              // the office did something
)

// shapes are paths around 0,0.
var shapes = [...]string{
	Dot:     "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
	Tick:    "M-6 0L-2 5L6 -6",
	Cross:   "M-5 -5L5 5M-5 5L5 -5",
	Ring:    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
	Diamond: "M0 -7L7 0L0 7L-7 0z",
}

var shapeClasses = [...]string{Dot: "dot", Tick: "tick", Cross: "cross", Ring: "ring", Diamond: "diamond"}

// Mark is one moment on a timeline.
type Mark struct {
	At    time.Time
	Shape Shape
	Text  string // tooltip
	Here  bool   // the one that the page is about
}

// Row is one line of a timeline.
type Row struct {
	Name  string
	Marks []Mark
}

// Span is a stretch of time that is drawn over all rows, such as when a pass is valid.
type Span struct {
	From, Until time.Time
	Text        string
}

// Timeline shows what happened when and where.
type Timeline struct {
	ID, Title, Text string // as of Bars
	Zone            *time.Location
	Valid           Span // zero: none
	Rows            []Row
}

// SVG returns the drawing; "" if there is no mark.
func (t *Timeline) SVG() template.HTML {
	from, until := t.bounds()
	if from.IsZero() {
		return ""
	}
	high := rowTop + len(t.Rows)*rowHeight + rowEnd
	var d drawing
	d.open(t.ID, t.Title, t.Text, width, high)
	scale := func(at time.Time) float64 {
		return nameWidth + float64(at.Sub(from))/float64(until.Sub(from))*(width-nameWidth-right-10)
	}
	if !t.Valid.From.IsZero() {
		a, b := scale(later(t.Valid.From, from)), scale(earlier(t.Valid.Until, until))
		if b > a {
			fmt.Fprintf(&d, `<g class="span"><title>%s</title>`, html.EscapeString(t.Valid.Text))
			d.rect(a, 2, b-a, float64(high-rowEnd), "")
			d.WriteString(`</g>`)
		}
	}
	for i, r := range t.Rows {
		y := rowTop + float64(i)*rowHeight + rowHeight/2
		d.text("start", 0, y+4, short(r.Name))
		d.line("grid", nameWidth, y, width-right, y)
		for _, m := range r.Marks {
			d.mark(m, scale(m.At), y)
		}
	}
	t.axis(&d, from, until, scale, float64(high-rowEnd))
	return d.close()
}

func (d *drawing) mark(m Mark, x, y float64) {
	fmt.Fprintf(d, `<g transform="translate(%s %s)"><title>%s</title>`, number(x), number(y), html.EscapeString(m.Text))
	if m.Here {
		d.WriteString(`<circle class="here" r="11"/>`)
	}
	fmt.Fprintf(d, `<path class="%s" d="%s"/></g>`, shapeClasses[m.Shape], shapes[m.Shape])
}

// axis draws the times: as many as have room.
func (t *Timeline) axis(d *drawing, from, until time.Time, scale func(time.Time) float64, y float64) {
	d.line("axis", nameWidth, y, width-right, y)
	step := tickStep(until.Sub(from))
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step >= 24*time.Hour:
		layout = "01-02"
	}
	local := from.In(t.Zone)
	first := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, t.Zone)
	// Whole steps from midnight on, so that ticks stand at round times.
	skip := from.Sub(first) / step
	for at := first.Add(skip * step); !at.After(until); at = at.Add(step) {
		if at.Before(from) {
			continue
		}
		x := scale(at)
		d.line("axis", x, y, x, y+5)
		d.text("middle", x, y+20, at.In(t.Zone).Format(layout))
	}
}

// tickSteps are the distances that times on an axis can have.
var tickSteps = []time.Duration{time.Second, 5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
	2 * time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour}

func tickStep(span time.Duration) time.Duration {
	for _, s := range tickSteps {
		if span <= 10*s {
			return s
		}
	}
	return max(span/10, tickSteps[len(tickSteps)-1])
}

// bounds returns a stretch of time with all marks in it, a little wider; zero
// without marks.
func (t *Timeline) bounds() (from, until time.Time) {
	for _, r := range t.Rows {
		for _, m := range r.Marks {
			if from.IsZero() || m.At.Before(from) {
				from = m.At
			}
			if until.IsZero() || m.At.After(until) {
				until = m.At
			}
		}
	}
	if from.IsZero() {
		return from, until
	}
	room := max(until.Sub(from)/20, 30*time.Second)
	return from.Add(-room), until.Add(room)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// maxName is how many characters of a row's name have room.
const maxName = 20

func short(name string) string {
	if utf8.RuneCountInString(name) <= maxName {
		return name
	}
	return string([]rune(name)[:maxName-1]) + "…"
}
