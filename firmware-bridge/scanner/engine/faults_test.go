package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

// No family's probes mean anything to another family's engine: nothing is
// answered, and it works as before.
func TestProbesAreHarmless(t *testing.T) {
	tried := 0
	for _, f := range families {
		var r recorder
		_, _ = f.new().Identify(&r) // nobody answers
		if len(r.asked) == 0 {
			t.Fatalf("%s asks nothing", f.name)
		}
		for _, k := range kinds {
			if k.family == f.name {
				continue
			}
			engine, fresh := k.engine(), k.engine()
			at := time.Now()
			for _, request := range r.asked {
				at = at.Add(300 * time.Millisecond)
				engine.Hear(nil, at)
				if got := engine.Hear(request, at); len(got) > 0 {
					t.Errorf("%s answers to %s's % X with %+v", k.family, f.name, request, got)
				}
				tried++
			}
			at = at.Add(300 * time.Millisecond)
			engine.Hear(nil, at)
			own := probe(familyOf(k.family))
			if got, want := engine.Hear(own, at), fresh.Hear(own, at); fmt.Sprint(got) != fmt.Sprint(want) || len(got) == 0 {
				t.Errorf("%s after %s's probes answers %v, else %v", k.family, f.name, got, want)
			}
			if got, want := engine.Read("CODE"), fresh.Read("CODE"); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s after %s's probes reads %v, else %v", k.family, f.name, got, want)
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d probes tried", tried)
	}
}

func familyOf(name string) dialect.Dialect {
	i := slices.IndexFunc(families, func(f family) bool { return f.name == name })
	return families[i].new()
}

// Scans that arrive while the engine is identified and set up are all delivered.
func TestNoScanLostDuringSetUp(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}}, k.engine())
			b.Break(enginetest.Faults{Slow: 30 * time.Millisecond})
			background(t, b.Scanner.Run)
			scannertest.Until(t, "it is asked who it is", func() bool { return b.Heard() > 0 })
			sent := 0
			for ; sent < 12 && !b.Stats().Connected; sent++ {
				want := fmt.Sprintf("PASS NUMBER %04d", sent)
				if err := b.Send([]byte(want + "\r\n")); err != nil {
					t.Fatal(err)
				}
				b.read(want)
			}
			if sent == 0 {
				t.Fatal("no scan was sent during set-up")
			}
			scannertest.Until(t, "the engine is set up", func() bool { return b.Stats().Connected })
			if n := b.Stats().Scans; n != uint64(sent) {
				t.Errorf("%d scans of %d", n, sent)
			}
		})
	}
}

// An engine that refuses every setting is used as it is, and the installer told.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			engine := k.engine()
			switch e := engine.(type) {
			case *enginetest.GM65:
				e.Refusing = true
			case *enginetest.Newland:
				e.Refusing = true
			case *enginetest.Honeywell:
				e.Refusing = true
			case *enginetest.SSI:
				e.Refusing = true
			case *enginetest.DE2120:
				e.Refusing = true
			}
			b := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}, Raise: 38400, QROnly: true, Permanent: true}, engine).start()
			if id := b.Identity(); id.Baud != k.baud || !b.warned("scan the maker's code") {
				t.Errorf("found %+v", id)
			}
			if err := b.Send([]byte("A CODE\r\n")); err != nil {
				t.Fatal(err)
			}
			b.read("A CODE")
		})
	}
}

// Without Permanent nothing is written to flash, however often the port is opened;
// with it the settings outlive the power.
func TestFlash(t *testing.T) {
	t.Parallel()
	writes := func(b *bench) (n int) {
		b.Do(func(p enginetest.Personality) {
			switch e := p.(type) {
			case *enginetest.GM65:
				n = e.Saved
			case *enginetest.Newland:
				n = e.Writes
			case *enginetest.Honeywell:
				n = e.Writes
			case *enginetest.DE2120:
				n = e.Writes
			case *enginetest.SSI:
				n = int(e.Flash[0xEE])
			}
		})
		return n
	}
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}}, k.engine()).start()
			b.Unplug()
			scannertest.Until(t, "the loss is seen", func() bool { return !b.Stats().Connected })
			b.plug()
			scannertest.Until(t, "it is back", func() bool { return b.Stats().Connected })
			if n := writes(b); n != 0 {
				t.Errorf("%d writes to flash", n)
			}
			p := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}, Permanent: true}, k.engine()).start()
			if n := writes(p); n == 0 && k.family != "m3y" {
				t.Error("nothing was made permanent")
			}
		})
	}
}

// The plug is pulled at each step of the set-up: the engine is found again and
// is never left at a rate that the driver does not know.
func TestUnplugDuringSetUp(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 8; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: "gm65", Raise: 115200}, enginetest.NewGM65(9600))
			b.Break(enginetest.Faults{UnplugAfter: at})
			background(t, b.Scanner.Run)
			scannertest.Until(t, "the plug is out", func() bool { return b.Stats().Err != nil })
			b.Break(enginetest.Faults{})
			b.plug()
			scannertest.Until(t, "it is set up", func() bool { return b.Stats().Connected })
			b.Do(func(p enginetest.Personality) {
				if p.Baud() != 115200 {
					t.Errorf("the engine is at %d baud", p.Baud())
				}
			})
			b.scan("A CODE")
			b.read("A CODE")
		})
	}
}

// Half replies, babble before replies and slow replies: set up or said to be
// silent, and well again when the engine is.
func TestBadReplies(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]enginetest.Faults{
		"half":   {Half: true},
		"silent": {Silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: "gm65"}, enginetest.NewGM65(9600))
			b.Break(f)
			background(t, b.Scanner.Run)
			scannertest.Until(t, "it is asked who it is", func() bool { return b.Heard() > 0 })
			scannertest.Until(t, "its silence is said", func() bool { return errors.Is(b.Stats().Err, dialect.ErrSilent) })
			if text := b.Stats().Err.Error(); !strings.Contains(text, "receive line") {
				t.Errorf("no next step in %q", text)
			}
			b.Break(enginetest.Faults{})
			scannertest.Until(t, "it is well", func() bool { return b.Stats().Connected && b.Stats().Err == nil })
			b.scan("A CODE")
			b.read("A CODE")
		})
	}
	for name, f := range map[string]enginetest.Faults{
		"babble": {Babble: []byte("\x00\x02\xff}garb\x02\x00")},
		"slow":   {Slow: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: "gm65"}, enginetest.NewGM65(9600))
			b.Break(f)
			b.start().scan("A CODE")
			b.read("A CODE")
			if id := b.Identity(); id.Firmware != "software 87" {
				t.Errorf("found %+v", id)
			}
		})
	}
}

// An engine that falls silent is missed after three signs of life, and found
// again.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: "gm65"}, enginetest.NewGM65(9600))
	b.Scanner.config.Heartbeat = 20 * time.Millisecond
	b.start()
	heard := b.Heard()
	scannertest.Until(t, "three signs of life", func() bool { return b.Heard() >= heard+3*9 })
	if st := b.Stats(); !st.Connected || st.Noise > 0 || st.Scans > 0 {
		t.Fatalf("signs of life count as something: %+v", st)
	}
	b.Break(enginetest.Faults{Silent: true})
	scannertest.Until(t, "it is missed", func() bool { return errors.Is(b.Stats().Err, dialect.ErrSilent) })
	b.Break(enginetest.Faults{})
	scannertest.Until(t, "it is back", func() bool { return b.Stats().Connected && b.Stats().Reopened == 1 })
}

// Every family's sign of life is answered, and costs no count.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}}, k.engine())
			b.Scanner.config.Heartbeat = 10 * time.Millisecond
			b.start()
			heard := b.Heard()
			scannertest.Until(t, "signs of life", func() bool { return b.Heard() > heard+100 })
			st := b.Stats()
			if late := st.Noise; late > 10 { // a reply that comes after its time is noise; a busy machine has some of a hundred
				t.Errorf("%d of 100 replies are noise", late)
			}
			if st.Noise = 0; st != (scanner.Stats{Connected: true}) {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestPulse(t *testing.T) {
	t0 := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	p := newPulse(10*time.Second, t0, scanner.Stats{})
	var st scanner.Stats
	for _, step := range []struct {
		after time.Duration
		scans uint64
		noise uint64
		due   bool
		alive bool
	}{
		{9 * time.Second, 0, 0, false, false},
		{10 * time.Second, 0, 0, true, true},
		{19 * time.Second, 1, 0, false, false}, // a scan is a sign of life
		{28 * time.Second, 0, 0, false, false},
		{28 * time.Second, 0, 1, true, false}, // noise is a reason to ask
		{28500 * time.Millisecond, 0, 0, false, false},
		{29 * time.Second, 0, 0, true, false}, // one is missing: ask soon
		{30 * time.Second, 0, 0, true, false},
	} {
		st.Scans, st.Noise = st.Scans+step.scans, st.Noise+step.noise
		now := t0.Add(step.after)
		if due := p.due(now, st); due != step.due {
			t.Fatalf("at %v: due %v", step.after, due)
		} else if due {
			p.beat(now, st, step.alive)
		}
	}
	if p.missed != misses {
		t.Errorf("%d missed", p.missed)
	}
	st.Scans++ // one that came while the reply was awaited
	p.beat(t0.Add(31*time.Second), st, false)
	if p.missed != 0 || !p.worn(t0.Add(31*time.Second)) {
		t.Errorf("%d missed behind a scan, and the settings of an engine that was silent are not renewed", p.missed)
	}
	p.renewed(t0.Add(31 * time.Second))
	if p.worn(t0.Add(90*time.Second)) || !p.worn(t0.Add(91*time.Second)) {
		t.Error("the settings are not renewed once a minute")
	}
}

// An engine on a UART loses its power and nobody unplugs anything: its scans come
// at another rate, as noise, and that is enough to find it again.
func TestPowerCutBehindTheAdapter(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: "gm65", Raise: 115200}, enginetest.NewGM65(9600)).start()
	b.Do(func(p enginetest.Personality) {
		p.Restart()
		p.(*enginetest.GM65).Zones[0] |= 3 // it senses, by its flash
	})
	b.scan("READ AT THE OLD RATE")
	scannertest.Until(t, "it is missed", func() bool { return b.Stats().Err != nil || b.Stats().Reopened > 0 })
	scannertest.Until(t, "it is back", func() bool { return b.Stats().Connected && b.Stats().Reopened == 1 })
	b.scan("READ AT THE NEW RATE")
	b.read("READ AT THE NEW RATE")
}

// flaky is an engine whose cable does not carry a rate: of its replies at that
// rate only each third arrives.
type flaky struct {
	*enginetest.GM65
	rate, n int
}

func (f *flaky) Hear(b []byte, at time.Time) []enginetest.Reply {
	out := f.GM65.Hear(b, at)
	if f.Baud() != f.rate || len(out) == 0 {
		return out
	}
	if f.n++; f.n%3 != 0 {
		return nil
	}
	return out
}

// A rate that the cable does not carry is left again.
func TestUnreliableRate(t *testing.T) {
	t.Parallel()
	engine := &flaky{GM65: enginetest.NewGM65(9600), rate: 115200}
	b := newBench(t, Config{Family: "gm65", Raise: 115200}, engine).start()
	if id := b.Identity(); id.Baud != 9600 || !b.warned("shorten the cable") {
		t.Errorf("found %+v", id)
	}
	b.Do(func(p enginetest.Personality) {
		if p.Baud() != 9600 {
			t.Errorf("the engine is at %d", p.Baud())
		}
	})
	b.scan("A CODE")
	b.read("A CODE")
}

// Nor is it tried again while people pass.
func TestUnreliableRateIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	engine := &flaky{GM65: enginetest.NewGM65(9600), rate: 115200}
	b := newBench(t, Config{Family: "gm65", Raise: 115200}, engine)
	b.Scanner.config.Heartbeat = 10 * time.Millisecond
	b.start()
	replies := func() (n int) {
		b.Do(func(enginetest.Personality) { n = engine.n })
		return n
	}
	before, heard := replies(), b.Heard()
	scannertest.Until(t, "the settings are renewed", func() bool { return b.Heard() > heard+150 })
	if n := replies(); before == 0 || n != before {
		t.Errorf("%d replies at the bad rate, then %d", before, n)
	}
}
