package kernel

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"turnstile/simulator/machine"
	"turnstile/simulator/machine/guest"
)

// TestDrivers runs the drivers' own suites on a kernel's devices, where those
// suites run on fakes elsewhere, and the serial port on a UART and on FTDI's USB
// driver.
func TestDrivers(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, name := range append(suites, "echo") {
		name = filepath.Base(name)
		files["/bin/"+name] = filepath.Join(programs, string(machine.AMD64), name)
	}
	c := machine.Config{Arch: machine.AMD64, Files: files, Steady: pace, Modules: append([]string{"gpio-sim", "vivid"}, usbModules...)}
	// A second UART; its far end turns telnet's break into a break of the line.
	uart := machine.Socket("uart")
	uart[1] += ",telnet=on"
	c.Devices = append(append(usb(), uart...), "-serial", "chardev:uart")
	m := computer(t, c)
	for _, test := range []struct {
		program, run string
		env          string
		want         []string // tests that must have run on the kernel
	}{
		{"gpioline", "TestConform/kernel", "TURNSTILE_GPIO=lines", []string{"TestConform/kernel"}},
		{"gpio", "TestKernel", "TURNSTILE_GPIO=gate", []string{"TestKernel/Conform"}},
		{"panel", "TestOnChip/kernel", "TURNSTILE_GPIO=panel", []string{"TestOnChip/kernel"}},
		{"wiegandreader", "TestOnChip/kernel", "TURNSTILE_GPIO=reader", []string{"TestOnChip/kernel"}},
		{"camera", "TestConform", "TURNSTILE_CAMERA=/dev/video0", []string{"CAMERA /dev/video0"}},
		{"serialport", ".", "", []string{"TestKeepSurvivesReplug", "TestHungWriteEnds"}},
	} {
		t.Run(test.program, func(t *testing.T) {
			r, err := m.Run(2*patience, guest.Command{Args: []string{"/bin/" + test.program, "-test.v", "-test.run=" + test.run}, Env: []string{test.env}})
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != 0 {
				t.Errorf("code %d\n%s", r.Code, r.Output)
			}
			for _, w := range test.want {
				if !bytes.Contains(r.Output, []byte(w)) {
					t.Errorf("%s has not run:\n%s", w, r.Output)
				}
			}
		})
	}
	s := serial{m}
	t.Run("uart", s.uart)
	t.Run("usb", s.usb)
}

// suites are the packages whose tests run in the guest.
var suites = []string{"./firmware-bridge/gpioline", "./firmware-bridge/gate/gpio", "./firmware-bridge/gate/panel",
	"./firmware-bridge/scanner/wiegandreader", "./firmware-bridge/camera", "./firmware-bridge/serialport"}

// serial is the computer's serial lines.
type serial struct{ m *machine.Machine }

// expect waits for a line on the console.
func (s serial) expect(t *testing.T, mark int, text string) {
	t.Helper()
	if _, err := s.m.Console.Expect(soon(t), mark, text); err != nil {
		t.Fatal(err)
	}
}

// start starts the echo in the guest.
func (s serial) start(t *testing.T, args ...string) {
	t.Helper()
	pid, err := s.m.Start(guest.Command{Args: append([]string{"/bin/echo"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.m.Kill(guest.Signal{PID: pid, Number: 9}); err != nil {
			t.Error(err)
		}
	})
}

// dial connects to the far end of a line, with a deadline for all that follows.
func (s serial) dial(t *testing.T, name string) net.Conn {
	t.Helper()
	c, err := s.m.Dial(soon(t), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// answers sends bytes and reads the echo's answer.
func answers(t *testing.T, c net.Conn, text string) {
	t.Helper()
	send(t, c, text)
	answer, want := make([]byte, len(text)), []byte(text)
	for i := range want {
		want[i] ^= 0x20
	}
	if _, err := io.ReadFull(c, answer); err != nil || !bytes.Equal(answer, want) {
		t.Errorf("answered %q, want %q, %v", answer, want, err)
	}
}

const (
	telnetBreak    = "\xff\xf3" // of RFC 854
	telnetGreeting = 12         // bytes: four options that QEMU asks for
)

// uart is a 16550: every byte passes, a break is a zero byte, and a peer that
// takes nothing holds nobody up.
func (s serial) uart(t *testing.T) {
	far := s.dial(t, "uart")
	if _, err := io.ReadFull(far, make([]byte, telnetGreeting)); err != nil {
		t.Fatal(err)
	}
	mark := s.m.Console.Mark()
	s.start(t, "/dev/ttyS1")
	s.expect(t, mark, "echo: open /dev/ttyS1")
	var all []byte
	for b := range 255 { // 255 is telnet's own
		all = append(all, byte(b))
	}
	answers(t, far, string(all))
	mark = s.m.Console.Mark()
	send(t, far, telnetBreak)
	s.expect(t, mark, `echo: read "\x00"`)
	send(t, far, "FLOOD")
	s.expect(t, mark, "echo: flood: gone true, closed true, some left true, in time true")
}

// usb is FTDI's driver: the port that was pulled is found again by its stable
// name, under another number because somebody still holds the old one.
func (s serial) usb(t *testing.T) {
	far := s.dial(t, "scanner")
	mark := s.m.Console.Mark()
	s.start(t, scannerPath)
	s.expect(t, mark, "echo: open "+scannerPath)
	answers(t, far, "first")
	s.start(t, "hold", "/dev/ttyUSB0")
	s.expect(t, mark, "echo: holding")
	mark = s.m.Console.Mark()
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	s.expect(t, mark, "echo: lost: ")
	unplugged(t, s.m)
	far = s.dial(t, "scanner")
	s.expect(t, mark, scannerPath+" is ttyUSB1")
	s.expect(t, mark, "echo: open "+scannerPath)
	answers(t, far, "second")
}
