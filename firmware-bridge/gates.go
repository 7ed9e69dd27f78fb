package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/gate/modbus"
	"turnstile/firmware-bridge/serialport"
)

// Drivers of gates.
const (
	driverController = "controller"
	driverGPIO       = "gpio"
	driverModbus     = "modbus"
)

// gateDrivers are what --driver may be for a gate.
var gateDrivers = []string{driverController, driverGPIO, driverModbus}

// errDriver says that --driver is none.
var errDriver = errors.New("no such gate driver; use " + strings.Join(gateDrivers, ", "))

// asFlags leads from a field's name in an error to the flag.
const asFlags = "here RelayIn is --relay-in, PassedIn is --passed-in, and so on"

// gateChoice is a gate as flags name it.
type gateChoice struct {
	driver string
	port   serialport.Config
	lines  gpio.Config   // of gpio; its names are used by modbus as well
	board  modbus.Config // of modbus, but for what lines names
}

// gateFlags defines the flags of a gate. prefix is "" or "gate-", for its port.
func gateFlags(set *flag.FlagSet, c *gateChoice, prefix string) {
	set.StringVar(&c.driver, prefix+"driver", driverController, "controller (on a serial port), gpio (on lines of this computer) or modbus (on a relay board)")
	set.StringVar(&c.port.Path, prefix+"port", "", "with controller and modbus: serial port, best by /dev/serial/by-id/")
	set.IntVar(&c.port.Baud, prefix+"baud", 0, fmt.Sprintf("with controller and modbus: bits per second, one of %v; 115200 and 9600 if not given", serialport.Rates()))
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
	} {
		set.StringVar(f.line, f.name, "", "with gpio and modbus: `LINE` of the "+f.what)
	}
	for name, line := range map[string]*string{"granted": &c.lines.Granted, "denied": &c.lines.Denied, "buzzer": &c.lines.Buzzer} {
		set.StringVar(line, name, "", "with gpio: `LINE` of the light, or buzzer")
	}
	set.BoolVar(&c.lines.ActiveLow, "active-low", false, "with gpio: contacts close to ground")
	set.BoolVar(&c.lines.OpenDrain, "open-drain", false, "with gpio: relay lines are wired to the gate's own inputs")
	set.IntVar(&c.board.Unit, "unit", 1, "with modbus: the board's address")
	set.StringVar(&c.board.Timer, "timer", modbus.TimerNone, `with modbus: "flash" for a board that drops its relay by itself`)
	set.StringVar(&c.board.Inputs, "inputs", modbus.Discrete, fmt.Sprintf("with modbus: table that the contacts are in, one of %q", []string{modbus.Discrete, modbus.Coils, modbus.HoldingRegisters, modbus.InputRegisters}))
	set.BoolVar(&c.board.Packed, "packed", false, "with modbus: registers hold 16 contacts each")
}

// new makes the gate's driver; tap hears its line and may be nil.
func (c gateChoice) new(host *gpio.Host, hostErr error, tap serialport.Tap) (gate.Gate, error) {
	switch c.driver {
	case driverController:
		return controller.New(c.at(115200, tap))
	case driverGPIO:
		if err := c.lines.Check(); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, asFlags)
		}
		if host == nil {
			return nil, hostErr
		}
		return gpio.New(c.lines, host)
	case driverModbus:
		board, err := c.modbus()
		if err != nil {
			return nil, err
		}
		board.Port = c.at(9600, tap)
		g, err := modbus.New(board)
		if errors.Is(err, modbus.ErrConfig) {
			err = fmt.Errorf("%w (%s)", err, asFlags)
		}
		return g, err
	}
	return nil, fmt.Errorf("driver %.20q: %w", c.driver, errDriver)
}

// at is the gate's port with its usual rate in place of none.
func (c gateChoice) at(usual int, tap serialport.Tap) serialport.Config {
	port := c.port
	port.Tap = tap
	if port.Baud == 0 {
		port.Baud = usual
	}
	return port
}

// modbus is the board with the numbers that the lines' flags name.
func (c gateChoice) modbus() (modbus.Config, error) {
	b := c.board
	for _, f := range []struct {
		flag, text string
		number     *int
	}{{"relay-in", c.lines.RelayIn, &b.RelayIn}, {"relay-out", c.lines.RelayOut, &b.RelayOut}} {
		if f.text == "" {
			continue
		}
		n, err := strconv.Atoi(f.text)
		if err != nil {
			return b, fmt.Errorf("%w: --%s %.20q; with modbus it is the relay's number on the board", modbus.ErrConfig, f.flag, f.text)
		}
		*f.number = n
	}
	b.PassedIn, b.PassedOut, b.Fire, b.Tamper, b.Ready, b.Door = c.lines.PassedIn, c.lines.PassedOut, c.lines.Fire, c.lines.Tamper, c.lines.Ready, c.lines.Door
	return b, nil
}

// where is the gate's port or lines, for people.
func (c gateChoice) where() string {
	if c.driver != driverGPIO {
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
