package drill

import (
	"time"
)

// What a situation's points lose. A guard may try again until it is right: what is
// left of the points is never less than none.
const (
	MistakeCosts = 4 // each wrong answer or act
	LateCosts    = 3 // once, when the time is over before it is right
)

// unhurriedBy is how much longer each time is for who wants it unhurried.
const unhurriedBy = 10

// mark is how one situation went.
type mark struct {
	mistakes int
	late     bool
	helped   bool // the answer was shown
}

// points are what a mark leaves of so many.
func (m mark) points(of int) int {
	if m.helped {
		return 0
	}
	of -= m.mistakes * MistakeCosts
	if m.late {
		of -= LateCosts
	}
	return max(of, 0)
}

// Line is one situation in a result.
type Line struct {
	Name     string `json:"name"`
	Points   int    `json:"points"`
	Of       int    `json:"of"`
	Mistakes int    `json:"mistakes"`
	Late     bool   `json:"late"`
	Helped   bool   `json:"helped"`
	Remember string `json:"remember"`
}

// Result is a drill that was gone through.
type Result struct {
	Drill     string        `json:"drill"` // Drill.Name
	Title     string        `json:"title"`
	At        time.Time     `json:"at"` // by the machine's clock
	Took      time.Duration `json:"took_ns"`
	Limit     time.Duration `json:"limit_ns"` // 0: unhurried
	Points    int           `json:"points"`
	Of        int           `json:"of"`
	Percent   int           `json:"percent"`
	Pass      int           `json:"pass"` // per cent
	Passed    bool          `json:"passed"`
	Unhurried bool          `json:"unhurried"`
	Lines     []Line        `json:"lines"`
}

// resultOf adds up how a drill's situations went.
func resultOf(d *Drill, marks []mark, took time.Duration, unhurried bool, at time.Time) *Result {
	r := &Result{Drill: d.Name, Title: d.Title, At: at, Took: took, Of: d.Possible(), Pass: d.Pass, Unhurried: unhurried}
	if !unhurried {
		r.Limit = d.Limit()
	}
	for i, m := range marks {
		s := &d.Situations[i]
		l := Line{Name: s.Name, Points: m.points(s.Points), Of: s.Points, Mistakes: m.mistakes, Late: m.late, Helped: m.helped, Remember: s.Remember}
		r.Points += l.Points
		r.Lines = append(r.Lines, l)
	}
	r.Percent = r.Points * 100 / max(r.Of, 1)
	r.Passed = len(marks) == len(d.Situations) && r.Percent >= r.Pass
	return r
}
