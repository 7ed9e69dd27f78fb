package scenario

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"turnstile/simulator/campus"
)

const (
	// maxKept is how many acts a recorder remembers; a scenario has fewer steps.
	maxKept = 20000
	// slack is how much of a pause an act itself takes.
	slack = time.Second
	// maxPause is the longest pause that a recording keeps.
	maxPause = 30 * time.Second
)

// Campus is what is recorded; *campus.Campus is one.
type Campus interface {
	Record(func(at time.Duration, a campus.Act))
	View() campus.View
}

// Recorder writes what is done on a campus down as a scenario. Its methods are safe
// for concurrent use.
type Recorder struct {
	campus Campus
	lanes  []campus.LaneSpec

	mu     sync.Mutex // guards the following
	done   []deed
	begun  int // in done; -1: nothing is recorded
	began  campus.View
	counts map[string]int // decisions of each lane when it was looked at last
}

// deed is one act that was done, and what came of it.
type deed struct {
	at      time.Duration // since the campus's begin
	act     campus.Act
	outcome string // an expectation, "" if there is none
}

// NewRecorder follows a campus from now on: make it before the first act, since a
// recording needs the passes that were issued before it began. lanes are nil where
// the campus has its usual ones.
func NewRecorder(c Campus, lanes []campus.LaneSpec) *Recorder {
	r := &Recorder{campus: c, lanes: lanes, begun: -1, counts: map[string]int{}}
	c.Record(r.take)
	return r
}

// take remembers an act, and for a scan what the lane said to it.
func (r *Recorder) take(at time.Duration, a campus.Act) {
	v := r.campus.View()
	r.mu.Lock()
	defer r.mu.Unlock()
	d := deed{at: at, act: a}
	for _, l := range v.Lanes {
		if a.Verb == "scan" && l.ID == a.Target && l.Decisions > r.counts[l.ID] && l.Last != nil {
			d.outcome = fmt.Sprintf("expect %s %s", l.ID, l.Last.Reason)
		}
		r.counts[l.ID] = l.Decisions
	}
	if len(r.done) == maxKept && r.begun != 0 {
		r.done = slices.Delete(r.done, 0, 1)
		r.begun = max(r.begun-1, -1)
	}
	if len(r.done) < maxKept {
		r.done = append(r.done, d)
	}
}

// Start begins a recording; one that was under way is forgotten.
func (r *Recorder) Start() {
	v := r.campus.View()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun, r.began = len(r.done), v
}

// Recording reports whether a recording is under way.
func (r *Recorder) Recording() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.begun >= 0
}

// Stop ends the recording and returns it as a scenario; "" if none was under way.
func (r *Recorder) Stop() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun < 0 {
		return ""
	}
	before, recorded := r.done[:r.begun], r.done[r.begun:]
	r.begun = -1
	return r.write(before, recorded)
}

// write is the scenario: what has to be there, then what was recorded.
func (r *Recorder) write(before, recorded []deed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "title: Recorded on %s\n", r.began.Now.Format("2006-01-02 15:04"))
	if r.lanes != nil {
		b.WriteString("lanes:")
		for _, l := range r.lanes {
			fmt.Fprintf(&b, " %s=%d", l.ID, l.Zone)
		}
		b.WriteString("\n")
	}
	if r.began.Played {
		fmt.Fprintf(&b, "start: %s\n", r.began.Now.Format("2006-01-02 15:04"))
	}
	b.WriteString("\n# what was there before\n")
	names := used(recorded)
	for _, d := range before {
		if prepares(d.act, names) {
			fmt.Fprintln(&b, d.act)
		}
	}
	for _, s := range r.began.Standing {
		fmt.Fprintln(&b, s.Act)
	}
	b.WriteString("\n# what was recorded\n")
	r.steps(&b, recorded)
	return b.String()
}

func (r *Recorder) steps(b *strings.Builder, recorded []deed) {
	expected := false
	for i, d := range recorded {
		if i > 0 && d.act.Verb != "wait" {
			pause(b, d.at-recorded[i-1].at)
		}
		fmt.Fprintln(b, d.act)
		if d.outcome != "" {
			expected = true
			fmt.Fprintln(b, d.outcome)
		}
	}
	if !expected { // a scenario expects something
		fmt.Fprintf(b, "expect central %s\n", word(r.campus.View().Central.Up, "up", "down"))
	}
}

// pause writes how long nothing was done between the ends of two acts.
func pause(b *strings.Builder, gap time.Duration) {
	if p := min(gap-slack, maxPause).Round(100 * time.Millisecond); p >= slack/2 {
		fmt.Fprintf(b, "wait %v\n", p)
	}
}

// used are the names of passes that acts are about.
func used(list []deed) map[string]bool {
	names := map[string]bool{}
	for _, d := range list {
		if n := named(d.act); n != "" {
			names[n] = true
		}
	}
	return names
}

// named is the pass that an act is about, "" if it is about none.
func named(a campus.Act) string {
	switch a.Verb {
	case "issue", "shot", "forge", "revoke", "hold", "release", "reissue":
		return a.Target
	case "scan", "supervisor":
		if len(a.Words) > 0 {
			return a.Words[0]
		}
	}
	return ""
}

// prepares reports whether an act of before has to be done for the names.
func prepares(a campus.Act, names map[string]bool) bool {
	switch a.Verb {
	case "rules", "withdraw":
		return true
	}
	return names[named(a)]
}
