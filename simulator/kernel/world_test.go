package kernel

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"turnstile/simulator/machine"
)

// pins is the world at a PL061: outside of the computer.
type pins struct{ m *machine.Machine }

// Lines of the PL061 in use.
const (
	contactPin = 0
	relayPin   = 1
)

func (p *pins) names() (relay, contact string) {
	return fmt.Sprintf("gpiochip0:%d", relayPin), fmt.Sprintf("gpiochip0:%d", contactPin)
}

func (p *pins) touch(closed bool) error { return p.m.Pins.Set(contactPin, closed) }

func (p *pins) relay() (bool, error) {
	level := false
	for _, c := range p.m.Pins.Changes() {
		if c.Pin == relayPin {
			level = c.High
		}
	}
	return level, nil
}

// simulated is the world at a chip of the kernel's gpio-sim, which is played
// through its files in the guest.
type simulated struct {
	m     *machine.Machine
	lines string // folder of the lines' files
}

const (
	simConfig  = "/sys/kernel/config/gpio-sim/turnstile/"
	relayName  = "RELAY1"
	sensorName = "PASSED1"
)

func newSimulated(t *testing.T, m *machine.Machine) *simulated {
	t.Helper()
	s := &simulated{m: m}
	for _, step := range [][2]string{{"bank0/num_lines", "8"}, {"bank0/label", "turnstile"}, {"bank0/line0/name", sensorName}, {"bank0/line1/name", relayName}} {
		if err := m.Write(simConfig+step[0], []byte(step[1])); err != nil {
			t.Fatal(err)
		}
	}
	s.plug(t)
	return s
}

// plug makes the chip appear.
func (s *simulated) plug(t *testing.T) {
	t.Helper()
	if err := s.m.Write(simConfig+"live", []byte("1")); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, file := range []string{"dev_name", "bank0/chip_name"} {
		b, err := s.m.Read(simConfig + file)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, strings.TrimSpace(string(b)))
	}
	s.lines = filepath.Join("/sys/devices/platform", parts[0], parts[1])
}

// unplug takes the chip away from whoever has it open.
func (s *simulated) unplug(t *testing.T) {
	t.Helper()
	if err := s.m.Write(simConfig+"live", []byte("0")); err != nil {
		t.Fatal(err)
	}
}

func (s *simulated) names() (relay, contact string) { return relayName, sensorName }

func (s *simulated) file(pin int, name string) string {
	return filepath.Join(s.lines, fmt.Sprintf("sim_gpio%d", pin), name)
}

func (s *simulated) touch(closed bool) error {
	pull := "pull-down"
	if closed {
		pull = "pull-up"
	}
	return s.m.Write(s.file(contactPin, "pull"), []byte(pull))
}

func (s *simulated) relay() (bool, error) {
	b, err := s.m.Read(s.file(relayPin, "value"))
	return strings.TrimSpace(string(b)) == "1", err
}
