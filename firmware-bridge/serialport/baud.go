package serialport

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// codes are the rates as termios names them.
var codes = map[int]uint32{
	1200: unix.B1200, 2400: unix.B2400, 4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400,
	57600: unix.B57600, 115200: unix.B115200, 230400: unix.B230400, 460800: unix.B460800, 921600: unix.B921600,
}

// Baud is the rate that the line is set to now, in bits per second.
func (p *Port) Baud() int { return int(p.baud.Load()) }

// SetBaud changes the rate of the open line, for a device that has been told to
// change its own. Bytes on their way out leave at the old rate first, as long as
// that takes no more than WriteTimeout. Nothing that was received is thrown
// away; what arrives while the two ends differ is garbage. Its errors wrap
// ErrBaud, ErrClosed or ErrGone.
func (p *Port) SetBaud(baud int) error {
	code, known := codes[baud]
	if !known {
		return fmt.Errorf("set serial port %s to %d: %w: use one of %v", p.path, baud, ErrBaud, rates)
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	if p.closed.Load() {
		return ErrClosed
	}
	p.drain()
	t, err := unix.IoctlGetTermios(p.side, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("set serial port %s to %d: %w: %w", p.path, baud, ErrGone, err)
	}
	t.Cflag = t.Cflag&^unix.CBAUD | code
	t.Ispeed, t.Ospeed = code, code
	if err := unix.IoctlSetTermios(p.side, unix.TCSETS, t); err != nil {
		return fmt.Errorf("set serial port %s to %d: %w: %w", p.path, baud, ErrGone, err)
	}
	p.baud.Store(int64(baud))
	return nil
}

// drain waits until the kernel holds no byte to be sent. The ioctl made for it
// would wait without an end for a device that takes none.
func (p *Port) drain() {
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(WriteTimeout); time.Now().Before(end); <-look.C {
		if n, err := unix.IoctlGetInt(p.side, unix.TIOCOUTQ); err != nil || n == 0 {
			return
		}
	}
}
