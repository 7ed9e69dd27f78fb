package commission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

// walkThrough opens in direction d for somebody who walks.
func (r *run) walkThrough(ctx context.Context, d gate.Direction, has bool) (Result, error) {
	if !has {
		return impossible(fmt.Sprintf("this gate does not open %v", d)), nil
	}
	answer, err := r.ask(ctx, "Stand ready to walk %v. The gate opens now; walk through once.", d)
	if err != nil || answer == Skip {
		return skip(), err
	}
	o, err := r.gate.open(ctx, d, r.limits.Pulse, r.limits.Window)
	if err != nil {
		return Result{}, err
	}
	if bad := o.wrong(r.gate.can()); bad != nil {
		return *bad, nil
	}
	switch {
	case o.outcome.Kind == gate.Passed && (o.outcome.Direction == d || o.outcome.Direction == 0):
		return pass(o.values()...), nil
	case o.outcome.Kind == gate.Passed, o.other.Kind == gate.Forced:
		return fail("the passage was reported in the other direction", "swap the two passage contacts, or the sides of the gate in the configuration", o.values()...), nil
	}
	return fail("no passage was seen", "did somebody walk? If so, check the passage contact and its wiring", o.values()...), nil
}

// unused opens for nobody.
func (r *run) unused(ctx context.Context, can Can) (Result, error) {
	d := gate.In
	if !can.In {
		d = gate.Out
	}
	answer, err := r.ask(ctx, "Step back: the gate opens %v now, and nobody walks for %v.", d, short)
	if err != nil || answer == Skip {
		return skip(), err
	}
	o, err := r.gate.open(ctx, d, r.limits.Pulse, short)
	if err != nil {
		return Result{}, err
	}
	if bad := o.wrong(can); bad != nil {
		return *bad, nil
	}
	if o.outcome.Kind != gate.NotPassed {
		return fail("the gate reported "+outcomeOf(o.outcome), "if nobody walked, the passage contact bounces or is wired to something else", o.values()...), nil
	}
	return pass(o.values()...), nil
}

// repeat asks a second time for a grant that was used.
func (r *run) repeat(ctx context.Context) (Result, error) {
	g := r.gate
	if g.last == 0 {
		return impossible("no grant was accepted before that could be repeated"), nil
	}
	began := time.Now()
	err := g.Open(ctx, gate.Grant{Number: g.last, Direction: gate.In})
	values := []Value{number("grant", float64(g.last), ""), millis("request answered after", time.Since(began))}
	moved, pollErr := g.poll(ctx, settle, func(s gate.State) bool { return s.Relay || s.Contact }, nil)
	if pollErr != nil {
		return Result{}, pollErr
	}
	switch {
	case moved:
		return fail("the relay or the lock moved", "do not use this gate: a repeated request lets a second person in", values...), nil
	case err == nil:
		return fail("the request was accepted", "do not use this gate: a repeated request must be refused", values...), nil
	case !errors.Is(err, gate.ErrRepeated):
		return fail("refused for another reason: "+err.Error(), refusedNext(err), values...), nil
	}
	return pass(append(values, text("refused by", "this computer's driver, which keeps a used number from the gate"))...), nil
}

// fire has the alarm triggered, tries a grant and has it reset.
func (r *run) fire(ctx context.Context, has bool) (Result, error) {
	return r.input(ctx, input{
		has: has, what: "fire alarm", on: gate.Fire, off: gate.FireOver,
		now: func(s gate.State) bool { return s.Fire },
		set: "Trigger the fire alarm now, or open its test contact.", reset: "Reset the fire alarm now.",
		next:  "check the wiring of the alarm's contact at the gate's controller (at most gates it is normally closed)",
		while: r.refusedOnFire,
	})
}

// tamper has the case opened and closed.
func (r *run) tamper(ctx context.Context, has bool) (Result, error) {
	return r.input(ctx, input{
		has: has, what: "open case", on: gate.Tamper, off: gate.TamperOver,
		now: func(s gate.State) bool { return s.Tamper },
		set: "Open the controller's case now.", reset: "Close the controller's case now.",
		next: "check the case's switch and its wiring",
	})
}

// input is a contact that a person moves.
type input struct {
	has        bool
	what       string
	on, off    gate.EventKind
	now        func(gate.State) bool
	set, reset string
	next       string
	while      func(context.Context) (*Result, []Value, error) // tried while it is on; nil for nothing
}

// input watches a contact go on and off.
func (r *run) input(ctx context.Context, i input) (Result, error) {
	if !i.has {
		return impossible("this gate has no such input"), nil
	}
	if i.now(r.gate.State()) {
		return fail("it is on already", "is it really? If not, the contact is wired the other way round, or open", text("state", i.what)), nil
	}
	answer, err := r.ask(ctx, "%s", i.set)
	if err != nil || answer == Skip {
		return skip(), err
	}
	seen, err := r.seen(ctx, i.on)
	if err != nil {
		return Result{}, err
	}
	if !seen {
		return fail(fmt.Sprintf("no %s was seen within %v", i.what, r.limits.Act), i.next), nil
	}
	began := time.Now()
	var values []Value
	var bad *Result
	if i.while != nil {
		if bad, values, err = i.while(ctx); err != nil {
			return Result{}, err
		}
	}
	if _, err := r.ask(ctx, "%s", i.reset); err != nil {
		return Result{}, err
	}
	if seen, err = r.seen(ctx, i.off); err != nil {
		return Result{}, err
	}
	values = append(values, number("seen for", time.Since(began).Round(100*time.Millisecond).Seconds(), "s"))
	switch {
	case bad != nil:
		bad.Values = values
		return *bad, nil
	case !seen:
		return fail(fmt.Sprintf("the end of the %s was not seen within %v", i.what, r.limits.Act), i.next, values...), nil
	}
	return pass(values...), nil
}

// seen waits for an event.
func (r *run) seen(ctx context.Context, k gate.EventKind) (bool, error) {
	came := false
	return r.gate.poll(ctx, r.limits.Act, func(gate.State) bool { return came }, func(e gate.Event) { came = came || e.Kind == k })
}

// refusedOnFire tries a grant while the alarm is on.
func (r *run) refusedOnFire(ctx context.Context) (*Result, []Value, error) {
	o, err := r.gate.open(ctx, gate.In, r.limits.Pulse, short)
	if err != nil {
		return nil, nil, err
	}
	if o.err == nil || errors.Is(o.err, gate.ErrUnsure) {
		bad := fail("a grant was accepted while the alarm was on", "do not use this gate before its controller refuses grants during an alarm")
		return &bad, o.values(), nil
	}
	return nil, []Value{text("a grant during the alarm", o.err.Error())}, nil
}

// gateLine watches the gate's line while nothing is asked of it.
func (r *run) gateLine(ctx context.Context) (Result, error) {
	g := r.gate
	before, frames := g.State(), g.frames()
	if err := r.watch(ctx); err != nil {
		return Result{}, err
	}
	g.drain()
	after, now := g.State(), g.frames()
	values := []Value{number("watched", r.limits.Quality.Seconds(), "s")}
	passed := Frames{Garbled: after.Garbled - before.Garbled, Resent: after.Resent - before.Resent}
	if g.set.Frames != nil {
		garbled, resent := passed.Garbled, passed.Resent
		passed = now.since(frames)
		passed.Garbled, passed.Resent = max(garbled, passed.Garbled), max(resent, passed.Resent)
	}
	values = append(values, passed.values()...)
	values = append(values, count("events dropped", after.Dropped-before.Dropped), count("times the line was lost", after.Reopened-before.Reopened))
	switch {
	case !after.Connected || after.Reopened > before.Reopened:
		return fail("the line was lost while it was watched", "check plug, hub and power supply", values...), nil
	case g.set.Frames != nil && passed.Received == 0:
		return fail("nothing was received", "check the cable from the controller to this computer", values...), nil
	case passed.bad():
		return fail(badLine, badLineNext, values...), nil
	}
	return pass(values...), nil
}

// frames is what passed so far; nothing for a gate without frames.
func (g *gateRun) frames() Frames {
	if g.set.Frames == nil {
		return Frames{}
	}
	return g.set.Frames()
}
