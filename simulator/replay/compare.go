package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"turnstile/central/link"
	"turnstile/central/pass"
)

// Report is what became of a day.
type Report struct {
	From      time.Time     `json:"from"` // the first scan
	To        time.Time     `json:"to"`
	Took      time.Duration `json:"took_ns"`
	Scans     int           `json:"scans"`
	Same      int           `json:"same"`      // decided as recorded
	Different []Difference  `json:"different"` // decided otherwise
	Unscanned int           `json:"unscanned"` // recorded decisions without a scan in the captures: openings by command, other scanners
}

// Difference is a scan that was decided otherwise than recorded.
type Difference struct {
	At       time.Time `json:"at"`
	Lane     uint8     `json:"lane"`
	Way      string    `json:"way"`
	Pass     string    `json:"pass"`     // its id, "" if neither journal names one
	Recorded string    `json:"recorded"` // pass.Reason's name, "" if the journal has none
	Now      string    `json:"now"`      // likewise
	Why      string    `json:"why"`      // "": nothing explains it
}

// Unexplained counts the differences that nothing explains.
func (r *Report) Unexplained() (n int) {
	for _, d := range r.Different {
		if d.Why == "" {
			n++
		}
	}
	return n
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// Text writes it for people.
func (r *Report) Text(w io.Writer) {
	length := r.To.Sub(r.From)
	fmt.Fprintf(w, "%s to %s, played in %.1f s, %.0f times as fast\n", clock(r.From), clock(r.To), r.Took.Seconds(), max(1, length.Seconds()/r.Took.Seconds()))
	fmt.Fprintf(w, "%d scans: %d decided as recorded, %d otherwise, %d of these without an explanation; %d recorded decisions had no scan in the captures\n",
		r.Scans, r.Same, len(r.Different), r.Unexplained(), r.Unscanned)
	if r.Unexplained() == r.Scans {
		fmt.Fprintln(w, "not one scan was decided so: are the captures of this lane controller, and of the scanners that --scans names?")
	}
	for _, d := range r.Different {
		why := d.Why
		if why == "" {
			why = "NOTHING EXPLAINS IT"
		}
		fmt.Fprintf(w, "  %s lane %d %s %s: %s then, %s now: %s\n", clock(d.At), d.Lane, d.Way, or(d.Pass, "no pass"), or(d.Recorded, "nothing"), or(d.Now, "nothing"), why)
	}
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// compare holds what was decided now, by scan, against the journal. Both lack what a
// lane did not decide, such as the same text again; that is the same, too.
func (d *day) compare(now map[int]*link.Entry) *Report {
	r := &Report{From: d.from(), To: d.to(), Scans: len(d.scans)}
	scanned := map[uint64]bool{}
	for i := range d.scans {
		s := &d.scans[i]
		if s.then != nil {
			scanned[s.then.Seq] = true
		}
		if reason(s.then) == reason(now[i]) && idOf(s.then) == idOf(now[i]) {
			r.Same++
			continue
		}
		r.Different = append(r.Different, difference(s, now[i]))
	}
	for i := range d.entries {
		e := &d.entries[i]
		if decision(e) && !scanned[e.Seq] && time.UnixMilli(e.Wall).Before(d.to().Add(around)) {
			r.Unscanned++
		}
	}
	return r
}

func reason(e *link.Entry) string {
	if e == nil {
		return ""
	}
	return e.Reason.String()
}

func idOf(e *link.Entry) string {
	if e == nil || e.Pass == (pass.ID{}) {
		return ""
	}
	return e.Pass.String()
}

func difference(s *Scan, now *link.Entry) Difference {
	then := s.then
	return Difference{
		At: s.At, Lane: s.Scanner.Lane, Way: s.Scanner.Direction.String(), Pass: or(idOf(then), idOf(now)),
		Recorded: reason(then), Now: reason(now), Why: why(then, now),
	}
}

// elsewhere are refusals that rest on what other lane controllers told.
var elsewhere = []pass.Reason{pass.AlreadyUsed, pass.AlreadyInside, pass.NotInside, pass.EscortNeeded, pass.HomeLane}

// why explains a difference by what the lane knew then, "" if that does not.
func why(then, now *link.Entry) string {
	switch {
	case then == nil || now == nil:
		return ""
	case then.FeedSeq != now.FeedSeq:
		return fmt.Sprintf("the lane knew feed %d then, and the copy knows %d", then.FeedSeq, now.FeedSeq)
	case then.Slot != 0 && then.Reason == pass.Granted:
		return "a live code; the gate keys of a day are wiped at its end"
	case slices.Contains(elsewhere, then.Reason):
		return "what other lane controllers told is not in the copy"
	}
	return ""
}
