package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/keyboard"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
)

// portFlags defines --port and --baud.
func portFlags(set *flag.FlagSet, c *serialport.Config, baud int) {
	set.StringVar(&c.Path, "port", "", "serial port, best by /dev/serial/by-id/")
	set.IntVar(&c.Baud, "baud", baud, fmt.Sprintf("bits per second, one of %v", serialport.Rates()))
}

// scannerDrivers are what --driver may be for a scanner.
func scannerDrivers() []string { return append([]string{engine.Line}, engine.Families()...) }

// newScanner makes a scanner's driver that leaves the engine's own settings as
// they are, but for set-up codes, which are switched off until it loses power.
func newScanner(driver string, port serialport.Config) (scanner.Scanner, error) {
	if err := keyboard.Refuse(port.Path); err != nil {
		return nil, err
	}
	switch {
	case driver == engine.Line:
		return line.New(port)
	case slices.Contains(engine.Families(), driver):
		return engine.New(engine.Config{Port: port, Family: driver})
	}
	return nil, fmt.Errorf("%w: driver %.20q; use one of %s", engine.ErrConfig, driver, strings.Join(scannerDrivers(), ", "))
}

// Drivers of gates.
const (
	driverController = "controller"
	driverGPIO       = "gpio"
)

// errDriver says that --driver is none.
var errDriver = errors.New("no such gate driver; use controller or gpio")

// gateChoice is a gate as flags name it.
type gateChoice struct {
	driver string
	port   serialport.Config
	lines  gpio.Config
}

// gateFlags defines the flags of a gate. prefix is "" or "gate-", for its port.
func gateFlags(set *flag.FlagSet, c *gateChoice, prefix string) {
	set.StringVar(&c.driver, prefix+"driver", driverController, "controller (on a serial port) or gpio (on lines of this computer)")
	set.StringVar(&c.port.Path, prefix+"port", "", "with controller: serial port, best by /dev/serial/by-id/")
	set.IntVar(&c.port.Baud, prefix+"baud", 115200, fmt.Sprintf("with controller: bits per second, one of %v", serialport.Rates()))
	set.StringVar(&c.lines.Profile, "profile", "", "with gpio: kind of gate, one of "+strings.Join(gpio.Profiles(), ", "))
	for _, f := range []struct {
		name string
		line *string
		what string
	}{
		{"relay-in", &c.lines.RelayIn, "relay that opens in"}, {"relay-out", &c.lines.RelayOut, "relay that opens out"},
		{"passed-in", &c.lines.PassedIn, "contact: a person walked in"}, {"passed-out", &c.lines.PassedOut, "contact: a person walked out"},
		{"fire", &c.lines.Fire, "contact: the fire alarm released the gate"}, {"tamper", &c.lines.Tamper, "contact: the case is open"},
		{"ready", &c.lines.Ready, "contact: the gate takes a grant"}, {"door", &c.lines.Door, "contact: the door is open"},
		{"granted", &c.lines.Granted, "green light"}, {"denied", &c.lines.Denied, "red light"}, {"buzzer", &c.lines.Buzzer, "buzzer"},
	} {
		set.StringVar(f.line, f.name, "", "with gpio: line of the "+f.what+`, such as RELAY1 or gpiochip0:17; "!" in front turns it`)
	}
	set.BoolVar(&c.lines.ActiveLow, "active-low", false, "with gpio: contacts close to ground")
	set.BoolVar(&c.lines.OpenDrain, "open-drain", false, "with gpio: relay lines are wired to the gate's own inputs")
}

// new makes the gate's driver; tap hears its line and may be nil.
func (c gateChoice) new(host *gpio.Host, hostErr error, tap serialport.Tap) (gate.Gate, error) {
	switch c.driver {
	case driverController:
		port := c.port
		port.Tap = tap
		return controller.New(port)
	case driverGPIO:
		if err := c.lines.Check(); err != nil {
			return nil, err
		}
		if host == nil {
			return nil, hostErr
		}
		return gpio.New(c.lines, host)
	}
	return nil, fmt.Errorf("driver %.20q: %w", c.driver, errDriver)
}

// where is the gate's port or lines, for people.
func (c gateChoice) where() string {
	if c.driver == driverController {
		return c.port.Path
	}
	return strings.Join(strings.Fields(strings.Join([]string{c.lines.RelayIn, c.lines.RelayOut, c.lines.PassedIn, c.lines.PassedOut, c.lines.Fire, c.lines.Tamper}, " ")), ", ")
}

// withGate runs g while use uses it.
func withGate(ctx context.Context, g gate.Gate, use func(context.Context, gate.Gate) error) error {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	err := use(ctx, g)
	stop()
	for range g.Events() { // closed by Run
	}
	return errors.Join(err, <-done)
}
