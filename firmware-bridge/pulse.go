package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"turnstile/firmware-bridge/gate"
)

// contact is how long a gate has to answer for the first time.
const contact = 10 * time.Second

// pulse opens once and reports the outcome.
func (t tool) pulse(ctx context.Context, args []string) error {
	var choice gateChoice
	grant := gate.Grant{Direction: gate.In}
	way := "in"
	_, err := t.parse("pulse", args, func(set *flag.FlagSet) {
		gateFlags(set, &choice, "")
		set.StringVar(&way, "direction", way, "in or out")
		set.DurationVar(&grant.Pulse, "pulse", gate.DefaultPulse, "how long the relay is on, at most 1s")
		set.DurationVar(&grant.Window, "window", gate.DefaultWindow, "how long the person has, 1s to 15s")
	})
	if err != nil {
		return err
	}
	switch way {
	case "in":
	case "out":
		grant.Direction = gate.Out
	default:
		return t.wrong("pulse: --direction %q; use in or out", way)
	}
	if err := t.checkTimes("pulse", grant.Pulse, grant.Window); err != nil {
		return err
	}
	g, err := choice.new(t.host, t.hostErr, nil)
	if err != nil {
		return err
	}
	return withGate(ctx, g, func(ctx context.Context, g gate.Gate) error { return t.openOnce(ctx, g, grant) })
}

// checkTimes refuses what a gate would silently hold within its bounds.
func (t tool) checkTimes(command string, pulse, window time.Duration) error {
	switch {
	case pulse < gate.MinPulse || pulse > gate.MaxPulse:
		return t.wrong("%s: --pulse %v; use %v to %v", command, pulse, gate.MinPulse, gate.MaxPulse)
	case window < gate.MinWindow || window > gate.MaxWindow:
		return t.wrong("%s: --window %v; use %v to %v", command, window, gate.MinWindow, gate.MaxWindow)
	}
	return nil
}

// Errors of pulse.
var (
	errNoGate      = errors.New("no gate answers: firmware-bridge find --probe shows what does")
	errInterrupted = errors.New("interrupted")
)

// openOnce waits for the gate, opens and waits for the outcome.
func (t tool) openOnce(ctx context.Context, g gate.Gate, grant gate.Grant) error {
	limit, cancel := context.WithTimeout(ctx, contact)
	defer cancel()
	if _, err := t.await(limit, g, func(e gate.Event) bool { return e.Kind == gate.Found }); err != nil {
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%w before the gate was opened", errInterrupted)
		case limit.Err() != nil:
			return fmt.Errorf("wait %v: %w", contact, errNoGate) // why was printed
		}
		return err
	}
	grant.Number = max(g.State().LastGrant+1, 1)
	if err := g.Open(ctx, grant); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "open %v, grant %d: walk now\n", grant.Direction, grant.Number)
	e, err := t.await(ctx, g, func(e gate.Event) bool { return e.Grant == grant.Number })
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w: see that the gate is shut before you leave it", errInterrupted)
	case err != nil:
		return err
	}
	if e.Kind != gate.Passed && e.Kind != gate.NotPassed {
		return fmt.Errorf("outcome unknown: %v: %s", e.Kind, e.Detail)
	}
	return nil
}

// await prints events until one is wanted, and meanwhile each new reason why
// there is no connection.
func (t tool) await(ctx context.Context, g gate.Gate, wanted func(gate.Event) bool) (gate.Event, error) {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	said := ""
	for {
		select {
		case e, open := <-g.Events():
			if !open {
				return e, gate.ErrClosed
			}
			fmt.Fprintln(t.out, eventLine(e))
			if wanted(e) {
				return e, nil
			}
		case <-ctx.Done():
			return gate.Event{}, ctx.Err()
		case <-tick.C:
			why := ""
			if err := g.State().Err; err != nil {
				why = err.Error()
			}
			if why != said && why != "" {
				fmt.Fprintf(t.errs, "          %s\n", why)
			}
			said = why
		}
	}
}

// eventLine is an event in one line.
func eventLine(e gate.Event) string {
	s := fmt.Sprintf("%s  %s", e.At.Format("15:04:05.000"), e.Kind)
	if e.Direction != 0 {
		s += " " + e.Direction.String()
	}
	if e.Grant != 0 {
		s += fmt.Sprintf(", grant %d", e.Grant)
	}
	if e.Detail != "" {
		s += ": " + printable(e.Detail)
	}
	return s
}
