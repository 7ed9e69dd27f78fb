// Package machine starts emulated computers with Debian's own kernels, runs programs on them and plays the world around them.
//
// The kernels come from Debian when they are needed first (Kernels.Prepare). A
// Machine's first process does what the test asks for (package guest); its serial
// lines and USB devices are sockets, its GPIO pins are driven and watched from
// outside (Pins). README.md says how to look into one, and what emulation does not show.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"turnstile/simulator/machine/guest"
)

// Config says what computer to start.
type Config struct {
	Arch    Arch
	Kernels string            // Kernels.Folder
	PID1    string            // the program simulator/machine/pid1, built for Arch
	Files   map[string]string // path in the guest to path here; permissions are kept
	Modules []string          // kernel modules; what they need is loaded as well
	Devices []string          // QEMU's arguments for more hardware; %SOCKETS% is the folder of Machine.Dial
	Pins    bool              // attach Pins to the GPIO controller of ARM64 and ARMHF
	Log     string            // file that keeps what the console shows; "": none
	// Steady ties the guest's time to what it computes, so that a busy machine
	// around it changes nothing for it: 2^Steady ns an instruction. 0: its
	// time is the machine's.
	Steady int
	// Resume is a file that Snapshot made of a computer with the same
	// configuration but for Resume and what is in its disks: it goes on from
	// there in place of a start. Its clock stands where it stood then.
	Resume string
}

// startLimit is how long a computer may take until its first process answers. It
// takes 2 s on a quiet machine.
const startLimit = 180 * time.Second

// Machine is a running computer.
type Machine struct {
	*guest.Client
	Console *Console
	Pins    *Pins // nil without Config.Pins

	sockets string // folder
	cmd     *exec.Cmd
	qmp     *qmp
	wait    sync.WaitGroup // readers
	ended   chan struct{}  // closed when QEMU has
}

// Start starts a computer and returns when its first process answers. Close ends
// it, and so does the end of ctx.
func Start(ctx context.Context, c Config) (*Machine, error) {
	sockets, err := os.MkdirTemp("/tmp", "machine-") // a socket's path has at most 107 bytes
	if err != nil {
		return nil, fmt.Errorf("make folder of sockets: %w", err)
	}
	m := &Machine{sockets: sockets, ended: make(chan struct{})}
	if err := m.start(ctx, c); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s computer: %w", c.Arch, err), m.Close())
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context, c Config) error {
	files := map[string]string{"/init": c.PID1}
	for to, from := range c.Files {
		files[to] = from
	}
	kernel := filepath.Join(c.Kernels, string(c.Arch))
	initramfs := filepath.Join(m.sockets, "initramfs")
	if err := image(initramfs, kernel, files, append([]string{"virtio_pci", "virtio_console"}, c.Modules...)); err != nil {
		return err
	}
	program, args, err := c.qemu(filepath.Join(kernel, kernelFile), initramfs, m.sockets)
	if err != nil {
		return err
	}
	if err := m.exec(ctx, program, args); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return m.connect(limited, c)
}

// exec starts QEMU as a child that does not outlive us.
func (m *Machine) exec(ctx context.Context, program string, args []string) error {
	complaints, err := os.Create(filepath.Join(m.sockets, "complaints"))
	if err != nil {
		return fmt.Errorf("open log of QEMU: %w", err)
	}
	defer complaints.Close()
	m.cmd = exec.CommandContext(ctx, program, args...)
	m.cmd.Stdout, m.cmd.Stderr = complaints, complaints
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		m.cmd = nil
		return fmt.Errorf("start QEMU (make deps installs it): %w", err)
	}
	m.wait.Go(func() {
		m.cmd.Wait() // how it ended is in its state
		close(m.ended)
	})
	return nil
}

// connect attaches console, monitor, pins and the first process, in this order.
func (m *Machine) connect(ctx context.Context, c Config) error {
	console, err := m.Dial(ctx, "console")
	if err != nil {
		return err
	}
	var log io.Writer = io.Discard
	if c.Log != "" {
		f, err := os.Create(c.Log)
		if err != nil {
			return errors.Join(fmt.Errorf("open log of console: %w", err), console.Close())
		}
		log = f // closed with the process; the console's reader writes it to the end
	}
	m.Console = newConsole(m.ended)
	m.wait.Go(func() { m.Console.read(console, log) })
	control, err := m.Dial(ctx, "control")
	if err != nil {
		return err
	}
	m.Client = guest.NewClient(control)
	monitor, err := m.Dial(ctx, "qmp")
	if err != nil {
		return err
	}
	if m.qmp, err = newQMP(monitor); err != nil {
		return err
	}
	if c.Pins {
		if m.Pins, err = m.attachPins(ctx); err != nil {
			return err
		}
	}
	if c.Resume != "" {
		if err := m.resume(ctx, c.Resume); err != nil {
			return err
		}
	}
	return m.answers(ctx)
}

// answers waits for the first process's first word.
func (m *Machine) answers(ctx context.Context) error {
	first := make(chan error, 1)
	m.wait.Go(func() {
		first <- m.Up(startLimit)
	})
	select {
	case err := <-first:
		if err != nil {
			return fmt.Errorf("%w\n%s", err, m.lastWords())
		}
		return nil
	case <-m.ended:
		return fmt.Errorf("QEMU ended: %s\n%s", m.cmd.ProcessState, m.lastWords())
	case <-ctx.Done():
		return fmt.Errorf("%w\n%s", ctx.Err(), m.lastWords())
	}
}

// lastWords is what QEMU complained of and the console showed.
func (m *Machine) lastWords() string {
	complaints, err := os.ReadFile(filepath.Join(m.sockets, "complaints"))
	if err != nil {
		complaints = []byte(err.Error())
	}
	return string(complaints) + m.Console.Tail(40)
}

// Dial connects to one of the computer's sockets: NAME.sock in the folder that
// %SOCKETS% stands for. It waits until QEMU has made it.
func (m *Machine) Dial(ctx context.Context, name string) (net.Conn, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := net.Dial("unix", filepath.Join(m.sockets, name+".sock"))
		if err == nil {
			return c, nil
		}
		select {
		case <-tick.C:
		case <-m.ended:
			return nil, fmt.Errorf("connect to %s of the computer: QEMU ended: %s", name, m.complaints())
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to %s of the computer: %w", name, errors.Join(ctx.Err(), err))
		}
	}
}

func (m *Machine) complaints() string {
	b, err := os.ReadFile(filepath.Join(m.sockets, "complaints"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Close cuts the computer's power. It kills the one process that Start started.
func (m *Machine) Close() error {
	if m.cmd != nil {
		m.cmd.Process.Kill() // one that has ended needs none
		<-m.ended
	}
	var errs []error
	if m.qmp != nil {
		errs = append(errs, m.qmp.close())
	}
	if m.Pins != nil {
		errs = append(errs, m.Pins.conn.Close())
	}
	if m.Client != nil {
		m.Client.Close() // its other side is gone already
	}
	m.wait.Wait()
	return errors.Join(append(errs, os.RemoveAll(m.sockets))...)
}

// Ended is closed when the computer is off.
func (m *Machine) Ended() <-chan struct{} { return m.ended }
