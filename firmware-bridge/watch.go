package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"
	"unicode"

	"turnstile/firmware-bridge/gate"
)

const (
	// frameTime is how often the picture is drawn anew.
	frameTime = 200 * time.Millisecond
	// kept is how many events the picture shows.
	kept = 10
)

// watch shows what a gate reports until Ctrl-C: a picture that is drawn anew in
// a terminal, lines elsewhere.
func (t tool) watch(ctx context.Context, args []string) error {
	var choice gateChoice
	plain := false
	_, err := t.parse("watch", args, func(set *flag.FlagSet) {
		gateFlags(set, &choice, "")
		set.BoolVar(&plain, "plain", false, "lines in place of the picture, in a terminal too")
	})
	if err != nil {
		return err
	}
	g, err := choice.new(t.host, t.hostErr, nil)
	if err != nil {
		return err
	}
	return withGate(ctx, g, func(ctx context.Context, g gate.Gate) error {
		if t.terminal && !plain {
			return t.animate(ctx, g, choice.where())
		}
		_, err := t.await(ctx, g, func(gate.Event) bool { return false })
		if ctx.Err() != nil {
			return nil // as asked
		}
		return err
	})
}

// animate draws the picture until ctx ends.
func (t tool) animate(ctx context.Context, g gate.Gate, where string) error {
	tick := time.NewTicker(frameTime)
	defer tick.Stop()
	var events []gate.Event
	fmt.Fprint(t.out, "\x1b[?25l\x1b[2J")    // cursor off, screen empty
	defer fmt.Fprint(t.out, "\x1b[?25h\r\n") // cursor on
	for {
		fmt.Fprint(t.out, "\x1b[H", strings.ReplaceAll(picture(g.State(), events, where), "\n", "\x1b[K\r\n"), "\x1b[J")
		select {
		case e, open := <-g.Events():
			if ctx.Err() != nil {
				return nil // as asked; the gate has ended first
			}
			if !open {
				return gate.ErrClosed
			}
			events = append(events[max(0, len(events)-kept+1):], e)
		case <-tick.C:
		case <-ctx.Done():
			return nil // as asked
		}
	}
}

// picture is a gate as it is now, in lines.
func picture(s gate.State, events []gate.Event, where string) string {
	var b strings.Builder
	row := func(name string, on bool, yes, no string) {
		mark, word := "[ ]", no
		if on {
			mark, word = "[X]", yes
		}
		fmt.Fprintf(&b, "  %-10s %s %s\n", name, mark, word)
	}
	device := printable(s.Device)
	if device == "" {
		device = "nothing has answered yet"
	}
	fmt.Fprintf(&b, "%s\n%s\n\n", printable(where), device)
	row("connected", s.Connected, "", reasonOf(s))
	row("relay", s.Relay, "on", "off")
	row("lock", s.Contact, "open", "shut, or no contact")
	row("passage", s.Busy != 0, fmt.Sprintf("grant %d is under way", s.Busy), fmt.Sprintf("none; last grant %d", s.LastGrant))
	row("ready", s.Connected && !s.Unready, "", "takes no grant now")
	row("fire", s.Fire, "ALARM: the gate is released", "no alarm")
	row("tamper", s.Tamper, "CASE OPEN", "closed")
	row("held open", s.Held, "door or barrier stands open", "")
	fmt.Fprintf(&b, "\n  frames garbled %d, sent again %d, events dropped %d, reopened %d\n\n", s.Garbled, s.Resent, s.Dropped, s.Reopened)
	for _, e := range events {
		fmt.Fprintf(&b, "  %s\n", eventLine(e))
	}
	b.WriteString("\n  Ctrl-C ends\n")
	return b.String()
}

// reasonOf says why a gate is not connected.
func reasonOf(s gate.State) string {
	if s.Err != nil {
		return printable(s.Err.Error())
	}
	return "waiting"
}

// printable is a device's own words without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}
