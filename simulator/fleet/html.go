package fleet

import (
	"bytes"
	_ "embed" // the page
	"fmt"
	"html/template"
	"math"
	"strings"
)

//go:embed report.html
var page string

// chart is a drawing of some lines over the same axes.
type chart struct {
	Title, X, Y    string
	Lines          []line
	XTicks, YTicks []tick
}

type line struct {
	Name, Class, Path string
	Note              string
}

type tick struct {
	At   float64
	Text string
}

// The drawing's inside, in units of the picture.
const (
	left, top     = 56.0, 14.0
	width, height = 620.0, 220.0
)

// HTML returns the report as one page without anything from elsewhere; old is an
// earlier run beside it, or nil.
func (r *Report) HTML(old *Report) ([]byte, error) {
	t, err := template.New("report").Funcs(template.FuncMap{"ms": ms, "size": size, "mb": mb, "took": took,
		"bare": func(step, key string) *Latency { return curve(r.Bare, step, key) },
		"old":  old.curve, "bareStep": func(name string) *Step { return stepNamed(r.Bare, name) },
	}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("read the report's page: %w", err)
	}
	var out bytes.Buffer
	err = t.Execute(&out, struct {
		*Report
		Old    *Report
		Charts []chart
		Times  []chart
	}{r, old, r.curves(old), r.overTime(old)})
	if err != nil {
		return nil, fmt.Errorf("write the report's page: %w", err)
	}
	return out.Bytes(), nil
}

// curves draws each step's distributions: how many per cent were done by when.
func (r *Report) curves(old *Report) (list []chart) {
	for _, s := range r.Steps {
		for _, c := range s.Curves {
			ch := chart{Title: s.Title, X: c.Title, Y: "lanes, %"}
			if strings.HasPrefix(c.Key, "acked") {
				ch.Y = "entries, %"
			}
			ch.cumulate([]*Latency{&c.Latency, curve(r.Bare, s.Name, c.Key), old.curve(s.Name, c.Key)})
			list = append(list, ch)
		}
	}
	return list
}

// names of a chart's lines, in their order.
var names = []struct{ name, class string }{{"this run", "now"}, {"bare broker and clients", "bare"}, {"the run before", "old"}}

// cumulate draws distributions over a logarithmic axis of time.
func (c *chart) cumulate(list []*Latency) {
	low, high := math.Inf(1), 0.0
	for _, l := range list {
		if l != nil && l.N > 0 {
			low, high = min(low, max(l.Cuts[0], 0.1)), max(high, l.Max, 0.2)
		}
	}
	if high == 0 {
		return
	}
	from, to := math.Floor(math.Log10(low)*3)/3, math.Ceil(math.Log10(high)*3)/3
	if to-from < 1 {
		to = from + 1
	}
	x := func(v float64) float64 { return left + width*(math.Log10(max(v, 0.1))-from)/(to-from) }
	for i, l := range list {
		if l == nil || l.N == 0 {
			continue
		}
		var p path
		for percent, v := range l.Cuts {
			p.to(max(x(v), left), top+height*(1-float64(percent)/100))
		}
		c.Lines = append(c.Lines, line{Name: names[i].name, Class: names[i].class, Path: p.String(), Note: fmt.Sprintf("p50 %s ms, p99 %s ms, max %s ms", ms(l.P50), ms(l.P99), ms(l.Max))})
	}
	within := []float64{1, 2, 5}
	if to-from > 3 { // they would stand in each other
		within = []float64{1}
	}
	for e := math.Floor(from); e <= to; e++ {
		for _, m := range within {
			if v := m * math.Pow(10, e); math.Log10(v) >= from-1e-9 && math.Log10(v) <= to+1e-9 {
				c.XTicks = append(c.XTicks, tick{x(v), human(v)})
			}
		}
	}
	for _, percent := range []float64{0, 25, 50, 75, 100} {
		c.YTicks = append(c.YTicks, tick{top + height*(1-percent/100), fmt.Sprintf("%.0f", percent)})
	}
}

// human writes milliseconds.
func human(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%g s", math.Round(ms)/1000)
	}
	return fmt.Sprintf("%g ms", math.Round(ms*100)/100)
}

// took writes milliseconds with three digits.
func took(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.3g s", ms/1000)
	}
	return fmt.Sprintf("%.3g ms", ms)
}

// path is the d of an SVG path.
type path struct{ strings.Builder }

func (p *path) to(x, y float64) {
	verb := "L"
	if p.Len() == 0 {
		verb = "M"
	}
	fmt.Fprintf(p, "%s%.1f %.1f", verb, x, y)
}
