package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"turnstile/simulator/campus"
	"turnstile/simulator/promise"
)

// Options say how scenarios are played.
type Options struct {
	Real      bool   // the programs as processes, at 1x; false: in this process, by a played clock
	Programs  string // folder of the programs; Real alone
	Mosquitto string // path of a mosquitto in place of central's own broker; Real alone
	Keep      string // new folder that keeps what the campus leaves: data and captures; "": nothing is kept
}

// Result is what became of a scenario.
type Result struct {
	Name     string        `json:"name"`
	Title    string        `json:"title"`
	Way      string        `json:"way"`               // real, played
	Skipped  bool          `json:"skipped,omitempty"` // it can only be played the other way
	Failure  string        `json:"failure,omitempty"` // FILE:LINE: what was expected, and what there was instead
	History  []string      `json:"history,omitempty"` // of a failure: the newest events
	Ledger   []string      `json:"ledger,omitempty"`  // what central has of passes at the end: lane, pass, type and reason, in order of these
	Steps    int           `json:"steps"`             // done
	Checks   int           `json:"checks"`            // of the promises
	Duration time.Duration `json:"duration_ns"`
}

// Passed reports whether all was as expected.
func (r *Result) Passed() bool { return r.Failure == "" }

// Run plays a scenario on a campus of its own. Whatever goes wrong is in the result.
func Run(ctx context.Context, s *Scenario, o Options) (r Result) {
	began := time.Now()
	r = Result{Name: s.Name, Title: s.Title, Way: "played"}
	if o.Real {
		r.Way = "real"
	}
	defer func() { r.Duration = time.Since(began) }()
	if s.Only != "" && s.Only != r.Way {
		r.Skipped = true
		return r
	}
	if err := fresh(o.Keep); err != nil {
		r.Failure = fmt.Sprintf("%s: %v", s.Name, err)
		return r
	}
	config := campus.Config{Real: o.Real, Programs: o.Programs, Mosquitto: o.Mosquitto, Lanes: s.Lanes, Start: s.Start}
	if o.Keep != "" {
		config.Data, config.Captures = o.Keep, filepath.Join(o.Keep, "captures")
	}
	c, err := campus.Open(ctx, config)
	if err != nil {
		r.Failure = fmt.Sprintf("%s: the campus did not open: %v", s.Name, err)
		return r
	}
	play := &play{c, s, &r}
	if err := errors.Join(play.all(ctx), c.Close()); err != nil {
		r.Failure, r.History = err.Error(), c.History()
	}
	return r
}

// fresh makes the folder that is kept, which must not be there: a campus goes on with
// what an earlier one left.
func fresh(folder string) error {
	if folder == "" {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(folder), 0o700)
	if err == nil {
		err = os.Mkdir(folder, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make the folder to keep: %w; name a new one", err)
	}
	return nil
}

// play is a scenario under way.
type play struct {
	campus   *campus.Campus
	scenario *Scenario
	result   *Result
}

func (p *play) all(ctx context.Context) error {
	for i := range p.scenario.Steps {
		s := &p.scenario.Steps[i]
		if err := p.step(ctx, s); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", p.scenario.Name, s.Line, s.Text, err)
		}
		p.result.Steps++
	}
	if err := p.campus.Do(ctx, campus.Act{Verb: "heal"}); err != nil {
		return fmt.Errorf("%s: heal: %w", p.scenario.Name, err)
	}
	return errors.Join(p.check(ctx), p.ledger(ctx))
}

// ledger notes what central has: lanes tell it each in its order, and one or the other first.
func (p *play) ledger(ctx context.Context) error {
	for last := int64(0); ; {
		rows, err := p.campus.Ledger(ctx, last)
		if err != nil || len(rows) == 0 {
			slices.Sort(p.result.Ledger)
			return err
		}
		for _, row := range rows {
			if last = row.Number; row.Pass == "" && row.Reason == "" {
				continue // of the controller itself: starts, devices, marks of the feed
			}
			p.result.Ledger = append(p.result.Ledger, strings.Join([]string{row.Lane, row.Pass, row.Type, row.Reason}, " "))
		}
	}
}

func (p *play) step(ctx context.Context, s *Step) error {
	if s.Expect != nil {
		return p.await(ctx, s.Expect)
	}
	if err := p.campus.Do(ctx, *s.Act); err != nil {
		return err
	}
	return p.check(ctx)
}

// check holds the campus to the promises.
func (p *play) check(ctx context.Context) error {
	p.result.Checks++
	broken, err := p.campus.Check(ctx)
	if err != nil {
		return fmt.Errorf("check the promises: %w", err)
	}
	return violated(broken)
}

func violated(broken []promise.Violation) error {
	var errs []error
	for _, v := range broken {
		errs = append(errs, fmt.Errorf("broken promise: %s", v))
	}
	return errors.Join(errs...)
}

// await looks until an expectation holds or its time is over.
func (p *play) await(ctx context.Context, e *Expect) error {
	late := time.NewTimer(e.Within)
	defer late.Stop()
	for {
		changed := p.campus.Changed()
		v := p.campus.View()
		ok, instead := e.Holds(&v)
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			return fmt.Errorf("not within %v; instead: %s", e.Within, strings.TrimSpace(instead))
		}
	}
}
