package modbus

import (
	"errors"
	"testing"
	"time"

	"turnstile/firmware-bridge/serialport"
)

func TestCheck(t *testing.T) {
	good := wiring()
	good.Port = serialport.Config{Path: "/dev/ttyUSB0", Baud: 9600}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	bad := map[string]func(*Config){
		"no unit":               func(c *Config) { c.Unit = 0 },
		"broadcast":             func(c *Config) { c.Unit = 248 },
		"no relay":              func(c *Config) { c.RelayIn, c.RelayOut = 0, 0 },
		"one relay twice":       func(c *Config) { c.RelayOut = 1 },
		"relay below":           func(c *Config) { c.RelayIn = -1 },
		"relay above":           func(c *Config) { c.RelayIn = 65 },
		"unknown timer":         func(c *Config) { c.Timer = "delay" },
		"timer elsewhere":       func(c *Config) { c.Timer, c.FirstRelay = TimerFlash, 16 },
		"address below":         func(c *Config) { c.FirstInput = -1 },
		"address above":         func(c *Config) { c.FirstRelay = 0xFFFF },
		"no passage":            func(c *Config) { c.PassedIn = "" },
		"no number":             func(c *Config) { c.PassedIn = "one" },
		"input 0":               func(c *Config) { c.Fire = "0" },
		"only a mark":           func(c *Config) { c.Fire = "!" },
		"input above":           func(c *Config) { c.Fire = "65" },
		"input twice":           func(c *Config) { c.Fire = "!1" },
		"unknown table":         func(c *Config) { c.Inputs = "files" },
		"packed bits":           func(c *Config) { c.Packed = true },
		"held too soon":         func(c *Config) { c.HeldAfter = time.Millisecond },
		"held without door":     func(c *Config) { c.Door = "" },
		"too slow":              func(c *Config) { c.Port.Baud = 4800 },
		"too many registers":    func(c *Config) { c.Inputs, c.Fire = HoldingRegisters, "40" },
		"inputs far from other": func(c *Config) { c.Inputs, c.Packed = InputRegisters, true; c.Port.Baud = 4800 },
	}
	for name, change := range bad {
		c := good
		change(&c)
		if err := c.Check(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := New(c); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
	if len(bad) < 20 {
		t.Errorf("%d cases", len(bad))
	}
	c := good
	c.Port.Baud = 14400
	if err := c.Check(); !errors.Is(err, serialport.ErrBaud) {
		t.Errorf("odd rate: %v", err)
	}
}

// The times that the package comment states.
func TestLookTimes(t *testing.T) {
	c := wiring()
	for _, want := range []struct {
		baud               int
		quick, slow        float64 // ms
		quickLost, allLost float64
	}{
		{9600, 26.9, 41.9, 126, 156}, {19200, 15.9, 30.9, 93, 123}, {38400, 12.1, 27.1, 81, 111}, {115200, 9.7, 24.7, 74, 104},
	} {
		c.Port.Baud = want.baud
		look := func(ms int) float64 { return c.Look(time.Duration(ms)*time.Millisecond).Seconds() * 1000 }
		got := []float64{look(5), look(20), look(50) + 2*look(5), look(50) + 2*look(20)}
		for i, w := range []float64{want.quick, want.slow, want.quickLost, want.allLost} {
			slack := 0.06
			if i > 1 {
				slack = 0.6
			}
			if got[i] < w-slack || got[i] > w+slack {
				t.Errorf("%d baud, column %d: %.2f ms, the comment says %v", want.baud, i, got[i], w)
			}
		}
	}
}
