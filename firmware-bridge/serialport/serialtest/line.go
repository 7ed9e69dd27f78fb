// Package serialtest is a serial line without a wire: a pseudo-terminal behind a stable link.
//
// The link plays /dev/serial/by-id/...; closing the far end is what pulling the
// plug looks like to whoever has the near end open.
package serialtest

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ErrUnplugged is returned while the line is not plugged in.
var ErrUnplugged = errors.New("virtual serial line is unplugged")

// Line is one virtual serial line. Its methods may be called from any goroutine.
type Line struct {
	link string

	mu   sync.Mutex // guards the following
	far  *os.File   // the device's end; nil while unplugged
	near *os.File   // held so that the far end survives between two openings of the near one
}

// New returns an unplugged line that will appear at link.
func New(link string) *Line { return &Line{link: link} }

// Link is the path that programs open.
func (l *Line) Link() string { return l.link }

// Plug makes the line appear. It does nothing while plugged.
func (l *Line) Plug() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.far != nil {
		return nil
	}
	far, near, err := open()
	if err != nil {
		return fmt.Errorf("make virtual serial line: %w", err)
	}
	if err := os.Symlink(near.Name(), l.link); err != nil {
		_ = far.Close()
		_ = near.Close()
		return fmt.Errorf("make virtual serial line: %w", err)
	}
	l.far, l.near = far, near
	return nil
}

// Unplug makes the line vanish: whoever has it open sees a hang-up.
func (l *Line) Unplug() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.far == nil {
		return
	}
	_ = os.Remove(l.link)
	_ = l.far.Close()
	_ = l.near.Close()
	l.far, l.near = nil, nil
}

// Far is the device's end, which takes deadlines; ErrUnplugged without one.
// Unplug closes it.
func (l *Line) Far() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.far == nil {
		return nil, ErrUnplugged
	}
	return l.far, nil
}

// Speed is the rate that the near end is set to, in bits per second; 0 if it
// is none of the usual ones. A pseudo-terminal carries bytes at any rate: whoever
// plays a device with a rate of its own compares and garbles.
func (l *Line) Speed() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.near == nil {
		return 0, ErrUnplugged
	}
	t, err := unix.IoctlGetTermios(int(l.near.Fd()), unix.TCGETS)
	if err != nil {
		return 0, fmt.Errorf("ask the speed of a virtual serial line: %w", err)
	}
	return speeds[t.Cflag&unix.CBAUD], nil
}

// speeds are the rates by their termios code.
var speeds = map[uint32]int{
	unix.B1200: 1200, unix.B2400: 2400, unix.B4800: 4800, unix.B9600: 9600, unix.B19200: 19200, unix.B38400: 38400,
	unix.B57600: 57600, unix.B115200: 115200, unix.B230400: 230400, unix.B460800: 460800, unix.B921600: 921600,
}

// open makes a pseudo-terminal in raw mode.
func open() (far, near *os.File, err error) {
	master, near, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer master.Close()
	if err := raw(near); err != nil {
		_ = near.Close()
		return nil, nil, err
	}
	far, err = pollable(master)
	if err != nil {
		_ = near.Close()
		return nil, nil, err
	}
	return far, near, nil
}

// raw stops the terminal from echoing and translating what passes.
func raw(near *os.File) error {
	t, err := unix.IoctlGetTermios(int(near.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(int(near.Fd()), unix.TCSETS, t)
}

// pollable returns a copy of f that takes deadlines: pty leaves its files in
// blocking mode, in which Close does not end a Read.
func pollable(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
