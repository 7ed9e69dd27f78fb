package gpioline_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"turnstile/firmware-bridge/gpioline"
	"turnstile/firmware-bridge/gpioline/gpiolinetest"
)

// fake makes a bench without a kernel.
func fake(*testing.T) gpiolinetest.Bench {
	f := gpiolinetest.New(gpiolinetest.Lines...)
	return gpiolinetest.Bench{Chips: f, Drive: f.Drive, Wire: f.Wire, Levels: f.Levels, Unplug: f.Unplug, Plug: f.Plug}
}

// simulated makes a bench on the kernel's simulated chip.
func simulated(t *testing.T) gpiolinetest.Bench {
	s, err := gpiolinetest.NewSim(os.Getenv("TURNSTILE_GPIO"), gpiolinetest.Lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Trace(); err != nil {
		t.Fatal(err)
	}
	return gpiolinetest.Bench{Chips: gpiolinetest.Kernel{}, Drive: s.Drive, Wire: s.Wire, Levels: s.Levels, Unplug: s.Unplug, Plug: s.Plug}
}

// TestConform always runs on the fake. With TURNSTILE_GPIO set to the name of a
// gpio-sim chip to make, as root in a virtual machine, it runs on the kernel too.
func TestConform(t *testing.T) {
	benches := map[string]func(*testing.T) gpiolinetest.Bench{"fake": fake}
	if os.Getenv("TURNSTILE_GPIO") != "" {
		benches["kernel"] = simulated
	}
	for name, setup := range benches {
		t.Run(name, func(t *testing.T) { gpiolinetest.Conform(t, setup) })
	}
}

// A computer without the line says so, and so does one without any GPIO.
func TestThisComputer(t *testing.T) {
	infos, err := gpioline.List()
	if err != nil && !errors.Is(err, gpioline.ErrAccess) {
		t.Fatal(err)
	}
	want := gpioline.ErrNoLine
	if len(infos) == 0 && err == nil {
		want = gpioline.ErrChip
	}
	if err != nil {
		want = gpioline.ErrAccess
	}
	if _, err := gpioline.OpenOutput(gpioline.OutputConfig{Line: "no line has this name"}); !errors.Is(err, want) {
		t.Errorf("output: %v, want %v", err, want)
	}
	if _, err := gpioline.OpenInputs(gpioline.InputConfig{Lines: []string{"no line has this name"}}); !errors.Is(err, want) {
		t.Errorf("input: %v, want %v", err, want)
	}
	if _, err := gpioline.OpenInputs(gpioline.InputConfig{Lines: make([]string, 65)}); !errors.Is(err, gpioline.ErrNoLine) {
		t.Errorf("65 inputs: %v", err)
	}
}

func BenchmarkFakeSetAndRead(b *testing.B) {
	f := gpiolinetest.New("LINE")
	in, err := f.OpenInputs(gpioline.InputConfig{Lines: []string{"LINE"}})
	if err != nil {
		b.Fatal(err)
	}
	var one [1]gpioline.Edge
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		f.Drive("LINE", n%2 == 0)
		if got, err := in.Read(one[:], 0); got != 1 || err != nil {
			b.Fatal(got, err)
		}
	}
}

func ExampleOpenOutput() {
	relay, err := gpioline.OpenOutput(gpioline.OutputConfig{Line: "RELAY1", ActiveLow: true})
	if errors.Is(err, gpioline.ErrChip) || errors.Is(err, gpioline.ErrNoLine) {
		fmt.Println("this computer has no such relay")
		return
	}
	_ = relay.Set(true)
	// Output: this computer has no such relay
}
