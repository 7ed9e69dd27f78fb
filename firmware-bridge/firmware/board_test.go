package firmware

import (
	"math/rand/v2"
	"testing"
	"time"

	"turnstile/firmware-bridge/firmware/board"
	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/serialport"
)

// host is the other end of a board's line, a frame at a time. It is for one goroutine.
type host struct {
	t       testing.TB
	port    *serialport.Port
	dec     frame.Decoder
	seq     uint8
	waiting []frame.Message
}

// connect opens b's line and greets.
func connect(t testing.TB, b *board.Board) *host {
	t.Helper()
	p, err := serialport.Open(serialport.Config{Path: b.Link(), Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	h := &host{t: t, port: p}
	h.greet()
	return h
}

// greet says HELLO until it is answered.
func (h *host) greet() frame.Welcome {
	h.t.Helper()
	for end := time.Now().Add(gatetest.Patience); time.Now().Before(end); {
		h.say(frame.Hello{Session: 99})
		if w, ok := next(h, 250*time.Millisecond, func(w frame.Welcome) bool { return w.Session == 99 }); ok {
			return w
		}
	}
	h.t.Fatal("no WELCOME")
	return frame.Welcome{}
}

// raw puts bytes on the line.
func (h *host) raw(b []byte) {
	h.t.Helper()
	if _, err := h.port.Write(b); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) say(m frame.Message) {
	h.t.Helper()
	h.seq++
	h.raw(frame.Encode(nil, h.seq, m))
}

// next returns the next message of type M that is wanted, and throws away what comes before.
func next[M frame.Message](h *host, patience time.Duration, wanted func(M) bool) (found M, ok bool) {
	h.t.Helper()
	b := make([]byte, 512)
	for end := time.Now().Add(patience); ; {
		for len(h.waiting) > 0 {
			m := h.waiting[0]
			h.waiting = h.waiting[1:]
			if is, right := m.(M); right && wanted(is) {
				return is, true
			}
		}
		left := time.Until(end)
		if left <= 0 {
			return found, false
		}
		n, err := h.port.Read(b, min(left, 50*time.Millisecond))
		if err != nil {
			h.t.Fatal(err)
		}
		h.dec.Feed(b[:n], func(f frame.Frame) {
			if m, err := frame.Read(f); err == nil {
				h.waiting = append(h.waiting, m)
			}
		})
	}
}

// must is next that fails the test.
func must[M frame.Message](h *host, wanted func(M) bool) M {
	h.t.Helper()
	m, ok := next(h, gatetest.Patience, wanted)
	if !ok {
		h.t.Fatalf("no %T came", m)
	}
	return m
}

func anyOf[M frame.Message](M) bool { return true }

// open asks for an opening and returns the answer.
func (h *host) open(o frame.Open) frame.Code {
	h.t.Helper()
	h.say(o)
	return must(h, func(a frame.Answer) bool { return a.Number == o.Number }).Code
}

// Both relays, their length, and how long an order takes to the pin.
func TestPulse(t *testing.T) {
	t.Parallel()
	b := power(t, board.Product, board.Config{})
	h := connect(t, b)
	number := uint32(0)
	for _, c := range []struct {
		pin  board.Output
		o    frame.Open
		want time.Duration
	}{
		{board.RelayIn, frame.Open{Direction: 1, Pulse: 200}, 200 * time.Millisecond},
		{board.RelayOut, frame.Open{Direction: 2, Pulse: 100}, 100 * time.Millisecond},
		{board.RelayIn, frame.Open{Direction: 1, Pulse: 1}, 50 * time.Millisecond},
		{board.RelayIn, frame.Open{Direction: 1, Pulse: 65535}, time.Second},
	} {
		before := len(b.Changes(c.pin))
		number++
		c.o.Number, c.o.Window = number, 15000
		began := time.Now()
		if code := h.open(c.o); code != frame.Opened {
			t.Fatalf("%+v: %v", c.o, code)
		}
		on, off := b.Await(t, c.pin, before+1), b.Await(t, c.pin, before+2)
		if !on.High || off.High {
			t.Fatalf("%+v: the pin went %v, then %v", c.o, on, off)
		}
		t.Logf("asked for %d ms: the pin after %v, for %v", c.o.Pulse, on.At.Sub(began).Round(time.Microsecond), off.At.Sub(on.At).Round(time.Microsecond))
		if length := off.At.Sub(began); length < c.want*8/10 { // from the order: of the beginning a busy machine may hear late
			t.Errorf("%+v: on for less than %v, want %v", c.o, length, c.want)
		}
		// By the board's own clock, which a busy machine does not stretch, it ends before the cap would end it.
		up := must(h, func(s frame.State) bool { return s.LastGrant == number && s.Flags&frame.Relay != 0 }).Uptime
		down := must(h, func(s frame.State) bool { return s.Flags&frame.Relay == 0 }).Uptime
		if length := time.Duration(down-up) * time.Millisecond; length > c.want+100*time.Millisecond {
			t.Errorf("%+v: on for %v of the board's time, want %v", c.o, length, c.want)
		}
		h.say(frame.Lock{})
		must(h, func(s frame.State) bool { return s.Grant == 0 })
		for e := must(h, anyOf[frame.Event]); ; e = must(h, anyOf[frame.Event]) {
			h.say(frame.Seen{Event: e.Number})
			if e.Grant == number {
				break
			}
		}
	}
	if n := b.Raises(board.RelayIn) + b.Raises(board.RelayOut); n != 4 {
		t.Errorf("the relays went on %d times, want 4", n)
	}
}

// Two boards never have the same boot number, and each answers an update with its reason.
func TestBootAndUpdate(t *testing.T) {
	t.Parallel()
	boots := map[uint32]bool{}
	for range 3 {
		h := connect(t, power(t, board.Product, board.Config{}))
		w := h.greet()
		boots[w.Boot] = true
		if w.Model != "lane lm3s6965" || w.MaxPulse != 1000 || w.Capabilities != 0x0FFF {
			t.Errorf("%+v", w)
		}
		h.say(frame.Update{Number: 7, Firmware: [3]uint8{2, 0, 0}, Size: 7000})
		if r := must(h, anyOf[frame.Reply]); r != (frame.Reply{To: frame.TypeUpdate, Number: 7, Code: frame.NoSecondBank}) {
			t.Errorf("%+v", r)
		}
	}
	if len(boots) != 3 || boots[0] {
		t.Errorf("boot numbers %v", boots)
	}
}

// The inputs are what they are called, and coil and contact are two facts.
func TestInputs(t *testing.T) {
	t.Parallel()
	b := power(t, board.Product, board.Config{Jammed: true})
	h := connect(t, b)
	event := func(kind frame.Kind) frame.Event {
		t.Helper()
		e := must(h, func(e frame.Event) bool { return e.Kind == kind })
		h.say(frame.Seen{Event: e.Number})
		return e
	}
	state := func(set, clear frame.Flags) {
		t.Helper()
		for end := time.Now().Add(gatetest.Patience); ; {
			h.say(frame.Beat{})
			s := must(h, anyOf[frame.State])
			if s.Flags&set == set && s.Flags&clear == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("flags %b, want %b and not %b", s.Flags, set, clear)
			}
		}
	}
	b.Set(board.Tamper, true)
	event(frame.Tamper)
	b.Set(board.Tamper, false)
	event(frame.TamperOver)
	if code := h.open(frame.Open{Number: 1, Direction: 2, Pulse: 1000, Window: 15000}); code != frame.Opened {
		t.Fatal(code)
	}
	state(frame.Relay|frame.Passing, frame.Contact) // a coil that is on, and a lock that stays shut
	event(frame.Fault)
	b.Set(board.Contact, false)
	state(frame.Contact, 0)
	b.Set(board.Fire, true)
	if e := event(frame.NotPassed); e.Grant != 1 {
		t.Errorf("%+v", e)
	}
	event(frame.Fire)
	state(frame.FireOn, frame.Relay|frame.Passing)
	if b.High(board.RelayOut) {
		t.Error("the relay is on in a fire")
	}
	if code := h.open(frame.Open{Number: 2, Direction: 1}); code != frame.OnFire {
		t.Error(code)
	}
	b.Set(board.Fire, false)
	event(frame.FireOver)
	b.Set(board.Contact, true)
	b.Walk(board.PassOut)
	if e := event(frame.Forced); e.Direction != 2 {
		t.Errorf("%+v", e)
	}
	if !b.High(board.Blue) || b.High(board.Red) {
		t.Error("a controller that is idle is not blue")
	}
	h.say(frame.Signal{Number: 1, Pattern: 3})
	b.Await(t, board.Red, len(b.Changes(board.Red))+1)
	b.Await(t, board.Buzzer, 4) // two tones
}

// The image answers a script of frames as the core does on this machine: same
// answers and events, same relay.
func TestImageAnswersAsCore(t *testing.T) {
	t.Parallel()
	b := power(t, board.Product, board.Config{})
	h := connect(t, b)
	core := board.StartCore(t)
	core.Do(t, "start 7 0 0 0 4095")
	core.Do(t, "step 1 0 0 0 %x", frame.Encode(nil, 1, frame.Hello{Session: 99}))
	random := rand.New(rand.NewPCG(8, 3))
	events, late, answers, opened := uint32(0), uint32(0), 0, 0
	for now := 2; now < 400; now++ {
		m := script(random, now)
		wire := frame.Encode(nil, uint8(now), m)
		h.raw(wire)
		for _, want := range said(t, core.Do(t, "step %d 0 0 0 %x", now, wire)) {
			switch want := want.(type) {
			case frame.Answer:
				answers++
				if got := must(h, anyOf[frame.Answer]); got != want {
					t.Fatalf("%+v: the image says %+v, the core %+v", m, got, want)
				}
				if want.Code == frame.Opened {
					opened++
				}
			case frame.Reply:
				answers++
				if got := must(h, anyOf[frame.Reply]); got != want {
					t.Fatalf("%+v: the image says %+v, the core %+v", m, got, want)
				}
			case frame.Event:
				events++
				got := must(h, func(e frame.Event) bool { return e.Number == events+late })
				for got.Kind == frame.Fault && want.Kind != frame.Fault { // this process moves the lock, and a busy machine is late
					h.raw(frame.Encode(nil, 0, frame.Seen{Event: got.Number}))
					late++
					got = must(h, func(e frame.Event) bool { return e.Number == events+late })
				}
				if got.Kind != want.Kind || got.Grant != want.Grant || got.Direction != want.Direction {
					t.Fatalf("%+v: the image says %+v, the core %+v", m, got, want)
				}
				h.raw(frame.Encode(nil, 0, frame.Seen{Event: got.Number}))
				core.Do(t, "step %d 0 0 0 %x", now, frame.Encode(nil, 0, frame.Seen{Event: events}))
			}
		}
	}
	if used := b.Stack(); used == 0 || used > board.StackSize/2 {
		t.Errorf("%d of %d bytes of stack were used, want half at most", used, board.StackSize)
	}
	if raised := b.Raises(board.RelayIn) + b.Raises(board.RelayOut); raised != opened || opened < 20 || answers < 150 || events < 20 {
		t.Errorf("the relays went on %d times for %d openings; %d answers and %d events compared", raised, opened, answers, events)
	}
}

// script is a frame whose answer does not depend on how long anything takes.
func script(random *rand.Rand, turn int) frame.Message {
	switch random.IntN(6) {
	case 0:
		return frame.Hello{Session: 99}
	case 1, 2:
		return frame.Lock{}
	case 3:
		return frame.Update{Number: uint8(random.Uint32())}
	}
	number := 1<<32 - 200 + turn + random.IntN(7) // mostly rising, and over the wrap
	return frame.Open{Number: uint32(number), Direction: uint8(random.IntN(4)), Pulse: 1000, Window: 15000}
}
