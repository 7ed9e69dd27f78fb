package wiegandreader

import (
	"os"
	"testing"
	"time"

	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/gpioline/gpiolinetest"
	"turnstile/firmware-bridge/scanner/scannertest"
)

// chip is one with two data lines whose outside is the test's.
type chip struct {
	open  func(gpioline.InputConfig) (inputs, error)
	drive func(line string, high bool)
}

func fakeChip(*testing.T) chip {
	f := gpiolinetest.New("D0", "D1")
	return chip{func(c gpioline.InputConfig) (inputs, error) { return f.OpenInputs(c) }, f.Drive}
}

func kernelChip(t *testing.T) chip {
	s, err := gpiolinetest.NewSim(os.Getenv("TURNSTILE_GPIO"), "D0", "D1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return chip{func(c gpioline.InputConfig) (inputs, error) { return gpioline.OpenInputs(c) }, s.Drive}
}

// TestOnChip draws pulses on lines by their levels, for shifters of both kinds.
// It always runs on the fake chip. With TURNSTILE_GPIO set to the name of a
// gpio-sim chip to make, as root in a virtual machine, it runs on the kernel
// too. A busy computer draws pulses too long: those are drawn again. So the
// machine's time has to go by instructions, not by its host's clock.
func TestOnChip(t *testing.T) {
	chips := map[string]func(*testing.T) chip{"fake": fakeChip}
	if os.Getenv("TURNSTILE_GPIO") != "" {
		chips["kernel"] = kernelChip
	}
	for name, make := range chips {
		for _, high := range []bool{false, true} {
			t.Run(name, func(t *testing.T) { onChip(t, make(t), high) })
		}
	}
}

func onChip(t *testing.T, c chip, high bool) {
	c.drive("D0", !high)
	c.drive("D1", !high)
	s, err := newScanner(Config{D0: "D0", D1: "D1", ActiveHigh: high}, c.open)
	if err != nil {
		t.Fatal(err)
	}
	start(t, s)
	row := card(t, "H10301", "on a chip")
	drawn, reads := 0, 0
	scannertest.Until(t, "five cards are read", func() bool {
		began := s.Stats()
		draw(c, row.String(), high)
		drawn++
		scannertest.Until(t, "the frame has ended", func() bool { st := s.Stats(); return st.Scans+st.Noise > began.Scans+began.Noise })
		for s.Stats().Scans > uint64(reads) {
			if got := scannertest.Next(t, s); string(got.Text) != row.Hex() || got.Bits != 26 {
				t.Fatalf("%+v, want %s", got, row.Hex())
			}
			reads++
		}
		return reads >= 5
	})
	t.Logf("%d of %d frames read; line %+v", reads, drawn, s.Line())
}

// draw makes the pulses of row, as well as a program can.
func draw(c chip, row string, high bool) {
	next := time.Now()
	for _, bit := range row {
		for time.Now().Before(next) {
		}
		next = time.Now().Add(time.Millisecond)
		line := "D" + string(bit)
		c.drive(line, high)
		end := time.Now().Add(20 * us)
		for time.Now().Before(end) {
		}
		c.drive(line, !high)
	}
}
