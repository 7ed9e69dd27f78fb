package daemon

import (
	"regexp"
	"strconv"
	"time"

	"turnstile/firmware-bridge/gate"
	"turnstile/firmware-bridge/gate/gpio"
	"turnstile/firmware-bridge/gate/modbus"
	"turnstile/firmware-bridge/gate/panel"
	"turnstile/firmware-bridge/scanner/engine"
	"turnstile/firmware-bridge/scanner/osdpreader"
	"turnstile/firmware-bridge/scanner/wiegandreader"
	"turnstile/firmware-bridge/serialport"
)

// Scanner configures one scanner. Driver says which of the other keys it has; a
// key of another driver is refused.
type Scanner struct {
	// Driver is line (a scanner that sends lines of text; the default), auto
	// (finds which family of engine answers), gm65, m3y, newland, honeywell,
	// de2120 or ssi (engines that are set up by commands), osdp (a reader on
	// RS-485), wiegand (card readers on two GPIO lines) or controller (card
	// readers on the gate's lane controller). Cameras are a program of their
	// own (firmware-bridge camera), read with driver line.
	Driver string `yaml:"driver"`
	// Direction is in or out: the way that those walk who use it. Default in.
	Direction string `yaml:"direction"`
	// Port is the serial device, best by its id: numbers such as ttyUSB0 move.
	// Both OSDP readers of a lane may be on one port.
	Port string `yaml:"port"`
	// Baud is the line's rate; for engines the one that is tried first. Default
	// 115200; at 9600 a code takes 150 ms.
	Baud int `yaml:"baud"`

	// Engines. Mode is presentation (reads by itself; the default) or keep (as it
	// is set). Raise is the rate that the engine is set to at each start, so that a
	// code takes 12 ms; default: left as it is. QROnly switches other kinds of
	// code off where the family's command for it is known.
	Mode   string `yaml:"mode"`
	Raise  int    `yaml:"raise"`
	QROnly bool   `yaml:"qr_only"`

	// OSDP: the reader's address 0..126, and the file with its key, mode 0600.
	// Master says that it is a master key from which the reader's is derived;
	// CUID names the one reader that is meant.
	Address int    `yaml:"address"`
	KeyFile string `yaml:"key_file"`
	Master  bool   `yaml:"master"`
	CUID    string `yaml:"cuid"`

	// Wiegand: the lines of D0 and D1, the formats that are taken (H10301, W34,
	// H10302, H10304, W66; default all), and whether pulses are high because a level shifter inverts.
	D0         string   `yaml:"d0"`
	D1         string   `yaml:"d1"`
	Formats    []string `yaml:"formats"`
	ActiveHigh bool     `yaml:"active_high"`

	// Reader is the number of a card reader at the lane controller, 0 or 1.
	Reader int `yaml:"reader"`
}

// Gate configures a gate. Driver says which of the other keys it has; a key of
// another driver is refused.
type Gate struct {
	// Driver is controller (a lane controller on a serial port), gpio (relays and
	// contacts on this computer), modbus (a relay and input board) or panel (an
	// access panel that is told a card number and opens by itself).
	Driver string `yaml:"driver"`
	// Pulse is how long the relay is on, 50ms..1s. Default 200ms, or what the
	// profile asks for.
	Pulse Duration `yaml:"pulse"`
	// Window is how long a person has to walk through, 1s..15s. Default 5s.
	Window Duration `yaml:"window"`
	// Port and Baud are the serial port of a controller (default 115200 baud) or
	// a Modbus board (default 9600, as they come).
	Port string `yaml:"port"`
	Baud int    `yaml:"baud"`

	// Relays and contacts: GPIO lines by their kernel name or as gpiochip0:17,
	// numbers from 1 on a Modbus board. A "!" in front turns the polarity of a
	// contact (and of a gpio relay). At least one relay, and sensor_in: without it
	// nobody knows who walked.
	RelayIn   string   `yaml:"relay_in"`
	RelayOut  string   `yaml:"relay_out"`
	SensorIn  string   `yaml:"sensor_in"`
	SensorOut string   `yaml:"sensor_out"` // default: sensor_in reports both directions
	Fire      string   `yaml:"fire"`       // the fire alarm has released the gate: observed, no more
	Tamper    string   `yaml:"tamper"`     // the case is open
	Ready     string   `yaml:"ready"`      // the gate takes a grant now
	Door      string   `yaml:"door"`       // the door or barrier is open
	HeldAfter Duration `yaml:"held_after"` // how long door may be open after a passage. Default 10s
	ActiveLow bool     `yaml:"active_low"` // contacts close to ground (gpio, panel)

	// GPIO only. Profile is the kind of gate: plain (default), perco-pulse,
	// perco-potential, stored (Evolve, Gunnebo) or magnetic.
	Profile     string `yaml:"profile"`
	OpenDrain   bool   `yaml:"open_drain"` // the relay lines pull the gate's own inputs low
	InhibitIn   string `yaml:"inhibit_in"` // no entry now: somebody passes the other way
	InhibitOut  string `yaml:"inhibit_out"`
	Fault       string `yaml:"fault"`     // the gate has an error
	WrongWay    string `yaml:"wrong_way"` // somebody walks against the passage
	Tailgate    string `yaml:"tailgate"`  // the gate's own word that a second person follows
	LampGranted string `yaml:"lamp_granted"`
	LampDenied  string `yaml:"lamp_denied"`
	Buzzer      string `yaml:"buzzer"`

	// Modbus only; package gate/modbus explains them.
	Unit       int      `yaml:"unit"`        // the board's address. Default 1
	FirstRelay int      `yaml:"first_relay"` // address of relay 1
	FirstInput int      `yaml:"first_input"` // address of input 1
	Inputs     string   `yaml:"inputs"`      // table of the inputs. Default discrete
	Packed     bool     `yaml:"packed"`      // registers hold 16 inputs each
	Timer      string   `yaml:"timer"`       // flash: the board ends the pulse by itself
	Answer     Duration `yaml:"answer"`      // how long the board, or the panel's relay, may take

	// Panel only; package gate/panel explains them.
	D0       string `yaml:"d0"`
	D1       string `yaml:"d1"`
	PulseLow bool   `yaml:"pulse_low"`
	Format   string `yaml:"format"`   // what the panel's port is set to: H10301, W34, H10302, H10304, W66
	Number   string `yaml:"number"`   // fixed or pass
	Facility uint64 `yaml:"facility"` //
	Card     uint64 `yaml:"card"`     // of number fixed
	Opened   string `yaml:"opened"`   // contact: the panel's relay is on
	Opens    string `yaml:"opens"`    // in or out, if the panel's port opens one way only
}

// The drivers that are not named by a package.
const (
	driverLine       = "line"
	driverOSDP       = "osdp"
	driverWiegand    = "wiegand"
	driverController = "controller"
	driverGPIO       = "gpio"
	driverModbus     = "modbus"
	driverPanel      = "panel"
)

func (s *Scanner) serial() serialport.Config {
	return serialport.Config{Path: s.Port, Baud: s.Baud}
}

func (s *Scanner) engine() engine.Config {
	return engine.Config{Port: s.serial(), Family: s.Driver, Mode: s.Mode, Raise: s.Raise, QROnly: s.QROnly}
}

func (s *Scanner) osdp() osdpreader.ReaderConfig {
	return osdpreader.ReaderConfig{Address: s.Address, KeyFile: s.KeyFile, Master: s.Master, CUID: s.CUID}
}

func (s *Scanner) wiegand() wiegandreader.Config {
	return wiegandreader.Config{D0: s.D0, D1: s.D1, Formats: s.Formats, ActiveHigh: s.ActiveHigh}
}

// name is what people call the scanner: where it hangs.
func (s *Scanner) name() string {
	switch s.Driver {
	case driverOSDP:
		return s.Port + "#" + strconv.Itoa(s.Address)
	case driverWiegand:
		return s.D0 + "+" + s.D1
	case driverController:
		return "controller#" + strconv.Itoa(s.Reader)
	}
	return s.Port
}

func (g *Gate) serial() serialport.Config {
	return serialport.Config{Path: g.Port, Baud: g.Baud}
}

func (g *Gate) gpio() gpio.Config {
	return gpio.Config{
		Profile: g.Profile, RelayIn: g.RelayIn, RelayOut: g.RelayOut, OpenDrain: g.OpenDrain,
		PassedIn: g.SensorIn, PassedOut: g.SensorOut, Fire: g.Fire, Tamper: g.Tamper, Ready: g.Ready,
		InhibitIn: g.InhibitIn, InhibitOut: g.InhibitOut, Fault: g.Fault, WrongWay: g.WrongWay, Tailgate: g.Tailgate,
		Door: g.Door, ActiveLow: g.ActiveLow, HeldAfter: time.Duration(g.HeldAfter),
		Granted: g.LampGranted, Denied: g.LampDenied, Buzzer: g.Buzzer,
	}
}

// modbus reads relay numbers like input numbers; what is none becomes -1, which
// the driver's Check refuses.
func (g *Gate) modbus() modbus.Config {
	return modbus.Config{
		Port: g.serial(), Unit: g.Unit, RelayIn: relayNumber(g.RelayIn), RelayOut: relayNumber(g.RelayOut), FirstRelay: g.FirstRelay,
		Timer: g.Timer, PassedIn: g.SensorIn, PassedOut: g.SensorOut, Fire: g.Fire, Tamper: g.Tamper, Ready: g.Ready, Door: g.Door,
		Inputs: g.Inputs, FirstInput: g.FirstInput, Packed: g.Packed, HeldAfter: time.Duration(g.HeldAfter), Answer: time.Duration(g.Answer),
	}
}

func relayNumber(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return -1
	}
	return n
}

func (g *Gate) panel() panel.Config {
	return panel.Config{
		D0: g.D0, D1: g.D1, PulseLow: g.PulseLow, Format: g.Format, Number: g.Number, Facility: g.Facility, Card: g.Card,
		PassedIn: g.SensorIn, PassedOut: g.SensorOut, Opened: g.Opened, Ready: g.Ready, Fire: g.Fire, ActiveLow: g.ActiveLow,
		Direction: directionOf(g.Opens), Answer: time.Duration(g.Answer),
	}
}

// directionOf returns 0 for a word that is no direction.
func directionOf(word string) gate.Direction {
	switch word {
	case "in":
		return gate.In
	case "out":
		return gate.Out
	}
	return 0
}

// keysOf are the drivers' own names of what has another key here.
var keysOf = map[string]string{
	"PassedIn": "sensor_in", "PassedOut": "sensor_out", "passed_in": "sensor_in", "passed_out": "sensor_out",
	"RelayIn": "relay_in", "RelayOut": "relay_out", "OpenDrain": "open_drain", "InhibitIn": "inhibit_in", "InhibitOut": "inhibit_out",
	"WrongWay": "wrong_way", "HeldAfter": "held_after", "FirstRelay": "first_relay", "FirstInput": "first_input",
	"Granted": "lamp_granted", "Denied": "lamp_denied", "Buzzer": "buzzer", "Door": "door", "Fire": "fire", "Tamper": "tamper",
	"Ready": "ready", "Fault": "fault", "Tailgate": "tailgate", "Profile": "profile", "Inputs": "inputs", "Packed": "packed",
}

var driversWord = regexp.MustCompile(`\b[A-Za-z_]+\b`)

// inKeys puts a driver's error into the words of a configuration.
func inKeys(err error) string {
	return driversWord.ReplaceAllStringFunc(err.Error(), func(word string) string {
		if key, ok := keysOf[word]; ok {
			return key
		}
		return word
	})
}
