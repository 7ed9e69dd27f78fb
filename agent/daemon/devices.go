package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"turnstile/agent/lane"
	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/controller"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/gate/modbus"
	"turnstile/firmware-bridge/gate/panel"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/scanner"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/line"
	"turnstile/firmware-bridge/scanner/osdpreader"
	"turnstile/firmware-bridge/scanner/wiegandreader"
)

// errNoGPIO is the error of a gpio gate in a program that did not look for chips.
var errNoGPIO = errors.New("GPIO was not prepared by this program")

// Devices makes the devices of a lane; nothing is opened before they run.
type Devices func(l Lane) (gate.Gate, []lane.Reader, error)

// Hardware returns Devices that make the real drivers. lines is the computer's
// GPIO, or the reason why it has none, which matters only to gpio gates. What
// devices tell beside scans and passages goes to log.
func Hardware(lines gpio.Lines, err error, log *slog.Logger) Devices {
	return func(l Lane) (gate.Gate, []lane.Reader, error) {
		g, gateErr := newGate(&l.Gate, lines, err)
		if gateErr != nil {
			return nil, nil, fmt.Errorf("lane %d: %w", l.Number, gateErr)
		}
		readers, err := newReaders(&l, g, log.With("lane", l.Number))
		if err != nil {
			return nil, nil, fmt.Errorf("lane %d: %w", l.Number, err)
		}
		return g, readers, nil
	}
}

func newGate(g *Gate, lines gpio.Lines, err error) (gate.Gate, error) {
	switch g.Driver {
	case driverController:
		return controller.New(g.serial())
	case driverModbus:
		return modbus.New(g.modbus())
	case driverPanel:
		return panel.New(g.panel())
	}
	if err != nil {
		return nil, err
	}
	if lines == nil {
		return nil, errNoGPIO
	}
	return gpio.New(g.gpio(), lines)
}

// newReaders makes the scanners of a lane with gate g.
func newReaders(l *Lane, g gate.Gate, log *slog.Logger) ([]lane.Reader, error) {
	lines := map[string]*osdpreader.Bus{} // RS-485 lines by port
	var readers []lane.Reader
	for i := range l.Scanners {
		s := &l.Scanners[i]
		r := lane.Reader{Name: s.name(), Direction: directionOf(s.Direction)}
		var err error
		switch s.Driver {
		case driverLine:
			r.Scanner, err = line.New(s.serial())
		case driverWiegand:
			r.Scanner, err = wiegandreader.New(s.wiegand())
		case driverController:
			r.Scanner = g.(*controller.Gate).Cards(s.Reader) // the configuration's check has seen to both
		case driverOSDP:
			r.Scanner, err = osdpReader(l, s, lines, log)
		default:
			var e *engine.Scanner
			e, err = engine.New(s.engine())
			r.Scanner, r.About = e, func() string { return about(e) }
		}
		if err != nil {
			return nil, err
		}
		readers = append(readers, r)
	}
	return readers, nil
}

// osdpReader returns the reader s on its line, which is made for the first of two.
func osdpReader(l *Lane, s *Scanner, lines map[string]*osdpreader.Bus, log *slog.Logger) (scanner.Scanner, error) {
	if lines[s.Port] == nil {
		c := osdpreader.BusConfig{Port: s.serial(), Notice: func(e osdp.Event) { notice(log, s.Port, e) }}
		for i := range l.Scanners {
			if other := &l.Scanners[i]; other.Driver == driverOSDP && other.Port == s.Port {
				c.Readers = append(c.Readers, other.osdp())
			}
		}
		line, err := osdpreader.NewBus(c)
		if err != nil {
			return nil, err
		}
		lines[s.Port] = line
	}
	return lines[s.Port].Reader(s.Address)
}

// notice logs what an OSDP line tells beside scans. A message can hold what
// somebody typed or showed: it is not logged.
func notice(log *slog.Logger, port string, e osdp.Event) {
	log = log.With("port", port, "reader", e.Address)
	switch e.Kind {
	case osdp.EventAlarm:
		log.Warn("OSDP alarm", "alarm", e.Alarm.String())
	case osdp.EventOnline:
		log.Info("OSDP reader is on-line", "cuid", e.Pin.CUID.String())
	case osdp.EventOffline:
		log.Warn("OSDP reader is off-line", "err", e.Err)
	case osdp.EventNak:
		log.Info("OSDP reader refused a command", "command", e.Command)
	}
}

// about says what an engine is, and what it could not be told.
func about(e *engine.Scanner) string {
	id := e.Identity()
	words := []string{strings.TrimSpace(strings.Join([]string{id.Family, id.Model, id.Firmware}, " "))}
	if id.Baud != 0 {
		words[0] += fmt.Sprintf(" at %d baud", id.Baud)
	}
	return strings.Join(append(words, id.Warnings...), "; ")
}
