package serialport

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnstile/firmware-bridge/serialport/serialtest"
)

const patience = 30 * time.Second

// line is a virtual line with the test at its far end.
type line struct {
	*serialtest.Line
	t *testing.T
}

func newLine(t *testing.T) *line {
	l := &line{serialtest.New(filepath.Join(t.TempDir(), "port")), t}
	l.plug()
	t.Cleanup(l.Unplug)
	return l
}

func (l *line) plug() {
	l.t.Helper()
	if err := l.Plug(); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) far() *os.File {
	l.t.Helper()
	f, err := l.Far()
	if err != nil {
		l.t.Fatal(err)
	}
	return f
}

func (l *line) send(s string) {
	l.t.Helper()
	if _, err := l.far().WriteString(s); err != nil {
		l.t.Fatal(err)
	}
}

// arrived waits until so many bytes wait at the near end: the kernel moves them when
// it comes to it.
func (l *line) arrived(want int) {
	l.t.Helper()
	near, err := os.OpenFile(l.Link(), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer near.Close()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		n, err := unix.IoctlGetInt(int(near.Fd()), unix.TIOCINQ)
		if err != nil || time.Now().After(end) {
			l.t.Fatalf("%d bytes of %d, %v", n, want, err)
		}
		if n == want {
			return
		}
	}
}

func (l *line) config() Config { return Config{Path: l.Link(), Baud: 115200} }

func (l *line) open() *Port {
	l.t.Helper()
	p, err := Open(l.config())
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = p.Close() })
	return p
}

// readAll reads until want bytes are there.
func readAll(t *testing.T, p *Port, want int) string {
	t.Helper()
	var got []byte
	b := make([]byte, 64)
	for end := time.Now().Add(patience); len(got) < want; {
		n, err := p.Read(b, 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
		if time.Now().After(end) {
			t.Fatalf("read %q, want %d bytes", got, want)
		}
	}
	return string(got)
}

// readUntil reads until an error comes.
func readUntil(t *testing.T, p *Port) error {
	t.Helper()
	b := make([]byte, 64)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if _, err := p.Read(b, 20*time.Millisecond); err != nil {
			return err
		}
	}
	t.Fatal("no error came")
	return nil
}

func TestBothWays(t *testing.T) {
	l := newLine(t)
	p := l.open()
	l.send("HELLO")
	if got := readAll(t, p, 5); got != "HELLO" {
		t.Errorf("read %q", got)
	}
	if n, err := p.Write([]byte("BACK")); n != 4 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	b := make([]byte, 4)
	if _, err := l.far().Read(b); err != nil || string(b) != "BACK" {
		t.Errorf("far end read %q, %v", b, err)
	}
	if n, err := p.Read(b, time.Millisecond); n != 0 || err != nil {
		t.Errorf("idle Read = %d, %v; want 0, nil", n, err)
	}
}

func TestSecondOpenerRefused(t *testing.T) {
	l := newLine(t)
	p := l.open()
	if _, err := Open(l.config()); !errors.Is(err, ErrBusy) {
		t.Fatalf("second Open gave %v, want ErrBusy", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.open().Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStaleInputFlushed(t *testing.T) {
	l := newLine(t)
	l.send("OLD")
	l.arrived(3)
	p := l.open()
	l.send("NEW")
	if got := readAll(t, p, 3); got != "NEW" {
		t.Errorf("read %q, want NEW", got)
	}
}

func TestUnplugIsGone(t *testing.T) {
	l := newLine(t)
	p := l.open()
	l.Unplug()
	if err := readUntil(t, p); !errors.Is(err, ErrGone) {
		t.Errorf("Read after unplug: %v, want ErrGone", err)
	}
	if _, err := p.Write([]byte("x")); !errors.Is(err, ErrGone) {
		t.Errorf("Write after unplug: %v, want ErrGone", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close after unplug: %v", err)
	}
	l.plug()
	l.open()
}

// A peer that never reads fills the kernel's buffers.
func TestHungWriteEnds(t *testing.T) {
	l := newLine(t)
	p := l.open()
	n, err := p.Write(make([]byte, 1<<20))
	if !errors.Is(err, ErrGone) || n == 0 || n == 1<<20 {
		t.Fatalf("Write to a peer that does not read = %d, %v; want ErrGone", n, err)
	}
	closes(t, p)
}

func TestCloseFreesPendingReadAndWrite(t *testing.T) {
	l := newLine(t)
	p := l.open()
	ends := make(chan error, 2)
	began := make(chan struct{}, 2)
	go func() {
		began <- struct{}{}
		_, err := p.Read(make([]byte, 8), time.Hour)
		ends <- err
	}()
	go func() {
		began <- struct{}{}
		_, err := p.Write(make([]byte, 1<<20))
		ends <- err
	}()
	<-began
	<-began
	closes(t, p)
	for range 2 {
		select {
		case err := <-ends:
			if !errors.Is(err, ErrClosed) && !errors.Is(err, ErrGone) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("Close left a Read or Write behind")
		}
	}
	if err := p.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := p.Read(make([]byte, 8), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

// closes fails the test when Close does not return.
func closes(t *testing.T, p *Port) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Close: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Close hangs")
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config Config
		want   error
		says   string // the next step names this
	}{
		{Config{Path: filepath.Join(t.TempDir(), "none"), Baud: 9600}, fs.ErrNotExist, "/dev/serial/by-id"},
		{Config{Path: plain, Baud: 9600}, ErrTTY, "/dev/serial/by-id"},
		{Config{Path: t.TempDir(), Baud: 9600}, ErrTTY, "/dev/serial/by-id"},
		{Config{Path: "/dev/null", Baud: 9600}, ErrTTY, "/dev/serial/by-id"},
		{Config{Path: plain, Baud: 250000}, ErrBaud, "115200"},
		{Config{Path: plain}, ErrBaud, "9600"},
		{Config{Baud: 9600}, ErrNoPath, "/dev/serial/by-id"},
	} {
		_, err := Open(c.config)
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.config, err, c.want)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.config.Path) {
			t.Errorf("%+v: %q names no %q", c.config, err, c.says)
		}
	}
	for kernel, want := range map[error]error{unix.EACCES: ErrAccess, unix.EBUSY: ErrBusy, unix.ENXIO: fs.ErrNotExist} {
		if err := explain("/dev/x", kernel); !errors.Is(err, want) {
			t.Errorf("%v explained as %v, want %v", kernel, err, want)
		}
	}
}

func TestEveryRateOpens(t *testing.T) {
	l := newLine(t)
	for _, baud := range Rates() {
		p, err := Open(Config{Path: l.Link(), Baud: baud})
		if err != nil {
			t.Errorf("%d: %v", baud, err)
			continue
		}
		closes(t, p)
	}
	if len(Rates()) < 5 {
		t.Error("too few rates")
	}
}

func TestKeepSurvivesReplug(t *testing.T) {
	l := newLine(t)
	ctx, cancel := context.WithCancel(context.Background())
	opened := make(chan *Port)
	lost := make(chan error, 100)
	done := make(chan error, 1)
	go func() {
		done <- Keep(ctx, l.config(), func(ctx context.Context, p *Port) error {
			select {
			case opened <- p:
			case <-ctx.Done():
			}
			b := make([]byte, 8)
			for ctx.Err() == nil {
				if _, err := p.Read(b, tick); err != nil {
					return err
				}
			}
			return nil
		}, func(err error) {
			select {
			case lost <- err:
			default:
			}
		})
	}()
	for range 3 {
		<-opened
		for len(lost) > 0 { // what was said before this opening is all in
			<-lost
		}
		l.Unplug()
		if err := <-lost; !errors.Is(err, ErrGone) {
			t.Errorf("lost with %v, want ErrGone", err)
		}
		if err := <-lost; !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("reopening gave %v, want no such device", err)
		}
		l.plug()
	}
	<-opened
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Keep = %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Keep did not return")
	}
	if err := Keep(context.Background(), Config{Path: "x", Baud: 1}, nil, nil); !errors.Is(err, ErrBaud) {
		t.Errorf("Keep with a bad rate = %v", err)
	}
}

// tap keeps what passed; each side has one caller at a time.
type tap struct{ in, out []byte }

func (t *tap) Received(_ time.Time, b []byte) { t.in = append(t.in, b...) }
func (t *tap) Sent(_ time.Time, b []byte)     { t.out = append(t.out, b...) }

func TestTapHearsBothWays(t *testing.T) {
	l := newLine(t)
	heard := &tap{}
	c := l.config()
	c.Tap = heard
	p, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	l.send("IN")
	readAll(t, p, 2)
	if _, err := p.Write([]byte("OUT")); err != nil {
		t.Fatal(err)
	}
	closes(t, p)
	if string(heard.in) != "IN" || string(heard.out) != "OUT" {
		t.Errorf("heard %q and %q", heard.in, heard.out)
	}
}
