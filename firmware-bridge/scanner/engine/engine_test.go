package engine

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/engine/enginetest"
	"turnstile/firmware-bridge/scanner/keyboard"
	"turnstile/firmware-bridge/scanner/scannertest"
	"turnstile/firmware-bridge/serialport"
)

// TestMain lets more tests run at once than there are processors: they wait for
// each other's lines and hardly compute.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// bench is a driver, the device at the far end of its line, and a device that
// somebody plays.
type bench struct {
	*Scanner
	*enginetest.Device
	t testing.TB
}

// Scanner's and Device's methods of the same name.
func (b *bench) Run(ctx context.Context) error { return b.Scanner.Run(ctx) }

// newBench plays a plugged device and makes a driver that is not running.
func newBench(t testing.TB, c Config, engine enginetest.Personality) *bench {
	t.Helper()
	device := enginetest.NewDevice(filepath.Join(t.TempDir(), "scanner"), engine)
	c.Port.Path = device.Link()
	if c.Port.Baud == 0 {
		c.Port.Baud = 9600
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{s, device, t}
	background(t, device.Run)
	t.Cleanup(device.Unplug)
	b.plug()
	return b
}

func (b *bench) plug() {
	b.t.Helper()
	if err := b.Plug(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) scan(text string) {
	b.t.Helper()
	if err := b.Scan(text); err != nil {
		b.t.Fatal(err)
	}
}

// start runs the driver until the test ends, and waits until the engine is set up.
func (b *bench) start() *bench {
	b.t.Helper()
	background(b.t, b.Scanner.Run)
	scannertest.Until(b.t, "the engine is set up", func() bool { return b.Stats().Connected })
	return b
}

// read waits for the next scan, which must be text.
func (b *bench) read(text string) {
	b.t.Helper()
	if got := scannertest.Next(b.t, b.Scanner); string(got.Text) != text {
		b.t.Fatalf("read %q, want %q", got.Text, text)
	}
}

// warned reports whether a warning has the words.
func (b *bench) warned(words string) bool {
	return strings.Contains(strings.Join(b.Identity().Warnings, "\n"), words)
}

// background runs f until the test ends.
func background(t testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(scannertest.Patience):
			t.Error("Run did not return")
		}
	})
}

// kinds are all families with a fake of each, at the rate of its maker.
var kinds = []struct {
	family string
	baud   int
	raised int // what it can be raised to without flash; 0 for nothing
	engine func() enginetest.Personality
}{
	{"gm65", 9600, 115200, func() enginetest.Personality { return enginetest.NewGM65(9600) }},
	{"m3y", 9600, 0, func() enginetest.Personality { return enginetest.NewM3Y(9600) }},
	{"newland", 9600, 115200, func() enginetest.Personality { return enginetest.NewNewland("3") }},
	{"honeywell", 9600, 115200, func() enginetest.Personality { return enginetest.NewHoneywell("N3680 SR", "5") }},
	{"de2120", 115200, 0, func() enginetest.Personality { return enginetest.NewDE2120("9") }},
	{"ssi", 9600, 115200, func() enginetest.Personality { return enginetest.NewSSI(0x06) }},
}

func TestConform(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			scannertest.Conform(t, func(t *testing.T) scannertest.Bench {
				b := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}}, k.engine())
				return scannertest.Bench{Scanner: b.Scanner, Scan: b.scan, Unplug: b.Unplug, Plug: b.plug}
			})
		})
	}
	if len(kinds) != len(families) {
		t.Errorf("%d fakes for %d families", len(kinds), len(families))
	}
}

// Each engine is identified, raised where it can be, and its scans arrive
// before and after; its set-up codes are closed or the installer is told.
func TestSetUp(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family, Port: serialport.Config{Baud: k.baud}, Raise: 115200}, k.engine()).start()
			want := k.baud
			if k.raised != 0 {
				want = k.raised
			}
			id := b.Identity()
			if id.Family != k.family || id.Baud != want || id.Model+id.Firmware == "" {
				t.Errorf("found %+v, want %d baud", id, want)
			}
			b.Do(func(p enginetest.Personality) {
				if p.Baud() != want {
					t.Errorf("the engine is at %d baud, want %d", p.Baud(), want)
				}
			})
			b.scan("A PASS OF SOME LENGTH")
			b.read("A PASS OF SOME LENGTH")
			b.scan(enginetest.SetupCode + "BREAK EVERYTHING")
			closed := k.family == "gm65" || k.family == "ssi"
			if closed {
				b.read(enginetest.SetupCode + "BREAK EVERYTHING")
			} else if !b.warned("a visitor reprograms it") {
				t.Errorf("set-up codes work and nobody is told: %q", id.Warnings)
			}
		})
	}
}

// An engine that the volatile rate was raised on loses it with its power: it is
// found again at the old one.
func TestRateLostWithPower(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		if k.raised == 0 {
			continue
		}
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: k.family, Raise: 115200}, k.engine()).start()
			b.Unplug()
			scannertest.Until(t, "the loss is seen", func() bool { return !b.Stats().Connected })
			b.plug() // with the power back: at 9600 again
			scannertest.Until(t, "it is back", func() bool { return b.Stats().Connected })
			if got := b.Identity().Baud; got != k.raised {
				t.Errorf("raised to %d, want %d: %q", got, k.raised, b.Identity().Warnings)
			}
			b.scan("AFTER THE POWER CUT")
			b.read("AFTER THE POWER CUT")
		})
	}
}

func TestAutoFindsEach(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.family, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Family: Auto, Port: serialport.Config{Baud: k.baud}}, k.engine()).start()
			if id := b.Identity(); id.Family != k.family {
				t.Fatalf("found %+v, want %s", id, k.family)
			}
			b.scan("A CODE")
			b.read("A CODE")
			b.Unplug()
			scannertest.Until(t, "the loss is seen", func() bool { return !b.Stats().Connected })
			b.plug()
			scannertest.Until(t, "it is back", func() bool { return b.Stats().Connected })
			if id := b.Identity(); id.Family != k.family {
				t.Fatalf("found again as %+v, want %s", id, k.family)
			}
		})
	}
}

// An engine at another rate than configured is found there.
func TestFoundAtAnotherRate(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: "gm65", Port: serialport.Config{Baud: 9600}}, enginetest.NewGM65(57600)).start()
	if id := b.Identity(); id.Baud != 57600 {
		t.Errorf("found %+v", id)
	}
	b.scan("A CODE")
	b.read("A CODE")
}

// Nothing answers, a scan proves the rate: plain lines, and a warning. The scan
// itself is delivered.
func TestAutoFallsBackToLines(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Family: Auto, Port: serialport.Config{Baud: 115200}}, enginetest.NewPlain(115200))
	background(t, b.Scanner.Run)
	scannertest.Until(t, "it is asked who it is", func() bool { return b.Heard() > 0 })
	b.scan("DURING THE SEARCH")
	b.read("DURING THE SEARCH")
	scannertest.Until(t, "the fall-back", func() bool { return b.Stats().Connected })
	if id := b.Identity(); id.Family != Line || id.Baud != 115200 || !b.warned("plain lines") {
		t.Errorf("found %+v", id)
	}
	if err := b.Trigger(true); !errors.Is(err, ErrNotListening) {
		t.Errorf("triggering what takes no commands: %v", err)
	}
	b.scan("AFTER IT")
	b.read("AFTER IT")
}

func TestCheck(t *testing.T) {
	port := serialport.Config{Path: "/dev/ttyUSB0", Baud: 9600}
	if _, err := New(Config{Port: port, Family: "gm65"}); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		config Config
		want   error
		says   string
	}{
		{Config{Port: port}, ErrConfig, "honeywell"},
		{Config{Port: port, Family: "line"}, ErrConfig, "driver line"},
		{Config{Port: port, Family: "gm65", Mode: "sense"}, ErrConfig, "presentation"},
		{Config{Port: port, Family: "gm65", Raise: 250000}, ErrConfig, "115200"},
		{Config{Port: port, Family: "gm65", Heartbeat: time.Millisecond}, ErrConfig, "10s"},
		{Config{Port: serialport.Config{Path: "/dev/ttyUSB0"}, Family: "gm65"}, serialport.ErrBaud, "9600"},
		{Config{Port: serialport.Config{Baud: 9600}, Family: "gm65"}, serialport.ErrNoPath, "by-id"},
		{Config{Port: serialport.Config{Path: "/dev/input/event3", Baud: 9600}, Family: "auto"}, keyboard.ErrKeyboard, "POR232"},
	} {
		_, err := New(c.config)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %v with %q", c.config, err, c.want, c.says)
		}
	}
	if len(Families()) != len(families)+1 {
		t.Errorf("families %v", Families())
	}
}

// BenchmarkPort is from the first byte of a pass on a virtual line to its scan
// on the channel, with the kernel between.
func BenchmarkPort(b *testing.B) {
	for _, k := range kinds {
		if k.family != "gm65" && k.family != "ssi" {
			continue
		}
		b.Run(k.family, func(b *testing.B) {
			lane := newBench(b, Config{Family: k.family}, k.engine()).start()
			pass := strings.Repeat("ABCDEFG2", 17) + "ABCDE"
			b.ReportAllocs()
			for b.Loop() {
				lane.scan(pass)
				lane.read(pass)
			}
		})
	}
}

var _ scanner.Scanner = (*Scanner)(nil)
var _ dialect.Line = (*wire)(nil)
