package gpio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/gpioline"
)

// ErrConfig says that a Config cannot work.
var ErrConfig = errors.New("GPIO gate configuration")

// DefaultHeld is how long a door may stand open after a passage.
const DefaultHeld = passage.DefaultHeld

// Config names the lines of one gate: by their kernel name or as "gpiochip0:17",
// with a "!" in front for the other polarity. "" is a line that is not wired. All
// lines of a gate come and go together: one that fails makes the gate Lost.
type Config struct {
	Profile string // what kind of gate it is, one of Profiles(); "" is ProfilePlain

	// Relays, and what they do to the gate.
	RelayIn   string // opens in; "" for a gate that only lets out
	RelayOut  string // opens out; "" for a gate that only lets in
	OpenDrain bool   // the relay lines are wired to the gate's own inputs: on pulls low, off lets go

	// Contacts of the gate.
	PassedIn   string // a person walked in; needed
	PassedOut  string // a person walked out; "" when PassedIn reports both directions
	Fire       string // the fire alarm has released the gate: observed, no more
	Tamper     string // the case is open
	Ready      string // the gate takes a grant; while it does not, Open answers gate.ErrBusy
	InhibitIn  string // no entry now, because somebody passes the other way
	InhibitOut string // no exit now
	Fault      string // the gate has an error: Open answers gate.ErrRefused
	WrongWay   string // somebody walks against the passage; Open answers gate.ErrBusy
	Tailgate   string // the gate's own word that a second person follows
	Door       string // the door or barrier is open
	ActiveLow  bool   // contacts close to ground: the line's pull-up is switched on, else its pull-down
	// HeldAfter is how long Door may be open after a passage before it is Held.
	// 0 means DefaultHeld; at least 1 s.
	HeldAfter time.Duration

	// What Show drives.
	Granted string // the green light
	Denied  string // the red light
	Buzzer  string
}

// terminal is one line of a Config and what it is for.
type terminal struct {
	field string // of Config, for messages
	name  string // without "!"
	other bool   // it had one
}

// terminalOf takes the "!" off.
func terminalOf(field, name string) terminal {
	name, other := strings.CutPrefix(name, "!")
	return terminal{field, name, other}
}

// outputs returns the lines that are driven: relays, then lights and buzzer.
func (c Config) outputs() []terminal {
	return []terminal{
		terminalOf("RelayIn", c.RelayIn), terminalOf("RelayOut", c.RelayOut),
		terminalOf("Granted", c.Granted), terminalOf("Denied", c.Denied), terminalOf("Buzzer", c.Buzzer),
	}
}

// contacts returns the lines that are read, by role.
func (c Config) contacts() [roles]terminal {
	return [roles]terminal{
		walkedIn: terminalOf("PassedIn", c.PassedIn), walkedOut: terminalOf("PassedOut", c.PassedOut),
		fire: terminalOf("Fire", c.Fire), tamper: terminalOf("Tamper", c.Tamper), ready: terminalOf("Ready", c.Ready),
		inhibitIn: terminalOf("InhibitIn", c.InhibitIn), inhibitOut: terminalOf("InhibitOut", c.InhibitOut),
		fault: terminalOf("Fault", c.Fault), wrongWay: terminalOf("WrongWay", c.WrongWay),
		tailgate: terminalOf("Tailgate", c.Tailgate), door: terminalOf("Door", c.Door),
	}
}

// Check reports what is wrong with c.
func (c Config) Check() error {
	p, known := profileOf(c.Profile)
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...)
	}
	switch {
	case !known:
		return wrong("no profile %.40q; use one of %s", c.Profile, strings.Join(Profiles(), ", "))
	case c.RelayIn == "" && c.RelayOut == "":
		return wrong("no relay line; name RelayIn, RelayOut or both")
	case c.PassedIn == "":
		return wrong("no passage contact; name PassedIn, without it nobody knows who walked")
	case p.bothWays && c.PassedOut != "":
		return wrong("PassedOut: a %s gate has one passage contact for both directions; name it PassedIn alone", p.name)
	case p.eachWay && c.RelayIn != "" && c.RelayOut != "" && c.PassedOut == "":
		return wrong("no PassedOut: a %s gate has a passage contact for each direction; wire both", p.name)
	case c.InhibitIn != "" && c.RelayIn == "" || c.InhibitOut != "" && c.RelayOut == "":
		return wrong("an inhibit contact for a direction without a relay; take it out, or name the relay")
	case c.OpenDrain && (strings.HasPrefix(c.RelayIn, "!") || strings.HasPrefix(c.RelayOut, "!")):
		return wrong("a relay line has a \"!\" and is OpenDrain: an open drain is active low as it is; take the \"!\" out")
	case c.HeldAfter != 0 && c.HeldAfter < time.Second:
		return wrong("HeldAfter %v; 1s or more, or 0 for %v", c.HeldAfter, DefaultHeld)
	case c.HeldAfter != 0 && c.Door == "":
		return wrong("HeldAfter without Door; name the door's contact")
	}
	return c.checkLines()
}

// checkLines reports a line that cannot be one, or that is used twice.
func (c Config) checkLines() error {
	seen := map[string]string{}
	contacts := c.contacts()
	for _, t := range slices.Concat(c.outputs(), contacts[:]) {
		if t.name == "" {
			if t.other {
				return fmt.Errorf("%w: %s: \"!\" without a line; write its name behind it", ErrConfig, t.field)
			}
			continue
		}
		if err := gpioline.Check(t.name); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrConfig, t.field, err)
		}
		if seen[t.name] != "" {
			return fmt.Errorf("%w: line %q is named for %s and %s; each needs its own", ErrConfig, t.name, seen[t.name], t.field)
		}
		seen[t.name] = t.field
	}
	return nil
}
