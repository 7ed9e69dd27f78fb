package passage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnstile/firmware-bridge/gate"
)

var t0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// at is so many seconds after t0.
func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

func in(n uint32) gate.Grant {
	return gate.Grant{Number: n, Direction: gate.In, Window: gate.DefaultWindow}
}

// began is p with grant 1 for in under way from t0 to 5 s.
func began() *Passages {
	p := &Passages{}
	p.Begin(in(1), t0, at(5))
	return p
}

// brief writes events as "passed in 1, forced 0".
func brief(events []gate.Event) string {
	var all []string
	for _, e := range events {
		s := e.Kind.String()
		if e.Direction != 0 {
			s += " " + e.Direction.String()
		}
		all = append(all, fmt.Sprint(s, " ", e.Grant))
	}
	return strings.Join(all, ", ")
}

// step is one thing at a gate and what is to be told of it.
type step struct {
	events []gate.Event
	want   string
}

func check(t *testing.T, name string, steps []step) {
	t.Helper()
	for i, s := range steps {
		if got := brief(s.events); got != s.want {
			t.Errorf("%s, step %d: told %q, want %q", name, i, got, s.want)
		}
	}
}

func TestWalked(t *testing.T) {
	p := began()
	check(t, "one grant", []step{
		{p.Walked(gate.In, at(-0.001)), "forced in 0"}, // before it
		{p.Walked(gate.Out, at(1)), "forced out 0"},
		{p.Walked(gate.In, at(2)), "passed in 1"},
		{p.Walked(gate.Out, at(2.1)), "forced out 0"},
		{p.Walked(gate.In, at(3.4)), "tailgated in 1"},
		{p.Walked(gate.In, at(3.45)), "forced in 0"}, // a third
		{p.Expire(at(60)), ""},
	})
	if p.Grant().Number != 0 || p.Passed().Number != 1 {
		t.Errorf("under way %+v, passed %+v", p.Grant(), p.Passed())
	}
	p = began()
	check(t, "one contact for both ways", []step{
		{p.Walked(0, at(-1)), "forced 0"},
		{p.Walked(0, at(1)), "passed in 1"},
		{p.Walked(0, at(2.4)), "tailgated 1"},
		{p.Walked(0, at(2.5)), "forced 0"},
	})
	p = began()
	check(t, "too late for a tailgater", []step{
		{p.Walked(gate.In, at(1)), "passed in 1"},
		{p.Walked(gate.In, at(2.5)), "forced in 0"},
	})
}

func TestExpire(t *testing.T) {
	p := began()
	if !p.Next().Equal(at(5)) {
		t.Errorf("next %v", p.Next())
	}
	check(t, "window", []step{
		{p.Expire(at(4.999)), ""},
		{p.Expire(at(5)), "not passed in 1"},
		{p.Expire(at(6)), ""},
		{p.Walked(gate.In, at(6)), "forced in 0"},
	})
	p.Begin(in(2), at(10), time.Time{})
	check(t, "an end that is not known", []step{{p.Expire(at(1000)), ""}})
	p.Until(at(20))
	check(t, "it is known", []step{{p.Expire(at(20)), "not passed in 2"}})
	p.Begin(in(3), at(30), at(35))
	p.Forget()
	check(t, "it came to nothing", []step{
		{p.Expire(at(40)), ""},
		{p.Walked(gate.In, at(41)), "forced in 0"},
		{p.NotPassed(at(42), "no"), ""},
	})
	if !p.Next().IsZero() {
		t.Errorf("next at rest: %v", p.Next())
	}
}

func TestFireAndTamper(t *testing.T) {
	p := began()
	check(t, "fire", []step{
		{p.Fire(false, at(1)), ""},
		{p.Fire(true, at(1)), "not passed in 1, fire 0"},
		{p.Fire(true, at(1)), ""},
		{p.Walked(gate.Out, at(2)), ""}, // people run
		{p.Door(true, at(3)), ""},
		{p.Expire(at(100)), ""},
		{p.Fire(false, at(100)), "fire over 0"},
		{p.Expire(at(109)), ""}, // it stands open from the fire
		{p.Expire(at(110)), "held open 0"},
		{p.Tamper(true, at(111)), "tamper 0"},
		{p.Tamper(true, at(111)), ""},
	})
	var s gate.State
	if p.Fill(&s); s.Fire || !s.Tamper || !s.Held {
		t.Errorf("%+v", s)
	}
	check(t, "over", []step{{p.Tamper(false, at(112)), "tamper over 0"}, {p.Fire(true, at(113)), "fire 0"}})
	if p.Fill(&s); !s.Fire || s.Tamper {
		t.Errorf("%+v", s)
	}
}

func TestDoor(t *testing.T) {
	p := &Passages{HeldAfter: 3 * time.Second}
	check(t, "without a grant", []step{
		{p.Door(true, at(0)), "forced 0"},
		{p.Walked(gate.In, at(0.5)), ""}, // told already
		{p.Walked(gate.In, at(0.6)), "forced in 0"},
		{p.Expire(at(2.9)), ""},
		{p.Expire(at(3)), "held open 0"},
		{p.Expire(at(9)), ""},
		{p.Door(false, at(9)), "shut again 0"},
		{p.Door(false, at(9)), ""},
	})
	p.Begin(in(1), at(10), at(15))
	check(t, "on a grant", []step{
		{p.Door(true, at(11)), ""},
		{p.Walked(gate.In, at(14)), "passed in 1"},
		{p.Expire(at(16.9)), ""}, // counted from the grant's end
		{p.Expire(at(17)), "held open 0"},
		{p.FoundDoor(true, at(18)), ""},
		{p.FoundDoor(false, at(19)), "shut again 0"},
		{p.FoundDoor(true, at(20)), ""}, // open at the start is not forced
		{p.Expire(at(23)), "held open 0"},
	})
	p = began()
	check(t, "just after a grant", []step{
		{p.Walked(gate.In, at(1)), "passed in 1"},
		{p.Door(true, at(2.4)), ""},
		{p.Door(false, at(2.45)), ""},
		{p.Door(true, at(2.5)), "forced 0"},
		{p.Expire(at(12.4)), ""},
		{p.Expire(at(12.5)), "held open 0"}, // DefaultHeld
	})
}

func TestLost(t *testing.T) {
	p := began()
	check(t, "with a grant", []step{
		{p.Lost(true, gate.ErrLost, at(1)), "lost 1"},
		{p.Lost(true, gate.ErrLost, at(2)), "lost 0"},
		{p.Lost(false, gate.ErrLost, at(3)), ""}, // told already
		{p.Lost(true, nil, at(4)), ""},           // the driver stops
	})
	check(t, "a stop", []step{{began().Lost(true, nil, at(1)), "lost 1"}, {began().Lost(false, gate.ErrLost, at(1)), "lost 1"}})
}

// Whatever happens at a gate, each grant has one outcome, nobody passes in
// another direction or after it, and Next is when Expire speaks.
func TestEachGrantEndsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Passages{}
		now, outcomes, number := t0, map[uint32]int{}, uint32(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			under, due := p.Grant(), p.Next()
			var events []gate.Event
			switch on := rapid.Bool().Draw(t, "on"); rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				if under.Number == 0 {
					number++
					p.Begin(in(number), now, now.Add(gate.DefaultWindow))
				}
			case 1:
				events = p.Walked(gate.Direction(rapid.IntRange(0, 2).Draw(t, "direction")), now)
			case 2:
				events = p.Fire(on, now)
			case 3:
				events = p.Door(on, now)
			case 4:
				events = p.Lost(on, gate.ErrLost, now)
			case 5:
				events = p.Expire(now)
				if speaks := !due.IsZero() && !now.Before(due); speaks != (len(events) > 0) {
					t.Fatalf("due %v, at %v told %q", due, now, brief(events))
				}
			}
			for _, e := range events {
				if !e.At.Equal(now) {
					t.Fatalf("at %v: %+v", now, e)
				}
				if outcome(e) {
					outcomes[e.Grant]++
				}
				if e.Kind == gate.Passed && (e.Grant != under.Number || e.Direction != under.Direction) {
					t.Fatalf("%+v on %+v", e, under)
				}
			}
		}
		for n := uint32(1); n <= number; n++ {
			if want := map[bool]int{true: 0, false: 1}[n == p.Grant().Number]; outcomes[n] != want {
				t.Fatalf("grant %d has %d outcomes, want %d", n, outcomes[n], want)
			}
		}
	})
}
