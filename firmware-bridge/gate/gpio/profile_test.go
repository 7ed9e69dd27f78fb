package gpio

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/passage"
)

// onTime returns how long the line stays on, which it is now.
func (r *rig) onTime(line string) time.Duration {
	r.t.Helper()
	began := time.Now()
	for step := time.Millisecond; r.Wire(line); <-time.After(step) {
		if time.Since(began) > gate.MaxWindow+gate.Grace {
			r.t.Fatalf("%s stays on", line)
		}
	}
	return time.Since(began)
}

// within fails the test unless got is want, give or take a step of onTime.
func within(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if got < want || got > want+2*time.Millisecond {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// In pulse mode the gate waits 5 s whatever the pulse and the grant's window.
func TestPercoPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everything(ProfilePercoPulse))
		if err := r.gate.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.In, Pulse: gate.MinPulse, Window: gate.MinWindow}); err != nil {
			t.Fatal(err)
		}
		within(t, "shortest pulse", r.onTime("RELAY_IN"), 100*time.Millisecond)
		<-time.After(5 * time.Second) // begun in time, ended later
		r.pulse("PASS_IN")
		r.want(gate.Passed, 1)
		r.open(2, gate.In)
		began := time.Now()
		r.want(gate.NotPassed, 2)
		within(t, "window", time.Since(began), 6*time.Second)
		r.end()
	})
}

// The two relays are never on together, whoever walks and asks when: that would be free passage.
func TestPercoNeverBoth(t *testing.T) {
	for _, name := range []string{ProfilePercoPulse, ProfilePercoPotential} {
		rapid.Check(t, func(rt *rapid.T) {
			steps := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 20).Draw(rt, "steps")
			waits := rapid.SliceOfN(rapid.IntRange(0, 400), len(steps), len(steps)).Draw(rt, "ms")
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, everything(name))
				ctx, cancel := context.WithCancel(context.Background())
				watched := make(chan bool)
				go func() {
					both := false
					for ctx.Err() == nil {
						both = both || r.Wire("RELAY_IN") && r.Wire("RELAY_OUT")
						<-time.After(time.Millisecond)
					}
					watched <- both
				}()
				for i, s := range steps {
					grant := gate.Grant{Number: uint32(i + 1), Direction: gate.Direction(s%2 + 1)}
					if s < 2 {
						_ = r.gate.Open(ctx, grant) // refused as busy most of the time
					} else {
						r.pulse([]string{"PASS_IN", "PASS_OUT"}[s%2])
					}
					<-time.After(time.Duration(waits[i]) * time.Millisecond)
				}
				cancel()
				if <-watched {
					t.Errorf("%s: both relays on after %v %v", name, steps, waits)
				}
				if err := r.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// One way's relay rests before the other's goes on, and Open waits for it.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everything(ProfilePercoPulse))
		r.open(1, gate.In)
		r.Drive("PASS_IN", true)
		r.want(gate.Passed, 1)
		began := time.Now()
		r.open(2, gate.Out)
		within(t, "rest", time.Since(began), 200*time.Millisecond)
		if r.Wire("RELAY_IN") || !r.Wire("RELAY_OUT") {
			t.Error("wrong relays")
		}
		r.Drive("PASS_IN", false)
		r.pulse("PASS_OUT")
		r.want(gate.Passed, 2)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		<-time.After(time.Second)
		r.open(3, gate.In)
		r.want(gate.NotPassed, 3)
		if err := r.gate.Open(ctx, in(4)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Open that gave up during the rest: %v", err)
		}
		<-time.After(time.Second)
		if r.Wire("RELAY_IN") {
			t.Error("an Open that gave up opened")
		}
		r.end()
	})
}

// In potential mode the relay is on until the passage, the window's end, a fire or the end of Run.
func TestPercoPotential(t *testing.T) {
	for what, c := range map[string]struct {
		act  func(r *rig)
		want time.Duration
		end  gate.EventKind
	}{
		"passage": {func(r *rig) { r.Drive("PASS_IN", true) }, 2*time.Second + passage.Settle, gate.Passed},
		"window":  {func(*rig) {}, 3 * time.Second, gate.NotPassed},
		"fire":    {func(r *rig) { r.Drive("FIRE", false) }, 2*time.Second + passage.Settle, gate.NotPassed},
		"stop":    {func(r *rig) { go r.stop() }, 2 * time.Second, gate.Lost},
		"unplug":  {func(r *rig) { r.Unplug() }, 2 * time.Second, gate.Lost},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, everything(ProfilePercoPotential))
				began := time.Now()
				if err := r.gate.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.In, Pulse: gate.MinPulse, Window: 3 * time.Second}); err != nil {
					t.Fatal(err)
				}
				<-time.After(2 * time.Second)
				if !r.Wire("RELAY_IN") {
					t.Fatal("off within the window")
				}
				c.act(r)
				r.onTime("RELAY_IN")
				within(t, "on", time.Since(began), c.want)
				r.want(c.end, 1)
				if what != "stop" {
					if err := r.stop(); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// A gate that keeps what was not used never gets two authorisations for one person.
func TestStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everything(ProfileStored))
		pulses := func(n int) {
			t.Helper()
			if got := r.Rises("RELAY_IN"); got != n {
				t.Errorf("%d pulses, want %d", got, n)
			}
		}
		if err := r.gate.Open(context.Background(), in(1)); err != nil {
			t.Fatal(err)
		}
		within(t, "pulse", r.onTime("RELAY_IN"), 100*time.Millisecond)
		r.want(gate.NotPassed, 1) // the gate keeps it

		r.open(2, gate.In) // is on what the gate has
		r.pulse("PASS_IN")
		if e := r.want(gate.Passed, 2); e.Detail == "" {
			t.Error("Passed without a word on whose authorisation it was")
		}
		pulses(1)

		r.open(3, gate.In)
		r.want(gate.NotPassed, 3)
		r.pulse("PASS_IN") // somebody without a code
		if e := r.want(gate.Forced, 0); e.Detail == "" || e.Direction != gate.In {
			t.Errorf("Forced: %+v", e)
		}
		pulses(2)
		<-time.After(2 * passage.TailgateTime)
		r.pulse("PASS_IN")
		if e := r.want(gate.Forced, 0); e.Detail != "" {
			t.Errorf("the gate had nothing left: %+v", e)
		}

		r.open(4, gate.In)
		r.want(gate.NotPassed, 4)
		r.open(5, gate.In) // on what is there of 4: no pulse, and nobody comes through
		r.want(gate.NotPassed, 5)
		pulses(3)
		r.open(6, gate.In) // so the gate has forgotten
		pulses(4)
		r.pulse("PASS_IN")
		r.want(gate.Passed, 6)
		r.open(7, gate.In)
		pulses(5)
		r.pulse("PASS_IN")
		r.want(gate.Passed, 7)

		r.open(8, gate.In)
		r.want(gate.NotPassed, 8)
		r.open(9, gate.Out) // the other way has its own
		if n := r.Rises("RELAY_OUT"); n != 1 {
			t.Errorf("%d pulses out", n)
		}
		r.pulse("PASS_OUT")
		r.want(gate.Passed, 9)
		r.Unplug()
		r.want(gate.Lost, 0)
		r.Plug()
		r.want(gate.Found, 0)
		r.open(10, gate.In) // the gate still has that of 8
		pulses(6)
		r.pulse("PASS_IN")
		r.want(gate.Passed, 10)
		r.end()
	})
}

func magnetic() Config {
	c := everything(ProfileMagnetic)
	c.PassedOut, c.Ready = "", ""
	return c
}

// One 400 ms pulse counts for both directions, and the next grant waits for its end.
func TestMagneticPassage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, magnetic())
		for n := uint32(1); n <= 4; n++ {
			d := gate.Direction(n%2 + 1)
			r.open(n, d)
			r.Drive("PASS_IN", true)
			if e := r.want(gate.Passed, n); e.Direction != d {
				t.Errorf("%+v", e)
			}
			<-time.After(400 * time.Millisecond)
			r.set("PASS_IN", false)
		}
		<-time.After(passage.TailgateTime)
		r.pulse("PASS_IN")
		if e := r.want(gate.Forced, 0); e.Direction != 0 {
			t.Errorf("%+v", e)
		}
		r.end()
	})
}

// While the gate says that the other side passes, nothing opens that way.
func TestMagneticContacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, magnetic())
		refused := func(d gate.Direction, want error, unready bool) {
			t.Helper()
			err := r.gate.Open(context.Background(), gate.Grant{Number: 1, Direction: d})
			if !errors.Is(err, want) || r.gate.State().Unready != unready {
				t.Errorf("Open %v: %v, want %v; state %+v", d, err, want, r.gate.State())
			}
		}
		r.set("INHIBIT_IN", true)
		refused(gate.In, gate.ErrBusy, false)
		r.set("INHIBIT_OUT", true)
		refused(gate.In, gate.ErrBusy, true)
		refused(gate.Out, gate.ErrBusy, true)
		r.set("INHIBIT_IN", false)
		r.set("INHIBIT_OUT", false)
		r.set("WRONG_WAY", true)
		r.want(gate.Fault, 0)
		refused(gate.In, gate.ErrBusy, true)
		r.set("WRONG_WAY", false)
		r.set("FAULT", false) // opens for an error, and when the power fails
		r.want(gate.Fault, 0)
		refused(gate.In, gate.ErrRefused, false)
		r.set("FAULT", true)
		r.open(1, gate.In)
		r.pulse("PASS_IN")
		r.want(gate.Passed, 1)
		r.end()
	})
}

// The gate's own word on a second person and the passage contact's are one event.
func TestTailgateToldOnce(t *testing.T) {
	for _, first := range []string{"TAILGATE", "PASS_IN"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, magnetic())
			r.open(1, gate.In)
			r.pulse("PASS_IN")
			r.want(gate.Passed, 1)
			r.pulse(first)
			r.pulse(map[string]string{"TAILGATE": "PASS_IN", "PASS_IN": "TAILGATE"}[first])
			r.want(gate.Tailgated, 1)
			<-time.After(2 * passage.TailgateTime)
			r.pulse("TAILGATE") // another, and nobody is counted
			r.want(gate.Tailgated, 1)
			r.end()
		})
	}
}

// Every profile's numbers are within the contract's, and each has another name.
func TestProfiles(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range profiles {
		if seen[p.name] || p.bothWays && p.eachWay {
			t.Errorf("%+v", p)
		}
		seen[p.name] = true
		for _, asked := range []gate.Grant{{}, {Pulse: time.Hour, Window: time.Hour}, {Pulse: 1, Window: 1}} {
			asked.Number, asked.Direction = 1, gate.Out
			got, err := p.within(asked)
			if err != nil || got.Pulse < gate.MinPulse || got.Pulse > gate.MaxPulse && !p.hold || got.Pulse > got.Window || got.Window > gate.MaxWindow {
				t.Errorf("%s: %+v became %+v, %v", p.name, asked, got, err)
			}
		}
		if _, err := p.within(gate.Grant{}); !errors.Is(err, gate.ErrInvalid) {
			t.Errorf("%s: %v", p.name, err)
		}
	}
	if len(Profiles()) != 5 || len(seen) != 5 {
		t.Errorf("%d profiles", len(Profiles()))
	}
}
