package serialport

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Read that was under way when its port was closed takes nothing from the
// next one.
func TestNothingLeftBehindEatsTheNext(t *testing.T) {
	l := newLine(t)
	for range 5 {
		p := l.open()
		ended := make(chan error, 1)
		began := make(chan struct{})
		go func() {
			close(began)
			_, err := p.Read(make([]byte, 64), time.Hour)
			ended <- err
		}()
		<-began
		closes(t, p)
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Fatalf("the Read under way ended with %v", err)
		}
		next := l.open()
		l.send("HELLO")
		if got := readAll(t, next, 5); got != "HELLO" {
			t.Fatalf("the next port read %q", got)
		}
		closes(t, next)
	}
}

// looks asks the kernel for bytes no more often than the waits demand, whatever
// the line does: the counts are of system calls, not of time.
func TestNoBusyLoop(t *testing.T) {
	l := newLine(t)
	p := l.open()
	b := make([]byte, 64)
	for range 5 {
		if n, err := p.Read(b, time.Millisecond); n != 0 || err != nil {
			t.Fatalf("idle Read = %d, %v", n, err)
		}
	}
	if n := p.looks.Load(); n > 10 {
		t.Errorf("5 idle reads asked the kernel %d times", n)
	}
	l.Unplug()
	before := p.looks.Load()
	for range 1000 {
		if _, err := p.Read(b, time.Hour); !errors.Is(err, ErrGone) {
			t.Fatalf("Read after unplug: %v", err)
		}
	}
	if n := p.looks.Load() - before; n > 2 {
		t.Errorf("1000 reads of a port that is gone asked the kernel %d times", n)
	}
}

// While a port is away it is tried again and again, at growing distances: five
// replugs cost a bounded number of reads.
func TestReplugsCostFewReads(t *testing.T) {
	l := newLine(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ports := make(chan *Port)
	reads := 0 // owned by the sessions, of which one runs at a time
	done := make(chan error, 1)
	go func() {
		done <- Keep(ctx, l.config(), func(ctx context.Context, p *Port) error {
			select {
			case ports <- p:
			case <-ctx.Done():
			}
			b := make([]byte, 64)
			for ctx.Err() == nil {
				reads++
				if _, err := p.Read(b, tick); err != nil {
					return err
				}
			}
			return nil
		}, func(error) {})
	}()
	var looks uint64
	var last *Port
	began := time.Now()
	for range 5 {
		p := <-ports
		if last != nil {
			looks += last.looks.Load()
		}
		last = p
		l.send("A CODE\r")
		l.Unplug()
		l.plug()
	}
	<-ports
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// At most one read a tick, and three for the bytes and the end of each session.
	allowed := int(time.Since(began)/tick) + 6*3
	if reads > allowed || looks > 4*uint64(allowed) {
		t.Errorf("%d reads and %d system calls in five replugs, at most %d and %d", reads, looks, allowed, 4*allowed)
	}
}

// A line that announces bytes and has none, as some adapters do when they die,
// is gone after a few reads.
func TestAnnouncesBytesAndHasNone(t *testing.T) {
	p := newLine(t).open()
	term, err := unix.IoctlGetTermios(p.side, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	term.Cc[unix.VMIN], term.Cc[unix.VTIME] = 0, 0 // reads end at once, with nothing
	if err := unix.IoctlSetTermios(p.side, unix.TCSETS, term); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	for i := 1; ; i++ {
		_, err := p.take(b)
		if i < hasty && err != nil {
			t.Fatalf("read %d: %v", i, err)
		}
		if i == hasty {
			if !errors.Is(err, ErrGone) {
				t.Errorf("read %d: %v, want ErrGone", i, err)
			}
			return
		}
	}
}

// The node behind the stable name changes its number, because another device
// took the old one; the port was closed before its loss was told.
func TestRenumbered(t *testing.T) {
	l := newLine(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type opening struct {
		port *Port
		node string
	}
	opened := make(chan opening, 1)
	lost := make(chan error, 100)
	var last *Port // owned by Keep's goroutine
	done := make(chan error, 1)
	go func() {
		done <- Keep(ctx, l.config(), func(ctx context.Context, p *Port) error {
			last = p
			node, err := filepath.EvalSymlinks(p.Path())
			if err != nil {
				return err
			}
			opened <- opening{p, node}
			return readOn(ctx, p)
		}, func(err error) {
			if _, readErr := last.Read(make([]byte, 1), 0); !errors.Is(readErr, ErrClosed) {
				err = errors.Join(err, errOpen)
			}
			select {
			case lost <- err:
			default:
			}
		})
	}()
	first := <-opened
	l.Unplug()
	if err := <-lost; !errors.Is(err, ErrGone) || errors.Is(err, errOpen) {
		t.Errorf("lost with %v", err)
	}
	thief := newLine(t) // takes the number that has become free, unless another program did
	for range 16 {
		if node, err := filepath.EvalSymlinks(thief.Link()); err != nil || node == first.node {
			break
		}
		thief = newLine(t)
	}
	l.plug()
	second := <-opened
	if first.node == second.node {
		t.Errorf("both times %s: the number did not change", first.node)
	}
	thief.send("NOT OURS")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for len(lost) > 0 {
		if err := <-lost; errors.Is(err, errOpen) || errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	}
}

var errOpen = errors.New("the old port was still open")

// readOn reads until the port is gone or ctx ends.
func readOn(ctx context.Context, p *Port) error {
	b := make([]byte, 64)
	for ctx.Err() == nil {
		if _, err := p.Read(b, tick); err != nil {
			return err
		}
	}
	return nil
}

// Two scanners of one lane: what hangs on one port does not reach the other.
func TestTwoPortsAtOnce(t *testing.T) {
	in, out := newLine(t), newLine(t)
	p, q := in.open(), out.open()
	hung := make(chan error, 1)
	go func() {
		_, err := p.Write(make([]byte, 1<<20)) // nobody reads it
		hung <- err
	}()
	for range 20 {
		out.send("A CODE")
		if got := readAll(t, q, 6); got != "A CODE" {
			t.Fatalf("read %q", got)
		}
		if _, err := q.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	in.Unplug()
	if err := <-hung; !errors.Is(err, ErrGone) {
		t.Errorf("the hung write ended with %v", err)
	}
	out.send("STILL HERE")
	if got := readAll(t, q, 10); got != "STILL HERE" {
		t.Errorf("read %q", got)
	}
}

// The rate changes while the port is open; it stays locked and keeps what came.
func TestSetBaud(t *testing.T) {
	l := newLine(t)
	p := l.open()
	for _, baud := range Rates() {
		l.send("KEPT")
		if err := p.SetBaud(baud); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Speed(); err != nil || got != baud || p.Baud() != baud {
			t.Errorf("set to %d: the line is at %d, the port says %d, %v", baud, got, p.Baud(), err)
		}
		if _, err := Open(l.config()); !errors.Is(err, ErrBusy) {
			t.Errorf("second Open at %d gave %v", baud, err)
		}
		if got := readAll(t, p, 4); got != "KEPT" {
			t.Errorf("read %q", got)
		}
	}
	if err := p.SetBaud(250000); !errors.Is(err, ErrBaud) {
		t.Errorf("SetBaud(250000) = %v", err)
	}
	l.Unplug()
	if err := p.SetBaud(9600); !errors.Is(err, ErrGone) {
		t.Errorf("SetBaud of a port that is gone = %v", err)
	}
	closes(t, p)
	if err := p.SetBaud(9600); !errors.Is(err, ErrClosed) {
		t.Errorf("SetBaud after Close = %v", err)
	}
}
