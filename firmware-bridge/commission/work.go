package commission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/scanner"
)

// ErrStop is what a Person answers to end the run.
var ErrStop = errors.New("ended by the installer")

// Answer is what a person says to a request.
type Answer uint8

// All answers.
const (
	Ready Answer = iota
	Skip         // this step is to be left out
)

// Person is who stands at the lane. Its methods are called from one goroutine.
type Person interface {
	// Tell says something that needs no answer.
	Tell(text string)
	// Ask waits until the person is ready for what text asks for. It returns
	// ErrStop when the person ends the run, or ctx.Err().
	Ask(ctx context.Context, text string) (Answer, error)
	// Show puts a test code where the scanner can see it.
	Show(code string)
}

// Scanner is a scanner to be proved.
type Scanner struct {
	Device Device
	// Rates are the bits per second to try, in order; a line for which the rate
	// means nothing (USB-CDC) has one.
	Rates []int
	// Open makes the driver at a rate; its Run is called once.
	Open func(rate int) (scanner.Scanner, error)
	// Identify asks the engine itself, without a person; nil if the driver cannot.
	Identify func(ctx context.Context) (Engine, error)
	// Frames is what passed on its line so far, false for a driver that does not
	// count frames; nil for none.
	Frames func(scanner.Scanner) (Frames, bool)
}

// Engine is what a scan engine says of itself.
type Engine struct {
	Name  string // model and firmware; hostile text
	Rate  int    // bits per second at which it answered
	Raise string // how to set 115200: a command of the tool, or the maker's; "" if not known
}

// Gate is a gate to be proved.
type Gate struct {
	Device Device
	Gate   gate.Gate     // not yet running; its grants before this run do not matter
	Can    func() Can    // what the gate has, once connected; nil when nobody knows
	Frames func() Frames // what passed on its line so far; nil for a gate without frames
}

// Can is what a gate has.
type Can struct{ In, Out, Contact, Fire, Tamper bool }

// Lane is what a run works on.
type Lane struct {
	Name, Installer, Computer, Tool string
	Scanners                        []Scanner
	Gate                            *Gate // nil for none
}

// Limits are the times of a run; zero values are replaced by Usual.
type Limits struct {
	Act     time.Duration // how long a person has for what was asked
	Rate    time.Duration // how long each rate is listened at
	Quality time.Duration // how long a line is watched
	Window  time.Duration // how long somebody has to walk
	Pulse   time.Duration // how long the relay is on
}

// Usual are the limits for a person on a ladder.
var Usual = Limits{Act: time.Minute, Rate: 8 * time.Second, Quality: 10 * time.Second, Window: 10 * time.Second, Pulse: gate.DefaultPulse}

// or returns l with Usual in place of zeros.
func (l Limits) or() Limits {
	for _, f := range []struct{ have, usual *time.Duration }{
		{&l.Act, &Usual.Act}, {&l.Rate, &Usual.Rate}, {&l.Quality, &Usual.Quality}, {&l.Window, &Usual.Window}, {&l.Pulse, &Usual.Pulse},
	} {
		if *f.have <= 0 {
			*f.have = *f.usual
		}
	}
	return l
}

// run is one run; everything is owned by the goroutine of Run.
type run struct {
	lane   Lane
	limits Limits
	person Person
	report Report
	rates  map[int]int // rate found of each scanner
	gate   *gateRun    // nil without a gate
}

// Run proves lane with person and calls save with the report after each step, the
// last time when it is over. It returns that report. A run that ctx or the person
// ends is incomplete and no error; one of save is.
func Run(ctx context.Context, lane Lane, limits Limits, person Person, save func(Report) error) (Report, error) {
	r := &run{lane: lane, limits: limits.or(), person: person, rates: map[int]int{}}
	r.begin()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	if lane.Gate != nil {
		r.gate = &gateRun{Gate: lane.Gate.Gate, set: lane.Gate}
		go func() { ended <- lane.Gate.Gate.Run(ctx) }()
	} else {
		ended <- nil
	}
	err := r.walk(ctx, save)
	stop()
	if lane.Gate != nil {
		for range lane.Gate.Gate.Events() { // closed by its Run
		}
	}
	return r.report, errors.Join(err, <-ended)
}

// begin fills in what is known before the first step.
func (r *run) begin() {
	now := stamp(time.Now())
	r.report = Report{Form: Form, Lane: r.lane.Name, Installer: r.lane.Installer, Computer: r.lane.Computer, Tool: r.lane.Tool,
		Began: now, Ended: now, Verdict: Incomplete, Devices: []Device{}, Results: []Result{}}
	for _, s := range r.lane.Scanners {
		r.report.Devices = append(r.report.Devices, s.Device)
	}
	if g := r.lane.Gate; g != nil {
		r.report.Devices = append(r.report.Devices, g.Device)
	}
}

// walk does the tasks of the plan one after the other.
func (r *run) walk(ctx context.Context, save func(Report) error) error {
	plan := Plan(r.lane)
	var over error // why the rest is not done
	for i, t := range plan {
		if over == nil {
			over = r.once(ctx, t, i, len(plan))
		}
		if over != nil {
			r.add(Result{Step: t.Step, Subject: t.Subject, Outcome: Skipped, Reason: "the run ended before: " + why(over)}, time.Now())
			continue
		}
		r.judge(i == len(plan)-1)
		if err := save(r.report); err != nil {
			return fmt.Errorf("save report: %w", err)
		}
	}
	if over == nil {
		return nil
	}
	r.judge(false)
	if err := save(r.report); err != nil {
		return fmt.Errorf("save report: %w", err)
	}
	return nil
}

// once does one task. It returns why the run is over, if it is.
func (r *run) once(ctx context.Context, t Task, i, n int) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.person.Tell(fmt.Sprintf("[%d/%d] %s (%s)", i+1, n, t.Step.English(), t.Subject))
	began := time.Now()
	result, err := r.do(ctx, t)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	result.Step, result.Subject = t.Step, t.Subject
	r.add(result, began)
	r.tell(r.report.Results[len(r.report.Results)-1])
	return nil
}

// do does one task. An error is one of ctx or ErrStop.
func (r *run) do(ctx context.Context, t Task) (Result, error) {
	switch t.Step {
	case ScannerRate:
		return r.scannerRate(ctx, t.Scanner)
	case ScannerCodes:
		return r.scannerCodes(ctx, t.Scanner)
	case ScannerLine:
		return r.scannerLine(ctx, t.Scanner)
	}
	return r.gateStep(ctx, t.Step)
}

// add puts result into the report.
func (r *run) add(result Result, began time.Time) {
	result.Began, result.Took = stamp(began), time.Since(began).Round(100*time.Millisecond).Seconds()
	if result.Values == nil {
		result.Values = []Value{}
	}
	r.report.Results = append(r.report.Results, result)
	r.report.Ended = stamp(time.Now())
}

// judge sets the verdict.
func (r *run) judge(complete bool) {
	r.report.Complete = complete
	r.report.Verdict = verdict(r.report.Results, complete)
}

// tell says how a step ended.
func (r *run) tell(e Result) {
	line := "      " + string(e.Outcome)
	if e.Reason != "" {
		line += ": " + clean(e.Reason)
	}
	r.person.Tell(line)
	if e.Next != "" {
		r.person.Tell("      next: " + clean(e.Next))
	}
}

// why says why a run is over.
func why(err error) string {
	switch {
	case errors.Is(err, ErrStop):
		return ErrStop.Error()
	case errors.Is(err, gate.ErrClosed):
		return "the gate's driver gave up"
	}
	return "it was interrupted"
}

// pass, fail, skip and impossible make results.
func pass(values ...Value) Result { return Result{Outcome: Passed, Values: values} }

func fail(reason, next string, values ...Value) Result {
	return Result{Outcome: Failed, Reason: reason, Next: next, Values: values}
}

func skip() Result { return Result{Outcome: Skipped, Reason: "the installer chose so"} }

func impossible(reason string) Result { return Result{Outcome: NotPossible, Reason: reason} }
