// Package serialport opens a serial line for one owner, notices when it is pulled, and opens it again.
//
// It stands on github.com/tarm/serial, which configures the line and reads it,
// and on a second descriptor of the same device beside it, for what that
// package cannot do: an exclusive lock (flock), telling a hang-up from an idle
// line (poll), and a write that ends (the tarm port is in blocking mode, where a
// write to a peer that does not read never returns and Close waits for it).
//
// What serial lines and that package do, and where it is met; a test of each is
// in this package unless another is named:
//
//	Close waits for ever while a Read or Write is pending   reads in slices of 100 ms, writes on the second descriptor
//	a Read left behind eats the bytes of the next opening   one mutex for reading; Close takes it
//	a time-out is 0, io.EOF and looks like the end          Read gives 0, nil; it is no io.Reader
//	waits count in 100 ms, 25.5 s at most                   poll waits, and Read's caller says how long
//	an unplugged port reads as EOF, at once, for ever       poll tells a hang-up; eight hasty reads are one too
//	plugged in while still open it becomes ttyUSB1          Keep closes before all else and reopens by the stable name
//	two programs open one port and share its bytes          flock on the second descriptor: ErrBusy
//	bytes from before the opening are read after it         flushed at the opening
//	a device keeps bytes for whoever opens it, and sends    Discard
//	them then: a code of somebody who has left
//	a write blocks for ever, and Close behind it            WriteTimeout, then ErrGone; unsent bytes are thrown away
//	14400, 31250, 250000 baud and others do not open        Check says which do
//	a BREAK reads as a NUL byte                             scanner/line skips it (its tests)
//	bytes with parity or framing errors vanish unseen       frame has a checksum, a pass its signature (their tests)
//	opening raises DTR, which restarts some boards          gate/controller waits for its hello (its tests)
//	pieces: many reads a frame, many frames a read          scanner/line and frame put them together (their tests)
//	one scanner's port hangs while the other one's works    each Port has its own locks
//	no modem lines, no RS-485 direction                     wiring that needs none
package serialport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarm/serial"
	"golang.org/x/sys/unix"
)

var (
	ErrGone   = errors.New("serial port is gone")              // unplugged, hung up, or not taking bytes any more: close and open again
	ErrBusy   = errors.New("serial port is in use")            // by another process, or by another lane of this one
	ErrClosed = errors.New("serial port is closed")            // by Close
	ErrBaud   = errors.New("unsupported baud rate")            // Check and Open
	ErrNoPath = errors.New("no serial port configured")        // Check and Open
	ErrTTY    = errors.New("not a serial port")                // a file or a device of another kind
	ErrAccess = errors.New("no permission to use serial port") // group dialout is missing
)

const (
	// tick is the wait after which a read without data ends in the kernel. tarm
	// counts in steps of 100 ms and can Close only between reads.
	tick = 100 * time.Millisecond
	// kept is how long after its opening a device may take to deliver what it had
	// kept: on USB some milliseconds for 141 bytes; the rest is for a busy host.
	kept = 100 * time.Millisecond
	// WriteTimeout is how long Write waits for a peer that does not take bytes.
	WriteTimeout = 500 * time.Millisecond
	// hasty is how many reads in a row may end at once without data before the
	// line counts as gone: it guards against a busy loop on a hang-up that poll
	// does not show, or on line settings that another program changed.
	hasty = 8
)

// Config names a line.
type Config struct {
	Path string // such as /dev/serial/by-id/usb-...; a link is followed at each opening
	Baud int    // one of Rates; always 8 data bits, no parity, 1 stop bit
	Tap  Tap    // hears what passes; nil for nobody
}

// Tap hears every byte that a port receives and sends, for a capture. It is
// called by whoever reads or writes, with the port locked: it must be quick, must
// not keep b, and must not use the port.
type Tap interface {
	Received(at time.Time, b []byte)
	Sent(at time.Time, b []byte)
}

// rates are the baud rates that work, rising.
var rates = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600}

// Rates returns the baud rates that work, rising.
func Rates() []int { return slices.Clone(rates) }

// Check reports what is wrong with c before any device is touched.
func (c Config) Check() error {
	if c.Path == "" {
		return fmt.Errorf("%w: name one of %s", ErrNoPath, candidates())
	}
	if !slices.Contains(rates, c.Baud) {
		return fmt.Errorf("%w %d for %s: use one of %s", ErrBaud, c.Baud, c.Path, strings.Trim(fmt.Sprint(rates), "[]"))
	}
	return nil
}

// Port is an open serial line. Read is for one goroutine, Write for one other
// or the same; Close is for any.
type Port struct {
	path   string
	tap    Tap // may be nil
	closed atomic.Bool
	baud   atomic.Int64
	looks  atomic.Uint64 // how often the kernel was asked for bytes: a busy loop shows here

	reading sync.Mutex // held while line is read; guards hurried and over
	line    *serial.Port
	hurried int   // reads in a row that ended early without data
	over    error // wraps ErrGone once the line is gone, so that nobody asks the kernel again

	writing sync.Mutex // held while side is written
	side    int        // non-blocking descriptor of the same device: lock, poll, write; closed under both mutexes
}

// Open opens and locks the line and throws away what was in its buffers. Its
// errors wrap ErrBaud, ErrNoPath, ErrBusy, ErrTTY, ErrAccess or fs.ErrNotExist and say what
// to do.
func Open(c Config) (*Port, error) {
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("open serial port: %w", err)
	}
	// Both descriptors must be of one device even when the link moves meanwhile.
	device, err := filepath.EvalSymlinks(c.Path)
	if err != nil {
		return nil, explain(c.Path, err)
	}
	side, err := unix.Open(device, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, explain(c.Path, err)
	}
	line, err := claim(device, side, c.Baud)
	if err != nil {
		_ = unix.Close(side)
		return nil, explain(c.Path, err)
	}
	p := &Port{path: c.Path, tap: c.Tap, line: line, side: side}
	p.baud.Store(int64(c.Baud))
	return p, nil
}

// claim locks the device behind side and opens it at baud.
func claim(device string, side, baud int) (*serial.Port, error) {
	if _, err := unix.IoctlGetTermios(side, unix.TCGETS); err != nil {
		return nil, err
	}
	if err := unix.Flock(side, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, err
	}
	line, err := serial.OpenPort(&serial.Config{Name: device, Baud: baud, ReadTimeout: tick})
	if err != nil {
		return nil, err
	}
	// Bytes from before the opening are of nobody who stands there now.
	if err := line.Flush(); err != nil {
		_ = line.Close()
		return nil, err
	}
	return line, nil
}

// explain turns what the kernel said about path into what to do next.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return fmt.Errorf("open serial port %s: %w: plug it in or choose one of %s", path, fs.ErrNotExist, candidates())
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open serial port %s: %w: add this user to the group dialout and sign in again", path, ErrAccess)
	case errors.Is(err, unix.EWOULDBLOCK), errors.Is(err, unix.EBUSY):
		return fmt.Errorf("open serial port %s: %w: stop the other program (fuser -v %s), or give each lane its own port", path, ErrBusy, path)
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("open serial port %s: %w: choose one of %s", path, ErrTTY, candidates())
	}
	return fmt.Errorf("open serial port %s: %w", path, err)
}

// candidates lists the stable names of the serial ports that are there.
func candidates() string {
	found, _ := filepath.Glob("/dev/serial/by-id/*") // the pattern is constant and valid
	if len(found) == 0 {
		return "those that appear in /dev/serial/by-id once a device is plugged in (there is none now)"
	}
	return strings.Join(found, ", ")
}

// Path is the path that the port was opened by.
func (p *Port) Path() string { return p.path }

// Read waits up to wait for bytes and returns what is there. No bytes in time
// is 0, nil: there is no such thing as the end of a line, which is why this is
// not an io.Reader. After ErrGone or ErrClosed every call gives the same.
func (p *Port) Read(b []byte, wait time.Duration) (int, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	for end := time.Now().Add(wait); ; {
		if p.closed.Load() {
			return 0, ErrClosed
		}
		if p.over != nil {
			return 0, p.over
		}
		// In slices, so that Close never waits longer than one of them.
		state, err := p.poll(unix.POLLIN, min(time.Until(end), tick))
		n := 0
		if err == nil && state&unix.POLLIN != 0 {
			n, err = p.take(b)
		}
		if err == nil && n == 0 && state&hungUp != 0 {
			err = fmt.Errorf("poll serial port %s: %w: check its plug and cable", p.path, ErrGone)
		}
		if p.over = err; err != nil || n > 0 || state != 0 || !time.Now().Before(end) {
			return n, err
		}
	}
}

// hungUp is how poll tells that a line is gone. Bytes may be left to read.
const hungUp = unix.POLLHUP | unix.POLLERR | unix.POLLNVAL

// Discard throws away what arrives in the first 100 ms. A USB device that was
// not listened to keeps what it had to say, and says it when the port is opened:
// after Open's flush, and as if it were new. For who reads scans: such a code is
// of somebody who has left.
func (p *Port) Discard() error {
	var b [512]byte
	for end := time.Now().Add(kept); time.Now().Before(end); {
		if _, err := p.Read(b[:], time.Until(end)); err != nil {
			return err
		}
	}
	return nil
}

// take reads bytes that poll announced.
func (p *Port) take(b []byte) (int, error) {
	began := time.Now()
	p.looks.Add(1)
	n, err := p.line.Read(b)
	if n > 0 {
		p.hurried = 0
		if p.tap != nil {
			p.tap.Received(time.Now(), b[:n])
		}
		return n, nil
	}
	if err != nil && err != io.EOF {
		return 0, fmt.Errorf("read serial port %s: %w: %w", p.path, ErrGone, err)
	}
	if time.Since(began) < tick/2 {
		p.hurried++
	}
	if p.hurried >= hasty {
		return 0, fmt.Errorf("read serial port %s: %w: it announces bytes and has none", p.path, ErrGone)
	}
	return 0, nil
}

// poll waits for events on the side descriptor and returns what there is.
func (p *Port) poll(events int16, wait time.Duration) (int16, error) {
	fds := []unix.PollFd{{Fd: int32(p.side), Events: events}}
	ms := int(max(wait, 0) / time.Millisecond)
	if wait > 0 && ms == 0 {
		ms = 1
	}
	p.looks.Add(1)
	_, err := unix.Poll(fds, ms)
	switch {
	case err == unix.EINTR:
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("poll serial port %s: %w: %w", p.path, ErrGone, err)
	}
	return fds[0].Revents, nil
}

// Write sends all of b, or gives up after WriteTimeout with an error that wraps
// ErrGone: part of b may then have left, and the port is of no more use.
func (p *Port) Write(b []byte) (int, error) {
	p.writing.Lock()
	defer p.writing.Unlock()
	sent := 0
	for end := time.Now().Add(WriteTimeout); sent < len(b); {
		if p.closed.Load() {
			return sent, ErrClosed
		}
		n, err := unix.Write(p.side, b[sent:])
		if n > 0 {
			if p.tap != nil {
				p.tap.Sent(time.Now(), b[sent:sent+n])
			}
			sent += n
			continue
		}
		if err != unix.EAGAIN && err != unix.EINTR {
			return sent, fmt.Errorf("write serial port %s: %w: %w", p.path, ErrGone, err)
		}
		if time.Now().After(end) {
			return sent, fmt.Errorf("write serial port %s: %w: it takes no bytes", p.path, ErrGone)
		}
		state, err := p.poll(unix.POLLOUT, tick)
		if err == nil && state&hungUp != 0 {
			err = fmt.Errorf("write serial port %s: %w: check its plug and cable", p.path, ErrGone)
		}
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Close releases the line and its lock. It waits for a Read or Write under way
// to notice, which takes up to about 200 ms. Only the first call does anything.
func (p *Port) Close() error {
	if p.closed.Swap(true) {
		return ErrClosed
	}
	p.reading.Lock()
	defer p.reading.Unlock()
	p.writing.Lock()
	defer p.writing.Unlock()
	// Throwing away unsent bytes first keeps the last close from draining them
	// to a peer that does not read (the kernel waits up to 30 s for that).
	_ = unix.IoctlSetInt(p.side, unix.TCFLSH, unix.TCOFLUSH)
	err := p.line.Close()
	if sideErr := unix.Close(p.side); err == nil {
		err = sideErr
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close serial port %s: %w", p.path, err)
	}
	return nil
}
