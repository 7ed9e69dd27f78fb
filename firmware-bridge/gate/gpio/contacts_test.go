package gpio

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline/gpiolinetest"
)

func TestReadyAndTamper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everything(""))
		r.set("READY", false)
		if err := r.gate.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrBusy) || !r.gate.State().Unready {
			t.Errorf("Open of a gate that is not ready: %v, %+v", err, r.gate.State())
		}
		r.set("READY", true)
		r.open(1, gate.In)
		r.pulse("PASS_IN")
		r.want(gate.Passed, 1)
		r.set("TAMPER", true)
		r.want(gate.Tamper, 0)
		if !r.gate.State().Tamper {
			t.Error("no tamper in the state")
		}
		r.Unplug()
		r.want(gate.Lost, 0)
		r.Drive("TAMPER", false) // while nobody could see it
		r.Plug()
		r.want(gate.Found, 0)
		r.want(gate.TamperOver, 0)
		r.end()
	})
}

// What is so at the start is known from the start on.
func TestContactsAtStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := gpiolinetest.New(lines()...)
		for _, line := range []string{"TAMPER", "DOOR", "INHIBIT_IN", "PASS_IN"} {
			f.Drive(line, true)
		}
		g, err := New(everything(""), chip{f})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{f, t, g, run(g)}
		r.want(gate.Found, 0)
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrBusy) {
			t.Errorf("Open of a gate that is not ready: %v", err)
		}
		r.want(gate.Tamper, 0)
		if e := r.want(gate.Held, 0); e.Detail == "" || !g.State().Held {
			t.Errorf("%+v, %+v", e, g.State())
		}
		r.set("READY", true)
		if err := g.Open(context.Background(), in(1)); !errors.Is(err, gate.ErrBusy) {
			t.Errorf("Open of a gate that is inhibited: %v", err)
		}
		r.end()
	})
}

// A door that stands open after a passage is Held, and shut again HeldOver.
func TestDoorHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := everything("")
		c.HeldAfter = 3 * time.Second
		r := newRig(t, c)
		r.open(1, gate.In)
		r.set("DOOR", true)
		r.pulse("PASS_IN")
		passed := r.want(gate.Passed, 1)
		held := r.want(gate.Held, 0)
		within(t, "held after", held.At.Sub(passed.At), c.HeldAfter)
		if !r.gate.State().Held {
			t.Error("not held in the state")
		}
		r.Unplug()
		r.want(gate.Lost, 0)
		r.Drive("DOOR", false) // unseen
		r.Plug()
		r.want(gate.Found, 0)
		r.want(gate.HeldOver, 0)
		r.open(2, gate.In)
		r.set("DOOR", true)
		r.pulse("PASS_IN")
		r.want(gate.Passed, 2)
		r.want(gate.Held, 0)
		r.set("DOOR", false)
		r.want(gate.HeldOver, 0)
		if r.gate.State().Held {
			t.Error("held in the state")
		}
		r.end()
	})
}

// A door that opens without a grant is Forced; who walks through it then is the same event.
func TestDoorForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everything(""))
		<-time.After(time.Minute)
		r.set("DOOR", true)
		r.want(gate.Forced, 0)
		r.pulse("PASS_IN")
		r.pulse("PASS_IN") // one more
		r.want(gate.Forced, 0)
		r.set("DOOR", false)
		r.set("DOOR", true)
		r.want(gate.Forced, 0)
		r.set("DOOR", false)
		r.set("FIRE", true)
		r.want(gate.Fire, 0)
		r.set("DOOR", true) // free to leave
		<-time.After(2 * DefaultHeld)
		r.set("FIRE", false)
		r.want(gate.FireOver, 0)
		r.want(gate.Held, 0)
		r.set("DOOR", false)
		r.want(gate.HeldOver, 0)
		r.end()
	})
}

// Lights and buzzer follow what was shown last, and start anew with the chip.
func TestShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everything(""))
		see := func(eighths int) (green, red, buzzer string) {
			for range eighths {
				<-time.After(eighth / 2)
				for to, line := range map[*string]string{&green: "GREEN", &red: "RED", &buzzer: "BUZZER"} {
					*to += map[bool]string{true: "#", false: "."}[r.Wire(line)]
				}
				<-time.After(eighth / 2)
			}
			return green, red, buzzer
		}
		seen := map[string]gate.Signal{}
		for s := range gate.Signal(gate.Signals) {
			r.gate.Show(s, 0)
			g, d, b := see(24)
			all := fmt.Sprintf("%s %s %s", g, d, b)
			if other, twice := seen[all]; twice {
				t.Errorf("%v and %v look alike: %s", s, other, all)
			}
			seen[all] = s
			if g[:16] != g[8:] || d[:16] != d[8:] || b[16:] != "........" {
				t.Errorf("%v: %s", s, all)
			}
		}
		r.gate.Show(gate.Denied, time.Second)
		if g, d, b := see(12); g != "............" || d != "########...." || b != "#.#.#......." {
			t.Errorf("denied for a second: %s %s %s", g, d, b)
		}
		r.gate.Show(gate.Signal(200), 0)
		if g, d, b := see(2); g+d+b != "......" {
			t.Errorf("a signal that is not known: %s %s %s", g, d, b)
		}
		r.gate.Show(gate.Granted, 0)
		r.Unplug()
		r.want(gate.Lost, 0)
		r.Plug()
		r.want(gate.Found, 0)
		if g, d, _ := see(2); g != "##" || d != ".." {
			t.Errorf("after the chip came back: %s %s", g, d)
		}
		r.end()
	})
}

// The time that an Idle signal lasts, and one without lights, wakes nobody.
func TestPatternStays(t *testing.T) {
	for s, want := range map[gate.Signal]time.Duration{gate.Idle: 0, gate.Closed: 0, gate.Wait: eighth, gate.Granted: eighth} {
		if _, stays := patterns[s].at(0); stays != want {
			t.Errorf("%v stays %v", s, stays)
		}
	}
	if _, stays := patterns[gate.Granted].at(time.Minute); stays != 0 {
		t.Errorf("after its beep: %v", stays)
	}
	if _, stays := patterns[gate.Wait].at(time.Minute + eighth/4); stays != eighth-eighth/4 {
		t.Errorf("blinking: %v", stays)
	}
}

// An active-low relay is never low but for a grant, and an open drain never drives high.
func TestPolarity(t *testing.T) {
	for what, c := range map[string]struct {
		relay string
		drain bool
		want  []bool // as driven
	}{
		"active high": {"RELAY_IN", false, []bool{false, true, false, false, false}},
		"active low":  {"!RELAY_IN", false, []bool{true, false, true, true, true}},
		"open drain":  {"RELAY_IN", true, []bool{false}},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := gpiolinetest.New("RELAY_IN", "PASS_IN")
			f.Drive("RELAY_IN", c.relay != "RELAY_IN" || c.drain) // a pull outside
			f.Drive("PASS_IN", true)
			g, err := New(Config{RelayIn: c.relay, OpenDrain: c.drain, PassedIn: "!PASS_IN"}, chip{f})
			if err != nil {
				t.Fatal(err)
			}
			stop := run(g)
			gatetest.Await(t, g, gate.Found)
			if err := g.Open(context.Background(), in(1)); err != nil {
				t.Fatal(err)
			}
			<-time.After(gate.DefaultPulse + time.Millisecond)
			f.Drive("PASS_IN", false) // it opens to say yes
			gatetest.Await(t, g, gate.Passed)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if got := f.Levels("RELAY_IN"); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%s: driven at %v, want %v", what, got, c.want)
			}
			if f.Held("RELAY_IN") || f.Held("PASS_IN") {
				t.Errorf("%s: lines not given back", what)
			}
		})
	}
}

func TestConfigCheck(t *testing.T) {
	good := Config{RelayIn: "A", RelayOut: "B", PassedIn: "C", PassedOut: "D"}
	for what, change := range map[string]func(c *Config){
		"profile":              func(c *Config) { c.Profile = "perco" },
		"no relay":             func(c *Config) { c.RelayIn, c.RelayOut = "", "" },
		"no contact":           func(c *Config) { c.PassedIn = "" },
		"twice":                func(c *Config) { c.Buzzer = "A" },
		"twice with a mark":    func(c *Config) { c.Door = "!A" },
		"a mark alone":         func(c *Config) { c.Ready = "!" },
		"two marks":            func(c *Config) { c.Ready = "!gpiochip0:99999999999999999999" },
		"a long name":          func(c *Config) { c.Tamper = "a name that is longer than the kernel has" },
		"one contact":          func(c *Config) { c.Profile, c.PassedOut = ProfilePercoPulse, "" },
		"two contacts":         func(c *Config) { c.Profile = ProfileMagnetic },
		"inhibited nothing":    func(c *Config) { c.RelayOut, c.InhibitOut = "", "E" },
		"drain with a mark":    func(c *Config) { c.OpenDrain, c.RelayOut = true, "!B" },
		"held for a moment":    func(c *Config) { c.Door, c.HeldAfter = "E", time.Millisecond },
		"held without a door":  func(c *Config) { c.HeldAfter = time.Minute },
		"negative, not a time": func(c *Config) { c.Door, c.HeldAfter = "E", -time.Minute },
	} {
		c := good
		change(&c)
		if err := c.Check(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, p := range Profiles() {
		c := good
		if c.Profile = p; p == ProfileMagnetic {
			c.PassedOut = ""
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if c := good; c.Check() != nil || c != good { // Config is compared by those who hold one
		t.Error(c.Check())
	}
}

// FuzzConfig: what Check takes names each line once and nothing else.
func FuzzConfig(f *testing.F) {
	f.Add("A", "B", "C", "D", "")
	f.Add("!A", "", "gpiochip0:1", "", "magnetic")
	f.Add("gpiochip0:1", "gpiochip0:01", "!!", "!", "plain")
	f.Fuzz(func(t *testing.T, relayIn, relayOut, passedIn, passedOut, profile string) {
		c := Config{Profile: profile, RelayIn: relayIn, RelayOut: relayOut, PassedIn: passedIn, PassedOut: passedOut}
		if err := c.Check(); err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Fatal(err)
			}
			return
		}
		seen := map[string]bool{}
		contacts := c.contacts()
		for _, l := range append(c.outputs(), contacts[:]...) {
			if l.name != "" && (seen[l.name] || len(l.name) > 40) {
				t.Fatalf("%+v takes %q", c, l.name)
			}
			seen[l.name] = true
		}
	})
}

// A grant from Open to Passed: the relay on, the contact, the relay off, without
// the 20 ms in which a contact settles.
func BenchmarkPassage(b *testing.B) {
	f := gpiolinetest.New("RELAY", "PASS")
	g, err := New(Config{RelayIn: "RELAY", PassedIn: "PASS"}, chip{f})
	if err != nil {
		b.Fatal(err)
	}
	if err := g.claim(); err != nil {
		b.Fatal(err)
	}
	defer g.release()
	now := time.Now()
	b.ReportAllocs()
	for n := uint32(1); b.Loop(); n++ {
		grant := gate.Grant{Number: n, Direction: gate.In, Pulse: gate.DefaultPulse, Window: gate.DefaultWindow}
		a := passage.NewAsk(grant)
		if err := errors.Join(g.open(a, now), a.Wait(context.Background()), g.take(change{walkedIn, true, now})); err != nil {
			b.Fatal(err)
		}
		if e := <-g.Events(); e.Kind != gate.Passed || e.Grant != n {
			b.Fatal(e)
		}
	}
}
