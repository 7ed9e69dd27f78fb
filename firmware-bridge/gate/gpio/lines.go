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

	"turnstile/firmware-bridge/gpioline"
)

var (
	// ErrNoLine says that a configured line does not exist.
	ErrNoLine = gpioline.ErrNoLine
	// ErrNoChip says that there is no GPIO at all.
	ErrNoChip = errors.New("no GPIO chip: check that /dev/gpiochip0 exists and that this user is in the group gpio")
	// ErrChip says that a chip is gone. Its lines are claimed again when it is back.
	ErrChip = gpioline.ErrChip
)

// Output is a line that is driven, such as a *gpioline.Output.
type Output interface {
	Set(on bool) error
	Close() error
}

// Input is the part of periph's gpio.PinIn that this driver uses. One that has a
// method Close() is closed after an error and at the end; no other way heals it.
type Input interface {
	In(pull gpio.Pull, edge gpio.Edge) error
	Read() gpio.Level
	// WaitForEdge is only called with a positive timeout. Its false means
	// timeout, error or halt; they are told apart by how long it took.
	WaitForEdge(timeout time.Duration) bool
}

// Inputs are lines that the kernel itself is asked for, such as a *gpioline.Inputs.
type Inputs interface {
	Read(edges []gpioline.Edge, wait time.Duration) (int, error)
	Active() ([]bool, error)
	Close() error
}

// Lines finds lines by name.
type Lines interface {
	// Output claims a line to drive it; it is at its first level from then on.
	Output(c gpioline.OutputConfig) (Output, error)
	// Input finds a line of a chip that was there when the program started.
	Input(name string) (Input, error)
	// Inputs claims lines of any chip that is there now.
	Inputs(c gpioline.InputConfig) (Inputs, error)
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

// Output implements Lines. Names are those of gpioline.
func (h *Host) Output(c gpioline.OutputConfig) (Output, error) {
	o, err := gpioline.OpenOutput(c)
	if err != nil {
		return nil, err // not a nil *gpioline.Output in an interface
	}
	return o, nil
}

// Inputs implements Lines.
func (h *Host) Inputs(c gpioline.InputConfig) (Inputs, error) {
	i, err := gpioline.OpenInputs(c)
	if err != nil {
		return nil, err
	}
	return i, nil
}

// Input implements Lines: by periph, which knows the chips that Prepare found.
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
