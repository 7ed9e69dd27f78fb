package crowd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/promise"
)

// RunOptions say how a plan is played.
type RunOptions struct {
	Walk  time.Duration // how long the steel lets a person walk; 0: 30 ms
	Check int           // the promises are checked each time so many acts are done, and at the end; 0: 500
	Told  func(string)  // of each stretch of the day that is over; nil: nobody
}

const (
	quickWalk  = 30 * time.Millisecond
	firstCheck = 500
	clerks     = 4 // who issue passes at the same time
)

// Surprise is a verdict that was not planned.
type Surprise struct {
	Seed   uint64   `json:"seed"`
	People int      `json:"people"`
	At     string   `json:"at"` // of the day
	Who    string   `json:"who"`
	Story  string   `json:"story,omitempty"`
	Act    string   `json:"act"`
	Want   string   `json:"want"`
	Got    string   `json:"got"`
	Last   []string `json:"last"` // events, the newest last
}

// Error says who met what instead of what.
func (s *Surprise) Error() string {
	return fmt.Sprintf("%s at %s, %s: want %s, got %s", s.Who, s.At, s.Act, s.Want, s.Got)
}

// Broken are promises that a day broke.
type Broken struct {
	Found []promise.Violation `json:"found"`
	Last  []string            `json:"last"`
}

// Error has a line for each.
func (b *Broken) Error() string {
	lines := make([]string, len(b.Found))
	for i, v := range b.Found {
		lines[i] = "broken promise: " + v.String()
	}
	return strings.Join(lines, "\n")
}

// run is a plan that is played.
type run struct {
	*Plan
	RunOptions
	campus *campus.Campus
	figures
	acts    atomic.Int64
	checked int64
	report  *Report
	mu      sync.Mutex // guards the following
	decided map[*Turn]time.Duration
}

// Run plays a plan on a played campus of its own, which is closed at the end. The
// report is there even if the day was stopped; then Failure says by what. The error
// says that it could not be played.
func Run(ctx context.Context, p *Plan, o RunOptions) (*Report, error) {
	if o.Walk == 0 {
		o.Walk = quickWalk
	}
	if o.Check == 0 {
		o.Check = firstCheck
	}
	began := time.Now()
	c, err := campus.Open(ctx, campus.Config{Lanes: p.Lanes, Start: p.Start(), Walk: o.Walk})
	if err != nil {
		return nil, fmt.Errorf("open campus: %w", err)
	}
	r := &run{Plan: p, RunOptions: o, campus: c, decided: map[*Turn]time.Duration{}, report: &Report{Seed: p.Seed, People: p.People, Lanes: len(p.Lanes), Slot: p.Slot}}
	r.figures.begin(p.Lanes, 0)
	failed := r.play(ctx)
	if errors.As(failed, &r.report.Surprise) || errors.As(failed, &r.report.Broken) {
		failed = nil
	}
	r.finish(began)
	return r.report, errors.Join(failed, c.Close())
}

// play goes through the day, slot by slot.
func (r *run) play(ctx context.Context) error {
	for _, a := range r.rules() {
		if err := r.do(ctx, a); err != nil {
			return err
		}
	}
	for turns := range r.slots() {
		if err := r.stretch(ctx, turns); err != nil {
			return err
		}
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	return r.look(ctx)
}

// slots are the turns of each slot that has some.
func (r *run) slots() func(func([]Turn) bool) {
	return func(yield func([]Turn) bool) {
		for rest := r.Turns; len(rest) > 0; {
			n := slices.IndexFunc(rest, func(t Turn) bool { return r.slot(t.At) != r.slot(rest[0].At) })
			if n < 0 {
				n = len(rest)
			}
			if !yield(rest[:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// stretch plays the turns of one slot: the office first, then all lanes side by side.
func (r *run) stretch(ctx context.Context, turns []Turn) error {
	if err := r.advance(ctx, r.floor(turns[0].At)); err != nil {
		return err
	}
	clerk, lanes := map[string][]*Turn{}, map[string][]*Turn{}
	for i := range turns {
		if t := &turns[i]; t.Lane == "" {
			desk := fmt.Sprint(sum(t.Who) % clerks) // each person's in order
			clerk[desk] = append(clerk[desk], t)
		} else {
			lanes[t.Lane] = append(lanes[t.Lane], t)
		}
	}
	if err := errors.Join(r.together(ctx, clerk), r.together(ctx, lanes)); err != nil {
		return err
	}
	if r.acts.Load()-r.checked >= int64(r.Check) {
		if err := r.check(ctx); err != nil {
			return err
		}
	}
	if r.Told != nil {
		r.Told(fmt.Sprintf("%s  %d turns", clock(r.floor(turns[0].At)), len(turns)))
	}
	return r.look(ctx)
}

func sum(s string) (n uint32) {
	for _, b := range []byte(s) {
		n = n*31 + uint32(b)
	}
	return n
}

// leastAdvance is longer than a live code is good for: nobody shows one twice.
const leastAdvance = 40 * time.Second

// advance brings the campus to a time of the day.
func (r *run) advance(ctx context.Context, to time.Duration) error {
	d := max(firstDay.Add(to).Sub(r.campus.View().Now), leastAdvance)
	if to <= eve {
		return nil
	}
	return r.do(ctx, campus.Act{Verb: "advance", Words: []string{d.Truncate(time.Second).String()}})
}

// together plays lists of turns side by side; the first error ends all.
func (r *run) together(ctx context.Context, lists map[string][]*Turn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	for _, list := range lists {
		wait.Go(func() {
			for _, t := range list {
				if ctx.Err() != nil {
					return
				}
				if err := r.turn(ctx, t); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

func (r *run) turn(ctx context.Context, t *Turn) error {
	var took time.Duration
	for i := range t.Steps {
		s := &t.Steps[i]
		r.acts.Add(1)
		got, d, err := perform(ctx, r.campus, t.Lane, s, patience)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", t.Who, s.Act, err)
		}
		if took += d; got != "" {
			return &Surprise{r.Seed, r.People, clock(t.At), t.Who, t.Story, s.Act.String(), want(s), got, r.campus.History()}
		}
	}
	if t.Lane != "" {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.decided[t] = took
	}
	return nil
}

// want is what a step expects, in words.
func want(s *Step) string {
	return strings.TrimSpace(s.Reason + " " + s.Result)
}

func (r *run) do(ctx context.Context, a campus.Act) error {
	r.acts.Add(1)
	if err := r.campus.Do(ctx, a); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	return nil
}

// check holds the campus to the promises.
func (r *run) check(ctx context.Context) error {
	r.checked = r.acts.Load()
	r.report.Checks++
	found, err := r.campus.Check(ctx)
	if err == nil && len(found) > 0 {
		err = &Broken{found, r.campus.History()}
	}
	return err
}

// look takes in what central has.
func (r *run) look(ctx context.Context) error {
	now := r.campus.View().Now.Sub(firstDay)
	if err := r.figures.rows(ctx, r.campus, func(at time.Time) time.Duration { return at.Sub(firstDay) }); err != nil {
		return err
	}
	return r.figures.count(ctx, r.campus, now)
}
