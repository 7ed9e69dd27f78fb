// Package drill trains guards: written situations at the lanes of a running campus,
// which a guard answers or deals with, and a judge that scores and explains.
//
// A drill is a text file:
//
//	title: A shared screenshot
//	learn: What a guard knows afterwards; may be given again.
//	brief: What is told before it begins; may be given again.
//	lanes: north south           to be shown; without it north and south
//	pass: 70                     per cent of the points, for the certificate
//
//	situation: A picture from a friend
//	seconds: 45                  to answer in; without it 45
//	stage: issue student ecard live=yes
//	stage: shot student
//	stage.played: advance 2m     on a campus with a played clock
//	stage.real: wait 50s         on one that goes by the machine's
//	stage: scan north student shot
//	stage: expect north LIVE_STALE
//	story: What the guard sees; may be given again.
//	ask: What do you do?
//	right: Ask to see the code in the portal
//	because: …
//	wrong: Open the lane by hand
//	because: …
//	then: scan north student     done after the right answer
//	then: expect north passed
//	remember: One sentence to read again.
//
// In the place of a question there can be a task, which is judged by what is done:
//
//	task: Lock the main gate.
//	goal: mode 0 lockdown reason="seen a knife"
//	because: …
//	mistake: open                all acts that begin so
//	because: …
//
// A stage and a then is an act (package campus) or an expectation (package scenario).
// Where one does not hold the drill stops: it never teaches what the product does not do.
package drill

import (
	"strings"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/scenario"
)

// Drill is one written drill.
type Drill struct {
	Name       string   // of its file, without the number
	Title      string   //
	Learn      []string // what a guard knows afterwards
	Brief      []string // paragraphs
	Lanes      []string // that are shown
	Pass       int      // per cent
	Situations []Situation
}

// Situation is one moment at the lanes. It has Choices or Goals.
type Situation struct {
	Name     string
	Limit    time.Duration
	Points   int
	Stage    []Step
	Story    []string
	Ask      string // the question, or the task
	Choices  []Choice
	Goals    []Goal
	Mistakes []Mistaken
	Then     []Step
	Remember string
}

// Task reports whether something has to be done, and not answered.
func (s *Situation) Task() bool { return len(s.Goals) > 0 }

// Step is an act or an expectation: one of the two is set.
type Step struct {
	Line   int
	Text   string
	Only   string // "real", "played"; "": both
	Act    *campus.Act
	Expect *scenario.Expect
}

// Choice is one answer.
type Choice struct {
	Text  string
	Right bool
	Why   string
}

// Goal is an act that has to be done. What its arguments say is free, but where it has
// one, one is wanted.
type Goal struct {
	Act campus.Act
	Why string
}

// Mistaken are acts that are wrong here: all that begin with these words.
type Mistaken struct {
	Begin string
	Why   string
}

// Limit is the time of all situations together.
func (d *Drill) Limit() (sum time.Duration) {
	for i := range d.Situations {
		sum += d.Situations[i].Limit
	}
	return sum
}

// Possible are the points of all situations together.
func (d *Drill) Possible() (sum int) {
	for i := range d.Situations {
		sum += d.Situations[i].Points
	}
	return sum
}

// meets reports whether an act is what a goal asks for.
func (g *Goal) meets(a campus.Act) bool {
	if bare(a) != bare(g.Act) {
		return false
	}
	for key := range g.Act.Args {
		if strings.TrimSpace(a.Args[key]) == "" {
			return false
		}
	}
	return true
}

// bare is an act without its arguments.
func bare(a campus.Act) string {
	a.Args = nil
	return a.String()
}

// covers reports whether an act begins with these words.
func (m *Mistaken) covers(a campus.Act) bool {
	text := a.String()
	return text == m.Begin || strings.HasPrefix(text, m.Begin+" ")
}
