// Package board runs the reference firmware in an emulated Cortex-M3 whose serial line and pins a test holds.
//
// The emulator is QEMU's lm3s6965evb. Its UART is a pseudo-terminal behind a
// link, as a USB adapter would be; pins are driven and watched from outside by
// QEMU's qtest protocol, in the emulator's own time or in one that counts
// instructions (Config.Exact).
package board

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"turnstile/firmware-bridge/frame"
	"turnstile/firmware-bridge/serialport/serialtest"
)

// patience bounds every wait. It is a deadline, not a measurement.
const patience = time.Minute

// Config says what board to start.
type Config struct {
	Image     string // file of an image, such as Product in the folder of Build
	Potential bool   // strapped for a gate in potential mode
	Exact     bool   // time goes by instructions, so that a busy machine does not stretch pulses
	Loop      bool   // the card output is wired to reader 0
	Jammed    bool   // the lock never moves; else it is open while a passage is under way or there is a fire
}

// Board is a running board. Its methods may be called from any goroutine.
type Board struct {
	t    testing.TB
	link string
	line *serialtest.Line
	uart net.Conn
	pins *pins
	jam  bool
	wire wire

	unlocked bool // as last set; owned by toHost
}

// wire is what was seen on the line.
type wire struct {
	mu    sync.Mutex // guards the following
	seen  frame.Decoder
	walks int         // events about people
	boot  uint32      // of the last WELCOME
	state frame.State // the last one
	heard time.Time   // when it came
	open  bool        // what the lock does, as far as STATE tells
}

// Start powers a board until the test ends.
func Start(t testing.TB, c Config) *Board {
	t.Helper()
	if err := need("qemu-system-arm", "qemu-system-arm"); err != nil {
		t.Fatal("start board: ", err)
	}
	dir, err := os.MkdirTemp("", "board") // not t.TempDir: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &Board{t: t, jam: c.Jammed, link: filepath.Join(dir, "line")}
	b.line = serialtest.New(b.link)
	if err := b.start(c, dir); err != nil {
		t.Fatal("start board: ", err)
	}
	return b
}

// start runs the emulator and the goroutines around it.
func (b *Board) start(c Config, dir string) error {
	doors := map[string]*net.UnixListener{}
	for _, name := range []string{"uart", "qtest", "qmp"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
		if err != nil {
			return err
		}
		defer l.Close()
		doors[name] = l
	}
	if err := b.line.Plug(); err != nil {
		return err
	}
	b.t.Cleanup(b.line.Unplug)
	if err := b.emulate(arguments(c, dir)); err != nil {
		return err
	}
	monitor, err := accept(doors["qmp"])
	if err != nil {
		return err
	}
	defer monitor.Close()
	if b.uart, err = accept(doors["uart"]); err != nil {
		return err
	}
	b.t.Cleanup(func() { _ = b.uart.Close() })
	qtest, err := accept(doors["qtest"])
	if err != nil {
		return err
	}
	b.t.Cleanup(func() { _ = qtest.Close() })
	if b.pins, err = connect(b.t, c, newMonitor(monitor), qtest); err != nil {
		return err
	}
	b.carry()
	return nil
}

// arguments is QEMU's command line.
func arguments(c Config, dir string) []string {
	args := []string{"-M", "lm3s6965evb", "-kernel", c.Image, "-nodefaults", "-nographic", "-net", "none", "-S",
		"-chardev", "socket,id=uart,path=" + filepath.Join(dir, "uart"), "-serial", "chardev:uart",
		"-qtest", "unix:" + filepath.Join(dir, "qtest"), "-qtest-log", "/dev/null",
		"-qmp", "unix:" + filepath.Join(dir, "qmp")}
	if c.Exact {
		args = append(args, "-icount", "shift=4")
	}
	return args
}

// accept waits for QEMU to connect.
func accept(l *net.UnixListener) (net.Conn, error) {
	if err := l.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	c, err := l.Accept()
	if err != nil {
		return nil, fmt.Errorf("QEMU does not connect to its %s socket: %w", filepath.Base(l.Addr().String()), err)
	}
	return c, nil
}

// emulate runs QEMU until the test ends. It dies with this process: the thread
// that started it is the one that waits for it.
func (b *Board) emulate(args []string) error {
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan error, 1), make(chan struct{})
	var said strings.Builder
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd := exec.CommandContext(ctx, "qemu-system-arm", args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Stderr = &said
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if err := cmd.Wait(); ctx.Err() == nil {
			said.WriteString(fmt.Sprintf("\nqemu-system-arm ended by itself: %v", err))
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		<-ended
		if b.t.Failed() && said.Len() > 0 {
			b.t.Log("the emulator said: ", said.String())
		}
	})
	return <-started
}

// carry moves bytes between the emulator's UART and the pseudo-terminal until the test ends.
func (b *Board) carry() {
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() { b.toHost() })
	both.Go(func() { b.toBoard(ctx) })
	b.t.Cleanup(func() {
		cancel()
		_ = b.uart.Close()
		b.line.Unplug()
		both.Wait()
	})
}

// toHost carries what the firmware says. What nobody takes is lost, as on a wire.
func (b *Board) toHost() {
	buf := make([]byte, 1024)
	for {
		n, err := b.uart.Read(buf)
		if err != nil {
			return
		}
		b.watch(buf[:n])
		b.moveLock()
		far, err := b.line.Far()
		if err != nil {
			continue
		}
		_ = far.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		_, _ = far.Write(buf[:n])
	}
}

// toBoard carries what the host says, whenever the line is plugged in.
func (b *Board) toBoard(ctx context.Context) {
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	buf := make([]byte, 1024)
	for ctx.Err() == nil {
		n := 0
		far, err := b.line.Far()
		if err == nil {
			n, err = far.Read(buf)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			<-retry.C
			continue
		}
		if _, err := b.uart.Write(buf[:n]); err != nil {
			return
		}
	}
}

// moveLock lets the lock's contact follow the gate. A lock has a will of its own
// about when a passage is over; this one asks the firmware.
func (b *Board) moveLock() {
	b.wire.mu.Lock()
	open := b.wire.open && !b.jam
	b.wire.mu.Unlock()
	if open != b.unlocked {
		b.unlocked = open
		b.Set(Contact, !open)
	}
}

// watch notes what the firmware tells about people and passages.
func (b *Board) watch(bytes []byte) {
	b.wire.mu.Lock()
	defer b.wire.mu.Unlock()
	b.wire.seen.Feed(bytes, func(f frame.Frame) {
		m, err := frame.Read(f)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case frame.Welcome:
			b.wire.boot = m.Boot
		case frame.State:
			b.wire.open = m.Flags&(frame.Passing|frame.FireOn) != 0
			b.wire.state, b.wire.heard = m, time.Now()
		case frame.Event:
			if m.Kind <= frame.Tailgated {
				b.wire.walks++
			}
		}
	})
}

// Boot is the boot number that the firmware named last, 0 if none.
func (b *Board) Boot() uint32 {
	b.wire.mu.Lock()
	defer b.wire.mu.Unlock()
	return b.wire.boot
}

// passages is how many event frames about people were seen.
func (b *Board) passages() int {
	b.wire.mu.Lock()
	defer b.wire.mu.Unlock()
	return b.wire.walks
}

// state is the last STATE of the firmware, and when it was heard.
func (b *Board) state() (frame.State, time.Time) {
	b.wire.mu.Lock()
	defer b.wire.mu.Unlock()
	return b.wire.state, b.wire.heard
}

// Link is the path of the board's serial port.
func (b *Board) Link() string { return b.link }

// Unplug pulls the serial cable; the board keeps its power.
func (b *Board) Unplug() { b.line.Unplug() }

// Plug puts it back.
func (b *Board) Plug() {
	if err := b.line.Plug(); err != nil {
		b.t.Error(err)
	}
}
