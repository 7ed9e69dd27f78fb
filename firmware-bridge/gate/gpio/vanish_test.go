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

// A vanished chip answers every wait at once; only a restart finds it again.
func TestChipGone(t *testing.T) {
	b := newBoard()
	g := mustGate(t, wiring(), b)
	done := make(chan error, 1)
	go func() { done <- g.Run(context.Background()) }()
	gatetest.Await(t, g, gate.Found)
	s := b.switches["PASS_IN"]
	s.mu.Lock()
	s.dead = true
	s.mu.Unlock()
	gatetest.Await(t, g, gate.Lost)
	if err := <-done; !errors.Is(err, ErrChip) {
		t.Errorf("Run: %v, want ErrChip", err)
	}
}

// A chip that goes away while the relay is about to be switched is gone as
// well: Run ends, so that a restart can find the chip again.
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
			done := make(chan error, 1)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go func() { done <- g.Run(ctx) }()
			gatetest.Await(t, g, gate.Found)
			if err := act(g, b); err != nil && !errors.Is(err, gate.ErrUnsure) {
				t.Errorf("%s: Open: %v", what, err)
			}
			if e := gatetest.Await(t, g, gate.Lost); e.Grant != 1 {
				t.Errorf("%s: Lost: %+v", what, e)
			}
			select {
			case err := <-done:
				if !errors.Is(err, ErrChip) || !errors.Is(g.State().Err, ErrChip) {
					t.Errorf("%s: Run: %v, state %v, want ErrChip", what, err, g.State().Err)
				}
			case <-time.After(time.Minute):
				t.Errorf("%s: Run goes on without a chip: %v", what, g.State().Err)
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
			done := make(chan error, 1)
			go func() { done <- g.Run(context.Background()) }()
			gatetest.Await(t, g, gate.Found)
			b.vanish()
			if err := <-done; !errors.Is(err, ErrChip) {
				t.Errorf("Run: %v, want ErrChip", err)
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
