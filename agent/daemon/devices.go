package daemon

import (
	"errors"
	"fmt"

	"turnstile/agent/lane"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/serialport"
)

// errNoGPIO is the error of a gpio gate in a program that did not look for chips.
var errNoGPIO = errors.New("GPIO was not prepared by this program")

// Devices makes the devices of a lane; nothing is opened before they run.
type Devices func(l Lane) (gate.Gate, []lane.Reader, error)

// Hardware returns Devices that make the real drivers. lines is the computer's
// GPIO, or the reason why it has none, which matters only to gpio gates.
func Hardware(lines gpio.Lines, err error) Devices {
	return func(l Lane) (gate.Gate, []lane.Reader, error) {
		g, gateErr := newGate(&l.Gate, lines, err)
		if gateErr != nil {
			return nil, nil, fmt.Errorf("lane %d: %w", l.Number, gateErr)
		}
		var readers []lane.Reader
		for _, s := range l.Scanners {
			r, err := line.New(serialport.Config{Path: s.Port, Baud: s.Baud})
			if err != nil {
				return nil, nil, fmt.Errorf("lane %d: %w", l.Number, err)
			}
			readers = append(readers, lane.Reader{Name: s.Port, Scanner: r, Direction: directionOf(s.Direction)})
		}
		return g, readers, nil
	}
}

func newGate(g *Gate, lines gpio.Lines, err error) (gate.Gate, error) {
	if g.Driver == driverController {
		return controller.New(serialport.Config{Path: g.Port, Baud: g.Baud})
	}
	if err != nil {
		return nil, err
	}
	if lines == nil {
		return nil, errNoGPIO
	}
	return gpio.New(g.lines(), lines)
}
