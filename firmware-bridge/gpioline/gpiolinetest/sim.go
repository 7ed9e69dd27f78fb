package gpiolinetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// Configfs is where the kernel's gpio-sim driver makes chips.
	Configfs = "/sys/kernel/config/gpio-sim"
	tracing  = "/sys/kernel/tracing"
)

// Sim is a chip of the kernel's gpio-sim driver. It needs root, configfs, and
// for Levels tracefs; it is made for a machine of its own, such as a VM.
type Sim struct {
	folder string // in configfs
	sys    string // sysfs folder with sim_gpioN
	dev    string
	first  int // number of the first line in the kernel's trace, since it was plugged in last
	lines  []string
}

// NewSim makes a chip of this name with lines of these names, all pulled low.
func NewSim(name string, lines ...string) (*Sim, error) {
	s := &Sim{folder: filepath.Join(Configfs, name), lines: lines}
	bank := filepath.Join(s.folder, "bank0")
	for i := range lines {
		if err := os.MkdirAll(filepath.Join(bank, fmt.Sprintf("line%d", i)), 0o755); err != nil {
			return nil, fmt.Errorf("make simulated chip: %w; load gpio-sim.ko and mount configfs", err)
		}
	}
	err := errors.Join(put(bank, "num_lines", strconv.Itoa(len(lines))), put(bank, "label", name))
	for i, line := range lines {
		err = errors.Join(err, put(filepath.Join(bank, fmt.Sprintf("line%d", i)), "name", line))
	}
	if err != nil {
		return nil, fmt.Errorf("make simulated chip: %w", err)
	}
	return s, s.plug()
}

// put writes a file of sysfs or configfs.
func put(folder, file, value string) error {
	return os.WriteFile(filepath.Join(folder, file), []byte(value), 0o644)
}

// get reads one.
func get(folder, file string) (string, error) {
	b, err := os.ReadFile(filepath.Join(folder, file))
	return strings.TrimSpace(string(b)), err
}

// plug makes the chip live and waits for its node in /dev.
func (s *Sim) plug() error {
	if err := put(s.folder, "live", "1"); err != nil {
		return fmt.Errorf("plug simulated chip: %w", err)
	}
	device, err := get(s.folder, "dev_name")
	chip, err2 := get(s.folder, "bank0/chip_name")
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("plug simulated chip: %w", err)
	}
	s.dev, s.sys = "/dev/"+chip, filepath.Join("/sys/devices/platform", device, chip)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(s.dev); err == nil {
			s.first, err = s.base()
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("plug simulated chip: no %s: %w", s.dev, ctx.Err())
		}
	}
}

// Close takes the chip away and removes it.
func (s *Sim) Close() error {
	err := put(s.folder, "live", "0")
	for i := range s.lines {
		err = errors.Join(err, os.Remove(filepath.Join(s.folder, "bank0", fmt.Sprintf("line%d", i))))
	}
	return errors.Join(err, os.Remove(filepath.Join(s.folder, "bank0")), os.Remove(s.folder))
}

// Dev is the chip's node, such as /dev/gpiochip0.
func (s *Sim) Dev() string { return s.dev }

// Unplug takes the chip away under its users.
func (s *Sim) Unplug() {
	if err := put(s.folder, "live", "0"); err != nil {
		panic(err)
	}
}

// Plug brings it back, under the next number if somebody still holds the old one.
func (s *Sim) Plug() {
	if err := s.plug(); err != nil {
		panic(err)
	}
}

// line is the sysfs folder of a line.
func (s *Sim) line(name string) string {
	return filepath.Join(s.sys, fmt.Sprintf("sim_gpio%d", s.offset(name)))
}

// offset is the line's number.
func (s *Sim) offset(name string) int {
	for i, line := range s.lines {
		if line == name {
			return i
		}
	}
	panic(fmt.Sprintf("the simulated chip has no line %q", name))
}

// Drive gives the line a level from outside.
func (s *Sim) Drive(line string, high bool) {
	pull := "pull-down"
	if high {
		pull = "pull-up"
	}
	if err := put(s.line(line), "pull", pull); err != nil {
		panic(err)
	}
}

// Wire is the line's level, false for one that is not there.
func (s *Sim) Wire(line string) bool {
	v, _ := get(s.line(line), "value")
	return v == "1"
}

// Trace starts the record that Levels reads.
func (s *Sim) Trace() error {
	return errors.Join(put(tracing, "trace", ""), put(tracing, "events/gpio/enable", "1"))
}

// Levels returns every level that the kernel drove the line at since Trace, in
// order, by the kernel's own trace. There a level that an open drain does not
// drive is one that is set and followed by a turn to input.
func (s *Sim) Levels(line string) []bool {
	trace, err := get(tracing, "trace")
	if err != nil {
		panic(err)
	}
	var levels []bool
	number := s.first + s.offset(line)
	set, input := fmt.Sprintf("gpio_value: %d set ", number), fmt.Sprintf("gpio_direction: %d  in ", number)
	for row := range strings.Lines(trace) {
		if _, level, found := strings.Cut(row, set); found {
			levels = append(levels, strings.TrimSpace(level) == "1")
		} else if n := len(levels); strings.Contains(row, input) && n > 0 && levels[n-1] {
			levels = levels[:n-1]
		}
	}
	return levels
}

// base is the number of the chip's first line in the kernel's trace.
func (s *Sim) base() (int, error) {
	label := filepath.Base(s.folder)
	found, _ := filepath.Glob("/sys/class/gpio/gpiochip*")
	for _, folder := range found {
		if l, _ := get(folder, "label"); l == label {
			v, err := get(folder, "base")
			if err != nil {
				return 0, err
			}
			return strconv.Atoi(v)
		}
	}
	return 0, fmt.Errorf("no chip labelled %q in /sys/class/gpio", label)
}
