// Package engine drives scan engines that take commands on the serial line on which their scans arrive.
//
// It finds the engine's rate, asks who it is, sets it up for a lane (reads by
// itself, ignores set-up codes that a visitor could print, a faster rate if
// wanted) and asks for a sign of life; scans that arrive meanwhile are delivered.
// Settings are made anew at each opening of the port and once a minute, and last
// until the engine loses power, which spares its flash; Config.Permanent is for the
// installer.
// What a family cannot be told, Identity says, with what to do about it.
//
// The families are in the packages beside dialect, each with the sources of its
// bytes. Family "auto" asks them in turn and falls back to plain lines, from time
// to time again; what comes as noise has it search all rates again. For an
// engine in plain line mode that takes no commands use scanner/line.
package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/firmware-bridge/scanner/engine/dialect"
	"turnstile/firmware-bridge/scanner/engine/gm65"
	"turnstile/firmware-bridge/scanner/engine/honeywell"
	"turnstile/firmware-bridge/scanner/engine/newland"
	"turnstile/firmware-bridge/scanner/engine/ssi"
	"turnstile/firmware-bridge/scanner/keyboard"
	"turnstile/firmware-bridge/serialport"
)

// ErrConfig says that no engine can be driven so.
var ErrConfig = errors.New("scan engine configuration")

// Auto is the family that asks all others; Line is what it falls back to.
const (
	Auto = "auto"
	Line = "line"
)

// family is one kind of engine.
type family struct {
	name string
	new  func() dialect.Dialect
}

// families in the order in which auto asks.
var families = []family{
	{"gm65", func() dialect.Dialect { return gm65.New() }},
	{"m3y", func() dialect.Dialect { return gm65.NewM3Y() }},
	{"newland", func() dialect.Dialect { return newland.New() }},
	{"honeywell", func() dialect.Dialect { return honeywell.New() }},
	{"de2120", func() dialect.Dialect { return honeywell.NewDE2120() }},
	{"ssi", func() dialect.Dialect { return ssi.New() }},
}

// Families lists what Config.Family may be, auto first.
func Families() []string {
	names := []string{Auto}
	for _, f := range families {
		names = append(names, f.name)
	}
	return names
}

// Modes are what Config.Mode may be.
var modes = map[string]dialect.Mode{"": dialect.Presentation, "presentation": dialect.Presentation, "trigger": dialect.Trigger, "keep": dialect.Keep}

// Config says how to drive one engine.
type Config struct {
	// Port is where it hangs. Port.Baud is the rate that is tried first; the
	// usual others follow.
	Port serialport.Config
	// Family is one of Families.
	Family string
	// Mode is "presentation" (also ""), in which the engine reads by itself,
	// "trigger", in which it reads when Scanner.Trigger says so, or "keep".
	Mode string
	// Raise is the rate to raise the engine to, such as 115200, at which a pass
	// takes 12 ms instead of the 149 ms of 9600; 0 leaves the rate as it is.
	Raise int
	// QROnly switches other kinds of code off where that is known. Try a code
	// afterwards: a model with another map would read nothing.
	QROnly bool
	// Permanent writes settings to the engine's flash, for an installer's one
	// run. A lane leaves it off: flash wears out, and each opening would write.
	Permanent bool
	// Heartbeat is how often a silent engine is asked for a sign of life, at
	// least 1 s; 0 is 10 s. After three misses the port is opened anew, and after
	// six of them the settings are made anew, in case the engine had no power.
	Heartbeat time.Duration
}

// DefaultHeartbeat is what GM65's maker asks for.
const DefaultHeartbeat = 10 * time.Second

// Check reports all that is wrong with c before any device is touched.
func (c Config) Check() error {
	errs := []error{c.Port.Check(), keyboard.Refuse(c.Port.Path)}
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s", ErrConfig, fmt.Sprintf(format, args...)))
	}
	if !slices.Contains(Families(), c.Family) {
		wrong("family %q: use one of %s, or the driver line", c.Family, strings.Join(Families(), ", "))
	}
	if _, known := modes[c.Mode]; !known {
		wrong("mode %q: use presentation, trigger or keep", c.Mode)
	}
	if c.Raise != 0 && !slices.Contains(serialport.Rates(), c.Raise) {
		wrong("raise to %d baud: use one of %v, or 0 to leave the rate", c.Raise, serialport.Rates())
	}
	if c.Heartbeat != 0 && c.Heartbeat < time.Second {
		wrong("heartbeat every %v: use 1s or more, or 0 for %v", c.Heartbeat, DefaultHeartbeat)
	}
	return errors.Join(errs...)
}

// settings is c as dialects see it.
func (c Config) settings() dialect.Settings {
	return dialect.Settings{Mode: modes[c.Mode], Baud: c.Raise, QROnly: c.QROnly, Permanent: c.Permanent}
}

// usual are the rates at which engines are found, the most likely first.
var usual = []int{9600, 115200, 57600, 38400, 19200}

// rates are the rates to search, first those that are given.
func (c Config) rates(first ...int) []int {
	var all []int
	for _, rate := range slices.Concat(first, []int{c.Port.Baud, c.Raise}, usual) {
		if rate != 0 && !slices.Contains(all, rate) {
			all = append(all, rate)
		}
	}
	return all
}
