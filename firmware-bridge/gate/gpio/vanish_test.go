package gpio

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gatetest"
)

// vanish takes the chip away as a pulled USB module does: whatever can fail
// says ENODEV, and Read says Low, slowly, because gpioioctl logs each time.
func (b *board) vanish() {
	for _, r := range b.relays {
		r.gone.Store(true)
	}
	for _, s := range b.switches {
		s.mu.Lock()
		s.dead = true
		s.mu.Unlock()
	}
}

// back brings the chip back.
func (b *board) back() {
	for _, r := range b.relays {
		r.gone.Store(false)
	}
	for _, s := range b.switches {
		s.mu.Lock()
		s.dead = false
		s.mu.Unlock()
	}
}

// A vanished chip answers every wait at once; when it is back the gate is too.
func TestChipGone(t *testing.T) {
	b := newBoard()
	g := mustGate(t, wiring(), b)
	stop := run(g)
	gatetest.Await(t, g, gate.Found)
	s := b.switches["PASS_IN"]
	s.mu.Lock()
	s.dead = true
	s.mu.Unlock()
	gatetest.Await(t, g, gate.Lost)
	if err := g.State().Err; !errors.Is(err, ErrChip) {
		t.Errorf("state: %v, want ErrChip", err)
	}
	b.back()
	gatetest.Await(t, g, gate.Found)
	if n := g.State().Reopened; n != 1 {
		t.Errorf("reopened %d times", n)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A chip that goes away while the relay is about to be switched is gone as
// well: the grant is lost, and the gate opens again when the chip is back.
func TestChipGoneUnderRelay(t *testing.T) {
	for what, act := range map[string]func(g *Gate, b *board) error{
		"on": func(g *Gate, b *board) error {
			b.vanish()
			return g.Open(context.Background(), in(1))
		},
		"off": func(g *Gate, b *board) error {
			err := g.Open(context.Background(), gate.Grant{Number: 1, Direction: gate.In, Pulse: gate.MinPulse})
			<-time.After(gate.MinPulse - time.Millisecond)
			b.vanish()
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBoard()
			g := mustGate(t, wiring(), b)
			stop := run(g)
			gatetest.Await(t, g, gate.Found)
			if err := act(g, b); err != nil && !errors.Is(err, gate.ErrUnsure) {
				t.Errorf("%s: Open: %v", what, err)
			}
			if e := gatetest.Await(t, g, gate.Lost); e.Grant != 1 {
				t.Errorf("%s: Lost: %+v", what, e)
			}
			<-time.After(10 * retry) // many attempts, and not one more event
			if err := g.Open(context.Background(), in(2)); !errors.Is(err, gate.ErrLost) || !errors.Is(g.State().Err, ErrChip) {
				t.Errorf("%s: Open: %v, state %v", what, err, g.State().Err)
			}
			b.back()
			gatetest.Await(t, g, gate.Found)
			if err := g.Open(context.Background(), in(2)); err != nil {
				t.Errorf("%s: Open: %v", what, err)
			}
			gatetest.Await(t, g, gate.NotPassed)
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A chip that goes away is no passage and no fire, whatever Read says.
func TestChipGoneIsNoPassage(t *testing.T) {
	for _, low := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			b := newBoard()
			c := wiring()
			c.ActiveLow = low
			for _, s := range b.switches {
				s.set(gpio.Level(low), true)
			}
			g := mustGate(t, c, b)
			stop := run(g)
			gatetest.Await(t, g, gate.Found)
			b.vanish()
			<-time.After(10 * retry)
			if err := stop(); err != nil {
				t.Error(err)
			}
			var kinds []gate.EventKind
			for e := range g.Events() {
				kinds = append(kinds, e.Kind)
			}
			if !slices.Equal(kinds, []gate.EventKind{gate.Lost}) {
				t.Errorf("active low %t: %v, want Lost alone", low, kinds)
			}
		})
	}
}

// The end of Run does not lengthen a pulse, though a contact is being waited for.
func TestStopDropsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		g := mustGate(t, wiring(), b)
		stop := run(g)
		gatetest.Await(t, g, gate.Found)
		if err := g.Open(context.Background(), in(1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Millisecond) // in a bubble: exactly
		if err := stop(); err != nil {
			t.Error(err)
		}
		r := b.relays["RELAY_IN"]
		r.see(func() {
			if r.rises != 1 || r.longer != 10*time.Millisecond || r.level || r.closed != 1 {
				t.Errorf("rises %d, on for %v, level %v, closed %d", r.rises, r.longer, r.level, r.closed)
			}
		})
	})
}

// gpioioctl hands over texts; these are its own, seen on a kernel.
func TestErrno(t *testing.T) {
	for text, want := range map[string]error{
		"GPIOLine.Out(): line_request ioctl: no such device": unix.ENODEV,
		"line_request ioctl: device or resource busy":        unix.EBUSY,
		"no such device": unix.ENODEV,
	} {
		if got := errno(errors.New(text)); !errors.Is(got, want) || got.Error() != text {
			t.Errorf("%q: %v", text, got)
		}
	}
	plain := errors.New("inappropriate ioctl for device")
	if errno(plain) != plain || errno(nil) != nil {
		t.Error("an error without a number changed")
	}
}

// A line's errors say what to do next, and keep what they wrap.
func TestExplain(t *testing.T) {
	for _, err := range []error{unix.EBUSY, unix.EIO, ErrChip, nil} {
		if got := explain(err); !errors.Is(got, err) || errors.Is(got, ErrChip) != (err == ErrChip) {
			t.Errorf("%v: %v", err, got)
		}
	}
	if got := explain(unix.ENODEV); !errors.Is(got, ErrChip) || !errors.Is(got, unix.ENODEV) {
		t.Errorf("%v", got)
	}
}
