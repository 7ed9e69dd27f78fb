// Package gpioline asks the kernel for GPIO lines through the character device's v2 ioctls, where periph cannot.
//
// periph's gpioioctl stays the driver for inputs on a chip that is there when
// the program starts. This package is for what it cannot do, each seen on a
// Linux 6.1 kernel with host v3.8.5:
//
//   - The first Out(High) drives low first: the line is requested as an output
//     without a value. An active-low relay opens its gate at each start. Here the
//     first level is part of the request (attribute OUTPUT_VALUES).
//   - A chip that was pulled and comes back is never found again: chips are
//     listed once per process. Here lines are looked up anew at each opening.
//   - An error, a timeout and an endless wait that ends at once (periph/host#78)
//     are the same false. Here a chip that is gone is ErrChip.
//   - No time stamps, no sequence numbers, no active-low, no open drain, no
//     debouncing: the kernel has them all, so here they are its own.
//
// A line is named by the name that the kernel has for it (gpioinfo lists them)
// or by its chip and number, as in "gpiochip0:17". Chip numbers move when a
// chip is pulled and plugged again, names do not.
//
// After Close, and after the program's end however it comes, the kernel drives
// the line no more and what the wire does is the chip's business: a PL061 keeps
// its level until the next start, others fall back to their pull.
//
// The kernel has to be 5.10 or newer.
package gpioline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Why a line cannot be had. Each comes wrapped, with the line and the next step.
var (
	ErrChip   = errors.New("GPIO chip is not there")
	ErrNoLine = errors.New("no such GPIO line")
	ErrBusy   = errors.New("GPIO line is in use")
	ErrAccess = errors.New("no permission for GPIO")
)

// Bias is what holds an input's level while nothing drives it. A chip that has
// no such resistors ignores it.
type Bias uint8

const (
	AsIs Bias = iota // as the chip was left
	PullUp
	PullDown
	NoPull
)

// OutputConfig asks for one output.
type OutputConfig struct {
	Line      string // "RELAY1" or "gpiochip0:17"
	ActiveLow bool   // on is the low level
	OpenDrain bool   // the high level is not driven; a resistor outside has to make it
	On        bool   // the first level, from the request on and without another before it
	Consumer  string // what gpioinfo shows, cut to 31 bytes; "turnstile" if empty
}

// InputConfig asks for inputs that are read together.
type InputConfig struct {
	Lines     []string // 1..64 of them, all of one chip
	ActiveLow bool     // active is the low level
	Bias      Bias
	Debounce  time.Duration // how long a level has to last for an edge; 0 reports every one
	ToActive  bool          // only edges to the active level, one for each pulse however short it is
	Consumer  string
}

// Edge is one change of one input.
type Edge struct {
	Line   int       // index into InputConfig.Lines
	Active bool      // the level after it
	At     time.Time // when the kernel saw it, with a monotonic reading
	Lost   uint32    // how many edges of these inputs the kernel dropped before this one
}

// Info describes one line.
type Info struct {
	Name     string // the kernel's; "" if it has none
	Chip     string // "gpiochip0"
	Offset   int    // its number on the chip
	Consumer string // who holds it; "" if it is free
	Output   bool
}

// Where returns the name that always means this line: "gpiochip0:17".
func (i Info) Where() string { return i.Chip + ":" + strconv.Itoa(i.Offset) }

const (
	maxLines = 64   // of one request, by the kernel's interface
	nameSize = 32   // of a name or consumer, with a zero byte at the end
	held     = 1024 // edges that the kernel is asked to hold: seven Wiegand frames of 66 bits
)

// Check reports what is wrong with a line's name: ErrNoLine, wrapped.
func Check(name string) error {
	_, _, _, err := split(name)
	return err
}

// split takes a line's name apart. numbered is false for a name of the kernel's.
func split(name string) (chip string, offset int, numbered bool, err error) {
	chip, number, found := strings.Cut(name, ":")
	if digits, is := strings.CutPrefix(chip, "gpiochip"); found && is && decimal(digits) && decimal(number) {
		offset, err := strconv.Atoi(number)
		if err != nil || len(digits) > 9 {
			return "", 0, false, fmt.Errorf("%w: %.40q: number too large", ErrNoLine, name)
		}
		return chip, offset, true, nil
	}
	switch {
	case name == "":
		return "", 0, false, fmt.Errorf("%w: no name; write one of gpioinfo's, or gpiochip0:17", ErrNoLine)
	case len(name) >= nameSize || strings.ContainsRune(name, 0):
		return "", 0, false, fmt.Errorf("%w: %.40q: the kernel's names have at most %d bytes", ErrNoLine, name, nameSize-1)
	}
	return "", 0, false, nil
}

// decimal reports whether s is a number as it is written: no sign, no zero in front.
func decimal(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// sequence finds gaps in the kernel's event numbers.
type sequence struct{ last uint32 }

// gap returns how many numbers were left out before n, 0 if n came late.
// Interrupts of two lines can overtake each other by a few.
func (s *sequence) gap(n uint32) uint32 {
	d := int32(n - s.last)
	if d <= 0 {
		return 0
	}
	s.last = n
	return uint32(d - 1)
}
