package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/scanner/engine/gm65"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

func TestGrow(t *testing.T) {
	t.Parallel()
	t.Run("confirms at the new rate", func(t *testing.T) {
		t.Parallel()
		engine := enginetest.NewGM65(9600)
		engine.Late = true
		b := newBench(t, Config{Family: "gm65", Raise: 57600}, engine).start()
		if id := b.Identity(); id.Baud != 57600 {
			t.Errorf("found %+v", id)
		}
	})
	t.Run("does not keep the zone of set-up codes", func(t *testing.T) {
		t.Parallel()
		engine := enginetest.NewGM65(9600)
		engine.Forgets = 0x03
		b := newBench(t, Config{Family: "gm65"}, engine).start()
		if !b.warned("close setup code") {
			t.Errorf("nobody is told: %q", b.Identity().Warnings)
		}
	})
	t.Run("QR only", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, Config{Family: "gm65", QROnly: true}, enginetest.NewGM65(9600)).start()
		b.Do(func(p enginetest.Personality) {
			if z := p.(*enginetest.GM65).Zones; z[0x2C] != 0x01 || z[0x3F] != 0x01 {
				t.Errorf("zones %02X %02X", z[0x2C], z[0x3F])
			}
		})
		b.scan("A CODE")
		b.read("A CODE")
	})
	t.Run("QR cannot be seen to be allowed", func(t *testing.T) {
		t.Parallel()
		engine := enginetest.NewGM65(9600)
		engine.Zones[0x3F], engine.Flash[0x3F], engine.Forgets = 0, 0, 0x3F
		b := newBench(t, Config{Family: "gm65", QROnly: true}, engine).start()
		b.Do(func(p enginetest.Personality) {
			if z := p.(*enginetest.GM65).Zones; z[0x2C] != 0x05 {
				t.Errorf("it is left with %02X and reads nothing", z[0x2C])
			}
		})
		b.scan("A CODE")
		b.read("A CODE")
		if !b.warned("QR only") {
			t.Errorf("nobody is told: %q", b.Identity().Warnings)
		}
	})
	t.Run("no line ends", func(t *testing.T) {
		t.Parallel()
		engine := enginetest.NewGM65(9600)
		engine.Bare = true
		b := newBench(t, Config{Family: "gm65"}, engine)
		b.Scanner.config.Heartbeat = 5 * time.Millisecond
		b.start()
		for i := range 5 {
			want := fmt.Sprintf("BARE %d", i)
			b.scan(want)
			b.read(want)
		}
	})
}

func TestDE2120(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewDE2120("9")
	engine.Chatty = true
	b := newBench(t, Config{Family: "de2120", Port: serialport.Config{Baud: 115200}}, engine)
	b.Scanner.config.Heartbeat = 5 * time.Millisecond
	b.start()
	if !b.warned("no heartbeat") {
		t.Errorf("%q", b.Identity().Warnings)
	}
	before := b.Stats().Scans
	b.scan("A CODE")
	scannertest.Until(t, "the code", func() bool { return b.Stats().Scans == before+1 })
}

// What a DE2120 keeps in flash is set for an installer, and not for a lane.
func TestDE2120Permanent(t *testing.T) {
	t.Parallel()
	config := Config{Family: "de2120", Raise: 115200, Mode: "trigger"}
	b := newBench(t, config, enginetest.NewDE2120("5")).start()
	if id := b.Identity(); id.Baud != 9600 || !b.warned("keeps settings in flash") {
		t.Errorf("found %+v", id)
	}
	config.Permanent = true
	b = newBench(t, config, enginetest.NewDE2120("5")).start()
	if id := b.Identity(); id.Baud != 115200 {
		t.Errorf("found %+v", id)
	}
	b.scan("BY COMMAND")
	if err := b.Trigger(true); err != nil {
		t.Fatal(err)
	}
	b.read("BY COMMAND")
}

func TestOldNewland(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewNewland("3")
	engine.Old = true
	b := newBench(t, Config{Family: Auto}, engine).start()
	if id := b.Identity(); id.Family != "newland" || !strings.Contains(id.Model, "EM3000") || !b.warned("knows no commands") {
		t.Fatalf("found %+v", id)
	}
	b.scan("A CODE")
	if err := b.Trigger(true); err != nil {
		t.Fatal(err)
	}
	b.read("A CODE")
}

// By command an engine reads only when told to.
func TestTrigger(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		if k.family == "de2120" { // its mode is in flash
			continue
		}
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family, Mode: "trigger", Port: serialport.Config{Baud: k.baud}}, k.engine())
			if err := b.Trigger(true); !errors.Is(err, ErrNotListening) {
				t.Errorf("triggered before there is an engine: %v", err)
			}
			b.start()
			for i := range 3 {
				want := fmt.Sprintf("BY COMMAND %d", i)
				b.scan(want)
				if err := b.Trigger(true); err != nil {
					t.Fatal(err)
				}
				b.read(want)
			}
		})
	}
}

func TestZebra(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ABCDEFGH", 75)
	engine := enginetest.NewSSI(0x06)
	b := newBench(t, Config{Family: "ssi"}, engine).start()
	for _, c := range []struct {
		name string
		with func(*enginetest.SSI)
		text string
	}{
		{"three packets", func(*enginetest.SSI) {}, long},
		{"many small packets", func(e *enginetest.SSI) { e.Piece = 20 }, long},
		{"a wrong sum", func(e *enginetest.SSI) { e.Corrupt = 1 }, "A CODE"},
		{"wrong sums inside", func(e *enginetest.SSI) { e.Piece, e.Corrupt = 100, 2 }, long},
		{"an answer that is lost", func(e *enginetest.SSI) { e.Deaf = 1 }, "ANOTHER CODE"},
		{"not confirmed", func(e *enginetest.SSI) { e.Params[0x9F] = 0 }, "NOT CONFIRMED"},
	} {
		b.Do(func(p enginetest.Personality) { c.with(p.(*enginetest.SSI)) })
		before := b.Stats().Scans
		b.scan(c.text)
		b.read(c.text)
		b.scan("THE NEXT")
		b.read("THE NEXT")
		if n := b.Stats().Scans - before; n != 2 {
			t.Errorf("%s: %d scans of 2", c.name, n)
		}
	}
	before := b.Stats().Oversized
	b.scan(strings.Repeat("A", scanner.MaxText+1))
	scannertest.Until(t, "it is seen to be too long", func() bool { return b.Stats().Oversized == before+1 })
	b.scan("SHORT")
	b.read("SHORT")
	before = b.Stats().Noise
	b.scan("CONTROL\x07BYTE")
	scannertest.Until(t, "it is seen to be noise", func() bool { return b.Stats().Noise > before })
}

// A request that did not arrive whole is sent again, one that is forbidden is not.
func TestZebraCauses(t *testing.T) {
	t.Parallel()
	engine := enginetest.NewSSI(0x06)
	engine.Causes = []byte{0x01, 0x01}
	b := newBench(t, Config{Family: "ssi"}, engine).start()
	b.Do(func(p enginetest.Personality) {
		if p.(*enginetest.SSI).Params[0xEE] != 1 {
			t.Error("not set after two requests to send again")
		}
	})
	engine = enginetest.NewSSI(0x06)
	engine.Causes = []byte{0x02}
	b = newBench(t, Config{Family: "ssi"}, engine).start()
	if !b.warned("send packeted decode data") {
		t.Errorf("%q", b.Identity().Warnings)
	}
	b.scan("A PLAIN LINE") // as it is set
	b.read("A PLAIN LINE")
}

// Two lanes' scanners in one process do not disturb each other.
func TestTwoScanners(t *testing.T) {
	t.Parallel()
	one := newBench(t, Config{Family: Auto}, enginetest.NewGM65(9600)).start()
	two := newBench(t, Config{Family: "ssi"}, enginetest.NewSSI(0x06)).start()
	for i := range 20 {
		one.scan(fmt.Sprintf("ONE %d", i))
		two.scan(fmt.Sprintf("TWO %d", i))
		one.read(fmt.Sprintf("ONE %d", i))
		two.read(fmt.Sprintf("TWO %d", i))
	}
	two.Unplug()
	scannertest.Until(t, "the loss is seen", func() bool { return !two.Stats().Connected })
	one.scan("STILL THERE")
	one.read("STILL THERE")
}

// A print with the bytes of a reply in it, read while a reply is awaited, is
// noise or a scan, and the engine stays set up.
func TestPrintedReply(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: "gm65"}, enginetest.NewGM65(9600))
	b.Scanner.config.Heartbeat = 5 * time.Millisecond
	b.start().scan("IT ENDS ITS LINES")
	b.read("IT ENDS ITS LINES")
	for range 20 {
		b.scan("]Q1X" + string(gm65.AppendReply(nil, false, 0)))
	}
	b.scan("A PASS")
	scannertest.Until(t, "the pass", func() bool { return b.Stats().Scans == 2 })
	b.read("A PASS")
	if st := b.Stats(); !st.Connected || st.Noise < 20 {
		t.Errorf("%+v", st)
	}
}
