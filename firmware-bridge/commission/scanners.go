package commission

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/firmware-bridge/scanner"
)

const (
	// wireBytes is a pass's code with the line end that scanners add.
	wireBytes = Needed + 2
	// fast is the rate that is proposed: above it the code's time no longer counts.
	fast = 115200
	// lull is how long nothing new may arrive before the codes step is over.
	lull = 20 * time.Second
	// tries is how often a code may arrive not whole before it counts as such.
	tries = 3
)

// usualRates are those that the page compares.
var usualRates = []int{9600, 19200, 38400, 57600, 115200}

// CodeTime is how long a pass's code takes on a line at rate bits per second: ten
// bits a byte.
func CodeTime(rate int) time.Duration {
	return wireBytes * 10 * time.Second / time.Duration(rate)
}

// whole is d in milliseconds.
func whole(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }

// listening is a scanner that runs.
type listening struct {
	scanner.Scanner
	stop context.CancelFunc
	done chan error
}

// listen opens scanner i at rate.
func (r *run) listen(ctx context.Context, i, rate int) (*listening, error) {
	s, err := r.lane.Scanners[i].Open(rate)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	l := &listening{s, stop, make(chan error, 1)}
	go func() { l.done <- s.Run(ctx) }()
	return l, nil
}

// end stops it and waits; what is left on its channel is thrown away.
func (l *listening) end() {
	l.stop()
	for range l.Scans() {
	}
	<-l.done // an unusable configuration was told by Open
}

// next waits for a test code. ok is false after wait, when ctx ends, or when the
// driver gave up; foreign counts codes that are none of ours.
func (l *listening) next(ctx context.Context, wait time.Duration, foreign *int) (reading Reading, ok bool) {
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		select {
		case s, open := <-l.Scans():
			if !open {
				return Reading{}, false
			}
			if reading, ok = ReadTest(s.Text); ok {
				return reading, true
			}
			*foreign++
		case <-late.C:
			return Reading{}, false
		case <-ctx.Done():
			return Reading{}, false
		}
	}
}

// scannerRate finds the rate at which test codes arrive whole.
func (r *run) scannerRate(ctx context.Context, i int) (Result, error) {
	s := r.lane.Scanners[i]
	var values []Value
	rates := s.Rates
	raise := "set the scanner to 115200 baud with the setup code in its manual"
	if s.Identify != nil {
		r.person.Tell("      asking the scanner who it is; until silence is certain it takes half a minute")
		e, err := s.Identify(ctx)
		if err == nil {
			r.named(i, e.Name)
			rates = first(rates, e.Rate)
			values = append(values, text("engine", e.Name), number("engine answers at", float64(e.Rate), "baud"))
			if e.Raise != "" {
				raise = e.Raise
			}
		} else {
			values = append(values, text("engine", "none answers: "+err.Error()))
		}
	}
	answer, err := r.ask(ctx, "Hold the sheet's code of %d characters before scanner %s, and keep it there.", Lengths[0], s.Device.Subject)
	if err != nil || answer == Skip {
		return skip(), err
	}
	for _, rate := range rates {
		found, more, err := r.tryRate(ctx, i, rate)
		values = append(values, more)
		if err != nil {
			return Result{}, err
		}
		if !found {
			continue
		}
		r.rates[i] = rate
		r.report.Devices[i].Rate = rate
		result := pass(append(values, codeTimes(len(s.Rates) == 1)...)...)
		if rate < fast && len(s.Rates) > 1 {
			result.Next = fmt.Sprintf("%s: a code then takes %d ms in place of %d", raise, whole(CodeTime(fast)), whole(CodeTime(rate)))
		}
		return result, nil
	}
	return fail("no test code arrived whole at any rate",
		"check power and cable, that the scanner is in serial or USB-COM mode (not keyboard), reads QR, and sends 8 data bits without parity", values...), nil
}

// tryRate listens at one rate for a whole test code.
func (r *run) tryRate(ctx context.Context, i, rate int) (found bool, v Value, err error) {
	name := fmt.Sprintf("at %d baud", rate)
	l, err := r.listen(ctx, i, rate)
	if err != nil {
		return false, text(name, err.Error()), nil
	}
	defer l.end()
	r.person.Tell(fmt.Sprintf("      listening at %d baud", rate))
	r.show(Lengths[0])
	how, foreign := "", 0
	for end := time.Now().Add(r.limits.Rate); time.Now().Before(end) && ctx.Err() == nil; {
		reading, ok := l.next(ctx, time.Until(end), &foreign)
		if !ok {
			break
		}
		if how = reading.How; reading.Whole {
			return true, text(name, "a test code arrived whole"), nil
		}
	}
	st := l.Stats()
	switch {
	case ctx.Err() != nil:
		return false, text(name, "interrupted"), ctx.Err()
	case how != "":
		return false, text(name, "a test code arrived: "+how), nil
	case st.Noise+st.Oversized > 0:
		return false, text(name, fmt.Sprintf("%d unreadable frames: another rate", st.Noise+st.Oversized)), nil
	case foreign > 0:
		return false, text(name, fmt.Sprintf("%d codes that are not of the sheet", foreign)), nil
	case st.Err != nil:
		return false, text(name, st.Err.Error()), nil
	}
	return false, text(name, "nothing arrived"), nil
}

// scannerCodes finds the longest test code that arrives whole.
func (r *run) scannerCodes(ctx context.Context, i int) (Result, error) {
	rate, known := r.rates[i]
	if !known {
		return impossible("no rate is known at which the scanner is heard"), nil
	}
	answer, err := r.ask(ctx, "Scan all codes of the sheet with scanner %s, in any order.", r.lane.Scanners[i].Device.Subject)
	if err != nil || answer == Skip {
		return skip(), err
	}
	l, err := r.listen(ctx, i, rate)
	if err != nil {
		return fail(err.Error(), "check the scanner's plug"), nil
	}
	defer l.end()
	c := codes{seen: map[int]Reading{}, bad: map[int]int{}}
	late := time.Now().Add(r.limits.Act) // nothing new by then ends it
	for missing := c.missing(); missing > 0 && c.bad[0] < tries; missing = c.missing() {
		r.show(missing)
		reading, ok := l.next(ctx, time.Until(late), &c.foreign)
		if !ok {
			break
		}
		if c.take(reading) {
			late = time.Now().Add(min(lull, r.limits.Act))
			r.person.Tell(fmt.Sprintf("      %d characters: %s", reading.Length, reading.How))
		}
	}
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	return c.judge(l.Stats()), nil
}

// codes is what has arrived in the codes step.
type codes struct {
	seen    map[int]Reading // by length: the best so far
	bad     map[int]int     // readings that were not whole
	foreign int             // codes that are not of the sheet
}

// take notes a reading, and reports whether it is news.
func (c *codes) take(r Reading) bool {
	if !r.Whole {
		c.bad[r.Length]++
	}
	before, came := c.seen[r.Length]
	if before.Whole {
		return false
	}
	c.seen[r.Length] = r
	return !came || r.Whole
}

// missing is the shortest length that has neither arrived whole nor failed
// often enough, 0 if there is none.
func (c *codes) missing() int {
	for _, n := range Lengths {
		if !c.seen[n].Whole && c.bad[n] < tries {
			return n
		}
	}
	return 0
}

// judge makes the result of what arrived.
func (c *codes) judge(st scanner.Stats) Result {
	largest, bad, trouble := 0, 0, []string{}
	var values []Value
	for _, n := range c.bad {
		bad += n
	}
	for _, n := range Lengths {
		reading, came := c.seen[n]
		how := reading.How
		if !came {
			how = "did not arrive"
		}
		values = append(values, text(fmt.Sprintf("%d characters", n), how))
		if reading.Whole {
			largest = n
		} else if came {
			trouble = append(trouble, fmt.Sprintf("%d: %s", n, how))
		}
	}
	values = append([]Value{number("largest code read whole", float64(largest), "characters")}, values...)
	values = append(values, count("readings that were not whole", bad), count("codes that are not of the sheet", c.foreign),
		count("unreadable frames", st.Noise), count("frames too long", st.Oversized))
	const next = "print the sheet larger, or set the scanner's text encoding to none (raw), its prefix and suffix to plain line end, and its length limit off"
	switch {
	case len(trouble) > 0 || largest == 0 && c.bad[0] > 0:
		return fail("codes arrive changed: "+strings.Join(trouble, "; "), next, values...)
	case largest < Needed:
		return fail(fmt.Sprintf("a pass's code has %d characters, the largest read has %d", Needed, largest), next, values...)
	}
	return pass(values...)
}

// scannerLine listens while nothing is shown.
func (r *run) scannerLine(ctx context.Context, i int) (Result, error) {
	rate, known := r.rates[i]
	if !known {
		return impossible("no rate is known at which the scanner is heard"), nil
	}
	answer, err := r.ask(ctx, "Take all codes away from scanner %s.", r.lane.Scanners[i].Device.Subject)
	if err != nil || answer == Skip {
		return skip(), err
	}
	l, err := r.listen(ctx, i, rate)
	if err != nil {
		return fail(err.Error(), "check the scanner's plug"), nil
	}
	defer l.end()
	if err := l.opened(ctx); err != nil {
		return Result{}, err
	}
	if st := l.Stats(); !st.Connected {
		reason := "the scanner is not ready"
		if st.Err != nil {
			reason += ": " + st.Err.Error()
		}
		return fail(reason, "check its power, its cable and its driver: firmware-bridge listen shows what it says"), nil
	}
	before, counted := r.frames(i, l)
	if err := r.watch(ctx); err != nil {
		return Result{}, err
	}
	st := l.Stats()
	values := []Value{number("watched", r.limits.Quality.Seconds(), "s"), count("frames", st.Scans), count("unreadable frames", st.Noise+st.Oversized),
		count("lost scans", st.Dropped), count("times the port was lost", st.Reopened)}
	now, _ := r.frames(i, l)
	frames := now.since(before)
	if counted {
		values = append(values, frames.values()...)
	}
	switch {
	case !st.Connected || st.Reopened > 0:
		return fail("the port was lost while it was watched", "check plug, hub and power supply", values...), nil
	case frames.bad():
		return fail(badLine, badLineNext, values...), nil
	case st.Noise+st.Oversized > 0:
		return fail("bytes arrive although nothing is shown", "keep the cable away from motors and mains, shorten or shield it, check the ground", values...), nil
	}
	return pass(values...), nil
}

// frames is what passed on the line of scanner i so far, if its driver counts it.
func (r *run) frames(i int, l *listening) (Frames, bool) {
	if r.lane.Scanners[i].Frames == nil {
		return Frames{}, false
	}
	return r.lane.Scanners[i].Frames(l.Scanner)
}

// opened waits a little until the port is open: a reader that is met first must
// not count as a bad line.
func (l *listening) opened(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(back); !l.Stats().Connected && time.Now().Before(end); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// named notes how scanner i names itself.
func (r *run) named(i int, name string) { r.report.Devices[i].Named = name }

// show puts the test code of n characters up.
func (r *run) show(n int) {
	code, err := TestText(n)
	if err == nil { // Lengths are all within
		r.person.Show(code)
	}
}

// ask asks the person.
func (r *run) ask(ctx context.Context, format string, args ...any) (Answer, error) {
	return r.person.Ask(ctx, fmt.Sprintf(format, args...))
}

// codeTimes are the times of a code at the usual rates; for a line without a
// rate they would mean nothing.
func codeTimes(rateless bool) []Value {
	if rateless {
		return nil
	}
	var values []Value
	for _, rate := range usualRates {
		values = append(values, millis(fmt.Sprintf("a code of %d characters at %d baud takes", Needed, rate), CodeTime(rate)))
	}
	return values
}

// first puts rate at the head of rates.
func first(rates []int, rate int) []int {
	return append([]int{rate}, slices.DeleteFunc(slices.Clone(rates), func(n int) bool { return n == rate })...)
}

// watch lets the time pass in which a line is watched, and says so.
func (r *run) watch(ctx context.Context) error {
	r.person.Tell(fmt.Sprintf("      watching the line for %v", r.limits.Quality))
	return rest(ctx, r.limits.Quality)
}

// rest returns after d, or with the error of ctx.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
