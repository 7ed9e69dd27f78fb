package modbus

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/gate/modbus/modbustest"
	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/serialport"
	"turnstile/firmware-bridge/serialport/serialtest"
)

// bench is a gate on a virtual line, or on one in memory, with a board at its far end.
type bench struct {
	*Gate
	*modbustest.Board
	line *serialtest.Line // nil: in memory
}

// wiring is relay 1 and 2, and inputs 1 to 6 in the order of Config.
func wiring() Config {
	return Config{
		Unit: 1, RelayIn: 1, RelayOut: 2, Answer: 250 * time.Millisecond,
		PassedIn: "1", PassedOut: "2", Fire: "3", Tamper: "4", Ready: "!5", Door: "6", HeldAfter: time.Second,
	}
}

// newBench makes a gate, and a board that runs until the test ends.
func newBench(t testing.TB, c Config) *bench {
	t.Helper()
	b := &bench{line: serialtest.New(filepath.Join(t.TempDir(), "rs485"))}
	b.plug(t)
	t.Cleanup(b.line.Unplug)
	b.Board = modbustest.New(b.line, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Board.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c.Port = serialport.Config{Path: b.line.Link(), Baud: 115200}
	c.Answer = maxAnswer // the machine of a test is slower than a board
	g, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	b.Gate = g
	return b
}

func (b *bench) plug(t testing.TB) {
	t.Helper()
	if err := b.line.Plug(); err != nil {
		t.Fatal(err)
	}
}

// pulse closes a contact for 100 ms, and waits until its release has been seen.
// On a busy computer it takes longer: contacts are only seen when the gate gets to
// look, and how long that may take is TestPulseIsSeenOnce's business, in made-up time.
func (b *bench) pulse(n int) {
	b.Input(n, true)
	b.looked(100 * time.Millisecond)
	b.Input(n, false)
	b.looked(60 * time.Millisecond)
}

// looked waits for d, and until the board was asked a few times; no longer than
// a second for a board that nobody asks.
func (b *bench) looked(d time.Duration) {
	const looks = 8
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	began, before := time.Now(), b.Requests()
	for time.Since(began) < d || b.Requests() < before+looks && time.Since(began) < time.Second {
		<-tick.C
	}
}

// await returns the next event, which must be of kind k.
func (b *bench) await(t *testing.T, k gate.EventKind) gate.Event {
	t.Helper()
	return gatetest.Await(t, b.Gate, k)
}

func in(n uint32) gate.Grant {
	return gate.Grant{Number: n, Direction: gate.In, Window: gate.MinWindow}
}

func (b *bench) open(t *testing.T, g gate.Grant, want error) {
	t.Helper()
	if err := b.Open(context.Background(), g); !errors.Is(err, want) {
		t.Fatalf("Open(%d) = %v, want %v; %+v", g.Number, err, want, b.State())
	}
}

func TestConform(t *testing.T) {
	for name, timer := range map[string]string{"without a timer": TimerNone, "with a timer": TimerFlash} {
		t.Run(name, func(t *testing.T) {
			gatetest.Conform(t, func(t *testing.T) gatetest.Bench {
				c := wiring()
				c.Timer = timer
				b := newBench(t, c)
				return gatetest.Bench{
					Gate:     b.Gate,
					Walk:     func(d gate.Direction) { b.pulse(int(d)) },
					Openings: func() int { return b.Rises(0) },
					Relay:    func() bool { return b.On(0) },
					Unplug:   b.line.Unplug, Plug: func() { b.plug(t) },
				}
			})
		})
	}
}

// A relay that an earlier life left on goes off before anything else, and the
// device says whether that can happen.
func TestStartDropsRelays(t *testing.T) {
	b := newBench(t, wiring())
	b.Relay(1, true)
	b.Relay(2, true)
	b.Relay(3, true) // not this gate's
	gatetest.Start(t, b.Gate)
	if b.On(1) || b.On(2) || !b.On(3) {
		t.Error("relays after the start:", b.On(1), b.On(2), b.On(3))
	}
	if !strings.Contains(b.State().Device, "without a timer") {
		t.Errorf("device %q", b.State().Device)
	}
}

// With a timer the board drops the relay though this program is gone.
func TestTimerDropsWithoutHost(t *testing.T) {
	c := wiring()
	c.Timer = TimerFlash
	bubble(t, c, func(t *testing.T, b *bench) {
		b.open(t, in(1), nil)
		if !b.On(1) {
			t.Fatal("the relay is not on")
		}
		b.Deafen(0, 1<<30) // the line is cut
		gatetest.Until(t, "the board drops the relay", func() bool { return !b.On(1) })
		if n := b.Rises(1); n != 1 {
			t.Errorf("%d openings", n)
		}
		b.await(t, gate.Lost)
	})
}

// Whatever is lost or hit on the line, one Open is one opening or none, and what
// it answers is true.
func TestBadLineOpensOnce(t *testing.T) {
	for name, c := range map[string]struct {
		harm   func(*bench)
		want   error
		opened int
	}{
		"request lost":        {func(b *bench) { b.Deafen(5, 1) }, nil, 1},
		"answer lost":         {func(b *bench) { b.Mute(5, 1) }, nil, 1},
		"answer hit":          {func(b *bench) { b.Garble(5, 1) }, nil, 1},
		"one question lost":   {func(b *bench) { b.Mute(5, 1); b.Deafen(1, 1) }, nil, 1},
		"done, then silent":   {func(b *bench) { b.Mute(5, 1); b.Deafen(1, 2) }, gate.ErrUnsure, 1},
		"lost, then silent":   {func(b *bench) { b.Deafen(5, 1); b.Mute(1, 2) }, gate.ErrUnsure, 0},
		"never heard":         {func(b *bench) { b.Deafen(5, 2) }, gate.ErrLost, 0},
		"no such function":    {func(b *bench) { b.Except(5, 1) }, gate.ErrRefused, 0},
		"no such relay":       {func(b *bench) { b.Except(5, 2) }, gate.ErrRefused, 0},
		"busy":                {func(b *bench) { b.Except(5, 6) }, gate.ErrRefused, 0},
		"noise before answer": {func(b *bench) { b.Noise([]byte{0, 0xFF}) }, nil, 1},
	} {
		for _, timer := range []string{TimerNone, TimerFlash} {
			t.Run(name+" "+timer, func(t *testing.T) {
				wires := wiring()
				wires.Timer = timer
				bubble(t, wires, func(t *testing.T, b *bench) {
					c.harm(b)
					g := in(1)
					g.Pulse = gate.MaxPulse // longer than the questions take
					b.open(t, g, c.want)
					b.Except(5, 0)
					if c.want == nil || c.want == gate.ErrUnsure {
						b.pulse(1)
						if e := b.await(t, gate.Passed); e.Grant != 1 {
							t.Errorf("outcome %+v", e)
						}
					}
					gatetest.Until(t, "the relay is off", func() bool { return !b.On(0) && !b.State().Relay })
					if n := b.Rises(0); n != c.opened {
						t.Errorf("%d openings, want %d", n, c.opened)
					}
					b.Noise(nil)
					b.open(t, in(2), nil)
				})
			})
		}
	}
}

// A timed pulse may be over before its answer is missed: then nobody knows, and
// nothing is sent again.
func TestShortTimedPulseIsNotRepeated(t *testing.T) {
	c := wiring()
	c.Timer, c.Answer = TimerFlash, 300*time.Millisecond
	bubble(t, c, func(t *testing.T, b *bench) {
		b.Mute(5, 1)
		g := in(1)
		g.Pulse = gate.MinPulse
		b.open(t, g, gate.ErrUnsure)
		b.await(t, gate.NotPassed)
		if n := b.Rises(1); n != 1 {
			t.Errorf("%d openings", n)
		}
	})
}

// A relay that does not go off is told to until it does.
func TestRelayIsDroppedInTheEnd(t *testing.T) {
	bubble(t, wiring(), func(t *testing.T, b *bench) {
		b.open(t, in(1), nil)
		b.Deafen(5, 3)
		b.await(t, gate.NotPassed)
		gatetest.Until(t, "the relay is off", func() bool { return !b.On(1) && !b.State().Relay })
		if b.State().Resent == 0 || b.Counts().Silent < 3 {
			t.Errorf("%+v %+v", b.State(), b.Counts())
		}
	})
}

// One unanswered look is no lost board, some in a row are; so is a board that
// has not these inputs, and an adapter that echoes.
func TestLost(t *testing.T) {
	bubble(t, wiring(), func(t *testing.T, b *bench) {
		before := b.Counts()
		b.Deafen(2, lostAfter-1)
		gatetest.Until(t, "it answers again", func() bool {
			c := b.Counts()
			return c.Silent >= before.Silent+lostAfter-1 && c.Requests > before.Requests+lostAfter+5
		})
		if !b.State().Connected {
			t.Error("lost after four looks")
		}
		b.Deafen(0, 1<<30)
		if e := b.await(t, gate.Lost); e.Grant != 0 {
			t.Errorf("%+v", e)
		}
		if err := b.State().Err; !errors.Is(err, ErrSilent) {
			t.Errorf("state %v", err)
		}
		b.Deafen(0, 0)
		b.await(t, gate.Found)
		for _, c := range []struct {
			harm, heal func()
			want       error
		}{
			{func() { b.Except(2, 2) }, func() { b.Except(2, 0) }, ErrRefused},
			{func() { b.Echo(true) }, func() { b.Echo(false) }, ErrEcho},
			{func() { b.Garble(0, 1<<30) }, func() { b.Garble(0, 0) }, ErrGarbled},
		} {
			c.harm()
			b.await(t, gate.Lost)
			if err := b.State().Err; !errors.Is(err, c.want) {
				t.Errorf("state %v, want %v", err, c.want)
			}
			c.heal()
			b.await(t, gate.Found)
		}
		if s := b.State(); s.Reopened != 4 || s.Garbled == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// With an echo every write looks done. The gate must not believe one.
func TestEchoFromTheStart(t *testing.T) {
	b := newBench(t, wiring())
	b.Echo(true)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Gate.Run(ctx) }()
	gatetest.Until(t, "it says why", func() bool { return errors.Is(b.State().Err, ErrEcho) })
	b.open(t, in(1), gate.ErrLost)
	cancel()
	if err := <-done; err != nil || b.Rises(0) != 0 {
		t.Error(err, b.Rises(0))
	}
}

func TestContacts(t *testing.T) {
	bubble(t, wiring(), func(t *testing.T, b *bench) {
		steps := []struct {
			input int
			on    bool
			want  gate.EventKind
			state func(gate.State) bool
		}{
			{3, true, gate.Fire, func(s gate.State) bool { return s.Fire }},
			{3, false, gate.FireOver, func(s gate.State) bool { return !s.Fire }},
			{4, true, gate.Tamper, func(s gate.State) bool { return s.Tamper }},
			{4, false, gate.TamperOver, func(s gate.State) bool { return !s.Tamper }},
			{6, true, gate.Forced, func(s gate.State) bool { return true }},
			{0, false, gate.Held, func(s gate.State) bool { return s.Held }},
			{6, false, gate.HeldOver, func(s gate.State) bool { return !s.Held }},
		}
		for _, s := range steps {
			if s.input > 0 {
				b.Input(s.input, s.on)
			}
			b.await(t, s.want)
			gatetest.Until(t, "the state says so", func() bool { return s.state(b.State()) })
		}
		b.Input(5, true) // ready opens to say yes
		gatetest.Until(t, "not ready", func() bool { return b.State().Unready })
		b.open(t, in(1), gate.ErrBusy)
		b.Input(5, false)
		gatetest.Until(t, "ready", func() bool { return !b.State().Unready })
		b.open(t, in(1), nil)
		b.Input(3, true)
		if e := b.await(t, gate.NotPassed); e.Grant != 1 || e.Detail != "fire" {
			t.Errorf("%+v", e)
		}
		b.await(t, gate.Fire)
		gatetest.Until(t, "fire drops the relay", func() bool { return !b.On(0) })
		b.open(t, in(2), gate.ErrRefused)
	})
}

// A second person is told from a forced passage, and a bounce from both.
func TestPassages(t *testing.T) {
	bubble(t, wiring(), func(t *testing.T, b *bench) {
		b.open(t, in(1), nil)
		for range 3 {
			b.Input(1, true)
			b.Input(1, false)
		}
		b.pulse(1)
		b.await(t, gate.Passed)
		b.pulse(1)
		if e := b.await(t, gate.Tailgated); e.Grant != 1 {
			t.Errorf("%+v", e)
		}
		b.pulse(2)
		if e := b.await(t, gate.Forced); e.Direction != gate.Out {
			t.Errorf("%+v", e)
		}
	})
}

// What burns, stands open or is pressed when the board is found again.
func TestFoundAsItIs(t *testing.T) {
	b := newBench(t, wiring())
	b.Input(1, true) // a passage contact that hangs is nobody walking
	b.Input(3, true)
	gatetest.Start(t, b.Gate)
	b.await(t, gate.Fire)
	b.line.Unplug()
	b.await(t, gate.Lost)
	b.Input(3, false)
	b.plug(t)
	b.await(t, gate.Found)
	b.await(t, gate.FireOver)
}

// Passages that nobody reads wait, other events are dropped and counted, and
// outcomes have room because Open refuses before there is none. The gate does
// not run: the test is in Run's place.
func TestNobodyReads(t *testing.T) {
	b := newBench(t, wiring())
	g := b.Gate
	g.board = newBoard(g.config, &tape{}, g.count)
	room, on := cap(g.Events()), passage.Debounce{Steady: true}
	walk := func() error { return g.take(&contact{role: walkedIn, Debounce: on}, t0) }
	for range room {
		if err := walk(); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.take(&contact{role: tamper, Debounce: on}, t0); err != nil {
		t.Fatal(err)
	}
	why := func(n uint32) error { return g.front.Refusal(in(n), g.refusal(gate.In)) }
	g.active[ready] = true
	g.refresh()
	if err := why(1); !errors.Is(err, gate.ErrBusy) {
		t.Errorf("why: %v", err)
	}
	waiting := g.front.Offer()
	if waiting == 0 || len(g.Events())+waiting != room || g.State().Dropped != 1 {
		t.Errorf("%d on the channel, %d waiting, %d dropped", len(g.Events()), waiting, g.State().Dropped)
	}
	g.passages.Begin(in(1), t0, t0.Add(time.Second))
	if err := walk(); err != nil || len(g.Events())+waiting != room+1 {
		t.Errorf("the outcome is not on the channel: %v", err)
	}
	for range 2 * waiting {
		<-g.Events()
	}
	if left := g.front.Offer(); left != 0 {
		t.Errorf("%d still wait", left)
	}
	for len(g.Events()) > 0 {
		<-g.Events()
	}
	if err := why(2); err != nil {
		t.Errorf("why: %v", err)
	}
}

// The inputs of each table that boards have them in.
func TestTables(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"discrete":       func(c *Config) { c.Inputs = Discrete },
		"coils":          func(c *Config) { c.Inputs, c.FirstInput = Coils, 8 },
		"holding":        func(c *Config) { c.Inputs = HoldingRegisters },
		"input":          func(c *Config) { c.Inputs = InputRegisters },
		"holding packed": func(c *Config) { c.Inputs, c.Packed, c.FirstInput = HoldingRegisters, true, 100 },
		"input packed":   func(c *Config) { c.Inputs, c.Packed, c.FirstInput = InputRegisters, true, 100 },
	} {
		t.Run(name, func(t *testing.T) {
			c := wiring()
			c.PassedIn, c.PassedOut, c.Fire, c.Tamper, c.Ready, c.Door, c.HeldAfter = "8", "3", "", "", "", "", 0
			change(&c)
			bubble(t, c, func(t *testing.T, b *bench) {
				set := func(n int, on bool) {
					if c.Inputs == Coils {
						b.Relay(8+n, on)
						return
					}
					b.Input(n, on)
				}
				for _, d := range []gate.Direction{gate.In, gate.Out} {
					n := map[gate.Direction]int{gate.In: 8, gate.Out: 3}[d]
					set(n, true)
					if e := b.await(t, gate.Forced); e.Direction != d {
						t.Errorf("%+v, want %v", e, d)
					}
					set(n, false)
				}
			})
		})
	}
}

func TestRegisterValues(t *testing.T) {
	c := wiring()
	c.Inputs, c.PassedOut, c.Fire, c.Tamper, c.Ready, c.Door, c.HeldAfter = HoldingRegisters, "", "", "", "", "", 0
	bubble(t, c, func(t *testing.T, b *bench) {
		b.Value(1, 0x0100) // not 0 in its high byte alone
		b.await(t, gate.Forced)
	})
}
