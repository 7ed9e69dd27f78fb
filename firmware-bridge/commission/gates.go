package commission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

const (
	// look is how often the gate's state is looked at: times in the report are
	// that exact, and as late as the gate's own reports.
	look = 2 * time.Millisecond
	// settle is how long relay and lock have after the outcome.
	settle = time.Second
	// short is the window of the opening that nobody uses.
	short = 2 * time.Second
	// back is how long a lost gate has to come back before a step.
	back = 10 * time.Second
)

// gateRun is the gate while it runs; owned by the run's goroutine.
type gateRun struct {
	gate.Gate
	set      *Gate
	answered bool
	last     uint32 // number of the last grant it accepted from this run, 0 for none
}

// gateStep does one step of the gate.
func (r *run) gateStep(ctx context.Context, s Step) (Result, error) {
	g := r.gate
	if s == GateAnswers {
		return r.gateAnswers(ctx)
	}
	if !g.answered {
		return impossible("the gate does not answer"), nil
	}
	if !g.connected(ctx) {
		return fail(fmt.Sprintf("the gate was lost: %v", g.State().Err), "check the plug, the cable and the power of the gate's controller"), ctx.Err()
	}
	g.drain()
	can := g.can()
	switch s {
	case GateIn:
		return r.walkThrough(ctx, gate.In, can.In)
	case GateOut:
		return r.walkThrough(ctx, gate.Out, can.Out)
	case GateUnused:
		return r.unused(ctx, can)
	case GateRepeat:
		return r.repeat(ctx)
	case GateFire:
		return r.fire(ctx, can.Fire)
	case GateTamper:
		return r.tamper(ctx, can.Tamper)
	}
	return r.gateLine(ctx)
}

// can is what the gate has; everything when nobody knows.
func (g *gateRun) can() Can {
	if g.set.Can == nil {
		return Can{In: true, Out: true, Fire: true, Tamper: true}
	}
	return g.set.Can()
}

// drain throws away what was reported between two steps.
func (g *gateRun) drain() {
	for {
		select {
		case _, open := <-g.Events():
			if !open {
				return
			}
		default:
			return
		}
	}
}

// connected waits a little for a gate that was lost.
func (g *gateRun) connected(ctx context.Context) bool {
	ok, _ := g.poll(ctx, back, func(s gate.State) bool { return s.Connected }, nil)
	return ok
}

// poll looks at the gate's state until done, or for at most d. Events go to hear.
// It is false after d, or with ctx's error when that ended.
func (g *gateRun) poll(ctx context.Context, d time.Duration, done func(gate.State) bool, hear func(gate.Event)) (bool, error) {
	tick, late := time.NewTicker(look), time.NewTimer(d)
	defer tick.Stop()
	defer late.Stop()
	events := g.Events()
	for {
		if done(g.State()) {
			return true, nil
		}
		select {
		case e, open := <-events:
			if !open {
				return false, gate.ErrClosed
			}
			if hear != nil {
				hear(e)
			}
		case <-tick.C:
		case <-late.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// gateAnswers waits for the gate's first word.
func (r *run) gateAnswers(ctx context.Context) (Result, error) {
	began := time.Now()
	ok, err := r.gate.poll(ctx, min(back, r.limits.Act), func(s gate.State) bool { return s.Connected }, nil)
	if err != nil {
		return Result{}, err
	}
	s := r.gate.State()
	if !ok {
		return fail(fmt.Sprintf("nothing answers: %v", s.Err), "firmware-bridge find --probe shows what answers on which port"), nil
	}
	r.gate.answered = true
	r.report.Devices[len(r.lane.Scanners)].Named = s.Device
	values := []Value{text("device", s.Device), millis("answered after", time.Since(began))}
	if r.gate.set.Can != nil {
		values = append(values, text("has", r.gate.set.Can().String()))
	}
	return pass(values...), nil
}

// String lists what the gate has.
func (c Can) String() string {
	list := ""
	for _, f := range []struct {
		has  bool
		name string
	}{{c.In, "way in"}, {c.Out, "way out"}, {c.Contact, "lock contact"}, {c.Fire, "fire input"}, {c.Tamper, "tamper input"}} {
		if f.has && list != "" {
			list += ", "
		}
		if f.has {
			list += f.name
		}
	}
	return list
}

// opening is what was seen of one grant; times count from the request, -1 for
// what was not seen.
type opening struct {
	err                   error // of Open
	accepted              time.Duration
	relayOn, relayOff     time.Duration
	contactOn, contactOff time.Duration
	came                  bool
	outcome               gate.Event
	outcomeAt             time.Duration
	other                 gate.Event // a passage that was not asked for; Kind 0 if none
}

// open makes one grant and watches until all is over.
func (g *gateRun) open(ctx context.Context, d gate.Direction, pulse, window time.Duration) (opening, error) {
	o := opening{relayOn: -1, relayOff: -1, contactOn: -1, contactOff: -1, outcomeAt: -1}
	grant := gate.Grant{Number: max(g.State().LastGrant+1, 1), Direction: d, Pulse: pulse, Window: window}
	began := time.Now()
	asked := make(chan error, 1)
	go func() { asked <- g.Open(ctx, grant) }()
	answered := false
	over := func(s gate.State) bool {
		since := time.Since(began)
		if !answered {
			select {
			case o.err = <-asked:
				answered, o.accepted = true, since
			default:
			}
		}
		edge(s.Relay, since, &o.relayOn, &o.relayOff)
		edge(s.Contact, since, &o.contactOn, &o.contactOff)
		refused := o.err != nil && !errors.Is(o.err, gate.ErrUnsure)
		return answered && (refused || o.came && !s.Relay && !s.Contact || o.came && since > o.outcomeAt+settle)
	}
	_, err := g.poll(ctx, window+gate.Grace+2*settle, over, func(e gate.Event) {
		switch {
		case e.Grant == grant.Number && !o.came:
			o.came, o.outcome, o.outcomeAt = true, e, time.Since(began)
		case e.Kind.Passage():
			o.other = e
		}
	})
	if !answered {
		o.err = <-asked // its own limits, or ctx, end it
	}
	if o.err == nil || errors.Is(o.err, gate.ErrUnsure) {
		g.last = grant.Number
	}
	return o, err
}

// edge notes when a contact went on and off.
func edge(on bool, since time.Duration, wentOn, wentOff *time.Duration) {
	switch {
	case on && *wentOn < 0:
		*wentOn = since
	case !on && *wentOn >= 0 && *wentOff < 0:
		*wentOff = since
	}
}

// values is what was seen, for the report.
func (o opening) values() []Value {
	v := []Value{millis("request answered after", o.accepted)}
	seen := func(name string, d time.Duration) {
		if d >= 0 {
			v = append(v, millis(name, d))
		} else {
			v = append(v, text(name, "not seen"))
		}
	}
	seen("relay on after", o.relayOn)
	seen("relay off after", o.relayOff)
	if o.relayOn >= 0 && o.relayOff >= 0 {
		v = append(v, millis("relay on for", o.relayOff-o.relayOn))
	}
	seen("lock's contact open after", o.contactOn)
	seen("lock's contact shut after", o.contactOff)
	if o.came {
		v = append(v, millis("outcome after", o.outcomeAt), text("outcome", outcomeOf(o.outcome)))
	}
	return v
}

func outcomeOf(e gate.Event) string {
	s := e.Kind.String()
	if e.Direction != 0 {
		s += " " + e.Direction.String()
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// wrong is what is wrong with an opening whatever its outcome should be, nil for
// nothing.
func (o opening) wrong(can Can) *Result {
	var r Result
	switch {
	case o.err != nil && !errors.Is(o.err, gate.ErrUnsure):
		r = fail(o.err.Error(), refusedNext(o.err), o.values()...)
	case !o.came:
		r = fail("no outcome came", "look at the gate with firmware-bridge watch while somebody walks", o.values()...)
	case o.outcome.Kind == gate.Lost:
		r = fail("the gate was lost while it was open", "check the plug, the cable and the power of the gate's controller", o.values()...)
	case o.relayOn >= 0 && o.relayOff < 0:
		r = fail("the relay stays on", "check the relay for welded contacts, and the controller", o.values()...)
	case o.contactOn >= 0 && o.contactOff < 0:
		r = fail("the lock does not shut again", "check the lock's mechanics and its contact", o.values()...)
	case can.Contact && o.contactOn < 0:
		r = fail("the lock's contact does not follow the relay", "check that the lock moves, and the wiring of its contact", o.values()...)
	default:
		return nil
	}
	return &r
}

// refusedNext is what to do about an error of Open.
func refusedNext(err error) string {
	switch {
	case errors.Is(err, gate.ErrRefused):
		return "end a fire alarm or close the case, and choose a direction that the gate has"
	case errors.Is(err, gate.ErrBusy):
		return "let the passage under way end; check that the gate's ready contact closes"
	case errors.Is(err, gate.ErrLost):
		return "check the plug, the cable and the power of the gate's controller"
	}
	return "look at the gate with firmware-bridge watch"
}
