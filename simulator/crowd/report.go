package crowd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Spread is how values are spread.
type Spread struct {
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
	P99 time.Duration `json:"p99_ns"`
	Max time.Duration `json:"max_ns"`
	Of  int           `json:"of"`
}

// spread sorts the values.
func spread(values []time.Duration) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	at := func(percent int) time.Duration { return values[(len(values)-1)*percent/100] }
	return Spread{at(50), at(95), at(99), values[len(values)-1], len(values)}
}

// String is the spread in one line.
func (s Spread) String() string {
	round := func(d time.Duration) time.Duration {
		if d < time.Second {
			return d.Round(time.Millisecond)
		}
		return d.Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("p50 %v  p95 %v  p99 %v  max %v  (of %d)", round(s.P50), round(s.P95), round(s.P99), round(s.Max), s.Of)
}

// Hour is one hour of the day, by central's ledger.
type Hour struct {
	Hour    int            `json:"hour"`
	In      int            `json:"in"`
	Out     int            `json:"out"`
	Refused map[string]int `json:"refused,omitempty"` // by reason
	Inside  map[int]int    `json:"inside"`            // by zone, at the end of the hour
}

// Report is what became of a day.
type Report struct {
	Seed     uint64         `json:"seed"`
	People   int            `json:"people"`
	Lanes    int            `json:"lanes"`
	Slot     time.Duration  `json:"slot_ns"`
	Planned  int            `json:"planned_acts"`
	Acts     int            `json:"acts"` // done
	Checks   int            `json:"checks"`
	Took     time.Duration  `json:"took_ns"`
	In       int            `json:"in"` // passages, by central's ledger, like the following
	Out      int            `json:"out"`
	Refused  map[string]int `json:"refused"` // by reason
	Hours    []Hour         `json:"hours"`
	Inside   map[int]int    `json:"inside"` // zones, at the end: nobody stays
	Waiting  Spread         `json:"waiting"`
	Deciding Spread         `json:"deciding"` // from the scan to what the lane says of it, polled
	Surprise *Surprise      `json:"surprise,omitempty"`
	Broken   *Broken        `json:"broken,omitempty"`
	Ledger   string         `json:"ledger,omitempty"` // how central's ledger differs from the plan
}

// Failed reports that something was not as planned.
func (r *Report) Failed() bool { return r.Surprise != nil || r.Broken != nil || r.Ledger != "" }

// finish completes the report.
func (r *run) finish(began time.Time) {
	t, f := r.report, r.figures.now()
	t.Planned, t.Acts, t.Took = r.Plan.Acts(), int(r.acts.Load()), time.Since(began).Round(time.Millisecond)
	t.In, t.Out = f.Passed()
	t.Refused, t.Inside = f.Refused, map[int]int{}
	for _, z := range f.Zones {
		t.Inside[z], _ = f.Full(z)
	}
	t.Hours = f.hours()
	t.Waiting, t.Deciding = r.waits()
	if !t.Failed() {
		t.Ledger = r.compare(&f)
	}
}

// hours are those in which something happened.
func (f *Figures) hours() (list []Hour) {
	const perHour = int(time.Hour / bin)
	for h := range 24 {
		hour := Hour{Hour: h, Refused: f.Reasons[h], Inside: map[int]int{}}
		busy := false
		for _, b := range f.Bins[h*perHour : (h+1)*perHour] {
			hour.In, hour.Out = hour.In+b.In, hour.Out+b.Out
			busy = busy || b != Bin{}
		}
		for _, s := range f.Inside {
			for i, z := range f.Zones {
				if s.At < time.Duration(h+1)*time.Hour {
					hour.Inside[z] = s.Inside[i]
				}
			}
		}
		if busy {
			list = append(list, hour)
		}
	}
	return list
}

// waits puts the people of each lane one behind the other, at the times of the plan,
// each with the time that the lane took to decide and the time that people take.
func (r *run) waits() (waiting, deciding Spread) {
	var stood, took []time.Duration
	free := map[string]time.Duration{}
	for i := range r.Turns {
		t := &r.Turns[i]
		d, done := r.decided[t]
		if !done {
			continue
		}
		begin := max(t.At, free[t.Lane])
		stood, took = append(stood, begin-t.At), append(took, d)
		free[t.Lane] = begin + t.takes() + d
	}
	return spread(stood), spread(took)
}

// compare holds central's ledger to the plan; "" if it has what was planned.
func (r *run) compare(f *Figures) string {
	in, out, refused := 0, 0, map[string]int{}
	for i := range r.Turns {
		t := &r.Turns[i]
		for _, s := range t.Steps {
			switch {
			case s.Result == "passed" && t.Way == "in":
				in++
			case s.Result == "passed":
				out++
			case s.Reason != "" && s.Reason != "GRANTED":
				refused[s.Reason]++
			}
		}
	}
	var wrong []string
	if a, b := f.Passed(); a != in || b != out {
		wrong = append(wrong, fmt.Sprintf("%d in and %d out, planned were %d and %d", a, b, in, out))
	}
	for _, reason := range byCount(refused) {
		if f.Refused[reason] != refused[reason] {
			wrong = append(wrong, fmt.Sprintf("%d refused for %s, planned were %d", f.Refused[reason], reason, refused[reason]))
		}
	}
	for reason, n := range f.Refused {
		if refused[reason] == 0 {
			wrong = append(wrong, fmt.Sprintf("%d refused for %s, planned was none", n, reason))
		}
	}
	for _, z := range f.Zones {
		if now, _ := f.Full(z); now != 0 {
			wrong = append(wrong, fmt.Sprintf("%d are inside zone %d at the end", now, z))
		}
	}
	return strings.Join(wrong, "; ")
}

// JSON is the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\na day of %d people, seed %d, %d lanes: %d acts in %v (%.0f a second), the promises checked %d times\n\n",
		r.People, r.Seed, r.Lanes, r.Acts, r.Took.Round(100*time.Millisecond), float64(r.Acts)/r.Took.Seconds(), r.Checks)
	b.WriteString("hour      in    out  refused  campus  library\n")
	for _, h := range r.Hours {
		n := 0
		for _, c := range h.Refused {
			n += c
		}
		fmt.Fprintf(&b, "%02d:00 %5d  %5d  %7d  %6d  %7d\n", h.Hour, h.In, h.Out, n, h.Inside[mainZone], h.Inside[libraryZone])
	}
	fmt.Fprintf(&b, "all   %5d  %5d  %7d  %6d  %7d\n\nrefused by reason:\n", r.In, r.Out, total(r.Refused), r.Inside[mainZone], r.Inside[libraryZone])
	for _, reason := range byCount(r.Refused) {
		fmt.Fprintf(&b, "  %5d  %s\n", r.Refused[reason], reason)
	}
	fmt.Fprintf(&b, "\nwaiting   %v\n  at the plan's times, %v to walk through, %v to be refused, and what each decision took\ndeciding  %v\n", r.Waiting, granted, refused, r.Deciding)
	r.verdict(&b)
	return b.String()
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// verdict says what was not as planned, and how to see it again.
func (r *Report) verdict(b *strings.Builder) {
	again := fmt.Sprintf("simulator crowd --people %d --seed %d --slot %v", r.People, r.Seed, r.Slot)
	switch {
	case r.Surprise != nil:
		s := r.Surprise
		fmt.Fprintf(b, "\nNOT AS PLANNED: %v\n  story: %s\nthe newest events:\n  %s\nsee it again:      %s\nthis person alone: %s --plan --only %s > day.txt && simulator run day.txt\n",
			s, s.Story, strings.Join(s.Last, "\n  "), again, again, s.Who)
	case r.Broken != nil:
		fmt.Fprintf(b, "\n%v\nthe newest events:\n  %s\nsee it again: %s\n", r.Broken, strings.Join(r.Broken.Last, "\n  "), again)
	case r.Ledger != "":
		fmt.Fprintf(b, "\nCENTRAL'S LEDGER IS NOT AS PLANNED: %s\nsee it again: %s\n", r.Ledger, again)
	default:
		b.WriteString("\neverybody met what was planned; nobody is left inside\n")
	}
}
