package drill

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/promise"
)

// patience bounds each wait of a test.
const patience = 2 * time.Minute

// run runs a trainer until the test ends.
func run(t *testing.T, trainer *Trainer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- trainer.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// await waits until a drill is in one of the phases.
func await(t *testing.T, trainer *Trainer, token string, phases ...Phase) State {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		changed := trainer.Changed()
		v, err := trainer.State(token)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range phases {
			if v.Phase == p {
				return v
			}
		}
		if v.Phase == Stopped {
			t.Fatalf("situation %d %q: stopped: %s\n%s", v.At, v.Name, v.Stopped, strings.Join(v.History, "\n"))
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("situation %d %q is %s still, want %v", v.At, v.Name, v.Phase, phases)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// still is a campus on which nothing happens.
type still struct {
	mu     sync.Mutex // guards the following
	done   []string
	broken []promise.Violation
}

func (s *still) Do(ctx context.Context, a campus.Act) error {
	if a.Verb == "wait" { // for ever
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = append(s.done, a.String())
	return nil
}

func (s *still) acts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.done)
}

func (*still) View() campus.View {
	return campus.View{Played: true, Lanes: []campus.Lane{{ID: "north"}, {ID: "south"}, {ID: "library", Zone: 1}}}
}
func (*still) Changed() <-chan struct{}                             { return nil }
func (s *still) Check(context.Context) ([]promise.Violation, error) { return s.broken, nil }
func (*still) History() []string                                    { return []string{"what happened"} }

// watchmaker is a clock that a test sets.
type watchmaker struct{ atomic.Int64 }

func (w *watchmaker) now() time.Time { return time.Unix(1_000_000+w.Load(), 0) }

// school is a trainer on a still campus, with drills that set no stage.
type school struct {
	*Trainer
	*still
	clock *watchmaker
}

func teach(t *testing.T, drills ...*Drill) *school {
	t.Helper()
	s := &school{still: &still{}, clock: &watchmaker{}}
	s.Trainer = newTrainer(s.still, drills, Options{Now: s.clock.now})
	run(t, s.Trainer)
	return s
}

// bareLibrary are the drills with their questions, and without their stages.
func bareLibrary(t *testing.T) []*Drill {
	t.Helper()
	list, err := Library()
	must(t, err)
	for _, d := range list {
		for i := range d.Situations {
			d.Situations[i].Stage, d.Situations[i].Then = nil, nil
		}
	}
	return list
}

func written(t *testing.T, text string) *Drill {
	t.Helper()
	d, err := Parse("written", text)
	must(t, err)
	return d
}

const (
	beginning = "title: T\nlearn: L\nbrief: B\n"
	question  = "situation: S\nseconds: 30\nstory: s\nask: a\nright: yes\nbecause: so\nwrong: no\nbecause: not so\nwrong: never\nbecause: not at all\nremember: r\n"
	task      = "situation: T\nstage: issue student ecard\nstory: s\ntask: t\ngoal: mode 0 lockdown reason=x\nbecause: so\nmistake: mode 1\nbecause: another zone\nremember: r\nthen: expect north shut\n"
)

// choice is where an answer stands at the moment.
func choice(t *testing.T, v State, text string) int {
	t.Helper()
	i := slices.IndexFunc(v.Choices, func(o Option) bool { return o.Text == text })
	if i < 0 {
		t.Fatalf("no choice %q in %v", text, v.Choices)
	}
	return i
}

// TestEveryMistakeIsExplained makes each mistake that a drill knows.
func TestEveryMistakeIsExplained(t *testing.T) {
	drills := bareLibrary(t)
	s := teach(t, drills...)
	made := 0
	for _, d := range drills {
		token, err := s.Start(d.Name, false)
		must(t, err)
		for i := range d.Situations {
			k := &d.Situations[i]
			v := await(t, s.Trainer, token, Asked)
			said := func(why string) {
				made++
				v := await(t, s.Trainer, token, Asked)
				if r := v.Remarks[len(v.Remarks)-1]; r.Good || r.Why != why {
					t.Errorf("%s, %q: %+v, want %q", d.Name, k.Name, r, why)
				}
			}
			for _, c := range k.Choices {
				if !c.Right {
					must(t, s.Answer(token, choice(t, v, c.Text)))
					said(c.Why)
				}
			}
			for _, m := range k.Mistakes {
				must(t, s.Act(token, anActOf(m.Begin)))
				said(m.Why)
			}
			must(t, s.Help(token))
			await(t, s.Trainer, token, Explained)
			must(t, s.Next(token))
		}
		if r := await(t, s.Trainer, token, Over).Result; r.Points != 0 || r.Passed {
			t.Errorf("%s: %d points, passed %v, with all shown", d.Name, r.Points, r.Passed)
		}
	}
	if made < 100 {
		t.Errorf("only %d mistakes made", made)
	}
}

// anActOf completes what an act begins with.
func anActOf(begin string) string {
	for _, more := range []string{"", " x", " in", " north in", " north", " 1 normal", " 0 normal", " normal", " student", " north on", " slip", " 0"} {
		if _, err := campus.Parse(begin + more); err == nil {
			return begin + more
		}
	}
	return begin
}

func TestScore(t *testing.T) {
	s := teach(t, written(t, beginning+question+task))
	token, err := s.Start("written", false)
	must(t, err)
	v := await(t, s.Trainer, token, Asked)
	must(t, s.Answer(token, choice(t, v, "no")))
	if err := s.Answer(token, choice(t, v, "no")); !errors.Is(err, ErrNotNow) {
		t.Errorf("the same answer again: %v", err)
	}
	if err := s.Act(token, "heal"); !errors.Is(err, ErrNotNow) {
		t.Errorf("an act in the place of an answer: %v", err)
	}
	s.clock.Add(31)
	must(t, s.Answer(token, choice(t, v, "yes")))
	if v = await(t, s.Trainer, token, Explained); v.Points != 10-MistakeCosts-LateCosts {
		t.Errorf("%d points for a mistake and late", v.Points)
	}
	must(t, s.Next(token))
	await(t, s.Trainer, token, Asked)
	for line, why := range map[string]string{"mode 1 lockdown reason=x": "another zone", "mode 0 lockdown": "Give a reason: it stands in the audit, and somebody will ask for it.", "fire north on": noGoal} {
		must(t, s.Act(token, line))
		if v, _ := s.State(token); v.Remarks[len(v.Remarks)-1].Why != why {
			t.Errorf("%s: %+v", line, v.Remarks)
		}
	}
	if err := s.Act(token, "sing"); !errors.Is(err, campus.ErrSyntax) {
		t.Errorf("no act: %v", err)
	}
	if slices.Contains(s.acts(), "fire north on") {
		t.Error("a wrong act was done")
	}
	must(t, s.Act(token, `mode 0 lockdown reason="a knife"`))
	await(t, s.Trainer, token, Explained)
	if !slices.Contains(s.acts(), `mode 0 lockdown reason="a knife"`) {
		t.Errorf("the right act was not done: %q", s.acts())
	}
	must(t, s.Next(token))
	r := await(t, s.Trainer, token, Over).Result
	if r.Points != 3 || r.Of != 20 || r.Percent != 15 || r.Passed || r.Lines[0].Mistakes != 1 || !r.Lines[0].Late || r.Lines[1].Mistakes != 3 || r.Took != 31*time.Second {
		t.Errorf("%+v", r)
	}
	if kept, err := s.Result(token); err != nil || kept != r {
		t.Errorf("%v, %v", kept, err)
	}
}

func TestUnhurried(t *testing.T) {
	s := teach(t, written(t, beginning+question+task))
	token, err := s.Start("written", true)
	must(t, err)
	v := await(t, s.Trainer, token, Asked)
	s.clock.Add(299)
	must(t, s.Answer(token, choice(t, v, "yes")))
	if v = await(t, s.Trainer, token, Explained); v.Points != 10 || v.Limit != 300 {
		t.Errorf("%d points, %v s", v.Points, v.Limit)
	}
}

// TestOneAtATime: a second drill is refused until the first is ended, which leaves the
// campus as it was.
func TestOneAtATime(t *testing.T) {
	s := teach(t, written(t, beginning+question+task))
	token, err := s.Start("written", false)
	must(t, err)
	await(t, s.Trainer, token, Asked)
	if _, err := s.Start("written", false); !isBusy(err) {
		t.Errorf("a second drill: %v", err)
	}
	if _, err := s.Start("none", false); !errors.Is(err, ErrNoDrill) {
		t.Errorf("a drill that is not there: %v", err)
	}
	if err := s.Quit("another token"); !errors.Is(err, ErrOver) {
		t.Errorf("ended by a stranger: %v", err)
	}
	must(t, s.Quit(token))
	tidied(t, s)
	if _, err := s.State(token); !errors.Is(err, ErrOver) {
		t.Errorf("state of a drill that was left: %v", err)
	}
	_, err = s.Start("written", false)
	must(t, err)
}

func isBusy(err error) bool {
	_, ok := errors.AsType[*BusyError](err)
	return ok
}

// tidied waits until the campus has its own rules again.
func tidied(t *testing.T, s *school) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		changed := s.Trainer.Changed()
		if a := s.acts(); slices.Contains(a, "rules 1 apart=soft escort=30 exit=off holiday=none open=none passback=off repeat=3s") {
			if last := a[len(a)-5]; last != "heal" {
				t.Errorf("tidied up without healing first: %q", a)
			}
			return
		}
		select {
		case <-changed:
		case <-late.C:
			t.Fatalf("nobody tidied up: %q", s.acts())
		}
	}
}

// TestAbandoned: who closes the window ends the drill, but not who loads it again.
func TestAbandoned(t *testing.T) {
	s := teach(t, written(t, beginning+question+task))
	token, err := s.Start("written", false)
	must(t, err)
	leave, err := s.Attend(token)
	must(t, err)
	await(t, s.Trainer, token, Asked)
	s.clock.Add(3600)
	s.abandoned()
	_, err = s.State(token)
	must(t, err)
	leave()
	s.clock.Add(int64(onePatience/time.Second) + 1)
	tidied(t, s)
	if _, _, busy := s.Busy(); busy {
		t.Error("an abandoned drill is on")
	}
}

// TestEndsInTheMiddle: what is under way is broken off, and the campus is tidied up,
// also when all ends.
func TestEndsInTheMiddle(t *testing.T) {
	d := written(t, beginning+strings.Replace(question, "story", "stage: wait 10m\nstory", 1)+task)
	campus := &still{}
	trainer := newTrainer(campus, []*Drill{d}, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- trainer.Run(ctx) }()
	_, err := trainer.Start("written", false)
	must(t, err)
	late, tick := time.NewTimer(patience), time.NewTicker(time.Millisecond)
	defer late.Stop()
	defer tick.Stop()
	for len(campus.acts()) < 5 {
		select {
		case <-tick.C:
		case <-late.C:
			t.Fatalf("no stage is set: %q", campus.acts())
		}
	}
	cancel()
	must(t, <-ended)
	if a := campus.acts(); !strings.HasSuffix(a[len(a)-1], "repeat=3s") {
		t.Errorf("not tidied up: %q", a)
	}
}

// TestStopped: a drill that says something else than the product, or a promise that is
// broken, ends it with the history.
func TestStopped(t *testing.T) {
	untrue := written(t, beginning+strings.Replace(question, "story", "stage: expect north open within=10ms\nstory", 1))
	s := teach(t, untrue)
	token, err := s.Start("written", false)
	must(t, err)
	v := await(t, s.Trainer, token, Stopped)
	if !strings.Contains(v.Stopped, "expect north open") || len(v.History) != 1 || v.Result != nil {
		t.Errorf("%+v", v)
	}
	broken := teach(t, written(t, beginning+question+task))
	broken.still.broken = []promise.Violation{{}}
	token, err = broken.Start("written", false)
	must(t, err)
	if v := await(t, broken.Trainer, token, Stopped); !strings.Contains(v.Stopped, "promise") {
		t.Errorf("%+v", v)
	}
	_, err = broken.Start("written", false) // it can be tried again
	must(t, err)
}
