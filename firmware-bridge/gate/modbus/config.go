package modbus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"turnstile/firmware-bridge/gate/passage"
	"turnstile/firmware-bridge/serialport"
)

// ErrConfig says that a Config cannot work.
var ErrConfig = errors.New("Modbus gate configuration")

// Timers that a board can have of its own.
const (
	TimerNone  = ""
	TimerFlash = "flash" // Waveshare's "flash on": the board drops the relay by itself
)

// Tables that a board can have its inputs in.
const (
	Discrete         = "discrete"          // function 2; also ""
	Coils            = "coils"             // function 1, for boards that show inputs as coils
	HoldingRegisters = "holding registers" // function 3
	InputRegisters   = "input registers"   // function 4
)

const (
	DefaultAnswer = 50 * time.Millisecond
	minAnswer     = 10 * time.Millisecond
	maxAnswer     = 500 * time.Millisecond
	// DefaultHeld is how long a door may stand open after a passage.
	DefaultHeld = passage.DefaultHeld
	// shortest is the pulse of a gate's contact that must not be missed.
	shortest = 100 * time.Millisecond
	// promptly is the time that a board with a USB adapter takes to answer, for
	// the estimate of Check.
	promptly = 20 * time.Millisecond
	maxUnit  = 247
	// maxNumber bounds relays and inputs: larger boards do not exist, and one
	// look has to stay short.
	maxNumber = 64
	flashBase = 0x0200 // of the coils that are timers
)

// Config names one gate's board and what hangs on it. Relay and input numbers
// count from 1; 0 and "" are not wired.
type Config struct {
	Port serialport.Config // 9600 baud or more
	Unit int               // the board's address on the line, 1 to 247; most come with 1

	RelayIn    int    // opens in; 0 for a gate that only lets out
	RelayOut   int    // opens out; 0 for a gate that only lets in
	FirstRelay int    // address of relay 1: 0 on most boards
	Timer      string // TimerNone or TimerFlash

	// Contacts of the gate: an input's number, with a "!" in front if it opens to say yes.
	PassedIn   string // a person walked in; needed
	PassedOut  string // a person walked out; "" when PassedIn reports both directions
	Fire       string // the fire alarm has released the gate: observed, no more
	Tamper     string // the case is open
	Ready      string // the gate takes a grant; while it does not, Open answers gate.ErrBusy
	Door       string // the door or barrier is open
	Inputs     string // the table that they are in: Discrete, Coils, HoldingRegisters or InputRegisters
	FirstInput int    // address of input 1: 0 on most boards
	Packed     bool   // registers hold 16 inputs each, input 1 in the lowest bit; else one each, not 0 for on
	// HeldAfter is how long Door may be open after a passage before it is Held.
	// 0 means DefaultHeld; at least 1 s.
	HeldAfter time.Duration
	// Answer is how long the board may take to begin its answer. 0 means
	// DefaultAnswer; held within 10 ms and 500 ms.
	Answer time.Duration
}

// terminal is one input of a Config and what it is for.
type terminal struct {
	field  string
	number int // from 1; 0 if not wired
	opens  bool
	bad    bool // it is not a number
}

func terminalOf(field, name string) terminal {
	digits, opens := strings.CutPrefix(name, "!")
	if name == "" {
		return terminal{field: field}
	}
	n, err := strconv.Atoi(digits)
	return terminal{field, n, opens, err != nil || n < 1 || n > maxNumber}
}

// contacts returns the inputs by role.
func (c Config) contacts() [roles]terminal {
	return [roles]terminal{
		walkedIn: terminalOf("PassedIn", c.PassedIn), walkedOut: terminalOf("PassedOut", c.PassedOut), fire: terminalOf("Fire", c.Fire),
		tamper: terminalOf("Tamper", c.Tamper), ready: terminalOf("Ready", c.Ready), door: terminalOf("Door", c.Door),
	}
}

// Check reports what is wrong with c.
func (c Config) Check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...)
	}
	if err := c.Port.Check(); err != nil {
		return err
	}
	switch {
	case c.Unit < 1 || c.Unit > maxUnit:
		return wrong("unit %d; 1 to %d, most boards come with 1", c.Unit, maxUnit)
	case c.RelayIn == 0 && c.RelayOut == 0:
		return wrong("no relay; give RelayIn, RelayOut or both its number")
	case c.RelayIn == c.RelayOut:
		return wrong("relay %d for both directions; each needs its own", c.RelayIn)
	case min(c.RelayIn, c.RelayOut) < 0 || max(c.RelayIn, c.RelayOut) > maxNumber:
		return wrong("relays %d and %d; they count from 1 to %d", c.RelayIn, c.RelayOut, maxNumber)
	case c.Timer != TimerNone && c.Timer != TimerFlash:
		return wrong("timer %.40q; use %q, or \"\" for a board without one", c.Timer, TimerFlash)
	case c.Timer == TimerFlash && c.FirstRelay != 0:
		return wrong("FirstRelay %d with a timer, whose addresses are fixed; use 0", c.FirstRelay)
	case min(c.FirstRelay, c.FirstInput) < 0 || max(c.FirstRelay, c.FirstInput) > 0xFFFF-maxNumber:
		return wrong("FirstRelay %d, FirstInput %d; addresses go from 0 to %d", c.FirstRelay, c.FirstInput, 0xFFFF-maxNumber)
	case c.HeldAfter != 0 && (c.HeldAfter < time.Second || c.Door == ""):
		return wrong("HeldAfter %v; 1s or more, and only with a Door", c.HeldAfter)
	}
	return c.checkInputs()
}

// checkInputs reports inputs that cannot be, or that cannot be read in time.
func (c Config) checkInputs() error {
	seen := map[int]string{}
	for _, t := range c.contacts() {
		switch {
		case t.bad:
			return fmt.Errorf("%w: %s: no input's number; write one from 1 to %d, with a \"!\" in front if it opens to say yes", ErrConfig, t.field, maxNumber)
		case t.number != 0 && seen[t.number] != "":
			return fmt.Errorf("%w: input %d is named for %s and %s; each needs its own", ErrConfig, t.number, seen[t.number], t.field)
		case t.number != 0:
			seen[t.number] = t.field
		}
	}
	if c.PassedIn == "" {
		return fmt.Errorf("%w: no passage contact; give PassedIn its number, without it nobody knows who walked", ErrConfig)
	}
	switch c.Inputs {
	case "", Discrete, Coils:
		if c.Packed {
			return fmt.Errorf("%w: Packed is for registers; take it out, or name the registers in Inputs", ErrConfig)
		}
	case HoldingRegisters, InputRegisters:
	default:
		return fmt.Errorf("%w: inputs in %.40q; use %q, %q, %q or %q", ErrConfig, c.Inputs, Discrete, Coils, HoldingRegisters, InputRegisters)
	}
	if look := c.Look(promptly); 2*look > shortest {
		return fmt.Errorf("%w: one look at the inputs takes %v at %d baud, so a contact of %v can be missed; set board and Port to a higher rate, best 115200, or wire inputs with numbers next to each other",
			ErrConfig, look.Round(time.Millisecond), c.Port.Baud, shortest)
	}
	return nil
}

// span returns the first input that is read, from 0, and how many.
func (c Config) span() (first, count int) {
	first, last := maxNumber, 0
	for _, t := range c.contacts() {
		if t.number != 0 {
			first, last = min(first, t.number-1), max(last, t.number)
		}
	}
	return first, last - first
}

// registers reports whether the inputs are in registers.
func (c Config) registers() bool { return c.Inputs == HoldingRegisters || c.Inputs == InputRegisters }

// Look is how long one look at the inputs takes when the board begins to answer
// after the given time.
func (c Config) Look(answer time.Duration) time.Duration {
	first, count := c.span()
	bytes := (count + 7) / 8
	switch {
	case c.registers() && c.Packed:
		bytes = 2 * (packedEnd(first, count) - first/16)
	case c.registers():
		bytes = 2 * count
	}
	return characters(c.Port.Baud, requestSize+replyOverhead+bytes) + 2*gap(c.Port.Baud) + answer
}

// packedEnd is the number of the register behind the last one that holds inputs.
func packedEnd(first, count int) int { return (first + count + 15) / 16 }

// answer is Answer with its default and within its bounds.
func (c Config) answer() time.Duration {
	if c.Answer == 0 {
		return DefaultAnswer
	}
	return min(max(c.Answer, minAnswer), maxAnswer)
}
