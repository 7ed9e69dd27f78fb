package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/osdp"
	"turnstile/firmware-bridge/scanner/engine"
)

// Keys that each driver has beside driver, direction, pulse and window.
var (
	serialKeys  = []string{"port", "baud"}
	scannerKeys = map[string][]string{
		driverLine:       serialKeys,
		driverOSDP:       append([]string{"address", "key_file", "master", "cuid"}, serialKeys...),
		driverWiegand:    {"d0", "d1", "formats", "active_high"},
		driverController: {"reader"},
	}
	engineKeys = append([]string{"mode", "raise", "qr_only"}, serialKeys...)
	gateKeys   = map[string][]string{
		driverController: serialKeys,
		driverGPIO: {"relay_in", "relay_out", "sensor_in", "sensor_out", "fire", "tamper", "ready", "door", "held_after", "active_low", "profile", "open_drain",
			"inhibit_in", "inhibit_out", "fault", "wrong_way", "tailgate", "lamp_granted", "lamp_denied", "buzzer"},
		driverModbus: {"port", "baud", "relay_in", "relay_out", "sensor_in", "sensor_out", "fire", "tamper", "ready", "door", "held_after",
			"unit", "first_relay", "first_input", "inputs", "packed", "timer", "answer"},
		driverPanel: {"sensor_in", "sensor_out", "fire", "ready", "active_low", "d0", "d1", "pulse_low", "format", "number", "facility", "card",
			"opened", "opens", "answer"},
	}
)

// keys reports keys that the driver does not have.
func (k *checker) keys(at []any, driver string, has []string) {
	n := k.root
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for _, p := range at {
		if n = child(n, p); n == nil {
			return
		}
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if known[key] && !slices.Contains(has, key) {
			k.problems = append(k.problems, fmt.Sprintf("line %d: %s: is not for driver %s; take it out", n.Content[i].Line, key, driver))
		}
	}
}

// known are all keys that belong to some driver; others were refused before.
var known = func() map[string]bool {
	all := map[string]bool{}
	lists := [][]string{engineKeys}
	for _, table := range []map[string][]string{scannerKeys, gateKeys} {
		for _, list := range table {
			lists = append(lists, list)
		}
	}
	for _, key := range slices.Concat(lists...) {
		all[key] = true
	}
	return all
}()

// scanner checks the i-th scanner of a lane.
func (k *checker) scanner(at []any, l *Lane, i int) {
	s := &l.Scanners[i]
	sameWay := func(other Scanner) bool { return other.Direction == s.Direction }
	if directionOf(s.Direction) == 0 || slices.ContainsFunc(l.Scanners[:i], sameWay) {
		k.wrong(under(at, "direction"), "direction: %q; one scanner each for in and out", s.Direction)
	}
	has, ok := scannerKeys[s.Driver]
	if !ok && slices.Contains(engine.Families(), s.Driver) {
		has, ok = engineKeys, true
	}
	if !ok {
		k.wrong(under(at, "driver"), "driver: %.40q; use line, %s, osdp, wiegand or controller", s.Driver, strings.Join(engine.Families(), ", "))
		return
	}
	k.keys(at, s.Driver, has)
	who := fmt.Sprintf("scanner of lane %d", l.Number)
	switch s.Driver {
	case driverOSDP:
		k.osdp(at, l, i, who)
	case driverWiegand:
		k.driver(at, "scanner", s.wiegand().Check())
		k.gpioLines(at, who+" ("+s.Direction+")", s.D0, s.D1)
	case driverController:
		// One reader for both directions would tell nobody's direction.
		same := func(other Scanner) bool { return other.Driver == driverController && other.Reader == s.Reader }
		if s.Reader < 0 || s.Reader > 1 || l.Gate.Driver != driverController || slices.ContainsFunc(l.Scanners[:i], same) {
			k.wrong(under(at, "reader"), "reader: %d; 0 or 1 at a gate with driver controller, each once", s.Reader)
		}
	case driverLine:
		k.port(at, who, s.Port, s.Baud)
	default:
		if s.Mode == modeTrigger {
			k.wrong(under(at, "mode"), "mode: trigger; no lane triggers a scanner, so it would read nothing: use presentation or keep")
		}
		if k.port(at, who, s.Port, s.Baud) {
			k.driver(at, "scanner", s.engine().Check())
		}
	}
}

// modeTrigger is the one mode of an engine that is for programs, not for lanes.
const modeTrigger = "trigger"

// osdp checks an OSDP reader. Its key file is looked at when the agent starts:
// it is not on the computer on which a configuration is written.
func (k *checker) osdp(at []any, l *Lane, i int, who string) {
	s := &l.Scanners[i]
	shares := slices.ContainsFunc(l.Scanners[:i], func(other Scanner) bool { return other.Driver == driverOSDP && other.Port == s.Port })
	switch {
	case !shares:
		k.port(at, who, s.Port, s.Baud)
	case l.Scanners[0].Address == s.Address || l.Scanners[0].Baud != s.Baud:
		k.wrong(under(at, "address"), "address: %d at %d baud; two readers on one line need two addresses and one rate", s.Address, s.Baud)
	}
	if s.Address < 0 || s.Address > osdp.MaxAddress {
		k.wrong(under(at, "address"), "address: %d; use 0 to %d, as the reader is set", s.Address, osdp.MaxAddress)
	}
	sameKey := func(other Scanner) bool { return other.Driver == driverOSDP && other.KeyFile == s.KeyFile && !s.Master }
	switch {
	case s.KeyFile == "":
		k.wrong(under(at, "key_file"), "key_file: name the file with the reader's key; there is no OSDP without one here")
	case slices.ContainsFunc(l.Scanners[:i], sameKey):
		k.wrong(under(at, "key_file"), "key_file: %s is the other reader's; whoever opens one must not have both: make a key for each", s.KeyFile)
	}
	if s.Master && s.CUID == "" {
		k.wrong(under(at, "cuid"), "cuid: name the reader's; under a master key any reader could play this one else")
	}
}

// gpioLines reports lines that another device of the file has; twice within one
// device is its driver's business. One line under two names is found when it is
// claimed.
func (k *checker) gpioLines(at []any, who string, names ...string) {
	for _, name := range names {
		name = strings.TrimPrefix(name, "!")
		if other, taken := k.lines[name]; taken && other != who && name != "" {
			k.wrong(at, "line %.40q is the %s's already; each needs its own", name, other)
		}
		k.lines[name] = who
	}
}

// driver adds what a driver's own check found.
func (k *checker) driver(at []any, what string, err error) {
	if err != nil {
		k.wrong(at, "%s: %s", what, inKeys(err))
	}
}

func (k *checker) gate(at []any, l *Lane) {
	g := &l.Gate
	if p := time.Duration(g.Pulse); p != 0 && (p < gate.MinPulse || p > gate.MaxPulse) {
		k.wrong(under(at, "pulse"), "pulse: %v; %v to %v are possible", p, gate.MinPulse, gate.MaxPulse)
	}
	if w := time.Duration(g.Window); w != 0 && (w < gate.MinWindow || w > gate.MaxWindow) {
		k.wrong(under(at, "window"), "window: %v; %v to %v are possible", w, gate.MinWindow, gate.MaxWindow)
	}
	has, ok := gateKeys[g.Driver]
	if !ok {
		k.wrong(under(at, "driver"), "driver: %.40q; use controller, gpio, modbus or panel", g.Driver)
		return
	}
	k.keys(at, g.Driver, has)
	who := fmt.Sprintf("gate of lane %d", l.Number)
	switch g.Driver {
	case driverController:
		k.port(at, who, g.Port, g.Baud)
	case driverGPIO:
		k.driver(at, "gate", g.gpio().Check())
		k.gpioLines(at, who, g.RelayIn, g.RelayOut, g.SensorIn, g.SensorOut, g.Fire, g.Tamper, g.Ready, g.Door,
			g.InhibitIn, g.InhibitOut, g.Fault, g.WrongWay, g.Tailgate, g.LampGranted, g.LampDenied, g.Buzzer)
	case driverModbus:
		if k.port(at, who, g.Port, g.Baud) {
			k.driver(at, "gate", g.modbus().Check())
		}
	case driverPanel:
		if g.Opens != "" && directionOf(g.Opens) == 0 {
			k.wrong(under(at, "opens"), "opens: %.40q; in, out, or left out for both", g.Opens)
		}
		k.driver(at, "gate", g.panel().Check())
		k.gpioLines(at, who, g.D0, g.D1, g.SensorIn, g.SensorOut, g.Fire, g.Ready, g.Opened)
	}
}
