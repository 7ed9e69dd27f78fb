// Package gpio drives a gate through GPIO lines: a relay for each direction, and contacts that report passages.
//
// It stands on periph.io's gpioioctl driver (the kernel's character device) and
// keeps clear of its faults, tried on real kernels: reading an output turns it
// into an input, an endless wait returns at once, an error looks like a
// timeout or a low level, edges are lost without a sign, error numbers become
// plain text, and a line is unusable after any error until it is closed.
//
// # Wiring
//
// A relay has to be active high, with a pull-down: requesting a line as output
// drives it low first, before it can be driven high, so an active-low relay
// board would open the gate at each start.
// Contacts close to ground (ActiveLow, the usual wiring) or to the supply; the
// line's own pull is switched on where the chip has one.
//
// # Levels at start, stop and crash
//
// Watched on the wires of a PL061 and of the kernel's simulated chip, Linux 6.1:
//
//   - Start: the kernel drives each relay low when it is requested; no start
//     pulsed a relay. A relay that a crash left on goes off then.
//   - Run's end, which SIGTERM brings about in a program that ends Run's
//     context at it: a relay that is on goes off at once (within 21 ms of
//     the signal on an emulated computer), and stays off after the lines are
//     given back.
//   - SIGKILL, a crash, or SIGTERM without a handler: the kernel takes the lines
//     back and drives nothing, so what happens is the chip's business. The PL061
//     kept the relay on until the next start; the simulated chip fell back to
//     its pull. Let the supervisor start the program again at once, and use a
//     gate in pulse mode, for which a relay that stays on is one opening, or a
//     timer relay.
//   - A chip that vanishes (a USB module): no level can be set any more. Run
//     ends with ErrChip, and neither a passage nor a fire is reported.
//
// The driver has no memory: after a start every grant number counts as new.
package gpio

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/gpioioctl"
)

var (
	// ErrNoLine says that a configured line does not exist.
	ErrNoLine = errors.New("no such GPIO line")
	// ErrNoChip says that there is no GPIO at all.
	ErrNoChip = errors.New("no GPIO chip: check that /dev/gpiochip0 exists and that this user is in the group gpio")
	// ErrChip says that a chip has vanished under us. periph does not find it
	// again, so only a restart helps.
	ErrChip = errors.New("the GPIO chip is gone: check the board, then restart this program")
)

// Output is the part of periph's gpio.PinOut that this driver uses. It never
// reads an output: gpioioctl would make an input of it, and the relay would drop.
type Output interface {
	Out(l gpio.Level) error
}

// Input is the part of periph's gpio.PinIn that this driver uses.
type Input interface {
	In(pull gpio.Pull, edge gpio.Edge) error
	Read() gpio.Level
	// WaitForEdge is only called with a positive timeout. Its false means
	// timeout, error or halt; they are told apart by how long it took.
	WaitForEdge(timeout time.Duration) bool
}

// Lines finds lines by name. A line that has a method Close() is closed after
// an error and at the end; no other way heals one.
type Lines interface {
	Output(name string) (Output, error)
	Input(name string) (Input, error)
}

// Host is the GPIO of this computer. Use Prepare.
type Host struct{ chips []*gpioioctl.GPIOChip }

// Prepare finds the GPIO chips. Call it first thing in main, before goroutines
// and files: periph closes descriptor 0 when two nodes in /dev name one chip
// (as on a Raspberry Pi 5) and takes a descriptor 0 for "not open"; Prepare
// puts /dev/null there again.
func Prepare() (*Host, error) {
	_, err := driverreg.Init()
	if standInErr := holdStdin(); standInErr != nil {
		return nil, standInErr
	}
	if err != nil {
		return nil, fmt.Errorf("find GPIO chips: %w", err)
	}
	if len(gpioioctl.Chips) == 0 {
		return nil, ErrNoChip
	}
	return &Host{gpioioctl.Chips}, nil
}

// holdStdin makes sure that descriptor 0 is open.
func holdStdin() error {
	var st unix.Stat_t
	if unix.Fstat(0, &st) == nil {
		return nil
	}
	fd, err := unix.Open(os.DevNull, unix.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("reopen descriptor 0: %w", err)
	}
	if fd != 0 {
		_ = unix.Close(fd)
	}
	return nil
}

// Line describes one line for people.
type Line struct {
	Name     string // how to configure it
	Chip     string // such as gpiochip0 (pinctrl-rp1)
	Consumer string // which program had it when Prepare ran; "" if free
}

// List returns all lines, chip by chip.
func (h *Host) List() []Line {
	var all []Line
	for _, c := range h.chips {
		for i, l := range c.Lines() {
			name := l.Name()
			if name == "" || name == "-" || name == "_" {
				name = fmt.Sprintf("%s:%d", c.Name(), i)
			}
			all = append(all, Line{Name: name, Chip: fmt.Sprintf("%s (%s)", c.Name(), c.Label()), Consumer: l.Consumer()})
		}
	}
	return all
}

// Output implements Lines. Names are those of List, or "chip:number".
func (h *Host) Output(name string) (Output, error) { return h.line(name) }

// Input implements Lines.
func (h *Host) Input(name string) (Input, error) { return h.line(name) }

func (h *Host) line(name string) (*hostLine, error) {
	chip, number, numbered := strings.Cut(name, ":")
	n, err := strconv.Atoi(number)
	numbered = numbered && err == nil
	for _, c := range h.chips {
		if numbered && c.Name() == chip && n >= 0 && n < c.LineCount() {
			return &hostLine{c.ByNumber(n)}, nil
		}
		if l := c.ByName(name); l != nil && name != "" {
			return &hostLine{l}, nil
		}
	}
	return nil, fmt.Errorf("%w: %q; `firmware-bridge find` lists them", ErrNoLine, name)
}

// hostLine is a line whose errors can be told apart: gpioioctl makes plain text
// of the kernel's error numbers.
type hostLine struct{ *gpioioctl.GPIOLine }

func (l *hostLine) Out(level gpio.Level) error { return errno(l.GPIOLine.Out(level)) }

func (l *hostLine) In(pull gpio.Pull, edge gpio.Edge) error { return errno(l.GPIOLine.In(pull, edge)) }

// errno gives err, which ends in an error number's text, that number to unwrap.
func errno(err error) error {
	if err == nil {
		return nil
	}
	for _, number := range []unix.Errno{unix.ENODEV, unix.EBUSY} {
		if before, found := strings.CutSuffix(err.Error(), number.Error()); found {
			return fmt.Errorf("%s%w", before, number)
		}
	}
	return err
}
