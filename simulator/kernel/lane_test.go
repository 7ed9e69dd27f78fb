package kernel

import (
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"turnstile/agent/daemon"
	"turnstile/simulator/machine"
	"turnstile/simulator/machine/guest"
)

// lane is a lane's computer: the real agent, a scanner on USB, a relay and a
// passage contact on GPIO. Its tests run on it one after the other, as on a lane
// that is in use.
type lane struct {
	*machine.Machine
	t       *testing.T // of the test that runs now
	all     *testing.T // of all of them
	arch    machine.Arch
	world   world
	scanner net.Conn // plugged in while it is open
	pid     int      // of the agent
	scanned int      // codes that were scanned
	cutOff  int      // passages that SIGKILL cut off
}

// step runs one test on the lane.
func (l *lane) step(name string, test func()) {
	outer := l.t
	outer.Run(name, func(t *testing.T) {
		l.t = t
		defer func() { l.t = outer }()
		test()
	})
}

// world is what hangs on the lane's GPIO lines.
type world interface {
	// names are what the agent's configuration calls relay and passage contact.
	names() (relay, contact string)
	// touch closes or opens the passage contact.
	touch(closed bool) error
	// relay returns the relay's level on the wire.
	relay() (bool, error)
}

// scannerPath is where the scanner is, whatever its number.
const scannerPath = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_north-if00-port0"

// usb is a USB host, and a serial adapter on it that is plugged in while
// somebody is connected to its socket: FTDI's, which many scanners have inside.
func usb() []string {
	return append([]string{"-device", "qemu-xhci"}, append(machine.Socket("scanner"), "-device", "usb-serial,chardev=scanner,serial=north")...)
}

var usbModules = []string{"xhci_pci", "ftdi_sio"}

// newLane starts a lane's computer; its agent is not started yet.
func newLane(t *testing.T, arch machine.Arch) *lane {
	t.Helper()
	files := map[string]string{"/bin/agent": filepath.Join(programs, string(arch), "agent")}
	for to, from := range memory {
		files[to] = from
	}
	c := machine.Config{Arch: arch, Files: files, Modules: usbModules, Devices: usb(), Steady: pace}
	if arch == machine.AMD64 {
		c.Modules = append(c.Modules, "gpio-sim")
	} else {
		c.Pins = true
	}
	l := &lane{Machine: computer(t, c), t: t, all: t, arch: arch}
	if arch == machine.AMD64 {
		l.world = newSimulated(t, l.Machine)
	} else {
		l.world = &pins{l.Machine}
	}
	return l
}

// configure writes the agent's configuration for a relay that is on for pulse.
func (l *lane) configure(relay string, pulse time.Duration) {
	l.t.Helper()
	_, contact := l.world.names()
	l.write("/etc/turnstile/agent.yaml", fmt.Sprintf(`data: %s
clock: {trust_system: true}
lanes:
  - number: 1
    scanners: [{port: %s, baud: 115200}]
    gate: {driver: gpio, relay_in: %q, sensor_in: %q, pulse: %v, window: 4s}
`, dataFolder, scannerPath, relay, contact, pulse))
}

// pace of the guests: 2 ns an instruction, half of what small lane controllers do.
const pace = 1

func (l *lane) write(path, text string) {
	l.t.Helper()
	if err := l.Write(path, []byte(text)); err != nil {
		l.t.Fatal(err)
	}
}

// plug plugs the scanner in.
func (l *lane) plug() {
	l.t.Helper()
	c, err := l.Dial(soon(l.t), "scanner")
	if err != nil {
		l.t.Fatal(err)
	}
	l.scanner = c
	l.all.Cleanup(func() { c.Close() })
}

// unplug pulls the scanner's plug.
func (l *lane) unplug() {
	l.t.Helper()
	if err := l.scanner.Close(); err != nil {
		l.t.Fatal(err)
	}
	unplugged(l.t, l.Machine)
}

// unplugged waits until the guest has noticed that the scanner is gone. Nobody
// plugs in again sooner.
func unplugged(t *testing.T, m *machine.Machine) {
	t.Helper()
	until(t, "the scanner's name is gone", func() bool {
		found, err := m.List(scannerPath)
		if err != nil {
			t.Fatal(err)
		}
		return len(found) == 0
	})
}

// scan sends the code of a pass that nobody has used yet, as the scanner does.
func (l *lane) scan() {
	l.t.Helper()
	code := codes[l.scanned]
	l.scanned++
	if _, err := l.scanner.Write([]byte(code + "\r\n")); err != nil {
		l.t.Fatal(err)
	}
}

// start starts the agent and waits until gate and scanner answer.
func (l *lane) start() {
	l.t.Helper()
	pid, err := l.Start(guest.Command{Args: []string{"/bin/agent", "run"}})
	if err != nil {
		l.t.Fatal(err)
	}
	l.pid = pid
	l.connected(true)
}

// connected waits until the agent says that its gate and its scanner are there,
// or that the scanner is not.
func (l *lane) connected(scanner bool) {
	l.t.Helper()
	until(l.t, fmt.Sprintf("the agent sees its gate, and its scanner: %v", scanner), func() bool {
		l.alive()
		s, ok := l.status()
		return ok && s.Lanes[0].Gate.Connected && s.Lanes[0].Scanners[0].Connected == scanner
	})
}

// alive fails the test at once if the agent has ended by itself.
func (l *lane) alive() {
	l.t.Helper()
	if found, err := l.List(fmt.Sprintf("/proc/%d/maps", l.pid)); err != nil || len(found) == 0 {
		l.t.Fatalf("the agent has ended (%v)", err)
	}
}

// status asks the agent how it is; false if it does not answer yet.
func (l *lane) status() (s daemon.Status, ok bool) {
	l.t.Helper()
	answer, err := l.Get("http://127.0.0.1:8090/status")
	if err != nil {
		return s, false
	}
	if err := json.Unmarshal(answer, &s); err != nil || len(s.Lanes) != 1 || len(s.Lanes[0].Scanners) != 1 {
		l.t.Fatalf("status %s: %v", answer, err)
	}
	return s, true
}

// end ends the agent by a signal and returns its exit code.
func (l *lane) end(signal syscall.Signal) int {
	l.t.Helper()
	if err := l.Kill(guest.Signal{PID: l.pid, Number: int(signal)}); err != nil {
		l.t.Fatal(err)
	}
	r, err := l.Wait(patience, l.pid)
	if err != nil {
		l.t.Fatal(err)
	}
	return r.Code
}

// opens scans a code and waits until the relay has been on and off again; it
// returns what the kernel saw meanwhile.
func (l *lane) opens() (seen []moment) {
	l.t.Helper()
	forget(l.t, l.Machine)
	l.scan()
	until(l.t, "the relay is on and off again", func() bool {
		seen = moments(l.t, l.Machine)
		return len(seen) > 0 && seen[len(seen)-1].what == "off"
	})
	return seen
}

// walk has a person walk through: the contact closes for as long as that takes.
func (l *lane) walk() {
	l.t.Helper()
	l.touch(true)
	until(l.t, "the agent reports the passage", func() bool {
		s, ok := l.status()
		return ok && s.Lanes[0].Last != nil && s.Lanes[0].Last.Result == "passed"
	})
	l.touch(false)
}

func (l *lane) touch(closed bool) {
	l.t.Helper()
	if err := l.world.touch(closed); err != nil {
		l.t.Fatal(err)
	}
}

// elapse waits until d has passed on the guest's clock.
func (l *lane) elapse(d time.Duration) (from, to time.Time) {
	l.t.Helper()
	from = l.now()
	until(l.t, "time passes in the guest", func() bool { to = l.now(); return to.Sub(from) >= d })
	return from, to
}

func (l *lane) now() time.Time {
	l.t.Helper()
	now, err := l.Now()
	if err != nil {
		l.t.Fatal(err)
	}
	return now
}
