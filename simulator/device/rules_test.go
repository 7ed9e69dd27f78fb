package device

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnstile/firmware-bridge/frame"
)

var t0 = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// desk is a controller's rules with everything they send.
type desk struct {
	rules
	sent []frame.Message
}

func newDesk() *desk {
	d := &desk{}
	d.can = frame.CanIn | frame.CanOut | frame.HasTailgate
	d.send = func(m frame.Message) { d.sent = append(d.sent, m) }
	d.powerUp(7, t0)
	return d
}

// ask gives m at t and returns the last answer to an OPEN.
func (d *desk) ask(m frame.Message, at time.Time) frame.Code {
	d.take(m, at)
	d.tick(at)
	for i := len(d.sent) - 1; i >= 0; i-- {
		if a, ok := d.sent[i].(frame.Answer); ok {
			return a.Code
		}
	}
	return 255
}

// FORMAT.md's order of checks, one refusal each.
func TestOpenIsChecked(t *testing.T) {
	good := frame.Open{Number: 5, Direction: 1, Pulse: 200, Window: 5000}
	for _, c := range []struct {
		name  string
		setup func(*desk)
		open  frame.Open
		want  frame.Code
	}{
		{"good", func(*desk) {}, good, frame.Opened},
		{"no session", func(d *desk) { d.attended = false }, good, frame.NoHello},
		{"number 0", func(*desk) {}, frame.Open{Direction: 1}, frame.BadGrant},
		{"direction 0", func(*desk) {}, frame.Open{Number: 5}, frame.BadGrant},
		{"direction 3", func(*desk) {}, frame.Open{Number: 5, Direction: 3}, frame.BadGrant},
		{"again", func(d *desk) { d.last = 5 }, good, frame.OpenedSince},
		{"below", func(d *desk) { d.last = 6 }, good, frame.OldNumber},
		{"below in the wrap-around sense", func(d *desk) { d.last = 5 }, frame.Open{Number: 0xFFFFFFF0, Direction: 1}, frame.OldNumber},
		{"above in the wrap-around sense", func(d *desk) { d.last = 0xFFFFFFF0 }, good, frame.Opened},
		{"fire", func(d *desk) { d.fire = true }, good, frame.OnFire},
		{"direction it has not", func(d *desk) { d.can = frame.CanOut }, good, frame.NoSuchWay},
		{"busy", func(d *desk) { d.passing, d.windowEnd = true, t0.Add(time.Hour) }, good, frame.StillBusy},
		{"events full", func(d *desk) { d.queue = make([]happening, queueLength-keptForOpen+1) }, good, frame.EventsFull},
	} {
		d := newDesk()
		d.take(frame.Hello{Session: 1}, t0)
		c.setup(d)
		got := d.ask(c.open, t0)
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if (d.openings == 1) != (c.want == frame.Opened) {
			t.Errorf("%s: %d openings", c.name, d.openings)
		}
	}
}

func TestLimitsHold(t *testing.T) {
	for _, c := range []struct {
		pulse, window         uint16
		wantPulse, wantWindow time.Duration
	}{
		{0, 0, minPulse, minWindow}, {65535, 65535, maxPulse, maxWindow}, {300, 4000, 300 * time.Millisecond, 4 * time.Second},
	} {
		d := newDesk()
		d.take(frame.Hello{Session: 1}, t0)
		d.ask(frame.Open{Number: 1, Direction: 1, Pulse: c.pulse, Window: c.window}, t0)
		if d.relayUntil.Sub(t0) != c.wantPulse || d.windowEnd.Sub(t0) != c.wantWindow {
			t.Errorf("%d, %d: relay %v, window %v", c.pulse, c.window, d.relayUntil.Sub(t0), d.windowEnd.Sub(t0))
		}
	}
}

// Whatever a host, people, fire and time do: a number opens at most once, each
// opening has exactly one outcome, the relay is never on for longer than a second, and off
// when the host is silent.
func TestRulesHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDesk()
		now := t0
		opened := map[uint32]int{}
		outcomes := map[uint32]int{}
		var relaySince time.Time
		var number uint32
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 20, 100, 700, 2500}).Draw(t, "ms")) * time.Millisecond)
			d.tick(now)
			before := d.openings
			switch rapid.IntRange(0, 8).Draw(t, "what") {
			case 0:
				d.take(frame.Hello{Session: 1}, now)
			case 1, 2:
				number = rapid.Uint32Range(1, 12).Draw(t, "number")
				d.take(frame.Open{Number: number, Direction: uint8(rapid.IntRange(0, 3).Draw(t, "way")), Pulse: rapid.Uint16().Draw(t, "pulse"), Window: rapid.Uint16().Draw(t, "window")}, now)
			case 3:
				d.take(frame.Beat{}, now)
			case 4:
				d.take(frame.Lock{}, now)
			case 5, 6:
				d.walk(uint8(rapid.IntRange(1, 2).Draw(t, "walk")), now)
			case 7:
				d.setFire(!d.fire, now)
			case 8:
				d.setTamper(!d.tamper, now)
			}
			if d.openings > before {
				opened[number]++
				relaySince = now
			}
			d.tick(now)
			for len(d.queue) > 0 { // the host sees everything
				if h := d.queue[0]; h.Kind == frame.Passed || h.Kind == frame.NotPassed {
					outcomes[h.Grant]++
				}
				d.seen(frame.Seen{Event: d.queue[0].Number})
			}
			on := !d.relayUntil.IsZero()
			if on && (now.Sub(relaySince) >= maxPulse || now.Sub(d.heard) > hostSilence || d.fire) {
				t.Fatalf("relay on: since %v, host heard %v ago, fire %v", now.Sub(relaySince), now.Sub(d.heard), d.fire)
			}
			if on && !d.passing {
				t.Fatal("relay on without a passage")
			}
		}
		d.end(frame.NotPassed, now)
		for _, h := range d.queue {
			outcomes[h.Grant]++
		}
		for n, k := range opened {
			if k != 1 || outcomes[n] != 1 {
				t.Fatalf("grant %d: opened %d times, %d outcomes", n, k, outcomes[n])
			}
		}
		if len(outcomes) != len(opened) {
			t.Fatalf("%d outcomes for %d openings", len(outcomes), len(opened))
		}
	})
}

func TestEventsAreRepeatedAndBounded(t *testing.T) {
	d := newDesk()
	d.take(frame.Hello{Session: 1}, t0)
	for range 40 {
		d.walk(1, t0)
	}
	if len(d.queue) != queueLength-keptForRest+1 || int(d.lost) != 40-len(d.queue) {
		t.Errorf("%d queued, %d lost", len(d.queue), d.lost)
	}
	times := 0
	for i := range 10 {
		d.take(frame.Beat{}, t0)
		d.tick(t0.Add(time.Duration(i) * eventEvery))
	}
	for _, m := range d.sent {
		if e, ok := m.(frame.Event); ok {
			if e.Number != 1 {
				t.Fatalf("event %d sent before 1 was seen", e.Number)
			}
			times++
		}
	}
	if times != 10 {
		t.Errorf("event 1 sent %d times, want 10", times)
	}
	d.seen(frame.Seen{Event: 9})
	d.seen(frame.Seen{Event: 1})
	if d.queue[0].Number != 2 {
		t.Errorf("next event is %d", d.queue[0].Number)
	}
}
