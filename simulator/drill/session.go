package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"turnstile/simulator/campus"
)

// Phase is where a drill is.
//
//	Staging -> Asked -> Doing -> Explained -> Staging ... -> Over
//	   any of them -> Stopped: the campus did not do what the drill says
type Phase string

// The phases.
const (
	Staging   Phase = "staging"   // the stage is being set
	Asked     Phase = "asked"     // the guard has to answer or to act
	Doing     Phase = "doing"     // what the guard ordered is being done
	Explained Phase = "explained" // it was right; the next situation waits
	Over      Phase = "over"
	Stopped   Phase = "stopped"
)

// session is one drill under way; Trainer.mu guards what changes.
type session struct {
	token     string
	drill     *Drill
	number    int // makes the names of its passes its own
	unhurried bool
	began     time.Time
	living    context.Context // ends with the session
	die       context.CancelFunc

	phase    Phase
	at       int // which situation
	asked    time.Time
	answered time.Duration // how long answers took in all
	mark     mark
	marks    []mark
	tried    []int // choices, in order
	done     []int // goals
	remarks  []Remark
	people   []string // passes that were issued, as the drill calls them
	stopped  string
	history  []string

	eyes     *watch // of jobs
	watchers int
	left     time.Time // when the last watcher went
}

// Remark is what is said about an answer or an act.
type Remark struct {
	Good bool   `json:"good"`
	What string `json:"what"` // the answer or act it is about
	Why  string `json:"why"`
}

func (s *session) situation() *Situation { return &s.drill.Situations[s.at] }

// limit is the time for the situation.
func (s *session) limit() time.Duration {
	if s.unhurried {
		return s.situation().Limit * unhurriedBy
	}
	return s.situation().Limit
}

// order is the order in which the choices are shown: another one each time, and the
// same as long as they stand there.
func (s *session) order() []int {
	return rand.New(rand.NewPCG(uint64(s.number), uint64(s.at))).Perm(len(s.situation().Choices))
}

// as is the name that a pass of the drill has on the campus.
func (s *session) as(name string) string { return fmt.Sprintf("%s.%d", name, s.number) }

// owns reports whether a name could be one of the session's.
func (s *session) owns(name string) bool { return strings.HasSuffix(name, s.as("")) }

// State is what a page shows of a drill.
type State struct {
	Drill     string   `json:"drill"`
	Phase     Phase    `json:"phase"`
	At        int      `json:"at"` // situations from 1
	Of        int      `json:"of"`
	Name      string   `json:"name"`
	Story     []string `json:"story"`
	Ask       string   `json:"ask"`
	Task      bool     `json:"task"`
	Choices   []Option `json:"choices"`
	Goals     int      `json:"goals"` // of a task
	Done      int      `json:"done"`  // of them
	Remarks   []Remark `json:"remarks"`
	People    []string `json:"people"`   // passes that acts can name
	Suffix    string   `json:"suffix"`   // what they have behind that on the campus
	Left      float64  `json:"left"`     // seconds; below 0: late
	Limit     float64  `json:"limit"`    // seconds
	Points    int      `json:"points"`   // of the situations before, and of this one if it is explained
	Possible  int      `json:"possible"` // of the whole drill
	Worth     int      `json:"worth"`    // of this situation, if it is right at once
	Unhurried bool     `json:"unhurried"`
	Stopped   string   `json:"stopped"`
	History   []string `json:"history"`
	Result    *Result  `json:"result"`
}

// Option is one choice.
type Option struct {
	Text  string `json:"text"`
	Tried bool   `json:"tried"`
	Right bool   `json:"right"` // known once it was tried or shown
}

// State returns a drill as it is now.
func (t *Trainer) State(token string) (State, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.of(token)
	if err != nil {
		return State{}, err
	}
	k := s.situation()
	v := State{Drill: s.drill.Name, Phase: s.phase, At: s.at + 1, Of: len(s.drill.Situations), Name: k.Name, Story: []string{}, Choices: []Option{},
		Remarks: append([]Remark{}, s.remarks...), People: append([]string{}, s.people...), Suffix: s.as(""), Limit: s.limit().Seconds(), Possible: s.drill.Possible(), Worth: k.Points,
		Unhurried: s.unhurried, Stopped: s.stopped, History: s.history, Result: t.results[token]}
	for i, m := range s.marks {
		v.Points += m.points(s.drill.Situations[i].Points)
	}
	if s.phase == Staging {
		return v, nil // what is asked is not told before it can be seen
	}
	v.Story, v.Ask, v.Task, v.Goals, v.Done = k.Story, k.Ask, k.Task(), len(k.Goals), len(s.done)
	v.Left = (s.limit() - t.now().Sub(s.asked)).Seconds()
	for _, i := range s.order() {
		tried := slices.Contains(s.tried, i)
		v.Choices = append(v.Choices, Option{Text: k.Choices[i].Text, Tried: tried, Right: tried && k.Choices[i].Right})
	}
	return v, nil
}

// asks returns the session of a token if it waits for an answer, which takes note of
// the time. mu is held.
func (t *Trainer) asks(token string) (*session, error) {
	s, err := t.of(token)
	if err != nil {
		return nil, err
	}
	if s.phase != Asked {
		return nil, ErrNotNow
	}
	if t.now().Sub(s.asked) > s.limit() {
		s.mark.late = true
	}
	return s, nil
}

// Answer chooses, counted as State has them.
func (t *Trainer) Answer(token string, choice int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.asks(token)
	if err != nil {
		return err
	}
	k := s.situation()
	if choice < 0 || choice >= len(k.Choices) {
		return ErrNotNow
	}
	if choice = s.order()[choice]; slices.Contains(s.tried, choice) {
		return ErrNotNow
	}
	defer t.tell()
	c := k.Choices[choice]
	if !c.Right {
		s.tried = append(s.tried, choice)
		s.wrong(c.Text, c.Why)
		return nil
	}
	if err := t.ask(s, t.right); err != nil {
		return err
	}
	s.tried = append(s.tried, choice)
	s.remarks = append(s.remarks, Remark{true, c.Text, c.Why})
	t.settled(s)
	return nil
}

// wrong notes a mistake. mu is held.
func (s *session) wrong(what, why string) {
	s.mark.mistakes++
	s.remarks = append(s.remarks, Remark{false, what, why})
}

// settled notes that the guard found it. mu is held.
func (t *Trainer) settled(s *session) {
	s.phase = Doing
	s.answered += t.now().Sub(s.asked)
}

// Act does what a guard orders, if it is what the task wants. An act that it does not
// want is held back and explained. A *campus.SyntaxError is an order that is none.
func (t *Trainer) Act(token, line string) error {
	a, err := campus.Parse(line)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.asks(token)
	if err != nil {
		return err
	}
	k := s.situation()
	if !k.Task() {
		return ErrNotNow
	}
	defer t.tell()
	for i := range k.Goals {
		if k.Goals[i].meets(a) && !slices.Contains(s.done, i) {
			return t.reached(s, i, a)
		}
	}
	s.wrong(a.String(), k.whyNot(a))
	return nil
}

// noGoal explains an act that a drill says nothing about.
const noGoal = "This does not help here, so the drill held it back. Read the task again and look at the lanes."

func (k *Situation) whyNot(a campus.Act) string {
	for _, g := range k.Goals {
		if bare(a) == bare(g.Act) {
			return "Give a reason: it stands in the audit, and somebody will ask for it."
		}
	}
	for _, m := range k.Mistakes {
		if m.covers(a) {
			return m.Why
		}
	}
	return noGoal
}

// reached has a goal's act done. mu is held.
func (t *Trainer) reached(s *session, goal int, a campus.Act) error {
	k := s.situation()
	last := len(s.done)+1 == len(k.Goals)
	err := t.ask(s, func(ctx context.Context, s *session) error {
		if err := t.order(ctx, s, a); err != nil || !last {
			return err
		}
		return t.right(ctx, s)
	})
	if err != nil {
		return err
	}
	s.done = append(s.done, goal)
	s.remarks = append(s.remarks, Remark{true, a.String(), k.Goals[goal].Why})
	if last {
		t.settled(s)
	}
	return nil
}

// order does a guard's act.
func (t *Trainer) order(ctx context.Context, s *session, a campus.Act) error {
	if err := t.do(ctx, s, a); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// Help shows the answer, for no points.
func (t *Trainer) Help(token string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.asks(token)
	if err != nil {
		return err
	}
	k := s.situation()
	if err := t.ask(s, func(ctx context.Context, s *session) error { return t.shown(ctx, s) }); err != nil {
		return err
	}
	defer t.tell()
	s.mark.helped = true
	for i, c := range k.Choices {
		if c.Right {
			s.tried = append(s.tried, i)
			s.remarks = append(s.remarks, Remark{true, c.Text, c.Why})
		}
	}
	for i, g := range k.Goals {
		if !slices.Contains(s.done, i) {
			s.remarks = append(s.remarks, Remark{true, g.Act.String(), g.Why})
		}
	}
	t.settled(s)
	return nil
}

// shown does what is left to be done.
func (t *Trainer) shown(ctx context.Context, s *session) error {
	t.mu.Lock()
	var left []campus.Act
	for i, g := range s.situation().Goals {
		if !slices.Contains(s.done, i) {
			left = append(left, g.Act)
			s.done = append(s.done, i)
		}
	}
	t.mu.Unlock()
	for _, a := range left {
		if err := t.order(ctx, s, a); err != nil {
			return err
		}
	}
	return t.right(ctx, s)
}

// Next goes on behind an explanation.
func (t *Trainer) Next(token string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := t.of(token)
	if err != nil {
		return err
	}
	if s.phase != Explained {
		return ErrNotNow
	}
	defer t.tell()
	last := s.at+1 == len(s.drill.Situations)
	next := t.stage
	if last {
		next = t.finish
	}
	if err := t.ask(s, next); err != nil {
		return err
	}
	s.phase = Staging
	if last {
		return nil
	}
	s.at++
	s.mark, s.tried, s.done, s.remarks = mark{}, nil, nil, nil
	return nil
}

// finish adds up, behind the last check.
func (t *Trainer) finish(_ context.Context, s *session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.phase = Over
	t.keep(s.token, resultOf(s.drill, s.marks, s.answered, s.unhurried, t.now()))
	t.tell()
	return nil
}
