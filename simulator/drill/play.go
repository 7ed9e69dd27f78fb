package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"turnstile/agent/health"
	"turnstile/simulator/campus"
	"turnstile/simulator/promise"
	"turnstile/simulator/scenario"
)

// How long a lane takes a text for the one before: at a drill people are quicker than
// at a gate, and afterwards it is as central's first rules have it.
const (
	drillRepeat = "0s"
	usualRepeat = "3s"
)

// tidy heals a campus and sets the rules of its zones back.
func (t *Trainer) tidy(ctx context.Context, repeat string) error {
	lines := []string{"heal"}
	var zones []int
	for _, l := range t.campus.View().Lanes {
		if slices.Contains(zones, l.Zone) {
			continue
		}
		zones = append(zones, l.Zone)
		lines = append(lines, fmt.Sprintf("mode %d normal reason=\"drill\"", l.Zone),
			fmt.Sprintf("rules %d passback=off exit=off apart=soft open=none holiday=none escort=30 repeat=%s", l.Zone, repeat))
	}
	var errs []error
	for _, line := range lines {
		a, err := campus.Parse(line)
		if err == nil {
			err = t.campus.Do(ctx, a)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// open prepares the campus and sets the first stage.
func (t *Trainer) open(ctx context.Context, s *session) error {
	if err := t.tidy(ctx, drillRepeat); err != nil {
		return err
	}
	if err := t.check(ctx); err != nil {
		return err
	}
	s.eyes = newWatch(t.campus)
	return t.stage(ctx, s)
}

// stage sets the stage of the situation, and asks.
func (t *Trainer) stage(ctx context.Context, s *session) error {
	s.eyes.begin()
	if err := t.steps(ctx, s, t.situation(s).Stage); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.phase, s.asked = Asked, t.now()
	t.tell()
	return nil
}

// situation is where a drill is.
func (t *Trainer) situation(s *session) *Situation {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.situation()
}

// right does what follows from the right answer, and holds the campus to its promises.
func (t *Trainer) right(ctx context.Context, s *session) error {
	if err := t.steps(ctx, s, t.situation(s).Then); err != nil {
		return err
	}
	t.mu.Lock()
	s.phase = Explained
	s.marks = append(s.marks, s.mark)
	t.tell()
	t.mu.Unlock()
	return t.check(ctx) // while the guard reads
}

// UntrueError stops a drill: the campus does not do what the drill says.
type UntrueError struct {
	Drill string
	Line  int
	Text  string
	Fault string // what there was instead
}

// Error tells the guard that it is not about the answer.
func (e *UntrueError) Error() string {
	return fmt.Sprintf("the drill expected something else of the lanes (%s:%d: %s: %s)", e.Drill, e.Line, e.Text, e.Fault)
}

// BrokenError stops a drill: a promise of the product is broken.
type BrokenError struct{ Violations []promise.Violation }

// Error names the promises.
func (e *BrokenError) Error() string {
	text := "the product broke a promise"
	for _, v := range e.Violations {
		text += fmt.Sprintf("; %s", v)
	}
	return text
}

func (t *Trainer) check(ctx context.Context) error {
	broken, err := t.campus.Check(ctx)
	if err == nil && len(broken) > 0 {
		return &BrokenError{broken}
	}
	return err
}

// stop ends a drill that cannot go on; its page shows why.
func (t *Trainer) stop(s *session, why error) {
	t.log.Warn("drill stopped", "drill", s.drill.Name, "error", why)
	history := t.campus.History()
	t.mu.Lock()
	defer t.mu.Unlock()
	s.phase, s.stopped, s.history = Stopped, why.Error(), history
	t.tell()
}

// steps does and expects.
func (t *Trainer) steps(ctx context.Context, s *session, list []Step) error {
	for _, step := range list {
		if played := t.campus.View().Played; step.Only == "real" && played || step.Only == "played" && !played {
			continue
		}
		var err error
		if step.Expect != nil {
			err = s.eyes.await(ctx, step.Expect, s)
		} else {
			err = t.do(ctx, s, *step.Act)
		}
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &UntrueError{s.drill.Name, step.Line, step.Text, err.Error()}
		}
	}
	return nil
}

// do does an act about the session's own passes.
func (t *Trainer) do(ctx context.Context, s *session, a campus.Act) error {
	s.eyes.mark(a.Target)
	if err := t.campus.Do(ctx, rename(a, s.as)); err != nil {
		return err
	}
	if a.Verb != "issue" && a.Verb != "supervisor" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.people = append(s.people, names(a)...)
	return nil
}

// watch looks at what has happened since: an expectation must not be met by what was
// there before. Only jobs use it.
type watch struct {
	campus   Campus
	alarm    int64                     // the newest of before the situation
	last     map[string]time.Time      // by lane, its last decision before the last act there
	warnings map[string][]health.Entry // by lane, those of before the drill
}

func newWatch(c Campus) *watch {
	w := &watch{campus: c, warnings: map[string][]health.Entry{}}
	for _, l := range c.View().Lanes {
		w.warnings[l.ID] = l.Warnings
	}
	w.begin()
	return w
}

// begin takes all that was decided so far for old.
func (w *watch) begin() {
	w.last = map[string]time.Time{}
	v := w.campus.View()
	for _, a := range v.Alarms {
		w.alarm = max(w.alarm, a.Number)
	}
	for _, l := range v.Lanes {
		w.mark(l.ID)
	}
}

// mark notes a lane's last decision.
func (w *watch) mark(lane string) {
	for _, l := range w.campus.View().Lanes {
		if l.ID == lane {
			delete(w.last, l.ID)
			if l.Last != nil {
				w.last[l.ID] = l.Last.At
			}
		}
	}
}

// view is what is new.
func (w *watch) view() campus.View {
	v := w.campus.View()
	v.Alarms = slices.DeleteFunc(v.Alarms, func(a campus.Alarm) bool { return a.Number <= w.alarm })
	for i := range v.Lanes {
		l := &v.Lanes[i]
		if at, ok := w.last[l.ID]; ok && l.Last != nil && l.Last.At.Equal(at) {
			l.Last = nil
		}
		l.Warnings = slices.DeleteFunc(l.Warnings, func(e health.Entry) bool {
			return slices.ContainsFunc(w.warnings[l.ID], func(old health.Entry) bool { return old.Code == e.Code && old.Detail == e.Detail })
		})
	}
	return v
}

// await looks until an expectation holds or its time is over.
func (w *watch) await(ctx context.Context, e *scenario.Expect, s *session) error {
	own := *e
	if slices.Contains(s.people, own.What) {
		own.What = s.as(own.What)
	}
	late := time.NewTimer(own.Within)
	defer late.Stop()
	for {
		changed, v := w.campus.Changed(), w.view()
		ok, instead := own.Holds(&v)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("not within %v; instead: %s", own.Within, instead)
		}
	}
}
