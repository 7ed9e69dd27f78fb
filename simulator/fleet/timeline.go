package fleet

import (
	"fmt"
	"math"
)

// point is a value at a second of the run.
type point struct{ at, value float64 }

type series struct {
	name, class string
	points      []point
}

// of takes one value of each sample.
func of(list []Sample, value func(Sample) float64) (points []point) {
	for _, s := range list {
		points = append(points, point{s.At, value(s)})
	}
	return points
}

// busy are the processors that a process used between samples. One that was started
// anew begins at nothing.
func busy(list []Sample, usage func(Sample) Usage) (points []point) {
	for i := 1; i < len(list); i++ {
		used, took := usage(list[i]).CPU-usage(list[i-1]).CPU, list[i].At-list[i-1].At
		if took > 0 {
			points = append(points, point{list[i].At, max(used, 0) / took})
		}
	}
	return points
}

// overTime draws the samples.
func (r *Report) overTime(old *Report) []chart {
	var before []Sample
	if old != nil {
		before = old.Samples
	}
	central, lanes, broker := func(s Sample) Usage { return s.Central }, func(s Sample) Usage { return s.Lanes }, func(s Sample) Usage { return s.Broker }
	memory := func(list []Sample, usage func(Sample) Usage) []point {
		return of(list, func(s Sample) float64 { return float64(usage(s).RSS) / (1 << 20) })
	}
	connected := func(s Sample) float64 { return float64(s.Connected) }
	return []chart{
		timeline("Connected lanes", "lanes", []series{{"this run", "now", of(r.Samples, connected)}, {"the run before", "old", of(before, connected)}}),
		timeline("Resident memory", "MB", []series{{"central", "now", memory(r.Samples, central)}, {"the process of all lanes", "lanes", memory(r.Samples, lanes)},
			{"broker", "bare", memory(r.Samples, broker)}, {"central, the run before", "old", memory(before, central)}}),
		timeline("Processors in use", "processors", []series{{"central", "now", busy(r.Samples, central)}, {"the process of all lanes", "lanes", busy(r.Samples, lanes)},
			{"broker", "bare", busy(r.Samples, broker)}}),
	}
}

// timeline draws series over the seconds of the run, from zero.
func timeline(title, unit string, list []series) chart {
	c := chart{Title: title, X: "seconds since the lanes began", Y: unit}
	var long, high float64
	for _, s := range list {
		for _, p := range s.points {
			long, high = max(long, p.at), max(high, p.value)
		}
	}
	if long == 0 || high == 0 {
		return c
	}
	xs, ys := steps(long), steps(high)
	high = ys[len(ys)-1]
	for _, s := range list {
		var p path
		most := 0.0
		for _, v := range s.points {
			p.to(left+width*v.at/long, top+height*(1-v.value/high))
			most = max(most, v.value)
		}
		if most > 0 {
			c.Lines = append(c.Lines, line{Name: s.name, Class: s.class, Path: p.String(), Note: fmt.Sprintf("at most %.4g %s", most, unit)})
		}
	}
	for _, v := range xs {
		if v <= long {
			c.XTicks = append(c.XTicks, tick{left + width*v/long, fmt.Sprintf("%g", v)})
		}
	}
	for _, v := range ys {
		c.YTicks = append(c.YTicks, tick{top + height*(1-v/high), fmt.Sprintf("%g", v)})
	}
	return c
}

// steps are round values from 0 to at least most.
func steps(most float64) (list []float64) {
	unit := math.Pow(10, math.Floor(math.Log10(most)))
	for _, m := range []float64{0.2, 0.5, 1, 2} {
		if most/(unit*m) <= 6 {
			unit *= m
			break
		}
	}
	for i := 0; ; i++ {
		list = append(list, math.Round(float64(i)*unit*1e6)/1e6)
		if float64(i)*unit >= most {
			return list
		}
	}
}
