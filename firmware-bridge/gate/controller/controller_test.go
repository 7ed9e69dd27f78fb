package controller

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
	"turnstile/firmware-bridge/serialport"
)

// peer is a controller that does what a test scripts, right or wrong. (The one
// that keeps to FORMAT.md is simulator/device, which runs the whole suite.)
type peer struct {
	line   *wire
	opens  chan frame.Open
	answer func(frame.Open) []frame.Message // what to send for an OPEN
	stop   func()                           // ends the driver

	mu   sync.Mutex // guards the following
	seq  uint8
	boot uint32
	mute bool // answers nothing at all
	echo bool // sends back what it hears, and nothing else
	can  frame.Capabilities
	seen []uint32
	sigs []frame.Signal
	// cards are the CARD OUT frames so far; none is answered.
	cards []frame.CardOut
	beats int
	taken []frame.CardSeen
}

// wire is a serial line in memory, for the exact time of a bubble. Over a true one
// simulator/device and the firmware talk.
type wire struct {
	in, out chan []byte // of the driver
	rest    []byte      // of what came in; owned by the driver
}

func (w *wire) Write(b []byte) (int, error) {
	w.out <- slices.Clone(b)
	return len(b), nil
}

func (w *wire) Read(b []byte, wait time.Duration) (int, error) {
	if len(w.rest) == 0 {
		select {
		case w.rest = <-w.in:
		case <-time.After(wait):
		}
	}
	n := copy(b, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// inMemory is a Gate that runs on such a line.
type inMemory struct {
	*Gate
	line *wire
}

func (g inMemory) Run(ctx context.Context) error {
	return g.run(func() error { return g.session(ctx, g.line) })
}

// connect runs a driver against a peer until the test ends, which is in a bubble.
func connect(t *testing.T, answer func(frame.Open) []frame.Message) (*Gate, *peer) {
	t.Helper()
	g, err := New(serialport.Config{Path: "memory", Baud: 115200})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{in: make(chan []byte, 1000), out: make(chan []byte, 1000)}
	p := &peer{line: w, opens: make(chan frame.Open, 100), answer: answer, boot: 1}
	done := make(chan struct{})
	go func() { defer close(done); p.listen() }()
	t.Cleanup(func() { close(w.out); <-done })
	p.stop = gatetest.Start(t, inMemory{g, w})
	return g, p
}

func (p *peer) listen() {
	var dec frame.Decoder
	for b := range p.line.out {
		p.mu.Lock()
		echo := p.echo
		p.mu.Unlock()
		if echo {
			p.line.in <- b
			continue
		}
		dec.Feed(b, func(f frame.Frame) {
			if m, err := frame.Read(f); err == nil {
				p.take(m)
			}
		})
	}
}

func (p *peer) take(m frame.Message) {
	p.mu.Lock()
	mute, boot, can := p.mute, p.boot, p.can
	p.mu.Unlock()
	if mute {
		return
	}
	switch m := m.(type) {
	case frame.Hello:
		p.send(frame.Welcome{Session: m.Session, Boot: boot, Model: "peer", LastGrant: 10, Capabilities: can})
	case frame.CardSeen:
		p.mu.Lock()
		p.taken = append(p.taken, m)
		p.mu.Unlock()
	case frame.Beat:
		p.mu.Lock()
		p.beats++
		p.mu.Unlock()
		p.send(frame.State{Flags: frame.Attended})
	case frame.Open:
		p.opens <- m
		p.send(p.answer(m)...)
	case frame.Seen:
		p.mu.Lock()
		p.seen = append(p.seen, m.Event)
		p.mu.Unlock()
	case frame.CardOut:
		p.mu.Lock()
		p.cards = append(p.cards, m)
		p.mu.Unlock()
	case frame.Signal:
		p.mu.Lock()
		p.sigs = append(p.sigs, m)
		p.mu.Unlock()
	}
}

func (p *peer) send(all ...frame.Message) {
	for _, m := range all {
		p.mu.Lock()
		p.seq++
		p.line.in <- frame.Encode(nil, p.seq, m)
		p.mu.Unlock()
	}
}

func (p *peer) setMute(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = on
}

func open(g gate.Gate, n uint32) error {
	return g.Open(context.Background(), gate.Grant{Number: n, Direction: gate.In, Window: gate.MinWindow})
}

func silentPeer(frame.Open) []frame.Message { return nil }

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var code atomic.Uint32
		g, _ := connect(t, func(o frame.Open) []frame.Message {
			return []frame.Message{frame.Answer{Number: o.Number, Code: frame.Code(code.Load())}}
		})
		for _, c := range []struct {
			code frame.Code
			want error
		}{
			{frame.StillBusy, gate.ErrBusy}, {frame.EventsFull, gate.ErrBusy}, {frame.OldNumber, gate.ErrRepeated},
			{frame.BadGrant, gate.ErrRefused}, {frame.OnFire, gate.ErrRefused}, {frame.NoSuchWay, gate.ErrRefused}, {99, gate.ErrRefused},
		} {
			code.Store(uint32(c.code))
			if err := open(g, 11); !errors.Is(err, c.want) || errors.Is(err, gate.ErrUnsure) {
				t.Errorf("%v: %v, want %v", c.code, err, c.want)
			}
			if s := g.State(); s.LastGrant != 10 || s.Busy != 0 {
				t.Errorf("%v: a refused number counts as used: %+v", c.code, s)
			}
		}
	})
}

// A controller that forgot the session gets HELLO again, and the grant is lost.
func TestNoHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := connect(t, func(o frame.Open) []frame.Message {
			return []frame.Message{frame.Answer{Number: o.Number, Code: frame.NoHello}}
		})
		if err := open(g, 11); !errors.Is(err, gate.ErrUnsure) {
			t.Errorf("Open: %v", err)
		}
		if e := gatetest.Await(t, g, gate.Lost); e.Grant != 11 {
			t.Errorf("Lost: %+v", e)
		}
		gatetest.Await(t, g, gate.Found)
	})
}

// Without an answer OPEN is repeated under its number; then the grant is unsure
// and the driver's own timer ends it.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connect(t, silentPeer)
		if err := open(g, 11); !errors.Is(err, gate.ErrUnsure) {
			t.Errorf("Open: %v", err)
		}
		if err := open(g, 12); !errors.Is(err, gate.ErrBusy) {
			t.Errorf("Open while one is unsure: %v", err)
		}
		if e := gatetest.Await(t, g, gate.NotPassed); e.Grant != 11 {
			t.Errorf("NotPassed: %+v", e)
		}
		if n := len(p.opens); n != openTries {
			t.Errorf("%d OPEN frames, want %d", n, openTries)
		}
		for range openTries {
			if o := <-p.opens; o.Number != 11 {
				t.Errorf("OPEN of %d", o.Number)
			}
		}
		if err := open(g, 11); !errors.Is(err, gate.ErrRepeated) {
			t.Errorf("an unsure number is free: %v", err)
		}
	})
}

// An event with the number is as good as the answer, and a repeated event is
// acknowledged and not delivered again.
func TestLostAnswerAndRepeatedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passed := frame.Event{Number: 1, Kind: frame.Passed, Direction: 1, Grant: 11, Age: 1000}
		g, p := connect(t, func(frame.Open) []frame.Message { return []frame.Message{passed, passed, passed} })
		if err := open(g, 11); err != nil {
			t.Errorf("Open: %v", err)
		}
		e := gatetest.Await(t, g, gate.Passed)
		if age := time.Since(e.At); age < time.Second {
			t.Errorf("happened %v ago, the controller said 1 s", age)
		}
		p.send(frame.Event{Number: 2, Kind: frame.Forced}, frame.Event{Number: 3, Kind: 77}, frame.Event{Number: 4, Kind: frame.NotPassed, Grant: 11},
			frame.Event{Number: 5, Kind: frame.Passed, Grant: 7}, frame.Event{Number: 6, Kind: frame.Fault})
		gatetest.Await(t, g, gate.Forced)
		gatetest.Await(t, g, gate.Fault) // of an unknown kind
		if e := gatetest.Await(t, g, gate.Fault); e.Grant != 11 {
			t.Errorf("late outcome: %+v", e)
		}
		if e := gatetest.Await(t, g, gate.Passed); e.Grant != 7 { // of an earlier process
			t.Errorf("foreign outcome: %+v", e)
		}
		gatetest.Await(t, g, gate.Fault)
		gatetest.Until(t, "all events are acknowledged", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.seen) == 8 && p.seen[0] == 1 && p.seen[2] == 1 && p.seen[7] == 6
		})
	})
}

// An Open whose context ends after the request left is unsure, is not repeated,
// and has its outcome.
func TestContextEndsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		g, p := connect(t, func(frame.Open) []frame.Message { cancel(); return nil })
		err := g.Open(ctx, gate.Grant{Number: 11, Direction: gate.In})
		if !errors.Is(err, gate.ErrUnsure) || !errors.Is(err, context.Canceled) {
			t.Errorf("Open: %v", err)
		}
		p.send(frame.Answer{Number: 11, Code: frame.StillBusy}) // so nobody could walk
		if e := gatetest.Await(t, g, gate.NotPassed); e.Grant != 11 {
			t.Errorf("NotPassed: %+v", e)
		}
		if n := len(p.opens); n != 1 {
			t.Errorf("%d OPEN frames, want 1", n)
		}
	})
}

func TestSilentController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connect(t, silentPeer)
		p.setMute(true)
		gatetest.Await(t, g, gate.Lost)
		if s := g.State(); s.Connected || !errors.Is(s.Err, ErrSilent) {
			t.Errorf("state %+v", s)
		}
		p.setMute(false)
		gatetest.Await(t, g, gate.Found)
	})
}

// Each signal goes out three times under one number, and anew to a restarted controller.
func TestSignalsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, p := connect(t, silentPeer)
		of := func(pattern gate.Signal) (same []frame.Signal) {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, s := range p.sigs {
				if s.Pattern == uint8(pattern) {
					same = append(same, s)
				}
			}
			return same
		}
		g.Show(gate.Guard, 0)
		gatetest.Until(t, "sent three times", func() bool { return len(of(gate.Guard)) == signalTries })
		for _, s := range of(gate.Guard) {
			if s.Number != of(gate.Guard)[0].Number || s.Duration != 0 {
				t.Errorf("signal %+v", s)
			}
		}
		p.mu.Lock()
		p.boot = 2
		p.mu.Unlock()
		p.send(frame.Welcome{Boot: 2})
		gatetest.Await(t, g, gate.Lost)
		gatetest.Await(t, g, gate.Found)
		gatetest.Until(t, "sent to the new controller", func() bool { return len(of(gate.Guard)) == 2*signalTries })
		g.Show(gate.Denied, 1500*time.Millisecond)
		gatetest.Until(t, "denied", func() bool { return len(of(gate.Denied)) > 0 })
		if d := of(gate.Denied)[0].Duration; d == 0 || d > 15 {
			t.Errorf("duration %d, want at most 15", d)
		}
	})
}

// The numbers of the wire are those of the contract.
func TestKinds(t *testing.T) {
	for wire, kind := range map[frame.Kind]gate.EventKind{
		frame.Passed: gate.Passed, frame.NotPassed: gate.NotPassed, frame.Forced: gate.Forced, frame.Tailgated: gate.Tailgated,
		frame.Fire: gate.Fire, frame.FireOver: gate.FireOver, frame.Tamper: gate.Tamper, frame.TamperOver: gate.TamperOver, frame.Fault: gate.Fault,
	} {
		if int(wire) != int(kind) {
			t.Errorf("%v is %d on the wire and %d in the contract", kind, wire, kind)
		}
	}
}
