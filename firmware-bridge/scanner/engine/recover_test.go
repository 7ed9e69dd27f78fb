package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

// An engine on a UART loses its power between two signs of life and answers the
// next at the same rate. It reads by itself again, and no set-up codes.
func TestPowerCutThatNobodySees(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, k := range kinds {
		if k.family == "honeywell" || k.family == "de2120" { // lose nothing
			continue
		}
		tried++
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family}, k.engine())
			b.Scanner.config.Heartbeat = 20 * time.Millisecond
			b.start()
			b.Do(func(p enginetest.Personality) {
				p.Restart()
				if g, ok := p.(*enginetest.GM65); ok {
					g.Flash[0] = 0x01 // it waits for commands
					p.Restart()
				}
			})
			scannertest.Until(t, "it reads", func() bool { b.scan("A CODE"); return b.Stats().Scans > 2 })
			if k.family == "gm65" || k.family == "ssi" {
				scannertest.Until(t, "set-up codes are codes", func() bool {
					before := 0
					b.Do(func(p enginetest.Personality) { before = programmed(p) })
					b.scan(enginetest.SetupCode)
					after := 0
					b.Do(func(p enginetest.Personality) { after = programmed(p) })
					return after == before
				})
			}
			if st := b.Stats(); st.Reopened > 0 || st.Err != nil {
				t.Errorf("the port was opened again: %+v", st)
			}
		})
	}
	if tried < 4 {
		t.Errorf("%d families", tried)
	}
}

func programmed(p enginetest.Personality) int {
	switch e := p.(type) {
	case *enginetest.GM65:
		return e.Programmed
	case *enginetest.SSI:
		return e.Programmed
	}
	return -1
}

// An engine that powers up after this computer is met by auto when it is asked
// again, though plain lines have come from it.
func TestAutoMeetsALateEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: Auto}, enginetest.NewGM65(9600))
	b.Break(enginetest.Faults{Silent: true})
	b.Scanner.config.Heartbeat = 20 * time.Millisecond
	background(t, b.Scanner.Run)
	scannertest.Until(t, "it is asked who it is", func() bool { return b.Heard() > 0 })
	b.scan("BEFORE IT ANSWERS")
	b.read("BEFORE IT ANSWERS")
	scannertest.Until(t, "the fall-back", func() bool { return b.Identity().Family == Line })
	b.Break(enginetest.Faults{})
	scannertest.Until(t, "it is met", func() bool { return b.Identity().Family == "gm65" })
	b.scan("AFTER IT")
	b.read("AFTER IT")
	if st := b.Stats(); st.Reopened != 0 || st.Scans != 2 {
		t.Errorf("%+v", st)
	}
}

// open opens the port of a driver that does not run, until the test ends.
func (b *bench) open() *wire {
	b.t.Helper()
	p, err := serialport.Open(b.Scanner.config.Port)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = p.Close() })
	return &wire{ctx: b.t.Context(), port: p, frames: &b.frames, give: b.give}
}

// Plain lines are read at a rate that nothing has proven, and noise comes: the
// right one is searched.
func TestAutoLeavesAWrongRate(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: Auto, Raise: 57600}, enginetest.NewGM65(57600))
	w := b.open()
	d := newDoubt(time.Hour, time.Now(), b.frames.Stats())
	b.scan("AT ANOTHER RATE")
	scannertest.Until(t, "it is met", func() bool {
		if err := b.lines(w, d); err != nil {
			t.Fatal(err)
		}
		return w.speaks != nil
	})
	if id := b.Identity(); id.Family != "gm65" || id.Baud != 57600 || b.Stats().Noise == 0 {
		t.Errorf("found %+v, %+v", id, b.Stats())
	}
}

// An engine that sends and does not hear is listened to at the rate that it was
// seen to have.
func TestDeafEngineIsHeard(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: "gm65"}, enginetest.NewPlain(115200))
	w := b.open()
	background(t, func(ctx context.Context) error {
		people := time.NewTicker(50 * time.Millisecond)
		defer people.Stop()
		for ; ctx.Err() == nil; <-people.C {
			b.scan("A LONG CODE")
		}
		return nil
	})
	if _, err := b.meet(w, b.Scanner.config.rates()); !errors.Is(err, dialect.ErrSilent) || w.Baud() != 115200 || b.known.baud != 115200 {
		t.Errorf("%v; listened to at %d baud, to be searched at %d first", err, w.Baud(), b.known.baud)
	}
}

// once is an engine of which only the first reply arrives, as one that a visitor
// has printed would.
type once struct {
	*enginetest.GM65
	said bool
}

func (o *once) Hear(b []byte, at time.Time) []enginetest.Reply {
	out := o.GM65.Hear(b, at)
	if o.said {
		return nil
	}
	o.said = len(out) > 0
	return out
}

// Who only said a family's name is read as plain lines, and not waited for.
func TestAutoBelievesNoName(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: Auto}, &once{GM65: enginetest.NewGM65(9600)})
	w := b.open()
	if id, err := b.meet(w, []int{9600}); err != nil || id.Family != Line || b.known.family != "" || b.Heard() == 0 {
		t.Errorf("found %+v, %v; waits for %q", id, err, b.known.family)
	}
}

// deafFirst is an engine whose first reply is lost.
type deafFirst struct {
	*enginetest.GM65
	lost bool
}

func (d *deafFirst) Hear(b []byte, at time.Time) []enginetest.Reply {
	out := d.GM65.Hear(b, at)
	if len(out) > 0 && !d.lost {
		d.lost = true
		return nil
	}
	return out
}

// One lost reply does not cost a search of all rates.
func TestAutoAsksTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: Auto}, &deafFirst{GM65: enginetest.NewGM65(9600)}).start()
	if id := b.Identity(); id.Family != "gm65" {
		t.Errorf("found %+v", id)
	}
}

// What an engine kept while nobody listened is of somebody who has left.
func TestKeptByTheEngine(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: "gm65"}, enginetest.NewGM65(9600))
	w := b.open()
	b.scan("OF SOMEBODY WHO LEFT")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.session(ctx, w.port) }()
	scannertest.Until(t, "it is set up", func() bool { return b.Stats().Connected })
	b.scan("OF WHO STANDS HERE")
	b.read("OF WHO STANDS HERE")
	cancel()
	<-done
}

func TestDoubt(t *testing.T) {
	t0 := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	d := newDoubt(10*time.Second, t0, scanner.Stats{})
	for i, c := range []struct {
		st       scanner.Stats
		proven   bool
		doubtful bool
	}{
		{scanner.Stats{}, false, false},
		{scanner.Stats{Noise: 1}, false, true},
		{scanner.Stats{Noise: 1}, true, false},
		{scanner.Stats{Noise: 3, Oversized: 1}, true, false},
		{scanner.Stats{Noise: 4, Oversized: 1}, true, true},
		{scanner.Stats{Noise: 4, Oversized: 1, Scans: 1}, true, false},
		{scanner.Stats{Noise: 8, Oversized: 1, Scans: 1}, true, false},
		{scanner.Stats{Noise: 9, Oversized: 1, Scans: 1}, true, true},
	} {
		if got := d.garbled(c.st, c.proven); got != c.doubtful {
			t.Errorf("%d: %v", i, got)
		}
	}
	var asked []string
	now := t0
	for range 11 {
		now = now.Add(d.wait)
		if d.due(now.Add(-1)) || !d.due(now) {
			t.Errorf("due early, or not after %v", d.wait)
		}
		asked = append(asked, d.wait.String())
		d.again(now, scanner.Stats{})
	}
	if got := fmt.Sprint(asked); got != "[10s 20s 40s 1m20s 2m40s 5m20s 10m40s 21m20s 42m40s 1h0m0s 1h0m0s]" {
		t.Errorf("asked after %s", got)
	}
}
